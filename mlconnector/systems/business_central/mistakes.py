"""What can be wrong with a system's settings besides their types: what is missing, what does nothing, and addresses
that were pasted from elsewhere (fact sheet 1.1, 1.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

ONLINE = "https://api.businesscentral.dynamics.com"

Given = Mapping[str, Any]
_PASTED = re.compile(
    r"(?P<instance>.*?)/(?:api/(?P<version>v2\.0|v1\.0|beta)|(?P<pages>ODataV4)|(?P<other>OData|WS|WebClient))"
    r"(?P<rest>/.*)?",
    re.IGNORECASE | re.DOTALL,
)
_NOT_SPOKEN = {
    "odata": "OData V3, which is not spoken",
    "ws": "SOAP, which is not spoken",
    "webclient": "the web client",
}
_ODATA_PORT = 7048


def find_mistakes(given: Given) -> Iterator[tuple[str, str]]:
    """The setting (or "" for all of them together) and a sentence, of settings as the file has them."""
    login = given.get("login", "entra")
    yield from _missing(given, login)
    user = given.get("user")
    if login == "basic" and isinstance(user, str) and ":" in user:
        yield "user", "holds a colon, which ends a user's name with login: basic; the password is a secret"
    yield from _idle(given, login)
    address = _address(given)
    if address is not None:
        yield from _wrong_address(given, address, login)


def _missing(given: Given, login: Any) -> Iterator[tuple[str, str]]:
    needed = ("tenant", "client_id") if login == "entra" else ("user",)
    for name in needed:
        if not given.get(name):
            yield "", f"needs {name!r}{'' if login == 'entra' else f' with login: {login}'}"
    if login in ("basic", "windows") and not given.get("base_url"):
        yield "", f"needs 'base_url': login: {login} is for a server of your own"


def _idle(given: Given, login: Any) -> Iterator[tuple[str, str]]:
    """Settings that are given and change nothing: whoever wrote them believes otherwise."""
    if login == "entra" and given.get("user"):
        yield "user", "does nothing with login: entra; take it out, or set login: basic or windows"
    if login in ("basic", "windows"):
        for name in ("tenant", "client_id", "environment", "login_url"):
            if given.get(name):
                yield name, f"does nothing with login: {login}; take it out"
    parallel = given.get("parallel")
    if login == "windows" and isinstance(parallel, int) and parallel > 1:
        yield "parallel", "does nothing with login: windows, which keeps to one connection; take it out"
    if given.get("services") and given.get("api") != "odata":
        yield "services", "does nothing without api: odata; take it out, or set api: odata"
    if given.get("server_tenant") and _is_online(given):
        yield (
            "server_tenant",
            "is for a server of your own; Business Central online has its tenant in 'tenant'",
        )


def _is_online(given: Given) -> bool:
    address = _address(given)
    return not given.get("base_url") or (
        address is not None and address.hostname == urlsplit(ONLINE).hostname
    )


def _address(given: Given) -> SplitResult | None:
    """`base_url`, where it is one; what is none is complained of for every system alike."""
    url = given.get("base_url")
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        usable = parts.hostname and not parts.username and parts.port != 0  # a port that is none raises
    except ValueError:
        return None
    return parts if usable else None


def _wrong_address(given: Given, url: SplitResult, login: Any) -> Iterator[tuple[str, str]]:
    found = _PASTED.fullmatch(url.path.rstrip("/"))
    online = urlsplit(ONLINE).hostname or ""
    if url.hostname == online.removeprefix("api."):
        yield "base_url", "is the web client's address; take base_url out, online it is known"
    elif url.hostname == online and found is None and url.path.rstrip("/") not in ("", "/v2.0"):
        yield "base_url", "goes too far; take base_url out: 'tenant' and 'environment' say the rest"
    elif found is not None and found["other"]:
        what = _NOT_SPOKEN[found["other"].lower()]
        address = f"{url.scheme}://{url.hostname}:{_ODATA_PORT}{found['instance']}"
        yield "base_url", f"is the address of {what}; write base_url: {address}{_and_tenant(given, url)}"
    elif (found is not None and found["rest"]) or url.query or url.fragment:
        address = _cut_off(url, found, login)
        yield "base_url", f"goes too far; write base_url: {address}{_and_tenant(given, url)}"
    if found is not None and not found["other"]:
        yield from _other_interface(given, "odata" if found["pages"] else found["version"].lower())
        if login == "entra" and given.get("environment"):
            yield "environment", "does nothing where base_url leads to the API itself; take it out"


def _and_tenant(given: Given, url: SplitResult) -> str:
    """The setting that takes the tenant of a multitenant server, which must not be lost with the rest."""
    query = {name.lower(): values[0] for name, values in parse_qs(url.query).items()}
    tenant = query.get("tenant", "")
    if not tenant or given.get("server_tenant") == tenant or _is_online(given):
        return ""
    return f" and, on a line of its own, server_tenant: {tenant}"


def _cut_off(url: SplitResult, found: re.Match[str] | None, login: Any) -> str:
    path = url.path.rstrip("/")
    if found is not None:
        own = login in ("basic", "windows")  # of such a server host, port and instance are enough
        path = found["instance"] if own else path.removesuffix(found["rest"] or "")
    return f"{url.scheme}://{url.netloc}{path}"


def _other_interface(given: Given, leads_to: str) -> Iterator[tuple[str, str]]:
    api = given.get("api", "v2.0")
    if api != leads_to:
        yield "api" if "api" in given else "base_url", f"base_url leads to {leads_to}; write api: {leads_to}"
