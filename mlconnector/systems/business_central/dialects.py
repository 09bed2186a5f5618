"""How each interface of a server spells its records (fact sheet 1.5, 1.7): API v2.0, v1.0, beta, OData pages.

Everywhere else a record is spelled as in API v2.0, so that one mapping serves all servers; a field that an interface
does not have has no name there. Pages are published by the operator: their own fields may be mapped under their own
names (`Gen_Bus_Posting_Group`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mlconnector.model import FieldInfo
from mlconnector.systems.business_central import Settings
from mlconnector.systems.business_central.fields import CONTACT, CUSTOMER, ITEM, VENDOR

Record = Mapping[str, Any]
BLANK_DATE = "0001-01-01"
LONGEST_KEY = 20
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
OWN_NAME = re.compile(r"[A-Z][A-Za-z0-9_]{0,99}")
"""A field of a page, spelled as OData spells it: none of the names of API v2.0 begins with a capital."""


class Spelling(NamedTuple):
    """Where an interface keeps a field (`address.city`), and how it is read from a record."""

    path: str
    read: Callable[[Record], Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One interface. `key`, `number`, `email` and `modified` are its names for these; `sets` its names of entities.

    `spellings` are the fields (in our spelling) that it keeps elsewhere. `complex_` are its fields that are objects
    and no navigations. `pages` says that records have text keys and days in place of moments.
    """

    name: str
    path: str
    sets: Mapping[str, str]
    fields: Mapping[str, Mapping[str, FieldInfo]]
    spellings: Mapping[str, Spelling] = field(default_factory=dict)
    key: str = "id"
    number: str = "number"
    email: str = "email"
    modified: str = "lastModifiedDateTime"
    complex_: frozenset[str] = frozenset()
    pages: bool = False

    def literal(self, id: str) -> str:
        """A record's key as it stands in a filter and in an address."""
        return quoted(id) if self.pages else id

    def is_key(self, text: str) -> bool:
        """Whether it can be a record's key here."""
        return 0 < len(text) <= LONGEST_KEY if self.pages else is_guid(text)

    def theirs(self, path: str) -> str:
        """Where the interface keeps a field."""
        found = self.spellings.get(path)
        return found.path if found else path

    def navigations(self, entity: str) -> list[str]:
        """Everything that `$expand` may name for an entity."""
        paths = [self.theirs(name) for name in self.fields[entity] if "." in name]
        found = {path.partition(".")[0] for path in paths if "." in path}
        return sorted(found - self.complex_)

    def select(self, paths: Collection[str]) -> dict[str, str]:
        """`$select` and `$expand` for these fields and what is always needed; equal fields ask alike."""
        always = dict.fromkeys((self.key, self.number, self.modified))
        wanted = {self.theirs(path) for path in paths}
        behind = {path for path in wanted if "." in path and path.partition(".")[0] not in self.complex_}
        plain = {path.partition(".")[0] for path in wanted - behind}
        options = {"$select": ",".join((*always, *sorted(plain.difference(always))))}
        if behind:
            options["$expand"] = ",".join(
                f"{name}($select={','.join(inner)})" for name, inner in _grouped(behind)
            )
        return options

    def record(self, raw: dict[str, Any]) -> dict[str, Any]:
        """A record in our spelling."""
        if not self.spellings:
            return raw
        if self.pages:
            raw = {name: value for name, value in raw.items() if value != BLANK_DATE}
        for ours, spelling in self.spellings.items():
            value = spelling.read(raw)
            if value is not None:
                outer, dot, inner = ours.partition(".")
                if dot:
                    raw.setdefault(outer, {})[inner] = value
                else:
                    raw[ours] = value
        return raw


def _grouped(paths: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    for name in sorted({path.partition(".")[0] for path in paths}):
        yield name, sorted(path.partition(".")[2] for path in paths if path.startswith(f"{name}."))


def is_guid(text: str) -> bool:
    """Whether it looks like an id of Business Central."""
    return _GUID.fullmatch(text) is not None


def quoted(text: str) -> str:
    """A text in an OData filter or key."""
    return "'" + text.replace("'", "''") + "'"


class PageFields(Mapping[str, FieldInfo]):
    """Those whose meaning is known, under our names; and any other that a page may have, under its own."""

    def __init__(self, known: Mapping[str, FieldInfo]) -> None:
        self._known = known

    def __getitem__(self, name: str) -> FieldInfo:
        if name in self._known:
            return self._known[name]
        if OWN_NAME.fullmatch(name):
            return FieldInfo(name, "text", None, "as the page has it")
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


# API v1.0 and beta

_SETS = {"customer": "customers", "vendor": "vendors"}
_NOT_IN_V1 = ("salespersonCode", "creditLimit", "balanceDue", "irs1099Code")


def _plain(path: str) -> Spelling:
    return Spelling(path, lambda record: record.get(path))


def _inside(path: str) -> Spelling:
    """A part of an object; of a navigation that comes as a list, of its first record."""
    outer, _, inner = path.partition(".")

    def read(record: Record) -> Any:
        found = record.get(outer)
        if isinstance(found, list):
            found = found[0] if found else None
        return found.get(inner) if isinstance(found, dict) else None

    return Spelling(path, read)


def _street(line: int) -> Spelling:
    """`street` holds both lines of an address."""
    whole = _inside("address.street")

    def read(record: Record) -> Any:
        lines = str(whole.read(record) or "").splitlines()
        return " ".join(lines[1:]) if line else (lines or [""])[0]

    return Spelling(whole.path, read)


_COMPLEX_ADDRESS = {
    "addressLine1": _street(0),
    "addressLine2": _street(1),
    "city": _inside("address.city"),
    "state": _inside("address.state"),
    "country": _inside("address.countryLetterCode"),
    "postalCode": _inside("address.postalCode"),
}
_FIGURES = ("balance", "totalSalesExcludingTax", "overdueAmount")
_V1_FIELDS = {
    "customer": {name: info for name, info in CUSTOMER.items() if name not in _NOT_IN_V1},
    "vendor": {name: info for name, info in VENDOR.items() if name not in _NOT_IN_V1},
}


def _old_api(name: str, figures: Callable[[str], Spelling]) -> Dialect:
    return Dialect(
        name=f"API {name}",
        path=f"/api/{name}",
        sets=_SETS,
        fields=_V1_FIELDS,
        spellings={
            **_COMPLEX_ADDRESS,
            **{f"customerFinancialDetail.{one}": figures(one) for one in _FIGURES},
        },
        complex_=frozenset({"address"}),
    )


# pages

_CARD = {
    "number": "No",
    "displayName": "Name",
    "addressLine1": "Address",
    "addressLine2": "Address_2",
    "city": "City",
    "state": "County",
    "country": "Country_Region_Code",
    "postalCode": "Post_Code",
    "phoneNumber": "Phone_No",
    "email": "E_Mail",
    "website": "Home_Page",
    "taxRegistrationNumber": "VAT_Registration_No",
    "currencyCode": "Currency_Code",
    "currency.code": "Currency_Code",
    "taxLiable": "Tax_Liable",
    "blocked": "Blocked",
    "paymentTerm.code": "Payment_Terms_Code",
    "paymentMethod.code": "Payment_Method_Code",
    "shipmentMethod.code": "Shipment_Method_Code",
    "lastModifiedDateTime": "Last_Date_Modified",
}
_CUSTOMER_CARD = {
    **_CARD,
    "salespersonCode": "Salesperson_Code",
    "creditLimit": "Credit_Limit_LCY",
    "balanceDue": "Balance_Due_LCY",
    "customerFinancialDetail.balance": "Balance_LCY",
    "customerFinancialDetail.overdueAmount": "Balance_Due_LCY",
}
_VENDOR_CARD = {**_CARD, "balance": "Balance_LCY"}


def _page_fields(card: Mapping[str, str], fields: Mapping[str, FieldInfo]) -> PageFields:
    return PageFields({name: info for name, info in fields.items() if name in card})


def _pages(services: Mapping[str, str]) -> Dialect:
    return Dialect(
        name="OData V4",
        path="/ODataV4",
        sets=services,
        fields={
            "customer": _page_fields(_CUSTOMER_CARD, CUSTOMER),
            "vendor": _page_fields(_VENDOR_CARD, VENDOR),
        },
        spellings={ours: _page_value(theirs) for ours, theirs in (_CUSTOMER_CARD | _VENDOR_CARD).items()},
        key="No",
        number="No",
        email="E_Mail",
        modified="Last_Date_Modified",
        pages=True,
    )


def _page_value(name: str) -> Spelling:
    return Spelling(name, lambda record: record.get(name))


V2 = Dialect(
    name="API v2.0",
    path="/api/v2.0",
    sets={**_SETS, "contact": "contacts", "item": "items"},
    fields={"customer": CUSTOMER, "vendor": VENDOR, "contact": CONTACT, "item": ITEM},
)
_OLD = {
    "v1.0": _old_api("v1.0", lambda name: _inside(f"customerFinancialDetails.{name}")),
    "beta": _old_api("beta", _plain),
}


def dialect_of(settings: Settings) -> Dialect:
    """The interface that the connection file names (`api:`)."""
    if settings.api == "odata":
        return _pages({**PAGE_SERVICES, **{str(entity): name for entity, name in settings.services.items()}})
    return _OLD.get(settings.api, V2)


PAGE_SERVICES: Mapping[str, str] = {"customer": "Customer", "vendor": "Vendor"}
"""What pages 21 and 26 are usually published as."""
