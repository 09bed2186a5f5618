"""The code behind sales orders and sales invoices: what a header takes from its customer, and who may change it.

Fact sheet 2.9, 2.11. Texts that the sheet does not have: those for blocked customers and for a discount without lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlconnector.systems.business_central.emulator_answers import refused
from mlconnector.systems.business_central.emulator_company import Company
from mlconnector.systems.business_central.emulator_dates import add_formula
from mlconnector.systems.business_central.emulator_field import NO_GUID, Entity, decode_option
from mlconnector.systems.business_central.emulator_hooks import Effect, Hooks
from mlconnector.systems.business_central.emulator_rows import Row, show_stamp
from mlconnector.systems.business_central.emulator_sales import LINES
from mlconnector.systems.business_central.emulator_totals import exchange_rate, settle_document
from mlconnector.systems.business_central.emulator_write import Draft

_ADDRESS = {
    "AddressLine1": "addressLine1",
    "AddressLine2": "addressLine2",
    "City": "city",
    "Country": "country",
    "State": "state",
    "PostCode": "postalCode",
}


def _addresses(*parts: str) -> dict[str, str]:
    return {f"{part}{ours}": theirs for part in parts for ours, theirs in _ADDRESS.items()}


_FROM_SELL_TO: Mapping[str, str] = {
    "customerName": "displayName",
    "shipToName": "displayName",
    "shipToContact": "contact",
    **_addresses("sellTo", "shipTo"),
    "shipmentMethodId": "shipmentMethodId",
    "salesperson": "salespersonCode",
    "phoneNumber": "phoneNumber",
    "email": "email",
}
_FROM_BILL_TO: Mapping[str, str] = {
    "billToName": "displayName",
    **_addresses("billTo"),
    "currencyId": "currencyId",
    "currencyCode": "currencyCode",
    "paymentTermsId": "paymentTermsId",
}
_KINDS = {"salesOrders": "Order", "salesInvoices": "Invoice"}
_CLIENT_STATES = {"In Review": "Pending Approval", "Open": "Released"}
POSTED_TEXT = "The invoice has been posted and can no longer be modified."


def identify(entity: Entity, number: str) -> str:
    """A document as table code names it in its errors."""
    return f"Document Type={_KINDS[entity.name]}, No.={number}"


def check_changeable(company: Company, entity: Entity, row: Row) -> None:
    """400 for a posted invoice and for a document that is released or waits for approval."""
    columns = entity.columns
    if "posted" in columns and row.values[columns["posted"]]:
        raise refused(POSTED_TEXT)
    state = decode_option(row.values[columns["status"]])
    if state != "Draft":
        raise refused(
            f"Status must be equal to 'Open'  in Sales Header: {identify(entity, row.key)}. "
            f"Current value is '{_CLIENT_STATES.get(state, state)}'.",
            "Application_FieldValidationException",
        )


def check_blocked(customer: Mapping[str, Any], entity: Entity, *, verb: str) -> None:
    """400 for a customer whose block concerns this kind of document."""
    blocked = decode_option(customer["blocked"])
    ships = entity.name == "salesOrders" or verb == "post"
    if blocked in ("All", "Invoice") or (ships and blocked == "Ship"):
        raise refused(
            f"You cannot {verb} this type of document when Customer {customer['number']} is blocked with type {blocked}"
        )


def customer_of(draft: Draft, name: str = "customerId") -> dict[str, Any]:
    """The values of a document's customer by name, hidden ones too."""
    table = draft.tables["customers"]
    row = table.by_id.get(draft[name])
    if row is None:
        raise refused("The sell-to customer cannot be found.")
    return dict(zip(table.entity.columns, row.values, strict=True))


def _begin(company: Company, draft: Draft, now: int) -> None:
    today = show_stamp(now)[:10]
    for name in ("orderDate", "invoiceDate", "postingDate", "dueDate"):
        if name in draft.entity.columns:
            draft[name] = today


def _take_sell_to(draft: Draft, old: Any) -> None:
    """Another customer brings names, addresses and terms, whatever was there (section 2.16)."""
    if old in (draft["customerId"], draft["customerNumber"]):
        return
    customer = customer_of(draft)
    check_blocked(customer, draft.entity, verb="create")
    for ours, theirs in _FROM_SELL_TO.items():
        draft[ours] = customer[theirs]
    draft["billToCustomerId"], draft["billToCustomerNumber"] = customer["id"], customer["number"]
    _take_bill_to(draft, None)


def _take_bill_to(draft: Draft, old: Any) -> None:
    if old in (draft["billToCustomerId"], draft["billToCustomerNumber"]):
        return
    customer = customer_of(draft, "billToCustomerId")
    for ours, theirs in _FROM_BILL_TO.items():
        draft[ours] = customer[theirs]
    exchange_rate(draft)
    _set_due_date(draft, old)


def _check_rate(draft: Draft, old: Any) -> None:
    exchange_rate(draft)


def _set_due_date(draft: Draft, old: Any) -> None:
    if "dueDate" not in draft.entity.columns:
        return
    terms = draft.row("paymentTerms", draft["paymentTermsId"])
    column = draft.tables["paymentTerms"].entity.columns["dueDateCalculation"]
    draft["dueDate"] = add_formula(draft["invoiceDate"], terms.values[column] if terms is not None else "")


def _check_discount(draft: Draft, old: Any) -> None:
    lines = draft.tables[LINES[draft.entity.name].table].below(draft["id"])
    if draft["discountAmount"] and not lines:
        raise refused("You cannot apply an invoice discount because the document does not include lines.")


def _settle(company: Company, draft: Draft, now: int) -> None:
    if draft["customerId"] == NO_GUID:
        raise refused('A "customerNumber" or a "customerId" must be provided.')
    settle_document(company, draft, now)


def _changing(entity_name: str) -> Callable[[Company, Row], None]:
    def check(company: Company, row: Row) -> None:
        check_changeable(company, company.tables[entity_name].entity, row)

    return check


def _refuse_posted(company: Company, row: Row) -> None:
    columns = company.tables["salesInvoices"].entity.columns
    if row.values[columns["posted"]]:
        raise refused(POSTED_TEXT)


def _drop_lines(entity_name: str) -> Callable[[Company, Row, int], None]:
    def drop(company: Company, row: Row, now: int) -> None:
        table = company.table(LINES[entity_name])
        for line in table.below(row.id):
            table.drop(line, now)

    return drop


_EFFECTS: Mapping[str, Effect] = {
    "customerId": _take_sell_to,
    "customerNumber": _take_sell_to,
    "billToCustomerId": _take_bill_to,
    "billToCustomerNumber": _take_bill_to,
    "currencyId": _check_rate,
    "currencyCode": _check_rate,
    "postingDate": _check_rate,
    "invoiceDate": _set_due_date,
    "paymentTermsId": _set_due_date,
    "discountAmount": _check_discount,
}

ORDER_HOOKS = Hooks(
    begin=_begin,
    effects=_EFFECTS,
    changing=_changing("salesOrders"),
    settle=_settle,
    removed=_drop_lines("salesOrders"),
    validated=True,
)
INVOICE_HOOKS = Hooks(
    begin=_begin,
    effects=_EFFECTS,
    changing=_changing("salesInvoices"),
    settle=_settle,
    removing=_refuse_posted,
    removed=_drop_lines("salesInvoices"),
    validated=True,
)
