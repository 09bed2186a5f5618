"""Sums of deal lines and values of deals: exact inside, JSON numbers outside (fact sheet 3.6, 4 and trap 23)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Record = Mapping[str, Any]

ZERO = Decimal(0)
HUNDRED = Decimal(100)
DECIMALS = {"JPY": 0}
"""Currencies that do not have two."""
A_MONTH = {
    "annually": Decimal(1) / 12,
    "semi-annually": Decimal(1) / 6,
    "quarterly": Decimal(1) / 3,
    "monthly": Decimal(1),
    "weekly": Decimal(52) / 12,
}
"""How often a recurring line comes in a month."""


def exact(number: float | int) -> Decimal:
    """The decimal number that the JSON said."""
    return Decimal(str(number))


def number(value: Decimal, currency: str) -> float | int:
    """Rounded to the currency, as JSON carries it."""
    places = Decimal(1).scaleb(-DECIMALS.get(currency, 2))
    rounded = value.quantize(places, ROUND_HALF_UP)
    return int(rounded) if rounded == rounded.to_integral_value() else float(rounded)


def line_sum(line: Record, currency: str, *, with_tax: bool) -> Decimal:
    """Quantity times price, reduced by the discount (4); rounded to the currency."""
    full = exact(line["quantity"]) * exact(line["item_price"])
    reduced = reduce(full, line["discount_type"], line["discount"])
    if with_tax and line["tax_method"] == "exclusive":
        reduced += reduced * exact(line["tax"]) / HUNDRED
    return exact(number(reduced, currency))


def reduce(amount: Decimal, how: str, discount: float | int) -> Decimal:
    """An amount after a discount of so many per cent, or of so much."""
    return amount - (amount * exact(discount) / HUNDRED if how == "percentage" else exact(discount))


def deal_value(
    lines: Iterable[Record], discounts: Iterable[Record], currency: str, *, with_tax: bool
) -> float | int:
    """The enabled lines, less the deal's own discounts, one after the other (3.6)."""
    total = sum((line_sum(line, currency, with_tax=with_tax) for line in lines if line["is_enabled"]), ZERO)
    for discount in discounts:
        total = reduce(total, discount["type"], discount["amount"])
    return number(total, currency)


def recurring(lines: Iterable[Record], currency: str) -> dict[str, float | int | None]:
    """`mrr`, `arr` and `acv`; null for a deal without products (3.1). The formulas are inferred."""
    enabled = [line for line in lines if line["is_enabled"]]
    if not enabled:
        return {"mrr": None, "arr": None, "acv": None}
    sums = [(line["billing_frequency"], line_sum(line, currency, with_tax=False)) for line in enabled]
    month = sum((amount * A_MONTH.get(how, ZERO) for how, amount in sums), ZERO)
    once = sum((amount for how, amount in sums if how == "one-time"), ZERO)
    return {
        "mrr": number(month, currency),
        "arr": number(month * 12, currency),
        "acv": number(month * 12 + once, currency),
    }
