"""Field tables of companies, customers and vendors, in page order (fact sheet 2.1 to 2.4), and the list of all sets.

What is computed from other rows lives elsewhere; here is only what a page shows, how long it is and who may write it.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlconnector.systems.business_central.emulator_columns import (
    READ_ONLY,
    address_columns,
    card_columns,
    column,
    currency_columns,
    entity_set,
    id_column,
    number_column,
    option_column,
    reach_columns,
    stamp_column,
    tax_number_column,
)
from mlconnector.systems.business_central.emulator_crm import CONTACTS, CONTACTS_INFORMATION
from mlconnector.systems.business_central.emulator_field import Entity, Navigation
from mlconnector.systems.business_central.emulator_goods import ITEM_VARIANTS, ITEMS
from mlconnector.systems.business_central.emulator_masters import (
    ACCOUNTS,
    COUNTRIES_REGIONS,
    CURRENCIES,
    DEFAULT_DIMENSIONS,
    DEFAULT_DIMENSIONS_OF,
    DIMENSION_VALUES,
    DIMENSIONS,
    EXCHANGE_RATES,
    GENERAL_GROUPS,
    INVENTORY_GROUPS,
    ITEM_CATEGORIES,
    LOCATIONS,
    PAYMENT_METHODS,
    PAYMENT_TERMS,
    SHIPMENT_METHODS,
    TAX_AREAS,
    TAX_GROUPS,
    UNITS_OF_MEASURE,
)
from mlconnector.systems.business_central.emulator_sales import (
    SALES_INVOICE_LINES,
    SALES_INVOICES,
    SALES_ORDER_LINES,
    SALES_ORDERS,
)

COMPANIES = entity_set(
    "companies",
    "company",
    "Company",
    (
        id_column(),
        column("systemVersion", "text", access="R", stored=False),
        column("timestamp", "int", access="R"),
        column("name", "text", 30, access="R"),
        column("displayName", "text", 250, access="R"),
        column("businessProfileId", "text", 250, access="R"),
        column("systemCreatedAt", "datetime", access="R"),
        column("systemCreatedBy", "guid", access="R"),
        column("systemModifiedAt", "datetime", access="R"),
        column("systemModifiedBy", "guid", access="R"),
    ),
    key="name",
    verbs=READ_ONLY,
    etag=False,
)

COMPANY_INFORMATION = entity_set(
    "companyInformation",
    "companyInformation",
    "Company Information",
    (
        id_column(),
        column("displayName", "text", 100, caption="Name"),
        *address_columns(),
        column("phoneNumber", "text", 30, caption="Phone No."),
        column("faxNumber", "text", 30, caption="Fax No."),
        column("email", "text", 80),
        column("website", "text", 255, caption="Home Page"),
        column("taxRegistrationNumber", "text", 50, stored=False),
        column("currencyCode", "text", 10, access="R", stored=False),
        column("currentFiscalYearStartDate", "date", access="R", stored=False),
        column("industry", "text", 30),
        column("experience", "text", 30, stored=False),
        stamp_column(),
    ),
    key="id",
    verbs=frozenset({"GET", "PATCH"}),
)

CUSTOMERS = entity_set(
    "customers",
    "customer",
    "Customer",
    (
        id_column(),
        number_column(),
        column("displayName", "text", 100, caption="Name"),
        option_column("type", "Company", "Person"),
        *address_columns(),
        *reach_columns(),
        column("salespersonCode", "code", 20, caption="Salesperson Code"),
        column("balanceDue", "decimal", access="R", stored=False),
        column("creditLimit", "decimal", caption="Credit Limit (LCY)"),
        column("taxLiable", "bool"),
        column("taxAreaId", "guid", refers="taxAreas"),
        column("taxAreaDisplayName", "text", access="R", stored=False),
        tax_number_column(),
        *currency_columns(),
        column("paymentTermsId", "guid", refers="paymentTerms"),
        column("shipmentMethodId", "guid", refers="shipmentMethods"),
        column("paymentMethodId", "guid", refers="paymentMethods"),
        option_column("blocked", "", "Ship", "Invoice", "All"),
        stamp_column(),
    ),
    key="number",
    hidden=(
        column("balance", "decimal"),
        column("totalSalesExcludingTax", "decimal"),
        column("overdueAmount", "decimal"),
        *card_columns("customerPostingGroup"),
        column("contactId", "guid"),
    ),
    navigation=(
        Navigation("currency", "currencies", "currencyId"),
        Navigation("paymentTerm", "paymentTerms", "paymentTermsId"),
        Navigation("shipmentMethod", "shipmentMethods", "shipmentMethodId"),
        Navigation("paymentMethod", "paymentMethods", "paymentMethodId"),
        Navigation("customerFinancialDetail", "customerFinancialDetails", "id"),
        Navigation("contactsInformation", "contactsInformation", "id", many=True),
        DEFAULT_DIMENSIONS_OF,
    ),
)


def _financial() -> Entity:
    """A second page over the customers' rows: same columns, other fields, another etag (section 2.3)."""
    fields = (
        id_column(),
        number_column(),
        column("balance", "decimal", access="R", stored=False),
        column("totalSalesExcludingTax", "decimal", access="R", stored=False),
        column("overdueAmount", "decimal", access="R", stored=False),
        stamp_column("R"),
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


VENDORS = entity_set(
    "vendors",
    "vendor",
    "Vendor",
    (
        id_column(),
        number_column(),
        column("displayName", "text", 100, caption="Name"),
        *address_columns(),
        *reach_columns(),
        tax_number_column(),
        *currency_columns(),
        column("irs1099Code", "code", 10, stored=False),
        column("paymentTermsId", "guid", refers="paymentTerms"),
        column("paymentMethodId", "guid", refers="paymentMethods"),
        column("taxLiable", "bool"),
        option_column("blocked", "", "Payment", "All"),
        column("balance", "decimal", access="r", stored=False),
        stamp_column(),
    ),
    key="number",
    hidden=(
        column("overdueAmount", "decimal"),
        column("purchaserCode", "code", 20),
        column("shipmentMethodCode", "code", 10),
        column("taxAreaCode", "code", 20),
        *card_columns("vendorPostingGroup"),
        column("contactId", "guid"),
    ),
    navigation=(
        Navigation("currency", "currencies", "currencyId"),
        Navigation("paymentTerm", "paymentTerms", "paymentTermsId"),
        Navigation("paymentMethod", "paymentMethods", "paymentMethodId"),
        Navigation("contactsInformation", "contactsInformation", "id", many=True),
        DEFAULT_DIMENSIONS_OF,
    ),
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
        CONTACTS,
        CONTACTS_INFORMATION,
        SALES_ORDERS,
        SALES_ORDER_LINES,
        SALES_INVOICES,
        SALES_INVOICE_LINES,
        ITEM_VARIANTS,
        ITEM_CATEGORIES,
        UNITS_OF_MEASURE,
        TAX_GROUPS,
        GENERAL_GROUPS,
        INVENTORY_GROUPS,
        LOCATIONS,
        ACCOUNTS,
        EXCHANGE_RATES,
        DIMENSIONS,
        DIMENSION_VALUES,
        DEFAULT_DIMENSIONS,
    )
}
