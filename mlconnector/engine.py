"""One run of one flow, in one straight line (DESIGN 3):

signals → Batch → flow.map → decide → Step → ledger.begin → target.write → Outcome → ledger.finish → watermark

Nothing lies behind the watermark that the ledger does not hold. Only the main thread touches the ledger; the next
page is read in one thread and chunks are written in others, and no two of them ever hold the same record or key.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from mlconnector import signals
from mlconnector.decide import Known, decide
from mlconnector.errors import BrakeError, Rejected
from mlconnector.lanes import Job, Lanes, Planned, Ticket
from mlconnector.ledger import Settled
from mlconnector.ledger.forgetting import REASON
from mlconnector.ledger.rows import reference_key
from mlconnector.matching import Matching
from mlconnector.model import Batch, Change, LedgerEntry, Link, Mapped, Outcome, Ref, Skip, Step
from mlconnector.pairs import Made, changed_fields, digest_with, left_out, moved_fields
from mlconnector.remedies import remedy

log = logging.getLogger("mlconnector.engine")

ROUNDS = 4
"""How often records are taken up again whose key came free, or that were found elsewhere; one may wait for another."""
HOLD = 2_000
"""Steps kept in memory while the brake is undecided; beyond that the source is read a second time."""
_FORGOTTEN = Skip("forgotten", REASON)


class FlowRun:
    """Runs one job. Use it once: one of the methods `sync`, `full`, `backfill`; or `replay`, also again."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.lanes = Lanes(job)
        self._matching = Matching(job, self.lanes)
        self._forgotten = job.ledger.forgotten(job.flow.name)
        self._whole = False

    @property
    def _ends(self) -> tuple[tuple[str, str], tuple[str, str]]:
        flow = self.job.flow
        return (flow.source, flow.entity), (flow.target, flow.into)

    @property
    def counts(self) -> Counter[str]:
        """Records by how they came out, and `read`, `waiting` (not settled, nothing new to do)."""
        return self.lanes.counts

    # what can be run

    def sync(self) -> Counter[str]:
        """Leftovers first, then everything since the watermark; then the watermark moves."""
        job = self.job
        with self.lanes.opened():
            watermark = job.ledger.watermark(job.flow.name)
            if watermark is not None:  # without one everything is read anyway
                self._leftovers()
            self._poll(lambda: signals.poll(job.source, job.flow.entity, watermark, job.overlap))
            if watermark is None:
                self._leftovers()
        return self.counts

    def full(self) -> Counter[str]:
        """Reads everything, sends what differs, and asks for what a complete read did not show: it may be gone."""
        job = self.job
        with self.lanes.opened():
            self._whole = not job.flow.follows  # such a source shows only what is open: nothing is gone
            job.ledger.forget_seen()
            self._poll(lambda: job.source.read(job.flow.entity, None))
            self._leftovers()
        return self.counts

    def backfill(self, since: str | None, until: str | None) -> Counter[str]:
        """Reads a window, or the rest of one that was interrupted; the watermark is left alone."""
        job, name = self.job, self.job.flow.name
        begun = job.ledger.backfill(name)
        if begun is None or (begun.since, begun.until) != (since, until):
            job.ledger.start_backfill(name, since, until)
            begun = None
        resume = begun.cursor if begun else None
        done = begun.read if begun else 0

        def passed(ticket: Ticket) -> None:
            nonlocal done
            done += ticket.size
            if ticket.cursor is not None:
                job.ledger.advance_backfill(name, ticket.cursor, done)

        with self.lanes.opened():
            self.lanes.passed = passed
            self._poll(lambda: job.source.read(job.flow.entity, since, until=until, resume=resume))
            job.ledger.end_backfill(name)
        return self.counts

    def replay(self, ids: Sequence[str], *, forced: bool = True) -> Counter[str]:
        """Fetches these records anew and sends them, with `forced` even if they look unchanged."""
        with self.lanes.opened():
            self._fetched(ids, forced=forced)
            self._settle_released()
        return self.counts

    # the line

    def _poll(self, read: Callable[[], Iterable[Batch]]) -> None:
        ledger, name = self.job.ledger, self.job.flow.name
        checkpoints: list[str] = []
        moves_watermark = self.lanes.passed is None
        if moves_watermark:
            self.lanes.passed = lambda ticket: (
                checkpoints.append(ticket.checkpoint) if ticket.checkpoint else None
            )
        held = self._survey(read) if self._brake_limit() else None
        if held is None:
            self._stream(read())
        else:
            for ticket, plans in held:
                self.lanes.carry_out(plans, ticket)
        self.lanes.drain()
        if self._whole:
            self._fetched(ledger.unseen(name))
        self.lanes.passed = None
        self._settle_released()
        if checkpoints and self.job.limit is None:
            ledger.set_watermark(name, checkpoints[-1])

    def _brake_limit(self) -> int:
        """How many known records may change in this run; 0 means that the brake has no say."""
        if self.job.brake is None or self.job.limit is not None:
            return 0
        known = self.job.ledger.count_done(self.job.flow.name)
        return self.job.brake.limit(known) if known else 0

    def _survey(self, read: Callable[[], Iterable[Batch]]) -> list[tuple[Ticket, list[Planned]]] | None:
        """Plans everything before the first write. None: there is too much to keep, read it again and write."""
        limit = self._brake_limit()
        before = self.counts.copy()
        touched = 0
        held: list[tuple[Ticket, list[Planned]]] | None = []
        for batch in self._incoming(read()):
            twice = any(change.id in self.lanes.under_way for change in batch.changes)
            plans = self._plan(batch)
            touched += sum(plan.touches_known for plan in plans)
            self._check_brake(touched, limit)
            if held is not None and not twice and len(self.lanes.under_way) <= HOLD:
                held.append((Ticket.of(batch), plans))
                continue
            held = None
            self.lanes.forget_claims()
        if self._whole:
            self._check_brake(touched + self.job.ledger.count_unseen(self.job.flow.name), limit)
        if held is None:
            self.lanes.counts = before
        return held

    def _check_brake(self, touched: int, limit: int) -> None:
        if touched > limit:
            raise BrakeError(
                f"flow {self.job.flow.name}: more than {limit} known records would change or vanish in this run;"
                " nothing was written",
                hint="look at them with --dry-run; if it is meant, run once with --allow-mass-change",
            )

    def _stream(self, batches: Iterable[Batch], *, forced: bool = False) -> None:
        for batch in self._incoming(batches):
            if any(change.id in self.lanes.under_way for change in batch.changes):
                self.lanes.drain()  # the same record is on its way already: let it settle first
            self.lanes.carry_out(self._plan(batch, forced=forced), Ticket.of(batch))

    def _incoming(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        in_this_thread = bool(self.job.flow.follows)  # the ledger is its source
        for batch in batches if in_this_thread else signals.ahead(batches):
            self.lanes.check_stop()
            self.counts["read"] += len(batch.changes)
            if self._whole:
                self.job.ledger.add_seen(change.id for change in batch.changes if change.kind == "upsert")
            yield batch

    def _leftovers(self) -> None:
        """What earlier runs left, and records that waited for a key which is free now."""
        if self.job.adopt:
            return
        self.job.ledger.release(self.job.flow.name)
        ledger, name = self.job.ledger, self.job.flow.name
        waiting = [*self._whose_reference_came(), *self._whose_reference_stays_away()]
        decided = self._matching.whose_match_is_decided()
        self._fetched([*ledger.leftovers(name, self.job.run_id), *waiting, *decided])

    def _whose_reference_came(self) -> list[str]:
        """Records that waited for one they refer to, which is linked by now; the others are not asked for."""
        here, there = self.job.flow.source, self.job.flow.target
        by_ends: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for source_id, ref in self.job.ledger.waiting_for_references(self.job.flow.name):
            by_ends.setdefault((ref.entity, ref.into), []).append((source_id, ref.id))
        came: list[str] = []
        for (entity, into), waiting in by_ends.items():
            links = self.job.ledger.links((here, entity), (there, into), {id_ for _, id_ in waiting})
            came += [source_id for source_id, id_ in waiting if id_ in links]
        return came

    def _whose_reference_stays_away(self) -> list[str]:
        """Records that wait for one which, as is known by now, will not come by itself."""
        ledger, name = self.job.ledger, self.job.flow.name
        waiting = ledger.waiting_for_references(name)
        entries = ledger.entries(name, {source_id for source_id, _ in waiting})
        held = [(entries[id_], ref) for id_, ref in waiting if entries[id_].status == "held"]
        return [entry.source_id for entry, ref in held if self._why_missing(ref, entry)]

    def _fetched(self, ids: Sequence[str], *, forced: bool = False) -> None:
        if ids:
            self._stream(signals.refetch(self.job.source, self.job.flow.entity, ids), forced=forced)
        self.lanes.drain()

    def _settle_released(self) -> None:
        """Takes up records that waited for a key which is free now; that may free another, so a few rounds."""
        for _ in range(ROUNDS):
            if not self.job.ledger.release(self.job.flow.name):
                break
            self._fetched(self.job.ledger.leftovers(self.job.flow.name, self.job.run_id))
        self._put_away()

    def _put_away(self) -> None:
        """Removes the counterparts that were left behind and that nobody wants."""
        ledger, name = self.job.ledger, self.job.flow.name
        for source_id, left in ledger.parted.left_behind(name):
            if ledger.is_wanted(name, left.key):
                ledger.parted.settle_left(name, left.key)
                continue
            step = Step("remove", source_id, None, left.target_id, was_key=left.key)
            outcome = self.lanes.write_alone(step)
            if outcome.status == "removed":
                ledger.parted.settle_left(name, left.key, self.job.run_id, step, outcome)
            elif outcome.status != "planned":
                ledger.parted.keep_left(name, left.key, self.job.run_id, step, outcome)
                if outcome.status == "failed":  # it is not tried again: the others come up by themselves
                    entry = ledger.entries(name, [source_id]).get(source_id)
                    one = Settled(source_id, outcome, step, left.key, name=entry.name if entry else "")
                    self.job.observer.settled(name, one)

    # planning: reads the ledger, writes nothing

    def _plan(self, batch: Batch, *, forced: bool = False) -> list[Planned]:
        flow, ledger, entity = self.job.flow, self.job.ledger, self.job.entity
        changes = {change.id: change for change in batch.changes}
        entries = ledger.entries(flow.name, changes.keys())
        records = {one.id: self._map(one) for one in changes.values()}
        keys = _keys_in_question(records, entries)
        owners = {**ledger.unclear(flow.name), **ledger.owners(flow.name, keys)}
        removed = ledger.parted.among(flow.name, keys - owners.keys())
        now = self.job.now()
        links = ledger.links(*self._ends, changes.keys()) if self.job.ties.keeps_links else {}
        entries |= self._given_away(entries, links)
        plans: list[Planned] = []
        for change in changes.values():
            entry, record = entries.get(change.id), records[change.id]
            known = self._known(change, record, entry, owners, removed, forced)
            if isinstance(record, Mapped) and known.refs:
                record = _with_refs(record, known.refs)
            if (link := links.get(change.id)) is not None:
                known = self._compared(change, record, replace(known, link=link), link)
            decided = (
                record
                if isinstance(record, Outcome)
                else decide(change, record, known, flow, entity.settle, now)
            )
            if decided is None or (self.job.adopt and _writes(decided)):
                self.counts["unchanged" if entry and entry.status == "done" else "waiting"] += 1
                continue
            plan = self._planned(change, record, known, decided)
            self.lanes.claim(plan)
            plans.append(plan)
        self._matching.look_where_they_are(plans)
        self._matching.look_first(plans)
        self.job.observer.progress(flow.name, self.counts)
        return plans

    def _compared(
        self, change: Change, record: Mapped | Skip | Outcome | None, known: Known, link: Link
    ) -> Known:
        """With what changed of a record since it was last in step with its counterpart."""
        flow = self.job.flow
        if not flow.fields or not isinstance(record, Mapped):
            return known
        made = Made(record.body, known.refs)
        moved = moved_fields(flow, change.record, link)
        changed = changed_fields(flow, moved, made, link)
        if changed is None:
            return known
        again = left_out(made, link) if known.forced or self._whole else frozenset[str]()
        return replace(
            known,
            changed=changed | again,
            only_left_out=bool(again) and not changed,
            moved=bool(moved),
        )

    def _given_away(
        self, entries: Mapping[str, LedgerEntry], links: Mapping[str, Link]
    ) -> dict[str, LedgerEntry]:
        """Entries of records whose counterpart was linked with another one since, by a person: as if they had none."""
        if not self.job.ties.keeps_links:
            return {}
        here, there = self._ends
        had = {id_: entry.target_id for id_, entry in entries.items() if entry.target_id and id_ not in links}
        owners = self.job.ledger.links(there, here, set(had.values()))
        lost = [id_ for id_, target in had.items() if target in owners and owners[target].id != id_]
        return {id_: replace(entries[id_], target_id=None) for id_ in lost}

    def _map(self, change: Change) -> Mapped | Skip | Outcome | None:
        if change.kind == "delete":
            return None
        if self._forgotten and f"{change.entity}:{change.id}" in self._forgotten:
            return _FORGOTTEN  # whatever the mapping would say of a person who is known by this key
        try:
            mapped = self.job.flow.map(change)
        except Rejected as error:
            return Outcome("failed", code=error.code, reason=error.message, request_id=error.request_id)
        except Exception as error:  # the boundary of one record: it fails, the others go on
            log.exception("mapping failed for %s %s", change.entity, change.id)
            return Outcome(
                "failed", code="mapping-error", reason=f"the mapping failed with {type(error).__name__}"
            )
        if self._forgotten and isinstance(mapped, Mapped) and mapped.key in self._forgotten:
            return _FORGOTTEN
        return mapped

    def _planned(
        self,
        change: Change,
        record: Mapped | Skip | Outcome | None,
        known: Known,
        decided: Step | Outcome,
    ) -> Planned:
        """Of a person who asked to be forgotten nothing is put on record but the source id."""
        if record is _FORGOTTEN:
            return Planned(change.id, None, "", None, known, decided)
        mapped = record if isinstance(record, Mapped) else None
        if isinstance(decided, Step) and mapped is not None and not self.job.entity.upserts:
            seen = known.link.other_seen if known.link is not None else {}
            decided = replace(
                decided, changed=known.changed, seen=seen, modified=change.modified, refs=known.refs
            )
        kept = change.record if self.job.flow.fields else {}
        name = self._name(change, known)
        return Planned(change.id, change.modified, name, mapped, known, decided, kept)

    def _name(self, change: Change, known: Known) -> str:
        """What people call it; of a record that is gone or came broken, what they called it last."""
        with suppress(Rejected):  # it says so when it is looked into
            if found := str(change.record.get(self.job.named_by) or ""):
                return found
        return known.entry.name if known.entry is not None else ""

    def _known(
        self,
        change: Change,
        record: Mapped | Skip | Outcome | None,
        entry: LedgerEntry | None,
        owners: Mapping[str, LedgerEntry],
        removed: Mapping[str, LedgerEntry],
        forced: bool,
    ) -> Known:
        old_key = entry.target_key if entry else None
        old_owner = self._owner(old_key, change.id, owners) if old_key else None
        tried = (
            tuple(key for key in entry.tried_keys if self._is_free(key, change.id, owners)) if entry else ()
        )
        if not isinstance(record, Mapped):
            return Known(entry, old_owner=old_owner, tried_keys=tried, forced=forced)
        refs, missing = self._references(record) if record.refs else ({}, None)
        return Known(
            entry,
            owner=self._owner(record.key, change.id, owners),
            old_owner=old_owner,
            removed=removed.get(record.key),
            tried_keys=tried,
            refs=refs,
            missing=missing,
            why_missing=self._why_missing(missing, entry) if missing is not None else "",
            upserts=self.job.entity.upserts,
            forced=forced,
        )

    def _owner(self, key: str, source_id: str, owners: Mapping[str, LedgerEntry]) -> LedgerEntry | None:
        plan = self.lanes.claimed.get(key) or self.lanes.leaving.get(key)
        if plan is None or plan.source_id == source_id:
            return owners.get(key)
        goes_to = plan.decided.target_id if isinstance(plan.decided, Step) else None
        return LedgerEntry(self.job.flow.name, plan.source_id, "sending", target_key=key, target_id=goes_to)

    def _is_free(self, key: str, source_id: str, owners: Mapping[str, LedgerEntry]) -> bool:
        owner = self._owner(key, source_id, owners)
        return owner is None or owner.source_id == source_id

    def _references(self, record: Mapped) -> tuple[dict[str, str], Ref | None]:
        """The remote ids of what it refers to, by field, and the first that is not there yet."""
        here, there = self.job.flow.source, self.job.flow.target
        found: dict[str, str] = {}
        for ref in record.refs:
            link = self.job.ledger.links((here, ref.entity), (there, ref.into), [ref.id]).get(ref.id)
            if link is not None:
                found[ref.field] = link.id
            elif not ref.optional:
                return found, ref
        return found, None

    def _why_missing(self, ref: Ref, entry: LedgerEntry | None) -> str:
        """Why what it refers to will not come by itself, and what to do; "" as long as it may."""
        ledger, makers = self.job.ledger, self.job.ties.makers
        if makers is None:
            return ""
        names = makers.get((ref.entity, ref.into), ())
        found = [one for name in names for one in ledger.entries(name, [ref.id]).values()]
        if left := [one for one in found if not _may_come(one)]:
            one = left[0]
            advice = remedy(one.code, one.status, one.flow, one.source_id)
            return "" if len(left) < len(found) else f"is {one.status} in {one.flow}, {one.code}. {advice}"
        if not names:
            return "is made by no flow of this connection that is enabled"
        waited = entry is not None and entry.wants == reference_key(ref) and not self._is_of_this_run(entry)
        if found or not waited or any(ledger.watermark(name) is None for name in names):
            return ""
        return f"was not shown to {', '.join(names)}: it is deleted, or hidden from the user of the token"

    def _is_of_this_run(self, entry: LedgerEntry) -> bool:
        """Whether it began to wait just now."""
        return entry.code == "waits-for-reference" and entry.run_id == self.job.run_id


def _may_come(entry: LedgerEntry) -> bool:
    """Whether a record that has no counterpart yet gets one by itself."""
    if entry.status == "failed":
        return entry.retry_at is not None
    return entry.status not in ("skipped", "removed") and entry.code != "waits-for-decision"


def _keys_in_question(
    records: Mapping[str, Mapped | Skip | Outcome | None], entries: Mapping[str, LedgerEntry]
) -> set[str]:
    """Keys whose owner has to be looked up: that of a record which is settled under it is its own."""
    keys: set[str] = set()
    for id_, record in records.items():
        entry = entries.get(id_)
        key = record.key if isinstance(record, Mapped) else None
        old_key = entry.target_key if entry is not None else None
        if entry is not None and entry.status == "done" and key in (None, old_key):
            continue
        tried = entry.tried_keys if entry is not None else ()
        keys.update(one for one in (key, old_key, *tried) if one is not None)
    return keys


def _with_refs(mapped: Mapped, refs: Mapping[str, str]) -> Mapped:
    """`{company}` in its keys to match by becomes the remote id of its company; the digest covers all such ids."""
    match = mapped.match
    for field, target_id in refs.items():
        match = tuple(key.replace(f"{{{field}}}", target_id) for key in match)
    return replace(mapped, match=match, digest=digest_with(mapped.digest, refs))


def _writes(decided: Step | Outcome) -> bool:
    """Whether it would change a counterpart that is known already."""
    return isinstance(decided, Step) and decided.action != "create"
