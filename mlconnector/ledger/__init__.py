"""The state file: watermarks, the idempotency ledger, the audit of every send. The only home of SQLite.

One writer, under the run lock. Each method that writes is one short transaction.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import msgspec

from mlconnector.errors import ConfigError, Stop
from mlconnector.ledger import forgetting, links, opening, schema
from mlconnector.ledger.forgetting import Forgotten
from mlconnector.ledger.links import End, Pair
from mlconnector.ledger.rows import (
    ATTEMPT,
    DECISION,
    FORGET,
    JSON,
    REFERENCE,
    SELECT,
    SETTLE,
    Backfill,
    Settled,
    attempt_of,
    entry_of,
    is_new_owner,
    reference_of,
    row_of,
    stamp,
)
from mlconnector.model import LedgerEntry, Left, Link, Outcome, Quota, Ref, Step

__all__ = ["OPEN", "Backfill", "Ledger", "Pair", "Settled"]

_LOOK_UP = 500
"""Keys in one look-up; more make no difference (LIBRARIES 4.1)."""
_AT_ONCE = (256, 32, 1)
"""Rows of one INSERT. Each statement gives the interpreter's lock away and has to wait for it again, so few are quick;
only these sizes, so that the prepared statements are used again."""

OPEN = ("failed", "held", "sending", "unknown")
"""Statuses of records that are not settled."""


class Ledger:
    """The state file of one connection.

    What people do with it between runs has modules of its own, which use `_db` and `_transaction`: `upkeep` (back up,
    prune, list) and `forgetting`.
    """

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], datetime]) -> None:
        self._db = connection
        self._now = now
        file = connection.execute("PRAGMA database_list").fetchone()[2]
        self._where = f"{file}: " if file else ""

    @classmethod
    def open(cls, path: Path, connection: str, now: Callable[[], datetime]) -> Self:
        """Opens for writing and migrates; creates it, mode 0600. Call it under the run lock. Raises ConfigError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            db = opening.connect(f"file:{opening.quoted(path)}?mode=rw")
            opening.refuse_foreign(db, path)
            db.execute("PRAGMA journal_mode = WAL")
            for pragma in ("synchronous = FULL", "wal_autocheckpoint = 4000"):
                db.execute(f"PRAGMA {pragma}")
            opening.prepare(db, path)
            ledger = cls(db, now)
            ledger._belongs_to(connection, path)
            ledger._recover()
            forgetting.clear_leftovers(ledger)
        except (OSError, sqlite3.Error) as error:
            raise opening.unusable(path, error) from error
        return ledger

    @classmethod
    def look(
        cls, path: Path, connection: str, now: Callable[[], datetime], *, oldest: int = schema.VERSION
    ) -> Self:
        """Opens for reading only, while a run may be under way; an empty ledger where there is no file yet.

        Whoever reads no table of it may allow an older version of the file.
        """
        try:
            if not path.exists():
                db = opening.connect(":memory:")
                schema.migrate(db)
                return cls(db, now)
            db = opening.connect(f"file:{opening.quoted(path)}?mode=ro")
            opening.refuse_foreign(db, path)
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if not oldest <= version <= schema.VERSION:
                raise opening.other_version(path, version)
            ledger = cls(db, now)
            ledger._check_name(connection, path)
        except (OSError, sqlite3.Error) as error:
            raise opening.unusable(path, error) from error
        return ledger

    def copy(self) -> Self:
        """The same content in memory, chunks of a run that died recovered: what a dry run writes to."""
        db = opening.connect(":memory:")
        self._db.backup(db)
        ledger = type(self)(db, self._now)
        ledger._recover()
        return ledger

    def close(self) -> None:
        """Closes the file; what was committed is there."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Closes the file; what SQLite said of a damaged one becomes a Stop."""
        self.close()
        if isinstance(error, sqlite3.Error) and opening.lies_in_the_file(error):
            raise Stop(
                f"{self._where}the state file cannot be read: {error}",
                hint="check the disk; a damaged file is replaced by your last backup",
            ) from error

    # the hot path

    def entries(self, flow: str, ids: Collection[str]) -> dict[str, LedgerEntry]:
        """What is known of these source records."""
        rows = self._in(f"{SELECT} WHERE flow = ? AND source_id IN", flow, ids)
        return {row[1]: entry_of(row) for row in rows}

    def owners(self, flow: str, keys: Collection[str]) -> dict[str, LedgerEntry]:
        """Who owns these target keys: one record each at most."""
        query = f"{SELECT} WHERE flow = ? AND owns = 1 AND target_key IN"
        return {str(row[3]): entry_of(row) for row in self._in(query, flow, keys)}

    def unclear(self, flow: str) -> dict[str, LedgerEntry]:
        """Keys that records may be at without owning them, each with such a record."""
        rows = self._db.execute(
            f"{SELECT} INDEXED BY ledger_unclear WHERE flow = ? AND tried IS NOT NULL", (flow,)
        )
        return {key: entry for entry in map(entry_of, rows) for key in entry.tried_keys}

    def parted(self, flow: str, keys: Collection[str]) -> dict[str, LedgerEntry]:
        """Counterparts that were removed, by key: each can come back for the record that has the key next."""
        if not keys or not self._has_parted(flow):
            return {}
        query = "SELECT source_id, key, target_id, memo FROM parted WHERE flow = ? AND live = 0 AND key IN"
        return {
            key: LedgerEntry(
                flow, source_id, "removed", key, target_id, memo=msgspec.json.decode(memo) if memo else None
            )
            for source_id, key, target_id, memo in self._in(query, flow, keys)
        }

    def left_behind(self, flow: str) -> list[tuple[str, Left]]:
        """Counterparts that a record (its id) left behind and that are to be removed now."""
        rows = self._db.execute(
            "SELECT source_id, key, target_id FROM parted WHERE flow = ? AND live = 1"
            " AND (memo IS NULL OR json_extract(memo, '$.retry_at') <= ?) ORDER BY key",
            (flow, self._stamp()),
        )
        return [(source_id, Left(key, target_id)) for source_id, key, target_id in rows]

    def is_wanted(self, flow: str, key: str) -> bool:
        """Whether a record owns a key, may be at it, or waits for it."""
        waits = self._db.execute("SELECT 1 FROM ledger WHERE flow = ? AND wants = ? LIMIT 1", (flow, key))
        return waits.fetchone() is not None or key in self.owners(flow, [key]) or key in self.unclear(flow)

    def settle_left(
        self, flow: str, key: str, run_id: int = 0, step: Step | None = None, outcome: Outcome | None = None
    ) -> None:
        """Of a counterpart left behind: it is somebody's now, or (with a step) it was removed."""
        with self._transaction():
            self._db.execute("DELETE FROM parted WHERE flow = ? AND key = ?", (flow, key))
            if step is None or outcome is None:
                return
            self._part(flow, step.source_id, key, outcome, step)
            one = Settled(step.source_id, outcome, step)
            self._insert(ATTEMPT, [attempt_of(flow, run_id, self._stamp(), one, step)])

    def keep_left(self, flow: str, key: str, run_id: int, step: Step, outcome: Outcome) -> None:
        """Of a counterpart left behind that could not be removed: a refusal stands, anything else is tried again."""
        due = outcome.retry_at or (None if outcome.status == "failed" else self._now())
        memo = JSON.encode({"retry_at": stamp(due)}).decode()
        with self._transaction():
            self._db.execute("UPDATE parted SET memo = ? WHERE flow = ? AND key = ?", (memo, flow, key))
            one = Settled(step.source_id, outcome, step)
            self._insert(ATTEMPT, [attempt_of(flow, run_id, self._stamp(), one, step)])

    def forgotten(self, flow: str) -> Forgotten:
        """The keys of people who asked to be forgotten, as far as this flow is meant."""
        return forgetting.forgotten_keys(self._db, flow)

    def begin(self, flow: str, run_id: int, chunk: Sequence[tuple[str | None, ...]]) -> int:
        """Says that these records are about to be sent; returns its number.

        Of each: its id, the key it is on its way to, and other keys by which it would be found there.
        """
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO sending (flow, run_id, at, steps) VALUES (?, ?, ?, ?)",
                (flow, run_id, self._stamp(), JSON.encode(chunk).decode()),
            )
        return int(cursor.lastrowid or 0)

    def finish(
        self,
        flow: str,
        run_id: int,
        chunk_ids: Sequence[int],
        settled: Sequence[Settled],
        ends: tuple[End, End] | None = None,
    ) -> None:
        """Stores what became of one or more chunks, and of records nothing was sent for; one commit.

        `ends` are those of the pairs that settled, if any did.
        """
        at = self._stamp()
        with self._transaction():
            self._forget_former(flow, settled)
            self._note_parted(flow, settled)
            self._insert(SETTLE, [row_of(flow, run_id, at, one) for one in settled])
            self._insert(
                ATTEMPT,
                [attempt_of(flow, run_id, at, one, one.step) for one in settled if one.step is not None],
            )
            if ends is not None:
                links.store(self._db, *ends, [one.pair for one in settled if one.pair is not None])
            self._db.executemany("DELETE FROM sending WHERE id = ?", [(number,) for number in chunk_ids])

    def _forget_former(self, flow: str, settled: Sequence[Settled]) -> None:
        new = {one.key: one for one in settled if one.key is not None and is_new_owner(one)}
        former = f"{SELECT} INDEXED BY ledger_former WHERE flow = ? AND owns = 0 AND target_key IN"
        keys = [row[3] for row in self._in(former, flow, new)] if new and self._has_former(flow) else []
        for one in (new[key] for key in keys):
            self._db.execute(FORGET, (flow, one.key, one.outcome.target_id, one.source_id))

    def _has_former(self, flow: str) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM ledger INDEXED BY ledger_former WHERE flow = ? AND owns = 0 AND target_key > '' LIMIT 1",
            (flow,),
        )
        return row.fetchone() is not None

    def _note_parted(self, flow: str, settled: Sequence[Settled]) -> None:
        if self._has_parted(flow):
            taken = [
                (flow, one.key)
                for one in settled
                if one.key and one.step is not None and one.outcome.target_id
            ]
            self._db.executemany("DELETE FROM parted WHERE flow = ? AND key = ?", taken)
        for one in settled:
            if one.outcome.status == "removed" and one.step is not None:
                key = one.outcome.key or one.step.was_key
                if key is not None:
                    self._part(flow, one.source_id, key, one.outcome, one.step)
            self._db.executemany(
                "INSERT OR REPLACE INTO parted VALUES (?, ?, ?, ?, NULL, 1)",
                [(flow, left.key, one.source_id, left.target_id) for left in one.outcome.left],
            )

    def _part(self, flow: str, source_id: str, key: str, outcome: Outcome, step: Step) -> None:
        memo = None if outcome.memo is None else JSON.encode(outcome.memo).decode()
        target_id = outcome.target_id or step.target_id
        if (
            target_id is not None and outcome.memo != {}
        ):  # an empty memo: there was nothing that could come back
            row = (flow, key, source_id, target_id, memo)
            self._db.execute("INSERT OR REPLACE INTO parted VALUES (?, ?, ?, ?, ?, 0)", row)

    def _has_parted(self, flow: str) -> bool:
        return self._db.execute("SELECT 1 FROM parted WHERE flow = ? LIMIT 1", (flow,)).fetchone() is not None

    def _insert(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        start = 0
        for size in _AT_ONCE:
            while len(rows) - start >= size:
                part = rows[start : start + size]
                marks = f"({', '.join('?' * len(part[0]))})"
                self._db.execute(
                    statement.format(rows=", ".join([marks] * size)), [value for row in part for value in row]
                )
                start += size

    def release(self, flow: str) -> int:
        """Lets records come up again that wait for a key which is nobody's now, or were found elsewhere; how many."""
        waiting = self._db.execute(
            "SELECT source_id, wants FROM ledger INDEXED BY ledger_wants"
            " WHERE flow = ? AND wants IS NOT NULL AND status = 'skipped'",
            (flow,),
        ).fetchall()
        owned = self.owners(flow, {wants for _, wants in waiting})
        unclear = self.unclear(flow)
        free = [
            source_id
            for source_id, wants in waiting
            if wants not in owned and (wants not in unclear or unclear[wants].source_id == source_id)
        ]
        if free:
            with self._transaction():
                self._db.executemany(
                    "UPDATE ledger SET status = 'held', code = 'key-released', wants = NULL, retry_at = NULL,"
                    " reason = 'the key it waited for is free again', updated_at = ?"
                    " WHERE flow = ? AND source_id = ?",
                    [(self._stamp(), flow, one) for one in free],
                )
        found = self._db.execute(
            "SELECT count(*) FROM ledger WHERE flow = ? AND status = 'held'"
            " AND code IN ('found-elsewhere', 'waits-for-another')",
            (flow,),
        ).fetchone()
        return len(free) + int(found[0])

    # watermarks and backfills

    def watermark(self, flow: str) -> str | None:
        """Nothing of the source lies behind it that the ledger does not hold; None before the first whole read."""
        row = self._db.execute("SELECT value FROM watermarks WHERE flow = ?", (flow,)).fetchone()
        return row[0] if row else None

    def set_watermark(self, flow: str, value: str) -> None:
        """Stores a checkpoint whose batch, and all before it, are in the ledger."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?)", (flow, value, self._stamp())
            )

    def backfill(self, flow: str) -> Backfill | None:
        """The unfinished backfill of a flow."""
        row = self._db.execute("SELECT * FROM backfills WHERE flow = ?", (flow,)).fetchone()
        return Backfill(*row) if row else None

    def start_backfill(self, flow: str, since: str | None, until: str | None) -> None:
        """Remembers the window, in place of an earlier one."""
        row = (flow, since, until, None, 0, self._stamp())
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO backfills VALUES (?, ?, ?, ?, ?, ?)", row)

    def advance_backfill(self, flow: str, cursor: str, read: int) -> None:
        """Everything up to this cursor is in the ledger."""
        with self._transaction():
            self._db.execute("UPDATE backfills SET cursor = ?, read = ? WHERE flow = ?", (cursor, read, flow))

    def end_backfill(self, flow: str) -> None:
        """Forgets a backfill that came to its end."""
        with self._transaction():
            self._db.execute("DELETE FROM backfills WHERE flow = ?", (flow,))

    # full reads: deletions are what a complete read did not show

    def forget_seen(self) -> None:
        """Starts a full read."""
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("DELETE FROM seen")

    def add_seen(self, ids: Iterable[str]) -> None:
        """Notes records of a full read."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?)", [(one,) for one in ids])

    def unseen(self, flow: str) -> list[str]:
        """Records of the ledger that the full read did not show and that are not known to be gone."""
        rows = self._db.execute(
            "SELECT source_id FROM ledger WHERE flow = ? AND source_id NOT IN (SELECT id FROM seen)"
            " AND status <> 'removed' AND NOT (status = 'skipped' AND code = 'gone')",
            (flow,),
        )
        return [row[0] for row in rows]

    def count_unseen(self, flow: str) -> int:
        """How many settled records the full read did not show."""
        row = self._db.execute(
            "SELECT count(*) FROM ledger WHERE flow = ? AND status = 'done'"
            " AND source_id NOT IN (SELECT id FROM seen)",
            (flow,),
        ).fetchone()
        return int(row[0])

    # what is open

    def count_done(self, flow: str) -> int:
        """Records that are settled in the target."""
        row = self._db.execute("SELECT count(*) FROM ledger WHERE flow = ? AND status = 'done'", (flow,))
        return int(row.fetchone()[0])

    def leftovers(self, flow: str, run_id: int) -> list[str]:
        """Ids to take up first: held, and what earlier runs left without an answer or for later; oldest first."""
        rows = self._db.execute(
            "SELECT source_id FROM ledger WHERE flow = ?1 AND status NOT IN ('done', 'skipped')"
            " AND (status = 'held' OR (run_id IS NOT ?2 AND (status IN ('sending', 'unknown')"
            " OR (status = 'failed' AND retry_at IS NOT NULL))))"
            " AND (retry_at IS NULL OR retry_at <= ?3) AND coalesce(wants, '') NOT LIKE ?4"
            " AND coalesce(wants, '') NOT LIKE ?5 ORDER BY updated_at, source_id",
            (flow, run_id, self._stamp(), f"{REFERENCE}%", f"{DECISION}%"),
        )
        return [row[0] for row in rows]

    def waiting_for_references(self, flow: str) -> list[tuple[str, Ref]]:
        """Records that wait until another one is linked, each with that one."""
        return [(source_id, reference_of(wants)) for source_id, wants in self._waiting(flow, REFERENCE)]

    def waiting_for_decisions(self, flow: str) -> list[tuple[str, str]]:
        """Records that wait until a person decides about a record of the target, each with its remote id."""
        return [
            (source_id, wants.removeprefix(DECISION)) for source_id, wants in self._waiting(flow, DECISION)
        ]

    def _waiting(self, flow: str, kind: str) -> list[tuple[str, str]]:
        return self._db.execute(
            "SELECT source_id, wants FROM ledger INDEXED BY ledger_wants"
            " WHERE flow = ? AND wants IS NOT NULL AND wants LIKE ? ORDER BY source_id",
            (flow, f"{kind}%"),
        ).fetchall()

    def unsettled(self, flow: str, since: str | None = None, statuses: Sequence[str] = OPEN) -> list[str]:
        """Ids of records that are not settled, or in the given statuses; `since` is the time they got there."""
        marks = ",".join("?" * len(statuses))
        rows = self._db.execute(
            f"SELECT source_id FROM ledger WHERE flow = ? AND status IN ({marks})"  # noqa: S608 - question marks
            " AND (? IS NULL OR updated_at >= ?) ORDER BY updated_at, source_id",
            (flow, *statuses, since, since),
        )
        return [row[0] for row in rows]

    def settled_in(self, flow: str, but_not_in: str) -> list[str]:
        """Records that are settled in the target by one flow and not (yet) by another one."""
        rows = self._db.execute(
            "SELECT source_id FROM ledger AS one WHERE flow = ? AND status = 'done' AND NOT EXISTS (SELECT 1 FROM"
            " ledger AS other WHERE other.flow = ? AND other.source_id = one.source_id AND other.status = 'done')"
            " ORDER BY source_id",
            (flow, but_not_in),
        )
        return [row[0] for row in rows]

    def take_up(self, flow: str, source_id: str, code: str, reason: str, memo: Mapping[str, Any]) -> None:
        """Lets the next run send a record as it is then, whatever became of it before; its link says where to."""
        with self._transaction():
            self._take_up(flow, source_id, code, reason, memo)

    def link_by_hand(self, flow: str, here: End, there: End, source_id: str, target_id: str) -> None:
        """A person says that the two are one: the next run brings them in step, and matches anew whoever loses one."""
        with self._transaction():
            before = links.find(self._db, there, here, [target_id]).get(target_id)
            links.store(self._db, here, there, [Pair(source_id, target_id, {}, {})])
            self._take_up(flow, source_id, "linked-by-hand", "a person linked it", {})
            if before is not None and before.id != source_id:
                reason = "a person linked its counterpart with another"
                self._take_up(flow, before.id, "link-taken", reason, {})

    def _take_up(self, flow: str, source_id: str, code: str, reason: str, memo: Mapping[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO ledger (flow, source_id, status, code, reason, memo, updated_at)"
            " VALUES (?, ?, 'held', ?, ?, ?, ?) ON CONFLICT (flow, source_id) DO UPDATE SET status = 'held',"
            " code = excluded.code, reason = excluded.reason, memo = excluded.memo, digest = NULL, tried = NULL,"
            " wants = NULL, target_id = NULL, retry_at = NULL, updated_at = excluded.updated_at",
            (flow, source_id, code, reason, JSON.encode(memo).decode(), self._stamp()),
        )

    def search(self, flow: str | None, text: str) -> list[LedgerEntry]:
        """Entries by source id, name, remote id or key (what stands behind its kind is enough); letter case aside."""
        low = text.lower()
        rows = self._db.execute(
            f"{SELECT} WHERE (?1 IS NULL OR flow = ?1) AND (lower(source_id) = ?2 OR target_key IN (?2, ?3)"
            " OR wants IN (?2, ?3) OR lower(target_id) = ?2 OR lower(name) = ?2"
            " OR lower(substr(target_key, instr(target_key, ':') + 1)) = ?2) ORDER BY flow",
            (flow, low, f"email:{low}"),
        )
        return [entry_of(row) for row in rows]

    def attempts(self, flow: str, source_id: str) -> list[dict[str, Any]]:
        """Every send of one record, oldest first."""
        return self._dicts(
            "SELECT * FROM attempts WHERE flow = ? AND source_id = ? ORDER BY rowid", (flow, source_id)
        )

    def counts(self, flow: str) -> dict[str, int]:
        """How many records stand in which status, those on their way as `sending`."""
        found = dict(
            self._db.execute("SELECT status, count(*) FROM ledger WHERE flow = ? GROUP BY status", (flow,))
        )
        on_way = self._db.execute(
            "SELECT coalesce(sum(json_array_length(steps)), 0) FROM sending WHERE flow = ?", (flow,)
        ).fetchone()[0]
        if on_way:
            found["sending"] = found.get("sending", 0) + on_way
        return found

    def reasons(self, flow: str) -> list[dict[str, Any]]:
        """What waits and why: status, code, one reason, how many, the next attempt; most frequent first."""
        return self._dicts(
            "SELECT status, code, min(reason) AS reason, count(*) AS records, min(retry_at) AS retry_at,"
            " min(coalesce(nullif(name, ''), source_id)) AS example FROM ledger WHERE flow = ? AND status <> 'done'"
            " GROUP BY status, code ORDER BY count(*) DESC, code",
            (flow,),
        )

    # links between systems

    def links(self, here: End, there: End, ids: Collection[str]) -> dict[str, Link]:
        """The counterparts there (system, entity) of these records here, whichever flow linked them."""
        return links.find(self._db, here, there, ids) if ids else {}

    def link(self, here: End, there: End, pairs: Sequence[Pair]) -> None:
        """Remembers which record here is which there."""
        if pairs:
            with self._transaction():
                links.store(self._db, here, there, pairs)

    # runs

    def start_run(self, command: str) -> int:
        """A new run's number."""
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO runs (command, started_at) VALUES (?, ?)", (command, self._stamp())
            )
        return int(cursor.lastrowid or 0)

    def end_run(self, run_id: int, exit_code: int, error: str = "") -> None:
        """How it ended; the error holds no personal data."""
        with self._transaction():
            self._db.execute(
                "UPDATE runs SET ended_at = ?, exit_code = ?, error = ? WHERE id = ?",
                (self._stamp(), exit_code, error, run_id),
            )

    def ended_so_before(self, run_id: int) -> bool:
        """Whether this run ended like the one before it, and both on the same day of the row of runs that did."""
        row = self._db.execute(
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
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO run_flows VALUES (?, ?, ?, ?, ?)",
                (run_id, flow, JSON.encode(counts).decode(), calls, round(seconds, 3)),
            )

    def quota(self, system: str) -> Quota:
        """What the runs so far took of the system's day; a new one if there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (f"quota.{system}",)).fetchone()
        return msgspec.json.decode(row[0], type=Quota) if row else Quota()

    def keep_quota(self, system: str, quota: Quota) -> None:
        """For the runs to come."""
        if quota != self.quota(system):
            with self._transaction():
                self._db.execute(
                    "INSERT OR REPLACE INTO meta VALUES (?, ?)",
                    (f"quota.{system}", JSON.encode(quota).decode()),
                )

    def runs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The last runs, newest first, each with its flows' counts."""
        found = self._dicts("SELECT * FROM runs ORDER BY id DESC LIMIT ?", (limit,))
        for run in found:
            flows = self._dicts("SELECT * FROM run_flows WHERE run_id = ? ORDER BY flow", (run["id"],))
            run["flows"] = {f["flow"]: {**f, "counts": msgspec.json.decode(f["counts"])} for f in flows}
        return found

    def last_poll(self, flow: str) -> str | None:
        """When the watermark was last confirmed by a whole read."""
        row = self._db.execute("SELECT stored_at FROM watermarks WHERE flow = ?", (flow,)).fetchone()
        return row[0] if row else None

    # inside

    def _recover(self) -> None:
        """Chunks that were under way when a run died become `sending` records: sent, answer unknown."""
        for number, flow, _run, at, steps in self._db.execute("SELECT * FROM sending ORDER BY id").fetchall():
            with self._transaction():
                for source_id, key, *others in msgspec.json.decode(steps):
                    self._recover_one(flow, source_id, key, others, at)
                self._db.execute("DELETE FROM sending WHERE id = ?", (number,))

    def _recover_one(
        self, flow: str, source_id: str, key: str | None, others: Sequence[str], at: str
    ) -> None:
        """A record without a key owns its key now; one that was moving keeps the old one until it is clear."""
        entry = self.entries(flow, [source_id]).get(source_id)
        free = None if key is None or self.owners(flow, [key]) else key
        owns_none = entry is None or entry.target_key is None
        tried = dict.fromkeys([*(entry.tried_keys if entry else ()), *([key] if key else []), *others])
        row = (flow, source_id, free if owns_none else None, "\n".join(tried) or None, at)
        self._db.execute(
            "INSERT INTO ledger (flow, source_id, status, target_key, owns, code, reason, tried, updated_at)"
            " VALUES (?1, ?2, 'sending', ?3, ?3 IS NOT NULL, 'interrupted',"
            " 'the run ended before the answer came', ?4, ?5)"
            " ON CONFLICT (flow, source_id) DO UPDATE SET status = 'sending', code = 'interrupted',"
            " reason = excluded.reason, retry_at = NULL, wants = NULL, run_id = NULL, updated_at = ?5, tried = ?4,"
            " target_key = coalesce(?3, target_key), owns = max(owns, ?3 IS NOT NULL)",
            row,
        )

    def _belongs_to(self, connection: str, path: Path) -> None:
        if not self._check_name(connection, path):
            with self._transaction():
                self._db.execute("INSERT INTO meta VALUES ('connection', ?)", (connection,))

    def _check_name(self, connection: str, path: Path) -> bool:
        row = self._db.execute("SELECT value FROM meta WHERE name = 'connection'").fetchone()
        if row is not None and row[0] != connection:
            raise ConfigError(
                f"{path}: this state file belongs to the connection '{row[0]}', not to '{connection}'",
                hint="give each connection a state file of its own (state: in the connection file)",
            )
        return row is not None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk rolls back by itself
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if not opening.lies_in_the_file(error):
                raise
            raise Stop(
                f"{self._where}the state file cannot be written: {error}",
                hint="check the free space and the rights of the state file; nothing is lost, run again then",
            ) from error

    def _in(self, query: str, flow: str, values: Collection[str]) -> Iterator[tuple[Any, ...]]:
        pending = list(values)
        for start in range(0, len(pending), _LOOK_UP):
            part = pending[start : start + _LOOK_UP]
            marks = ",".join("?" * len(part))
            yield from self._db.execute(f"{query} ({marks})", (flow, *part))

    def _dicts(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        cursor = self._db.execute(query, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _stamp(self) -> str:
        return stamp(self._now()) or ""
