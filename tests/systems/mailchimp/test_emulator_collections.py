"""Collections of members in the emulated Mailchimp, what people do to contacts, and the journal of statuses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

WHO = "Ida@contoso.com"
PATH = "/lists/{l}/members/ida@contoso.com"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def emails(answer):
    return [row["email_address"] for row in answer["members"]]


def test_members_are_filtered_by_status_and_archived_ones_only_if_asked_for(emulator, api):
    for status in ("subscribed", "cleaned", "archived"):
        emulator.add_member("Customers", f"{status}@contoso.com", status)
    assert emails(api.get("/lists/{l}/members", status="cleaned")) == ["cleaned@contoso.com"]
    assert emails(api.get("/lists/{l}/members", status="archived")) == ["archived@contoso.com"]
    assert api.get("/lists/{l}/members")["total_items"] == 2
    emulator.switches.members_without_status = "all"
    assert api.get("/lists/{l}/members")["total_items"] == 3


def three_in_a_row(emulator):
    emulator.clock.freeze(NOON)
    for name in ("b", "a", "c"):
        emulator.add_member("Customers", f"{name}@contoso.com")
        emulator.clock.advance(10)


def test_members_are_sorted_by_last_change_and_paged(emulator, api):
    three_in_a_row(emulator)
    asked = {"sort_field": "last_changed", "sort_dir": "ASC", "count": 2}
    assert emails(api.get("/lists/{l}/members", **asked)) == ["b@contoso.com", "a@contoso.com"]
    assert emails(api.get("/lists/{l}/members", **asked, offset=2)) == ["c@contoso.com"]
    assert emails(api.get("/lists/{l}/members", **{**asked, "sort_dir": "DESC"}))[0] == "c@contoso.com"


def test_a_change_between_two_pages_moves_the_rows(emulator, api):
    three_in_a_row(emulator)
    asked = {"sort_field": "last_changed", "sort_dir": "ASC", "count": 1}
    assert emails(api.get("/lists/{l}/members", **asked)) == ["b@contoso.com"]
    api.put("b@contoso.com", vip=True)
    assert emails(api.get("/lists/{l}/members", **asked, offset=1)) == ["c@contoso.com"]


def test_switch_since_last_changed_is_exclusive_or_inclusive(emulator, api):
    three_in_a_row(emulator)
    since = {"since_last_changed": "2026-03-01T12:00:10+00:00"}
    assert emails(api.get("/lists/{l}/members", **since)) == ["c@contoso.com"]
    emulator.switches.since_last_changed = "inclusive"
    assert emails(api.get("/lists/{l}/members", **since)) == ["a@contoso.com", "c@contoso.com"]
    before = {"before_last_changed": "2026-03-01T12:00:10.5Z"}
    assert emails(api.get("/lists/{l}/members", **before)) == ["b@contoso.com", "a@contoso.com"]


def test_a_plus_that_is_not_encoded_is_no_time(api):
    path = "/lists/{l}/members?since_last_changed=2026-03-01T12:00:10+00:00"
    assert api.call("GET", path).status_code == 400


def test_members_are_filtered_by_vip_type_and_unique_id(emulator, api):
    made = emulator.add_member("Customers", WHO, vip=True)
    emulator.add_member("Customers", "b@contoso.com", email_type="text")
    assert emails(api.get("/lists/{l}/members", vip_only="true")) == [WHO]
    assert emails(api.get("/lists/{l}/members", email_type="text")) == ["b@contoso.com"]
    assert emails(api.get("/lists/{l}/members", unique_email_id=made["unique_email_id"])) == [WHO]


def test_unsubscribed_since_needs_the_status(emulator, api):
    emulator.add_member("Customers", WHO, "unsubscribed")
    since = {"unsubscribed_since": "2020-01-01T00:00:00Z"}
    assert api.call("GET", "/lists/{l}/members", params=since).status_code == 400
    assert emails(api.get("/lists/{l}/members", **since, status="unsubscribed")) == [WHO]


def test_switch_collections_lag_behind_and_single_members_do_not(emulator, api):
    emulator.switches.collection_lag_seconds = 30
    emulator.clock.freeze(NOON)
    emulator.add_member("Customers", WHO)
    assert api.get("/lists/{l}/members")["total_items"] == 0
    emulator.clock.advance(31)
    api.put(WHO, status="unsubscribed")
    api.put("b@contoso.com", status="subscribed")
    assert api.get(PATH)["status"] == "unsubscribed"
    assert [row["status"] for row in api.get("/lists/{l}/members")["members"]] == ["subscribed"]
    emulator.clock.advance(31)
    assert api.get("/lists/{l}/members", status="unsubscribed")["total_items"] == 1
    assert api.get("/lists/{l}/members")["total_items"] == 2


# people, and the journal


def test_the_journal_says_who_moved_whom(emulator, api):
    api.get("/ping")
    api.put(WHO, status="subscribed")
    emulator.person_unsubscribes("Customers", WHO)
    api.put(WHO, status="subscribed")
    emulator.forget("Customers", WHO)
    rows = [(row.by, row.old, row.new) for row in emulator.transitions("Customers")]
    assert rows == [
        (2, "", "subscribed"),
        ("person", "subscribed", "unsubscribed"),
        ("admin", "unsubscribed", "forgotten"),
    ]
    assert [entry.number for entry in emulator.log if entry.method == "PUT"] == [2, 3]


def test_the_journal_knows_a_request_whose_answer_was_lost(emulator, api):
    emulator.fault("lost-answer")
    with pytest.raises(OSError):
        api.put(WHO, status="subscribed")
    assert [row.by for row in emulator.transitions("Customers")] == [1]


def test_an_archived_contact_that_opts_out_stays_archived_and_in_compliance(emulator, api):
    emulator.add_member("Customers", WHO, "archived")
    emulator.person_unsubscribes("Customers", WHO)
    assert api.get(PATH)["status"] == "archived"
    assert api.put(WHO, status="subscribed").json()["title"] == "Member In Compliance State"
    emulator.unarchive("Customers", WHO)
    assert api.get(PATH)["status"] == "unsubscribed"


def test_a_person_takes_another_address(emulator, api):
    before = emulator.add_member("Customers", WHO)
    emulator.email_change("Customers", WHO, "new@contoso.com")
    assert api.get("/lists/{l}/members/new@contoso.com")["contact_id"] == before["contact_id"]
    assert emulator.member("Customers", WHO) is None


def test_only_a_pending_contact_can_confirm(emulator):
    emulator.add_member("Customers", WHO, "cleaned")
    with pytest.raises(ValueError, match="not pending"):
        emulator.confirm("Customers", WHO)
