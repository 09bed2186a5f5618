"""Lists of the emulated Pipedrive: filters, windows, order and cursors (fact sheet 2)."""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter
from typing import Any

from mlconnector.systems.pipedrive.emulator_errors import invalid
from mlconnector.systems.pipedrive.emulator_state import Company, Record, User, stamp
from mlconnector.systems.pipedrive.emulator_switches import Switches

Query = Mapping[str, str]
Test = Callable[[Record], bool]

DEFAULT_LIMIT, MAX_LIMIT = 100, 500
MOST_IDS = 100
STATUSES = ("open", "won", "lost", "deleted")
BY_TIME = ("id", "update_time", "add_time")
FILTERS: Mapping[str, tuple[str, ...]] = {
    "deal": ("owner_id", "person_id", "org_id", "pipeline_id", "stage_id"),
    "person": ("owner_id", "org_id", "deal_id"),
    "organization": ("owner_id",),
    "product": ("owner_id",),
}
SORTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("deal", "person", "organization"), BY_TIME),
    "product": ("id", "name", "add_time", "update_time"),
}
_WHOLE_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Order:
    """`sort_by` and `sort_direction`."""

    field: str
    descending: bool

    @property
    def direction(self) -> str:
        """As a cursor names it."""
        return "desc" if self.descending else "asc"

    def key(self, record: Record) -> tuple[Any, int]:
        """Ties are settled by the id."""
        return record[self.field], record["id"]


def take_page(
    query: Query, switches: Switches, rows: Sequence[Record], tests: Iterable[Test], sorts: Sequence[str]
) -> tuple[list[Record], str | None]:
    """One page of rows that are in the order of their ids, and the cursor to the next one (2)."""
    order = _read_order(query, sorts)
    limit = read_limit(query, switches)
    start = _read_cursor(query, switches, order)
    found = list(islice(_matching(rows, list(tests), order, start, switches), limit + 1))
    page = found[:limit]
    return page, _write_cursor(order, page[-1]) if len(found) > limit else None


def tests_of(company: Company, user: User, kind: str, query: Query, *, archived: bool = False) -> list[Test]:
    """What a record has to pass to be in the list of its kind (2.1)."""
    tests: list[Test] = [] if user.sees_all else [lambda record: company.sees(user, record)]
    if kind == "deal":
        tests.append(lambda deal: bool(deal["is_archived"]) is archived)
    if query.get("filter_id"):
        return [*tests, *_saved_filter(company, kind, query)]
    for name in FILTERS[kind]:
        if query.get(name):
            tests.append(_equals(company, name, read_whole(query, name)))
    if "ids" in query:
        tests.append(_among(read_ids(query, "ids")))
    tests.append(_status(company, query.get("status", "")) if kind == "deal" else _is_there)
    return tests + _window(company, kind, query)


def check_parameters(query: Query, known: Iterable[str], switches: Switches) -> None:
    """Unknown parameters are ignored, or refused by switch."""
    unknown = sorted(set(query) - set(known) - {"api_token"})
    if unknown and switches.unknown_parameters == "refused":
        raise invalid(f"{unknown[0]}: is not allowed")


def read_limit(query: Query, switches: Switches, most: int = MAX_LIMIT) -> int:
    """`limit`, 100 unless given."""
    limit = read_whole(query, "limit", DEFAULT_LIMIT)
    if limit > most and switches.large_limit == "clamped":
        return most
    if not 1 <= limit <= most:
        raise invalid(f"limit: must be between 1 and {most}")
    return limit


def read_whole(query: Query, name: str, default: int = 0) -> int:
    """A whole number of the query, or 400."""
    text = query.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"\d{1,18}", text):
        raise invalid(f"{name}: must be an integer")
    return int(text)


def read_ids(query: Query, name: str) -> list[int]:
    """A comma list of 100 ids at most."""
    ids = [part for part in query.get(name, "").split(",") if part.strip()]
    if not all(part.strip().isdecimal() for part in ids):
        raise invalid(f"{name}: must be a list of integers")
    if len(ids) > MOST_IDS:
        raise invalid(f"{name}: must contain less than or equal to {MOST_IDS} items")
    return [int(part) for part in ids]


def is_true(query: Query, name: str) -> bool:
    """A boolean of the query."""
    if query.get(name, "false") not in ("true", "false"):
        raise invalid(f"{name}: must be a boolean")
    return query.get(name) == "true"


def read_time(text: str, name: str, switches: Switches) -> str:
    """A time as records carry it; fractions and garbage are 400 (2.2, trap 1)."""
    found = _WHOLE_SECONDS.fullmatch(text)
    if found is None or (found[1] != "Z" and switches.offset_times == "refused"):
        raise invalid(f"{name}: {text} is not a valid datetime")
    try:
        return stamp(datetime.fromisoformat(text).astimezone(UTC))
    except ValueError:
        raise invalid(f"{name}: {text} is not a valid datetime") from None


def _window(company: Company, kind: str, query: Query) -> list[Test]:
    """`updated_since` is in, `updated_until` is out; products have only the first."""
    tests: list[Test] = []
    if "updated_since" in query:
        tests.append(_since(read_time(query["updated_since"], "updated_since", company.switches)))
    if "updated_until" in query and kind != "product":
        tests.append(_until(read_time(query["updated_until"], "updated_until", company.switches)))
    return tests


def _since(bound: str) -> Test:
    return lambda record: bool(record["update_time"] >= bound)


def _until(bound: str) -> Test:
    return lambda record: bool(record["update_time"] < bound)


def _among(ids: Iterable[int]) -> Test:
    wanted = set(ids)
    return lambda record: record["id"] in wanted


def _is_there(record: Record) -> bool:
    return not record["is_deleted"]


def _equals(company: Company, name: str, value: int) -> Test:
    if name == "deal_id":
        deal = company.live("deal", value)
        return _among([deal["person_id"]] if deal else [])
    return lambda record: bool(record[name] == value)


def _status(company: Company, text: str) -> Test:
    """A comma list; everything that is not deleted when there is none."""
    wanted = set(text.split(",")) if text else {"open", "won", "lost"}
    if not wanted.issubset(STATUSES):
        raise invalid(f"status: must be one of {', '.join(STATUSES)}")

    def test(deal: Record) -> bool:
        if deal["is_deleted"]:
            return "deleted" in wanted and not company.is_purged(deal)
        return deal["status"] in wanted

    return test


def _saved_filter(company: Company, kind: str, query: Query) -> list[Test]:
    """It wins over `ids`, `status` and the like; whether a window counts beside it is uncertain (2)."""
    conditions = company.filters.get(read_whole(query, "filter_id"))
    if conditions is None:
        raise invalid("filter_id: filter was not found")
    tests: list[Test] = [_is_there, lambda record: conditions.items() <= _plain(record).items()]
    combined = company.switches.filter_with_window == "combined"
    return tests + _window(company, kind, query) if combined else tests


def _plain(record: Record) -> Record:
    return {name: value for name, value in record.items() if not isinstance(value, list | dict)}


def _matching(
    rows: Sequence[Record], tests: list[Test], order: Order, start: tuple[Any, int] | None, switches: Switches
) -> Iterator[Record]:
    """From the cursor on; ids are in order already."""
    bisect = bisect_left if switches.repeated_page_items else bisect_right
    if order.field == "id" and not order.descending:
        first = bisect(rows, start[1], key=itemgetter("id")) if start else 0
        yield from (record for record in islice(rows, first, None) if all(test(record) for test in tests))
        return
    found = [record for record in rows if all(test(record) for test in tests)]
    found.sort(key=order.key, reverse=order.descending)
    for record in found:
        if start is None or _is_after(order, order.key(record), start, switches):
            yield record


def _is_after(order: Order, key: tuple[Any, int], start: tuple[Any, int], switches: Switches) -> bool:
    if key == start:
        return switches.repeated_page_items
    return key < start if order.descending else key > start


def _read_order(query: Query, sorts: Sequence[str]) -> Order:
    field, direction = query.get("sort_by", "id"), query.get("sort_direction", "asc")
    if field not in sorts:
        raise invalid(f"sort_by: must be one of {', '.join(sorts)}")
    if direction not in ("asc", "desc"):
        raise invalid("sort_direction: must be one of asc, desc")
    return Order(field, direction == "desc")


def _write_cursor(order: Order, last: Record) -> str:
    """A keyset marker, as the one in the specification's example (2)."""
    marker = {"field": order.field, "fieldValue": last[order.field], "sortDirection": order.direction}
    return encode({**marker, "id": last["id"]})


def _read_cursor(query: Query, switches: Switches, order: Order) -> tuple[Any, int] | None:
    """Where the page begins; a broken cursor, or one of another order, is 400 or the start by switch."""
    if not query.get("cursor"):
        return None
    marker = decode(query["cursor"])
    fits = (marker.get("field"), marker.get("sortDirection")) == (order.field, order.direction)
    if fits and isinstance(marker.get("id"), int) and isinstance(marker.get("fieldValue"), str | int):
        return marker["fieldValue"], marker["id"]
    broken_cursor(switches)
    return None


def broken_cursor(switches: Switches) -> None:
    """400, or nothing, which is the start of the list."""
    if switches.broken_cursor == "refused":
        raise invalid("cursor: is not valid")


def encode(marker: Mapping[str, Any]) -> str:
    """base64url without padding."""
    text = json.dumps(marker, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str) -> Mapping[str, Any]:
    """The marker in a cursor; empty for a broken one."""
    try:
        marker = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        return {}
    return marker if isinstance(marker, dict) else {}
