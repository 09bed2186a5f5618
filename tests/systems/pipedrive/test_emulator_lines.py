"""Deal products and discounts of the emulated Pipedrive (fact sheet 3.6, 4)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
LATER = "2026-11-02T09:01:00Z"


@pytest.fixture
def deal(crm):
    """A deal of EUR 7 without lines, a minute old, and three products."""
    crm.clock.freeze(START)
    crm.fill(products=3)
    number = crm.people.add("deal", title="x", value=7)
    crm.clock.advance(60)
    return number


def line(product_id=1, item_price=10, quantity=1, **fields):
    return {"product_id": product_id, "item_price": item_price, "quantity": quantity, **fields}


def value(api):
    return api.data("/deals/1")["value"]


def test_a_new_line_answers_201_with_its_own_sum(api, deal):
    answer = api.call("POST", "/deals/1/products", json=line(quantity=2, item_price=30.23))
    made = answer.json()["data"]
    assert (answer.status_code, made["sum"], made["order_nr"], made["comments"]) == (201, 60.46, 10, "")
    assert (made["currency"], made["name"], made["deal_id"]) == ("EUR", "Product 000001", 1)
    assert (made["discount"], made["discount_type"], made["is_enabled"]) == (0, "percentage", True)
    assert api.data("/deals/1/products") == [made]


@pytest.mark.parametrize(
    ("fields", "total"),
    [
        ({"quantity": 8, "item_price": 190.1, "discount": 10}, 1368.72),
        ({"quantity": 4, "item_price": 432.1, "discount": 50, "discount_type": "amount"}, 1678.4),
        ({"quantity": 1.5, "item_price": 0.33}, 0.5),
        ({"quantity": 3, "item_price": 0.1}, 0.3),
        ({"quantity": 1, "item_price": 1.005}, 1.01),
        ({"quantity": 2, "item_price": 10, "tax": 19, "tax_method": "exclusive"}, 20),
    ],
)
def test_the_sum_is_quantity_times_price_less_the_discount_to_the_cent(api, deal, fields, total):
    assert api.post("/deals/1/products", **line(**fields))["sum"] == total
    assert value(api) == total


def test_sums_are_rounded_as_the_currency_is(api, deal):
    api.post("/deals/1/products", **line(item_price=33.35, quantity=3))
    assert (api.data("/deals/1/products")[0]["sum"], value(api)) == (100.05, 100.05)
    api.patch("/deals/1", currency="JPY")
    assert (api.data("/deals/1/products")[0]["sum"], value(api)) == (100, 100)


def test_switch_sums_contain_the_tax_that_comes_on_top(crm, api, deal):
    crm.switches.sums_with_tax = True
    api.post("/deals/1/products", **line(tax=19))
    assert (api.data("/deals/1/products")[0]["sum"], value(api)) == (11.9, 11.9)
    api.patch("/deals/1/products/1", tax_method="inclusive")
    assert value(api) == 10


def test_a_disabled_line_does_not_count(api, deal):
    api.post("/deals/1/products", **line())
    api.post("/deals/1/products", **line(item_price=5, is_enabled=False))
    assert value(api) == 10
    api.patch("/deals/1/products/2", is_enabled=True)
    assert value(api) == 15


def test_the_value_of_a_deal_with_products_is_locked_and_nothing_of_the_write_is_applied(api, deal):
    api.patch("/deals/1", value=8)
    api.post("/deals/1/products", **line())
    status, body = api.refusal("PATCH", "/deals/1", json={"title": "changed", "value": 9})
    assert (status, body["error"]) == (
        400,
        "Cannot update deal value, the deal has products attached to it.",
    )
    assert "code" not in body
    assert (api.data("/deals/1")["title"], value(api)) == ("x", 10)


def test_a_deals_own_discounts_reduce_its_value_one_after_the_other(api, deal):
    api.post("/deals/1/products", **line(item_price=100, quantity=2))
    tenth = api.post("/deals/1/discounts", type="percentage", amount=10, description="Regular")
    api.post("/deals/1/discounts", type="amount", amount=30, description="Scratched")
    assert value(api) == 150
    assert [row["amount"] for row in api.data("/deals/1/discounts")] == [10, 30]
    api.patch(f"/deals/1/discounts/{tenth['id']}", amount=50)
    assert value(api) == 70
    assert api.call("DELETE", f"/deals/1/discounts/{tenth['id']}").json()["data"] == {"id": tenth["id"]}
    assert value(api) == 170
    assert api.call("DELETE", f"/deals/1/discounts/{tenth['id']}").status_code == 404


def test_a_discount_does_not_touch_a_value_that_was_typed_in(api, deal):
    answer = api.call("POST", "/deals/1/discounts", json={"type": "amount", "amount": 3, "description": ""})
    assert (answer.status_code, value(api)) == (201, 7)
    assert api.call("POST", "/deals/1/discounts", json={"type": "amount", "amount": 3}).status_code == 400


def test_the_deal_is_stamped_only_when_its_value_changes(crm, api, deal):
    api.post("/deals/1/products", **line())
    assert api.data("/deals/1")["update_time"] == LATER
    crm.clock.advance(60)
    changed = api.patch("/deals/1/products/1", comments="by Friday")
    assert (changed["comments"], changed["update_time"]) == ("by Friday", "2026-11-02T09:02:00Z")
    assert api.data("/deals/1")["update_time"] == LATER


def test_switch_every_change_of_a_line_stamps_the_deal(crm, api, deal):
    crm.switches.line_change_updates_deal = "always"
    api.post("/deals/1/products", **line())
    crm.clock.advance(60)
    api.patch("/deals/1/products/1", comments="by Friday")
    assert api.data("/deals/1")["update_time"] == "2026-11-02T09:02:00Z"


def test_the_tax_method_is_the_whole_deals(api, deal):
    api.post("/deals/1/products", **line())
    api.post("/deals/1/products", **line(tax_method="none"))
    assert [row["tax_method"] for row in api.data("/deals/1/products")] == ["none", "none"]
    api.patch("/deals/1/products/1", tax_method="inclusive")
    assert [row["tax_method"] for row in api.data("/deals/1/products")] == ["inclusive", "inclusive"]
    assert api.post("/deals/1/products", **line())["tax_method"] == "inclusive"


def test_order_numbers_grow_by_ten(api, deal):
    for _ in range(3):
        api.post("/deals/1/products", **line())
    api.call("DELETE", "/deals/1/products/1")
    assert api.post("/deals/1/products", **line())["order_nr"] == 40
    assert [row["order_nr"] for row in api.data("/deals/1/products", sort_by="order_nr")] == [20, 30, 40]


def test_lines_of_many_deals_are_read_at_once_with_pages(crm, api):
    crm.fill(products=2, won_deals=3, lines=2)
    answer = api.get("/deals/products", deal_ids="1,3,99", limit=3)
    assert [(row["deal_id"], row["id"]) for row in answer["data"]] == [(1, 1), (1, 2), (3, 5)]
    cursor = answer["additional_data"]["next_cursor"]
    assert [row["id"] for row in api.data("/deals/products", deal_ids="1,3,99", limit=3, cursor=cursor)] == [
        6
    ]
    assert api.ids("/deals/products", deal_ids="1,3", sort_by="deal_id", sort_direction="desc") == [
        6,
        5,
        2,
        1,
    ]


@pytest.mark.parametrize("deal_ids", ["", "x", ",".join(["1"] * 101)])
def test_the_deals_of_lines_are_required_and_a_hundred_at_most(api, deal_ids):
    assert api.call("GET", "/deals/products", params={"deal_ids": deal_ids}).status_code == 400


def test_a_hundred_lines_are_added_at_once_or_none(api, deal):
    answer = api.call("POST", "/deals/1/products/bulk", json={"data": [line(), line(2, 5, 3)]})
    assert (answer.status_code, [row["sum"] for row in answer.json()["data"]]) == (201, [10, 15])
    for bad in (
        {"data": [line()] * 101},
        {"data": [line(), line(99)]},
        {"data": []},
        {"items": [line()]},
        [line()],
    ):
        assert api.call("POST", "/deals/1/products/bulk", json=bad).status_code == 400
    assert (len(api.data("/deals/1/products")), value(api)) == (2, 25)


def test_lines_that_are_removed_just_disappear(crm, api, deal):
    api.call("POST", "/deals/1/products/bulk", json={"data": [line(), line(2, 5), line(3, 1)]})
    assert api.call("DELETE", "/deals/1/products/3").json() == {"success": True, "data": {"id": 3}}
    assert api.call("DELETE", "/deals/1/products/3").status_code == 404
    gone = api.call("DELETE", "/deals/1/products", params={"ids": "2"}).json()
    assert (gone["data"], gone["additional_data"]) == ({"ids": [2]}, {"more_items_in_collection": True})
    assert (
        api.call("DELETE", "/deals/1/products").json()["additional_data"]["more_items_in_collection"] is False
    )
    assert (api.data("/deals/1/products"), value(api)) == ([], 0)


@pytest.mark.parametrize(
    "body",
    [
        {"product_id": 1, "item_price": 1},
        line(item_price="1"),
        line(item_price=1e300),
        line(quantity=float("nan")),
        line(quantity=None),
        line(99),
        line(discount_type="euros"),
        line(is_enabled=1),
        line(product_variation_id=5),
        line(billing_frequency="weekly"),
        line(billing_frequency_cycles=5),
        line(billing_frequency="monthly", billing_frequency_cycles=209),
        line(sum=5),
    ],
)
def test_a_line_of_a_wrong_type_is_refused(api, deal, body):
    assert api.call("POST", "/deals/1/products", data=json.dumps(body)).status_code == 400
    assert api.data("/deals/1/products") == []


def test_a_product_that_is_deleted_or_not_linkable_cannot_be_added(crm, api, deal):
    crm.people.edit("product", 1, is_linkable=False)
    crm.people.delete("product", 2)
    for product in (1, 2):
        assert api.call("POST", "/deals/1/products", json=line(product)).status_code == 400


@pytest.mark.parametrize(
    ("frequency", "cycles", "month", "year"),
    [
        ("annually", None, 10, 120),
        ("semi-annually", None, 20, 240),
        ("quarterly", None, 40, 480),
        ("monthly", 12, 120, 1440),
        ("weekly", 10, 520, 6240),
    ],
)
def test_recurring_lines_make_the_recurring_revenue(api, deal, frequency, cycles, month, year):
    assert api.data("/deals/1")["mrr"] is None
    api.post("/deals/1/products", **line(item_price=100))
    how = {"billing_frequency": frequency, "billing_frequency_cycles": cycles}
    api.post("/deals/1/products", **line(item_price=120, **how))
    shown = api.data("/deals/1")
    assert (shown["mrr"], shown["arr"], shown["acv"]) == (month, year, year + 100)


def test_a_deal_takes_twenty_recurring_lines(api, deal):
    monthly = line(billing_frequency="monthly")
    api.call("POST", "/deals/1/products/bulk", json={"data": [monthly] * 20})
    assert api.call("POST", "/deals/1/products", json=monthly).status_code == 400
    assert api.call("POST", "/deals/1/products", json=line()).status_code == 201


def test_a_line_names_its_variation(crm, api, deal):
    oak = crm.people.add_variation(2, "Oak")
    assert api.post("/deals/1/products", **line(2, product_variation_id=oak))["product_variation_id"] == oak
    assert api.call("POST", "/deals/1/products", json=line(1, product_variation_id=oak)).status_code == 400


@pytest.mark.parametrize(("how", "shown"), [("current", "Stool"), ("copied", "Product 000001")])
def test_switch_a_line_shows_the_products_name_of_today_or_of_its_own_day(crm, api, deal, how, shown):
    crm.switches.line_name = how
    api.post("/deals/1/products", **line())
    crm.people.rename_product(1, "Stool")
    assert api.data("/deals/1/products")[0]["name"] == shown


def test_another_currency_of_the_deal_is_its_lines_too(crm, api, deal):
    api.post("/deals/1/products", **line())
    api.patch("/deals/1", currency="SEK")
    assert (api.data("/deals/1/products")[0]["currency"], value(api)) == ("SEK", 10)
