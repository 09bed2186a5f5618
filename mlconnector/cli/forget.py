"""`mlconnector forget`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError

if TYPE_CHECKING:
    from mlconnector.config import BoundFlow, Connection
    from mlconnector.ledger.forgetting import Erased
    from mlconnector.report import Screen

EPILOG = """
\b
Examples:
  mlconnector forget anna@nordkran.se
  mlconnector forget anna@nordkran.se --flow customers_to_members
  mlconnector forget person:7                        a person of Pipedrive, by the key that explain shows
  mlconnector forget --undo anna@nordkran.se         the person wants to be back
"""
_KEY = re.compile(r"[a-z]+:[A-Za-z0-9_-]+")


@click.command(cls=Command, epilog=EPILOG)
@click.argument("address", metavar="E-MAIL|KEY")
@click.option("--flow", metavar="FLOW", help="Only in this flow; not given: in all of them.")
@click.option("--undo", is_flag=True, help="Sync the person again; what was erased does not come back.")
@click.pass_obj
def command(common: Common, address: str, flow: str | None, undo: bool) -> int:
    """Erase the person with this E-MAIL or KEY from the state file, and leave them out from then on.

    Members of an audience are known by their address; persons of Pipedrive by a KEY such as person:7, which
    `mlconnector explain NAME` shows.

    What stays is a salted hash of it, by which a record that has it is skipped (code forgotten). Who was forgotten
    cannot be listed: there are only hashes. It is the address as the source has it that counts, letter case aside;
    another address of the same person has to be forgotten as well.

    The member in the target is not touched: delete it there. Nor is the record in the source, nor any backup.
    """
    from mlconnector.cli.build import choose_flows, open_connection
    from mlconnector.cli.state import open_state
    from mlconnector.ledger import forgetting

    key = _key(address)
    connection = open_connection(common)
    flows = _known_so(connection, choose_flows(connection, [flow] if flow else []), key)
    with open_state(connection) as ledger:
        if undo:
            was_forgotten = forgetting.remember(ledger, key, flow)
            _show_undone(common, address, flow, was_forgotten=was_forgotten)
            return 0
        erased = forgetting.forget(ledger, key, flow)
        _show_erased(common, {"address": address, "flow": flow}, connection, erased, flows)
        forgetting.clear(ledger)
    return 0


def _key(text: str) -> str:
    """The key in the state file. Raises UsageError for what is neither a key nor one address."""
    from mlconnector.flows.fields import is_address, normal_address, split_addresses

    if _KEY.fullmatch(text):
        return text.lower()
    found = split_addresses(text)
    if len(found) != 1 or not is_address(found[0]):
        raise click.UsageError(f"{text!r} is no e-mail address: give it as the source has it")
    return f"email:{normal_address(found[0])}"


def _known_so(connection: Connection, flows: Sequence[BoundFlow], key: str) -> list[BoundFlow]:
    """The flows that know records by such a key. ConfigError if there are none: nothing would be left out."""
    from mlconnector.systems import load_system

    kind = key.partition(":")[0]
    found = []
    for bound in flows:
        into = load_system(connection.systems[bound.flow.target].kind).entities[bound.flow.into]
        if kind == (bound.flow.entity if bound.flow.fields else into.key):
            found.append(bound)
    if not found:
        raise ConfigError(
            f"no flow knows records by {'their e-mail address' if kind == 'email' else f'a key such as {kind}:…'};"
            " nothing was erased",
            hint="the key stands in: mlconnector explain RECORD; for a person: mlconnector forget person:7",
        )
    return found


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
    common: Common,
    asked: dict[str, Any],
    connection: Connection,
    erased: Erased,
    flows: Sequence[BoundFlow],
) -> None:
    from mlconnector.cli.state import backups

    left = list(_left_to_do(connection, flows))
    copies = [str(path) for path in backups(connection.state)]
    if common.json:
        records = [dict(zip(("flow", "id", "name"), one, strict=True)) for one in erased.records]
        found: dict[str, Any] = {**asked, "records": records}
        counts = {"attempts": erased.attempts, "links": erased.links}
        common.screen().data({**found, **counts, "left_to_do": left, "backups": copies})
        return
    _show_lines(common.screen(), asked["address"], erased, [*left, *_about_backups(copies)])


def _show_lines(screen: Screen, address: str, erased: Erased, left: list[str]) -> None:
    from mlconnector.summary import counted

    what = f"{counted(len(erased.records), 'record')} and {counted(erased.attempts, 'attempt')}"
    screen.line(f"{address} is forgotten: {what} erased from the state file")
    for flow, source_id, name in erased.records:
        screen.line(f"  {flow} {name or source_id}")
    screen.line("What is left to do:")
    for text in left:
        screen.line(f"  {text}")


def _left_to_do(connection: Connection, bound: Sequence[BoundFlow]) -> Iterator[str]:
    """What this program does not do, in each system once."""
    flows = [one.flow for one in bound]
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
