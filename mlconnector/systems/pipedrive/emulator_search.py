"""Search of the emulated Pipedrive: by entity, over all of them, and by field (fact sheet 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlconnector.systems.pipedrive.emulator_errors import invalid
from mlconnector.systems.pipedrive.emulator_query import (
    Query,
    broken_cursor,
    decode,
    encode,
    is_true,
    read_limit,
    read_whole,
)
from mlconnector.systems.pipedrive.emulator_state import KINDS, Company, Record
from mlconnector.systems.pipedrive.emulator_visit import Answer, Visit, found, page

MOST_ITEMS = 100
"""Of itemSearch; the searches of one entity have 500."""
SEARCHABLE = frozenset({"address", "varchar", "text", "varchar_auto", "double", "monetary", "phone"})
FIELDS: Mapping[str, tuple[str, ...]] = {
    "deal": ("title", "notes", "custom_fields"),
    "person": ("name", "email", "phone", "notes", "custom_fields"),
    "organization": ("name", "address", "notes", "custom_fields"),
    "product": ("name", "code", "custom_fields"),
}
Match = Callable[[str], bool]


def search_entity(visit: Visit, kind: str) -> Answer:
    """GET /…/search; upper and lower case are the same."""
    hits = _hits(visit, kind)
    return _page(visit, [hit for hit in hits if _passes(visit.query, kind, hit[1])], 500)


def search_items(visit: Visit) -> Answer:
    """GET /itemSearch: several kinds at once."""
    asked = visit.query.get("item_types", "").split(",") if visit.query.get("item_types") else KINDS
    hits = [hit for kind in KINDS if kind in asked for hit in _hits(visit, kind)]
    return _page(visit, sorted(hits, key=lambda hit: -hit[2]), MOST_ITEMS)


def search_field(visit: Visit) -> Answer:
    """GET /itemSearch/field: one field of one kind; here the case counts (trap 21)."""
    kind, code = visit.query.get("entity_type", ""), visit.query.get("field", "")
    how = visit.query.get("match", "exact")
    if kind not in KINDS or not code or how not in ("exact", "beginning", "middle"):
        raise invalid("entity_type, field, match: are not valid")
    term = _term(visit.query, shortest=1 if how == "exact" else 2)
    tests: Mapping[str, Match] = {
        "exact": lambda text: text == term,
        "beginning": lambda text: text.startswith(term),
        "middle": lambda text: term in text,
    }
    hits = list(_field_hits(visit, kind, code, tests[how]))
    taken, cursor = _cut(visit, hits, 500)
    if visit.company.switches.field_search_shape == "items":
        return found([{"result_score": 1, "item": hit} for hit in taken], cursor)
    return page(taken, cursor)


def _hits(visit: Visit, kind: str) -> list[tuple[str, Record, float]]:
    """Kind, record and score of what holds the term, the best first."""
    exact = is_true(visit.query, "exact_match")
    term = _term(visit.query, shortest=1 if exact else 2).casefold()
    matches: Match = (
        (lambda text: text.casefold() == term) if exact else (lambda text: term in text.casefold())
    )
    names = _fields(visit.query, kind)
    hits = []
    for record in visit.company.as_indexed(kind):
        if visit.company.sees(visit.user, record):
            texts = (text for name in names for text in _texts(visit.company, kind, record, name))
            length = min((len(text) for text in texts if matches(text)), default=0)
            if length:
                hits.append((kind, record, round(len(term) / length, 4)))
    return sorted(hits, key=lambda hit: -hit[2])


def _field_hits(visit: Visit, kind: str, code: str, matches: Match) -> Iterator[Record]:
    for record in visit.company.as_indexed(kind):
        if visit.company.sees(visit.user, record):
            for text in _texts(visit.company, kind, record, code):
                if matches(text):
                    yield {"id": record["id"], code: text}
                    break


def _passes(query: Query, kind: str, record: Record) -> bool:
    links = {"person": ("organization_id",), "deal": ("organization_id", "person_id")}.get(kind, ())
    wanted = {name: read_whole(query, name) for name in links if query.get(name)}
    renamed = {"organization_id": "org_id"}
    if any(record[renamed.get(name, name)] != value for name, value in wanted.items()):
        return False
    return kind != "deal" or not query.get("status") or record["status"] == query["status"]


def _fields(query: Query, kind: str) -> Sequence[str]:
    asked = [name for name in query.get("fields", "").split(",") if name]
    if unknown := [name for name in asked if name not in {*sum(FIELDS.values(), ()), "description"}]:
        raise invalid(f"fields: {unknown[0]} is not allowed")
    return [name for name in asked if name in FIELDS[kind]] if asked else FIELDS[kind]


def _term(query: Query, shortest: int) -> str:
    term = query.get("term", "")
    if len(term) < shortest:
        raise invalid(f"term: must have at least {shortest} characters")
    return term


def _texts(company: Company, kind: str, record: Record, name: str) -> Iterator[str]:
    """What of a record can be found under this name."""
    if name == "custom_fields":
        for code in record["custom_fields"]:
            yield from _texts(company, kind, record, code)
        return
    field = company.fields[kind].by_code.get(name)
    if field is not None and field.custom:
        value = record["custom_fields"].get(name) if field.type in SEARCHABLE else None
    else:
        value = record.get({"email": "emails", "phone": "phones"}.get(name, name))
    for one in value if isinstance(value, list) else [value]:
        plain = one.get("value") if isinstance(one, dict) else one
        if plain not in (None, ""):
            yield str(plain)


def _page(visit: Visit, hits: Sequence[tuple[str, Record, float]], most: int) -> Answer:
    taken, cursor = _cut(visit, hits, most)
    items = [{"result_score": score, "item": _item(visit, kind, record)} for kind, record, score in taken]
    return found(items, cursor)


def _cut(visit: Visit, hits: Sequence[Any], most: int) -> tuple[Sequence[Any], str | None]:
    limit = read_limit(visit.query, visit.company.switches, most)
    start = 0
    if visit.query.get("cursor"):
        start = decode(visit.query["cursor"]).get("offset", -1)
        if not isinstance(start, int) or start < 0:
            broken_cursor(visit.company.switches)
            start = 0
    more = len(hits) > start + limit
    return hits[start : start + limit], encode({"offset": start + limit}) if more else None


def _item(visit: Visit, kind: str, record: Record) -> Record:
    """The short record of a search; custom fields are values without keys."""
    company = visit.company
    item = {
        "id": record["id"],
        "type": kind,
        **_own(company, kind, record),
        "visible_to": record["visible_to"],
        "owner": {"id": record["owner_id"]},
        "custom_fields": list(_texts(company, kind, record, "custom_fields")),
    }
    if kind != "product":
        item["notes"] = []
    elif "product.price" in visit.query.get("include_fields", ""):
        item["prices"] = record["prices"]
    return item


def _own(company: Company, kind: str, record: Record) -> Record:
    if kind == "deal":
        stage = company.stages[record["stage_id"]]
        return {
            **{name: record[name] for name in ("title", "value", "currency", "status", "is_archived")},
            "stage": {"id": stage["id"], "name": stage["name"]},
            "person": _brief(company, "person", record["person_id"], ("id", "name")),
            "organization": _brief(company, "organization", record["org_id"], ("id", "name", "address")),
        }
    if kind == "person":
        return {
            "name": record["name"],
            "phones": _values(record["phones"]),
            "emails": _values(record["emails"]),
            "organization": _brief(company, "organization", record["org_id"], ("id", "name", "address")),
        }
    if kind == "organization":
        return {"name": record["name"], "address": _address(record)}
    return {"name": record["name"], "code": record["code"]}


def _brief(company: Company, kind: str, record_id: int | None, names: Iterable[str]) -> Record | None:
    record = company.get(kind, record_id)
    if record is None:
        return None
    return {name: _address(record) if name == "address" else record[name] for name in names}


def _address(record: Record) -> str | None:
    return record["address"]["value"] if record["address"] else None


def _values(items: Iterable[Mapping[str, Any]]) -> list[str]:
    return [item["value"] for item in items]
