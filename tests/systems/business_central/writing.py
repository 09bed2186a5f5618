"""Our writers on an emulator that runs, and steps for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from mlconnector.model import Flow, Mapped, Outcome, Skip, Step
from mlconnector.pairs import field_hash
from mlconnector.sandbox import Reply, Request, Running
from mlconnector.systems.base import Target
from mlconnector.systems.business_central.emulator import BusinessCentral

from .connecting import Client

OPTIONS: Mapping[str, Any] = {
    "conflict": "source",
    "too_long": "clip",
    "document": "order",
    "on_unwon": "flag",
    "rounding": "0.05",
    "currency_differs": "hold",
}


@dataclass
class Desk:
    """A connected company. Each call is a run of its own, with a writer of its own."""

    emulator: BusinessCentral
    client: Client
    options: dict[str, Any] = field(default_factory=lambda: dict(OPTIONS))

    def target(self, into: str, **options: Any) -> Target:
        """As at the start of a run."""
        flow = Flow("f", "crm", "any", "erp", into, lambda change: Skip("unused", ""))
        return self.client.connect().target(flow, SimpleNamespace(**{**self.options, **options}))

    def write(self, into: str, *steps: Step, **options: Any) -> list[Outcome]:
        return list(self.target(into, **options).write(into, steps))

    def one(self, into: str, step: Step, **options: Any) -> Outcome:
        return self.write(into, step, **options)[0]

    def find(self, into: str, *keys: str) -> dict[str, list[str]]:
        found = self.target(into).find(into, keys)
        return {key: list(ids) for key, ids in found.items() if ids}

    def id(self, entity_set: str, number: str) -> str:
        return str(self.emulator.row(entity_set, number)["id"])

    def calls(self, method: str = "", path: str = "") -> list[Any]:
        """Log entries of one method with a text in their path; those for tokens are left out."""
        return [
            entry
            for entry in self.emulator.log
            if not entry.path.endswith("/token") and method in ("", entry.method) and path in entry.path
        ]


@contextmanager
def running(emulator: BusinessCentral) -> Iterator[Desk]:
    """The emulator on a port, and a desk for it; its clock stands as in `connecting`."""
    with Running(emulator) as server:
        yield Desk(emulator, Client(server.url, emulator.clock.now))


def mapped(key: str, body: Mapping[str, Any], match: Sequence[str] = ()) -> Mapped:
    return Mapped(key, dict(body), b"", match=tuple(match))


def create(
    source_id: str, /, match: Sequence[str] = (), refs: Mapping[str, str] | None = None, **body: Any
) -> Step:
    """Nothing is linked yet."""
    return Step("create", source_id, mapped(f"any:{source_id}", body, match), refs=refs or {})


def update(
    source_id: str,
    target_id: str,
    /,
    seen: Mapping[str, Any] | None = None,
    changed: Sequence[str] | None = None,
    refs: Mapping[str, str] | None = None,
    **body: Any,
) -> Step:
    """A linked record: `seen` are the counterpart's fields from when both were last in step."""
    return Step(
        "update",
        source_id,
        mapped(f"any:{source_id}", body),
        target_id,
        changed=frozenset(body if changed is None else changed) if seen is not None else None,
        seen={name: field_hash(value) for name, value in (seen or {}).items()},
        refs=refs or {},
    )


class NoBatch(BusinessCentral):
    """Answers a `$batch` as servers do that have none: with a status, or in another format (`multipart`)."""

    status = 404

    def answer(self, request: Request) -> Reply:
        if not request.path.endswith("/$batch"):
            return super().answer(request)
        if self.status == 200:
            return Reply(200, b"--batch_1--", {"Content-Type": "multipart/mixed; boundary=batch_1"})
        return Reply(self.status, b"<html>none</html>", {"Content-Type": "text/html"})


def deal(number: int, **body: Any) -> dict[str, Any]:
    """A won deal as a mapped document: two desks at 990 less a tenth, and a comment."""
    return {
        "externalDocumentNumber": f"PD-{number}",
        "date": "2026-07-01",
        "currency": "EUR",
        "pricesIncludeTax": False,
        "lines": [DESKS, {"comment": "gift wrap"}],
        "discount": Decimal(0),
        "total": Decimal(1782),
        **body,
    }


DESKS: Mapping[str, Any] = {
    "line": "1",
    "item": "1896-S",
    "quantity": Decimal(2),
    "unitPrice": Decimal(990),
    "discountPercent": Decimal(10),
}
CHAIRS: Mapping[str, Any] = {
    "line": "2",
    "ref": "item:5",
    "quantity": Decimal(4),
    "unitPrice": Decimal("192.5"),
}


@dataclass
class Office:
    """Documents of one customer, made by a flow of `kind` (order or invoice)."""

    desk: Desk
    kind: str = "order"

    @property
    def rows(self) -> str:
        return "salesOrders" if self.kind == "order" else "salesInvoices"

    @property
    def lines_set(self) -> str:
        return "salesOrderLines" if self.kind == "order" else "salesInvoiceLines"

    def step(self, number: int, target_id: str | None = None, memo: Any = None, **body: Any) -> Step:
        """A deal that is to have its document: a new one, or the one it has."""
        refs = {"customer": self.desk.id("customers", "10000"), "item:5": self.desk.id("items", "1900-S")}
        made = mapped(f"document:PD-{number}", deal(number, **body))
        return Step("update" if target_id else "create", str(number), made, target_id, memo=memo, refs=refs)

    def write(self, *steps: Step, **options: Any) -> list[Outcome]:
        return self.desk.write("document", *steps, document=self.kind, **options)

    def one(self, step: Step, **options: Any) -> Outcome:
        return self.write(step, **options)[0]

    def row(self, target_id: str | None) -> dict[str, Any]:
        """A document as it is there."""
        kind, _, id = (target_id or "").partition("/")
        return self.desk.emulator.row("salesOrders" if kind == "order" else "salesInvoices", id)

    def lines(self, target_id: str | None) -> list[tuple[Any, ...]]:
        """Object, quantity, price and discount of each line; of a comment its text."""
        kind, _, id = (target_id or "").partition("/")
        rows = self.desk.emulator.rows("salesOrderLines" if kind == "order" else "salesInvoiceLines")
        own = sorted((row for row in rows if row["documentId"] == id), key=lambda row: row["sequence"])
        return [
            (row["description"],)
            if row["lineType"] == "Comment"
            else (row["lineObjectNumber"], row["quantity"], row["unitPrice"], row["discountAmount"])
            for row in own
        ]

    def all(self, number: int = 1) -> list[str]:
        """Ids of all documents of a deal."""
        key = f"document:PD-{number}"
        return self.desk.find("document", key).get(key, [])

    def left(self, document: str) -> dict[str, Any]:
        """How a document is said to have been left: as it is now."""
        try:
            row = self.row(document)
        except KeyError:
            return {}
        return {"at": row["lastModifiedDateTime"], "total": str(row["totalAmountExcludingTax"])}

    def post(self, document: str, *, posted: str | None = None, memo: Any = None, **body: Any) -> Outcome:
        """A run of the flow of postings."""
        made = mapped("posting:1", {"document": self.kind, **self.left(document), **body})
        step = Step(
            "update" if posted else "create", "1", made, posted, memo=memo, refs={"document": document}
        )
        return self.desk.one("posting", step)
