"""Puts a run together, the only place that does: file → lock → ledger → secrets → systems → Job → FlowRun.

The lock is taken before anything that is slow to import, so that a run that finds it taken leaves at once.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from mlconnector.cli.options import Common
from mlconnector.cli.origin import SamePlace, require_company, require_origins, require_place
from mlconnector.cli.stop import Stopping, stop_on_signals
from mlconnector.errors import ConfigError, ConnectorError, Stop, StoppedError
from mlconnector.ledger import Ledger, Settled
from mlconnector.ledger.lock import RunLock
from mlconnector.ledger.quotas import find_quota, keep_quota
from mlconnector.model import Batch, Change, Flow, Quota, Tools
from mlconnector.summary import Summary

if TYPE_CHECKING:
    from mlconnector.config import BoundFlow, Connection
    from mlconnector.engine import FlowRun
    from mlconnector.lanes import Ties
    from mlconnector.report import Screen, Tell, Watch
    from mlconnector.settings import Healthcheck
    from mlconnector.systems.base import Connected, Source, Target


@dataclass(frozen=True, slots=True)
class Order:
    """What a run was asked to do. `flows` are names, none: all of them. `command` is for the history.

    `adopt` only links what is there on both sides. `attended` says that a person waits for the result; without it a run
    that changed nothing is silent. `seconds` is how long the run may last, `monitored` whether the connection's
    healthcheck is told of it. `followed` is false where a flow is read in part only: nothing follows it then, as with
    a `limit`.
    """

    command: str
    flows: tuple[str, ...] = ()
    dry_run: bool = False
    allow_mass_change: bool = False
    limit: int | None = None
    adopt: bool = False
    attended: bool = False
    seconds: float | None = None
    monitored: bool = False
    missing: Callable[[], ConfigError | None] = lambda: None
    """Asked at the end of the flows: what was named and is nowhere."""
    followed: bool = True


Act = Callable[["FlowRun", "Watch"], Any]
"""What is done with each flow: calls one of the methods of FlowRun, or none."""


def utc_now() -> datetime:
    """The clock of a real run."""
    return datetime.now(UTC)


def open_connection(common: Common) -> Connection:
    """The connection that the common options name."""
    from mlconnector.config import load_connection
    from mlconnector.places import find_connection

    return load_connection(find_connection(common.connection))


def first_step(connection: Connection) -> str:
    """The command that comes first: between systems that are both full, what would be linked."""
    paired = any(bound.flow.fields for bound in connection.flows)
    return f"mlconnector sync {'--adopt --dry-run' if paired else '--dry-run'}"


def choose_flows(connection: Connection, names: Sequence[str]) -> list[BoundFlow]:
    """The flows of these names with those that follow them, all if there are none, each after those it waits for."""
    known = {bound.flow.name: bound for bound in connection.flows}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{connection.path}: there is no flow {name!r} that is enabled",
                hint=f"there are {', '.join(known) or 'none'}",
            )
    return in_order(
        [one for name, one in known.items() if not names or name in names or one.flow.follows in names]
    )


def flows_to_run(connection: Connection, names: Sequence[str]) -> list[BoundFlow]:
    """As `choose_flows`; who names a flow that follows another one gets that one, too, in the same run before it."""
    chosen = choose_flows(connection, names)
    led_by = {bound.flow.follows for bound in chosen} - {bound.flow.name for bound in chosen}
    return in_order([*chosen, *(one for one in connection.flows if one.flow.name in led_by)])


def in_order(flows: Iterable[BoundFlow]) -> list[BoundFlow]:
    """As the file has them, except that a flow comes after those in its `after` (names of flows or their kinds)."""
    left, ordered = list(flows), []
    while left:
        ready = next((one for one in left if not _waits(one, left)), left[0])
        left.remove(ready)
        ordered.append(ready)
    return ordered


def _waits(one: BoundFlow, others: Sequence[BoundFlow]) -> bool:
    return any(_is_before(other, one) for other in others if other is not one)


def _is_before(first: BoundFlow, second: BoundFlow) -> bool:
    return first.flow.name in second.flow.after or first.kind in second.flow.after


def keeps_links(connection: Connection, bound: BoundFlow) -> bool:
    """Whether its records are linked with their counterparts: they are kept in step, or another flow refers to them.

    Or may refer to them one day: who switches posting on wants the drafts posted that are there already.
    """
    from mlconnector.flows import FLOWS

    referred_to = FLOWS[bound.kind].then is not None and not bound.flow.follows
    return (
        bool(bound.flow.fields) or referred_to or any(_is_before(bound, other) for other in connection.flows)
    )


def the_other_way(connection: Connection, bound: BoundFlow) -> list[Flow]:
    """The flows from its target's records back to its source's."""
    flow = bound.flow
    return [
        other.flow
        for other in connection.flows
        if (other.flow.source, other.flow.entity) == (flow.target, flow.into)
        and (other.flow.target, other.flow.into) == (flow.source, flow.entity)
    ]


def ties(connection: Connection, bound: BoundFlow) -> Ties:
    """What the engine has to know of the connection's other flows."""
    from mlconnector.lanes import Ties

    flow, back = bound.flow, the_other_way(connection, bound)
    makers: dict[tuple[str, str], tuple[str, ...]] = {}
    for one in (other.flow for other in connection.flows if not other.flow.follows):
        if (one.source, one.target) == (flow.source, flow.target):
            ends = one.entity, one.into
            makers[ends] = (*makers.get(ends, ()), one.name)
    if not flow.fields:
        return Ties(keeps_links(connection, bound), makers=makers)
    written_back: dict[str, frozenset[str]] = {}
    for name, paths in ((name, paths) for other in back for name, paths in other.fields.items()):
        written_back[name] = written_back.get(name, frozenset()) | paths
    return Ties(
        keeps_links=keeps_links(connection, bound),
        watched=frozenset(flow.fields).union(*written_back.values()),
        written_back=written_back,
        makers=makers,
        match=tuple(getattr(bound.options, "match", ())),
        the_other_way=tuple(other.name for other in back),
    )


def source_key(connection: Connection, bound: BoundFlow) -> str:
    """The field by which people call a record of this flow: `number`."""
    from mlconnector.systems import load_system

    if bound.flow.follows:
        return "name"
    return load_system(connection.systems[bound.flow.source].kind).entities[bound.flow.entity].key


class Systems:
    """The systems of one connection: each connected when it is first used, once, and read by one Source."""

    def __init__(
        self,
        connection: Connection,
        secrets: Mapping[str, str],
        tools: Tools,
        hide: Callable[[Iterable[str]], None] = lambda values: None,
        ledger: Ledger | None = None,
    ) -> None:
        self.connection = connection
        self._secrets = secrets
        self._ledger = ledger
        self._tools = tools
        self._hide = hide
        self._connected: dict[str, Connected] = {}
        self._sources: dict[str, Source] = {}
        self._quotas: dict[str, Quota] = {}

    def connected(self, alias: str) -> Connected:
        """The system behind an alias; nothing is sent yet."""
        if alias not in self._connected:
            from mlconnector.cli.vault import StoredSecrets
            from mlconnector.systems import load_system

            part = self.connection.systems[alias]
            mine = {
                name.partition(".")[2]: value
                for name, value in self._secrets.items()
                if name.partition(".")[0] == alias
            }
            vault = StoredSecrets(self.connection, alias, self._hide)
            quota = find_quota(self._ledger, alias) if self._ledger is not None else Quota()
            self._quotas[alias] = quota
            called = f"{self.connection.name} {alias}"
            tools = replace(self._tools, called=called, vault=vault, quota=quota)
            self._connected[alias] = load_system(part.kind).connect(part.settings, mine, tools)
        return self._connected[alias]

    def source(self, alias: str) -> Source:
        """The reader of a system, for all flows of the connection that read it."""
        if alias not in self._sources:
            flows = [bound.flow for bound in self.connection.flows if bound.flow.source == alias]
            self._sources[alias] = self.connected(alias).source(flows)
        return self._sources[alias]

    def source_of(self, flow: Flow, ledger: Ledger) -> Source:
        """What a flow reads: a system, or what the flow that it follows has settled."""
        from mlconnector.signals import FromLedger

        return FromLedger(ledger, flow) if flow.follows else self.source(flow.source)

    def target(self, bound: BoundFlow) -> Target:
        """The writer of one flow."""
        return self.connected(bound.flow.target).target(bound.flow, bound.options)

    def keep_quotas(self) -> None:
        """Puts on record what was taken of each system's day."""
        for alias, quota in self._quotas.items():
            if self._ledger is not None:
                keep_quota(self._ledger, alias, quota)

    def calls(self) -> int:
        """Requests so far."""
        return sum(one.usage().get("calls", 0) for one in self._connected.values())

    def close(self) -> None:
        """Ends all connections."""
        for one in self._connected.values():
            one.close()


@contextmanager
def open_systems(
    connection: Connection,
    screen: Screen,
    tools: Tools,
    aliases: Iterable[str] | None = None,
    ledger: Ledger | None = None,
) -> Iterator[Systems]:
    """The systems with their secrets, those of `aliases` only if given; closed at the end.

    `ledger` remembers what they take of a day.
    """
    from mlconnector.secrets import load_secrets

    chosen = None if aliases is None else set(aliases)
    wanted = [
        name for name in connection.secret_names() if chosen is None or name.partition(".")[0] in chosen
    ]
    secrets = load_secrets(connection.name, wanted, settings=connection.secrets)
    screen.redactor.hide(secrets.values())
    systems = Systems(connection, secrets, tools, screen.redactor.hide, ledger)
    try:
        yield systems
    finally:
        systems.close()


@contextmanager
def open_ledger(connection: Connection, now: Callable[[], datetime], *, dry_run: bool) -> Iterator[Ledger]:
    """The ledger for writing, or a copy of it in memory that takes what a dry run writes. Under the lock."""
    if dry_run:
        with Ledger.look(connection.state, connection.name, now) as kept:
            ledger = kept.copy()
    else:
        ledger = Ledger.open(connection.state, connection.name, now)
    with ledger:
        yield ledger


def run_flows(
    common: Common,
    order: Order,
    act: Act,
    *,
    connection: Connection | None = None,
    now: Callable[[], datetime] = utc_now,
) -> int:
    """Carries an order out and reports it; the exit code. Raises what ended the run as a whole."""
    screen = common.screen()
    connection = connection or open_connection(common)
    chosen = flows_to_run(connection, order.flows)
    gc.set_threshold(20_000, 25, 25)  # records make no cycles: looking for them costs 5 % of a first sync
    summary = Summary(order.command, dry_run=order.dry_run, attended=order.attended or order.dry_run)
    with (
        RunLock(connection.state, now, unattended=not summary.attended) as lock,
        stop_on_signals(order.seconds) as stopping,
        monitored(connection.healthcheck if order.monitored else None, summary, stopping, screen),
        open_ledger(connection, now, dry_run=order.dry_run) as ledger,
    ):
        _Run(connection, order, ledger, stopping, summary, now).carry_out(chosen, act, screen, lock.tell)
    screen.summary(summary)
    for flows, error in summary.early_ends():
        if not screen.knows(error):
            screen.error(error, where=f"{flows} ended early")
    if summary.error is not None:
        raise summary.error
    return summary.exit_code()


@contextmanager
def monitored(
    healthcheck: Healthcheck | None, summary: Summary, stopping: Stopping, screen: Screen
) -> Iterator[None]:
    """Tells the healthcheck that a run began and how it ended: counts and errors, no record and nobody's address."""
    if healthcheck is None or not healthcheck.is_wanted():
        yield
        return
    from mlconnector.pings import addresses, ping

    urls = addresses(healthcheck)
    tools = Tools(utc_now, lambda seconds: time.sleep(min(seconds, 1.0)))
    if "start" in urls:
        ping(urls["start"], summary.command, tools)
    error: BaseException | None = None
    try:
        yield
    except BaseException as unforeseen:
        error = unforeseen
        raise
    finally:
        lines = [*summary.telling(), *([str(error) or type(error).__name__] if error else [])]
        ran_out = isinstance(summary.error, StoppedError) and stopping.out_of_time()
        well = error is None and (summary.exit_code() == 0 or ran_out)
        if (when := "success" if well else "fail") in urls:
            ping(urls[when], screen.redactor.text("\n".join(lines), addresses=False), tools)


def _out_of_time() -> StoppedError:
    return StoppedError(
        "the run reached the end of its time (--max-time)", hint="the next run sends what is left"
    )


class _Run:
    """One run of one connection, under the lock."""

    def __init__(
        self,
        connection: Connection,
        order: Order,
        ledger: Ledger,
        stopping: Stopping,
        summary: Summary,
        now: Callable[[], datetime],
    ) -> None:
        self.connection = connection
        self.order = order
        self.ledger = ledger
        self.stopping = stopping
        self.summary = summary
        self.tools = Tools(now, stopping.sleep)
        self.run_id = summary.run_id = ledger.history.start(order.command)

    def carry_out(self, chosen: Sequence[BoundFlow], act: Act, screen: Screen, tell: Tell) -> None:
        """All flows; whatever ends it, the ledger is told how."""
        code, error = 3, "ended unexpectedly"
        aliases = {alias for bound in chosen for alias in (bound.flow.source, bound.flow.target)}
        try:
            require_origins(self.connection, chosen, self.ledger)
            with (
                screen.watching(self.summary, tell) as watch,
                open_systems(self.connection, screen, self.tools, aliases, self.ledger) as systems,
            ):
                for bound in chosen:
                    if self._may_go_on(bound):
                        self._carry_out_one(bound, act, systems, watch)
                if problem := self.order.missing():
                    raise problem
        except Stop as stop:
            ran_out = isinstance(stop, StoppedError) and self.stopping.out_of_time()
            self.summary.error = _out_of_time() if ran_out else stop
        except BaseException as unforeseen:
            error = type(unforeseen).__name__
            raise
        else:
            error = ""
        finally:
            self._end(screen, code, error)

    def _may_go_on(self, bound: BoundFlow) -> bool:
        """What follows another flow runs only if that one was read to its end in this run: what is settled there (a
        deal is won) may not be so now."""
        if not bound.flow.follows:
            return True
        before = self.summary.tallies.get(bound.flow.follows)
        whole = self.order.followed and self.order.limit is None
        return whole and before is not None and before.finished

    def _end(self, screen: Screen, code: int, error: str) -> None:
        if self.summary.error is not None or not error:
            code = self.summary.exit_code()
            early = [f"{flows}: {error}" for flows, error in self.summary.early_ends()]
            stop = self.summary.error.each() if self.summary.error else ()
            error = "; ".join([*early, *(one.message for one in stop)])
        self.ledger.history.end(self.run_id, code, screen.redactor.text(error, addresses=False))
        watched = self.order.attended or self.order.dry_run
        old = not watched and self.ledger.history.ended_so_before(self.run_id)
        for one in (self.summary.error, *(tally.error for tally in self.summary.tallies.values())):
            if one is not None:
                one.is_old = old

    def _carry_out_one(self, bound: BoundFlow, act: Act, systems: Systems, watch: Watch) -> None:
        from mlconnector.cli.records import naming
        from mlconnector.engine import FlowRun

        name, tally = bound.flow.name, self.summary.tally(bound.flow.name)
        tally.naming = naming(self.connection, bound)
        started, calls = time.monotonic(), systems.calls()
        run = FlowRun(self._job(bound, systems, watch))
        try:
            self._require_company(bound, systems)
            act(run, watch)
            tally.finished = True
        except Stop:
            raise
        except ConnectorError as error:  # this flow ends early, the next one still runs
            error.hint = error.hint or "run: mlconnector check"
            tally.error = error
        finally:
            tally.counts, tally.calls = dict(run.counts), systems.calls() - calls
            tally.seconds = time.monotonic() - started
            systems.keep_quotas()
            self.ledger.history.end_flow(self.run_id, name, tally.counts, tally.calls, tally.seconds)

    def _require_company(self, bound: BoundFlow, systems: Systems) -> None:
        from mlconnector.systems.base import Placed

        source = systems.source(bound.flow.source)
        if isinstance(source, Placed) and not bound.flow.follows:
            require_company(self.connection, bound, source, self.ledger)

    def _job(self, bound: BoundFlow, systems: Systems, watch: Watch) -> Any:
        from mlconnector.lanes import Brake, Job
        from mlconnector.plan import DryRun

        flow, brake = bound.flow, self.connection.brake
        target = systems.target(bound)
        written = DryRun(target) if self.order.dry_run else target
        guards = self._guards(bound, systems, target)
        if guards:
            written = SamePlace(written, guards)
        unbraked = self.order.allow_mass_change or self.order.dry_run
        return Job(
            flow=flow,
            entity=systems.connected(flow.target).entity(flow.into),
            source=systems.source_of(flow, self.ledger),
            target=written,
            ledger=self.ledger,
            run_id=self.run_id,
            overlap=self.connection.overlap,
            now=self.tools.now,
            stop_requested=self.stopping.requested,
            observer=watch,
            brake=None if unbraked else Brake(share=brake.share, at_least=brake.at_least),
            limit=self.order.limit,
            named_by=source_key(self.connection, bound),
            ties=ties(self.connection, bound),
            adopt=self.order.adopt,
        )

    def _guards(self, bound: BoundFlow, systems: Systems, target: Target) -> Sequence[Callable[[], None]]:
        """What is looked at before the first write; each raises for what must not be written to."""
        from mlconnector.systems.base import Placed, Requires

        ends = (systems.connected(alias) for alias in (bound.flow.source, bound.flow.target))
        guards = [
            partial(one.require, bound.flow, bound.options) for one in ends if isinstance(one, Requires)
        ]
        if isinstance(target, Placed):
            guards.append(partial(require_place, self.connection, bound, target, self.ledger))
        return guards


def preview(
    bound: BoundFlow, systems: Systems, ledger: Ledger, change: Change, now: Callable[[], datetime]
) -> Settled | None:
    """What a sync would do with this record now, by the same code; None for nothing. Writes nothing."""
    from mlconnector.engine import FlowRun
    from mlconnector.lanes import Job
    from mlconnector.plan import DryRun

    copy, kept = ledger.copy(), _Kept()
    job = Job(
        flow=bound.flow,
        entity=systems.connected(bound.flow.target).entity(bound.flow.into),
        source=_OneRecord(change),
        target=DryRun(systems.target(bound)),
        ledger=copy,
        run_id=copy.history.start("explain"),
        overlap=timedelta(0),
        now=now,
        stop_requested=lambda: False,
        observer=kept,
        ties=ties(systems.connection, bound),
    )
    FlowRun(job).replay([change.id], forced=False)
    copy.close()
    return next((one for one in kept.settled_ones if one.source_id == change.id), None)


class _OneRecord:
    """A source that holds one record."""

    def __init__(self, change: Change) -> None:
        self._change = change

    def read(
        self, entity: str, since: str | None, *, until: str | None = None, resume: str | None = None
    ) -> Iterator[Batch]:
        yield Batch([self._change])

    def fetch(self, entity: str, ids: Collection[str]) -> Iterator[Change]:
        return (self._change for one in ids if one == self._change.id)

    def shift(self, checkpoint: str, overlap: timedelta) -> str:
        return checkpoint


class _Kept:
    """An observer that keeps what settled."""

    def __init__(self) -> None:
        self.settled_ones: list[Settled] = []

    def progress(self, flow: str, counts: Mapping[str, int]) -> None:
        """Not needed."""

    def settled(self, flow: str, one: Settled) -> None:
        self.settled_ones.append(one)
