"""What the source ids of a flow mean: whose records they are, remembered for as long as the flow has any on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from mlconnector.ledger.rows import JSON

if TYPE_CHECKING:
    from mlconnector.ledger import Ledger

Origin = Mapping[str, str]


def known_origin(ledger: Ledger, flow: str) -> Origin | None:
    """Where the records of a flow come from; None if it has none, or if a version that did not say so wrote them."""
    row = ledger._db.execute("SELECT value FROM meta WHERE name = ?", (_name(flow),)).fetchone()
    if row is None or not _has_records(ledger, flow):
        return None
    return msgspec.json.decode(row[0], type=dict[str, str])


def keep_origin(ledger: Ledger, flow: str, origin: Origin) -> None:
    """Remembers it, in place of what was known."""
    with ledger._transaction():
        ledger._db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            " WHERE value <> excluded.value",  # most runs change nothing
            (_name(flow), JSON.encode(origin).decode()),
        )


def _name(flow: str) -> str:
    return f"origin:{flow}"


def _has_records(ledger: Ledger, flow: str) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM ledger WHERE flow = ?1) OR EXISTS (SELECT 1 FROM watermarks WHERE flow = ?1)"
    return bool(ledger._db.execute(query, (flow,)).fetchone()[0])
