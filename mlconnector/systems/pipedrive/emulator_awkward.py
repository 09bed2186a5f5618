"""Well-known records of the demo company's customers, and records that go wrong in practice: all data, no logic.

Links are names: `org` is the name of an organization (the last one of that name), `product` a code or a name. Domains
are Microsoft's fictional ones. `then` is what happens to a record afterwards, in the words of `People`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]

LONG_NAME = (
    "Vereinigte Süddeutsche Büro- und Objekteinrichtungsgesellschaft Oberschwaben-Bodensee mbH & Co. KGaA (1)"
)

FIELDS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("organization", "ERP number", "varchar", ()),
    ("organization", "VAT registration no.", "varchar", ()),
    ("organization", "Customer group", "enum", ("Retail", "Wholesale", "Public sector")),
    ("organization", "Credit limit", "monetary", ()),
    ("organization", "Interests", "set", ("Desks", "Chairs", "Lighting")),
    ("organization", "Delivery address", "address", ()),
    ("person", "ERP number", "varchar", ()),
    ("person", "Language", "enum", ("German", "Swedish", "English")),
    ("product", "ERP number", "varchar", ()),
    ("product", "Weight (kg)", "double", ()),
    ("deal", "ERP document", "varchar", ()),
    ("deal", "Your reference", "varchar", ()),
    ("deal", "Requested delivery", "date", ()),
    ("deal", "Delivery window", "daterange", ()),
    ("deal", "Priority", "enum", ("Low", "Normal", "High")),
)
"""Kind, name, type and options."""


def _place(street: str, post_code: str, city: str, country: str, **more: str) -> dict[str, Any]:
    """An address whose parts were found."""
    parts = {"route": street, "postal_code": post_code, "locality": city, "country": country, **more}
    return {"address": {"value": f"{street}, {post_code} {city}, {country}", **parts}}


def _mail(*addresses: str) -> dict[str, Any]:
    labels = ("work", "home", "other")
    return {"emails": [{"value": one, "label": label} for one, label in zip(addresses, labels, strict=False)]}


def _phone(number: str, label: str = "work") -> dict[str, Any]:
    return {"phones": [{"value": number, "label": label, "primary": True}]}


ORGANIZATIONS: tuple[Record, ...] = (
    {
        "name": "Adatum Corporation",
        **_place("Station Road", "CB1 2FB", "Cambridge", "United Kingdom", street_number="21"),
        "custom": {"ERP number": "10000", "VAT registration no.": "GB789456278"},
    },
    {"name": "Trey Research", **_place("Southwark Bridge Rd, 91-95", "SE1 0AX", "London", "United Kingdom")},
    {
        "name": "School of Fine Art",
        **_place("10 High Tower Green", "40001", "Miami", "United States", admin_area_level_1="FL"),
        "custom": {"ERP number": "30000", "Customer group": "Public sector"},
    },
    {
        "name": "Alpine Ski House",
        **_place("Walter-Gropius-Straße", "80807", "München", "Deutschland", street_number="5"),
        "custom": {
            "VAT registration no.": "DE533435789",
            "Credit limit": {"value": 25000, "currency": "EUR"},
        },
    },
    {"name": "Relecloud", **_place("Oudegracht", "3511 AB", "Utrecht", "Nederland", street_number="33")},
    {
        "name": "Müller & Söhne Büromöbel GmbH",
        **_place("Königstraße", "70173", "Stuttgart", "Deutschland", street_number="12"),
        "custom": {"Customer group": "Wholesale", "Interests": ["Desks", "Chairs"]},
    },
    {"name": "Ångström Möbler AB"},  # no address
    {"name": "Doppelt GmbH", "address": {"value": "Hauptstr. 1, Köln"}},  # its parts were never found
    {"name": "Doppelt GmbH", "address": {"value": "Hauptstr. 1, Köln"}, "custom": {"ERP number": "C-00990"}},
    {"name": "Łódzkie Meble Sp. z o.o.", **_place("ul. Piotrkowska 104", "90-926", "Łódź", "Polska")},
    {"name": LONG_NAME, **_place("Bodenseestraße", "88045", "Friedrichshafen", "Deutschland")},
    {"name": "O'Neill's Pub Supplies", **_place("12 St. Stephen's Green", "D02", "Dublin", "Ireland")},
    {"name": "Fabrikam, Inc. (own customer of the boss)", "visible_to": 1},
    {"name": "Vanished Oy", **_place("Mannerheimintie 1", "00100", "Helsinki", "Suomi"), "then": ("delete",)},
)

PERSONS: tuple[Record, ...] = (
    {"name": "Robert Townes", "org": "Adatum Corporation", **_mail("robert.townes@contoso.com"),
     **_phone("+44 1223 5550101"), "custom": {"Language": "English"}},
    {"name": "Helen Ray", "org": "Trey Research", **_mail("helen.ray@contoso.com", "h.ray@treyresearch.net")},
    {"name": "Meagan Bond", "org": "School of Fine Art", **_mail("meagan.bond@contoso.com")},
    {"name": "Ian Deberry", "org": "Alpine Ski House", **_mail("ian.deberry@contoso.com"), **_phone("089 555-0132")},
    {"name": "Jesse Homer", "org": "Relecloud", **_mail("jesse.homer@contoso.com"),
     "custom": {"ERP number": "CT000007"}},
    {"name": "Jürgen Müller", "org": "Müller & Söhne Büromöbel GmbH", **_mail("einkauf@mueller.contoso.com"),
     "custom": {"Language": "German"}},
    {"name": "Renate Müller", "org": "Müller & Söhne Büromöbel GmbH", **_mail("einkauf@mueller.contoso.com")},  # shared
    {"name": "Åsa Öberg", "org": "Ångström Möbler AB", **_mail("asa.oberg@wideworldimporters.com"),
     "custom": {"Language": "Swedish"}},
    {"name": "Erik von der Ahe", "org": "Ångström Möbler AB"},  # no e-mail
    {"name": "Łukasz Wiśniewski", "org": "Łódzkie Meble Sp. z o.o.",
     **_mail("lukasz.wisniewski@wideworldimporters.com")},
    {"name": "Siobhán O'Neill", **_mail("siobhan@oneill.contoso.com")},  # no organization
    {"name": "Cher", "org": "O'Neill's Pub Supplies"},  # one name only
    {"name": "Maeve O'Neill", "org": "O'Neill's Pub Supplies", **_mail("maeve.o'neill@contoso.com")},
    {"name": "Robert Townes", "org": "Doppelt GmbH", **_mail("ROBERT.TOWNES@contoso.com")},  # twice, other case
    {"name": "Anna Lind", "org": "Doppelt GmbH",
     **_mail("anna@fabrikam.com", "anna.lind@fabrikam.com", "al@fabrikam.com")},
    {"name": "Reception", "org": LONG_NAME, **_mail("info@oberschwaben.fabrikam.com"),
     **_phone("+49 7541 555-0", "other")},
    {"name": "Not An Address", "org": "Relecloud", **_mail("none yet, ask Jesse")},
    {"name": "Walk-in Customer"},
    {"name": "Boss's Friend", "org": "Fabrikam, Inc. (own customer of the boss)", "visible_to": 1},
    {"name": "Left The Company", "org": "Trey Research", **_mail("left@treyresearch.net"), "then": ("delete",)},
)  # fmt: skip

PRODUCTS: tuple[Record, ...] = (
    {"name": "ATHENS Desk", "code": "1896-S", "unit": "PCS", "tax": 19, "custom": {"Weight (kg)": 38.5},
     "prices": [{"currency": "EUR", "price": 1000.8, "cost": 780.7}, {"currency": "SEK", "price": 11490}]},
    {"name": "PARIS Guest Chair, black", "code": "1900-S", "unit": "PCS", "tax": 19,
     "prices": [{"currency": "EUR", "price": 192.8, "cost": 150.4}, {"currency": "GBP", "price": 165.5}]},
    {"name": "ATHENS Mobile Pedestal", "code": "1906-S", "unit": "PCS", "tax": 19,
     "prices": [{"currency": "EUR", "price": 432.1}, {"currency": "SEK", "price": 4965}]},
    {"name": "LONDON Swivel Chair, blue", "code": "1908-S", "unit": "PCS", "tax": 19,
     "prices": [{"currency": "GBP", "price": 163}, {"currency": "EUR", "price": 190.1}]},  # EUR is not the first
    {"name": "ATLANTA Whiteboard, base", "code": "1996-S", "unit": "PCS", "tax": 19,
     "prices": [{"currency": "EUR", "price": 1397.3}, {"currency": "SEK", "price": 15890}]},
    {"name": "Delivery and assembly", "prices": [{"currency": "EUR", "price": 89.9}]},  # no code
    {"name": "Service contract", "code": "SRV-12", "billing_frequency": "monthly", "billing_frequency_cycles": 12,
     "prices": [{"currency": "EUR", "price": 49}]},
    {"name": "Imported lamp Ørsted", "code": "LAMP-Ø", "prices": [{"currency": "USD", "price": 75.5}]},  # no EUR price
    {"name": "Conference table", "code": "CT-100", "unit": "PCS", "prices": [{"currency": "EUR", "price": 2490}],
     "variations": [("Oak, 320 cm", 2890), ("Birch, 280 cm", 2490)]},
    {"name": "Stool, no longer sold", "code": "ST-9", "is_linkable": False,
     "prices": [{"currency": "EUR", "price": 35}]},
    {"name": "ATHENS Desk (sample)", "code": "1896-S", "prices": [{"currency": "EUR", "price": 0}]},  # code twice
    {"name": "Cabinet, made to measure", "code": "CABINET-MADE-TO-MEASURE-2026", "prices": []},  # long code, no price
    {"name": "Cupboard, discontinued", "code": "CB-1", "then": ("delete",),
     "prices": [{"currency": "EUR", "price": 210}]},
)  # fmt: skip


def _line(product: str, item_price: float, quantity: float = 1, **fields: Any) -> Record:
    return {"product": product, "item_price": item_price, "quantity": quantity, **fields}


DEALS: tuple[Record, ...] = (
    {"title": "Front desk", "org": "Adatum Corporation", "person": "Robert Townes", "value": 1200},
    {
        "title": "Desks for the new floor",
        "org": "Adatum Corporation",
        "person": "Robert Townes",
        "custom": {"Your reference": "PO 4711/26", "Requested delivery": "2026-12-15", "Priority": "High"},
        "lines": [
            _line("1896-S", 1000.8, 4, tax=19, tax_method="exclusive"),
            _line("1908-S", 190.1, 8, tax=19, discount=10, comments="Blue if you have it; black will do"),
            _line("1906-S", 432.1, 4, tax=19, discount=50, discount_type="amount"),
            _line("1996-S", 1397.3, 1, tax=19, is_enabled=False),
        ],
        "then": ("win",),
    },
    {
        "title": "Chairs, prices with tax",
        "org": "Alpine Ski House",
        "person": "Ian Deberry",
        "lines": [_line("1900-S", 229.43, 6, tax=19, tax_method="inclusive")],
        "then": ("win",),
    },
    {
        "title": "Advice, agreed by phone",
        "org": "Trey Research",
        "person": "Helen Ray",
        "value": 900,
        "then": ("win",),
    },
    {
        "title": "Whiteboards for Uppsala",
        "org": "Ångström Möbler AB",
        "person": "Åsa Öberg",
        "currency": "SEK",
        "lines": [_line("1996-S", 15890, 2, tax=25), _line("1906-S", 4965, 1.5, tax=25)],
        "then": ("win",),
    },
    {
        "title": "Studio furniture",
        "org": "School of Fine Art",
        "value": 18000,
        "currency": "USD",
        "then": ("lose",),
    },
    {
        "title": "Chairs for the canteen",
        "org": "Relecloud",
        "person": "Jesse Homer",
        "lines": [_line("1900-S", 192.8, 20, tax=21, discount=12.5)],
        "then": ("win", "archive"),
    },
    {"title": "Typed in twice", "org": "Relecloud", "value": 100, "then": ("delete",)},
    {
        "title": "Show room",
        "org": "Müller & Söhne Büromöbel GmbH",
        "person": "Jürgen Müller",
        "lines": [_line("1896-S", 1000.8, 2, tax=19), _line("1908-S", 190.1, 3, tax=19)],
        "discounts": [(5, "percentage", "Regular customer"), (100, "amount", "Scratched")],
        "then": ("win",),
    },
    {
        "title": "Home office",  # no organization
        "person": "Siobhán O'Neill",
        "lines": [_line("1908-S", 190.1, tax=23), _line("Delivery and assembly", 89.9, tax=23)],
        "then": ("win",),
    },
    {"title": "Sold over the counter", "lines": [_line("Imported lamp Ørsted", 68.2)], "then": ("win",)},
    {
        "title": "Meeting room with service",
        "org": "Relecloud",
        "person": "Jesse Homer",
        "lines": [
            _line("Conference table", 2890, variation="Oak, 320 cm", tax=21),
            _line("SRV-12", 49, billing_frequency="monthly", billing_frequency_cycles=12, tax=21),
        ],
        "then": ("win",),
    },
    {
        "title": "Changed their mind",
        "org": "Łódzkie Meble Sp. z o.o.",
        "lines": [_line("1900-S", 192.8, 2)],
        "then": ("win", "reopen"),
    },
    {"title": "Offer for Doppelt", "org": "Doppelt GmbH", "lines": [_line("1896-S", 950, 10, discount=3)]},
)
