"""Our client against an emulated Pipedrive that runs, with the emulator's clock; waits take no time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from mlconnector.model import Batch, Change, Flow, Mapped, Outcome, Quota, Skip, Step, Tools, Vault
from mlconnector.sandbox import Running
from mlconnector.systems.pipedrive import Settings
from mlconnector.systems.pipedrive.account import Pipedrive as Connected
from mlconnector.systems.pipedrive.emulator import API_TOKEN, Pipedrive
from mlconnector.systems.pipedrive.read import Reader
from mlconnector.systems.pipedrive.write import Writer


@dataclass
class Client:
    """A connected company and the waits it asked for."""

    crm: Pipedrive
    url: str
    secrets: dict[str, str] = field(default_factory=lambda: {"api_token": API_TOKEN})
    sleeps: list[float] = field(default_factory=list)
    vault: Vault | None = None
    quota: Quota = field(default_factory=Quota)
    """Of all that this client connects, as of one run after the other."""
    behind: float = 0.0
    """Seconds that this machine's clock is behind."""

    def connect(self, **settings: Any) -> Connected:
        tools = Tools(self._now, self.sleeps.append, vault=self.vault, quota=self.quota)
        return Connected(
            Settings(**{"base_url": self.url, "login_url": self.url, **settings}), self.secrets, tools
        )

    def _now(self) -> datetime:
        return self.crm.clock.now() - timedelta(seconds=self.behind)

    def reader(self, *flows: Flow, **settings: Any) -> Reader:
        source = self.connect(**settings).source(flows)
        assert isinstance(source, Reader)
        return source

    def writer(self, kind: str = "organization", conflict: str = "source", **settings: Any) -> Writer:
        """Prepared, as at the start of a run."""
        target = self.connect(**settings).target(back(kind), SimpleNamespace(conflict=conflict))
        assert isinstance(target, Writer)
        target.prepare(kind)
        return target

    def one(self, step: Step, kind: str = "organization", **how: Any) -> Outcome:
        """What came of a step in a run of its own."""
        (outcome,) = self.writer(kind, **how).write(kind, [step])
        return outcome

    def paths(self, method: str = "") -> list[str]:
        """What was asked for, without /api/v2."""
        return [one.path.removeprefix("/api/v2") for one in self.crm.log if method in ("", one.method)]


@contextmanager
def running(crm: Pipedrive) -> Iterator[Client]:
    """The emulator on a port, and a client of it."""
    with Running(crm) as server:
        yield Client(crm, server.url)


def flow(entity: str, *paths: str) -> Flow:
    """A flow out of Pipedrive; its mapping is never called."""
    return Flow(f"{entity}s_out", "crm", entity, "erp", "customer", _no_map, paths=frozenset(paths))


def back(into: str, *fields: str) -> Flow:
    """A flow into Pipedrive."""
    written = {name: frozenset({"displayName"}) for name in fields}
    return Flow(f"{into}s_back", "erp", "customer", "crm", into, _no_map, fields=written)


def create(body: Mapping[str, Any], source_id: str = "s1") -> Step:
    return Step("create", source_id, Mapped(f"name:{source_id}", body, b""))


def update(target_id: int | str, body: Mapping[str, Any], **more: Any) -> Step:
    return Step("update", "s1", Mapped("name:s1", body, b""), str(target_id), **more)


def ids(batches: Sequence[Batch]) -> list[str]:
    return [change.id for batch in batches for change in batch.changes]


def changes(batches: Sequence[Batch]) -> dict[str, Change]:
    return {change.id: change for batch in batches for change in batch.changes}


def _no_map(_: object) -> Skip:
    return Skip("unused", "")
