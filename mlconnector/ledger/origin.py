"""What the ids of a flow mean: whose records they are, and into which place they were sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from mlconnector.ledger.rows import JSON

if TYPE_CHECKING:
    from mlconnector.ledger import Ledger

Facts = Mapping[str, str]
End = Literal["source", "company", "target"]
"""`company` is what the source itself says it is, where the connection file does not."""


def known_facts(ledger: Ledger, flow: str, end: End) -> Facts | None:
    """What its ids mean at one end; None if it has no records, or if a version that did not say so wrote them."""
    row = ledger._db.execute("SELECT value FROM meta WHERE name = ?", (_name(flow, end),)).fetchone()
    if row is None or not _has_records(ledger, flow):
        return None
    return msgspec.json.decode(row[0], type=dict[str, str])


def keep_facts(ledger: Ledger, flow: str, end: End, facts: Facts) -> None:
    """Remembers it, in place of what was known."""
    with ledger._transaction():
        ledger._db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            " WHERE value <> excluded.value",  # most runs change nothing
            (_name(flow, end), JSON.encode(facts).decode()),
        )


def _name(flow: str, end: End) -> str:
    return f"{end}:{flow}"


def _has_records(ledger: Ledger, flow: str) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM ledger WHERE flow = ?1) OR EXISTS (SELECT 1 FROM watermarks WHERE flow = ?1)"
    return bool(ledger._db.execute(query, (flow,)).fetchone()[0])
