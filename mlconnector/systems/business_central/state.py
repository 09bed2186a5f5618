"""How a sales document stands: a draft, released, posted, or gone (fact sheet 2.9, 2.11, traps T20 and T21)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from mlconnector.errors import Rejected
from mlconnector.http import Answer
from mlconnector.model import Outcome
from mlconnector.systems.business_central.api import RECORD, Api, Part, decode_row
from mlconnector.systems.business_central.find import DOCUMENT_SETS, documents_by_number, rows_where
from mlconnector.systems.business_central.values import decode_option

Row = Mapping[str, Any]
Condition = Literal["draft", "released", "posted"]
LINES: Mapping[str, str] = {"order": "salesOrderLines", "invoice": "salesInvoiceLines"}
_SHOWN = (
    "id", "number", "orderId", "orderNumber", "status", "remainingAmount", "customerNumber", "currencyCode",
    "totalAmountExcludingTax",
)  # fmt: skip
_POSTED = frozenset({"Paid", "Canceled", "Corrective"})


@dataclass(frozen=True, slots=True)
class Document:
    """A sales order or a sales invoice as it was read. `kind` is `order` or `invoice`."""

    kind: str
    row: Row

    @property
    def id(self) -> str:
        """The vendor's."""
        return str(self.row["id"]).lower()

    @property
    def target_id(self) -> str:
        """As the ledger keeps it: `order/<id>` or `invoice/<id>`."""
        return f"{self.kind}/{self.id}"

    @property
    def number(self) -> str:
        """By which people call it."""
        return str(self.row.get("number", ""))

    @property
    def name(self) -> str:
        """In a sentence."""
        return f"sales {self.kind} {self.number}"

    @property
    def etag(self) -> str:
        """Of the state that was read."""
        return str(self.row.get("@odata.etag", ""))

    @property
    def lines(self) -> Sequence[Row]:
        """Its lines, if they were read."""
        return list(self.row.get(LINES[self.kind]) or ())

    @property
    def condition(self) -> Condition:
        """Whether it can be changed; a released draft of an invoice may look like a posted one (section 2.11)."""
        status = decode_option(str(self.row.get("status", "")))
        if status == "Draft":
            return "draft"
        if self.kind == "order" or status == "In Review":
            return "released"
        made_of_order = self.row.get("orderNumber")
        return (
            "posted" if status in _POSTED or made_of_order or self.row.get("remainingAmount") else "released"
        )

    def address(self, api: Api) -> str:
        """Where it is."""
        return api.address(DOCUMENT_SETS[self.kind], {}, self.id)


def described(document: Document) -> str:
    """Which document it is, in a line of a run: number, customer, total."""
    row = document.row
    total = Decimal(row["totalAmountExcludingTax"])
    return f"{document.name}, customer {row['customerNumber']}, {total:.2f} {row['currencyCode']} without tax"


def split_id(target_id: str) -> tuple[str, str]:
    """Kind and id of `order/<id>`."""
    kind, _, id = target_id.partition("/")
    return kind, id.lower()


def read_document(api: Api, target_id: str) -> Document | None:
    """The document with its lines, from the primary; None if it is not there. Raises Rejected, Stop or Later."""
    kind, id = split_id(target_id)
    try:
        url = api.address(DOCUMENT_SETS[kind], {"$expand": LINES[kind]}, id)
        answer = api.send(Part("GET", url))
    except Rejected as error:
        if error.code == "not-found":
            return None
        raise
    return of_answer(kind, answer)


def of_answer(kind: str, answer: Answer) -> Document:
    """The document in the answer to a write or a read."""
    row = decode_row(RECORD, answer.body, answer)
    return Document(kind, row)


def find_invoice_of(api: Api, order_number: str) -> Document | None:
    """The posted invoice that an order became (trap T21)."""
    return _last(rows_where(api, "salesInvoices", "orderNumber", [order_number], _SHOWN))


def find_invoice(api: Api, id: str) -> Document | None:
    """A sales invoice without its lines; it gets another number when it is posted."""
    return _last(rows_where(api, "salesInvoices", "id", [id], _SHOWN))


def find_successor(
    api: Api, target_id: str, *, number: str = "", external_number: str = ""
) -> Document | None:
    """Of an order that is gone the posted invoice: by the order's id, its number, or the external document number.

    An invoice keeps its id when it is posted, so it has none.
    """
    kind, id = split_id(target_id)
    if kind != "order":
        return None
    found = _last(rows_where(api, "salesInvoices", "orderId", [id], _SHOWN)) or find_invoice_of(api, number)
    if found is not None or not external_number:
        return found
    documents = documents_by_number(api, [external_number]).get(external_number.upper(), [])
    return _last(row for one, row in documents if one == "invoice" and row.get("orderNumber"))


def _last(rows: Iterable[Row]) -> Document | None:
    """Of several invoices of one order the one that finished it."""
    found = list(rows)
    return Document("invoice", found[-1]) if found else None


def flagged(document: Document, apart: Sequence[str] = (), *, why: str = "") -> Outcome:
    """For a document that cannot be changed any more; it is for a person to see to it. `apart` is what differs."""
    code = f"document-{document.condition}"
    differs = f" and differs from the deal ({', '.join(apart)})" if apart else ""
    reason = f"{why}{document.name} is {document.condition} already{differs}; it was not changed"
    return Outcome("failed", document.target_id, code=code, reason=reason)
