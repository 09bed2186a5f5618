"""Seed data around sales: units, tax groups, rates, more items, contacts, documents that people entered by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from mlconnector.systems.business_central.emulator_changes import create
from mlconnector.systems.business_central.emulator_company import POSTED, SERIES, STAMP, Company, Moment
from mlconnector.systems.business_central.emulator_contacts import PUSHED, RELATIONS
from mlconnector.systems.business_central.emulator_crm import CONTACTS
from mlconnector.systems.business_central.emulator_field import Entity, encode_option
from mlconnector.systems.business_central.emulator_goods import ITEMS
from mlconnector.systems.business_central.emulator_posting import keep_posted
from mlconnector.systems.business_central.emulator_rows import SECOND, Row, round_stamp, sql_stamp
from mlconnector.systems.business_central.emulator_sales import LINES, SALES_INVOICES, SALES_ORDERS

DAY = 86_400 * SECOND
Record = Mapping[str, Any]

_UNITS = {"PCS": ("Piece", "EA"), "BOX": ("Box", "BX"), "HOUR": ("Hour", "HUR"), "SET": ("Set", "SET")}
_TAX_GROUPS = {"STANDARD": ("Standard rate", 19), "REDUCED": ("Reduced rate", 7), "ZERO": ("No VAT", 0)}
_CATEGORIES = {"CHAIR": "Office Chair", "DESK": "Office Desk", "SUPPLIERS": "Office Supplies"}
_ACCOUNTS = {"6110": "Sales, Retail - Domestic", "6810": "Fees and Charges", "6910": "Invoice Rounding"}
_DIMENSIONS = {"AREA": ("NORTH", "SOUTH"), "CUSTOMERGROUP": ("LARGE", "MEDIUM", "SMALL")}
_EUROS: Mapping[str, int | str] = {
    "EUR": 100,
    "CHF": 104,
    "DKK": "13.4",
    "GBP": 117,
    "NOK": "8.6",
    "SEK": "8.8",
    "USD": 92,
}
"""What a hundred of each are worth in euro."""


def sales_tables(lcy: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of the small tables that items and documents refer to."""
    named = {"itemCategories": _CATEGORIES, "locations": {"MAIN": "Main Warehouse"}}
    described = {"generalProductPostingGroups": {"RETAIL": "Retail", "SERVICES": "Services"}}
    described["inventoryPostingGroups"] = {"RESALE": "Resale items", "FINISHED": "Finished items"}
    return {
        **{name: _coded(codes, "displayName") for name, codes in named.items()},
        **{name: _coded(codes, "description") for name, codes in described.items()},
        "unitsOfMeasure": [
            {"code": code, "displayName": name, "internationalStandardCode": standard}
            for code, (name, standard) in _UNITS.items()
        ],
        "taxGroups": [
            {"code": code, "displayName": name, "percent": percent}
            for code, (name, percent) in _TAX_GROUPS.items()
        ],
        "dimensions": [{"code": code, "displayName": code.title()} for code in _DIMENSIONS],
        "accounts": [{"number": number, "displayName": name} for number, name in _ACCOUNTS.items()],
        "currencyExchangeRates": [_rate(code, lcy) for code in _EUROS if code != lcy],
    }


def _coded(names: Mapping[str, str], title: str) -> list[dict[str, Any]]:
    return [{"code": code, title: name} for code, name in names.items()]


def _rate(code: str, lcy: str) -> dict[str, Any]:
    worth = Decimal(_EUROS[code]) / Decimal(_EUROS.get(lcy, 100)) * 100
    day = "2020-01-01"
    return {
        "currencyCode": code,
        "startingDate": day,
        "exchangeRateAmount": 100,
        "relationalExchangeRateAmount": round(worth, 4),
        "place": f"{code}/{day}",
    }


def fill_dimensions(company: Company, stamp: int) -> None:
    """The values of each dimension."""
    table, rows = company.tables["dimensionValues"], []
    for dimension in company.tables["dimensions"].rows:
        for code in _DIMENSIONS[dimension.key]:
            draft = company.draft(table.entity)
            draft["code"], draft["displayName"], draft["dimensionId"] = code, code.title(), dimension.id
            draft["place"], draft[STAMP] = f"{dimension.id}/{code}", stamp
            rows.append(table.make(draft.values))
    table.load(rows)


# items

_GOODS = ("Desk Lamp", "Drawer Unit", "Shelf", "Conference Table", "Stool", "Pin Board", "Coat Rack")


def more_items(company: Company, count: int, stamp: int) -> Iterator[Row]:
    """Ordinary items, numbered from 1000, made quickly."""
    table, columns = company.table(ITEMS), ITEMS.columns
    draft = company.draft(ITEMS)
    company.fill_template(draft)
    for n in range(count):
        values = draft.values.copy()
        values[0] = table.new_id()
        price = Decimal(500 + n * 7919 % 99_500) / 100
        for name, value in (
            ("number", str(1000 + n)),
            ("displayName", f"{_GOODS[n % len(_GOODS)]} {n}"),
            ("unitPrice", price),
            ("unitCost", round(price * Decimal("0.6"), 2)),
            (STAMP, round_stamp(stamp - (n % 700 + 1) * DAY)),
        ):
            values[columns[name]] = value
        yield table.make(values)


# contacts

_PERSONS: tuple[Record, ...] = (
    {
        "of": "10000",
        "displayName": "Robert Townes",
        "email": "robert.townes@contoso.com",
        "jobTitle": "Buyer",
    },
    {"of": "10000", "displayName": "Karin Fleischer", "email": "karin.fleischer@adatum.com"},
    {
        "of": "20000",
        "displayName": "Helen Ray",
        "email": "helen.ray@contoso.com",
        "phoneNumber": "+44 1632 960001",
    },
    {"of": "30000", "displayName": "Meagan Bond", "email": "meagan.bond@contoso.com", "jobTitle": "Curator"},
    {"of": "40000", "displayName": "Ian Deberry", "email": "ian.deberry@contoso.com"},
    {"of": "50000", "displayName": "Jesse Homer", "email": "", "mobilePhoneNumber": "+49 151 5550123"},
    {"of": "", "displayName": "Anna Nordin", "email": "anna.nordin@treyresearch.net"},
)
"""`of` is the customer whose company contact a person belongs to."""


def seed_contacts(company: Company, stamp: int) -> None:
    """A company contact for each customer and vendor, a few persons, and a prospect that is neither."""
    company.next_numbers["contacts"] = SERIES["contacts"][0]
    company.table(CONTACTS).load([])
    company.table(CONTACTS).load([row for name in RELATIONS for row in _linked(company, name)])
    customers = company.tables["customers"]
    for n, person in enumerate(_PERSONS):
        owner = customers.by_key.get(person["of"])
        if owner is None and person["of"]:
            continue
        fields = {name: value for name, value in person.items() if name != "of"} | {"type": "Person"}
        if owner is not None:
            linked = owner.values[customers.entity.columns["contactId"]]
            fields["companyNumber"] = company.table(CONTACTS).by_id[linked].key
        _add(company, fields, stamp - (n + 2) * DAY)
    _add(company, {"displayName": "Nordkran AB", "country": "SE", "email": "info@nordkran.se"}, stamp - DAY)


def _add(company: Company, fields: Record, stamp: int) -> None:
    draft = company.draft(CONTACTS)
    company.put_fields(draft, fields)
    draft["number"] = company.take_number(CONTACTS)
    company.store(draft, round_stamp(stamp), stamp)


def _linked(company: Company, name: str) -> list[Row]:
    """The contacts of all customers or vendors, whose rows learn their ids."""
    owners, contacts = company.tables[name], company.table(CONTACTS)
    place, rows, linked = owners.entity.columns["contactId"], [], []
    blank = company.draft(CONTACTS).values
    for owner in owners.rows:
        contact = _contact_of(owner, owners.entity, blank.copy())
        number = contact[CONTACTS.columns["number"]] = company.take_number(CONTACTS)
        contact[0] = contacts.new_id()
        contact[CONTACTS.columns["companyNumber"]] = number
        linked.append(contacts.make(contact))
        rows.append(owners.make((*owner.values[:place], contact[0], *owner.values[place + 1 :])))
    owners.load(rows)
    return linked


def _contact_of(owner: Row, entity: Entity, values: list[Any]) -> list[Any]:
    columns, source = CONTACTS.columns, entity.columns
    for shared in (*PUSHED, STAMP):
        values[columns[shared]] = owner.values[source[shared]]
    title = values[columns["displayName"]]
    values[columns["companyName"]], values[columns["searchName"]] = title, title.upper()
    field, relation = RELATIONS[entity.name]
    values[columns[field]], values[columns["contactBusinessRelation"]] = owner.id, relation
    return values


# documents

_DOCUMENTS: tuple[Record, ...] = (
    {
        "kind": "order",
        "customer": "10000",
        "days": 12,
        "external": "PO 88231",
        "lines": (("1896-S", 2), ("1900-S", 8)),
    },
    {"kind": "order", "customer": "20000", "days": 9, "lines": (("1996-S", 1),)},
    {
        "kind": "order",
        "customer": "30000",
        "days": 5,
        "external": "Autumn 26",
        "lines": (("1908-S", 24),),
        "to": "Open",
    },
    {"kind": "order", "customer": "40000", "days": 2, "lines": (("1906-S", 3),), "to": "In Review"},
    {"kind": "invoice", "customer": "10000", "days": 7, "lines": (("1900-S", 4),)},
    {"kind": "invoice", "customer": "50000", "days": 3, "external": "4500012345", "lines": (("1896-S", 1),)},
    {
        "kind": "invoice",
        "customer": "40000",
        "days": 40,
        "external": "4500011876",
        "lines": (("1908-S", 6),),
        "to": "Open",
    },
    {"kind": "invoice", "customer": "50000", "days": 75, "lines": (("1996-S", 2),), "to": "Paid"},
)
"""What people entered by hand, some with an external number and some without; `to` is the state it came to."""


def seed_documents(company: Company, now: datetime) -> None:
    """Replaces all documents. Posted ones are part of the balances that customers have already."""
    for entity in (SALES_ORDERS, SALES_INVOICES, *LINES.values()):
        company.table(entity).load([])
    company.next_numbers |= {name: SERIES[name][0] for name in ("salesOrders", "salesInvoices", POSTED)}
    company.due.clear()
    for record in sorted(_DOCUMENTS, key=lambda one: -one["days"]):
        if record["customer"] in company.tables["customers"].by_key:
            _enter(company, record, sql_stamp(now - timedelta(days=record["days"])))


def _enter(company: Company, record: Record, stamp: int) -> None:
    entity = SALES_ORDERS if record["kind"] == "order" else SALES_INVOICES
    lines = [{"lineType": "Item", "lineObjectNumber": item, "quantity": n} for item, n in record["lines"]]
    body = {
        "customerNumber": record["customer"],
        "externalDocumentNumber": record.get("external", ""),
        LINES[entity.name].name: lines,
    }
    row, state = create(company, entity, body, Moment(stamp, stamp)), record.get("to", "")
    draft = company.draft(entity, row)
    if state and entity is SALES_INVOICES:
        draft = company.draft(entity, keep_posted(company, draft, Moment(stamp, stamp)))
    if state == "Paid":
        draft["remainingAmount"] = Decimal(0)
    if state:
        draft["status"] = encode_option(state)
        company.store(draft, stamp, stamp)
