"""Bodies of writes: which keys a record takes, of which type, and what becomes of them (fact sheet section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlconnector.systems.pipedrive.emulator_errors import gateway, invalid
from mlconnector.systems.pipedrive.emulator_state import Company
from mlconnector.systems.pipedrive.emulator_types import (
    Check,
    address,
    boolean,
    contacts,
    custom_value,
    day,
    filled,
    full_address,
    moment,
    number,
    one_of,
    text,
    whole,
    wholes,
)

Body = dict[str, Any]

VISIBILITY = one_of(1, 3, 5, 7)
FREQUENCIES = ("one-time", "annually", "semi-annually", "quarterly", "monthly", "weekly")


@dataclass(frozen=True, slots=True)
class Schema:
    """The keys of a body: `required` in a creation, `nullable` ones take null."""

    keys: Mapping[str, Check]
    required: tuple[str, ...] = ()
    nullable: frozenset[str] = field(default_factory=frozenset)

    def check(self, body: Any, company: Company, *, creating: bool) -> Body:
        """The body without keys that are ignored, or 400."""
        if not isinstance(body, dict):
            raise invalid("the body must be an object")
        if creating:
            for name in self.required:
                if name not in body:
                    raise invalid(f"{name}: is required")
        return {name: value for name, value in body.items() if self._takes(name, value, company)}

    def _takes(self, name: str, value: Any, company: Company) -> bool:
        if name not in self.keys:
            if company.switches.unknown_keys == "refused":
                raise invalid(f"{name}: is not allowed")
            return False
        wrong = "" if value is None and name in self.nullable else self.keys[name](value)
        if wrong:
            raise invalid(f"{name}: {wrong}")
        return True


def a_custom_object(value: Any) -> str:
    """Its values are checked against the field definitions."""
    return "" if isinstance(value, dict) else "must be an object"


def a_price_list(value: Any) -> str:
    """Typed prices of a product or variation: `currency` is required (section 0)."""
    if not isinstance(value, list) or not all(isinstance(price, dict) for price in value):
        return "must be an array of objects"
    for price in value:
        if wrong := [key for key, part in price.items() if key not in _PRICE or _PRICE[key](part)]:
            return f"{wrong[0]} is not valid"
    currencies = [price.get("currency") for price in value]
    if None in currencies or len(set(currencies)) < len(currencies):
        return "each needs a currency of its own"
    return ""


_PRICE: Mapping[str, Check] = {
    "currency": filled, "price": number, "cost": number, "notes": text,
    "direct_cost": lambda value: "" if value is None else number(value),
}  # fmt: skip
_COMMON: Mapping[str, Check] = {
    "owner_id": whole, "visible_to": VISIBILITY, "custom_fields": a_custom_object,
}  # fmt: skip
_CONTACT: Mapping[str, Check] = {**_COMMON, "name": filled, "add_time": moment, "label_ids": wholes}

SCHEMAS: Mapping[str, Schema] = {
    "deal": Schema(
        {
            **_COMMON,
            "title": filled, "person_id": whole, "org_id": whole, "pipeline_id": whole, "stage_id": whole,
            "value": number, "currency": filled, "status": one_of("open", "won", "lost"), "probability": number,
            "lost_reason": text, "won_time": moment, "lost_time": moment, "close_time": moment,
            "expected_close_date": day, "label_ids": wholes, "is_archived": boolean, "archive_time": moment,
        },
        required=("title",),
        nullable=frozenset({"person_id", "org_id", "probability", "lost_reason", "close_time", "expected_close_date"}),
    ),
    "person": Schema(
        {
            **_CONTACT,
            "first_name": filled, "last_name": text, "org_id": whole, "emails": contacts, "phones": contacts,
            "marketing_status": one_of("no_consent", "unsubscribed", "subscribed", "archived"),
            "postal_address": address, "notes": text, "im": contacts, "birthday": day, "job_title": text,
        },
        nullable=frozenset({"org_id", "last_name", "postal_address", "notes", "birthday", "job_title"}),
    ),
    "organization": Schema(
        {
            **_CONTACT,
            "address": address, "website": text, "linkedin": text, "industry": whole, "annual_revenue": whole,
            "employee_count": whole,
        },
        required=("name",),
        nullable=frozenset({"address", "website", "linkedin", "industry", "annual_revenue", "employee_count"}),
    ),
    "product": Schema(
        {
            **_COMMON,
            "name": filled, "code": text, "description": text, "unit": text, "tax": number, "category": number,
            "is_linkable": boolean, "prices": a_price_list, "billing_frequency": one_of(*FREQUENCIES),
            "billing_frequency_cycles": whole,
        },
        required=("name",),
        nullable=frozenset({"code", "description", "unit", "category", "billing_frequency_cycles"}),
    ),
}  # fmt: skip
LINE = Schema(
    {
        "product_id": whole, "item_price": number, "quantity": number, "tax": number, "comments": text,
        "discount": number, "is_enabled": boolean, "tax_method": one_of("exclusive", "inclusive", "none"),
        "discount_type": one_of("percentage", "amount"), "product_variation_id": whole,
        "billing_frequency": one_of(*FREQUENCIES), "billing_frequency_cycles": whole, "billing_start_date": day,
    },
    required=("product_id", "item_price", "quantity"),
    nullable=frozenset({"product_variation_id", "billing_frequency_cycles", "billing_start_date"}),
)  # fmt: skip
DISCOUNT = Schema(
    {"type": one_of("percentage", "amount"), "amount": number, "description": text},
    required=("type", "amount", "description"),
)
VARIATION = Schema({"name": filled, "prices": a_price_list}, required=("name",))

FEATURES: Mapping[str, str] = {
    **dict.fromkeys(("postal_address", "notes", "im", "birthday", "job_title"), "contact_sync"),
    **dict.fromkeys(
        ("website", "linkedin", "industry", "annual_revenue", "employee_count"), "organization_details"
    ),
    "marketing_status": "marketing",
}
"""Keys that only an account with the feature takes, by the switch for it; 403 else (3.2, 3.3)."""


def read_body(company: Company, kind: str, body: Any, *, creating: bool) -> Body:
    """A checked body: links exist, custom fields are encoded, addresses are whole."""
    checked = SCHEMAS[kind].check(body, company, creating=creating)
    for name in checked:
        if name in FEATURES and not getattr(company.switches, FEATURES[name]):
            raise gateway(403, f"{name} is not available in this account")
    _check_links(company, kind, checked)
    for name in ("address", "postal_address"):
        if checked.get(name):
            checked[name] = located(company, checked[name])
    return checked


def merged_custom(company: Company, kind: str, sent: Mapping[str, Any], before: Mapping[str, Any]) -> Body:
    """The custom fields after a write; keys that were not sent stay (3.5)."""
    fields = company.fields[kind].by_code
    merged = dict(before)
    for code, value in sent.items():
        if code not in fields or not fields[code].custom:
            raise invalid(f"custom_fields.{code}: is not allowed", code)
        merged[code] = custom_value(company, fields[code], value)
    return {code: value for code, value in merged.items() if value is not None}


def located(company: Company, sent: Mapping[str, Any]) -> Body:
    """An address as it is kept; with geocoding a lone `street, post code town, country` is taken apart."""
    parts = str(sent["value"]).split(", ")
    if not company.switches.geocoding or len(sent) > 1 or len(parts) < 3:
        return full_address(sent)
    post_code, _, town = parts[-2].partition(" ")
    found = {"route": parts[0], "postal_code": post_code, "locality": town, "country": parts[-1]}
    return full_address({**sent, **found})


def _check_links(company: Company, kind: str, body: Body) -> None:
    if body.get("owner_id") is not None and body["owner_id"] not in company.users:
        raise invalid(f"owner_id: user {body['owner_id']} was not found")
    for name, target in (("org_id", "organization"), ("person_id", "person")):
        if name in body:
            company.linked(target, name, body[name])
    labels = company.fields[kind].by_code["label"].option_ids if "label_ids" in body else set()
    if not labels.issuperset(body.get("label_ids", ())):
        raise invalid("label_ids: holds what is not a label")
