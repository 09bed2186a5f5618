"""Field tables of sales orders, sales invoices and their lines, in page order (fact sheet 2.9 to 2.12)."""

from __future__ import annotations

from mlconnector.systems.business_central.emulator_columns import (
    column,
    currency_columns,
    entity_set,
    id_column,
    stamp_column,
)
from mlconnector.systems.business_central.emulator_field import Access, Field, Navigation

ORDER_STATES = ("Draft", "In Review", "Open")
INVOICE_STATES = ("", *ORDER_STATES, "Paid", "Canceled", "Corrective")


def _date(name: str) -> Field:
    return column(name, "date")


def _code(name: str, length: int) -> Field:
    return column(name, "code", length)


def _guid(name: str, target: str) -> Field:
    return column(name, "guid", refers=target)


def _computed(*names: str) -> tuple[Field, ...]:
    """Amounts that the lines make."""
    return tuple(column(name, "decimal", access="R") for name in names)


def _address(part: str, access: Access = "W") -> tuple[Field, ...]:
    """An address as documents spell it: `sellToPostCode`, `billToCountry`."""
    country = "countriesRegions" if access == "W" else ""
    return (
        column(f"{part}AddressLine1", "text", 100, access=access),
        column(f"{part}AddressLine2", "text", 50, access=access),
        column(f"{part}City", "text", 30, access=access),
        column(f"{part}Country", "code", 10, access=access, refers=country),
        column(f"{part}State", "text", 30, access=access),
        column(f"{part}PostCode", "code", 20, access=access),
    )


def _customer(stem: str) -> tuple[Field, ...]:
    """Id and number of a customer."""
    return (
        column(f"{stem}Id", "guid", refers="customers", pair=f"{stem}Number"),
        column(f"{stem}Number", "code", 20, refers="customers", pair=f"{stem}Id"),
    )


_START = (
    id_column(),
    column("number", "code", 20, access="R", caption="No."),
    column("externalDocumentNumber", "code", 35, caption="External Document No."),
)
_NAMES = (
    *_customer("customer"),
    column("customerName", "text", 100, access="R"),
    column("billToName", "text", 100, access="R"),
    *_customer("billToCustomer"),
    column("shipToName", "text", 100),
    column("shipToContact", "text", 100),
    *_address("sellTo"),
    *_address("billTo", "R"),
    *_address("shipTo"),
)
_DIMENSIONS = (_code("shortcutDimension1Code", 20), _code("shortcutDimension2Code", 20))
_TERMS = (_guid("paymentTermsId", "paymentTerms"), _guid("shipmentMethodId", "shipmentMethods"))
_TOTALS = (
    column("discountAmount", "decimal", least=0),
    column("discountAppliedBeforeTax", "bool", access="R", default=True),
    *_computed("totalAmountExcludingTax", "totalTaxAmount", "totalAmountIncludingTax"),
)
_END = (
    stamp_column("R"),
    column("phoneNumber", "text", 30, caption="Sell-to Phone No."),
    column("email", "text", 80, caption="Sell-to Email"),
)
_HEADER_NAVIGATION = (
    Navigation("customer", "customers", "customerId"),
    Navigation("currency", "currencies", "currencyId"),
    Navigation("paymentTerm", "paymentTerms", "paymentTermsId"),
    Navigation("shipmentMethod", "shipmentMethods", "shipmentMethodId"),
)

SALES_ORDERS = entity_set(
    "salesOrders",
    "salesOrder",
    "Sales Header",
    (
        *_START,
        _date("orderDate"),
        _date("postingDate"),
        *_NAMES,
        *_DIMENSIONS,
        *currency_columns(),
        column("pricesIncludeTax", "bool"),
        *_TERMS,
        column("salesperson", "code", 20, caption="Salesperson Code"),
        column("partialShipping", "bool", stored=False),
        _date("requestedDeliveryDate"),
        *_TOTALS,
        column("fullyShipped", "bool", access="r"),
        column("status", "enum", access="R", options=ORDER_STATES),
        *_END,
    ),
    key="number",
    navigation=(
        *_HEADER_NAVIGATION,
        Navigation("salesOrderLines", "salesOrderLines", "documentId", many=True),
    ),
    actions=("shipAndInvoice",),
)

SALES_INVOICES = entity_set(
    "salesInvoices",
    "salesInvoice",
    "Sales Header",
    (
        *_START,
        _date("invoiceDate"),
        _date("postingDate"),
        _date("dueDate"),
        _date("promisedPayDate"),
        column("customerPurchaseOrderReference", "text", 35, caption="Your Reference"),
        *_NAMES,
        currency_columns()[0],
        *_DIMENSIONS,
        currency_columns()[1],
        column("orderId", "guid", access="R"),
        column("orderNumber", "code", 20, access="R"),
        *_TERMS,
        column("salesperson", "code", 20, caption="Salesperson Code"),
        column("disputeStatusId", "guid"),
        _code("disputeStatus", 10),
        column("pricesIncludeTax", "bool", access="R"),
        column("remainingAmount", "decimal", access="R", stored=False),
        *_TOTALS,
        column("status", "enum", access="R", options=INVOICE_STATES, default="Draft"),
        *_END,
    ),
    key="number",
    hidden=(column("posted", "bool"),),
    navigation=(
        *_HEADER_NAVIGATION,
        Navigation("salesInvoiceLines", "salesInvoiceLines", "documentId", many=True),
    ),
    actions=("post", "postAndSend", "send", "cancel", "cancelAndSend"),
)

LINE_TYPES = ("Comment", "Account", "Item", "Resource", "Fixed Asset", "Charge", "Allocation Account")
_LINE_START = (
    id_column(),
    column("documentId", "guid"),
    column("sequence", "int", caption="Line No."),
    column("itemId", "guid"),
    column("accountId", "guid"),
    column("lineType", "enum", options=LINE_TYPES),
    _code("lineObjectNumber", 20),
    column("description", "text", 100),
    column("description2", "text", 50),
    column("unitOfMeasureId", "guid", refers="unitsOfMeasure", pair="unitOfMeasureCode"),
    column("unitOfMeasureCode", "code", 10, refers="unitsOfMeasure", pair="unitOfMeasureId"),
    column("quantity", "decimal"),
    column("unitPrice", "decimal"),
    column("discountAmount", "decimal"),
    column("discountPercent", "decimal", caption="Line Discount %"),
    column("discountAppliedBeforeTax", "bool", access="R"),
    *_computed("amountExcludingTax"),
    column("taxCode", "code", 50, caption="Tax Group Code", refers="taxGroups"),
    *_computed("taxPercent", "totalTaxAmount", "amountIncludingTax", "invoiceDiscountAllocation"),
    *_computed("netAmount", "netTaxAmount", "netAmountIncludingTax"),
    _date("shipmentDate"),
)
_TO_COME = (
    column("shippedQuantity", "decimal", access="r"),
    column("invoicedQuantity", "decimal", access="r"),
    column("invoiceQuantity", "decimal", caption="Qty. to Invoice"),
    column("shipQuantity", "decimal", caption="Qty. to Ship"),
)
_LINE_END = (_guid("itemVariantId", "itemVariants"), _guid("locationId", "locations"))
_LINE_NAVIGATION = (
    Navigation("item", "items", "itemId"),
    Navigation("account", "accounts", "accountId"),
    Navigation("unitOfMeasure", "unitsOfMeasure", "unitOfMeasureId"),
    Navigation("location", "locations", "locationId"),
    Navigation("itemVariant", "itemVariants", "itemVariantId"),
)
_PLACE = column("place", "text")
"""Document and sequence: what lines are sorted by."""

SALES_ORDER_LINES = entity_set(
    "salesOrderLines",
    "salesOrderLine",
    "Sales Line",
    (*_LINE_START, *_TO_COME, *_LINE_END),
    key="place",
    hidden=(_PLACE,),
    navigation=_LINE_NAVIGATION,
)
SALES_INVOICE_LINES = entity_set(
    "salesInvoiceLines",
    "salesInvoiceLine",
    "Sales Line",
    (*_LINE_START, *_LINE_END),
    key="place",
    hidden=(_PLACE,),
    navigation=_LINE_NAVIGATION,
)

LINES = {"salesOrders": SALES_ORDER_LINES, "salesInvoices": SALES_INVOICE_LINES}
HEADERS = {"salesOrderLines": SALES_ORDERS, "salesInvoiceLines": SALES_INVOICES}
