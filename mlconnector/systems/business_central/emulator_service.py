"""GET, POST, PATCH and DELETE below the service root: what is done, and the shape of the answer (4.1, 4.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlconnector.sandbox import Reply, Request
from mlconnector.systems.business_central.emulator_answers import (
    JSON_TYPE,
    Problem,
    bad_request,
    not_allowed,
    not_found,
    refused,
)
from mlconnector.systems.business_central.emulator_company import SERIES_NAMES, Company
from mlconnector.systems.business_central.emulator_entities import COMPANIES, ENTITIES
from mlconnector.systems.business_central.emulator_field import Entity, Navigation
from mlconnector.systems.business_central.emulator_query import (
    Query,
    Renderer,
    count_rows,
    find_page,
    next_link,
    page_size,
    parse_query,
)
from mlconnector.systems.business_central.emulator_rows import Row, Shown, sql_stamp
from mlconnector.systems.business_central.emulator_write import (
    Draft,
    already_exists,
    apply_body,
    check_deletable,
    check_required,
    check_token,
    read_body,
)

SEGMENT = re.compile(r"([$A-Za-z]\w*)(?:\(([^()]*)\))?")
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RIGHTS = {"GET": "Read", "POST": "Insert", "PATCH": "Modify", "DELETE": "Delete"}
NOT_YET = frozenset({"items"})


@dataclass(frozen=True, slots=True)
class Rules:
    """The emulator's switches that matter here."""

    page_limit: int
    empty_last_page: bool
    manual_numbers: bool
    duplicate_status: int
    forbidden_tables: frozenset[str]


@dataclass(frozen=True, slots=True)
class Call:
    """One request below the service root. `base` is that root as the client wrote it, `then` a replica's moment.

    `scope` stands before the entity set in contexts and links; with `company` None there are only companies.
    """

    request: Request
    base: str
    company: Company | None
    entities: Mapping[str, Entity]
    tables: Mapping[str, Shown]
    scope: str
    now: datetime
    then: int | None
    rules: Rules

    def table(self, entity: Entity) -> Shown:
        """The table an entity set shows, or the view of one."""
        return self.tables[entity.table]


def read_segment(segment: str) -> tuple[str, str | None]:
    """Name and key of one path segment; the key is a bare GUID (section 1.1)."""
    found = SEGMENT.fullmatch(segment)
    if found is None:
        raise not_found(segment)
    name, key = found[1], found[2]
    if key is not None and not GUID.fullmatch(key.lower()):
        raise bad_request(
            f"Bad Request - Error in query syntax. '{key}' is not a valid key.", "BadRequest_NotFound"
        )
    return name, key.lower() if key is not None else None


def serve(call: Call, segments: Sequence[str]) -> Reply:
    """Answers `{set}`, `{set}({id})`, `{set}({id})/{navigation}` and `{set}/$count`."""
    name, key = read_segment(segments[0])
    entity = call.entities.get(name)
    is_companies = name == COMPANIES.name
    if entity is None or len(segments) > 2 or is_companies == (call.company is not None):
        raise not_found(name)
    method = call.request.method
    _check_verb(call, entity, method, whole_set=key is None)
    check_rights(call, entity)
    if len(segments) == 2:
        return _serve_below(call, entity, key, segments[1])
    if method == "POST":
        return _create(call, entity)
    if key is None:
        return list_rows(call, entity)
    row = call.table(entity).row_at(key, call.then)
    if row is None:
        raise not_found(name)
    if method == "PATCH":
        return _change(call, entity, row)
    if method == "DELETE":
        return _remove(call, entity, row)
    return single_row(call, entity, row)


def _is_only_shown(call: Call, entity: Entity) -> bool:
    """Whether the real thing would take writes here, and this emulator does not."""
    old_version = call.entities is not ENTITIES and entity.name != COMPANIES.name
    return entity.name in NOT_YET or old_version


def _check_verb(call: Call, entity: Entity, method: str, *, whole_set: bool) -> None:
    if method in ("POST", "PATCH", "DELETE") and _is_only_shown(call, entity):
        raise Problem(501, "BadRequest_MethodNotImplemented", f"This emulator shows {entity.name} read-only.")
    fits = method == "GET" or (method == "POST") == whole_set
    if method not in entity.verbs or not fits:
        raise not_allowed(method, entity.name)


def check_rights(call: Call, entity: Entity, base: Entity | None = None) -> None:
    """400 where the user may not see the table; `base` is the one that a page shows."""
    names = {entity.name, entity.table} | ({base.name} if base is not None else set())
    if names & call.rules.forbidden_tables:
        right = RIGHTS[call.request.method]
        raise refused(f"You do not have the following permissions on TableData {entity.caption}: {right}.")


def _serve_below(call: Call, entity: Entity, key: str | None, segment: str) -> Reply:
    if call.request.method != "GET":
        raise not_allowed(call.request.method, segment)
    if key is None and segment == "$count":
        return count_all(call, entity)
    nav = entity.nav(segment)
    row = call.table(entity).row_at(key, call.then) if key is not None else None
    if nav is None or row is None:
        raise not_found(entity.name if nav is not None else segment)
    return _related(call, entity, row, nav)


def count_all(call: Call, entity: Entity) -> Reply:
    """`…/$count`: a number as text."""
    parsed = parse_query(entity, call.request.query, call.entities)
    number = count_rows(call.table(entity).rows_at(call.then), parsed)
    return Reply(200, str(number).encode(), {"Content-Type": "text/plain", "OData-Version": "4.0"})


def _related(call: Call, entity: Entity, row: Row, nav: Navigation) -> Reply:
    target = call.entities[nav.target]
    if target.table in call.rules.forbidden_tables:
        check_rights(call, target)
    renderer = Renderer(call.tables, call.entities)
    found = renderer.related(row, entity, nav)
    if found is None:
        raise not_found(nav.name)
    context = f"{entity.name}({row.id})/{nav.name}"
    parsed = parse_query(target, call.request.query, call.entities)
    if not nav.many:
        return _one(call, f"{context}/$entity", found, parsed)
    text = renderer.objects([found], parsed)[0]
    body = b'{"@odata.context":%b,"value":[%b]}' % (_context(call, context).encode(), text)
    return Reply(200, body, {"Content-Type": JSON_TYPE, "OData-Version": "4.0"})


def list_rows(call: Call, entity: Entity) -> Reply:
    """A page of a set: context, count if asked, rows, and the link to the next page (section 3.4)."""
    request, table = call.request, call.table(entity)
    parsed = parse_query(entity, request.query, call.entities)
    asked = page_size(request.headers.get("prefer", ""))
    size = min(asked or call.rules.page_limit, call.rules.page_limit)
    rows = table.rows_at(call.then)
    page = find_page(table, rows, parsed, size, empty_last=call.rules.empty_last_page)
    objects = Renderer(call.tables, call.entities).objects(page.rows, parsed)
    start = f'{{"@odata.context":{_context(call, entity.name)}'
    if page.total is not None:
        start += f',"@odata.count":{page.total}'
    end = "]}"
    if page.token is not None:
        link = next_link(request.base + request.raw_path, request.query, page.token)
        end = f'],"@odata.nextLink":{json.dumps(link)}}}'
    body = b"".join([start.encode(), b',"value":[', b",".join(objects), end.encode()])
    preference = {"Preference-Applied": "odata.maxpagesize"} if asked else {}
    return Reply(200, body, {"Content-Type": JSON_TYPE, "OData-Version": "4.0", **preference})


def single_row(call: Call, entity: Entity, row: Row) -> Reply:
    """One row of a set, with its context."""
    parsed = parse_query(entity, call.request.query, call.entities)
    return _one(call, f"{entity.name}/$entity", row, parsed)


def _one(call: Call, context: str, row: Row, parsed: Query) -> Reply:
    """A single entity: the context stands in front of its etag."""
    if parsed.test is not None or parsed.order:
        raise bad_request("Query options $filter and $orderby can be applied only to collections.")
    text = Renderer(call.tables, call.entities).objects([row], parsed)[0]
    body = b'{"@odata.context":%b,%b' % (_context(call, context).encode(), text[1:])
    return Reply(200, body, {"Content-Type": JSON_TYPE, "OData-Version": "4.0"})


def _context(call: Call, tail: str) -> str:
    return json.dumps(f"{call.base}/$metadata#{call.scope}{tail}")


def _shape(entity: Entity, call: Call) -> Query:
    """Only what shapes the answer to a write."""
    wanted = ("$select", "$expand", "$schemaversion")
    return parse_query(
        entity, {name: call.request.query[name] for name in wanted if name in call.request.query}
    )


def _create(call: Call, entity: Entity) -> Reply:
    """POST: 201 with Location and the whole entity, or 204 with `Prefer: return-no-content`."""
    company, shape = _company(call), _shape(entity, call)
    body = read_body(call.request.headers.get("content-type", ""), call.request.body)
    draft = company.draft(entity)
    company.fill_template(draft)
    apply_body(draft, body)
    check_required(entity, body)
    if entity.key == "number":
        _settle_number(call, company, draft)
    _check_free(call, draft)
    stamp = sql_stamp(call.now)
    row = company.store(draft, stamp, stamp)
    location = {"Location": f"{call.base}/{call.scope}{entity.name}({row.id})"}
    if "return-no-content" in call.request.headers.get("prefer", ""):
        return Reply(204, b"", {"OData-Version": "4.0", **location})
    reply = _one(call, f"{entity.name}/$entity", row, shape)
    return Reply(201, reply.body, reply.headers | location)


def _settle_number(call: Call, company: Company, draft: Draft) -> None:
    """A blank number comes from the series; an own one needs "Manual Nos." (section 4.3)."""
    if not draft["number"]:
        draft["number"] = company.take_number(draft.entity)
    elif not call.rules.manual_numbers:
        raise refused(
            "You may not enter numbers manually. If you want to enter numbers manually, please activate "
            f"Manual Nos. in No. Series {SERIES_NAMES[draft.entity.name]}."
        )


def _check_free(call: Call, draft: Draft) -> None:
    key = draft[draft.entity.key]
    other = _company(call).table(draft.entity).by_key.get(key)
    if other is not None and other.id != draft["id"]:
        raise already_exists(draft.entity, key, call.rules.duplicate_status)


def _change(call: Call, entity: Entity, row: Row) -> Reply:
    """PATCH: only what was sent changes; 200 with the whole entity."""
    company, shape = _company(call), _shape(entity, call)
    check_token(entity, row, call.request.headers.get("if-match"), needed=True)
    body = read_body(call.request.headers.get("content-type", ""), call.request.body)
    draft = company.draft(entity, row)
    apply_body(draft, body)
    if not draft[entity.key]:
        raise refused(f"{entity.by_name[entity.key].caption} must have a value in {entity.caption}.")
    _check_free(call, draft)
    stamp = sql_stamp(call.now)
    changed = company.store(draft, stamp, stamp)
    reply = _one(call, f"{entity.name}/$entity", changed, shape)
    return Reply(200, reply.body, {"Content-Type": "application/json", "OData-Version": "4.0"})


def _remove(call: Call, entity: Entity, row: Row) -> Reply:
    """DELETE: 204; `If-Match` counts only if it was sent (section 4.2)."""
    check_token(entity, row, call.request.headers.get("if-match"), needed=False)
    check_deletable(entity, row)
    _company(call).table(entity).drop(row, sql_stamp(call.now))
    return Reply(204, b"", {"OData-Version": "4.0"})


def _company(call: Call) -> Company:
    if call.company is None:
        raise not_allowed(call.request.method, "companies")
    return call.company
