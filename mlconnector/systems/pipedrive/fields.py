"""The fields that an account has: names, 40-character keys, types, options (fact sheet 3.5, 6.1)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

import msgspec

from mlconnector.errors import ConfigError
from mlconnector.model import FieldInfo, FieldType
from mlconnector.systems.pipedrive.api import Api
from mlconnector.systems.pipedrive.known import CUSTOM
from mlconnector.systems.pipedrive.verdict import SYSTEM

SOON = timedelta(minutes=1)
SHOWN_OPTIONS = 12


class Option(msgspec.Struct, frozen=True):
    """One choice; the id is text for some built-in fields."""

    id: int | str
    label: str | None = None


class Field(msgspec.Struct, frozen=True):
    """One field definition, as much as is needed."""

    field_name: str
    field_code: str
    field_type: str
    is_custom_field: bool = False
    options: list[Option] | None = None

    def label_of(self, id_: Any) -> str | None:
        """The label of an option; None if there is no such option (any more)."""
        return next((one.label for one in self.options or () if str(one.id) == str(id_)), None)

    def option(self, label: str) -> int | str | None:
        """The id of the option with this label, letter case aside where nothing fits to the letter."""
        options = self.options or ()
        exact = [one.id for one in options if one.label == label]
        low = label.strip().casefold()
        return next(
            iter(exact or [one.id for one in options if (one.label or "").strip().casefold() == low]), None
        )


class Definitions:
    """The fields of one kind of record; asked for when first needed, once a run unless something unknown appears."""

    def __init__(self, api: Api, kind: str, now: Callable[[], datetime], alias: str = "SYSTEM") -> None:
        self._alias = alias
        self._api = api
        self._now = now
        self._lock = threading.Lock()
        self._read_at: datetime | None = None
        self._by_code: Mapping[str, Field] = {}
        self.kind = kind

    @property
    def by_code(self) -> Mapping[str, Field]:
        """All fields by key; 10 tokens with the first call."""
        with self._lock:
            if self._read_at is None:
                self._read()
            return self._by_code

    @property
    def is_read(self) -> bool:
        """Whether anybody needed them so far."""
        return self._read_at is not None

    def read_again(self) -> bool:
        """Reads them once more, since a key or an option came that they do not have; not twice in a minute."""
        with self._lock:
            if self._read_at is not None and self._now() - self._read_at < SOON:
                return False
            self._read()
            return True

    @property
    def custom(self) -> Sequence[Field]:
        """The custom fields."""
        return [one for one in self.by_code.values() if one.is_custom_field]

    def named(self, name: str) -> Sequence[Field]:
        """The custom fields of this key or name: names are not unique, keys are."""
        found = self.by_code.get(name)
        if found is not None and found.is_custom_field:
            return [found]
        return [one for one in self.custom if one.field_name.strip() == name.strip()]

    def one(self, name: str) -> Field:
        """The custom field of this key or name; ConfigError if there is none, or more than one."""
        found = self.named(name)
        if len(found) != 1:
            message, hint = self.trouble(name)
            raise ConfigError(f"{SYSTEM}: {message}", hint=hint)
        return found[0]

    def trouble(self, name: str) -> tuple[str, str]:
        """What is wrong with a name that `one` does not take, and what helps; both empty if nothing is."""
        found = self.named(name)
        if len(found) == 1:
            return "", ""
        if found:
            codes = ", ".join(one.field_code for one in found)
            return (
                f"{len(found)} custom fields of the {self.kind} are called {name!r}",
                f"name the one you mean by its key: {codes}",
            )
        by_lower = {one.field_name.lower(): one.field_name for one in self.custom}
        near = [repr(by_lower[one]) for one in get_close_matches(name.lower(), by_lower, 3, 0.5)]
        alike = f"; names that are alike: {', '.join(near)}" if near else ""
        return (
            f"the {self.kind} has no custom field {name!r}{alike}",
            f"correct {CUSTOM}{name} in the flow's map, or make the field in Pipedrive; mlconnector fields"
            f" {self._alias}.{self.kind} lists those there are",
        )

    def described(self) -> list[FieldInfo]:
        """The custom fields as they can be mapped: by name, or by key where several have the same name."""
        names = [one.field_name.strip() for one in self.custom]
        return [
            FieldInfo(
                f"{CUSTOM}{one.field_name.strip() if names.count(one.field_name.strip()) == 1 else one.field_code}",
                _TYPES.get(one.field_type, "text"),
                255 if one.field_type in ("varchar", "varchar_auto") else None,
                _note(one),
            )
            for one in self.custom
        ]

    def _read(self) -> None:
        """Only active fields are listed, without deleted options (6.1)."""
        params = {"limit": "500"}
        found: list[Field] = []
        while True:
            page, _ = self._api.page(f"/{self.kind}Fields", params)
            found += [msgspec.convert(one, Field) for one in page.data or ()]
            if not page.next_cursor or page.next_cursor == params.get("cursor"):
                break
            params["cursor"] = page.next_cursor
        self._by_code = {one.field_code: one for one in found}
        self._read_at = self._now()


_TYPES: Mapping[str, FieldType] = {
    "double": "number",
    "int": "number",
    "boolean": "boolean",
    "date": "date",
    "set": "list",
    **dict.fromkeys(("user", "org", "people", "deal"), "number"),
    **dict.fromkeys(("monetary", "daterange", "time", "timerange", "address"), "object"),
}


def _note(field: Field) -> str:
    labels = [one.label for one in field.options or () if one.label]
    rest = " …" if len(labels) > SHOWN_OPTIONS else ""
    options = f": {' | '.join(labels[:SHOWN_OPTIONS])}{rest}" if labels else ""
    return f"{field.field_type}{options}; key {field.field_code}"


def custom_names(paths: Iterable[str]) -> list[str]:
    """The custom fields among paths, as the file names them."""
    return sorted(path.removeprefix(CUSTOM) for path in paths if path.startswith(CUSTOM))
