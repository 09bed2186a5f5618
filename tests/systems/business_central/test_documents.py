"""A won deal becomes one draft: what it holds, what holds it back, and how many calls it takes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.model import Step
from mlconnector.systems.business_central.emulator import BusinessCentral

from .writing import CHAIRS, DESKS, Desk, NoBatch, Office, running


def test_a_deal_becomes_one_draft_with_all_its_lines(office: Office) -> None:
    outcome = office.one(office.step(1, lines=[DESKS, CHAIRS, {"comment": "gift wrap"}], total=Decimal(2552)))
    row = office.row(outcome.target_id)
    assert (outcome.status, outcome.code) == ("created", "")
    assert (outcome.target_id or "").startswith(f"{office.kind}/")
    assert (row["externalDocumentNumber"], row["customerNumber"], row["status"]) == ("PD-1", "10000", "Draft")
    assert row["orderDate" if office.kind == "order" else "invoiceDate"] == "2026-07-01"
    assert row["totalAmountExcludingTax"] == 2552
    assert office.lines(outcome.target_id) == [
        ("1896-S", 2, 990, 198),
        ("1900-S", 4, Decimal("192.5"), 0),
        ("gift wrap",),
    ]


CENT, HALF = Decimal("0.01"), Decimal("0.5")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"quantity": Decimal(3), "unitPrice": CENT}, (3, CENT, 0)),
        ({"quantity": HALF, "unitPrice": Decimal(10), "discountAmount": HALF}, (HALF, 10, HALF)),
        ({"quantity": Decimal(3), "unitPrice": Decimal(20), "discountPercent": Decimal("2.5")}, (3, 20, 1.5)),
        ({"quantity": Decimal(1), "unitPrice": Decimal(0)}, (1, 0, 0)),
        ({"quantity": Decimal(1), "unitPrice": Decimal("84.033613445")}, (1, Decimal("84.03361"), 0)),
        ({"quantity": Decimal(1), "unitPrice": Decimal(5), "description": "D" * 101}, (1, 5, 0)),
        ({"quantity": Decimal(1), "unitPrice": Decimal(5), "unit": "pcs"}, (1, 5, 0)),
    ],
)
@pytest.mark.parametrize("order", ["json", "page"])
def test_quantity_price_and_discount_of_a_line_are_the_deals(
    office: Office, bc: BusinessCentral, order: str, line: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    bc.setup.property_order = order
    outcome = office.one(office.step(1, lines=[{"item": "1896-S", **line}], total=None))
    assert office.lines(outcome.target_id) == [("1896-S", *expected)]
    assert outcome.code == ("clipped" if "description" in line else "")


def test_a_discount_on_the_whole_deal_is_spread_over_the_lines(office: Office) -> None:
    outcome = office.one(office.step(1, discount=Decimal(82), total=Decimal(1700)))
    row = office.row(outcome.target_id)
    assert (outcome.status, row["discountAmount"], row["totalAmountExcludingTax"]) == ("created", 82, 1700)


def test_the_totals_of_a_new_document_are_read_again_where_they_are_those_of_before_its_lines(
    office: Office, bc: BusinessCentral
) -> None:
    bc.setup.totals_after_lines = False
    outcome = office.one(office.step(1, discount=Decimal(82), total=Decimal(1700)))
    assert (outcome.status, office.row(outcome.target_id)["discountAmount"]) == ("created", 82)


def test_the_reference_of_the_customer_goes_onto_an_invoice(office: Office) -> None:
    row = office.row(office.one(office.step(1, reference="Your order 7")).target_id)
    assert row.get("customerPurchaseOrderReference", "Your order 7") == "Your order 7"


# what holds it back


@pytest.mark.parametrize(
    ("total", "status"),
    [("1782.05", "created"), ("1781.95", "created"), ("1782.06", "failed"), ("1781.94", "failed")],
)
def test_a_total_that_differs_is_said_with_both_figures_and_the_draft_stays(
    office: Office, total: str, status: str
) -> None:
    outcome = office.one(office.step(1, total=Decimal(total)))
    assert (outcome.status, outcome.code) == (status, "" if status == "created" else "total-differs")
    assert office.all() == [outcome.target_id]
    if status == "failed":
        assert "1782 without tax" in outcome.reason
        assert f"the deal to {total}" in outcome.reason
        assert office.row(outcome.target_id)["number"] in outcome.reason


@pytest.mark.parametrize(
    ("currency", "differs", "expected"),
    [
        ("USD", "hold", ("failed", "currency-differs", None)),
        ("USD", "deal", ("created", "", "USD")),
        ("EUR", "hold", ("created", "", "EUR")),
        ("", "hold", ("created", "", "EUR")),
        ("XTS", "hold", ("failed", "unknown-currency", None)),
        ("XTS", "deal", ("failed", "unknown-currency", None)),
    ],
)
def test_the_currency_of_a_deal_against_that_of_its_customer(
    office: Office, currency: str, differs: str, expected: tuple[Any, ...]
) -> None:
    outcome = office.one(office.step(1, currency=currency), currency_differs=differs)
    made = office.row(outcome.target_id)["currencyCode"] if outcome.target_id else None
    assert (outcome.status, outcome.code, made) == expected
    assert len(office.all()) == (expected[0] == "created")


def test_a_customer_abroad_pays_in_its_own_currency(office: Office, bc: BusinessCentral) -> None:
    bc.edit("customers", "10000", currencyCode="USD")
    outcome = office.one(office.step(1, currency="USD"))
    assert office.row(outcome.target_id)["currencyCode"] == "USD"
    assert office.one(office.step(2, currency="EUR")).code == "currency-differs"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"externalDocumentNumber": "P" * 36}, "too-long"),
        ({"externalDocumentNumber": " "}, "missing-field"),
        ({"lines": [{"line": "7", "quantity": 1}]}, "no-item"),
        ({"lines": [{"item": "N" * 21, "quantity": 1}]}, "too-long"),
    ],
)
def test_what_would_be_refused_is_not_sent(office: Office, body: dict[str, Any], code: str) -> None:
    outcome = office.one(office.step(1, **body))
    assert (outcome.status, outcome.code) == ("failed", code)
    assert office.desk.calls("POST") == []


def test_a_customer_that_is_gone_is_said_by_business_central(office: Office) -> None:
    step = office.step(1)
    gone = {**step.refs, "customer": "00000000-0000-0000-0000-00000000dead"}
    outcome = office.one(replace(step, refs=gone))
    assert (outcome.status, outcome.code) == ("failed", "business-rule")
    assert "customer cannot be found" in outcome.reason


def test_a_blocked_item_is_a_rule_of_business_central_and_nothing_that_is_missing(
    office: Office, bc: BusinessCentral
) -> None:
    bc.people.block("items", "1896-S", True)
    outcome = office.one(office.step(1))
    assert (outcome.status, outcome.code) == ("failed", "business-rule")
    assert "Blocked must be equal to 'No'" in outcome.reason


def test_a_line_that_is_refused_leaves_nothing_behind_and_the_others_go_on(office: Office) -> None:
    unknown = office.step(1, lines=[DESKS, {**DESKS, "item": "NONE"}])
    outcomes = office.write(unknown, office.step(2))
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [
        ("failed", "business-rule"),
        ("created", ""),
    ]
    assert (office.all(1), office.all(2)) == ([], [outcomes[1].target_id])


def test_a_long_comment_is_cut_or_held_as_configured(office: Office) -> None:
    lines = [DESKS, {"comment": "c" * 101}]
    assert office.one(office.step(1, lines=lines), too_long="hold").code == "too-long"
    outcome = office.one(office.step(1, lines=lines))
    assert (outcome.status, outcome.code) == ("created", "clipped")
    assert office.lines(outcome.target_id)[1] == ("c" * 100,)


# calls


def test_many_documents_take_fewer_than_three_calls_each(office: Office) -> None:
    steps = [office.step(n, discount=Decimal(82) * (n % 2), total=None) for n in range(20)]
    office.desk.find("document", *(step.mapped.key for step in steps if step.mapped))
    outcomes = office.write(*steps)
    assert {outcome.status for outcome in outcomes} == {"created"}
    assert len(office.desk.calls()) <= 3 + 20
    assert len(office.desk.calls("GET", "/customers")) == 1


@pytest.mark.parametrize(("discount", "calls"), [(0, 3), (82, 4)])
def test_a_document_alone_takes_three_calls_and_one_with_a_discount_another(
    office: Office, discount: int, calls: int
) -> None:
    target = office.desk.target("document", document=office.kind)
    step = office.step(1, discount=Decimal(discount), total=Decimal(1782 - discount))
    target.place()  # which company it is, is asked once a run
    before = len(office.desk.calls())
    assert target.find("document", ["document:PD-1"]) == {}
    (outcome,) = target.write("document", [step])
    assert outcome.status == "created" and outcome.memo == office.left(str(outcome.target_id))
    assert len(office.desk.calls()) - before <= calls


@pytest.mark.parametrize("kind", ["order", "invoice"])
def test_a_server_without_batches_gets_one_insert_each(kind: str) -> None:
    emulator = NoBatch()
    emulator.seed()
    emulator.edit("customers", "10000", currencyCode="", blocked="")
    with running(emulator) as desk:
        office = Office(desk, kind)
        assert {one.status for one in office.write(office.step(1), office.step(2))} == {"created"}
        assert len(desk.calls("POST", "/sales")) == 2


# answers that get lost


@pytest.mark.parametrize("fault", ["lost-answer", "cut", "drop"])
def test_a_document_whose_answer_got_lost_is_found_and_not_made_again(
    office: Office, bc: BusinessCentral, fault: Any
) -> None:
    bc.fault(fault, method="POST", path=f"/{office.rows}")
    outcome = office.one(office.step(1))
    assert (outcome.status, outcome.target_id) == ("unknown", None)
    assert len(office.desk.calls("POST", "/sales")) == 1
    assert len(office.all()) == (0 if fault == "drop" else 1)


def test_linking_writes_nothing(office: Office, desk: Desk) -> None:
    made = office.one(office.step(1))
    before, step = len(desk.calls()), office.step(1, made.target_id, lines=[DESKS])
    outcome = office.one(Step("link", "1", step.mapped, made.target_id, refs=step.refs))
    assert (outcome.status, outcome.code, outcome.target_id) == ("unchanged", "linked", made.target_id)
    assert {entry.method for entry in desk.calls()[before:]} == {"GET"}
