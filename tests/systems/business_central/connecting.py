"""Our client against an emulator that runs, and emulators that misbehave in ways the usual one cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mlconnector.model import Batch, Flow, Skip, Tools
from mlconnector.sandbox import Emulator, Reply, Request, Running, json_reply
from mlconnector.systems.business_central import Settings
from mlconnector.systems.business_central.emulator import CLIENT_ID, CLIENT_SECRET, TENANT, BusinessCentral
from mlconnector.systems.business_central.read import BusinessCentral as Connected
from mlconnector.systems.business_central.read import Reader

SECRETS = {"client_secret": CLIENT_SECRET}
COMPANY = "CRONUS International Ltd."
NOON = datetime(2026, 7, 21, 12, 0, tzinfo=UTC)


@dataclass
class Client:
    """A connected system and the waits it asked for, none of which took any time."""

    url: str
    now: Callable[[], datetime]
    secrets: dict[str, str] = field(default_factory=lambda: dict(SECRETS))
    sleeps: list[float] = field(default_factory=list)

    def settings(self, **changes: Any) -> Settings:
        usual = {"tenant": TENANT, "client_id": CLIENT_ID, "company": COMPANY}
        return Settings(**{**usual, "base_url": self.url, "login_url": self.url, **changes})

    def tools(self) -> Tools:
        return Tools(now=self.now, sleep=self.sleeps.append)

    def connect(self, **changes: Any) -> Connected:
        return Connected(self.settings(**changes), self.secrets, self.tools())


@contextmanager
def running(emulator: Emulator) -> Iterator[Client]:
    """The emulator on a port, and a client of it with the emulator's clock."""
    with Running(emulator) as server:
        yield Client(server.url, emulator.clock.now)


def flow(*paths: str, entity: str = "customer", name: str = "") -> Flow:
    """A flow that maps these paths; its mapping is never called."""
    return Flow(
        name=name or f"{entity}s",
        source="erp",
        entity=entity,
        target="mail",
        into="member",
        map=lambda change: Skip("unused", ""),
        paths=frozenset(paths),
    )


class Canned(Emulator):
    """Gives a token to everybody, and these replies to everything else, the last one again and again."""

    def __init__(self, *replies: Reply, token: Reply | None = None) -> None:
        super().__init__()
        self.replies = list(replies)
        self.token = token or json_reply(200, {"access_token": "canned", "expires_in": "3599"})

    def answer(self, request: Request) -> Reply:
        if request.path.endswith("/token"):
            return self.token
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


class Deaf(BusinessCentral):
    """Lets filters vanish without a word (trap T1), and `or` among them."""

    def answer(self, request: Request) -> Reply:
        query = {name: value for name, value in request.query.items() if name != "$filter"}
        return super().answer(replace(request, query=query))


class Strained(BusinessCentral):
    """Times out at pages larger than `bearable`."""

    bearable = 100

    def answer(self, request: Request) -> Reply:
        size = int(request.headers.get("prefer", "=0").partition("=")[2])
        if request.path.endswith("/customers") and size > self.bearable:
            return self.error(request, 504)
        return super().answer(request)


class Crowd(BusinessCentral):
    """Counts how many requests it works on at one time; each takes a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.latency_seconds = 0.1
        self.at_once, self.most = 0, 0
        self.counting = threading.Lock()

    def handle(self, request: Request) -> tuple[Reply | None, bool]:
        with self.counting:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            return super().handle(request)
        finally:
            with self.counting:
                self.at_once -= 1


class Edited(BusinessCentral):
    """Changes the bytes of answers that hold `old`, as something in between might."""

    old, new = b"", b""

    def answer(self, request: Request) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        reply = super().answer(replace(request, headers=headers))
        if self.old:
            reply.body = reply.body.replace(self.old, self.new)
        return reply


def filled(emulator: BusinessCentral, rows: int = 12) -> Any:
    """Customers 10000, 11000 …, one a day, the last of them a day before noon of the 21st of July, which it is."""
    emulator.clock.freeze(NOON - timedelta(days=rows))
    for place in range(rows):
        emulator.add("customers", number=f"{10 + place}000", displayName=f"C{place}", email=f"c{place}@x.se")
        emulator.clock.advance(86_400)
    return emulator


def reader(client: Client, *paths: str, page_size: int = 1000, **settings: Any) -> Reader:
    """A source for one flow of customers."""
    return client.connect(page_size=page_size, **settings).source([flow(*paths)])


def numbers(batches: list[Batch]) -> list[str]:
    """Customer numbers in the order they came."""
    return [change.record["number"] for batch in batches for change in batch.changes]


def lists(emulator: Any) -> list[Any]:
    """The log entries of lists of customers."""
    return [entry for entry in emulator.log if entry.path.endswith("/customers")]
