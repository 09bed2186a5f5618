"""The systems of a connection with their secrets, each connected when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from mlconnector.ledger import Ledger
from mlconnector.ledger.quotas import find_quota, keep_quota
from mlconnector.model import Flow, Quota, Tools

if TYPE_CHECKING:
    from mlconnector.config import BoundFlow, Connection
    from mlconnector.report import Screen
    from mlconnector.systems.base import Connected, Source, Target


class Systems:
    """The systems of one connection: each connected when it is first used, once, and read by one Source."""

    def __init__(
        self,
        connection: Connection,
        secrets: Mapping[str, str],
        tools: Tools,
        hide: Callable[[Iterable[str]], None] = lambda values: None,
        ledger: Ledger | None = None,
    ) -> None:
        self.connection = connection
        self._secrets = secrets
        self._ledger = ledger
        self._tools = tools
        self._hide = hide
        self._connected: dict[str, Connected] = {}
        self._sources: dict[str, Source] = {}
        self._quotas: dict[str, Quota] = {}

    def connected(self, alias: str) -> Connected:
        """The system behind an alias; nothing is sent yet."""
        if alias not in self._connected:
            from mlconnector.cli.vault import StoredSecrets
            from mlconnector.systems import load_system

            part = self.connection.systems[alias]
            mine = {
                name.partition(".")[2]: value
                for name, value in self._secrets.items()
                if name.partition(".")[0] == alias
            }
            vault = StoredSecrets(self.connection, alias, self._hide)
            quota = find_quota(self._ledger, alias) if self._ledger is not None else Quota()
            self._quotas[alias] = quota
            called = f"{self.connection.name} {alias}"
            tools = replace(self._tools, called=called, vault=vault, quota=quota)
            self._connected[alias] = load_system(part.kind).connect(part.settings, mine, tools)
        return self._connected[alias]

    def source(self, alias: str) -> Source:
        """The reader of a system, for all flows of the connection that read it."""
        if alias not in self._sources:
            flows = [bound.flow for bound in self.connection.flows if bound.flow.source == alias]
            self._sources[alias] = self.connected(alias).source(flows)
        return self._sources[alias]

    def source_of(self, flow: Flow, ledger: Ledger) -> Source:
        """What a flow reads: a system, or what the flow that it follows has settled."""
        from mlconnector.signals import FromLedger

        return FromLedger(ledger, flow) if flow.follows else self.source(flow.source)

    def target(self, bound: BoundFlow) -> Target:
        """The writer of one flow."""
        return self.connected(bound.flow.target).target(bound.flow, bound.options)

    def keep_quotas(self) -> None:
        """Puts on record what was taken of each system's day."""
        for alias, quota in self._quotas.items():
            if self._ledger is not None:
                keep_quota(self._ledger, alias, quota)

    def calls(self) -> int:
        """Requests so far."""
        return sum(one.usage().get("calls", 0) for one in self._connected.values())

    def close(self) -> None:
        """Ends all connections."""
        for one in self._connected.values():
            one.close()


@contextmanager
def open_systems(
    connection: Connection,
    screen: Screen,
    tools: Tools,
    aliases: Iterable[str] | None = None,
    ledger: Ledger | None = None,
) -> Iterator[Systems]:
    """The systems with their secrets, those of `aliases` only if given; closed at the end.

    `ledger` remembers what they take of a day.
    """
    from mlconnector.secrets import load_secrets

    chosen = None if aliases is None else set(aliases)
    wanted = [
        name for name in connection.secret_names() if chosen is None or name.partition(".")[0] in chosen
    ]
    secrets = load_secrets(connection.name, wanted, settings=connection.secrets)
    screen.redactor.hide(secrets.values())
    systems = Systems(connection, secrets, tools, screen.redactor.hide, ledger)
    try:
        yield systems
    finally:
        systems.close()
