"""Merge fields of the emulated Mailchimp: their definitions, and the values they take."""

from __future__ import annotations

import pytest

WHO = "ida@contoso.com"
FIELDS = "/lists/{l}/merge-fields"
WHOLE = {"addr1": "Kaj 1", "city": "Kiel", "state": "SH", "zip": "24103"}


def add(api, tag, kind="text", **more):
    return api.call("POST", FIELDS, json={"name": tag, "type": kind, "tag": tag, **more})


def set_value(api, tag, value):
    return api.put(WHO, status_if_new="subscribed", merge_fields={tag: value})


# definitions


def test_a_new_audience_has_four_fields_listed_by_tag(api):
    page = api.get(FIELDS)
    assert [row["tag"] for row in page["merge_fields"]] == ["ADDRESS", "FNAME", "LNAME", "PHONE"]
    assert [row["merge_id"] for row in page["merge_fields"]] == [3, 1, 2, 4]
    assert [row["options"] for row in page["merge_fields"]] == [
        {"default_country": 164},
        {"size": 25},
        {"size": 25},
        {"phone_format": "none"},
    ]
    assert page["total_items"] == 4


def test_an_audience_can_be_made_with_other_fields(emulator, api):
    fields = [{"name": "No", "tag": "CUSTNO", "type": "text"}]
    api.list_id = emulator.add_list("Other", merge_fields=fields)
    assert [row["tag"] for row in api.get(FIELDS)["merge_fields"]] == ["CUSTNO"]


def test_a_field_looks_as_recorded(api):
    made = add(api, "ltv", "number", name="LTV").json()
    del made["_links"]
    assert made == {
        "merge_id": 5,
        "tag": "LTV",
        "name": "LTV",
        "type": "number",
        "required": False,
        "default_value": "",
        "public": True,
        "display_order": 6,
        "options": {},
        "help_text": "",
        "list_id": api.list_id,
    }


def test_fields_are_filtered_by_type_and_required(api):
    add(api, "NO", required=True)
    assert [row["tag"] for row in api.get(FIELDS, type="phone")["merge_fields"]] == ["PHONE"]
    assert [row["tag"] for row in api.get(FIELDS, required="true")["merge_fields"]] == ["NO"]


def test_a_field_without_a_tag_gets_a_positional_one(api):
    assert api.call("POST", FIELDS, json={"name": "x", "type": "text"}).json()["tag"] == "MMERGE5"


@pytest.mark.parametrize("body", [{"type": "text"}, {"name": "x"}, {"name": "x", "type": "nonsense"}])
def test_a_field_needs_a_name_and_a_known_type(api, body):
    answer = api.call("POST", FIELDS, json=body)
    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")


@pytest.mark.parametrize("tag", ["EMAIL", "INTERESTS", "CUST-NO", "fname"])
def test_reserved_misspelt_and_taken_tags_are_refused(api, tag):
    answer = add(api, tag)
    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")


def test_switch_a_long_tag_is_refused_or_cut(emulator, api):
    assert add(api, "CUSTOMERNUMBER").json()["errors"][0]["field"] == "tag"
    emulator.switches.long_merge_tag = "truncated"
    assert add(api, "CUSTOMERNUMBER").json()["tag"] == "CUSTOMERNU"


def test_an_audience_takes_thirty_fields(emulator, api):
    emulator.switches.max_merge_fields = 5
    assert add(api, "ONE").status_code == 200
    answer = add(api, "TWO")
    assert (answer.status_code, answer.json()["title"]) == (400, "Merge Max Limit Exceeded")


def test_a_field_is_changed_but_for_its_type(api):
    assert api.call("PATCH", f"{FIELDS}/1", json={"tag": "FIRST"}).status_code == 400
    changed = api.call(
        "PATCH", f"{FIELDS}/1", json={"name": "Given", "tag": "FIRST", "type": "number"}
    ).json()
    assert (changed["name"], changed["tag"], changed["type"]) == ("Given", "FIRST", "text")
    assert api.get(f"{FIELDS}/1")["tag"] == "FIRST"


def test_a_deleted_field_takes_its_values_along(emulator, api):
    emulator.add_member("Customers", WHO, FNAME="Ida")
    assert api.call("DELETE", f"{FIELDS}/1").status_code == 204
    assert api.call("GET", f"{FIELDS}/1").status_code == 404
    add(api, "FNAME")
    assert emulator.member("Customers", WHO)["merge_fields"]["FNAME"] == ""


# values


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("text", "Ida", "Ida"),
        ("text", 7, "7"),
        ("number", "15.5", 15.5),
        ("number", 100, 100),
        ("date", "2026-03-01", "2026-03-01"),
        ("date", "2026/03/01", "2026-03-01"),
        ("date", "01-03-2026", "2026-03-01"),
        ("date", "03/01/2026", "2026-03-01"),
        ("birthday", "02/29", "02/29"),
        ("zip", "24103", "24103"),
        ("phone", "+5583999999999", "+5583999999999"),
        ("url", "https://contoso.com/a", "https://contoso.com/a"),
        ("dropdown", "gold", "gold"),
    ],
)
def test_a_good_value_is_stored_in_its_own_form(api, kind, value, stored):
    add(api, "X", kind, options={"choices": ["gold"]})
    assert set_value(api, "X", value).json()["merge_fields"]["X"] == stored
    assert set_value(api, "X", "").json()["merge_fields"]["X"] == ""


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("number", "many", "Please enter a number"),
        ("number", True, "Please enter a number"),
        ("date", "1 March", "Please enter the date"),
        ("date", "2026-02-30", "Please enter the date"),
        ("birthday", "2026-03-01", "Please enter a valid birthday (MM/DD)"),
        ("zip", "SW1A 1AA", "Please enter a valid zip code"),
        ("url", "contoso.com", "Please enter a valid URL"),
        ("radio", "silver", "Please enter a valid option"),
        ("address", {"addr1": "Kaj 1", "city": "Kiel"}, "Please enter a complete address"),
        ("address", {**WHOLE, "state": ""}, "Please enter a complete address"),
        ("phone", "030 1234", "Please enter a valid phone number"),
    ],
)
def test_a_bad_value_rejects_the_whole_write(emulator, api, kind, value, message):
    add(api, "X", kind, options={"choices": ["gold"], "phone_format": "US"})
    answer = set_value(api, "X", value)
    assert (answer.status_code, answer.json()["detail"]) == (400, "Your merge fields were invalid.")
    assert answer.json()["errors"] == [{"field": "X", "message": message}]
    assert emulator.member("Customers", WHO) is None


def test_text_is_cut_at_255_bytes_between_characters(api):
    stored = set_value(api, "FNAME", "ö" * 200).json()["merge_fields"]["FNAME"]
    assert stored == "ö" * 127


def test_unknown_tags_and_tags_in_another_case_are_ignored(api):
    values = set_value(api, "fname", "Ida").json()["merge_fields"]
    assert values == {"FNAME": "", "LNAME": "", "ADDRESS": "", "PHONE": ""}


def test_a_whole_address_is_stored_with_all_its_parts(api):
    stored = set_value(api, "ADDRESS", {**WHOLE, "country": "DE"}).json()["merge_fields"]["ADDRESS"]
    assert stored == {**WHOLE, "addr2": "", "country": "DE"}


def test_a_required_field_is_missed_on_every_write_unless_waived(emulator, api):
    emulator.add_member("Customers", WHO)
    add(api, "NO", required=True)
    answer = api.put(WHO, vip=True)
    assert answer.json()["errors"] == [{"field": "NO", "message": "Please enter a value"}]
    path = f"/lists/{{l}}/members/{WHO}?skip_merge_validation=true"
    assert api.call("PUT", path, json={"vip": True}).status_code == 200
    wrong = api.call("PUT", path, json={"merge_fields": {"ADDRESS": {"city": "Kiel"}}})
    assert wrong.json()["errors"][0]["field"] == "ADDRESS"


def test_an_incomplete_stored_address_fails_writes_that_do_not_mention_it(emulator, api):
    emulator.add_member("Customers", WHO)
    emulator.profile_edit("Customers", WHO, ADDRESS={"addr1": "Kaj 1", "city": "", "state": "", "zip": ""})
    answer = set_value(api, "FNAME", "Eva")
    assert answer.json()["errors"] == [{"field": "ADDRESS", "message": "Please enter a complete address"}]
    cured = api.put(WHO, merge_fields={"FNAME": "Eva", "ADDRESS": ""}).json()
    assert (cured["merge_fields"]["FNAME"], cured["merge_fields"]["ADDRESS"]) == ("Eva", "")


def test_switch_an_incomplete_stored_address_may_be_overlooked(emulator, api):
    emulator.switches.incomplete_address = "ignored"
    emulator.add_member("Customers", WHO, ADDRESS={"addr1": "Kaj 1"})
    assert set_value(api, "FNAME", "Eva").status_code == 200
