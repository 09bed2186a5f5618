"""What all of the state file stands on: one connection, transactions, and statements for many rows."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Self

from mlconnector.errors import Stop
from mlconnector.ledger import opening
from mlconnector.ledger.rows import stamp

_LOOK_UP = 500
"""Keys in one look-up; more make no difference (LIBRARIES 4.1)."""
_AT_ONCE = (256, 32, 1)
"""Rows of one INSERT. Each statement gives the interpreter's lock away and has to wait for it again, so few are quick;
only these sizes, so that the prepared statements are used again."""


class Store:
    """The open file. Errors of SQLite that lie in the file become a Stop that says what to do."""

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], datetime]) -> None:
        self._db = connection
        self._now = now
        file = connection.execute("PRAGMA database_list").fetchone()[2]
        self._where = f"{file}: " if file else ""

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
