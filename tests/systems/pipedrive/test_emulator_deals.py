"""Deals of the emulated Pipedrive: status, writes, closing, archive, deletion (fact sheet 2.1, 3.1, 3.6, 9.1)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

START = datetime(2026, 11, 2, 23, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _still(crm):
    crm.clock.freeze(START)


def pick(record, *names):
    return tuple(record[name] for name in names)


def test_a_new_deal_answers_200_with_all_of_it(crm, api):
    answer = api.call("POST", "/deals", json={"title": "Desks", "value": 12.5})
    deal = answer.json()["data"]
    assert (answer.status_code, deal["id"]) == (200, 1)
    assert pick(deal, "title", "value", "currency", "status") == ("Desks", 12.5, "EUR", "open")
    assert pick(deal, "owner_id", "creator_user_id", "pipeline_id", "stage_id") == (21001, 21001, 1, 1)
    assert deal["add_time"] == deal["update_time"] == "2026-11-02T23:30:00Z"
    assert api.data("/deals/1") == deal


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": ""},
        {"title": 5},
        {"title": "x", "value": "5"},
        {"title": "x", "owner_id": "21001"},
        {"title": "x", "owner_id": 5},
        {"title": "x", "is_archived": 1},
        {"title": "x", "org_id": 99},
        {"title": "x", "status": "deleted"},
        {"title": "x", "currency": "XXX"},
        {"title": "x", "stage_id": 99},
        {"title": "x", "probability": 50},
        {"title": "x", "label_ids": [1]},
        {"title": "x", "expected_close_date": "2026-11-02T00:00:00Z"},
        {"title": "x", "add_time": "2020-01-01T00:00:00Z"},
        {"title": "x", "a" * 40: "hash at top level"},
        ["title"],
    ],
)
def test_a_body_of_a_wrong_type_or_with_a_wrong_link_is_refused_as_a_whole(api, body):
    status, answer = api.refusal("POST", "/deals", json=body)
    assert (status, answer["success"], answer["code"]) == (400, False, "ERR_SCHEMA_VALIDATION_FAILED")
    assert api.data("/deals") == []


def test_switch_unknown_keys_are_ignored(crm, api):
    crm.switches.unknown_keys = "ignored"
    assert "colour" not in api.post("/deals", title="x", colour="blue")


def test_winning_sets_the_times_and_the_days_of_the_accounts_calendar(crm, api):
    api.post("/deals", title="x")
    crm.clock.advance(10)
    deal = api.patch("/deals/1", status="won")
    assert pick(deal, "won_time", "close_time", "lost_time") == (*["2026-11-02T23:30:10Z"] * 2, None)
    assert pick(deal, "local_won_date", "local_close_date", "local_lost_date") == (*["2026-11-03"] * 2, None)
    assert deal["update_time"] == "2026-11-02T23:30:10Z"


def test_losing_takes_a_reason_which_a_deal_that_is_not_lost_refuses(crm, api):
    api.post("/deals", title="x")
    assert api.call("PATCH", "/deals/1", json={"lost_reason": "no"}).status_code == 400
    deal = api.patch("/deals/1", status="lost", lost_reason="no")
    assert pick(deal, "lost_reason", "lost_time", "won_time") == ("no", "2026-11-02T23:30:00Z", None)
    assert api.patch("/deals/1", status="won")["lost_reason"] is None


def test_the_time_of_winning_can_be_given_to_a_won_deal_only(crm, api):
    api.post("/deals", title="x")
    assert api.call("PATCH", "/deals/1", json={"won_time": "2026-10-01T00:00:00Z"}).status_code == 400
    deal = api.patch("/deals/1", status="won", won_time="2026-10-01T00:00:00.000Z")
    assert pick(deal, "won_time", "local_won_date") == ("2026-10-01T00:00:00Z", "2026-10-01")


@pytest.mark.parametrize(("kept", "expected"), [("cleared", None), ("kept", "2026-11-02T23:30:00Z")])
def test_switch_a_reopened_deal_keeps_its_won_time_or_not(crm, api, kept, expected):
    crm.switches.won_time_when_reopened = kept
    crm.people.win(crm.people.add("deal", title="x"))
    deal = api.patch("/deals/1", status="open")
    assert pick(deal, "won_time", "close_time", "local_close_date") == (expected, None, None)
    first = api.data("/deals/1", include_fields="first_won_time")["first_won_time"]
    assert first == "2026-11-02T23:30:00Z"


def test_a_list_without_a_status_has_everything_that_is_not_deleted(crm, api):
    for title in ("open", "won", "lost", "deleted"):
        crm.people.add("deal", title=title)
    crm.people.win(2)
    crm.people.lose(3)
    crm.people.delete("deal", 4)
    assert api.ids("/deals") == [1, 2, 3]
    assert api.ids("/deals", status="won,lost") == [2, 3]
    assert [pick(deal, "id", "status") for deal in api.data("/deals", status="deleted")] == [(4, "deleted")]
    assert api.ids("/deals", status="open,won,lost,deleted") == [1, 2, 3, 4]
    assert api.call("GET", "/deals", params={"status": "closed"}).status_code == 400


def test_deleted_deals_are_purged_after_thirty_days(crm, api):
    crm.people.delete("deal", crm.people.add("deal", title="x"))
    crm.clock.advance(30 * 86400)
    assert api.ids("/deals", status="deleted") == [1]
    crm.clock.advance(1)
    assert api.ids("/deals", status="deleted") == []
    assert api.call("GET", "/deals/1").status_code == 404


def test_archived_deals_are_in_a_list_of_their_own_only(crm, api):
    crm.fill(won_deals=2)
    crm.clock.advance(5)
    crm.people.archive(2)
    assert (api.ids("/deals"), api.ids("/deals/archived")) == ([1], [2])
    deal = api.data("/deals/archived", status="won", updated_since="2026-11-02T23:30:05Z")[0]
    assert pick(deal, "id", "is_archived", "archive_time") == (2, True, "2026-11-02T23:30:05Z")
    crm.people.unarchive(2)
    assert (api.ids("/deals"), api.ids("/deals/archived")) == ([1, 2], [])


def test_an_archive_time_may_be_sent_in_the_form_of_v1(api):
    api.post("/deals", title="x")
    deal = api.patch("/deals/1", is_archived=True, archive_time="2026-10-01 08:00:00")
    assert deal["archive_time"] == "2026-10-01T08:00:00Z"


def test_a_patch_changes_only_what_was_sent(crm, api):
    crm.people.add("deal", title="x", value=7)
    crm.clock.advance(3)
    before = api.data("/deals/1")
    after = api.patch("/deals/1", title="y")
    assert after == {**before, "title": "y", "update_time": "2026-11-02T23:30:03Z"}


def test_the_stage_implies_the_pipeline_and_moving_is_stamped(crm, api):
    crm.company.add_pipeline("Service", ("New", "Done"), probability=True)
    crm.people.add("deal", title="x")
    deal = api.patch("/deals/1", stage_id=5, probability=50)
    assert pick(deal, "pipeline_id", "stage_id", "probability") == (2, 5, 50)
    assert deal["stage_change_time"] == "2026-11-02T23:30:00Z"
    assert api.call("PATCH", "/deals/1", json={"stage_id": 1, "pipeline_id": 2}).status_code == 400
    assert api.patch("/deals/1", pipeline_id=1)["stage_id"] == 1


@pytest.mark.parametrize(("unlinks", "status"), [(True, 200), (False, 400)])
def test_switch_null_unlinks_an_organization_or_is_refused(crm, api, unlinks, status):
    crm.switches.null_unlinks = unlinks
    crm.fill(organizations=1, won_deals=1)
    assert api.call("PATCH", "/deals/1", json={"org_id": None}).status_code == status
    assert api.data("/deals/1")["org_id"] == (None if unlinks else 1)


def test_a_delete_answers_the_id_and_a_second_one_404_or_200_by_switch(crm, api):
    crm.people.add("deal", title="x")
    assert api.call("DELETE", "/deals/1").json() == {"success": True, "data": {"id": 1}}
    assert api.call("DELETE", "/deals/1").status_code == 404
    crm.switches.delete_again = "accepted"
    assert api.call("DELETE", "/deals/1").status_code == 200


@pytest.mark.parametrize("kind", ["deal", "person", "organization", "product"])
def test_a_patch_of_a_deleted_record_is_refused_with_a_code_of_its_kind(crm, api, kind):
    crm.people.add(kind, **{"title" if kind == "deal" else "name": "x"})
    crm.people.delete(kind, 1)
    status, body = api.refusal("PATCH", f"/{kind}s/1", json={"owner_id": 21002})
    assert (status, body["code"]) == (400, f"ERR_{kind.upper()}_DELETED")
    assert "restore" in body["error"]


@pytest.mark.parametrize(("how", "status"), [("record", 200), ("not-found", 404), ("error", 400)])
@pytest.mark.parametrize("kind", ["deal", "person", "organization", "product"])
def test_switch_a_get_of_a_deleted_record_has_three_answers(crm, api, kind, how, status):
    crm.switches.get_deleted = how
    crm.people.add(kind, **{"title" if kind == "deal" else "name": "x"})
    crm.people.delete(kind, 1)
    answer = api.call("GET", f"/{kind}s/1")
    assert answer.status_code == status
    assert status != 200 or answer.json()["data"]["is_deleted"] is True


def test_a_deal_that_never_was_is_404_in_the_classic_shape(api):
    status, body = api.refusal("GET", "/deals/5")
    assert (status, body["success"]) == (404, False)
    assert (body["error"], body["error_info"], body["data"]) == (
        "Entity was not found",
        "Object was not found.",
        None,
    )
    assert api.refusal("PATCH", "/deals/5", json={"title": "x"})[0] == 404


def test_include_fields_adds_counts(crm, api):
    crm.fill(organizations=1, persons=3, products=1, won_deals=1, lines=2)
    crm.people.add("deal", title="x", org_id=1)
    crm.people.delete("person", 3)
    crm.people.add("person", name="Nobody's")
    assert [row["products_count"] for row in api.data("/deals", include_fields="products_count")] == [2, 0]
    row = api.data(
        "/organizations/1", include_fields="open_deals_count,won_deals_count,people_count,closed_deals_count"
    )
    assert pick(row, "open_deals_count", "won_deals_count", "people_count", "closed_deals_count") == (
        1,
        1,
        2,
        1,
    )
    row = api.data("/persons/1", include_fields="next_activity_id,files_count,related_won_deals_count")
    assert pick(row, "next_activity_id", "files_count", "related_won_deals_count") == (None, 0, 0)
    assert "products_count" not in api.data("/deals/1")
    assert api.call("GET", "/deals", params={"include_fields": "colour"}).status_code == 400


@pytest.mark.parametrize("key", ["labels", "label"])
def test_labels_come_as_objects_when_asked_for_but_not_in_the_archive(crm, api, key):
    crm.switches.labels_key = key
    hot = next(
        option["id"] for option in api.data("/dealFields/label_ids")["options"] if option["label"] == "Hot"
    )
    crm.people.add("deal", title="x", label_ids=[hot])
    assert api.data("/deals", include_labels="true")[0][key] == [{"id": hot, "label": "Hot"}]
    assert api.data("/deals")[0]["label_ids"] == [hot]
    crm.people.archive(1)
    assert key not in api.data("/deals/archived", include_labels="true")[0]
