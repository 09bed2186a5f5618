"""Makes and changes draft sales orders and invoices (fact sheet 2.9 to 2.12, 2.16, 4.4).

A document is made by one deep insert and never made again without a clear answer: its external document number is what
the next run looks for. Lines of a document are changed one after the other (trap T42).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol, cast

from mlconnector.errors import ConnectorError, Later, Rejected, Stop, Uncertain
from mlconnector.http import Answer
from mlconnector.model import Mapped, Outcome, Status, Step
from mlconnector.systems.business_central.api import Api, Part
from mlconnector.systems.business_central.batch import carry_out
from mlconnector.systems.business_central.codes import Codes
from mlconnector.systems.business_central.drafts import Draft
from mlconnector.systems.business_central.find import DOCUMENT_LENGTH, DOCUMENT_SETS, Finder, rows_where
from mlconnector.systems.business_central.lines import LineChange, line_changes, read_lines
from mlconnector.systems.business_central.look import documents_called, tell_document
from mlconnector.systems.business_central.state import (
    LINES,
    Document,
    described,
    find_successor,
    flagged,
    of_answer,
    read_document,
    split_id,
)
from mlconnector.systems.business_central.values import Fitting, code_of, reason_of, same
from mlconnector.systems.business_central.write import refused, unclear

ROUNDS = 6
"""Header, lines and discount, each read again after it was written, and room for somebody who is quicker."""
_NOT_WON = frozenset({"not-won", "gone"})
"""Why a draft may be deleted. A deal that is won and left out for another reason keeps it."""
DELETED_HERE: Mapping[str, Any] = {}
"""The memo of a document that this connection deleted: if its deal is won again, it is made again."""
_DATES = {"order": "orderDate", "invoice": "invoiceDate"}
_REFERENCE_LENGTH = 35


class Options(Protocol):
    """What the flow says. `rounding` is in the document's currency, without tax."""

    document: str
    on_unwon: str
    rounding: Any
    currency_differs: str


class DocumentWriter:
    """The Target of one flow of documents.

    A draft follows its deal: when that changes, what people changed in the draft's lines meanwhile is undone.
    """

    def __init__(self, api: Api, codes: Codes, options: Options) -> None:
        self._api = api
        self._codes = codes
        self._options = options
        self._rounding = Decimal(str(options.rounding))
        self._fitting = Fitting(codes, getattr(options, "too_long", "clip"))

    def place(self) -> str:
        """The company and its environment."""
        return self._api.place()

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Ids by `document:<external document number>`, among drafts and posted ones; see Finder.find."""
        return Finder(self._api).find(entity, keys)

    def resolve(self, entity: str, text: str) -> Sequence[str]:
        """Ids by the document's own number; see Resolves."""
        return documents_called(self._api, text.strip())

    def tell(self, entity: str, id: str) -> Mapping[str, str]:
        """How a document stands; see Tells."""
        return tell_document(self._api, id)

    def write(self, entity: str, steps: Sequence[Step]) -> Sequence[Outcome]:
        """One chunk; see Target. Its documents are written one after the other."""
        outcomes: dict[str, Outcome] = {}
        try:
            new: list[Draft] = []
            for step in steps:
                done = self._written(step)
                if isinstance(done, Draft):
                    new.append(done)
                else:
                    outcomes[step.source_id] = done
            self._make(new, outcomes)
        except (Later, Stop) as error:
            error.settled = dict(outcomes)
            raise
        return [outcomes[step.source_id] for step in steps]

    def foretell(self, entity: str, step: Step) -> Outcome:
        """As `write` would do, up to the first call that changes something; see Foretells."""
        rehearsal = DocumentWriter(cast(Api, _Reading(self._api)), self._codes, self._options)
        then = "-post" if getattr(self._options, "post", False) else ""
        try:
            done = rehearsal._written(step)
        except _WouldWrite as what:
            return Outcome("planned", step.target_id, "remove" if str(what) == "DELETE" else f"update{then}")
        if isinstance(done, Draft):
            return Outcome("planned", code=f"create{then}")
        code = {"removed": "remove", "failed": "flag", "unknown": "flag"}.get(done.status, "leave")
        return Outcome("planned", step.target_id, "link" if step.action == "link" else code, done.reason)

    def _written(self, step: Step) -> Outcome | Draft:
        """What became of a document that is there; the Draft of one that is to be made."""
        try:
            mapped = step.mapped
            if mapped is None:
                return self._remove(step)
            if step.memo == DELETED_HERE:
                step = replace(step, target_id=self._found_again(mapped))
            draft = self._draft(step, mapped)
            return self._update(draft) if step.target_id else draft
        except Rejected as error:
            return _refused(step, error)
        except Uncertain as error:
            return unclear(step, error)

    def _found_again(self, mapped: Mapped) -> str | None:
        """Of a deal whose draft was deleted here and that is won again: what there is by its number."""
        found = self.find("document", [mapped.key]).get(mapped.key, ())
        return found[0] if found else None

    def _draft(self, step: Step, mapped: Mapped) -> Draft:
        """Raises Rejected for what would be refused."""
        body = mapped.body
        kind = split_id(step.target_id)[0] if step.target_id else self._options.document
        header = dict(self._header(kind, body, step.refs.get("customer", "")))
        lines = read_lines(body.get("lines") or (), step.refs, self._fitting)
        total = body.get("total")
        return Draft(
            step=step,
            header=header,
            lines=lines,
            currency=str(body.get("currency") or "").strip().upper(),
            discount=Decimal(body.get("discount") or 0),
            total=None if total is None else Decimal(total),
            notes=self._fitting.take_notes(),
        )

    def _header(self, kind: str, body: Mapping[str, Any], customer: str) -> Iterator[tuple[str, Any]]:
        """In page order (section 2.16)."""
        number = str(body["externalDocumentNumber"]).strip().upper()
        if not 0 < len(number) <= DOCUMENT_LENGTH:
            reason = f"its external document number must have 1 to {DOCUMENT_LENGTH} characters"
            raise Rejected(reason, code="too-long" if number else "missing-field")
        yield "externalDocumentNumber", number
        if body.get("date"):
            yield _DATES[kind], str(body["date"])
        if kind == "invoice" and body.get("reference"):
            text = self._fitting.text("reference", body["reference"], _REFERENCE_LENGTH)
            yield "customerPurchaseOrderReference", text
        yield "customerId", customer.lower()
        if kind == "order":  # of an invoice it cannot be set; a wrong total shows there
            yield "pricesIncludeTax", bool(body.get("pricesIncludeTax", False))

    # new ones

    def _make(self, drafts: Sequence[Draft], outcomes: dict[str, Outcome]) -> None:
        kind = self._options.document
        ready = list(self._with_currency(drafts, outcomes))
        url = self._api.address(DOCUMENT_SETS[kind], {"$expand": LINES[kind]})
        parts = [Part("POST", url, draft.insert(LINES[kind])) for draft in ready]
        made: list[tuple[Draft, Document]] = []
        request_ids: dict[str, str] = {}
        trouble: ConnectorError | None = None
        for draft, result in zip(ready, carry_out(self._api, parts), strict=True):
            if isinstance(result, Answer):
                made.append((draft, of_answer(kind, result)))
                request_ids[draft.step.source_id] = result.request_id
            elif isinstance(result, Rejected):
                outcomes[draft.step.source_id] = _refused(draft.step, result)
            elif isinstance(result, Uncertain):
                outcomes[draft.step.source_id] = unclear(draft.step, result)
            else:
                trouble = result
        if trouble is not None:  # what was made before it is found and looked at by the next run
            raise trouble
        for draft, document in self._discount_all(made):
            done, id = self._finished(draft, document), draft.step.source_id
            outcomes[id] = replace(done, request_id=done.request_id or request_ids[id])

    def _with_currency(self, drafts: Sequence[Draft], outcomes: dict[str, Outcome]) -> Iterator[Draft]:
        """Those whose currency is settled; customers are read once a chunk."""
        theirs = self._currencies_of({draft.customer for draft in drafts})
        for draft in drafts:
            try:
                yield replace(draft, currency=self._currency(draft, theirs.get(draft.customer, "")))
            except Rejected as error:
                outcomes[draft.step.source_id] = _refused(draft.step, error)

    def _currencies_of(self, customers: Collection[str]) -> Mapping[str, str]:
        """By the customer's id."""
        rows = rows_where(self._api, "customers", "id", sorted(customers), ["id", "number", "currencyCode"])
        return {str(row["id"]).lower(): str(row["currencyCode"]) for row in rows}

    def _currency(self, draft: Draft, theirs: str) -> str:
        """The document's, as records show it; Rejected where it must not differ from the customer's (section 2.17, trap
        T13)."""
        if draft.currency == theirs.upper():
            return theirs
        wanted = self._codes.currency(draft.currency)
        if theirs and wanted != theirs and self._options.currency_differs == "hold":
            raise Rejected(
                f"the deal is in {wanted}, and the customer's currency is {theirs}", code="currency-differs"
            )
        return wanted

    def _wanted_currency(self, draft: Draft, document: Document) -> str:
        """Of a draft that is there. What counts is the customer's, who may be another one now."""
        theirs = str(document.row["currencyCode"])
        if draft.currency == theirs.upper() and same(document.row.get("customerId"), draft.customer):
            return theirs
        if self._options.currency_differs != "hold":
            return self._currency(draft, theirs)
        return self._currency(draft, self._currencies_of([draft.customer]).get(draft.customer, theirs))

    def _is_in_currency(self, draft: Draft, document: Document) -> bool:
        theirs = str(document.row["currencyCode"])
        try:
            return draft.currency == theirs.upper() or self._codes.currency(draft.currency) == theirs
        except Rejected:
            return False

    def _discount_all(self, made: Sequence[tuple[Draft, Document]]) -> list[tuple[Draft, Document]]:
        """A discount needs lines, so it comes after them; the documents as the answers have them."""
        parts = [self._discount(draft, document) for draft, document in made if draft.discount]
        results = iter(carry_out(self._api, parts))
        now: list[tuple[Draft, Document]] = []
        for draft, document in made:
            result = next(results) if draft.discount else None
            if isinstance(result, Stop | Later):
                raise result
            answered = of_answer(document.kind, result).row if isinstance(result, Answer) else {}
            now.append((draft, replace(document, row={**document.row, **answered})))
        return now

    def _finished(self, draft: Draft, document: Document) -> Outcome:
        """A document that was just made, compared with the deal.

        It is read again if the answer may have the totals of before its lines (section 4.4) or of its discount.
        """
        if self._is_in_order(draft, document):
            return self._settled(draft, document, "created")
        try:
            return self._update(draft, document.target_id, "created")
        except (Rejected, Uncertain) as error:
            reason = f"{document.name} was made, and then: {error.message}"
            code = error.code if isinstance(error, Rejected) else "no-answer"
            status: Status = "failed" if isinstance(error, Rejected) else "unknown"
            memo = _left(document)
            return Outcome(status, document.target_id, code, reason, request_id=error.request_id, memo=memo)

    # drafts that are there

    def _update(self, draft: Draft, target_id: str = "", status: Status = "unchanged") -> Outcome:
        """Brings a draft in step, and compares it with the deal then. What is due is found anew after each write."""
        target_id = target_id or draft.step.target_id or ""
        is_ours = status == "created" or "at" in (draft.step.memo or {})
        for left in range(ROUNDS, -1, -1):
            document = read_document(self._api, target_id)
            if document is None:
                return self._posted_since(draft, target_id)
            if draft.step.action == "link":
                return self._linked(draft, document)
            if not is_ours and (held := self._foreign(draft, document)):
                return held
            is_ours = True
            if document.condition != "draft":
                return self._closed(draft, document)
            due = self._due(draft, document) if left else []
            if not due:
                return self._settled(draft, document, status)
            status = "created" if status == "created" else "updated"
            self._send_all(due)
        raise AssertionError("the last round ends")

    def _foreign(self, draft: Draft, document: Document) -> Outcome | None:
        """Of a document that was only found by its number: None if it says what the deal does, as one of ours would
        whose answer got lost. A discount may be missing, which comes after the lines."""
        row = document.row
        alike = same(row.get("customerId"), draft.customer) and self._is_in_currency(draft, document)
        discount = any(same(row.get("discountAmount", 0), one) for one in (0, draft.discount))
        if alike and discount and not line_changes(document.lines, draft.lines):
            return None
        reason = f"{document.name} has its number and says something else than the deal; it was not changed"
        return Outcome("failed", code="document-not-ours", reason=reason)

    def _linked(self, draft: Draft, document: Document) -> Outcome:
        """It counts as ours from then on if it says what the deal does."""
        agrees = self._foreign(draft, document) is None and self._is_in_order(draft, document)
        memo = _left(document) if agrees else None
        return Outcome("unchanged", document.target_id, code="linked", memo=memo)

    def _send_all(self, parts: Sequence[Part]) -> None:
        """One after the other, until somebody else was quicker."""
        try:
            for part in parts:
                self._api.send(part)
        except Rejected as error:
            if error.code not in ("changed-meanwhile", "not-found"):
                raise

    def _closed(self, draft: Draft, document: Document) -> Outcome:
        """Released or posted: it is flagged unless it says the same as the deal."""
        apart = list(self._apart(draft, document))
        return flagged(document, apart) if apart else self._settled(draft, document, "unchanged")

    def _apart(self, draft: Draft, document: Document) -> Iterator[str]:
        """What of it says something else than the deal."""
        row = document.row
        if str(row.get("externalDocumentNumber", "")).upper() != draft.header["externalDocumentNumber"]:
            yield "external number"
        if not same(row.get("customerId"), draft.customer):
            yield "customer"
        if not self._is_in_currency(draft, document):
            yield "currency"
        if line_changes(document.lines, draft.lines):
            yield "lines"
        if not self._is_in_order(draft, document):
            yield "total"

    def _due(self, draft: Draft, document: Document) -> list[Part]:
        """The next calls: the header, then the lines, then the discount that is spread over them."""
        url = document.address(self._api)
        wanted = draft.header_in(self._wanted_currency(draft, document))
        header = {name: value for name, value in wanted.items() if not same(document.row.get(name), value)}
        if header:
            return [Part("PATCH", url, header, document.etag)]
        if changes := line_changes(document.lines, draft.lines):
            return [self._line_part(document, change) for change in changes]
        if not same(document.row.get("discountAmount", 0), draft.discount):
            return [self._discount(draft, document)]
        return []

    def _discount(self, draft: Draft, document: Document) -> Part:
        return Part("PATCH", document.address(self._api), {"discountAmount": draft.discount}, document.etag)

    def _line_part(self, document: Document, change: LineChange) -> Part:
        if not change.row:
            return Part("POST", f"{document.address(self._api)}/{LINES[document.kind]}", change.body)
        url = self._api.address(LINES[document.kind], {}, str(change.row["id"]))
        etag = str(change.row.get("@odata.etag", ""))
        return Part("PATCH", url, change.body, etag) if change.body else Part("DELETE", url, None, etag)

    def _posted_since(self, draft: Draft, target_id: str) -> Outcome:
        """Of an order that is gone: the invoice that it became is flagged unless it says the same as the deal."""
        number = draft.header["externalDocumentNumber"]
        invoice = find_successor(self._api, target_id, external_number=number)
        whole = read_document(self._api, invoice.target_id) if invoice is not None else None
        return self._gone(target_id, number) if whole is None else self._closed(draft, whole)

    def _gone(self, target_id: str, external_number: str) -> Outcome:
        """Posted since, or deleted by somebody; it is not made anew."""
        invoice = find_successor(self._api, target_id, external_number=external_number)
        if invoice is not None:
            return flagged(invoice)
        reason = "its document is not there any more; it is not created again"
        return Outcome("failed", target_id, code="document-gone", reason=reason)

    # the deal is not won any more, or the flow leaves it out

    def _remove(self, step: Step) -> Outcome:
        """Deletes a draft that nobody touched since this connection wrote it, or flags it, as the flow says.

        Only of a deal that is not won: that of one which is left out by now is for a person to decide about.
        """
        if not step.target_id:
            return Outcome("removed", code="already-away")
        document = read_document(self._api, step.target_id)
        if document is None:
            gone = self._gone(step.target_id, (step.was_key or "").partition(":")[2])
            if gone.code != "document-posted":
                return Outcome("removed", step.target_id, "already-away")
            return gone if step.why in _NOT_WON else _left_out(gone.target_id)
        if step.why not in _NOT_WON:
            return _left_out(document.target_id, "" if document.condition == "posted" else document.name)
        if document.condition != "draft":
            return flagged(document, why="its deal is not won any more; ")
        if self._options.on_unwon != "delete":
            reason = f"its deal is not won any more; {document.name} is still there, as a draft"
            return Outcome("failed", document.target_id, code="not-won-any-more", reason=reason)
        if (step.memo or {}).get("at") != document.row.get("lastModifiedDateTime"):
            reason = f"its deal is not won any more, and somebody changed {document.name}: it was not deleted"
            return Outcome("failed", document.target_id, code="document-touched", reason=reason)
        return self._delete(step, document)

    def _delete(self, step: Step, document: Document) -> Outcome:
        try:
            answer = self._api.send(Part("DELETE", document.address(self._api), None, document.etag))
        except Rejected as error:
            if error.code != "not-found":
                raise
            return Outcome("removed", document.target_id, code="already-away", memo=DELETED_HERE)
        return Outcome("removed", document.target_id, request_id=answer.request_id, memo=DELETED_HERE)

    # compared with the deal

    def _is_in_order(self, draft: Draft, document: Document) -> bool:
        discount = same(document.row.get("discountAmount", 0), draft.discount)
        return discount and not self._difference(draft, document)

    def _difference(self, draft: Draft, document: Document) -> Decimal:
        """How far its total without tax is from the deal's; 0 within the limit."""
        if draft.total is None:
            return Decimal(0)
        apart = abs(Decimal(document.row["totalAmountExcludingTax"]) - draft.total)
        return apart if apart > self._rounding else Decimal(0)

    def _settled(self, draft: Draft, document: Document, status: Status) -> Outcome:
        memo = _left(document)
        if self._difference(draft, document):
            reason = (
                f"{document.name} comes to {document.row['totalAmountExcludingTax']} without tax,"
                f" the deal to {draft.total}; it stays a draft"
            )
            return Outcome("failed", document.target_id, "total-differs", reason, memo=memo)
        told = described(document) if status in ("created", "updated") else ""
        reason = reason_of(draft.notes) or told
        return Outcome(status, document.target_id, code_of(draft.notes), reason, memo=memo)


class _WouldWrite(Exception):
    """A call that would change something was about to be made."""


class _Reading:
    """An Api that reads and does not write."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def send(self, part: Part) -> Answer:
        if part.method != "GET":
            raise _WouldWrite(part.method)
        return self._api.send(part)


def _refused(step: Step, error: Rejected) -> Outcome:
    """What Business Central misses is a field of its own set-up (a posting group): nothing in the deal fills it."""
    outcome = refused(step, error)
    return (
        replace(outcome, code="business-rule") if error.answer and error.code == "missing-field" else outcome
    )


def _left_out(target_id: str | None, name: str = "") -> Outcome:
    """Of a won deal that the flow leaves out by now; what is posted is done, and nobody has to see to it."""
    if not name:
        return Outcome(
            "skipped", target_id, code="excluded", reason="the flow leaves it out; it was invoiced"
        )
    reason = f"its deal is won, and the flow leaves it out by now; {name} is still there"
    return Outcome("failed", target_id, code="excluded-now", reason=reason)


def _left(document: Document) -> dict[str, Any]:
    """The memo of a document as this connection leaves it: only as such it is deleted, and posted."""
    total = Decimal(document.row["totalAmountExcludingTax"])
    return {"at": document.row.get("lastModifiedDateTime"), "total": f"{total.normalize():f}"}
