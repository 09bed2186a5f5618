"""The writing half of a run: chunks on their way through several threads, and what became of them in the ledger.

Only the thread that made a Lanes touches the ledger. No two chunks under way hold the same record or the same key.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from mlconnector.decide import REFUSED, UNDECIDED, Known
from mlconnector.errors import ConnectorError, Later, Stop, StoppedError
from mlconnector.ledger import Ledger, Pair, Settled
from mlconnector.ledger.rows import DECISION, reference_key
from mlconnector.model import Batch, Flow, LedgerEntry, Mapped, Outcome, Step
from mlconnector.pairs import Made, is_part, left_out, seen_of, seen_there, unfilled
from mlconnector.systems.base import Entity, Prepares, Source, Target


@dataclass(frozen=True, slots=True)
class Brake:
    """At most `share` percent of the known records may change or vanish in one run, but `at_least` so many."""

    share: float = 30.0
    at_least: int = 20

    def limit(self, known: int) -> int:
        """How many of `known` records may change."""
        return max(self.at_least, int(known * self.share / 100))


class Observer(Protocol):
    """Told what happens, for the person who watches; must be quick and must not raise."""

    def progress(self, flow: str, counts: Mapping[str, int]) -> None:
        """Called after each page and each chunk."""
        ...

    def settled(self, flow: str, one: Settled) -> None:
        """Called for each record that something was sent for or that settled newly."""
        ...


@dataclass(frozen=True, slots=True)
class Ties:
    """What a flow has to do with the other flows of its connection. Of a flow alone: nothing."""

    keeps_links: bool = False
    """Whether its records are linked with their counterparts: another flow refers to them, or runs the other way."""
    watched: frozenset[str] = frozenset()
    """Fields of the counterpart that this flow writes or another one reads: changes of them are told apart."""
    written_back: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Fields of the source that a flow the other way round writes, each with those of the counterpart it is made of."""
    makers: Mapping[tuple[str, str], tuple[str, ...]] | None = None
    """By entity of the source and of the target the flows between the two; None: nobody knows."""
    match: tuple[str, ...] = ()
    """Kinds of keys that records are matched by, the strongest first."""
    the_other_way: tuple[str, ...] = ()
    """The flows from the target's records back to the source's."""


@dataclass(frozen=True, slots=True)
class Job:
    """A flow with everything it needs to run: what `cli` puts together."""

    flow: Flow
    entity: Entity
    source: Source
    target: Target
    ledger: Ledger
    run_id: int
    overlap: timedelta
    now: Callable[[], datetime]
    stop_requested: Callable[[], bool]
    observer: Observer
    brake: Brake | None = None
    limit: int | None = None
    named_by: str = ""
    """The field of the source by which people call a record (`number`)."""
    ties: Ties = Ties()
    adopt: bool = False
    """Only links what is there on both sides; nothing is written."""


@dataclass(slots=True)
class Ticket:
    """A batch on its way through: when nothing of it is left, its checkpoint may be stored."""

    checkpoint: str | None
    cursor: str | None
    size: int = 0
    left: int = 0

    @classmethod
    def of(cls, batch: Batch) -> Ticket:
        """The ticket of a batch that was read."""
        return cls(batch.checkpoint, batch.cursor, len(batch.changes))


@dataclass(slots=True)
class Planned:
    """One record of a batch and what was decided for it. `name` is what people call it."""

    source_id: str
    modified: datetime | None
    name: str
    mapped: Mapped | None
    known: Known
    decided: Step | Outcome
    record: Mapping[str, Any] = field(default_factory=dict)
    """The source record, kept where its counterpart may be changed by others."""
    ticket: Ticket | None = None
    looked: bool = False
    """Whether it was found out in the meantime where its counterpart is."""
    waits_for: str = ""
    """The record of the target that a person has to decide about first."""

    @property
    def entry(self) -> LedgerEntry | None:
        """Its row in the ledger before this run."""
        return self.known.entry

    @property
    def touches_known(self) -> bool:
        """Whether a record that is settled in the target would change or vanish."""
        known = self.entry is not None and self.entry.status == "done" and not self.known.only_left_out
        return known and (isinstance(self.decided, Step) or self.decided.status == "skipped")


@dataclass(slots=True)
class _Chunk:
    number: int
    plans: list[Planned]


class LimitReached(Exception):
    """`--limit` so many steps were sent."""


@dataclass(slots=True)
class Lanes:
    """Everything of one flow run that is planned but not settled."""

    job: Job
    counts: Counter[str] = field(default_factory=Counter)
    claimed: dict[str, Planned] = field(default_factory=dict)
    """Target key → what is on its way there."""
    leaving: dict[str, Planned] = field(default_factory=dict)
    """Target key → what is on its way from there: to another key, or out."""
    under_way: set[str] = field(default_factory=set)
    """Records that are planned and not settled yet."""
    passed: Callable[[Ticket], None] | None = None
    """Told of each batch, in order, once it and all before it are in the ledger."""
    _pool: ThreadPoolExecutor | None = None
    _in_flight: dict[Future[Sequence[Outcome]], _Chunk] = field(default_factory=dict)
    _pending: list[Planned] = field(default_factory=list)
    _tickets: deque[Ticket] = field(default_factory=deque)
    _trouble: ConnectorError | None = None
    _prepared: bool = False
    _sent: int = 0

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Write threads for the time of a run; whatever ends it, what is in flight settles first."""
        with ThreadPoolExecutor(max_workers=self.job.entity.lanes, thread_name_prefix="lane") as pool:
            self._pool = pool
            try:
                yield
            except LimitReached:
                self.drain()
            except ConnectorError:
                self._pending.clear()
                while self._in_flight:
                    with suppress(ConnectorError):
                        self._collect()
                raise

    def claim(self, plan: Planned) -> None:
        """Notes a planned record and the key it is on its way to."""
        self.under_way.add(plan.source_id)
        if not isinstance(plan.decided, Step):
            return
        key = plan.mapped.key if plan.mapped else None
        if key is not None:
            self.claimed[key] = plan
        for other in (plan.decided.was_key, *plan.decided.tried_keys):
            if other is not None and other != key:
                self.leaving[other] = plan

    def forget_claims(self) -> None:
        """The plans made so far are dropped."""
        self.claimed.clear()
        self.leaving.clear()
        self.under_way.clear()

    def carry_out(self, plans: Sequence[Planned], ticket: Ticket) -> None:
        """Settles what is decided and sends the steps, in chunks as they fill up."""
        self._tickets.append(ticket)
        ticket.left += len(plans)
        settled = [plan for plan in plans if isinstance(plan.decided, Outcome)]
        if settled:
            self._store(
                [(plan, plan.decided) for plan in settled if isinstance(plan.decided, Outcome)], ticket
            )
        for plan in plans:
            if isinstance(plan.decided, Step):
                plan.ticket = ticket
                self._pending.append(plan)
                self._count_limit()
                if len(self._pending) >= self.job.entity.batch:
                    self._launch()
        self._pass_tickets()

    def _count_limit(self) -> None:
        self._sent += 1
        if self.job.limit is not None and self._sent >= self.job.limit:
            raise LimitReached

    def _launch(self) -> None:
        chunk, self._pending = self._pending, []
        while len(self._in_flight) >= self.job.entity.lanes:
            self._collect()
        self.check_stop()
        self._prepare()
        target, into = self.job.target, self.job.flow.into
        number = self.job.ledger.begin(
            self.job.flow.name,
            self.job.run_id,
            [(plan.source_id, *_goes_by(plan)) for plan in chunk],
        )
        steps = [plan.decided for plan in chunk if isinstance(plan.decided, Step)]
        assert self._pool is not None
        self._in_flight[self._pool.submit(target.write, into, steps)] = _Chunk(number, chunk)

    def _prepare(self) -> None:
        if not self._prepared and isinstance(self.job.target, Prepares):
            self.job.target.prepare(self.job.flow.into)
        self._prepared = True

    def write_alone(self, step: Step) -> Outcome:
        """One step that belongs to no record of the source; nothing else is under way."""
        self.drain()
        self._prepare()
        return self.job.target.write(self.job.flow.into, [step])[0]

    def drain(self) -> None:
        """Sends what is pending and waits until everything under way has settled."""
        if self._pending:
            self._launch()
        while self._in_flight:
            self._collect()
        self._pass_tickets()

    def _collect(self) -> None:
        """Takes in what is ready; all of it in one commit."""
        ready, _ = wait(self._in_flight, return_when=FIRST_COMPLETED)
        numbers: list[int] = []
        pairs: list[tuple[Planned, Outcome]] = []
        for future in ready:
            chunk = self._in_flight.pop(future)
            outcomes = self._outcomes(future, chunk)
            numbers.append(chunk.number)
            pairs.extend(zip(chunk.plans, outcomes, strict=True))
        self._store(pairs, None, numbers)
        if self._trouble is not None:
            raise self._trouble

    def _outcomes(self, future: Future[Sequence[Outcome]], chunk: _Chunk) -> Sequence[Outcome]:
        try:
            return future.result()
        except Later as later:
            self._trouble = self._trouble or later
            return _interrupted(chunk, later, INTERRUPTED[0], later.retry_at or self.job.now())
        except Stop as stop:
            self._trouble = self._trouble if isinstance(self._trouble, Stop) else stop
            return _interrupted(chunk, stop, INTERRUPTED[1], self.job.now())

    def _store(
        self,
        pairs: Sequence[tuple[Planned, Outcome]],
        ticket: Ticket | None,
        numbers: Sequence[int] = (),
    ) -> None:
        flow, ledger = self.job.flow, self.job.ledger
        settled = [self._stored(plan, outcome) for plan, outcome in pairs]
        ends = (flow.source, flow.entity), (flow.target, flow.into)
        linked, other_way = ends if self.job.ties.keeps_links else None, self.job.ties.the_other_way
        ledger.finish(flow.name, self.job.run_id, numbers, settled, linked, other_way)
        for (plan, outcome), one in zip(pairs, settled, strict=True):
            self.counts[outcome.status] += 1
            self._unclaim(plan)
            (plan.ticket or ticket or Ticket(None, None)).left -= 1
            self.job.observer.settled(flow.name, one)
        self._pass_tickets()
        self.job.observer.progress(flow.name, self.counts)

    def _stored(self, plan: Planned, outcome: Outcome) -> Settled:
        step = plan.decided if isinstance(plan.decided, Step) else None
        sent = plan.mapped if step is not None or _is_settled_unsent(outcome) else None
        if step is not None and step.why and not outcome.reason:
            outcome = replace(outcome, reason=step.why)
        return Settled(
            source_id=plan.source_id,
            outcome=outcome,
            step=step,
            key=_settled_key(plan, outcome),
            digest=sent.digest if sent is not None else REFUSED if _stayed(step, outcome) else None,
            modified=plan.modified,
            wants=_wanted_key(plan, outcome),
            tried_keys=_tried_keys(plan, outcome),
            before=plan.entry,
            name=plan.name,
            pair=self._pair(plan, outcome) if self.job.ties.keeps_links else None,
        )

    def _pair(self, plan: Planned, outcome: Outcome) -> Pair | None:
        """The link with its counterpart, and what is in step now."""
        if outcome.target_id is None or outcome.status not in SUCCEEDED:
            return None
        ties, now, watched = self.job.ties, outcome.now or {}, self.job.ties.watched
        if outcome.status == "created" and plan.mapped is not None:
            fields, once = self.job.flow.fields, plan.mapped.create_only
            carried = {path for name in fields.keys() - once for path in fields[name]}
            watched -= unfilled(plan.record, ties.written_back, carried)
        there = seen_there(now, watched)
        return Pair(plan.source_id, outcome.target_id, self._seen_here(plan, outcome), there)

    def _seen_here(self, plan: Planned, outcome: Outcome) -> Mapping[str, str | None]:
        """What is in step of the record itself: what was carried over; when the two are only linked, all there is."""
        flow, written_back = self.job.flow, self.job.ties.written_back
        if not flow.fields or plan.mapped is None:
            return {}
        step = plan.decided if isinstance(plan.decided, Step) else None
        made, link = Made(plan.mapped.body, plan.known.refs), plan.known.link
        sent = () if step is None else made.body.keys() if step.changed is None else step.changed
        left = outcome.left_out | (left_out(made, link).difference(sent) if link is not None else set())
        carried = {path for name, paths in flow.fields.items() if name not in left for path in paths}
        only_linked = step is not None and step.action == "link"
        here = [name for name in written_back if only_linked or is_part(name, carried)]
        return {**seen_there(plan.record, here), **seen_of(flow, plan.record, made, left)}

    def _unclaim(self, plan: Planned) -> None:
        self.under_way.discard(plan.source_id)
        step = plan.decided if isinstance(plan.decided, Step) else None
        if plan.mapped and self.claimed.get(plan.mapped.key) is plan:
            del self.claimed[plan.mapped.key]
        for key in (step.was_key, *step.tried_keys) if step else ():
            if key is not None and self.leaving.get(key) is plan:
                del self.leaving[key]

    def _pass_tickets(self) -> None:
        while self._tickets and self._tickets[0].left == 0:
            ticket = self._tickets.popleft()
            if self.passed is not None:
                self.passed(ticket)

    def check_stop(self) -> None:
        """Raises StoppedError once the run was asked to end."""
        if self.job.stop_requested():
            raise StoppedError("the run was asked to end", hint="the next run sends what is left")


def _stayed(step: Step | None, outcome: Outcome) -> bool:
    return step is not None and step.action == "remove" and outcome.status == "failed"


def _interrupted(chunk: _Chunk, error: ConnectorError, code: str, due: datetime) -> Sequence[Outcome]:
    """What was carried out before the error counts; the rest is tried again later."""
    lost = Outcome("failed", code=code, reason=error.message, retry_at=due, request_id=error.request_id)
    return [error.settled.get(plan.source_id, lost) for plan in chunk.plans]


def _wanted_key(plan: Planned, outcome: Outcome) -> str | None:
    """A key that somebody else owns, or the record it waits for: to be there, or to be decided about."""
    if outcome.code in ("waits-for-reference", "reference-left-out") and plan.known.missing is not None:
        return reference_key(plan.known.missing)
    if plan.waits_for:
        return f"{DECISION}{plan.waits_for}"
    return plan.mapped.key if plan.mapped is not None and outcome.code in TAKEN else None


def _tried_keys(plan: Planned, outcome: Outcome) -> tuple[str, ...]:
    """Where its counterpart may be: it stays unclear until a clear answer comes."""
    step = plan.decided
    if not isinstance(step, Step):
        return () if plan.entry is None or plan.looked else plan.entry.tried_keys
    if outcome.status in CLEAR or _is_located(outcome):
        return ()
    unclear = outcome.status == "unknown" or outcome.code in INTERRUPTED
    goes_to = _goes_by(plan) if unclear and step.mapped is not None else (outcome.key,)
    before = plan.entry.tried_keys if plan.entry is not None else ()
    return tuple(key for key in dict.fromkeys((*before, *goes_to)) if key is not None)


def _goes_by(plan: Planned) -> tuple[str | None, ...]:
    """The key it is sent with, and those by which it would be found again."""
    return (plan.mapped.key, *plan.mapped.match) if plan.mapped is not None else (None,)


def _new_key(plan: Planned) -> str | None:
    """The key it comes to own if the step succeeds, None if it has one already: a move may still fail."""
    had_one = plan.entry is not None and plan.entry.target_key is not None
    return plan.mapped.key if plan.mapped is not None and not had_one else None


def _settled_key(plan: Planned, outcome: Outcome) -> str | None:
    """The key it owns now; of a move that did not succeed the counterpart still has the old one."""
    if outcome.status == "removed" or plan.looked:
        return outcome.key
    if plan.mapped is None or not (isinstance(plan.decided, Step) or outcome.status == "unchanged"):
        return None
    step = plan.decided if isinstance(plan.decided, Step) else None
    if _is_located(outcome) and step is not None and outcome.key in (plan.mapped.key, *step.tried_keys):
        return outcome.key
    return plan.mapped.key if outcome.status in SUCCEEDED else _new_key(plan)


def _is_settled_unsent(outcome: Outcome) -> bool:
    """Whether nothing is to be done about this very content, though nothing was sent."""
    return outcome.status in ("unchanged", "failed") or outcome.code in UNDECIDED


def _is_located(outcome: Outcome) -> bool:
    """Whether it says under which key the counterpart is, though the step did not succeed."""
    return outcome.key is not None and outcome.target_id is not None


SUCCEEDED = frozenset({"created", "updated", "unchanged", "planned"})
CLEAR = SUCCEEDED | {"removed", "skipped"}
TAKEN = ("key-taken", "reference-taken")
"""Codes of records whose key another one owns: they wait for it."""
INTERRUPTED = ("later", "stopped")
"""Codes of steps that may have been carried out before the system as a whole was given up."""
