"""`mlconnector backfill`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlconnector.cli.moments import Moment
from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError

if TYPE_CHECKING:
    from mlconnector.engine import FlowRun
    from mlconnector.report import Screen, Watch

EPILOG = """
\b
Dates are UTC unless they carry an offset (2026-07-01T14:30+02:00).

\b
Examples:
  mlconnector backfill customers_to_members                    everything
  mlconnector backfill customers_to_members --since 2026-01-01
  mlconnector backfill vendors_to_members --since 2026-01-01 --until 2026-04-01
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("flow")
@click.option("--since", type=Moment(), help="What changed at or after it; not given: from the beginning.")
@click.option("--until", type=Moment(), help="What changed before it; not given: until now.")
@click.option("--allow-mass-change", is_flag=True, help="Let more records change than the brake allows.")
@click.pass_obj
def command(common: Common, flow: str, since: str | None, until: str | None, allow_mass_change: bool) -> int:
    """Read a window of FLOW's past, or everything, and send what differs.

    The watermark of the ordinary sync is left alone. A backfill that was interrupted goes on where it stood when
    it is called with the same window again.
    """
    if since and until and since >= until:
        raise click.UsageError("--since has to lie before --until: nothing changed in such a window")
    from mlconnector.cli.build import Order, open_connection, run_flows

    connection = open_connection(common)
    for bound in connection.flows:
        if bound.flow.name == flow and bound.flow.follows:
            raise ConfigError(
                f"{flow} takes up what {bound.flow.follows} has settled: there is no past of it to read",
                hint=f"run: mlconnector sync --flow {flow}",
            )

    def act(run: FlowRun, watch: Watch) -> None:
        ledger = run.job.ledger
        _tell_resumed(common.screen(), ledger.backfill(flow), since, until)
        known = sum(ledger.counts(flow).values()) if since is None and until is None else 0
        watch.expect(flow, known or None)
        run.backfill(since, until)

    window = [f"--since {since}"] if since else []
    window += [f"--until {until}"] if until else []
    order = Order(
        " ".join(["backfill", flow, *window]),
        (flow,),
        allow_mass_change=allow_mass_change,
        attended=True,
        followed=False,
    )
    return run_flows(common, order, act, connection=connection)


def _tell_resumed(screen: Screen, begun: object, since: str | None, until: str | None) -> None:
    from mlconnector.ledger import Backfill

    if not isinstance(begun, Backfill):
        return
    if (begun.since, begun.until) == (since, until):
        screen.notice(
            f"goes on with the backfill begun at {begun.started_at}: {begun.read} records were read so far"
        )
    else:
        screen.notice(f"takes the place of the unfinished backfill begun at {begun.started_at}")
