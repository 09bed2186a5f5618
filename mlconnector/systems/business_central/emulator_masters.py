"""Field tables of the small master tables, in page order (fact sheet 2.7, 2.15)."""

from __future__ import annotations

from decimal import Decimal

from mlconnector.systems.business_central.emulator_columns import (
    READ_ONLY,
    address_columns,
    code_table,
    column,
    entity_set,
    id_column,
    number_column,
    option_column,
    reach_columns,
    stamp_column,
)
from mlconnector.systems.business_central.emulator_field import Navigation, encode_option

PAYMENT_TERMS = code_table(
    "paymentTerms",
    "paymentTerm",
    "Payment Terms",
    column("displayName", "text", 100, caption="Description"),
    column("dueDateCalculation", "code", 32),
    column("discountDateCalculation", "code", 32),
    column("discountPercent", "decimal"),
    column("calculateDiscountOnCreditMemos", "bool"),
)

CURRENCIES = code_table(
    "currencies",
    "currency",
    "Currency",
    column("displayName", "text", 30, caption="Description"),
    column("symbol", "text", 10),
    column("amountDecimalPlaces", "text", 5, default="2:2"),
    column("amountRoundingPrecision", "decimal", default=Decimal("0.01")),
)

COUNTRIES_REGIONS = code_table(
    "countriesRegions",
    "countryRegion",
    "Country/Region",
    column("displayName", "text", 50, caption="Name"),
    column(
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

PAYMENT_METHODS = code_table(
    "paymentMethods",
    "paymentMethod",
    "Payment Method",
    column("displayName", "text", 100, caption="Description"),
)
SHIPMENT_METHODS = code_table(
    "shipmentMethods",
    "shipmentMethod",
    "Shipment Method",
    column("displayName", "text", 100, caption="Description"),
)
TAX_AREAS = entity_set(
    "taxAreas",
    "taxArea",
    "Tax Area",
    (
        id_column(),
        column("code", "code", 20),
        column("displayName", "text", 100),
        column("taxType", "enum", access="R", options=("VAT", "Sales Tax")),
        stamp_column("R"),
    ),
    verbs=READ_ONLY,
)

ITEM_CATEGORIES = code_table(
    "itemCategories",
    "itemCategory",
    "Item Category",
    column("displayName", "text", 100, caption="Description"),
    length=20,
)
UNITS_OF_MEASURE = code_table(
    "unitsOfMeasure",
    "unitOfMeasure",
    "Unit of Measure",
    column("displayName", "text", 50, caption="Description"),
    column("internationalStandardCode", "code", 10),
    column("symbol", "text", 10),
)
TAX_GROUPS = entity_set(
    "taxGroups",
    "taxGroup",
    "Tax Group",
    (
        id_column(),
        column("code", "code", 20),
        column("displayName", "text", 100, caption="Description"),
        column("taxType", "enum", access="R", options=("VAT", "Sales Tax")),
        stamp_column("R"),
    ),
    hidden=(column("percent", "decimal"),),
)
GENERAL_GROUPS = code_table(
    "generalProductPostingGroups",
    "generalProductPostingGroup",
    "Gen. Product Posting Group",
    column("description", "text", 100),
    length=20,
)
INVENTORY_GROUPS = code_table(
    "inventoryPostingGroups",
    "inventoryPostingGroup",
    "Inventory Posting Group",
    column("description", "text", 100),
    length=20,
)
LOCATIONS = code_table(
    "locations",
    "location",
    "Location",
    column("displayName", "text", 100, caption="Name"),
    column("contact", "text", 100),
    *address_columns(),
    *reach_columns(),
)
ACCOUNTS = entity_set(
    "accounts",
    "account",
    "G/L Account",
    (
        id_column(),
        number_column(),
        column("displayName", "text", 100, caption="Name"),
        column("blocked", "bool"),
        stamp_column("R"),
    ),
    key="number",
    verbs=READ_ONLY,
)
EXCHANGE_RATES = entity_set(
    "currencyExchangeRates",
    "currencyExchangeRate",
    "Currency Exchange Rate",
    (
        id_column(),
        column("currencyCode", "code", 10),
        column("startingDate", "date"),
        column("exchangeRateAmount", "decimal"),
        column("relationalCurrencyCode", "code", 10),
        column("relationalExchangeRateAmount", "decimal"),
        stamp_column("R"),
    ),
    key="place",
    hidden=(column("place", "text"),),
    verbs=READ_ONLY,
)

DIMENSIONS = code_table(
    "dimensions",
    "dimension",
    "Dimension",
    column("displayName", "text", 30, caption="Name"),
    column("consolidationCode", "code", 20),
    length=20,
    navigation=(Navigation("dimensionValues", "dimensionValues", "dimensionId", many=True),),
    verbs=READ_ONLY,
)
DIMENSION_VALUES = entity_set(
    "dimensionValues",
    "dimensionValue",
    "Dimension Value",
    (
        id_column(),
        column("code", "code", 20),
        column("dimensionId", "guid"),
        column("displayName", "text", 50),
        column("consolidationCode", "code", 20),
        stamp_column("R"),
    ),
    key="place",
    hidden=(column("place", "text"),),
    verbs=READ_ONLY,
)
DEFAULT_DIMENSIONS = entity_set(
    "defaultDimensions",
    "defaultDimension",
    "Default Dimension",
    (
        id_column(),
        option_column("parentType", "", "Customer", "Item", "Vendor", "Employee"),
        column("parentId", "guid"),
        column("dimensionId", "guid", refers="dimensions"),
        column("dimensionCode", "code", 20, access="R"),
        column("dimensionValueId", "guid", refers="dimensionValues"),
        column("dimensionValueCode", "code", 20, access="R"),
        option_column("postingValidation", "", "Code Mandatory", "Same Code", "No Code"),
        stamp_column("R"),
    ),
    key="place",
    hidden=(column("place", "text"),),
)
DEFAULT_DIMENSIONS_OF = Navigation("defaultDimensions", "defaultDimensions", "parentId", many=True)
