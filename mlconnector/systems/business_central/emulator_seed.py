"""Seed data: what a company has from the start, Microsoft's demo records, awkward ones, and as many more as asked for.

Everything is deterministic but for "now", which the stamps count back from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from mlconnector.systems.business_central.emulator_awkward import (
    AWKWARD_CUSTOMERS,
    AWKWARD_VENDORS,
    DEMO_CUSTOMERS,
    DEMO_ITEMS,
    DEMO_VENDORS,
)
from mlconnector.systems.business_central.emulator_company import STAMP, Company
from mlconnector.systems.business_central.emulator_entities import ENTITIES
from mlconnector.systems.business_central.emulator_rows import SECOND, Row, round_stamp, sql_stamp
from mlconnector.systems.business_central.emulator_seed_sales import (
    DAY,
    fill_dimensions,
    more_items,
    sales_tables,
    seed_contacts,
    seed_documents,
)

SPREAD = 730 * DAY

COUNTRIES = {
    "AT": "Austria",
    "BE": "Belgium",
    "CH": "Switzerland",
    "CZ": "Czechia",
    "DE": "Germany",
    "DK": "Denmark",
    "ES": "Spain",
    "FI": "Finland",
    "FR": "France",
    "GB": "Great Britain",
    "IE": "Ireland",
    "IT": "Italy",
    "JP": "Japan",
    "NL": "Netherlands",
    "NO": "Norway",
    "PL": "Poland",
    "SE": "Sweden",
    "US": "USA",
}
CURRENCIES = {
    "CHF": ("Swiss franc", "CHF"),
    "DKK": ("Danish krone", "kr"),
    "EUR": ("Euro", "€"),
    "GBP": ("Pound sterling", "£"),
    "NOK": ("Norwegian krone", "kr"),
    "SEK": ("Swedish krona", "kr"),
    "USD": ("US dollar", "$"),
}
PAYMENT_TERMS = {
    "10 DAYS": ("Net 10 days", "10D", "", 0),
    "14 DAYS": ("Net 14 days", "14D", "", 0),
    "1M(8D)": ("1 Month/2% 8 days", "1M", "8D", 2),
    "21 DAYS": ("Net 21 days", "21D", "", 0),
    "30 DAYS": ("Net 30 days", "30D", "", 0),
    "60 DAYS": ("Net 60 days", "60D", "", 0),
    "CM": ("Current Month", "CM", "", 0),
    "COD": ("Cash on delivery", "0D", "", 0),
}
PAYMENT_METHODS = {"BANK": "Bank Transfer", "CARD": "Card payment", "CASH": "Cash payment", "CHECK": "Check"}
SHIPMENT_METHODS = {"CIF": "Cost Insurance and Freight", "EXW": "Ex Warehouse", "FOB": "Free on Board"}
TAX_AREAS = {
    "DOMESTIC": "Domestic customers and vendors",
    "EU": "Customers and vendors in EU",
    "EXPORT": "Other customers and vendors (not EU)",
}


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_PLACES = (  # country, city, post code, dialling code, currency, street
    ("DE", "Stuttgart", "70173", "+49 711", "", "Hauptstraße"),
    ("DE", "Köln", "50667", "+49 221", "", "Domgasse"),
    ("AT", "Wien", "1010", "+43 1", "", "Ringstraße"),
    ("SE", "Göteborg", "411 03", "+46 31", "SEK", "Storgatan"),
    ("GB", "Birmingham", "B27 4KT", "+44 121", "GBP", "Station Road"),
    ("US", "Atlanta", "31772", "+1 404", "USD", "Peachtree Street"),
    ("NL", "Utrecht", "3511 AB", "+31 30", "", "Oudegracht"),
    ("DK", "København", "1050", "+45 33", "DKK", "Nørregade"),
    ("FR", "Orléans", "45000", "+33 2", "", "Rue du Marché"),
    ("PL", "Łódź", "90-001", "+48 42", "", "Piotrkowska"),
    ("ES", "Málaga", "29001", "+34 95", "", "Calle Larga"),
)
_NAMES = _words(
    "Adler Berg Brandt Corso Dahl Eklund Falk Grün Hartwig Isberg Jansen Keller Lindqvist Moreau Nowak Oakley "
    "Prado Quist Rossi Schäfer Tanaka Ulm Vogel Whitfield Yilmaz Zimmer"
)
_TRADES = _words("Möbel Trading Bürobedarf Design Interiors Logistik Foods Papeterie Sports")
_FORMS = _words("GmbH AB Ltd. Inc. B.V. A/S S.A. KG")
_FIRST = _words("Anna Björn Chloé David Elif François Greta Hanna Ivo Jürgen Katarzyna")
_DOMAINS = _words(
    "contoso.com fabrikam.com adatum.com treyresearch.net alpineskihouse.com relecloud.com nodpublishers.com "
    "wideworldimporters.com"
)
_BOXES = _words("office info accounts einkauf purchasing")


ONLINE_BUILD = "28.1.44313.44463"


def company_row(id: str, name: str, place: int, now: datetime, build: str) -> list[Any]:
    """The values of one row of `companies`; `build` is the `systemVersion`."""
    nobody, stamp = "00000000-0000-0000-0000-000000000001", sql_stamp(now) - SPREAD - DAY
    return [id, build, 7296 + place, name, name, "", stamp, nobody, stamp, nobody]


def fill_company(company: Company, now: datetime) -> None:
    """Company information and the small master tables, stamped two years before now."""
    stamp = round_stamp(sql_stamp(now) - SPREAD - DAY)
    tables: Mapping[str, list[dict[str, Any]]] = {
        "countriesRegions": _coded(COUNTRIES),
        "currencies": [
            {"code": code, "displayName": name, "symbol": symbol}
            for code, (name, symbol) in CURRENCIES.items()
            if code != company.lcy
        ],
        "paymentTerms": [
            {
                "code": code,
                "displayName": name,
                "dueDateCalculation": due,
                "discountDateCalculation": discount,
                "discountPercent": percent,
            }
            for code, (name, due, discount, percent) in PAYMENT_TERMS.items()
        ],
        "paymentMethods": _coded(PAYMENT_METHODS),
        "shipmentMethods": _coded(SHIPMENT_METHODS),
        "taxAreas": _coded(TAX_AREAS),
        **sales_tables(company.lcy),
        "companyInformation": [_information(company, now)],
    }
    for name, records in tables.items():
        table = company.tables[name]
        table.load([_record(company, name, record, stamp) for record in records])
    fill_dimensions(company, stamp)


def _coded(names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"code": code, "displayName": name} for code, name in names.items()]


def _information(company: Company, now: datetime) -> dict[str, Any]:
    return {
        "displayName": company.name,
        "addressLine1": "Königsallee 5",
        "city": "Düsseldorf",
        "country": "DE",
        "postalCode": "40212",
        "phoneNumber": "+49 211 5550100",
        "email": "office@contoso.com",
        "website": "www.contoso.com",
        "taxRegistrationNumber": "DE777777777",
        "currencyCode": company.lcy,
        "currentFiscalYearStartDate": f"{now.year}-01-01",
    }


def _record(company: Company, name: str, fields: Mapping[str, Any], stamp: int) -> Row:
    """One record in the wire's names, but for `terms`, the code of its payment terms."""
    entity = ENTITIES[name]
    draft = company.draft(entity)
    company.fill_template(draft)
    draft[STAMP] = stamp
    plain = {field: value for field, value in fields.items() if field != "terms"}
    company.put_fields(draft, plain)
    if "terms" in fields:
        draft["paymentTermsId"] = draft.code_id("paymentTerms", fields["terms"])
    return company.table(entity).make(draft.values)


def seed_company(company: Company, customers: int, vendors: int, items: int, now: datetime) -> None:
    """Replaces customers, vendors, items, contacts and documents.

    The demo company's come first, then awkward ones, then ordinary ones.
    """
    stamp = sql_stamp(now)
    for name, known, count in (
        ("customers", (*DEMO_CUSTOMERS, *AWKWARD_CUSTOMERS), customers),
        ("vendors", (*DEMO_VENDORS, *AWKWARD_VENDORS), vendors),
    ):
        rows = [_known(company, name, record, n, stamp) for n, record in enumerate(known[:count])]
        company.table(ENTITIES[name]).load([*rows, *_generated(company, name, len(rows), count, stamp)])
        company.next_numbers[name] = _number(name, count)
    goods = [_record(company, "items", record, _spread(n, stamp)) for n, record in enumerate(DEMO_ITEMS)]
    more = max(0, items - len(goods))
    company.table(ENTITIES["items"]).load([*goods, *more_items(company, more, stamp)])
    company.next_numbers["items"] = str(1000 + more)
    seed_contacts(company, stamp)
    seed_documents(company, now)


def _known(company: Company, name: str, record: Mapping[str, Any], n: int, now: int) -> Row:
    """A record of the data tables; those that have `days_old` share one stamp."""
    fields = {"number": _number(name, n), **record}
    days = fields.pop("days_old", None)
    return _record(company, name, fields, _spread(n, now) if days is None else round_stamp(now - days * DAY))


def _number(name: str, n: int) -> str:
    """The number of the n-th record; the series goes on behind the last one."""
    return f"{'C' if name == 'customers' else 'V'}{10 * (n + 1):05d}"


def _spread(n: int, now: int) -> int:
    """A moment in the last two years, far from its neighbours' and always the same distance from now."""
    return round_stamp(now - DAY - (n * 2_654_435_761 * SECOND // 7) % (SPREAD - DAY))


def _generated(company: Company, name: str, start: int, count: int, now: int) -> Iterator[Row]:
    """Ordinary records, made quickly: only what differs from a blank one is written."""
    entity = ENTITIES[name]
    table, columns = company.table(entity), entity.columns
    draft = company.draft(entity)
    company.fill_template(draft)
    blank = list(draft.values)
    currencies = {code: draft.code_id("currencies", code) for code in CURRENCIES}
    for n in range(start, count):
        values = blank.copy()
        values[0] = table.new_id()
        for field, value in _ordinary(n, name).items():
            values[columns[field]] = value
        currency = values[columns["currencyCode"]]
        values[columns["currencyId"]] = currencies.get(currency, values[columns["currencyId"]])
        if currency in ("", company.lcy):
            values[columns["currencyCode"]] = company.lcy
            values[columns["currencyId"]] = blank[columns["currencyId"]]
        values[columns[STAMP]] = _spread(n, now)
        yield table.make(values)


def _ordinary(n: int, name: str) -> dict[str, Any]:
    country, city, post_code, dialling, currency, street = _PLACES[n % len(_PLACES)]
    domain = _DOMAINS[n % len(_DOMAINS)]
    family = _NAMES[n * 7 % len(_NAMES)]
    record: dict[str, Any] = {
        "number": _number(name, n),
        "displayName": f"{family} {_TRADES[n // 3 % len(_TRADES)]} {_FORMS[n % len(_FORMS)]}",
        "addressLine1": f"{street} {n % 199 + 1}",
        "city": city,
        "country": country,
        "postalCode": post_code,
        "phoneNumber": f"{dialling} 555{n:05d}",
        "email": "" if n % 23 == 0 else f"{_BOXES[n % len(_BOXES)]}.{n}@{domain}",
        "currencyCode": currency,
    }
    if name == "customers":
        _add_customer(record, n, family, domain)
    elif n % 4 == 0:
        record["balance"] = _AMOUNTS[n % len(_AMOUNTS)]
    if n % 61 == 0:
        record["blocked"] = "All"
    return record


_AMOUNTS = tuple(Decimal(n * 7919 % 999_983) / 100 for n in range(1, 500))


def _add_customer(record: dict[str, Any], n: int, family: str, domain: str) -> None:
    if n % 6 == 0:
        first = _FIRST[n // 6 % len(_FIRST)]
        record["type"] = "Person"
        record["displayName"] = f"{first} {family}"
    if n % 3 == 0:
        record["balance"] = record["totalSalesExcludingTax"] = _AMOUNTS[n % len(_AMOUNTS)]
    if n % 9 == 0:
        record["balanceDue"] = record["overdueAmount"] = _AMOUNTS[n % len(_AMOUNTS)]
