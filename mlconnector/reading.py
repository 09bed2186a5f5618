"""Reads one field of a record, whatever the record holds: what `map:` and `when:` stand on. Pure.

A value that is missing, blank, the blank date, the zero GUID, the blank enum name or below a null navigation is
empty (None).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlconnector.explain import KeyPath, Problem, suggest
from mlconnector.model import FieldInfo
from mlconnector.transforms import BLANK_DATE, decode_enum_name

Record = Mapping[str, Any]
Read = Callable[[Record], Any]
Constant = str | bool | int | float

ZERO_GUID = "00000000-0000-0000-0000-000000000000"


@dataclass(slots=True)
class Compiler:
    """Collects what one line reads and what is wrong with it. `owner` is who has the fields."""

    fields: Mapping[str, FieldInfo]
    owner: str
    problems: list[Problem] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    def fail(self, path: KeyPath, message: str) -> Read:
        self.problems.append(Problem(path, message))
        return read_nothing

    def info(self, name: str, path: KeyPath) -> FieldInfo | None:
        """The field, noted as read; None and a problem if the source has none of that name."""
        found = self.fields.get(name)
        if found is None:
            near = _nearest_field(name, self.fields)
            step = near or f"; take it out, or use one of: {', '.join(self.fields)}"
            self.fail(path, f"{self.owner} has no field {name!r}{step}")
        else:
            self.paths.add(name)
        return found


def read_nothing(record: Record) -> Any:
    return None


def _nearest_field(name: str, fields: Mapping[str, FieldInfo]) -> str:
    behind_a_dot = next((known for known in fields if known.endswith("." + name)), None)
    if behind_a_dot:
        return f" (did you mean {behind_a_dot!r}?)"
    outer, _, inner = name.rpartition(".")
    beside = [known.removeprefix(f"{outer}.") for known in fields if outer and known.startswith(f"{outer}.")]
    if not beside:
        return suggest(name, fields)
    near = suggest(inner, beside)  # what the two names share says nothing: another figure is another figure
    return near.replace("'", f"'{outer}.", 1)


def _blank_date(value: Any) -> Any:
    return None if not value or str(value).startswith(BLANK_DATE) else value


def _blank_guid(value: Any) -> Any:
    return None if not value or value == ZERO_GUID else value


def _plain_enum(value: Any) -> Any:
    return decode_enum_name(value) if type(value) is str else value


_CLEAN: Mapping[str, Callable[[Any], Any]] = {
    "enum": _plain_enum,
    "date": _blank_date,
    "datetime": _blank_date,
    "guid": _blank_guid,
}


def reader(info: FieldInfo) -> Read:
    """Reads one field; empty comes as None, an enum decoded. Never raises, whatever the record holds."""
    first, dot, rest = info.name.partition(".")
    read = _reader_of(first if not dot else rest, _CLEAN.get(info.type))
    if not dot:
        return read

    def read_beyond(record: Record) -> Any:
        beyond = record.get(first)
        return read(beyond) if isinstance(beyond, Mapping) else None

    return read_beyond


def _reader_of(name: str, clean: Callable[[Any], Any] | None) -> Read:
    if clean is not None:
        return lambda record: clean(record.get(name))

    def read_text(record: Record) -> Any:
        value = record.get(name)
        return None if type(value) is str and (not value or value.isspace()) else value

    return read_text
