"""Pipedrive's products as items, and items as products again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mlconnector.errors import Rejected
from mlconnector.flows.accounts import EXCLUDED, NAMELESS
from mlconnector.flows.bodies import ITEM, PRODUCT, as_number, fill_shape, make_mapped, match_keys, text
from mlconnector.flows.pair_options import ItemOptions, ProductOptions
from mlconnector.mapping import CompiledMap, CompiledWhen
from mlconnector.model import Change, MapFunction, Mapped, Skip
from mlconnector.spelling import plain_name

ONCE = frozenset({"number", "type"})
"""A number would rename the item, a type cannot be changed once there are entries (sheet 2.6)."""
LONGEST_NUMBER = 20


def bind_items(options: ItemOptions, compiled: CompiledMap, when: CompiledWhen) -> MapFunction:
    """The function that makes an item of a product.

    Codes of its Skips: `excluded`, `missing-code`, `missing-name`; it fails with `code-too-long` and `missing-price`.
    """

    def map_product(change: Change) -> Mapped | Skip:
        if not when(change.record):
            return EXCLUDED
        values = compiled(change.record)
        if not text(values["number"]):
            return Skip("missing-code", "it has no code, which is the item's number")
        if not text(values["displayName"]):
            return NAMELESS
        if "unitPrice" in values:
            values["unitPrice"] = _price_of(values["unitPrice"], options)
        body = fill_shape(ITEM, values)
        if len(body["number"]) > LONGEST_NUMBER:
            raise Rejected(
                f"its code has {len(body['number'])} characters and an item's number {LONGEST_NUMBER}; one that is cut"
                " would be another item's",
                code="code-too-long",
            )
        return make_mapped(
            f"product:{change.id}", body, match=(f"number:{body['number']}",), create_only=ONCE
        )

    return map_product


def _price_of(value: Any, options: ItemOptions) -> Any:
    """Of a product's `prices` the one in the flow's currency (the first is not "the" price, trap 25).

    None for a price of 0 there: a product that was given none has that (sheet 3.4).
    """
    entries = value if isinstance(value, list) else [value] if isinstance(value, Mapping) else None
    if entries is None:
        price = value
    else:
        fitting = (entry for entry in entries if _is_in(entry, options.currency))
        price = next((entry.get("price") or entry.get("value") for entry in fitting), None)
    if price is not None or options.missing_price == "leave_out":
        return price
    if options.missing_price == "zero":
        return Decimal(0)
    raise Rejected(f"it has no price in {options.currency}", code="missing-price")


def _is_in(entry: Any, currency: str) -> bool:
    return isinstance(entry, Mapping) and entry.get("currency") == currency


def bind_products(options: ProductOptions, compiled: CompiledMap, when: CompiledWhen) -> MapFunction:
    """The function that makes a product of an item. Codes of its Skips: `excluded`, `missing-name`.

    `prices` holds one entry, in the flow's currency: those in other currencies are to be left alone.
    """

    def map_item(change: Change) -> Mapped | Skip:
        if not when(change.record):
            return EXCLUDED
        values = compiled(change.record)
        if "prices" in values:
            values["prices"] = _prices(values["prices"], options.currency)
        body = fill_shape(PRODUCT, values)
        if not body.get("name"):
            return NAMELESS
        found = {"code": (body.get("code") or "").upper(), "name": plain_name(body["name"])}
        return make_mapped(f"item:{change.id}", body, match=match_keys(options.match, found))

    return map_item


def _prices(value: Any, currency: str) -> list[dict[str, Any]] | None:
    price = as_number(value)
    return None if price is None else [{"currency": currency, "price": price}]
