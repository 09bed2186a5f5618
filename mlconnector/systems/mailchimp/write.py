"""Writes audience members: sorts steps into the bulk stream and single calls, and keeps away from who is archived.

Consent comes first: nobody is moved to `subscribed`. Members that exist are written without a status; an archived one
counts as new in a bulk call (sheet 7.1), so it is found out before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from mlconnector.errors import ConfigError, Later, Rejected, Stop, Uncertain
from mlconnector.model import Outcome, Step, Tools
from mlconnector.systems.mailchimp.api import Api
from mlconnector.systems.mailchimp.bulk import Bulk
from mlconnector.systems.mailchimp.member import Audience, Draft, MergeField, clashes, hash_of_key
from mlconnector.systems.mailchimp.single import Single

FEW = 10
"""Up to so many members are looked at one by one before they are written: that read sees what happened just now.

Of more than these, those that are not linked yet are, if they are so few; for the others the list of archived
members is read, and such a list may lag by seconds (sheet 4.10)."""
REFRESH_SECONDS = 10.0
"""How old the list of archived members may get before its news are read."""

Standing = Literal["archived", "absent", "there", "not-looked"]


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
        with _needed("its audiences"):
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
        self._bulk = Bulk(self._api, self._audience, self._single, self._tools)

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
        together: list[Draft] = []
        for draft, standing in zip(drafts, self._standings(drafts), strict=True):
            alone = _single_for(single, draft, standing)
            if alone is not None:
                outcomes[draft.step.source_id] = bulk.guarded(alone, draft)
            else:
                together.append(replace(draft, seen=True) if standing == "there" else draft)
        if together:
            bulk.send(together, outcomes)

    def _standings(self, drafts: Sequence[Draft]) -> list[Standing]:
        writes = [draft for draft in drafts if draft.step.action != "remove"]
        unlinked = [draft for draft in writes if draft.old_hash != draft.hash]
        looked_at = writes if len(writes) <= FEW else unlinked if len(unlinked) <= FEW else []
        found = {draft.step.source_id: self._look(draft) for draft in looked_at}
        if len(looked_at) < len(writes):
            with _needed("the list of archived members"):
                self._archived.refresh(self._audience.id if self._audience else "")
            rest = [draft for draft in writes if draft.step.source_id not in found]
            found.update((draft.step.source_id, self._list_says(draft)) for draft in rest)
        return [found.get(draft.step.source_id, "not-looked") for draft in drafts]

    def _list_says(self, draft: Draft) -> Standing:
        ours = self._single.put_away if self._single else {}
        return "archived" if draft.hash in self._archived or draft.hash in ours else "not-looked"

    def _look(self, draft: Draft) -> Standing:
        with _needed("a member by its address"):
            member = self._api.member(draft.audience.id, draft.hash)
        if member is None:
            return "absent"
        return "archived" if member.status == "archived" else "there"

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
    with _needed("the merge fields"):
        return dict(api.merge_fields(audience.id))


class Archived:
    """Hashes of the archived members of an audience; shared by the lanes of a run."""

    def __init__(self, api: Api, tools: Tools) -> None:
        self._api = api
        self._tools = tools
        self._hashes: set[str] = set()
        self._read_at: datetime | None = None
        self._news_since: datetime | None = None  # by Mailchimp's clock, not by this machine's
        self._lock = threading.Lock()

    def __contains__(self, hash_: str) -> bool:
        return hash_ in self._hashes

    def refresh(self, audience: str) -> None:
        """Reads the list once, its news every REFRESH_SECONDS."""
        with self._lock:
            now = self._tools.now()
            if self._read_at is not None and (now - self._read_at).total_seconds() < REFRESH_SECONDS:
                return
            found, began = self._api.archived(audience, self._news_since)
            self._hashes |= found
            self._news_since = began - timedelta(hours=1) if began else None
            self._read_at = now


@contextmanager
def _needed(what: str) -> Iterator[None]:
    """A refusal here is not one member's: without `what` nothing can be written safely."""
    try:
        yield
    except Rejected as error:
        raise ConfigError(
            f"mailchimp does not give {what}: {error.message}",
            hint="run: mlconnector check",
            request_id=error.request_id,
        ) from None


def _single_for(single: Single, draft: Draft, standing: Standing) -> Callable[[Draft], Outcome] | None:
    if draft.step.action == "remove":
        return single.remove
    if standing == "archived":
        return single.revive
    if draft.old_hash is not None and (draft.old_hash != draft.hash or draft.sent_to or standing == "absent"):
        return single.follow
    return single.upsert if draft.archived_by_us else None
