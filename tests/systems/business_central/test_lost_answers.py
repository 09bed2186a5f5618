"""Each answer in making, changing and posting documents gets lost once: never two documents, never posted twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.errors import ConnectorError
from mlconnector.model import Outcome
from mlconnector.systems.business_central.emulator import BusinessCentral

from .writing import CHAIRS, DESKS, Office, running

DONE = ("created", "updated", "unchanged")
RUNS = 6
FIRST: Any = {"discount": Decimal(82), "total": Decimal(1700)}
THEN: Any = {
    "lines": [CHAIRS, {**DESKS, "quantity": Decimal(3)}],
    "discount": Decimal(43),
    "total": Decimal(3400),
}


@dataclass
class Engine:
    """Does with steps what the engine does: looks first, sends, and looks again after an unclear answer."""

    office: Office
    ids: dict[int, str] = field(default_factory=dict)
    posted: dict[int, str] = field(default_factory=dict)
    memos: dict[int, Any] = field(default_factory=dict)

    def settle(self, write: Callable[[], list[Outcome]]) -> list[Outcome]:
        """Runs until everything is clear."""
        for _ in range(RUNS):
            try:
                outcomes = write()
            except ConnectorError:
                continue
            if all(outcome.status in DONE for outcome in outcomes):
                return outcomes
            assert {outcome.status for outcome in outcomes} <= {*DONE, "unknown"}, outcomes
        raise AssertionError("it does not settle")

    def documents(self, *numbers: int, **body: Any) -> None:
        def write() -> list[Outcome]:
            steps = [
                self.office.step(number, self.known(number), self.memos.get(number), **body)
                for number in numbers
            ]
            return self.office.write(*steps)

        for number, outcome in zip(numbers, self.settle(write), strict=True):
            self.ids[number] = outcome.target_id or ""
            self.memos[number] = outcome.memo

    def known(self, number: int) -> str | None:
        if number in self.ids:
            return self.ids[number]
        found = self.office.all(number)
        assert len(found) <= 1
        return found[0] if found else None

    def post(self, number: int) -> None:
        (outcome,) = self.settle(lambda: [self.office.post(self.ids[number])])
        self.posted[number] = outcome.target_id or ""

    def everything(self, first: int) -> None:
        """Two deals are won, both change, the first is invoiced."""
        self.documents(first, first + 1, **FIRST)
        self.documents(first, first + 1, **THEN)
        self.post(first)

    def check(self, first: int) -> None:
        """One document a deal, the first posted once, both with what the deals hold now."""
        office, bc = self.office, self.office.desk.emulator
        invoice, other = self.posted[first], self.ids[first + 1]
        assert (office.all(first), office.all(first + 1)) == ([invoice], [other])
        rows = [row for row in bc.rows("salesInvoices") if row["externalDocumentNumber"] == f"PD-{first}"]
        assert [row["status"] for row in rows] == ["Open"]
        for id in (invoice, other):
            assert office.lines(id) == [("1900-S", 4, Decimal("192.5"), 0), ("1896-S", 3, 990, 297)]
            assert office.row(id)["totalAmountExcludingTax"] == 3400


@pytest.fixture(params=["order", "invoice"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    emulator = BusinessCentral()
    emulator.seed(customers=1, vendors=1)
    emulator.edit("customers", "10000", currencyCode="", blocked="")
    emulator.replica_lag_seconds = 3600.0
    emulator.setup.totals_after_lines = request.param == "order"
    with running(emulator) as desk:
        yield Engine(Office(desk, request.param))


def sweep(engine: Engine, *statuses: int, kind: Any = "status", step: int = 1) -> int:
    """Does everything once for each request of it (or each third), which goes wrong; how many there are."""
    bc, place = engine.office.desk.emulator, 0
    while True:
        bc.faults.clear()
        for status in statuses or (503,):
            bc.fault(kind, status=status, skip=place)
        engine.everything(2 * place + 1)
        if not any(fault.hits for fault in bc.faults):
            return place
        bc.faults.clear()
        engine.check(2 * place + 1)
        place += step


def test_whichever_answer_gets_lost_there_is_one_document_and_it_is_posted_once(engine: Engine) -> None:
    assert sweep(engine, kind="lost-answer") > 20


@pytest.mark.parametrize("kind", ["drop", "cut"])
def test_a_request_or_half_an_answer_may_get_lost_as_well(engine: Engine, kind: Any) -> None:
    assert sweep(engine, kind=kind, step=4) > 20


def test_a_server_that_fails_three_times_in_a_row_gets_there_too(engine: Engine) -> None:
    assert sweep(engine, 500, 503, 504, step=4) > 20
