from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlconnector.mapping import compile_map, digest
from mlconnector.systems.business_central.fields import CUSTOMER

ZERO = "00000000-0000-0000-0000-000000000000"
RECORD = {
    "number": "10000",
    "displayName": "Nordkran AB",
    "type": "Company",
    "country": "SE",
    "state": "",
    "email": "anna@nordkran.se",
    "balanceDue": Decimal("0"),
    "taxLiable": False,
    "blocked": "_x0020_",
    "currencyId": ZERO,
    "lastModifiedDateTime": "0001-01-01T00:00:00Z",
    "customerFinancialDetail": {"balance": Decimal("2311.345")},
    "paymentTerm": None,
}


def value_of(rule: Any, record: Any = RECORD) -> Any:
    compiled = compile_map({"X": rule}, CUSTOMER)
    assert compiled.problems == ()
    return compiled(record)["X"]


def problems_of(rules: dict[str, Any]) -> list[tuple[str, str]]:
    problems = compile_map(rules, CUSTOMER).problems
    return [(".".join(map(str, problem.path)), problem.message) for problem in problems]


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("number", "10000"),
        ("customerFinancialDetail.balance", Decimal("2311.345")),
        ("paymentTerm.displayName", None),
        ("shipmentMethod.code", None),
        ("blocked", None),
        ("currencyId", None),
        ("lastModifiedDateTime", None),
        ("balanceDue", Decimal("0")),
        ("taxLiable", False),
        ({"from": ["country", "state"], "join": "-"}, "SE"),
        ({"from": ["number", "displayName"]}, "10000 Nordkran AB"),
        ({"from": ["number", "balanceDue"], "join": "/"}, "10000/0"),
        ({"from": ["state", "paymentTerm.code", "country"], "first": True}, "SE"),
        ({"from": ["state", "city"], "first": True}, None),
        ({"value": "Vendor"}, "Vendor"),
        ({"value": False}, False),
        ({"from": "displayName", "transform": "upper"}, "NORDKRAN AB"),
        ({"from": "customerFinancialDetail.balance", "transform": ["round2", "negate"]}, Decimal("-2311.35")),
        ({"from": "state", "transform": ["upper"]}, None),
        ({"from": "country", "lookup": {"SE": "North"}, "default": "Other"}, "North"),
        ({"from": "country", "lookup": {"DE": "South"}, "default": "Other"}, "Other"),
        ({"from": "country", "lookup": {"DE": "South"}}, None),
        ({"from": "taxLiable", "lookup": {"true": "taxed", "false": "free"}}, "free"),
        ({"from": "balanceDue", "lookup": {"0": "settled"}}, "settled"),
        ({"from": "blocked", "lookup": {" ": "active", "All": "blocked"}}, "active"),
        ({"from": "state", "default": "N/A"}, "N/A"),
        ({"from": "balanceDue", "default": 9}, Decimal("0")),
        ({"from": "displayName", "max_length": 9}, "Nordkran"),
        (
            {"parts": {"addr1": "addressLine1", "country": {"from": "country", "transform": "lower"}}},
            {"addr1": None, "country": "se"},
        ),
    ],
)
def test_a_line_gives(rule: Any, value: Any) -> None:
    assert value_of(rule) == value


def test_decimals_stay_decimals() -> None:
    assert isinstance(value_of("customerFinancialDetail.balance"), Decimal)


def test_a_null_line_is_left_out() -> None:
    assert compile_map({"A": "number", "B": None}, CUSTOMER)(RECORD) == {"A": "10000"}


def test_paths_are_what_the_lines_read() -> None:
    rules = {
        "A": "number",
        "B": {"from": ["country", "paymentTerm.code"]},
        "C": {"parts": {"city": {"from": "city"}}},
        "D": {"value": 1},
    }
    compiled = compile_map(rules, CUSTOMER)
    assert compiled.paths == {"number", "country", "paymentTerm.code", "city"}
    assert [*compiled.targets] == ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("number", "text"),
        ("balanceDue", "number"),
        ("taxLiable", "text"),
        ({"from": "balanceDue", "transform": "to_text"}, "text"),
        ({"from": "postalCode", "transform": "to_number"}, "number"),
        ({"from": "lastModifiedDateTime", "transform": "date"}, "date"),
        ({"from": ["balanceDue", "creditLimit"], "first": True}, "number"),
        ({"from": ["balanceDue", "number"], "first": True}, "text"),
        ({"from": "country", "lookup": {"SE": 1, "DE": 2}, "default": 0}, "number"),
        ({"from": "balanceDue", "default": "none"}, "text"),
        ({"from": "balanceDue", "type": "text"}, "text"),
        ({"value": 3}, "number"),
        ({"value": True}, "text"),
        ({"parts": {"city": "city"}}, "address"),
    ],
)
def test_the_target_type_follows_from_the_source(rule: Any, kind: str) -> None:
    assert compile_map({"X": rule}, CUSTOMER).targets["X"].type == kind


@pytest.mark.parametrize(
    ("rule", "where", "message"),
    [
        ("displayname", "X", "the source has no field 'displayname' (did you mean 'displayName'?)"),
        (
            "balance",
            "X",
            "the source has no field 'balance' (did you mean 'customerFinancialDetail.balance'?)",
        ),
        (
            "paymentTerms.code",
            "X",
            "the source has no field 'paymentTerms.code' (did you mean 'paymentTerm.code'?)",
        ),
        (
            "customerFinancialDetail.overduAmount",
            "X",
            "the source has no field 'customerFinancialDetail.overduAmount'"
            " (did you mean 'customerFinancialDetail.overdueAmount'?)",
        ),
        (
            {"from": "number", "transform": ["uper"]},
            "X.transform.0",
            "there is no transform 'uper' (did you mean 'upper'?)",
        ),
        ({"from": ["number", "stat"]}, "X.from.1", "the source has no field 'stat' (did you mean 'state'?)"),
        ({"from": "number", "form": 1}, "X.form", "unknown setting (did you mean 'from'?)"),
        ({"transform": ["upper"]}, "X.from", "a line has exactly one of 'from', 'value' and 'parts'"),
        ({"from": "number", "value": 1}, "X.value", "a line has exactly one of 'from', 'value' and 'parts'"),
        ({"value": 1, "max_length": 3}, "X.max_length", "needs 'from'"),
        ({"from": "number", "join": "-"}, "X.join", "needs a list of fields in 'from'"),
        ({"from": "number", "first": True}, "X.first", "needs a list of fields in 'from'"),
        ({"from": []}, "X.from", "the list of fields is empty"),
        (
            {"from": ["number", "city"], "join": "-", "first": True},
            "X.join",
            "either 'join' or 'first', not both",
        ),
        (
            {"from": "city", "type": "address"},
            "X.type",
            "an address is written with 'parts', and only an address is",
        ),
        ({"from": "number", "max_length": 0}, "X.max_length", "0 is too small, at least 1"),
        ({"from": "number", "max_length": True}, "X.max_length", "expected a whole number, got true"),
        ({"parts": {"a": {"parts": {"b": "city"}}}}, "X.parts.a", "a part has no parts of its own"),
        ({"parts": {"a": "citi"}}, "X.parts.a", "the source has no field 'citi' (did you mean 'city'?)"),
        (5, "X", "expected a field, {from: …} or null; a constant is written {value: …}"),
    ],
)
def test_what_cannot_be_compiled_says_where_and_what_was_meant(rule: Any, where: str, message: str) -> None:
    assert (where, message) in problems_of({"X": rule})


def test_a_field_that_shares_no_more_than_its_beginning_is_not_suggested() -> None:
    (problem,) = compile_map({"X": "customerFinancialDetail.creditLeft"}, CUSTOMER).problems
    assert "did you mean" not in problem.message and "use one of: " in problem.message


def test_all_problems_come_at_once_and_the_good_lines_still_work() -> None:
    rules = {
        "A": "nmber",
        "B": {"from": "number", "transform": ["uper", "trimm"]},
        "C": {"from": "emial", "joint": "-"},
        "D": "number",
    }
    assert [path for path, _ in problems_of(rules)] == [
        "A",
        "B.transform.0",
        "B.transform.1",
        "C.joint",
        "C.from",
    ]
    assert compile_map(rules, CUSTOMER)(RECORD) == {"D": "10000"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(name.partition(".")[0] for name in CUSTOMER)), JSON))
def test_no_record_upsets_a_mapping(record: dict[str, Any]) -> None:
    rules = {name.replace(".", "_"): name for name in CUSTOMER}
    rules["JOINED"] = {"from": [*CUSTOMER], "transform": ["trim", "title"], "max_length": 9}  # type: ignore[assignment]
    compile_map(rules, CUSTOMER)(record)


@given(st.dictionaries(st.text(), JSON))
def test_no_rules_upset_the_compiler(rules: dict[str, Any]) -> None:
    compile_map(rules, CUSTOMER)


def test_the_digest_is_what_ledgers_hold() -> None:
    # stored in state files: a change here sends every record again, so it takes a new `person` and a rehash
    body = {"email_address": "åsa@nordkran.se", "merge_fields": {"B": 2311.3, "A": "", "N": 5}, "vip": True}
    assert digest(body).hex() == "544b0450156fef8226dce4bf79d3688e"
    assert digest({**body, "status_if_new": "pending"}, frozenset({"status_if_new"})) == digest(body)


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": {"b": 1, "c": 2}, "d": 3}) == digest({"d": 3, "a": {"c": 2, "b": 1}})
