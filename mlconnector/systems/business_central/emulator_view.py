"""Other pages over the rows of a table: API v1.0 and beta, page web services. The rows are kept once, in the table.

A view has fields of its own, and for each the source of its value; what it shows is made when it is asked for.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from operator import attrgetter
from typing import Any

from mlconnector.systems.business_central.emulator_columns import AS_STAMPED
from mlconnector.systems.business_central.emulator_field import NO_GUID, Entity, Field, decode_option
from mlconnector.systems.business_central.emulator_rows import SECOND, Row, Table

CODE_TABLES = ("paymentTerms", "paymentMethods", "shipmentMethods", "taxAreas")
_key = attrgetter("key")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source looks things up: the company's tables, and the time zone of the server."""

    tables: Mapping[str, Table]
    zone: tzinfo

    @property
    def version(self) -> int:
        """Changes when a code or its id does."""
        return sum(self.tables[name].version for name in CODE_TABLES if name in self.tables)


Source = Callable[[Row, Place], Any]


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """A page over the rows of `base`. `by_number`: its rows are addressed by their key, not by their id."""

    entity: Entity
    base: Entity
    sources: tuple[Source, ...]
    by_number: bool = False


def make_entity(name: str, single: str, like: Entity, fields: tuple[Field, ...], **more: Any) -> Entity:
    """An entity set that shows these fields of a table's rows."""
    changed = replace(
        like, name=name, single=single, fields=fields, table=name, hidden=(), verbs=frozenset({"GET"})
    )
    by_name = {one.name: one for one in fields}
    columns = {one: place for place, one in enumerate(by_name)}
    return replace(changed, **{"by_name": by_name, "columns": columns, "navigation": (), **more})


# sources of values


def copied(column: int) -> Source:
    """The value as it is kept."""
    return lambda row, place: row.values[column]


def captioned(column: int) -> Source:
    """The caption of an enum value; blank is a single space (section 2.0)."""
    return lambda row, place: decode_option(row.values[column]) or " "


def code_of(column: int, table: str) -> Source:
    """The code behind the id of a small table."""

    def find(row: Row, place: Place) -> str:
        found = place.tables[table].by_id.get(row.values[column])
        return found.key if found is not None else ""

    return find


def own_currency(id_column: int, code_column: int) -> Source:
    """The currency code as the table has it: blank for the local currency."""
    return lambda row, place: "" if row.values[id_column] == NO_GUID else row.values[code_column]


def date_modified(column: int, stamp_column: int) -> Source:
    """The day of the last modification in the server's time zone; `0001-01-01` where there was none."""

    def day(row: Row, place: Place) -> str:
        ticks = row.values[column]
        ticks = row.values[stamp_column] if ticks == AS_STAMPED else ticks
        if not ticks:
            return "0001-01-01"
        when = datetime(1, 1, 1, tzinfo=UTC) + timedelta(seconds=ticks // SECOND)
        return when.astimezone(place.zone).date().isoformat()

    return day


def postal_address(columns: Mapping[str, int]) -> Source:
    """`address{street,city,state,countryLetterCode,postalCode}`; two address lines stand in `street` (section 1.5)."""
    first, second = columns["addressLine1"], columns["addressLine2"]
    rest = {
        "city": columns["city"],
        "state": columns["state"],
        "countryLetterCode": columns["country"],
        "postalCode": columns["postalCode"],
    }

    def show(row: Row, place: Place) -> str:
        values = row.values
        lines = [values[first], values[second]] if values[second] else [values[first]]
        parts = {name: values[column] for name, column in rest.items()}
        return json.dumps({"street": "\r\n".join(lines), **parts}, ensure_ascii=False, separators=(",", ":"))

    return show


@dataclass(slots=True)
class ViewTable:
    """The rows of one company as a view shows them; each is made once and kept for as long as its row lives."""

    view: View
    table: Table
    place: Place
    _made: dict[str, tuple[Row, Row]] = field(default_factory=dict)
    _whole: tuple[int, list[Row]] | None = None
    _codes: int = -1

    def rows_at(self, then: int | None) -> list[Row]:
        """All rows in key order, as they are or as they were at `then`."""
        self._forget_old_codes()
        rows = self.table.rows_at(then)
        if rows is not self.table.rows:
            return [self._show(row) for row in rows]
        if self._whole is None or self._whole[0] != self.table.version:
            self._whole = self.table.version, [self._show(row) for row in rows]
        return self._whole[1]

    def grouped(self, column: int, then: int | None = None) -> Mapping[Any, list[Row]]:
        """Nothing either."""
        return {}

    def below(self, id: str, then: int | None = None) -> list[Row]:
        """Nothing: no view has rows within rows."""
        return []

    def row_at(self, id: str, then: int | None) -> Row | None:
        """One row by id, or by its quoted key where rows are addressed by that."""
        self._forget_old_codes()
        if not self.view.by_number:
            row = self.table.row_at(id, then)
            return self._show(row) if row is not None else None
        key, rows = read_key(id), self.table.rows_at(then)
        place = bisect_left(rows, key, key=_key)
        return self._show(rows[place]) if place < len(rows) and rows[place].key == key else None

    def key_of(self, id: str) -> str | None:
        """Where a row stands or stood; every key has its place, be it taken or not."""
        return read_key(id) if self.view.by_number else self.table.key_of(id)

    def ordered(self, rows: list[Row], order: tuple[tuple[int, bool], ...]) -> list[Row]:
        """Rows by (column, descending) pairs, ties by key."""
        found = list(rows)
        for column, descending in reversed(order):
            found.sort(key=lambda row: row.values[column], reverse=descending)
        return found

    def _forget_old_codes(self) -> None:
        codes = self.place.version
        if codes != self._codes:
            self._made.clear()
            self._whole, self._codes = None, codes

    def _show(self, row: Row) -> Row:
        made = self._made.get(row.id)
        if made is not None and made[0] is row:
            return made[1]
        values = tuple(source(row, self.place) for source in self.view.sources)
        shown = Row(quoted_key(row.key) if self.view.by_number else row.id, row.key, values)
        self._made[row.id] = row, shown
        return shown


def quoted_key(key: str) -> str:
    """A key as it stands in a URL and in a skip token: `'O''NEILL'`."""
    return "'" + key.replace("'", "''") + "'"


def read_key(text: str) -> str:
    """The key behind `'…'`; a code is in upper case, a company's name is not looked up here."""
    return text.strip()[1:-1].replace("''", "'").strip().upper()
