"""What the emulated Pipedrive has in v1 only, and its dialect (fact sheet 6.2, 8.2, 9.2)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SINCE = {"since_timestamp": "2026-11-02 09:00:00"}


@pytest.fixture(autouse=True)
def _still(crm):
    crm.clock.freeze(START)


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_users_and_me_answer_under_both_prefixes(api, prefix):
    me = api.data(f"{prefix}/users/me")
    assert (me["id"], me["company_domain"], me["is_you"]) == (21001, "nordkran-sandbox", True)
    assert [user["id"] for user in api.data(f"{prefix}/users")] == [21001, 21002]


def test_currencies_have_codes_and_decimals(api):
    rows = api.data("/v1/currencies")
    points = {row["code"]: row["decimal_points"] for row in rows}
    assert points == {"EUR": 2, "SEK": 2, "GBP": 2, "USD": 2, "JPY": 0}


def test_fields_of_v1_have_keys_and_their_pages_no_wrapper(crm, api):
    code = crm.people.add_field("deal", "ERP id")
    answer = api.get("/v1/dealFields", start=0, limit=4)
    assert answer["success"] is True
    assert answer["additional_data"] == {"start": 0, "limit": 4, "more_items_in_collection": True}
    assert [row["key"] for row in answer["data"]][:2] == ["id", "title"]
    last = api.data("/v1/dealFields", limit=500)[-1]
    assert (last["key"], last["edit_flag"], last["add_time"]) == (code, True, "2026-11-02 09:00:00")
    assert api.get("/v1/dealFields", start=500)["data"] is None


def test_deleted_options_are_listed_in_v1(crm, api):
    code = crm.people.add_field("deal", "Priority", "enum", ["Low", "High"])
    low = api.data(f"/dealFields/{code}")["options"][0]["id"]
    api.call("DELETE", f"/dealFields/{code}/options", json=[{"id": low}])
    field = api.data("/v1/dealFields", limit=500)[-1]
    assert [one["label"] for one in field["options"]] == ["High"]
    assert field["options_deleted"] == [{"id": low, "label": "Low"}]


def test_recents_tell_what_was_changed_and_deleted_since(crm, api):
    crm.fill(persons=2, organizations=1)
    crm.clock.advance(60)
    crm.people.delete("person", 1)
    crm.people.edit("organization", 1, name="New")
    answer = api.get("/v1/recents", since_timestamp="2026-11-02 09:01:00", items="person,organization")
    rows = {(row["item"], row["id"]): row["data"] for row in answer["data"]}
    assert set(rows) == {("person", 1), ("organization", 1)}
    assert (rows["person", 1]["active_flag"], rows["organization", 1]["active_flag"]) == (False, True)
    assert rows["organization", 1]["update_time"] == "2026-11-02 09:01:00"
    assert answer["additional_data"]["last_timestamp_on_page"] == "2026-11-02 09:01:00"


def test_recents_have_pages_with_the_wrapper_and_null_when_empty(crm, api):
    crm.fill(persons=3)
    first = api.get("/v1/recents", **SINCE, limit=2)
    assert first["additional_data"]["pagination"] == {
        "start": 0,
        "limit": 2,
        "more_items_in_collection": True,
    }
    assert [row["id"] for row in api.data("/v1/recents", **SINCE, start=2, limit=2)] == [3]
    empty = api.get("/v1/recents", **SINCE, items="deal")
    assert (empty["success"], empty["data"]) == (True, None)
    assert (
        api.call("GET", "/v1/recents", params={"since_timestamp": "2026-11-02T09:00:00Z"}).status_code == 400
    )


def test_switch_a_deleted_item_of_recents_is_null(crm, api):
    crm.switches.recents_of_deleted = "null"
    crm.fill(persons=1)
    crm.people.delete("person", 1)
    assert api.data("/v1/recents", **SINCE) == [{"item": "person", "id": 1, "data": None}]


def test_switch_recents_reach_back_some_days(crm, api):
    crm.fill(persons=1)
    crm.clock.advance(3 * 86400)
    assert len(api.data("/v1/recents", **SINCE)) == 1
    crm.switches.recents_days = 2
    assert api.data("/v1/recents", **SINCE) is None


def test_custom_fields_are_flat_in_v1(crm, api):
    money = crm.people.add_field("deal", "Budget", "monetary")
    colours = crm.people.add_field("deal", "Colours", "set", ["Red", "Blue"])
    ids = [option["id"] for option in api.data(f"/dealFields/{colours}")["options"]]
    crm.people.add("deal", title="x", custom={"Budget": {"value": 5, "currency": "EUR"}, "Colours": ids})
    deal = api.data("/v1/recents", **SINCE)[0]["data"]
    assert (deal[money], deal[f"{money}_currency"], deal[colours]) == (5, "EUR", f"{ids[0]},{ids[1]}")
    assert (deal["active"], deal["deleted"], deal["visible_to"]) == (True, False, "3")


@pytest.mark.parametrize("status", [410, 404])
@pytest.mark.parametrize("path", ["/v1/deals", "/api/v1/persons/5", "/v1/itemSearch", "/v1/products/1/deals"])
def test_switch_the_twins_of_v2_are_retired(crm, api, path, status):
    crm.switches.retired_v1 = status
    answer = api.refusal("GET", path)
    assert (answer[0], answer[1]["success"]) == (status, False)


def test_v2_has_one_prefix_only(api):
    assert api.session.get(f"{api.url}/v2/deals", timeout=10).status_code == 404
    assert api.session.get(f"{api.url}/api/v2/deals", timeout=10).status_code == 200
