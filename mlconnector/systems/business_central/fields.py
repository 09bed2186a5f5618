"""The fields of API v2.0 that a mapping may name: fact sheet 2.2 (customers), 2.3, 2.4 (vendors) and 2.7.

In page order, then those of the navigations that lead to at most one record, dotted (`paymentTerm.code`).
"""

from __future__ import annotations

from mlconnector.model import FieldInfo

_ADDRESS = (
    FieldInfo("addressLine1", "text", 100),
    FieldInfo("addressLine2", "text", 50),
    FieldInfo("city", "text", 30),
    FieldInfo("state", "text", 30, "county, state or region"),
    FieldInfo("country", "code", 10, "a code of Countries/Regions, in most companies ISO-2"),
    FieldInfo("postalCode", "code", 20),
    FieldInfo("phoneNumber", "text", 30),
    FieldInfo("email", "text", 80, "may hold several addresses, separated by ;"),
    FieldInfo("website", "text", 255),
)

_CURRENCY = (
    FieldInfo("currencyId", "guid", 36, "empty: the company's own currency"),
    FieldInfo("currencyCode", "code", 10, "shows the company's own currency by its code"),
)

_CURRENCY_RECORD = (
    FieldInfo("currency.code", "code", 10, "empty for the company's own currency"),
    FieldInfo("currency.displayName", "text", 30),
    FieldInfo("currency.symbol", "text", 10),
    FieldInfo("currency.amountDecimalPlaces", "text", 5, "such as 2:2"),
    FieldInfo("currency.amountRoundingPrecision", "number"),
)

_PAYMENT_TERM = (
    FieldInfo("paymentTerm.code", "code", 10),
    FieldInfo("paymentTerm.displayName", "text", 100),
    FieldInfo("paymentTerm.dueDateCalculation", "text", None, "a date formula such as 30D"),
    FieldInfo("paymentTerm.discountDateCalculation", "text", None, "a date formula such as 8D"),
    FieldInfo("paymentTerm.discountPercent", "number"),
    FieldInfo("paymentTerm.calculateDiscountOnCreditMemos", "boolean"),
)

_SHIPMENT_METHOD = (
    FieldInfo("shipmentMethod.code", "code", 10),
    FieldInfo("shipmentMethod.displayName", "text", 100),
)

_PAYMENT_METHOD = (
    FieldInfo("paymentMethod.code", "code", 10),
    FieldInfo("paymentMethod.displayName", "text", 100),
)

_FINANCIAL_DETAIL = (
    FieldInfo("customerFinancialDetail.balance", "number", None, "does not move lastModifiedDateTime"),
    FieldInfo("customerFinancialDetail.totalSalesExcludingTax", "number", None, "computed when read"),
    FieldInfo("customerFinancialDetail.overdueAmount", "number", None, "computed when read"),
)


def _by_name(*fields: FieldInfo) -> dict[str, FieldInfo]:
    return {field.name: field for field in fields}


CUSTOMER = _by_name(
    FieldInfo("id", "guid", 36, "SystemId: stays when the customer is renumbered"),
    FieldInfo("number", "code", 20),
    FieldInfo("displayName", "text", 100),
    FieldInfo("type", "enum", None, "Company or Person"),
    *_ADDRESS,
    FieldInfo("salespersonCode", "code", 20),
    FieldInfo("balanceDue", "number", None, "computed when read; does not move lastModifiedDateTime"),
    FieldInfo("creditLimit", "number", None, "in the company's own currency"),
    FieldInfo("taxLiable", "boolean"),
    FieldInfo("taxAreaId", "guid", 36),
    FieldInfo("taxAreaDisplayName", "text"),
    FieldInfo("taxRegistrationNumber", "text", 50, "VAT registration number"),
    *_CURRENCY,
    FieldInfo("paymentTermsId", "guid", 36),
    FieldInfo("shipmentMethodId", "guid", 36),
    FieldInfo("paymentMethodId", "guid", 36),
    FieldInfo("blocked", "enum", None, "blank (not blocked), Ship, Invoice or All"),
    FieldInfo("lastModifiedDateTime", "datetime"),
    *_CURRENCY_RECORD,
    *_PAYMENT_TERM,
    *_SHIPMENT_METHOD,
    *_PAYMENT_METHOD,
    *_FINANCIAL_DETAIL,
)

VENDOR = _by_name(
    FieldInfo("id", "guid", 36, "SystemId: stays when the vendor is renumbered"),
    FieldInfo("number", "code", 20),
    FieldInfo("displayName", "text", 100),
    *_ADDRESS,
    FieldInfo("taxRegistrationNumber", "text", 50, "VAT registration number"),
    *_CURRENCY,
    FieldInfo("irs1099Code", "code", 10, "empty outside the US"),
    FieldInfo("paymentTermsId", "guid", 36),
    FieldInfo("paymentMethodId", "guid", 36),
    FieldInfo("taxLiable", "boolean"),
    FieldInfo("blocked", "enum", None, "blank (not blocked), Payment or All"),
    FieldInfo("balance", "number", None, "computed when read; does not move lastModifiedDateTime"),
    FieldInfo("lastModifiedDateTime", "datetime"),
    *_CURRENCY_RECORD,
    *_PAYMENT_TERM,
    *_PAYMENT_METHOD,
)
