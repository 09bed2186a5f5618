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
    may be at and that are nobody else's. `refs` are the remote ids of what it refers to, `missing` says
    which of these is not linked. `link` is its counterpart if
    the two are a pair, `changed` what it has to tell it (None: nobody knows). `forced` sends even what looks unchanged
    (replay).
    """

    entry: LedgerEntry | None = None
    owner: LedgerEntry | None = None
    old_owner: LedgerEntry | None = None
    removed: LedgerEntry | None = None
    tried_keys: tuple[str, ...] = ()
    refs: Mapping[str, str] = field(default_factory=dict)
    missing: Ref | None = None
    link: Link | None = None
    changed: frozenset[str] | None = None
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
        if entry is not None and entry.code == "key-taken" and entry.wants == mapped.key:
            return None
        return Outcome("skipped", code="key-taken", reason="another record of this flow has the same key")
    if known.missing is not None:
        reason = f"{known.missing.entity} {known.missing.id}, which it refers to, is not there yet"
        return _unless_told(entry, Outcome("held", code="waits-for-reference", reason=reason))
    if known.link is not None and _is_in_step(entry, known):
        return None if entry is not None and entry.digest == mapped.digest else _in_step(known.link)
    if entry is None:
        return _create(change, mapped, known)
    if entry.status in ("sending", "unknown"):
        if entry.updated_at and now - datetime.fromisoformat(entry.updated_at) < settle:
            return None
        return _send(change, mapped, known, entry, again=True)
    if not known.forced and _same(entry, mapped, known, flow, now):
        return None
    return _send(change, mapped, known, entry)


UNDECIDED = frozenset({"ambiguous-match", "match-taken", "may-be-there", "no-counterpart"})
"""A person has to say which counterpart is meant, or none is wanted; asking again would give the same answer."""
WAITS = Outcome(
    "held",
    code="waits-for-another",
    reason="another record may have come to its counterpart; that is found out first",
)


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
    sent = entry.attempts > 0 or (entry.code in UNDECIDED and known.link is None)
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
        return Step("update", change.id, mapped, known.link.id, entry.target_key, entry.memo, again)
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
        return Step("update", change.id, mapped, known.link.id)
    gone = known.removed
    if gone is not None and gone.target_id is not None:
        # the counterpart was removed for a record that is gone; this one has the same key and inherits it
        return Step("update", change.id, mapped, gone.target_id, was_key=gone.target_key, memo=gone.memo)
    return Step("create", change.id, mapped)


def _gone(change: Change, known: Known, flow: Flow) -> Step | Outcome | None:
    entry = known.entry
    if entry is None or entry.status == "removed":
        return None
    if flow.on_delete == "archive" and may_be_there(entry) and _in_question(known):
        return _unless_told(entry, WAITS)
    if flow.on_delete == "archive" and may_be_there(entry) and not _is_others(known):
        return _remove(change, entry, known, "gone")
    return _unless_told(
        entry, Outcome("skipped", code="gone", reason="deleted in the source; its counterpart stays as it is")
    )


def _skipped(skip: Skip, known: Known, change: Change, flow: Flow) -> Step | Outcome | None:
    entry = known.entry
    if entry is not None and skip.leaves and flow.on_exclude == "archive":
        if entry.status == "removed":
            return None
        if may_be_there(entry) and _in_question(known):
            return _unless_told(entry, WAITS)
        if may_be_there(entry) and not _is_others(known):
            return _remove(change, entry, known, skip.code)
    return _unless_told(entry, Outcome("skipped", code=skip.code, reason=skip.reason))


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
