"""What writing one member does: address checks, the transition matrix and the semantics of POST, PUT and PATCH.

Fact sheet 4.2 to 4.8. A write is checked as a whole before anything changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mlconnector.systems.mailchimp.emulator_errors import (
    Problem,
    forgotten,
    in_compliance,
    invalid,
    member_exists,
    named,
    not_found,
    schema_error,
)
from mlconnector.systems.mailchimp.emulator_schema import BLANK
from mlconnector.systems.mailchimp.emulator_state import Account, Audience, Member, hash_of, read_time

ADMIN_REASON = "N/A (Unsubscribed by admin)"
_ADDRESS = re.compile(
    r"[^\s@<>()\[\],;:\\\"]+(?<!\.)@(?!-)[a-z0-9\u0080-\uffff-]+(\.[a-z0-9\u0080-\uffff-]+)*"
    r"\.[a-z\u0080-\uffff][a-z0-9\u0080-\uffff-]+",
    re.IGNORECASE,
)
_FAKE = re.compile(r"@(.+\.)?(example\.(com|org|net)|test\.com|[^@]*\.(invalid|test|example))", re.IGNORECASE)


class Context(NamedTuple):
    """Where a write comes from."""

    account: Account
    audience: Audience
    peer: str
    skip_merge_validation: bool


def check_address(account: Account, email: Any) -> str:
    """The address, or Problem for bad syntax, a fake one and too many sign-ups (4.6)."""
    if not isinstance(email, str) or not _ADDRESS.fullmatch(email) or ".." in email or email[0] == ".":
        raise invalid("Please provide a valid email address.")
    if _FAKE.search(email):
        raise invalid(f"{email} looks fake or invalid, please enter a real email address.")
    if email.lower() in account.crowded:
        raise invalid(
            f"{email} has signed up to a lot of lists very recently; we're not allowing more signups for now"
        )
    return email


def transition(context: Context, member: Member, wanted: str | None) -> dict[str, Any]:
    """What changes when the API asks an existing member for a status: the matrix 4.5. May raise Problem."""
    switches, current = context.account.switches, member.status
    if wanted is None or wanted == current:
        return {}
    refused = wanted == "subscribed" and (
        member.in_compliance or (current == "pending" and switches.pending_to_subscribed == "refused")
    )
    if refused or (
        current == "cleaned" and wanted == "pending" and switches.cleaned_to_pending == "compliance"
    ):
        raise in_compliance(member.email)
    if wanted == "transactional" and current != "archived" and switches.to_transactional == "unchanged":
        return {}
    changes: dict[str, Any] = {"status": wanted, "status_before": "", "reason": ""}
    if member.origin != "self":
        changes["origin"] = "api" if wanted == "unsubscribed" else ""
    if wanted == "unsubscribed":
        changes["reason"] = member.reason or ADMIN_REASON
    if wanted == "cleaned":
        changes["bounced"] = True
    if wanted == "subscribed" and (current != "unsubscribed" or not member.timestamp_opt):
        changes |= {"timestamp_opt": context.audience.now(), "ip_opt": context.peer}
    return changes


def plain_changes(body: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a body that are simply stored; keys that are absent or null stay as they are (4.2)."""
    changes: dict[str, Any] = {}
    for name, value in body.items():
        if value is None:
            continue
        if name in ("language", "vip", "ip_signup", "ip_opt"):
            changes[name] = value
        elif name == "email_type":
            changes[name] = value or "html"
        elif name in ("timestamp_signup", "timestamp_opt"):
            changes[name] = int(read_time(value)) if value else 0
        elif name == "location":
            changes |= {part: value[part] for part in ("latitude", "longitude") if part in value}
    return changes


def merged(context: Context, body: Mapping[str, Any], stored: Mapping[int, Any]) -> dict[int, Any]:
    """The merge values after the write, checked."""
    return context.audience.fields.checked(
        body.get("merge_fields") or {},
        stored,
        skip_required=context.skip_merge_validation,
        address_trap=context.account.switches.incomplete_address == "refused",
    )


def tags_named(audience: Audience, names: Iterable[str]) -> dict[int, int]:
    """The ids of these tags, made where there are none, and now as the time since when."""
    return {audience.tag(name).id: audience.now() for name in names}


def create(
    context: Context, email: str, status: str, body: Mapping[str, Any], tags: Iterable[str] = ()
) -> Member:
    """A new member with the defaults of section 13."""
    audience = context.audience
    check_address(context.account, email)
    if hash_of(email) in audience.forgotten:
        raise forgotten(email)
    values, plain = merged(context, body, {}), plain_changes(body)
    member = audience.insert(email, status, "api")
    member.merge, member.tags = values, tags_named(audience, tags)
    if status == "subscribed":
        member.ip_opt, member.timestamp_opt = context.peer, audience.now()
    if status == "unsubscribed":
        member.origin, member.reason = "api", ADMIN_REASON
    member.bounced = status == "cleaned"
    for name, value in plain.items():
        setattr(member, name, value)
    if status == "pending":
        mail(audience, member)
    return member


class TagNames(NamedTuple):
    """Tags of a call that may carry them; `replace` is sync_tags."""

    names: Iterable[str] = ()
    replace: bool = False


NO_TAGS = TagNames()


def update(
    context: Context,
    member: Member,
    body: Mapping[str, Any],
    changes: dict[str, Any],
    tags: TagNames = NO_TAGS,
) -> bool:
    """Applies a body and the changes of its transition to an existing member; whether anything differed."""
    audience, email = context.audience, body.get("email_address")
    if email is not None and email != member.email:
        changes["email"] = _new_address(context, member, email)
    changes["merge"] = merged(context, body, member.merge)
    changes |= plain_changes(body)
    if tags.names or tags.replace:
        changes["tags"] = _new_tags(audience, member, tags)
    was = member.status
    changed = audience.commit(member, changes, "api")
    if member.status == "pending" and was != "pending":
        mail(audience, member)
    return changed


def _new_tags(audience: Audience, member: Member, tags: TagNames) -> dict[int, int]:
    wanted = tags_named(audience, tags.names)
    if tags.replace:
        return {tag: member.tags.get(tag, since) for tag, since in wanted.items()}
    return {**wanted, **member.tags}


def _new_address(context: Context, member: Member, email: str) -> str:
    check_address(context.account, email)
    new = hash_of(email)
    if new in context.audience.forgotten:
        raise forgotten(email)
    if context.audience.members.get(new, member) is not member:
        raise member_exists(email)
    return email


def mail(audience: Audience, member: Member) -> None:
    """Queues the double-opt-in mail."""
    audience.mails.append({"email_address": member.email, "sent": audience.clock.now().isoformat()})


def post(context: Context, body: Mapping[str, Any]) -> Member:
    """POST /lists/{l}/members: creates, or revives an archived contact; anything else exists already."""
    email, audience = body["email_address"], context.audience
    check_address(context.account, email)
    member = audience.find(hash_of(email))
    if member is None:
        return create(context, email, body["status"], body, body.get("tags") or ())
    if member.status != "archived":
        raise in_compliance(email, posted=True) if member.in_compliance else member_exists(email)
    changes = transition(context, member, body["status"])
    update(context, member, body, changes, TagNames(body.get("tags") or ()))
    return member


def put(context: Context, name: str, body: Mapping[str, Any]) -> Member:
    """PUT /lists/{l}/members/{id}: the upsert of 4.3."""
    member, email = context.audience.find(name), body.get("email_address")
    if member is not None:
        update(context, member, body, transition(context, member, _put_status(context, member, body)))
        return member
    status = body.get("status_if_new") or body.get("status")
    blank = [
        (key, BLANK) for key, value in (("email_address", email), ("status_if_new", status)) if not value
    ]
    if blank or not email or not status:
        raise schema_error(*blank)
    if context.audience.find(hash_of(email)) is not None:
        raise member_exists(email)
    return create(context, email, status, body)


def _put_status(context: Context, member: Member, body: Mapping[str, Any]) -> str | None:
    status: str | None = body.get("status")
    revives = context.account.switches.archived_status_if_new == "unarchived"
    if status is None and member.status == "archived" and revives:
        return body.get("status_if_new")
    return status


def patch(context: Context, name: str, body: Mapping[str, Any]) -> Member:
    """PATCH /lists/{l}/members/{id}: 404 if absent."""
    member = existing(context.audience, name)
    update(context, member, body, transition(context, member, body.get("status")))
    return member


def existing(audience: Audience, name: str) -> Member:
    """The member or 404."""
    member = audience.find(name)
    if member is None:
        raise not_found()
    return member


def archive(audience: Audience, member: Member, by: str) -> None:
    """DELETE: hides the contact; 405 for those that are bounced, pending or archived (4.6)."""
    if member.status in ("archived", "pending", "cleaned"):
        problem = named("MethodNotAllowed")
        raise Problem(
            405,
            problem.title,
            "This list member cannot be removed. "
            "Can not archive a contact that is bounced, pending or archived",
            allow="GET, PUT",
        )
    audience.commit(member, {"status": "archived", "status_before": member.status}, by)


def tag_member(audience: Audience, member: Member, rows: Iterable[Mapping[str, str]]) -> None:
    """POST …/tags: adds the active ones and takes off the inactive ones (4.8)."""
    tags = dict(member.tags)
    for row in rows:
        if row["status"] == "active":
            tags.setdefault(audience.tag(row["name"]).id, audience.now())
        elif row["name"].lower() in audience.tags:
            tags.pop(audience.tag(row["name"]).id, None)
    audience.commit(member, {"tags": tags}, "api")
