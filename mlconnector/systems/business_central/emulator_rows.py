"""Rows and tables: what is stored, in which order, how it looked a moment ago, and its JSON text and etag.

A row never changes: an edit puts another row in its place, so that a rendered text stays right for as long as it lives.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b, sha256
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any, Protocol

from mlconnector.systems.business_central.emulator_field import Entity, Field
from mlconnector.systems.business_central.emulator_undo import Undo

SECOND = 10_000_000  # stamps are kept in ticks of 100 ns since year 1; 0 is the blank 0001-01-01T00:00:00Z
JOURNAL_LENGTH = 5_000
TEXTS_KEPT = 6
_START = datetime(1, 1, 1)  # noqa: DTZ001 - only a difference to it is used
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?(Z|[+-]\d\d:\d\d)$")


def to_ticks(when: datetime) -> int:
    """An aware datetime in ticks; ValueError without a zone."""
    if when.tzinfo is None:
        raise ValueError(f"{when} has no time zone")
    since = when.astimezone(UTC).replace(tzinfo=None) - _START if when.year > 1 else timedelta(0)
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 10


def sql_stamp(when: datetime) -> int:
    """Ticks rounded as SQL `datetime` does, to 1/300 s: milliseconds end in 0, 3 or 7 (section 3.6)."""
    return round_stamp(to_ticks(when))


def round_stamp(ticks: int) -> int:
    """The nearest 1/300 s, shown in milliseconds."""
    thirds = (ticks * 300 + SECOND // 2) // SECOND
    return (thirds * 10 + 1) // 3 * (SECOND // 1000)


def read_stamp(text: str) -> int | None:
    """Ticks of a literal such as `2026-02-24T22:53:12.55Z`; None if it is none or has no zone."""
    found = _STAMP.match(text)
    if found is None:
        return None
    minutes, seconds, fraction, zone = found.groups()
    if minutes.startswith("0001-01-01"):
        return 0
    try:
        ticks = to_ticks(datetime.fromisoformat(f"{minutes}:{seconds or '00'}{zone}"))
    except (ValueError, OverflowError):
        return None
    return ticks + int((fraction or "0").ljust(7, "0"))


def show_stamp(ticks: int) -> str:
    """UTC with `Z`, trailing zeros of the fraction cut (section 2.0)."""
    whole, rest = divmod(ticks, SECOND)
    fraction = f".{rest:07d}".rstrip("0") if rest else ""
    return f"{(_START + timedelta(seconds=whole)).isoformat()}{fraction}Z"


def show_number(value: Decimal) -> str:
    """A JSON number without trailing zeros."""
    if not value:
        return "0"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def show_value(field: Field, value: Any) -> str:
    """The JSON text of one value."""
    match field.kind:
        case "decimal":
            return show_number(value)
        case "bool":
            return "true" if value else "false"
        case "int":
            return str(value)
        case "datetime":
            return f'"{show_stamp(value)}"'
        case "guid" | "date" | "enum":
            return f'"{value}"'
        case "complex":
            return str(value)
        case _:
            return str(encode_basestring(value))


class Row:
    """One version of one record: `values` in the columns of its table, `key` is what the table is sorted by."""

    __slots__ = ("id", "key", "texts", "values")

    def __init__(self, id: str, key: str, values: tuple[Any, ...]) -> None:
        self.id = id
        self.key = key
        self.values = values
        self.texts: dict[Any, bytes] | None = None


def make_etag(text: str) -> str:
    """`W/"{base64}"` over what the page shows; the base64 holds `'{len};{digits}1;00;'` (section 2.0)."""
    digits = str(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big"))
    inner = f"'{len(digits)};{digits}1;00;'"
    return f'W/"{base64.b64encode(inner.encode()).decode()}"'


def make_old_etag(text: str) -> str:
    """The form of older servers: the base64 holds `'44;{base64 of SHA-256}1;00;'` (section 2.0)."""
    inner = f"'44;{base64.b64encode(sha256(text.encode()).digest()).decode()}1;00;'"
    return f'W/"{base64.b64encode(inner.encode()).decode()}"'


def row_text(entity: Entity, row: Row, select: tuple[str, ...] | None = None) -> bytes:
    """The JSON object of a row on this page, etag first; rendered once and kept with the row."""
    if row.texts is None:
        row.texts = {}
    key = entity.name if select is None else (entity.name, select)
    text = row.texts.get(key)
    if text is None:
        text = _whole(entity, row) if select is None else _part(entity, row, select)
        if len(row.texts) >= TEXTS_KEPT:
            row.texts.clear()
        row.texts[key] = text
    return text


def etag_of(entity: Entity, row: Row) -> str:
    """The etag of a row as this page shows it; another page over the same row has another one."""
    return str(json.loads(_etag_part(entity, row) + b"}")["@odata.etag"])


def _etag_part(entity: Entity, row: Row) -> bytes:
    return row_text(entity, row).split(b",", 1)[0]


def _whole(entity: Entity, row: Row) -> bytes:
    body = _body(entity, row, entity.fields)
    if not entity.etag:
        return f"{{{body}}}".encode()
    etag = (make_old_etag if entity.old_etag else make_etag)(body).replace('"', '\\"')
    return f'{{"@odata.etag":"{etag}",{body}}}'.encode()


def _part(entity: Entity, row: Row, select: tuple[str, ...]) -> bytes:
    body = _body(entity, row, [entity.by_name[name] for name in select]).encode()
    return b"%b,%b}" % (_etag_part(entity, row), body) if entity.etag else b"{%b}" % body


def _body(entity: Entity, row: Row, fields: Iterable[Field]) -> str:
    columns, values = entity.columns, row.values
    return ",".join([f'"{f.name}":{show_value(f, values[columns[f.name]])}' for f in fields])


_key = attrgetter("key")


class Shown(Protocol):
    """What reading needs of a table, or of a view of one; `then` is a replica's moment."""

    def rows_at(self, then: int | None) -> list[Row]:
        """All rows in key order."""

    def row_at(self, id: str, then: int | None) -> Row | None:
        """One row by what stands in a URL."""

    def key_of(self, id: str) -> str | None:
        """Where a row stands or stood."""

    def below(self, id: str, then: int | None = None) -> list[Row]:
        """The rows whose key starts with this id."""

    def grouped(self, column: int, then: int | None = None) -> Mapping[Any, list[Row]]:
        """The rows by the value of a column."""

    def ordered(self, rows: list[Row], order: tuple[tuple[int, bool], ...]) -> list[Row]:
        """Rows by (column, descending) pairs, ties by key."""


class Table:
    """The rows of one company and entity set, sorted by key, with a short memory of what was there before."""

    def __init__(self, entity: Entity, series: str, undo: Undo | None = None) -> None:
        self.entity = entity
        self._undo = undo
        self.rows: list[Row] = []
        self.by_id: dict[str, Row] = {}
        self.by_key: dict[str, Row] = {}
        self.graves: dict[str, str] = {}
        self.version = 0
        self._series = series
        self._made = 0
        self._journal: deque[tuple[int, str, Row | None]] = deque(maxlen=JOURNAL_LENGTH)
        self._sorted: dict[Any, tuple[int, list[Row]]] = {}
        self._groups: dict[int, tuple[int, Mapping[Any, list[Row]]]] = {}

    def new_id(self) -> str:
        """The next SystemId; they look sequential, as the real ones do."""
        self._made += 1
        return f"{0x2CD06000 + self._made:08x}{self._series}"

    def make(self, values: Sequence[Any]) -> Row:
        """A row of these values, not yet in the table."""
        columns = self.entity.columns
        return Row(values[0], values[columns[self.entity.key]], tuple(values))

    def load(self, rows: Iterable[Row]) -> None:
        """Replaces everything by these rows at once, without a journal: seed data."""
        self.by_id, self.by_key = {}, {}
        for row in rows:
            self.by_id[row.id] = self.by_key[row.key] = row
        self.rows = sorted(self.by_key.values(), key=_key)
        self.version += 1

    def put(self, row: Row, now: int) -> Row:
        """Inserts a row, or puts it in the place of the one with its id; `now` is when readers can see it."""
        before = self.by_id.get(row.id)
        if before is not None:
            self._take_out(before)
        place = bisect_left(self.rows, row.key, key=_key)
        self.rows.insert(place, row)
        self.by_id[row.id] = self.by_key[row.key] = row
        self._note(now, row.id, before)
        return row

    def drop(self, row: Row, now: int) -> None:
        """Takes a row out; its place is remembered for paging."""
        self._take_out(row)
        self.graves[row.id] = row.key
        self._note(now, row.id, row)

    def _take_out(self, row: Row) -> None:
        del self.rows[bisect_left(self.rows, row.key, key=_key)]
        del self.by_id[row.id], self.by_key[row.key]

    def _note(self, now: int, id: str, before: Row | None) -> None:
        self._journal.append((now, id, before))
        self.version += 1
        if self._undo is not None:
            self._undo.note(self, id, before)

    def key_of(self, id: str) -> str | None:
        """Where a row stands or stood; None for an id that never was."""
        row = self.by_id.get(id)
        return row.key if row is not None else self.graves.get(id)

    def _changed_after(self, then: int) -> dict[str, Row | None]:
        """What the rows changed since `then` looked like at that time."""
        changed: dict[str, Row | None] = {}
        for when, id, before in reversed(self._journal):
            if when <= then:
                break
            changed[id] = before
        return changed

    def rows_at(self, then: int | None) -> list[Row]:
        """All rows in key order, as they are or as they were at `then` (a read from a replica, section 3.5)."""
        changed = {} if then is None else self._changed_after(then)
        if not changed:
            return self.rows
        rows = [row for row in self.rows if row.id not in changed]
        return sorted([*rows, *(row for row in changed.values() if row is not None)], key=_key)

    def grouped(self, column: int, then: int | None = None) -> Mapping[Any, list[Row]]:
        """The rows by the value of a column; kept until the table changes."""
        rows = self.rows_at(then)
        kept = self._groups.get(column)
        if rows is self.rows and kept is not None and kept[0] == self.version:
            return kept[1]
        groups: dict[Any, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.values[column], []).append(row)
        if rows is self.rows:
            self._groups[column] = self.version, groups
        return groups

    def below(self, id: str, then: int | None = None) -> list[Row]:
        """The rows whose key starts with this id and a slash: lines of a document, variants of an item."""
        rows = self.rows_at(then)
        first = bisect_left(rows, f"{id}/", key=_key)
        return rows[first : bisect_left(rows, f"{id}0", lo=first, key=_key)]  # 0 stands behind the slash

    def row_at(self, id: str, then: int | None) -> Row | None:
        """One row by id, as it is or as it was at `then`."""
        changed = {} if then is None else self._changed_after(then)
        return changed[id] if id in changed else self.by_id.get(id)

    def ordered(self, rows: list[Row], order: tuple[tuple[int, bool], ...]) -> list[Row]:
        """Rows by (column, descending) pairs, ties by key; kept until the table changes."""
        if rows is self.rows and (kept := self._sorted.get(order)) and kept[0] == self.version:
            return kept[1]
        found = list(rows)
        for column, descending in reversed(order):
            found.sort(key=lambda row: row.values[column], reverse=descending)
        if rows is self.rows:
            self._sorted = {order: (self.version, found)}
        return found
