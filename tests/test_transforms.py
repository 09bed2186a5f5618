from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlconnector.transforms import TRANSFORMS, decode_enum_name, spell


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("trim", "  Nord  kran ", "Nord kran"),
        ("trim", "  ", None),
        ("upper", "straße", "STRASSE"),
        ("lower", "ÅSA", "åsa"),
        ("title", "NORDKRAN SÖDERTÄLJE o'brien", "Nordkran Södertälje O'brien"),
        ("digits", "+46 (0)8-123", "4608123"),
        ("digits", "none", None),
        ("first_word", "Anna Maria Nord", "Anna"),
        ("rest_words", "Anna Maria Nord", "Maria Nord"),
        ("rest_words", "Anna", None),
        ("to_text", Decimal("1E+3"), "1000"),
        ("to_text", True, "true"),
        ("to_number", " 12.50 ", Decimal("12.50")),
        ("to_number", "1.234,5", None),
        ("round0", Decimal("2.5"), Decimal("3")),
        ("round2", Decimal("-2311.345"), Decimal("-2311.35")),
        ("round2", 5, 5),
        ("round2", "x", None),
        ("abs", Decimal("-1.5"), Decimal("1.5")),
        ("negate", Decimal("-1.5"), Decimal("1.5")),
        ("date", "2025-02-23T13:34:29.943Z", "2025-02-23"),
        ("date", "0001-01-01T00:00:00Z", None),
        ("date", "tomorrow", None),
        ("month_day", "2025-02-23", "02/23"),
        ("month_day", "0001-01-01", None),
        ("year", "2025-02-23", "2025"),
        ("yes_no", False, "No"),
        ("yes_no", Decimal("1"), "Yes"),
        ("yes_no", "false", "No"),
        ("decode_enum", "Non_x002D_Inventory", "Non-Inventory"),
        ("first_address", "n/a; a@x.se, b@x.se", "a@x.se"),
        ("domain", "Anna@Nordkran.SE", "nordkran.se"),
        ("domain", "none", None),
        ("url", "www.nordkran.se/om", "https://www.nordkran.se/om"),
        ("url", "HTTP://nordkran.se", "http://nordkran.se"),
        ("url", "ask us", None),
        ("url", "ftp://nordkran.se", None),
    ],
)
def test_a_transform_gives(name: str, value: Any, result: Any) -> None:
    given = TRANSFORMS[name](value)
    assert given == result
    assert type(given) is type(result)


def test_each_transform_says_in_one_line_what_it_does() -> None:
    for name, transform in TRANSFORMS.items():
        assert transform.summary.endswith("."), name
        assert "\n" not in transform.summary, name


@given(st.one_of(st.text(), st.decimals(), st.integers(), st.booleans(), st.floats()))
def test_no_value_upsets_a_transform(value: Any) -> None:
    for transform in TRANSFORMS.values():
        transform(value)


@pytest.mark.parametrize(
    ("name", "decoded"),
    [
        ("_x0020_", None),
        (" ", None),
        ("", None),
        ("In_x0020_Review", "In Review"),
        ("Ship", "Ship"),
        ("_x12", "_x12"),
    ],
)
def test_enum_names_are_decoded_as_the_sheet_says(name: str, decoded: str | None) -> None:
    assert decode_enum_name(name) == decoded


def test_amounts_are_spelled_without_an_exponent() -> None:
    assert spell(Decimal("2.50")) == "2.50"
    assert spell(1e-7) == "0.0000001"
