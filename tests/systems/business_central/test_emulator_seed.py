"""The seed of the emulated Business Central: deterministic, with awkward rows, and quick when large."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest

from mlconnector.sandbox import Clock
from mlconnector.systems.business_central.emulator import BusinessCentral

DOMAINS = re.compile(
    r"@([a-z]+\.)*(contoso|fabrikam|adatum|alpineskihouse|relecloud|nodpublishers|wideworldimporters)\.com"
    r"|@([a-z]+\.)*treyresearch\.net|@example\.com"
)


@pytest.fixture
def customers(bc):
    return bc.rows("customers")


def test_the_same_clock_gives_the_same_seed(bc, clock):
    other = BusinessCentral(clock=clock)
    other.seed()
    for entity in (
        "customers",
        "vendors",
        "items",
        "paymentTerms",
        "contacts",
        "salesOrders",
        "salesInvoiceLines",
    ):
        assert other.rows(entity) == bc.rows(entity)


def test_the_demo_company_s_records_come_first(bc, customers):
    names = [row["displayName"] for row in customers[:5]]
    assert names == [
        "Adatum Corporation",
        "Trey Research",
        "School of Fine Art",
        "Alpine Ski House",
        "Relecloud",
    ]
    assert bc.row("vendors", "40000")["displayName"] == "Wide World Importers"
    assert (len(customers), len(bc.rows("vendors"))) == (40, 15)


def test_awkward_addresses_are_among_the_first_forty(customers):
    mails = [row["email"] for row in customers]
    folded = Counter(mail.lower() for mail in mails if mail)
    assert "" in mails
    assert "a@contoso.com;b@contoso.com" in mails
    assert " PURCHASING@FABRIKAM.COM " in mails
    assert max(folded.values()) == 2
    assert "test@example.com" in mails
    assert any(mail and "@" not in mail for mail in mails)
    assert max(map(len, mails)) == 80


def test_awkward_names_stamps_and_states_are_among_the_first_forty(customers):
    names = [row["displayName"] for row in customers]
    stamps = Counter(row["lastModifiedDateTime"] for row in customers)
    assert max(map(len, names)) == 100
    assert any("O'Neill" in name for name in names)
    assert (stamps["0001-01-01T00:00:00Z"], sorted(stamps.values())[-1]) == (2, 3)
    assert {row["blocked"] for row in customers} == {"_x0020_", "Ship", "Invoice", "All"}
    assert {row["type"] for row in customers} == {"Company", "Person"}
    assert len({row["currencyCode"] for row in customers}) > 3


def test_vendors_are_awkward_too(bc):
    vendors = bc.rows("vendors")
    assert {row["blocked"] for row in vendors} == {"_x0020_", "Payment", "All"}
    assert any(not row["displayName"] for row in vendors)
    assert any(row["lastModifiedDateTime"].startswith("0001") for row in vendors)


def test_only_fictional_domains_are_used(bc):
    bc.seed(customers=500, vendors=200)
    for row in (*bc.rows("customers"), *bc.rows("vendors")):
        for part in filter(None, re.split(";", row["email"].lower())):
            assert "@" not in part or DOMAINS.search(part), row


def test_stamps_are_spread_over_two_years_and_never_in_the_future(bc, clock):
    bc.seed(customers=1000)
    years = Counter(row["lastModifiedDateTime"][:4] for row in bc.rows("customers"))
    assert set(years) == {"0001", "2024", "2025", "2026"}
    assert max(row["lastModifiedDateTime"] for row in bc.rows("customers")) < clock.now().isoformat()


def test_a_small_seed_is_cut_short(bc):
    bc.seed(customers=3, vendors=0)
    assert [row["number"] for row in bc.rows("customers")] == ["10000", "20000", "30000"]
    assert bc.add("customers", displayName="Next")["number"] == "C00040"


def test_fifty_thousand_customers_are_a_matter_of_seconds():
    bc = BusinessCentral(clock=Clock())
    started = time.process_time()
    bc.seed(customers=50_000)
    assert time.process_time() - started < 5
    assert len(bc.companies[0].tables["customers"].rows) == 50_000


def test_what_a_field_cannot_hold_is_an_error_for_people_too(bc):
    with pytest.raises(ValueError, match="less than or equal to 30"):
        bc.edit("customers", "10000", city="x" * 31)
    with pytest.raises(ValueError, match="no field 'tyop'"):
        bc.add("customers", tyop=1)
    with pytest.raises(ValueError, match="exists already"):
        bc.edit("customers", "10000", number="20000")
    with pytest.raises(KeyError, match="no customer '1'"):
        bc.row("customers", "1")
    with pytest.raises(KeyError, match="no entity set"):
        bc.rows("leads")
