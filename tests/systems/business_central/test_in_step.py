"""Whole runs of the engine into Business Central: matching, linking, conflicts, documents, postings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mlconnector.engine import FlowRun
from mlconnector.lanes import Job, Ties
from mlconnector.ledger import Ledger
from mlconnector.mapping import digest
from mlconnector.model import Batch, Change, Flow, LedgerEntry, Mapped, Ref, Skip
from mlconnector.signals import FromLedger
from mlconnector.systems.base import Entity, Source
from tests.toys import Watcher

from .writing import Desk, deal


@dataclass
class Crm:
    """Records by id, always read as a whole."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def read(
        self, entity: str, since: str | None, *, until: str | None = None, resume: str | None = None
    ) -> Iterator[Batch]:
        yield Batch(list(self.fetch(entity, self.records)), "2026-07-01T00:00:00Z")

    def fetch(self, entity: str, ids: Collection[str]) -> Iterator[Change]:
        for id in ids:
            record = self.records.get(id)
            yield Change(entity, id, "upsert" if record else "delete", None, record or {})

    def shift(self, checkpoint: str, overlap: timedelta) -> str:
        return checkpoint


def to_customer(change: Change) -> Mapped:
    body = {"displayName": change.record["name"], "city": change.record.get("town", "")}
    match = tuple(f"number:{one}" for one in [change.record.get("number")] if one)
    return Mapped(f"organization:{change.id}", body, digest(body), match=match or (f"name:{change.id}",))


def to_document(change: Change) -> Mapped | Skip:
    if change.record["status"] != "won":
        return Skip("not-won", "it is not won", leaves=True)
    body = deal(int(change.id))
    customer = Ref("customer", "organization", change.record["org"], "customer")
    return Mapped(f"document:PD-{change.id}", body, digest(body), (customer,))


def to_posting(change: Change) -> Mapped:
    document = Ref("document", "deal", change.id, "document")
    return Mapped(f"posting:{change.id}", {"document": "order", **change.record["memo"]}, b"p", (document,))


CUSTOMERS = Flow(
    "customers", "crm", "organization", "erp", "customer", to_customer,
    fields={"displayName": frozenset({"name"}), "city": frozenset({"town"})}, rules="1",
)  # fmt: skip
DOCUMENTS = Flow("documents", "crm", "deal", "erp", "document", to_document, on_exclude="archive")
POSTINGS = Flow("postings", "crm", "deal", "erp", "posting", to_posting, follows="documents")


@dataclass
class Runs:
    """One ledger, and runs of these flows; `crm` are organizations, `deals` deals."""

    desk: Desk
    path: Path
    crm: Crm = field(default_factory=Crm)
    deals: Crm = field(default_factory=Crm)

    def run(self, flow: Flow, *, adopt: bool = False, **options: Any) -> Mapping[str, int]:
        with Ledger.open(self.path, "test", self.desk.client.now) as ledger:
            return FlowRun(self.job(ledger, flow, adopt, options)).sync()

    def job(self, ledger: Ledger, flow: Flow, adopt: bool, options: Any) -> Job:
        return Job(
            flow=flow,
            entity=Entity(key="number", batch=20),
            source=self.source(ledger, flow),
            target=self.desk.target(flow.into, **options),
            ledger=ledger,
            run_id=1,
            overlap=timedelta(),
            now=self.desk.client.now,
            stop_requested=lambda: False,
            observer=Watcher(),
            ties=Ties(keeps_links=True, watched=frozenset(flow.fields)),
            adopt=adopt,
        )

    def source(self, ledger: Ledger, flow: Flow) -> Source:
        if flow.follows:
            return FromLedger(ledger, flow)
        return self.crm if flow is CUSTOMERS else self.deals

    def entry(self, flow: Flow, id: str) -> LedgerEntry:
        with Ledger.open(self.path, "test", self.desk.client.now) as ledger:
            return ledger.entries(flow.name, [id])[id]

    def city(self, number: str) -> str:
        return str(self.desk.emulator.row("customers", number)["city"])


@pytest.fixture
def runs(desk: Desk, tmp_path: Path) -> Runs:
    desk.emulator.edit("customers", "10000", currencyCode="", blocked="", city="Ulm")
    runs = Runs(desk, tmp_path / "state.db")
    runs.crm.records["1"] = {"name": "Adatum Corporation", "town": "Ulm", "number": "10000"}
    return runs


def test_what_matches_by_number_is_linked_and_the_rest_is_made(runs: Runs) -> None:
    runs.crm.records["2"] = {"name": "Nordkran AB", "town": "Lund"}
    counts = runs.run(CUSTOMERS)
    assert (counts["unchanged"], counts["created"]) == (1, 1)
    assert runs.entry(CUSTOMERS, "1").target_id == runs.desk.id("customers", "10000")
    before = len(runs.desk.calls("POST"))
    assert runs.run(CUSTOMERS)["unchanged"] == 2
    assert len(runs.desk.calls("POST")) == before


def test_a_customer_that_is_anothers_already_is_named_by_its_number(runs: Runs) -> None:
    runs.run(CUSTOMERS)
    runs.crm.records["2"] = {"name": "Adatum", "town": "Lund", "number": "10000"}
    assert runs.run(CUSTOMERS)["failed"] == 1
    entry = runs.entry(CUSTOMERS, "2")
    assert entry.code == "match-taken" and entry.reason.endswith(
        "another record already: 10000 Adatum Corporation"
    )


@pytest.mark.parametrize(("conflict", "city"), [("source", "Lund"), ("target", "Kiel"), ("hold", "Kiel")])
def test_a_field_that_both_sides_changed_goes_by_the_setting(runs: Runs, conflict: str, city: str) -> None:
    runs.run(CUSTOMERS)
    runs.crm.records["1"]["town"] = "Lund"
    runs.desk.emulator.edit("customers", "10000", city="Kiel")
    runs.run(CUSTOMERS, conflict=conflict)
    assert runs.city("10000") == city


@pytest.mark.parametrize("conflict", ["source", "target", "hold"])
def test_a_field_that_only_they_changed_stays_when_another_one_changes_here(
    runs: Runs, conflict: str
) -> None:
    runs.run(CUSTOMERS)
    runs.desk.emulator.edit("customers", "10000", city="Kiel")
    runs.crm.records["1"]["name"] = "Adatum GmbH"
    assert runs.run(CUSTOMERS, conflict=conflict)["updated"] == 1
    row = runs.desk.emulator.row("customers", "10000")
    assert (row["displayName"], row["city"]) == ("Adatum GmbH", "Kiel")


def test_adopting_links_and_writes_nothing(runs: Runs) -> None:
    runs.crm.records["1"]["town"] = "Lund"
    runs.run(CUSTOMERS, adopt=True)
    assert runs.city("10000") == "Ulm"
    assert runs.entry(CUSTOMERS, "1").target_id == runs.desk.id("customers", "10000")
    assert runs.desk.calls("PATCH") == runs.desk.calls("POST") == []


def test_a_customer_made_without_an_answer_is_found_by_the_next_run(runs: Runs) -> None:
    runs.crm.records["2"] = {"name": "Nordkran AB", "number": "NORD-1"}
    del runs.crm.records["1"]
    runs.desk.emulator.fault("lost-answer", method="POST", path="customers")
    named = {**runs.crm.records["2"]}
    assert runs.run(CUSTOMERS)["unknown"] == 1
    made = runs.desk.emulator.rows("customers")[-1]
    runs.desk.emulator.renumber("customers", made["number"], named["number"])
    runs.run(CUSTOMERS)
    names = [row["displayName"] for row in runs.desk.emulator.rows("customers")]
    assert (runs.entry(CUSTOMERS, "2").status, names.count("Nordkran AB")) == ("done", 1)


def test_a_won_deal_becomes_an_order_and_then_an_invoice_whatever_gets_lost(runs: Runs) -> None:
    runs.deals.records["7"] = {"status": "won", "org": "1"}
    assert runs.run(DOCUMENTS)["held"] == 1  # its customer is not there yet
    runs.run(CUSTOMERS)
    bc = runs.desk.emulator
    for path in ("salesOrders", "Microsoft.NAV"):
        bc.fault("lost-answer", method="POST", path=path)
    for _ in range(3):
        runs.run(DOCUMENTS)
        runs.run(POSTINGS)
    invoices = [row for row in bc.rows("salesInvoices") if row["externalDocumentNumber"] == "PD-7"]
    assert [row["status"] for row in invoices] == ["Open"]
    assert runs.entry(POSTINGS, "7").target_id == f"invoice/{invoices[0]['id']}"
    assert [row for row in bc.rows("salesOrders") if row["externalDocumentNumber"] == "PD-7"] == []


@pytest.mark.parametrize(("on_unwon", "left"), [("flag", 1), ("delete", 0)])
def test_the_draft_of_a_deal_that_is_lost_after_all_goes_or_is_flagged(
    runs: Runs, on_unwon: str, left: int
) -> None:
    runs.run(CUSTOMERS)
    runs.deals.records["7"] = {"status": "won", "org": "1"}
    runs.run(DOCUMENTS)
    runs.deals.records["7"]["status"] = "lost"
    runs.run(DOCUMENTS, on_unwon=on_unwon)
    assert len(runs.desk.find("document", "document:PD-7")) == left
    assert runs.entry(DOCUMENTS, "7").status == ("failed" if left else "removed")
