"""Stories between Pipedrive and Business Central that a random walk finds rarely."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

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


def towns(loop: PairLoop) -> tuple[str, str]:
    """Here and there."""
    (customer,) = loop.erp.rows("customers")
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


def test_a_posted_document_whose_deal_gets_another_reference_keeps_its_own_on_record() -> None:
    with closing(PairLoop(document="invoice")) as loop:
        loop.people.add_field("deal", "Ref")
        flow = "deals_to_documents: {from: crm, to: erp,"
        loop.edit_file(flow, f"{flow} map: {{reference: custom_fields.Ref}},")
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
        loop.edit_file("won_since", f"{options}won_since")
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
        loop.edit_file(flow, f"{flow} enabled: false,")
        loop.edit_file("won_since", f"unknown_product: {unknown}, default_item: MISC, won_since")
        loop.erp.add("items", number="MISC", displayName="Misc")
        fill(loop)
        sync(loop)
        assert {number for number, _ in items(loop)} == ({item} if item else set())
        status = loop.entries("deals_to_documents", ["1"])["1"].status
        assert status == ("done" if item else "held")


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
