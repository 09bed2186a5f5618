"""Members one by one: what the bulk call cannot do, and accounts whose bulk call cannot be used.

Consent: a status is written in two cases only, an opt-out that is carried over, and bringing back a member that this
connection archived and nobody touched since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from mlconnector.errors import Rejected
from mlconnector.http import Answer
from mlconnector.model import Outcome, Status
from mlconnector.systems.mailchimp.api import Api, Member
from mlconnector.systems.mailchimp.member import Draft

CONFIRMATION_PAUSE = timedelta(hours=24)
_GETS_NO_MAIL = ("archived", "cleaned")
"""There is nothing to archive about these; a bounced member cannot be (sheet 4.6)."""


@dataclass(frozen=True, slots=True)
class Single:
    """Single writes to one audience. All of them raise Rejected for a member that is refused."""

    api: Api
    audience: str
    now: Callable[[], datetime]
    put_away: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Members archived in this run because their record moved on to another member: hash → how they stood."""

    def upsert(self, draft: Draft) -> Outcome:
        """Updates the member, or creates it with `status_if_new`; one that is archived is left alone."""
        before = self.api.member(self.audience, draft.hash)
        if before is not None and before.status == "archived":
            return self.revive(draft)
        body = draft.body()
        if before is None:
            body["status_if_new"] = draft.status_if_new
        member, answer = self._put(draft, draft.hash, body)
        return self.tagged(draft, member, "created" if before is None else "updated", answer)

    def blank_postal_address(self, draft: Draft) -> Outcome:
        """Its ADDRESS is incomplete, here or there: the rest is written with an empty one."""
        before = self.api.member(self.audience, draft.hash)
        if before is not None and before.status == "archived":
            return draft.stays_archived()
        body = draft.without_postal_address(draft.body())
        if before is None:
            body["status_if_new"] = draft.status_if_new
        member, answer = self.api.put(self.audience, draft.hash, body)
        done = self.tagged(draft, member, "created" if before is None else "updated", answer)
        return replace(
            done, code="incomplete-address", reason="its postal address is incomplete and was left empty"
        )

    def follow(self, draft: Draft) -> Outcome:
        """Writes the member the record is linked to, wherever it is now. None is created.

        If the record has a new address, its member moves there with consent and history (sheet 4.3); an address that
        the person changed in Mailchimp stands.
        """
        member = self.linked(draft)
        if member is None:
            return self._where_it_is(draft)
        if member.id == draft.hash:
            return self.upsert(draft)
        if member.status == "archived":
            return self.revive(draft) if self._is_free(draft) else self._where_it_is(draft)
        if draft.keeps_address(member):
            written, answer = self._put(draft, member.id, draft.body(member))
            return self.tagged(draft, written, "updated", answer)
        return self._move(draft, member)

    def _move(self, draft: Draft, old: Member) -> Outcome:
        try:
            member, answer = self._put(draft, old.id, draft.body())
        except Rejected as error:
            if error.code == "address-taken":
                return self._merge(draft, old)
            if error.status == 404:  # moved by the attempt before, whose answer got lost
                return self.upsert(draft)
            raise
        if member.id != draft.hash:
            reason = "Mailchimp kept the old address"
            return Outcome("failed", code="address-not-changed", reason=reason, request_id=answer.request_id)
        return self.tagged(draft, member, "updated", answer)

    def linked(self, draft: Draft) -> Member | None:
        """The member the record is linked to, wherever it is now.

        By its hash, else by the contact, else where a move without an answer was to bring it.
        """
        member = self.api.member(self.audience, draft.was_hash)
        if draft.contact and (member is None or (member.contact_id or draft.contact) != draft.contact):
            there = self.api.member(self.audience, draft.contact)
            member = there if there is not None and there.contact_id == draft.contact else member
        for hash_ in draft.sent_to if member is None else ():
            there = self.api.member(self.audience, hash_)
            if there is not None and draft.contact in ("", there.contact_id or draft.contact):
                return there
        return member

    def remove(self, draft: Draft) -> Outcome:
        """Archives the member and remembers how it stood, so that it can come back as it was."""
        step = draft.step
        if step.target_id and draft.old_hash is None:
            reason = "its member is in another audience than the file names now, and stays there"
            return Outcome("removed", target_id=step.target_id, code="other-audience", reason=reason, memo={})
        member = self.linked(draft)
        hash_ = member.id if member is not None else draft.was_hash
        away = Outcome("removed", target_id=draft.target_id(hash_), code="already-away", memo={})
        if member is None or member.status in _GETS_NO_MAIL:
            return away
        if member.status == "pending":
            reason = "Mailchimp archives nobody who was asked to confirm and did not answer yet"
            due = self.now() + CONFIRMATION_PAUSE
            return Outcome("held", code="waits-for-confirmation", reason=reason, retry_at=due)
        try:
            answer = self.api.archive(self.audience, hash_)
        except Rejected as error:
            now = self.api.member(self.audience, hash_) if error.status == 405 else member
            if (
                now is None or now.status in _GETS_NO_MAIL
            ):  # by us, whose answer got lost, or by somebody else
                return away
            raise
        return replace(
            away,
            code="",
            answer=str(answer.status),
            request_id=answer.request_id,
            memo={**(step.memo or {}), "archived": self._archived_as(member)},
        )

    def revive(self, draft: Draft) -> Outcome:
        """Brings back what this connection archived, with the status it had, if nobody touched it since."""
        ours, hash_ = draft.archived_by_us, draft.old_hash
        if hash_ is None and draft.hash in self.put_away:
            ours, hash_ = self.put_away[draft.hash], draft.hash
        if ours is None or hash_ is None:
            return draft.stays_archived()
        member = self.api.member(self.audience, hash_)
        if member is None or member.status != "archived":  # somebody brought it back already
            settled = replace(draft, step=replace(draft.step, memo=None))
            return self.upsert(settled) if hash_ == draft.hash else self.follow(settled)
        if not ours.get("at") or member.last_changed != ours["at"]:
            return draft.stays_archived()
        try:
            revived, answer = self.api.revive(self.audience, hash_, draft.body(member), str(ours["status"]))
        except Rejected as error:
            if error.code != "address-taken":
                raise
            return self._where_it_is(draft)
        return self.tagged(draft, revived, "updated", answer)

    def _merge(self, draft: Draft, old: Member) -> Outcome:
        """The new address is a member already: that one is updated, the old one archived, the stricter consent wins."""
        new = self.api.member(self.audience, draft.hash)
        if new is None or new.status == "archived":
            return draft.stays_archived()
        if (
            new.contact_id and new.contact_id == old.contact_id
        ):  # it moved there by an attempt whose answer got lost
            return self.upsert(draft)
        body = draft.body()
        if old.status == "unsubscribed" and new.status in ("subscribed", "pending"):
            body["status"] = "unsubscribed"
        member, answer = self._put(draft, draft.hash, body)
        done = self.tagged(draft, member, "updated", answer)
        try:
            self.api.archive(self.audience, old.id)
            self.put_away[old.id] = self._archived_as(old)
        except Rejected as error:
            if error.status not in (404, 405):
                raise
        reason = "the new address was a member already; that one was updated and the old one archived"
        return replace(done, code="address-taken", reason=reason)

    def _is_free(self, draft: Draft) -> bool:
        return self.api.member(self.audience, draft.hash) is None

    def _where_it_is(self, draft: Draft) -> Outcome:
        """Its member is archived or gone: the one that has the address now, if there is one. None is created."""
        there = self.api.member(self.audience, draft.hash)
        if there is None:
            return draft.member_gone()
        return draft.stays_archived() if there.status == "archived" else self.upsert(draft)

    def _archived_as(self, before: Member) -> Mapping[str, Any]:
        """How a member stood that was archived just now, and the stamp that says whether anybody touches it."""
        after = self.api.member(self.audience, before.id)
        return {"status": before.status, "at": after.last_changed if after else ""}

    def _put(self, draft: Draft, hash_: str, body: Mapping[str, Any]) -> tuple[Member, Answer]:
        """PUT; emptied where the ADDRESS is the trouble, by PATCH where the server wants a status with every PUT."""
        try:
            return self.api.put(self.audience, hash_, body)
        except Rejected as error:
            if error.code == "incomplete-address":
                return self.api.put(self.audience, hash_, draft.without_postal_address(body))
            if speaks_of_status(error) and "status_if_new" not in body:
                return self.api.patch(self.audience, hash_, body)
            raise

    def tagged(self, draft: Draft, member: Member, status: Status, answer: Answer | None) -> Outcome:
        """Adds and takes away its tags, which a PUT cannot carry; the Outcome is that all is done."""
        changes = draft.tag_changes([str(tag.get("name", "")) for tag in member.tags or ()])
        if changes:
            self.api.tag(self.audience, member.id, changes)
        done = draft.done(status, member, answer)
        if not draft.keeps_address(member):
            return done
        reason = "its address was changed in Mailchimp; the member keeps that one"
        return replace(done, code="address-changed-there", reason=reason)


def speaks_of_status(error: Rejected) -> bool:
    """A schema complaint about `status`: this server knows no status_if_new here, or wants a status."""
    texts = [error.message, *(text for pair in error.details for text in pair)]
    return error.status == 400 and any("status" in text.lower() for text in texts)
