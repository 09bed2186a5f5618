"""The named transforms of a `map:` line, and how a value is spelled as text. Pure; no vendor.

A transform gets one value that is not empty and gives one back; None means empty. Amounts stay `Decimal`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

_ENCODED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_BETWEEN_ADDRESSES = re.compile(r"[;,\s]+")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?![\d-])")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_SITE = re.compile(r"[^\s/@:]+\.[^\s/@:]+(:\d+)?([/?#]\S*)?")
BLANK_DATE = "0001-01-01"


def spell(value: Any) -> str:
    """A scalar as text: `true`/`false`, amounts without an exponent, text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else ""
    return str(value)


def number(value: Any) -> int | Decimal | None:
    """A number as it is, plain digits in a text as `Decimal`; None for anything else."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, float):
        return number(Decimal(repr(value)))
    text = str(value).strip()
    return Decimal(text) if _NUMBER.fullmatch(text) and text.isascii() else None


def _trim(value: Any) -> str | None:
    """Takes blanks off both ends and leaves one where there were several."""
    return " ".join(spell(value).split()) or None


def _upper(value: Any) -> str:
    """Capital letters."""
    return spell(value).upper()


def _lower(value: Any) -> str:
    """Small letters."""
    return spell(value).lower()


def _title(value: Any) -> str:
    """Each word begins with a capital: NORDKRAN SÖDERTÄLJE -> Nordkran Södertälje."""
    return _WORD.sub(lambda word: word[0].capitalize(), spell(value))


def _digits(value: Any) -> str | None:
    """Keeps the digits 0 to 9 only."""
    return "".join(c for c in spell(value) if c.isascii() and c.isdigit()) or None


def _first_word(value: Any) -> str | None:
    """What stands before the first blank."""
    return next(iter(spell(value).split()), None)


def _rest_words(value: Any) -> str | None:
    """What stands after the first blank."""
    return " ".join(spell(value).split()[1:]) or None


def _to_text(value: Any) -> str:
    """A number, true or false as text."""
    return spell(value)


def _to_number(value: Any) -> int | Decimal | None:
    """Digits in a text as a number; empty if it is none."""
    return number(value)


def _round_to(value: Any, unit: Decimal) -> int | Decimal | None:
    amount = number(value)
    if not isinstance(amount, Decimal):
        return amount
    try:
        return amount.quantize(unit, ROUND_HALF_UP)
    except InvalidOperation:
        return amount  # more digits than the context holds: there is nothing to round that anyone would see


def _round0(value: Any) -> int | Decimal | None:
    """Rounds an amount to a whole number, half up."""
    return _round_to(value, Decimal(1))


def _round2(value: Any) -> int | Decimal | None:
    """Rounds an amount to two decimals, half up."""
    return _round_to(value, Decimal("0.01"))


def _abs(value: Any) -> int | Decimal | None:
    """An amount without its sign."""
    amount = number(value)
    return amount if amount is None or amount >= 0 else -amount


def _negate(value: Any) -> int | Decimal | None:
    """An amount with the other sign."""
    amount = number(value)
    return None if amount is None else -amount


def _date(value: Any) -> str | None:
    """The date of a date or time, as 2026-07-15; the blank date 0001-01-01 is empty."""
    found = _DATE.match(spell(value))
    return found[0] if found and found[0] != BLANK_DATE else None


def _month_day(value: Any) -> str | None:
    """Month and day of a date, as 07/15 (what a birthday field takes)."""
    found = _DATE.match(_date(value) or "")
    return f"{found[2]}/{found[3]}" if found else None


def _year(value: Any) -> str | None:
    """The year of a date, as 2026."""
    return (_date(value) or "")[:4] or None


def _yes_no(value: Any) -> str:
    """Yes for true, for a number other than 0 and for text that says so; otherwise No."""
    if isinstance(value, str):
        return "Yes" if value.strip().lower() in ("yes", "y", "true", "1") else "No"
    return "Yes" if value else "No"


@lru_cache(maxsize=1024)
def decode_enum_name(text: str) -> str | None:
    """An API v2.0 enum name as a person writes it: `In_x0020_Review` -> `In Review`, `_x0020_` -> None (sheet 2.0)."""
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), text).strip() or None


def _decode_enum(value: Any) -> str | None:
    """Decodes _x0020_ and its like in a name."""
    return decode_enum_name(spell(value))


def _first_address(value: Any) -> str | None:
    """The first of several e-mail addresses."""
    return next((part for part in _BETWEEN_ADDRESSES.split(spell(value)) if "@" in part), None)


def _domain(value: Any) -> str | None:
    """What stands after the @ of an e-mail address, in small letters."""
    return (_first_address(value) or "").rpartition("@")[2].lower() or None


def _url(value: Any) -> str | None:
    """A web address with https:// before it if it has none; empty if it cannot be one."""
    text = spell(value).strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "https", text
    usable = scheme.lower() in ("http", "https") and _SITE.fullmatch(rest)
    return f"{scheme.lower()}://{rest}" if usable else None


@dataclass(frozen=True, slots=True)
class Transform:
    """`gives` is the kind of value that comes out: text, number, date, birthday or url."""

    apply: Callable[[Any], Any]
    gives: str = "text"

    def __call__(self, value: Any) -> Any:
        return self.apply(value)

    @property
    def summary(self) -> str:
        """One sentence for help and the editor."""
        return (self.apply.__doc__ or "").strip()


TRANSFORMS: dict[str, Transform] = {
    "trim": Transform(_trim),
    "upper": Transform(_upper),
    "lower": Transform(_lower),
    "title": Transform(_title),
    "digits": Transform(_digits),
    "first_word": Transform(_first_word),
    "rest_words": Transform(_rest_words),
    "to_text": Transform(_to_text),
    "to_number": Transform(_to_number, "number"),
    "round0": Transform(_round0, "number"),
    "round2": Transform(_round2, "number"),
    "abs": Transform(_abs, "number"),
    "negate": Transform(_negate, "number"),
    "date": Transform(_date, "date"),
    "month_day": Transform(_month_day, "birthday"),
    "year": Transform(_year),
    "yes_no": Transform(_yes_no),
    "decode_enum": Transform(_decode_enum),
    "first_address": Transform(_first_address),
    "domain": Transform(_domain),
    "url": Transform(_url, "url"),
}
"""The closed set; a test holds that each has one line of docstring."""
