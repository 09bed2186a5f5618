"""Keys by which records of two systems are matched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlconnector.spelling import legal_forms, plain_email, plain_name, plain_tax


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Adatum Corporation", "adatum"),
        ("ADATUM  Corp.", "adatum"),
        ("Nordkran A/S", "nordkran"),
        ("Müller & Söhne GmbH & Co. KG", "müller söhne"),
        ("School of Fine Art", "school of fine art"),
        ("Trey Research, Inc.", "trey research"),
        ("Ｔｒｅｙ Research", "trey research"),
        ("U.S.A. Imports", "usa imports"),
        ("AB", "ab"),
        ("Co. Co.", "co"),
        ("", ""),
        ("---", ""),
    ],
)
def test_a_name_matches_however_it_is_written(text: str, plain: str) -> None:
    assert plain_name(text) == plain


def test_the_legal_forms_of_a_name_are_told_apart_however_they_are_written() -> None:
    assert legal_forms("Nordkran GmbH & Co. KG") == {"gmbh", "co", "kg"}
    assert legal_forms("Trey Research Limited") == legal_forms("TREY RESEARCH LTD.") == {"ltd"}
    assert legal_forms("Nordkran") == legal_forms("AB") == frozenset()


def test_different_names_stay_different() -> None:
    assert len({plain_name(name) for name in ("Nordkran Syd", "Nordkran Nord", "Nordkran", "Nord kran")}) == 4


@given(st.text(max_size=40))
def test_what_is_plain_stays_as_it_is(text: str) -> None:
    assert plain_name(plain_name(text)) == plain_name(text)
    assert plain_tax(plain_tax(text)) == plain_tax(text)
    assert plain_email(plain_email(text)) == plain_email(text)


def test_a_tax_number_matches_with_and_without_signs() -> None:
    assert plain_tax("SE 556677-8899 01") == plain_tax("se556677889901") == "SE556677889901"
