"""The state file: watermarks, the idempotency ledger, the audit of every send. The only home of SQLite.

One writer, under the run lock. Each method that writes is one short transaction.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import msgspec

from mlconnector.errors import ConfigError
from mlconnector.ledger import forgetting, links, opening, schema
from mlconnector.ledger.forgetting import Forgotten
from mlconnector.ledger.history import History
from mlconnector.ledger.links import End, Pair
from mlconnector.ledger.parted import Parted
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
)
from mlconnector.ledger.store import Store
from mlconnector.model import LedgerEntry, Link, Ref

__all__ = ["OPEN", "Backfill", "Ledger", "Pair", "Settled"]

OPEN = ("failed", "held", "sending", "unknown")
"""Statuses of records that are not settled."""


class Ledger(Store):
    """The state file of one connection.

    `history` is what the runs did, `parted` what became of counterparts that no record has. What people do with it
    between runs has modules of its own, which use `_db` and `_transaction`: `upkeep` (back up, prune, list) and
    `forgetting`; so have `origin` and `quotas`.
    """

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], datetime]) -> None:
        super().__init__(connection, now)
        self.history, self.parted = History(self), Parted(self)

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

    def is_wanted(self, flow: str, key: str) -> bool:
        """Whether a record owns a key, may be at it, or waits for it."""
        waits = self._db.execute("SELECT 1 FROM ledger WHERE flow = ? AND wants = ? LIMIT 1", (flow, key))
        return waits.fetchone() is not None or key in self.owners(flow, [key]) or key in self.unclear(flow)

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
        other_way: Sequence[str] = (),
    ) -> None:
        """Stores what became of one or more chunks, and of records nothing was sent for; one commit.

        `ends` are those of the pairs that settled, if any did: of those the flows in `other_way` look again at what
        was changed on both sides.
        """
        at = self._stamp()
        with self._transaction():
            self._forget_former(flow, settled)
            self.parted.note(flow, settled)
            self._insert(SETTLE, [row_of(flow, run_id, at, one) for one in settled])
            self._insert(
                ATTEMPT,
                [attempt_of(flow, run_id, at, one, one.step) for one in settled if one.step is not None],
            )
            if ends is not None:
                pairs = [one.pair for one in settled if one.pair is not None]
                links.store(self._db, *ends, pairs)
                again = [(at, name, pair.other_id) for name in other_way for pair in pairs]
                self._db.executemany(
                    "UPDATE ledger SET retry_at = ? WHERE flow = ? AND source_id = ? AND status = 'failed'"
                    " AND code = 'conflict'",
                    again,
                )
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

    def release(self, flow: str) -> int:
        """Lets records come up again that wait for a key which is nobody's now, or were found elsewhere; how many."""
        waiting = self._db.execute(
            "SELECT source_id, wants FROM ledger INDEXED BY ledger_wants"
            " WHERE flow = ? AND wants IS NOT NULL AND (status = 'skipped' OR code = 'reference-taken')",
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
            " AND status <> 'removed' AND NOT (status = 'skipped' AND code IN ('gone', 'left-over'))",
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

    def keys_unlike(self, flow: str, start: str) -> list[str]:
        """Keys of records with a counterpart that do not begin like this, letter case aside."""
        rows = self._db.execute(
            "SELECT target_key FROM ledger WHERE flow = ? AND target_id IS NOT NULL AND target_key IS NOT NULL"
            " AND status <> 'removed' AND lower(substr(target_key, 1, ?)) <> lower(?) ORDER BY source_id",
            (flow, len(start), start),
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
        """What waits and why, most frequent first: status, code, how many, the next attempt, and of the first of these
        records its id, name and reason."""
        alike = "(PARTITION BY status, code)"
        return self._dicts(
            "SELECT status, code, reason, records, retry_at, source_id, name FROM (SELECT status, code, reason,"  # noqa: S608 - no value in it
            f" source_id, name, count(*) OVER {alike} AS records, min(retry_at) OVER {alike} AS retry_at,"
            " row_number() OVER (PARTITION BY status, code ORDER BY coalesce(nullif(name, ''), source_id), source_id)"
            " AS place FROM ledger WHERE flow = ? AND status <> 'done')"
            " WHERE place = 1 ORDER BY records DESC, code",
            (flow,),
        )

    def open_records(self, flow: str) -> list[LedgerEntry]:
        """Those that are not settled (OPEN), by code and name."""
        found = self.entries(flow, self.unsettled(flow))
        return sorted(found.values(), key=lambda one: (one.code, one.name, one.source_id))

    # links between systems

    def links(self, here: End, there: End, ids: Collection[str]) -> dict[str, Link]:
        """The counterparts there (system, entity) of these records here, whichever flow linked them."""
        return links.find(self._db, here, there, ids) if ids else {}

    def link(self, here: End, there: End, pairs: Sequence[Pair]) -> None:
        """Remembers which record here is which there."""
        if pairs:
            with self._transaction():
                links.store(self._db, here, there, pairs)

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
