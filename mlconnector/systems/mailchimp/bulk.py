"""The main stream: up to 500 members a call, each answer joined to its record (sheet 7.1)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from mlconnector.errors import ConfigError, Rejected, Uncertain, mask_addresses
from mlconnector.http import Answer
from mlconnector.model import Outcome, Status, Tools
from mlconnector.systems.mailchimp.api import Api, BulkAnswer, BulkError, BulkMember, code_of
from mlconnector.systems.mailchimp.member import Audience, Draft, alike
from mlconnector.systems.mailchimp.single import Single, speaks_of_status

log = logging.getLogger("mlconnector.mailchimp")

TRIES = 3
REFUSED_CALL_BUDGET = 40
"""Calls spent on finding the bad record in a chunk that is refused as a whole."""
TIMED_OUT_PAUSE_SECONDS = 60.0
"""A call that timed out may still run and holds one of the user's ten places."""
SHOWN_TAGS = 50

Outcomes = dict[str, Outcome]


@dataclass(slots=True)
class Bulk:
    """Bulk writes to one audience. `works` turns False where an account does not honour `status_if_new` there."""

    api: Api
    audience: Audience
    single: Single
    tools: Tools
    works: bool = field(default=True)

    def send(self, drafts: Sequence[Draft]) -> Outcomes:
        """Outcomes by source id, one for each draft."""
        if not self.works:
            return self.one_by_one(drafts)
        return self._send(list(drafts), [REFUSED_CALL_BUDGET], TRIES)

    def one_by_one(self, drafts: Sequence[Draft]) -> Outcomes:
        """The fall-back: a PUT each."""
        return {draft.step.source_id: self.guarded(self.single.upsert, draft) for draft in drafts}

    def guarded(self, write: Callable[[Draft], Outcome], draft: Draft) -> Outcome:
        """A refusal or a lost answer concerns this one member only."""
        try:
            return write(draft)
        except Rejected as error:
            return draft.refused(error, self.tools.now())
        except Uncertain as error:
            return _unknown(error)

    def _send(self, drafts: list[Draft], budget: list[int], tries: int) -> Outcomes:
        try:
            answer, raw = self.api.bulk(self.audience.id, [draft.bulk_body() for draft in drafts])
        except Uncertain as error:
            return self._send_again(drafts, budget, tries - 1, error)
        except Rejected as error:
            return self._refused(drafts, budget, error)
        return self._join(drafts, answer, raw)

    def _send_again(self, drafts: list[Draft], budget: list[int], tries: int, error: Uncertain) -> Outcomes:
        if tries == 0:
            return {draft.step.source_id: _unknown(error) for draft in drafts}
        self.tools.sleep(TIMED_OUT_PAUSE_SECONDS if error.timed_out else 2.0)
        if error.timed_out and len(drafts) > 1:
            return self._in_halves(drafts, budget, tries)
        return self._send(drafts, budget, tries)

    def _refused(self, drafts: list[Draft], budget: list[int], error: Rejected) -> Outcomes:
        if error.status == 404:
            raise ConfigError(
                f"mailchimp: the audience {self.audience.name} is not there any more",
                hint="correct `audience` in the connection file",
            )
        if speaks_of_status(error):
            log.warning("mailchimp takes no status_if_new in bulk calls here: members are written one by one")
            self.works = False
            return self.one_by_one(drafts)
        budget[0] -= 2
        if len(drafts) == 1 or budget[0] < 0:
            now = self.tools.now()
            return {draft.step.source_id: draft.refused(error, now) for draft in drafts}
        return self._in_halves(drafts, budget, TRIES)

    def _in_halves(self, drafts: list[Draft], budget: list[int], tries: int) -> Outcomes:
        middle = len(drafts) // 2
        first = self._send(drafts[:middle], budget, tries)
        rest = drafts[middle:]
        return {**first, **(self._send(rest, budget, tries) if self.works else self.one_by_one(rest))}

    def _join(self, drafts: Sequence[Draft], answer: BulkAnswer, raw: Answer) -> Outcomes:
        created = {member.email_address.lower(): member for member in answer.new_members}
        updated = {member.email_address.lower(): member for member in answer.updated_members}
        refused = {error.email_address.strip().lower(): error for error in answer.errors}
        outcomes: Outcomes = {}
        for draft in drafts:
            address = draft.address.lower()
            if address in refused:
                settle = partial(self._error, error=refused[address], raw=raw)
            elif address in created:
                settle = partial(self._created, member=created[address], raw=raw)
            elif address in updated:
                settle = partial(self._tagged, member=updated[address], status="updated", raw=raw)
            else:
                settle = partial(self._reread)
            outcomes[draft.step.source_id] = self.guarded(settle, draft)
        return outcomes

    def _created(self, draft: Draft, member: BulkMember, raw: Answer) -> Outcome:
        if member.status and member.status != draft.bulk_status:
            log.warning(
                "mailchimp gave a new member the status %s where %s was asked for: one by one from here",
                member.status,
                draft.bulk_status,
            )
            self.works = False
        if draft.is_known:  # somebody archived it after that was looked up: it goes back there
            self.api.archive(self.audience.id, member.id)
            return draft.stays_archived()
        return self._tagged(draft, member, "created", raw)

    def _tagged(self, draft: Draft, member: BulkMember, status: Status, raw: Answer) -> Outcome:
        """Tags came with the call, unless the answer shows that this account ignores them there."""
        full = member.tags is None or len(member.tags) >= SHOWN_TAGS
        has = draft.tags if full else [str(tag.get("name", "")) for tag in member.tags or ()]
        changes = draft.tag_changes(has)
        if changes:
            self.api.tag(self.audience.id, member.id, changes)
        return draft.done(status, member.id, raw)

    def _error(self, draft: Draft, error: BulkError, raw: Answer) -> Outcome:
        details = ((error.field, mask_addresses(error.field_message)),) if error.field else ()
        code = code_of("", error.error, details=details)
        if code == "incomplete-address":
            return self.single.blank_postal_address(draft)
        message = mask_addresses(error.error)
        raise Rejected(
            message, code=code, answer=error.error_code, request_id=raw.request_id, details=details
        )

    def _reread(self, draft: Draft) -> Outcome:
        """In none of the three lists: applied without a change, or not applied. The member itself knows."""
        member = self.api.member(self.audience.id, draft.hash)
        if member is None:
            reason = "Mailchimp neither took nor refused it"
            return Outcome("failed", code="not-applied", reason=reason, retry_at=self.tools.now())
        if member.status == "archived":
            return draft.stays_archived()
        if all(alike(member.merge_fields.get(tag, ""), value) for tag, value in draft.merge_values().items()):
            return self.single.tagged(draft, member, "unchanged", None)
        return self.single.upsert(draft)


def _unknown(error: Uncertain) -> Outcome:
    return Outcome("unknown", code="no-answer", reason=error.message, request_id=error.request_id)
