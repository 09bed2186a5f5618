"""Finds organizations and products by name, code or the value of a custom field (fact sheet 5.2, 5.3, trap 14).

A search costs as much as a thousand listed records, and its index lags behind. So what changed in the last minutes is
taken from the list, which does not, and many keys are looked for in the whole list.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from mlconnector.spelling import plain_name
from mlconnector.systems.pipedrive.api import PLURAL, Api, Record
from mlconnector.systems.pipedrive.fields import Definitions
from mlconnector.systems.pipedrive.read import fetch_records, show_moment
from mlconnector.systems.pipedrive.unreadable import Unreadable

RECENT = timedelta(minutes=5)
SEARCH_COST, PAGE_COST = 20, 10
ASSUMED_PAGES = 20
"""A list is taken for this long until it was walked once: 10,000 records."""
IDS_A_CALL = 100


class Finder:
    """Looks up one kind of record. Keys are `name:<plain name>`, `code:<code>`, `number:<custom field>=<value>`."""

    def __init__(self, api: Api, definitions: Definitions, now: Callable[[], datetime]) -> None:
        self._api = api
        self._definitions = definitions
        self._now = now
        self._pages = ASSUMED_PAGES

    def find(self, keys: Collection[str]) -> dict[str, list[str]]:
        """Ids by key, in the order of the ids; what lies in the bin is not found. ConfigError for an unknown field."""
        wanted = {key: _Key.of(key, self._definitions) for key in keys}
        known = {key: one for key, one in wanted.items() if one is not None}
        if not known:
            return {}
        many = len(known) * SEARCH_COST + PAGE_COST > self._pages * PAGE_COST
        rows = self._listed(None, known) if many else self._searched(known)
        found: dict[str, set[int]] = {}
        for row in rows:
            for key, one in known.items():
                if one.fits(row):
                    found.setdefault(key, set()).add(row["id"])
        return {key: [str(id_) for id_ in sorted(ids)] for key, ids in found.items()}

    def _searched(self, known: Mapping[str, _Key]) -> Iterator[Record]:
        """Hits are read before they count: the index may be older than the record."""
        yield from self._listed(self._now() - RECENT, known)
        kind = self._definitions.kind
        ids: dict[str, None] = {}
        for one in known.values():
            hits, complete = self._api.search(kind, one.term, one.searched, exact=one.exact)
            if not complete:
                yield from self._listed(None, known)
                return
            ids |= {str(hit["id"]): None for hit in hits if one.may_fit(hit)}
        for start in range(0, len(ids), IDS_A_CALL):
            found = fetch_records(self._api, kind, list(ids)[start : start + IDS_A_CALL], {})
            yield from (row for row in found.values() if row is not None and not isinstance(row, Unreadable))

    def _listed(self, since: datetime | None, known: Mapping[str, _Key]) -> Iterator[Record]:
        codes = sorted({one.field for one in known.values() if one.searched == "custom_fields"})
        params = {"limit": "500", "sort_by": "id"}
        params |= {"custom_fields": ",".join(codes)} if codes else {}
        params |= {"updated_since": show_moment(since)} if since else {}
        pages, cursor = 0, None
        while True:
            page, _ = self._api.page(f"/{PLURAL[self._definitions.kind]}", params)
            yield from page.data or ()
            pages += 1
            if not page.next_cursor or page.next_cursor == cursor:
                break
            params["cursor"] = cursor = page.next_cursor
        if since is None:
            self._pages = pages


class _Key:
    """One key: what to search for, and whether a record has it. `field` is a name of the record or a custom key."""

    def __init__(self, field: str, value: str, *, searched: str) -> None:
        self.field = field
        self.searched = searched
        self._plain = _PLAIN.get(field, _folded)
        self._value = self._plain(value)
        words = sorted(self._value.split(), key=len) if field == "name" else [value.strip()]
        self.term = words[-1] if words else ""
        self.exact = field != "name" or len(self.term) < 2

    @classmethod
    def of(cls, key: str, definitions: Definitions) -> _Key | None:
        """None for a key of another spelling, or an empty one: nothing is found by it."""
        kind, _, value = key.partition(":")
        if kind == "number":
            name, _, value = value.partition("=")
            made = cls(definitions.one(name).field_code, value, searched="custom_fields")
        elif kind in ("name", "code"):
            made = cls(kind, value, searched=kind)
        else:
            return None
        return made if made.term else None

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a raw record has this key."""
        custom = self.searched == "custom_fields"
        value = ((row.get("custom_fields") or {}) if custom else row).get(self.field)
        return value is not None and self._plain(_spelled(value)) == self._value

    def may_fit(self, hit: Mapping[str, Any]) -> bool:
        """Whether a hit is worth reading: of names many hold the same word."""
        return self.field != "name" or self._plain(str(hit.get("name"))) == self._value


def _folded(text: str) -> str:
    return text.strip().casefold()


def _spelled(value: Any) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


_PLAIN: Mapping[str, Callable[[str], str]] = {"name": plain_name}
