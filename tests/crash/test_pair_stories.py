"""Stories between Pipedrive and Business Central that a random walk finds rarely."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from mlconnector.config import load_connection
from mlconnector.remedies import remedy
from mlconnector.sandbox import Reply, Request
from tests.crash.pair import PairErp, PairLoop, check, fill


@pytest.fixture
def loop() -> Iterator[PairLoop]:
    """One organization with an address, and its customer."""
    with closing(PairLoop()) as one:
        one.add_organization("Nordkran AB", address={"value": "Storgatan 1, Ulm", "locality": "Ulm"})
        sync(one)
        yield one


def sync(loop: PairLoop) -> None:
    """Time passes before and after."""
    loop.pass_time(700)
    loop.run()
    loop.pass_time(700)


def towns(loop: PairLoop, place: int = -1) -> tuple[str, str]:
    """Here and there."""
    customer = loop.erp.rows("customers")[place]
    return loop.people.record("organization", 1)["address"]["locality"], customer["city"]


def test_an_address_that_was_changed_in_business_central_comes_back(loop: PairLoop) -> None:
    number = loop.erp.rows("customers")[0]["number"]
    loop.erp.edit("customers", number, city="Lund")
    sync(loop)
    assert towns(loop) == ("Lund", "Lund")


def test_it_comes_back_too_after_it_was_changed_in_pipedrive(loop: PairLoop) -> None:
    number = loop.erp.rows("customers")[0]["number"]
    loop.people.edit("organization", 1, address={"value": "Bonn", "locality": "Bonn"})
    sync(loop)
    assert towns(loop) == ("Bonn", "Bonn")
    loop.erp.edit("customers", number, city="Lund")
    sync(loop)
    assert towns(loop) == ("Lund", "Lund")


def test_of_an_address_only_what_was_changed_in_business_central_comes_back() -> None:
    whole = {"value": "Main St 21, Ulm", "route": "Main St", "street_number": "21", "country": "Germany"}
    with closing(PairLoop()) as loop:
        loop.add_organization(
            "Nordkran AB", address={**whole, "locality": "Unterschleissheim am Riedmoos bei Ulm"}
        )
        sync(loop)
        number = loop.erp.rows("customers")[0]["number"]
        loop.erp.edit("customers", number, postalCode="89073")
        for how in ("sync", "full", "full"):
            loop.run(how)
            loop.pass_time(700)
        assert loop.erp.row("customers", number)["addressLine1"] == "Main St 21"
        found = loop.people.record("organization", 1)["address"]
        assert (found["street_number"], found["country"], found["postal_code"]) == ("21", "Germany", "89073")
        assert found["locality"].endswith("bei Ulm"), "what was cut on its way is not cut here"
        loop.erp.edit("customers", number, addressLine1="Main St 23")
        sync(loop)
        sync(loop)
        assert loop.erp.row("customers", number)["addressLine1"] == "Main St 23"
        found = loop.people.record("organization", 1)["address"]
        assert (found["route"], found["street_number"]) == ("Main St 23", None)


def test_an_address_in_one_line_does_not_empty_that_of_a_customer(loop: PairLoop) -> None:
    loop.people.edit("organization", 1, address={"value": "Other Road 5, 10115 Berlin"})
    loop.add_organization("Sydkran AB", address={"value": "Hamngatan 1, Lund"})
    sync(loop)
    rows = {row["displayName"]: (row["addressLine1"], row["city"]) for row in loop.erp.rows("customers")}
    assert rows == {"Nordkran AB": ("", "Ulm"), "Sydkran AB": ("Hamngatan 1, Lund", "")}
    entries = loop.entries("organizations_to_customers", ["1", "2"]).values()
    assert {(entry.status, entry.code) for entry in entries} == {("done", "address-in-one-line")}
    loop.people.edit("organization", 1, address={"value": "Lund", "locality": "Lund"})
    sync(loop)
    assert towns(loop, 0) == ("Lund", "Lund")


def test_a_link_by_hand_holds_although_the_former_counterpart_changes(loop: PairLoop) -> None:
    other = loop.erp.add("customers", displayName="Syd")
    loop.link(1, other["id"])
    sync(loop)
    (former,) = [row for row in loop.erp.rows("customers") if row["id"] != other["id"]]
    loop.erp.edit("customers", former["number"], displayName="Former", city="Lund")
    sync(loop)
    sync(loop)
    assert loop.links("organization", "customer", ["1"]) == {"1": other["id"]}
    assert loop.people.record("organization", 1)["name"] == "Nordkran AB"
    assert loop.erp.row("customers", former["number"])["displayName"] == "Former"


class Forgetful(PairErp):
    """Its posted invoices do not name the order by its id, and the process ends when it posts something first."""

    ended = False

    def answer(self, request: Request) -> Reply:
        reply = super().answer(replace(request, headers={**request.headers, "accept-encoding": ""}))
        zero = b"00000000-0000-0000-0000-000000000000"
        reply.body = re.sub(rb'"orderId":"[^"]*"', b'"orderId":"' + zero + b'"', reply.body)
        if "Microsoft.NAV" in request.path and not self.ended:
            self.ended = self.fuse.dead = True
        return reply


def test_an_order_that_was_posted_while_the_process_ended_is_found_by_the_number_of_its_deal() -> None:
    with closing(PairLoop(post=True, erp=Forgetful)) as one:
        fill(one)
        sync(one)
        assert len(one.erp.rows("salesInvoices")) == 1
        sync(one)
        check(one, posted=True)
        postings = one.entries("deals_to_documents.post", ["1", "2"]).values()
        assert [(entry.status, entry.code) for entry in postings] == [("done", "posted")] * 2


def test_a_posting_that_was_refused_is_tried_again_when_the_draft_follows_its_deal() -> None:
    with closing(PairLoop(document="order", post=True)) as loop:
        fill(loop)
        loop.erp.fault("status", method="POST", path="NAV", status=400, times=2)
        sync(loop)
        sync(loop)
        tries = [entry for entry in loop.erp.log if "Microsoft.NAV" in entry.path]
        assert len(tries) == 2, "each once: the same again would be refused again"
        loop.people.edit_line(1, loop.people.lines(1)[0]["id"], quantity=3)
        sync(loop)
        assert [row["externalDocumentNumber"] for row in loop.erp.rows("salesInvoices")] == ["PD-1"]
        sync(loop)
        assert loop.erp.made.posted.keys() == {"PD-1"}
        loop.erp.made.check()


def test_a_run_in_which_nothing_changed_asks_for_five_lists_there_and_two_here() -> None:
    """Besides one log-in, and the company by its name (fact sheet of Pipedrive, 8.3)."""
    with closing(PairLoop(post=True)) as loop:
        loop.file.write_text(re.sub(r", map: {[^}]*}", "", loop.file.read_text()))
        loop.connection = load_connection(loop.file, {})
        fill(loop)
        sync(loop)
        sync(loop)
        loop.erp.log.clear(), loop.crm.log.clear()
        sync(loop)
        asked = [entry.path.rpartition("/")[2] for entry in loop.crm.log]
        assert asked == ["organizations", "persons", "products", "deals", "archived"]
        asked = [entry.path.rpartition("/")[2] for entry in loop.erp.log]
        assert asked == ["token", "companies", "customers", "items"]


def test_a_server_in_the_basement_is_served_like_the_cloud() -> None:
    """API v2.0 on premises, with user and web service access key: six flows and the posting."""
    with closing(PairLoop(document="order", post=True, profile="onprem")) as loop:
        fill(loop)
        sync(loop)
        check(loop, posted=True)
        assert not any("/token" in entry.path for entry in loop.erp.log)


@pytest.fixture
def namesake() -> Iterator[PairLoop]:
    """An organization, a won deal of it, and a customer of the same name with another legal form."""
    with closing(PairLoop()) as one:
        one.erp.add("customers", displayName="Nordkran GmbH", city="Ulm")
        fill(one)
        yield one


@pytest.mark.parametrize("adopt", [False, True])
def test_a_namesake_is_linked_by_the_way_back_as_little_and_no_deal_is_sold_to_it(
    namesake: PairLoop, adopt: bool
) -> None:
    namesake.run(adopt=adopt)
    sync(namesake)
    namesake.people.edit("organization", 1, address={"value": "Lund", "locality": "Lund"})
    sync(namesake)
    assert namesake.links("organization", "customer", ["1"]) == {}
    assert namesake.documents(1) == []
    assert namesake.erp.rows("customers")[0]["displayName"] == "Nordkran GmbH"
    assert namesake.entries("organizations_to_customers", ["1"])["1"].code == "contradicting-match"


def test_a_person_who_says_that_the_namesake_is_meant_is_heeded_whichever_flow_they_name(
    namesake: PairLoop,
) -> None:
    sync(namesake)
    customer = namesake.erp.rows("customers")[0]["id"]
    with namesake.opened() as ledger:
        here, there = ("erp", "customer"), ("crm", "organization")
        ledger.link_by_hand("customers_to_organizations", here, there, customer, "1")
    namesake.people.edit("organization", 1, address={"value": "Lund", "locality": "Lund"})
    sync(namesake)
    (row,) = namesake.erp.rows("customers")
    assert (row["displayName"], row["city"]) == ("Nordkran AB", "Lund")
    assert len(namesake.documents(1)) == 1


def test_the_way_back_alone_does_not_take_a_namesake_for_the_same_either(namesake: PairLoop) -> None:
    namesake.rewrite("organizations_to_customers: {", "organizations_to_customers: {enabled: false, ")
    sync(namesake)
    assert namesake.links("organization", "customer", ["1"]) == {}
    entry = namesake.entries("customers_to_organizations", [namesake.erp.rows("customers")[0]["id"]])
    assert [one.code for one in entry.values()] == ["contradicting-match"]


@pytest.mark.parametrize("adopt", [False, True])
def test_a_customer_goes_to_the_organization_that_holds_its_number_not_to_a_namesake_that_is_read_first(
    adopt: bool,
) -> None:
    with closing(PairLoop()) as loop:
        loop.people.add_field("organization", "ERP number")
        loop.rewrite("phoneNumber: custom_fields.Connector", "number: custom_fields.ERP number")
        loop.add_organization("Nordkran")
        loop.people.add("organization", {"ERP number": "C1"}, name="Nordkran AB")
        customer = loop.erp.add("customers", number="C1", displayName="Nordkran AB", city="Ulm")
        loop.run(adopt=adopt)
        assert loop.links("organization", "customer", ["1", "2"]) == {"2": customer["id"]}
        assert loop.entries("organizations_to_customers", ["1"])["1"].code == "match-taken"


def test_of_two_namesakes_the_one_that_contradicts_leaves_the_customer_to_the_other() -> None:
    with closing(PairLoop()) as loop:
        customer = loop.erp.add("customers", displayName="Nordkran GmbH", city="Ulm")
        for name in ("Nordkran AB", "Nordkran GmbH"):
            loop.add_organization(name)
        loop.run()
        assert loop.links("organization", "customer", ["1", "2"]) == {"2": customer["id"]}


def test_organizations_that_were_merged_leave_a_customer_over_and_their_draft_moves() -> None:
    with closing(PairLoop()) as loop:
        alpha, beta = loop.add_organization("Alpha AB"), loop.add_organization("Beta AB")
        deal = won_deal(loop, alpha)
        sync(loop)
        numbers = {row["displayName"]: row["number"] for row in loop.erp.rows("customers")}
        loop.people.merge("organization", alpha, beta)
        for how in ("sync", "full"):
            loop.run(how)
            loop.pass_time(700)
        assert [row["customerNumber"] for row in loop.documents(deal)] == [numbers["Beta AB"]]
        entry = loop.entries("organizations_to_customers", [str(alpha)])[str(alpha)]
        assert (entry.status, entry.code) == ("skipped", "left-over")
        assert entry.reason.endswith("its customer in erp is left over")
        assert "merge it there too" in remedy(entry.code, entry.status)
        assert {row["displayName"]: row["number"] for row in loop.erp.rows("customers")} == numbers
        asked = len(loop.crm.log)
        loop.run("full")
        assert not [one for one in list(loop.crm.log)[asked:] if f"organizations/{alpha}" in one.path], "once"


def test_customers_that_were_merged_are_settled_by_a_link() -> None:
    with closing(PairLoop()) as loop:
        alpha = loop.add_organization("Alpha AB")
        deal = won_deal(loop, alpha)
        sync(loop)
        former = loop.erp.rows("customers")[0]["number"]
        survivor = loop.erp.add("customers", displayName="Alpha Handel AB")
        loop.erp.people.merge_customers(former, survivor["number"])
        loop.people.edit("organization", alpha, name="Alpha Nord AB")
        sync(loop)
        assert loop.entries("organizations_to_customers", ["1"])["1"].code == "counterpart-gone"
        assert [row["number"] for row in loop.erp.rows("customers")] == [survivor["number"]], "none is made"
        loop.link(alpha, survivor["id"])
        sync(loop)
        assert loop.entries("organizations_to_customers", ["1"])["1"].status == "done"
        assert [row["displayName"] for row in loop.erp.rows("customers")] == ["Alpha Nord AB"]
        assert [row["customerNumber"] for row in loop.documents(deal)] == [survivor["number"]]


def won_deal(loop: PairLoop, organization: int) -> int:
    """With one line."""
    product = loop.add_product("Desk", "A-1", 100)
    deal: int = loop.people.add("deal", title="x", org_id=organization, currency="EUR")
    loop.people.add_line(deal, product, 100, 1)
    loop.people.win(deal)
    return deal


def test_a_posted_document_whose_deal_gets_another_reference_keeps_its_own_on_record() -> None:
    with closing(PairLoop(document="invoice")) as loop:
        loop.people.add_field("deal", "Ref")
        flow = "deals_to_documents: {from: crm, to: erp,"
        loop.rewrite(flow, f"{flow} map: {{reference: custom_fields.Ref}},")
        fill(loop)
        for deal in (1, 2):
            loop.people.edit("deal", deal, {"Ref": f"X{deal}"})
        sync(loop)
        loop.erp.people.post(loop.erp.rows("salesInvoices")[0]["number"])
        loop.people.edit("deal", 1, {"Ref": "X9"})
        sync(loop)
        entry = loop.entries("deals_to_documents", ["1"])["1"]
        assert (entry.status, entry.code, entry.target_key) == ("failed", "document-posted", "document:PD-X1")


def test_a_line_that_changes_without_the_deal_s_stamp_reaches_its_order_the_next_day() -> None:
    with closing(PairLoop()) as loop:
        fill(loop)
        sync(loop)
        sync(loop)
        stamp = loop.people.record("deal", 1)["update_time"]
        loop.people.edit_line(1, loop.people.lines(1)[0]["id"], comments="in blue")
        assert loop.people.record("deal", 1)["update_time"] == stamp
        sync(loop)
        assert "in blue" not in comments(loop)
        loop.pass_time(86_400)
        sync(loop)
        assert "in blue" in comments(loop)


def comments(loop: PairLoop) -> list[str]:
    (document,) = loop.documents(1)
    return [line["description"] for line in document["lines"]]


@pytest.mark.parametrize("options", ["", "unknown_product: default_item, default_item: MISC, "])
def test_a_line_keeps_its_item_though_its_product_is_deleted_after_the_draft_was_made(options: str) -> None:
    with closing(PairLoop()) as loop:
        loop.rewrite("won_since", f"{options}won_since")
        loop.erp.add("items", number="MISC", displayName="Misc")
        fill(loop)
        sync(loop)
        loop.people.delete("product", 1)
        loop.people.edit_line(1, loop.people.lines(1)[0]["id"], quantity=5)
        sync(loop)
        assert items(loop) == [("A-1", 5), ("A-1", 1.5)]
        entry = loop.entries("deals_to_documents", ["1"])["1"]
        assert (entry.status, entry.code) == ("done", "")


@pytest.mark.parametrize(("unknown", "item"), [("default_item", "MISC"), ("hold", None)])
def test_with_the_flow_of_products_off_the_default_item_stands_for_a_product_that_is_not_linked(
    unknown: str, item: str | None
) -> None:
    with closing(PairLoop()) as loop:
        flow = "products_to_items: {from: crm, to: erp,"
        loop.rewrite(flow, f"{flow} enabled: false,")
        loop.rewrite("won_since", f"unknown_product: {unknown}, default_item: MISC, won_since")
        loop.erp.add("items", number="MISC", displayName="Misc")
        fill(loop)
        sync(loop)
        assert {number for number, _ in items(loop)} == ({item} if item else set())
        assert loop.entries("deals_to_documents", ["1"])["1"].code == ("" if item else "reference-left-out")


def test_the_flow_of_products_makes_the_item_that_a_line_of_a_deal_needs() -> None:
    with closing(PairLoop()) as loop:
        fill(loop)
        assert loop.erp.rows("items") == []
        sync(loop)
        assert items(loop) == [("A-1", 2), ("A-1", 1.5)]


def items(loop: PairLoop) -> list[tuple[str, float]]:
    """Item and quantity of each line of the first deal's documents."""
    lines = [line for document in loop.documents(1) for line in document["lines"]]
    return [(line["lineObjectNumber"], float(line["quantity"])) for line in lines]


def test_an_address_in_one_line_is_not_replaced_by_the_part_that_was_changed_in_business_central() -> None:
    with closing(PairLoop()) as loop:
        firm = loop.add_organization("Nord AB", address={"value": "Other Road 5, 10115 Berlin"})
        sync(loop)
        loop.erp.edit("customers", loop.erp.rows("customers")[0]["number"], postalCode="20000")
        sync(loop)
        sync(loop)
        assert loop.people.record("organization", firm)["address"]["value"] == "Other Road 5, 10115 Berlin"
        (customer,) = loop.erp.rows("customers")
        assert (customer["addressLine1"], customer["postalCode"]) == ("Other Road 5, 10115 Berlin", "20000")
        entry = loop.entries("customers_to_organizations", [customer["id"]])[customer["id"]]
        assert (entry.status, entry.code) == ("done", "address-in-one-line")


def test_a_deal_does_not_inherit_the_document_that_people_deleted_for_another_one() -> None:
    with closing(PairLoop()) as loop:
        loop.people.add_field("deal", "Ref")
        flow = "deals_to_documents: {from: crm, to: erp,"
        loop.rewrite(flow, f"{flow} map: {{reference: custom_fields.Ref}},")
        first = won_deal(loop, loop.add_organization("Nord AB"))
        second = loop.people.add("deal", title="y", org_id=1, currency="EUR")
        loop.people.add_line(second, 1, 50, 1)
        loop.people.win(second)
        for deal in (first, second):
            loop.people.edit("deal", deal, {"Ref": "X1"})
        sync(loop)
        assert loop.entries("deals_to_documents", [str(second)])[str(second)].code == "reference-taken"
        loop.people.lose(first)
        loop.erp.people.delete_draft(loop.erp.rows("salesOrders")[0]["number"])
        sync(loop)
        sync(loop)
        assert loop.entries("deals_to_documents", [str(second)])[str(second)].status == "done"
        assert [row["totalAmountExcludingTax"] for row in loop.erp.rows("salesOrders")] == [50]


def test_a_deal_whose_organization_is_never_shown_says_so_once() -> None:
    with closing(PairLoop()) as loop:
        deal = won_deal(loop, loop.add_organization("Nord AB"))
        loop.people.delete("organization", 1)
        codes = []
        for _ in range(5):
            loop.run()
            entry = loop.entries("deals_to_documents", [str(deal)])[str(deal)]
            codes.append((entry.status, entry.code, entry.run_id))
            loop.pass_time(5)
        assert [code for _, code, _ in codes[1:]] == ["reference-left-out"] * 4, codes
        assert len({run for _, _, run in codes[1:]}) == 1, "told once"
