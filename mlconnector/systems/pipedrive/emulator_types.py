"""Which JSON values a body may hold: strict types (fact sheet 2) and the encodings of custom fields (3.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from mlconnector.systems.pipedrive.emulator_errors import invalid

if TYPE_CHECKING:
    from mlconnector.systems.pipedrive.emulator_fields import Field
    from mlconnector.systems.pipedrive.emulator_state import Company

Check = Callable[[Any], str]
"""What is wrong with a value; "" when nothing is."""

ADDRESS_PARTS = (
    "country", "admin_area_level_1", "admin_area_level_2", "locality", "sublocality", "route", "street_number",
    "subpremise", "postal_code",
)  # fmt: skip
TIMEZONES = {"Europe/Berlin": 315, "Europe/London": 318, "Europe/Stockholm": 330, "Europe/Tallinn": 333}
MOST = 10**15
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3})?Z?")


def text(value: Any) -> str:
    """A JSON string."""
    return "" if isinstance(value, str) else "must be a string"


def filled(value: Any) -> str:
    """A string that is not empty."""
    return text(value) or ("" if value.strip() else "is not allowed to be empty")


def whole(value: Any) -> str:
    """A JSON integer; true and "5" are none."""
    return "" if isinstance(value, int) and not isinstance(value, bool) else "must be an integer"


def number(value: Any) -> str:
    """A JSON number; NaN and what no sum can hold are none."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST
    return "" if fits else "must be a number"


def boolean(value: Any) -> str:
    """true or false, never 1 or 0."""
    return "" if isinstance(value, bool) else "must be a boolean"


def wholes(value: Any) -> str:
    """An array of integers."""
    fits = isinstance(value, list) and not any(whole(item) for item in value)
    return "" if fits else "must be an array of integers"


def day(value: Any) -> str:
    """`2024-01-01`."""
    return text(value) or _parses(value, date.fromisoformat, r"\d{4}-\d\d-\d\d", "a valid date")


def moment(value: Any) -> str:
    """A time in the form of v2 or v1."""
    return text(value) or _parses(value, datetime.fromisoformat, _MOMENT, "a valid datetime")


def one_of(*choices: Any) -> Check:
    """One of these, of the same type."""
    same = [(type(choice), choice) for choice in choices]
    return lambda value: "" if (type(value), value) in same else f"must be one of {list(choices)}"


def address(value: Any) -> str:
    """An object with `value` and any of its parts, all of them strings (3.3)."""
    if not isinstance(value, dict) or text(value.get("value")):
        return "must be an object with the string value"
    odd = [key for key, part in value.items() if key not in ("value", *ADDRESS_PARTS) or _not_text(part)]
    return f"{odd[0]} is not allowed" if odd else ""


def contacts(value: Any) -> str:
    """`emails`, `phones`, `im`: objects of which only `value` is required, one `primary` at most (3.2)."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return "must be an array of objects"
    for item in value:
        if text(item.get("value")) or text(item.get("label", "")) or boolean(item.get("primary", False)):
            return "each needs a string value; label is a string, primary a boolean"
        if odd := [key for key in item if key not in ("value", "label", "primary")]:
            return f"{odd[0]} is not allowed"
    return "only one can be primary" if sum(item.get("primary", False) for item in value) > 1 else ""


def full_address(value: Mapping[str, Any]) -> dict[str, Any]:
    """Parts that were left out are null: an address is replaced as a whole (3.3)."""
    return {"value": value["value"], **{part: value.get(part) for part in ADDRESS_PARTS}}


def custom_value(company: Company, field: Field, value: Any) -> Any:
    """What is kept for a value of a custom field; 400 for a wrong type or an option that is none (3.5)."""
    if value is None:
        return None
    wrong = _custom_problem(company, field, value)
    if wrong:
        raise invalid(f"custom_fields.{field.code}: {wrong}", field.code)
    if field.type == "address":
        return full_address(value)
    return _in_zone(value) if field.type in ("time", "timerange") else value


def _custom_problem(company: Company, field: Field, value: Any) -> str:
    if field.type == "enum":
        return whole(value) or ("" if value in field.option_ids else "is not an option of this field")
    if field.type == "set":
        return wholes(value) or _set_problem(field, value)
    if field.type in _LINKS:
        return whole(value) or _link_problem(company, _LINKS[field.type], value)
    return _CHECKS[field.type](value)


def _link_problem(company: Company, kind: str, value: int) -> str:
    there = value in company.users if kind == "user" else company.live(kind, value)
    return "" if there else f"{kind} {value} was not found"


def _set_problem(field: Field, value: list[int]) -> str:
    if not value:
        return "must contain at least 1 items"
    return "" if field.option_ids.issuperset(value) else "holds what is not an option of this field"


def _in_zone(value: Mapping[str, Any]) -> dict[str, Any]:
    name = value.get("timezone_name") or "Europe/Berlin"
    return {**value, "timezone_id": TIMEZONES.get(name, 1), "timezone_name": name}


def _not_text(value: Any) -> bool:
    return value is not None and not isinstance(value, str)


def _parses(value: str, parse: Callable[[str], Any], form: str | re.Pattern[str], what: str) -> str:
    try:
        return "" if re.fullmatch(form, value) and parse(value) else f"is not {what}"
    except ValueError:
        return f"is not {what}"


def _short(value: Any) -> str:
    return text(value) or ("" if len(value) <= 255 else "must have at most 255 characters")


def _clock(value: Any) -> str:
    return "" if isinstance(value, str) and _TIME.fullmatch(value) else "is not a time"


def _object(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these keys."""
    known = {**required, **(optional or {})}

    def check(value: Any) -> str:
        if not isinstance(value, dict) or not required.keys() <= value.keys():
            return f"must be an object with {', '.join(required)}"
        wrong = [key for key, part in value.items() if key not in known or known[key](part)]
        return f"{wrong[0]} is not valid" if wrong else ""

    return check


_ZONE: Mapping[str, Check] = {"timezone_id": whole, "timezone_name": text}
_LINKS = {"user": "user", "org": "organization", "people": "person"}
_CHECKS: Mapping[str, Check] = {
    "varchar": _short,
    "varchar_auto": _short,
    "phone": _short,
    "text": text,
    "double": number,
    "monetary": _object({"value": number, "currency": text}),
    "date": day,
    "daterange": _object({"value": day, "until": day}),
    "time": _object({"value": _clock}, _ZONE),
    "timerange": _object({"value": _clock, "until": _clock}, _ZONE),
    "address": address,
}
