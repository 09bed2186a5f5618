"""Won deals of Pipedrive as sales documents of Business Central. Pure.

What a person has to decide raises Rejected, so that the deal is shown as failed with a code; a Skip is fine as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from textwrap import wrap
from typing import Any

from mlconnector.errors import Rejected
from mlconnector.explain import Problem, suggest
from mlconnector.flows.accounts import EXCLUDED
from mlconnector.flows.bodies import make_mapped, plain, text
from mlconnector.flows.deal_lines import (
    ZERO,
    Priced,
    Record,
    Total,
    add_up,
    called,
    price_line,
    read_amount,
    read_lines,
    rounded,
    unit_of,
)
from mlconnector.flows.pair_options import LONGEST_REFERENCE, DocumentOptions
from mlconnector.mapping import TRANSFORMS, CompiledMap, CompiledWhen, digest
from mlconnector.model import Change, MapFunction, Mapped, Ref, Skip

NEEDED = ("reference", "date", "currency")
CUSTOMERS_OWN = "customerPurchaseOrderReference"
HEADER = (*NEEDED, CUSTOMERS_OWN)
"""What a mapping can say of a document."""
COMMENT_LENGTH = 100
NOT_WON = Skip("not-won", "it is not won, or not any more", leaves=True)
WON_BEFORE = Skip("won-before", "it was won before the day that the flow names in won_since")
NO_LINES = Skip(
    "no-lines", "all its lines are billed again and again, and the flow leaves those out", leaves=True
)


def check_header(rules: Mapping[str, Any], compiled: CompiledMap) -> Iterator[Problem]:
    """Lines that no document has, and lines that each needs."""
    for name in NEEDED:
        if name not in rules:
            yield Problem((), f"a document needs {name!r}")
    for name in rules:
        if name not in HEADER:
            near = suggest(name, HEADER)
            yield Problem((name,), f"a document has {', '.join(HEADER)}; its lines are the deal's{near}")


def bind_documents(options: DocumentOptions, compiled: CompiledMap, when: CompiledWhen) -> MapFunction:
    """The function that makes a document of a deal.

    Codes of its Skips: `excluded`, `not-won`, `won-before`, `no-lines`. It fails with `missing-organization`,
    `missing-reference`, `reference-too-long`, `missing-date`, `missing-currency`, `several-currencies`, `no-products`,
    `unknown-product`, `variation`, `recurring-line`, `bad-amount`, `discount-out-of-range` and `total-differs`.
    """

    first_day = options.won_since.isoformat()

    def map_deal(change: Change) -> Mapped | Skip:
        deal = change.record
        if deal.get("status") != "won" or deal.get("is_deleted") is True:
            return NOT_WON
        won = text(deal.get("local_won_date") or deal.get("won_time"))[:10]
        if won and won < first_day:  # first: what belongs to such a deal is not read
            return WON_BEFORE
        if not when(deal):
            return EXCLUDED
        organization = text(deal.get("org_id"))
        if not organization:
            raise Rejected(
                "it has no organization, so there is nobody to sell to", code="missing-organization"
            )
        header = _header(compiled(deal), options)
        content = _content(deal, header["currency"], options)
        if not content.lines:
            return NO_LINES
        body = {**header, "pricesIncludeTax": False, **content.body()}
        customer = Ref("customer", "organization", organization, "customer")
        key = f"document:{header['externalDocumentNumber']}"
        return make_mapped(key, body, refs=(customer, *content.refs()))

    return map_deal


def bind_postings(options: DocumentOptions) -> MapFunction | None:
    """The function that asks for the posting of a deal's document; None where drafts stay drafts.

    It is told of the deal and the key of its document, which leads to the invoice when the order is gone, and how the
    document was left: `at` and `total`. What was refused is tried again once its document was written anew; what was
    posted does not come up again (`FromLedger`).
    """
    if not options.post:
        return None

    def map_posting(change: Change) -> Mapped | Skip:
        number = text(change.record.get("key")).partition(":")[2]
        left = change.record.get("memo") or {}
        body = {
            "document": options.document,
            "externalDocumentNumber": number,
            "at": left.get("at"),
            "total": left.get("total"),
        }
        document = Ref("document", change.entity, change.id, "document")
        return Mapped(f"posting:{number or change.id}", body, digest(body), (document,))

    return map_posting


def _header(values: Mapping[str, Any], options: DocumentOptions) -> dict[str, str]:
    """Codes stand in capitals in Business Central, the external number is one (sheet 2.9)."""
    reference, currency = text(values["reference"]), text(values["currency"]).upper()
    date = text(TRANSFORMS["date"](values["date"])) if values["date"] is not None else ""
    for name, found in (("reference", reference), ("date", date), ("currency", currency)):
        if not found:
            raise Rejected(f"it has no {name}", code=f"missing-{name}")
    whole = f"{options.reference_prefix}{reference}".strip().upper()
    if len(whole) > LONGEST_REFERENCE:
        raise Rejected(
            f"its reference has {len(whole)} characters with the prefix, a document takes {LONGEST_REFERENCE}",
            code="reference-too-long",
        )
    header = {"externalDocumentNumber": whole, "date": date, "currency": currency}
    if CUSTOMERS_OWN in values:
        header["reference"] = text(values[CUSTOMERS_OWN])
    return header


@dataclass(frozen=True, slots=True)
class _Content:
    """The lines of one document and its figures, net of tax: `discount` goes off all lines, `total` the deal says."""

    lines: Sequence[Record]
    discount: Decimal = ZERO
    total: Decimal = ZERO

    def body(self) -> dict[str, Any]:
        return {"lines": list(self.lines), "discount": plain(self.discount), "total": plain(self.total)}

    def refs(self) -> Iterator[Ref]:
        """One for each item, however many lines have it."""
        optional = {line["ref"]: "item" in line for line in self.lines if line.get("ref")}
        for name, has_other in optional.items():
            yield Ref(name, "product", name.removeprefix("item:"), "item", optional=has_other)


def _content(deal: Record, currency: str, options: DocumentOptions) -> _Content:
    lines = read_lines(deal)
    return _from_lines(deal, lines, currency, options) if lines else _from_value(deal, currency, options)


def _from_lines(deal: Record, lines: list[Record], currency: str, options: DocumentOptions) -> _Content:
    """The deal's value is of all lines; what lines that are left out make of it goes off the document's total."""
    for line in lines:
        _check_line(line, currency, options)
    unit = unit_of(currency)
    priced = [price_line(line, unit) for line in lines]
    totals = add_up(priced, _discounts(deal), unit, inclusive=_is_inclusive(lines))
    told, whole = _told_net(deal, totals, currency, options)
    kept = [
        (line, price) for line, price in zip(lines, priced, strict=True) if not _is_left_out(line, options)
    ]
    net = sum((price.net for _, price in kept), ZERO)
    discount = rounded(net * whole.share, unit)
    entries = [entry for line, price in kept for entry in _entries(line, price, options)]
    return _Content(entries, discount, told - whole.net + net - discount)


def _check_line(line: Record, currency: str, options: DocumentOptions) -> None:
    """Raises Rejected for a line that a person has to look at."""
    named = called(line)
    if text(line.get("currency")).upper() not in ("", currency):
        raise Rejected(f"{named} is not in {currency}, the deal's currency", code="several-currencies")
    if _is_left_out(line, options):
        return
    if _is_recurring(line) and options.recurring == "hold":
        raise Rejected(f"{named} is billed again and again", code="recurring-line")
    if line.get("product_variation_id") is not None and options.variations == "hold":
        raise Rejected(f"{named} has a variation of its product", code="variation")
    if not _has_item(line) and options.unknown_product == "hold":
        product = text(line.get("product_id"))
        why = f"its product (id {product}) has no code" if product else "it has no product"
        raise Rejected(f"{named}: {why}, and so no item", code="unknown-product")


def _discounts(deal: Record) -> list[Record]:
    given = deal.get("discounts")
    return [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []


def _is_inclusive(lines: Sequence[Record]) -> bool:
    """The tax method is one for the whole deal (trap 28)."""
    return any(line.get("tax_method") == "inclusive" for line in lines)


def _is_recurring(line: Record) -> bool:
    return text(line.get("billing_frequency")) not in ("", "one-time")


def _is_left_out(line: Record, options: DocumentOptions) -> bool:
    return options.recurring == "leave_out" and _is_recurring(line)


def _told_net(
    deal: Record, totals: Sequence[Total], currency: str, options: DocumentOptions
) -> tuple[Decimal, Total]:
    """The deal's value, net of tax, and the total that it agrees with.

    Whether the value holds the tax is not documented, so either is taken (sheet 3.6, 4).
    """
    if deal.get("value") is None:
        return totals[0].net, totals[0]
    value = read_amount(deal, "value", "value")
    for total in totals:
        for tax in (ZERO, total.gross - total.net):
            if abs(value - tax - total.net) <= options.rounding:
                return value - tax, total
    net, gross = totals[0].net, totals[0].gross
    taxed = f" ({plain(gross)} with tax)" if gross != net else ""
    raise Rejected(
        f"the deal's value is {plain(value)} {currency}, its lines come to {plain(net)}{taxed}",
        code="total-differs",
    )


def _entries(line: Record, price: Priced, options: DocumentOptions) -> Iterator[dict[str, Any]]:
    """The line and what is said of it. A discount of 0 is said too: price lists of the ERP would give their own."""
    item: dict[str, Any] = {"line": text(line.get("id")), **_item(line, options)}
    item |= {"description": _description(line), "quantity": price.quantity, "unitPrice": price.price}
    off = ("discountAmount", price.discount) if price.percent is None else ("discountPercent", price.percent)
    yield item | {off[0]: off[1]}
    if _is_recurring(line):
        yield {"comment": _first_period(line)[:COMMENT_LENGTH]}
    yield from comment_lines(text(line.get("comments")))


def _item(line: Record, options: DocumentOptions) -> dict[str, str]:
    """By reference where the product may have one; the default item stands for a product that has none, or of which
    nothing is known (it is hidden or deleted, or its flow is off) and that is not linked."""
    other = {"item": options.default_item.strip().upper()}
    if not _has_item(line):
        return {"ref": "", **other}
    ref = {"ref": f"item:{text(line.get('product_id'))}"}
    is_known = "product_code" in line or options.unknown_product == "hold"
    return ref if is_known else {**ref, **other}


def _has_item(line: Record) -> bool:
    """Whether its product can have one: by its code, where the product was read; otherwise the links say it."""
    by_code = "product_code" not in line or bool(text(line["product_code"]))
    return by_code and bool(text(line.get("product_id")))


def _description(line: Record) -> str:
    """The product's name, and which variation of it; Business Central has no item for that."""
    name, variation = text(line.get("name")), text(line.get("product_variation_id"))
    named = text(line.get("product_variation_name")) or f"variation {variation}"
    return f"{name}, {named}".removeprefix(", ") if variation else name


def _first_period(line: Record) -> str:
    cycles, start = text(line.get("billing_frequency_cycles")), text(line.get("billing_start_date"))
    times = f", {cycles} times" if cycles else ""
    begins = f", from {start}" if start else ""
    return f"Recurring {text(line.get('billing_frequency'))}{times}{begins}: this is the first period"


def comment_lines(comments: str) -> Iterator[dict[str, Any]]:
    """A text as comment lines, none longer than Business Central takes."""
    for paragraph in comments.splitlines():
        yield from ({"comment": part} for part in wrap(paragraph, COMMENT_LENGTH))


def _from_value(deal: Record, currency: str, options: DocumentOptions) -> _Content:
    """A deal without lines that count, at its value."""
    if options.without_products == "hold":
        raise Rejected("it has no products", code="no-products")
    value, title = (
        plain(rounded(read_amount(deal, "value", "value"), unit_of(currency))),
        text(deal.get("title")),
    )
    if options.without_products == "comment":
        return _Content(list(comment_lines(f"{title}: {value} {currency}")))
    item = {"line": "deal", "ref": "", "item": options.default_item.strip().upper(), "description": title}
    return _Content(
        [item | {"quantity": Decimal(1), "unitPrice": value, "discountPercent": ZERO}], total=value
    )
