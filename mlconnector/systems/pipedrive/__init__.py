"""Pipedrive, REST v2: what the connection file may say about it, and its entities (fact sheet: apis/pipedrive.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from mlconnector.model import Tools
from mlconnector.systems.base import Connected, Entity, LogIn, System
from mlconnector.systems.pipedrive.known import KNOWN

API = "https://api.pipedrive.com"
OAUTH = "https://oauth.pipedrive.com"
SEARCH_LAG = timedelta(seconds=10)
"""How far its search lags behind is not documented; "at least 10 s" is the sheet's advice (trap 14)."""
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`systems: <alias>: {kind: pipedrive, …}`."""

    kind: str = "pipedrive"
    company_domain: Annotated[
        str,
        Meta(description="the first word of your Pipedrive's address: acme of https://acme.pipedrive.com"),
    ] = ""
    base_url: Annotated[
        str, Meta(description="where the API is, without a path; empty: that of company_domain, or " + API)
    ] = ""
    login: Annotated[
        Literal["token", "oauth"],
        Meta(
            description="how to log in: a user's personal API token, or an app of yours (mlconnector login)"
        ),
    ] = "token"
    client_id: Annotated[str, Meta(description="client id of your app, with login: oauth")] = ""
    login_url: Annotated[str, Meta(description="where OAuth tokens come from")] = OAUTH
    redirect_url: Annotated[
        str, Meta(description="the callback URL that the app is registered with, on this machine")
    ] = "http://127.0.0.1:8976/callback"
    page_size: Annotated[int, Meta(ge=1, le=500, description="records a page; a page costs 10 tokens")] = 500
    per_second: Annotated[
        float, Meta(gt=0, le=60, description="requests a second; Lite allows 10, searches 5 on every plan")
    ] = 4.0
    daily_tokens: Annotated[
        int, Meta(ge=1, description="the company's tokens a day, where Pipedrive does not tell")
    ] = 30_000
    daily_share: Annotated[
        int,
        Meta(ge=1, le=100, description="percent of the company's tokens a day that this connection may take"),
    ] = 50
    daily_floor: Annotated[
        int, Meta(ge=0, le=99, description="percent of the company's tokens a day that are left to others")
    ] = 20
    lines_days: Annotated[
        int,
        Meta(ge=0, le=365, description="once a day the lines of deals won in so many days are read again"),
    ] = 30


def connect(settings: Settings, secrets: Mapping[str, str], tools: Tools) -> Connected:
    """One company account; talks only when asked to."""
    from mlconnector.systems.pipedrive.account import Pipedrive

    return Pipedrive(settings, secrets, tools)


def _start_login(settings: Any, secrets: Mapping[str, str], tools: Tools) -> Any:
    from mlconnector.systems.pipedrive.login import Installing

    return Installing(settings, secrets, tools)


def _needs(settings: Any) -> tuple[str, ...]:
    return ("client_secret", "refresh_token") if settings.login == "oauth" else ("api_token",)


def _problems(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What does not go together, and addresses that are none of an API's."""
    oauth, domain, url = given.get("login") == "oauth", given.get("company_domain"), given.get("base_url")
    if oauth and not given.get("client_id"):
        yield "", "needs 'client_id' with login: oauth"
    if given.get("client_id") and not oauth:
        yield "client_id", "is for login: oauth"
    if isinstance(domain, str) and domain and not _DOMAIN.fullmatch(domain):
        yield "company_domain", "is the first word of your Pipedrive's address only, such as acme"
    if domain and url:
        yield "base_url", "either base_url or company_domain, not both"
    if isinstance(url, str) and url and urlsplit(url).path.strip("/"):
        yield "base_url", "is given without a path: /api/v2 is put behind it"


def _origin(settings: Any) -> Mapping[str, str]:
    """The company's address; which company a token belongs to is not known before it is used (see `place`)."""
    return {"company": settings.company_domain.lower() or settings.base_url.rstrip("/")}


SYSTEM = System(
    name="pipedrive",
    settings=Settings,
    secrets={
        "api_token": "Pipedrive: Personal preferences, API; of a user with global visibility (login: token)",
        "client_secret": "Pipedrive: Marketplace manager, your app, OAuth & access scopes (login: oauth)",
        "refresh_token": "nothing to look up: `mlconnector login` gets and stores it (login: oauth)",
    },
    entities={
        "organization": Entity(key="name", batch=25, settle=SEARCH_LAG, fields=KNOWN["organization"]),
        "person": Entity(key="name", fields=KNOWN["person"]),
        "product": Entity(key="code", batch=25, settle=SEARCH_LAG, fields=KNOWN["product"], title="name"),
        "deal": Entity(key="title", fields=KNOWN["deal"]),
    },
    connect=connect,
    needs=_needs,
    problems=_problems,
    origin=_origin,
    login=LogIn(gives=("refresh_token",), start=_start_login),
)
