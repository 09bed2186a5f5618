"""Products, prices and variations of the emulated Pipedrive (fact sheet 3.4)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
EUR, SEK = {"currency": "EUR", "price": 199.9}, {"currency": "SEK", "price": 2299, "cost": 1000}


def test_a_new_product_answers_201(api):
    answer = api.call("POST", "/products", json={"name": "Pump", "code": "P-5", "tax": 22, "prices": [EUR]})
    product = answer.json()["data"]
    assert (answer.status_code, product["code"], product["tax"], product["is_linkable"]) == (
        201,
        "P-5",
        22,
        True,
    )
    assert product["prices"] == [
        {"product_id": 1, "price": 199.9, "cost": 0, "direct_cost": None, "notes": "", "currency": "EUR"}
    ]
    assert (product["billing_frequency"], product["billing_frequency_cycles"]) == ("one-time", None)


def test_without_prices_it_costs_nothing_in_the_users_currency(api):
    prices = api.post("/products", name="Pump")["prices"]
    assert [(price["currency"], price["price"]) for price in prices] == [("EUR", 0)]


def test_prices_are_replaced_as_a_whole(api):
    api.post("/products", name="Pump", prices=[SEK, EUR])
    assert [price["currency"] for price in api.data("/products/1")["prices"]] == ["SEK", "EUR"]
    assert [price["currency"] for price in api.patch("/products/1", prices=[EUR])["prices"]] == ["EUR"]
    assert len(api.patch("/products/1", name="Pump 5")["prices"]) == 1


@pytest.mark.parametrize(
    "prices",
    [
        5,
        [5],
        [{"price": 5}],
        [{"currency": "EUR", "price": "5"}],
        [EUR, EUR],
        [{"currency": "XXX"}],
        [{**EUR, "id": 1}],
    ],
)
def test_prices_of_a_wrong_shape_are_refused(api, prices):
    assert api.call("POST", "/products", json={"name": "x", "prices": prices}).status_code == 400


def test_a_category_is_a_number_on_write_and_text_on_read(api):
    options = api.data("/productFields/category")["options"]
    number = options[0]["id"]
    assert api.post("/products", name="x", category=number)["category"] == str(number)
    for wrong in (str(number), 999):
        assert api.call("POST", "/products", json={"name": "x", "category": wrong}).status_code == 400


@pytest.mark.parametrize(
    ("moves", "expected"), [(True, "2026-11-02T09:00:05Z"), (False, "2026-11-02T09:00:00Z")]
)
def test_switch_a_price_alone_moves_the_update_time_or_not(crm, api, moves, expected):
    crm.clock.freeze(START)
    crm.switches.price_change_updates_product = moves
    api.post("/products", name="x", prices=[EUR])
    crm.clock.advance(5)
    changed = api.patch("/products/1", prices=[SEK])
    assert (changed["update_time"], changed["prices"][0]["currency"]) == (expected, "SEK")
    assert api.patch("/products/1", prices=[EUR], unit="PCS")["update_time"] == "2026-11-02T09:00:05Z"


@pytest.mark.parametrize(
    ("frequency", "cycles", "status"),
    [
        ("one-time", None, 201),
        ("one-time", 3, 400),
        ("weekly", None, 400),
        ("weekly", 208, 201),
        ("monthly", None, 201),
        ("monthly", 209, 400),
        ("monthly", 0, 400),
        ("daily", None, 400),
    ],
)
def test_cycles_have_to_go_with_the_billing_frequency(api, frequency, cycles, status):
    body = {"name": "x", "billing_frequency": frequency, "billing_frequency_cycles": cycles}
    assert api.call("POST", "/products", json=body).status_code == status


def test_variations_have_prices_of_their_own(api):
    api.post("/products", name="Table")
    made = api.call("POST", "/products/1/variations", json={"name": "Oak", "prices": [EUR]})
    oak = made.json()["data"]
    assert (made.status_code, oak["prices"][0]["product_variation_id"]) == (201, oak["id"])
    assert api.patch("/products/1/variations/1", name="Dark oak")["prices"] == oak["prices"]
    assert api.patch("/products/1/variations/1", prices=[SEK])["name"] == "Dark oak"
    assert [row["name"] for row in api.data("/products/1/variations")] == ["Dark oak"]
    assert api.call("DELETE", "/products/1/variations/1").json()["data"] == {"id": 1}
    assert api.call("PATCH", "/products/1/variations/1", json={"name": "x"}).status_code == 404


@pytest.mark.parametrize("body", [{}, {"name": "x" * 256}, {"name": 5}, {"name": "x", "prices": [{}]}])
def test_a_variation_of_a_wrong_shape_is_refused(api, body):
    api.post("/products", name="Table")
    assert api.call("POST", "/products/1/variations", json=body).status_code == 400


def test_a_product_is_duplicated_with_its_code(api):
    api.post("/products", name="Table", code="T", prices=[SEK])
    answer = api.call("POST", "/products/1/duplicate")
    copied = answer.json()["data"]
    assert (answer.status_code, copied["id"], copied["code"], copied["prices"][0]["product_id"]) == (
        201,
        2,
        "T",
        2,
    )


def test_a_product_shows_no_labels_and_all_of_its_custom_fields_when_it_is_read_alone(crm, api):
    codes = [crm.people.add_field("product", name) for name in ("Weight", "Height")]
    api.post("/products", name="x")
    assert list(api.data("/products", custom_fields=codes[1])[0]["custom_fields"]) == [codes[1]]
    assert list(api.data("/products/1", custom_fields=codes[1])["custom_fields"]) == codes
