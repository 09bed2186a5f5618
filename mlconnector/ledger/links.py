"""Which record of one system is which of another: each pair once, both ways round, and one counterpart at most."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from mlconnector.model import Link, value

End = tuple[str, str]
"""One end of a link: the alias of the system, and the entity."""
_IN = "SELECT id, other_id, seen, other_seen FROM links WHERE {} AND {} IN ({})"
_ENDS = "system = ? AND entity = ? AND other_system = ? AND other_entity = ?"
_LINK = """
INSERT INTO links VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (system, entity, other_system, other_entity, id) DO UPDATE SET
    seen = json_patch(seen, excluded.seen), other_seen = json_patch(other_seen, excluded.other_seen)
"""
_PART = f"DELETE FROM links WHERE {_ENDS} AND (id = ?) <> (other_id = ?)"  # noqa: S608 - no value in it
_UNLINK = "DELETE FROM links WHERE (id = ?1 AND other_id = ?2) OR (id = ?2 AND other_id = ?1)"
_UNLINK_END = """
DELETE FROM links WHERE (system = ?1 AND entity = ?2 AND id = ?3)
    OR (other_system = ?1 AND other_entity = ?2 AND other_id = ?3)
"""
_LOOK_UP = 500


@value
class Pair:
    """Two records that are one thing, and hashes of fields that are in step now: they add to what is known.

    None takes away what is known of a field.
    """

    id: str
    other_id: str
    seen: Mapping[str, str | None]
    other_seen: Mapping[str, str | None]


def find(db: sqlite3.Connection, here: End, there: End, ids: Collection[str]) -> dict[str, Link]:
    """The counterparts there of these records here."""
    turned = here > there
    ends = (*there, *here) if turned else (*here, *there)
    found: dict[str, Link] = {}
    for part in _parts(list(ids)):
        query = _IN.format(_ENDS, "other_id" if turned else "id", ",".join("?" * len(part)))
        for one, other, seen, other_seen in db.execute(query, (*ends, *part)):
            mine, theirs = msgspec.json.decode(seen), msgspec.json.decode(other_seen)
            found[other if turned else one] = Link(one, theirs, mine) if turned else Link(other, mine, theirs)
    return found


def store(db: sqlite3.Connection, here: End, there: End, pairs: Iterable[Pair]) -> None:
    """Links them, in place of other links of the same records. Inside a transaction."""
    turned = here > there
    ends = (*there, *here) if turned else (*here, *there)
    for pair in pairs:
        seen, other_seen = (msgspec.json.encode(dict(one)).decode() for one in (pair.seen, pair.other_seen))
        one = (pair.id, pair.other_id, seen, other_seen)
        a_id, b_id, a_seen, b_seen = (one[1], one[0], one[3], one[2]) if turned else one
        db.execute(_PART, (*ends, a_id, b_id))
        db.execute(_LINK, (*ends[:2], a_id, *ends[2:], b_id, a_seen, b_seen))


def forget(db: sqlite3.Connection, id_: str, other_id: str | None) -> int:
    """Takes away the link between two records; how many there were."""
    return db.execute(_UNLINK, (id_, other_id)).rowcount


def forget_end(db: sqlite3.Connection, end: End, id_: str) -> int:
    """Takes away every link of one record; how many there were."""
    return db.execute(_UNLINK_END, (*end, id_)).rowcount


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _LOOK_UP):
        yield ids[start : start + _LOOK_UP]
