"""What the engine expects of every source (`systems.base.Source`), tried on each against its emulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from mlconnector.errors import ConnectorError, Later
from mlconnector.model import Batch, Change
from tests.contract.systems import DAY, SOURCES, SourceCase

NAMES = [f"R{place}" for place in range(8)]


@pytest.fixture(params=list(SOURCES))
def case(request: pytest.FixtureRequest) -> Iterator[SourceCase]:
    """Eight records, one a day, the last one yesterday."""
    with SOURCES[request.param]() as case:
        case.emulator.clock.advance(-len(NAMES) * DAY.total_seconds())
        for name in NAMES:
            case.add(name)
            case.emulator.clock.advance(DAY.total_seconds())
        yield case


def read(case: SourceCase, since: str | None = None, **window: Any) -> list[Batch]:
    return list(case.connect().read(case.entity, since, **window))


def names(case: SourceCase, batches: list[Batch]) -> list[str]:
    """Of the records that are there; a source may tell deletions too."""
    changes = [change for batch in batches for change in batch.changes if change.kind == "upsert"]
    return [case.name_of(change.record) for change in changes]


def days_ago(case: SourceCase, days: float) -> str:
    """A checkpoint of so long ago, in the source's own spelling."""
    last = read(case)[-1].checkpoint
    assert last is not None
    return case.connect().shift(last, timedelta(days=days - 1))


# full reads


def test_a_full_read_brings_every_record_once_in_several_batches(case: SourceCase) -> None:
    batches = read(case)
    assert Counter(names(case, batches)) == Counter(NAMES)
    assert len(batches) > 1
    assert {change.kind for batch in batches for change in batch.changes} == {"upsert"}


def test_a_full_read_brings_records_without_a_stamp(case: SourceCase) -> None:
    case.blank("R3")
    found = {case.name_of(c.record): c for batch in read(case) for c in batch.changes}
    assert set(found) == set(NAMES)
    assert found["R3"].modified is None


@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_any_number_of_records_is_read(case: SourceCase, count: int) -> None:
    for name in NAMES[count:]:
        case.delete(name)
    assert names(case, read(case)) == NAMES[:count]


def test_ids_are_text_and_stamps_are_aware(case: SourceCase) -> None:
    for batch in read(case):
        for change in batch.changes:
            assert isinstance(change.id, str)
            assert change.modified is not None and change.modified.tzinfo is not None


def test_records_that_change_while_a_walk_is_on_are_not_lost(case: SourceCase) -> None:
    walk = case.connect().read(case.entity, None)
    found = names(case, [next(walk)])
    case.edit("R0")
    case.edit("R7")
    case.delete("R1")
    found += names(case, list(walk))
    assert set(found) >= set(NAMES)


# windows and checkpoints


def test_since_is_at_or_after_and_until_is_before(case: SourceCase) -> None:
    stamps = {case.name_of(c.record): c.modified for batch in read(case) for c in batch.changes}
    assert stamps["R2"] is not None and stamps["R5"] is not None
    since, until = stamps["R2"].isoformat(), stamps["R5"].isoformat()
    assert names(case, read(case, since)) == ["R2", "R3", "R4", "R5", "R6", "R7"]
    assert names(case, read(case, since, until=until)) == ["R2", "R3", "R4"]
    assert names(case, read(case, None, until=until)) == ["R0", "R1", "R2", "R3", "R4"]


def test_what_changed_after_a_checkpoint_comes_with_the_next_read(case: SourceCase) -> None:
    checkpoint = read(case)[-1].checkpoint
    case.emulator.clock.advance(60)
    case.edit("R4")
    case.add("R9")
    assert {"R4", "R9"} <= set(names(case, read(case, checkpoint)))


def test_what_changed_during_a_read_comes_with_the_next_one(case: SourceCase) -> None:
    walk = case.connect().read(case.entity, None)
    batches = [next(walk)]
    case.emulator.clock.advance(30)
    case.edit("R0")
    case.emulator.clock.advance(30)
    case.edit("R7")
    batches += list(walk)
    assert "R0" in names(case, read(case, batches[-1].checkpoint))


def test_no_checkpoint_is_ahead_of_the_server_s_clock(case: SourceCase) -> None:
    case.emulator.clock.advance(3600)
    case.edit("R7")  # by a machine whose clock is an hour ahead
    case.emulator.clock.advance(-3600)
    checkpoint = read(case)[-1].checkpoint
    case.emulator.clock.advance(60)
    case.edit("R0")
    assert checkpoint is not None and "R0" in names(case, read(case, checkpoint))


def test_a_late_commit_lies_within_the_overlap(case: SourceCase) -> None:
    commit = case.late("R0")
    case.emulator.clock.advance(5)
    case.edit("R7")
    checkpoint = read(case)[-1].checkpoint
    commit()
    assert checkpoint is not None
    since = case.connect().shift(checkpoint, timedelta(seconds=10))
    assert "R0" in names(case, read(case, since))


def test_a_checkpoint_comes_no_sooner_than_the_order_allows(case: SourceCase) -> None:
    """Whatever was not read before a checkpoint is read after it."""
    batches = read(case)
    for place, batch in enumerate(batches):
        if batch.checkpoint is not None:
            rest = set(names(case, batches[place + 1 :]))
            assert rest <= set(names(case, read(case, batch.checkpoint)))


def test_a_read_with_nothing_new_has_nothing_to_lose(case: SourceCase) -> None:
    case.emulator.clock.advance(3600)
    checkpoint = read(case)[-1].checkpoint
    assert checkpoint is not None
    batches = read(case, case.connect().shift(checkpoint, timedelta(seconds=-1)))
    assert names(case, batches) == (
        ["R6", "R7"] if case.by_day else []
    )  # of days the last two are read again
    assert all(batch.checkpoint is None or batch.checkpoint <= checkpoint for batch in batches)


def test_shift_is_monotone_and_can_be_read_from(case: SourceCase) -> None:
    checkpoint = read(case)[-1].checkpoint
    assert checkpoint is not None
    source = case.connect()
    moved = [
        source.shift(checkpoint, timedelta(seconds=seconds)) for seconds in (0, 1, 10, 600, 86_400, 10**7)
    ]
    assert moved == sorted(moved, reverse=True) and (case.by_day or len(set(moved)) == len(moved))
    sizes = [len(names(case, read(case, since))) for since in moved]
    assert sizes == sorted(sizes) and sizes[-1] == len(NAMES)


# resuming


def test_a_read_goes_on_behind_any_of_its_batches(case: SourceCase) -> None:
    batches = read(case)
    for place, batch in enumerate(batches[:-1]):
        assert batch.cursor is not None
        rest = read(case, resume=batch.cursor)
        assert names(case, rest) == names(case, batches[place + 1 :])


# by id


def test_fetch_brings_each_id_exactly_once_gone_or_not(case: SourceCase) -> None:
    ids = {name: case.id_of(name) for name in NAMES}
    case.delete("R2")
    wanted = [*ids.values(), case.never_there]
    found = list(case.connect().fetch(case.entity, wanted))
    assert Counter(change.id for change in found) == Counter(wanted)
    kinds = {change.id: change.kind for change in found}
    gone = {ids["R2"]} if case.entity == "deal" else {ids["R2"], case.never_there}  # that one may be hidden
    assert {id_ for id_, kind in kinds.items() if kind == "delete"} == gone


def test_fetch_brings_what_read_brings(case: SourceCase) -> None:
    by_read = {change.id: change for batch in read(case) for change in batch.changes}
    by_id = {change.id: change for change in case.connect().fetch(case.entity, list(by_read))}
    assert {i: (c.record, c.modified) for i, c in by_id.items()} == {
        i: (c.record, c.modified) for i, c in by_read.items()
    }


def test_fetch_of_nothing_is_nothing(case: SourceCase) -> None:
    assert list(case.connect().fetch(case.entity, [])) == []


# trouble


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("status", {"status": 429, "retry_after": 3}),
        ("status", {"status": 429}),
        ("status", {"status": 503}),
        ("status", {"status": 500}),
        ("html", {"status": 503}),
        ("cut", {}),
        ("drop", {}),
        ("lost-answer", {}),
        ("expired-token", {}),
        ("duplicate", {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("skip", [0, 2])
def test_a_read_survives_passing_trouble(
    case: SourceCase, kind: Any, more: dict[str, Any], skip: int
) -> None:
    case.emulator.fault(kind, method="GET", skip=skip, **more)
    assert Counter(names(case, read(case))) == Counter(NAMES)
    case.emulator.fault(kind, method="GET", **more)
    ids = [case.id_of(name) for name in NAMES]
    assert {change.id for change in case.connect().fetch(case.entity, ids)} == set(ids)


@pytest.mark.parametrize(
    ("kind", "more"),
    [("status", {"status": 503}), ("cut", {}), ("drop", {}), ("status", {"status": 429})],
    ids=str,
)
def test_a_read_that_breaks_raises_and_never_just_ends(
    case: SourceCase, kind: Any, more: dict[str, Any]
) -> None:
    case.emulator.fault(kind, method="GET", skip=1, times=0, **more)
    found: list[Change] = []
    with pytest.raises(Later):
        for batch in case.connect().read(case.entity, None):
            found += batch.changes
    assert len(found) < len(NAMES)


def test_a_fetch_that_breaks_raises_and_takes_nothing_for_gone(case: SourceCase) -> None:
    ids = [case.id_of(name) for name in NAMES]
    case.emulator.fault("status", method="GET", times=0, status=503)
    found: list[Change] = []
    with pytest.raises(ConnectorError):
        found += case.connect().fetch(case.entity, ids)
    assert found == []
