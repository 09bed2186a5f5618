"""What happens to contacts without the API: what they do themselves, what an administrator does, what mail servers say.

Also the audiences and contacts a sandbox starts with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlconnector.systems.mailchimp.emulator_members import ADMIN_REASON, archive, mail, tags_named
from mlconnector.systems.mailchimp.emulator_state import Audience, Member, hash_of

FORM_IP = "198.51.100.7"
"""Where confirmations and profile edits come from."""


def add(audience: Audience, email: str, status: str, fields: Mapping[str, Any]) -> Member:
    """A contact that was there before, unchecked: merge fields by tag (upper case), `merge_fields`, `tags`, others.

    Unsubscribed means by themselves unless `origin` says admin or api.
    """
    if hash_of(email) in audience.members:
        raise ValueError(f"{email} is in {audience.name} already")
    values = {**fields.get("merge_fields", {})} | {key: fields[key] for key in fields if key.isupper()}
    member = audience.insert(email, status, "admin")
    member.source = "Admin Add"
    member.merge = _values(audience, values)
    member.tags = tags_named(audience, fields.get("tags", ()))
    if status not in ("pending", "transactional"):
        member.ip_opt, member.timestamp_opt = FORM_IP, audience.now()
    if status == "unsubscribed":
        member.origin = fields.get("origin", "self")
        member.reason = "None given" if member.origin == "self" else ADMIN_REASON
    if status == "archived":
        member.status_before = fields.get("status_before", "subscribed")
        member.origin = "self" if member.status_before == "unsubscribed" else ""
    member.bounced = status == "cleaned"
    for name in set(fields) - {"merge_fields", "tags", "origin", "status_before"} - set(values):
        if name not in Member.__slots__:
            raise KeyError(name)
        setattr(member, name, fields[name])
    return member


def _values(audience: Audience, by_tag: Mapping[str, Any]) -> dict[int, Any]:
    return {audience.fields.by_tag[tag].merge_id: value for tag, value in by_tag.items() if value != ""}


def unsubscribe(audience: Audience, member: Member, reason: str, *, by: str) -> None:
    """The link in a mail, or the button in the UI."""
    origin = "self" if by == "person" or member.origin == "self" else "admin"
    _opt_out(audience, member, {"origin": origin, "reason": reason}, by)


def _opt_out(audience: Audience, member: Member, changes: dict[str, Any], by: str) -> None:
    """An archived contact stays archived, opted out."""
    name = "status_before" if member.status == "archived" else "status"
    audience.commit(member, {**changes, name: "unsubscribed"}, by)


def bounce(audience: Audience, member: Member) -> None:
    """A hard bounce: cleaned."""
    audience.commit(member, {"status": "cleaned", "bounced": True}, "person")


def complain(audience: Audience, member: Member) -> None:
    """The spam button."""
    _opt_out(audience, member, {"complained": True, "reason": "N/A (Abuse complaint)"}, "person")


def confirm(audience: Audience, member: Member) -> None:
    """The click in the double-opt-in mail; ValueError unless pending."""
    if member.status != "pending":
        raise ValueError(f"{member.email} is {member.status}, not pending")
    changes = {"status": "subscribed", "timestamp_opt": audience.now(), "ip_opt": FORM_IP}
    audience.commit(member, {**changes, **_CLEAN}, "person")


_CLEAN: Mapping[str, Any] = {"origin": "", "reason": "", "complained": False, "bounced": False}


def put_away(audience: Audience, member: Member) -> None:
    """Archived in the UI; Problem where the API would refuse it too."""
    archive(audience, member, "admin")


def unarchive(audience: Audience, member: Member) -> None:
    """In the UI: back to the status it had; ValueError unless archived."""
    if member.status != "archived":
        raise ValueError(f"{member.email} is {member.status}, not archived")
    status = member.status_before or "subscribed"
    audience.commit(member, {"status": status, "status_before": ""}, "admin")


def edit_profile(audience: Audience, member: Member, by_tag: Mapping[str, Any]) -> None:
    """Merge values from a form, which does not insist on complete addresses (the trap of 5.3)."""
    cleared = {audience.fields.by_tag[tag].merge_id for tag, value in by_tag.items() if value == ""}
    values = {**member.merge, **_values(audience, by_tag)}
    audience.commit(member, {"merge": {k: v for k, v in values.items() if k not in cleared}}, "person")


def change_email(audience: Audience, member: Member, email: str) -> None:
    """The person takes another address; contact_id stays."""
    if audience.members.get(hash_of(email), member) is not member:
        raise ValueError(f"{email} is in {audience.name} already")
    audience.commit(member, {"email": email}, "person")


_MOODS = ("subscribed", "unsubscribed", "cleaned", "archived", "pending", "transactional", "subscribed")
_OWN = {
    "Customers": (
        ("Orla.Byrne@contoso.com", "subscribed", {"FNAME": "Orla", "LNAME": "Byrne"}),
        ("jens@fabrikam.com", "unsubscribed", {"FNAME": "Jens", "LNAME": "Holm"}),
        ("purchasing@adatum.com", "cleaned", {}),
        ("mia@treyresearch.net", "archived", {"FNAME": "Mia", "LNAME": "Lind", "tags": ["Trade fair"]}),
        ("booking@alpineskihouse.com", "pending", {}),
        ("shop@relecloud.com", "transactional", {"language": "de"}),
        ("former@nodpublishers.com", "unsubscribed", {"origin": "admin"}),
    ),
    "Vendors": (
        ("sales@wideworldimporters.com", "subscribed", {"FNAME": "Tove", "LNAME": "Berg"}),
        ("orders@relecloud.com", "unsubscribed", {}),
        ("export@nodpublishers.com", "archived", {}),
    ),
}


def seed(audience: Audience, emails: Sequence[str]) -> dict[str, str]:
    """A few contacts of the audience's own and the given addresses, in all statuses; returns the status of each."""
    made = {}
    for email, status, fields in _OWN.get(audience.name, ()):
        made[email] = (status, fields)
    for number, email in enumerate(emails):
        made.setdefault(email, (_MOODS[number % len(_MOODS)], {}))
    for email, (status, fields) in made.items():
        if hash_of(email) in audience.members:
            continue
        member = add(audience, email, status, fields)
        if status == "pending":
            mail(audience, member)
    return {email: status for email, (status, _) in made.items()}
