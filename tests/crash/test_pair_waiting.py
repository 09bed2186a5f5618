"""Records of Pipedrive that wait for another one, or that two of them stand in each other's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from mlconnector.model import LedgerEntry
from tests.crash.pair import PairLoop, fill

CUSTOMERS = "organizations_to_customers: {from: crm, to: erp, "
DEALS = "deals_to_documents: {from: crm, to: erp, "


@pytest.fixture
def loop() -> Iterator[PairLoop]:
    """An organization, a person, two won deals."""
    with closing(PairLoop()) as one:
        fill(one)
        yield one


def sync(loop: PairLoop, how: str = "sync") -> None:
    loop.pass_time(700)
    loop.run(how)


def deal(loop: PairLoop, number: int = 1) -> LedgerEntry:
    return loop.entries("deals_to_documents", [str(number)])[str(number)]


def reads(loop: PairLoop) -> int:
    """How often deals were asked for by their ids."""
    return sum("ids" in one.query and one.path.endswith("/deals") for one in loop.crm.log)


def test_a_deal_fails_whose_organization_is_left_out_and_follows_it_by_itself(loop: PairLoop) -> None:
    loop.rewrite(CUSTOMERS, f"{CUSTOMERS}when: {{name: {{is: Syd}}}}, ")
    sync(loop)
    assert (deal(loop).status, deal(loop).code) == ("failed", "reference-left-out")
    assert "organization 1, which it refers to, is skipped in organizations_to_customers, excluded" in (
        deal(loop).reason
    )
    loop.people.edit("organization", 1, name="Syd")
    sync(loop)
    assert deal(loop).status == "done" and len(loop.documents(1)) == 1


def test_a_deal_whose_organization_needs_a_person_says_what_they_have_to_do(loop: PairLoop) -> None:
    for city in ("Ulm", "Lund"):
        loop.erp.add("customers", displayName="Nordkran AB", city=city)
    sync(loop)
    assert "is failed in organizations_to_customers, ambiguous-match" in deal(loop).reason
    assert "mlconnector link organizations_to_customers 1 TARGET" in deal(loop).reason
    loop.link(1, loop.erp.rows("customers")[0]["id"])
    sync(loop)
    assert deal(loop).status == "done"


def test_a_deal_of_an_organization_that_nobody_shows_us_waits_once_and_then_fails(loop: PairLoop) -> None:
    loop.people.delete("organization", 1)
    sync(loop)
    assert deal(loop).code == "waits-for-reference"
    sync(loop)
    assert deal(loop).code == "reference-left-out" and "deleted, or hidden" in deal(loop).reason
    loop.people.restore("organization", 1)
    sync(loop)
    assert deal(loop).status == "done"


def test_a_deal_waits_for_the_organization_that_it_has_by_now(loop: PairLoop) -> None:
    for name, city in (("Nordkran AB", "Ulm"), ("Nordkran AB", "Lund"), ("Syd", "Ulm"), ("Syd", "Lund")):
        loop.erp.add("customers", displayName=name, city=city)
    sync(loop)
    loop.people.edit("deal", 1, org_id=loop.add_organization("Syd"))
    sync(loop)
    sync(loop)
    loop.link(2, loop.erp.rows("customers")[2]["id"])
    sync(loop)
    (document,) = loop.documents(1)
    assert document["customerName"] == "Syd"


def test_a_deal_that_waits_for_a_second_record_is_not_read_by_every_run(loop: PairLoop) -> None:
    loop.rewrite("products_to_items: {", "products_to_items: {enabled: false, ")
    loop.erp.fault("status", method="POST", path="customers", status=503, times=20)
    sync(loop)
    loop.erp.faults.clear()
    sync(loop)
    assert "product 1" in deal(loop).reason
    sync(loop)
    before = reads(loop)
    sync(loop)
    assert reads(loop) == before


def test_of_two_deals_with_one_reference_the_second_fails_until_it_has_its_own(loop: PairLoop) -> None:
    loop.people.add_field("deal", "Order")
    for number in (1, 2):
        loop.people.edit("deal", number, {"Order": "X1"})
    loop.rewrite(DEALS, f"{DEALS}map: {{reference: custom_fields.Order}}, ")
    sync(loop)
    assert {deal(loop, number).status for number in (1, 2)} == {"done", "failed"}
    second = next(number for number in (1, 2) if deal(loop, number).code == "reference-taken")
    loop.people.edit("deal", 3 - second, {"Order": "X2"})
    sync(loop)
    assert [deal(loop, number).status for number in (1, 2)] == ["done", "done"]


def test_a_draft_that_stayed_is_told_once_and_not_by_every_other_run(loop: PairLoop) -> None:
    sync(loop)
    loop.people.reopen(1)
    told = []
    for _ in range(3):
        loop.pass_time(1)
        loop.watcher.settled_records.clear()
        loop.run()
        told.append(
            [one.outcome.code for one in loop.watcher.settled_records if one.outcome.status == "failed"]
        )
    assert told == [["not-won-any-more"], [], []]
