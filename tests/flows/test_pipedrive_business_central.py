"""Accounts, people and catalogue both ways; the documents are in test_deal_documents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlconnector.errors import Rejected
from mlconnector.flows import FLOWS
from mlconnector.mapping import compile_map, compile_when
from mlconnector.model import Change, Mapped, Skip
from mlconnector.systems import load_system
from tests.flows.cases import NEEDED, check_golden, flow_function, map_case, read_golden

KINDS = [kind for kind in FLOWS.values() if "pipedrive" in (kind.source, kind.target)]
NAMES = [kind.name for kind in KINDS]


def problems_of(flow: str, rules: dict[str, Any]) -> list[str]:
    """What `check` says of a mapping that differs from the default one in these lines."""
    kind = FLOWS[flow]
    merged = kind.rules(rules)
    compiled = compile_map(merged, load_system(kind.source).entities[kind.entity].fields)
    assert not compiled.problems
    return [problem.message for problem in kind.check(merged, compiled)]


@pytest.mark.parametrize("flow", NAMES)
def test_records_become_what_the_golden_file_says(flow: str, rewrite_golden: bool) -> None:
    check_golden(flow, rewrite=rewrite_golden)


@pytest.mark.parametrize("flow", NAMES)
def test_no_reason_holds_personal_data(flow: str) -> None:
    for case in read_golden(flow):
        reason = case["result"].get("reason", "")
        assert "@" not in reason
        for name in ("name", "displayName", "title"):
            value = str(case["record"].get(name) or "").strip()
            assert not value or value not in reason


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_default_mappings_have_no_problem_and_every_optional_line_fits(kind: Any) -> None:
    fields = load_system(kind.source).entities[kind.entity].fields
    rules = {**kind.default_map, **kind.optional_map}
    compiled = compile_map(rules, fields)
    assert not compiled.problems
    assert not [*kind.check(rules, compiled)]
    assert not compile_when(kind.optional_when, fields).problems
    assert kind.notes.keys() <= rules.keys() | NEEDED.get(kind.name, {}).keys()


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_what_goes_first_is_a_flow(kind: Any) -> None:
    assert set(kind.after) <= FLOWS.keys()
    assert kind.name not in kind.after


@pytest.mark.parametrize(
    ("flow", "rules", "says"),
    [
        (
            "organizations_to_customers",
            {"displayname": "name"},
            "a customer has no field 'displayname' that can be written (did you mean 'displayName'?)",
        ),
        (
            "organizations_to_customers",
            {"balanceDue": "annual_revenue"},
            "a customer has no field 'balanceDue'",
        ),
        ("organizations_to_customers", {"displayName": None}, "a customer needs 'displayName'"),
        ("organizations_to_customers", {"city": {"parts": {"value": "name"}}}, "city has no parts"),
        (
            "organizations_to_customers",
            {"currencyCode": {"value": "EUROS AND CENTS"}},
            "is longer than the 10 characters that 'currencyCode' has",
        ),
        (
            "organizations_to_customers",
            {"salespersonCode": {"from": "owner_id", "lookup": {"7": "A" * 21}}},
            "is longer than the 20 characters that 'salespersonCode' has",
        ),
        (
            "organizations_to_customers",
            {"state": {"from": "address.admin_area_level_1", "default": "x" * 31}},
            "is longer than the 30 characters that 'state' has",
        ),
        ("persons_to_contacts", {"companyNumber": "org_id"}, "a contact has no field 'companyNumber'"),
        ("products_to_items", {"inventory": "tax"}, "an item has no field 'inventory' that can be written"),
        ("products_to_items", {"number": None}, "an item needs 'number'"),
        ("customers_to_organizations", {"address.localty": "city"}, "(did you mean 'address.locality'?)"),
        ("customers_to_organizations", {"address": "city"}, "an organization has no field 'address'"),
        ("customers_to_organizations", {"name": {"parts": {"value": "city"}}}, "name has no parts"),
        ("customers_to_organizations", {"custom_fields.": "city"}, "an organization has no field"),
        ("items_to_products", {"price": "unitPrice"}, "a product has no field 'price'"),
        ("deals_to_documents", {"referenc": "title"}, "its lines are the deal's (did you mean 'reference'?)"),
        ("deals_to_documents", {"date": None}, "a document needs 'date'"),
    ],
)
def test_a_line_that_the_target_does_not_take_is_a_problem(
    flow: str, rules: dict[str, Any], says: str
) -> None:
    (message,) = problems_of(flow, rules)
    assert says in message


def test_another_company_is_a_change_of_a_person() -> None:
    person = {"id": 7, "name": "Anna Nord", "org_id": 12}
    one = map_case("persons_to_contacts", {"record": person})
    other = map_case("persons_to_contacts", {"record": {**person, "org_id": 13}})
    assert isinstance(one, Mapped)
    assert isinstance(other, Mapped)
    assert one.body == other.body
    assert one.digest != other.digest


def test_an_amount_is_the_same_however_it_was_written() -> None:
    results = [
        map_case("items_to_products", {"record": {"id": "1", "displayName": "A", "unitPrice": price}})
        for price in (Decimal("100"), Decimal("100.00"), Decimal("1E+2"), 100)
    ]
    assert len({result.digest for result in results if isinstance(result, Mapped)}) == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.decimals(allow_nan=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PRICES = st.lists(
    st.fixed_dictionaries({"currency": st.just("EUR") | ANYTHING, "price": ANYTHING}), max_size=2
)


@pytest.mark.parametrize("flow", NAMES)
@given(data=st.data())
def test_whatever_a_record_holds_nothing_but_rejected_is_raised(flow: str, data: Any) -> None:
    kind = FLOWS[flow]
    names = {name.partition(".")[0] for name in load_system(kind.source).entities[kind.entity].fields}
    record = data.draw(st.dictionaries(st.sampled_from(sorted(names)), ANYTHING | PRICES))
    function = flow_function(flow, {"map": kind.optional_map, "options": {}})
    try:
        found = function(
            Change(kind.entity, "1", "upsert", None, {"name": "A", "displayName": "A", **record})
        )
    except Rejected as error:
        assert error.code
    else:
        assert isinstance(found, Mapped | Skip)
