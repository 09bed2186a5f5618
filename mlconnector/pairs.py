"""Two records that are kept in step: what of one changed since they last were. Pure.

Nothing is compared between the two, which spell things differently: each is compared with what it was then, by a
short hash of each field. So a value that was cut or rounded on its way is not carried back (DESIGN 5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from mlconnector.model import Flow, Link, Step

RULES = "="
"""Stands for the mapping among the fields: a flow whose mapping was edited sends everything once more."""
MADE = ">"
"""Before a name in the body: what the mapping made of its fields as they were seen, or the id it referred to."""
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


def says_nothing(value: Any) -> bool:
    """Whether it is empty, or what an empty field looks like: 0, false, a blank."""
    return not value or (isinstance(value, str) and value.isspace())


@dataclass(frozen=True, slots=True)
class Made:
    """What a mapping made of a record: values by name in the body, and the remote ids of what it refers to."""

    body: Mapping[str, Any]
    refs: Mapping[str, str]


def seen_of(
    flow: Flow, record: Mapping[str, Any], made: Made, left_out: Collection[str] = ()
) -> dict[str, str | None]:
    """What is remembered of a source record that was carried over by this flow, but for the names in `left_out`.

    None stands for what is to be remembered no longer.
    """
    seen = hashes(record, frozenset().union(*flow.fields.values()))
    known = {f"{MADE}{name}": _made(name, paths, made, seen) for name, paths in flow.fields.items()}
    return {**seen, **known, **{f"{MADE}{name}": None for name in left_out}, RULES: flow.rules}


def seen_there(now: Mapping[str, Any], watched: Collection[str]) -> dict[str, str]:
    """What is remembered of a counterpart whose fields are `now` as they were wanted: of those that are watched."""
    return hashes(now, [path for path in watched if _is_in(now, path)])


def moved_fields(flow: Flow, record: Mapping[str, Any], link: Link) -> frozenset[str]:
    """Fields of the source that are not what was seen; what is empty and was not seen before is none of them."""
    paths = frozenset[str]().union(*flow.fields.values())
    return frozenset(path for path in paths if _has_moved(path, record, link.seen))


def changed_fields(flow: Flow, moved: Collection[str], made: Made, link: Link) -> frozenset[str] | None:
    """Names in the body that changed; None: all may have, since the mapping did or nothing was seen.

    One that is made of the same value as before did not, although a field of it moved.
    """
    if not link.seen or link.seen.get(RULES, flow.rules) != flow.rules:
        return None
    names = {name for name, paths in flow.fields.items() if not paths.isdisjoint(moved)}
    return frozenset(
        name
        for name in names | made.refs.keys()
        if _is_changed(name, flow, made, link.seen, has_moved=name in names)
    )


def left_out(made: Made, link: Link) -> frozenset[str]:
    """Names in the body that the target did not take last time: a country that it did not know."""
    if not any(name.startswith(MADE) for name in link.seen):
        return frozenset()  # of an older state file nobody knows
    return frozenset(name for name in made.body if link.seen.get(f"{MADE}{name}") is None)


def is_part(path: str, paths: Collection[str]) -> bool:
    """Whether it is one of these, holds one of them or is held by one: `address` and `address.locality`."""
    return any(f"{path}.".startswith(f"{one}.") or f"{one}.".startswith(f"{path}.") for one in paths)


def unfilled(
    record: Mapping[str, Any], written_back: Mapping[str, Collection[str]], carried: Collection[str]
) -> frozenset[str]:
    """Fields of a new counterpart that are to fill empty ones of its record: a number that was given to it there.

    An empty field that was carried over (`carried` are the source's) is in step as it is.
    """
    blank = {name for name in written_back if says_nothing(_at(record, name)) and not is_part(name, carried)}
    full = frozenset[str]().union(*(written_back[name] for name in written_back.keys() - blank))
    return frozenset[str]().union(*(written_back[name] for name in blank)) - full


def _made(name: str, paths: Collection[str], made: Made, seen: Mapping[str, str]) -> str:
    """Tells the value of a name, and of which state of its fields it was made: another flow may note another state."""
    if name in made.refs:
        return field_hash(made.refs[name])
    return field_hash([field_hash(made.body.get(name)), *(seen.get(path) for path in sorted(paths))])


def _is_changed(name: str, flow: Flow, made: Made, seen: Mapping[str, str], *, has_moved: bool) -> bool:
    """A reference may lead elsewhere although nothing moved, if it is known where it led."""
    known = seen.get(f"{MADE}{name}")
    return (has_moved or known is not None) and known != _made(name, flow.fields.get(name, ()), made, seen)


def _has_moved(path: str, record: Mapping[str, Any], seen: Mapping[str, str]) -> bool:
    value = _at(record, path)
    return seen[path] != field_hash(value) if path in seen else not says_nothing(value)


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
    step: Step,
    wanted: Mapping[str, Any],
    current: Mapping[str, Any],
    conflict: str,
    theirs: datetime | None,
    *,
    is_empty: Callable[[Any], bool] = lambda value: value in (None, ""),
) -> Merge:
    """Field by field, three ways: what the source has now, what the counterpart has, what it had when both agreed.

    `wanted` and `current` are spelled as the target spells them; `theirs` is when the counterpart was last changed.
    `conflict` is `source`, `target`, `newest` or `hold`. An empty value never takes the place of one that was not seen
    before: of two records that were only just found to be one, or in a field that is mapped from now on. `is_empty`
    says what is, as the target spells it.
    """
    names = wanted.keys() if step.changed is None else step.changed & wanted.keys()
    differ = {
        name: wanted[name] for name in wanted if name in names and _differs(wanted[name], current.get(name))
    }
    empty = [name for name in differ if name not in step.seen and is_empty(wanted[name])]
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
