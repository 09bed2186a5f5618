"""`mlconnector ledger`: back up, prune and export the state file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlconnector.cli.moments import Duration
from mlconnector.cli.options import Command, Common, common_options

if TYPE_CHECKING:
    from mlconnector.ledger.upkeep import Pruned
    from mlconnector.report import Screen

EPILOG = """
\b
Examples:
  mlconnector ledger backup
  mlconnector ledger prune --older-than 90d
  mlconnector ledger export records.csv
"""

BACKUP_EPILOG = """
\b
Examples:
  mlconnector ledger backup                          beside the state file
  mlconnector ledger backup /backup/nordkran.db
  mlconnector ledger backup --json
"""

PRUNE_EPILOG = """
\b
Examples:
  mlconnector ledger prune --older-than 90d --dry-run
  mlconnector ledger prune --older-than 90d
"""

REBIND_EPILOG = """
\b
Examples:
  mlconnector ledger rebind                          after the company was renamed, or the server moved
  mlconnector ledger rebind --json
"""

EXPORT_EPILOG = """
\b
Examples:
  mlconnector ledger export > records.csv
  mlconnector ledger export records.csv              readable by you alone
  mlconnector ledger export --attempts attempts.csv
  mlconnector ledger export --json
"""


@click.group(epilog=EPILOG, params=common_options())
def command() -> None:
    """Look after the state file: back it up, take old entries out of it, export what it holds.

    One person is erased from it with: mlconnector forget.
    """


@command.command("backup", cls=Command, epilog=BACKUP_EPILOG)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def backup_(common: Common, file: Path | None) -> int:
    """Copy the state file, also while a sync runs.

    The copy is checked before it is called FILE. Without FILE it is put beside the state file, with the time (UTC) in
    its name. It is for its owner only, as the state file is, and holds the same addresses. A file that is there already
    is never overwritten.
    """
    from mlconnector.cli.build import open_connection, utc_now
    from mlconnector.cli.state import backup_path, refuse_missing
    from mlconnector.ledger import Ledger
    from mlconnector.ledger.upkeep import back_up

    connection = open_connection(common)
    refuse_missing(connection)
    path = file or backup_path(connection.state)
    with Ledger.look(connection.state, connection.name, utc_now, oldest=1) as ledger:
        size = back_up(ledger, path)
    if common.json:
        common.screen().data({"written": str(path), "bytes": size, "checked": True})
    elif not common.quiet:
        common.screen().line(f"wrote {path} ({_size(size)}); its content was checked")
    return 0


@command.command("prune", cls=Command, epilog=PRUNE_EPILOG)
@click.option(
    "--older-than", "age", type=Duration(), required=True, help="How long to keep: 90d, 12h, or 1d12h."
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, change nothing.")
@click.pass_obj
def prune_(common: Common, age: timedelta, dry_run: bool) -> int:
    """Remove old attempts, runs and gone records.

    Then the file gets smaller. Records that are there in the source are never removed, however old. Of those that are
    gone, the ones with a member stay: by them a member that was deleted in the target is not created again, and an
    archived one comes back as it was.
    """
    from mlconnector.cli.build import open_connection, utc_now
    from mlconnector.cli.state import open_state, refuse_missing
    from mlconnector.ledger import Ledger, upkeep
    from mlconnector.ledger.rows import stamp

    connection = open_connection(common)
    refuse_missing(connection)
    state, before, freed = connection.state, stamp(utc_now() - age) or "", 0
    if dry_run:
        with Ledger.look(state, connection.name, utc_now) as ledger:
            pruned = upkeep.count_old(ledger, before)
    else:
        with open_state(connection) as ledger:
            size = upkeep.size_of(state)
            pruned = upkeep.prune(ledger, before)
            upkeep.compact(ledger)
            freed = max(0, size - upkeep.size_of(state))
    if common.json:
        common.screen().data({"before": before, "dry_run": dry_run, **asdict(pruned), "bytes_freed": freed})
    elif not common.quiet:
        _show_pruned(common.screen(), pruned, freed, dry_run=dry_run)
    return 0


def _show_pruned(screen: Screen, pruned: Pruned, freed: int, *, dry_run: bool) -> None:
    from mlconnector.summary import counted

    runs = f"{counted(pruned.runs, 'run')} ({counted(pruned.run_flows, 'line')} of flows)"
    gone = f"{counted(pruned.records, 'record')} that {'is' if pruned.records == 1 else 'are'} gone"
    verb = "would be removed" if dry_run else "removed"
    screen.line(f"{verb}: {counted(pruned.attempts, 'attempt')}, {runs}, {gone}")
    if pruned.kept:
        screen.line(f"kept: {counted(pruned.kept, 'record')} as old and gone, whose member is known by it")
    if not dry_run:
        screen.line(f"freed: {_size(freed)}")


@command.command("rebind", cls=Command, epilog=REBIND_EPILOG)
@click.pass_obj
def rebind_(common: Common) -> int:
    """Go on with a source that was renamed or moved.

    A run refuses a state file whose records came from another company or server. If it is the same one under a new
    name or address, with the same records, this says so; with other records it would do harm.
    """
    from mlconnector.cli.build import open_connection
    from mlconnector.cli.origin import rebind
    from mlconnector.cli.state import open_state, refuse_missing

    connection, screen = open_connection(common), common.screen()
    refuse_missing(connection)
    with open_state(connection) as ledger:
        changes = rebind(connection, ledger)
    if common.json:
        screen.data({"changed": changes})
    elif not common.quiet:
        for flow, facts in changes.items():
            screen.line(f"{flow}: {', '.join(facts)}")
        if not changes:
            screen.line("nothing has changed")
    return 0


@command.command("export", cls=Command, epilog=EXPORT_EPILOG)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--csv", "as_csv", is_flag=True, help="As CSV in UTF-8; so it is without --json, too.")
@click.option("--attempts", is_flag=True, help="Every attempt to send, in place of every record.")
@click.pass_obj
def export_(common: Common, file: Path | None, as_csv: bool, attempts: bool) -> int:
    """Write all records as CSV or JSON.

    They go to the terminal, or to a new FILE for its owner only. E-mail addresses appear whole. In CSV a cell that a
    spreadsheet would take for a formula begins with '.
    """
    if as_csv and common.json:
        raise click.UsageError("--csv and --json exclude each other")
    from mlconnector.cli.build import open_connection, utc_now
    from mlconnector.ledger import Ledger, upkeep

    connection, screen = open_connection(common), common.screen()
    with Ledger.look(connection.state, connection.name, utc_now) as ledger:
        names, rows = upkeep.listed(ledger, upkeep.ATTEMPTS if attempts else upkeep.RECORDS)
        texts = _as_json(names, rows) if common.json else _as_csv(names, rows)
        if file is None:
            with suppress(BrokenPipeError):  # `| head`: the reader has seen enough
                for text in texts:
                    screen.raw(text)
            return 0
        _write(file, texts)
    if common.json:
        screen.data({"written": str(file)})
    else:
        screen.line(f"wrote {file}")
    return 0


def _write(file: Path, texts: Iterable[str]) -> None:
    from mlconnector.ledger.newfile import new_file

    with new_file(file) as part, part.open("w", encoding="utf-8", newline="") as out:
        out.writelines(texts)


def _as_csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    line = StringIO(newline="")
    writer = csv.writer(line, lineterminator="\n")
    for row in chain([names], rows):
        writer.writerow([_harmless(cell) for cell in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _harmless(cell: Any) -> Any:
    """Text that a spreadsheet would take for a formula begins with an apostrophe, which it does not show."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _as_json(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    before = "[\n"
    for row in rows:
        yield before + json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _size(count: int) -> str:
    """`12.3 MB`."""
    size, units = float(count), ["bytes", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"
