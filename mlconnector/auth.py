"""How requests are signed: a fixed header, Basic, or a token that is asked for and renewed."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlconnector.errors import ConfigError
from mlconnector.http import Credentials

if TYPE_CHECKING:
    import requests


class FixedHeader(Credentials):
    """A header that never changes: an API key, an OAuth token that does not expire."""

    def __init__(self, value: str) -> None:
        self._value = value

    def header(self) -> str:
        """The value as given."""
        return self._value


class KeyHeader(Credentials):
    """A key in a header of its own name, in place of Authorization: `x-api-token`."""

    def __init__(self, name: str, key: str) -> None:
        self._name = name
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = self._key
        return request

    def header(self) -> str:
        """Nothing stands in Authorization."""
        return ""


def basic(user: str, password: str) -> FixedHeader:
    """HTTP Basic, UTF-8."""
    return FixedHeader("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


class Windows(Credentials):
    """NTLM, alone or inside Negotiate, by the library requests-ntlm (the extra `windows`).

    It signs connections, not requests: one connection at a time, or handshakes get mixed up.
    """

    def __init__(self, user: str, password: str) -> None:
        try:
            from requests_ntlm import HttpNtlmAuth
        except ImportError:
            raise ConfigError(
                "login: windows needs the library requests-ntlm, which is not installed",
                hint='run, in the clone that mlconnector was installed from: pip install ".[windows]"   (or, in the'
                " environment of mlconnector: pip install requests-ntlm)",
            ) from None
        self._sign = HttpNtlmAuth(user, password)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        signed: requests.PreparedRequest = self._sign(request)
        return signed

    def header(self) -> str:
        """There is none of its own: the handshake makes them."""
        return ""


class Token(Credentials):
    """A bearer token for one run, in memory only: fetched when first needed, renewed before it ends, once on a 401.

    `fetch` asks for one and returns it with its life in seconds; it is never called by two threads at once.
    """

    def __init__(self, fetch: Callable[[], tuple[str, int]], now: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._header = ""
        self._good_until: datetime | None = None

    def header(self) -> str:
        """The current token; asks for a new one in the last fifth (at most five minutes) of its life."""
        with self._lock:
            if self._good_until is None or self._now() >= self._good_until:
                token, seconds = self._fetch()
                margin = min(seconds / 5, 300)
                self._header = f"Bearer {token}"
                self._good_until = self._now() + timedelta(seconds=seconds - margin)
            return self._header

    def renew(self, refused: str) -> bool:
        """Forgets the token if it is still the refused one; a new one comes with the next request."""
        with self._lock:
            if refused == self._header:
                self._good_until = None
            return True
