"""Runs emulators: real HTTP on loopback, faults on demand, a clock that can be moved, a log of every request.

What a vendor answers lives in the vendor's `emulator.py`; this module knows no vendor. The server is the standard
library's, because a fault such as an answer lost on the way needs the bare socket.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

CONTROL = "/_sandbox/"
LOG_LENGTH = 20_000
LOGGED_BODY_BYTES = 20_000
_SECRET = re.compile(
    r"((?:^|&)(?:client_secret|client_assertion|password|refresh_token|token|code|apikey|api_token)=)[^&]*"
)
"""Parts of a form or a query that open something: they never get into the log."""

_SECRET_HEADERS = ("authorization", "x-api-token")

FaultKind = Literal[
    "status",  # answer `status` (with `retry_after` if given) in the vendor's own spelling; nothing is executed
    "html",  # the same with an HTML page, as a gateway in front would answer
    "drop",  # close the connection without executing
    "lost-answer",  # execute, then close the connection without a byte
    "cut",  # execute, then send half of the answer and close
    "slow",  # wait `seconds`, then execute
    "expired-token",  # forget every access token that was handed out, then go on
    "duplicate",  # execute twice, answer once
]


class Clock:
    """UTC time that can be moved; everything an emulator stamps comes from here."""

    def __init__(self) -> None:
        self._offset = timedelta(0)
        self._frozen: datetime | None = None

    def now(self) -> datetime:
        """Aware, UTC."""
        return self._frozen if self._frozen is not None else datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Moves forward (or back, if negative)."""
        if self._frozen is not None:
            self._frozen += timedelta(seconds=seconds)
        else:
            self._offset += timedelta(seconds=seconds)

    def freeze(self, when: datetime | None) -> None:
        """Stands still at `when`; None lets it run again from there."""
        if when is None and self._frozen is not None:
            self._offset = self._frozen - datetime.now(UTC)
        self._frozen = when


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived. `path` is percent-decoded, `headers` have lower-case names."""

    method: str
    path: str
    raw_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    peer: str
    base: str
    """Scheme, host and port as the client addressed this server: `http://127.0.0.1:8801`."""
    connection: dict[str, Any] = field(default_factory=dict, compare=False)
    """What an emulator notes about the TCP connection, which may carry many requests."""

    def json(self) -> Any:
        """The body as JSON; ValueError if it is none."""
        return json.loads(self.body)


@dataclass(slots=True)
class Reply:
    """One answer; Content-Length, Date and Connection are added by the server."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(status: int, data: Any, content_type: str = "application/json", **headers: str) -> Reply:
    """An answer with a JSON body; header names are given with `_` for `-`."""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body, {"Content-Type": content_type, **named})


@dataclass(slots=True)
class Fault:
    """What goes wrong, for which requests and how often.

    `method` and `path` (a regular expression searched in the path) choose; `skip` lets that many matching
    requests pass first, `times` is how many are hit then (0: all).
    """

    kind: FaultKind
    method: str = ""
    path: str = ""
    times: int = 1
    skip: int = 0
    status: int = 503
    retry_after: int | None = None
    seconds: float = 0.0
    hits: int = 0

    def takes(self, request: Request) -> bool:
        """Whether it strikes this request; counts."""
        if self.method and self.method != request.method:
            return False
        if self.path and not re.search(self.path, request.path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times and self.hits >= self.times:
            return False
        self.hits += 1
        return True


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One request and what became of it; `status` 0 means that no answer was sent."""

    number: int
    at: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: str
    status: int
    fault: str


class Emulator:
    """Base of a vendor's emulator: holds the clock, the faults, the log and the lock.

    A subclass implements `answer`; overriding the rest is optional. `answer` runs under `lock`, one request at a
    time, so that it may treat its state as its own.
    """

    name = "emulator"
    max_parallel: int | None = None
    """More requests than this at once get `busy()`; None means no limit."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.lock = threading.RLock()
        self.faults: list[Fault] = []
        self.log: deque[LogEntry] = deque(maxlen=LOG_LENGTH)
        self.latency_seconds = 0.0
        self.requests_seen = 0
        self._in_flight = 0
        self._gate = threading.Lock()

    # what a vendor's emulator brings

    def answer(self, request: Request) -> Reply:
        """What the vendor answers; changes the emulator's state."""
        return json_reply(404, {"error": "not emulated"})

    def error(self, request: Request, status: int) -> Reply:
        """The vendor's own body for a status that a fault asks for (429, 503, 500 …)."""
        return json_reply(status, {"error": HTTPStatus(status).phrase})

    def busy(self, request: Request) -> Reply:
        """The answer to one request more than `max_parallel`."""
        return self.error(request, 429)

    def expire_tokens(self) -> None:
        """Makes every access token handed out so far invalid."""

    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        """Named control actions for `POST /_sandbox/do/<name>`: what a person or another program would do."""
        return {}

    def examples(self) -> Mapping[str, Mapping[str, Any]]:
        """What a call of each action may post; its words are those that the action takes."""
        return {}

    # what all of them share

    def fault(self, kind: FaultKind, **settings: Any) -> Fault:
        """Adds a fault and returns it."""
        fault = Fault(kind, **settings)
        with self.lock:
            self.faults.append(fault)
        return fault

    def handle(self, request: Request) -> tuple[Reply | None, bool]:
        """The answer (None: close without one) and whether it is to be cut short."""
        with self._gate:
            self._in_flight += 1
            full = self.max_parallel is not None and self._in_flight > self.max_parallel
        try:
            with self.lock:
                fault = None if full else next((f for f in self.faults if f.takes(request)), None)
            reply, cut = (self.busy(request), False) if full else self._struck(request, fault)
            if self.latency_seconds:
                time.sleep(self.latency_seconds)
        finally:
            with self._gate:
                self._in_flight -= 1
        self._record(request, reply, fault)
        return reply, cut

    def _struck(self, request: Request, fault: Fault | None) -> tuple[Reply | None, bool]:
        kind = fault.kind if fault else None
        if fault is not None and kind in ("status", "html"):
            reply = self.error(request, fault.status) if kind == "status" else html_reply(fault.status)
            if fault.retry_after is not None:
                reply.headers["Retry-After"] = str(fault.retry_after)
            return reply, False
        if kind == "drop":
            return None, False
        if fault is not None and kind == "slow":
            time.sleep(fault.seconds)
        with self.lock:
            if kind == "expired-token":
                self.expire_tokens()
            if kind == "duplicate":
                self.answer(request)
            reply = self.answer(request)
        return (None, False) if kind == "lost-answer" else (reply, kind == "cut")

    def _record(self, request: Request, reply: Reply | None, fault: Fault | None) -> None:
        with self.lock:
            self.requests_seen += 1
            self.log.append(
                LogEntry(
                    number=self.requests_seen,
                    at=self.clock.now().isoformat(),
                    method=request.method,
                    path=request.path,
                    query={k: ("***" if _SECRET.match(f"{k}=") else v) for k, v in request.query.items()},
                    headers={k: ("***" if k in _SECRET_HEADERS else v) for k, v in request.headers.items()},
                    body=_logged_body(request),
                    status=reply.status if reply else 0,
                    fault=fault.kind if fault else "",
                )
            )

    def control(self, request: Request) -> Reply:
        """The endpoints below `/_sandbox/`: log, faults, clock, latency, do/<action>."""
        what = request.path.removeprefix(CONTROL)
        data = request.json() if request.body else {}
        with self.lock:
            if what == "log":
                if request.method == "DELETE":
                    self.log.clear()
                last = int(request.query.get("last", LOG_LENGTH))
                return json_reply(200, [asdict(entry) for entry in list(self.log)[-last:]])
            if what == "faults":
                if request.method == "DELETE":
                    self.faults.clear()
                elif request.method == "POST":
                    self.faults.append(Fault(**data))
                return json_reply(200, [asdict(fault) for fault in self.faults])
            if what == "clock":
                self.clock.advance(float(data.get("advance", 0)))
                if "set" in data:
                    self.clock.freeze(_moment(data["set"]))
                return json_reply(200, {"now": self.clock.now().isoformat()})
            if what == "latency":
                self.latency_seconds = float(data.get("seconds", self.latency_seconds))
                return json_reply(200, {"seconds": self.latency_seconds})
            if what == "do/help":
                return json_reply(200, self.examples())
            name = what.removeprefix("do/")
            action = self.actions().get(name)
            if action is None:
                known = [
                    "log", "faults", "clock", "latency", "do/help", *(f"do/{one}" for one in self.actions())
                ]  # fmt: skip
                return json_reply(404, {"error": f"nothing at {what!r}", "known": known})
            return self._done(name, action, data)

    def _done(self, name: str, action: Callable[[Mapping[str, Any]], Any], data: Mapping[str, Any]) -> Reply:
        """What was done, or a sentence about why it was not, with a call that is right."""
        example = self.examples().get(name, {})
        try:
            found = action(data)
        except Exception as error:  # whatever the rules of the emulated system, or the words of the call, say
            return json_reply(
                400, {"error": f"do/{name}: {_sentence(error, data, example)}", "example": example}
            )
        if isinstance(found, dict | list):
            return json_reply(200, found)
        answer = {} if found is None else {"answer": found}
        return json_reply(200, {"done": name, **data, **answer})


_WORD = re.compile(r"(unexpected keyword|missing .*) arguments?:? (?P<words>.*)")


def _sentence(error: Exception, data: Mapping[str, Any], example: Mapping[str, Any]) -> str:
    """What is wrong with a call of an action, for a person."""
    said = str(getattr(error, "text", "") or (error.args[0] if error.args else type(error).__name__))
    if isinstance(error, TypeError) and (found := _WORD.search(said)):
        return f"{'it does not take' if 'unexpected' in said else 'it needs'} {found['words']}"
    if isinstance(error, KeyError) and " " not in said:
        return f"it needs {said!r}" if said in example and said not in data else f"there is no {said!r}"
    return said


def _logged_body(request: Request) -> str:
    """The body as text, without the secret of a token request."""
    text = request.body[:LOGGED_BODY_BYTES].decode("utf-8", "replace")
    is_form = "form-urlencoded" in request.headers.get("content-type", "")
    return _SECRET.sub(r"\1***", text) if is_form else text


def _moment(text: str | None) -> datetime | None:
    """A time, in UTC where it does not say; None stays None."""
    when = None if text is None else datetime.fromisoformat(text)
    return when.replace(tzinfo=UTC) if when is not None and when.tzinfo is None else when


def html_reply(status: int) -> Reply:
    """What a gateway in front of the vendor answers."""
    phrase = HTTPStatus(status).phrase
    page = f"<html><head><title>{phrase}</title></head><body><h1>{phrase}</h1>Reference #18.2f1</body></html>"
    return Reply(status, page.encode(), {"Content-Type": "text/html"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write a reply: header and body leave together
    disable_nagle_algorithm = True
    emulator: Emulator

    def setup(self) -> None:
        """A new connection, of which nothing is known."""
        super().setup()
        self._noted: dict[str, Any] = {}

    def _serve(self) -> None:
        request = self._read()
        if request.path.startswith(CONTROL):
            try:
                self._send(self.emulator.control(request))
            except (KeyError, TypeError, ValueError) as error:
                self._send(json_reply(400, {"error": f"{type(error).__name__}: {error}"}))
            return
        reply, cut = self.emulator.handle(request)
        if reply is None:
            self._hang_up()
        else:
            self._send(reply, cut=cut)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        host = self.headers.get("Host") or "127.0.0.1"
        return Request(
            method=self.command,
            path=unquote(parts.path),
            raw_path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
            peer=self.client_address[0],
            base=f"http://{host}",
            connection=self._noted,
        )

    def _send(self, reply: Reply, *, cut: bool = False) -> None:
        self.send_response_only(reply.status)
        self.send_header("Date", format_datetime(self.emulator.clock.now(), usegmt=True))
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if cut else reply.body)
        self.wfile.flush()
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the emulator keeps its own log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away (kill -9 in the tests) is no news."""


class Running:
    """An emulator on a port of 127.0.0.1; a context manager that stops it."""

    def __init__(self, emulator: Emulator, port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"emulator": emulator})
        self.emulator = emulator
        self._server = _Server(("127.0.0.1", port), handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops serving and frees the port."""
        self._server.shutdown()
        self._server.server_close()
