"""Two records that are kept in step: what of one changed since they last were. Pure.

Nothing is compared between the two, which spell things differently: each is compared with what it was then, by a
short hash of each field. So a value that was cut or rounded on its way is not carried back (DESIGN 5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from mlconnector.model import Flow, Link, Step

RULES = "="
"""Stands for the mapping among the fields: a flow whose mapping was edited sends everything once more."""
_ENCODER = msgspec.json.Encoder(order="sorted")


def field_hash(value: Any) -> str:
    """Twelve characters that change when the value does; an empty text and null are one."""
    kept = None if value == "" else value
    return hashlib.blake2b(_ENCODER.encode(kept), digest_size=6).hexdigest()


def digest_with(digest: bytes, refs: Mapping[str, str]) -> bytes:
    """A digest that changes with the remote ids of what a record refers to, too."""
    return hashlib.blake2b(digest + _ENCODER.encode(dict(refs)), digest_size=16).digest()


def hashes(record: Mapping[str, Any], paths: Collection[str]) -> dict[str, str]:
    """The hash of each of these fields (`custom_fields.Region` is one in an object); a missing one counts as empty."""
    return {path: field_hash(_at(record, path)) for path in sorted(paths)}


def seen_of(flow: Flow, record: Mapping[str, Any]) -> dict[str, str]:
    """What is remembered of a source record that was carried over by this flow."""
    return {**hashes(record, frozenset().union(*flow.fields.values())), RULES: flow.rules}


def seen_there(now: Mapping[str, Any], watched: Collection[str]) -> dict[str, str]:
    """What is remembered of a counterpart whose fields are `now` as they were wanted: of those that are watched."""
    return hashes(now, [path for path in watched if _is_in(now, path)])


def changed_fields(flow: Flow, record: Mapping[str, Any], link: Link) -> frozenset[str] | None:
    """Names in the body whose source fields changed; None: all may have, since the mapping did or nothing was seen."""
    if not link.seen or link.seen.get(RULES, flow.rules) != flow.rules:
        return None
    return frozenset(
        name
        for name, paths in flow.fields.items()
        if any(link.seen.get(path) != field_hash(_at(record, path)) for path in paths)
    )


def _is_in(record: Mapping[str, Any], path: str) -> bool:
    first, dot, rest = path.partition(".")
    inside = record.get(first)
    return first in record and (not dot or not isinstance(inside, Mapping) or rest in inside)


def _at(record: Mapping[str, Any], path: str) -> Any:
    """A name in an object may hold dots itself."""
    first, _, rest = path.partition(".")
    found = record.get(first)
    if not rest:
        return found
    return found.get(rest) if isinstance(found, Mapping) else None


@dataclass(frozen=True, slots=True)
class Merge:
    """What of a step is written: new values by name. Of `kept` the counterpart's value stays, so they are not in step;
    of `in_conflict` a person has to say which one holds, and nothing is written."""

    write: Mapping[str, Any]
    kept: tuple[str, ...] = ()
    in_conflict: tuple[str, ...] = ()


def merge(
    step: Step, wanted: Mapping[str, Any], current: Mapping[str, Any], conflict: str, theirs: datetime | None
) -> Merge:
    """Field by field, three ways: what the source has now, what the counterpart has, what it had when both agreed.

    `wanted` and `current` are spelled as the target spells them; `theirs` is when the counterpart was last changed.
    `conflict` is `source`, `target`, `newest` or `hold`. An empty value never takes the place of one that was not seen
    before: of two records that were only just found to be one, or in a field that is mapped from now on.
    """
    names = wanted.keys() if step.changed is None else step.changed & wanted.keys()
    differ = {
        name: wanted[name] for name in wanted if name in names and _differs(wanted[name], current.get(name))
    }
    empty = [name for name in differ if name not in step.seen and wanted[name] in (None, "")]
    both = [name for name in differ if name not in empty and _changed_there(name, step, current)]
    if conflict == "source" or (conflict == "newest" and _is_newer(step.modified, theirs)):
        both = []
    elif both and conflict == "hold":
        return Merge({}, in_conflict=tuple(both))
    kept = (*empty, *both)
    return Merge({name: value for name, value in differ.items() if name not in kept}, kept)


def _differs(one: Any, other: Any) -> bool:
    return field_hash(one) != field_hash(other)


def _changed_there(name: str, step: Step, current: Mapping[str, Any]) -> bool:
    """Of a counterpart that was not seen before, whatever is there counts as somebody's."""
    has = current.get(name)
    return field_hash(has) != step.seen.get(name, field_hash(None))


def _is_newer(ours: datetime | None, theirs: datetime | None) -> bool:
    return theirs is None or (ours is not None and ours >= theirs)
