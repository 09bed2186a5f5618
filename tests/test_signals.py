"""Where batches come from, and reading ahead in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from mlconnector import signals
from mlconnector.errors import Later
from mlconnector.model import Batch
from tests.toys import OVERLAP, Clock, ToySource


class Pages:
    """Batches that know how many of them were asked for, and whether their reader ended."""

    def __init__(self, number: int, error: BaseException | None = None) -> None:
        self.number = number
        self.error = error
        self.read = 0
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Batch]:
        try:
            for page in range(self.number):
                self.read += 1
                yield Batch([], checkpoint=str(page))
            if self.error:
                raise self.error
        finally:
            self.closed.set()


def readers() -> int:
    return sum(thread.name == "reader" for thread in threading.enumerate())


@pytest.mark.parametrize("number", [0, 1, 7])
def test_every_batch_comes_once_and_in_order(number: int) -> None:
    assert [batch.checkpoint for batch in signals.ahead(Pages(number))] == [str(n) for n in range(number)]
    assert readers() == 0


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_than_so_many_batches_wait_in_memory(depth: int) -> None:
    pages = Pages(20)
    batches = signals.ahead(pages, depth)
    for taken in range(1, 5):
        next(batches)
        time.sleep(0.05)
        assert pages.read <= taken + depth + 1, "those that wait, and one in the reader's hands"
    assert pages.read > 4, "it does read ahead"
    batches.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [Later("down"), KeyError("x"), KeyboardInterrupt()])
def test_what_the_reader_raises_reaches_the_caller_after_the_batches_before_it(error: BaseException) -> None:
    seen = []
    with pytest.raises(type(error)) as raised:
        for batch in signals.ahead(Pages(3, error)):
            seen.append(batch.checkpoint)
    assert seen == ["0", "1", "2"] and raised.value is error and readers() == 0


def test_a_caller_that_gives_up_ends_the_reader() -> None:
    pages = Pages(1000)
    batches = signals.ahead(pages)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert readers() == 0 and pages.read < 10


def test_a_caller_that_fails_ends_the_reader_too() -> None:
    pages = Pages(1000)
    with pytest.raises(ZeroDivisionError):
        for _ in signals.ahead(pages):
            1 / 0  # noqa: B018
    assert pages.closed.wait(5) and pages.read < 10


def test_a_poll_starts_a_little_before_the_watermark() -> None:
    clock = Clock(100)
    source = ToySource(clock)
    source.put("old", "old", 1)
    clock.seconds = 200
    source.put("late", "late", 1)
    watermark = clock.now().isoformat()

    def ids(since: str | None) -> list[str]:
        return [one.id for batch in signals.poll(source, "row", since, OVERLAP) for one in batch.changes]

    assert ids(None) == ["late", "old"] and ids(watermark) == ["late"]
    source.rows["old"].stamp = clock.now() - OVERLAP
    assert ids(watermark) == ["late", "old"]


def test_records_are_fetched_in_handfuls_and_what_is_gone_is_said_to_be() -> None:
    source = ToySource(Clock())
    source.put("id-0", "k", 1)
    wanted = [f"id-{n}" for n in range(signals.FETCH + 1)]
    batches = list(signals.refetch(source, "row", wanted))
    assert [len(batch.changes) for batch in batches] == [signals.FETCH, 1]
    kinds = {one.id: one.kind for batch in batches for one in batch.changes}
    assert kinds.pop("id-0") == "upsert" and set(kinds.values()) == {"delete"}
    assert all(batch.checkpoint is None for batch in batches), "a fetch moves no watermark"
