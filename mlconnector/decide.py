"""What to do with one record: the table of DESIGN 5 as one pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta

from mlconnector.model import Change, Flow, LedgerEntry, Link, Mapped, Outcome, Ref, Skip, Step, value


@value
class Known:
    """What the ledger says of a record and of the keys it touches.

    `entry` is its own row. `owner` is the row that owns the key it maps to now, `old_owner` the row that owns the
    key it had, `removed` what is known of a counterpart that had the key and was removed. `tried_keys` are those it
    may be at and that are nobody else's. `refs` are the remote ids of what it refers to, `missing` says which of these
    is not linked, `why_missing` why it will not come by itself ("": it may). `upserts` is the target's: where it does,
    two records with one key are one. `link` is its counterpart if the two are a pair, `changed` what it has to tell it
    (None: nobody knows), `only_left_out` if that is nothing but what the target did not take before. `moved`: its
    fields are not those that were seen, even if that changes nothing. `forced` (a replay) sends what looks unchanged.
    """

    entry: LedgerEntry | None = None
    owner: LedgerEntry | None = None
    old_owner: LedgerEntry | None = None
    removed: LedgerEntry | None = None
    tried_keys: tuple[str, ...] = ()
    refs: Mapping[str, str] = field(default_factory=dict)
    missing: Ref | None = None
    why_missing: str = ""
    upserts: bool = True
    link: Link | None = None
    changed: frozenset[str] | None = None
    only_left_out: bool = False
    moved: bool = False
    forced: bool = False


def decide(
    change: Change, mapped: Mapped | Skip | None, known: Known, flow: Flow, settle: timedelta, now: datetime
) -> Step | Outcome | None:
    """A Step to send, an Outcome to settle without sending, or None where the ledger already says it all.

    `mapped` is None exactly for a delete. `settle` is how long the target's look-ups lag behind its writes. A Step with
    `again` was sent before without a clear answer; one with action "create" for a target that does not upsert has to be
    looked up first.
    """
    if mapped is None:
        return _gone(change, known, flow)
    if isinstance(mapped, Skip):
        return _skipped(mapped, known, change, flow)
    entry = known.entry
    if known.owner is not None and known.owner.source_id != change.id:
        taken = _taken(mapped.key, known.owner, upserts=known.upserts)
        return None if entry is not None and (entry.code, entry.wants) == (taken.code, mapped.key) else taken
    if known.missing is not None:
        waits = _without_reference(known.missing, known.why_missing)
        return None if entry is not None and entry.reason == waits.reason else waits
    if known.link is not None and _is_in_step(entry, known):
        told = entry is not None and entry.digest == mapped.digest and not known.moved
        return None if told else _in_step(known.link)
    if entry is None:
        return _create(change, mapped, known)
    if entry.status in ("sending", "unknown"):
        if entry.updated_at and now - datetime.fromisoformat(entry.updated_at) < settle:
            return None
        return _send(change, mapped, known, entry, again=True)
    if not known.forced and _same(entry, mapped, known, flow, now):
        return None
    return _send(change, mapped, known, entry)


UNDECIDED = frozenset(
    {"ambiguous-match", "contradicting-match", "match-taken", "may-be-there", "no-counterpart"}
)
"""A person has to say which counterpart is meant, or none is wanted; asking again would give the same answer."""
REFUSED = b""
"""In place of a digest: a counterpart that was to go and stayed. If its record comes back it is looked at again."""
WAITS = Outcome(
    "held",
    code="waits-for-another",
    reason="another record may have come to its counterpart; that is found out first",
)


def _taken(key: str, owner: LedgerEntry, *, upserts: bool) -> Outcome:
    """Two members with one address are one person; of two documents with one number one would be lost."""
    if upserts:
        return Outcome("skipped", code="key-taken", reason="another record of this flow has the same key")
    reason = f"{owner.source_id} of this flow has the same one, {key.partition(':')[2]}; nothing was sent"
    return Outcome("failed", code="reference-taken", reason=reason)


def _without_reference(ref: Ref, why: str) -> Outcome:
    named = f"{ref.entity} {ref.id}, which it refers to,"
    if why:
        return Outcome("failed", code="reference-left-out", reason=f"{named} {why}")
    return Outcome("held", code="waits-for-reference", reason=f"{named} is not there yet")


def _is_in_step(entry: LedgerEntry | None, known: Known) -> bool:
    """Whether all that changed of a record came from its counterpart."""
    settled = entry is None or entry.status == "done"
    return settled and known.changed == frozenset() and not known.forced


def _in_step(link: Link) -> Outcome:
    reason = "nothing changed but what its counterpart brought"
    return Outcome("unchanged", target_id=link.id, code="in-step", reason=reason)


def _same(entry: LedgerEntry, mapped: Mapped, known: Known, flow: Flow, now: datetime) -> bool:
    if entry.status == "done":
        same = entry.digest == mapped.digest and not known.changed
        return same or (flow.mode == "create_once" and entry.target_id is not None)
    sent = known.link is None if entry.code in UNDECIDED else entry.attempts > 0
    refused = entry.status in ("failed", "skipped") and sent
    if not refused or (entry.retry_at is not None and datetime.fromisoformat(entry.retry_at) <= now):
        return False
    return (
        entry.digest == mapped.digest
    )  # refused with this very content: it waits for another one, or for replay


def may_be_there(entry: LedgerEntry) -> bool:
    """Whether it has a counterpart, or may have one: it was sent, and no clear answer came."""
    return entry.target_id is not None or entry.status in ("sending", "unknown") or bool(entry.tried)


def _send(
    change: Change, mapped: Mapped, known: Known, entry: LedgerEntry, *, again: bool = False
) -> Step | Outcome | None:
    if known.link is not None:
        memo = entry.memo or {}  # not None: nobody has to find out any more whether it is the one
        return Step("update", change.id, mapped, known.link.id, entry.target_key, memo, again)
    other = _is_others(known)
    if entry.target_id is not None and _in_question(known):
        return _unless_told(entry, WAITS)
    inherits = known.removed.memo if known.removed is not None else None
    if entry.target_id is not None and not (other and _stolen(entry, known)):
        step = Step("update", change.id, mapped, entry.target_id, entry.target_key, entry.memo, again)
        return replace(step, tried_keys=known.tried_keys, inherits=inherits)
    if entry.target_id is not None and entry.status == "skipped" and entry.attempts:
        return None  # the target said no to its counterpart: another one must not be made in its place
    if not (again or known.tried_keys):
        return _create(change, mapped, known)
    # it was on its way under these keys, and nobody knows whether it arrived: it is looked for there
    step = Step("create", change.id, mapped, again=True)
    return replace(step, tried_keys=known.tried_keys, inherits=inherits)


def _stolen(entry: LedgerEntry, known: Known) -> bool:
    """Whether the counterpart is that of the record which owns the key now."""
    other = known.old_owner
    assert other is not None
    return other.target_id is not None and other.target_id == entry.target_id


def _in_question(known: Known) -> bool:
    """Whether another record is on its way to the key it had, or may be there: then whose the counterpart is."""
    return (
        _is_others(known) and known.old_owner is not None and known.old_owner.status in ("sending", "unknown")
    )


def _create(change: Change, mapped: Mapped, known: Known) -> Step:
    if known.link is not None:
        return Step("update", change.id, mapped, known.link.id, memo={})
    gone = known.removed
    if gone is not None and gone.target_id is not None and known.upserts:
        # the counterpart was removed for a record that is gone; this one has the same key and inherits it
        return Step("update", change.id, mapped, gone.target_id, was_key=gone.target_key, memo=gone.memo)
    return Step("create", change.id, mapped)


def _gone(change: Change, known: Known, flow: Flow) -> Step | Outcome | None:
    entry = known.entry
    if entry is None or entry.status == "removed" or _stayed(change, entry, known):
        return None
    if flow.on_delete == "archive" and may_be_there(entry) and _in_question(known):
        return _unless_told(entry, WAITS)
    if flow.on_delete == "archive" and may_be_there(entry) and not _is_others(known):
        return _remove(change, entry, known, "gone")
    if flow.fields and (known.link is not None or entry.target_id is not None):
        reason = (
            f"deleted in {flow.source}, or merged into another; its {flow.into} in {flow.target} is left over"
        )
        return _unless_told(entry, Outcome("skipped", code="left-over", reason=reason))
    return _unless_told(
        entry, Outcome("skipped", code="gone", reason="deleted in the source; its counterpart stays as it is")
    )


def _skipped(skip: Skip, known: Known, change: Change, flow: Flow) -> Step | Outcome | None:
    entry = known.entry
    if entry is not None and skip.leaves and flow.on_exclude == "archive":
        if entry.status == "removed" or _stayed(change, entry, known):
            return None
        if may_be_there(entry) and _in_question(known):
            return _unless_told(entry, WAITS)
        if may_be_there(entry) and not _is_others(known):
            return _remove(change, entry, known, skip.code)
    return _unless_told(entry, Outcome("skipped", code=skip.code, reason=skip.reason))


def _stayed(change: Change, entry: LedgerEntry, known: Known) -> bool:
    """Whether its counterpart was to go and stayed, and nothing about the record changed since."""
    refused = entry.status == "failed" and entry.digest == REFUSED and entry.retry_at is None
    return refused and not known.forced and not _is_newer(change, entry)


def _is_newer(change: Change, entry: LedgerEntry) -> bool:
    """Whether it changed since it was settled; the ledger has stamps to the millisecond."""
    if change.modified is None:
        return False
    then = entry.source_modified
    return then is None or change.modified - datetime.fromisoformat(then) >= timedelta(milliseconds=1)


def _is_others(known: Known) -> bool:
    """Whether the key it had, and so the counterpart, belongs to another record by now."""
    entry, other = known.entry, known.old_owner
    return entry is not None and other is not None and other.source_id != entry.source_id


def _remove(change: Change, entry: LedgerEntry, known: Known, why: str) -> Step:
    step = Step("remove", change.id, None, entry.target_id, was_key=entry.target_key, memo=entry.memo)
    return replace(step, tried_keys=known.tried_keys, why=why)


def _unless_told(entry: LedgerEntry | None, outcome: Outcome) -> Outcome | None:
    if entry is not None and entry.status == outcome.status and entry.code == outcome.code:
        return None
    return outcome
