"""API v1.0 and beta as views of the same tables (differences of fact sheet 1.5); API v2.0 shows the tables themselves.

Left out: writes below the old versions, complex properties beside `address` (`baseUnitOfMeasure` of items), pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from mlconnector.systems.business_central.emulator_entities import ENTITIES
from mlconnector.systems.business_central.emulator_field import Entity, Field, Navigation
from mlconnector.systems.business_central.emulator_view import (
    Source,
    View,
    captioned,
    copied,
    make_entity,
    postal_address,
)

FinancialDetails = Literal["array", "object"]

_COMPANIES = ("id", "systemVersion", "name", "displayName", "businessProfileId")
_INFORMATION = (
    *(
        "id",
        "displayName",
        "address",
        "phoneNumber",
        "faxNumber",
        "email",
        "website",
        "taxRegistrationNumber",
    ),
    *("currencyCode", "currentFiscalYearStartDate", "industry", "lastModifiedDateTime"),
)
_CUSTOMERS = (
    *("id", "number", "displayName", "type", "address", "phoneNumber", "email", "website", "taxLiable"),
    *("taxAreaId", "taxAreaDisplayName", "taxRegistrationNumber", "currencyId", "currencyCode"),
    *("paymentTermsId", "shipmentMethodId", "paymentMethodId", "blocked"),
)
_FIGURES = ("balance", "overdueAmount", "totalSalesExcludingTax")
_VENDORS = (
    *("id", "number", "displayName", "address", "phoneNumber", "email", "website", "taxRegistrationNumber"),
    *("currencyId", "currencyCode", "irs1099Code", "paymentTermsId", "paymentMethodId", "taxLiable"),
    *("blocked", "balance", "lastModifiedDateTime"),
)
_ITEMS = (
    *("id", "number", "displayName", "type", "itemCategoryId", "itemCategoryCode", "blocked", "gtin"),
    *("inventory", "unitPrice", "priceIncludesTax", "unitCost", "taxGroupId", "taxGroupCode"),
    *("baseUnitOfMeasureId", "lastModifiedDateTime"),
)
_PLAIN = ("paymentTerms", "paymentMethods", "shipmentMethods", "currencies", "countriesRegions", "taxAreas")


@dataclass(frozen=True, eq=False, slots=True)
class Version:
    """One version of the API: its entity sets, and the views among them."""

    name: str
    entities: Mapping[str, Entity]
    views: Mapping[str, View] = field(default_factory=dict)


V2 = Version("v2.0", ENTITIES)


@cache
def api_version(name: str, details: FinancialDetails, *, old_etag: bool) -> Version:
    """`v2.0`, `v1.0` or `beta`; `details` says how v1.0 expands `customerFinancialDetails` (UNCERTAIN there)."""
    if name == "v2.0":
        return V2
    stamp = ("lastModifiedDateTime",)
    customers = (*_CUSTOMERS, *_FIGURES, *stamp) if name == "beta" else (*_CUSTOMERS, *stamp)
    views = {
        "companies": _older("companies", _COMPANIES),
        "companyInformation": _older("companyInformation", _INFORMATION),
        "customers": _older("customers", customers),
        "vendors": _older("vendors", _VENDORS),
        "items": _older("items", _ITEMS),
        **{one: _older(one, tuple(f.name for f in ENTITIES[one].fields)) for one in _PLAIN},
    }
    if name == "v1.0":
        _add_details(views, details)
    views = {one: _with(view, old_etag=old_etag) for one, view in views.items()}
    return Version(name, {one: view.entity for one, view in views.items()}, views)


def _add_details(views: dict[str, View], details: FinancialDetails) -> None:
    """The figures of a customer, behind a navigation in the plural."""
    views["customerFinancialDetails"] = _older("customerFinancialDetails", ("id", "number", *_FIGURES))
    plural = Navigation("customerFinancialDetails", "customerFinancialDetails", "id", many=details == "array")
    customers = views["customers"]
    navigation = (*customers.entity.navigation, plural)
    views["customers"] = replace(customers, entity=replace(customers.entity, navigation=navigation))


def _with(view: View, *, old_etag: bool) -> View:
    return replace(view, entity=replace(view.entity, old_etag=old_etag))


def _older(name: str, names: tuple[str, ...]) -> View:
    """A set of an old version: these fields, enums as captions, the address in one."""
    base = ENTITIES[name]
    pairs = [_shown(base, one) for one in names]
    entity = make_entity(
        name,
        base.single,
        base,
        tuple(one for one, _ in pairs),
        navigation=tuple(nav for nav in base.navigation if nav.target in _PLAIN),
    )
    return View(entity, base, tuple(source for _, source in pairs))


def _shown(base: Entity, name: str) -> tuple[Field, Source]:
    if name == "address":
        return Field("address", "complex", caption="Address", stored=False), postal_address(base.columns)
    known, column = base.by_name[name], base.columns[name]
    if known.kind == "enum":
        return replace(known, kind="caption", default=None), captioned(column)
    stored = known.stored and name not in _FIGURES
    return replace(known, stored=stored), copied(column)
