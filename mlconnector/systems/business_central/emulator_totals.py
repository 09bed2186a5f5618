"""Amounts of lines and documents: tax, rounding, the invoice discount and its shares (fact sheet 2.9, 2.10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from mlconnector.systems.business_central.emulator_answers import refused
from mlconnector.systems.business_central.emulator_company import Company
from mlconnector.systems.business_central.emulator_field import NO_GUID, ZERO
from mlconnector.systems.business_central.emulator_sales import LINES
from mlconnector.systems.business_central.emulator_write import Draft

CENT = Decimal("0.01")
_HUNDRED = Decimal(100)
_WIDE = Context(prec=80)


def rounded(value: Decimal, unit: Decimal = CENT) -> Decimal:
    """Half away from zero, to a multiple of the currency's precision."""
    return _WIDE.multiply(_WIDE.divide(value, unit).quantize(Decimal(1), ROUND_HALF_UP, _WIDE), unit)


def precision(draft: Draft) -> Decimal:
    """What amounts of a document are rounded to: its currency's precision, a cent in local currency."""
    row = draft.row("currencies", draft["currencyId"])
    if row is None:
        return CENT
    return Decimal(row.values[draft.tables["currencies"].entity.columns["amountRoundingPrecision"]]) or CENT


def exchange_rate(draft: Draft) -> Decimal:
    """What one unit of a document's currency is worth in local currency at its posting date (section 2.17)."""
    if draft["currencyId"] == NO_GUID:
        return Decimal(1)
    table = draft.tables["currencyExchangeRates"]
    columns = table.entity.columns
    rates = [
        row.values
        for row in table.rows
        if row.values[columns["currencyCode"]] == draft["currencyCode"]
        and row.values[columns["startingDate"]] <= draft["postingDate"]
    ]
    if not rates:
        text = (
            "There is no Currency Exchange Rate within the filter. Filters: "
            f"Currency Code: {draft['currencyCode']}, Starting Date: ..{draft['postingDate']}"
        )
        raise refused(text, "Internal_DataNotFoundFilter")
    latest = rates[-1]
    amount: Decimal = latest[columns["relationalExchangeRateAmount"]]
    return amount / Decimal(latest[columns["exchangeRateAmount"]])


@dataclass(frozen=True, slots=True)
class Taxed:
    """An amount without tax, its tax, and both."""

    net: Decimal
    tax: Decimal
    gross: Decimal


def with_tax(amount: Decimal, percent: Decimal, unit: Decimal, *, included: bool) -> Taxed:
    """Splits or adds the tax."""
    share = percent / _HUNDRED
    if included:
        gross = rounded(amount, unit)
        net = rounded(gross / (1 + share), unit)
        return Taxed(net, gross - net, gross)
    net = rounded(amount, unit)
    tax = rounded(net * share, unit)
    return Taxed(net, tax, net + tax)


def settle_line(line: Draft, header: Draft) -> None:
    """The computed amounts of a line; its share of the invoice discount is kept as it is."""
    unit, included, percent = precision(header), header["pricesIncludeTax"], line["taxPercent"]
    amount = line["quantity"] * line["unitPrice"] - line["discountAmount"]
    taxed = with_tax(amount, percent, unit, included=included)
    line["amountExcludingTax"], line["totalTaxAmount"] = taxed.net, taxed.tax
    line["amountIncludingTax"] = taxed.gross
    net = with_tax(_base(line, header) - line["invoiceDiscountAllocation"], percent, unit, included=included)
    line["netAmount"], line["netTaxAmount"], line["netAmountIncludingTax"] = net.net, net.tax, net.gross


def _base(line: Draft, header: Draft) -> Decimal:
    """What a line brings to the invoice discount."""
    name = "amountIncludingTax" if header["pricesIncludeTax"] else "amountExcludingTax"
    return Decimal(line[name])


def discount_line(line: Draft, unit: Decimal, *, by_amount: bool) -> None:
    """Of discount amount and percent each recomputes the other."""
    whole = line["quantity"] * line["unitPrice"]
    if not by_amount:
        line["discountAmount"] = rounded(whole * line["discountPercent"] / _HUNDRED, unit)
    else:
        share = line["discountAmount"] / whole * _HUNDRED if whole else ZERO
        line["discountPercent"] = rounded(share, Decimal("0.00001"))


def settle_document(company: Company, header: Draft, now: int) -> None:
    """Spreads the invoice discount over the lines again, and sums them up."""
    entity = LINES[header.entity.name]
    lines = [company.draft(entity, row) for row in company.table(entity).below(header["id"])]
    for line, share in zip(lines, _shares(lines, header), strict=True):
        if share != line["invoiceDiscountAllocation"] or _counts_otherwise(header):
            line["invoiceDiscountAllocation"] = share
            settle_line(line, header)
            company.table(entity).put(company.table(entity).make(line.values), now)
    header["discountAmount"] = sum((line["invoiceDiscountAllocation"] for line in lines), ZERO)
    header["totalAmountExcludingTax"] = sum((line["netAmount"] for line in lines), ZERO)
    header["totalTaxAmount"] = sum((line["netTaxAmount"] for line in lines), ZERO)
    header["totalAmountIncludingTax"] = sum((line["netAmountIncludingTax"] for line in lines), ZERO)


def _counts_otherwise(header: Draft) -> bool:
    """Whether the header changes in a way that its lines are to be computed anew."""
    if header.before is None:
        return False
    columns, before = header.entity.columns, header.before.values
    return any(header[name] != before[columns[name]] for name in ("currencyId", "pricesIncludeTax"))


def _shares(lines: Sequence[Draft], header: Draft) -> list[Decimal]:
    """The invoice discount by line, in proportion to the amounts; the last one takes what rounding leaves."""
    bases = [_base(line, header) for line in lines]
    whole, discount = sum(bases, ZERO), header["discountAmount"]
    if not whole or not discount:
        return [ZERO] * len(lines)
    shares = [rounded(discount * base / whole, precision(header)) for base in bases]
    last = max(place for place, base in enumerate(bases) if base)
    shares[last] += discount - sum(shares, ZERO)
    return shares
