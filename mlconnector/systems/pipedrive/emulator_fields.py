"""Field definitions of the emulated Pipedrive and their options (fact sheet section 6)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from mlconnector.systems.pipedrive.emulator_errors import capped, classic, invalid, not_found
from mlconnector.systems.pipedrive.emulator_switches import Switches

CREATABLE = {
    "varchar", "text", "double", "phone", "date", "daterange", "time", "timerange", "set", "enum", "varchar_auto",
    "address", "monetary", "org", "people", "user",
}  # fmt: skip
CHOICES = ("enum", "set")
COLORS = ("green", "yellow", "red", "blue", "purple")

_STATUSES = {"open": "Open", "won": "Won", "lost": "Lost", "deleted": "Deleted"}
_LABELS = ("Hot", "Warm", "Cold")
_SHARED = (("id", "ID", "int"), ("owner_id", "Owner", "user"), ("visible_to", "Visible to", "visible_to"))
_TIMES = (("add_time", "Created", "date"), ("update_time", "Update time", "date"))
BUILT_IN: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "deal": (
        ("title", "Title", "varchar"),
        ("value", "Value", "monetary"),
        ("person_id", "Contact person", "people"),
        ("org_id", "Organization", "org"),
        ("pipeline_id", "Pipeline", "int"),
        ("stage_id", "Stage", "stage"),
        ("status", "Status", "status"),
        ("won_time", "Won time", "date"),
        ("label", "Label", "set"),
    ),
    "person": (
        ("name", "Name", "varchar"),
        ("email", "Email", "varchar"),
        ("phone", "Phone", "phone"),
        ("org_id", "Organization", "org"),
        ("label", "Label", "set"),
    ),
    "organization": (
        ("name", "Name", "varchar"),
        ("address", "Address", "address"),
        ("label", "Label", "set"),
    ),
    "product": (
        ("name", "Name", "varchar"),
        ("code", "Product code", "varchar"),
        ("unit", "Unit", "varchar"),
        ("tax", "Tax", "double"),
        ("category", "Category", "enum"),
        ("prices", "Unit prices", "price_list"),
    ),
}


@dataclass(slots=True)
class Option:
    """One choice of a field; the id is text for some built-in fields (6.1)."""

    id: int | str
    label: str
    add_time: str
    update_time: str
    color: str | None = None

    def view(self) -> dict[str, Any]:
        """As the API shows it."""
        return {name: getattr(self, name) for name in ("id", "label", "color", "update_time", "add_time")}


@dataclass(slots=True)
class Field:
    """One field definition."""

    id: int
    code: str
    name: str
    type: str
    add_time: str
    update_time: str
    description: str | None = None
    options: list[Option] | None = None
    custom: bool = False
    gone: list[Option] = field(default_factory=list)

    @property
    def option_ids(self) -> set[int | str]:
        """What a value may be."""
        return {option.id for option in self.options or ()}

    def label_of(self, option_id: Any) -> str | None:
        """The label of an option; None of one that was deleted."""
        return next((option.label for option in self.options or () if option.id == option_id), None)


class Fields:
    """The fields of deals, persons, organizations or products, built-in ones first."""

    def __init__(self, kind: str, switches: Switches, option_ids: Iterator[int], now: str) -> None:
        self.kind = kind
        self._switches = switches
        self._option_ids = option_ids
        self._ids = count({"deal": 12_400, "person": 9_000, "organization": 4_000, "product": 20_000}[kind])
        self._hashes = count(1)
        self.by_code: dict[str, Field] = {}
        for code, name, how in (*_SHARED[:1], *BUILT_IN[kind], *_SHARED[1:], *_TIMES):
            self._insert(code, name, how, now, custom=False)
        for code, labels in (("label", _LABELS), ("category", ("Furniture", "Services"))):
            if code in self.by_code:
                self.add_options(self.by_code[code], labels, now)
        if "status" in self.by_code:
            self.by_code["status"].options = [
                Option(code, label, now, now) for code, label in _STATUSES.items()
            ]

    @property
    def custom_codes(self) -> list[str]:
        """The hashes of this account."""
        return [code for code, one in self.by_code.items() if one.custom]

    def named(self, name: str) -> Field:
        """A custom field by its name or code; KeyError if there is none."""
        for one in self.by_code.values():
            if one.custom and name in (one.name, one.code):
                return one
        raise KeyError(name)

    def find(self, code: str) -> Field:
        """By code, or 404."""
        known = self.by_code.get("label" if code == self._switches.label_field_code else code)
        if known is None:
            raise not_found()
        return known

    def code_of(self, one: Field) -> str:
        """The code it is shown with; that of the labels is uncertain (6.1)."""
        return self._switches.label_field_code if one.code == "label" else one.code

    def create(self, name: str, how: str, labels: Iterable[str], now: str, description: str | None) -> Field:
        """A new custom field with a hash of its own; names may repeat."""
        if how not in CREATABLE:
            raise invalid(f"field_type: {how!r} cannot be created")
        if (how in CHOICES) != bool(labels := list(labels)):
            raise invalid("options: are for enum and set, which need at least one")
        if len(self.custom_codes) >= self._switches.max_custom_fields:
            raise capped("custom_fields")
        code = hashlib.sha1(f"{self.kind}/{next(self._hashes)}/{name}".encode()).hexdigest()  # noqa: S324  # a name
        made = self._insert(code, name, how, now, custom=True)
        made.description = description
        self.add_options(made, labels, now)
        return made

    def delete(self, one: Field) -> None:
        """Of a custom field; its values are gone with it."""
        self._own(one)
        del self.by_code[one.code]

    def add_options(self, one: Field, labels: Iterable[str], now: str) -> list[Option]:
        """New options at the end; only these are returned."""
        fresh = [
            Option(next(self._option_ids), label, now, now, color)
            for label, color in zip(labels, COLORS * 20, strict=False)
        ]
        if fresh:
            one.options = [*(one.options or ()), *fresh]
        return fresh

    def touched(self, one: Field, ids: Sequence[Any]) -> list[Option]:
        """The options with these ids, or 400: all of them are there or nothing happens."""
        by_id = {option.id: option for option in one.options or ()}
        if missing := [wanted for wanted in ids if wanted not in by_id]:
            raise invalid(f"options: {missing} are not options of this field", self.code_of(one))
        return [by_id[wanted] for wanted in ids]

    def drop_options(self, one: Field, dropped: Sequence[Option]) -> None:
        """Records keep the id of an option that is gone."""
        one.options = [option for option in one.options or () if option not in dropped]
        one.gone += dropped

    def _own(self, one: Field) -> None:
        if not one.custom:
            raise classic(403, "Built-in fields cannot be deleted", "")

    def _insert(self, code: str, name: str, how: str, now: str, *, custom: bool) -> Field:
        made = Field(next(self._ids), code, name, how, now, now, custom=custom)
        self.by_code[code] = made
        return made
