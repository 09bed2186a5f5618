"""The resources below /3.0 of the emulated Mailchimp: one short function for each method of each path."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mlconnector.systems.mailchimp.emulator_members as members
from mlconnector.sandbox import Request
from mlconnector.systems.mailchimp.emulator_bulk import write_members
from mlconnector.systems.mailchimp.emulator_errors import Problem, invalid, named, not_found, schema_error
from mlconnector.systems.mailchimp.emulator_query import Walks
from mlconnector.systems.mailchimp.emulator_schema import (
    BLANK,
    ENUMERATION,
    Call,
    check_member,
    describe,
)
from mlconnector.systems.mailchimp.emulator_state import (
    Account,
    Audience,
    Member,
    digits_of,
    hash_of,
    read_time,
    stamp,
)
from mlconnector.systems.mailchimp.emulator_view import (
    Links,
    bulk_member_view,
    field_view,
    list_view,
    member_view,
    page,
    wants,
)

_HASH = re.compile(r"[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class Visit:
    """One request on its way through: the account it is for and what its path says."""

    account: Account
    request: Request
    walks: Walks
    names: tuple[str, ...]

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        return self.request.query

    @property
    def links(self) -> Links:
        """Makes `_links` with the host as the client addressed it."""
        return Links(self.request.base)

    @property
    def audience(self) -> Audience:
        """The list in the path, or 404."""
        audience = self.account.audiences.get(self.names[0])
        if audience is None:
            raise not_found()
        return audience

    @property
    def context(self) -> members.Context:
        """For a write of members."""
        skip = self.query.get("skip_merge_validation") == "true"
        return members.Context(self.account, self.audience, self.request.peer, skip)

    def body(self) -> Any:
        """The JSON body, or 400."""
        try:
            return json.loads(self.request.body)
        except ValueError:
            raise named("JSONParseError") from None

    def member_body(self, call: Call) -> dict[str, Any]:
        """The body of a member write, checked against its schema."""
        body = self.body()
        check_member(body, call)
        checked: dict[str, Any] = body
        return checked

    def object(self) -> dict[str, Any]:
        """The body, which has to be an object."""
        body = self.body()
        if not isinstance(body, dict):
            raise schema_error(("", describe("object", body)))
        return body


def get_root(visit: Visit) -> dict[str, Any]:
    """GET / (1.3)."""
    account = visit.account
    everyone = [member for audience in account.audiences.values() for member in audience.members.values()]
    return {
        "account_id": digits_of("account", length=24),
        "login_id": "168278758",
        "account_name": "Nordkran (sandbox)",
        "email": "owner@contoso.com",
        "first_name": "Sandbox",
        "last_name": "Owner",
        "username": "sandbox",
        "avatar_url": "",
        "role": account.role,
        "member_since": "2015-01-01T00:00:00+00:00",
        "pricing_plan_type": "monthly",
        "first_payment": "",
        "account_timezone": "UTC",
        "account_industry": "",
        "contact": dict.fromkeys(("company", "addr1", "addr2", "city", "state", "zip", "country"), ""),
        "pro_enabled": False,
        "last_login": "",
        "total_subscribers": sum(member.status == "subscribed" for member in everyone),
        "industry_stats": {"open_rate": 0, "bounce_rate": 0, "click_rate": 0},
        "_links": [
            visit.links.one("self", "/", schema="Root"),
            visit.links.one("lists", "/lists", schema="Lists/CollectionResponse"),
            visit.links.one("ping", "/ping", schema="Ping/Response"),
        ],
    }


def get_ping(visit: Visit) -> dict[str, Any]:
    """GET /ping (1.3)."""
    return {"health_status": "Everything's Chimpy!"}


def get_lists(visit: Visit) -> dict[str, Any]:
    """GET /lists with `constraints` (section 3)."""
    query, account = visit.query, visit.account
    audiences = list(account.audiences.values())
    if query.get("email"):
        key = hash_of(query["email"])
        audiences = [audience for audience in audiences if key in audience.members]
    if query.get("has_ecommerce_store") == "true":
        audiences = []
    for name, sign in (("since_date_created", 1), ("before_date_created", -1)):
        if query.get(name):
            bound = _moment(name, query[name])
            audiences = [audience for audience in audiences if sign * (audience.created - bound) > 0]
    if query.get("sort_field") == "date_created" and query.get("sort_dir", "DESC").upper() == "DESC":
        audiences.reverse()
    total_contacts, limit = query.get("include_total_contacts") == "true", account.switches.max_audiences
    return {
        "lists": [
            list_view(audience, visit.links, total_contacts=total_contacts)
            for audience in page(query, audiences, account.switches)
        ],
        "total_items": len(audiences),
        "constraints": {
            "may_create": limit < 0 or len(account.audiences) < limit,
            "max_instances": limit,
            "current_total_instances": len(account.audiences),
        },
        "_links": [visit.links.one("self", "/lists", schema="Lists/CollectionResponse")],
    }


def _moment(name: str, text: str) -> float:
    try:
        return read_time(text)
    except ValueError:
        raise invalid(f"The {name} parameter has to be an ISO 8601 time.") from None


_LIST_NEEDS = ("name", "permission_reminder", "email_type_option", "contact", "campaign_defaults")


def post_lists(visit: Visit) -> dict[str, Any]:
    """POST /lists; 403 when the plan allows no more audiences (section 3)."""
    body, account = visit.object(), visit.account
    blank = [(name, BLANK) for name in _LIST_NEEDS if body.get(name) in (None, "")]
    if blank:
        raise schema_error(*blank)
    if 0 <= account.switches.max_audiences <= len(account.audiences):
        raise named("UserActionNotPermitted")
    audience = account.create(body["name"], double_optin=bool(body.get("double_optin")))
    audience.settings = body
    return list_view(audience, visit.links, total_contacts=False)


def get_list(visit: Visit) -> dict[str, Any]:
    """GET /lists/{l}."""
    total_contacts = visit.query.get("include_total_contacts") == "true"
    return list_view(visit.audience, visit.links, total_contacts=total_contacts)


def post_list(visit: Visit) -> dict[str, Any]:
    """POST /lists/{l}: the bulk call (7.1)."""
    skip = visit.query.get("skip_duplicate_check") == "true"
    audience, switches = visit.audience, visit.account.switches
    result = write_members(visit.context, visit.body(), skip_duplicate_check=skip)

    def views(name: str, rows: list[Member]) -> list[dict[str, Any]]:
        links = visit.links if wants(visit.query, f"{name}._links") else None
        return [bulk_member_view(audience, member, links, switches) for member in rows]

    return {
        "new_members": views("new_members", result.new),
        "updated_members": views("updated_members", result.updated),
        "errors": result.errors,
        "total_created": len(result.new),
        "total_updated": len(result.updated),
        "error_count": len(result.errors),
        "_links": [visit.links.one("self", f"/lists/{audience.id}", schema="Lists/Response")],
    }


def get_members(visit: Visit) -> dict[str, Any]:
    """GET /lists/{l}/members (4.9)."""
    audience = visit.audience
    rows = visit.walks.rows(audience, visit.query)
    links = visit.links if wants(visit.query, "members._links") else None
    path = f"/lists/{audience.id}/members"
    return {
        "members": [
            member_view(audience, member, links) for member in page(visit.query, rows, visit.account.switches)
        ],
        "list_id": audience.id,
        "total_items": len(rows),
        "_links": [visit.links.one("self", path, schema="Lists/Members/CollectionResponse")],
    }


def post_members(visit: Visit) -> dict[str, Any]:
    """POST /lists/{l}/members."""
    context = visit.context
    return _shown(visit, members.post(context, visit.member_body("POST")))


def get_member(visit: Visit) -> dict[str, Any]:
    """GET /lists/{l}/members/{id}, archived ones too."""
    return _shown(visit, _member(visit))


def put_member(visit: Visit) -> dict[str, Any]:
    """PUT /lists/{l}/members/{id} (4.3)."""
    context = visit.context
    return _shown(visit, members.put(context, visit.names[1], visit.member_body("PUT")))


def patch_member(visit: Visit) -> dict[str, Any]:
    """PATCH /lists/{l}/members/{id}."""
    context = visit.context
    return _shown(visit, members.patch(context, visit.names[1], visit.member_body("PATCH")))


def delete_member(visit: Visit) -> None:
    """DELETE /lists/{l}/members/{id}: archive (4.7)."""
    members.archive(visit.audience, _member(visit), "api")


def forget_member(visit: Visit) -> None:
    """POST …/actions/delete-permanent (4.7)."""
    visit.audience.remove(_member(visit, only_hash=True), "api")


def _member(visit: Visit, *, only_hash: bool = False) -> Member:
    """The member in the path, or 404; two calls take nothing but the hash (4.1)."""
    audience, name = visit.audience, visit.names[1]
    if only_hash and (not _HASH.fullmatch(name) or name.lower() not in audience.members):
        raise not_found()
    return members.existing(audience, name)


def _shown(visit: Visit, member: Member) -> dict[str, Any]:
    return member_view(visit.audience, member, visit.links if wants(visit.query, "_links") else None)


def get_member_tags(visit: Visit) -> dict[str, Any]:
    """GET …/tags (4.8)."""
    audience, member = visit.audience, _member(visit)
    rows = list(member.tags.items())
    return {
        "tags": [
            {"id": tag, "name": audience.tags_by_id[tag].name, "date_added": stamp(since)}
            for tag, since in page(visit.query, rows, visit.account.switches)
        ],
        "total_items": len(rows),
        "_links": [],
    }


def post_member_tags(visit: Visit) -> None:
    """POST …/tags (4.8)."""
    audience, member, body = visit.audience, _member(visit, only_hash=True), visit.object()
    rows = body.get("tags")
    if not isinstance(rows, list):
        raise schema_error(("tags", describe("array", rows) if "tags" in body else BLANK))
    faults = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get("name"), str) or not row["name"]:
            faults.append((f"tags.item:{number}.name", BLANK))
        elif row.get("status") not in ("active", "inactive"):
            faults.append((f"tags.item:{number}.status", ENUMERATION))
    if faults:
        raise schema_error(*faults)
    members.tag_member(audience, member, rows)


def search_tags(visit: Visit) -> dict[str, Any]:
    """GET /lists/{l}/tag-search?name=<prefix> (4.8)."""
    prefix = visit.query.get("name", "").lower()
    found = [tag for name, tag in visit.audience.tags.items() if name.startswith(prefix)]
    return {"tags": [{"id": tag.id, "name": tag.name} for tag in found], "total_items": len(found)}


def get_fields(visit: Visit) -> dict[str, Any]:
    """GET /lists/{l}/merge-fields, by tag (5.1)."""
    query, audience = visit.query, visit.audience
    rows = sorted(audience.fields.by_id.values(), key=lambda made: made.tag)
    if query.get("type"):
        rows = [made for made in rows if made.type == query["type"]]
    if query.get("required"):
        rows = [made for made in rows if made.required == (query["required"] == "true")]
    path = f"/lists/{audience.id}/merge-fields"
    return {
        "merge_fields": [
            field_view(audience, made, visit.links) for made in page(query, rows, visit.account.switches)
        ],
        "list_id": audience.id,
        "total_items": len(rows),
        "_links": [visit.links.one("self", path, schema="Lists/MergeFields/CollectionResponse")],
    }


def post_field(visit: Visit) -> dict[str, Any]:
    """POST /lists/{l}/merge-fields."""
    audience = visit.audience
    made = audience.fields.create(visit.object())
    audience.version += 1
    return field_view(audience, made, visit.links)


def get_field(visit: Visit) -> dict[str, Any]:
    """GET /lists/{l}/merge-fields/{merge_id}."""
    merge_id = _merge_id(visit)
    return field_view(visit.audience, visit.audience.fields.by_id[merge_id], visit.links)


def patch_field(visit: Visit) -> dict[str, Any]:
    """PATCH /lists/{l}/merge-fields/{merge_id}; `name` is required."""
    made = visit.audience.fields.by_id[_merge_id(visit)]
    visit.audience.fields.change(made, visit.object())
    return field_view(visit.audience, made, visit.links)


def delete_field(visit: Visit) -> None:
    """DELETE destroys the values of all contacts (5.1)."""
    merge_id, audience = _merge_id(visit), visit.audience
    audience.fields.remove(merge_id)
    for member in audience.members.values():
        member.merge = {key: value for key, value in member.merge.items() if key != merge_id}
    audience.version += 1


def _merge_id(visit: Visit) -> int:
    text = visit.names[1]
    if not text.isdecimal() or int(text) not in visit.audience.fields.by_id:
        raise not_found()
    return int(text)


def get_interest_categories(visit: Visit) -> dict[str, Any]:
    """GET /lists/{l}/interest-categories: no groups here (section 6)."""
    return {"categories": [], "list_id": visit.audience.id, "total_items": 0, "_links": []}


@dataclass(frozen=True, slots=True)
class Route:
    """A path, the schema its `Link` header names, and its methods."""

    pattern: re.Pattern[str]
    schema: str
    methods: Mapping[str, Callable[[Visit], dict[str, Any] | None]]


def _route(path: str, schema: str, **methods: Callable[[Visit], dict[str, Any] | None]) -> Route:
    return Route(re.compile(path.replace("*", "([^/]+)")), schema, methods)


ROUTES = (
    _route("/?", "Root", GET=get_root),
    _route("/ping", "Ping/Response", GET=get_ping),
    _route("/lists", "Lists/CollectionResponse", GET=get_lists, POST=post_lists),
    _route("/lists/*", "Lists/Response", GET=get_list, POST=post_list),
    _route("/lists/*/members", "Lists/Members/CollectionResponse", GET=get_members, POST=post_members),
    _route(
        "/lists/*/members/*",
        "Lists/Members/Response",
        GET=get_member,
        PUT=put_member,
        PATCH=patch_member,
        DELETE=delete_member,
    ),
    _route(
        "/lists/*/members/*/tags",
        "Lists/Members/Tags/CollectionResponse",
        GET=get_member_tags,
        POST=post_member_tags,
    ),
    _route("/lists/*/members/*/actions/delete-permanent", "", POST=forget_member),
    _route("/lists/*/tag-search", "Lists/TagSearch/CollectionResponse", GET=search_tags),
    _route("/lists/*/merge-fields", "Lists/MergeFields/CollectionResponse", GET=get_fields, POST=post_field),
    _route(
        "/lists/*/merge-fields/*",
        "Lists/MergeFields/Response",
        GET=get_field,
        PATCH=patch_field,
        DELETE=delete_field,
    ),
    _route(
        "/lists/*/interest-categories",
        "Lists/InterestCategories/CollectionResponse",
        GET=get_interest_categories,
    ),
)


def route(method: str, path: str) -> tuple[Route, Callable[[Visit], dict[str, Any] | None], tuple[str, ...]]:
    """The route, its method and the names in the path; 404 or 405 with Allow."""
    for candidate in ROUTES:
        found = candidate.pattern.fullmatch(path)
        if found is None:
            continue
        answer = candidate.methods.get(method)
        if answer is None:
            problem = named("MethodNotAllowed")
            raise Problem(405, problem.title, problem.detail, allow=", ".join(candidate.methods))
        return candidate, answer, found.groups()
    raise not_found()
