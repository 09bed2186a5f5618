"""Values that nobody means: control characters, and web addresses that are none or that nothing should be sent to."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from mlconnector.explain import KeyPath, Problem
from mlconnector.yamlfile import SINGLE_QUOTES


def control_characters(value: Any, path: KeyPath) -> Iterator[Problem]:
    """They come from a backslash in double quotes. Lines of a mapping and a command may hold line ends on purpose."""
    if path[:1] == ("secrets",) or (path[:1] == ("flows",) and path[2:3] in (("map",), ("when",))):
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from control_characters(inner, (*path, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from control_characters(inner, (*path, position))
    elif isinstance(value, str) and any(unicodedata.category(one) == "Cc" for one in value):
        yield Problem(path, f"holds a control character; {SINGLE_QUOTES}")


def url_problems(part: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Plain http goes to this machine only: a token must not cross a network in clear. No message shows the URL."""
    for key, value in part.items():
        if not key.endswith("_url") or not isinstance(value, str) or not value:
            continue
        try:
            url = urlsplit(value)
            host, user = url.hostname or "", url.username
        except ValueError:
            yield key, "this is not a web address"
            continue
        if not _has_port(url):
            yield key, "the port of a web address is a number from 1 to 65535"
        elif any(one.isspace() for one in value):
            yield key, "holds a blank; a web address has none"
        elif user is not None:
            yield key, "a name or password has no place in a web address"
        elif url.scheme not in ("http", "https") or not host:
            yield key, "a web address begins with https://"
        elif url.scheme == "http" and not _is_loopback(host):
            yield key, "plain http is only allowed to this machine (127.0.0.1, localhost); use https://"


def _has_port(url: SplitResult) -> bool:
    """Whether its port, if one stands there, is one."""
    try:
        return url.port != 0
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
