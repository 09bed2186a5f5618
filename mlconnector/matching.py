"""Finds out where a counterpart is, or whether there is one already, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlconnector.decide import UNDECIDED, WAITS
from mlconnector.lanes import Job, Lanes, Planned
from mlconnector.model import Action, LedgerEntry, Outcome, Step
from mlconnector.systems.base import Names

Found = Mapping[str, Sequence[str]]
"""Remote ids by key."""
NEW = "new"
"""In the memo of a record that a person wants to have made."""
MAY_BE_THERE = Outcome(
    "failed",
    code="may-be-there",
    reason="it was sent without an answer, and nothing that it is matched by would find it there",
)
SHOWN = 5
"""So many candidates are named where one would have to be chosen."""


@dataclass(slots=True)
class Matching:
    """Asks the target by key, in one call for all plans of a batch."""

    job: Job
    lanes: Lanes
    _made: dict[str, str] = field(default_factory=dict)
    """Keys of the records that this run makes, and whose they are: the first of two that match each other is made."""
    _unclear: Mapping[str, LedgerEntry] = field(default_factory=dict)
    """Keys under which a record of an earlier send may be there, whose answer got lost."""

    def look_where_they_are(self, plans: Sequence[Planned]) -> None:
        """Of records that leave or that nothing is sent for, and that may be at some keys: finds out at which."""
        for plan in plans:
            entry, decided = plan.entry, plan.decided
            if entry is None or not entry.tried:
                continue
            if isinstance(decided, Step) and decided.action == "remove" and decided.target_id is None:
                for key, hit in self._found_at(plan.known.tried_keys):
                    plan.decided = replace(decided, was_key=key, target_id=hit)
            elif isinstance(decided, Outcome) and decided.status == "skipped":
                was_key = (entry.target_key,) if entry.target_id and entry.target_key else ()
                for key, hit in self._found_at((*was_key, *plan.known.tried_keys)):
                    plan.decided = replace(decided, key=key, target_id=hit)
                plan.looked = True

    def _found_at(self, keys: Sequence[str]) -> Sequence[tuple[str, str]]:
        """The first of these keys that something is there under, with its id; empty if there is none."""
        found = self.job.target.find(self.job.flow.into, keys)
        return [(key, hit) for key in keys for hit in found.get(key, ())][:1]

    def look_first(self, plans: Sequence[Planned]) -> None:
        """Asks the target by key before something is created that would be, or may already be, there."""
        creates = [
            plan for plan in plans if isinstance(plan.decided, Step) and plan.decided.action == "create"
        ]
        looked_for = {plan.source_id: self._keys_to_look_for(plan) for plan in creates if not _is_new(plan)}
        keys = {key for keys in looked_for.values() for key in keys}
        found = self.job.target.find(self.job.flow.into, keys) if keys else {}
        linked = {_goes_to(plan) for plan in (*plans, *self.lanes.claimed.values())}
        self._unclear = self.job.ledger.unclear(self.job.flow.name) if keys else {}
        for plan in sorted(
            creates, key=lambda plan: self._weakness(looked_for.get(plan.source_id, ()), found)
        ):
            self._settle(plan, looked_for.get(plan.source_id, ()), found, linked)
        self._say_by_what(creates, looked_for, found)

    def _say_by_what(
        self, plans: Sequence[Planned], looked_for: Mapping[str, Sequence[str]], found: Found
    ) -> None:
        """Of records that are only linked, so that a person can look through them."""
        steps = [
            (plan, plan.decided)
            for plan in plans
            if isinstance(plan.decided, Step) and plan.decided.action == "link"
        ]
        names = self._names([step.target_id or "" for _, step in steps]) if steps else {}
        for plan, step in steps:
            hit, keys = step.target_id or "", looked_for.get(plan.source_id, ())
            by = next((key.partition(":")[0] for key in keys if hit in found.get(key, ())), "")
            plan.decided = replace(step, why=f"{self.job.flow.into} {names.get(hit, hit)}, by {by}")

    def _weakness(self, keys: Sequence[str], found: Found) -> int:
        """The place of the kind of key that finds something: who is found by a number goes before a namesake."""
        kinds = self.job.ties.match
        kind = next((key.partition(":")[0] for key in keys if found.get(key)), "")
        return kinds.index(kind) if kind in kinds else len(kinds)

    def _keys_to_look_for(self, plan: Planned) -> Sequence[str]:
        """Under which keys a record may be in the target already: the one it was sent with may be an older one."""
        step = plan.decided
        assert isinstance(step, Step) and step.mapped is not None
        before = [one for one in step.tried_keys if one != step.mapped.key] if step.again else []
        if self.job.entity.upserts:
            return before
        return list(dict.fromkeys((*before, *(step.mapped.match or [step.mapped.key]))))

    def _settle(self, plan: Planned, keys: Sequence[str], found: Found, linked: set[str]) -> None:
        step = plan.decided
        assert isinstance(step, Step) and step.mapped is not None
        in_order = bool(step.mapped.match)
        each = [list(dict.fromkeys(found[key])) for key in keys if found.get(key)]
        hits = list(dict.fromkeys(hit for one in (each[:1] if in_order else each) for hit in one))
        free = [hit for hit in hits if hit not in linked and not self._is_anothers(hit, plan.source_id)]
        promised = [hit for hit in hits if hit in linked and not self._is_anothers(hit, plan.source_id)]
        unclear = len(hits) > 1 or len(free) < len(hits) if in_order else len(free) > 1
        makes_none = self.job.flow.new == "ignore" and not _is_new(plan)
        if step.again and self.job.flow.fields and list(keys) == [step.mapped.key]:
            plan.decided = MAY_BE_THERE
        elif in_order and (len(promised) == len(hits) == 1 or not self._may_have(keys, plan.source_id)):
            plan.decided = WAITS
        elif in_order and (asked := self._undecided_of(free)):
            plan.decided, plan.waits_for = self._waits_for(asked[0]), asked[0]
        elif unclear and not self.job.entity.upserts and (free or not makes_none):
            plan.decided = self._undecided(hits, free)
        elif free:
            action: Action = "link" if self.job.adopt else "update"
            plan.decided = replace(step, action=action, target_id=free[0])
            linked.add(free[0])
        elif makes_none:
            plan.decided = Outcome("skipped", code="no-counterpart", reason="the flow makes none for it")
        elif self.job.adopt:
            plan.decided = Outcome("held", code="no-match", reason="nothing there matches; a sync creates it")
        elif in_order:
            self._made.update(dict.fromkeys(keys, plan.source_id))

    def whose_match_is_decided(self) -> Sequence[str]:
        """Records that waited for a person's decision about one they match, which was made; the others wait on."""
        waiting = self.job.ledger.waiting_for_decisions(self.job.flow.name)
        undecided = set(self._undecided_of([hit for _, hit in waiting]))
        return [source_id for source_id, hit in waiting if hit not in undecided]

    def _waits_for(self, hit: str) -> Outcome:
        reason = f"{self._named([hit])} matches it, and a person has to say first what that one is"
        return Outcome("held", code="waits-for-decision", reason=reason)

    def _named(self, hits: Sequence[str]) -> str:
        """What people call them; a few are enough."""
        shown = hits[:SHOWN]
        names = self._names(shown)
        return ", ".join(names.get(hit, hit) for hit in shown) + (", …" if len(hits) > SHOWN else "")

    def _names(self, ids: Sequence[str]) -> Mapping[str, str]:
        target = self.job.target
        return target.names(self.job.flow.into, ids) if isinstance(target, Names) else {}

    def _undecided(self, hits: Sequence[str], free: Sequence[str]) -> Outcome:
        """It is never guessed which one is meant; a person says so with `mlconnector link`."""
        named = self._named(hits)
        if not free:
            reason = f"what matches is linked with another record already: {named}"
            return Outcome("failed", code="match-taken", reason=reason)
        reason = f"{len(hits)} records in the target match: {named}"
        return Outcome("failed", code="ambiguous-match", reason=reason)

    def _may_have(self, keys: Sequence[str], source_id: str) -> bool:
        """Not while another record is being made, or may have been, that it would match."""
        unclear = (self._unclear[key].source_id for key in keys if key in self._unclear)
        made = {self._made[key] for key in keys if key in self._made} & self.lanes.under_way
        return all(other == source_id for other in (*unclear, *made))

    def _undecided_of(self, hits: Sequence[str]) -> Sequence[str]:
        """Those of which a person has to say what they are, since several match them on the way there."""
        ledger, flows = self.job.ledger, self.job.ties.the_other_way
        entries = [entry for name in flows for entry in ledger.entries(name, hits).values()] if hits else []
        return [one.source_id for one in entries if one.status == "failed" and one.code in UNDECIDED]

    def _is_anothers(self, hit: str, source_id: str) -> bool:
        if not self.job.ties.keeps_links:
            return False
        flow = self.job.flow
        link = self.job.ledger.links((flow.target, flow.into), (flow.source, flow.entity), [hit]).get(hit)
        return link is not None and link.id != source_id


def _is_new(plan: Planned) -> bool:
    """Whether a person said that it is none of those that match (`mlconnector link … --new`); never after a send."""
    entry = plan.entry
    return entry is not None and entry.status == "held" and bool((entry.memo or {}).get(NEW))


def _goes_to(plan: Planned) -> str:
    return (plan.decided.target_id if isinstance(plan.decided, Step) else None) or ""
