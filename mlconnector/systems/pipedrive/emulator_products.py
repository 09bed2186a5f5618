"""Writes of products, their prices and variations in the emulated Pipedrive (fact sheet 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlconnector.systems.pipedrive.emulator_bodies import VARIATION, Body, merged_custom, read_body
from mlconnector.systems.pipedrive.emulator_errors import invalid, not_found
from mlconnector.systems.pipedrive.emulator_state import CURRENCIES, Company, Record, User

BLANK: Mapping[str, Any] = {
    "name": "", "code": None, "description": None, "unit": None, "tax": 0, "category": None, "is_linkable": True,
    "is_deleted": False, "visible_to": 3, "owner_id": 0, "add_time": "", "update_time": "",
    "billing_frequency": "one-time", "billing_frequency_cycles": None, "prices": [], "custom_fields": {},
}  # fmt: skip
MOST_CYCLES = 208


def create(company: Company, user: User, sent: Any) -> Record:
    """POST /products; without prices it costs 0 in the user's currency, codes may repeat."""
    body = read_body(company, "product", sent, creating=True)
    custom = merged_custom(company, "product", body.pop("custom_fields", {}), {})
    body.setdefault("prices", [{"currency": user.currency}])
    blank = {**BLANK, "owner_id": user.id}
    return company.insert("product", {**blank, **_changes(company, blank, body), "custom_fields": custom})


def change(company: Company, product: Record, sent: Any) -> None:
    """PATCH /products/{id}: `prices` replaces the whole list."""
    body = read_body(company, "product", sent, creating=False)
    custom = merged_custom(company, "product", body.pop("custom_fields", {}), product["custom_fields"])
    moved = set(body) != {"prices"} or company.switches.price_change_updates_product
    changes = _changes(company, product, body)
    company.change("product", product, {**changes, "custom_fields": custom}, stamped=moved)


def duplicate(company: Company, product: Record) -> Record:
    """POST /products/{id}/duplicate."""
    copied = {name: value for name, value in product.items() if name not in ("id", "add_time", "update_time")}
    return company.insert("product", copied)


def add_variation(company: Company, product: Record, sent: Any) -> Record:
    """POST /products/{id}/variations."""
    body = VARIATION.check(sent, company, creating=True)
    made = {"id": next(company.variation_ids), **_variation(company, body), "product_id": product["id"]}
    company.variations[made["id"]] = {"prices": [], **made}
    return company.variations[made["id"]]


def change_variation(company: Company, variation: Record, sent: Any) -> None:
    """PATCH /products/{id}/variations/{variation_id}."""
    variation.update(_variation(company, VARIATION.check(sent, company, creating=False)))


def variations_of(company: Company, product: Record) -> list[Record]:
    """In the order of their ids."""
    return [one for one in company.variations.values() if one["product_id"] == product["id"]]


def find_variation(company: Company, product: Record, variation_id: int) -> Record:
    """One of the product's own, or 404."""
    variation = company.variations.get(variation_id)
    if variation is None or variation["product_id"] != product["id"]:
        raise not_found()
    return variation


def check_cycles(frequency: str, cycles: int | None) -> None:
    """None for one-time, some for weekly, null elsewhere is endless; 208 at most."""
    fits = {"one-time": cycles is None, "weekly": cycles is not None}.get(frequency, True)
    if not fits or not 1 <= (1 if cycles is None else cycles) <= MOST_CYCLES:
        raise invalid(f"billing_frequency_cycles: {cycles} does not go with {frequency}")


def prices(sent: Sequence[Body]) -> list[Body]:
    """As they are kept: one entry a currency, what was left out is 0."""
    if unknown := [price["currency"] for price in sent if price["currency"] not in CURRENCIES]:
        raise invalid(f"prices: {unknown[0]} is not one of the company's currencies")
    blank = {"price": 0, "cost": 0, "direct_cost": None, "notes": ""}
    return [{**blank, **price} for price in sent]


def _changes(company: Company, before: Record, body: Body) -> Record:
    after = {**before, **body}
    check_cycles(after["billing_frequency"], after["billing_frequency_cycles"])
    changes = dict(body)
    if "prices" in body:
        changes["prices"] = prices(body["prices"])
    if body.get("category") is not None:
        if body["category"] not in company.fields["product"].by_code["category"].option_ids:
            raise invalid("category: is not an option of this field")
        changes["category"] = str(int(body["category"]))
    return changes


def _variation(company: Company, body: Body) -> Body:
    if len(body.get("name", "")) > 255:
        raise invalid("name: must have at most 255 characters")
    return {**body, "prices": prices(body["prices"])} if "prices" in body else body
