"""What the state file needs between runs: a backup, less of the past, less space, a list of what it holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlconnector.errors import Stop
from mlconnector.ledger import opening
from mlconnector.ledger.newfile import new_file

if TYPE_CHECKING:
    from mlconnector.ledger import Ledger

RECORDS = """
SELECT flow, name, source_id, target_key, target_id, status, code, reason, attempts, retry_at, source_modified,
    updated_at, run_id, wants, replace(tried, char(10), ' ') AS tried, memo FROM ledger
UNION ALL
SELECT flow, '', source_id, key, target_id, iif(live, 'left-behind', 'removed'), '', '', 0, NULL, NULL,
    NULL, NULL, NULL, NULL, memo FROM parted
    WHERE (flow, key) NOT IN (SELECT flow, target_key FROM ledger WHERE target_key IS NOT NULL)
ORDER BY flow, name, source_id
"""
"""Every record, and the counterparts whose record has another one by now."""
ATTEMPTS = """
SELECT at, flow, name, source_id, action, attempts.status, attempts.code, attempts.reason, answer, request_id,
    attempts.run_id FROM attempts LEFT JOIN ledger USING (flow, source_id) ORDER BY attempts.rowid
"""

_OLD_RUN = """
started_at < ?1 AND id <> (SELECT max(id) FROM runs) AND id NOT IN (SELECT max(run_id) FROM run_flows GROUP BY flow)
"""
_IS_GONE = (
    "(status = 'removed' OR (status = 'skipped' AND code IN ('gone', 'left-over'))) AND updated_at < ?1"
)
_KNOWS_NOTHING = "coalesce(target_key, target_id, wants, tried) IS NULL"
_OLD = {
    "attempts": "attempts WHERE at < ?1",
    "run_flows": f"run_flows WHERE run_id IN (SELECT id FROM runs WHERE {_OLD_RUN})",  # noqa: S608 - text of ours
    "runs": f"runs WHERE {_OLD_RUN}",
    "records": f"ledger WHERE {_IS_GONE} AND {_KNOWS_NOTHING}",
}
"""What is old, in the order in which it may be deleted."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many of each were old; `kept` are old records that are gone in the source and still needed."""

    attempts: int
    run_flows: int
    runs: int
    records: int
    kept: int


def back_up(ledger: Ledger, path: Path) -> int:
    """Copies the file as it stands now into a new one, while a run may write; its size in bytes.

    SQLite's own check has found the copy sound before it gets its name. Raises Stop, and ConfigError about the path.
    """
    with new_file(path) as part:
        copy = opening.connect(f"file:{opening.quoted(part)}?mode=rw")
        try:
            ledger._db.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file that can be read from anywhere
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            raise _no_backup(str(error)) from error
        finally:
            copy.close()
        if found != "ok":
            raise _no_backup(" ".join(found.split()))
        return part.stat().st_size


def prune(ledger: Ledger, before: str) -> Pruned:
    """Deletes what is older than `before` (a stamp) and no longer needed; all of it or nothing. Raises Stop.

    - `attempts`: only people read them.
    - `runs` with their flows: only people read them. The last run stays, because numbers of runs must not come
      again (leftovers are told apart by them), and so does the last one of each flow, which `status` shows.
    - records that are gone in the source (`removed`, or `skipped` as `gone`), if their row knows no key and no
      counterpart, as that of a record that was never sent. Such a row decides nothing.

    The other rows of gone records stay however old they are, and so does what is known of removed counterparts
    (`parted`). The target id is what keeps a member from being created again that was deleted in the target meanwhile;
    the memo is how an archived member comes back as it was; the key is where the member is looked for. A record comes
    back when somebody unblocks it, restores the source, or grants a permission that was lost.
    """
    with ledger._transaction():
        kept = _count(ledger, f"ledger WHERE {_IS_GONE} AND NOT {_KNOWS_NOTHING}", before)
        found = {
            name: ledger._db.execute(f"DELETE FROM {old}", (before,)).rowcount  # noqa: S608 - text of ours
            for name, old in _OLD.items()
        }
    return Pruned(kept=kept, **found)


def count_old(ledger: Ledger, before: str) -> Pruned:
    """What `prune` would delete."""
    kept = _count(ledger, f"ledger WHERE {_IS_GONE} AND NOT {_KNOWS_NOTHING}", before)
    return Pruned(kept=kept, **{name: _count(ledger, old, before) for name, old in _OLD.items()})


def compact(ledger: Ledger) -> bool:
    """Writes the file anew without the space of deleted rows, and empties the write-ahead log. Raises Stop.

    False if another program read it all the while, so that the log could not be emptied.
    """
    try:
        ledger._db.execute("VACUUM")
        busy = ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        if not opening.lies_in_the_file(error):
            raise
        raise Stop(
            f"{ledger._where}what was deleted is deleted, but the state file could not be written anew: {error}",
            hint="that needs as much free space as the file is large, here and in the folder for temporary files;"
            " then run the same command again",
        ) from error
    return not busy


def size_of(path: Path) -> int:
    """Bytes of a state file and its write-ahead log."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def listed(ledger: Ledger, query: str) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """The columns of RECORDS or ATTEMPTS, and the rows one by one as they are stored: with whole addresses."""
    cursor = ledger._db.execute(query)
    return [column[0] for column in cursor.description], cursor


def _count(ledger: Ledger, rows: str, before: str) -> int:
    found = ledger._db.execute(f"SELECT count(*) FROM {rows}", (before,))  # noqa: S608 - text of ours
    return int(found.fetchone()[0])


def _no_backup(why: str) -> Stop:
    return Stop(
        f"no backup was made: {why}",
        hint="check the free space and the disk; if the state file is damaged, keep the last good backup",
    )
