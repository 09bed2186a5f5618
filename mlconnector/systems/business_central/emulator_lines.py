"""The code behind the lines of sales documents: what an item brings, what the order of fields does (2.10, 2.12, T17).

Texts that the sheet does not have: for an unknown document, a comment with a quantity, more shipped than ordered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from mlconnector.systems.business_central.emulator_answers import refused
from mlconnector.systems.business_central.emulator_company import Company
from mlconnector.systems.business_central.emulator_documents import check_changeable, customer_of, identify
from mlconnector.systems.business_central.emulator_field import NO_GUID, ZERO, Entity, decode_option
from mlconnector.systems.business_central.emulator_flat import NO_DOCUMENT
from mlconnector.systems.business_central.emulator_hooks import Effect, Hooks
from mlconnector.systems.business_central.emulator_rows import Row, show_number
from mlconnector.systems.business_central.emulator_sales import HEADERS
from mlconnector.systems.business_central.emulator_totals import (
    discount_line,
    exchange_rate,
    precision,
    rounded,
    settle_line,
)
from mlconnector.systems.business_central.emulator_write import Draft, no_relation

STEP = 10_000
_PRICE_UNIT = Decimal("0.001")
_TABLES = {"Item": "items", "Account": "accounts"}
_MISSING = {"Item": "Item does not exist.", "Account": "Account does not exist."}
_DOMESTIC = "DOMESTIC"


def header_of(draft: Draft) -> Draft:
    """The document of a line, to look at."""
    if draft["documentId"] == NO_GUID:
        raise refused(NO_DOCUMENT)
    entity = HEADERS[draft.entity.name]
    row = draft.tables[entity.name].by_id.get(draft["documentId"])
    if row is None:
        raise refused(f"There is no {entity.single} with the id {draft['documentId']}.")
    return Draft(entity, list(row.values), draft.tables, draft.lcy)


def _own(draft: Draft, table: str, id: str) -> dict[str, Any]:
    """The values of a row by name."""
    known = draft.tables[table]
    return dict(zip(known.entity.columns, known.by_id[id].values, strict=True))


# what setting a field does


def _keep_document(draft: Draft, old: str) -> None:
    if draft.before is not None and draft["documentId"] != old:
        raise refused('The value for "documentId" cannot be modified.')
    header_of(draft)


def _keep_sequence(draft: Draft, old: int) -> None:
    if draft.before is not None and draft["sequence"] != old:
        name = "sequence" if draft.entity.name == "salesOrderLines" else '"sequence"'
        raise refused(f"The value for {name} cannot be modified. Delete and insert the line again.")


def _take_object(line_type: str, id_field: str) -> Effect:
    """`itemId` and `accountId` set the type and the number."""

    def take(draft: Draft, old: str) -> None:
        if not {"itemId", "accountId"} - draft.sent.keys():
            raise refused('Both "itemId" and "accountId" are specified. Specify only one of them.')
        row = draft.row(_TABLES[line_type], draft[id_field])
        if row is None:
            raise refused(_MISSING[line_type])
        if draft[id_field] != old:
            draft["lineType"], draft["lineObjectNumber"] = line_type, row.key
            _bring(draft)

    return take


def _change_type(draft: Draft, old: str) -> None:
    """Another type forgets the number and what came with it."""
    if draft["lineType"] != old:
        draft["lineObjectNumber"] = draft["description"] = ""
        draft["itemId"] = draft["accountId"] = NO_GUID
        draft["unitPrice"] = ZERO


def _set_number(draft: Draft, old: str) -> None:
    """Looked up at once for items and accounts, by the type that is set already."""
    if old and draft["lineObjectNumber"] != old:
        raise refused('The value for "lineObjectNumber" cannot be modified.')
    line_type = draft["lineType"]
    if old or not draft["lineObjectNumber"] or line_type not in _TABLES:
        return
    row = draft.tables[_TABLES[line_type]].by_key.get(draft["lineObjectNumber"])
    if row is None:
        raise refused(_MISSING[line_type])
    draft["itemId" if line_type == "Item" else "accountId"] = row.id
    _bring(draft)


def _bring(draft: Draft) -> None:
    """What the item or account brings: description, unit, price, tax."""
    is_item = draft["lineType"] == "Item"
    thing = _own(draft, *(("items", draft["itemId"]) if is_item else ("accounts", draft["accountId"])))
    if thing["blocked"]:
        raise refused(
            f"Blocked must be equal to 'No'  in {'Item' if is_item else 'G/L Account'}: No.={thing['number']}. "
            "Current value is 'Yes'.",
            "Application_FieldValidationException",
        )
    draft["description"] = thing["displayName"]
    draft["taxCode"] = thing["taxGroupCode"] if is_item else "STANDARD"
    if is_item:
        draft["description2"] = thing["displayName2"]
        draft["unitOfMeasureId"] = thing["baseUnitOfMeasureId"]
        draft["unitOfMeasureCode"] = thing["baseUnitOfMeasureCode"]
        draft["unitPrice"] = _list_price(draft, thing)
    _set_tax(draft, None)


def _list_price(draft: Draft, item: Mapping[str, Any]) -> Decimal:
    """The item's price in the currency of the document, with tax where its prices include it."""
    header, price = header_of(draft), item["unitPrice"]
    share = 1 + _tax_percent(draft, header) / 100
    if item["priceIncludesTax"] != header["pricesIncludeTax"]:
        price = price * share if header["pricesIncludeTax"] else price / share
        price = rounded(price, _PRICE_UNIT)
    rate = exchange_rate(header)
    return Decimal(price) if rate == 1 else rounded(price / rate, _PRICE_UNIT)


def _tax_percent(draft: Draft, header: Draft) -> Decimal:
    """The percentage of the tax group, for customers within the country."""
    table = draft.tables["taxGroups"]
    group = table.by_key.get(draft["taxCode"])
    area = draft.row("taxAreas", customer_of(header)["taxAreaId"])
    if group is None or area is None or area.key != _DOMESTIC:
        return ZERO
    return Decimal(group.values[table.entity.columns["percent"]])


def _set_tax(draft: Draft, old: Any) -> None:
    draft["taxPercent"] = _tax_percent(draft, header_of(draft))


def _check_unit(draft: Draft, old: str) -> None:
    if draft["lineType"] != "Item" or draft["itemId"] == NO_GUID:
        return
    if draft["unitOfMeasureCode"] != _own(draft, "items", draft["itemId"])["baseUnitOfMeasureCode"]:
        field = draft.entity.by_name["unitOfMeasureCode"]
        no_relation(draft, field, draft["unitOfMeasureCode"], "Item Unit of Measure")


def _set_quantity(draft: Draft, old: Decimal) -> None:
    """Another quantity finds the price again, and so resets one that was typed in (T17)."""
    if draft["quantity"] == old:
        return
    if "shipQuantity" in draft.entity.columns:
        draft["shipQuantity"] = draft["quantity"] - draft["shippedQuantity"]
        draft["invoiceQuantity"] = draft["quantity"] - draft["invoicedQuantity"]
    if draft["itemId"] != NO_GUID:
        draft["unitPrice"] = _list_price(draft, _own(draft, "items", draft["itemId"]))
        draft["discountPercent"] = ZERO
    _discount_by_percent(draft, None)


def _discount_by_percent(draft: Draft, old: Any) -> None:
    discount_line(draft, precision(header_of(draft)), by_amount=False)


def _discount_by_amount(draft: Draft, old: Any) -> None:
    discount_line(draft, precision(header_of(draft)), by_amount=True)


def _check_variant(draft: Draft, old: str) -> None:
    variant = draft["itemVariantId"]
    if variant != NO_GUID and _own(draft, "itemVariants", variant)["itemId"] != draft["itemId"]:
        raise refused("The item values do not match to a specific Item.")


# around a write


def _settle(company: Company, draft: Draft, now: int) -> None:
    header = header_of(draft)
    if draft.before is None:
        row = company.tables[header.entity.name].by_id[header["id"]]
        check_changeable(company, header.entity, row)
        _settle_sequence(company, draft)
        if draft["shipmentDate"] == "0001-01-01":
            draft["shipmentDate"] = header["postingDate"]
    _check_object(draft, header)
    if "shipQuantity" in draft.entity.columns:
        _check_to_come(draft)
    settle_line(draft, header)


def _settle_sequence(company: Company, draft: Draft) -> None:
    others = company.table(draft.entity).below(draft["documentId"])
    taken = [row.values[draft.entity.columns["sequence"]] for row in others]
    if draft["sequence"] in taken:
        raise refused("You cannot insert a line because a line already exists.")
    if not draft["sequence"]:
        draft["sequence"] = max(taken, default=0) + STEP
    draft["place"] = f"{draft['documentId']}/{draft['sequence']:010d}"


def _check_object(draft: Draft, header: Draft) -> None:
    line_type, number = decode_option(draft["lineType"]), draft["lineObjectNumber"]
    where = f"{identify(header.entity, header['number'])}, Line No.={draft['sequence']}"
    if line_type == "Comment" and (draft["quantity"] or draft["unitPrice"]):
        raise refused(
            f"Type must have a value in Sales Line: {where}. It cannot be zero or empty.",
            "Application_FieldValidationException",
        )
    if line_type not in ("Comment", *_TABLES) and number:
        no_relation(draft, draft.entity.by_name["lineObjectNumber"], number, line_type)


def _check_to_come(draft: Draft) -> None:
    """Nothing is shipped or invoiced that was not ordered."""
    for verb, done in (("ship", "shippedQuantity"), ("invoice", "invoicedQuantity")):
        left, next_one = draft["quantity"] - draft[done], draft[f"{verb}Quantity"]
        if abs(next_one) > abs(left) or next_one * left < 0:
            raise refused(f"You cannot {verb} more than {show_number(left)} units.")


def _changing(lines: str) -> Callable[[Company, Row], None]:
    entity = HEADERS[lines]

    def check(company: Company, row: Row) -> None:
        check_changeable(company, entity, _header_row(company, lines, row))

    return check


def _header_row(company: Company, lines: str, row: Row) -> Row:
    document = row.values[company.tables[lines].entity.columns["documentId"]]
    return company.tables[HEADERS[lines].name].by_id[document]


def _touch_header(company: Company, lines: Entity, row: Row, stamp: int, now: int) -> None:
    """The header's totals, stamp and etag move with its lines."""
    header = _header_row(company, lines.name, row)
    company.store(company.draft(HEADERS[lines.name], header), stamp, now)


def _hooks(lines: str) -> Hooks:
    def stored(company: Company, before: Row | None, row: Row, stamp: int | None, now: int) -> None:
        _touch_header(company, company.tables[lines].entity, row, now if stamp is None else stamp, now)

    def removed(company: Company, row: Row, now: int) -> None:
        _touch_header(company, company.tables[lines].entity, row, now, now)

    return Hooks(
        effects=_EFFECTS,
        changing=_changing(lines),
        settle=_settle,
        stored=stored,
        removing=_changing(lines),
        removed=removed,
        validated=True,
    )


_EFFECTS: Mapping[str, Effect] = {
    "documentId": _keep_document,
    "sequence": _keep_sequence,
    "itemId": _take_object("Item", "itemId"),
    "accountId": _take_object("Account", "accountId"),
    "lineType": _change_type,
    "lineObjectNumber": _set_number,
    "unitOfMeasureId": _check_unit,
    "unitOfMeasureCode": _check_unit,
    "quantity": _set_quantity,
    "unitPrice": _discount_by_percent,
    "discountPercent": _discount_by_percent,
    "discountAmount": _discount_by_amount,
    "taxCode": _set_tax,
    "itemVariantId": _check_variant,
}
ORDER_LINE_HOOKS = _hooks("salesOrderLines")
INVOICE_LINE_HOOKS = _hooks("salesInvoiceLines")
