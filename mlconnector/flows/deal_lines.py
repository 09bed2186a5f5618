"""What the lines of a deal come to, net of tax, as Business Central will add them up. Pure; `Decimal` throughout.

Pipedrive's lines: sheet 3.6 and 4; Business Central's: sheet 2.10.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from mlconnector.errors import Rejected
from mlconnector.flows.bodies import plain, text
from mlconnector.transforms import number

Record = Mapping[str, Any]

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)
FINEST = Decimal("0.00001")
"""Quantities, unit prices and percentages have five decimals in Business Central."""
_LARGEST = Decimal(10**10)
_MOST_TAX = Decimal(1000)
_SHOWN = 60
"""Characters of a name in a reason."""
_PLACES = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Decimals of the currencies that do not have two (ISO 4217)."""


@dataclass(frozen=True, slots=True)
class Priced:
    """One line in numbers. `price` and `discount` are net; `net` and `gross` are the whole line after its discount.

    The discount is `percent` where the deal gives one, otherwise None.
    """

    quantity: Decimal
    price: Decimal
    percent: Decimal | None
    discount: Decimal
    net: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True)
class Total:
    """Several lines together, after the `share` of them that the discounts on the whole deal take off."""

    net: Decimal
    gross: Decimal
    share: Decimal


def unit_of(currency: str) -> Decimal:
    """The smallest amount of a currency: 0.01 of most."""
    return ONE.scaleb(-_PLACES.get(currency, 2))


def rounded(amount: Decimal, unit: Decimal) -> Decimal:
    """Half away from zero, as Business Central rounds."""
    return amount.quantize(unit, ROUND_HALF_UP)


def read_lines(deal: Record) -> list[Record]:
    """The lines that count (a disabled one is not in the deal's value), as the deal has them in order."""
    given = deal.get("products")
    lines = given if isinstance(given, list) else []
    enabled = [line for line in lines if isinstance(line, Mapping) and line.get("is_enabled") is not False]
    return sorted(enabled, key=lambda line: (_order(line, "order_nr"), _order(line, "id")))


def _order(line: Record, name: str) -> Decimal:
    found = number(line.get(name)) if line.get(name) is not None else None
    return _LARGEST if found is None else Decimal(found)


def read_amount(
    record: Record, name: str, what: str, *, least: Decimal = -_LARGEST, most: Decimal = _LARGEST
) -> Decimal:
    """A number of a deal or a line, 0 if it is empty. Raises Rejected for one that cannot be reckoned with."""
    given = record.get(name)
    found = ZERO if given is None else number(given)
    amount = None if found is None else Decimal(found)
    if amount is None or not least <= amount <= most:
        raise Rejected(
            f"the {what} of {called(record)} is no amount that can be reckoned with", code="bad-amount"
        )
    return amount


def called(record: Record) -> str:
    """A line by its number and its product's name, in a sentence."""
    if "product_id" not in record:
        return "the deal"
    name = text(record.get("name"))
    return f"line {text(record.get('id'))}{f' ({name[:_SHOWN]})' if name else ''}"


def price_line(line: Record, unit: Decimal) -> Priced:
    """The line in numbers. Raises Rejected: `bad-amount`, `discount-out-of-range`.

    With the tax method `inclusive` the price and a discount given as an amount hold the tax: both are made net. An
    amount goes off the whole line, not off each piece.
    """
    quantity = rounded(read_amount(line, "quantity", "quantity"), FINEST)
    given = read_amount(line, "item_price", "price")
    tax = read_amount(line, "tax", "tax", least=ZERO, most=_MOST_TAX)
    off = read_amount(line, "discount", "discount", least=ZERO)
    method = line.get("tax_method")
    factor = ONE + tax / HUNDRED if method in ("inclusive", "exclusive") else ONE
    within = factor if method == "inclusive" else ONE
    price = rounded(given / within, FINEST)
    whole = rounded(quantity * price, unit)
    if line.get("discount_type") == "amount":
        percent, discount = None, rounded(off / within, unit)
    else:
        percent = rounded(off, FINEST)
        discount = rounded(whole * percent / HUNDRED, unit)
    if (percent or 0) > HUNDRED or (percent is None and discount > max(whole, ZERO)):
        raise Rejected(f"the discount of {called(line)} is more than its price", code="discount-out-of-range")
    net = whole - discount
    gross = rounded(net * factor, unit)
    if method == "inclusive":
        before = quantity * given
        gross = rounded(before - (off if percent is None else before * percent / HUNDRED), unit)
    return Priced(
        plain(quantity),
        plain(price),
        None if percent is None else plain(percent),
        plain(discount),
        net,
        gross,
    )


def add_up(
    lines: Iterable[Priced], discounts: Sequence[Record], unit: Decimal, *, inclusive: bool
) -> list[Total]:
    """The lines together less the discounts on the whole deal, in every reading of these. Raises Rejected.

    Whether a discount goes off what the one before it left or off the sum of the lines is not documented (sheet 3.6).
    An amount is net, or with tax where the prices are.
    """
    each = list(lines)
    net = sum((line.net for line in each), ZERO)
    gross = sum((line.gross for line in each), ZERO)
    shares = dict.fromkeys(
        _share(discounts, gross if inclusive else net, one_by_one=one_by_one) for one_by_one in (True, False)
    )
    return [
        Total(net - rounded(net * share, unit), gross - rounded(gross * share, unit), share)
        for share in shares
    ]


def _share(discounts: Sequence[Record], base: Decimal, *, one_by_one: bool) -> Decimal:
    left = ONE
    for one in discounts:
        off = read_amount(one, "amount", "discount", least=ZERO)
        if one.get("type") == "amount":
            left -= off / base if base > 0 else Decimal(off > 0) * 2
        else:
            left -= (left if one_by_one else ONE) * off / HUNDRED
    if left < 0 or (left < 1 and base < 0):
        raise Rejected("the discounts on the deal are more than its lines", code="discount-out-of-range")
    return ONE - left
