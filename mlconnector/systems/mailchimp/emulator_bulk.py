"""POST /lists/{list_id}, the synchronous bulk call, with its result per address: fact sheet 7.1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlconnector.systems.mailchimp.emulator_errors import Problem, forgotten, invalid, schema_error
from mlconnector.systems.mailchimp.emulator_members import (
    Context,
    TagNames,
    check_address,
    create,
    transition,
    update,
)
from mlconnector.systems.mailchimp.emulator_schema import Call, describe, member_faults
from mlconnector.systems.mailchimp.emulator_state import Member, hash_of

MEMBERS_PER_CALL = 500


@dataclass(frozen=True, slots=True)
class Options:
    """What applies to the whole call."""

    update_existing: bool
    sync_tags: bool
    skip_duplicate_check: bool


@dataclass(slots=True)
class Result:
    """Every address of the request is in one of the three, unless it was dropped."""

    new: list[Member] = field(default_factory=list)
    updated: list[Member] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)


def write_members(context: Context, body: Any, *, skip_duplicate_check: bool) -> Result:
    """Applies the whole call; Problem 400 if it is refused as a whole."""
    _check(context, body)
    options = Options(
        update_existing=bool(body.get("update_existing")),
        sync_tags=bool(body.get("sync_tags")),
        skip_duplicate_check=skip_duplicate_check,
    )
    result = Result()
    for row in _without_duplicates(context, body["members"], options, result):
        try:
            _write_one(context, row, options, result)
        except Problem as problem:
            result.errors.append(_error(str(row.get("email_address") or ""), problem))
    return result


def _check(context: Context, body: Any) -> None:
    if not isinstance(body, dict):
        raise schema_error(("", describe("object", body)))
    rows = body.get("members")
    if not isinstance(rows, list):
        raise schema_error(("members", describe("array", rows)))
    if len(rows) > MEMBERS_PER_CALL:
        raise schema_error(
            ("members", f"This collection should contain {MEMBERS_PER_CALL} elements or less.")
        )
    faults = [
        (name, describe("boolean", body[name]))
        for name in ("update_existing", "sync_tags")
        if not isinstance(body.get(name, False), bool)
    ]
    legacy = context.account.switches.bulk_legacy
    call: Call = "legacy bulk" if legacy else "bulk"
    for number, row in enumerate(rows):
        prefix = f"members.item:{number}."
        faults += member_faults(row, call, prefix)
        if legacy and isinstance(row, dict) and "status_if_new" in row:
            faults.append((f"{prefix}status_if_new", "This key is not allowed."))
    if faults:
        raise schema_error(*faults)


def _without_duplicates(
    context: Context, rows: list[dict[str, Any]], options: Options, result: Result
) -> list[dict[str, Any]]:
    keys = [hash_of(row.get("email_address") or "") for row in rows]
    counts = Counter(keys)
    if len(counts) == len(rows):
        return rows
    if options.skip_duplicate_check:
        first = dict(reversed(list(zip(keys, rows, strict=True))))
        return [first[key] for key in counts]
    twice = {key: row for key, row in zip(keys, rows, strict=True) if counts[key] > 1}
    emails = [str(row.get("email_address") or "") for row in twice.values()]
    if context.account.switches.bulk_duplicates == "refused":
        raise invalid(f"Duplicate items found in the members array: {', '.join(emails)}")
    result.errors += [
        _error(email, invalid(f"{email} is in this request more than once.")) for email in emails
    ]
    return [row for key, row in zip(keys, rows, strict=True) if key not in twice]


def _write_one(context: Context, row: Mapping[str, Any], options: Options, result: Result) -> None:
    switches, audience = context.account.switches, context.audience
    if switches.bulk_legacy:
        row = {name: value for name, value in row.items() if name != "tags"}
    email = check_address(context.account, row.get("email_address"))
    key = hash_of(email)
    if key in audience.forgotten:
        raise forgotten(email)
    member, names = audience.members.get(key), row.get("tags") or ()
    if member is None:
        status = row.get("status_if_new") or row["status"]
        result.new.append(create(context, email, status, row, names))
        return
    was_archived = member.status == "archived"
    if not was_archived and not options.update_existing:
        raise _Exists(400, "Member Exists", _EXISTS.format(email))
    tags = TagNames(names, options.sync_tags and options.update_existing)
    # the bulk call cannot change an address, not even its case
    body = {**row, "email_address": member.email}
    changed = update(context, member, body, _changes(context, member, row), tags)
    if was_archived:
        result.new.append(member)
    elif changed or switches.bulk_unchanged == "updated":
        result.updated.append(member)


def _changes(context: Context, member: Member, row: Mapping[str, Any]) -> dict[str, Any]:
    """The transition a row asks for: an archived contact counts as new, and two switches silence `subscribed`."""
    if member.status == "archived":
        return transition(context, member, row.get("status_if_new") or row.get("status"))
    wanted, switches = row.get("status"), context.account.switches
    if wanted == "subscribed" and member.in_compliance and switches.bulk_self_unsubscribed == "silent":
        return {}
    if wanted == "subscribed" and member.status == "unsubscribed" and not member.in_compliance:
        return {} if switches.bulk_api_unsubscribed == "silent" else transition(context, member, wanted)
    return transition(context, member, wanted)


_EXISTS = "{} is already a list member, do you want to update? please provide update_existing:true in the request body"


class _Exists(Problem):
    """The one error with a code of its own."""


def _error(email: str, problem: Problem) -> dict[str, str]:
    merge = problem.errors[0] if problem.errors else {"field": "", "message": ""}
    return {
        "email_address": email,
        "error": problem.detail,
        "error_code": "ERROR_CONTACT_EXISTS" if isinstance(problem, _Exists) else "ERROR_GENERIC",
        "field": merge["field"],
        "field_message": merge["message"],
    }
