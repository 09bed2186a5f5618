"""Pipedrive and Business Central: accounts, people and catalogue both ways, and won deals as sales documents. Pure.

What each flow maps to begin with; how it does so is in `accounts`, `catalogue` and `deal_documents`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from mlconnector.flows.accounts import bind_contacts, bind_customers, bind_organizations
from mlconnector.flows.bodies import CONTACT, CUSTOMER, ITEM, ORGANIZATION, PRODUCT, check_shape
from mlconnector.flows.catalogue import bind_items, bind_products
from mlconnector.flows.deal_documents import NEEDED, bind_documents, bind_postings, check_header
from mlconnector.flows.kind import FlowKind, Follow
from mlconnector.flows.pair_options import (
    ContactOptions,
    CustomerOptions,
    DocumentOptions,
    ItemOptions,
    OrganizationOptions,
    ProductOptions,
    check_documents,
)
from mlconnector.mapping import CompiledMap

_SWAP = {"true": False, "false": True}
_UNITS = {"pcs": "PCS", "piece": "PCS", "box": "BOX", "set": "SET", "kg": "KG", "hour": "HOUR", "day": "DAY"}
"""Of the company that Business Central comes with; another has its own codes."""


def _as_they_are(options: Any, compiled: CompiledMap) -> Any:
    return options


def _everywhere(options: Any) -> str:
    return ""


ORGANIZATIONS_TO_CUSTOMERS = FlowKind(
    name="organizations_to_customers",
    required=("displayName",),
    summary="Pipedrive organizations become customers of Business Central.",
    source="pipedrive",
    entity="organization",
    target="business_central",
    into="customer",
    options=CustomerOptions,
    default_map={
        "displayName": "name",
        "type": {"value": "Company"},
        "addressLine1": {"from": ["address.route", "address.street_number"]},
        "addressLine2": "address.subpremise",
        "city": "address.locality",
        "state": "address.admin_area_level_1",
        "country": "address.country",
        "postalCode": "address.postal_code",
        "website": "website",
    },
    default_when={},
    optional_map={
        "number": "custom_fields.ERP number",
        "taxRegistrationNumber": "custom_fields.VAT number",
        "email": "custom_fields.E-mail",
        "phoneNumber": "custom_fields.Phone",
        "currencyCode": "custom_fields.Currency",
        "salespersonCode": {"from": "owner_id", "lookup": {"1234567": "JO"}},
    },
    notes={
        "addressLine1": "what Pipedrive knows in one line only (address.value) stands here in a new customer; one that"
        " is there keeps its address",
        "country": "a name or a code; what is none of Countries/Regions is left out",
        "number": "your own number: by it a customer is found, and a new one gets it. A custom field is named as in"
        " Pipedrive, or by its key of 40 characters, which stays when it is renamed",
        "salespersonCode": "by the id of the owner in Pipedrive",
    },
    check=partial(check_shape, CUSTOMER),
    complete=_as_they_are,
    bind=bind_customers,
    place=_everywhere,
    optional_when={"custom_fields.Customer type": {"is": "Buyer"}},
    when_note="only those that buy",
    paired=True,
)

PERSONS_TO_CONTACTS = FlowKind(
    name="persons_to_contacts",
    required=("displayName",),
    summary="Pipedrive persons become contacts of Business Central, below their organization's customer.",
    source="pipedrive",
    entity="person",
    target="business_central",
    into="contact",
    options=ContactOptions,
    default_map={
        "displayName": "name",
        "type": {"value": "Person"},
        "jobTitle": "job_title",
        "email": "primary_email",
        "phoneNumber": "primary_phone",
        "mobilePhoneNumber": "phones",
    },
    default_when={},
    optional_map={},
    notes={
        "jobTitle": "Pipedrive has it with contact sync only; otherwise name a custom field",
        "mobilePhoneNumber": "of all phones the one with the label mobile",
    },
    check=partial(check_shape, CONTACT),
    complete=_as_they_are,
    bind=bind_contacts,
    place=_everywhere,
    optional_when={"org_id": {"empty": False}},
    when_note="only those of an organization",
    after=("organizations_to_customers",),
    paired=True,
    reads={"company": frozenset({"org_id"})},
)

PRODUCTS_TO_ITEMS = FlowKind(
    name="products_to_items",
    required=("number",),
    summary="Pipedrive products become items of Business Central; the code is the item's number.",
    source="pipedrive",
    entity="product",
    target="business_central",
    into="item",
    options=ItemOptions,
    default_map={
        "number": "code",
        "displayName": "name",
        "unitPrice": "prices",
        "baseUnitOfMeasureCode": {"from": "unit", "transform": ["trim", "lower"], "lookup": _UNITS},
        "blocked": {"from": "is_linkable", "lookup": _SWAP},
    },
    default_when={},
    optional_map={
        "type": {"value": "Inventory"},
        "taxGroupCode": {"from": "tax", "lookup": {"25": "VAT25", "19": "VAT19", "0": "ZERO"}},
        "itemCategoryCode": {"from": "category", "lookup": {"Chairs": "CHAIR", "Desks": "DESK"}},
    },
    notes={
        "currency": "the local currency of the company: of a product's prices the one in it is taken",
        "number": "a product without code is left out; the number of an item that is there is never changed",
        "unitPrice": "of all prices the one in `currency`; a custom field with an amount may stand here",
        "baseUnitOfMeasureCode": "a unit that does not stand here is not sent",
        "blocked": "a product that may not be added to deals is a blocked item",
        "type": "Inventory, Service or Non-Inventory, of a new item",
        "taxGroupCode": "by percent",
    },
    check=partial(check_shape, ITEM),
    complete=_as_they_are,
    bind=bind_items,
    place=_everywhere,
    paired=True,
)

DEALS_TO_DOCUMENTS = FlowKind(
    name="deals_to_documents",
    required=NEEDED,
    summary="A won deal of Pipedrive becomes a draft order or invoice of Business Central, once and for ever.",
    source="pipedrive",
    entity="deal",
    target="business_central",
    into="document",
    options=DocumentOptions,
    default_map={
        "reference": "id",
        "date": {"from": ["local_won_date", "won_time"], "first": True, "transform": ["date"]},
        "currency": "currency",
    },
    default_when={},
    optional_map={"customerPurchaseOrderReference": "custom_fields.Their order"},
    notes={
        "reference": "with reference_prefix the document's external number, by which it is found again: never the same"
        " for two deals; 35 characters",
        "customerPurchaseOrderReference": "what the customer calls it; of invoices only",
        "date": "of the document: the day in Pipedrive's account; won_time is in UTC",
    },
    check=check_header,
    complete=_as_they_are,
    bind=bind_documents,
    place=lambda options: options.reference_prefix.strip().upper(),
    check_options=check_documents,
    optional_when={"pipeline_id": {"in": [1, 2]}},
    when_note="only the deals of these pipelines",
    after=(
        "organizations_to_customers",
        "persons_to_contacts",
        "products_to_items",
        "customers_to_organizations",
        "items_to_products",
    ),
    parting=True,
    reads={
        "customer": frozenset({"org_id"}),
        "lines": frozenset({"status", "products", "title"}),
        "discount": frozenset({"discounts"}),
        "total": frozenset({"value"}),
    },
    then=Follow(name="post", into="posting", bind=bind_postings),
)

CUSTOMERS_TO_ORGANIZATIONS = FlowKind(
    name="customers_to_organizations",
    required=("name",),
    summary="Business Central customers go back to their Pipedrive organizations.",
    source="business_central",
    entity="customer",
    target="pipedrive",
    into="organization",
    options=OrganizationOptions,
    default_map={
        "name": "displayName",
        "address.route": "addressLine1",
        "address.street_number": {"from": "addressLine1", "lookup": {}},
        "address.subpremise": "addressLine2",
        "address.locality": "city",
        "address.admin_area_level_1": "state",
        "address.postal_code": "postalCode",
        "address.country": "country",
    },
    default_when={},
    optional_map={
        "custom_fields.ERP number": "number",
        "custom_fields.VAT number": "taxRegistrationNumber",
        "custom_fields.Currency": "currencyCode",
        "custom_fields.Balance": {"from": "balanceDue", "transform": ["round2"]},
        "website": "website",
    },
    notes={
        "address.route": "only what was changed there is written; address.value is put together anew then",
        "address.street_number": "empty: the number stands in route with the street, as in addressLine1",
        "custom_fields.ERP number": "a custom field that holds the number is what `match: number` goes by",
        "custom_fields.Balance": "does not mark its customer as changed: run sync --full now and then",
        "website": "where the account has this field",
    },
    check=partial(check_shape, ORGANIZATION),
    complete=_as_they_are,
    bind=bind_organizations,
    place=_everywhere,
    optional_when={"blocked": {"is": " "}},
    when_note="only those that are not blocked",
    after=("organizations_to_customers",),
    paired=True,
)

ITEMS_TO_PRODUCTS = FlowKind(
    name="items_to_products",
    required=("name",),
    summary="Business Central items go back to their Pipedrive products.",
    source="business_central",
    entity="item",
    target="pipedrive",
    into="product",
    options=ProductOptions,
    default_map={
        "name": "displayName",
        "code": "number",
        "unit": {"from": "baseUnitOfMeasureCode", "transform": ["lower"]},
        "prices": "unitPrice",
        "is_linkable": {"from": "blocked", "lookup": _SWAP},
    },
    default_when={},
    optional_map={
        "tax": {"from": "taxGroupCode", "lookup": {"VAT25": 25, "VAT19": 19, "ZERO": 0}},
        "description": "displayName2",
    },
    notes={
        "currency": "the local currency of the company, in which its items have their prices",
        "prices": "the price in `currency`; those in other currencies stay",
        "is_linkable": "a blocked item may not be added to deals",
        "tax": "in percent",
    },
    check=partial(check_shape, PRODUCT),
    complete=_as_they_are,
    bind=bind_products,
    place=_everywhere,
    optional_when={"type": {"is": "Inventory"}},
    when_note="only what is kept in stock",
    after=("products_to_items",),
    paired=True,
)
