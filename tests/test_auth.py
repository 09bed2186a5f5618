"""Signing requests: a token is fetched when needed, renewed before it ends, and once when it is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlconnector.auth import FixedHeader, Token, basic
from mlconnector.errors import AuthError
from mlconnector.http import Credentials, Http, unexpected
from mlconnector.model import Tools
from mlconnector.sandbox import Emulator, Reply, Request, Running, json_reply
from tests.toys import Clock


class Door(Emulator):
    """Lets in who shows a token of `valid`; `fetch` hands out new ones."""

    def __init__(self) -> None:
        super().__init__()
        self.valid: set[str] = set()
        self.fetched = 0
        self.shown: list[str] = []

    def fetch(self) -> tuple[str, int]:
        time.sleep(0.02)  # long enough for others to come along
        self.fetched += 1
        self.valid.add(f"Bearer t{self.fetched}")
        return f"t{self.fetched}", 3600

    def answer(self, request: Request) -> Reply:
        self.shown.append(request.headers["authorization"])
        return json_reply(200 if self.shown[-1] in self.valid else 401, {})

    def expire_tokens(self) -> None:
        self.valid.clear()


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    with Running(door) as running:
        door.url = running.url  # type: ignore[attr-defined]
        yield door


def client(door: Any, clock: Clock, credentials: Credentials | None = None) -> Http:
    tools = Tools(clock.now, lambda seconds: None)
    credentials = credentials or Token(door.fetch, clock.now)
    return Http("door", door.url, lambda answer: unexpected("door", answer), tools, credentials=credentials)


def together(call: Callable[[], object], times: int) -> None:
    threads = [threading.Thread(target=call) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_fixed_header_is_sent_as_it_is_and_cannot_be_renewed() -> None:
    assert FixedHeader("Bearer x").header() == "Bearer x"
    assert FixedHeader("Bearer x").renew("Bearer x") is False
    assert basic("anna", "pässword").header() == "Basic YW5uYTpww6Rzc3dvcmQ="


def test_a_token_is_fetched_with_the_first_request_and_used_for_all() -> None:
    door, clock = Door(), Clock()
    token = Token(door.fetch, clock.now)
    assert door.fetched == 0
    assert {token.header() for _ in range(3)} == {"Bearer t1"} and door.fetched == 1


@pytest.mark.parametrize(("life", "margin"), [(3600, 300), (1000, 200), (10, 2)])
def test_a_token_is_renewed_in_the_last_fifth_of_its_life_but_five_minutes_before_its_end_at_most(
    life: int, margin: int
) -> None:
    clock, lives = Clock(), iter(range(1, 9))
    token = Token(lambda: (f"t{next(lives)}", life), clock.now)
    token.header()
    clock.seconds = life - margin - 1
    assert token.header() == "Bearer t1"
    clock.seconds = life - margin
    assert token.header() == "Bearer t2"


def test_threads_that_come_together_fetch_one_token(door: Door) -> None:
    http = client(door, Clock())
    together(lambda: http.send("GET", "/"), 6)
    assert door.fetched == 1 and door.shown == ["Bearer t1"] * 6


def test_a_token_that_was_withdrawn_is_renewed_once_and_the_request_goes_through(door: Door) -> None:
    http = client(door, Clock())
    http.send("GET", "/")
    door.expire_tokens()
    assert http.send("POST", "/").status == 200, "a 401 was not carried out, so a POST may be repeated"
    assert door.shown == ["Bearer t1", "Bearer t1", "Bearer t2"] and http.usage.retries == 1


def test_threads_that_are_refused_together_fetch_one_new_token(door: Door) -> None:
    http = client(door, Clock())
    http.send("GET", "/")
    door.expire_tokens()
    together(lambda: http.send("GET", "/"), 4)
    assert door.fetched == 2 and door.shown[-1] == "Bearer t2"


def test_a_late_refusal_of_an_old_token_does_not_cost_the_new_one() -> None:
    door, clock = Door(), Clock()
    token = Token(door.fetch, clock.now)
    old = token.header()
    token.renew(old)
    new = token.header()
    token.renew(old)
    assert token.header() == new and door.fetched == 2


def test_a_new_token_that_is_refused_as_well_ends_it(door: Door) -> None:
    clock = Clock()
    http = client(door, clock, Token(lambda: ("worthless", 3600), clock.now))
    with pytest.raises(AuthError):
        http.send("GET", "/")
    assert door.shown == ["Bearer worthless"] * 2


def test_a_fixed_header_that_is_refused_is_not_tried_again(door: Door) -> None:
    with pytest.raises(AuthError):
        client(door, Clock(), FixedHeader("Bearer x")).send("GET", "/")
    assert door.shown == ["Bearer x"]


def test_what_the_log_in_raises_reaches_the_caller_and_is_asked_again_next_time(door: Door) -> None:
    answers: Iterator[Any] = iter([AuthError("no"), None])

    def fetch() -> tuple[str, int]:
        error = next(answers)
        if error:
            raise error
        return door.fetch()

    clock = Clock()
    http = client(door, clock, Token(fetch, clock.now))
    with pytest.raises(AuthError, match="no"):
        http.send("GET", "/")
    assert http.send("GET", "/").status == 200
