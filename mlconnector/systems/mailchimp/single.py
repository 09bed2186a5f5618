"""Members one by one: what the bulk call cannot do, and accounts whose bulk call cannot be used.

Consent: a status is written in two cases only, an opt-out that is carried over, and bringing back a member that this
connection archived and nobody touched since. For a record that was linked once, no member is ever created.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mlconnector.errors import Rejected, Uncertain
from mlconnector.http import Answer
from mlconnector.model import Left, Outcome, Status
from mlconnector.systems.mailchimp.api import Api, Member
from mlconnector.systems.mailchimp.member import Draft, key_of

CONFIRMATION_PAUSE = timedelta(hours=24)
ONE_MOMENT = timedelta(seconds=5)
_GETS_NO_MAIL = ("archived", "cleaned")
"""There is nothing to archive about these; a bounced member cannot be (sheet 4.6)."""


class Elsewhere(Exception):
    """The contact of a record is at an address that is none of the record's: whose that is, the ledger knows."""

    def __init__(self, member: Member) -> None:
        super().__init__("found elsewhere")
        self.member = member


@dataclass(frozen=True, slots=True)
class Single:
    """Single writes to one audience. All of them raise Rejected for a member that is refused."""

    api: Api
    audience: str
    now: Callable[[], datetime]

    def upsert(self, draft: Draft) -> Outcome:
        """Updates the member with this address; a record that was never linked may create it (`status_if_new`)."""
        before = self.api.member(self.audience, draft.hash)
        if before is not None:
            return self._update(draft, before)
        return self.follow(draft) if draft.old_hash else self._create(draft)

    def follow(self, draft: Draft) -> Outcome:
        """Writes the member the record is linked to, wherever it is now. None is created.

        If the record has a new address, its member moves there with consent and history (sheet 4.3); an address that
        the person took in Mailchimp stands.
        """
        try:
            member = self._linked(draft)
        except Elsewhere as found:
            return draft.found_elsewhere(found.member)
        if member is None:
            return self._where_it_is(draft)
        try:
            return draft.found(self._follow(draft, member), member)
        except Rejected as error:
            return draft.found(draft.refused(error, self.now()), member)

    def _follow(self, draft: Draft, member: Member) -> Outcome:
        if member.id == draft.hash:
            return self._update(draft, member)
        if member.status == "archived":
            return self._bring_back(draft, member) if self._is_free(draft) else self._where_it_is(draft)
        if draft.keeps_address(member):
            written, answer = self._put(draft, member.id, draft.body(member))
            return self.tagged(draft, written, "updated", answer)
        return self._move(draft, member)

    def blank_postal_address(self, draft: Draft) -> Outcome:
        """Its ADDRESS is incomplete, here or there: the rest is written with an empty one."""
        before = self.api.member(self.audience, draft.hash)
        if before is None and draft.old_hash:
            return self.follow(draft)
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

    def remove(self, draft: Draft) -> Outcome:
        """Archives the member and remembers how it stood, so that it can come back as it was."""
        step = draft.step
        if step.target_id and draft.old_hash is None:
            reason = "its member is in another audience than the file names now, and stays there"
            return Outcome("removed", target_id=step.target_id, code="other-audience", reason=reason, memo={})
        try:
            member = self._linked(draft)
        except Elsewhere as found:
            return draft.found_elsewhere(found.member)
        away = Outcome("removed", target_id=step.target_id, code="already-away", memo={})
        if member is None:
            return away
        away = replace(away, target_id=draft.target_id(member.id), key=key_of(member))
        if member.status in _GETS_NO_MAIL:
            return away
        if member.status == "pending":
            reason = "Mailchimp archives nobody who was asked to confirm and did not answer yet"
            due = self.now() + CONFIRMATION_PAUSE
            return Outcome("held", code="waits-for-confirmation", reason=reason, retry_at=due)
        return self._archive(draft, member, away)

    def revive(self, draft: Draft) -> Outcome:
        """A record whose member is said to be archived: brings it back if that was this connection."""
        member = self.api.member(self.audience, draft.old_hash or draft.hash)
        if member is not None and member.status == "archived":
            return self._bring_back(draft, member)
        settled = draft.not_archived_by_us()  # somebody brought it back, or it is elsewhere
        return self.upsert(settled) if draft.old_hash is None else self.follow(settled)

    def _bring_back(self, draft: Draft, member: Member) -> Outcome:
        """With the status it had, if nobody touched it since it was archived."""
        ours = draft.archived_by_us
        if ours is None or not ours.get("at") or member.last_changed != ours["at"]:
            return draft.stays_archived()
        try:
            revived, answer = self.api.revive(
                self.audience, member.id, draft.body(member), str(ours["status"])
            )
        except Rejected as error:
            if error.code != "address-taken":
                raise
            return self._where_it_is(draft)
        return self.tagged(draft, revived, "updated", answer)

    def tagged(self, draft: Draft, member: Member, status: Status, answer: Answer | None) -> Outcome:
        """Adds and takes away its tags, which a PUT cannot carry; the Outcome is that all is done."""
        changes = draft.tag_changes([str(tag.get("name", "")) for tag in member.tags or ()])
        if changes:
            self.api.tag(self.audience, member.id or draft.hash, changes)
        done = draft.done(status, member, answer)
        if not draft.keeps_address(member):
            return done
        reason = "its address was changed in Mailchimp; the member keeps that one"
        return replace(done, code="address-changed-there", reason=reason)

    # steps of these

    def _create(self, draft: Draft) -> Outcome:
        member, answer = self._put(draft, draft.hash, {**draft.body(), "status_if_new": draft.status_if_new})
        return self.tagged(draft, member, "created", answer)

    def _update(self, draft: Draft, member: Member) -> Outcome:
        """The member at the record's own address; one that is archived only if that was us."""
        if member.status == "archived":
            return self._bring_back(draft, member)
        written, answer = self._put(draft, draft.hash, draft.body())
        return self.tagged(draft, written, "updated", answer)

    def _linked(self, draft: Draft) -> Member | None:
        """The member the record is linked to, in one of the places that are the record's.

        Where it was last, or where a move without an answer was to bring it. Raises Elsewhere if its contact is at
        another address, unless that was said before and the address turned out to be another record's.
        """
        for hash_ in draft.places:
            member = self.api.member(self.audience, hash_)
            if member is not None and draft.contact in ("", member.contact_id or draft.contact):
                return member
        found = self.api.member(self.audience, draft.contact) if draft.contact else None
        if found is None or found.contact_id != draft.contact:
            return None
        if found.id == draft.hash:
            return found
        if found.id == draft.taken.get("id"):
            return None
        raise Elsewhere(found)

    def _move(self, draft: Draft, old: Member) -> Outcome:
        try:
            member, answer = self._put(draft, old.id, draft.body())
        except Rejected as error:
            if error.code == "address-taken":
                return self._merge(draft, old)
            if error.status == 404:  # it went away between two calls
                return self._where_it_is(draft)
            raise
        if member.id and member.id != draft.hash:
            reason = "Mailchimp kept the old address"
            return Outcome("failed", code="address-not-changed", reason=reason, request_id=answer.request_id)
        return self.tagged(draft, member, "updated", answer)

    def _merge(self, draft: Draft, old: Member) -> Outcome:
        """The new address is a member already: that one is updated, the old one left, the stricter consent wins."""
        new = self.api.member(self.audience, draft.hash)
        if new is None:
            return draft.stays_archived()
        if new.status == "archived":
            return self._merge_into_archived(draft, old, new)
        if new.contact_id and new.contact_id == old.contact_id:
            return self._update(draft, new)  # it moved there by an attempt whose answer got lost
        body = draft.body()
        if old.status == "unsubscribed" and new.status in ("subscribed", "pending"):
            body["status"] = "unsubscribed"
        member, answer = self._put(draft, draft.hash, body)
        done = self.tagged(draft, member, "updated", answer)
        reason = "the new address was a member already; that one was updated and the old one is archived"
        left = Left(key_of(old), draft.target_id(old.id))
        return replace(done, code="address-taken", reason=reason, left=(left,))

    def _merge_into_archived(self, draft: Draft, old: Member, new: Member) -> Outcome:
        """The member with the new address was archived by this connection: it comes back with the stricter consent."""
        ours = (draft.step.inherits or {}).get("archived") or {}
        if not ours.get("at") or new.last_changed != ours["at"]:
            return draft.stays_archived()
        status = "unsubscribed" if old.status == "unsubscribed" else str(ours["status"])
        member, answer = self.api.revive(self.audience, new.id, draft.body(), status)
        done = self.tagged(draft, member, "updated", answer)
        reason = (
            "the new address had a member that was archived here; it came back, and the old one is archived"
        )
        return replace(
            done, code="address-taken", reason=reason, left=(Left(key_of(old), draft.target_id(old.id)),)
        )

    def _is_free(self, draft: Draft) -> bool:
        return self.api.member(self.audience, draft.hash) is None

    def _where_it_is(self, draft: Draft) -> Outcome:
        """Its member is archived or gone: the one that has the address now, if there is one. None is created."""
        there = self.api.member(self.audience, draft.hash)
        if there is None:
            return draft.member_gone()
        return draft.stays_archived() if there.status == "archived" else self._update(draft, there)

    def _archive(self, draft: Draft, member: Member, away: Outcome) -> Outcome:
        began, answer = self.now(), None
        try:
            answer = self.api.archive(self.audience, member.id)
        except Rejected as error:
            now = self.api.member(self.audience, member.id) if error.status == 405 else None
            if error.status in (404, 405) and (now is None or now.status in _GETS_NO_MAIL):
                return away  # somebody else was quicker
            raise
        except Uncertain:
            if self.now() - began > ONE_MOMENT:  # how it stood before may be another by now
                raise
        after = self.api.member(self.audience, member.id)
        if answer is None and (after is None or after.status != "archived"):
            return Outcome("unknown", code="no-answer", reason="the answer to its archiving got lost")
        archived = {"status": member.status, "at": after.last_changed if after else ""}
        return replace(
            away,
            code="",
            answer=str(answer.status) if answer else "",
            request_id=answer.request_id if answer else "",
            memo={**(draft.step.memo or {}), "archived": archived},
        )

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


def speaks_of_status(error: Rejected) -> bool:
    """A schema complaint about `status`: this server knows no status_if_new here, or wants a status."""
    texts = [error.message, *(text for pair in error.details for text in pair)]
    return (
        error.status == 400
        and error.code != "bad-merge-value"
        and any("status" in text.lower() for text in texts)
    )
