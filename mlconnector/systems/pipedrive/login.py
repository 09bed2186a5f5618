"""A person logs in with a browser once: from the address to open to the stored refresh token (fact sheet 1.3)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from mlconnector.errors import AuthError, ConfigError
from mlconnector.model import Tools
from mlconnector.systems.pipedrive import Settings
from mlconnector.systems.pipedrive.api import Api
from mlconnector.systems.pipedrive.oauth import Grant
from mlconnector.systems.pipedrive.verdict import LOG_IN_AGAIN, SYSTEM, plain

_DONE = b"<!DOCTYPE html><title>mlconnector</title><p>This window can be closed; the terminal says how it went.</p>"
_LOOPBACK = ("127.0.0.1", "localhost")


class Installing:
    """One log-in (`base.LoggingIn`): its `state` makes sure that the answer belongs to this question."""

    def __init__(self, settings: Settings, given: Mapping[str, str], tools: Tools) -> None:
        self._settings = settings
        self._secrets = given
        self._tools = tools
        self._state = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """There is no scope in it: the app's registration says what it may do."""
        query = {
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect_url,
            "state": self._state,
        }
        return f"{self._settings.login_url.rstrip('/')}/oauth/authorize?{urlencode(query)}"

    def receive(self, seconds: float) -> str:
        """Waits at the callback URL, which has to be on this machine. ConfigError if it is not, or is taken."""
        at = urlsplit(self._settings.redirect_url)
        if at.scheme != "http" or at.hostname not in _LOOPBACK:
            raise ConfigError(
                f"{SYSTEM} login: {self._settings.redirect_url} is not on this machine, so nothing arrives here",
                hint="run: mlconnector login --paste",
            )
        try:
            server = _Callback(at.port or 80, at.path or "/")
        except OSError as error:
            raise ConfigError(
                f"{SYSTEM} login: port {at.port or 80} cannot be opened ({error.strerror or error})",
                hint="end what uses it, or run: mlconnector login --paste",
            ) from None
        with server:
            return server.wait(seconds)

    def finish(self, address: str) -> str:
        """Exchanges the code in the address for tokens, stores the refresh token; who is logged in, and where."""
        grant = Grant(self._settings, self._secrets, self._tools)
        try:
            grant.redeem(self._code_in(address))
        finally:
            grant.http.close()
        api = Api(self._settings, self._secrets, self._tools)
        try:
            me, _ = api.me()
        finally:
            api.close()
        return f"{me.get('name')} at {me.get('company_name')}"

    def _code_in(self, address: str) -> str:
        """The code, if Pipedrive gave one to this log-in."""
        came = urlsplit(address.strip())
        answer = {name: values[0] for name, values in parse_qs(came.query).items()}
        again = f"begin anew: {LOG_IN_AGAIN}"
        if "state" not in answer or came.path.endswith("/oauth/authorize"):
            raise AuthError(
                f"{SYSTEM} login: that is not the address the browser ended at: it begins with"
                f" {self._settings.redirect_url} and has code= and state= in it",
                hint=f"allow the app in the browser, copy the whole address it then shows; {again}",
            )
        if not secrets.compare_digest(answer["state"], self._state):
            raise AuthError(f"{SYSTEM} login: this address belongs to another log-in", hint=again)
        if "error" in answer or not answer.get("code"):
            raise AuthError(
                f"{SYSTEM} login: Pipedrive gave no access ({plain(answer.get('error', 'no code'))})",
                hint=f"allow the app to be installed; {again}",
            )
        return answer["code"]


class _Callback(HTTPServer):
    """Takes the one request to the callback path; anything else is 404."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.path = path
        self.came = ""

    def wait(self, seconds: float) -> str:
        """What the browser came with. AuthError if it did not come in time."""
        ends = time.monotonic() + seconds
        while not self.came:
            self.timeout = ends - time.monotonic()
            if self.timeout <= 0:
                raise AuthError(
                    f"{SYSTEM} login: nobody came back from the browser in {int(seconds)} s",
                    hint=f"{LOG_IN_AGAIN}; from another machine: mlconnector login --paste",
                )
            self.handle_request()
        return self.came

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up early is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Callback
    timeout = 10

    def do_GET(self) -> None:
        fits = urlsplit(self.path).path == self.server.path
        self.send_response(200 if fits else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_DONE) if fits else 0))
        self.end_headers()
        if fits:
            self.wfile.write(_DONE)
            self.server.came = self.path

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the address holds a code."""
