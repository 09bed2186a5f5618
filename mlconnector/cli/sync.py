"""`mlconnector sync`."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from mlconnector.cli.moments import Duration
from mlconnector.cli.options import Command, Common
from mlconnector.errors import Stop, StoppedError

if TYPE_CHECKING:
    from mlconnector.cli.build import Act, Order
    from mlconnector.engine import FlowRun
    from mlconnector.report import Watch

EPILOG = """
\b
Examples:
  mlconnector sync                                 what cron runs: silent when nothing changed
  mlconnector sync --dry-run                       what would be done; nothing is written, not even state
  mlconnector sync --flow customers_to_members --limit 10
  mlconnector sync --record 10000                  one record, whenever it changed
  mlconnector sync --full                          once a night: finds deletions and computed fields
  mlconnector sync --adopt --dry-run               two full systems: what would be linked
  mlconnector sync --jitter 60s --max-time 20m     a good neighbour among many crontabs
"""


@click.command(cls=Command, epilog=EPILOG)
@click.option("--flow", "flows", metavar="FLOW", multiple=True, help="Only this flow; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, write nothing.")
@click.option("--full", is_flag=True, help="Read everything, not only what changed; finds deletions.")
@click.option(
    "--adopt",
    is_flag=True,
    help="Only link the records that are there on both sides already; nothing is written to either.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Send N records of each flow at most; the watermark stays where it is, and nothing is posted.",
)
@click.option(
    "--record",
    "records",
    metavar="RECORD",
    multiple=True,
    help="Only this record (number, id or e-mail address); may be repeated.",
)
@click.option(
    "--jitter",
    type=Duration(),
    metavar="DURATION",
    help="Begin at a random moment within so much time, so that not all crontabs call at once.",
)
@click.option(
    "--max-time",
    type=Duration(),
    metavar="DURATION",
    help="End after so much time; what is in flight settles, the next run sends the rest.",
)
@click.option("--allow-mass-change", is_flag=True, help="Let more records change than the brake allows.")
@click.pass_obj
def command(
    common: Common,
    flows: tuple[str, ...],
    dry_run: bool,
    full: bool,
    adopt: bool,
    limit: int | None,
    records: tuple[str, ...],
    jitter: timedelta | None,
    max_time: timedelta | None,
    allow_mass_change: bool,
) -> int:
    """Send what is new or changed since the last run, and what was left over.

    Unchanged records are not sent. A record that cannot be sent is put on record with its reason and never blocks
    the others; it counts for the exit code of the run in which it failed, and waits in `status` from then on.

    A dry run writes nothing anywhere, its own state included. After a change of `map` or `when`, --full lets every
    record go through the new one.

    The first run between two systems that are both full is --adopt: what matches is linked, as both sides are then;
    what was not linked is said, and waits for the next sync, which creates it.
    """
    if full and records:
        raise click.UsageError("--full reads everything and --record some records: give one of them")
    from mlconnector.cli.build import Order
    from mlconnector.cli.origin import forget_left_place
    from mlconnector.cli.records import find_ids, not_found
    from mlconnector.cli.stop import stop_on_signals

    found: dict[str, list[str]] = {}

    def act(run: FlowRun, watch: Watch) -> None:
        job = run.job
        if adopt and not job.flow.fields:
            return  # what goes one way only is found by its key anyway
        if records:
            ids = found.get(job.flow.follows)  # no other than were looked at just before
            ids = find_ids(job.flow, job.ledger, job.source, records) if ids is None else ids
            found[job.flow.name] = ids
            watch.expect(job.flow.name, len(ids))
            run.replay(ids, forced=False)
            return
        known = sum(job.ledger.counts(job.flow.name).values()) if full else 0
        watch.expect(job.flow.name, known or None)
        if not full:
            run.sync()
            return
        run.full()
        if not (limit or adopt):
            forget_left_place(job.flow.name, job.ledger)

    order = Order(
        _spelled(flows, full, adopt, limit, records),
        flows,
        dry_run=dry_run,
        allow_mass_change=allow_mass_change,
        limit=limit,
        adopt=adopt,
        attended=bool(records),
        seconds=max_time.total_seconds() if max_time else None,
        monitored=not (dry_run or records or limit),
        missing=lambda: not_found(records) if records and not any(found.values()) else None,
    )
    if jitter:
        with stop_on_signals() as stopping:
            stopping.sleep(random.uniform(0, jitter.total_seconds()))  # noqa: S311 - no secret
    return _run(common, order, act)


def _run(common: Common, order: Order, act: Act) -> int:
    """The exit code. What keeps every run of a crontab from beginning is told once a day."""
    from mlconnector.cli.build import run_flows, utc_now
    from mlconnector.cli.told import forget_told, was_told

    try:
        code = run_flows(common, order, act)
    except Stop as error:
        if not (isinstance(error, StoppedError) or order.attended or order.dry_run):
            error.is_old = was_told(common.connection, str(error), utc_now) or error.is_old
        raise
    forget_told(common.connection)
    return code


def _spelled(
    flows: tuple[str, ...], full: bool, adopt: bool, limit: int | None, records: tuple[str, ...]
) -> str:
    """The command for the history; without record names, which may be addresses."""
    words: list[Any] = ["sync", *(f"--flow {name}" for name in flows)]
    words += ["--full"] if full else []
    words += ["--adopt"] if adopt else []
    words += [f"--limit {limit}"] if limit else []
    words += [f"--record ({len(records)})"] if records else []
    return " ".join(words)
