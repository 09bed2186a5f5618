"""Look-ups by key: every hit is checked, whatever becomes of a filter, and what was written just now is seen."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from mlconnector.systems.business_central.emulator import BusinessCentral

from .connecting import Deaf
from .writing import Desk, NoBatch, running


@pytest.fixture
def crowd() -> Iterator[Desk]:
    """Customers N000 to N069, of which every tenth has what is looked for."""
    emulator = BusinessCentral()
    for place in range(70):
        emulator.add(
            "customers",
            number=f"N{place:03d}",
            displayName=f"Firma {place} GmbH",
            email=f"Info{place}@X.de; post{place}@x.de",
            taxRegistrationNumber=f"DE {place:03d}-7",
        )
    with running(emulator) as desk:
        yield desk


@pytest.mark.parametrize(
    "key",
    [
        "number:n012",
        "tax:DE0127",
        "email:info12@x.de",
        "email:POST12@x.de",
        "name:firma 12",
        "name:Firma 12 GmbH",
    ],
)
def test_a_customer_is_found_by_each_of_its_keys(crowd: Desk, key: str) -> None:
    assert crowd.find("customer", key) == {key: [crowd.id("customers", "N012")]}


@pytest.mark.parametrize("number", ["A'B", "A&B=C", "A+B%20", "Å/Ö?#", "A*", "(1),2"])
def test_a_number_is_found_whatever_signs_it_holds(crowd: Desk, number: str) -> None:
    made = crowd.emulator.add("customers", number=number, displayName="odd")
    crowd.emulator.add("customers", number="ABC", displayName="other")
    assert crowd.find("customer", f"number:{number}") == {f"number:{number}": [made["id"]]}


def test_what_is_not_there_is_not_found(crowd: Desk) -> None:
    long = "number:" + "9" * 21
    assert crowd.find("customer", "number:N", "tax:", "email:12@x.de", "name:Firma", "other:1", long) == {}


def test_addresses_of_look_ups_stay_short(crowd: Desk) -> None:
    crowd.find("customer", *(f"number:{'Ö' * 15}{place:05d}" for place in range(60)))
    lists = crowd.calls("GET", "/customers")
    assert len(lists) > 2
    assert all(len(entry.path) + len(quote(entry.query["$filter"])) < 1800 for entry in lists)


def test_all_who_have_it_are_found(crowd: Desk) -> None:
    crowd.emulator.edit("customers", "N013", displayName="FIRMA 12")
    assert crowd.find("customer", "name:firma 12") == {
        "name:firma 12": [crowd.id("customers", "N012"), crowd.id("customers", "N013")]
    }


def test_numbers_are_asked_for_in_portions_and_the_rest_in_one_pass(crowd: Desk) -> None:
    keys = [f"number:N{place:03d}" for place in range(0, 70)] + ["name:firma 7", "email:info8@x.de"]
    assert len(crowd.find("customer", *keys)) == 72
    lists = crowd.calls("GET", "/customers")
    assert 2 <= len(lists) <= 4
    assert all(len(entry.query.get("$filter", "")) < 1800 for entry in lists)
    assert sum("$filter" not in entry.query for entry in lists) == 1
    assert all("lastModifiedDateTime" not in entry.query["$select"] for entry in lists)


def test_a_filter_that_vanishes_finds_nobody_else() -> None:
    deaf = Deaf()
    deaf.seed(customers=5)
    with running(deaf) as desk:
        assert desk.find("customer", "number:10000") == {"number:10000": [desk.id("customers", "10000")]}
        assert desk.find("item", "number:1896-S") == {"number:1896-S": [desk.id("items", "1896-S")]}
        assert desk.find("document", "document:nobody's") == {}
        deaf.edit("customers", "10000", email="office@x.se")
        assert desk.find("contact", "email:office@x.se") == {}


def test_look_ups_see_what_was_written_just_now(desk: Desk) -> None:
    desk.emulator.replica_lag_seconds = 3600.0
    made = desk.emulator.add("customers", number="NEW-1", displayName="Brand New AB", email="new@x.se")
    for key in ("number:NEW-1", "email:new@x.se", "name:brand new"):
        assert desk.find("customer", key) == {key: [made["id"]]}


@pytest.mark.parametrize("emulator", [BusinessCentral, NoBatch])
def test_a_person_is_found_by_name_within_the_company_of_a_customer(emulator: type[BusinessCentral]) -> None:
    bc = emulator()
    bc.seed()
    with running(bc) as desk:
        adatum, trey = desk.id("customers", "10000"), desk.id("customers", "20000")
        person = next(row for row in bc.rows("contacts") if row["displayName"] == "Robert Townes")
        keys = [f"name:{adatum}/robert townes", f"name:{trey}/robert townes", f"name:{adatum}/adatum"]
        assert desk.find("contact", *keys) == {keys[0]: [person["id"]]}


def test_a_person_is_found_by_address_and_a_company_is_not(desk: Desk) -> None:
    person = next(row for row in desk.emulator.rows("contacts") if row["displayName"] == "Helen Ray")
    desk.emulator.edit("customers", "10000", email="office@x.se")
    found = desk.find("contact", "email:helen.ray@contoso.com", "email:office@x.se")
    assert found == {"email:helen.ray@contoso.com": [person["id"]]}


def test_persons_of_a_customer_that_is_gone_are_nowhere(desk: Desk) -> None:
    gone = desk.id("customers", "10000").replace("2cd", "fff")
    there = desk.id("customers", "20000")
    assert desk.find("contact", f"name:{gone}/anna", f"name:{there}/anna") == {}


def test_documents_are_found_in_both_sets_and_whatever_their_state(desk: Desk) -> None:
    orders = {row["externalDocumentNumber"]: row["id"] for row in desk.emulator.rows("salesOrders")}
    invoices = {row["externalDocumentNumber"]: row["id"] for row in desk.emulator.rows("salesInvoices")}
    found = desk.find(
        "document", "document:po 88231", "document:4500012345", "document:4500011876", "document:x"
    )
    assert found == {
        "document:po 88231": [f"order/{orders['PO 88231']}"],
        "document:4500012345": [f"invoice/{invoices['4500012345']}"],
        "document:4500011876": [f"invoice/{invoices['4500011876']}"],
    }


def test_fifty_documents_are_looked_for_in_few_calls(desk: Desk) -> None:
    desk.find("document", *(f"document:PD-{place}" for place in range(50)))
    assert len(desk.calls("GET", "/sales")) <= 6


def order_of(desk: Desk, external_number: str) -> str:
    """The number of an order that somebody entered."""
    rows = desk.emulator.rows("salesOrders")
    return next(str(row["number"]) for row in rows if row["externalDocumentNumber"] == external_number)


def test_an_order_and_the_invoice_of_a_part_of_it_are_one_document(desk: Desk) -> None:
    number = order_of(desk, "PO 88231")
    order = desk.id("salesOrders", number)
    desk.emulator.people.edit_line(number, 10000, invoiceQuantity=1, shipQuantity=1)
    desk.emulator.people.post(number)
    assert desk.find("document", "document:PO 88231") == {"document:PO 88231": [f"order/{order}"]}
    last = desk.emulator.people.post(number)
    assert desk.find("document", "document:PO 88231")["document:PO 88231"] in (
        [f"invoice/{row['id']}"] for row in desk.emulator.rows("salesInvoices") if row["orderId"] == order
    )
    assert last["orderId"] == order


def test_two_documents_that_somebody_made_by_hand_are_two(desk: Desk) -> None:
    desk.emulator.add("salesInvoices", customerNumber="10000", externalDocumentNumber="PO 88231")
    assert len(desk.find("document", "document:PO 88231")["document:PO 88231"]) == 2


def test_postings_are_not_looked_for(desk: Desk) -> None:
    assert desk.find("posting", "posting:1") == {}
    assert desk.calls("GET") == []


def test_a_person_without_company_is_found_by_name_among_those_alike(desk: Desk) -> None:
    alone = desk.emulator.add("contacts", displayName="Helen Ray", type="Person")
    assert desk.find("contact", "name:/helen ray", "name:/", "name:/nobody") == {
        "name:/helen ray": [alone["id"]]
    }
