"""`mlconnector link`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError, Rejected

if TYPE_CHECKING:
    from mlconnector.cli.build import Systems
    from mlconnector.config import BoundFlow, Connection
    from mlconnector.ledger import Ledger
    from mlconnector.systems.base import Source

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
@click.pass_obj
def command(common: Common, flow: str, source: str, target: str | None, is_new: bool) -> int:
    """Say by hand which record of the target a record of the source is.

    For what `status` shows as ambiguous-match or match-taken. SOURCE and TARGET are ids, or what people call the
    records (a number). The link holds in both directions and replaces other links of the two; the next sync brings
    them in step.
    """
    if is_new == bool(target):
        raise click.UsageError("give TARGET or --new, one of them")
    from mlconnector.cli.build import choose_flows, open_connection, open_systems, utc_now
    from mlconnector.cli.state import open_state
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
        source_id = _source_id(bound, systems, ledger, source)
        if target is None:
            _make_new(bound, ledger, source_id)
            screen.line(f"{source} will be made anew in {bound.flow.target} by the next sync")
            return 0
        target_id = _target_id(connection, bound, systems, target)
        here, there = (bound.flow.source, bound.flow.entity), (bound.flow.target, bound.flow.into)
        ledger.link_by_hand(flow, here, there, source_id, target_id)
    screen.line(f"{source} is linked with {target}; the next sync brings the two in step")
    return 0


def _source_id(bound: BoundFlow, systems: Systems, ledger: Ledger, text: str) -> str:
    from mlconnector.cli.records import find_ids, not_found

    flow, reader = bound.flow, systems.source(bound.flow.source)
    ids = find_ids(flow, ledger, reader, [text]) or [text.strip()]
    ids = [one for one in ids if _is_there(reader, flow.entity, one)]
    if not ids:
        raise not_found([text])
    if len(ids) > 1:
        raise ConfigError(f"{text} may mean {', '.join(ids)}", hint="give the id of the one that is meant")
    return ids[0]


def _is_there(reader: Source, entity: str, id_: str) -> bool:
    """Whether a record has this id; what can be no id is none."""
    from mlconnector.cli.records import is_there

    try:
        return any(is_there(one) for one in reader.fetch(entity, [id_]))
    except (ConfigError, Rejected):
        return False


def _target_id(connection: Connection, bound: BoundFlow, systems: Systems, text: str) -> str:
    """By what people call it, such as a number; otherwise it is the id, if a flow reads such records to see it."""
    from mlconnector.cli.build import the_other_way

    flow = bound.flow
    entity = systems.connected(flow.target).entity(flow.into)
    key = f"{entity.key}:{text.strip()}"
    hits = list(systems.target(bound).find(flow.into, [key]).get(key, ()))
    if len(hits) > 1:
        raise ConfigError(f"{text} may mean {', '.join(hits)}", hint="give the id of the one that is meant")
    if hits:
        return hits[0]
    if the_other_way(connection, bound) and not _is_there(
        systems.source(flow.target), flow.into, text.strip()
    ):
        raise ConfigError(
            f"{flow.target} has no {flow.into} {text}", hint="give its number or its id; nothing was linked"
        )
    return text.strip()


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
