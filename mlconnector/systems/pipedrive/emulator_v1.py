"""What the emulated Pipedrive has in v1 only: users, currencies, recents, merges (fact sheet 8.2, 9.1, 9.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

import mlconnector.systems.pipedrive.emulator_contacts as contacts
from mlconnector.systems.pipedrive.emulator_errors import gateway, invalid
from mlconnector.systems.pipedrive.emulator_money import DECIMALS
from mlconnector.systems.pipedrive.emulator_query import read_limit, read_whole
from mlconnector.systems.pipedrive.emulator_state import CURRENCIES, KINDS, Company, Record, User, stamp
from mlconnector.systems.pipedrive.emulator_types import whole
from mlconnector.systems.pipedrive.emulator_view import Shape
from mlconnector.systems.pipedrive.emulator_visit import Answer, Visit, single

SYMBOLS = {"EUR": "€", "SEK": "kr", "GBP": "£", "USD": "$", "JPY": "¥"}
_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)")
_FLAT = {"value": "", "currency": "_currency", "until": "_until", "timezone_id": "_timezone_id"}


def list_users(visit: Visit) -> Answer:
    """GET /v1/users."""
    users = visit.company.users.values()
    return single([_user(visit.company, user, you=user is visit.user) for user in users])


def get_me(visit: Visit) -> Answer:
    """GET /v1/users/me: also says which company it is (1.1)."""
    company = visit.company
    more = {
        "company_id": company.id,
        "company_name": company.name,
        "company_domain": company.domain,
        "company_country": "DE",
        "company_industry": None,
        "language": {"language_code": "en", "country_code": "US"},
    }
    return single({**_user(company, visit.user, you=True), **more})


def list_currencies(visit: Visit) -> Answer:
    """GET /v1/currencies."""
    shown = [
        {
            "id": number, "code": code, "name": name, "decimal_points": DECIMALS.get(code, 2), "symbol": SYMBOLS[code],
            "active_flag": True, "is_custom_flag": False,
        }
        for number, (code, name) in enumerate(CURRENCIES.items(), 1)
    ]  # fmt: skip
    return single(shown)


def merge(visit: Visit, kind: str) -> Answer:
    """PUT /v1/persons/{id}/merge: `merge_with_id` survives (9.1)."""
    gone, body = visit.editable(kind), visit.body()
    if not isinstance(body, dict) or whole(body.get("merge_with_id")):
        raise invalid("merge_with_id: must be an integer")
    survivor = visit.company.editable(kind, body["merge_with_id"], visit.user)
    contacts.merge(visit.company, kind, gone, survivor)
    shown = record_v1(visit.company, kind, survivor)
    return single({**shown, "merge_what_id": gone["id"]})


def list_recents(visit: Visit) -> Answer:
    """GET /v1/recents: what was changed since, deleted records too (9.2)."""
    since = _TIME.fullmatch(visit.query.get("since_timestamp", ""))
    if since is None:
        raise invalid("since_timestamp: must be YYYY-MM-DD HH:MM:SS")
    items = [item for item in visit.query.get("items", ",".join(KINDS)).split(",") if item in KINDS]
    start, limit = read_whole(visit.query, "start"), read_limit(visit.query, visit.company.switches)
    rows = sorted(_changed(visit, items, f"{since[1]}T{since[2]}Z"), key=lambda row: row[1]["update_time"])
    taken = list(islice(rows, start, start + limit))
    more = {
        "since_timestamp": visit.query["since_timestamp"],
        "last_timestamp_on_page": _v1_time(taken[-1][1]["update_time"]) if taken else None,
        "pagination": {"start": start, "limit": limit, "more_items_in_collection": len(rows) > start + limit},
    }
    shown = [_recent(visit.company, kind, row) for kind, row in taken]
    return {"success": True, "data": shown or None, "additional_data": more}


def retired(visit: Visit) -> Answer:
    """The v1 twins of v2, out of support since 2026-08-01."""
    raise gateway(visit.company.switches.retired_v1)


def record_v1(company: Company, kind: str, record: Record) -> Record:
    """A record in the dialect of v1: times without a zone, flat custom fields, other names."""
    shown = {name: _v1_value(name, value) for name, value in Shape(company, kind).show(record).items()}
    for code, value in shown.pop("custom_fields").items():
        shown |= _flat(code, value)
    renamed = {"emails": "email", "phones": "phone", "is_linkable": "selectable"}
    shown = {renamed.get(name, name): value for name, value in shown.items()}
    deleted = shown.pop("is_deleted")
    return {**shown, "deleted": deleted, "active": not deleted} if kind == "deal" else {
        **shown, "active_flag": not deleted
    }  # fmt: skip


def _recent(company: Company, kind: str, record: Record) -> Record:
    hidden = record["is_deleted"] and company.switches.recents_of_deleted == "null"
    return {"item": kind, "id": record["id"], "data": None if hidden else record_v1(company, kind, record)}


def _changed(visit: Visit, kinds: list[str], since: str) -> Iterator[tuple[str, Record]]:
    """It reaches back some 30 days."""
    company = visit.company
    bound = max(since, stamp(company.now() - timedelta(days=company.switches.recents_days)))
    for kind in kinds:
        for record in company.tables[kind].listed:
            if record["update_time"] >= bound and company.sees(visit.user, record):
                yield kind, record


def _flat(code: str, value: Any) -> Record:
    """`<hash>_currency` and its like; enum and set are text in v1 (3.5)."""
    if isinstance(value, dict):
        return {f"{code}{_FLAT.get(part, f'_{part}')}": content for part, content in value.items()}
    if isinstance(value, list):
        return {code: ",".join(str(item) for item in value)}
    return {code: value}


def _v1_value(name: str, value: Any) -> Any:
    if name.endswith("_time") and value:
        return _v1_time(value)
    return str(value) if name == "visible_to" else value


def _v1_time(text: str) -> str:
    return text.replace("T", " ").rstrip("Z")


def _user(company: Company, user: User, *, you: bool) -> Record:
    created = "2019-11-21 08:45:56"
    return {
        "id": user.id,
        "name": user.name,
        "default_currency": user.currency,
        "locale": "de_DE",
        "email": user.email,
        "phone": None,
        "activated": True,
        "last_login": _v1_time(company.stamp()),
        "created": created,
        "modified": created,
        "access": [
            {"app": app, "admin": user.sees_all, "permission_set_id": f"{user.id}-{app}"}
            for app in ("sales", "global")
        ],
        "active_flag": user.active,
        "timezone_name": str(company.zone),
        "timezone_offset": company.now().astimezone(company.zone).strftime("%z"),
        "role_id": 1,
        "is_you": you,
        "is_deleted": not user.active,
    }
