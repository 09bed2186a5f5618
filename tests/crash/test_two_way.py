"""Two systems that both change, kept in step both ways: it settles, on one state, and nothing is there twice.

Neither has unique keys; names are cut on their way, both sides edit between runs, answers get lost, and the process
ends at any step that has an effect. Where both sides changed one field, the first system wins in both directions.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mlconnector.engine import FlowRun
from mlconnector.errors import ConnectorError
from mlconnector.lanes import Job, Ties
from mlconnector.ledger import Ledger
from mlconnector.mapping import digest
from mlconnector.model import Batch, Change, Flow, Mapped, Outcome, Step
from mlconnector.pairs import merge
from mlconnector.spelling import plain_name
from mlconnector.systems.base import Entity
from tests.toys import OVERLAP, Clock, Crash, Fuse, FusedLedger, Watcher

NAMES = ["Nord", "Nordkran Syd", "Öst AB", "Väst"]
WIDTH = 6
"""So many characters of a name the second system keeps."""


@dataclass
class ToySystem:
    """Records by id, read by their stamp and written field by field. `name` is the field that holds their name."""

    clock: Clock
    fuse: Fuse
    name: str
    conflict: str
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    stamps: dict[str, datetime] = field(default_factory=dict)
    made_for: dict[str, list[str]] = field(default_factory=dict)
    """Source id → what was made for it."""
    lost: int = 0
    """So many answers get lost from now on."""
    writes: int = 0
    asked: int = 0
    """How many records were fetched by their ids."""

    def put(self, id_: str, **values: Any) -> None:
        self.records[id_] = {**self.records.get(id_, {}), **values}
        self.stamps[id_] = self.clock.now()

    def read(
        self, entity: str, since: str | None, *, until: str | None = None, resume: str | None = None
    ) -> Iterator[Batch]:
        ids = [one for one in sorted(self.records) if since is None or self.stamps[one].isoformat() >= since]
        changes = [self.change(entity, one) for one in ids]
        yield Batch(changes[:2], None)
        yield Batch(changes[2:], self.clock.now().isoformat())

    def fetch(self, entity: str, ids: Collection[str]) -> Iterator[Change]:
        for id_ in ids:
            self.asked += 1
            yield self.change(entity, id_)

    def change(self, entity: str, id_: str) -> Change:
        if id_ in self.records:
            return Change(entity, id_, "upsert", self.stamps[id_], dict(self.records[id_]))
        return Change(entity, id_, "delete", None, {})

    def shift(self, checkpoint: str, overlap: Any) -> str:
        return (datetime.fromisoformat(checkpoint) - overlap).isoformat()

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for id_, record in self.records.items():
            found.setdefault(f"name:{plain_name(record[self.name])}", []).append(id_)
        return {key: found.get(key, []) for key in keys}

    def write(self, entity: str, steps: Sequence[Step]) -> Sequence[Outcome]:
        return [self._write(step) for step in steps]

    def _write(self, step: Step) -> Outcome:
        self.fuse.tick()
        outcome = self._apply(step)
        self.fuse.tick()
        if self.lost and step.action != "link":
            self.lost -= 1
            return Outcome("unknown", code="no-answer")
        return outcome

    def _apply(self, step: Step) -> Outcome:
        assert step.mapped is not None
        if step.action == "create":
            self.writes += 1
            id_ = f"{self.name[0]}{len(self.records) + 100}"
            self.put(id_, **step.mapped.body)
            self.made_for.setdefault(step.source_id, []).append(id_)
            return Outcome("created", id_, now=dict(self.records[id_]))
        id_ = step.target_id or ""
        if id_ not in self.records:
            return Outcome("failed", code="counterpart-gone")
        if step.action == "link":
            return Outcome("unchanged", id_, code="linked", now=dict(self.records[id_]))
        return self._update(id_, step, step.mapped)

    def _update(self, id_: str, step: Step, mapped: Mapped) -> Outcome:
        has = self.records[id_]
        found = merge(step, mapped.body, has, self.conflict, self.stamps[id_])
        if found.write:
            self.writes += 1
            self.put(id_, **found.write)
        told = mapped.body.keys() if step.changed is None else step.changed
        told = told if step.seen else self.records[id_].keys()
        now = {name: self.records[id_][name] for name in told if name not in found.kept}
        return Outcome("updated" if found.write else "unchanged", id_, now=now)


def forward(change: Change) -> Mapped:
    body = {"title": change.record["name"][:WIDTH].upper(), "town": change.record["city"]}
    return mapped(f"firm:{change.id}", body, change.record["name"][:WIDTH])


def back(change: Change) -> Mapped:
    body = {"name": change.record["title"], "city": change.record["town"]}
    return mapped(f"customer:{change.id}", body, change.record["title"])


def mapped(key: str, body: dict[str, Any], name: str) -> Mapped:
    return Mapped(key, body, digest(body), match=(f"name:{plain_name(name)}",))


def paths(**fields: str) -> Mapping[str, frozenset[str]]:
    return {name: frozenset({path}) for name, path in fields.items()}


FORWARD = Flow(
    "out", "crm", "firm", "erp", "customer", forward, fields=paths(title="name", town="city"), rules="1"
)
BACK = Flow(
    "back", "erp", "customer", "crm", "firm", back, fields=paths(name="title", city="town"), rules="1"
)
WATCHED = {"out": frozenset({"title", "town"}), "back": frozenset({"name", "city"})}


class TwoWay:
    """The two systems, the state file and a process a run."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock, self.fuse = Clock(1000), Fuse()
        self.crm = ToySystem(self.clock, self.fuse, "name", "target")
        self.erp = ToySystem(self.clock, self.fuse, "title", "source")
        self.batch = 2
        self.runs = 0

    def run(self, how: str = "sync", *, adopt: bool = False, crash_after: int | None = None) -> None:
        """Both flows, one after the other; then time passes."""
        self.runs += 1
        self.fuse.left = crash_after
        try:
            with contextlib.suppress(Crash, ConnectorError), self.opened() as ledger:
                for flow, source, target in ((FORWARD, self.crm, self.erp), (BACK, self.erp, self.crm)):
                    run = FlowRun(self._job(ledger, flow, source, target, adopt))
                    getattr(run, how)()
        finally:
            self.fuse.left = None
        self.clock.seconds += 20

    def replay(self) -> None:
        with self.opened() as ledger:
            for flow, source, target in ((FORWARD, self.crm, self.erp), (BACK, self.erp, self.crm)):
                FlowRun(self._job(ledger, flow, source, target, False)).replay(ledger.unsettled(flow.name))

    def _job(self, ledger: Ledger, flow: Flow, source: Any, target: Any, adopt: bool) -> Job:
        return Job(
            flow=flow, entity=Entity(key="name", upserts=False, batch=self.batch), source=source, target=target,
            ledger=ledger, run_id=self.runs, overlap=OVERLAP, now=self.clock.now, stop_requested=lambda: False,
            observer=Watcher(), adopt=adopt,
            ties=Ties(
                keeps_links=True, watched=WATCHED[flow.name],
                the_other_way=tuple(one.name for one in (FORWARD, BACK) if one.name != flow.name),
            ),
        )  # fmt: skip

    @contextlib.contextmanager
    def opened(self) -> Iterator[Ledger]:
        FusedLedger.fuse = self.fuse
        ledger = FusedLedger.open(Path(self.folder.name) / "state.db", "toys", self.clock.now)
        try:
            yield ledger
        finally:
            ledger.close()

    def links(self) -> dict[str, str]:
        ledger = Ledger.look(Path(self.folder.name) / "state.db", "toys", self.clock.now)
        found = ledger.links(("crm", "firm"), ("erp", "customer"), list(self.crm.records))
        ledger.close()
        return {one: link.id for one, link in found.items()}

    def settle(self) -> None:
        """Quiet runs; then nothing more may be written."""
        self.crm.lost = self.erp.lost = 0
        for _ in range(3):
            self.clock.seconds += 100
            self.run("full")
            self.replay()
        before = self.crm.writes + self.erp.writes
        self.run("full")
        assert self.crm.writes + self.erp.writes == before, "it never comes to rest"

    def check(self) -> None:
        links = self.links()
        for made in (*self.crm.made_for.values(), *self.erp.made_for.values()):
            assert len(made) == 1, "made twice"
        for one, other in links.items():
            firm, customer = self.crm.records[one], self.erp.records.get(other)
            assert customer is not None
            assert customer["title"].upper() == firm["name"][:WIDTH].upper(), "the names differ"
            assert customer["town"] == firm["city"], "the towns differ"

    def close(self) -> None:
        self.folder.cleanup()


class TwoWayMachine(RuleBasedStateMachine):
    """Edits on both sides, runs, crashes, lost answers."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = TwoWay()

    @initialize(batch=st.integers(1, 3))
    def begin(self, batch: int) -> None:
        self.pair.batch = batch

    @rule(id_=st.integers(1, 3), name=st.sampled_from(NAMES), city=st.sampled_from(["Ulm", "Bonn", ""]))
    def edit_here(self, id_: int, name: str, city: str) -> None:
        self.pair.crm.put(f"f{id_}", name=name, city=city)

    @rule(id_=st.integers(1, 3), name=st.sampled_from(NAMES), city=st.sampled_from(["Rom", "Bari", ""]))
    def edit_there(self, id_: int, name: str, city: str) -> None:
        self.pair.erp.put(f"c{id_}", title=name[:WIDTH].upper(), town=city)

    @rule(place=st.integers(0, 5), city=st.sampled_from(["Lund", "Kiel"]))
    def counterpart_moves(self, place: int, city: str) -> None:
        linked = sorted(self.pair.links().values())
        if place < len(linked) and linked[place] in self.pair.erp.records:
            self.pair.erp.put(linked[place], town=city)

    @rule(here=st.booleans(), times=st.integers(1, 2))
    def answers_get_lost(self, here: bool, times: int) -> None:
        (self.pair.crm if here else self.pair.erp).lost = times

    @rule(how=st.sampled_from(["sync", "full"]))
    def run(self, how: str) -> None:
        self.pair.run(how)

    @rule(how=st.sampled_from(["sync", "full"]), steps=st.integers(1, 30))
    def crash_in_a_run(self, how: str, steps: int) -> None:
        self.pair.run(how, crash_after=steps)

    @rule(seconds=st.integers(0, 40))
    def wait(self, seconds: int) -> None:
        self.pair.clock.seconds += seconds

    def teardown(self) -> None:
        try:
            self.pair.settle()
            self.pair.check()
        finally:
            self.pair.close()


def _configured() -> Callable[..., Any]:
    case: Any = TwoWayMachine.TestCase
    case.settings = settings(
        max_examples=120, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    return case  # type: ignore[no-any-return]


TestTwoWay: Callable[..., Any] = _configured()
