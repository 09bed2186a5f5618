"""Posts sales documents: looks how they stand, then acts once (fact sheet 2.9, 2.11).

An action is never repeated without a clear answer. The next run looks at the document: it shows whether it was posted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from mlconnector.errors import Later, Rejected, Stop, Uncertain
from mlconnector.model import Outcome, Status, Step, Tools
from mlconnector.systems.business_central.api import Api, Part
from mlconnector.systems.business_central.look import documents_called, tell_document
from mlconnector.systems.business_central.state import (
    Document,
    described,
    find_invoice,
    find_invoice_of,
    find_successor,
    read_document,
    split_id,
)
from mlconnector.systems.business_central.write import A_WHILE, refused, unclear

ACTIONS: Mapping[str, str] = {"order": "shipAndInvoice", "invoice": "post"}
_FAMILIES = frozenset({"business-rule", "missing-field", "related-record-not-found", "needs-confirmation"})


class PostingWriter:
    """The Target of one flow of postings: `refs["document"]` is the document to post; the body says how it was left."""

    def __init__(self, api: Api, tools: Tools) -> None:
        self._api = api
        self._now = tools.now

    def place(self) -> str:
        """The company and its environment."""
        return self._api.place()

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Nothing: whether a document was posted is seen from the document itself."""
        return {}

    def resolve(self, entity: str, text: str) -> Sequence[str]:
        """Ids by the document's own number; see Resolves."""
        return documents_called(self._api, text.strip())

    def tell(self, entity: str, id: str) -> Mapping[str, str]:
        """How a document stands; see Tells."""
        return tell_document(self._api, id)

    def write(self, entity: str, steps: Sequence[Step]) -> Sequence[Outcome]:
        """One chunk; see Target. One document after the other."""
        outcomes: dict[str, Outcome] = {}
        try:
            for step in steps:
                outcomes[step.source_id] = self._write(step)
        except (Later, Stop) as error:
            error.settled = dict(outcomes)
            raise
        return [outcomes[step.source_id] for step in steps]

    def foretell(self, entity: str, step: Step) -> Outcome:
        """Looks at the document as `write` does; see Foretells."""
        if step.mapped is None:
            return Outcome("planned", step.target_id, "leave" if not step.target_id else "flag")
        document = self._to_post(step, step.target_id or step.refs["document"])
        if isinstance(document, Document):
            return Outcome("planned", step.target_id, "post", described(document))
        code = "flag" if document.status == "failed" else "leave"
        return Outcome("planned", step.target_id, code, document.reason)

    def _write(self, step: Step) -> Outcome:
        if step.mapped is None:
            return _stays_posted(step)
        try:
            return self._post(step, step.target_id or step.refs["document"])
        except Rejected as error:
            return refused(step, error)
        except Uncertain as error:
            return unclear(step, error)

    def _post(self, step: Step, target_id: str) -> Outcome:
        document = self._to_post(step, target_id)
        if isinstance(document, Outcome):
            return document
        url = f"{document.address(self._api)}/Microsoft.NAV.{ACTIONS[document.kind]}"
        try:
            answer = self._api.send(Part("POST", url, None, document.etag))
        except Rejected as error:
            if error.code == "not-found":  # somebody was quicker
                return self._found_gone(step, target_id)
            return self._refused(document, error)
        except Uncertain as error:  # an order that was posted is gone: by its number the invoice is found
            return replace(unclear(step, error), memo={"number": document.number})
        posted = self._as_posted(document)
        if posted is None:
            reason = f"{document.name} was posted, and its invoice is not to be seen yet"
            return Outcome("unknown", code="invoice-not-found", reason=reason, request_id=answer.request_id)
        status: Status = "updated" if step.target_id else "created"
        reason = described(posted)
        return Outcome(status, posted.target_id, code="posted", reason=reason, request_id=answer.request_id)

    def _to_post(self, step: Step, target_id: str) -> Document | Outcome:
        """The document if it is to be posted; else what became of it, or why it is not."""
        document = read_document(self._api, target_id)
        if document is None:
            return self._found_gone(step, target_id)
        if document.condition == "posted":
            return _posted_before(document)
        return _why_not(document) or _touched(step, document) or document

    def _as_posted(self, document: Document) -> Document | None:
        """The invoice with its final number; None if that of an order is not to be seen yet."""
        if document.kind == "order":
            return find_invoice_of(self._api, document.number)
        with suppress(Later, Rejected):  # it was posted: what it is called by now is only for the eye
            return find_invoice(self._api, document.id) or document
        return document

    def _found_gone(self, step: Step, target_id: str) -> Outcome:
        """An order disappears when it is posted (trap T21); `externalDocumentNumber` in the body helps to find it."""
        body = step.mapped.body if step.mapped is not None else {}
        invoice = find_successor(
            self._api,
            target_id,
            number=str((step.memo or {}).get("number") or ""),
            external_number=str(body.get("externalDocumentNumber") or ""),
        )
        if invoice is not None:
            return _posted_before(invoice)
        reason = "its document is not there any more, and no invoice was made of it"
        return Outcome("failed", code="document-gone", reason=reason)

    def _refused(self, document: Document, error: Rejected) -> Outcome:
        """What cannot be posted as it is; that a draft is wanted means that it was posted (section 2.11)."""
        if document.kind == "invoice" and "draft invoice only" in error.message:
            return _posted_before(document)
        code = "posting-refused" if error.code in _FAMILIES else error.code
        due = self._now() + A_WHILE if code == "changed-meanwhile" else None
        reason = f"{document.name} was not posted: {error.message}"
        refusal = Outcome("failed", code=code, reason=reason, retry_at=due)
        return replace(refusal, request_id=error.request_id, answer=error.answer)


def _posted_before(document: Document) -> Outcome:
    reason = f"{document.name} was posted already"
    return Outcome("unchanged", document.target_id, code="posted", reason=reason)


def _why_not(document: Document) -> Outcome | None:
    """Why a document is not posted although it could be."""
    if any(row.get("shippedQuantity") or row.get("invoicedQuantity") for row in document.lines):
        reason = (
            f"{document.name} was shipped or invoiced in part by somebody; post the rest in Business Central"
        )
        return Outcome("failed", code="partly-posted", reason=reason)
    if not any(row.get("quantity") for row in document.lines):
        return Outcome(
            "failed", code="nothing-to-post", reason=f"{document.name} has no line with a quantity"
        )
    return None


def _touched(step: Step, document: Document) -> Outcome | None:
    """Not as it was left and compared with its deal. Who releases a document stands for it, but for its total."""
    body = step.mapped.body if step.mapped is not None else {}
    stamp, total = body.get("at"), body.get("total")
    now = document.row["totalAmountExcludingTax"]
    if total is not None and Decimal(total) != Decimal(now):
        reason = f"{document.name} came to {total} without tax and comes to {now} now: it was not posted"
        return Outcome("failed", code="total-differs", reason=reason)
    if stamp and (document.condition == "released" or stamp == document.row.get("lastModifiedDateTime")):
        return None
    reason = f"{document.name} is not as this connection left it: it was not posted"
    return Outcome("failed", code="document-touched", reason=reason)


def _stays_posted(step: Step) -> Outcome:
    if not step.target_id:
        return Outcome("removed", code="already-away")
    kind, id = split_id(step.target_id)
    reason = (
        f"its deal is not won any more, and its {kind} is posted: cancel or credit it in Business Central"
    )
    return Outcome("failed", f"{kind}/{id}", code="document-posted", reason=reason)
