"""Posting: once, whatever becomes of the answer, and only what can be posted."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.model import Outcome, Step
from mlconnector.sandbox import Reply, Request
from mlconnector.systems.business_central.emulator import BusinessCentral

from .connecting import Deaf
from .writing import DESKS, Desk, Office, running

ACTION = "Microsoft.NAV"


@pytest.fixture
def made(office: Office) -> Outcome:
    """A draft of two desks."""
    return office.one(office.step(1))


def document(made: Outcome) -> str:
    assert made.target_id is not None
    return made.target_id


def posted(bc: BusinessCentral) -> list[dict[str, Any]]:
    """Posted invoices of the deal."""
    rows = bc.rows("salesInvoices")
    return [row for row in rows if row["externalDocumentNumber"] == "PD-1" and row["status"] != "Draft"]


def test_a_document_is_posted_once_and_becomes_an_invoice(
    office: Office, bc: BusinessCentral, made: Outcome
) -> None:
    outcome = office.post(document(made))
    (invoice,) = posted(bc)
    assert (outcome.status, outcome.code, outcome.target_id) == (
        "created",
        "posted",
        f"invoice/{invoice['id']}",
    )
    again = office.post(document(made), posted=outcome.target_id)
    assert (again.status, again.target_id) == ("unchanged", outcome.target_id)
    assert len(posted(bc)) == len(office.desk.calls("POST", ACTION)) == 1
    assert office.all() == [outcome.target_id]


def test_what_somebody_posted_already_is_not_posted_again(
    office: Office, bc: BusinessCentral, made: Outcome
) -> None:
    invoice = bc.people.post(office.row(made.target_id)["number"])
    outcome = office.post(document(made))
    assert (outcome.status, outcome.target_id) == ("unchanged", f"invoice/{invoice['id']}")
    assert office.desk.calls("POST", ACTION) == []


class Quick(BusinessCentral):
    """Somebody posts the order right before the action arrives."""

    def answer(self, request: Request) -> Reply:
        if ACTION in request.path and self.rows("salesOrders"):
            self.people.post(self.rows("salesOrders")[-1]["number"])
        return super().answer(request)


def test_what_somebody_posts_at_the_same_moment_is_found_to_be_posted() -> None:
    quick = Quick()
    quick.seed()
    quick.edit("customers", "10000", currencyCode="", blocked="")
    with running(quick) as desk:
        office = Office(desk)
        made = office.one(office.step(1))
        outcome = office.post(document(made))
        assert (outcome.status, outcome.code) == ("unchanged", "posted")
        assert [f"invoice/{row['id']}" for row in posted(quick)] == [outcome.target_id]


@pytest.mark.parametrize("fault", ["lost-answer", "drop"])
def test_an_answer_that_got_lost_is_looked_for_and_never_posted_twice(
    office: Office, bc: BusinessCentral, made: Outcome, fault: Any
) -> None:
    bc.fault(fault, method="POST", path=ACTION)
    first = office.post(document(made))
    assert (first.status, len(office.desk.calls("POST", ACTION))) == ("unknown", 1)
    second = office.post(document(made))
    assert second.status == ("created" if fault == "drop" else "unchanged")
    assert [f"invoice/{row['id']}" for row in posted(bc)] == [second.target_id]


@pytest.mark.parametrize("status", [408, 409, 500, 503, 504])
def test_an_action_that_may_have_been_carried_out_is_not_repeated(
    office: Office, bc: BusinessCentral, made: Outcome, status: int
) -> None:
    bc.fault("status", method="POST", path=ACTION, status=status)
    assert office.post(document(made)).status == "unknown"
    assert len(office.desk.calls("POST", ACTION)) == 1


class Forgetful(BusinessCentral):
    """Its posted invoices do not say any more which order they were made of, but for its number."""

    def answer(self, request: Request) -> Reply:
        reply = super().answer(replace(request, headers={**request.headers, "accept-encoding": ""}))
        zero = b"00000000-0000-0000-0000-000000000000"
        reply.body = re.sub(rb'"orderId":"[^"]*"', b'"orderId":"' + zero + b'"', reply.body)
        return reply


@pytest.mark.parametrize(
    ("external_number", "expected"), [("PD-1", "unchanged"), ("", "failed"), ("PD-2", "failed")]
)
def test_of_an_order_that_is_gone_the_invoice_is_found_by_the_deals_number(
    external_number: str, expected: str
) -> None:
    forgetful = Forgetful()
    forgetful.seed()
    forgetful.edit("customers", "10000", currencyCode="", blocked="")
    with running(forgetful) as desk:
        office = Office(desk)
        made = office.one(office.step(1))
        forgetful.people.post(office.row(made.target_id)["number"])
        assert office.post(document(made), externalDocumentNumber=external_number).status == expected


def test_after_a_lost_answer_the_invoice_is_found_by_the_number_of_the_order() -> None:
    forgetful = Forgetful()
    forgetful.seed()
    forgetful.edit("customers", "10000", currencyCode="", blocked="")
    with running(forgetful) as desk:
        office = Office(desk)
        made = office.one(office.step(1))
        forgetful.fault("lost-answer", method="POST", path=ACTION)
        lost = office.post(document(made))
        assert office.post(document(made), memo=lost.memo).status == "unchanged"


def test_a_filter_that_vanishes_leads_to_no_other_invoice() -> None:
    deaf = Deaf()
    deaf.seed()
    deaf.edit("customers", "10000", currencyCode="", blocked="")
    with running(deaf) as desk:
        office = Office(desk)
        first, second = office.write(office.step(1), office.step(2))
        outcome = office.post(document(first))
        late = deaf.add("salesInvoices", customerNumber="10000")
        assert outcome.target_id == f"invoice/{posted(deaf)[0]['id']}"
        deaf.people.delete_draft(office.row(second.target_id)["number"])
        assert office.post(document(second)).code == "document-gone"
        assert deaf.row("salesInvoices", late["id"])["status"] == "Draft"


def test_an_invoice_that_looks_like_a_released_draft_is_not_posted_twice(
    bc: BusinessCentral, desk: Desk
) -> None:
    bc.edit("customers", "10000", currencyCode="", blocked="")
    office = Office(desk, "invoice")
    made = office.one(office.step(1, lines=[{**DESKS, "discountPercent": 100}], total=Decimal(0)))
    assert office.post(document(made)).status == "created"
    assert (posted(bc)[0]["status"], posted(bc)[0]["remainingAmount"]) == ("Open", 0)
    assert office.post(document(made)).status == "unchanged"
    assert len(posted(bc)) == 1


class Busy(BusinessCentral):
    """Somebody edits the document right before the action arrives."""

    def answer(self, request: Request) -> Reply:
        if ACTION in request.path:
            for entity in ("salesOrders", "salesInvoices"):
                for row in self.rows(entity):
                    if row["externalDocumentNumber"] == "PD-1":
                        self.edit(entity, row["id"], shipToContact="Robert")
        return super().answer(request)


@pytest.mark.parametrize("kind", ["order", "invoice"])
def test_a_document_that_changed_right_before_it_was_posted_is_looked_at_again_by_itself(kind: str) -> None:
    busy = Busy()
    busy.seed()
    busy.edit("customers", "10000", currencyCode="", blocked="")
    with running(busy) as desk:
        office = Office(desk, kind)
        outcome = office.post(document(office.one(office.step(1))))
        assert (outcome.status, outcome.code) == ("failed", "changed-meanwhile")
        assert outcome.retry_at is not None and outcome.retry_at > busy.clock.now()


# what is not posted


def test_a_refusal_names_what_is_missing_and_not_whose(
    office: Office, bc: BusinessCentral, made: Outcome
) -> None:
    bc.setup.external_document_required = True
    bc.edit(office.rows, office.row(made.target_id)["number"], externalDocumentNumber="")
    outcome = office.post(document(made))
    assert (outcome.status, outcome.code) == ("failed", "posting-refused")
    assert "External Document No. must have a value" in outcome.reason
    assert "CorrelationId" not in outcome.reason
    assert outcome.request_id
    assert posted(bc) == []


def test_missing_posting_groups_are_said(office: Office, bc: BusinessCentral) -> None:
    bc.setup.templates = False
    bare = bc.add("items", number="BARE", displayName="Bare")
    made = office.one(office.step(1, lines=[{**DESKS, "item": bare["number"]}]))
    outcome = office.post(document(made))
    assert (outcome.status, outcome.code) == ("failed", "posting-refused")
    assert "Posting Group must have a value in Item: No.=BARE" in outcome.reason


@pytest.mark.parametrize("lines", [[], [{"comment": "nothing to sell"}]])
def test_a_document_without_lines_is_not_posted(office: Office, lines: list[Any]) -> None:
    made = office.one(office.step(1, lines=lines, total=None))
    outcome = office.post(document(made))
    assert (outcome.status, outcome.code) == ("failed", "nothing-to-post")
    assert office.desk.calls("POST", ACTION) == []


def test_a_document_that_is_gone_is_not_posted(office: Office, bc: BusinessCentral, made: Outcome) -> None:
    bc.people.delete_draft(office.row(made.target_id)["number"])
    assert office.post(document(made)).code == "document-gone"


def test_an_order_that_somebody_shipped_in_part_is_left_to_them(orders: Office, bc: BusinessCentral) -> None:
    made = orders.one(orders.step(1))
    number = orders.row(made.target_id)["number"]
    bc.people.edit_line(number, 10000, invoiceQuantity=1, shipQuantity=1)
    bc.people.post(number)
    assert orders.post(document(made)).code == "partly-posted"
    assert len(posted(bc)) == 1


def test_an_order_that_waits_for_approval_is_not_posted(orders: Office, bc: BusinessCentral) -> None:
    made = orders.one(orders.step(1))
    bc.people.ask_for_approval(orders.row(made.target_id)["number"])
    assert orders.post(document(made)).code == "posting-refused"
    assert posted(bc) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [({"unitPrice": 1}, "total-differs"), ({"description": "Another"}, "document-touched")],
)
def test_a_draft_that_somebody_changed_after_a_first_attempt_is_not_posted(
    office: Office, bc: BusinessCentral, made: Outcome, change: dict[str, Any], code: str
) -> None:
    bc.fault("status", method="POST", path=ACTION, status=503)
    assert office.post(document(made), **(made.memo or {})).status == "unknown"
    bc.clock.advance(60)
    bc.people.edit_line(office.row(made.target_id)["number"], 10000, **change)
    outcome = office.post(document(made), **(made.memo or {}))
    assert (outcome.status, outcome.code) == ("failed", code)
    assert office.row(made.target_id)["number"] in outcome.reason
    assert posted(bc) == []


def test_of_a_released_document_the_total_must_be_that_of_the_deal_all_the_same(
    office: Office, bc: BusinessCentral, made: Outcome
) -> None:
    number = office.row(made.target_id)["number"]
    bc.people.edit_line(number, 10000, quantity=1)
    bc.people.release(number)
    assert office.post(document(made), **(made.memo or {})).code == "total-differs"


def test_a_document_of_which_nothing_is_remembered_is_not_posted(office: Office, made: Outcome) -> None:
    assert office.post(document(made), at=None, total=None).code == "document-touched"
    assert office.desk.calls("POST", ACTION) == []


def test_a_released_document_is_posted(office: Office, bc: BusinessCentral, made: Outcome) -> None:
    bc.people.release(office.row(made.target_id)["number"])
    assert office.post(document(made)).status == "created"
    assert len(posted(bc)) == 1


def test_a_posting_stays_when_its_deal_is_not_won_any_more(office: Office, made: Outcome) -> None:
    done = office.post(document(made))
    outcome = office.desk.one("posting", Step("remove", "1", None, done.target_id))
    assert (outcome.status, outcome.code, outcome.target_id) == ("failed", "document-posted", done.target_id)
    assert office.desk.one("posting", Step("remove", "1", None, None)).status == "removed"
