"""Tokens of Pipedrive's OAuth server: by a code once, by the refresh token from then on (fact sheet 1.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import msgspec

from mlconnector.auth import basic
from mlconnector.errors import ConfigError
from mlconnector.http import Http
from mlconnector.model import Tools
from mlconnector.systems.pipedrive import Settings
from mlconnector.systems.pipedrive.verdict import SYSTEM, login_verdict

TOKEN = "/oauth/token"  # noqa: S105 - a path
_ORIGIN = re.compile(r"https://([a-z0-9-]+\.)+pipedrive\.com", re.ASCII | re.IGNORECASE)


class _Tokens(msgspec.Struct):
    access_token: str
    refresh_token: str = ""
    expires_in: int = 3599
    api_domain: str = ""
    scope: str = ""


_TOKENS = msgspec.json.Decoder(_Tokens)


class Grant:
    """What a user gave to the app: good as long as its refresh token is used once in 60 days.

    The access token is kept by nobody but the caller. Whatever refresh token comes back is stored at once.
    """

    def __init__(self, settings: Settings, secrets: Mapping[str, str], tools: Tools) -> None:
        self._settings = settings
        self._refresh_token = secrets.get("refresh_token", "")
        self._vault = tools.vault
        signed = basic(settings.client_id, secrets.get("client_secret", ""))
        self.http = Http(f"{SYSTEM} login", settings.login_url, login_verdict, tools, credentials=signed)
        self.api_domain = ""
        self.scopes: frozenset[str] | None = None
        """What the app may do; None before the first token, or if that was not said."""

    def renew(self) -> tuple[str, int]:
        """An access token and its life in seconds. AuthError if somebody has to log in again.

        Another process may have renewed it meanwhile, so the stored refresh token is read anew under the lock.
        """
        with self._alone():
            if self._vault is not None:
                self._refresh_token = self._vault.read("refresh_token")
            return self._ask({"grant_type": "refresh_token", "refresh_token": self._refresh_token})

    def redeem(self, code: str) -> tuple[str, int]:
        """The same for the code that the browser came back with, which is good for five minutes and once."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.redirect_url,
        }
        with self._alone():
            return self._ask(form)

    def _alone(self) -> AbstractContextManager[None]:
        return nullcontext() if self._vault is None else self._vault.alone()

    def _ask(self, form: Mapping[str, str]) -> tuple[str, int]:
        repeatable = form["grant_type"] == "refresh_token"
        answer = self.http.send("POST", TOKEN, form=form, repeatable=repeatable)
        try:
            found = _TOKENS.decode(answer.body)
        except msgspec.DecodeError:
            raise ConfigError(
                f"{SYSTEM} login: an answer without a token", hint="correct login_url in the connection file"
            ) from None
        self._keep(found.refresh_token)
        self.api_domain = found.api_domain.rstrip("/")
        self.scopes = frozenset(found.scope.replace(",", " ").split()) or None
        return found.access_token, found.expires_in

    def _keep(self, token: str) -> None:
        """It usually is the same as before (1.3)."""
        if not token:
            return
        self._refresh_token = token
        if self._vault is not None:
            self._vault.store("refresh_token", token)


def is_trusted(api_domain: str) -> bool:
    """Whether the origin that came with a token is one of Pipedrive's: tokens go nowhere else (1.1).

    A plain host and nothing around it: what is before an @ or behind a backslash is another host to another reader.
    """
    return _ORIGIN.fullmatch(api_domain) is not None
