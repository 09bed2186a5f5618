"""Mailchimp Marketing API 3.0: what the connection file may say about it, and its one entity, the audience member."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from mlconnector.model import FieldInfo, Tools
from mlconnector.systems.base import Connected, Entity, System


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`systems: <alias>: {kind: mailchimp, …}`."""

    kind: str = "mailchimp"
    auth: Annotated[
        Literal["api_key", "oauth"],
        Meta(
            description="an API key (it names its data centre) or an OAuth access token (metadata names it)"
        ),
    ] = "api_key"
    base_url: Annotated[
        str, Meta(description="where the API is; empty: https://<data centre>.api.mailchimp.com/3.0")
    ] = ""
    login_url: Annotated[str, Meta(description="where an OAuth token's data centre is asked for")] = (
        "https://login.mailchimp.com"
    )
    parallel: Annotated[int, Meta(ge=1, le=10, description="requests at once; the limit is 10 a user")] = 6
    chunk: Annotated[int, Meta(ge=1, le=500, description="members a bulk call")] = 500


def connect(settings: Settings, secrets: Mapping[str, str], tools: Tools) -> Connected:
    """One account; talks only when asked to."""
    from mlconnector.systems.mailchimp.account import Mailchimp

    return Mailchimp(settings, secrets, tools)


def _needs(settings: Any) -> tuple[str, ...]:
    return ("access_token",) if settings.auth == "oauth" else ("api_key",)


def _problems(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if given.get("login_url") and given.get("auth", "api_key") == "api_key":
        yield "login_url", "does nothing with auth: api_key; take it out, or set auth: oauth"
    yield from _wrong_address(given.get("base_url"))


def _wrong_address(given: Any) -> Iterator[tuple[str, str]]:
    """Addresses that were pasted from elsewhere; what is no address is complained of for every system alike."""
    try:
        url = urlsplit(given if isinstance(given, str) else "")
        host, user = url.hostname or "", url.username
    except ValueError:
        return
    if user is not None:
        return
    before, found, rest = url.path.partition("/3.0")
    if host.endswith("mailchimp.com") and not host.endswith(".api.mailchimp.com"):
        yield (
            "base_url",
            "is the address of Mailchimp's pages for people; take base_url out: the key says the rest",
        )
    elif (found and rest.strip("/")) or url.query or url.fragment:
        yield "base_url", f"goes too far; write base_url: {url.scheme}://{url.netloc}{before}/3.0"


MEMBER = {
    "email_address": FieldInfo("email_address", "text", 80, "the address; required"),
    "tags": FieldInfo("tags", "list", None, "names of tags, added to those the member has"),
    "language": FieldInfo("language", "code", None, "such as en, de, pt_PT"),
    "vip": FieldInfo("vip", "boolean"),
}
"""Names that are not merge fields. Any other name in `map:` is the tag of one: upper case, up to 10 characters."""

SYSTEM = System(
    name="mailchimp",
    settings=Settings,
    secrets={
        "api_key": "Mailchimp: Account & billing, Extras, API keys (it ends in -us1 or another data centre)",
        "access_token": "the access token that OAuth 2 gave for your app",
    },
    entities={"member": Entity(key="email", upserts=True, batch=500, lanes=6, fields=MEMBER)},
    connect=connect,
    needs=_needs,
    problems=_problems,
)
