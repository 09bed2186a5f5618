"""`mlconnector replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlconnector.cli.moments import Moment
from mlconnector.cli.options import Command, Common

if TYPE_CHECKING:
    from mlconnector.engine import FlowRun
    from mlconnector.ledger import Ledger
    from mlconnector.model import Flow
    from mlconnector.report import Watch
    from mlconnector.systems.base import Source

EPILOG = """
\b
Examples:
  mlconnector replay --failed                        all failed records, fetched again
  mlconnector replay --failed --since 2026-07-01 --dry-run
  mlconnector replay --record 10000 --flow customers_to_members
"""


@click.command(cls=Command, epilog=EPILOG)
@click.option("--failed", is_flag=True, help="Records that failed.")
@click.option("--unknown", is_flag=True, help="Records that were sent and got no clear answer.")
@click.option(
    "--record",
    "records",
    metavar="RECORD",
    multiple=True,
    help="This record (number, id or e-mail address), however it stands; may be repeated.",
)
@click.option("--flow", "flows", metavar="FLOW", multiple=True, help="Only in this flow; may be repeated.")
@click.option("--since", type=Moment(), help="Only those that came to stand so at or after it (UTC).")
@click.option("--dry-run", is_flag=True, help="Say what would be done, write nothing.")
@click.pass_obj
def command(
    common: Common,
    failed: bool,
    unknown: bool,
    records: tuple[str, ...],
    flows: tuple[str, ...],
    since: str | None,
    dry_run: bool,
) -> int:
    """Fetch records again and send them as they are now, even if they look unchanged.

    Choose with --failed, --unknown or --record. --since narrows --failed and --unknown down.
    """
    if not (failed or unknown or records):
        raise click.UsageError("say which records: --failed, --unknown or --record RECORD")
    if since and not (failed or unknown):
        raise click.UsageError("--since goes with --failed or --unknown")
    from mlconnector.cli.build import Order, open_connection, run_flows
    from mlconnector.cli.flows import flows_to_run
    from mlconnector.cli.records import not_found

    statuses = (("failed",) if failed else ()) + (("unknown", "sending") if unknown else ())
    connection = open_connection(common)
    bound = flows_to_run(connection, flows)
    fetched: dict[str, list[str]] = {}

    def act(run: FlowRun, watch: Watch) -> None:
        flow, ledger = run.job.flow, run.job.ledger
        is_meant = not flows or flow.name in flows or flow.follows in flows
        ids = _choose(flow, ledger, run.job.source, statuses, since, records) if is_meant else []
        behind = [
            id_
            for one in bound
            if one.flow.follows == flow.name
            for id_ in _choose(one.flow, ledger, None, statuses, since, records)
        ]
        if flow.follows:
            ids = [id_ for id_ in ids if id_ in fetched.get(flow.follows, ())]
        before = [id_ for id_ in dict.fromkeys(behind) if id_ not in ids]
        fetched[flow.name] = [*ids, *before]
        watch.expect(flow.name, len(fetched[flow.name]))
        if ids:
            run.replay(ids)
        if before:  # what follows goes on only with what is still so
            run.replay(before, forced=False)

    words = ["replay", *(["--failed"] if failed else []), *(["--unknown"] if unknown else [])]
    words += [f"--record ({len(records)})"] if records else []
    words += [f"--flow {name}" for name in flows] + ([f"--since {since}"] if since else [])
    order = Order(
        " ".join(words),
        flows,
        dry_run,
        attended=True,
        missing=lambda: not_found(records) if records and not any(fetched.values()) else None,
    )
    code = run_flows(common, order, act, connection=connection)
    if not any(fetched.values()):
        common.screen().notice("there was nothing to replay")
    return code


def _choose(
    flow: Flow,
    ledger: Ledger,
    source: Source | None,
    statuses: tuple[str, ...],
    since: str | None,
    records: tuple[str, ...],
) -> list[str]:
    from mlconnector.cli.records import find_ids

    ids = ledger.unsettled(flow.name, since, statuses) if statuses else []
    named = find_ids(flow, ledger, source, records) if records else []
    return list(dict.fromkeys((*ids, *named)))
