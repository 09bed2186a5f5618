"""Pages that can be published as web services: Customer Card (21) and Vendor Card (26), named as fact sheet 1.7 says.

`Region_Manager` stands for a field that somebody added; which of the others are there differs from server to server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from mlconnector.systems.business_central.emulator_entities import CUSTOMERS, VENDORS
from mlconnector.systems.business_central.emulator_field import Entity, Field
from mlconnector.systems.business_central.emulator_view import (
    Source,
    View,
    captioned,
    code_of,
    copied,
    date_modified,
    make_entity,
    own_currency,
)

NAMESPACE = "NAV"
_CODE = 10
_AMOUNTS = frozenset({"balance", "overdueAmount"})

_ADDRESS = {
    "Name": "displayName",
    "Name_2": "name2",
    "Address": "addressLine1",
    "Address_2": "addressLine2",
    "City": "city",
    "County": "state",
    "Post_Code": "postalCode",
    "Country_Region_Code": "country",
    "Phone_No": "phoneNumber",
    "MobilePhoneNo": "mobilePhoneNumber",
    "E_Mail": "email",
    "Home_Page": "website",
    "Contact": "contact",
}
CARDS: Mapping[int, tuple[Entity, Mapping[str, str]]] = {
    21: (
        CUSTOMERS,
        {
            "No": "number",
            **_ADDRESS,
            "Salesperson_Code": "salespersonCode",
            "Currency_Code": "currencyCode",
            "Language_Code": "languageCode",
            "Payment_Terms_Code": "paymentTermsId",
            "Payment_Method_Code": "paymentMethodId",
            "Shipment_Method_Code": "shipmentMethodId",
            "Credit_Limit_LCY": "creditLimit",
            "Balance_LCY": "balance",
            "Balance_Due_LCY": "overdueAmount",
            "Blocked": "blocked",
            "VAT_Registration_No": "taxRegistrationNumber",
            "Gen_Bus_Posting_Group": "generalBusinessPostingGroup",
            "Customer_Posting_Group": "customerPostingGroup",
            "Tax_Liable": "taxLiable",
            "Tax_Area_Code": "taxAreaId",
            "Last_Date_Modified": "dateModified",
            "Region_Manager": "regionManager",
        },
    ),
    26: (
        VENDORS,
        {
            "No": "number",
            **_ADDRESS,
            "Purchaser_Code": "purchaserCode",
            "Currency_Code": "currencyCode",
            "Language_Code": "languageCode",
            "Payment_Terms_Code": "paymentTermsId",
            "Payment_Method_Code": "paymentMethodId",
            "Shipment_Method_Code": "shipmentMethodCode",
            "Balance_LCY": "balance",
            "Balance_Due_LCY": "overdueAmount",
            "Blocked": "blocked",
            "VAT_Registration_No": "taxRegistrationNumber",
            "Gen_Bus_Posting_Group": "generalBusinessPostingGroup",
            "Vendor_Posting_Group": "vendorPostingGroup",
            "Tax_Liable": "taxLiable",
            "Tax_Area_Code": "taxAreaCode",
            "Last_Date_Modified": "dateModified",
            "Region_Manager": "regionManager",
        },
    ),
}
"""Page number → the table behind it, and for each property the field it shows."""


@dataclass(frozen=True, slots=True)
class Service:
    """A line of page 810, Web Services: a page under a name; `fields` as `page_fields` of the server has them."""

    name: str
    page: int
    fields: tuple[str, ...] = ()


@cache
def page_view(service: Service, *, old_etag: bool) -> View:
    """The page as it is shown; ValueError for a page or a field that there is not."""
    if service.page not in CARDS:
        raise ValueError(f"no page {service.page}; there are {', '.join(map(str, CARDS))}")
    base, card = CARDS[service.page]
    pairs = [_shown(base, one, card[one]) for one in chosen(tuple(card), service.fields)]
    fields = tuple(one for one, _ in pairs)
    look = {"key": "No", "reference": "No", "namespace": NAMESPACE, "old_etag": old_etag}
    entity = make_entity(service.name, service.name, base, fields, **look)
    return View(entity, base, tuple(source for _, source in pairs), by_number=True)


def chosen(known: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The fields named, or with `-Name` all but those; the key is always on the page."""
    for name in wanted:
        if name.removeprefix("-") not in known:
            raise ValueError(f"the page has no field {name.removeprefix('-')!r}")
    left_off = {name[1:] for name in wanted if name.startswith("-")}
    named = {name for name in wanted if not name.startswith("-")} or set(known)
    return [name for name in known if name == "No" or (name in named and name not in left_off)]


_CODES = {
    "paymentTermsId": ("paymentTerms", _CODE),
    "paymentMethodId": ("paymentMethods", _CODE),
    "shipmentMethodId": ("shipmentMethods", _CODE),
    "taxAreaId": ("taxAreas", 20),
}


def _shown(base: Entity, name: str, behind: str) -> tuple[Field, Source]:
    """The property of a page, and where its value comes from."""
    known, column = replace(base.by_name[behind], name=name), base.columns[behind]
    if behind in _CODES:
        table, length = _CODES[behind]
        return Field(name, "code", length, caption=known.caption), code_of(column, table)
    if behind == "currencyCode":
        field = Field(name, "code", _CODE, caption=known.caption)
        return field, own_currency(base.columns["currencyId"], column)
    if behind == "dateModified":
        source = date_modified(column, base.columns["lastModifiedDateTime"])
        return Field(name, "date", caption="Last Date Modified"), source
    if known.kind == "enum":
        return replace(known, kind="caption", default=None), captioned(column)
    length = 20 if name == "VAT_Registration_No" else known.length
    return replace(known, stored=behind not in _AMOUNTS, length=length), copied(column)
