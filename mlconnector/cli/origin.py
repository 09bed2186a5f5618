"""Whether the records that the connection file means now are those that the state file knows.

With another company, another server or another kind of ids every record would look new, and every known one gone. In
another account, what looks unchanged would never arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mlconnector.errors import ConfigError, together
from mlconnector.ledger.origin import Facts, keep_facts, known_facts
from mlconnector.model import Outcome, Step
from mlconnector.systems.base import Names, Placed, Prepares, Target

if TYPE_CHECKING:
    from mlconnector.config import BoundFlow, Connection
    from mlconnector.ledger import Ledger

_OTHER_IDS = ("system", "entity", "ids")
"""Facts of an origin which, if they differ, leave no id on record that could mean the same record."""
_SET_BACK = "set it back, or name a new state file (state: in the connection file)"
_REBIND = "mlconnector ledger rebind"


def require_origins(connection: Connection, flows: Sequence[BoundFlow], ledger: Ledger) -> None:
    """Remembers where the records of these flows come from. Raises ConfigError if they came from elsewhere before."""
    problems = list(other_origins(connection, flows, ledger))
    if problems:
        raise together(problems)
    for bound in flows:
        keep_facts(ledger, bound.flow.name, "source", origin_of(connection, bound))


def other_origins(
    connection: Connection, flows: Sequence[BoundFlow], ledger: Ledger
) -> Iterator[ConfigError]:
    """What keeps these flows from going on with the records on file; flows with the same problem together."""
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for bound in flows:
        if changes := changed_facts(connection, bound, ledger):
            found.setdefault(tuple(changes.items()), []).append(bound.flow.name)
    for facts, names in found.items():
        changes = dict(facts)
        yield ConfigError(
            f"{connection.state}: it holds other records than the connection file means now"
            f" ({', '.join(names)}): {', '.join(changes.values())}",
            hint=_SET_BACK if _lost(changes) else f"{_SET_BACK}, or, if only its name is new: {_REBIND}",
        )


def rebind(connection: Connection, ledger: Ledger) -> dict[str, list[str]]:
    """Lets the ids on record mean what the connection file says now; what changed, by flow.

    Raises ConfigError, and changes nothing, if they cannot mean the same records.
    """
    changes = {bound.flow.name: changed_facts(connection, bound, ledger) for bound in connection.flows}
    for flow, changed in changes.items():
        if lost := _lost(changed):
            raise ConfigError(
                f"{connection.state}: these cannot be the same records ({flow}): {', '.join(lost)}",
                hint=_SET_BACK,
            )
    for bound in connection.flows:
        keep_facts(ledger, bound.flow.name, "source", origin_of(connection, bound))
    return {flow: list(changed.values()) for flow, changed in changes.items() if changed}


def changed_facts(connection: Connection, bound: BoundFlow, ledger: Ledger) -> dict[str, str]:
    """What changed from what to what, letter case aside; nothing where nothing is on record."""
    before, now = known_facts(ledger, bound.flow.name, "source"), origin_of(connection, bound)
    if before is None:
        return {}
    return {
        name: f"{name} was {before.get(name, '')!r} and is {now.get(name, '')!r}"
        for name in {**before, **now}
        if before.get(name, "").casefold() != now.get(name, "").casefold()
    }


def _lost(changes: Mapping[str, str]) -> list[str]:
    return [changes[name] for name in _OTHER_IDS if name in changes]


def origin_of(connection: Connection, bound: BoundFlow) -> Facts:
    """Where a flow's records come from, in the words of the connection file."""
    from mlconnector.systems import load_system

    part = connection.systems[bound.flow.source]
    return {
        "system": part.kind,
        "entity": bound.flow.entity,
        **load_system(part.kind).origin(part.settings),
    }


class SamePlace:
    """Wraps a target: nothing is written to a place that only has the name of the one that was written to before, or
    by a flow whose options do not agree with what is there."""

    def __init__(self, target: Target, guards: Sequence[Callable[[], None]]) -> None:
        self._target = target
        self._guards = guards

    def prepare(self, entity: str) -> None:
        """Comes before the first write. Raises ConfigError for another place, or options that do not agree."""
        for guard in self._guards:
            guard()
        if isinstance(self._target, Prepares):
            self._target.prepare(entity)

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Asks the target."""
        return self._target.find(entity, keys)

    def names(self, entity: str, ids: Collection[str], *, persons: bool = False) -> Mapping[str, str]:
        """Asks the target, if it can say."""
        return self._target.names(entity, ids, persons=persons) if isinstance(self._target, Names) else {}

    def write(self, entity: str, steps: Sequence[Step]) -> Sequence[Outcome]:
        """Writes to the target."""
        return self._target.write(entity, steps)


def require_place(connection: Connection, bound: BoundFlow, target: Placed, ledger: Ledger) -> None:
    """Remembers the place that a flow writes to. Raises ConfigError if another one had this name before."""
    flow = bound.flow.name
    before = known_facts(ledger, flow, "target")
    now = {"name": _named_place(bound), "id": target.place()}
    if before is not None and before["name"] == now["name"] and before["id"] != now["id"]:
        what = f"{now['name']!r} of {bound.flow.target}" if now["name"] else bound.flow.target
        raise ConfigError(
            f"{connection.state}: what it holds was sent elsewhere ({flow}): {what} had"
            f" the id {before['id']} and has {now['id']} here",
            hint="log in to the account or company of before, or name a new state file (state: in the connection"
            " file), with which everything is sent to this one",
        )
    if before is not None and before["id"] != now["id"]:
        now["left"] = before["name"]
    elif before is not None and "left" in before:
        now["left"] = before["left"]
    keep_facts(ledger, flow, "target", now)


def require_company(connection: Connection, bound: BoundFlow, source: Placed, ledger: Ledger) -> None:
    """Remembers whose records a flow reads. Raises ConfigError if a log-in leads to another company than before."""
    flow, company = bound.flow, source.place()
    if not company:
        return
    before = known_facts(ledger, flow.name, "company")
    if before is not None and before["id"] != company:
        raise ConfigError(
            f"{connection.state}: it holds other records than are read now ({flow.name}): {flow.source} was the company"
            f" with the id {before['id']} and is the one with {company}",
            hint="log in to the company of before, or name a new state file (state: in the connection file)",
        )
    keep_facts(ledger, flow.name, "company", {"id": company})


def left_place(bound: BoundFlow, ledger: Ledger) -> str:
    """Where a flow wrote to before it was given another place, as long as some records may be there only; or ""."""
    known = known_facts(ledger, bound.flow.name, "target") or {}
    name = known.get("name", "")
    return known.get("left", "") if name == _named_place(bound) else name


def _named_place(bound: BoundFlow) -> str:
    """Of a flow that follows another one (postings) it has no name: it is where that one writes."""
    from mlconnector.flows import FLOWS

    return FLOWS[bound.kind].place(bound.options) if bound.kind in FLOWS else ""


def forget_left_place(flow: str, ledger: Ledger) -> None:
    """To be told when everything was read and sent."""
    known = known_facts(ledger, flow, "target") or {}
    if "left" in known:
        keep_facts(ledger, flow, "target", {name: known[name] for name in ("name", "id")})
