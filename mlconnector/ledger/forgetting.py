"""Erases a person from the state file. What stays is a salted hash, by which the engine leaves the person out."""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlconnector.errors import Stop
from mlconnector.ledger import links as linking
from mlconnector.ledger import upkeep
from mlconnector.ledger.links import End

if TYPE_CHECKING:
    from mlconnector.ledger import Ledger

log = logging.getLogger("mlconnector.ledger")

REASON = "the person asked to be forgotten"

_SALT, _TO_CLEAR = "salt", "to-clear"
"""Names in `meta`: the salt, and since when erased rows wait to be taken out of the file's free space."""
_KEYED = """
SELECT flow, source_id, name, target_id, target_key, wants, tried FROM ledger
WHERE (?1 IS NULL OR flow = ?1) AND coalesce(target_key, wants, tried) IS NOT NULL
"""
_NAMED = "SELECT flow, source_id, name, target_id FROM ledger WHERE flow = ? AND source_id = ?"
_EMPTY = """
UPDATE ledger SET status = 'skipped', code = 'forgotten', reason = ?, updated_at = ?, owns = 0, attempts = 0, name = '',
    target_key = NULL, target_id = NULL, digest = NULL, retry_at = NULL, source_modified = NULL, wants = NULL,
    tried = NULL, memo = NULL, run_id = NULL
WHERE flow = ? AND source_id = ?
"""
_UNPART = "DELETE FROM parted WHERE flow = ? AND ((source_id = ? AND live = 0) OR target_id = ?)"
"""A counterpart under another key that was left behind (`live`) has yet to be removed, so that is kept."""
_UNPART_KEY = "DELETE FROM parted WHERE (?1 IS NULL OR flow = ?1) AND lower(key) = ?2"
_Row = tuple[str, str, str, str | None]
"""Flow, source id, name, target id."""


@dataclass(frozen=True, slots=True)
class Named:
    """A record that a key such as `person:7` means, whatever is on record of it; `end` is its system and entity."""

    flow: str
    source_id: str
    end: End


class Forgotten:
    """Tells of a target key whether it is that of a person who asked to be forgotten; false if nobody did."""

    def __init__(self, salt: bytes, hashes: frozenset[bytes]) -> None:
        self._salt = salt
        self._hashes = hashes

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def __contains__(self, key: str) -> bool:
        return bool(self._hashes) and _hash(key, self._salt) in self._hashes


@dataclass(frozen=True, slots=True)
class Erased:
    """What there was of a person: records as flow, source id and name, and how many attempts and links."""

    records: tuple[tuple[str, str, str], ...]
    attempts: int
    links: int


def forgotten_keys(db: sqlite3.Connection, flow: str) -> Forgotten:
    """Those of one flow and of all flows: one query where nobody was forgotten."""
    rows = db.execute("SELECT hash FROM forgotten WHERE flow IN ('', ?)", (flow,)).fetchall()
    return Forgotten(_salt(db), frozenset(row[0] for row in rows)) if rows else Forgotten(b"", frozenset())


def forget(ledger: Ledger, key: str, flow: str | None = None, named: Sequence[Named] = ()) -> Erased:
    """Erases the person with this target key (lower-cased) in one flow or in all, and keeps the key's hash.

    A record is the person's if it is `named`, or if the key is its target key, former or not, the one it waits for,
    or one it was on its way to. All that is known of it goes, another key as well: that may be an older address of
    the same person. What stays is the source id with `skipped: forgotten`. Call `clear` next. Raises Stop.
    """
    db, at = ledger._db, ledger._stamp()
    db.execute("PRAGMA secure_delete = ON")
    with ledger._transaction():
        rows = dict.fromkeys([*_rows_of(db, key, flow), *_rows_named(db, named)])
        erased = _erase(db, list(rows), at)
        links = sum(linking.forget_end(db, one.end, one.source_id) for one in named)
        db.execute(_UNPART_KEY, (flow, key))
        db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (_SALT, os.urandom(16).hex()))
        row = (flow or "", _hash(key, _salt(db)), at)
        db.execute("INSERT OR IGNORE INTO forgotten VALUES (?, ?, ?)", row)
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_TO_CLEAR, at))
    return replace(erased, links=erased.links + links)


def holders(ledger: Ledger, key: str, flow: str | None = None) -> list[tuple[str, str]]:
    """The records, as flow and source id, of which this key is on record, in one flow or in all."""
    return [(row[0], row[1]) for row in _rows_of(ledger._db, key, flow)]


def _erase(db: sqlite3.Connection, rows: Sequence[_Row], at: str) -> Erased:
    links = attempts = 0
    for flow, source_id, _, target_id in rows:
        links += linking.forget(db, source_id, target_id)
        attempts += db.execute(
            "DELETE FROM attempts WHERE flow = ? AND source_id = ?", (flow, source_id)
        ).rowcount
        db.execute(_UNPART, (flow, source_id, target_id))
        db.execute(_EMPTY, (REASON, at, flow, source_id))
    return Erased(tuple(row[:3] for row in rows), attempts, links)


def remember(ledger: Ledger, key: str, flow: str | None = None) -> bool:
    """Takes the hash of a key out again, in one flow or wherever it is; whether it was there. Raises Stop."""
    with ledger._transaction():
        gone = ledger._db.execute(
            "DELETE FROM forgotten WHERE hash = ? AND (? IS NULL OR flow = ?)",
            (_hash(key, _salt(ledger._db)), flow, flow),
        )
    return gone.rowcount > 0


def clear(ledger: Ledger) -> None:
    """Takes what was erased out of the file's free space and out of the write-ahead log. Raises Stop.

    Deleting leaves copies behind: in free pages, and in pages that were split long ago. Only a file that is written
    anew has none.
    """
    if not upkeep.compact(ledger):
        raise Stop(
            "the person is forgotten, but another program reads the state file, which so long keeps the old bytes",
            hint="let it finish and run the same command again; the next sync does it, too",
        )
    with ledger._transaction():
        ledger._db.execute("DELETE FROM meta WHERE name = ?", (_TO_CLEAR,))


def clear_leftovers(ledger: Ledger) -> None:
    """Does what a `forget` that was killed came not to; a run is not held up if that fails."""
    if ledger._db.execute("SELECT 1 FROM meta WHERE name = ?", (_TO_CLEAR,)).fetchone() is None:
        return
    try:
        clear(ledger)
    except Stop as error:
        log.warning("what was forgotten may still be in the state file's free space: %s", error.message)


def _rows_of(db: sqlite3.Connection, key: str, flow: str | None) -> list[_Row]:
    """The records of a person. Compared here: SQLite lower-cases ASCII only, and `tried` is a list."""
    return [
        (row[0], row[1], row[2], row[3])
        for row in db.execute(_KEYED, (flow,))
        if key in "\n".join(filter(None, row[4:])).lower().split("\n")
    ]


def _rows_named(db: sqlite3.Connection, named: Iterable[Named]) -> list[_Row]:
    return [row for one in named for row in db.execute(_NAMED, (one.flow, one.source_id))]


def _salt(db: sqlite3.Connection) -> bytes:
    row = db.execute("SELECT value FROM meta WHERE name = ?", (_SALT,)).fetchone()
    return bytes.fromhex(row[0]) if row else b""


def _hash(key: str, salt: bytes) -> bytes:
    return hashlib.blake2b(key.encode(), key=salt, digest_size=32).digest()
