"""A step as Mailchimp will see it: address, body, tags, and the outcomes that are told of it. Calls nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from mlconnector.errors import ConfigError, ConnectorError, Rejected, mask_addresses
from mlconnector.http import Answer
from mlconnector.model import Outcome, Status, Step, value
from mlconnector.systems.mailchimp.api import BulkMember, Member, member_hash

TEXT_BYTES = 255
"""Mailchimp cuts text values there without a word (sheet 5.3)."""
SIGNUP_PAUSE = timedelta(hours=24)
SKIPPED = {
    "compliance-state": "Mailchimp does not let this address be subscribed: it opted out, bounced or complained",
    "forgotten-address": "the address was permanently deleted in Mailchimp; only the person can come back",
    "archived": "somebody archived this member in Mailchimp; it stays archived",
    "member-gone": "its member is not in the audience any more: deleted, or unconfirmed for too long",
}
"""Refusals that are the person's or the marketing team's decision: not a failure, and not tried again."""
NOBODY_NEW = "transactional"
"""What a bulk call gives members that are known to exist, should one have been archived a moment ago: it would count
as new there (sheet 7.1), and nobody who was archived may become subscribed."""
_NOT_SENT = ("merge_fields", "tags", "status_if_new", "status", "audience")
_STRICT_TYPES = ("address", "birthday", "date", "number", "zip", "imageurl")


class MergeField(Protocol):
    """A merge field that the mapping fills (the flow makes it)."""

    @property
    def tag(self) -> str:
        """Upper case, up to 10 characters."""
        ...

    @property
    def type(self) -> str:
        """Mailchimp's type."""
        ...

    @property
    def label(self) -> str:
        """What people see."""
        ...


@dataclass(frozen=True, slots=True)
class Audience:
    """One audience and its merge fields (tag → type)."""

    id: str
    name: str
    double_optin: bool = False
    types: Mapping[str, str] | None = None

    def is_gone(self) -> ConfigError:
        """What ends a run whose audience was deleted."""
        return ConfigError(
            f"mailchimp: the audience {self.name} is not there any more",
            hint="correct `audience` in the connection file",
        )


@value
class Draft:
    """One step for one audience.

    `address` is spelled as the source spells it, `hash` the id of the member with this address ("" for a remove), and
    `old_hash` the member it is linked to in this audience, None if there is none. `seen` says that its address was
    looked up just now and is a member.
    """

    step: Step
    audience: Audience
    address: str
    hash: str
    old_hash: str | None
    seen: bool = False

    @classmethod
    def of(cls, step: Step, audience: Audience) -> Draft:
        """Remote ids hold the audience: one of another audience (the file names a new one now) does not count."""
        linked_in, _, linked = (step.target_id or "").rpartition("/")
        old_hash = linked if linked and linked_in == audience.id else None
        if step.mapped is None:
            return cls(step, audience, "", "", old_hash)
        address = str(step.mapped.body["email_address"])
        return cls(step, audience, address, member_hash(address), old_hash)

    @property
    def places(self) -> list[str]:
        """Where the record's member may be: at the id it had, or where a send without an answer was to bring it."""
        return list(dict.fromkeys([*([self.old_hash] if self.old_hash else []), *self.sent_to]))

    @property
    def taken(self) -> Mapping[str, Any]:
        """The address the person took in Mailchimp: the member's `id`, and the record's key that it stands `for`."""
        found: Mapping[str, Any] | None = (self.step.memo or {}).get("taken")
        return found or {}

    @property
    def contact(self) -> str:
        """The contact it is linked to: that id stays when the address changes (sheet 4.3); "" if it is not known."""
        return str((self.step.memo or {}).get("contact", "")) if self.old_hash else ""

    @property
    def sent_to(self) -> list[str]:
        """The other members it may have become: it was on its way there when no clear answer came."""
        tried = self.step.tried_keys
        return [one for one in map(hash_of_key, tried) if one != self.hash] if tried else []

    @property
    def tags(self) -> list[str]:
        """The tags the mapping gives."""
        assert self.step.mapped is not None
        return [str(tag) for tag in self.step.mapped.body.get("tags", ())]

    @property
    def archived_by_us(self) -> Mapping[str, Any] | None:
        """Status and time of the moment this connection archived it; None if it did not."""
        known = self.step.memo if self.old_hash else self.step.inherits
        found: Mapping[str, Any] | None = (known or {}).get("archived")
        return found

    @property
    def status_if_new(self) -> str:
        """What a member gets that is created; a double opt-in audience asks the person first."""
        assert self.step.mapped is not None
        status = str(self.step.mapped.body.get("status_if_new", "subscribed"))
        return "pending" if status == "subscribed" and self.audience.double_optin else status

    @property
    def is_known(self) -> bool:
        """Whether its address is a member already, as far as anybody can know."""
        return self.seen or self.old_hash == self.hash

    @property
    def bulk_status(self) -> str:
        """What a bulk call says for those who are new."""
        return NOBODY_NEW if self.is_known else self.status_if_new

    def tag_changes(self, has: Sequence[str] = ()) -> dict[str, bool]:
        """Tags to add (those the member does not have) and to take away (sent before, not given any more)."""
        before = [str(tag) for tag in (self.step.memo or {}).get("tags", ())]
        if not before and not self.tags:
            return {}
        known, wanted = {tag.lower() for tag in has}, {tag.lower() for tag in self.tags}
        changes = {tag: False for tag in before if tag.lower() not in wanted}
        return {**changes, **{tag: True for tag in self.tags if tag.lower() not in known}}

    def keeps_address(self, member: Member | BulkMember) -> bool:
        """Whether the person took this member's address: it stands until the source gives a new one."""
        key = self.step.mapped.key if self.step.mapped is not None else self.step.was_key
        return bool(member.id) and self.taken == {"id": member.id, "for": key}

    def not_archived_by_us(self) -> Draft:
        """The same, without what was remembered of a member that was archived."""
        memo = {name: value for name, value in (self.step.memo or {}).items() if name != "archived"}
        return replace(self, step=replace(self.step, memo=memo, inherits=None))

    def found_elsewhere(self, member: Member) -> Outcome:
        """Its contact is at another address; if that is no other record's, the next attempt goes on there."""
        reason = "its member has another address in Mailchimp now; it is written there if no other record has that one"
        taken = {"id": member.id, "for": self.step.was_key}
        return Outcome(
            "held",
            code="found-elsewhere",
            reason=reason,
            key=key_of(member),
            memo={**(self.step.memo or {}), "taken": taken},
        )

    def body(self, member: Member | None = None) -> dict[str, Any]:
        """Everything but status and tags: what can be sent about anybody, or this member, at any time."""
        assert self.step.mapped is not None
        body = {name: value for name, value in self.step.mapped.body.items() if name not in _NOT_SENT}
        if member is not None and self.keeps_address(member):
            body["email_address"] = member.email_address
        return {**body, "merge_fields": self.merge_values()}

    def bulk_body(self) -> dict[str, Any]:
        """For the bulk call: a status for those who are new, and tags."""
        body = {**self.body(), "status_if_new": self.bulk_status}
        return {**body, "tags": self.tags} if self.tags else body

    def merge_values(self) -> dict[str, Any]:
        """Merge field values, texts cut where Mailchimp would cut them."""
        assert self.step.mapped is not None
        types = self.audience.types or {}
        values: Mapping[str, Any] = self.step.mapped.body.get("merge_fields", {})
        return {
            tag: _clipped(value) if type(value) is str and types.get(tag, "text") == "text" else value
            for tag, value in values.items()
        }

    def without_postal_address(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body with every field of type address emptied (sheet 5.3, the stored-incomplete trap)."""
        blank = {tag: "" for tag, kind in (self.audience.types or {}).items() if kind == "address"}
        return {**body, "merge_fields": {**body.get("merge_fields", {}), **blank}}

    # outcomes

    def target_id(self, hash_: str) -> str:
        """The remote id as the ledger keeps it."""
        return f"{self.audience.id}/{hash_}"

    def done(self, status: Status, member: Member | BulkMember, answer: Answer | None) -> Outcome:
        """It worked. The contact is remembered, and the tags, so that one dropped later can be taken away."""
        return Outcome(
            status,
            target_id=self.target_id(member.id or self.hash),
            answer=str(answer.status) if answer else "",
            request_id=answer.request_id if answer else "",
            memo=self._memo(member),
        )

    def interrupted(self, member: Member | BulkMember, error: ConnectorError, now: datetime) -> Outcome:
        """It was written, but what belongs to it (tags) could not be: it is linked, and taken up again."""
        ours = None if self.is_known else member  # a known member that was created again is none of ours
        return Outcome(
            "failed",
            target_id=self.target_id(member.id or self.hash) if ours else self.step.target_id,
            code="later",
            reason=error.message,
            retry_at=now,
            request_id=error.request_id,
            memo=self._memo(ours) if ours else self.step.memo,
        )

    def _memo(self, member: Member | BulkMember) -> Mapping[str, Any] | None:
        contact = member.contact_id or self.contact
        memo: dict[str, Any] = {"contact": contact} if contact else {}
        if self.tags:
            memo["tags"] = self.tags
        if self.keeps_address(member):
            memo["taken"] = self.taken
        return memo if memo or self.step.memo else None

    def member_gone(self) -> Outcome:
        """It was a member and is none any more: whoever took it out must not find it back."""
        return Outcome("skipped", code="member-gone", reason=SKIPPED["member-gone"])

    def stays_archived(self) -> Outcome:
        """Somebody else archived it: nothing is sent."""
        return Outcome("skipped", code="archived", reason=SKIPPED["archived"])

    def found(self, done: Outcome, member: Member) -> Outcome:
        """What was refused for a member that was read just before: it is still there, which settles where it is."""
        refused = done.status in ("failed", "skipped") and done.target_id is None
        if not refused or self.keeps_address(member):
            return done
        return replace(done, target_id=self.target_id(member.id), key=key_of(member))

    def refused(self, error: Rejected, now: datetime) -> Outcome:
        """What a refusal of this one member means."""
        told = "; ".join(f"{name}: {text}" if name else text for name, text in error.details) or error.message
        skipped = error.code in SKIPPED
        return Outcome(
            "skipped" if skipped else "failed",
            code=error.code,
            reason=SKIPPED[error.code] if skipped else mask_addresses(told),
            retry_at=now + SIGNUP_PAUSE if error.code == "too-many-signups" else None,
            answer=error.answer,
            request_id=error.request_id,
        )


def key_of(member: Member) -> str:
    """A member's key, as the ledger spells it."""
    return f"email:{member.email_address.strip().lower()}"


def hash_of_key(key: str) -> str:
    """The id of the member with a key of the ledger, `email:<address>`."""
    return member_hash(key.removeprefix("email:"))


def clashes(wanted: Sequence[MergeField], types: Mapping[str, str]) -> list[str]:
    """Merge fields whose type in the audience cannot hold what the mapping gives (sheet 5.3)."""
    return [
        f"merge field {field.tag} is of type {types[field.tag]} there, the mapping gives {field.type}"
        for field in wanted
        if field.tag in types
        and types[field.tag] != field.type
        and (types[field.tag] in _STRICT_TYPES or field.type == "address")
    ]


def alike(stored: Any, sent: Any) -> bool:
    """Whether a stored merge value is what was sent, the spelling of numbers aside (trap 17)."""
    if stored == sent:
        return True
    try:
        return float(stored) == float(sent)
    except (TypeError, ValueError):
        return str(stored).strip() == str(sent).strip()


def _clipped(value: str) -> str:
    return value if len(value) * 4 <= TEXT_BYTES else value.encode()[:TEXT_BYTES].decode(errors="ignore")
