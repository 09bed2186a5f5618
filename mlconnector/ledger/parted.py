"""Counterparts that no record has: removed ones, which may come back, and those left behind, which are to go."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from mlconnector.ledger.rows import ATTEMPT, JSON, Settled, attempt_of, stamp
from mlconnector.ledger.store import Store
from mlconnector.model import LedgerEntry, Left, Outcome, Step


class Parted:
    """`Ledger.parted`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def among(self, flow: str, keys: Collection[str]) -> dict[str, LedgerEntry]:
        """Counterparts that were removed, by key: each can come back for the record that has the key next."""
        if not keys or not self._has_parted(flow):
            return {}
        query = "SELECT source_id, key, target_id, memo FROM parted WHERE flow = ? AND live = 0 AND key IN"
        return {
            key: LedgerEntry(
                flow, source_id, "removed", key, target_id, memo=msgspec.json.decode(memo) if memo else None
            )
            for source_id, key, target_id, memo in self._store._in(query, flow, keys)
        }

    def left_behind(self, flow: str) -> list[tuple[str, Left]]:
        """Counterparts that a record (its id) left behind and that are to be removed now."""
        rows = self._store._db.execute(
            "SELECT source_id, key, target_id FROM parted WHERE flow = ? AND live = 1"
            " AND (memo IS NULL OR json_extract(memo, '$.retry_at') <= ?) ORDER BY key",
            (flow, self._store._stamp()),
        )
        return [(source_id, Left(key, target_id)) for source_id, key, target_id in rows]

    def settle_left(
        self, flow: str, key: str, run_id: int = 0, step: Step | None = None, outcome: Outcome | None = None
    ) -> None:
        """Of a counterpart left behind: it is somebody's now, or (with a step) it was removed."""
        with self._store._transaction():
            self._store._db.execute("DELETE FROM parted WHERE flow = ? AND key = ?", (flow, key))
            if step is None or outcome is None:
                return
            self._part(flow, step.source_id, key, outcome, step)
            one = Settled(step.source_id, outcome, step)
            self._store._insert(ATTEMPT, [attempt_of(flow, run_id, self._store._stamp(), one, step)])

    def keep_left(self, flow: str, key: str, run_id: int, step: Step, outcome: Outcome) -> None:
        """Of a counterpart left behind that could not be removed: a refusal stands, anything else is tried again."""
        due = outcome.retry_at or (None if outcome.status == "failed" else self._store._now())
        memo = JSON.encode({"retry_at": stamp(due)}).decode()
        with self._store._transaction():
            self._store._db.execute(
                "UPDATE parted SET memo = ? WHERE flow = ? AND key = ?", (memo, flow, key)
            )
            one = Settled(step.source_id, outcome, step)
            self._store._insert(ATTEMPT, [attempt_of(flow, run_id, self._store._stamp(), one, step)])

    def note(self, flow: str, settled: Sequence[Settled]) -> None:
        """What these records left behind or took over; within the transaction that settles them."""
        if self._has_parted(flow):
            taken = [
                (flow, one.key)
                for one in settled
                if one.key and one.step is not None and one.outcome.target_id
            ]
            self._store._db.executemany("DELETE FROM parted WHERE flow = ? AND key = ?", taken)
        for one in settled:
            if one.outcome.status == "removed" and one.step is not None:
                key = one.outcome.key or one.step.was_key
                if key is not None:
                    self._part(flow, one.source_id, key, one.outcome, one.step)
            self._store._db.executemany(
                "INSERT OR REPLACE INTO parted VALUES (?, ?, ?, ?, NULL, 1)",
                [(flow, left.key, one.source_id, left.target_id) for left in one.outcome.left],
            )

    def _part(self, flow: str, source_id: str, key: str, outcome: Outcome, step: Step) -> None:
        memo = None if outcome.memo is None else JSON.encode(outcome.memo).decode()
        target_id = outcome.target_id or step.target_id
        if target_id is not None and outcome.memo != {}:  # an empty memo: nothing that could come back
            row = (flow, key, source_id, target_id, memo)
            self._store._db.execute("INSERT OR REPLACE INTO parted VALUES (?, ?, ?, ?, ?, 0)", row)

    def _has_parted(self, flow: str) -> bool:
        return (
            self._store._db.execute("SELECT 1 FROM parted WHERE flow = ? LIMIT 1", (flow,)).fetchone()
            is not None
        )
