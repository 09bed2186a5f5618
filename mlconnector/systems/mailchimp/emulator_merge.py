"""Merge fields of an emulated audience: their definitions, limits and the values they take (fact sheet section 5)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from mlconnector.systems.mailchimp.emulator_errors import Problem, invalid, merge_error, schema_error

TEXT_BYTES = 255
TAG_LENGTH = 10
RESERVED = frozenset(
    ["INTERESTS", "UNSUB", "FORWARD", "REWARDS", "ARCHIVE", "USER_URL", "DATE", "EMAIL", "EMAIL_TYPE", "TO"]
)
DEFAULT_OPTIONS: dict[str, dict[str, Any]] = {
    "text": {"size": 25},
    "number": {},
    "address": {"default_country": 164},
    "phone": {"phone_format": "none"},
    "date": {"date_format": "MM/DD/YYYY"},
    "birthday": {"date_format": "MM/DD"},
    "url": {"size": 25},
    "imageurl": {"size": 25},
    "zip": {"size": 25},
    "radio": {"choices": []},
    "dropdown": {"choices": []},
}
ADDRESS_PARTS = ("addr1", "city", "state", "zip")
STANDARD = (
    {"tag": "FNAME", "name": "First Name", "type": "text"},
    {"tag": "LNAME", "name": "Last Name", "type": "text"},
    {"tag": "ADDRESS", "name": "Address", "type": "address"},
    {"tag": "PHONE", "name": "Phone Number", "type": "phone"},
)
"""What a new audience has."""


@dataclass(slots=True)
class MergeField:
    """One field's definition; `type` never changes."""

    merge_id: int
    tag: str
    name: str
    type: str
    required: bool = False
    default_value: str = ""
    public: bool = True
    display_order: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    help_text: str = ""


class MergeFields:
    """All fields of one audience, in merge_id order."""

    def __init__(self, limit: Callable[[], int], truncates: Callable[[], bool]) -> None:
        self.by_id: dict[int, MergeField] = {}
        self.by_tag: dict[str, MergeField] = {}
        self.required: list[MergeField] = []
        self.addresses: list[MergeField] = []
        self._limit = limit
        self._truncates = truncates
        self._last_id = 0

    def create(self, body: Mapping[str, Any]) -> MergeField:
        """Adds a field (5.1, 5.2) or raises Problem."""
        _check_definition(body, needs_type=True)
        if len(self.by_id) >= self._limit():
            raise Problem(
                400, "Merge Max Limit Exceeded", f"This list already has {len(self.by_id)} merge fields."
            )
        merge_id = self._last_id + 1
        tag = self._tag(str(body.get("tag") or f"MMERGE{merge_id}"))
        options = {**DEFAULT_OPTIONS[body["type"]], **body.get("options", {})}
        made = MergeField(merge_id, tag, body["name"], body["type"], display_order=merge_id + 1)
        _apply(made, {**body, "options": options})
        self._last_id = merge_id
        self.by_id[merge_id] = made
        self._index()
        return made

    def change(self, made: MergeField, body: Mapping[str, Any]) -> None:
        """PATCH: `name` is required, `type` is ignored."""
        _check_definition(body, needs_type=False)
        tag = self._tag(str(body["tag"]), made) if body.get("tag") else made.tag
        made.tag, made.name = tag, body["name"]
        _apply(made, {**body, "options": {**made.options, **body.get("options", {})}})
        self._index()

    def remove(self, merge_id: int) -> None:
        """Forgets the definition; the audience drops the values."""
        del self.by_id[merge_id]
        self._index()

    def _tag(self, wanted: str, owner: MergeField | None = None) -> str:
        tag = wanted.upper()
        if len(tag) > TAG_LENGTH and self._truncates():
            tag = tag[:TAG_LENGTH]
        if len(tag) > TAG_LENGTH:
            raise schema_error(("tag", f"Merge tags can be up to {TAG_LENGTH} characters."))
        if not re.fullmatch(r"[A-Z0-9_]+", tag):
            raise schema_error(("tag", "Merge tags can only contain letters, numbers and underscores."))
        if tag in RESERVED:
            raise schema_error(("tag", f'"{tag}" is a reserved merge tag.'))
        if self.by_tag.get(tag, owner) is not owner:
            raise invalid(f'A Merge Field with the tag "{tag}" already exists for this list.')
        return tag

    def _index(self) -> None:
        fields = list(self.by_id.values())
        self.by_tag = {made.tag: made for made in fields}
        self.required = [made for made in fields if made.required]
        self.addresses = [made for made in fields if made.type == "address"]

    def checked(
        self,
        sent: Mapping[str, Any],
        stored: Mapping[int, Any],
        *,
        skip_required: bool,
        address_trap: bool,
    ) -> dict[int, Any]:
        """The values after a write, by merge_id; raises Problem if any is refused (5.3).

        Unknown tags are ignored. `address_trap`: a stored incomplete address that the write does not mention is
        refused too.
        """
        values, errors = dict(stored), []
        for tag, value in sent.items():
            made = self.by_tag.get(tag)
            if made is None:
                continue
            try:
                cleaned = "" if value == "" else CLEANERS[made.type](made, value)
            except ValueError as reason:
                errors.append({"field": tag, "message": str(reason)})
                continue
            if cleaned == "":
                values.pop(made.merge_id, None)
            else:
                values[made.merge_id] = cleaned
        refused = {error["field"] for error in errors}
        for made in () if skip_required else self.required:
            if made.merge_id not in values and made.tag not in refused:
                errors.append({"field": made.tag, "message": "Please enter a value"})
        for made in self.addresses if address_trap else ():
            if made.tag not in sent and not is_complete(stored.get(made.merge_id, "")):
                errors.append({"field": made.tag, "message": INCOMPLETE})
        if errors:
            raise merge_error(errors)
        return values


INCOMPLETE = "Please enter a complete address"


def is_complete(address: Any) -> bool:
    """Whether an address is empty or has all its required parts."""
    if not address:
        return True
    parts = [address.get(part) for part in ADDRESS_PARTS]
    return all(isinstance(part, str) and part for part in parts)


def _check_definition(body: Mapping[str, Any], *, needs_type: bool) -> None:
    faults = []
    if not isinstance(body.get("name"), str) or not body["name"]:
        faults.append(("name", "This value should not be blank."))
    if needs_type and body.get("type") not in DEFAULT_OPTIONS:
        message = "Value did not match any values in the enumeration"
        faults.append(("type", message if "type" in body else "This value should not be blank."))
    if not isinstance(body.get("options", {}), dict):
        faults.append(("options", "Schema describes object, array found instead"))
    if faults:
        raise schema_error(*faults)


def _apply(made: MergeField, body: Mapping[str, Any]) -> None:
    for name in ("required", "default_value", "public", "display_order", "options", "help_text"):
        if name in body:
            setattr(made, name, body[name])


def _text(_: MergeField, value: Any) -> str:
    if isinstance(value, dict):
        raise ValueError("Please enter a value")
    text = value if isinstance(value, str) else str(value)
    data = text.encode()
    return text if len(data) <= TEXT_BYTES else data[:TEXT_BYTES].decode("utf-8", "ignore")


_NUMERIC = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def _number(_: MergeField, value: Any) -> int | float:
    if isinstance(value, str) and _NUMERIC.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("Please enter a number")
    return int(value) if value == int(value) else value


def _choice(made: MergeField, value: Any) -> str:
    if value not in made.options.get("choices", ()):
        raise ValueError("Please enter a valid option")
    return str(value)


_DATES = (
    re.compile(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"),
    re.compile(r"(?P<y>\d{4})/(?P<m>\d\d)/(?P<d>\d\d)"),
    re.compile(r"(?P<d>\d\d)-(?P<m>\d\d)-(?P<y>\d{4})"),
    re.compile(r"(?P<m>\d\d)/(?P<d>\d\d)/(?P<y>\d{4})"),
)


def _date(_: MergeField, value: Any) -> str:
    for spelling in _DATES:
        if isinstance(value, str) and (found := spelling.fullmatch(value)):
            try:
                return date(int(found["y"]), int(found["m"]), int(found["d"])).isoformat()
            except ValueError:
                break
    raise ValueError("Please enter the date")


def _matching(pattern: str, message: str) -> Callable[[MergeField, Any], str]:
    compiled = re.compile(pattern)

    def clean(_: MergeField, value: Any) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError(message)
        return value

    return clean


_NANP = re.compile(r"(\+?1[ .-]?)?(\(\d{3}\)|\d{3})[ .-]?\d{3}[ .-]?\d{4}")


def _phone(made: MergeField, value: Any) -> str:
    is_us = made.options.get("phone_format") == "US"
    if not isinstance(value, str | int) or (is_us and not _NANP.fullmatch(str(value))):
        raise ValueError("Please enter a valid phone number")
    return str(value)


def _address(_: MergeField, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value or not is_complete(value):
        raise ValueError(INCOMPLETE)
    return {part: value.get(part, "") for part in ("addr1", "addr2", "city", "state", "zip", "country")}


_URL = _matching(r"https?://[^\s/]+\.[^\s/]+\S*", "Please enter a valid URL")

CLEANERS: Mapping[str, Callable[[MergeField, Any], Any]] = {
    "text": _text,
    "number": _number,
    "radio": _choice,
    "dropdown": _choice,
    "date": _date,
    "birthday": _matching(r"(0[1-9]|1[0-2])/(0[1-9]|[12]\d|3[01])", "Please enter a valid birthday (MM/DD)"),
    "address": _address,
    "zip": _matching(r"\d{5}", "Please enter a valid zip code"),
    "phone": _phone,
    "url": _URL,
    "imageurl": _URL,
}
"""Value as it is stored, or ValueError with the message; only number's, address's and required's are recorded."""
