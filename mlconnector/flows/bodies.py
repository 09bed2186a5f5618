"""What a record of a target may hold (closed lists), and how a mapped value is spelled there. Pure.

Text can be emptied. Anything else that is empty is left out, and the counterpart keeps what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mlconnector.explain import KeyPath, Problem, suggest
from mlconnector.mapping import CompiledMap, digest
from mlconnector.model import FieldInfo, Mapped, Ref
from mlconnector.transforms import number, spell

CUSTOM = "custom_fields."
"""Before the name (or the 40 characters) of a custom field of Pipedrive."""
ADDRESS = "address."
ADDRESS_PARTS = (
    "value",
    "country",
    "admin_area_level_1",
    "admin_area_level_2",
    "locality",
    "sublocality",
    "route",
    "street_number",
    "subpremise",
    "postal_code",
)
"""Of an address in Pipedrive (sheet 3.3), each a field of its own here."""


@dataclass(frozen=True, slots=True)
class Shape:
    """An entity as a mapping can fill it. `empty` is how it spells an empty text; `custom`: it has custom fields."""

    name: str
    fields: Mapping[str, FieldInfo]
    needs: tuple[str, ...]
    empty: str | None = ""
    custom: bool = False

    def field(self, name: str) -> FieldInfo | None:
        """None for a name that the entity does not have."""
        if self.custom and name.startswith(CUSTOM) and name != CUSTOM:
            return FieldInfo(name, "text")
        return self.fields.get(name)


def _by_name(*fields: FieldInfo) -> dict[str, FieldInfo]:
    return {field.name: field for field in fields}


CUSTOMER = Shape(
    "customer",
    _by_name(
        FieldInfo("number", "code", 20),
        FieldInfo("displayName", "text", 100),
        FieldInfo("type", "enum"),
        FieldInfo("addressLine1", "text", 100),
        FieldInfo("addressLine2", "text", 50),
        FieldInfo("city", "text", 30),
        FieldInfo("state", "text", 30),
        FieldInfo("country", "text"),  # a name is made a code by whoever knows the company's countries
        FieldInfo("postalCode", "text", 20),
        FieldInfo("phoneNumber", "text", 30),
        FieldInfo("email", "text", 80),
        FieldInfo("website", "text", 255),
        FieldInfo("salespersonCode", "code", 20),
        FieldInfo("creditLimit", "number"),
        FieldInfo("taxLiable", "boolean"),
        FieldInfo("taxAreaId", "guid", 36),
        FieldInfo("taxRegistrationNumber", "text", 50),
        FieldInfo("currencyCode", "code", 10),
        FieldInfo("paymentTermsId", "guid", 36),
        FieldInfo("shipmentMethodId", "guid", 36),
        FieldInfo("paymentMethodId", "guid", 36),
        FieldInfo("blocked", "enum"),
    ),
    needs=("displayName",),
)
"""Business Central, sheet 2.2: what can be written."""

CONTACT = Shape(
    "contact",
    _by_name(
        FieldInfo("displayName", "text", 100),
        FieldInfo("type", "enum"),
        FieldInfo("jobTitle", "text", 30),
        FieldInfo("addressLine1", "text", 100),
        FieldInfo("addressLine2", "text", 50),
        FieldInfo("city", "text", 30),
        FieldInfo("state", "text", 30),
        FieldInfo("country", "text"),
        FieldInfo("postalCode", "text", 20),
        FieldInfo("phoneNumber", "text", 30),
        FieldInfo("mobilePhoneNumber", "text", 30),
        FieldInfo("email", "text", 80),
        FieldInfo("website", "text", 255),
        FieldInfo("privacyBlocked", "boolean"),
    ),
    needs=("displayName",),
)
"""Business Central, sheet 2.5; the company is a reference, never a line of the mapping."""

ITEM = Shape(
    "item",
    _by_name(
        FieldInfo("number", "code", 20),
        FieldInfo("displayName", "text", 100),
        FieldInfo("displayName2", "text", 50),
        FieldInfo("type", "enum"),
        FieldInfo("itemCategoryCode", "code", 20),
        FieldInfo("blocked", "boolean"),
        FieldInfo("gtin", "text", 14),
        FieldInfo("unitPrice", "number"),
        FieldInfo("priceIncludesTax", "boolean"),
        FieldInfo("unitCost", "number"),
        FieldInfo("taxGroupCode", "code", 20),
        FieldInfo("baseUnitOfMeasureCode", "code", 10),
        FieldInfo("generalProductPostingGroupCode", "code", 20),
        FieldInfo("inventoryPostingGroupCode", "code", 20),
    ),
    needs=("number", "displayName"),
)
"""Business Central, sheet 2.6. Without `inventory`: to write it books stock (trap 16)."""

ORGANIZATION = Shape(
    "organization",
    _by_name(
        FieldInfo("name", "text", 255),
        *(FieldInfo(f"{ADDRESS}{part}", "text") for part in ADDRESS_PARTS),
        FieldInfo("website", "text", 255),
        FieldInfo("linkedin", "text", 255),
        FieldInfo("annual_revenue", "number"),
        FieldInfo("employee_count", "number"),
    ),
    needs=("name",),
    empty=None,
    custom=True,
)
"""Pipedrive, sheet 3.3."""

PRODUCT = Shape(
    "product",
    _by_name(
        FieldInfo("name", "text", 255),
        FieldInfo("code", "text", 255),
        FieldInfo("description", "text"),
        FieldInfo("unit", "text", 255),
        FieldInfo("tax", "number"),
        FieldInfo("category", "text", 255),
        FieldInfo("is_linkable", "boolean"),
        FieldInfo("prices", "list"),
    ),
    needs=("name",),
    empty=None,
    custom=True,
)
"""Pipedrive, sheet 3.4."""


def check_shape(shape: Shape, rules: Mapping[str, Any], compiled: CompiledMap) -> Iterator[Problem]:
    """Lines for fields that the entity does not have, that it needs and lacks, and constants that do not fit."""
    for name in shape.needs:
        if name not in rules:
            yield Problem((), f"{_a(shape.name)} needs {name!r}")
    for name, rule in rules.items():
        info = shape.field(name)
        if info is None:
            near = suggest(name, shape.fields)
            yield Problem((name,), f"{_a(shape.name)} has no field {name!r} that can be written{near}")
        elif info.length is not None:
            yield from _long_constants(rule, name, info.length)
    for target in compiled.targets.values():
        if target.parts:
            yield Problem((target.name, "parts"), f"{target.name} has no parts")


def _a(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _long_constants(rule: Any, name: str, length: int) -> Iterator[Problem]:
    for path, constant in _constants(rule, name):
        if isinstance(constant, str) and len(constant) > length:
            yield Problem(path, f"is longer than the {length} characters that {name!r} has")


def _constants(rule: Any, name: str) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(rule, Mapping):
        yield from (((name, key), rule.get(key)) for key in ("value", "default"))
        table = rule.get("lookup")
        if isinstance(table, Mapping):
            yield from (((name, "lookup", key), value) for key, value in table.items())


def fill_shape(shape: Shape, values: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a record from what the mapping gave."""
    body: dict[str, Any] = {}
    for name, value in values.items():
        info = shape.field(name)
        assert info is not None, name  # check_shape let it pass
        if name.startswith(CUSTOM):
            body[name] = _custom(value)
        elif info.type == "text":
            body[name] = text(value) or shape.empty
        elif (spelled := _SPELLINGS[info.type](value)) is not None:
            body[name] = spelled
    return body


def make_mapped(
    key: str,
    body: Mapping[str, Any],
    *,
    refs: tuple[Ref, ...] = (),
    match: tuple[str, ...] = (),
    create_only: frozenset[str] = frozenset(),
    cut: frozenset[str] = frozenset(),
) -> Mapped:
    """A record that also counts as changed when it refers to another one than before."""
    whole = {**body, **{ref.field: ref.id for ref in refs}}
    return Mapped(key, body, digest(whole, create_only), refs, create_only, match, cut)


def cut_names(compiled: CompiledMap, source: Shape, record: Mapping[str, Any]) -> frozenset[str]:
    """Names of the body whose text fills its field in the source, where a longer one was cut (and a blank at the end
    of it taken off)."""
    found = (
        (target.name, next(iter(target.paths)))
        for target in compiled.targets.values()
        if len(target.paths) == 1
    )
    return frozenset(name for name, path in found if _fills(source.fields.get(path), record.get(path)))


def _fills(field: FieldInfo | None, value: Any) -> bool:
    length = field.length if field is not None else None
    return length is not None and isinstance(value, str) and len(value) >= length - 1


def match_keys(wanted: Sequence[str], found: Mapping[str, str]) -> tuple[str, ...]:
    """Keys under which a counterpart may be there already, in the order wanted; what is empty matches nothing."""
    return tuple(f"{kind}:{found[kind]}" for kind in wanted if found.get(kind))


def text(value: Any) -> str:
    """As text without outer blanks: of a list its entries, of an object (money, an address) its `value`."""
    if isinstance(value, Mapping):
        value = value.get("value")
    if isinstance(value, list):
        return ", ".join(one for entry in value if (one := text(entry)))
    return "" if value is None else spell(value).strip()


def plain(amount: int | Decimal) -> Decimal:
    """The same however it was written: 5.00 and 5 are 5, and nothing has an exponent."""
    return Decimal(format(Decimal(amount).normalize() + 0, "f"))


def as_number(value: Any) -> Decimal | None:
    """Plain digits in a text count as one, of an object (money) its `value`; None for anything else."""
    if isinstance(value, Mapping):
        value = value.get("value")
    amount = None if value is None else number(value)
    return None if amount is None else plain(amount)


def _boolean(value: Any) -> bool | None:
    return None if value is None else text(value).lower() in ("true", "yes", "1")


def _code(value: Any) -> str | None:
    return text(value).upper() or None


def _custom(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return plain(value) if isinstance(value, int | Decimal) else text(value) or None


_SPELLINGS: Mapping[str, Callable[[Any], Any]] = {
    "number": as_number,
    "boolean": _boolean,
    "code": _code,
    "enum": lambda value: text(value) or None,
    "guid": lambda value: text(value) or None,
    "list": lambda value: value,
}
