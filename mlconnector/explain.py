"""Says what is wrong with a piece of configuration: every problem at once, each with its path in the file.

msgspec stops at the first; so `explain` walks the type beside the data, and only after msgspec has said no. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import inspect

KeyPath = tuple[str | int, ...]


A_DAY = '"2026-12-31"'
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at `path` (keys and list positions from the top of the file), in one sentence."""

    path: KeyPath
    message: str

    def under(self, *path: str | int) -> Problem:
        """The same problem seen from further up."""
        return Problem(path + self.path, self.message)


def suggest(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'displayName'?)`, or nothing where no known word is near."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, 1, 0.6)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""


def dotted(path: KeyPath) -> str:
    """`flows.customers_to_members.map.CUSTNO.transform[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def show(value: Any) -> str:
    """What was found, for a message: its kind and, if it is short, itself."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"text {value!r}" if len(value) <= 40 else f"text {value[:37]!r}…"
    if isinstance(value, int | float):
        return f"number {value}"
    return "a list" if isinstance(value, list) else "a group of settings"


def convert(value: Any, kind: Any, path: KeyPath = ()) -> tuple[Any, list[Problem]]:
    """`value` as `kind` and no problem, or None and at least one."""
    try:
        return msgspec.convert(value, kind), []
    except msgspec.ValidationError as error:
        # where the walk knows less than msgspec, msgspec's own words: no disagreement can hide an error
        problems = [*explain(value, inspect.type_info(kind), path)] or [Problem(path, str(error))]
        return None, problems


def explain(value: Any, kind: inspect.Type, path: KeyPath) -> Iterator[Problem]:
    """Every way in which `value` is not a `kind`."""
    if isinstance(kind, inspect.Metadata):
        meant = (kind.extra_json_schema or {}).get("description", "")
        spelled = isinstance(kind.type, inspect.StrType) and kind.type.pattern is not None
        for problem in explain(value, kind.type, path):
            yield Problem(path, f"{problem.message}: {meant}") if spelled and meant else problem
    elif isinstance(kind, inspect.StructType):
        yield from _explain_struct(value, kind, path)
    elif isinstance(kind, inspect.UnionType):
        yield from _explain_union(value, kind, path)
    elif isinstance(kind, inspect.LiteralType):
        if value not in kind.values or isinstance(value, bool):
            yield Problem(path, _not_one_of(value, [str(known) for known in kind.values]))
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        yield from _explain_list(value, kind, path)
    elif isinstance(kind, inspect.DictType):
        yield from _explain_dict(value, kind, path)
    elif isinstance(kind, inspect.DateType):
        yield from _explain_date(value, path)
    else:
        yield from _explain_scalar(value, kind, path)


def _not_one_of(value: Any, known: list[str]) -> str:
    hint = suggest(value, known) if isinstance(value, str) else ""
    return f"{show(value)} is not one of {', '.join(known)}{hint}"


def _explain_struct(value: Any, kind: inspect.StructType, path: KeyPath) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem(path, f"expected a group of settings, got {show(value)}")
        return
    known = {field.encode_name: field for field in kind.fields}
    for key, inner in value.items():
        if key in known:
            yield from explain(inner, known[key].type, (*path, key))
        elif kind.forbid_unknown_fields:
            yield Problem((*path, key), f"unknown setting{suggest(key, known)}")
    for field in kind.fields:
        if field.required and field.encode_name not in value:
            such = f", a day such as {A_DAY}" if _plain_kind(field.type) is inspect.DateType else ""
            yield Problem(path, f"needs {field.encode_name!r}{such}")


def _plain_kind(kind: inspect.Type) -> type[inspect.Type]:
    return _plain_kind(kind.type) if isinstance(kind, inspect.Metadata) else type(kind)


def _explain_date(value: Any, path: KeyPath) -> Iterator[Problem]:
    """Year, month and day; what is surely meant is spelled out."""
    if value in (None, ""):
        yield Problem(path, f"is empty: write a day such as {A_DAY}")
        return
    text = str(value)
    try:
        if _DAY.fullmatch(text) and date.fromisoformat(text):
            return
    except ValueError:
        yield Problem(path, f"{show(value)} is no date, there is no such day: write one such as {A_DAY}")
        return
    try:
        meant = f'"{datetime.strptime(text, "%d.%m.%Y").date()}"'  # noqa: DTZ007 - a day has no zone
    except ValueError:
        meant = f"year, month and day, such as {A_DAY}"
    yield Problem(path, f"{show(value)} is no date: write {meant}")


def _explain_union(value: Any, kind: inspect.UnionType, path: KeyPath) -> Iterator[Problem]:
    found = [[*explain(value, one, path)] for one in kind.types]
    if not all(found):
        return
    named = [(one, problems) for one, problems in zip(kind.types, found, strict=True) if _is_some(one)]
    fitting = [
        problems
        for one, problems in named
        if isinstance(value, dict) == _is_group(one) and isinstance(value, list) == _is_list(one)
    ]
    if fitting and (isinstance(value, dict | list) or len(named) == 1):
        yield from fitting[0]
    else:
        names = dict.fromkeys(_name(one) for one, _ in named)
        yield Problem(path, f"expected {' or '.join(names)}, got {show(value)}")


def _is_some(kind: inspect.Type) -> bool:
    return not isinstance(kind, inspect.NoneType)


def _is_group(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.StructType | inspect.DictType)


def _is_list(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.ListType | inspect.VarTupleType)


def _explain_list(
    value: Any, kind: inspect.ListType | inspect.VarTupleType, path: KeyPath
) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield Problem(path, f"expected a list, got {show(value)}")
        return
    for position, inner in enumerate(value):
        yield from explain(inner, kind.item_type, (*path, position))
    if kind.min_length and len(value) < kind.min_length:
        yield Problem(path, f"needs at least {kind.min_length} in the list")


def _explain_dict(value: Any, kind: inspect.DictType, path: KeyPath) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem(path, f"expected a group of settings, got {show(value)}")
        return
    for key, inner in value.items():
        yield from explain(key, kind.key_type, (*path, key))
        yield from explain(inner, kind.value_type, (*path, key))
    if kind.min_length and len(value) < kind.min_length:
        yield Problem(path, "is empty")


_SCALARS: dict[type[inspect.Type], tuple[type | tuple[type, ...], str]] = {
    inspect.StrType: (str, "text"),
    inspect.IntType: (int, "a whole number"),
    inspect.FloatType: ((int, float), "a number"),
    inspect.DecimalType: ((int, float), "a number"),
    inspect.BoolType: (bool, "true or false"),
    inspect.NoneType: (type(None), "nothing"),
}


def _name(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return _name(kind.type)
    if _is_group(kind):
        return "a group of settings"
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(str(known) for known in kind.values)
    return "a list" if _is_list(kind) else _SCALARS.get(type(kind), (object, "something else"))[1]


def _explain_scalar(value: Any, kind: inspect.Type, path: KeyPath) -> Iterator[Problem]:
    if type(kind) not in _SCALARS:
        return
    python_type, name = _SCALARS[type(kind)]
    is_bool = isinstance(value, bool) and not isinstance(kind, inspect.BoolType)
    if is_bool or not isinstance(value, python_type):
        yield Problem(path, f"expected {name}, got {show(value)}")
    elif isinstance(kind, inspect.StrType) and isinstance(value, str):
        yield from _explain_text(value, kind, path)
    elif isinstance(kind, inspect.IntType) and isinstance(value, int):
        yield from _explain_range(value, kind, path)


def _explain_text(value: str, kind: inspect.StrType, path: KeyPath) -> Iterator[Problem]:
    if kind.min_length and len(value) < kind.min_length:
        yield Problem(path, "is empty")
    elif kind.max_length is not None and len(value) > kind.max_length:
        yield Problem(path, f"is longer than {kind.max_length} characters")
    elif kind.pattern and not re.search(kind.pattern, value):
        yield Problem(path, f"{show(value)} does not look right")


def _explain_range(value: int, kind: inspect.IntType, path: KeyPath) -> Iterator[Problem]:
    if kind.ge is not None and value < kind.ge:
        yield Problem(path, f"{value} is too small, at least {kind.ge}")
    elif kind.le is not None and value > kind.le:
        yield Problem(path, f"{value} is too large, at most {kind.le}")
