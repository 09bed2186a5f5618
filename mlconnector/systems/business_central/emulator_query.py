"""Query options around `$filter`: select, expand, order, count, and pages that go on behind a key (3.1, 3.4)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any
from urllib.parse import quote

from mlconnector.systems.business_central.emulator_answers import bad_request
from mlconnector.systems.business_central.emulator_contacts import contact_rows
from mlconnector.systems.business_central.emulator_crm import CONTACTS_INFORMATION
from mlconnector.systems.business_central.emulator_entities import ENTITIES
from mlconnector.systems.business_central.emulator_field import Entity, Field, Navigation
from mlconnector.systems.business_central.emulator_filter import (
    Test,
    compile_filter,
    literal_value,
    split_tokens,
    stored_field,
    syntax_error,
    unknown_property,
)
from mlconnector.systems.business_central.emulator_rows import Row, Shown, row_text, show_number, show_stamp

PAGE_LIMIT = 20_000
KNOWN_OPTIONS = frozenset(
    {"$filter", "$orderby", "$select", "$expand", "$top", "$skip", "$count", "$format", "$schemaversion"}
    | {"$skiptoken"}
)
_PAGE_SIZE = re.compile(r"odata\.maxpagesize\s*=\s*(\d+)", re.IGNORECASE)
_OPEN_PARENTHESIS = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\((.*)\))?\s*", re.DOTALL)
_QUOTE = "'"
_KEPT_SIGNS = "$,()':;/=@!*"
_key = attrgetter("key")


@dataclass(frozen=True, slots=True)
class Query:
    """What a GET asks for; `order` holds (field, descending) pairs, `select` names in page order."""

    entity: Entity
    test: Test | None = None
    order: tuple[tuple[Field, bool], ...] = ()
    select: tuple[str, ...] | None = None
    expand: tuple[Expansion, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    token: str = ""

    @property
    def columns(self) -> tuple[tuple[int, bool], ...]:
        """The order as (column, descending) pairs."""
        return tuple((self.entity.columns[field.name], down) for field, down in self.order)


@dataclass(frozen=True, slots=True)
class Expansion:
    """One navigation property to show inside, with its own query."""

    nav: Navigation
    query: Query


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one answer, how many there are in all (if asked), and the token of the next page (if any)."""

    rows: list[Row]
    total: int | None
    token: str | None


def parse_query(
    entity: Entity,
    options: Mapping[str, str],
    entities: Mapping[str, Entity] = ENTITIES,
    *,
    lenient: bool = False,
) -> Query:
    """Reads the query options of a request; a 400 or 501 for what the platform refuses.

    `lenient`: page variables in a filter or an order are ignored (UNCERTAIN in section 2.17).
    """
    for name in options:
        if name.startswith("$") and name not in KNOWN_OPTIONS:
            raise bad_request(f"The query option '{name}' is not supported.")
    newer = options.get("$schemaversion", "2.0") == "2.1"
    text = options.get("$filter", "")
    return Query(
        entity,
        test=compile_filter(text, entity, newer=newer, lenient=lenient) if text.strip() else None,
        order=_order(entity, options.get("$orderby", ""), lenient=lenient),
        select=_select(entity, options.get("$select", "")),
        expand=_expand(entity, options.get("$expand", ""), entities, newer=newer, lenient=lenient),
        top=_whole(options, "$top"),
        skip=_whole(options, "$skip") or 0,
        count=options.get("$count", "false") == "true",
        token=options.get("$skiptoken", ""),
    )


def _whole(options: Mapping[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise bad_request(
            f"Invalid value '{text}' for {name} query option found. A non-negative integer is needed."
        )
    return int(text)


def _order(entity: Entity, text: str, *, lenient: bool) -> tuple[tuple[Field, bool], ...]:
    order = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, direction = part.partition(" ")
        if direction.strip() not in ("", "asc", "desc"):
            raise syntax_error(f"Syntax error in '$orderby={text}'.")
        field = stored_field(name, entity, "$orderby", lenient=lenient)
        if field.stored:
            order.append((field, direction.strip() == "desc"))
    return tuple(order)


def _select(entity: Entity, text: str) -> tuple[str, ...] | None:
    wanted = {part.strip() for part in text.split(",") if part.strip()}
    if not wanted or "*" in wanted:
        return None
    page = [field.name for field in entity.fields]
    for name in wanted.difference(page):
        if entity.nav(name) is None:
            raise unknown_property(name, entity)
    return tuple(name for name in page if name in wanted)


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators that stand outside of parentheses and quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for place, sign in enumerate(text):
        if sign == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(sign, 0)
            if sign == separator and depth == 0:
                parts.append(text[start:place])
                start = place + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def _expand(
    entity: Entity, text: str, entities: Mapping[str, Entity], *, newer: bool, lenient: bool
) -> tuple[Expansion, ...]:
    expansions = []
    for part in _split(text, ","):
        found = _OPEN_PARENTHESIS.fullmatch(part)
        if found is None:
            raise syntax_error(f"Syntax error in '$expand={text}'.")
        nav = entity.nav(found[1])
        if nav is None:
            raise unknown_property(found[1], entity)
        options = dict(option.split("=", 1) for option in _split(found[2] or "", ";") if "=" in option)
        if newer:
            options["$schemaversion"] = "2.1"
        expansions.append(
            Expansion(nav, parse_query(entities[nav.target], options, entities, lenient=lenient))
        )
    return tuple(expansions)


def page_size(prefer: str) -> int | None:
    """The N of `Prefer: odata.maxpagesize=N`, capped at 20,000; None if it was not asked for."""
    found = _PAGE_SIZE.search(prefer)
    return max(1, min(int(found[1]), PAGE_LIMIT)) if found else None


def find_page(table: Shown, rows: list[Row], query: Query, size: int, *, empty_last: bool) -> Page:
    """One page of the rows that match. A token is a place in the order, not a count: later inserts do not shift it.

    `$top` hides the next link (section 3.1); with `empty_last` a full page always names a next one.
    """
    ordered = table.ordered(rows, query.columns) if query.order else rows
    total = sum(1 for _ in _matching(ordered, query)) if query.count else None
    start = _start(table, ordered, query) if query.token else 0
    matching = _matching(ordered[start:] if start else ordered, query)
    skip = 0 if query.token else query.skip
    if query.top is not None:
        return Page(list(islice(matching, skip, skip + min(query.top, size))), total, None)
    found = list(islice(matching, skip, skip + size + 1))
    more = len(found) > size or (empty_last and len(found) == size)
    found = found[:size]
    return Page(found, total, _token(query, found[-1]) if more else None)


def count_rows(rows: list[Row], query: Query) -> int:
    """How many rows match, for `/$count`."""
    return sum(1 for _ in _matching(rows, query))


def _matching(rows: list[Row], query: Query) -> Any:
    return filter(query.test, rows) if query.test is not None else iter(rows)


def _token(query: Query, last: Row) -> str:
    """The last row's id; with `$orderby` the values it is sorted by stand in front."""
    values = [_literal(field, last.values[query.entity.columns[field.name]]) for field, _ in query.order]
    return ",".join([*values, last.id])


def _literal(field: Field, value: Any) -> str:
    if field.kind == "datetime":
        return show_stamp(value)
    if field.kind == "decimal":
        return show_number(value)
    if field.kind == "bool":
        return "true" if value else "false"
    if field.kind in ("text", "code", "enum"):
        return f"'{str(value).replace(_QUOTE, _QUOTE * 2)}'"
    return str(value)


def _start(table: Shown, rows: list[Row], query: Query) -> int:
    """Where the page behind a token starts."""
    words = [token for token in split_tokens(query.token) if token.kind != "end" and token.text != ","]
    key = table.key_of(words[-1].text.lower()) if len(words) == len(query.order) + 1 else None
    if key is None:
        raise bad_request(f"The skip token '{query.token}' is not valid.")
    if not query.order:
        return bisect_right(rows, key, key=_key)
    values = [literal_value(word) for word in words[:-1]]

    def is_behind(row: Row) -> bool:
        for (column, down), value in zip(query.columns, values, strict=True):
            if row.values[column] != value:
                return bool(row.values[column] < value if down else row.values[column] > value)
        return row.key > key

    return bisect_left(rows, True, key=is_behind)


def next_link(address: str, options: Mapping[str, str], token: str) -> str:
    """The same URL with all options, and where to go on: `aid=FIN&$skiptoken=…`."""
    kept = [
        f"{name}={quote(value, safe=_KEPT_SIGNS)}"
        for name, value in options.items()
        if name not in ("aid", "$skiptoken")
    ]
    return f"{address}?{'&'.join([*kept, 'aid=FIN', '$skiptoken=' + quote(token, safe=_KEPT_SIGNS)])}"


class Renderer:
    """Turns rows of one company into JSON; `tables` are looked into for what is expanded."""

    def __init__(
        self,
        tables: Mapping[str, Shown],
        entities: Mapping[str, Entity] = ENTITIES,
        then: int | None = None,
        *,
        leaves_out: bool = False,
    ) -> None:
        self._tables = tables
        self._entities = entities
        self._then = then
        self._leaves_out = leaves_out

    def objects(self, rows: list[Row], query: Query) -> list[bytes]:
        """The JSON objects of these rows."""
        entity, select = query.entity, query.select
        texts = [row_text(entity, row, select) for row in rows]
        for expansion in query.expand:
            texts = [
                self._with(text, expansion.nav.name, self._inner(row, entity, expansion))
                for row, text in zip(rows, texts, strict=True)
            ]
        return texts

    def _with(self, text: bytes, name: str, inner: bytes | None) -> bytes:
        """An expanded row that there is not is `null`, or left out (UNCERTAIN in checklist E12)."""
        if inner is None:
            return text if self._leaves_out else b'%b,"%b":null}' % (text[:-1], name.encode())
        return b'%b,"%b":%b}' % (text[:-1], name.encode(), inner)

    def _inner(self, row: Row, entity: Entity, expansion: Expansion) -> bytes | None:
        """The expanded row, or all rows of a list; None where there is none."""
        query, nav = expansion.query, expansion.nav
        found = [one for one in self.related(row, entity, nav) if query.test is None or query.test(one)]
        if nav.many:
            ordered = self._tables[query.entity.table].ordered(found, query.columns)
            stop = None if query.top is None else query.skip + query.top
            return b"[%b]" % b",".join(self.objects(ordered[query.skip : stop], query))
        return self.objects(found[:1], query)[0] if found else None

    def related(self, row: Row, entity: Entity, nav: Navigation) -> list[Row]:
        """The rows behind a navigation property: one at most unless it is a list."""
        target, then = self._entities[nav.target], self._then
        if target.table == entity.table:
            return [row]
        if target is CONTACTS_INFORMATION:
            return contact_rows(self._tables, row, entity, then)
        if nav.many and nav.by != "id":
            return self._tables[target.table].below(row.id, then)
        found = self._tables[target.table].row_at(row.values[entity.columns[nav.by]], then)
        return [] if found is None else [found]
