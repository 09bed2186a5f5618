"""The table of DESIGN 5 row by row, and what holds for any record, whatever the ledger says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlconnector.decide import REFUSED, WAITS, Known, decide
from mlconnector.model import Change, Flow, LedgerEntry, Link, Mapped, Outcome, Ref, Skip, Step

AT_ONCE = timedelta(0)
NOW = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
EARLIER, LATER = "2026-07-01T07:00:00.000Z", "2026-07-01T09:00:00.000Z"
OLD, NEW = b"o" * 16, b"n" * 16
ANNA = Mapped("email:anna@nordkran.se", {"FNAME": "Anna"}, NEW)
LEFT = Skip("excluded", "filtered", leaves=True)
BOSS = Ref("boss", "boss", "b1", "boss")
HELD = Outcome("held", code="waits-for-reference", reason="boss b1, which it refers to, is not there yet")
TAKEN = Outcome("skipped", code="key-taken", reason="another record of this flow has the same key")
GONE = Outcome("skipped", code="gone", reason="deleted in the source; its counterpart stays as it is")


def row(status: str, source_id: str = "c1", **known: Any) -> LedgerEntry:
    known.setdefault("target_key", ANNA.key)
    return LedgerEntry("f", source_id, status, **known)


def flow(**options: Any) -> Flow:
    return Flow("f", "erp", "customer", "mail", "member", lambda change: ANNA, **options)


def decided(
    mapped: Mapped | Skip | None,
    entry: LedgerEntry | None = None,
    *,
    settle: timedelta = AT_ONCE,
    options: dict[str, Any] | None = None,
    **known: Any,
) -> Step | Outcome | None:
    change = Change("customer", "c1", "delete" if mapped is None else "upsert", NOW, {})
    return decide(change, mapped, Known(entry, **known), flow(**options or {}), settle, NOW)


CREATE = Step("create", "c1", ANNA)
UPDATE = Step("update", "c1", ANNA, "t1", was_key=ANNA.key)
SENT = row("done", target_id="t1", digest=OLD)


@pytest.mark.parametrize(
    ("entry", "step"),
    [
        (None, CREATE),
        (SENT, UPDATE),
        (row("done", target_id="t1", digest=NEW), None),
        (row("done", "c1", target_key="email:old@nordkran.se", target_id="t1", digest=OLD),
         replace(UPDATE, was_key="email:old@nordkran.se")),
        (row("held", target_key=None), CREATE),
        (row("skipped", target_key=None, code="missing-email"), CREATE),
        (row("skipped", target_id="t1", code="gone", digest=NEW), UPDATE),
        (row("removed", target_id="t1", digest=NEW), UPDATE),
        (row("done", target_id="t1", digest=OLD, memo={"tags": ["B2B"]}),
         replace(UPDATE, memo={"tags": ["B2B"]})),
    ],
)  # fmt: skip
def test_what_is_new_is_created_what_differs_is_updated_what_is_the_same_is_left_alone(
    entry: LedgerEntry | None, step: Step | None
) -> None:
    assert decided(ANNA, entry) == step


@pytest.mark.parametrize("status", ["sending", "unknown"])
@pytest.mark.parametrize(
    ("known", "step"),
    [
        ({}, replace(CREATE, again=True)),
        ({"target_id": "t1"}, replace(UPDATE, again=True)),
        ({"target_key": None}, replace(CREATE, again=True)),
    ],
)
def test_what_got_no_clear_answer_is_sent_again_and_says_so(
    status: str, known: dict[str, Any], step: Step
) -> None:
    assert decided(ANNA, row(status, updated_at=EARLIER, digest=NEW, **known)) == step


def test_an_open_send_waits_until_the_target_can_find_what_it_wrote() -> None:
    entry = row("unknown", updated_at=EARLIER)
    assert decided(ANNA, entry, settle=timedelta(minutes=61)) is None
    assert isinstance(decided(ANNA, entry, settle=timedelta(minutes=60)), Step)


@pytest.mark.parametrize(
    ("entry", "is_sent"),
    [
        (row("failed", digest=NEW, attempts=1), False),
        (row("failed", digest=OLD, attempts=1), True),
        (row("failed", digest=NEW, attempts=1, retry_at=EARLIER), True),
        (row("failed", digest=NEW, attempts=1, retry_at=LATER), False),
        (row("failed", digest=OLD, attempts=1, retry_at=LATER), True),
        (row("skipped", digest=NEW, attempts=1, code="forgotten"), False),
        (row("skipped", digest=OLD, attempts=1, code="forgotten"), True),
    ],
)
def test_what_the_target_refused_waits_for_other_content_or_its_time(
    entry: LedgerEntry, is_sent: bool
) -> None:
    assert isinstance(decided(ANNA, entry), Step) is is_sent


@pytest.mark.parametrize("status", ["done", "failed", "skipped"])
def test_a_replay_sends_what_looks_unchanged(status: str) -> None:
    entry = row(status, target_id="t1", digest=NEW, attempts=1)
    assert decided(ANNA, entry) is None
    assert decided(ANNA, entry, forced=True) == UPDATE


def test_what_is_created_once_is_never_updated_but_created_if_it_never_was() -> None:
    once = {"mode": "create_once"}
    assert decided(ANNA, SENT, options=once) is None
    assert decided(ANNA, row("failed", target_key=None, digest=OLD), options=once) == CREATE
    assert decided(ANNA, SENT, options=once, forced=True) == UPDATE


def test_a_record_whose_references_are_not_linked_is_held_and_told_once() -> None:
    assert decided(ANNA, missing=BOSS) == HELD
    assert decided(ANNA, SENT, missing=BOSS) == HELD
    waits = row("held", code="waits-for-reference", reason=HELD.reason)
    assert decided(ANNA, waits, missing=BOSS) is None
    other = decided(ANNA, waits, missing=replace(BOSS, id="b2"))
    assert isinstance(other, Outcome) and "boss b2" in other.reason, "it waits for that one by now"


def test_a_record_fails_that_refers_to_one_which_was_left_out_and_says_so_once() -> None:
    left = decided(ANNA, missing=BOSS, why_missing="is skipped in bosses, excluded.")
    assert isinstance(left, Outcome) and (left.status, left.code) == ("failed", "reference-left-out")
    assert left.reason == "boss b1, which it refers to, is skipped in bosses, excluded."
    told = row("failed", code=left.code, reason=left.reason, digest=NEW)
    assert decided(ANNA, told, missing=BOSS, why_missing="is skipped in bosses, excluded.") is None
    assert isinstance(decided(ANNA, told), Step), "it is there now"


def test_of_two_with_one_key_the_second_fails_where_they_would_not_be_one() -> None:
    owner = row("done", "c2")
    assert decided(ANNA, owner=owner) == TAKEN
    taken = decided(ANNA, owner=owner, upserts=False)
    assert isinstance(taken, Outcome) and (taken.status, taken.code) == ("failed", "reference-taken")
    told = row("failed", code="reference-taken", wants=ANNA.key, target_key=None)
    assert decided(ANNA, told, owner=owner, upserts=False) is None


@pytest.mark.parametrize("mapped", [None, LEFT])
def test_what_was_to_go_and_stayed_is_tried_again_when_its_record_changed_or_in_a_replay(
    mapped: Skip | None,
) -> None:
    both = {"on_delete": "archive", "on_exclude": "archive"}
    entry = row("failed", target_id="t1", digest=REFUSED, source_modified="2026-07-01T08:00:00.000Z")
    assert decided(mapped, entry, options=both) is None
    assert isinstance(decided(mapped, entry, options=both, forced=True), Step)
    earlier = replace(entry, source_modified=EARLIER)
    assert isinstance(decided(mapped, earlier, options=both), Step)
    due = row("failed", target_id="t1", digest=REFUSED, source_modified=LATER, retry_at=EARLIER)
    assert isinstance(decided(mapped, due, options=both), Step)


LINK = Link("t7", {}, {})
IN_STEP = Outcome("unchanged", "t7", "in-step", "nothing changed but what its counterpart brought")
NAME = frozenset({"name"})
FROM_LINK = Step("update", "c1", ANNA, "t7", memo={})


@pytest.mark.parametrize(
    ("entry", "changed", "expected"),
    [
        (None, frozenset(), IN_STEP),
        (None, None, FROM_LINK),
        (None, NAME, FROM_LINK),
        (row("done", target_id="t7", digest=OLD), frozenset(), IN_STEP),
        (row("done", target_id="t7", digest=NEW), frozenset(), None),
        (row("done", target_id="t7", digest=NEW), NAME, replace(FROM_LINK, was_key=ANNA.key)),
        (row("done", target_id="t7", digest=NEW), None, None),
        (row("done", target_id="t1", digest=OLD), NAME, replace(FROM_LINK, was_key=ANNA.key)),
        (row("unknown", target_key=None), frozenset(), replace(FROM_LINK, again=True)),
        (row("failed", digest=NEW, attempts=1), NAME, None),
    ],
)
def test_a_linked_record_tells_its_counterpart_what_changed_and_nothing_that_came_from_there(
    entry: LedgerEntry | None, changed: frozenset[str] | None, expected: Step | Outcome | None
) -> None:
    assert decided(ANNA, entry, link=LINK, changed=changed) == expected


def test_a_replay_sends_what_came_from_there_as_well() -> None:
    entry = row("done", target_id="t7", digest=NEW)
    found = decided(ANNA, entry, link=LINK, changed=frozenset(), forced=True)
    assert found == replace(FROM_LINK, was_key=ANNA.key)


def test_a_key_that_another_record_owns_is_left_to_it_and_told_once() -> None:
    owner = row("done", "c2", target_id="t2")
    assert decided(ANNA, owner=owner) == TAKEN
    assert decided(ANNA, SENT, owner=owner, forced=True) == TAKEN
    waits = row("skipped", target_key=None, code="key-taken", wants=ANNA.key)
    assert decided(ANNA, waits, owner=owner) is None
    assert decided(ANNA, replace(waits, wants="email:x@nordkran.se"), owner=owner) == TAKEN
    assert decided(ANNA, SENT, owner=SENT) == UPDATE


def test_a_counterpart_that_belongs_to_the_new_owner_of_the_old_key_is_not_touched() -> None:
    mine = row("done", target_key="email:old@nordkran.se", target_id="t1", digest=OLD)
    thief = row("done", "c2", target_key="email:old@nordkran.se", target_id="t1")
    assert decided(ANNA, mine, old_owner=thief) == CREATE
    on_its_way = replace(thief, status="sending", target_id=None)
    assert decided(ANNA, mine, old_owner=on_its_way) == WAITS
    assert decided(None, mine, old_owner=on_its_way, options={"on_delete": "archive"}) == WAITS
    waiting = replace(mine, status="held", code=WAITS.code)
    assert decided(ANNA, waiting, old_owner=on_its_way) is None
    assert decided(ANNA, mine, old_owner=replace(thief, target_id="t2")) == replace(
        UPDATE, was_key="email:old@nordkran.se"
    )


def test_a_removed_counterpart_comes_back_for_the_next_record_with_its_key() -> None:
    removed = row("removed", "c2", target_id="t9", memo={"tags": ["B2B"]})
    assert decided(ANNA, removed=removed) == Step(
        "update", "c1", ANNA, "t9", was_key=ANNA.key, memo={"tags": ["B2B"]}
    )
    assert decided(ANNA, removed=replace(removed, target_id=None)) == CREATE


@pytest.mark.parametrize(
    ("entry", "on_delete", "result"),
    [
        (None, "archive", None),
        (SENT, "ignore", GONE),
        (SENT, "archive", Step("remove", "c1", None, "t1", was_key=ANNA.key, why="gone")),
        (row("unknown"), "archive", Step("remove", "c1", None, None, was_key=ANNA.key, why="gone")),
        (row("failed"), "archive", GONE),
        (row("skipped", code="gone"), "ignore", None),
        (row("removed", target_id="t1"), "archive", None),
        (row("removed", target_id="t1"), "ignore", None),
    ],
)
def test_a_record_that_is_gone(
    entry: LedgerEntry | None, on_delete: str, result: Step | Outcome | None
) -> None:
    assert decided(None, entry, options={"on_delete": on_delete}) == result


@pytest.mark.parametrize(
    ("skip", "entry", "on_exclude", "result"),
    [
        (Skip("missing-email", "no address"), None, "archive", Outcome("skipped", code="missing-email",
                                                                       reason="no address")),
        (Skip("missing-email", "no address"), SENT, "archive", Outcome("skipped", code="missing-email",
                                                                       reason="no address")),
        (Skip("missing-email", "no address"), row("skipped", code="missing-email"), "ignore", None),
        (LEFT, SENT, "ignore", Outcome("skipped", code="excluded", reason="filtered")),
        (LEFT, SENT, "archive", Step("remove", "c1", None, "t1", was_key=ANNA.key, why="excluded")),
        (LEFT, row("failed"), "archive", Outcome("skipped", code="excluded", reason="filtered")),
        (LEFT, row("removed", target_id="t1"), "archive", None),
        (LEFT, None, "archive", Outcome("skipped", code="excluded", reason="filtered")),
    ],
)  # fmt: skip
def test_a_record_that_is_not_sent_or_leaves_the_flow(
    skip: Skip, entry: LedgerEntry | None, on_exclude: str, result: Step | Outcome | None
) -> None:
    assert decided(skip, entry, options={"on_exclude": on_exclude}) == result


STATUSES = ["done", "skipped", "held", "failed", "unknown", "sending", "removed"]
CODES = ["", "key-taken", "waits-for-reference", "gone", "excluded", "missing-email"]
keys = st.sampled_from([ANNA.key, "email:b@nordkran.se", "email:c@nordkran.se"])
stamps = st.sampled_from([None, EARLIER, LATER])


def rows(
    source_ids: st.SearchStrategy[str], statuses: list[str] = STATUSES
) -> st.SearchStrategy[LedgerEntry]:
    return st.builds(
        LedgerEntry,
        flow=st.just("f"),
        source_id=source_ids,
        status=st.sampled_from(statuses),
        target_key=st.none() | keys,
        target_id=st.sampled_from([None, "t1", "t2", "t3"]),
        digest=st.sampled_from([None, OLD, NEW]),
        code=st.sampled_from(CODES),
        attempts=st.integers(0, 3),
        retry_at=stamps,
        wants=st.none() | keys,
        updated_at=stamps,
        memo=st.sampled_from([None, {}, {"tags": []}]),
    )


anybody = st.sampled_from(["c1", "c2", "c3"])
knowns = st.builds(
    Known,
    entry=st.none() | rows(st.just("c1")),
    owner=st.none() | rows(anybody),
    old_owner=st.none() | rows(anybody),
    removed=st.none() | rows(st.sampled_from(["c2", "c3"]), ["removed"]),
    missing=st.sampled_from([None, BOSS]),
    link=st.sampled_from([None, None, Link("t7", {}, {})]),
    changed=st.sampled_from([None, frozenset[str](), frozenset({"name"})]),
    forced=st.booleans(),
)
mappeds = st.one_of(
    st.none(),
    st.builds(Mapped, key=keys, body=st.just({}), digest=st.sampled_from([OLD, NEW])),
    st.builds(Skip, code=st.sampled_from(CODES[1:]), reason=st.just(""), leaves=st.booleans()),
)
flows = st.builds(
    flow,
    mode=st.sampled_from(["upsert", "create_once"]),
    on_delete=st.sampled_from(["ignore", "archive"]),
    on_exclude=st.sampled_from(["ignore", "archive"]),
)
settles = st.sampled_from([timedelta(0), timedelta(minutes=90)])
changes = st.builds(
    Change, st.just("customer"), st.just("c1"), st.just("upsert"), st.none() | st.just(NOW), st.just({})
)


@given(changes, mappeds, knowns, flows, settles)
def test_deciding_never_fails_depends_on_nothing_else_and_makes_well_formed_steps(
    change: Change, mapped: Mapped | Skip | None, known: Known, flow: Flow, settle: timedelta
) -> None:
    found = decide(change, mapped, known, flow, settle, NOW)
    assert found == decide(change, mapped, known, flow, settle, NOW)
    if isinstance(found, Step):
        assert found.source_id == change.id
        assert found.mapped is (None if found.action == "remove" else mapped)
        assert (found.target_id is None) == (found.action == "create") or found.action == "remove"
    elif found is not None:
        assert found.status in ("skipped", "held", "unchanged") and found.code


@given(changes, mappeds, knowns, flows, settles)
def test_what_was_settled_without_sending_is_not_settled_again(
    change: Change, mapped: Mapped | Skip | None, known: Known, flow: Flow, settle: timedelta
) -> None:
    found = decide(change, mapped, known, flow, settle, NOW)
    if isinstance(found, Outcome):
        entry = known.entry or row("held", target_key=None)
        wants = mapped.key if isinstance(mapped, Mapped) and found.code == "key-taken" else None
        tried = ANNA.key if entry.status in ("sending", "unknown") else entry.tried  # as it is always stored
        settled = replace(entry, status=found.status, code=found.code, wants=wants, tried=tried)
        settled = replace(settled, reason=found.reason)
        if found.status == "unchanged" and isinstance(mapped, Mapped):
            settled = replace(settled, status="done", digest=mapped.digest)
        assert decide(change, mapped, replace(known, entry=settled), flow, settle, NOW) is None


@given(changes, mappeds, knowns, flows, settles)
def test_what_is_done_and_the_same_is_never_sent(
    change: Change, mapped: Mapped | Skip | None, known: Known, flow: Flow, settle: timedelta
) -> None:
    if isinstance(mapped, Mapped):
        done = replace(known.entry or SENT, status="done", digest=mapped.digest)
        known = replace(known, entry=done, forced=False, link=None, changed=None)
        assert not isinstance(decide(change, mapped, known, flow, settle, NOW), Step)


@given(changes, mappeds, knowns, flows, settles)
def test_the_key_of_somebody_else_is_never_written(
    change: Change, mapped: Mapped | Skip | None, known: Known, flow: Flow, settle: timedelta
) -> None:
    found = decide(change, mapped, known, flow, settle, NOW)
    if known.owner is not None and known.owner.source_id != "c1" and isinstance(mapped, Mapped):
        assert not isinstance(found, Step)


@given(changes, mappeds, knowns, flows, settles)
def test_the_counterpart_of_somebody_else_is_never_updated(
    change: Change, mapped: Mapped | Skip | None, known: Known, flow: Flow, settle: timedelta
) -> None:
    other = known.old_owner
    found = decide(change, mapped, replace(known, removed=None, link=None), flow, settle, NOW)
    if isinstance(found, Step) and found.action == "update" and other is not None and other.source_id != "c1":
        assert found.target_id != other.target_id


def test_what_may_have_been_created_under_an_older_key_is_looked_for_there() -> None:
    old = "email:old@nordkran.se"
    failed = row("failed", target_key=old, digest=OLD, attempts=1, tried=old)
    step = decided(ANNA, failed, tried_keys=(old,))
    assert isinstance(step, Step) and (step.action, step.again, step.tried_keys) == ("create", True, (old,))


def test_what_was_certainly_not_created_is_looked_for_nowhere() -> None:
    failed = row("failed", target_key="email:old@nordkran.se", digest=OLD, attempts=1)
    step = decided(ANNA, failed)
    assert isinstance(step, Step) and (step.action, step.again) == ("create", False)


def test_whom_the_target_refused_gets_no_second_counterpart_when_another_has_the_first() -> None:
    barred = row("skipped", target_key="email:old@nordkran.se", target_id="t1", code="archived", attempts=1)
    other = row("done", "c2", target_key="email:old@nordkran.se", target_id="t1")
    assert decided(ANNA, barred, old_owner=other) is None
    waited = row("skipped", target_key="email:old@nordkran.se", target_id="t1", code="key-taken")
    assert decided(ANNA, waited, old_owner=other) == CREATE


@pytest.mark.parametrize("mapped", [None, Skip("excluded", "no", leaves=True)])
@pytest.mark.parametrize("known", [{"status": "unknown"}, {"status": "failed", "tried": ANNA.key}])
def test_what_may_have_been_created_is_removed(mapped: Skip | None, known: dict[str, Any]) -> None:
    options = {"on_delete": "archive", "on_exclude": "archive"}
    step = decided(mapped, row(**known), tried_keys=(ANNA.key,), options=options)
    assert isinstance(step, Step) and (step.action, step.tried_keys) == ("remove", (ANNA.key,))


def test_a_failure_that_sent_nothing_hides_no_content() -> None:
    broken = row("failed", target_id="t1", digest=ANNA.digest, code="unreadable-record")
    assert isinstance(decided(ANNA, broken), Step)
    refused = row("failed", target_id="t1", digest=ANNA.digest, code="fake-address", attempts=1)
    assert decided(ANNA, refused) is None


TRIED = ("email:b@nordkran.se", "email:c@nordkran.se")
MOVING = row("sending", target_id="t1", tried="\n".join(TRIED))


def test_a_move_without_an_answer_remembers_where_it_may_have_got_to() -> None:
    step = decided(ANNA, MOVING, tried_keys=MOVING.tried_keys)
    assert isinstance(step, Step) and (step.action, step.tried_keys) == ("update", TRIED)


def test_what_is_removed_is_looked_for_where_a_move_without_an_answer_may_have_brought_it() -> None:
    step = decided(None, MOVING, tried_keys=MOVING.tried_keys, options={"on_delete": "archive"})
    assert isinstance(step, Step) and (step.action, step.tried_keys) == ("remove", TRIED)
