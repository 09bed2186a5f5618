"""`mlconnector history`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from mlconnector.cli.options import Command, Common

if TYPE_CHECKING:
    from mlconnector.report import Screen

EPILOG = """
\b
Examples:
  mlconnector history
  mlconnector history --limit 100 --json
"""

EXITS = {0: "fine", 1: "some records failed", 2: "configuration", 3: "stopped early"}


@click.command(cls=Command, epilog=EPILOG)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="How many runs.",
)
@click.pass_obj
def command(common: Common, limit: int) -> int:
    """List the last runs, newest first: what they did, how long they took, how they ended."""
    from mlconnector.cli.build import open_connection, utc_now
    from mlconnector.cli.flows import first_step
    from mlconnector.ledger import Ledger

    connection = open_connection(common)
    with Ledger.look(connection.state, connection.name, utc_now) as ledger:
        runs = ledger.history.last(limit)
    screen = common.screen()
    if common.json:
        screen.data(runs)
    elif not runs:
        screen.notice(f"there was no run yet: {first_step(connection)}")
    else:
        _show(screen, [row for run in runs for row in _rows(run)])
    return 0


def _show(screen: Screen, rows: Sequence[dict[str, Any]]) -> None:
    """On a terminal errors stand below the table, where they have the whole width."""
    if not screen.is_terminal:
        screen.table(rows)
        return
    errors = {row["run"]: error for row in rows if (error := row.pop("error"))}
    screen.table(rows)
    for run, error in errors.items():
        screen.line(f"run {run}: {error}")


def _rows(run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """How the run ended, then what each flow did."""
    from mlconnector.cli.moments import short
    from mlconnector.summary import sparse

    columns = ("run", "started", "command", "exit", "ended", "flow", "records", "calls", "seconds", "error")
    empty = dict.fromkeys(columns)
    yield {
        **empty,
        "run": run["id"],
        "started": short(run["started_at"]),
        "command": run["command"],
        "exit": run["exit_code"],
        "ended": ended(run),
        "error": run["error"],
    }
    for name, flow in run["flows"].items():
        counts = {"flow": name, "records": sparse(flow["counts"])}
        yield {**empty, "run": run["id"], **counts, "calls": flow["calls"], "seconds": flow["seconds"]}


def ended(run: Mapping[str, Any]) -> str:
    """How a run ended, in a word or two."""
    if run["ended_at"] is None:
        return "under way or killed"
    return EXITS.get(run["exit_code"], f"exit code {run['exit_code']}")
