"""What counts as in step between Pipedrive and Business Central: what was carried over, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from mlconnector.model import LedgerEntry
from tests.crash.pair import PairLoop

CUSTOMERS = "organizations_to_customers: {from: crm, to: erp, "
CUSTOMERS_BACK = "customers_to_organizations: {from: erp, to: crm, "
ITEMS_BACK = "items_to_products: {from: erp, to: crm, "
FIELDS = "map: {custom_fields.ERP number: number, custom_fields.Currency: currencyCode}, "


@pytest.fixture
def loop() -> Iterator[PairLoop]:
    """Organizations have fields that only Business Central fills."""
    with closing(PairLoop()) as one:
        for name in ("ERP number", "Currency"):
            one.people.add_field("organization", name)
        one.rewrite(CUSTOMERS_BACK, f"{CUSTOMERS_BACK}{FIELDS}")
        yield one


def sync(loop: PairLoop, how: str = "sync") -> None:
    loop.pass_time(700)
    loop.run(how)


def custom(loop: PairLoop, name: str) -> Any:
    return loop.people.record("organization", 1)["custom_fields"][loop.people.code("organization", name)]


def customer(loop: PairLoop) -> dict[str, Any]:
    (row,) = loop.erp.rows("customers")
    return dict(row)


def person(loop: PairLoop) -> dict[str, Any]:
    (row,) = (row for row in loop.erp.rows("contacts") if row["type"] == "Person")
    return dict(row)


def both(loop: PairLoop) -> list[LedgerEntry]:
    """The rows of the organization and of the customer."""
    back = loop.entries("customers_to_organizations", [customer(loop)["id"]])
    return [*loop.entries("organizations_to_customers", ["1"]).values(), *back.values()]


def edit_product(loop: PairLoop, *prices: tuple[str, float], **fields: Any) -> None:
    given = [{"currency": currency, "price": price} for currency, price in prices]
    loop.people.edit("product", 1, prices=given, **fields)


@pytest.mark.parametrize("there", [False, True])
def test_the_number_of_a_customer_comes_back_whether_it_was_made_or_found(
    loop: PairLoop, there: bool
) -> None:
    if there:
        loop.erp.add("customers", displayName="Nordkran", city="Ulm")
    loop.add_organization("Nordkran")
    sync(loop)
    assert custom(loop, "ERP number") == customer(loop)["number"]
    writes = loop.writes()
    sync(loop, "full")
    assert loop.writes() == writes


def test_a_number_that_both_ways_map_comes_back_and_an_empty_unit_is_let_be(loop: PairLoop) -> None:
    loop.rewrite("phoneNumber: custom_fields.Connector", "number: custom_fields.ERP number")
    loop.add_organization("Nordkran")
    loop.add_product("Desk", "A-1", 100)
    sync(loop)
    assert custom(loop, "ERP number") == customer(loop)["number"]
    assert loop.erp.rows("items")[0]["baseUnitOfMeasureCode"] == "PCS"
    assert not loop.people.record("product", 1)["unit"]


def test_what_only_the_way_back_writes_is_not_in_step_because_something_else_was_sent(
    loop: PairLoop,
) -> None:
    loop.add_organization("Nordkran")
    loop.erp.add("customers", displayName="Nordkran", currencyCode="USD")
    sync(loop)
    here = {"address": {"value": "Lund", "locality": "Lund"}}
    loop.people.edit("organization", 1, {"Currency": "GBP"}, **here)
    loop.erp.edit("customers", customer(loop)["number"], currencyCode="SEK")
    sync(loop)
    assert (custom(loop, "Currency"), customer(loop)["city"]) == ("GBP", "Lund"), "conflict: target"


@pytest.mark.parametrize("of_it", [{"cost": 2}, {"notes": "x"}])
def test_what_else_a_price_list_holds_takes_nothing_from_the_price_in_the_erp(
    loop: PairLoop, of_it: dict[str, Any]
) -> None:
    loop.add_product("Desk", "A-1", 100)
    sync(loop)
    prices = [{"currency": "EUR", "price": 100, **of_it}, {"currency": "USD", "price": 115}]
    loop.people.edit("product", 1, prices=prices)
    loop.erp.people.set_price("A-1", 120)
    sync(loop)
    assert loop.erp.rows("items")[0]["unitPrice"] == 120
    assert [one["price"] for one in loop.people.record("product", 1)["prices"]] == [120, 115]


def test_a_price_that_is_changed_back_to_what_it_was_is_a_change(loop: PairLoop) -> None:
    loop.add_product("Desk", "A-1", 100)
    sync(loop)
    loop.erp.people.set_price("A-1", 120)
    sync(loop)
    edit_product(loop, ("EUR", 100))
    sync(loop)
    assert loop.erp.rows("items")[0]["unitPrice"] == 100


def test_a_product_without_a_price_takes_nothing_from_the_item_it_is_found_to_be(loop: PairLoop) -> None:
    loop.erp.add("items", number="A-1", displayName="Desk", unitPrice="99.5", blocked=True)
    loop.people.add("product", name="Desk", code="A-1")
    sync(loop)
    sync(loop)
    (item,) = loop.erp.rows("items")
    product = loop.people.record("product", 1)
    assert (float(item["unitPrice"]), item["blocked"]) == (99.5, True)
    assert ([one["price"] for one in product["prices"]], product["is_linkable"]) == ([99.5], False)


@pytest.mark.parametrize("how", ["full", "replay"])
def test_a_country_that_was_left_out_is_sent_once_the_company_has_it(loop: PairLoop, how: str) -> None:
    here = {"value": "Poseidonis, Atlantis", "locality": "Poseidonis", "country": "Atlantis"}
    loop.add_organization("Nordkran", address=here)
    sync(loop)
    assert customer(loop)["country"] == ""
    loop.erp.edit("customers", customer(loop)["number"], displayName="Nordkran AB")
    sync(loop)
    loop.erp.add("countriesRegions", code="AX", displayName="Atlantis")
    sync(loop)
    assert customer(loop)["country"] == "", "nobody asks again and again"
    if how == "full":
        sync(loop, "full")
    else:
        loop.replay("organizations_to_customers", "1")
    assert customer(loop)["country"] == "AX"
    assert loop.people.record("organization", 1)["name"] == "Nordkran AB"


def test_a_replay_carries_no_name_back_that_was_cut(loop: PairLoop) -> None:
    long = ("Nordkran Vertriebsgesellschaft " * 4).strip()
    loop.add_organization(long)
    sync(loop)
    loop.replay("customers_to_organizations", customer(loop)["id"])
    sync(loop, "full")
    assert loop.people.record("organization", 1)["name"] == long


def test_persons_follow_their_organization_to_the_customer_that_it_is_linked_with(loop: PairLoop) -> None:
    loop.add_person("Anna Lind", loop.add_organization("Nordkran"), "anna@nordkran.se")
    sync(loop)
    other = loop.erp.add("customers", displayName="Syd")
    (company,) = (row for row in loop.erp.rows("contacts") if row["displayName"] == "Syd")
    loop.link(1, other["id"])
    sync(loop, "full")
    assert person(loop)["companyNumber"] == company["number"]


def test_a_person_who_leaves_the_organization_leaves_the_company(loop: PairLoop) -> None:
    loop.add_person("Anna Lind", loop.add_organization("Nordkran"), "anna@nordkran.se")
    sync(loop)
    loop.people.edit("person", 1, org_id=None)
    sync(loop)
    assert person(loop)["companyNumber"] == ""


@pytest.mark.parametrize("here", [True, False])
def test_a_conflict_that_people_settled_on_either_side_is_settled_both_ways(
    loop: PairLoop, here: bool
) -> None:
    loop.rewrite(CUSTOMERS, f"{CUSTOMERS}conflict: hold, ")
    loop.rewrite(CUSTOMERS_BACK, f"{CUSTOMERS_BACK}conflict: hold, ")
    loop.add_organization("Nordkran")
    sync(loop)
    number = customer(loop)["number"]
    loop.people.edit("organization", 1, name="Nord")
    loop.erp.edit("customers", number, displayName="Kran")
    sync(loop)
    assert {one.code for one in both(loop)} == {"conflict"}
    if here:
        loop.people.edit("organization", 1, name="Kran")
    else:
        loop.erp.edit("customers", number, displayName="Nord")
    sync(loop)
    sync(loop)
    assert {one.status for one in both(loop)} == {"done"}
    writes = loop.writes()
    sync(loop, "full")
    assert loop.writes() == writes


def test_a_state_file_that_does_not_know_what_was_made_of_a_field_goes_on_as_before(loop: PairLoop) -> None:
    here = {"value": "Poseidonis, Atlantis", "locality": "Poseidonis", "country": "Atlantis"}
    loop.add_organization(("Nordkran Vertriebsgesellschaft " * 4).strip(), address=here)
    loop.add_person("Anna Lind", 1, "anna@nordkran.se")
    loop.add_product("Desk", "A-1", 100)
    sync(loop)
    with loop.opened() as ledger:
        for row, *seen in ledger._db.execute("SELECT rowid, seen, other_seen FROM links").fetchall():
            older = [{name: one for name, one in json.loads(text).items() if name[0] != ">"} for text in seen]
            ledger._db.execute(
                "UPDATE links SET seen = ?, other_seen = ? WHERE rowid = ?", (*map(json.dumps, older), row)
            )
    writes = loop.writes()
    sync(loop, "full")
    assert loop.writes() == writes
    edit_product(loop, ("EUR", 110))
    sync(loop)
    assert loop.erp.rows("items")[0]["unitPrice"] == 110
