"""Writing and reading agree, and the engine makes nothing twice: what the way back stands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mlconnector.engine import FlowRun
from mlconnector.lanes import Job, Ties
from mlconnector.ledger import Ledger
from mlconnector.mapping import digest
from mlconnector.model import Change, Flow, Mapped
from mlconnector.pairs import hashes
from mlconnector.systems import load_system
from mlconnector.systems.pipedrive.emulator import Pipedrive
from tests.systems.pipedrive.connecting import Client, changes, create, flow, running, update
from tests.toys import Clock, ToySource, Watcher

NOON = datetime(2026, 7, 21, 12, 0, tzinfo=UTC)
ORGANIZATION = {
    "name": "Adatum Corporation", "address.route": "Station Road", "address.locality": "Cambridge",
    "custom_fields.ERP number": "10000", "custom_fields.Region": "south", "custom_fields.Interests": "Desks,Chairs",
    "custom_fields.Credit limit": {"value": Decimal("25000.50"), "currency": "EUR"},
    "custom_fields.Weight": Decimal("12.50"),
}  # fmt: skip
PRODUCT = {
    "name": "Desk", "code": "1896-S", "unit": "PCS", "tax": Decimal("19.00"), "category": "Furniture",
    "is_linkable": True, "prices": [{"currency": "EUR", "price": Decimal("1000.80")}],
}  # fmt: skip


@pytest.fixture
def client(crm: Pipedrive) -> Iterator[Client]:
    crm.clock.freeze(NOON)
    for name, kind, options in (
        ("ERP number", "varchar", ()),
        ("Region", "enum", ("North", "South")),
        ("Interests", "set", ("Desks", "Chairs")),
        ("Credit limit", "monetary", ()),
        ("Weight", "double", ()),
    ):
        crm.people.add_field("organization", name, kind, options)
    with running(crm) as client:
        yield client


def read(client: Client, kind: str, names: list[str]) -> Change:
    """The first record as a flow that maps these fields reads it."""
    paths = [name for name in names if name != "prices"]
    return changes(list(client.reader(flow(kind, *paths)).read(kind, None)))["1"]


@pytest.mark.parametrize(("kind", "body"), [("organization", ORGANIZATION), ("product", PRODUCT)])
def test_what_a_write_shows_is_what_a_read_shows_so_nothing_echoes(
    client: Client, kind: str, body: dict[str, Any]
) -> None:
    names = list(body)
    made = client.one(create(body), kind)
    assert made.now is not None
    assert hashes(made.now, names) == hashes(read(client, kind, names).record, names)
    changed = client.one(update(1, {**body, "name": "Other"}, seen=hashes(made.now, names)), kind)
    assert changed.now is not None and changed.status == "updated"
    assert hashes(changed.now, names) == hashes(read(client, kind, names).record, names)


@pytest.mark.parametrize(("kind", "body"), [("organization", ORGANIZATION), ("product", PRODUCT)])
def test_writing_the_same_again_writes_nothing(client: Client, kind: str, body: dict[str, Any]) -> None:
    made = client.one(create(body), kind)
    client.crm.log.clear()
    again = client.one(update(1, body, seen=hashes(made.now or {}, list(body))), kind)
    assert again.status == "unchanged" and [one for one in client.crm.log if one.method != "GET"] == []


# in the engine


class Bench:
    """Rows of a toy source into organizations, with a ledger on disk; each run is a connection of its own."""

    def __init__(self, client: Client, state: Path) -> None:
        self.client = client
        self.clock = Clock()
        self.source = ToySource(self.clock)
        self.ledger = Ledger.open(state, "toys", self.clock.now)
        self.flow = Flow(
            "f", "toy", "row", "crm", "organization", self.map, fields={"name": frozenset({"key"})}
        )
        self.runs = 0

    def map(self, change: Change) -> Mapped:
        name = str(change.record["key"])
        body = {"name": name, "custom_fields.Weight": change.record["value"]}
        return Mapped(f"row:{change.id}", body, digest(body), match=(f"name:{name}",))

    def run(self) -> dict[str, int]:
        self.runs += 1
        self.clock.seconds += 60
        self.client.crm.clock.advance(60)
        entity = load_system("pipedrive").entities["organization"]
        job = Job(
            flow=replace(self.flow, fields={**self.flow.fields, "custom_fields.Weight": frozenset({"value"})}),
            entity=entity, source=self.source, target=self.client.writer(), ledger=self.ledger, run_id=self.runs,
            overlap=timedelta(seconds=10), now=self.clock.now, stop_requested=lambda: False, observer=Watcher(),
            ties=Ties(keeps_links=True, watched=frozenset({"name", "custom_fields.Weight"})),
        )  # fmt: skip
        return dict(FlowRun(job).sync())

    def names(self) -> list[str]:
        return [
            one["name"] for one in self.client.crm.people.records("organization") if not one["is_deleted"]
        ]


@pytest.fixture
def bench(client: Client, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(client, tmp_path / "state.db")
    yield bench
    bench.ledger.close()


@pytest.mark.parametrize("kind", ["lost-answer", "cut", "drop"])
def test_a_creation_whose_answer_got_lost_is_there_once_in_the_end(bench: Bench, kind: Any) -> None:
    for name in ("Adatum", "Relecloud", "Fabrikam"):
        bench.source.put(name, name, 1)
    bench.client.crm.fault(kind, method="POST", skip=1)
    assert bench.run()["unknown"] == 1
    bench.run()
    assert sorted(bench.names()) == ["Adatum", "Fabrikam", "Relecloud"]
    assert bench.run().get("created", 0) == 0


def test_what_is_there_is_linked_and_not_made_and_two_that_match_are_nobodys(bench: Bench) -> None:
    for name in ("Adatum AB", "Doppelt GmbH", "Doppelt"):
        bench.client.crm.people.add("organization", name=name)
    bench.source.put("a", "adatum", 7), bench.source.put("d", "doppelt", 7)
    counts = bench.run()
    assert (counts["updated"], counts["failed"], counts.get("created", 0)) == (1, 1, 0)
    assert len(bench.names()) == 3


def test_a_change_there_is_not_written_over_unless_ours_changed_too(bench: Bench) -> None:
    bench.source.put("a", "Adatum", 1)
    bench.run()
    bench.client.crm.people.edit("organization", 1, name="Adatum, renamed there")
    bench.source.put("a", "Adatum", 2)
    assert bench.run()["updated"] == 1
    assert bench.names() == ["Adatum, renamed there"]
