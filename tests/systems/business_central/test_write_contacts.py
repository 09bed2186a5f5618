"""Persons: under the contact of type Company that their customer has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlconnector.systems.business_central.emulator import BusinessCentral

from .writing import Desk, create, update

ANNA = {"displayName": "Anna Lind", "type": "Person", "email": "anna@lind.se", "jobTitle": "Buyer"}


def company_number(desk: Desk, customer: str) -> str:
    """The number of the Company contact of a customer."""
    title = desk.emulator.row("customers", customer)["displayName"]
    rows = desk.emulator.rows("contacts")
    return next(
        str(row["number"]) for row in rows if row["displayName"] == title and row["type"] == "Company"
    )


def refs(desk: Desk, customer: str) -> dict[str, str]:
    return {"company": desk.id("customers", customer)}


def contact(desk: Desk, id: str | None) -> dict[str, Any]:
    return desk.emulator.row("contacts", id or "")


def test_a_new_person_belongs_to_the_company_of_its_customer(desk: Desk) -> None:
    outcome = desk.one("contact", create("7", refs=refs(desk, "20000"), **ANNA))
    row = contact(desk, outcome.target_id)
    assert (outcome.status, row["companyNumber"]) == ("created", company_number(desk, "20000"))
    assert (row["type"], row["jobTitle"], row["contactBusinessRelation"]) == ("Person", "Buyer", "Customer")


def test_a_person_of_a_customer_made_just_now_finds_its_company(desk: Desk) -> None:
    made = desk.one("customer", create("1", displayName="Nordkran AB"))
    outcome = desk.one("contact", create("7", refs={"company": made.target_id or ""}, **ANNA))
    assert contact(desk, outcome.target_id)["companyName"] == "Nordkran AB"


def test_a_person_without_an_organization_stands_alone(desk: Desk) -> None:
    outcome = desk.one("contact", create("7", **ANNA))
    assert contact(desk, outcome.target_id)["companyNumber"] == ""


def test_the_companies_of_many_persons_are_asked_for_in_one_call(desk: Desk) -> None:
    customers = ["10000", "20000", "30000", "40000", "50000"]
    steps = [
        create(str(n), refs=refs(desk, customers[n % 5]), **ANNA | {"email": f"p{n}@x.se"}) for n in range(20)
    ]
    outcomes = desk.write("contact", *steps)
    assert {outcome.status for outcome in outcomes} == {"created"}
    companies = [contact(desk, outcome.target_id)["companyNumber"] for outcome in outcomes]
    assert companies == [company_number(desk, customers[n % 5]) for n in range(20)]
    assert len(desk.calls("POST")) == 2  # companies, persons


def test_a_customer_without_a_company_contact_holds_its_persons_and_no_others(
    bc: BusinessCentral, desk: Desk
) -> None:
    bc.setup.linked_contacts = False
    lonely = bc.add("customers", displayName="Lonely AB")
    outcomes = desk.write(
        "contact",
        create("7", refs={"company": lonely["id"]}, **ANNA),
        create("8", refs=refs(desk, "10000"), **ANNA),
    )
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [
        ("failed", "no-company-contact"),
        ("created", ""),
    ]
    assert "Marketing Setup" in outcomes[0].reason


def test_a_person_who_moved_to_another_organization_moves_here_too(desk: Desk) -> None:
    made = desk.one("contact", create("7", refs=refs(desk, "10000"), **ANNA))
    seen = {"companyNumber": company_number(desk, "10000")}
    step = update("7", made.target_id or "", seen, ["company"], refs=refs(desk, "20000"), **ANNA)
    outcome = desk.one("contact", step)
    number = company_number(desk, "20000")
    assert (outcome.status, outcome.now) == ("updated", {"companyNumber": number, "company": number})


def test_a_person_who_left_its_organization_leaves_the_company(desk: Desk) -> None:
    made = desk.one("contact", create("7", refs=refs(desk, "10000"), **ANNA))
    seen = {"company": company_number(desk, "10000")}
    outcome = desk.one("contact", update("7", made.target_id or "", seen, ["company"], **ANNA))
    assert (outcome.status, outcome.code) == ("updated", "")
    assert contact(desk, made.target_id)["companyNumber"] == ""


@pytest.mark.parametrize("changed", [["jobTitle"], []])
def test_the_company_is_not_asked_for_where_it_did_not_change(desk: Desk, changed: list[str]) -> None:
    made = desk.one("contact", create("7", refs=refs(desk, "10000"), **ANNA))
    asked = len(desk.calls("GET", "contactsInformation"))
    body = ANNA | {"jobTitle": "Head"}
    step = update("7", made.target_id or "", {"jobTitle": "Buyer"}, changed, refs=refs(desk, "20000"), **body)
    desk.one("contact", step)
    assert len(desk.calls("GET", "contactsInformation")) == asked
    assert contact(desk, made.target_id)["companyNumber"] == company_number(desk, "10000")


@pytest.mark.parametrize(
    ("body", "company", "memo", "against"),
    [
        ({"displayName": "Bo Ek"}, "20000", None, True),
        ({"displayName": "Bo Ek"}, "", None, True),
        ({"displayName": "Bo Ek"}, "10000", None, False),
        ({"displayName": "anna  LIND"}, "20000", None, False),
        ({"displayName": "Bo Ek"}, "20000", {}, False),
    ],
)
@pytest.mark.parametrize("action", ["update", "link"])
def test_somebody_of_another_company_with_the_same_address_is_not_taken_for_another(
    desk: Desk, body: dict[str, Any], company: str, memo: Any, against: bool, action: Any
) -> None:
    made = desk.one("contact", create("7", refs=refs(desk, "10000"), **ANNA))
    before = contact(desk, made.target_id)
    step = update("8", made.target_id or "", refs=refs(desk, company) if company else {}, **ANNA | body)
    outcome = desk.one("contact", replace(step, action=action, memo=memo))
    assert (outcome.code == "contradicting-match") is against
    if against:
        assert outcome.target_id is None
        assert outcome.reason.startswith(f"contact {before['number']} matches, but its name and its company")
        assert contact(desk, made.target_id) == before
