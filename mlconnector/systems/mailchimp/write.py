"""Writes audience members: sorts steps into the bulk stream and single calls, and keeps away from who is archived.

Consent comes first: nobody is moved to `subscribed`. Members that exist are written without a status; an archived one
counts as new in a bulk call (sheet 7.1), so it is found out before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from mlconnector.errors import ConfigError, Later, Rejected, Stop, Uncertain
from mlconnector.model import Outcome, Step, Tools
from mlconnector.systems.mailchimp.api import Api
from mlconnector.systems.mailchimp.archived import Archived, needed
from mlconnector.systems.mailchimp.bulk import Bulk
from mlconnector.systems.mailchimp.member import Audience, Draft, MergeField, clashes, hash_of_key
from mlconnector.systems.mailchimp.single import Single

FEW = 10
"""Up to so many members are looked at one by one before they are written: that read sees what happened just now.

Of more than these, those that are not linked yet are, if they are so few; for the others the list of archived
members is read, and such a list may lag by seconds (sheet 4.10)."""


class MemberWriter:
    """The Target for one audience. `prepare` comes before the first `write`; `write` may run in several threads."""

    def __init__(
        self,
        api: Api,
        tools: Tools,
        find_audience: Callable[[], Audience],
        merge_fields: Sequence[MergeField],
    ) -> None:
        self._api = api
        self._tools = tools
        self._find_audience = find_audience
        self._wanted = merge_fields
        self._archived = Archived(api, tools)
        self._audience: Audience | None = None
        self._single: Single | None = None
        self._bulk: Bulk | None = None

    def prepare(self, entity: str) -> None:
        """Finds the audience and creates the merge fields that are missing (sheet 5). Raises ConfigError."""
        with needed("its audiences"):
            found = self._find_audience()
        types = _types(self._api, found)
        for wanted in self._wanted:
            if wanted.tag not in types:
                types.update(self._create_merge_field(found, wanted))
        problems = clashes(self._wanted, types)
        if problems:
            raise ConfigError(
                f"mailchimp audience {found.name}: " + "; ".join(problems),
                hint="change the line in map:, or use another merge field",
            )
        self._audience = replace(found, types=types)
        self._single = Single(self._api, found.id, self._tools.now)
        self._bulk = Bulk(self._api, self._audience, self._single, self._tools, self._archived)

    def place(self) -> str:
        """The audience's id: one of the same name in another account has another."""
        with needed("its audiences"):
            return self._find_audience().id

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Remote ids by `email:<address>`; archived members count as there."""
        audience = self._audience or self._find_audience()
        found: dict[str, Sequence[str]] = {}
        for key in keys:
            member = self._api.member(audience.id, hash_of_key(key))
            if member is not None:
                found[key] = [f"{audience.id}/{member.id}"]
        return found

    def write(self, entity: str, steps: Sequence[Step]) -> Sequence[Outcome]:
        """Members of one chunk; see Target."""
        if self._audience is None or self._bulk is None or self._single is None:
            raise AssertionError("prepare comes before write")
        outcomes: dict[str, Outcome] = {}
        try:
            self._write(
                [Draft.of(step, self._audience) for step in steps], self._single, self._bulk, outcomes
            )
        except (Later, Stop) as error:
            error.settled = dict(outcomes)
            raise
        return [outcomes[step.source_id] for step in steps]

    def _write(
        self, drafts: Sequence[Draft], single: Single, bulk: Bulk, outcomes: dict[str, Outcome]
    ) -> None:
        """Those that may move members or archive them first, so that what is looked up after that still holds."""
        rest: list[Draft] = []
        for draft in drafts:
            alone = _moves_or_leaves(single, draft)
            if alone is not None:
                outcomes[draft.step.source_id] = bulk.alone(alone, draft)
            else:
                rest.append(draft)
        together = []
        for draft in self._seen(rest, bulk, outcomes):
            if draft.archived_by_us:
                outcomes[draft.step.source_id] = bulk.alone(single.upsert, draft)
            else:
                together.append(draft)
        if together:
            bulk.send(together, outcomes)

    def _seen(self, drafts: Sequence[Draft], bulk: Bulk, outcomes: dict[str, Outcome]) -> list[Draft]:
        """Looks at those that are to be looked at, and settles what needs no bulk call by what was seen."""
        unlinked = [draft for draft in drafts if draft.old_hash != draft.hash]
        looked_at = drafts if len(drafts) <= FEW else unlinked if len(unlinked) <= FEW else []
        ids = {draft.step.source_id for draft in looked_at}
        left = [draft for draft in drafts if draft.step.source_id not in ids]
        for draft in looked_at:
            outcome = bulk.alone(self._look, draft)
            if isinstance(outcome, Draft):
                left.append(outcome)
            else:
                outcomes[draft.step.source_id] = outcome
        return left

    def _look(self, draft: Draft) -> Outcome | Draft:
        """The draft as one that was seen, or what became of it where it takes more than the bulk call."""
        assert self._single is not None
        with needed("a member by its address"):
            member = self._api.member(draft.audience.id, draft.hash)
        if member is None:
            return self._single.follow(draft) if draft.old_hash else draft
        if member.status == "archived":
            return self._single.revive(draft)
        return replace(draft, seen=True)

    def _create_merge_field(self, audience: Audience, wanted: MergeField) -> Mapping[str, str]:
        try:
            self._api.create_merge_field(audience.id, wanted.tag, wanted.type, wanted.label)
        except (Rejected, Uncertain) as error:
            types = _types(self._api, audience)  # there all the same? the answer may have got lost
            if wanted.tag in types:
                return types
            if isinstance(error, Uncertain):
                raise Later(
                    error.message, hint="the next run tries again", request_id=error.request_id
                ) from None
            raise ConfigError(
                f"mailchimp audience {audience.name}: merge field {wanted.tag} could not be created: {error.message}",
                hint="an audience holds 30 merge fields (80 on Premium): delete unused ones, or drop lines from map:",
            ) from None
        return {wanted.tag: wanted.type}


def _types(api: Api, audience: Audience) -> dict[str, str]:
    with needed("the merge fields"):
        return dict(api.merge_fields(audience.id))


def _moves_or_leaves(single: Single, draft: Draft) -> Callable[[Draft], Outcome] | None:
    """How a member is written that may be archived by it, or brought to another address."""
    if draft.step.action == "remove":
        return single.remove
    elsewhere = draft.old_hash is not None and (draft.old_hash != draft.hash or draft.sent_to)
    return single.follow if elsewhere else None
