"""`mlconnector link`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError, Rejected

if TYPE_CHECKING:
    from mlconnector.cli.systems import Systems
    from mlconnector.config import BoundFlow
    from mlconnector.ledger import Ledger
    from mlconnector.model import Change
    from mlconnector.systems.base import Entity, Source

EPILOG = """
\b
Examples:
  mlconnector link organizations_to_customers 12 10000     organization 12 is customer 10000
  mlconnector link organizations_to_customers 12 --new     it is none of those that match: make it
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("flow")
@click.argument("source")
@click.argument("target", required=False)
@click.option("--new", "is_new", is_flag=True, help="It is none of those that match; a new one is made.")
@click.option("--replace", is_flag=True, help="Even if one of the two is linked with another record by now.")
@click.pass_obj
def command(common: Common, flow: str, source: str, target: str | None, is_new: bool, replace: bool) -> int:
    """Say by hand which record of the target a record of the source is.

    For what `status` shows as ambiguous-match or match-taken. SOURCE and TARGET are ids, or what people call the
    records (a number). The link holds in both directions. Nothing is written yet: the next sync makes the fields of
    the two agree.
    """
    if is_new == bool(target):
        raise click.UsageError("give TARGET or --new, one of them")
    if is_new and replace:
        raise click.UsageError("--replace goes with TARGET")
    from mlconnector.cli.build import open_connection, utc_now
    from mlconnector.cli.flows import choose_flows
    from mlconnector.cli.state import open_state
    from mlconnector.cli.systems import open_systems
    from mlconnector.model import Tools

    connection, screen = open_connection(common), common.screen()
    bound = next(one for one in choose_flows(connection, [flow]) if one.flow.name == flow)
    if not bound.flow.fields:
        raise ConfigError(
            f"the records of {flow} are found by their key: there is nothing to link by hand",
            hint=f"look at one with: mlconnector explain {source}",
        )
    with (
        open_state(connection) as ledger,
        open_systems(connection, screen, Tools(utc_now, time.sleep)) as systems,
    ):
        desk = _Desk(bound, systems, ledger)
        here = desk.source_of(source)
        if target is None:
            _make_new(bound, ledger, here.id)
            screen.line(f"{here} will be created in {bound.flow.target} by the next sync")
            return 0
        there = desk.target_of(target)
        if not replace:
            desk.require_free(here, there)
        ledger.link_by_hand(flow, *desk.ends, here.id, there.id)
    screen.line(f"{here} is linked with {there}")
    screen.line("The next sync makes the fields of the two agree. To see first what it would write:")
    screen.line(f"mlconnector sync --flow {flow} --record {quote(here.id)} --dry-run")
    return 0


@dataclass(frozen=True, slots=True)
class _Side:
    """A record that was read just now. `name` is what people call it."""

    entity: str
    id: str
    name: str

    def __str__(self) -> str:
        return f"{self.entity} {self.name}"


class _Desk:
    """Finds what a person means on either side of a flow; nothing counts that was not seen there."""

    def __init__(self, bound: BoundFlow, systems: Systems, ledger: Ledger) -> None:
        self._bound = bound
        self._systems = systems
        self._ledger = ledger
        flow = bound.flow
        self.ends = (flow.source, flow.entity), (flow.target, flow.into)

    def source_of(self, text: str) -> _Side:
        from mlconnector.cli.records import find_ids, not_found

        flow = self._bound.flow
        ids = find_ids(flow, self._ledger, self._systems.source(flow.source), [text]) or [text.strip()]
        found = self._seen_here(ids)
        if not found:
            raise not_found([text])
        return _the_only(text, found)

    def target_of(self, text: str) -> _Side:
        """By what people call it, such as a number; or by its id."""
        flow, text = self._bound.flow, text.strip()
        key = f"{self._systems.connected(flow.target).entity(flow.into).key}:{text}"
        hits = self._systems.target(self._bound).find(flow.into, [key]).get(key, ())
        found = self._seen_there(hits or [text])
        if not found:
            raise ConfigError(
                f"{flow.target} has no {flow.into} {text} that could be linked",
                hint="give its number or its id; nothing was linked",
            )
        return _the_only(text, found)

    def require_free(self, here: _Side, there: _Side) -> None:
        """Raises ConfigError if one of the two is linked with another record that is still there."""
        source, target = self.ends
        of_here = self._ledger.links(source, target, [here.id]).get(here.id)
        of_there = self._ledger.links(target, source, [there.id]).get(there.id)
        if of_here is not None and of_here.id != there.id:
            self._require_gone(here, self._seen_there([of_here.id]))
        if of_there is not None and of_there.id != here.id:
            self._require_gone(there, self._seen_here([of_there.id]))

    def _require_gone(self, one: _Side, others: Sequence[_Side]) -> None:
        for other in others:
            raise ConfigError(
                f"{one} is linked with {other} already; nothing was linked",
                hint="if that is wrong, give the same command with --replace",
            )

    def _seen_here(self, ids: Sequence[str]) -> list[_Side]:
        flow = self._bound.flow
        kind = self._systems.connected(flow.source).entity(flow.entity)
        found = [_fetched(self._systems.source(flow.source), flow.entity, id_) for id_ in dict.fromkeys(ids)]
        return [_Side(flow.entity, one.id, _called(one, kind)) for one in found if one is not None]

    def _seen_there(self, ids: Sequence[str]) -> list[_Side]:
        from mlconnector.systems.base import Names

        flow, target = self._bound.flow, self._systems.target(self._bound)
        assert isinstance(target, Names), flow.target  # what is kept in step by pairs
        names = target.names(flow.into, list(dict.fromkeys(ids)), persons=True)
        return [_Side(flow.into, id_, name) for id_, name in names.items()]


def _the_only(text: str, found: Sequence[_Side]) -> _Side:
    if len(found) > 1:
        named = "; ".join(f"{one.name} ({one.id})" if one.id not in one.name else one.name for one in found)
        raise ConfigError(
            f"{text} may mean {named}", hint="give the id of the one that is meant; nothing was linked"
        )
    return found[0]


def _fetched(reader: Source, entity: str, id_: str) -> Change | None:
    """The record of this id; what can be no id is none."""
    from mlconnector.cli.records import is_there

    try:
        return next((one for one in reader.fetch(entity, [id_]) if is_there(one)), None)
    except (ConfigError, Rejected):
        return None


def _called(change: Change, kind: Entity) -> str:
    """`10000 Nordkran AB` where people have numbers for such records, `12 Nordkran AB` by its id where not."""
    number, name = (change.record.get(field) if field else None for field in (kind.key, kind.title))
    return (
        f"{number or change.id} {name or ''}".strip() if kind.title else f"{change.id} {number or ''}".strip()
    )


def _make_new(bound: BoundFlow, ledger: Ledger, source_id: str) -> None:
    """Never for what has a counterpart, or may have one: there would be two."""
    from mlconnector.decide import may_be_there
    from mlconnector.matching import MAY_BE_THERE, NEW

    flow = bound.flow
    entry = ledger.entries(flow.name, [source_id]).get(source_id)
    ends = (flow.source, flow.entity), (flow.target, flow.into)
    may_be = entry is not None and entry.code != MAY_BE_THERE.code and may_be_there(entry)
    if may_be or ledger.links(*ends, [source_id]):
        raise ConfigError(
            f"{source_id} has a counterpart already, or may have one",
            hint=f"look at it with: mlconnector explain {source_id}",
        )
    ledger.take_up(flow.name, source_id, "made-by-hand", "a person wants it to be made", {NEW: True})
