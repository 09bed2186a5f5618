"""Random operations with crashes between any two steps: nothing lost, nothing twice, nothing behind the watermark.

The machine knows what the target has to hold in the end; it lets answers get lost, commits arrive late, stamps tie,
rows change while a walk is on, and ends the process at any step that has an effect.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlconnector.engine import FlowRun
from mlconnector.errors import ConnectorError
from mlconnector.ledger import Ledger
from tests.toys import OVERLAP, Clock, Crash, Fuse, FusedLedger, Row, ToySource, ToyTarget, make_job

IDS = [f"id-{n}" for n in range(7)]
KEYS = [f"k{n}" for n in range(6)]


class SyncMachine(RuleBasedStateMachine):
    """One flow between the toys, into a target with unique keys: what flows write to so far."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock(1000)
        self.fuse = Fuse()
        self.source = ToySource(self.clock, page=2)
        self.late: list[tuple[str, Row]] = []
        self.deleted_while_unknown = False
        self.target = ToyTarget(self.fuse)
        self.options: dict[str, object] = {}
        self.runs = 0

    @initialize(batch=st.integers(1, 3), lanes=st.integers(1, 2))
    def choose(self, batch: int, lanes: int) -> None:
        self.options = {"batch": batch, "lanes": lanes}

    # what happens in the source

    @rule(id_=st.sampled_from(IDS), key=st.sampled_from(KEYS), value=st.integers(0, 9))
    def edit(self, id_: str, key: str, value: int) -> None:
        self.source.put(id_, key, value)

    @rule(id_=st.sampled_from(IDS))
    def lose_its_key(self, id_: str) -> None:
        if id_ in self.source.rows:
            self.source.put(id_, "", 1)

    @rule(id_=st.sampled_from(IDS), key=st.sampled_from(KEYS), value=st.integers(0, 9))
    def begin_late(self, id_: str, key: str, value: int) -> None:
        """Stamped now, visible later; another edit of the row has to wait for the commit, as in a database."""
        self.late.append((id_, Row(key, value, self.clock.now())))

    @rule()
    def commit_late(self) -> None:
        while self.late:
            id_, row = self.late.pop(0)
            row.stamp = max(row.stamp, self.clock.now() - OVERLAP + timedelta(seconds=1))
            self.source.rows[id_] = row

    @rule(id_=st.sampled_from(IDS))
    def delete(self, id_: str) -> None:
        self.source.rows.pop(id_, None)

    @rule(seconds=st.integers(0, 40))
    def wait(self, seconds: int) -> None:
        self.clock.seconds += seconds

    @rule(id_=st.sampled_from(IDS), fate=st.sampled_from(["lost", "refused"]))
    def plan_trouble(self, id_: str, fate: str) -> None:
        self.target.plan.setdefault(id_, []).append(fate)

    # what the tool does

    @rule(how=st.sampled_from(["sync", "full"]), steps=st.integers(1, 40), tick=st.booleans())
    def crash_in_a_run(self, how: str, steps: int, tick: bool) -> None:
        self.clock.seconds += int(tick)
        self.fuse.left = steps
        try:
            with contextlib.suppress(Crash):
                self._run(how)
        finally:
            self.fuse.left = None

    @rule(how=st.sampled_from(["sync", "full"]), edit=st.tuples(st.sampled_from(IDS), st.sampled_from(KEYS)))
    def run_while_rows_change(self, how: str, edit: tuple[str, str]) -> None:
        id_, key = edit
        self.source.between_pages = lambda: self.source.put(id_, key, 5)
        self._run(how)
        self.source.between_pages = lambda: None

    @rule(how=st.sampled_from(["sync", "full"]))
    def run(self, how: str) -> None:
        self.clock.seconds += 1
        self._run(how)

    def _run(self, how: str) -> None:
        with self._opened() as ledger, contextlib.suppress(ConnectorError):
            self.runs += 1
            job = make_job(
                ledger, self.source, self.target, self.clock,
                on_delete="archive", run_id=self.runs, **self.options,
            )  # fmt: skip
            getattr(FlowRun(job), how)()

    @contextlib.contextmanager
    def _opened(self, fused: bool = True) -> Iterator[Ledger]:
        FusedLedger.fuse = self.fuse if fused else Fuse()
        ledger = FusedLedger.open(Path(self.folder.name) / "state.db", "toys", self.clock.now)
        try:
            yield ledger
        finally:
            ledger.close()

    # what must hold

    @invariant()
    def nothing_is_there_twice(self) -> None:
        for by in ("key", "owner"):
            found = [record[by] for record in self.target.records.values()]
            assert len(found) == len(set(found)), by

    @invariant()
    def nothing_lies_behind_the_watermark_that_the_ledger_does_not_hold(self) -> None:
        ledger = Ledger.look(Path(self.folder.name) / "state.db", "toys", self.clock.now)
        watermark = ledger.watermark("f")
        known = ledger.entries("f", list(self.source.rows))
        ledger.close()
        if watermark is None:
            return
        behind = self.source.shift(watermark, OVERLAP)
        for id_, row in self.source.rows.items():
            if row.stamp.isoformat() < behind:
                assert id_ in known, f"{id_} is behind the watermark and unknown"

    def teardown(self) -> None:
        try:
            self._settle()
            self._compare()
        finally:
            self.folder.cleanup()

    def _settle(self) -> None:
        self.target.plan.clear()
        self.commit_late()
        for _ in range(3):
            self.clock.seconds += 100
            self._run("full")
        with self._opened(fused=False) as ledger:
            job = make_job(ledger, self.source, self.target, self.clock, on_delete="archive", **self.options)
            FlowRun(job).replay(ledger.unsettled("f"))
        writes = self.target.writes
        self._run("full")
        assert self.target.writes == writes, "it never comes to rest"

    def _compare(self) -> None:
        """Every key that some row has is there, with the value of a row that has it."""
        wanted: dict[str, set[int]] = {}
        for row in self.source.rows.values():
            if row.key:
                wanted.setdefault(f"email:{row.key}", set()).add(row.value)
        found: dict[str, set[int]] = {}
        for record in self.target.records.values():
            found.setdefault(record["key"], set()).add(record["value"])
        assert wanted.keys() - found.keys() == set(), "lost"
        for key, values in wanted.items():
            assert found[key] & values, f"{key} is stale"


def _machine(examples: int, steps: int) -> Callable[[type[RuleBasedStateMachine]], type]:
    def configure(machine: type[RuleBasedStateMachine]) -> type:
        case = machine.TestCase
        case.settings = settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        return case

    return configure


TestSyncMachine = _machine(150, 30)(SyncMachine)
