"""Spelling rules for e-mail addresses, shared by flows: splitting, a cheap check, the key. Pure."""

from __future__ import annotations

import re

_BETWEEN = re.compile(r"[;,\s]+")
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_ADDRESS = re.compile(
    rf"(?=.{{6,254}}\Z)(?=[^@]{{1,64}}@)[^\s@<>()\[\]\\,;:\"]+@(?:{_LABEL}\.)+(?!\d+\Z)[^\W_][\w-]*[^\W_]\Z"
)


def split_addresses(text: str) -> list[str]:
    """The addresses of a field that may hold several, in order, each once.

    Between them stand `;`, `,` or blanks; `mailto:` and angle brackets go, and so do the words around an address
    (`Anna Nord <anna@nordkran.se>`). Without any @ the words come back as they are.
    """
    if not _BETWEEN.search(text):
        return [bare] if (bare := _bare(text)) else []
    words = [_bare(word) for word in _BETWEEN.split(text)]
    words = [word for word in words if word]
    addresses = [word for word in words if "@" in word] or words
    return list({normal_address(address): address for address in reversed(addresses)}.values())[::-1]


def _bare(word: str) -> str:
    word = word.strip("<>\"'")
    return word[7:] if word[:7].lower() == "mailto:" else word


def is_address(text: str) -> bool:
    """Whether it could be one; whether anyone reads it only the mail can tell."""
    local = text.partition("@")[0]
    dots = local.startswith(".") or local.endswith(".") or ".." in local
    return not dots and text.isprintable() and _ADDRESS.match(text) is not None


def normal_address(text: str) -> str:
    """What two spellings of one address have in common: a key, never what is sent."""
    return text.strip().lower()
