"""Field tables of contacts and of what a customer or vendor shows of them (fact sheet 2.5)."""

from __future__ import annotations

from mlconnector.systems.business_central.emulator_columns import (
    READ_ONLY,
    address_columns,
    column,
    entity_set,
    id_column,
    number_column,
    option_column,
    stamp_column,
)
from mlconnector.systems.business_central.emulator_field import Navigation

CONTACTS = entity_set(
    "contacts",
    "contact",
    "Contact",
    (
        id_column(),
        number_column(),
        option_column("type", "Company", "Person"),
        column("displayName", "text", 100, caption="Name"),
        column("jobTitle", "text", 30),
        column("companyNumber", "code", 20, caption="Company No."),
        column("companyName", "text", 100),
        column(
            "contactBusinessRelation",
            "enum",
            access="R",
            options=("", "Customer", "Vendor", "Bank Account", "Employee", "None", "Other", "Multiple"),
            default="None",
        ),
        *address_columns(),
        column("phoneNumber", "text", 30, caption="Phone No."),
        column("mobilePhoneNumber", "text", 30, caption="Mobile Phone No."),
        column("email", "text", 80, caption="Email"),
        column("website", "text", 255, caption="Home Page"),
        column("searchName", "code", 100),
        column("privacyBlocked", "bool"),
        column("taxRegistrationNumber", "text", 50, caption="VAT Registration No."),
        column("lastInteractionDate", "date", access="R", stored=False),
        stamp_column(),
    ),
    key="number",
    hidden=(column("customerId", "guid"), column("vendorId", "guid")),
)

CONTACTS_INFORMATION = entity_set(
    "contactsInformation",
    "contactInformation",
    "Contact Information Buffer",
    (
        column("contactId", "guid", access="R"),
        column("contactNumber", "code", 20, access="R"),
        column("contactName", "text", 100, access="R"),
        column("contactType", "enum", access="R", options=("Company", "Person")),
        column("relatedId", "guid", access="R"),
        column(
            "relatedType",
            "enum",
            access="R",
            options=("", "Customer", "Vendor", "Bank Account", "Employee"),
        ),
    ),
    key="contactNumber",
    navigation=(Navigation("contact", "contacts", "contactId"),),
    verbs=READ_ONLY,
    reference="contactId",
)
"""A temporary buffer: its rows are made when they are asked for."""
