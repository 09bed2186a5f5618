"""`mlconnector forget`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mlconnector.cli.options import Command, Common

if TYPE_CHECKING:
    from mlconnector.config import Connection
    from mlconnector.ledger.forgetting import Erased
    from mlconnector.report import Screen

EPILOG = """
\b
Examples:
  mlconnector forget anna@nordkran.se
  mlconnector forget anna@nordkran.se --flow customers_to_members
  mlconnector forget --undo anna@nordkran.se         the person wants to be back
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("address", metavar="E-MAIL")
@click.option("--flow", metavar="FLOW", help="Only in this flow; not given: in all of them.")
@click.option("--undo", is_flag=True, help="Sync the person again; what was erased does not come back.")
@click.pass_obj
def command(common: Common, address: str, flow: str | None, undo: bool) -> int:
    """Erase the person with this E-MAIL from the state file, and leave them out from then on.

    What stays is a salted hash of the address, by which a record that has it is skipped (code forgotten). Who was
    forgotten cannot be listed: there are only hashes. It is the address as the source has it that counts, letter case
    aside; another address of the same person has to be forgotten as well.

    The member in the target is not touched: delete it there. Nor is the record in the source, nor any backup.
    """
    from mlconnector.cli.build import choose_flows, open_connection
    from mlconnector.cli.state import open_state
    from mlconnector.ledger import forgetting

    key = _key(address)
    connection = open_connection(common)
    choose_flows(connection, [flow] if flow else [])
    with open_state(connection) as ledger:
        if undo:
            was_forgotten = forgetting.remember(ledger, key, flow)
            _show_undone(common, address, flow, was_forgotten=was_forgotten)
            return 0
        erased = forgetting.forget(ledger, key, flow)
        _show_erased(common, address, connection, erased, flow)
        forgetting.clear(ledger)
    return 0


def _key(text: str) -> str:
    """The key in the state file. Raises UsageError for what is not one address."""
    from mlconnector.flows.fields import is_address, normal_address, split_addresses

    found = split_addresses(text)
    if len(found) != 1 or not is_address(found[0]):
        raise click.UsageError(f"{text!r} is no e-mail address: give it as the source has it")
    return f"email:{normal_address(found[0])}"


def _show_undone(common: Common, address: str, flow: str | None, *, was_forgotten: bool) -> None:
    screen = common.screen()
    if common.json:
        screen.data({"address": address, "flow": flow, "undone": was_forgotten})
    elif was_forgotten:
        screen.line(f"{address} is forgotten no longer")
        screen.notice("Next: mlconnector sync --full sends them again, unless the target refuses it")
    else:
        only = " (who was forgotten in all flows comes back without --flow)" if flow else ""
        screen.line(f"{address} was not forgotten{f' in {flow}' if flow else ''}{only}")


def _show_erased(
    common: Common, address: str, connection: Connection, erased: Erased, flow: str | None
) -> None:
    from mlconnector.cli.state import backups

    left = list(_left_to_do(connection, flow))
    copies = [str(path) for path in backups(connection.state)]
    if common.json:
        records = [dict(zip(("flow", "id", "name"), one, strict=True)) for one in erased.records]
        found: dict[str, Any] = {"address": address, "flow": flow, "records": records}
        counts = {"attempts": erased.attempts, "links": erased.links}
        common.screen().data({**found, **counts, "left_to_do": left, "backups": copies})
        return
    _show_lines(common.screen(), address, erased, [*left, *_about_backups(copies)])


def _show_lines(screen: Screen, address: str, erased: Erased, left: list[str]) -> None:
    from mlconnector.summary import counted

    what = f"{counted(len(erased.records), 'record')} and {counted(erased.attempts, 'attempt')}"
    screen.line(f"{address} is forgotten: {what} erased from the state file")
    for flow, source_id, name in erased.records:
        screen.line(f"  {flow} {name or source_id}")
    screen.line("What is left to do:")
    for text in left:
        screen.line(f"  {text}")


def _left_to_do(connection: Connection, flow: str | None) -> Iterator[str]:
    """What this program does not do, in each system once."""
    flows = [bound.flow for bound in connection.flows if flow in (None, bound.flow.name)]
    kinds = {alias: part.kind for alias, part in connection.systems.items()}
    for alias in dict.fromkeys(one.target for one in flows):
        yield f"{alias} ({kinds[alias]}): delete the person there, if they are there; mlconnector does not"
    for alias in dict.fromkeys(one.source for one in flows):
        yield f"{alias} ({kinds[alias]}): the person's records stay there; they are skipped from now on"


def _about_backups(copies: list[str]) -> Iterator[str]:
    for path in copies:
        yield f"{path}: holds what it held; who restores it has to forget the person again"
    if not copies:
        yield "backups, if there are any elsewhere, hold what they held"
