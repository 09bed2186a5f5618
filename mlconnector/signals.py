"""Where batches come from: the poll, leftovers and replays by id, a window of a backfill."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from mlconnector.ledger import Ledger
from mlconnector.model import Batch, Change, Flow
from mlconnector.systems.base import Source

FETCH: Final = 100
"""Records asked for by id in one go; a source may split it further."""


def poll(source: Source, entity: str, watermark: str | None, overlap: timedelta) -> Iterator[Batch]:
    """What changed since the watermark, and a little before it: a late commit carries an old stamp."""
    since = None if watermark is None else source.shift(watermark, overlap)
    return source.read(entity, since)


def refetch(source: Source, entity: str, ids: Sequence[str]) -> Iterator[Batch]:
    """These records as they are now."""
    for start in range(0, len(ids), FETCH):
        yield Batch(list(source.fetch(entity, ids[start : start + FETCH])))


class FromLedger:
    """What one flow settled, as the source of another that goes on from there (a document that is to be posted)."""

    def __init__(self, ledger: Ledger, flow: Flow) -> None:
        self._ledger = ledger
        self._flow = flow

    def read(
        self, entity: str, since: str | None, *, until: str | None = None, resume: str | None = None
    ) -> Iterator[Batch]:
        """All that is settled there and not here; there is no watermark, and no window."""
        ids = self._ledger.settled_in(self._flow.follows, but_not_in=self._flow.name)
        return refetch(self, entity, ids)

    def fetch(self, entity: str, ids: Collection[str]) -> Iterator[Change]:
        """Its id, key, memo and name there; a record that is not settled there (any more) is none of ours.

        One that is only planned there, in a dry run, is left out: what would follow is said with the plan.
        """
        there = self._ledger.entries(self._flow.follows, ids)
        for id_ in ids:
            entry = there.get(id_)
            as_it_was = entry is not None and (entry.status, entry.code) == ("planned", "leave")
            if entry is not None and entry.status == "planned" and not as_it_was:
                continue
            if entry is not None and (entry.status == "done" or as_it_was):
                record = {"id": id_, "key": entry.target_key, "memo": entry.memo or {}, "name": entry.name}
                yield Change(entity, id_, "upsert", None, record)
            else:
                yield Change(entity, id_, "delete", None, {})

    def shift(self, checkpoint: str, overlap: timedelta) -> str:
        """There are no checkpoints."""
        return checkpoint


def ahead(batches: Iterable[Batch], depth: int = 1) -> Iterator[Batch]:
    """The same batches, read in a thread of their own while the caller works; at most `depth` wait in memory."""
    waiting: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=depth)
    given_up = threading.Event()

    def read() -> None:
        end: BaseException | None = None
        try:
            for batch in batches:
                if not _put(waiting, batch, given_up):
                    return
        except BaseException as error:  # carried over to the caller's thread, where it is raised
            end = error
        _put(waiting, end, given_up)

    thread = threading.Thread(target=read, name="reader", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        given_up.set()
        thread.join()


def _put(
    waiting: queue.Queue[Batch | BaseException | None],
    item: Batch | BaseException | None,
    given_up: threading.Event,
) -> bool:
    while not given_up.is_set():
        try:
            waiting.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
