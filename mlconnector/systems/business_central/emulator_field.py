"""What a page is made of: fields with their kinds, navigation properties, entity sets (fact sheet 2.0)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

Kind = Literal[
    "guid", "code", "text", "decimal", "int", "bool", "date", "datetime", "enum", "caption", "complex"
]
"""`enum` has encoded names, `caption` the captions that API v1.0, beta and pages show; `complex` is JSON text."""
Access = Literal["W", "R", "r"]  # writable, refused as read-only, taken and never stored

NO_GUID = "00000000-0000-0000-0000-000000000000"
ZERO = Decimal(0)
BLANKS: Mapping[Kind, Any] = {
    "guid": NO_GUID,
    "code": "",
    "text": "",
    "decimal": ZERO,
    "int": 0,
    "bool": False,
    "date": "0001-01-01",
    "datetime": 0,
    "caption": " ",
    "complex": "{}",
}


def encode_option(name: str) -> str:
    """The wire name of an enum value: `Non-Inventory` is `Non_x002D_Inventory`, blank is `_x0020_` (section 2.0)."""
    return re.sub(r"[^0-9A-Za-z_]", lambda sign: f"_x{ord(sign[0]):04X}_", name or " ")


def decode_option(wire: str) -> str:
    """The AL name behind a wire name; a plain caption comes back as it is."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda code: chr(int(code[1], 16)), wire).strip()


@dataclass(frozen=True, slots=True)
class Field:
    """One property of a page.

    `caption` is the table field's name in error texts. `stored` is False for page variables and FlowFields, which
    cannot be filtered or ordered by. `refers` names the entity set whose id or code the value must be, `pair` the
    field beside it that holds the other of the two, `least` the smallest number that may be entered.
    """

    name: str
    kind: Kind
    length: int = 0
    access: Access = "W"
    caption: str = ""
    refers: str = ""
    options: tuple[str, ...] = ()
    stored: bool = True
    default: Any = None
    pair: str = ""
    least: int | None = None

    @property
    def blank(self) -> Any:
        """What a row holds where nothing was entered; enums start with their first value."""
        if self.default is not None:
            return self.default
        return encode_option(self.options[0]) if self.kind == "enum" else BLANKS[self.kind]


@dataclass(frozen=True, slots=True)
class Navigation:
    """A navigation property: the row of `target` whose id stands in the field `by` of this row.

    With `many` a list: the rows of `target` whose field `by` holds the id of this row (with `by` id: the same row).
    """

    name: str
    target: str
    by: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity set. `table` is the set whose rows it shows; `hidden` fields are kept in the row, not on the page.

    `key` is what the rows are sorted by, `reference` what stands in a URL. `old_etag` is the form of BC 19 and before.
    `actions` are bound ones.
    """

    name: str
    single: str
    caption: str
    fields: tuple[Field, ...]
    key: str
    table: str
    hidden: tuple[Field, ...] = ()
    navigation: tuple[Navigation, ...] = ()
    verbs: frozenset[str] = frozenset({"GET", "POST", "PATCH", "DELETE"})
    etag: bool = True
    by_name: Mapping[str, Field] = field(default_factory=dict)
    columns: Mapping[str, int] = field(default_factory=dict)
    reference: str = "id"
    namespace: str = "Microsoft.NAV"
    old_etag: bool = False
    actions: tuple[str, ...] = ()

    def nav(self, name: str) -> Navigation | None:
        """The navigation property of that name."""
        return next((nav for nav in self.navigation if nav.name == name), None)
