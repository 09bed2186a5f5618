"""Field tables of the emulated entity sets, in page order, written from the fact sheet (sections 2.1 to 2.7).

What is computed from other rows lives elsewhere; here is only what a page shows, how long it is and who may write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from mlconnector.systems.business_central.emulator_field import (
    Access,
    Entity,
    Field,
    Kind,
    Navigation,
    encode_option,
)


def _label(name: str) -> str:
    """`lastModifiedDateTime` as a caption: Last Modified Date Time."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name[0].upper() + name[1:])


def _field(name: str, kind: Kind, length: int = 0, **more: Any) -> Field:
    more.setdefault("caption", _label(name))
    return Field(name, kind, length, **more)


def _id() -> Field:
    return _field("id", "guid", access="R")


def _modified(access: Access = "r") -> Field:
    return _field("lastModifiedDateTime", "datetime", access=access, caption="Last Modified Date")


def _option(name: str, *options: str) -> Field:
    return _field(name, "enum", options=options)


def _number() -> Field:
    return _field("number", "code", 20, caption="No.")


def _address() -> tuple[Field, ...]:
    return (
        _field("addressLine1", "text", 100, caption="Address"),
        _field("addressLine2", "text", 50, caption="Address 2"),
        _field("city", "text", 30),
        _field("state", "text", 30, caption="County"),
        _field("country", "code", 10, caption="Country/Region Code", refers="countriesRegions"),
        _field("postalCode", "code", 20, caption="Post Code"),
    )


def _reach() -> tuple[Field, ...]:
    return (
        _field("phoneNumber", "text", 30, caption="Phone No."),
        _field("email", "text", 80, caption="Email"),
        _field("website", "text", 255, caption="Home Page"),
    )


def _currency() -> tuple[Field, ...]:
    return (
        _field("currencyId", "guid", refers="currencies"),
        _field("currencyCode", "text", 10, caption="Currency Code", stored=False),
    )


def _card(group: str) -> tuple[Field, ...]:
    """What only page web services show; `dateModified` is a stamp of its own once code has changed the row."""
    return (
        _field("name2", "text", 50, caption="Name 2"),
        _field("mobilePhoneNumber", "text", 30, caption="Mobile Phone No."),
        _field("contact", "text", 100),
        _field("languageCode", "code", 10),
        _field("generalBusinessPostingGroup", "code", 20),
        _field(group, "code", 20),
        _field("regionManager", "text", 50),
        _field("dateModified", "datetime", default=AS_STAMPED),
    )


def _tax_number() -> Field:
    return _field("taxRegistrationNumber", "text", 50, caption="VAT Registration No.", stored=False)


def _entity(
    name: str, single: str, caption: str, fields: Iterable[Field], *, key: str = "code", **more: Any
) -> Entity:
    page, hidden = tuple(fields), tuple(more.get("hidden", ()))
    more.setdefault("table", name)
    by_name = {f.name: f for f in (*page, *hidden)}
    columns = {f: place for place, f in enumerate(by_name)}
    return Entity(name, single, caption, page, key, by_name=by_name, columns=columns, **more)


def _codes(name: str, single: str, caption: str, *fields: Field, **more: Any) -> Entity:
    """A small master table of section 2.7: a code, a name and little else."""
    start = (_id(), _field("code", "code", 10, caption="Code"))
    return _entity(name, single, caption, (*start, *fields, _modified()), **more)


READ_ONLY = frozenset({"GET"})
AS_STAMPED = -1
"""`dateModified` of a row that nothing but the user interface and the API has changed."""

COMPANIES = _entity(
    "companies",
    "company",
    "Company",
    (
        _id(),
        _field("systemVersion", "text", access="R", stored=False),
        _field("timestamp", "int", access="R"),
        _field("name", "text", 30, access="R"),
        _field("displayName", "text", 250, access="R"),
        _field("businessProfileId", "text", 250, access="R"),
        _field("systemCreatedAt", "datetime", access="R"),
        _field("systemCreatedBy", "guid", access="R"),
        _field("systemModifiedAt", "datetime", access="R"),
        _field("systemModifiedBy", "guid", access="R"),
    ),
    key="name",
    verbs=READ_ONLY,
    etag=False,
)

COMPANY_INFORMATION = _entity(
    "companyInformation",
    "companyInformation",
    "Company Information",
    (
        _id(),
        _field("displayName", "text", 100, caption="Name"),
        *_address(),
        _field("phoneNumber", "text", 30, caption="Phone No."),
        _field("faxNumber", "text", 30, caption="Fax No."),
        _field("email", "text", 80),
        _field("website", "text", 255, caption="Home Page"),
        _field("taxRegistrationNumber", "text", 50, stored=False),
        _field("currencyCode", "text", 10, access="R", stored=False),
        _field("currentFiscalYearStartDate", "date", access="R", stored=False),
        _field("industry", "text", 30),
        _field("experience", "text", 30, stored=False),
        _modified(),
    ),
    key="id",
    verbs=frozenset({"GET", "PATCH"}),
)

CUSTOMERS = _entity(
    "customers",
    "customer",
    "Customer",
    (
        _id(),
        _number(),
        _field("displayName", "text", 100, caption="Name"),
        _option("type", "Company", "Person"),
        *_address(),
        *_reach(),
        _field("salespersonCode", "code", 20, caption="Salesperson Code"),
        _field("balanceDue", "decimal", access="R", stored=False),
        _field("creditLimit", "decimal", caption="Credit Limit (LCY)"),
        _field("taxLiable", "bool"),
        _field("taxAreaId", "guid", refers="taxAreas"),
        _field("taxAreaDisplayName", "text", access="R", stored=False),
        _tax_number(),
        *_currency(),
        _field("paymentTermsId", "guid", refers="paymentTerms"),
        _field("shipmentMethodId", "guid", refers="shipmentMethods"),
        _field("paymentMethodId", "guid", refers="paymentMethods"),
        _option("blocked", "", "Ship", "Invoice", "All"),
        _modified(),
    ),
    key="number",
    hidden=(
        _field("balance", "decimal"),
        _field("totalSalesExcludingTax", "decimal"),
        _field("overdueAmount", "decimal"),
        *_card("customerPostingGroup"),
    ),
    navigation=(
        Navigation("currency", "currencies", "currencyId"),
        Navigation("paymentTerm", "paymentTerms", "paymentTermsId"),
        Navigation("shipmentMethod", "shipmentMethods", "shipmentMethodId"),
        Navigation("paymentMethod", "paymentMethods", "paymentMethodId"),
        Navigation("customerFinancialDetail", "customerFinancialDetails", "id"),
    ),
)


def _financial() -> Entity:
    """A second page over the customers' rows: same columns, other fields, another etag (section 2.3)."""
    fields = (
        _id(),
        _number(),
        _field("balance", "decimal", access="R", stored=False),
        _field("totalSalesExcludingTax", "decimal", access="R", stored=False),
        _field("overdueAmount", "decimal", access="R", stored=False),
        _modified("R"),
    )
    return Entity(
        "customerFinancialDetails",
        "customerFinancialDetail",
        "Customer",
        fields,
        "number",
        "customers",
        verbs=READ_ONLY,
        by_name={f.name: f for f in fields},
        columns={f.name: CUSTOMERS.columns[f.name] for f in fields},
    )


VENDORS = _entity(
    "vendors",
    "vendor",
    "Vendor",
    (
        _id(),
        _number(),
        _field("displayName", "text", 100, caption="Name"),
        *_address(),
        *_reach(),
        _tax_number(),
        *_currency(),
        _field("irs1099Code", "code", 10, stored=False),
        _field("paymentTermsId", "guid", refers="paymentTerms"),
        _field("paymentMethodId", "guid", refers="paymentMethods"),
        _field("taxLiable", "bool"),
        _option("blocked", "", "Payment", "All"),
        _field("balance", "decimal", access="r", stored=False),
        _modified(),
    ),
    key="number",
    hidden=(
        _field("overdueAmount", "decimal"),
        _field("purchaserCode", "code", 20),
        _field("shipmentMethodCode", "code", 10),
        _field("taxAreaCode", "code", 20),
        *_card("vendorPostingGroup"),
    ),
    navigation=(
        Navigation("currency", "currencies", "currencyId"),
        Navigation("paymentTerm", "paymentTerms", "paymentTermsId"),
        Navigation("paymentMethod", "paymentMethods", "paymentMethodId"),
    ),
)

ITEMS = _entity(
    "items",
    "item",
    "Item",
    (
        _id(),
        _number(),
        _field("displayName", "text", 100, caption="Description"),
        _field("displayName2", "text", 50, caption="Description 2"),
        _option("type", "Inventory", "Service", "Non-Inventory"),
        _field("itemCategoryId", "guid"),
        _field("itemCategoryCode", "code", 20),
        _field("blocked", "bool"),
        _field("gtin", "code", 14),
        _field("inventory", "decimal", stored=False),
        _field("unitPrice", "decimal"),
        _field("priceIncludesTax", "bool"),
        _field("unitCost", "decimal"),
        _field("taxGroupId", "guid"),
        _field("taxGroupCode", "code", 20),
        _field("baseUnitOfMeasureId", "guid"),
        _field("baseUnitOfMeasureCode", "code", 10),
        _field("generalProductPostingGroupId", "guid"),
        _field("generalProductPostingGroupCode", "code", 20),
        _field("inventoryPostingGroupId", "guid"),
        _field("inventoryPostingGroupCode", "code", 20),
        _modified("R"),
    ),
    key="number",
    verbs=READ_ONLY,
)

PAYMENT_TERMS = _codes(
    "paymentTerms",
    "paymentTerm",
    "Payment Terms",
    _field("displayName", "text", 100, caption="Description"),
    _field("dueDateCalculation", "code", 32),
    _field("discountDateCalculation", "code", 32),
    _field("discountPercent", "decimal"),
    _field("calculateDiscountOnCreditMemos", "bool"),
)

CURRENCIES = _codes(
    "currencies",
    "currency",
    "Currency",
    _field("displayName", "text", 30, caption="Description"),
    _field("symbol", "text", 10),
    _field("amountDecimalPlaces", "text", 5, default="2:2"),
    _field("amountRoundingPrecision", "decimal", default=Decimal("0.01")),
)

COUNTRIES_REGIONS = _codes(
    "countriesRegions",
    "countryRegion",
    "Country/Region",
    _field("displayName", "text", 50, caption="Name"),
    _field(
        "addressFormat",
        "enum",
        default=encode_option("City+Post Code"),
        options=(
            "Post Code+City",
            "City+Post Code",
            "City+County+Post Code",
            "Blank Line+Post Code+City",
            "Custom",
        ),
    ),
)

PAYMENT_METHODS = _codes(
    "paymentMethods",
    "paymentMethod",
    "Payment Method",
    _field("displayName", "text", 100, caption="Description"),
)
SHIPMENT_METHODS = _codes(
    "shipmentMethods",
    "shipmentMethod",
    "Shipment Method",
    _field("displayName", "text", 100, caption="Description"),
)
TAX_AREAS = _entity(
    "taxAreas",
    "taxArea",
    "Tax Area",
    (
        _id(),
        _field("code", "code", 20),
        _field("displayName", "text", 100),
        _field("taxType", "enum", access="R", options=("VAT", "Sales Tax")),
        _modified("R"),
    ),
    verbs=READ_ONLY,
)

ENTITIES: Mapping[str, Entity] = {
    entity.name: entity
    for entity in (
        COMPANIES,
        COMPANY_INFORMATION,
        CUSTOMERS,
        _financial(),
        VENDORS,
        ITEMS,
        PAYMENT_TERMS,
        PAYMENT_METHODS,
        SHIPMENT_METHODS,
        CURRENCIES,
        COUNTRIES_REGIONS,
        TAX_AREAS,
    )
}
