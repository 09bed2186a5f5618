"""Values as Business Central takes them, before anything is sent: lengths, codes, enums, phones, e-mail (fact sheet 2).

A value that would be refused is cut, cleaned or left out, and a note says so; what cannot be helped is Rejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mlconnector.errors import Rejected
from mlconnector.model import FieldInfo
from mlconnector.systems.business_central.codes import Codes
from mlconnector.systems.business_central.fields import WRITTEN

NO_GUID = "00000000-0000-0000-0000-000000000000"
_BLANKS: Mapping[str, Any] = {
    "guid": NO_GUID, "enum": "_x0020_", "boolean": False, "number": 0, "date": "0001-01-01",
}  # fmt: skip
_CUTTABLE_CODES = frozenset({"postalCode"})
"""Any other code that is cut would be another record's."""
_NAMED = frozenset({"customer", "contact"})
_ADDRESS = re.compile(r"[^@\s;,<>]+@[^@\s;,<>]+\.[^@\s;,<>.]+")
_ENCODED = re.compile(r"_x[0-9A-Fa-f]{4}_")


@dataclass(frozen=True, slots=True)
class Note:
    """What was done to a value: `code` is that of an Outcome, `text` names the field."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """Values in page order (section 2.16), and what was done to them."""

    values: Mapping[str, Any]
    notes: tuple[Note, ...] = ()


class Fitting:
    """Fits the values of one record after another. `too_long` is `clip` or `hold`."""

    def __init__(self, codes: Codes, too_long: str) -> None:
        self._codes = codes
        self._too_long = too_long
        self._notes: list[Note] = []

    def fit(self, entity: str, body: Mapping[str, Any]) -> Fitted:
        """The record's values. Raises Rejected: too-long, unknown-currency, missing-field, read-only-field."""
        fields = WRITTEN[entity]
        if strange := sorted(body.keys() - fields.keys()):
            raise Rejected(f"{', '.join(strange)} cannot be written on a {entity}", code="read-only-field")
        self._notes = []
        values = {name: self._value(entity, fields[name], body[name]) for name in fields if name in body}
        kept = {name: value for name, value in values.items() if value is not None}
        if entity in _NAMED and kept.get("displayName") == "":
            raise Rejected("displayName is empty, and it must not be", code="missing-field")
        return Fitted(kept, tuple(self._notes))

    def text(self, name: str, value: Any, length: int | None) -> str:
        """A text without outer blanks, cut if it is too long; Rejected where that is not wanted."""
        text = str(value).strip()
        if length is None or len(text) <= length:
            return text
        if self._too_long == "hold":
            raise too_long(name, text, length)
        self._notes.append(Note("clipped", f"{name} was cut to {length} characters"))
        return text[:length].rstrip()

    def take_notes(self) -> tuple[Note, ...]:
        """What was done to texts since the last time."""
        notes, self._notes = tuple(self._notes), []
        return notes

    def _value(self, entity: str, field: FieldInfo, value: Any) -> Any:
        """None is left out."""
        if value is None or value == "":
            return blank(field)
        if field.name == "country":
            return self._country(str(value))
        if field.name == "currencyCode":
            return self._codes.currency(str(value))
        if field.name == "email":
            return self._email(str(value), field.length or 0)
        if field.name == "phoneNumber" and entity == "customer":
            return self._phone(str(value), field.length)
        if field.type == "code":
            return self._code(field, str(value))
        if field.type == "enum":
            return encode_option(str(value))
        return self.text(field.name, value, field.length) if field.type == "text" else value

    def _country(self, value: str) -> str | None:
        code = self._codes.country(value)
        if code is None:
            self._notes.append(
                Note("unknown-country", "country was left out: it is none of Countries/Regions")
            )
        return code

    def _email(self, value: str, length: int) -> str | None:
        """All usable addresses of a list, as many as fit."""
        parts = [one for one in re.split(r"[;,\s]+", value) if one]
        usable = [one for one in parts if _ADDRESS.fullmatch(one)]
        if len(usable) < len(parts):
            self._notes.append(Note("cleaned", "what is no e-mail address was left out of email"))
        while len(";".join(usable)) > length:
            if self._too_long == "hold":
                raise too_long("email", ";".join(usable), length)
            usable.pop()
            self._notes.append(Note("clipped", f"email holds {length} characters; an address was left out"))
        return ";".join(usable) or None

    def _phone(self, value: str, length: int | None) -> str | None:
        """Customers' numbers hold no letters (trap T38): what stands before and behind the digits goes."""
        if not any(sign.isalpha() for sign in value):
            return self.text("phoneNumber", value, length)
        found = re.search(r"[+(]*\d[\W\d_]*", value)
        number = found[0].rstrip(" ,;:.-(/") if found else ""
        self._notes.append(Note("cleaned", "letters were taken out of phoneNumber"))
        return self.text("phoneNumber", number, length) or None

    def _code(self, field: FieldInfo, value: str) -> str:
        code = value.strip().upper()
        if field.length is not None and len(code) > field.length and field.name not in _CUTTABLE_CODES:
            raise too_long(field.name, code, field.length)
        return self.text(field.name, code, field.length)


def too_long(name: str, text: str, length: int) -> Rejected:
    """For a value that must not be cut."""
    return Rejected(
        f"{name} has {len(text)} characters and may have {length}", code="too-long", details=((name, ""),)
    )


def blank(field: FieldInfo) -> Any:
    """The empty value of a field (section 2.0)."""
    return _BLANKS.get(field.type, "")


def is_blank(value: Any) -> bool:
    """Whether it says nothing, in any of the spellings of that (section 2.0)."""
    return value is None or value is False or value in ("", 0, *_BLANKS.values())


def encode_option(name: str) -> str:
    """The name of an enum value as it is sent: `Non-Inventory` is `Non_x002D_Inventory` (section 2.0)."""
    if _ENCODED.search(name):
        return name
    return re.sub(r"[^A-Za-z0-9_]", lambda sign: f"_x{ord(sign[0]):04X}_", name.strip() or " ")


def decode_option(name: str) -> str:
    """The name of an enum value as people know it; blank is ""."""
    return _ENCODED.sub(lambda found: chr(int(found[0][2:6], 16)), name).strip()


def same(value: Any, other: Any) -> bool:
    """Whether two values are one to Business Central; numbers may differ in type."""
    numbers = (int, float, Decimal)
    if isinstance(value, bool) or isinstance(other, bool):
        return bool(value) is bool(other)
    if isinstance(value, numbers) and isinstance(other, numbers):
        return Decimal(str(value)) == Decimal(str(other))
    if isinstance(value, str) and isinstance(other, str) and _ENCODED.search(value + other):
        return decode_option(value) == decode_option(other)
    return bool(value == other)


def code_of(notes: Sequence[Note]) -> str:
    """The code of an Outcome for what was done to values: that of the first note."""
    return notes[0].code if notes else ""


def reason_of(notes: Sequence[Note]) -> str:
    """All notes in one sentence."""
    return "; ".join(dict.fromkeys(note.text for note in notes))
