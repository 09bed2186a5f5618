"""The demo company's well-known records, and records that go wrong in practice: all data, no logic.

The seed stamps them, except where `lastModifiedDateTime` stands here; `days_old` makes equal stamps. Domains are
Microsoft's fictional ones, but for one address at example.com, which Mailchimp refuses as fake.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]

NEVER = "0001-01-01T00:00:00Z"
LONG_NAME = (
    "Vereinigte Süddeutsche Büro- und Objekteinrichtungsgesellschaft Oberschwaben-Bodensee mbH & Co. KGaA"
)
LONG_ADDRESS = "purchasing.department.of.the.southern.region.more@offices.wideworldimporters.com"


def _place(street: str, post_code: str, city: str, country: str) -> dict[str, str]:
    return {"addressLine1": street, "postalCode": post_code, "city": city, "country": country}


DEMO_CUSTOMERS: tuple[Record, ...] = (
    {
        "number": "10000",
        "displayName": "Adatum Corporation",
        **_place("Station Road, 21", "CB1 2FB", "Cambridge", "GB"),
        "phoneNumber": "+44 1223 5550101",
        "email": "robert.townes@contoso.com",
        "contact": "Robert Townes",
        "mobilePhoneNumber": "+44 7700 900101",
        "regionManager": "Karen Berg",
        "website": "www.adatum.com",
        "salespersonCode": "JO",
        "currencyCode": "GBP",
        "balance": "2311.3",
        "balanceDue": "1800",
        "totalSalesExcludingTax": "10250.5",
        "overdueAmount": "1800",
    },
    {
        "number": "20000",
        "displayName": "Trey Research",
        **_place("Southwark Bridge Rd, 91-95", "SE1 0AX", "London", "GB"),
        "email": "helen.ray@contoso.com",
        "contact": "Helen Ray",
        "salespersonCode": "JO",
        "currencyCode": "GBP",
        "terms": "14 DAYS",
        "balance": "499.95",
        "totalSalesExcludingTax": "3120",
    },
    {
        "number": "30000",
        "displayName": "School of Fine Art",
        **_place("10 High Tower Green", "40001", "Miami", "US"),
        "state": "FL",
        "email": "meagan.bond@contoso.com",
        "currencyCode": "USD",
        "terms": "CM",
    },
    {
        "number": "40000",
        "displayName": "Alpine Ski House",
        **_place("Walter-Gropius-Straße 5", "80807", "München", "DE"),
        "email": "ian.deberry@contoso.com",
        "languageCode": "DEU",
        "regionManager": "Uwe Tieß",
        "balance": "9876.54",
        "totalSalesExcludingTax": "8299.61",
    },
    {
        "number": "50000",
        "displayName": "Relecloud",
        **_place("Oudegracht 33", "3511 AB", "Utrecht", "NL"),
        "email": "jesse.homer@contoso.com",
        "creditLimit": "5000",
    },
)

AWKWARD_CUSTOMERS: tuple[Record, ...] = (
    {
        "displayName": "Müller & Söhne Büromöbel GmbH",
        **_place("Königstraße 12", "70173", "Stuttgart", "DE"),
        "email": "einkauf@mueller.contoso.com",
    },
    {
        "displayName": "O'Neill's Pub Supplies",
        **_place("12 St. Stephen's Green", "D02", "Dublin", "IE"),
        "email": "maeve.o'neill@contoso.com",
    },
    {
        "displayName": "Siobhán O'Neill",
        "type": "Person",
        **_place("4 O'Connell Street", "D01", "Dublin", "IE"),
        "email": "siobhan@oneill.contoso.com",
    },
    {
        "displayName": LONG_NAME,
        **_place("Bodenseestraße 100", "88045", "Friedrichshafen", "DE"),
        "email": "info@oberschwaben.fabrikam.com",
    },
    {
        "displayName": "Ångström Mätteknik AB",
        **_place("Storgatan 3", "753 31", "Uppsala", "SE"),
        "currencyCode": "SEK",
    },
    {
        "displayName": "Two Boxes Ltd.",
        **_place("1 Mill Lane", "LS1 4AP", "Leeds", "GB"),
        "email": "a@contoso.com;b@contoso.com",
    },
    {
        "displayName": "Loud Purchasing Inc.",
        **_place("10 North Lake Avenue", "31772", "Atlanta", "US"),
        "state": "GA",
        "email": " PURCHASING@FABRIKAM.COM ",
        "currencyCode": "USD",
    },
    {
        "displayName": "Doppelt Handels GmbH",
        **_place("Domgasse 1", "50667", "Köln", "DE"),
        "email": "office@doppelt.adatum.com",
    },
    {
        "displayName": "Doppelt Handels GmbH (Filiale)",
        **_place("Domgasse 2", "50667", "Köln", "DE"),
        "email": "Office@Doppelt.Adatum.com",
    },
    {
        "displayName": "No More Deliveries A/S",
        **_place("Nørregade 8", "1165", "København", "DK"),
        "email": "lager@relecloud.com",
        "blocked": "Ship",
        "currencyCode": "DKK",
    },
    {
        "displayName": "No More Invoices B.V.",
        **_place("Herengracht 5", "1015 BA", "Amsterdam", "NL"),
        "email": "facturen@relecloud.com",
        "blocked": "Invoice",
    },
    {
        "displayName": "Blocked For All S.p.A.",
        **_place("Via Roma 7", "20121", "Milano", "IT"),
        "email": "acquisti@relecloud.com",
        "blocked": "All",
    },
    {"displayName": "Nowhere In Particular", "email": "hello@nowhere.treyresearch.net"},
    {
        "displayName": "City Only KG",
        "city": "Graz",
        "country": "AT",
        "email": "city.only@treyresearch.net",
    },
    {
        "displayName": "Street Without Town",
        "addressLine1": "Rue du Marché 9",
        "country": "FR",
        "email": "sans.ville@treyresearch.net",
    },
    {
        "displayName": "Without Country GmbH",
        "addressLine1": "Am Anger 3",
        "postalCode": "99084",
        "city": "Erfurt",
        "email": "anger@treyresearch.net",
    },
    {
        "displayName": "Never Touched Since Upgrade",
        **_place("Alter Weg 1", "01067", "Dresden", "DE"),
        "email": "alt@nodpublishers.com",
        "lastModifiedDateTime": NEVER,
    },
    {
        "displayName": "Also Never Touched",
        **_place("Alter Weg 2", "01067", "Dresden", "DE"),
        "email": "uralt@nodpublishers.com",
        "lastModifiedDateTime": NEVER,
    },
    {
        "displayName": "Test Customer Do Not Use",
        **_place("1 Sample Way", "B27 4KT", "Birmingham", "GB"),
        "email": "test@example.com",
    },
    {
        "displayName": "Forgot The At Sign",
        **_place("Calle Larga 2", "29001", "Málaga", "ES"),
        "email": "info.contoso.com",
    },
    {
        "displayName": "Tied One",
        **_place("Gleichstraße 1", "60313", "Frankfurt", "DE"),
        "email": "one@tied.alpineskihouse.com",
        "days_old": 30,
    },
    {
        "displayName": "Tied Two",
        **_place("Gleichstraße 2", "60313", "Frankfurt", "DE"),
        "email": "two@tied.alpineskihouse.com",
        "days_old": 30,
    },
    {
        "displayName": "Tied Three",
        **_place("Gleichstraße 3", "60313", "Frankfurt", "DE"),
        "email": "three@tied.alpineskihouse.com",
        "days_old": 30,
    },
    {
        "displayName": "Łukasz Wiśniewski",
        "type": "Person",
        **_place("Piotrkowska 15/3", "90-001", "Łódź", "PL"),
        "email": "lukasz.wisniewski@wideworldimporters.com",
    },
    {
        "displayName": "株式会社トレイリサーチ",
        **_place("千代田1-1", "100-0001", "東京", "JP"),
        "email": "tokyo@treyresearch.net",
        "currencyCode": "USD",
    },
    {
        "displayName": 'Gasthaus "Zum <Löwen>" \\ Inh. Groß, K.; Sohn',
        **_place("Marktplatz 1\tHinterhaus", "89073", "Ulm", "DE"),
        "email": "loewen@contoso.com",
    },
    {
        "displayName": " Padded Name ",
        **_place(" Ringstraße 1 ", "1010", "Wien", "AT"),
        "email": "padded@contoso.com",
    },
    {
        "displayName": "Long Address Traders",
        **_place("Peachtree Street 9", "30303", "Atlanta", "US"),
        "email": LONG_ADDRESS,
        "currencyCode": "USD",
    },
    {
        "displayName": "Zoë D'Angelo",
        "type": "Person",
        **_place("Bahnhofstrasse 21", "8001", "Zürich", "CH"),
        "email": "zoe.d'angelo@alpineskihouse.com",
        "currencyCode": "CHF",
        "balance": "-120.5",
    },
    {
        "displayName": "Umlaut Box GmbH",
        **_place("Seestraße 5", "78462", "Konstanz", "DE"),
        "email": "jürgen@contoso.com",
    },
    {
        "displayName": "Angle Brackets Oy",
        **_place("Mannerheimintie 1", "00100", "Helsinki", "FI"),
        "email": "Angle Brackets <angle@fabrikam.com>",
    },
)

DEMO_VENDORS: tuple[Record, ...] = (
    {
        "number": "10000",
        "displayName": "Fabrikam, Inc.",
        **_place("10 North Lake Avenue", "31772", "Atlanta", "US"),
        "state": "GA",
        "email": "krystal.york@contoso.com",
        "contact": "Krystal York",
        "purchaserCode": "RB",
        "currencyCode": "USD",
        "balance": "3214.7",
    },
    {
        "number": "20000",
        "displayName": "First Up Consultants",
        **_place("100 Day Drive", "61236", "Chicago", "US"),
        "state": "IL",
        "email": "evan.mcintosh@contoso.com",
        "currencyCode": "USD",
    },
    {
        "number": "30000",
        "displayName": "Graphic Design Institute",
        **_place("Ringstraße 20", "1010", "Wien", "AT"),
        "email": "bryce.jasso@contoso.com",
    },
    {
        "number": "40000",
        "displayName": "Wide World Importers",
        **_place("Hafenstraße 7", "20457", "Hamburg", "DE"),
        "email": "toby.rhode@contoso.com",
        "balance": "1250",
    },
    {
        "number": "50000",
        "displayName": "Nod Publishers",
        **_place("Oudegracht 60", "3511 AB", "Utrecht", "NL"),
        "email": "raymond.hillard@contoso.com",
    },
)

AWKWARD_VENDORS: tuple[Record, ...] = (
    {"displayName": "", **_place("Namenlose Gasse 1", "1010", "Wien", "AT"), "email": "nameless@adatum.com"},
    {"displayName": "Großhandel Öztürk & Çelik", **_place("Basarstraße 4", "12043", "Berlin", "DE")},
    {
        "displayName": "O'Brien Timber",
        **_place("7 Quay Lane", "T12", "Cork", "IE"),
        "email": "sales@fabrikam.com; invoices@fabrikam.com",
    },
    {
        "displayName": "Payment Stopped AS",
        **_place("Kirkegata 2", "0153", "Oslo", "NO"),
        "email": "oslo@fabrikam.com",
        "blocked": "Payment",
        "currencyCode": "NOK",
    },
    {
        "displayName": "Blocked For All Vendors Ltd.",
        **_place("2 Canal Street", "M1 3HE", "Manchester", "GB"),
        "email": "manchester@fabrikam.com",
        "blocked": "All",
        "currencyCode": "GBP",
    },
    {
        "displayName": "Trey Research (Supplies)",
        **_place("Southwark Bridge Rd, 91-95", "SE1 0AX", "London", "GB"),
        "email": "Helen.Ray@Contoso.com",
    },
    {
        "displayName": "Untouched Vendor",
        "country": "DE",
        "email": "vendor.alt@nodpublishers.com",
        "lastModifiedDateTime": NEVER,
    },
    {"displayName": "Spedition Löffler", "city": "Ulm", "email": "LOEFFLER@WIDEWORLDIMPORTERS.COM "},
)

DEMO_ITEMS: tuple[Record, ...] = (
    {
        "number": "1896-S",
        "itemCategoryCode": "DESK",
        "entries": True,
        "displayName": "ATHENS Desk",
        "unitPrice": "1000.8",
        "unitCost": "780.7",
        "inventory": 4,
    },
    {
        "number": "1900-S",
        "itemCategoryCode": "CHAIR",
        "entries": True,
        "displayName": "PARIS Guest Chair, black",
        "unitPrice": "192.8",
        "unitCost": "150.4",
    },
    {
        "number": "1906-S",
        "itemCategoryCode": "DESK",
        "entries": True,
        "displayName": "ATHENS Mobile Pedestal",
        "unitPrice": "432.1",
        "unitCost": "337.2",
    },
    {
        "number": "1908-S",
        "itemCategoryCode": "CHAIR",
        "entries": True,
        "displayName": "LONDON Swivel Chair, blue",
        "unitPrice": "190.1",
        "unitCost": "148.3",
    },
    {
        "number": "1996-S",
        "itemCategoryCode": "SUPPLIERS",
        "entries": True,
        "displayName": "ATLANTA Whiteboard, base",
        "unitPrice": "1397.3",
        "unitCost": "1090.1",
    },
)
