"""Short ways to write a field table: the columns that many pages share (fact sheet 2.0, 2.2, 2.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mlconnector.systems.business_central.emulator_field import Access, Entity, Field, Kind


def label(name: str) -> str:
    """`lastModifiedDateTime` as a caption: Last Modified Date Time."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name[0].upper() + name[1:])


def column(name: str, kind: Kind, length: int = 0, **more: Any) -> Field:
    """A field; its caption is its name in words unless another one is given."""
    more.setdefault("caption", label(name))
    return Field(name, kind, length, **more)


def id_column() -> Field:
    """The SystemId."""
    return column("id", "guid", access="R")


def stamp_column(access: Access = "r") -> Field:
    """`lastModifiedDateTime`; `access` says what becomes of one that is sent."""
    return column("lastModifiedDateTime", "datetime", access=access, caption="Last Modified Date")


def option_column(name: str, *options: str) -> Field:
    """An enum with these values; the first one is the blank."""
    return column(name, "enum", options=options)


def number_column() -> Field:
    """The number a record is known by."""
    return column("number", "code", 20, caption="No.")


def address_columns() -> tuple[Field, ...]:
    """Street to post code."""
    return (
        column("addressLine1", "text", 100, caption="Address"),
        column("addressLine2", "text", 50, caption="Address 2"),
        column("city", "text", 30),
        column("state", "text", 30, caption="County"),
        column("country", "code", 10, caption="Country/Region Code", refers="countriesRegions"),
        column("postalCode", "code", 20, caption="Post Code"),
    )


def reach_columns() -> tuple[Field, ...]:
    """Telephone, e-mail, home page."""
    return (
        column("phoneNumber", "text", 30, caption="Phone No."),
        column("email", "text", 80, caption="Email"),
        column("website", "text", 255, caption="Home Page"),
    )


def currency_columns() -> tuple[Field, ...]:
    """Id and code of a currency; the code is a page variable (section 2.17)."""
    return (
        column("currencyId", "guid", refers="currencies"),
        column("currencyCode", "text", 10, caption="Currency Code", stored=False),
    )


def card_columns(group: str) -> tuple[Field, ...]:
    """What only page web services show; `dateModified` is a stamp of its own once code has changed the row."""
    return (
        column("name2", "text", 50, caption="Name 2"),
        column("mobilePhoneNumber", "text", 30, caption="Mobile Phone No."),
        column("contact", "text", 100),
        column("languageCode", "code", 10),
        column("generalBusinessPostingGroup", "code", 20),
        column(group, "code", 20),
        column("regionManager", "text", 50),
        column("dateModified", "datetime", default=AS_STAMPED),
    )


def tax_number_column() -> Field:
    """The VAT registration number, a page variable."""
    return column("taxRegistrationNumber", "text", 50, caption="VAT Registration No.", stored=False)


def entity_set(
    name: str, single: str, caption: str, fields: Iterable[Field], *, key: str = "code", **more: Any
) -> Entity:
    """An entity set with the columns of its table: the page's fields, then the hidden ones."""
    page, hidden = tuple(fields), tuple(more.get("hidden", ()))
    more.setdefault("table", name)
    by_name = {f.name: f for f in (*page, *hidden)}
    columns = {f: place for place, f in enumerate(by_name)}
    return Entity(name, single, caption, page, key, by_name=by_name, columns=columns, **more)


def code_table(name: str, single: str, caption: str, *fields: Field, length: int = 10, **more: Any) -> Entity:
    """A small master table of section 2.7: a code, a name and little else."""
    start = (id_column(), column("code", "code", length, caption="Code"))
    return entity_set(name, single, caption, (*start, *fields, stamp_column()), **more)


READ_ONLY = frozenset({"GET"})
AS_STAMPED = -1
"""`dateModified` of a row that nothing but the user interface and the API has changed."""
