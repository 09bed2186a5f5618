"""The mappings against their golden files; `pytest tests/flows --rewrite-golden` writes the results anew."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mlconnector.flows import FLOWS
from mlconnector.flows.nav_mailchimp import CUSTOMERS_TO_MEMBERS, MergeField, check, merge_fields
from mlconnector.mapping import compile_map
from mlconnector.model import Mapped, Skip
from mlconnector.systems.business_central.fields import CUSTOMER, VENDOR
from tests.flows.cases import check_golden, map_case, read_golden

FIELDS = {"customer": CUSTOMER, "vendor": VENDOR}
KINDS = [kind for kind in FLOWS.values() if kind.target == "mailchimp"]


@pytest.mark.parametrize("flow", [kind.name for kind in KINDS])
def test_records_become_what_the_golden_file_says(flow: str, rewrite_golden: bool) -> None:
    check_golden(flow, rewrite=rewrite_golden)


@pytest.mark.parametrize("flow", [kind.name for kind in KINDS])
def test_no_reason_of_a_skip_holds_the_address(flow: str) -> None:
    for case in read_golden(flow):
        result = map_case(flow, case)
        if isinstance(result, Skip):
            assert "@" not in result.reason


RECORD = {"email": "anna@nordkran.se", "number": "10000", "displayName": "Nordkran"}


def body_of(record: dict[str, Any], rules: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    result = map_case("customers_to_members", {"record": record, "map": rules or {}, "options": options})
    assert isinstance(result, Mapped)
    return dict(result.body)


def test_status_of_a_new_member_does_not_move_the_digest() -> None:
    one = map_case("customers_to_members", {"record": RECORD, "options": {"new_members": "pending"}})
    other = map_case("customers_to_members", {"record": RECORD})
    assert isinstance(one, Mapped)
    assert isinstance(other, Mapped)
    assert one.body["status_if_new"] == "pending"
    assert one.digest == other.digest


def test_another_audience_moves_the_digest() -> None:
    results = [
        map_case("customers_to_members", {"record": RECORD, "options": {"audience": name}})
        for name in ("Customers", "Clients")
    ]
    assert len({result.digest for result in results if isinstance(result, Mapped)}) == 2


@pytest.mark.parametrize(
    ("amount", "sent"),
    [
        (Decimal("2311.30"), 2311.3),
        (Decimal("5.00"), 5),
        (Decimal("-0.0"), 0),
        (Decimal("1E+20"), 1e20),
        (7, 7),
        (None, ""),
    ],
)
def test_a_number_is_sent_the_same_however_the_source_wrote_it(amount: Any, sent: Any) -> None:
    record = {**RECORD, "balanceDue": amount}
    value = body_of(record, {"DUE": "balanceDue"})["merge_fields"]["DUE"]
    assert value == sent
    assert type(value) is type(sent)


def test_a_number_for_a_text_field_is_text() -> None:
    record = {**RECORD, "balanceDue": Decimal("2311.30")}
    assert (
        body_of(record, {"DUE": {"from": "balanceDue", "type": "text"}})["merge_fields"]["DUE"] == "2311.30"
    )


def test_true_and_false_are_sent_as_yes_and_no() -> None:
    for value, sent in ((True, "Yes"), (False, "No")):
        assert body_of({**RECORD, "taxLiable": value}, {"TAX": "taxLiable"})["merge_fields"]["TAX"] == sent


def test_tags_of_the_flow_and_of_the_mapping_come_together_once() -> None:
    rules = {"tags": {"from": "salespersonCode", "lookup": {"EH": "Key account; Customer"}}}
    assert body_of({**RECORD, "salespersonCode": "EH"}, rules)["tags"] == ["Customer", "Key account"]


def test_without_tags_none_are_sent() -> None:
    assert "tags" not in body_of(RECORD, tags=[])


def test_merge_fields_have_the_type_and_label_that_the_mapping_implies() -> None:
    rules = {
        "email_address": "email",
        "CUSTNO": "number",
        "BALANCE": {"from": "customerFinancialDetail.balance", "transform": "round2"},
        "SINCE": {"from": "lastModifiedDateTime", "transform": "date", "label": "Changed"},
        "BIRTH": {"from": "lastModifiedDateTime", "transform": "month_day"},
        "NR": {"value": 1},
        "ADDRESS": {"parts": {"addr1": "addressLine1"}},
        "PHONE": {"from": "phoneNumber", "type": "phone"},
        "vip": {"value": True},
    }
    assert merge_fields(compile_map(rules, CUSTOMER)) == (
        MergeField("CUSTNO", "text", "Customer number"),
        MergeField("BALANCE", "number", "Balance"),
        MergeField("SINCE", "date", "Changed"),
        MergeField("BIRTH", "birthday", "BIRTH"),
        MergeField("NR", "number", "NR"),
        MergeField("ADDRESS", "address", "Address"),
        MergeField("PHONE", "phone", "Phone Number"),
    )


@pytest.mark.parametrize(
    ("tag", "says"),
    [
        ("EMAIL", "keeps for itself; the address is 'email_address'"),
        ("custno", "did you mean 'CUSTNO'?"),
        ("email_adress", "did you mean 'email_address'?"),
        ("CUSTOMERNUMBER", "up to 10 characters"),
        ("CUST-NO", "A to Z, 0 to 9 and _"),
    ],
)
def test_a_tag_that_mailchimp_does_not_take_is_a_problem(tag: str, says: str) -> None:
    rules = {"email_address": "email", tag: "number"}
    (problem,) = check(rules, compile_map(rules, CUSTOMER))
    assert problem.path == (tag,)
    assert says in problem.message


def test_a_member_without_an_address_line_is_a_problem() -> None:
    assert [problem.message for problem in check({}, compile_map({}, CUSTOMER))] == [
        "a member needs 'email_address'"
    ]


def test_default_mappings_have_no_problem_and_every_optional_line_fits() -> None:
    for kind in KINDS:
        rules = {**kind.default_map, **kind.optional_map}
        compiled = compile_map(rules, FIELDS[kind.entity])
        assert not compiled.problems
        assert not [*kind.check(rules, compiled)]
        assert kind.notes.keys() <= rules.keys()


def test_the_target_learns_the_merge_fields_with_the_options() -> None:
    kind = CUSTOMERS_TO_MEMBERS
    target = kind.complete(kind.options(audience="A"), compile_map(kind.default_map, CUSTOMER))
    assert target.audience == "A"
    assert [field.tag for field in target.merge_fields] == [
        "COMPANY",
        "CUSTNO",
        "TYPE",
        "TERRITORY",
        "PHONE",
        "ADDRESS",
    ]
