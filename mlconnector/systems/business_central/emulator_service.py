"""GET, POST, PATCH and DELETE below the service root: what is done, and the shape of the answer (4.1, 4.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlconnector.sandbox import Reply, Request
from mlconnector.systems.business_central.emulator_actions import ACTIONS
from mlconnector.systems.business_central.emulator_answers import (
    JSON_TYPE,
    Problem,
    bad_request,
    not_allowed,
    not_found,
)
from mlconnector.systems.business_central.emulator_changes import change, create, remove
from mlconnector.systems.business_central.emulator_company import Company, Moment
from mlconnector.systems.business_central.emulator_entities import COMPANIES, ENTITIES
from mlconnector.systems.business_central.emulator_field import Entity, Navigation
from mlconnector.systems.business_central.emulator_flat import check_flat
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
from mlconnector.systems.business_central.emulator_write import check_token, read_body

SEGMENT = re.compile(r"([$A-Za-z]\w*)(?:\(([^()]*)\))?")
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RIGHTS = {"GET": "Read", "POST": "Insert", "PATCH": "Modify", "DELETE": "Delete"}
ACTION = "microsoft.nav."


@dataclass(frozen=True, slots=True)
class Rules:
    """The emulator's switches that matter here."""

    page_limit: int
    empty_last_page: bool
    manual_numbers: bool
    duplicate_status: int
    forbidden_tables: frozenset[str]
    permission_status: int = 400
    missing_expand: str = "null"
    ignores_page_variables: bool = False


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


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows stand that are asked for through another one: `salesOrders({id})/salesOrderLines`."""

    entity: Entity
    row: Row
    nav: Navigation

    @property
    def context(self) -> str:
        """As it stands in `@odata.context`."""
        return f"{self.entity.name}({self.row.id})/{self.nav.name}"

    def rows(self, call: Call) -> list[Row]:
        """The rows behind the navigation property."""
        return renderer(call).related(self.row, self.entity, self.nav)


def renderer(call: Call) -> Renderer:
    """Turns rows into what this call sees of them."""
    absent = call.rules.missing_expand == "absent"
    return Renderer(call.tables, call.entities, call.then, leaves_out=absent)


def asked_for(call: Call, entity: Entity) -> Query:
    """The query options of a call."""
    return parse_query(entity, call.request.query, call.entities, lenient=call.rules.ignores_page_variables)


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
    """Answers `{set}`, `{set}({id})`, what stands below one, its bound actions, and `…/$count`."""
    name, key = read_segment(segments[0])
    entity = call.entities.get(name)
    is_companies = name == COMPANIES.name
    if entity is None or len(segments) > 3 or is_companies == (call.company is not None):
        raise not_found(name)
    if len(segments) == 1:
        return _serve_set(call, entity, key)
    if key is None:
        return _serve_count(call, entity, segments[1:])
    check_rights(call, entity, "GET")
    row = _row(call, entity, key)
    if segments[1].lower().startswith(ACTION):
        return _act(call, entity, row, segments[1][len(ACTION) :])
    return _serve_below(call, entity, row, segments[1:])


def _serve_set(call: Call, entity: Entity, key: str | None, place: Place | None = None) -> Reply:
    """A set or one of its rows; `place` is where it stands if that is below another row."""
    method = call.request.method
    _check_verb(call, entity, method, whole_set=key is None)
    check_rights(call, entity, method)
    if place is None and key is None:
        check_flat(entity, method, call.request.query.get("$filter", ""))
    if method == "POST":
        return _create(call, entity, place)
    if key is None:
        return list_rows(call, entity, place)
    row = _row(call, entity, key)
    if place is not None and all(row is not one for one in place.rows(call)):
        raise not_found(entity.name)
    if method == "PATCH":
        return _change(call, entity, row)
    if method == "DELETE":
        return _remove(call, entity, row)
    return single_row(call, entity, row)


def _row(call: Call, entity: Entity, key: str) -> Row:
    row = call.table(entity).row_at(key, call.then)
    if row is None:
        raise not_found(entity.name)
    return row


def _serve_count(call: Call, entity: Entity, segments: Sequence[str]) -> Reply:
    if list(segments) != ["$count"]:
        raise not_found(segments[0])
    _check_verb(call, entity, call.request.method, whole_set=True)
    check_rights(call, entity, "GET")
    check_flat(entity, "GET", call.request.query.get("$filter", ""))
    return count_all(call, entity)


def _serve_below(call: Call, entity: Entity, row: Row, segments: Sequence[str]) -> Reply:
    """`{navigation}`, `{navigation}({id})` and `{navigation}/$count` below a row."""
    name, key = read_segment(segments[0])
    nav = entity.nav(name)
    if nav is None:
        raise not_found(segments[0])
    target, place = call.entities[nav.target], Place(entity, row, nav)
    if nav.many and len(segments) == 2 and segments[1] == "$count" and key is None:
        return count_all(call, target, place)
    if len(segments) > 1 or (key is not None and not nav.many):
        raise not_found(segments[-1])
    if nav.many:
        return _serve_set(call, target, key, place)
    if call.request.method != "GET":
        raise not_allowed(call.request.method, name)
    check_rights(call, target, "GET")
    found = place.rows(call)
    if not found:
        raise not_found(nav.name)
    return _one(call, f"{place.context}/$entity", found[0], asked_for(call, target))


def _act(call: Call, entity: Entity, row: Row, name: str) -> Reply:
    """A bound action: POST, 204; the case of its name does not matter (section 2.11)."""
    action = ACTIONS.get((entity.name, name.lower()))
    if action is None:
        text = f"The action '{name}' is not implemented on '{entity.name}'."
        raise Problem(501, "BadRequest_MethodNotImplemented", text)
    if call.request.method != "POST":
        raise not_allowed(call.request.method, name)
    check_rights(call, entity, "PATCH")
    check_token(entity, row, call.request.headers.get("if-match"), needed=False)
    company, moment = _company(call), _moment(call)
    with company.undo.transaction(moment.now):
        action(company, row, moment)
    return Reply(204, b"", {"OData-Version": "4.0"})


def _is_only_shown(call: Call, entity: Entity) -> bool:
    """Whether the real thing would take writes here, and this emulator does not."""
    return call.entities is not ENTITIES and entity.name != COMPANIES.name


def _check_verb(call: Call, entity: Entity, method: str, *, whole_set: bool) -> None:
    if method in ("POST", "PATCH", "DELETE") and _is_only_shown(call, entity):
        raise Problem(501, "BadRequest_MethodNotImplemented", f"This emulator shows {entity.name} read-only.")
    fits = method == "GET" or (method == "POST") == whole_set
    if method not in entity.verbs or not fits:
        raise not_allowed(method, entity.name)


def check_rights(call: Call, entity: Entity, method: str, base: Entity | None = None) -> None:
    """400 where the user may not do that to the table; `base` is the one that a page shows (section 6.5).

    What is forbidden is named by its set, or by set and right: `salesOrders Insert`.
    """
    names = {entity.name, entity.table} | ({base.name} if base is not None else set())
    right = RIGHTS.get(method, "Read")
    if (names | {f"{name} {right}" for name in names}) & call.rules.forbidden_tables:
        text = f"You do not have the following permissions on TableData {entity.caption}: {right}."
        raise Problem(call.rules.permission_status, "Application_DialogException", text)


def count_all(call: Call, entity: Entity, place: Place | None = None) -> Reply:
    """`…/$count`: a number as text."""
    parsed = asked_for(call, entity)
    number = count_rows(_rows(call, entity, place), parsed)
    return Reply(200, str(number).encode(), {"Content-Type": "text/plain", "OData-Version": "4.0"})


def _rows(call: Call, entity: Entity, place: Place | None) -> list[Row]:
    return call.table(entity).rows_at(call.then) if place is None else place.rows(call)


def list_rows(call: Call, entity: Entity, place: Place | None = None) -> Reply:
    """A page of a set: context, count if asked, rows, and the link to the next page (section 3.4)."""
    request, table = call.request, call.table(entity)
    parsed = asked_for(call, entity)
    asked = page_size(request.headers.get("prefer", ""))
    size = min(asked or call.rules.page_limit, call.rules.page_limit)
    rows = _rows(call, entity, place)
    page = find_page(table, rows, parsed, size, empty_last=call.rules.empty_last_page)
    objects = renderer(call).objects(page.rows, parsed)
    start = f'{{"@odata.context":{_context(call, place.context if place else entity.name)}'
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
    parsed = asked_for(call, entity)
    return _one(call, f"{entity.name}/$entity", row, parsed)


def _one(call: Call, context: str, row: Row, parsed: Query) -> Reply:
    """A single entity: the context stands in front of its etag."""
    if parsed.test is not None or parsed.order:
        raise bad_request("Query options $filter and $orderby can be applied only to collections.")
    text = renderer(call).objects([row], parsed)[0]
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


def _moment(call: Call) -> Moment:
    allowed = {"manual_numbers": call.rules.manual_numbers, "duplicate_status": call.rules.duplicate_status}
    return _company(call).moment(sql_stamp(call.now), **allowed)


def _create(call: Call, entity: Entity, place: Place | None) -> Reply:
    """POST: 201 with Location and the whole entity, or 204 with `Prefer: return-no-content`."""
    shape = _shape(entity, call)
    body = read_body(call.request.headers.get("content-type", ""), call.request.body)
    if place is not None:
        body = {place.nav.by: place.row.id, **body}
    row = create(_company(call), entity, body, _moment(call))
    location = {"Location": f"{call.base}/{call.scope}{entity.name}({row.id})"}
    if "return-no-content" in call.request.headers.get("prefer", ""):
        return Reply(204, b"", {"OData-Version": "4.0", **location})
    reply = _one(call, f"{entity.name}/$entity", row, shape)
    return Reply(201, reply.body, reply.headers | location)


def _change(call: Call, entity: Entity, row: Row) -> Reply:
    """PATCH: only what was sent changes; 200 with the whole entity."""
    shape = _shape(entity, call)
    check_token(entity, row, call.request.headers.get("if-match"), needed=True)
    body = read_body(call.request.headers.get("content-type", ""), call.request.body)
    changed = change(_company(call), entity, row, body, _moment(call))
    reply = _one(call, f"{entity.name}/$entity", changed, shape)
    return Reply(200, reply.body, {"Content-Type": "application/json", "OData-Version": "4.0"})


def _remove(call: Call, entity: Entity, row: Row) -> Reply:
    """DELETE: 204; `If-Match` counts only if it was sent (section 4.2)."""
    check_token(entity, row, call.request.headers.get("if-match"), needed=False)
    remove(_company(call), entity, row, _moment(call))
    return Reply(204, b"", {"OData-Version": "4.0"})


def _company(call: Call) -> Company:
    if call.company is None:
        raise not_allowed(call.request.method, "companies")
    return call.company
