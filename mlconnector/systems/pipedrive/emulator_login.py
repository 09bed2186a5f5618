"""API tokens and OAuth of the emulated Pipedrive (fact sheet section 1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from urllib.parse import parse_qsl, urlencode

from mlconnector.sandbox import Reply, Request, json_reply
from mlconnector.systems.pipedrive.emulator_errors import oauth, unauthorized
from mlconnector.systems.pipedrive.emulator_state import Company, User

CLIENT_ID = "5f0c2a4be1d7a911"
CLIENT_SECRET = "6b1df0c9a7e24b5c8d3e9f4a1b2c3d4e5f607182"  # noqa: S105  # of an emulator
REDIRECT_URI = "http://127.0.0.1:8976/callback"
SCOPES = frozenset(
    {
        "base", "deals:read", "contacts:full", "products:full", "deal-fields:full", "contact-fields:full",
        "product-fields:full", "search:read", "users:read", "recents:read",
    }
)  # fmt: skip
CODE_LIFE = timedelta(minutes=5)
REFRESH_LIFE = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls; `scopes` None is an API token, which has all rights of its user."""

    user: User
    token: str
    scopes: frozenset[str] | None = None

    def may(self, needed: frozenset[str]) -> bool:
        """Whether one of the scopes is there; none needed is the base scope."""
        return self.scopes is None or not needed or bool(self.scopes & needed)


@dataclass(slots=True)
class Grant:
    """An installation of the app by a user: it lives as long as its refresh token is used."""

    user: User
    scopes: frozenset[str]
    refresh_token: str
    expires: datetime


class Login:
    """Hands out and checks tokens, at oauth.pipedrive.com and at the API, which share an address here."""

    def __init__(self, company: Company, scopes: frozenset[str] = SCOPES) -> None:
        self.client_id, self.client_secret = CLIENT_ID, CLIENT_SECRET
        self.redirect_uri = REDIRECT_URI
        self.scopes = scopes
        self._company = company
        self._serial = count(1)
        self._codes: dict[str, tuple[datetime, User]] = {}
        self._grants: dict[str, Grant] = {}
        self.access_tokens: dict[str, tuple[datetime, Grant]] = {}

    def caller(self, request: Request) -> Caller:
        """Who sent this request, or 401."""
        token, bearer = self._token(request)
        for user in self._company.users.values():
            if token and not bearer and token == user.token:
                return Caller(user, token)
        expires, grant = self.access_tokens.get(token, (None, None)) if bearer else (None, None)
        if grant is None or expires is None or expires <= self._company.now():
            raise unauthorized()
        return Caller(grant.user, token, grant.scopes)

    def answer(self, request: Request) -> Reply:
        """/oauth/authorize, /oauth/token and /oauth/revoke."""
        endpoint = (request.method, request.path)
        if endpoint == ("GET", "/oauth/authorize"):
            return self._authorize(request.query)
        if endpoint not in (("POST", "/oauth/token"), ("POST", "/oauth/revoke")):
            raise oauth(404, "not_found", "Not found")
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        self._check_client(request.headers.get("authorization", ""), form)
        if request.path == "/oauth/revoke":
            self._revoke(form.get("token", ""))
            return json_reply(200, {"success": True})
        return json_reply(200, self._exchange(form, request.base))

    def install(self, user: User) -> Grant:
        """The user installs the app."""
        token = self._make("refresh")
        grant = Grant(user, self.scopes | {"base"}, token, self._company.now() + REFRESH_LIFE)
        self._grants[token] = grant
        return grant

    def expire(self) -> None:
        """No access token handed out so far is good any more; refresh tokens are."""
        self.access_tokens.clear()

    def _token(self, request: Request) -> tuple[str, bool]:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return value.strip(), True
        in_query = self._company.switches.token_in_query and not request.path.startswith("/api/v2/")
        return request.headers.get("x-api-token") or (
            request.query.get("api_token", "") if in_query else ""
        ), False

    def _authorize(self, query: Mapping[str, str]) -> Reply:
        """The user agrees at once, or denies by switch."""
        if (query.get("client_id"), query.get("redirect_uri")) != (self.client_id, self.redirect_uri):
            raise oauth(400, "invalid_client", "The client or its callback is not known")
        state = {"state": query["state"]} if "state" in query else {}
        if self._company.switches.user_denies:
            return self._redirect({"error": "user_denied", **state})
        code = self._make("code")
        self._codes[code] = (self._company.now() + CODE_LIFE, next(iter(self._company.users.values())))
        return self._redirect({"code": code, **state})

    def _redirect(self, answer: Mapping[str, str]) -> Reply:
        return Reply(302, b"", {"Location": f"{self.redirect_uri}?{urlencode(answer)}"})

    def _check_client(self, header: str, form: Mapping[str, str]) -> None:
        """Basic authentication; id and secret in the body are tolerated."""
        given = _basic(header) or (form.get("client_id", ""), form.get("client_secret", ""))
        if given != (self.client_id, self.client_secret):
            raise oauth(401, "invalid_client", "Client authentication failed")

    def _exchange(self, form: Mapping[str, str], base: str) -> dict[str, object]:
        how = form.get("grant_type")
        if how == "authorization_code":
            grant = self.install(self._redeem(form))
        elif how == "refresh_token":
            grant = self._refreshed(form.get("refresh_token", ""))
        else:
            raise oauth(400, "unsupported_grant_type", "The grant type is not supported")
        access = self._make("access")
        seconds = self._company.switches.access_token_seconds
        self.access_tokens[access] = (self._company.now() + timedelta(seconds=seconds), grant)
        return {
            "access_token": access,
            "token_type": self._company.switches.token_type,
            "refresh_token": grant.refresh_token,
            "scope": ",".join(sorted(grant.scopes)),
            "expires_in": seconds,
            "api_domain": base,
        }

    def _redeem(self, form: Mapping[str, str]) -> User:
        """A code is good once, for five minutes and for its callback."""
        expires, user = self._codes.pop(form.get("code", ""), (None, None))
        fits = form.get("redirect_uri") == self.redirect_uri
        if user is None or expires is None or expires <= self._company.now() or not fits:
            raise oauth(400, "invalid_grant", "Invalid grant: authorization code is invalid")
        return user

    def _refreshed(self, token: str) -> Grant:
        """The refresh token stays the same; its 60 days begin anew."""
        grant = self._grants.get(token)
        if grant is None or grant.expires <= self._company.now():
            raise oauth(400, "invalid_grant", "Invalid grant: refresh token is invalid")
        grant.expires = self._company.now() + REFRESH_LIFE
        return grant

    def _revoke(self, token: str) -> None:
        """A refresh token takes its access tokens along; an unknown token is no error."""
        self.access_tokens.pop(token, None)
        grant = self._grants.pop(token, None)
        self.access_tokens = {key: row for key, row in self.access_tokens.items() if row[1] is not grant}

    def _make(self, what: str) -> str:
        digest = hashlib.sha256(f"{what}/{next(self._serial)}/{self._company.stamp()}".encode()).hexdigest()
        return f"v1u:{what}:{digest}"


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret
