"""Calls against a real server: what is repeated, what is waited for, what is never sent twice, what is never said."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from mlconnector.auth import FixedHeader
from mlconnector.errors import AuthError, ConnectorError, Later, Rejected, Stop, Uncertain
from mlconnector.http import Answer, Http, Limits, Pace, TimedOut, unexpected
from mlconnector.model import Tools
from mlconnector.sandbox import Emulator, Reply, Request, Running, json_reply

NOW = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
SECRET = "Bearer not-for-anybodys-eyes"


class Toy(Emulator):
    """Answers with how often it was asked, or with what `replies` holds; remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.clock.freeze(NOW)
        self.replies: list[Reply] = []
        self.seen: list[Request] = []

    def answer(self, request: Request) -> Reply:
        self.seen.append(request)
        return self.replies.pop(0) if self.replies else json_reply(200, {"calls": len(self.seen)})


@dataclass
class Bench:
    """A toy on a port, and clients whose sleep only takes notes."""

    toy: Toy
    url: str
    slept: list[float] = field(default_factory=list)

    def tools(self) -> Tools:
        return Tools(lambda: NOW, self.slept.append)

    def http(self, **options: Any) -> Http:
        limits = options.pop("limits", {})
        limits = Limits(**{"read_timeout": 5.0, **limits})
        options.setdefault("credentials", FixedHeader(SECRET))
        url = options.pop("url", self.url)
        return Http(
            "toy", url, lambda answer: unexpected("toy", answer), self.tools(), limits=limits, **options
        )

    def calls(self) -> int:
        return self.toy.requests_seen


@pytest.fixture
def bench() -> Iterator[Bench]:
    toy = Toy()
    with Running(toy) as running:
        yield Bench(toy, running.url)


# what is repeated

TROUBLE: list[dict[str, Any]] = [
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 503},
    {"kind": "html", "status": 503},
    {"kind": "status", "status": 408},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502},
    {"kind": "html", "status": 504},
    {"kind": "drop"},
    {"kind": "lost-answer"},
    {"kind": "cut"},
    {"kind": "slow", "seconds": 3.0},
]
NAMES = [f"{one['kind']} {one.get('status', '')}".strip() for one in TROUBLE]


@pytest.mark.parametrize("trouble", TROUBLE, ids=NAMES)
@pytest.mark.parametrize(("method", "repeatable"), [("GET", None), ("PUT", True), ("POST", True)])
def test_what_does_no_harm_twice_is_repeated_until_it_works(
    bench: Bench, trouble: dict[str, Any], method: str, repeatable: bool | None
) -> None:
    bench.toy.fault(**trouble, times=2)
    http = bench.http(limits={"read_timeout": 0.6})
    assert http.send(method, "/things", repeatable=repeatable).status == 200
    assert (http.usage.calls, http.usage.retries) == (3, 2)
    assert len(bench.slept) >= 2


@pytest.mark.parametrize("trouble", TROUBLE, ids=NAMES)
def test_what_may_have_been_carried_out_is_not_sent_again(bench: Bench, trouble: dict[str, Any]) -> None:
    bench.toy.fault(**trouble, times=1)
    http = bench.http(limits={"read_timeout": 0.6})
    if trouble.get("status") in (429, 503):  # these say themselves that nothing was done
        assert http.send("POST", "/things", json={}).status == 200
        return
    with pytest.raises(Uncertain, match="may have been carried out") as uncertain:
        http.send("POST", "/things", json={})
    assert uncertain.value.timed_out is (trouble["kind"] == "slow")
    assert http.usage.calls == 1 and http.usage.retries == 0


@pytest.mark.parametrize("trouble", [one for one in TROUBLE if one["kind"] != "slow"], ids=str)
def test_when_it_never_works_the_flow_is_left_for_later(bench: Bench, trouble: dict[str, Any]) -> None:
    bench.toy.fault(**trouble, times=0)
    http = bench.http(limits={"attempts": 3})
    with pytest.raises(Later) as later:
        http.send("GET", "/things")
    assert http.usage.calls == 3 and "next run" in later.value.hint
    assert later.value.message.startswith("toy: ") and later.value.message.endswith("(GET /things)")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_where_nobody_listens_nothing_was_sent_and_every_call_is_repeated(bench: Bench, method: str) -> None:
    http = bench.http(url=f"http://127.0.0.1:{_free_port()}")
    with pytest.raises(Later, match="cannot connect"):
        http.send(method, "/things")
    assert (http.usage.calls, http.usage.retries) == (0, 4)


def test_a_name_that_does_not_resolve_is_a_matter_for_later(bench: Bench) -> None:
    http = bench.http(url="http://nobody.invalid", limits={"attempts": 2})
    with pytest.raises(Later, match="cannot connect"):
        http.send("POST", "/things")


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_what_is_refused_is_not_repeated(bench: Bench, status: int) -> None:
    bench.toy.replies = [json_reply(status, {}, X_Request_Id="r-7")]
    with pytest.raises(Rejected) as rejected:
        bench.http().send("GET", "/things")
    assert (rejected.value.status, rejected.value.code) == (status, f"http-{status}")
    assert rejected.value.request_id == "r-7" and bench.calls() == 1


def test_refused_credentials_stop_the_run(bench: Bench) -> None:
    bench.toy.replies = [json_reply(401, {})]
    with pytest.raises(AuthError):
        bench.http().send("GET", "/things")
    assert bench.calls() == 1


def test_a_redirect_is_not_followed_and_says_what_to_correct(bench: Bench) -> None:
    bench.toy.replies = [Reply(302, headers={"Location": bench.url + "/elsewhere"})]
    with pytest.raises(Stop, match="redirect") as stop:
        bench.http().send("GET", "/things")
    assert "base_url" in stop.value.hint and bench.calls() == 1


def test_a_reader_may_give_up_after_one_time_out_to_ask_for_less(bench: Bench) -> None:
    bench.toy.fault("slow", seconds=3.0, times=0)
    http = bench.http()
    with pytest.raises(TimedOut):
        http.send("GET", "/things", read_timeout=0.1, timeouts=1)
    assert http.usage.calls == 1
    with pytest.raises(TimedOut):
        http.send("GET", "/things", read_timeout=0.1, timeouts=2)
    assert http.usage.calls == 3


# how long is waited


@pytest.mark.parametrize(("status", "asked"), [(429, 7), (503, 7), (500, 7), (429, 120)])
def test_the_pause_that_the_server_asks_for_is_kept(bench: Bench, status: int, asked: int) -> None:
    bench.toy.fault("status", status=status, retry_after=asked)
    bench.http().send("GET", "/things")
    assert asked <= bench.slept[0] <= asked + 1


def test_without_a_word_the_pauses_grow_and_are_never_the_same(bench: Bench) -> None:
    bench.toy.fault("drop", times=8)
    bench.http(limits={"attempts": 9}).send("GET", "/things")
    assert len(set(bench.slept)) == 8 and bench.slept[0] <= 1.0 and max(bench.slept) <= 60.0
    for number, pause in enumerate(bench.slept, start=1):
        assert 0.3 * min(60, 0.5 * 2**number) <= pause <= min(60, 0.5 * 2**number)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_long_pause_ends_the_flow_and_says_until_when(bench: Bench, method: str) -> None:
    bench.toy.fault("status", status=429, retry_after=600)
    with pytest.raises(Later, match="it asks to wait 600 s") as later:
        bench.http().send(method, "/things")
    assert later.value.retry_at == NOW + timedelta(seconds=600) and bench.slept == []


def test_a_pause_that_never_helps_is_handed_on(bench: Bench) -> None:
    bench.toy.fault("status", status=429, retry_after=30, times=0)
    http = bench.http(limits={"attempts": 2})
    with pytest.raises(Later) as later:
        http.send("GET", "/things")
    assert later.value.retry_at == NOW + timedelta(seconds=30) and http.usage.throttled == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("  7 ", 7.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("1784800000000", 86_400.0),
        ("Fri, 01 Jul 2033 08:00:00 GMT", 86_400.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
    ],
)
def test_retry_after_in_all_its_spellings(text: str, seconds: float | None) -> None:
    assert Answer("GET", "/", 429, {"Retry-After": text}, b"").retry_after(NOW) == seconds


def test_a_date_to_wait_for_counts_from_the_clock_of_the_server() -> None:
    ahead = NOW + timedelta(hours=1)
    headers = {
        "Date": format_datetime(ahead, usegmt=True),
        "Retry-After": format_datetime(ahead + timedelta(seconds=20), usegmt=True),
    }
    assert Answer("GET", "/", 429, headers, b"").retry_after(NOW) == 20.0


def test_after_a_429_nobody_starts_before_the_pause_is_over(bench: Bench) -> None:
    """The first thread really sleeps; what the second one starts in the meantime waits as well."""
    http = Http("toy", bench.url, lambda answer: unexpected("toy", answer), Tools(lambda: NOW, time.sleep))
    bench.toy.fault("status", status=429, retry_after=1)
    first = threading.Thread(target=http.send, args=("GET", "/first"))
    first.start()
    while not http.usage.throttled:
        time.sleep(0.01)
    time.sleep(0.05)
    started = time.monotonic()
    http.send("GET", "/second")
    assert time.monotonic() - started > 0.8
    first.join()


def test_a_pace_is_kept_by_all_threads_together() -> None:
    slept: list[float] = []
    pace = Pace(10, slept.append)
    _together(lambda: pace.wait(), 6)
    assert len(slept) == 5, "the first one starts at once"
    assert max(slept) == pytest.approx(0.5, abs=0.1)


def test_no_more_than_so_many_calls_are_under_way_at_once(bench: Bench) -> None:
    bench.toy.latency_seconds = 0.05
    bench.toy.max_parallel = 3
    http = bench.http(limits={"parallel": 3})
    _together(lambda: http.send("GET", "/things"), 9)
    assert http.usage.throttled == 0 and http.usage.calls == 9
    more = bench.http(limits={"parallel": 9, "attempts": 20})

    def send() -> None:
        with suppress(Later):  # on a busy machine one of them may never get its turn
            more.send("GET", "/things")

    _together(send, 9)
    assert more.usage.throttled > 0, "the toy does notice"


# what is sent


def test_what_is_sent_arrives(bench: Bench) -> None:
    http = bench.http(url=bench.url + "/api/")
    http.send(
        "POST", "/things", json={"name": "Åsa"}, headers={"Prefer": "x"}, params={"$filter": "a eq 'b c'"}
    )
    seen = bench.toy.seen[0]
    assert (seen.method, seen.path, seen.json()) == ("POST", "/api/things", {"name": "Åsa"})
    assert seen.query == {"$filter": "a eq 'b c'"} and seen.headers["prefer"] == "x"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["user-agent"].startswith("mlconnector/")
    http.send("POST", "/token", form={"grant_type": "client_credentials"})
    assert bench.toy.seen[1].body == b"grant_type=client_credentials"


def test_a_netrc_entry_does_not_replace_our_credentials(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    bench.http().send("GET", "/things")
    bench.http(credentials=None).send("GET", "/things")
    assert bench.toy.seen[0].headers["authorization"] == SECRET
    assert "authorization" not in bench.toy.seen[1].headers


def test_a_link_on_the_same_origin_is_followed_as_it_is(bench: Bench) -> None:
    bench.http(url=bench.url + "/api").send("GET", f"{bench.url}/other/things?$skiptoken=a%20b")
    assert (bench.toy.seen[0].path, bench.toy.seen[0].query) == ("/other/things", {"$skiptoken": "a b"})


@pytest.mark.parametrize(
    "link",
    [
        "http://evil.example/things",
        "https://{host}/x",
        "http://localhost:{port}/x",
        "http://{host}abc/x",
        "http://[::1/x",
    ],
)
def test_a_link_to_another_origin_is_never_followed(bench: Bench, link: str) -> None:
    host = bench.url.removeprefix("http://")
    with pytest.raises(Stop, match="an answer links to") as stop:
        bench.http().send("GET", link.format(host=host, port=host.partition(":")[2]))
    assert "base_url" in stop.value.hint and bench.calls() == 0


def test_an_address_that_is_none_stops_the_run(bench: Bench) -> None:
    with pytest.raises(Stop, match="InvalidURL") as stop:
        bench.http(url="https://*.example.com").send("GET", "/things")
    assert "base_url" in stop.value.hint


@pytest.mark.parametrize("url", ["http://127.0.0.1:abc/X", "http://127.0.0.1:99999/X"])
def test_an_address_with_a_port_that_is_none_stops_the_run(bench: Bench, url: str) -> None:
    with pytest.raises((Stop, Later)):
        bench.http(url=url).send("GET", "/things")


# what comes back


def test_a_zipped_answer_is_unzipped(bench: Bench) -> None:
    body = gzip.compress(b'{"name": "Anna"}')
    bench.toy.replies = [Reply(200, body, {"Content-Type": "application/json", "Content-Encoding": "gzip"})]
    answer = bench.http().send("GET", "/things")
    assert answer.is_json() and answer.json() == {"name": "Anna"}
    assert "gzip" in bench.toy.seen[0].headers["accept-encoding"]


def test_an_answer_that_claims_to_be_zipped_and_is_not_counts_as_broken(bench: Bench) -> None:
    bench.toy.replies = [Reply(200, b"plain", {"Content-Encoding": "gzip"})]
    assert bench.http().send("GET", "/things").json() == {"calls": 2}


def test_an_answer_tells_its_time_and_number(bench: Bench) -> None:
    bench.toy.replies = [json_reply(200, {}, request_id="r-1"), json_reply(200, {}, X_Request_Id="r-2")]
    first, second = bench.http().send("GET", "/a"), bench.http().send("GET", "/b")
    assert (first.date(), first.request_id, second.request_id) == (NOW, "r-1", "r-2")
    assert Answer("GET", "/", 200, {"Date": "yesterday"}, b"").date() is None


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": ', b'"\xff"'])
def test_what_is_no_json_is_an_empty_object(body: bytes) -> None:
    assert Answer("GET", "/", 200, {}, body).json() == {}


# TLS and proxies


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of its own for 127.0.0.1, with its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from ipaddress import ip_address

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "toy")])
    today = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    built = built.add_extension(names, critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = tmp_path / "toy.pem"
    path.write_bytes(
        built.sign(key, hashes.SHA256()).public_bytes(encoding)
        + key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    )
    return path


@pytest.fixture
def secure_url(bench: Bench, certificate: Path) -> Iterator[str]:
    """The toy behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Running(bench.toy) as running:
        running._server.socket = context.wrap_socket(running._server.socket, server_side=True)
        yield running.url.replace("http://", "https://")


def test_a_certificate_that_nobody_vouches_for_stops_the_run(bench: Bench, secure_url: str) -> None:
    with pytest.raises(Stop, match="no trusted TLS connection") as stop:
        bench.http(url=secure_url).send("GET", "/things")
    assert "REQUESTS_CA_BUNDLE" in stop.value.hint and bench.calls() == 0


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_private_authority_is_trusted_when_named_in_the_environment(
    bench: Bench, secure_url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(certificate))
    assert bench.http(url=secure_url).send("GET", "/things").status == 200


def test_a_server_that_hangs_up_before_it_shows_a_certificate_is_tried_again(bench: Bench) -> None:
    with Listening(lambda client: client.recv(1024)) as (port, heard):
        http = bench.http(url=f"https://127.0.0.1:{port}", limits={"attempts": 3})
        with pytest.raises(Later, match="the connection broke"):
            http.send("GET", "/things")
    assert len(heard) == 3


def test_https_goes_through_the_proxy_of_the_environment_and_this_machine_does_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(client: socket.socket) -> bytes:
        asked = client.recv(1024)
        client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        return asked

    with Listening(refuse) as (port, heard):
        for name in ("https_proxy", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert bench.http().send("GET", "/things").status == 200
        with pytest.raises(Later, match="cannot connect"):
            bench.http(url="https://api.invalid", limits={"attempts": 1}).send("POST", "/things")
    assert len(heard) == 1 and heard[0].startswith(b"CONNECT api.invalid:443 ")


# what is never said


@pytest.mark.parametrize(
    "trouble",
    [
        *TROUBLE,
        {"kind": "status", "status": 400},
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 302},
    ],
    ids=str,
)
def test_no_query_secret_or_body_gets_into_a_log_or_an_error(
    bench: Bench, caplog: pytest.LogCaptureFixture, trouble: dict[str, Any]
) -> None:
    caplog.set_level(logging.DEBUG, "mlconnector")  # the logs of libraries are never shown
    bench.toy.fault(**trouble, times=0)
    http = bench.http(limits={"attempts": 2, "read_timeout": 0.6})
    with pytest.raises(ConnectorError) as error:
        http.send(
            "PUT",
            "/things",
            params={"q": "anna@nordkran.se"},
            json={"mail": "bo@nordkran.se"},
            repeatable=True,
        )
    told = f"{error.value} {error.value.hint} {error.value!r} {caplog.text}"
    for hidden in ("anna", "bo@", "nordkran", "not-for-anybodys-eyes", "q="):
        assert hidden not in told
    assert error.value.__cause__ is None, "the error of a library may hold anything"


def test_a_call_is_logged_with_status_time_and_number(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mlconnector.http")
    bench.toy.replies = [json_reply(200, {}, request_id="r-1")]
    bench.http().send("GET", "/things")
    assert "toy GET /things -> 200 in" in caplog.text and "request id r-1" in caplog.text


def _together(call: Callable[[], object], times: int) -> None:
    threads = [threading.Thread(target=call) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Listening:
    """A bare socket: each connection is handed to `meet`, what that returns is kept, then it is closed."""

    def __init__(self, meet: Callable[[socket.socket], bytes]) -> None:
        self._meet = meet
        self._server = socket.create_server(("127.0.0.1", 0))
        self._heard: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> tuple[int, list[bytes]]:
        self._thread.start()
        return self._server.getsockname()[1], self._heard

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client:
                self._heard.append(self._meet(client))
