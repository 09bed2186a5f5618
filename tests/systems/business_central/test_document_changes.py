"""A deal that changes after its document was made: the draft follows, what is released or posted is flagged."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.errors import Later
from mlconnector.model import Outcome, Step
from mlconnector.systems.business_central.emulator import BusinessCentral
from mlconnector.systems.business_central.lines import Line, line_changes

from .writing import CHAIRS, DESKS, Desk, Office, running

THREE = {**DESKS, "quantity": Decimal(3)}
WRAP = {"comment": "gift wrap"}


def changed(office: Office, made: Outcome, **body: Any) -> Outcome:
    """The deal's document after the deal became this."""
    return office.one(office.step(1, made.target_id, made.memo, total=None, **body))


def number(office: Office, made: Outcome) -> str:
    return str(office.row(made.target_id)["number"])


def writes(desk: Desk) -> list[str]:
    return [entry.method for entry in desk.calls() if entry.method != "GET" and "batch" not in entry.path]


# drafts


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([DESKS, WRAP], ["desk 2", "wrap"]),
        ([THREE, WRAP], ["desk 3", "wrap"]),
        ([DESKS], ["desk 2"]),
        ([WRAP, DESKS], ["wrap", "desk 2"]),
        ([CHAIRS, DESKS, WRAP], ["chair", "desk 2", "wrap"]),
        ([DESKS, CHAIRS, WRAP], ["desk 2", "chair", "wrap"]),
        ([DESKS, WRAP, CHAIRS], ["desk 2", "wrap", "chair"]),
        ([CHAIRS], ["chair"]),
        ([DESKS, THREE, WRAP], ["desk 2", "desk 3", "wrap"]),
        ([DESKS, WRAP, {"comment": "by courier"}], ["desk 2", "wrap", "courier"]),
        ([], []),
    ],
)
def test_the_lines_of_a_draft_follow_the_deal(office: Office, lines: list[Any], expected: list[str]) -> None:
    made = office.one(office.step(1))
    outcome = changed(office, made, lines=lines)
    shown: dict[str, tuple[Any, ...]] = {
        "desk 2": ("1896-S", 2, 990, 198),
        "desk 3": ("1896-S", 3, 990, 297),
        "chair": ("1900-S", 4, Decimal("192.5"), 0),
        "wrap": ("gift wrap",),
        "courier": ("by courier",),
    }
    assert office.lines(made.target_id) == [shown[one] for one in expected]
    assert outcome.status == ("unchanged" if expected == ["desk 2", "wrap"] else "updated")
    assert outcome.target_id == made.target_id


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ({"quantity": Decimal(3)}, '{"quantity":3,"unitPrice":990,"discountPercent":10}'),
        ({"unitPrice": Decimal(980)}, '{"unitPrice":980,"discountPercent":10}'),
        ({"discountPercent": Decimal(5)}, '{"discountPercent":5}'),
        ({"discountAmount": Decimal(100)}, '{"discountAmount":100}'),
        ({"description": "Desk, oak"}, '{"description":"Desk, oak"}'),
    ],
)
def test_of_a_line_only_what_differs_is_sent_and_what_that_would_reset(
    office: Office, line: dict[str, Any], sent: str
) -> None:
    made = office.one(office.step(1))
    changed(office, made, lines=[{**DESKS, **line}, WRAP])
    assert [entry.body for entry in office.desk.calls("PATCH")] == [sent]
    assert changed(office, made, lines=[{**DESKS, **line}, WRAP]).status == "unchanged"


def test_lines_get_in_between_others_and_behind_them_where_there_is_no_room() -> None:
    rows = [
        {"id": str(n), "sequence": n, "lineType": "Item", "itemId": "", "lineObjectNumber": f"I{n}"}
        for n in (10000, 10001)
    ]
    first, last, new = (Line({}, number=one) for one in ("I10000", "I10001", "N"))
    assert [one.body for one in line_changes(rows, [first, new, last])] == [new.body()]
    assert [one.body["sequence"] for one in line_changes(rows, [new, new, first, last])] == [3333, 6666]
    assert [one.row["id"] for one in line_changes(rows, [last])] == ["10000"]


def test_the_header_of_a_draft_follows_the_deal(office: Office) -> None:
    made = office.one(office.step(1))
    outcome = changed(office, made, date="2026-07-05", discount=Decimal(82))
    row = office.row(made.target_id)
    assert outcome.status == "updated"
    assert row["orderDate" if office.kind == "order" else "invoiceDate"] == "2026-07-05"
    assert (row["discountAmount"], row["totalAmountExcludingTax"]) == (82, 1700)
    assert changed(office, made, date="2026-07-05").status == "updated"
    assert office.row(made.target_id)["discountAmount"] == 0


def test_a_draft_follows_the_currency_of_its_deal_or_is_held(office: Office) -> None:
    made = office.one(office.step(1))
    held = changed(office, made, currency="USD")
    assert (held.status, held.code, held.target_id) == ("failed", "currency-differs", made.target_id)
    assert writes(office.desk) == ["POST"]
    step = office.step(1, made.target_id, made.memo, currency="USD", total=None)
    assert office.one(step, currency_differs="deal").status == "updated"
    assert office.row(made.target_id)["currencyCode"] == "USD"
    assert office.lines(made.target_id)[0] == ("1896-S", 2, 990, 198)


def test_a_draft_goes_to_a_customer_with_another_currency_together_with_its_deal(
    office: Office, bc: BusinessCentral
) -> None:
    made = office.one(office.step(1))
    bc.edit("customers", "20000", currencyCode="USD", blocked="")
    step = office.step(1, made.target_id, made.memo, currency="USD", total=None)
    moved = replace(step, refs={**step.refs, "customer": office.desk.id("customers", "20000")})
    assert office.one(moved).status == "updated"
    row = office.row(made.target_id)
    assert (row["customerNumber"], row["currencyCode"]) == ("20000", "USD")
    assert office.lines(made.target_id)[0] == ("1896-S", 2, 990, 198)
    back = office.step(1, made.target_id, made.memo, currency="USD", total=None)
    assert office.one(back).code == "currency-differs", "the customer's is EUR"


def test_a_discount_that_a_crash_left_out_is_made_good(office: Office, bc: BusinessCentral) -> None:
    bc.fault("status", method="PATCH", status=503, times=0)
    with pytest.raises(Later):
        office.one(office.step(1, discount=Decimal(82), total=Decimal(1700)))
    bc.faults.clear()
    (found,) = office.all()
    outcome = office.one(office.step(1, found, discount=Decimal(82), total=Decimal(1700)))
    assert (outcome.status, office.row(found)["discountAmount"]) == ("updated", 82)


def test_a_changed_deal_whose_document_comes_to_another_total_is_said(office: Office) -> None:
    made = office.one(office.step(1))
    outcome = office.one(office.step(1, made.target_id, made.memo, lines=[THREE], total=Decimal(1782)))
    assert (outcome.status, outcome.code, outcome.target_id) == ("failed", "total-differs", made.target_id)


@pytest.mark.parametrize(
    "change",
    [
        {"customer": "20000"},
        {"lines": [CHAIRS]},
        {"currency": "USD"},
        {"discount": Decimal(50)},
        {"state": "release"},
    ],
)
def test_a_document_of_somebody_else_with_the_number_of_the_deal_is_left_alone(
    office: Office, bc: BusinessCentral, change: dict[str, Any]
) -> None:
    theirs = office.step(1, total=None, **{k: v for k, v in change.items() if k not in ("customer", "state")})
    refs = {**theirs.refs, "customer": office.desk.id("customers", change.get("customer", "10000"))}
    bc.edit("customers", "20000", currencyCode="", blocked="")
    (made,) = office.write(replace(theirs, refs=refs), currency_differs="deal")
    if "state" in change:
        bc.people.edit_line(number(office, made), 10000, quantity=5)
        bc.people.release(number(office, made))
    before = office.row(made.target_id)
    outcome = office.one(office.step(1, made.target_id), currency_differs="deal")
    assert (outcome.status, outcome.code, outcome.target_id) == ("failed", "document-not-ours", None)
    assert before["number"] in outcome.reason
    assert office.row(made.target_id) == before


def test_a_document_found_by_its_number_that_says_what_the_deal_does_is_taken(office: Office) -> None:
    made = office.one(office.step(1))
    taken = office.one(office.step(1, made.target_id))
    assert (taken.status, taken.memo) == ("unchanged", made.memo)
    linked = office.one(replace(office.step(1, made.target_id), action="link"))
    assert (linked.code, linked.memo) == ("linked", made.memo)


class Nosy(BusinessCentral):
    """Somebody edits the header of the document right before it is changed."""

    times = 1

    def answer(self, request: Any) -> Any:
        if request.method == "PATCH" and self.times:
            self.times -= 1
            for row in [*self.rows("salesOrders"), *self.rows("salesInvoices")]:
                if row["externalDocumentNumber"] == "PD-1":
                    entity = "salesOrders" if "orderDate" in row else "salesInvoices"
                    self.edit(entity, row["id"], shipToContact="Robert")
        return super().answer(request)


class TestSomebodyIsQuicker:
    @pytest.fixture
    def bc(self) -> Nosy:
        emulator = Nosy()
        emulator.seed()
        return emulator

    def test_a_document_that_changed_in_between_is_read_again(self, office: Office) -> None:
        made = office.one(office.step(1))
        outcome = changed(office, made, date="2026-07-05", lines=[THREE, WRAP])
        row = office.row(made.target_id)
        assert (outcome.status, row["shipToContact"]) == ("updated", "Robert")
        assert office.lines(made.target_id)[0] == ("1896-S", 3, 990, 297)


class Tidy(BusinessCentral):
    """Somebody deletes the first line of the document right before it is changed."""

    def answer(self, request: Any) -> Any:
        number = re.search(r"Lines\(([0-9a-f-]{36})\)", request.path)
        if request.method == "PATCH" and number is not None:
            rows = [*self.rows("salesOrders"), *self.rows("salesInvoices")]
            self.people.delete_line(
                next(one["number"] for one in rows if one["externalDocumentNumber"] == "PD-1"), 10000
            )
        return super().answer(request)


@pytest.mark.parametrize("kind", ["order", "invoice"])
def test_a_line_that_somebody_deletes_in_between_is_put_in_again(kind: str) -> None:
    tidy = Tidy()
    tidy.seed()
    tidy.edit("customers", "10000", currencyCode="", blocked="")
    with running(tidy) as desk:
        office = Office(desk, kind)
        made = office.one(office.step(1))
        assert changed(office, made, lines=[THREE, WRAP]).status == "updated"
        assert office.lines(made.target_id) == [("1896-S", 3, 990, 297), ("gift wrap",)]


# released, posted, gone


@pytest.mark.parametrize("state", ["release", "ask_for_approval"])
def test_a_released_document_is_flagged_and_left_alone(
    office: Office, bc: BusinessCentral, state: str
) -> None:
    made = office.one(office.step(1))
    getattr(bc.people, state)(number(office, made))
    before = office.row(made.target_id)
    outcome = changed(office, made, lines=[THREE, WRAP])
    assert (outcome.status, outcome.code, outcome.target_id) == (
        "failed",
        "document-released",
        made.target_id,
    )
    assert before["number"] in outcome.reason
    assert office.row(made.target_id) == before


@pytest.mark.parametrize("paid", [False, True])
def test_a_posted_document_is_flagged_by_the_number_of_its_invoice(
    office: Office, bc: BusinessCentral, paid: bool
) -> None:
    made = office.one(office.step(1))
    invoice = bc.people.post(number(office, made))
    if paid:
        bc.people.pay(invoice["number"])
    outcome = changed(office, made, lines=[THREE, WRAP])
    assert (outcome.status, outcome.code) == ("failed", "document-posted")
    assert outcome.target_id == f"invoice/{invoice['id']}"
    assert invoice["number"] in outcome.reason


@pytest.mark.parametrize("state", ["release", "post"])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"customer": "20000"}, "customer"),
        ({"currency": "USD"}, "currency"),
        ({"externalDocumentNumber": "PD-X2"}, "external number"),
    ],
)
def test_a_closed_document_is_flagged_for_another_customer_currency_or_reference_too(
    office: Office, bc: BusinessCentral, state: str, change: dict[str, Any], named: str
) -> None:
    made = office.one(office.step(1))
    getattr(bc.people, state)(number(office, made))
    body = {name: value for name, value in change.items() if name != "customer"}
    step = office.step(1, made.target_id, made.memo, total=None, **body)
    refs = {**step.refs, "customer": office.desk.id("customers", change.get("customer", "10000"))}
    outcome = office.one(replace(step, refs=refs))
    assert (outcome.status, outcome.code) == (
        "failed",
        f"document-{'released' if state == 'release' else 'posted'}",
    )
    assert f"differs from the deal ({named})" in outcome.reason


def test_an_order_that_became_an_invoice_is_flagged_only_if_that_says_something_else_than_the_deal(
    orders: Office, bc: BusinessCentral
) -> None:
    made = orders.one(orders.step(1))
    invoice = bc.people.post(number(orders, made))
    outcome = orders.one(orders.step(1, made.target_id, made.memo, date="2026-07-05"))
    assert (outcome.status, outcome.target_id) == ("unchanged", f"invoice/{invoice['id']}")
    again = orders.one(orders.step(1, outcome.target_id, outcome.memo, lines=[THREE, WRAP]))
    assert (again.status, again.code) == ("failed", "document-posted")


def test_a_released_document_that_says_the_same_as_the_deal_is_fine(
    office: Office, bc: BusinessCentral
) -> None:
    made = office.one(office.step(1))
    bc.people.release(number(office, made))
    assert office.one(office.step(1, made.target_id)).status == "unchanged"
    assert office.one(office.step(1, made.target_id, discount=Decimal(1))).code == "document-released"


def test_a_draft_that_somebody_deleted_is_not_made_anew(office: Office, bc: BusinessCentral) -> None:
    made = office.one(office.step(1))
    bc.people.delete_draft(number(office, made))
    outcome = changed(office, made, lines=[THREE, WRAP])
    assert (outcome.status, outcome.code, outcome.target_id) == ("failed", "document-gone", made.target_id)
    assert office.all() == []


# not won any more


def remove(office: Office, made: Outcome, on_unwon: str = "delete") -> Outcome:
    step = Step("remove", "1", None, made.target_id, was_key="document:PD-1", memo=made.memo, why="not-won")
    return office.one(step, on_unwon=on_unwon)


def test_the_draft_of_a_deal_that_is_not_won_any_more_is_flagged(office: Office) -> None:
    made = office.one(office.step(1))
    outcome = remove(office, made, "flag")
    assert (outcome.status, outcome.code, outcome.target_id) == ("failed", "not-won-any-more", made.target_id)
    assert number(office, made) in outcome.reason
    assert office.all() == [made.target_id]


def test_a_draft_that_nobody_touched_is_deleted_where_that_is_wanted(office: Office) -> None:
    made = office.one(office.step(1))
    assert remove(office, made).status == "removed"
    assert office.all() == []
    again = remove(office, made)
    assert (again.status, again.code) == ("removed", "already-away")


@pytest.mark.parametrize("lost", [False, True])
def test_a_deal_that_is_won_again_has_a_draft_again_after_ours_was_deleted(
    office: Office, bc: BusinessCentral, lost: bool
) -> None:
    made = office.one(office.step(1))
    if lost:
        bc.fault("lost-answer", method="DELETE")
    away = remove(office, made)
    assert away.status == "removed"
    again = office.one(office.step(1, made.target_id, away.memo))
    assert again.status == "created" and again.target_id != made.target_id
    assert office.all() == [again.target_id]
    assert office.one(office.step(1, made.target_id, away.memo)).target_id == again.target_id, "it is found"
    assert office.all() == [again.target_id]


def test_a_draft_is_deleted_after_a_change_of_ours_too(office: Office) -> None:
    made = office.one(office.step(1))
    office.desk.emulator.clock.advance(60)
    assert remove(office, changed(office, made, lines=[THREE])).status == "removed"


def test_a_draft_that_somebody_worked_on_is_never_deleted(office: Office, bc: BusinessCentral) -> None:
    made = office.one(office.step(1))
    bc.clock.advance(60)
    bc.people.edit_line(number(office, made), 10000, quantity=5)
    outcome = remove(office, made)
    assert (outcome.status, outcome.code) == ("failed", "document-touched")
    assert office.all() == [made.target_id]


def test_a_draft_of_which_nothing_is_remembered_is_never_deleted(office: Office) -> None:
    made = office.one(office.step(1))
    step = Step("remove", "1", None, made.target_id, was_key="document:PD-1", why="not-won")
    assert office.one(step, on_unwon="delete").code == "document-touched"


@pytest.mark.parametrize("why", ["excluded", "no-lines", ""])
def test_the_draft_of_a_won_deal_that_is_left_out_is_flagged_and_never_deleted(
    office: Office, bc: BusinessCentral, why: str
) -> None:
    made = office.one(office.step(1))
    step = Step("remove", "1", None, made.target_id, was_key="document:PD-1", memo=made.memo, why=why)
    outcome = office.one(step, on_unwon="delete")
    assert (outcome.status, outcome.code) == ("failed", "excluded-now")
    assert number(office, made) in outcome.reason and office.all() == [made.target_id]
    bc.people.post(number(office, made))
    assert office.one(step, on_unwon="delete").status == "skipped", "it was invoiced while it was wanted"


@pytest.mark.parametrize("on_unwon", ["flag", "delete"])
def test_a_posted_document_stays_and_is_flagged(office: Office, bc: BusinessCentral, on_unwon: str) -> None:
    made = office.one(office.step(1))
    invoice = bc.people.post(number(office, made))
    outcome = remove(office, made, on_unwon)
    assert (outcome.status, outcome.code) == ("failed", "document-posted")
    assert outcome.target_id == f"invoice/{invoice['id']}"


def test_a_released_document_stays_and_is_flagged(office: Office, bc: BusinessCentral) -> None:
    made = office.one(office.step(1))
    bc.people.release(number(office, made))
    assert remove(office, made).code == "document-released"
    assert office.all() == [made.target_id]
