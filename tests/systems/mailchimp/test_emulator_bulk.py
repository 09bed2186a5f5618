"""POST /lists/{l} in the emulated Mailchimp: one result per address, and every switch of it."""

from __future__ import annotations

import pytest

WHO = "Ida@contoso.com"
COMPLIANCE = (
    "is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
)


def new(email=WHO, **fields):
    return {"email_address": email, "status_if_new": "subscribed", **fields}


def the_error(answer):
    """The one error of an answer in which nothing else happened."""
    assert (answer["error_count"], answer["new_members"], answer["updated_members"]) == (1, [], [])
    return answer["errors"][0]


def test_an_answer_has_exactly_the_documented_keys(api):
    answer = api.bulk(new())
    assert list(answer) == [
        "new_members",
        "updated_members",
        "errors",
        "total_created",
        "total_updated",
        "error_count",
        "_links",
    ]
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 0, 0)


def test_members_of_an_answer_are_shorter_and_older_ones_lack_contact_id(emulator, api):
    member = api.bulk(new())["new_members"][0]
    assert "contact_id" in member
    assert not {"full_name", "web_id", "source"} & set(member)
    emulator.switches.shorter_bulk_members = True
    assert "contact_id" not in api.bulk(new("b@contoso.com"))["new_members"][0]


def test_links_are_left_out_only_if_asked(api):
    assert api.bulk(new())["new_members"][0]["_links"]
    params = {"exclude_fields": "new_members._links"}
    assert "_links" not in api.bulk(new("b@contoso.com"), params=params)["new_members"][0]


def test_an_existing_member_is_an_error_unless_updates_are_wanted(emulator, api):
    emulator.add_member("Customers", WHO, FNAME="Ida")
    row = new("IDA@contoso.com", merge_fields={"FNAME": "Eva"})
    error = the_error(api.bulk(row))
    assert error["error_code"] == "ERROR_CONTACT_EXISTS"
    assert error["error"].startswith("IDA@contoso.com is already a list member, do you want to update?")
    updated = api.bulk(row, update_existing=True)["updated_members"][0]
    assert (updated["email_address"], updated["merge_fields"]["FNAME"]) == (WHO, "Eva")


@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "pending", "transactional"])
def test_status_if_new_leaves_the_status_of_those_who_are_there(emulator, api, status):
    emulator.add_member("Customers", WHO, status)
    answer = api.bulk(new(merge_fields={"FNAME": "Eva"}), update_existing=True)
    assert (answer["updated_members"][0]["status"], answer["error_count"]) == (status, 0)


def test_an_archived_contact_counts_as_new_even_without_update_existing(emulator, api):
    emulator.add_member("Customers", WHO, tags=["Fair"])
    emulator.archive("Customers", WHO)
    answer = api.bulk(new())
    assert (answer["total_created"], answer["new_members"][0]["status"]) == (1, "subscribed")
    assert answer["new_members"][0]["tags_count"] == 1
    row = emulator.transitions("Customers")[-1]
    assert (row.by, row.old, row.new) == (1, "archived", "subscribed")


def test_an_archived_contact_that_had_opted_out_is_a_compliance_error(emulator, api):
    emulator.add_member("Customers", WHO)
    emulator.person_unsubscribes("Customers", WHO)
    emulator.archive("Customers", WHO)
    assert the_error(api.bulk(new(), update_existing=True))["error"] == f"{WHO} {COMPLIANCE}"


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("nobody", "Please provide a valid email address."),
        ("a@example.com", "a@example.com looks fake or invalid, please enter a real email address."),
        ("crowd@contoso.com", "crowd@contoso.com has signed up to a lot of lists very recently"),
        ("gone@contoso.com", "gone@contoso.com was permanently deleted and cannot be re-imported."),
    ],
)
def test_a_bad_address_is_a_generic_error_and_the_others_go_through(emulator, api, email, words):
    emulator.too_many_signups("crowd@contoso.com")
    emulator.add_member("Customers", "gone@contoso.com")
    emulator.forget("Customers", "gone@contoso.com")
    answer = api.bulk(new(email), new("good@contoso.com"))
    assert (answer["total_created"], answer["error_count"]) == (1, 1)
    error = answer["errors"][0]
    assert (error["email_address"], error["error_code"]) == (email, "ERROR_GENERIC")
    assert error["error"].startswith(words)
    assert (error["field"], error["field_message"]) == ("", "")


def test_a_merge_error_names_the_field_and_changes_nothing(emulator, api):
    emulator.add_member("Customers", WHO, FNAME="Ida")
    row = new(merge_fields={"FNAME": "Eva", "ADDRESS": {"addr1": "Kaj 1"}})
    error = the_error(api.bulk(row, update_existing=True))
    assert error["error"] == "Your merge fields were invalid."
    assert (error["field"], error["field_message"]) == ("ADDRESS", "Please enter a complete address")
    assert emulator.member("Customers", WHO)["merge_fields"]["FNAME"] == "Ida"


def test_switch_subscribing_somebody_who_opted_out_is_an_error_or_silent(emulator, api):
    emulator.add_member("Customers", WHO, "unsubscribed")
    row = {"email_address": WHO, "status": "subscribed", "merge_fields": {"FNAME": "Eva"}}
    assert the_error(api.bulk(row, update_existing=True))["error"] == f"{WHO} {COMPLIANCE}"
    emulator.switches.bulk_self_unsubscribed = "silent"
    updated = api.bulk(row, update_existing=True)["updated_members"][0]
    assert (updated["status"], updated["merge_fields"]["FNAME"]) == ("unsubscribed", "Eva")


@pytest.mark.parametrize(("mode", "status"), [("resubscribed", "subscribed"), ("silent", "unsubscribed")])
def test_switch_subscribing_somebody_the_api_unsubscribed_works_or_is_silent(emulator, api, mode, status):
    emulator.switches.bulk_api_unsubscribed = mode
    emulator.add_member("Customers", WHO, "unsubscribed", origin="api")
    answer = api.bulk({"email_address": WHO, "status": "subscribed"}, update_existing=True)
    assert answer["updated_members"][0]["status"] == status


def test_switch_a_row_that_changes_nothing_is_updated_or_in_no_list(emulator, api):
    emulator.add_member("Customers", WHO)
    assert api.bulk(new(), update_existing=True)["total_updated"] == 1
    emulator.switches.bulk_unchanged = "omitted"
    answer = api.bulk(new(), update_existing=True)
    assert (answer["total_updated"], answer["total_created"], answer["error_count"]) == (0, 0, 0)


def test_switch_legacy_service_rejects_status_if_new_and_ignores_tags(emulator, api):
    emulator.switches.bulk_legacy = True
    refused = api.bulk(new())
    assert (refused["status"], refused["title"]) == (400, "Invalid Resource")
    assert "members.item:0.status_if_new" in [error["field"] for error in refused["errors"]]
    made = api.bulk({"email_address": WHO, "status": "subscribed", "tags": ["ERP"]})
    assert made["new_members"][0]["tags"] == []


def test_an_address_twice_refuses_the_whole_call(emulator, api):
    answer = api.bulk(new(), new(WHO.upper()), new("b@contoso.com"))
    assert (answer["status"], answer["title"]) == (400, "Invalid Resource")
    assert emulator.members("Customers") == []


def test_switch_an_address_twice_is_an_error_of_that_address(emulator, api):
    emulator.switches.bulk_duplicates = "per-address"
    answer = api.bulk(new(), new(WHO.upper()), new("b@contoso.com"))
    assert (answer["total_created"], answer["error_count"]) == (1, 1)
    assert answer["errors"][0]["error_code"] == "ERROR_GENERIC"


def test_without_the_duplicate_check_the_first_of_two_wins(api):
    rows = [new(merge_fields={"FNAME": name}) for name in ("first", "second")]
    answer = api.bulk(*rows, params={"skip_duplicate_check": "true"})
    assert [row["merge_fields"]["FNAME"] for row in answer["new_members"]] == ["first"]


def test_a_call_takes_five_hundred_members(api):
    rows = [new(f"p{number}@contoso.com") for number in range(501)]
    assert api.bulk(*rows)["status"] == 400
    assert api.bulk(*rows[:500], params={"exclude_fields": "new_members"})["total_created"] == 500


def test_each_member_needs_a_status_or_a_status_if_new(api):
    answer = api.bulk(new("b@contoso.com"), {"email_address": WHO})
    assert answer["errors"][0]["field"] == "members.item:1.status"


@pytest.mark.parametrize("body", [[], {}, {"members": {}}, {"members": ["x"]}])
def test_a_body_of_another_shape_is_a_schema_error(api, body):
    answer = api.call("POST", "/lists/{l}", json=body)
    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")


def test_null_leaves_a_value_as_it_is(emulator, api):
    emulator.add_member("Customers", WHO, language="sv", FNAME="Ida")
    row = new(language=None, merge_fields=None, tags=None, status=None)
    updated = api.bulk(row, update_existing=True)["updated_members"][0]
    assert (updated["language"], updated["merge_fields"]["FNAME"]) == ("sv", "Ida")


def names(member):
    return [tag["name"] for tag in member["tags"]]


def test_tags_are_added_to_those_a_member_has(emulator, api):
    emulator.add_member("Customers", WHO, tags=["Fair"])
    updated = api.bulk(new(tags=["ERP", "fair"]), update_existing=True)["updated_members"][0]
    assert sorted(names(updated)) == ["ERP", "Fair"]


def test_sync_tags_replaces_the_set_and_no_tags_wipe_it(emulator, api):
    emulator.add_member("Customers", WHO, tags=["Fair"])
    options = {"update_existing": True, "sync_tags": True}
    assert names(api.bulk(new(tags=["ERP"]), **options)["updated_members"][0]) == ["ERP"]
    assert names(api.bulk(new(), **options)["updated_members"][0]) == []


def test_missing_required_fields_are_waived_only_if_asked(api):
    api.call(
        "POST", "/lists/{l}/merge-fields", json={"name": "No", "type": "text", "tag": "NO", "required": True}
    )
    error = the_error(api.bulk(new()))
    assert (error["field"], error["field_message"]) == ("NO", "Please enter a value")
    assert api.bulk(new(), params={"skip_merge_validation": "true"})["total_created"] == 1


def test_a_pending_contact_gets_a_mail(emulator, api):
    api.bulk({"email_address": WHO, "status_if_new": "pending"})
    assert [mail["email_address"] for mail in emulator.confirmation_mails("Customers")] == [WHO]


def test_a_refused_call_leaves_no_trace(emulator, api):
    api.bulk(new(), {"email_address": "b@contoso.com", "status": "archived"})
    assert emulator.members("Customers") == []
