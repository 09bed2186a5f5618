"""What a sync would do with one record now, by the same code."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlconnector.cli.flows import ties
from mlconnector.cli.systems import Systems
from mlconnector.ledger import Ledger, Settled
from mlconnector.model import Batch, Change

if TYPE_CHECKING:
    from mlconnector.config import BoundFlow


def preview(
    bound: BoundFlow, systems: Systems, ledger: Ledger, change: Change, now: Callable[[], datetime]
) -> Settled | None:
    """What a sync would do with this record now, by the same code; None for nothing. Writes nothing."""
    from mlconnector.engine import FlowRun
    from mlconnector.lanes import Job
    from mlconnector.plan import DryRun

    copy, kept = ledger.copy(), _Kept()
    job = Job(
        flow=bound.flow,
        entity=systems.connected(bound.flow.target).entity(bound.flow.into),
        source=_OneRecord(change),
        target=DryRun(systems.target(bound)),
        ledger=copy,
        run_id=copy.history.start("explain"),
        overlap=timedelta(0),
        now=now,
        stop_requested=lambda: False,
        observer=kept,
        ties=ties(systems.connection, bound),
    )
    FlowRun(job).replay([change.id], forced=False)
    copy.close()
    return next((one for one in kept.settled_ones if one.source_id == change.id), None)


class _OneRecord:
    """A source that holds one record."""

    def __init__(self, change: Change) -> None:
        self._change = change

    def read(
        self, entity: str, since: str | None, *, until: str | None = None, resume: str | None = None
    ) -> Iterator[Batch]:
        yield Batch([self._change])

    def fetch(self, entity: str, ids: Collection[str]) -> Iterator[Change]:
        return (self._change for one in ids if one == self._change.id)

    def shift(self, checkpoint: str, overlap: timedelta) -> str:
        return checkpoint


class _Kept:
    """An observer that keeps what settled."""

    def __init__(self) -> None:
        self.settled_ones: list[Settled] = []

    def progress(self, flow: str, counts: Mapping[str, int]) -> None:
        """Not needed."""

    def settled(self, flow: str, one: Settled) -> None:
        self.settled_ones.append(one)
