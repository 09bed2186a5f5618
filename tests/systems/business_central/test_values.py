"""Values as Business Central takes them: what is cut, cleaned, left out and refused before anything is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mlconnector.errors import Rejected
from mlconnector.systems.business_central.api import Api
from mlconnector.systems.business_central.codes import Codes
from mlconnector.systems.business_central.emulator import BusinessCentral
from mlconnector.systems.business_central.fields import WRITTEN
from mlconnector.systems.business_central.values import Fitting, decode_option, encode_option, same

from .connecting import SECRETS
from .writing import Desk, create

GUID = "00000000-0000-0000-0000-000000000000"


def fitting(desk: Desk, too_long: str = "clip") -> Fitting:
    return Fitting(Codes(Api(desk.client.settings(), SECRETS, desk.client.tools())), too_long)


@pytest.mark.parametrize(
    ("field", "given", "sent", "code"),
    [
        ("displayName", "  Nordkran AB ", "Nordkran AB", ""),
        ("displayName", "N" * 101, "N" * 100, "clipped"),
        ("addressLine2", "x" * 49 + "  y", "x" * 49, "clipped"),
        ("postalCode", " 123 45 ", "123 45", ""),
        ("postalCode", "1" * 21, "1" * 20, "clipped"),
        ("salespersonCode", " jo", "JO", ""),
        ("taxRegistrationNumber", "se556677", "se556677", ""),
        ("type", "Person", "Person", ""),
        ("blocked", "", "_x0020_", ""),
        ("country", "se", "SE", ""),
        ("country", "Sweden", "SE", ""),
        ("country", "SWE", "SE", ""),
        ("country", "UK", "GB", ""),
        ("country", "United Kingdom", "GB", ""),
        ("country", "Atlantis", None, "unknown-country"),
        ("country", "", "", ""),
        ("phoneNumber", "+46 8 12 34", "+46 8 12 34", ""),
        ("phoneNumber", "+46 8 12 34 ext. 5", "+46 8 12 34", "cleaned"),
        ("phoneNumber", "Tel: (08) 12 34", "(08) 12 34", "cleaned"),
        ("phoneNumber", "växel", None, "cleaned"),
        ("phoneNumber", "1" * 31, "1" * 30, "clipped"),
        ("email", "a@x.se", "a@x.se", ""),
        ("email", "a@x.se, b@x.se", "a@x.se;b@x.se", ""),
        ("email", "a@x.se; none", "a@x.se", "cleaned"),
        ("email", "none", None, "cleaned"),
        ("email", f"a@x.se;{'b' * 80}@x.se", "a@x.se", "clipped"),
        ("currencyCode", "usd", "USD", ""),
        ("currencyCode", "eur", "EUR", ""),
        ("currencyCode", "", "", ""),
        ("currencyCode", None, "", ""),
        ("paymentTermsId", None, GUID, ""),
        ("city", None, "", ""),
        ("creditLimit", Decimal("12.50"), Decimal("12.50"), ""),
        ("taxLiable", True, True, ""),
    ],
)
def test_a_value_is_fitted(desk: Desk, field: str, given: Any, sent: Any, code: str) -> None:
    fitted = fitting(desk).fit("customer", {"displayName": "Nordkran", field: given})
    assert fitted.values.get(field) == sent
    assert [note.code for note in fitted.notes] == [code] * bool(code)
    assert all(field in note.text for note in fitted.notes)


@pytest.mark.parametrize(
    ("entity", "body", "code", "named"),
    [
        ("customer", {"displayName": " "}, "missing-field", "displayName"),
        ("contact", {"displayName": ""}, "missing-field", "displayName"),
        ("customer", {"number": "1" * 21}, "too-long", "number has 21 characters and may have 20"),
        ("item", {"gtin": "1" * 15}, "too-long", "gtin has 15"),
        ("customer", {"salespersonCode": "s" * 21}, "too-long", "salespersonCode has 21"),
        ("customer", {"currencyCode": "XTS"}, "unknown-currency", "XTS"),
        ("item", {"inventory": 5}, "read-only-field", "inventory"),
        ("customer", {"balanceDue": 5}, "read-only-field", "balanceDue"),
    ],
)
def test_what_cannot_be_helped_is_refused_before_a_call(
    desk: Desk, entity: str, body: dict[str, Any], code: str, named: str
) -> None:
    outcome = desk.one(entity, create("1", **body))
    assert (outcome.status, outcome.code) == ("failed", code)
    assert named in outcome.reason
    assert desk.calls("POST") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("displayName", "N" * 101), ("phoneNumber", "1" * 31), ("email", f"{'b' * 80}@x.se")],
)
def test_a_long_value_holds_the_record_where_nothing_is_to_be_cut(desk: Desk, field: str, value: str) -> None:
    with pytest.raises(Rejected, match=rf"{field} has \d+ characters and may have \d+") as refused:
        fitting(desk, "hold").fit("customer", {field: value})
    assert refused.value.code == "too-long"
    assert value not in refused.value.message


def test_letters_stay_in_the_number_of_a_person(desk: Desk) -> None:
    fitted = fitting(desk).fit("contact", {"phoneNumber": "+46 8 12 ext. 5"})
    assert fitted.values["phoneNumber"] == "+46 8 12 ext. 5"


def test_values_come_in_page_order_whatever_the_order_of_the_map(desk: Desk) -> None:
    fitted = fitting(desk).fit("item", {"unitPrice": 1, "type": "Non-Inventory", "number": "a-1"})
    assert list(fitted.values.items()) == [
        ("number", "A-1"),
        ("type", "Non_x002D_Inventory"),
        ("unitPrice", 1),
    ]


def test_a_country_may_be_called_as_the_company_calls_it(bc: BusinessCentral, desk: Desk) -> None:
    bc.add("countriesRegions", code="ATL", displayName="Atlantis")
    fitted = fitting(desk).fit("customer", {"displayName": "Nordkran", "country": " atlantis "})
    assert (fitted.values["country"], fitted.notes) == ("ATL", ())


def test_an_item_may_be_without_a_name(desk: Desk) -> None:
    assert fitting(desk).fit("item", {"displayName": ""}).values == {"displayName": ""}


def test_tables_are_read_once_and_only_if_something_is_checked_against_them(desk: Desk) -> None:
    one = fitting(desk)
    one.fit("customer", {"displayName": "Nordkran", "city": "Ulm"})
    assert desk.calls("GET") == []
    for _ in range(3):
        one.fit("customer", {"country": "SE", "currencyCode": "USD"})
    sets = [entry.path.rpartition("/")[2] for entry in desk.calls("GET")]
    assert sorted(sets) == ["companies", "companyInformation", "countriesRegions", "currencies"]


@pytest.mark.parametrize("entity", WRITTEN)
def test_every_field_that_may_be_written_is_one_that_the_server_lets_write(
    bc: BusinessCentral, desk: Desk, entity: str
) -> None:
    sets = {"customer": "customers", "contact": "contacts", "item": "items"}
    row = next(iter(bc.rows(sets[entity])))
    body = {name: row[name] for name in WRITTEN[entity]}
    body |= {"number": "NEW-1", "displayName": "new"} | ({"companyNumber": ""} if entity == "contact" else {})
    assert desk.one(entity, create("1", **body)).status == "created"


@pytest.mark.parametrize("name", ["", "In Review", "Non-Inventory", "Bank Account", "A.B/C&D(E)", "Company"])
def test_an_option_is_encoded_and_decoded(name: str) -> None:
    encoded = encode_option(name)
    assert encoded.replace("_x", "").replace("_", "").isalnum()
    assert (decode_option(encoded), encode_option(encoded)) == (name, encoded)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (Decimal("12.50"), Decimal("12.5"), True),
        (12, Decimal("12.0"), True),
        (12, Decimal("12.01"), False),
        ("_x0020_", " ", True),
        ("Non_x002D_Inventory", "Non-Inventory", True),
        ("a", "A", False),
        (False, 0, True),
        (None, "", False),
    ],
)
def test_two_spellings_of_a_value_are_one(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
