from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlconnector.flows.fields import is_address, normal_address, split_addresses


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("anna@nordkran.se", ["anna@nordkran.se"]),
        (" a@nordkran.se;b@nordkran.se , c@nordkran.se", ["a@nordkran.se", "b@nordkran.se", "c@nordkran.se"]),
        ("Anna Nord <anna@nordkran.se>", ["anna@nordkran.se"]),
        ("mailto:anna@nordkran.se", ["anna@nordkran.se"]),
        ("Anna@Nordkran.se;anna@nordkran.se", ["Anna@Nordkran.se"]),
        ("n/a", ["n/a"]),
        (" ; ", []),
    ],
)
def test_addresses_of_one_field_are_told_apart(text: str, addresses: list[str]) -> None:
    assert split_addresses(text) == addresses


@pytest.mark.parametrize(
    "text",
    ["anna@nordkran.se", "a.b+c@x.co.uk", "ÅSA@nordkran.se", "o'hara@x.ie", "a@täby.se", "a@1.2.example"],
)
def test_these_could_be_addresses(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        "anna@nordkran",
        "@nordkran.se",
        "anna@@nordkran.se",
        "a b@nordkran.se",
        ".anna@nordkran.se",
        "an..na@nordkran.se",
        "anna@-nordkran.se",
        "anna@nordkran..se",
        "anna@10.0.0.1",
        "anna@nordkran.s",
        "anna@nordkran.se\n",
        "an\u200bna@nordkran.se",
        "a" * 65 + "@nordkran.se",
        "a@" + "b" * 64 + ".se",
    ],
)
def test_these_cannot_be_addresses(text: str) -> None:
    assert not is_address(text)


def test_the_key_of_an_address_knows_no_capitals() -> None:
    assert normal_address(" Anna@Nordkran.SE ") == "anna@nordkran.se"


@given(st.text())
def test_any_text_gives_addresses_without_blanks(text: str) -> None:
    for address in split_addresses(text):
        assert address == address.strip() and is_address(address) in (True, False)
