"""Values on their way to Pipedrive: the spelling of its records, and the strict JSON types of a write (3.3 to 3.5).

Both are needed: what is wanted is compared with what is there in the record's spelling (labels, Decimal), and sent in
the wire's (option ids, numbers). Nothing is coerced there: "5" for 5 is refused (trap 9).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from mlconnector.errors import ConfigError, Rejected
from mlconnector.spelling import country_spellings
from mlconnector.systems.pipedrive.api import Record
from mlconnector.systems.pipedrive.fields import Definitions, Field
from mlconnector.systems.pipedrive.known import ADDRESS_PARTS, CUSTOM
from mlconnector.systems.pipedrive.verdict import SYSTEM

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "organization": {
        "name": "text", "owner_id": "int", "visible_to": "int", "label_ids": "raw",
        "website": "text", "linkedin": "text", "industry": "int", "annual_revenue": "double", "employee_count": "int",
        **{f"address.{part}": "text" for part in ADDRESS_PARTS},
    },
    "product": {
        "name": "text", "code": "text", "description": "text", "unit": "text", "tax": "double", "category": "enum",
        "is_linkable": "boolean", "prices": "prices", "owner_id": "int", "visible_to": "int",
        "billing_frequency": "text", "billing_frequency_cycles": "int",
    },
}  # fmt: skip
"""What can be written, by name, with the type of it."""
FEATURES = frozenset({"website", "linkedin", "industry", "annual_revenue", "employee_count"})
"""403 in accounts that do not have them (3.3, trap 13)."""
PRICE = ("currency", "price", "cost", "direct_cost", "notes")
_BESIDE_THE_STREET = frozenset(f"address.{part}" for part in ADDRESS_PARTS) - {
    "address.value",
    "address.route",
}
_TEXTS = ("text", "varchar", "varchar_auto", "phone", "date")
_LINKS = ("user", "org", "people", "int")


class Spelling:
    """Of one kind of record. `field` gives the type of a name; all raise Rejected for a value that does not fit."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._built_in = BUILT_IN[definitions.kind]

    def wanted(
        self, body: Mapping[str, Any], current: Mapping[str, Any], cut: Collection[str] = ()
    ) -> Record:
        """The body by name (`address.locality`, `custom_fields.Region`) as a record would show it.

        What is equal to the current value is that value, however it was spelled: a country by name or code, a street
        with its number in one field or in two, and of the names in `cut` what the current value begins with.
        """
        found: Record = {}
        for name, value in flatten(body).items():
            has = value_at(current, name)
            value = merged_prices(value or (), has or ()) if name == "prices" else self._spelled(name, value)
            same = _is_same_list(value, has) if name == "prices" else _is_same(value, has)
            same = same or (name == "address.country" and _is_same_country(value, has))
            found[name] = has if same or (name in cut and _begins_with(has, value)) else value
        if found.get("name", "") is None:
            raise Rejected("the record has no name, which Pipedrive asks for", code="missing-name")
        return found | _street_as_it_is(found, current, cut)

    def body(
        self, write: Mapping[str, Any], current: Mapping[str, Any], wanted: Mapping[str, Any] | None = None
    ) -> Record:
        """These fields as a request carries them: the address and the prices whole (trap 10).

        A street that holds the number takes the former number with it, whoever wrote that one.
        """
        if "address.route" in write and (wanted or {}).get("address.street_number", "") is None:
            write = {**write, "address.street_number": None}
        sent: Record = {}
        for name, value in write.items():
            if name.startswith("address."):
                sent.setdefault("address", {})[name.removeprefix("address.")] = value
            elif name.startswith(CUSTOM):
                field = self._definitions.one(name.removeprefix(CUSTOM))
                sent.setdefault("custom_fields", {})[field.field_code] = self._on_the_wire(field, value)
            else:
                sent[name] = self._on_the_wire(self._field(name), value)
        if sent.get("address") is not None:
            sent["address"] = whole_address(sent["address"], current.get("address") or {})
        return sent

    def _field(self, name: str) -> Field:
        if name.startswith(CUSTOM):
            return self._definitions.one(name.removeprefix(CUSTOM))
        kind = self._built_in.get(name)
        if kind is None:
            raise ConfigError(
                f"{SYSTEM}: {name!r} of the {self._definitions.kind} cannot be written",
                hint=f"take it out of the flow's map; there are {', '.join(self._built_in)} and {CUSTOM}NAME",
            )
        options = self._definitions.by_code.get(name) if kind == "enum" else None
        return options or Field(name, name, kind)

    def _spelled(self, name: str, value: Any) -> Any:
        """A value as the record would show it; None for an empty one."""
        if value is None or value == "" or value == []:
            return None
        field = self._field(name)
        try:
            return _SPELL.get(field.field_type, _as_it_is)(field, value)
        except (ArithmeticError, ValueError, TypeError, KeyError, AttributeError):
            reason = f"the value for {name} is no {field.field_type}"
            raise Rejected(reason, code="wrong-type") from None

    def _on_the_wire(self, field: Field, value: Any) -> Any:
        if value is None:
            return None
        kind = field.field_type
        if kind == "enum":
            id_ = field.option(value)
            return int(id_ or 0) if field.field_code == "category" else id_
        if kind == "set":
            return [field.option(one) for one in value]
        if kind == "prices":
            return [_price(one) for one in value]
        if kind == "monetary":
            return {"value": number(value["value"]), "currency": value["currency"]}
        return number(value) if isinstance(value, Decimal) else value


def flatten(body: Mapping[str, Any]) -> Record:
    """The body with the custom fields one by one; the rest stays as it is."""
    flat = {name: value for name, value in body.items() if name != "custom_fields"}
    return {**flat, **{f"{CUSTOM}{name}": value for name, value in (body.get("custom_fields") or {}).items()}}


def value_at(record: Mapping[str, Any], name: str) -> Any:
    """A field of a record by its name in a mapping; None if it is not there."""
    first, _, rest = name.partition(".")
    found = record.get(first)
    if not rest:
        return found
    return found.get(rest) if isinstance(found, Mapping) else None


def pick(record: Mapping[str, Any], names: list[str]) -> Record:
    """Only these fields of a record, in the same shape."""
    picked: Record = {}
    for name in names:
        first, _, rest = name.partition(".")
        if rest:
            picked.setdefault(first, {})[rest] = value_at(record, name)
        else:
            picked[first] = record.get(first)
    return picked


def number(value: Any) -> int | msgspec.Raw:
    """A JSON number of a Decimal, digit by digit: a float has room for 15 of them. Rejected for NaN and the like."""
    amount = Decimal(value)
    if not amount.is_finite():
        raise Rejected(f"{amount} is no amount", code="wrong-type")
    whole = amount == amount.to_integral_value()
    return int(amount) if whole else msgspec.Raw(format(amount, "f").rstrip("0").encode())


def merged_prices(ours: Any, theirs: Any) -> list[Record]:
    """Their price list with ours in it: an entry a currency, and what we do not know of an entry stays (trap 25).

    An entry without a currency cannot be sent, and is left out.
    """
    merged = {one["currency"]: dict(one) for one in theirs if one.get("currency")}
    for one in ours:
        given = {name: one[name] for name in PRICE if one.get(name) is not None}
        has = merged.setdefault(str(given["currency"]), {})
        has |= {name: value for name, value in given.items() if not _is_same(value, has.get(name))}
    return list(merged.values())


def whole_address(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Record | None:
    """All parts, since those left out would become null (3.3); None if nothing is left."""
    parts = {part: ours.get(part, theirs.get(part)) for part in ADDRESS_PARTS}
    kept = {part: value for part, value in parts.items() if value}
    if not kept.keys() - {"value"} and not ours.get("value"):
        return None
    return {**kept, "value": ours.get("value") or one_line(kept)}


def one_line(parts: Mapping[str, Any]) -> str:
    """An address as one writes it on one line: `Station Road 21, CB1 2FB Cambridge, United Kingdom`."""
    groups = (
        ("route", "street_number", "subpremise"),
        ("postal_code", "locality"),
        ("admin_area_level_1",),
        ("country",),
    )
    lines = (" ".join(str(parts[one]) for one in group if parts.get(one)) for group in groups)
    return ", ".join(line for line in lines if line)


def _price(entry: Mapping[str, Any]) -> Record:
    kept = {name: entry[name] for name in PRICE if entry.get(name) is not None}
    return {name: number(one) if isinstance(one, Decimal | int) else one for name, one in kept.items()}


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are one: 12 and 12.00, null and "", a set in another order."""
    if one in (None, "") or other in (None, ""):
        return one in (None, "") and other in (None, "")
    if isinstance(one, list) and isinstance(other, list) and all(isinstance(x, str) for x in (*one, *other)):
        return sorted(one) == sorted(other)
    return bool(one == other)


def _is_same_list(prices: Any, theirs: Any) -> bool:
    """Entries that cannot be sent do not count."""
    return bool(prices == [one for one in theirs or () if one.get("currency")])


def _is_same_country(one: Any, other: Any) -> bool:
    return bool(one and other) and str(other).strip().upper() in country_spellings(str(one))


def _begins_with(has: Any, value: Any) -> bool:
    return bool(isinstance(has, str) and value and has.startswith(str(value)))


def is_in_one_line(record: Mapping[str, Any]) -> bool:
    """Whether Pipedrive has no parts of an address, only the line that somebody wrote."""
    address = record.get("address") or {}
    return bool(address.get("value")) and not any(
        address.get(part) for part in ADDRESS_PARTS if part != "value"
    )


def _street_as_it_is(wanted: Mapping[str, Any], current: Mapping[str, Any], cut: Collection[str]) -> Record:
    """Street and number as they are there, if together they say what is wanted of the street; else nothing."""
    street, has = wanted.get("address.route"), current.get("address") or {}
    if not street or wanted.get("address.street_number"):
        return {}
    others = any(value for name, value in wanted.items() if name in _BESIDE_THE_STREET)
    whole = "address.route" not in cut
    lines = _street_lines(has, others=others)
    if not any(line == street if whole else line.startswith(street) for line in lines):
        return {}
    names = ("address.route", "address.street_number")
    return {name: value_at(current, name) for name in names if name in wanted}


def _street_lines(address: Mapping[str, Any], *, others: bool) -> list[str]:
    """How one may write street and number; of an address without parts, unless `others` are wanted, all of it."""
    street, number = (str(address.get(part) or "") for part in ("route", "street_number"))
    if others or any(address.get(part) for part in ADDRESS_PARTS if part != "value"):
        return [f"{street} {number}".strip(), f"{number} {street}".strip()]
    return [str(address.get("value") or "")]


def _text(field: Field, value: Any) -> str | None:
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value).strip() or None


def _decimal(field: Field, value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError from None


def _whole(field: Field, value: Any) -> int:
    return int(str(value))


def _boolean(field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}[str(value).lower()]


def _label(field: Field, value: Any) -> str:
    """The label as it is written there."""
    label = field.label_of(field.option(str(value)))
    if label is None:
        raise Rejected(
            f"the field {field.field_name!r} has no such option; add it in Pipedrive, or look it up in the map",
            code="unknown-option",
        )
    return label


def _labels(field: Field, value: Any) -> list[str]:
    given = value if isinstance(value, list | tuple) else str(value).split(",")
    return [_label(field, one) for one in given]


def _money(field: Field, value: Any) -> Record:
    return {"value": _decimal(field, value["value"]), "currency": str(value["currency"])}


def _as_it_is(field: Field, value: Any) -> Any:
    return value


_SPELL: Mapping[str, Callable[[Field, Any], Any]] = {
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_LINKS, _whole),
    "double": _decimal,
    "boolean": _boolean,
    "enum": _label,
    "set": _labels,
    "monetary": _money,
}
