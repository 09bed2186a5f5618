"""Finds the records that a person means by a number, an id or an e-mail address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mlconnector.errors import ConfigError, ConnectorError, Rejected
from mlconnector.ledger import Ledger
from mlconnector.model import Change, Flow
from mlconnector.remedies import Naming
from mlconnector.systems.base import Names, Resolves, Source

if TYPE_CHECKING:
    from mlconnector.cli.systems import Systems
    from mlconnector.config import BoundFlow, Connection


def naming(connection: Connection, bound: BoundFlow) -> Naming:
    """How commands call the records of a flow."""
    from mlconnector.cli.flows import source_key
    from mlconnector.systems import load_system

    flow = bound.flow
    into = load_system(connection.systems[flow.target].kind).entities[flow.into]
    return Naming(
        flow.name,
        by_number=source_key(connection, bound) == "number",
        entity=flow.entity if flow.fields else "",
        settle=into.settle,
    )


def find_ids(flow: Flow, ledger: Ledger, source: Source | None, texts: Iterable[str]) -> list[str]:
    """Source ids in one flow: what the ledger knows of it or of the flow that it follows, then what the source says.

    A text nobody knows adds none.
    """
    found: dict[str, None] = {}
    for text in texts:
        for name in filter(None, (flow.name, flow.follows)):
            found.update((entry.source_id, None) for entry in ledger.search(name, text))
        if isinstance(source, Resolves):
            found.update((one, None) for one in source.resolve(flow.entity, text))
    return list(found)


def ids_by_counterpart(bound: BoundFlow, ledger: Ledger, systems: Systems, text: str) -> list[str]:
    """Source ids of the records whose counterparts people call so, if the target can tell: a number, a document's."""
    flow, target = bound.flow, systems.target(bound)
    ids: Sequence[str] = ()
    if isinstance(target, Resolves):
        ids = target.resolve(flow.into, text)
    elif isinstance(target, Names):
        key = f"{systems.connected(flow.target).entity(flow.into).key}:{text.strip()}"
        ids = target.find(flow.into, [key]).get(key, ())
    linked = ledger.links((flow.target, flow.into), (flow.source, flow.entity), ids)
    names = filter(None, (flow.name, flow.follows))
    known = [entry.source_id for name in names for one in ids for entry in ledger.search(name, one)]
    return list(dict.fromkeys([*(link.id for link in linked.values()), *known]))


def id_in_reference(bound: BoundFlow, text: str) -> list[str]:
    """`PD-4` is deal 4 before it has a document, where the reference is the id."""
    prefix = str(getattr(bound.options, "reference_prefix", ""))
    rest = text.strip()[len(prefix) :]
    is_one = bool(prefix and rest) and text.strip().upper() == f"{prefix}{rest}".upper()
    return [rest] if is_one and bound.rules.get("reference") == "id" else []


def is_there(change: Change) -> bool:
    """Whether a source has this record, as far as it says so: what it does not show may never have been."""
    if change.kind == "delete":
        return False
    try:
        return bool(list(change.record))
    except Rejected as error:
        return error.code != "not-visible"


def not_found(texts: Sequence[str], silent: ConnectorError | None = None) -> ConfigError:
    """No flow knows any of these; `silent` is why the source could not be asked."""
    if silent is not None:
        return ConfigError(
            f"the state file has no record {' or '.join(texts)}, and the source could not be asked: {silent.message}",
            hint=silent.hint,
        )
    return ConfigError(
        f"no flow knows a record {' or '.join(texts)}: neither the state file nor the source has it",
        hint="give its number, its id in one of the systems, or its e-mail address",
    )
