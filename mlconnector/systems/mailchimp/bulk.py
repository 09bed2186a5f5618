"""The main stream: up to 500 members a call, each answer joined to its record (sheet 7.1)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from mlconnector.errors import Later, Rejected, Stop, Uncertain, mask_addresses
from mlconnector.http import Answer
from mlconnector.model import Outcome, Status, Tools
from mlconnector.systems.mailchimp.api import Api, BulkAnswer, BulkError, BulkMember, code_of
from mlconnector.systems.mailchimp.archived import Archived
from mlconnector.systems.mailchimp.member import Audience, Draft, alike
from mlconnector.systems.mailchimp.single import Single, speaks_of_status

log = logging.getLogger("mlconnector.mailchimp")

TRIES = 3
REFUSED_CALL_BUDGET = 40
"""Calls spent on finding the bad record in a chunk that is refused, or fails, as a whole."""
FAILURES_IN_A_ROW = 3
"""After so many members on which the server failed, it is the server and not the members."""
TIMED_OUT_PAUSE_SECONDS = 60.0
"""A call that timed out may still run and holds one of the user's ten places."""
SHOWN_TAGS = 50
_TOGETHER = "Mailchimp refused it together with others; which of them it means is found out in the next runs"

Outcomes = dict[str, Outcome]
T = TypeVar("T")


@dataclass(slots=True)
class Bulk:
    """Bulk writes to one audience. `works` turns False where an account does not honour `status_if_new` there."""

    api: Api
    audience: Audience
    single: Single
    tools: Tools
    archived: Archived
    works: bool = field(default=True)
    failures: int = 0
    """How many single members in a row the server failed on."""

    def send(self, drafts: Sequence[Draft], outcomes: Outcomes) -> None:
        """Adds an outcome by source id for each draft; those it has when it raises were carried out."""
        if not self.works:
            self._one_by_one(drafts, outcomes)
            return
        self._send(list(drafts), outcomes, [REFUSED_CALL_BUDGET], TRIES)
        if len(drafts) > 1 and all(outcomes[draft.step.source_id].status == "unknown" for draft in drafts):
            raise Later(
                "mailchimp: no clear answer for a whole chunk, in parts neither",
                hint="the next run finds out what was done and goes on",
            )

    def _one_by_one(self, drafts: Sequence[Draft], outcomes: Outcomes) -> None:
        """The fall-back: a PUT each."""
        for draft in drafts:
            outcomes[draft.step.source_id] = self.alone(self.single.upsert, draft)

    def alone(self, write: Callable[[Draft], T], draft: Draft) -> T | Outcome:
        """A single write, which is `guarded`; before it the run may end (StoppedError)."""
        self.tools.sleep(0)
        return self.guarded(write, draft)

    def guarded(self, write: Callable[[Draft], T], draft: Draft) -> T | Outcome:
        """A refusal or a lost answer concerns this one member only, and so does a server error, unless they go on."""
        try:
            done = write(draft)
        except Rejected as error:
            return draft.refused(error, self.tools.now())
        except Uncertain as error:
            return _unknown(error)
        except Later as error:
            if error.status < 500 or error.status == 503 or self.failures >= FAILURES_IN_A_ROW:
                raise
            self.failures += 1
            return Outcome("unknown", code="no-answer", reason=error.message, request_id=error.request_id)
        self.failures = 0
        return done

    def _send(self, drafts: list[Draft], outcomes: Outcomes, budget: list[int], tries: int) -> None:
        """One call. Who turns out to be archived before an attempt is left out and settled alone."""
        sent = self._not_archived(drafts)

        def members() -> list[Mapping[str, Any]]:
            sent[:] = self._not_archived(drafts)
            return [draft.bulk_body() for draft in sent]

        try:
            if sent:
                answer, raw = self.api.bulk(self.audience.id, members)
                self._join(sent, outcomes, answer, raw)
        except Uncertain as error:
            self._send_again(drafts, outcomes, budget, tries - 1, error)
            return
        except Rejected as error:
            self._refused(drafts, outcomes, budget, error)
            return
        if len(sent) < len(drafts):
            ids = {draft.step.source_id for draft in sent}
            for draft in drafts:
                if draft.step.source_id not in ids:
                    outcomes[draft.step.source_id] = self.alone(self.single.revive, draft)

    def _not_archived(self, drafts: Sequence[Draft]) -> list[Draft]:
        if all(draft.seen for draft in drafts):
            return list(drafts)
        self.archived.refresh(self.audience)
        return [draft for draft in drafts if draft.seen or draft.hash not in self.archived]

    def _send_again(
        self, drafts: list[Draft], outcomes: Outcomes, budget: list[int], tries: int, error: Uncertain
    ) -> None:
        if tries == 0 and (len(drafts) == 1 or budget[0] < 0):
            outcomes.update((draft.step.source_id, _unknown(error)) for draft in drafts)
            return
        self.tools.sleep(TIMED_OUT_PAUSE_SECONDS if error.timed_out else 2.0)
        if len(drafts) > 1 and (
            error.timed_out or tries == 0
        ):  # too much at once, or one the server fails on
            budget[0] -= 2
            self._in_halves(drafts, outcomes, budget, max(tries, 1))
        else:
            self._send(drafts, outcomes, budget, tries)

    def _refused(self, drafts: list[Draft], outcomes: Outcomes, budget: list[int], error: Rejected) -> None:
        if error.status == 404:
            raise self.audience.is_gone()
        if speaks_of_status(error):
            log.warning("mailchimp takes no status_if_new in bulk calls here: members are written one by one")
            self.works = False
            self._one_by_one(drafts, outcomes)
            return
        budget[0] -= 2
        if len(drafts) == 1:
            outcomes[drafts[0].step.source_id] = drafts[0].refused(error, self.tools.now())
        elif budget[0] < 0:
            waits = Outcome("held", code="refused-together", reason=_TOGETHER, request_id=error.request_id)
            outcomes.update((draft.step.source_id, waits) for draft in drafts)
        else:
            self._in_halves(drafts, outcomes, budget, TRIES)

    def _in_halves(self, drafts: list[Draft], outcomes: Outcomes, budget: list[int], tries: int) -> None:
        self.tools.sleep(0)  # the run may end here
        middle = len(drafts) // 2
        self._send(drafts[:middle], outcomes, budget, tries)
        if self.works:
            self._send(drafts[middle:], outcomes, budget, tries)
        else:
            self._one_by_one(drafts[middle:], outcomes)

    def _join(self, drafts: Sequence[Draft], outcomes: Outcomes, answer: BulkAnswer, raw: Answer) -> None:
        created = {member.email_address.lower(): member for member in answer.new_members or ()}
        updated = {member.email_address.lower(): member for member in answer.updated_members or ()}
        refused = {error.email_address.strip().lower(): error for error in answer.errors or ()}
        trouble: Later | Stop | None = None
        for draft in drafts:
            address = draft.address.lower()
            member = created.get(address) or updated.get(address)
            settle: Callable[[Draft], Outcome]
            if address in refused:
                settle = partial(self._error, error=refused[address], raw=raw)
            elif address in created:
                settle = partial(self._created, member=created[address], raw=raw)
            elif member is not None:
                settle = partial(self._tagged, member=member, status="updated", raw=raw)
            else:
                settle = self._reread
            at_once = member is not None and self._needs_no_call(draft, member)
            try:
                if trouble is None or at_once:
                    finish = self.guarded if at_once else self.alone
                    outcomes[draft.step.source_id] = finish(settle, draft)
                    continue
            except (
                Later,
                Stop,
            ) as error:  # the bulk call was carried out all the same: that is put on record
                trouble = trouble or error
            if member is not None:
                outcomes[draft.step.source_id] = draft.interrupted(member, trouble, self.tools.now())
        if trouble is not None:
            raise trouble

    def _needs_no_call(self, draft: Draft, member: BulkMember) -> bool:
        return not draft.is_known and not self._tag_changes(draft, member)

    def _created(self, draft: Draft, member: BulkMember, raw: Answer) -> Outcome:
        if member.status and member.status != draft.bulk_status:
            log.warning(
                "mailchimp gave a new member the status %s where %s was asked for: one by one from here",
                member.status,
                draft.bulk_status,
            )
            self.works = False
        if (
            draft.is_known
        ):  # archived after that was looked up, or the person took another address: it goes back
            self._put_back(member.id or draft.hash)
            return self.single.follow(draft) if draft.contact else draft.stays_archived()
        return self._tagged(draft, member, "created", raw)

    def _put_back(self, hash_: str) -> None:
        try:
            self.api.archive(self.audience.id, hash_)
        except Rejected as error:
            if error.status not in (404, 405):
                raise

    def _tagged(self, draft: Draft, member: BulkMember, status: Status, raw: Answer) -> Outcome:
        """Tags came with the call, unless the answer shows that this account ignores them there."""
        changes = self._tag_changes(draft, member)
        if changes:
            self.api.tag(self.audience.id, member.id or draft.hash, changes)
        return draft.done(status, member, raw)

    def _tag_changes(self, draft: Draft, member: BulkMember) -> dict[str, bool]:
        full = member.tags is None or len(member.tags) >= SHOWN_TAGS
        has = draft.tags if full else [str(tag.get("name", "")) for tag in member.tags or ()]
        return draft.tag_changes(has)

    def _error(self, draft: Draft, error: BulkError, raw: Answer) -> Outcome:
        text = error.error or ""
        details = ((error.field, mask_addresses(error.field_message or "")),) if error.field else ()
        code = code_of("", text, details=details)
        if code == "incomplete-address":
            return self.single.blank_postal_address(draft)
        message = mask_addresses(text)
        raise Rejected(
            message, code=code, answer=error.error_code or "", request_id=raw.request_id, details=details
        )

    def _reread(self, draft: Draft) -> Outcome:
        """In none of the three lists: applied without a change, or not applied. The member itself knows."""
        member = self.api.member(self.audience.id, draft.hash)
        if member is None:
            reason = "Mailchimp neither took nor refused it"
            return Outcome("failed", code="not-applied", reason=reason, retry_at=self.tools.now())
        if member.status == "archived":
            return draft.stays_archived()
        if all(
            alike((member.merge_fields or {}).get(tag, ""), value)
            for tag, value in draft.merge_values().items()
        ):
            return self.single.tagged(draft, member, "unchanged", None)
        return self.single.upsert(draft)


def _unknown(error: Uncertain) -> Outcome:
    return Outcome("unknown", code="no-answer", reason=error.message, request_id=error.request_id)
