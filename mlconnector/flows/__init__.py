"""The flows mlconnector knows: one module each (or one a pair of systems), one line here."""

from __future__ import annotations

from mlconnector.flows.kind import FlowKind
from mlconnector.flows.nav_mailchimp import CUSTOMERS_TO_MEMBERS, VENDORS_TO_MEMBERS
from mlconnector.flows.pipedrive_business_central import (
    CUSTOMERS_TO_ORGANIZATIONS,
    DEALS_TO_DOCUMENTS,
    ITEMS_TO_PRODUCTS,
    ORGANIZATIONS_TO_CUSTOMERS,
    PERSONS_TO_CONTACTS,
    PRODUCTS_TO_ITEMS,
)

FLOWS: dict[str, FlowKind] = {
    "customers_to_members": CUSTOMERS_TO_MEMBERS,
    "vendors_to_members": VENDORS_TO_MEMBERS,
    "organizations_to_customers": ORGANIZATIONS_TO_CUSTOMERS,
    "persons_to_contacts": PERSONS_TO_CONTACTS,
    "products_to_items": PRODUCTS_TO_ITEMS,
    "deals_to_documents": DEALS_TO_DOCUMENTS,
    "customers_to_organizations": CUSTOMERS_TO_ORGANIZATIONS,
    "items_to_products": ITEMS_TO_PRODUCTS,
}
