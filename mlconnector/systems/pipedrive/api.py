"""Calls to Pipedrive's REST API v2 (v1 for users/me) and nothing else; what answers mean is in verdict.py."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from mlconnector.auth import KeyHeader, Token
from mlconnector.errors import ConfigError, Later
from mlconnector.http import Answer, Credentials, Http, Limits
from mlconnector.model import Tools
from mlconnector.systems.pipedrive import API, Settings
from mlconnector.systems.pipedrive.budget import Budget
from mlconnector.systems.pipedrive.oauth import Grant, is_trusted
from mlconnector.systems.pipedrive.verdict import SYSTEM, verdict

T = TypeVar("T")
Record = dict[str, Any]

PLURAL = {"organization": "organizations", "person": "persons", "product": "products", "deal": "deals"}
V2 = "/api/v2"
SEARCH_PAGE = 100
"""The specification says 500; clients that run cap it (5.3)."""
SEARCH_PAGES = 5


class _More(msgspec.Struct):
    next_cursor: str | None = None


class Page(msgspec.Struct):
    """One page of a list (section 2); fractions are decoded as Decimal."""

    data: list[Record] | None = None
    additional_data: _More | None = None

    @property
    def next_cursor(self) -> str | None:
        """What to ask for the next page with; None at the end."""
        return self.additional_data.next_cursor if self.additional_data else None


class _One(msgspec.Struct):
    data: Record


class _Hit(msgspec.Struct):
    item: Record


class _Hits(msgspec.Struct):
    items: list[_Hit] = []


class _Found(msgspec.Struct):
    data: _Hits | None = None
    additional_data: _More | None = None


_PAGE = msgspec.json.Decoder(Page, float_hook=Decimal)
_ONE = msgspec.json.Decoder(_One, float_hook=Decimal)
_FOUND = msgspec.json.Decoder(_Found)


class Api:
    """One company account. May be used from several threads at once. `budget` knows what it cost so far.

    All calls raise what `Http.send` does, and Later before a call that the budget has no tokens for.
    """

    def __init__(self, settings: Settings, secrets: Mapping[str, str], tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._grant = Grant(settings, secrets, tools) if settings.login == "oauth" else None
        self._credentials = _signed_by(self._grant, secrets, tools)
        self._lock = threading.Lock()
        self._opened: Http | None = None
        self.budget = Budget(settings, tools)

    def page(self, path: str, params: Mapping[str, str]) -> tuple[Page, Answer]:
        """One page of a list below /api/v2, and the answer it came in (its Date is the server's clock)."""
        answer = self._send("GET", f"{V2}{path}", params=params)
        return _decoded(_PAGE, answer), answer

    def record(self, kind: str, id_: str) -> Record:
        """One record (1 token). Rejected not-found, record-deleted or forbidden; a deleted one may come too (9.1)."""
        return _decoded(_ONE, self._send("GET", f"{V2}/{PLURAL[kind]}/{id_}")).data

    def create(self, kind: str, body: Mapping[str, Any]) -> tuple[Record, Answer]:
        """POST; the whole record. Uncertain if no clear answer came: it is never sent twice (5.2)."""
        answer = self._send("POST", f"{V2}/{PLURAL[kind]}", json=body)
        return _decoded(_ONE, answer).data, answer

    def change(self, kind: str, id_: str, body: Mapping[str, Any]) -> tuple[Record, Answer]:
        """PATCH of some fields; the whole record as it is now."""
        path = f"{V2}/{PLURAL[kind]}/{id_}"
        answer = self._send("PATCH", path, json=body, repeatable=True)
        return _decoded(_ONE, answer).data, answer

    def remove(self, kind: str, id_: str) -> Answer:
        """DELETE: into the bin for 30 days; Rejected not-found if it is there already."""
        return self._send("DELETE", f"{V2}/{PLURAL[kind]}/{id_}", repeatable=True)

    def search(self, kind: str, term: str, fields: str, *, exact: bool) -> tuple[list[Record], bool]:
        """The short records in which one of these fields is (or holds) the term, letter case aside (5.3).

        And whether these are all: a word that many have is given up after some pages, 20 tokens each.
        """
        asked = {"term": term, "fields": fields, "limit": str(SEARCH_PAGE)}
        asked |= {"exact_match": "true"} if exact else {}
        found: list[Record] = []
        for _ in range(SEARCH_PAGES):
            page = _decoded(_FOUND, self._send("GET", f"{V2}/{PLURAL[kind]}/search", params=asked))
            found += [hit.item for hit in (page.data.items if page.data else ())]
            cursor = page.additional_data.next_cursor if page.additional_data else None
            if not cursor or cursor == asked.get("cursor"):
                return found, True
            asked["cursor"] = cursor
        return found, False

    def me(self) -> tuple[Record, Answer]:
        """Who is logged in (1.1, trap 18): name, company_name, company_domain, default_currency, access."""
        answer = self._send("GET", "/v1/users/me")
        return _decoded(_ONE, answer).data, answer

    @property
    def scopes(self) -> frozenset[str] | None:
        """What the app may do (1.3); None for an API token, which may do all that its user may."""
        return self._grant.scopes if self._grant else None

    def usage(self) -> dict[str, int]:
        """Calls, retries, throttled answers and tokens, calls for OAuth tokens included."""
        both = [one.usage for one in (self._opened, self._grant.http if self._grant else None) if one]
        counts = {name: sum(getattr(one, name) for one in both) for name in ("calls", "retries", "throttled")}
        return {**counts, "tokens": self.budget.spent}

    def close(self) -> None:
        """Closes the pooled connections."""
        for one in (self._opened, self._grant.http if self._grant else None):
            if one is not None:
                one.close()

    def _send(self, method: str, path: str, **how: Any) -> Answer:
        self.budget.admit(method, path)
        return self._http.send(method, path, **how)

    @property
    def _http(self) -> Http:
        """Opened with the first call: where the API is may stand in the answer with the token (1.1)."""
        with self._lock:
            if self._opened is None:
                limits = Limits(per_second=self._settings.per_second)
                self._opened = Http(
                    SYSTEM, self._base_url(), self._judge, self._tools, credentials=self._credentials, limits=limits
                )  # fmt: skip
            return self._opened

    def _base_url(self) -> str:
        configured = base_url(self._settings)
        if configured or self._grant is None:
            return configured or API
        self._credentials.header()
        return self._grant.api_domain if is_trusted(self._grant.api_domain) else API

    def _judge(self, answer: Answer) -> Exception | None:
        self.budget.note(answer)
        error = verdict(answer, login=self._settings.login)
        if isinstance(error, Later):
            self.budget.keep_away(error, answer)
        return error


def base_url(settings: Settings) -> str:
    """Where the file says that the API is; empty if it does not."""
    domain = settings.company_domain
    return settings.base_url.rstrip("/") or (f"https://{domain.lower()}.pipedrive.com" if domain else "")


def _signed_by(grant: Grant | None, secrets: Mapping[str, str], tools: Tools) -> Credentials:
    return Token(grant.renew, tools.now) if grant else KeyHeader("x-api-token", secrets["api_token"])


def _decoded(decoder: msgspec.json.Decoder[T], answer: Answer) -> T:
    try:
        return decoder.decode(answer.body)
    except msgspec.DecodeError:
        raise ConfigError(
            f"{SYSTEM}: what answers at {answer.path} is not Pipedrive's API",
            hint="check base_url or company_domain in the connection file",
        ) from None
