from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlconnector.conditions import compile_when
from mlconnector.systems.business_central.fields import CUSTOMER

RECORD = {
    "number": "10000",
    "country": "SE",
    "city": "Oslo",
    "state": "",
    "blocked": "_x0020_",
    "type": "Company",
    "balanceDue": Decimal("10.0"),
    "taxLiable": True,
    "lastModifiedDateTime": "0001-01-01T00:00:00Z",
    "paymentTerm": None,
}


@pytest.mark.parametrize(
    ("conditions", "belongs"),
    [
        ({}, True),
        ({"blocked": {"is": " "}}, True),
        ({"blocked": {"is": ""}}, True),
        ({"blocked": {"is": "_x0020_"}}, True),
        ({"blocked": {"is": "All"}}, False),
        ({"blocked": {"in": [" ", "Ship"]}}, True),
        ({"blocked": {"not": {"in": ["Invoice", "All"]}}}, True),
        ({"blocked": {"empty": True}}, True),
        ({"type": {"is": "company"}}, True),
        ({"country": {"in": ["se", "no"]}}, True),
        ({"city": {"is": "oslo"}}, False),
        ({"city": {"is": "Oslo"}, "country": {"is": "DE"}}, False),
        ({"number": {"is": 10000}}, True),
        ({"balanceDue": {"is": 10}}, True),
        ({"balanceDue": {"is": "10.00"}}, True),
        ({"balanceDue": {"empty": False}}, True),
        ({"taxLiable": {"is": True}}, True),
        ({"state": {"empty": True}}, True),
        ({"state": {"not": {"empty": True}}}, False),
        ({"lastModifiedDateTime": {"empty": True}}, True),
        ({"paymentTerm.code": {"empty": True}}, True),
        ({"paymentTerm.code": {"is": "30D"}}, False),
    ],
)
def test_a_record_belongs_or_not(conditions: dict[str, Any], belongs: bool) -> None:
    when = compile_when(conditions, CUSTOMER)
    assert when.problems == ()
    assert when(RECORD) is belongs
    assert when.paths == conditions.keys()


@pytest.mark.parametrize(
    ("conditions", "where", "message"),
    [
        ({"bloked": {"is": " "}}, "bloked", "the source has no field 'bloked' (did you mean 'blocked'?)"),
        ({"blocked": " "}, "blocked", "expected a group of settings, got text ' '"),
        ({"blocked": {}}, "blocked", "a condition has exactly one of 'is', 'in', 'empty' and 'not'"),
        (
            {"blocked": {"is": " ", "empty": True}},
            "blocked",
            "a condition has exactly one of 'is', 'in', 'empty' and 'not'",
        ),
        ({"blocked": {"in": []}}, "blocked.in", "the list is empty, so nothing would match"),
        ({"blocked": {"equals": "x"}}, "blocked.equals", "unknown setting"),
        ({"taxLiable": {"is": "yes"}}, "taxLiable.is", "'taxLiable' is true or false"),
        ({"balanceDue": {"not": {"in": [1, "many"]}}}, "balanceDue.not.in.1", "'balanceDue' is a number"),
    ],
)
def test_a_bad_condition_says_where_and_what_was_meant(
    conditions: dict[str, Any], where: str, message: str
) -> None:
    problems = compile_when(conditions, CUSTOMER).problems
    assert (where, message) in [(".".join(map(str, one.path)), one.message) for one in problems]


ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False)
    | st.text()
    | st.lists(st.text(), max_size=2)
)


@given(ANYTHING, st.sampled_from(sorted(CUSTOMER)), st.sampled_from(["is", "in"]), ANYTHING)
def test_nothing_upsets_a_condition(value: Any, name: str, key: str, constant: Any) -> None:
    when = compile_when({name: {key: constant}}, CUSTOMER)
    if not when.problems:
        when({name.partition(".")[0]: value})
