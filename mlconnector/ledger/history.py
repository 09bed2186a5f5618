"""What the runs did: when each began and how it ended, and what each flow counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from mlconnector.ledger.rows import JSON
from mlconnector.ledger.store import Store


class History:
    """`Ledger.history`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(self, command: str) -> int:
        """A new run's number."""
        with self._store._transaction():
            cursor = self._store._db.execute(
                "INSERT INTO runs (command, started_at) VALUES (?, ?)", (command, self._store._stamp())
            )
        return int(cursor.lastrowid or 0)

    def end(self, run_id: int, exit_code: int, error: str = "") -> None:
        """How it ended; the error holds no personal data."""
        with self._store._transaction():
            self._store._db.execute(
                "UPDATE runs SET ended_at = ?, exit_code = ?, error = ? WHERE id = ?",
                (self._store._stamp(), exit_code, error, run_id),
            )

    def ended_so_before(self, run_id: int) -> bool:
        """Whether this run ended like the one before it, and both on the same day of the row of runs that did."""
        row = self._store._db.execute(
            "WITH this AS (SELECT * FROM runs WHERE id = ?),"
            " other AS (SELECT max(runs.id) AS id FROM runs, this WHERE runs.id < this.id AND"
            "  (runs.exit_code IS NOT this.exit_code OR runs.error IS NOT this.error)),"
            " alike AS (SELECT runs.* FROM runs, other, this WHERE runs.id > coalesce(other.id, 0)"
            "  AND runs.id <= this.id),"
            " first AS (SELECT min(started_at) AS at FROM alike),"
            " days AS (SELECT alike.id, CAST(julianday(started_at) - julianday(first.at) AS INTEGER) AS day"
            "  FROM alike, first ORDER BY alike.id DESC LIMIT 2)"
            " SELECT count(*), min(day), max(day) FROM days",
            (run_id,),
        ).fetchone()
        return bool(row[0] == 2 and row[1] == row[2])

    def end_flow(self, run_id: int, flow: str, counts: Mapping[str, int], calls: int, seconds: float) -> None:
        """What a flow did in a run."""
        with self._store._transaction():
            self._store._db.execute(
                "INSERT OR REPLACE INTO run_flows VALUES (?, ?, ?, ?, ?)",
                (run_id, flow, JSON.encode(counts).decode(), calls, round(seconds, 3)),
            )

    def last(self, limit: int = 20) -> list[dict[str, Any]]:
        """The last runs, newest first, each with its flows' counts."""
        found = self._store._dicts("SELECT * FROM runs ORDER BY id DESC LIMIT ?", (limit,))
        for run in found:
            flows = self._store._dicts("SELECT * FROM run_flows WHERE run_id = ? ORDER BY flow", (run["id"],))
            run["flows"] = {f["flow"]: {**f, "counts": msgspec.json.decode(f["counts"])} for f in flows}
        return found

    def last_poll(self, flow: str) -> str | None:
        """When the watermark was last confirmed by a whole read."""
        row = self._store._db.execute("SELECT stored_at FROM watermarks WHERE flow = ?", (flow,)).fetchone()
        return row[0] if row else None
