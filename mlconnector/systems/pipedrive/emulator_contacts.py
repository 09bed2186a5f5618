"""Writes of persons and organizations in the emulated Pipedrive, and their merge (fact sheet 3.2, 3.3, 9.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlconnector.systems.pipedrive.emulator_bodies import Body, merged_custom, read_body
from mlconnector.systems.pipedrive.emulator_errors import invalid
from mlconnector.systems.pipedrive.emulator_state import Company, Record, User

PERSON: Mapping[str, Any] = {
    "name": "", "first_name": None, "last_name": None, "owner_id": 0, "org_id": None, "add_time": "",
    "update_time": "", "emails": [], "phones": [], "is_deleted": False, "visible_to": 3, "label_ids": [],
    "picture_id": None, "custom_fields": {}, "postal_address": None, "notes": None, "im": [], "birthday": None,
    "job_title": None, "marketing_status": "no_consent",
}  # fmt: skip
ORGANIZATION: Mapping[str, Any] = {
    "name": "", "owner_id": 0, "add_time": "", "update_time": "", "address": None, "is_deleted": False,
    "visible_to": 3, "label_ids": [], "website": None, "linkedin": None, "industry": None, "annual_revenue": None,
    "employee_count": None, "custom_fields": {},
}  # fmt: skip
BLANK = {"person": PERSON, "organization": ORGANIZATION}
LISTS = ("emails", "phones", "im")


def create(company: Company, user: User, kind: str, sent: Any) -> Record:
    """POST /persons or /organizations; names and addresses may repeat (5.2)."""
    body = read_body(company, kind, sent, creating=True)
    custom = merged_custom(company, kind, body.pop("custom_fields", {}), {})
    blank = {**BLANK[kind], "owner_id": user.id}
    changes = _changes(company, kind, blank, body)
    if kind == "person" and not changes.get("name"):
        raise invalid("name: is required")
    return company.insert(kind, {**blank, **changes, "custom_fields": custom})


def change(company: Company, kind: str, record: Record, sent: Any) -> None:
    """PATCH: only the keys that were sent."""
    body = read_body(company, kind, sent, creating=False)
    custom = merged_custom(company, kind, body.pop("custom_fields", {}), record["custom_fields"])
    changes = _changes(company, kind, record, body)
    company.change(kind, record, {**changes, "custom_fields": custom})


def merge(company: Company, kind: str, gone: Record, survivor: Record) -> None:
    """The survivor wins conflicts and takes over what it lacks, deals and persons move to it (9.1)."""
    if gone["id"] == survivor["id"]:
        raise invalid("merge_with_id: cannot be the record itself")
    company.change(kind, survivor, _inherited(gone, survivor))
    link = "person_id" if kind == "person" else "org_id"
    for other in ("deal", "person"):
        for record in company.tables[other].listed:
            if record.get(link) == gone["id"]:
                company.change(other, record, {link: survivor["id"]})
    company.delete(kind, gone)


def _inherited(gone: Record, survivor: Record) -> Record:
    empty = [name for name, value in survivor.items() if value in (None, "", [])]
    taken = {name: gone[name] for name in empty if name in gone}
    lists = {name: joined(survivor[name], gone[name]) for name in LISTS if name in survivor}
    custom = {**gone["custom_fields"], **survivor["custom_fields"]}
    return {**taken, **lists, "custom_fields": custom}


def joined(first: list[Body], second: list[Body]) -> list[Body]:
    """Both lists of e-mails or phones, each value once; the first list keeps its primary."""
    values = {item["value"] for item in first}
    return tidy([*first, *({**item, "primary": False} for item in second if item["value"] not in values)])


def tidy(items: list[Body]) -> list[Body]:
    """The label is `work` unless given, and one is primary (3.2)."""
    chosen = next((place for place, item in enumerate(items) if item.get("primary")), 0)
    return [
        {"value": item["value"], "primary": place == chosen, "label": item.get("label", "work")}
        for place, item in enumerate(items)
    ]


def _changes(company: Company, kind: str, before: Record, body: Body) -> Record:
    changes = {**body, **(_names(before, body) if kind == "person" else {})}
    for name in LISTS:
        if name in body and company.switches.contact_lists_on_patch == "merged":
            changes[name] = joined(tidy(body[name]), before[name])
        elif name in body:
            changes[name] = tidy(body[name])
    return changes


def _names(before: Record, body: Body) -> Body:
    """The server splits a name, and joins its parts."""
    if "name" in body:
        first, _, last = body["name"].partition(" ")
        return {"first_name": first, "last_name": last or None}
    if "first_name" not in body and "last_name" not in body:
        return {}
    parts = (body.get("first_name", before["first_name"]), body.get("last_name", before["last_name"]))
    return {"name": " ".join(part for part in parts if part)}
