"""Calls to a vendor: one session, pacing, retries and what may be repeated. The only home of requests and tenacity.

What an answer means is the system's own `verdict`; what to do about it is decided here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from mlconnector import __version__
from mlconnector.errors import AuthError, ConfigError, ConnectorError, Later, Rejected, Stop, Uncertain
from mlconnector.model import Tools
from mlconnector.network import (
    NO_NAME,
    Trouble,
    authorities_problem,
    cannot_connect,
    no_trust,
    proxy_in_the_way,
)

log = logging.getLogger("mlconnector.http")

ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 120.0
"""A vendor that asks for a longer pause ends the flow as Later: cron comes back."""
LONGEST_RETRY_AFTER_SECONDS = 86_400.0
"""More than a day is taken for a mistake (a point in time where seconds belong): nothing waits for years."""

_BROKEN = (
    requests.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
)
_TIMED_OUT = (requests.Timeout, urllib3.exceptions.TimeoutError)
_NOT_SENT = (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)
_GOES_ON = "the next run goes on from here"
_HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""TLS errors that say nothing about trust: a gateway that restarts, a line that went away."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read whole. `headers` ignore case; `request_id` is the vendor's."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str = ""

    def is_json(self) -> bool:
        """Whether the server says that this is JSON (gateways answer with HTML)."""
        return "json" in self.headers.get("Content-Type", "").lower()

    def json(self) -> Any:
        """The body decoded, or {} where it is not what the server says it is."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return {}

    def date(self) -> datetime | None:
        """The server's clock when it answered, aware; None without a usable Date header."""
        try:
            return parsedate_to_datetime(self.headers.get("Date", "")).astimezone(UTC)
        except (ValueError, TypeError):
            return None

    def retry_after(self, now: datetime) -> float | None:
        """Seconds the server asks to wait, None if it does not say; a date counts from the server's own clock."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isdecimal():
            return min(float(text), LONGEST_RETRY_AFTER_SECONDS)
        with contextlib.suppress(ValueError, TypeError):
            seconds = (parsedate_to_datetime(text) - (self.date() or now)).total_seconds()
            return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS)
        return None


class Again(Exception):
    """A verdict: try again. `executed` says whether the request may have been carried out all the same."""

    def __init__(
        self, message: str, *, executed: bool, after: float | None = None, request_id: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.executed = executed
        self.after = after
        self.request_id = request_id
        self.timed_out = False
        self.throttled = False
        self.remedy = ""


class TimedOut(Later):
    """Later, because nothing came in time: a smaller question may still get an answer."""


Verdict = Callable[[Answer], Exception | None]
"""None: fine. Otherwise what to raise: Again, Rejected, AuthError, Later or another Stop."""


class Credentials(AuthBase):
    """Signs requests. An object, never a header: requests lets a ~/.netrc entry override one (psf/requests#3929)."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self.header()
        return request

    def header(self) -> str:
        """The value of Authorization now."""
        raise NotImplementedError  # pragma: no cover

    def renew(self, refused: str) -> bool:
        """Told that `refused` got a 401: whether another attempt can look different."""
        return False


class Pace:
    """Keeps all threads of a system below a rate, and holds all of them after a 429."""

    def __init__(self, per_second: float | None, sleep: Callable[[float], None]) -> None:
        self._interval = 1.0 / per_second if per_second else 0.0
        self._sleep = sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Takes the next free place and sleeps until it comes."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._interval
        if start > now:
            self._sleep(start - now)

    def hold(self, seconds: float) -> None:
        """Nobody starts before this is over."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


@dataclass(slots=True)
class Usage:
    """What a system cost so far."""

    calls: int = 0
    retries: int = 0
    throttled: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, calls: int = 0, retries: int = 0, throttled: int = 0) -> None:
        """Counts, from any thread."""
        with self.lock:
            self.calls += calls
            self.retries += retries
            self.throttled += throttled


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard a system may be used. Timeouts are seconds to connect and seconds between two bytes of an answer."""

    parallel: int = 4
    per_second: float | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    attempts: int = ATTEMPTS


class Http:
    """All calls to one system. May be used from several threads at once."""

    def __init__(
        self,
        system: str,
        base_url: str,
        verdict: Verdict,
        tools: Tools,
        *,
        credentials: Credentials | None = None,
        limits: Limits | None = None,
        ca_bundle: str = "",
        unknown_host: str = "",
    ) -> None:
        """`unknown_host` says what to do if the host is not found, where it stands in no connection file."""
        limits = limits or Limits()
        self.system = system
        self.base_url = base_url.rstrip("/")
        self.credentials = credentials
        self.usage = Usage()
        self._unknown_host = unknown_host
        self._verdict = verdict
        self._tools = tools
        self._limits = limits
        self._gate = threading.BoundedSemaphore(limits.parallel)
        self._pace = Pace(limits.per_second, tools.sleep)
        self._session = requests.Session()
        self._session.trust_env = False  # asked once, here, instead of at every request
        if self.base_url.startswith("https://"):  # plain http leads to this machine only, where no proxy does
            self._session.proxies = dict(get_environ_proxies(self.base_url))
        self._session.verify = (
            ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        )
        self._session.headers["User-Agent"] = f"mlconnector/{__version__}"
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=limits.parallel)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._retrying = Retrying(
            stop=stop_after_attempt(limits.attempts),
            wait=_wait,
            retry=retry_if_exception_type(Again),
            before_sleep=self._before_sleep,
            sleep=tools.sleep,
            reraise=True,
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        read_timeout: float | None = None,
        timeouts: int | None = None,
    ) -> Answer:
        """One call with its retries. `path` is appended to the base URL; an absolute URL must be of its origin.

        `json` may be a function: it is asked for the body at each attempt. `repeatable` says that doing it twice does
        no harm (default: for GET only). `timeouts` gives up after so
        many time-outs, whatever attempts are left. Raises Rejected, AuthError, Later (down or throttled after all
        attempts; TimedOut if the last one ran out of time) or Uncertain (sent, not repeatable, no clear answer).
        """
        repeatable = method == "GET" if repeatable is None else repeatable
        url = self._absolute(path)
        make = json if callable(json) else None
        body = None if json is None or make else msgspec.json.encode(json)
        sent = dict(headers or {})
        if json is not None:
            sent.setdefault("Content-Type", "application/json")
        if text is not None:
            body = text.encode()
            sent.setdefault("Content-Type", "text/plain; charset=utf-8")
        call = _Call(method, url, params, form if body is None else body, sent, repeatable, read_timeout)
        call.timeouts_left, call.make = timeouts, make
        try:
            return self._retrying.copy()(self._attempt, call)
        except Again as again:
            at = self._tools.now() + timedelta(seconds=again.after) if again.after else None
            kind = TimedOut if again.timed_out else Later
            later = kind(
                f"{self.system}: {again.message} ({method} {urlsplit(url).path})",
                hint=_next_step(again),
                request_id=again.request_id,
                retry_at=at,
            )
            later.status = call.status
            raise later from None

    def close(self) -> None:
        """Closes the pooled connections."""
        self._session.close()

    def _absolute(self, path: str) -> str:
        if "://" not in path:
            return f"{self.base_url}{path}"
        if origin(path) != origin(self.base_url):
            raise Stop(
                f"{self.system}: an answer links to {origin(path)}, which is not {origin(self.base_url)}",
                hint="set base_url to the address under which the server knows itself",
            )
        return path

    def _attempt(self, call: _Call) -> Answer:
        call.status = 0
        if call.make is not None:
            call.body = msgspec.json.encode(call.make())
        answer = self._once(call)
        if answer.status == 401 and self.credentials and self.credentials.renew(call.authorization):
            self.usage.add(retries=1)
            answer = self._once(call)
        call.status = answer.status
        problem = self._verdict(answer)
        if problem is None:
            return answer
        if isinstance(problem, Again):
            self._weigh(problem, call, answer)
        if isinstance(problem, ConnectorError):
            problem.hint = self._tools.named(problem.hint)
        raise problem

    def _weigh(self, again: Again, call: _Call, answer: Answer | None = None) -> None:
        if again.throttled:
            self.usage.add(throttled=1)
        if again.executed and not call.repeatable:
            raise Uncertain(
                f"{self.system}: {again.message}, so it may have been carried out",
                request_id=again.request_id,
                timed_out=again.timed_out,
            )
        if again.timed_out and call.timeouts_left is not None:
            call.timeouts_left -= 1
            if call.timeouts_left <= 0:
                raise TimedOut(
                    f"{self.system}: {again.message} ({call.method} {urlsplit(call.url).path})",
                    hint=_next_step(again),
                    request_id=again.request_id,
                )
        if again.after is not None and again.after > LONGEST_WAIT_SECONDS:
            raise Later(
                f"{self.system}: {again.message}; it asks to wait {int(again.after)} s",
                hint="the next run after that goes on from here",
                request_id=again.request_id,
                retry_at=self._tools.now() + timedelta(seconds=again.after),
            )

    def _once(self, call: _Call) -> Answer:
        self._pace.wait()
        started = time.monotonic()
        with self._gate:
            try:
                answer = self._exchange(call)
            except requests.exceptions.SSLError as error:
                if isinstance(_cause(error), _HUNG_UP):
                    raise self._broken(error, call) from None
                raise self._distrusted(error, call.url) from None
            except (*_TIMED_OUT, *_BROKEN) as error:
                raise self._broken(error, call) from None
            except requests.RequestException as error:  # a URL that is none, a redirect loop
                raise Stop(
                    f"{self.system}: {type(error).__name__} for {origin(call.url)}",
                    hint="check base_url and login_url in the connection file",
                ) from None
            except OSError:  # before anything was sent: requests looks for its file of authorities
                raise self._no_authorities() from None
        self.usage.add(calls=1)
        milliseconds = (time.monotonic() - started) * 1000
        log.debug(
            "%s %s %s -> %d in %.0f ms, request id %s",
            self.system, call.method, answer.path, answer.status, milliseconds, answer.request_id or "-",
        )  # fmt: skip
        return answer

    def _exchange(self, call: _Call) -> Answer:
        read_timeout = call.read_timeout or self._limits.read_timeout
        with self._session.request(
            call.method,
            call.url,
            params=call.params,
            data=call.body,
            headers=call.headers,
            auth=self.credentials,
            timeout=(self._limits.connect_timeout, read_timeout),
            allow_redirects=False,
            stream=True,
        ) as response:
            call.authorization = str(response.request.headers.get("Authorization") or "")
            body = response.raw.read(decode_content=True)
            found = response.headers
            return Answer(
                call.method,
                urlsplit(call.url).path,
                response.status_code,
                found,
                body,
                found.get("request-id") or found.get("X-Request-Id") or "",
            )

    def _broken(self, error: Exception, call: _Call) -> Again:
        sent = not isinstance(error, _NOT_SENT) and not _refused(error)
        self.usage.add(calls=1 if sent else 0)
        timed_out = sent and isinstance(error, _TIMED_OUT)
        what = "no answer in time" if timed_out else "the connection broke"
        message, remedy = f"{what} ({origin(call.url)})", ""
        if not sent:
            why, remedy = self._in_the_way(error)
            message = f"cannot connect to {_host_and_port(call.url)}: {why}"
        again = Again(message, executed=sent)
        again.timed_out, again.remedy = timed_out, remedy
        self._weigh(again, call)
        return again

    def _in_the_way(self, error: Exception) -> Trouble:
        if isinstance(error, requests.exceptions.ProxyError):
            proxies = self._session.proxies
            return proxy_in_the_way(_bottom(error), proxies.get("https") or proxies.get("all") or "")
        trouble = cannot_connect(_bottom(error))
        return (
            trouble._replace(remedy=self._unknown_host or trouble.remedy) if trouble is NO_NAME else trouble
        )

    def _distrusted(self, error: Exception, url: str) -> Stop:
        """Why TLS did not come about; never how to do without."""
        cause, verify = _cause(error), self._session.verify
        if getattr(cause, "library", "") == "X509":
            return self._no_authorities()
        authorities = verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH
        parts = urlsplit(origin(url))
        port = None if self._session.proxies else parts.port
        why, remedy = no_trust(
            cause, parts.hostname or "", authorities, port=port, own=isinstance(verify, str)
        )
        return Stop(f"{self.system}: no trusted TLS connection to {_host_and_port(url)}: {why}", hint=remedy)

    def _no_authorities(self) -> ConfigError:
        problem = authorities_problem(Path(str(self._session.verify)))
        return ConfigError(
            f"{self.system}: the file of certificate authorities cannot be used: {problem}",
            hint="correct ca_bundle, or REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE in the environment",
        )

    def _before_sleep(self, state: RetryCallState) -> None:
        self.usage.add(retries=1)
        problem = state.outcome.exception() if state.outcome else None
        if isinstance(problem, Again):
            seconds = state.next_action.sleep if state.next_action else 0.0
            if problem.throttled:
                self._pace.hold(seconds)
            log.info("%s: %s, trying again in %.1f s", self.system, problem.message, seconds)


@dataclass(slots=True)
class _Call:
    method: str
    url: str
    params: Mapping[str, str] | None
    body: Any
    headers: Mapping[str, str]
    repeatable: bool
    read_timeout: float | None
    timeouts_left: int | None = None
    make: Callable[[], Any] | None = None
    authorization: str = ""
    status: int = 0


def origin(url: str) -> str:
    """Scheme, host and port in one spelling: `https://api.example.com:443`; words for an address that is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # a port that is no number, half of an IPv6 address
        return "an address that is none"
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def _host_and_port(url: str) -> str:
    return origin(url).partition("://")[2]


def _next_step(again: Again) -> str:
    """What to look at; by itself the next run does what this one did not."""
    usual = "look whether the server, or a gateway before it, is in trouble"
    if again.timed_out:
        usual = "look whether the server hangs or is overloaded"
    elif again.throttled:
        usual = "it is busy or wants fewer calls: look what else calls it"
    return f"{again.remedy or usual}; {_GOES_ON}"


def throttled(message: str, answer: Answer, now: datetime) -> Again:
    """The verdict for 429 and 503: not carried out, wait as long as the server says."""
    again = Again(message, executed=False, after=answer.retry_after(now), request_id=answer.request_id)
    again.throttled = True
    return again


def unexpected(system: str, answer: Answer) -> Exception | None:
    """What holds for every vendor: 2xx is fine, 429/503 and other 5xx may be tried again, a redirect is wrong."""
    if 200 <= answer.status < 300:
        return None
    if answer.status in (429, 503):
        return throttled(f"{answer.status} from {system}", answer, datetime.now(UTC))
    if answer.status == 408 or answer.status >= 500:
        after = answer.retry_after(datetime.now(UTC))
        return Again(
            f"{answer.status} from {system}", executed=True, after=after, request_id=answer.request_id
        )
    if 300 <= answer.status < 400:
        return Stop(
            f"{system} answers with a redirect ({answer.status})", hint="correct base_url in the file"
        )
    if answer.status == 401:
        return AuthError(f"{system} refused the credentials (401)", request_id=answer.request_id)
    return Rejected(
        f"{system} refused the request ({answer.status})",
        code=f"http-{answer.status}",
        answer=str(answer.status),
        status=answer.status,
        request_id=answer.request_id,
    )


def _wait(state: RetryCallState) -> float:
    problem = state.outcome.exception() if state.outcome else None
    after = problem.after if isinstance(problem, Again) else None
    if after is not None:
        return after + random.uniform(0, min(1.0, after / 4 + 0.05))  # noqa: S311 - jitter, not a secret
    return random.uniform(0.3, 1.0) * min(60.0, 0.5 * 2.0**state.attempt_number)  # noqa: S311


def _refused(error: Exception) -> bool:
    return isinstance(_cause(error), urllib3.exceptions.NewConnectionError)


def _cause(error: BaseException) -> BaseException:
    """What lies at the bottom of an error that requests and urllib3 wrapped."""
    inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    return _cause(inner) if isinstance(inner, BaseException) else error


def _bottom(error: BaseException) -> BaseException:
    """What the operating system said, below everything that was wrapped around it."""
    inner = _cause(error)
    below = getattr(inner, "original_error", None) or inner.__cause__
    return _bottom(below) if isinstance(below, BaseException) else inner
