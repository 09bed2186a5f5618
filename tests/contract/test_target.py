"""What the engine expects of every target (`systems.base.Target`), tried on each against its emulator."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from mlconnector.errors import AuthError, Later
from mlconnector.model import Outcome, Step
from tests.contract.systems import TARGETS, TargetCase

DONE = ("created", "updated", "unchanged")


@pytest.fixture(params=list(TARGETS))
def case(request: pytest.FixtureRequest) -> Iterator[TargetCase]:
    with TARGETS[request.param]() as case:
        yield case


@pytest.fixture(params=[1, 30], ids=["few", "many"])
def count(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def write(case: TargetCase, *steps: Step) -> list[Outcome]:
    return list(case.target().write(case.into, list(steps)))


def creates(case: TargetCase, count: int, prefix: str = "n") -> list[Step]:
    return [case.create(f"{prefix}{place}") for place in range(count)]


def values(case: TargetCase, steps: list[Step], value: str) -> dict[str, str]:
    return {case.key(step.source_id): value for step in steps}


# outcomes


def test_there_is_exactly_one_outcome_a_step_in_order(case: TargetCase, count: int) -> None:
    steps = creates(case, count)
    steps.insert(count // 2, case.create(case.bad))
    outcomes = write(case, *steps)
    assert len(outcomes) == len(steps)
    failed = [step.source_id for step, one in zip(steps, outcomes, strict=True) if one.status not in DONE]
    assert failed == [case.bad]


def test_writing_nothing_is_nothing(case: TargetCase) -> None:
    assert write(case) == []


def test_a_bad_record_does_not_spoil_the_chunk_and_has_a_code_and_a_reason(
    case: TargetCase, count: int
) -> None:
    steps = creates(case, count)
    *_, bad = write(case, *steps, case.create(case.bad))
    assert bad.status == "failed" and bad.code and bad.reason
    assert bad.code == bad.code.lower() and " " not in bad.code
    assert case.bad not in bad.reason
    assert case.stored() == values(case, steps, "first")


def test_a_target_id_is_given_and_stays_the_same(case: TargetCase, count: int) -> None:
    steps = creates(case, count)
    made = write(case, *steps)
    assert all(one.target_id for one in made)
    updates = [
        case.update(s.source_id, one.target_id, memo=one.memo) for s, one in zip(steps, made, strict=True)
    ]
    again = write(case, *updates)
    assert [one.target_id for one in again] == [one.target_id for one in made]
    assert len({one.target_id for one in made}) == count
    assert case.stored() == values(case, steps, "second")


# repeating


def test_writing_twice_makes_no_second_record(case: TargetCase, count: int) -> None:
    if not case.entity.upserts:
        pytest.skip("the engine looks first")
    steps = creates(case, count)
    first, second = write(case, *steps), write(case, *steps)
    assert [one.target_id for one in first] == [one.target_id for one in second]
    assert {one.status for one in first} == {"created"}
    assert {one.status for one in second} <= {"updated", "unchanged"}
    assert case.stored() == values(case, steps, "first")


@pytest.mark.parametrize("kind", ["lost-answer", "cut", "duplicate", "drop"])
@pytest.mark.parametrize("times", [1, 0])
def test_a_write_without_an_answer_can_be_repeated(
    case: TargetCase, count: int, kind: Any, times: int
) -> None:
    steps = creates(case, count)
    target = case.target()
    fault = case.emulator.fault(kind, method="POST", times=times)
    try:
        outcomes = list(target.write(case.into, steps))
    except Later:
        outcomes = [Outcome("failed")] * count
    case.emulator.faults.remove(fault)
    left = [s for s, one in zip(steps, outcomes, strict=True) if one.status not in DONE]
    found = case.target().find(case.into, [case.key(step.source_id) for step in left])
    repeated = [
        case.update(step.source_id, found[case.key(step.source_id)][0], "first", again=True)
        if not case.entity.upserts and found.get(case.key(step.source_id))
        else replace(step, again=True)
        for step in left
    ]
    assert all(one.status in DONE for one in write(case, *repeated))
    assert case.stored() == values(case, steps, "first")


@pytest.mark.parametrize("kind", ["lost-answer", "cut", "duplicate"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST", "GET"])
def test_trouble_with_any_call_makes_nothing_twice_and_loses_nothing(
    case: TargetCase, kind: Any, method: str
) -> None:
    steps, moved = creates(case, 3), "other" if case.moves else "n2"
    target = case.target()
    made = list(target.write(case.into, steps))
    case.emulator.fault(kind, method=method)
    changed = list(
        target.write(
            case.into,
            [
                case.update("n0", made[0].target_id, memo=made[0].memo),
                case.remove("n1", made[1]),
                case.create("n9"),
                replace(
                    case.update("n2", made[2].target_id, memo=made[2].memo),
                    mapped=case.mapped(moved, "second"),
                ),
            ],
        )
    )
    made_once = () if case.entity.upserts or method != "POST" else ("unknown",)
    stays = {} if case.removes else {case.key("n1"): "first"}
    assert [one.status in (*DONE, *made_once) for one in changed] == [True, False, True, True]
    assert changed[1].status == ("removed" if case.removes else "failed")
    there = {case.key("n0"): "second", case.key("n9"): "first", case.key(moved): "second"}
    assert case.stored() == {**there, **stays}


# removing


@pytest.fixture
def removing(case: TargetCase) -> TargetCase:
    """A target that removes records."""
    if not case.removes:
        pytest.skip("records with a history stay")
    return case


def test_what_cannot_be_removed_stays_and_that_is_said(case: TargetCase) -> None:
    if case.removes:
        pytest.skip("it removes them")
    (made,) = write(case, case.create("n0"))
    (stays,) = write(case, case.remove("n0", made))
    assert (stays.status, stays.code, stays.target_id) == ("failed", "stays-there", made.target_id)
    assert write(case, case.remove("never"))[0].status == "removed"
    assert case.stored() == {case.key("n0"): "first"}


@pytest.mark.usefixtures("removing")
def test_what_was_removed_can_be_written_again(case: TargetCase, count: int) -> None:
    steps = creates(case, count)
    made = write(case, *steps)
    removed = write(case, *[case.remove(step.source_id, one) for step, one in zip(steps, made, strict=True)])
    assert {one.status for one in removed} == {"removed"}
    assert case.stored() == {}
    case.emulator.clock.advance(60)
    back = write(
        case,
        *[
            case.update(step.source_id, one.target_id, memo=one.memo)
            for step, one in zip(steps, removed, strict=True)
        ],
    )
    if not case.returns:
        assert {(one.status, one.code) for one in back} == {("failed", "counterpart-gone")}
        return
    assert all(one.status in DONE for one in back)
    assert case.stored() == values(case, steps, "second")


@pytest.mark.usefixtures("removing")
def test_removing_twice_or_what_never_was_there_is_no_failure(case: TargetCase) -> None:
    (made,) = write(case, case.create("n0"))
    for one in (made, made, None):
        (removed,) = write(case, case.remove("n0", one))
        assert removed.status == "removed"
    assert write(case, case.remove("never"))[0].status == "removed"


@pytest.mark.usefixtures("removing")
def test_removals_and_writes_may_share_a_chunk(case: TargetCase, count: int) -> None:
    (made,) = write(case, case.create("n0"))
    steps = creates(case, count, "m")
    outcomes = write(case, *steps, case.remove("n0", made))
    assert outcomes[-1].status == "removed" and {one.status for one in outcomes[:-1]} == {"created"}


# looking


def test_find_sees_its_own_writes(case: TargetCase) -> None:
    target = case.target()
    outcomes = target.write(case.into, creates(case, 3))
    keys = [case.key(f"n{place}") for place in range(4)]
    found = target.find(case.into, keys)
    assert [list(found.get(key, [])) for key in keys] == [[one.target_id] for one in outcomes] + [[]]


def test_find_of_nothing_is_nothing(case: TargetCase) -> None:
    assert not case.target().find(case.into, [])


# several at once


def test_several_threads_write_at_once(case: TargetCase) -> None:
    target, lanes = case.target(), case.entity.lanes
    chunks = [creates(case, 20, f"c{lane}p") for lane in range(lanes)]
    with ThreadPoolExecutor(lanes) as pool:
        outcomes = list(pool.map(lambda chunk: target.write(case.into, chunk), chunks))
    assert {one.status for chunk in outcomes for one in chunk} == {"created"}
    assert len(case.stored()) == 20 * lanes


# the system as a whole


@pytest.mark.parametrize("status", [429, 503])
def test_a_system_that_is_down_is_later_and_nothing_was_half_done(case: TargetCase, status: int) -> None:
    target = case.target()
    fault = case.emulator.fault("status", times=0, status=status)
    with pytest.raises(Later):
        target.write(case.into, creates(case, 3))
    case.emulator.faults.remove(fault)
    assert case.stored() == {}
    assert {one.status for one in target.write(case.into, creates(case, 3))} == {"created"}


@pytest.mark.parametrize("status", [429, 503, 500])
def test_passing_trouble_is_waited_out(case: TargetCase, count: int, status: int) -> None:
    target = case.target()
    case.emulator.fault("status", times=2, status=status)
    outcomes = target.write(case.into, creates(case, count))
    if status >= 500 and not case.entity.upserts:  # it may have been carried out: the engine looks first
        assert {one.status for one in outcomes} <= {"created", "unknown"}
        assert [one.status for one in outcomes].count("unknown") <= 2
        return
    assert {one.status for one in outcomes} == {"created"}
    assert case.sleeps


def test_credentials_that_are_refused_stop_everything(case: TargetCase) -> None:
    target = case.target()
    case.emulator.fault("status", path=case.calls, times=0, status=401)
    with pytest.raises(AuthError):
        target.write(case.into, creates(case, 1))
