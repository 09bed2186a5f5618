"""Puts a run together, the only place that does: file → lock → ledger → secrets → systems → Job → FlowRun.

The lock is taken before anything that is slow to import, so that a run that finds it taken leaves at once.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from mlconnector.cli.flows import flows_to_run, source_key, ties
from mlconnector.cli.options import Common
from mlconnector.cli.origin import SamePlace, require_company, require_origins, require_place
from mlconnector.cli.stop import Stopping, stop_on_signals
from mlconnector.cli.systems import Systems, open_systems
from mlconnector.errors import ConfigError, ConnectorError, Stop, StoppedError
from mlconnector.ledger import Ledger
from mlconnector.ledger.lock import RunLock
from mlconnector.model import Tools
from mlconnector.summary import Summary

if TYPE_CHECKING:
    from mlconnector.config import BoundFlow, Connection
    from mlconnector.engine import FlowRun
    from mlconnector.report import Screen, Tell, Watch
    from mlconnector.settings import Healthcheck
    from mlconnector.systems.base import Target


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
