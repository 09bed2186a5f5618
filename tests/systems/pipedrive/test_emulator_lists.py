"""Lists of the emulated Pipedrive: pages, windows, order, filters (fact sheet 2, checklist 11)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
LISTS = ["/deals", "/deals/archived", "/persons", "/organizations", "/products"]


def walk(api, path, **params):
    pages, cursor = [], ""
    while cursor is not None:
        answer = api.get(path, **params, **({"cursor": cursor} if cursor else {}))
        pages.append([row["id"] for row in answer["data"]])
        cursor = answer["additional_data"]["next_cursor"]
    return pages


def decoded(cursor):
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


@pytest.mark.parametrize("path", LISTS)
def test_an_empty_list_is_an_empty_array_without_a_cursor(api, path):
    assert api.get(path) == {"success": True, "data": [], "additional_data": {"next_cursor": None}}


def test_a_page_has_a_hundred_unless_a_limit_says_else(crm, api):
    crm.fill(persons=230)
    assert [len(page) for page in walk(api, "/persons")] == [100, 100, 30]
    assert [len(page) for page in walk(api, "/persons", limit=115)] == [115, 115]
    pages = walk(api, "/persons", limit=7)
    assert [number for page in pages for number in page] == list(range(1, 231))


def test_the_cursor_is_a_keyset_marker_in_base64url(crm, api):
    crm.fill(persons=3)
    cursor = api.get("/persons", limit=2)["additional_data"]["next_cursor"]
    assert decoded(cursor) == {"field": "id", "fieldValue": 2, "sortDirection": "asc", "id": 2}
    assert "=" not in cursor


@pytest.mark.parametrize("limit", ["501", "0", "-1", "many"])
def test_a_limit_that_is_none_is_refused(api, limit):
    status, body = api.refusal("GET", "/deals", params={"limit": limit})
    assert (status, body["code"]) == (400, "ERR_SCHEMA_VALIDATION_FAILED")


def test_switch_a_large_limit_is_clamped(crm, api):
    crm.switches.large_limit = "clamped"
    crm.fill(persons=501)
    assert [len(page) for page in walk(api, "/persons", limit=9000)] == [500, 1]


@pytest.mark.parametrize("cursor", ["garbage", "e30", "eyJmaWVsZCI6InVwZGF0ZV90aW1lIn0"])
def test_a_broken_cursor_is_refused_or_the_start_by_switch(crm, api, cursor):
    crm.fill(persons=2)
    assert api.call("GET", "/persons", params={"cursor": cursor}).status_code == 400
    crm.switches.broken_cursor = "from-start"
    assert api.ids("/persons", cursor=cursor) == [1, 2]


def test_since_is_in_and_until_is_out_so_that_windows_tile(crm, api):
    crm.clock.freeze(START)
    for number in range(4):
        crm.people.add("organization", name=f"O{number}")
        crm.clock.advance(1)
    bounds = {"updated_since": "2026-11-02T09:00:01Z", "updated_until": "2026-11-02T09:00:03Z"}
    assert api.ids("/organizations", **bounds) == [2, 3]
    assert api.ids("/organizations", updated_until="2026-11-02T09:00:01Z") == [1]
    assert api.ids("/organizations", updated_since="2026-11-02T09:00:03Z") == [4]


def test_products_know_no_end_of_the_window(crm, api):
    crm.people.add("product", name="Chair")
    assert api.ids("/products", updated_until="2000-01-01T00:00:00Z") == [1]
    assert api.ids("/products", updated_since="2100-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    "moment", ["2026-11-02T09:00:00.000Z", "2026-11-02", "2026-11-02 09:00:00", "2026-13-02T09:00:00Z", "x"]
)
@pytest.mark.parametrize("path", LISTS)
def test_a_moment_with_a_fraction_or_garbage_is_refused(api, path, moment):
    status, body = api.refusal("GET", path, params={"updated_since": moment})
    assert (status, body["code"]) == (400, "ERR_SCHEMA_VALIDATION_FAILED")
    assert body["error"].endswith("not a valid datetime")


def test_switch_a_moment_may_have_an_offset(crm, api):
    crm.clock.freeze(START)
    crm.people.add("person", name="Ida")
    moment = {"updated_since": "2026-11-02T10:00:01+01:00"}
    assert api.call("GET", "/persons", params=moment).status_code == 400
    crm.switches.offset_times = "accepted"
    assert api.ids("/persons", **moment) == []
    assert api.ids("/persons", updated_since="2026-11-02T10:00:00+01:00") == [1]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/persons", "colour"),
        ("/persons", "status"),
        ("/products", "updated_until"),
        ("/products", "include_option_labels"),
        ("/deals/archived", "include_labels"),
        ("/organizations", "org_id"),
    ],
)
def test_unknown_parameters_are_ignored_or_refused_by_switch(crm, api, path, name):
    assert api.call("GET", path, params={name: "true"}).status_code == 200
    crm.switches.unknown_parameters = "refused"
    assert api.call("GET", path, params={name: "true"}).status_code == 400


def test_switch_all_documented_parameters_are_known(crm, api):
    crm.switches.unknown_parameters = "refused"
    window = {"updated_since": "2026-11-02T09:00:00Z", "updated_until": "2026-11-02T09:00:00Z"}
    known = {**window, "ids": 1, "owner_id": 21001, "limit": 5, "sort_by": "id", "custom_fields": "x"}
    for path in ("/deals", "/deals/archived", "/persons", "/organizations"):
        assert api.call("GET", path, params=known).status_code == 200
    deals = {"status": "won", "org_id": 1, "stage_id": 1, "include_labels": "true"}
    assert api.call("GET", "/deals", params={**known, **deals}).status_code == 200


@pytest.mark.parametrize("path", ["/pipelines", "/stages"])
def test_pipelines_and_stages_refuse_updated_since(api, path):
    assert api.call("GET", path, params={"updated_since": "2026-11-02T09:00:00Z"}).status_code == 400
    assert api.data(path)


@pytest.mark.parametrize(("direction", "expected"), [("asc", [[2, 3], [1]]), ("desc", [[1, 3], [2]])])
def test_lists_are_sorted_by_one_field_and_walked_in_that_order(crm, api, direction, expected):
    crm.clock.freeze(START)
    for name in "abc":
        crm.people.add("organization", name=name)
    crm.clock.advance(60)
    crm.people.edit("organization", 1, name="z")
    assert walk(api, "/organizations", sort_by="update_time", sort_direction=direction, limit=2) == expected


def test_products_are_sorted_by_name_too_but_deals_are_not(crm, api):
    for name in ("Stool", "Armchair"):
        crm.people.add("product", name=name)
    assert walk(api, "/products", sort_by="name", limit=1) == [[2], [1]]
    assert api.call("GET", "/deals", params={"sort_by": "title"}).status_code == 400


def test_ids_that_are_unknown_or_deleted_are_missing_without_an_error(crm, api):
    crm.fill(persons=4)
    crm.people.delete("person", 3)
    assert api.ids("/persons", ids="2,3,4,99") == [2, 4]


def test_more_than_a_hundred_ids_are_refused(api):
    assert api.call("GET", "/persons", params={"ids": ",".join(["1"] * 100)}).status_code == 200
    assert api.call("GET", "/persons", params={"ids": ",".join(["1"] * 101)}).status_code == 400


def test_more_than_fifteen_custom_fields_are_refused(crm, api):
    codes = [crm.people.add_field("person", f"F{number}") for number in range(16)]
    crm.people.add("person", name="Ida", custom={"F1": "x", "F2": "y"})
    assert api.call("GET", "/persons", params={"custom_fields": ",".join(codes)}).status_code == 400
    shown = api.data("/persons", custom_fields=",".join(codes[1:2]))[0]["custom_fields"]
    assert shown == {codes[1]: "x"}


def test_lists_are_filtered_by_links(crm, api):
    crm.fill(organizations=2, persons=4, won_deals=4)
    assert api.ids("/persons", org_id=1) == [2, 4]
    assert api.ids("/deals", org_id=2) == [1, 3]
    assert api.ids("/deals", person_id=2) == [1]
    assert api.ids("/persons", deal_id=1) == [2]
    assert api.ids("/deals", owner_id=21002) == []
    assert api.ids("/deals", stage_id=1, pipeline_id=1) == [1, 2, 3, 4]


def test_a_saved_filter_wins_over_the_other_filters(crm, api):
    crm.fill(persons=3)
    number = crm.people.add_filter(name="Person 000002")
    assert api.ids("/persons", filter_id=number, ids="1,3") == [2]
    assert api.call("GET", "/persons", params={"filter_id": 77}).status_code == 400


def test_switch_a_window_counts_beside_a_filter_or_not(crm, api):
    crm.fill(persons=1)
    number = crm.people.add_filter(name="Person 000001")
    future = {"filter_id": number, "updated_since": "2100-01-01T00:00:00Z"}
    assert api.ids("/persons", **future) == []
    crm.switches.filter_with_window = "window-ignored"
    assert api.ids("/persons", **future) == [1]


def test_switch_the_last_item_of_a_page_comes_again(crm, api):
    crm.fill(persons=5)
    crm.switches.repeated_page_items = True
    assert walk(api, "/persons", limit=3) == [[1, 2, 3], [3, 4, 5]]


def test_switch_a_record_that_is_edited_during_a_walk_moves(crm, api):
    crm.clock.freeze(START)
    crm.fill(persons=3)
    crm.clock.advance(5)
    crm.switches.edits_during_walks = True
    assert walk(api, "/persons", limit=2, sort_by="update_time") == [[1, 2], [3, 1]]
