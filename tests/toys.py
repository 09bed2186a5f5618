"""A small source, a small target and a clock for tests of the engine: real implementations of its interfaces."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from mlconnector.lanes import Job
from mlconnector.ledger import Ledger, Settled
from mlconnector.mapping import digest
from mlconnector.model import Batch, Change, Flow, Mapped, Outcome, Skip, Step
from mlconnector.systems.base import Entity

START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
OVERLAP = timedelta(seconds=10)


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Clock:
    """Moves only when told to."""

    seconds: int = 0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


@dataclass
class Fuse:
    """Burns down with every step that has an effect; at zero the process crashes."""

    left: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tick(self) -> None:
        with self.lock:
            if self.left is None:
                return
            self.left -= 1
            if self.left <= 0:
                raise Crash


class FusedLedger(Ledger):
    """Each commit is a step after which the process may end, and so is the moment before."""

    fuse: Any = Fuse()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self.fuse.tick()
        with super()._transaction():
            yield
        self.fuse.tick()


@dataclass
class Row:
    key: str
    value: int
    stamp: datetime


@dataclass
class ToySource:
    """Rows in order of their id, pages of `page`; `between_pages` is called while a walk is on."""

    clock: Clock
    rows: dict[str, Row] = field(default_factory=dict)
    page: int = 3
    between_pages: Callable[[], None] = lambda: None
    reads: int = 0

    def put(self, id_: str, key: str, value: int, stamp: datetime | None = None) -> None:
        self.rows[id_] = Row(key, value, stamp or self.clock.now())

    def read(
        self, entity: str, since: str | None, *, until: str | None = None, resume: str | None = None
    ) -> Iterator[Batch]:
        self.reads += 1
        started, newest, last = self.clock.now(), None, resume or ""
        while True:
            page = [id_ for id_ in sorted(self.rows) if id_ > last and self._in(id_, since, until)][
                : self.page
            ]
            changes = [self._change(entity, id_) for id_ in page]
            newest = (
                max([newest, *(c.modified for c in changes)], key=lambda m: m or START) if changes else newest
            )
            if len(page) < self.page:
                yield Batch(changes, min(newest, started).isoformat() if newest else None, last)
                return
            last = page[-1]
            yield Batch(changes, None, last)
            self.between_pages()

    def fetch(self, entity: str, ids: Collection[str]) -> Iterator[Change]:
        for id_ in ids:
            yield self._change(entity, id_) if id_ in self.rows else Change(entity, id_, "delete", None, {})

    def shift(self, checkpoint: str, overlap: timedelta) -> str:
        return (datetime.fromisoformat(checkpoint) - overlap).isoformat()

    def _in(self, id_: str, since: str | None, until: str | None) -> bool:
        stamp = self.rows[id_].stamp
        after = since is None or stamp >= datetime.fromisoformat(since)
        return after and (until is None or stamp < datetime.fromisoformat(until))

    def _change(self, entity: str, id_: str) -> Change:
        row = self.rows[id_]
        return Change(entity, id_, "upsert", row.stamp, {"key": row.key, "value": row.value})


@dataclass
class ToyTarget:
    """Records by remote id. `upserts`: a create with a key that is there updates it, otherwise it makes another."""

    fuse: Fuse = field(default_factory=Fuse)
    upserts: bool = True
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: int = 0
    writes: int = 0
    plan: dict[str, list[str]] = field(default_factory=dict)
    """Source id → what happens to its next writes: lost, refused, later, skip."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        with self.lock:
            return {key: [id_ for id_, body in self.records.items() if body["key"] == key] for key in keys}

    def write(self, entity: str, steps: Sequence[Step]) -> Sequence[Outcome]:
        with self.lock:
            return [self._write(step) for step in steps]

    def _write(self, step: Step) -> Outcome:
        self.fuse.tick()
        self.writes += 1
        fate = self.plan.get(step.source_id, [])
        fate = fate.pop(0) if fate else ""
        if fate == "refused":
            return Outcome("failed", code="refused", reason="no")
        if fate == "skip":
            return Outcome("skipped", code="forbidden", reason="no")
        outcome = self._apply(step)
        self.fuse.tick()
        return Outcome("unknown", code="no-answer") if fate == "lost" else outcome

    def _apply(self, step: Step) -> Outcome:
        if step.action == "remove":
            self.records.pop(step.target_id or "", None)
            return Outcome("removed", target_id=step.target_id)
        assert step.mapped is not None
        body = {"key": step.mapped.key, "owner": step.source_id, **step.mapped.body}
        hits = [id_ for id_, found in self.records.items() if found["key"] == step.mapped.key]
        if step.action == "update" and step.target_id in self.records:
            if self.upserts and hits and hits != [step.target_id]:  # a unique key: the two become one
                del self.records[step.target_id]
                self.records[hits[0]].update(body)
                return Outcome("updated", target_id=hits[0])
            self.records[step.target_id].update(body)
            return Outcome("updated", target_id=step.target_id)
        if hits and (
            self.upserts or step.action == "update"
        ):  # the linked one is gone: look before making another
            self.records[hits[0]].update(body)
            return Outcome("updated", target_id=hits[0])
        self.made += 1
        self.records[f"t{self.made}"] = body
        return Outcome("created", target_id=f"t{self.made}")


class Watcher:
    """An Observer that remembers."""

    def __init__(self) -> None:
        self.settled_records: list[Settled] = []

    def progress(self, flow: str, counts: Mapping[str, int]) -> None:
        pass

    def settled(self, flow: str, one: Settled) -> None:
        self.settled_records.append(one)


def map_row(change: Change) -> Mapped | Skip:
    """A row without a key is skipped; a negative value is filtered out."""
    key, value = change.record["key"], change.record["value"]
    if value < 0:
        return Skip("excluded", "filtered", leaves=True)
    if not key:
        return Skip("missing-email", "no key")
    return Mapped(f"email:{key}", {"value": value}, digest({"key": key, "value": value}))


def make_job(ledger: Ledger, source: ToySource, target: Any, clock: Clock, **options: Any) -> Job:
    """A job over the toys; `options` are Flow's, Entity's and Job's fields by name."""
    flow_options = {n: options.pop(n) for n in ("on_delete", "on_exclude", "mode", "new") if n in options}
    entity_options = {n: options.pop(n) for n in ("upserts", "batch", "lanes", "settle") if n in options}
    return Job(
        flow=Flow("f", "a", "row", "b", "thing", options.pop("map", map_row), **flow_options),
        entity=Entity(key="key", **{"upserts": True, "batch": 4, "lanes": 2, **entity_options}),
        source=source,
        target=target,
        ledger=ledger,
        run_id=options.pop("run_id", 1),
        overlap=OVERLAP,
        now=clock.now,
        stop_requested=options.pop("stop_requested", lambda: False),
        observer=options.pop("observer", Watcher()),
        **options,
    )
