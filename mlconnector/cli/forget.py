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
    from mlconnector.ledger import Ledger
    from mlconnector.ledger.forgetting import Erased, Named
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
    from mlconnector.cli.build import open_connection
    from mlconnector.cli.flows import choose_flows
    from mlconnector.cli.state import open_state
    from mlconnector.ledger import forgetting

    key = _key(address)
    connection = open_connection(common)
    chosen = choose_flows(connection, [flow] if flow else [])
    with open_state(connection) as ledger:
        meant = _meant(connection, chosen, key, ledger, flow)
        if undo:
            undone = [one for one in meant if forgetting.remember(ledger, one, flow)]
            _show_undone(common, address, flow, was_forgotten=bool(undone))
            return 0
        each = [forgetting.forget(ledger, one, flow, named) for one, (_, named) in meant.items()]
        flows = [bound for bound in chosen if any(bound in known for known, _ in meant.values())]
        _show_erased(common, {"address": address, "flow": flow}, connection, _together(each), flows)
        forgetting.clear(ledger)
    return 0


_Meant = dict[str, tuple[list["BoundFlow"], list["Named"]]]
"""By key the flows that know records so, and the records."""


def _key(text: str) -> str:
    """The key in the state file. Raises UsageError for what is neither a key nor one address."""
    from mlconnector.flows.fields import is_address, normal_address, split_addresses

    if _KEY.fullmatch(text):
        return text.lower()
    found = split_addresses(text)
    if len(found) != 1 or not is_address(found[0]):
        raise click.UsageError(f"{text!r} is no e-mail address: give it as the source has it")
    return f"email:{normal_address(found[0])}"


def _meant(
    connection: Connection, flows: Sequence[BoundFlow], key: str, ledger: Ledger, flow: str | None
) -> _Meant:
    """What a key stands for. ConfigError if no flow knows records so: nothing would be left out.

    Where records are known by keys of their own, an address means those of which it is on record.
    """
    from mlconnector.ledger import forgetting

    found: _Meant = {}
    if known := [
        bound for bound in flows if not bound.flow.fields and _key_kind(connection, bound) == _kind(key)
    ]:
        found[key] = known, []
    holders = forgetting.holders(ledger, key, flow)
    for bound in (bound for bound in flows if bound.flow.fields):
        ids = [id_ for name, id_ in holders if name == bound.flow.name]
        ids += [key.partition(":")[2]] if _kind(key) == bound.flow.entity else []
        for id_ in dict.fromkeys(ids):
            known, named = found.setdefault(f"{bound.flow.entity}:{id_}", ([], []))
            known.append(bound)
            named.append(forgetting.Named(bound.flow.name, id_, (bound.flow.source, bound.flow.entity)))
    if not found:
        raise _unknown(key, [bound for bound in flows if bound.flow.fields])
    return found


def _kind(key: str) -> str:
    return key.partition(":")[0]


def _key_kind(connection: Connection, bound: BoundFlow) -> str:
    from mlconnector.systems import load_system

    return load_system(connection.systems[bound.flow.target].kind).entities[bound.flow.into].key


def _unknown(key: str, paired: Sequence[BoundFlow]) -> ConfigError:
    by_key = " or ".join(dict.fromkeys(f"{bound.flow.entity}:…" for bound in paired))
    if _kind(key) == "email":
        return ConfigError(
            "no flow knows records by their e-mail address, and none is on record with this one; nothing was erased",
            hint=f"they are forgotten by key ({by_key}); look the id up first: mlconnector explain NAME",
        )
    known = f"a key here is {by_key}" if by_key else "give the e-mail address"
    return ConfigError(
        f"no flow knows records by a key such as {_kind(key)}:…; nothing was erased", hint=known
    )


def _together(each: Sequence[Erased]) -> Erased:
    from mlconnector.ledger.forgetting import Erased

    return Erased(
        tuple(record for one in each for record in one.records),
        sum(one.attempts for one in each),
        sum(one.links for one in each),
    )


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
