"""What each system took of its day, from run to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlconnector.ledger.rows import JSON
from mlconnector.model import Quota

if TYPE_CHECKING:
    from mlconnector.ledger import Ledger


def find_quota(ledger: Ledger, system: str) -> Quota:
    """What the runs so far took of the system's day; a new one if there is none."""
    row = ledger._db.execute("SELECT value FROM meta WHERE name = ?", (f"quota.{system}",)).fetchone()
    return msgspec.json.decode(row[0], type=Quota) if row else Quota()


def keep_quota(ledger: Ledger, system: str, quota: Quota) -> None:
    """For the runs to come."""
    if quota != find_quota(ledger, system):
        with ledger._transaction():
            ledger._db.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)",
                (f"quota.{system}", JSON.encode(quota).decode()),
            )
