"""Which flows of a connection run, in which order, and what each has to do with the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mlconnector.errors import ConfigError
from mlconnector.model import Flow

if TYPE_CHECKING:
    from mlconnector.config import BoundFlow, Connection
    from mlconnector.lanes import Ties


def first_step(connection: Connection) -> str:
    """The command that comes first: between systems that are both full, what would be linked."""
    paired = any(bound.flow.fields for bound in connection.flows)
    return f"mlconnector sync {'--adopt --dry-run' if paired else '--dry-run'}"


def choose_flows(connection: Connection, names: Sequence[str]) -> list[BoundFlow]:
    """The flows of these names with those that follow them, all if there are none, each after those it waits for."""
    known = {bound.flow.name: bound for bound in connection.flows}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{connection.path}: there is no flow {name!r} that is enabled",
                hint=f"there are {', '.join(known) or 'none'}",
            )
    return in_order(
        [one for name, one in known.items() if not names or name in names or one.flow.follows in names]
    )


def flows_to_run(connection: Connection, names: Sequence[str]) -> list[BoundFlow]:
    """As `choose_flows`; who names a flow that follows another one gets that one, too, in the same run before it."""
    chosen = choose_flows(connection, names)
    led_by = {bound.flow.follows for bound in chosen} - {bound.flow.name for bound in chosen}
    return in_order([*chosen, *(one for one in connection.flows if one.flow.name in led_by)])


def in_order(flows: Iterable[BoundFlow]) -> list[BoundFlow]:
    """As the file has them, except that a flow comes after those in its `after` (names of flows or their kinds)."""
    left, ordered = list(flows), []
    while left:
        ready = next((one for one in left if not _waits(one, left)), left[0])
        left.remove(ready)
        ordered.append(ready)
    return ordered


def _waits(one: BoundFlow, others: Sequence[BoundFlow]) -> bool:
    return any(_is_before(other, one) for other in others if other is not one)


def _is_before(first: BoundFlow, second: BoundFlow) -> bool:
    return first.flow.name in second.flow.after or first.kind in second.flow.after


def keeps_links(connection: Connection, bound: BoundFlow) -> bool:
    """Whether its records are linked with their counterparts: they are kept in step, or another flow refers to them.

    Or may refer to them one day: who switches posting on wants the drafts posted that are there already.
    """
    from mlconnector.flows import FLOWS

    referred_to = FLOWS[bound.kind].then is not None and not bound.flow.follows
    return (
        bool(bound.flow.fields) or referred_to or any(_is_before(bound, other) for other in connection.flows)
    )


def the_other_way(connection: Connection, bound: BoundFlow) -> list[Flow]:
    """The flows from its target's records back to its source's."""
    flow = bound.flow
    return [
        other.flow
        for other in connection.flows
        if (other.flow.source, other.flow.entity) == (flow.target, flow.into)
        and (other.flow.target, other.flow.into) == (flow.source, flow.entity)
    ]


def ties(connection: Connection, bound: BoundFlow) -> Ties:
    """What the engine has to know of the connection's other flows."""
    from mlconnector.lanes import Ties

    flow, back = bound.flow, the_other_way(connection, bound)
    makers: dict[tuple[str, str], tuple[str, ...]] = {}
    for one in (other.flow for other in connection.flows if not other.flow.follows):
        if (one.source, one.target) == (flow.source, flow.target):
            ends = one.entity, one.into
            makers[ends] = (*makers.get(ends, ()), one.name)
    if not flow.fields:
        return Ties(keeps_links(connection, bound), makers=makers)
    written_back: dict[str, frozenset[str]] = {}
    for name, paths in ((name, paths) for other in back for name, paths in other.fields.items()):
        written_back[name] = written_back.get(name, frozenset()) | paths
    return Ties(
        keeps_links=keeps_links(connection, bound),
        watched=frozenset(flow.fields).union(*written_back.values()),
        written_back=written_back,
        makers=makers,
        match=tuple(getattr(bound.options, "match", ())),
        the_other_way=tuple(other.name for other in back),
    )


def source_key(connection: Connection, bound: BoundFlow) -> str:
    """The field by which people call a record of this flow: `number`."""
    from mlconnector.systems import load_system

    if bound.flow.follows:
        return "name"
    return load_system(connection.systems[bound.flow.source].kind).entities[bound.flow.entity].key
