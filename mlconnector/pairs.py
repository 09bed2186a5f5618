"""Two records that are kept in step: what of one changed since they last were. Pure.

Nothing is compared between the two, which spell things differently: each is compared with what it was then, by a
short hash of each field. So a value that was cut or rounded on its way is not carried back (DESIGN 5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from mlconnector.model import Flow, Link

RULES = "="
"""Stands for the mapping among the fields: a flow whose mapping was edited sends everything once more."""
_ENCODER = msgspec.json.Encoder(order="sorted")


def field_hash(value: Any) -> str:
    """Twelve characters that change when the value does; an empty text and null are one."""
    kept = None if value == "" else value
    return hashlib.blake2b(_ENCODER.encode(kept), digest_size=6).hexdigest()


def hashes(record: Mapping[str, Any], paths: Collection[str]) -> dict[str, str]:
    """The hash of each of these fields (`custom_fields.Region` is one in an object); a missing one counts as empty."""
    return {path: field_hash(_at(record, path)) for path in sorted(paths)}


def seen_of(flow: Flow, record: Mapping[str, Any]) -> dict[str, str]:
    """What is remembered of a source record that was carried over by this flow."""
    return {**hashes(record, frozenset().union(*flow.fields.values())), RULES: flow.rules}


def changed_fields(flow: Flow, record: Mapping[str, Any], link: Link) -> frozenset[str] | None:
    """Names in the body whose source fields changed; None: all may have, for the mapping did."""
    if link.seen.get(RULES, flow.rules) != flow.rules:
        return None
    return frozenset(
        name
        for name, paths in flow.fields.items()
        if any(link.seen.get(path) != field_hash(_at(record, path)) for path in paths)
    )


def _at(record: Mapping[str, Any], path: str) -> Any:
    """A name in an object may hold dots itself."""
    first, _, rest = path.partition(".")
    found = record.get(first)
    if not rest:
        return found
    return found.get(rest) if isinstance(found, Mapping) else None
