"""The fields of API v2.0 that a mapping may name: fact sheet 2.2 to 2.7 (customers, vendors, contacts, items).

In page order, then those of the navigations that lead to at most one record, dotted (`paymentTerm.code`).
"""

from __future__ import annotations

from collections.abc import Mapping

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

CONTACT = _by_name(
    FieldInfo("id", "guid", 36, "SystemId: stays when the contact is renumbered"),
    FieldInfo("number", "code", 20),
    FieldInfo("type", "enum", None, "Company or Person"),
    FieldInfo("displayName", "text", 100),
    FieldInfo("jobTitle", "text", 30),
    FieldInfo("companyNumber", "code", 20, "number of the contact of type Company that a person belongs to"),
    FieldInfo("companyName", "text", 100),
    FieldInfo(
        "contactBusinessRelation", "enum", None, "Customer, Vendor, None, Multiple and others; computed"
    ),
    *(field for field in _ADDRESS if field.name not in ("phoneNumber", "email", "website")),
    FieldInfo("phoneNumber", "text", 30),
    FieldInfo("mobilePhoneNumber", "text", 30),
    FieldInfo("email", "text", 80, "may hold several addresses, separated by ;"),
    FieldInfo("website", "text", 255),
    FieldInfo("searchName", "code", 100, "the name in capitals unless somebody set another"),
    FieldInfo("privacyBlocked", "boolean"),
    FieldInfo("taxRegistrationNumber", "text", 50, "VAT registration number"),
    FieldInfo("lastInteractionDate", "date", None, "computed when read"),
    FieldInfo("lastModifiedDateTime", "datetime"),
)

ITEM = _by_name(
    FieldInfo("id", "guid", 36, "SystemId: stays when the item is renumbered"),
    FieldInfo("number", "code", 20),
    FieldInfo("displayName", "text", 100),
    FieldInfo("displayName2", "text", 50),
    FieldInfo("type", "enum", None, "Inventory, Service or Non-Inventory"),
    FieldInfo("itemCategoryId", "guid", 36),
    FieldInfo("itemCategoryCode", "code", 20),
    FieldInfo("blocked", "boolean"),
    FieldInfo("gtin", "code", 14),
    FieldInfo("inventory", "number", None, "computed when read; does not move lastModifiedDateTime"),
    FieldInfo("unitPrice", "number", None, "in the company's own currency"),
    FieldInfo("priceIncludesTax", "boolean"),
    FieldInfo("unitCost", "number", None, "in the company's own currency"),
    FieldInfo("taxGroupId", "guid", 36),
    FieldInfo("taxGroupCode", "code", 20, "tax group, or VAT product posting group"),
    FieldInfo("baseUnitOfMeasureId", "guid", 36),
    FieldInfo("baseUnitOfMeasureCode", "code", 10),
    FieldInfo("generalProductPostingGroupId", "guid", 36),
    FieldInfo("generalProductPostingGroupCode", "code", 20),
    FieldInfo("inventoryPostingGroupId", "guid", 36),
    FieldInfo("inventoryPostingGroupCode", "code", 20),
    FieldInfo("lastModifiedDateTime", "datetime"),
    FieldInfo("itemCategory.displayName", "text", 100),
    FieldInfo("unitOfMeasure.displayName", "text", 50),
)

_NEVER_SENT = frozenset(
    {
        "id", "balanceDue", "taxAreaDisplayName", "contactBusinessRelation", "companyName", "searchName",
        "lastInteractionDate", "inventory", "lastModifiedDateTime",
    }
)  # fmt: skip
"""Computed, or with effects that nobody means: `inventory` books stock (trap T16), `companyName` looks a company up."""


def _written(fields: Mapping[str, FieldInfo]) -> dict[str, FieldInfo]:
    return {name: field for name, field in fields.items() if "." not in name and name not in _NEVER_SENT}


WRITTEN: Mapping[str, Mapping[str, FieldInfo]] = {
    "customer": _written(CUSTOMER),
    "contact": _written(CONTACT),
    "item": _written(ITEM),
}
"""What may be sent, in page order: that is the order in which properties are applied (section 2.16)."""
