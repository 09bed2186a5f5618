"""The emulated Pipedrive as a whole: faults, control, seed data, pipelines, unknown paths."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import requests

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def seeded(crm):
    """The seed data on a fixed day."""
    crm.clock.freeze(START)
    crm.seed()
    return crm


def act(api, name, /, **data):
    return requests.post(f"{api.url}/_sandbox/do/{name}", json=data, timeout=10)


def test_an_unknown_path_is_404_and_an_unknown_method_405(api):
    assert api.refusal("GET", "/nonsense")[1]["errorCode"] == 404
    assert api.refusal("GET", "/deals/installments")[0] == 404
    assert api.refusal("PUT", "/deals/1")[0] == 405


def test_a_body_that_is_no_json_is_refused(api):
    assert api.call("POST", "/deals", data="{title:").status_code == 400


def test_pipelines_and_stages_are_read_in_full(crm, api):
    crm.company.add_pipeline("Service", ("New",))
    assert [row["name"] for row in api.data("/pipelines")] == ["Sales", "Service"]
    assert [row["name"] for row in api.data("/stages", pipeline_id=1)] == [
        "Qualified",
        "Offer made",
        "Negotiation",
    ]
    assert api.data("/stages/4")["pipeline_id"] == 2
    assert api.call("GET", "/pipelines/9").status_code == 404


@pytest.mark.parametrize(("status", "error"), [
    (402, "Company account is not open"), (429, "Rate limit exceeded"), (500, "Internal server error"),
    (503, "Scheduled maintenance"),
])  # fmt: skip
def test_a_fault_is_spelled_as_the_gateway_does(crm, api, status, error):
    crm.fault("status", status=status, retry_after=7)
    answer = api.call("GET", "/deals")
    assert (answer.status_code, answer.json()["error"], answer.headers["Retry-After"]) == (status, error, "7")
    assert api.call("GET", "/deals").status_code == 200


def test_a_write_whose_answer_got_lost_was_applied(crm, api):
    crm.fault("lost-answer", method="POST")
    with pytest.raises(requests.ConnectionError):
        api.call("POST", "/persons", json={"name": "x"})
    assert [row["name"] for row in api.data("/persons")] == ["x"]


def test_a_gateway_may_answer_with_html(crm, api):
    crm.fault("html", status=403)
    answer = api.call("GET", "/deals")
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "text/html")


def test_people_act_over_http_too(crm, api):
    number = act(api, "add", kind="deal", title="x").json()["answer"]
    act(api, "win", deal_id=number)
    assert api.data("/deals/1")["status"] == "won"
    assert act(api, "record", kind="deal", record_id=1).json()["title"] == "x"
    refused = act(api, "add", kind="deal")
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "do/add: Validation failed: title: is required",
    )
    assert act(api, "edit", kind="deal", record_id=9, title="y").status_code == 400
    assert act(api, "named", kind="deal", name="x").json()["id"] == 1
    act(api, "delete", kind="deal", record_id=1)
    with pytest.raises(KeyError):
        crm.people.named("deal", "x")
    assert "win" in str(act(api, "nonsense").json()["known"])


def test_switches_are_changed_over_http(crm, api):
    assert act(api, "switches", large_limit="clamped").json()["large_limit"] == "clamped"
    assert api.call("GET", "/deals", params={"limit": 900}).status_code == 200
    for wrong in ({"large_limit": "x"}, {"nonsense": 1}, {"recents_days": "x"}):
        assert act(api, "switches", **wrong).status_code == 400


def test_what_people_do_is_stamped_by_the_emulators_clock(crm, api):
    crm.clock.freeze(START)
    crm.fill(products=1, won_deals=1, lines=1, organizations=2)
    steps = [
        lambda: crm.people.reopen(1),
        lambda: crm.people.lose(1),
        lambda: crm.people.win(1),
        lambda: crm.people.archive(1),
        lambda: crm.people.unarchive(1),
        lambda: crm.people.edit_line(1, 1, item_price=11),
        lambda: crm.people.add_line(1, 1, 5),
        lambda: crm.people.discount(1, 10),
        lambda: crm.people.remove_line(1, 2),
        lambda: crm.people.merge("organization", 2, 1),
        lambda: crm.people.delete("deal", 1),
        lambda: crm.people.restore("deal", 1),
    ]
    stamps = []
    for step in steps:
        crm.clock.advance(1)
        step()
        stamps.append(api.data("/deals/1")["update_time"])
    assert stamps[:9] == [f"2026-11-21T09:00:{second:02}Z" for second in range(1, 10)]
    assert stamps[-2:] == ["2026-11-21T09:00:11Z", "2026-11-21T09:00:12Z"]


def test_the_seed_has_the_items_and_customers_of_the_demo_company(seeded, api):
    codes = {row["code"]: row for row in reversed(api.data("/products"))}
    assert {"1896-S", "1900-S", "1906-S", "1908-S", "1996-S"} <= set(codes)
    assert {price["currency"] for price in codes["1896-S"]["prices"]} == {"EUR", "SEK"}
    names = [row["name"] for row in api.data("/organizations")]
    assert {
        "Adatum Corporation",
        "Trey Research",
        "School of Fine Art",
        "Alpine Ski House",
        "Relecloud",
    } <= set(names)
    assert (names.count("Doppelt GmbH"), "Vanished Oy" in names) == (2, False)


def test_the_seed_is_awkward(seeded, api):
    products, persons = api.data("/products"), api.data("/persons")
    assert [row["name"] for row in products if row["code"] is None] == ["Delivery and assembly"]
    assert any(
        "EUR" not in [price["currency"] for price in row["prices"]] for row in products if row["prices"]
    )
    assert [row["name"] for row in products if not row["is_linkable"]] == ["Stool, no longer sold"]
    assert {len(row["emails"]) for row in persons} == {0, 1, 2, 3}
    assert any(row["org_id"] is None for row in persons)
    assert any(row["address"] is None for row in api.data("/organizations"))


def test_the_seeds_deals_are_in_every_state(seeded, api):
    deals = {row["title"]: row for row in api.data("/deals") + api.data("/deals/archived")}
    assert {row["status"] for row in deals.values()} == {"open", "won", "lost"}
    assert [row["title"] for row in api.data("/deals", status="deleted")] == ["Typed in twice"]
    values = {
        title: deals[title]["value"] for title in ("Desks for the new floor", "Show room", "Home office")
    }
    assert values == {"Desks for the new floor": 7050.32, "Show room": 2343.31, "Home office": 280}
    assert deals["Whiteboards for Uppsala"]["currency"] == "SEK"
    assert deals["Home office"]["org_id"] is None
    assert api.data("/deals", include_fields="products_count")[3]["products_count"] == 0


def test_the_seed_lies_in_the_past_and_is_found_at_once(seeded, api):
    stamps = [row["update_time"] for row in api.data("/deals") + api.data("/persons")]
    assert max(stamps) < "2026-11-21T09:00:00Z"
    assert min(stamps) >= "2026-11-01T09:00:00Z"
    assert len(api.data("/persons/search", term="townes")["items"]) == 2


def test_filling_makes_plain_records_quickly(crm, api):
    crm.fill(organizations=2, persons=3, products=2, won_deals=4, lines=2)
    assert [len(api.data(path)) for path in ("/organizations", "/persons", "/products")] == [2, 3, 2]
    deals = api.data("/deals", status="won", include_fields="products_count")
    assert [(deal["value"], deal["products_count"]) for deal in deals] == [(42, 2)] * 4
