"""Transactions: a write that fails leaves nothing behind, whatever it has stored by then (fact sheet 4.4, 4.6)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlconnector.systems.business_central.emulator_rows import Row, Table


class Undo:
    """What the open transactions of a company have replaced. Numbers taken from a series stay taken."""

    def __init__(self) -> None:
        self._changes: list[tuple[Table, str, Row | None]] = []
        self._depth = 0

    def note(self, table: Table, id: str, before: Row | None) -> None:
        """A row was put in the place of `before`, or taken out."""
        if self._depth:
            self._changes.append((table, id, before))

    @contextmanager
    def transaction(self, now: int) -> Iterator[None]:
        """Takes everything back that happened inside if that raises; may be nested."""
        mark = len(self._changes) if self._depth else 0
        self._depth += 1
        try:
            yield
        except BaseException:
            self._take_back(mark if self._depth > 1 else 0, now)
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._changes.clear()

    def commit(self) -> None:
        """What happened so far stays, as after a COMMIT in AL code: posting does that."""
        self._changes.clear()

    def _take_back(self, mark: int, now: int) -> None:
        changes, self._changes = self._changes[mark:], self._changes[:mark]
        depth, self._depth = self._depth, 0  # what is put back is no change
        for table, id, before in reversed(changes):
            current = table.by_id.get(id)
            if before is not None:
                table.put(before, now)
            elif current is not None:
                table.drop(current, now)
        self._depth = depth
