"""The server under the emulators: each kind of fault, the clock, the log and the controls, over a real socket."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from mlconnector.sandbox import CONTROL, Emulator, Reply, Request, Running, json_reply

NOW = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)


class Counter(Emulator):
    """Counts; forgets its tokens when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.seen: list[Request] = []
        self.tokens = {"t1"}

    def answer(self, request: Request) -> Reply:
        self.count += 1
        self.seen.append(request)
        return json_reply(200, {"count": self.count, "query": request.query, "tokens": sorted(self.tokens)})

    def error(self, request: Request, status: int) -> Reply:
        return json_reply(status, {"title": "as the vendor says it"})

    def expire_tokens(self) -> None:
        self.tokens.clear()

    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        return {"set": self._set}

    def _set(self, data: Mapping[str, Any]) -> Any:
        self.count = int(data["count"])
        return {"count": self.count}


class Client:
    """One connection to the server, as bare as the standard library has it."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, Mapping[str, str], bytes]:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        self.connection.request(method, path, data, dict(headers))
        response = self.connection.getresponse()
        return response.status, dict(response.headers), response.read()

    def control(self, method: str, what: str, body: Any = None) -> Any:
        status, _, answer = self.call(method, CONTROL + what, body)
        return json.loads(answer) if status == 200 else status


@pytest.fixture
def emulator() -> Counter:
    return Counter()


@pytest.fixture
def client(emulator: Counter) -> Iterator[Client]:
    with Running(emulator) as running:
        client = Client(running.port)
        yield client
        client.connection.close()


def test_what_is_noted_of_a_connection_lasts_as_long_as_it_does(emulator: Counter, client: Client) -> None:
    client.call("GET", "/")
    emulator.seen[0].connection["user"] = "SYNC"
    client.call("GET", "/")
    client.connection.close()
    client.call("GET", "/")
    assert [request.connection for request in emulator.seen] == [{"user": "SYNC"}, {"user": "SYNC"}, {}]


def test_a_request_arrives_whole_and_the_connection_is_kept(emulator: Counter, client: Client) -> None:
    for _ in range(2):
        client.call("PATCH", "/a%2Fb/%C3%A5?x=1&y=", {"n": 1}, {"X-Mixed": "Case"})
    first, second = emulator.seen
    assert (first.method, first.path, first.raw_path) == ("PATCH", "/a/b/å", "/a%2Fb/%C3%A5")
    assert first.query == {"x": "1", "y": ""} and first.headers["x-mixed"] == "Case"
    assert first.json() == {"n": 1} and first.base == f"http://127.0.0.1:{client.connection.port}"
    assert (first.peer, second.body) == ("127.0.0.1", first.body)


def test_the_date_of_an_answer_is_the_emulators_own(emulator: Counter, client: Client) -> None:
    emulator.clock.freeze(NOW)
    _, headers, _ = client.call("GET", "/")
    assert parsedate_to_datetime(headers["Date"]) == NOW


# faults


@pytest.mark.parametrize(
    ("kind", "says"), [("status", b"as the vendor says it"), ("html", b"<h1>Too Many Requests</h1>")]
)
def test_a_status_is_answered_in_the_vendors_words_or_a_gateways_and_nothing_is_done(
    emulator: Counter, client: Client, kind: Any, says: bytes
) -> None:
    emulator.fault(kind, status=429, retry_after=7)
    status, headers, body = client.call("POST", "/")
    assert (status, headers["Retry-After"], emulator.count) == (429, "7", 0) and says in body
    assert client.call("POST", "/")[0] == 200


@pytest.mark.parametrize(("kind", "done"), [("drop", 0), ("lost-answer", 1)])
def test_a_connection_closes_without_an_answer_before_or_after_the_work(
    emulator: Counter, client: Client, kind: Any, done: int
) -> None:
    emulator.fault(kind)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.call("POST", "/")
    assert emulator.count == done and emulator.log[-1].status == 0


def test_an_answer_is_cut_in_the_middle(emulator: Counter, client: Client) -> None:
    emulator.fault("cut")
    with pytest.raises(http.client.IncompleteRead) as broken:
        client.call("POST", "/")
    assert emulator.count == 1 and broken.value.partial.startswith(b'{"count":1')


def test_a_slow_answer_comes_after_all(emulator: Counter, client: Client) -> None:
    emulator.fault("slow", seconds=0.2)
    started = time.monotonic()
    assert client.call("GET", "/")[0] == 200 and time.monotonic() - started >= 0.2


def test_tokens_expire_before_the_request_is_looked_at(emulator: Counter, client: Client) -> None:
    emulator.fault("expired-token")
    assert json.loads(client.call("GET", "/")[2])["tokens"] == []


def test_a_request_may_be_carried_out_twice(emulator: Counter, client: Client) -> None:
    emulator.fault("duplicate")
    assert json.loads(client.call("POST", "/")[2])["count"] == 2


def test_a_fault_strikes_the_chosen_requests_so_many_times_after_some_have_passed(
    emulator: Counter, client: Client
) -> None:
    emulator.fault("status", method="POST", path="^/orders", skip=1, times=2)
    calls = [("POST", "/orders"), ("GET", "/orders"), ("POST", "/x"), *[("POST", "/orders/1")] * 3]
    assert [client.call(*call)[0] for call in calls] == [200, 200, 200, 503, 503, 200]
    emulator.fault("status", path="/always", times=0)
    assert [client.call("GET", "/always")[0] for _ in range(4)] == [503] * 4


def test_too_many_requests_at_once_are_turned_away(emulator: Counter, client: Client) -> None:
    emulator.max_parallel = 0
    assert client.call("GET", "/")[0] == 429 and emulator.count == 0


# the clock


def test_the_clock_stands_still_moves_and_runs_on(emulator: Counter) -> None:
    clock = emulator.clock
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 5
    clock.advance(3600)
    assert 3590 < (clock.now() - datetime.now(UTC)).total_seconds() < 3610
    clock.freeze(NOW)
    clock.advance(-60)
    assert clock.now() == clock.now() == NOW.replace(hour=7, minute=59)
    clock.freeze(None)
    before = clock.now()
    time.sleep(0.02)
    assert NOW.replace(hour=7, minute=59) <= before < clock.now()


def test_the_clock_is_moved_from_outside(emulator: Counter, client: Client) -> None:
    assert client.control("POST", "clock", {"set": "2026-07-01T08:00:00"}) == {"now": NOW.isoformat()}
    assert client.control("POST", "clock", {"advance": 90}) == {"now": "2026-07-01T08:01:30+00:00"}
    client.control("POST", "clock", {"set": None})
    assert emulator.clock.now() > NOW


# the controls and the log


def test_faults_are_added_listed_and_taken_away_from_outside(emulator: Counter, client: Client) -> None:
    client.control("POST", "faults", {"kind": "status", "status": 500, "times": 0})
    assert client.call("GET", "/")[0] == 500
    (listed,) = client.control("GET", "faults")
    assert (listed["kind"], listed["hits"]) == ("status", 1)
    assert client.control("DELETE", "faults") == [] and client.call("GET", "/")[0] == 200


def test_latency_is_set_from_outside(emulator: Counter, client: Client) -> None:
    assert client.control("POST", "latency", {"seconds": 0.1}) == {"seconds": 0.1}
    started = time.monotonic()
    client.call("GET", "/")
    assert time.monotonic() - started >= 0.1


def test_an_action_of_the_emulator_is_called_from_outside(emulator: Counter, client: Client) -> None:
    assert client.control("POST", "do/set", {"count": 41}) == {"count": 41}
    assert json.loads(client.call("GET", "/")[2])["count"] == 42


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("nothing", None, 404),
        ("do/nothing", None, 404),
        ("faults", {"sort": "of"}, 400),
        ("do/set", {}, 400),
        ("clock", b"no json", 400),
        ("clock", {"set": "yesterday"}, 400),
        ("latency", {"seconds": "long"}, 400),
    ],
)
def test_a_control_that_makes_no_sense_is_refused(client: Client, what: str, body: Any, status: int) -> None:
    assert client.control("POST", what, body) == status


def test_every_request_is_in_the_log_with_what_became_of_it(emulator: Counter, client: Client) -> None:
    emulator.clock.freeze(NOW)
    emulator.fault("status", path="/b")
    client.call("POST", "/a?x=1", {"n": 1})
    client.call("GET", "/b")
    first, second = client.control("GET", "log")
    assert (first["number"], first["method"], first["path"], first["query"]) == (1, "POST", "/a", {"x": "1"})
    assert (first["body"], first["status"], first["fault"], first["at"]) == (
        '{"n": 1}',
        200,
        "",
        NOW.isoformat(),
    )
    assert (second["status"], second["fault"]) == (503, "status")
    assert [entry["path"] for entry in client.control("GET", "log?last=1")] == ["/b"]
    assert client.control("DELETE", "log") == [] and emulator.requests_seen == 2


def test_the_log_holds_nothing_that_opens_a_door(emulator: Counter, client: Client) -> None:
    form = b"grant_type=client_credentials&client_secret=hush-1&scope=x"
    headers = {"Authorization": "Bearer hush-2", "Content-Type": "application/x-www-form-urlencoded"}
    client.call("POST", "/token?apikey=hush-3&page=2", form, headers)
    assert "hush" not in str(emulator.log)
    assert "grant_type=client_credentials" in str(emulator.log) and "scope=x" in str(emulator.log)


def test_the_port_is_free_again_after_the_end(emulator: Counter) -> None:
    with Running(emulator) as running:
        assert Client(running.port).call("GET", "/")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        Client(running.port).call("GET", "/")
    with Running(emulator, running.port) as again:
        assert Client(again.port).call("GET", "/")[0] == 200
