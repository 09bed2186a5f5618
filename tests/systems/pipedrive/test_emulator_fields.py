"""Field definitions and custom field values of the emulated Pipedrive (fact sheet 3.5, 6)."""

from __future__ import annotations

import re

import pytest

HASH = re.compile(r"[0-9a-f]{40}")
KINDS = ["deal", "person", "organization", "product"]
TYPES = {
    "varchar": ("text", ["x" * 256, 5, True]),
    "varchar_auto": ("text", [5]),
    "phone": ("+49 7541 555", [555]),
    "text": ("x" * 300, [5]),
    "double": (12.5, ["12.5", True]),
    "monetary": (
        {"value": 500, "currency": "EUR"},
        [500, {"value": 500}, {"value": "500", "currency": "EUR"}],
    ),
    "date": ("2026-02-28", ["2026-02-30", "28.02.2026", 20260228]),
    "daterange": ({"value": "2026-01-01", "until": "2026-01-31"}, ["2026-01-01", {"value": "2026-01-01"}]),
    "user": (21002, ["21002", 5]),
    "org": (1, [2, {"value": 1}]),
    "people": (1, [2]),
}
"""Type: a value that is taken and given back, values that are refused."""


@pytest.fixture
def linked(crm):
    """An account with one organization and one person."""
    crm.fill(organizations=1, persons=1)


def patched(api, code, value):
    return api.call("PATCH", "/organizations/1", json={"custom_fields": {code: value}})


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_field_gets_a_hash_and_answers_200(api, kind):
    answer = api.call("POST", f"/{kind}Fields", json={"field_name": "ERP id", "field_type": "varchar"})
    made = answer.json()["data"]
    assert (answer.status_code, made["field_name"], made["is_custom_field"]) == (200, "ERP id", True)
    assert HASH.fullmatch(made["field_code"])
    assert api.data(f"/{kind}Fields/{made['field_code']}") == made


def test_people_know_a_field_by_its_name(crm):
    code = crm.people.add_field("person", "ERP id")
    assert crm.people.code("person", "ERP id") == crm.people.code("person", code) == code
    for unknown in ("Name", "erp id"):
        with pytest.raises(KeyError):
            crm.people.code("person", unknown)


def test_hashes_differ_and_names_may_repeat(api):
    codes = [api.post("/dealFields", field_name="x", field_type="text")["field_code"] for _ in range(2)]
    api.call("DELETE", f"/dealFields/{codes[1]}")
    codes.append(api.post("/dealFields", field_name="x", field_type="text")["field_code"])
    assert len(set(codes)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_fields_are_listed_in_pages_built_in_ones_first(crm, api, kind):
    code = crm.people.add_field(kind, "ERP id")
    first = api.get(f"/{kind}Fields", limit=3)
    rest = api.get(f"/{kind}Fields", limit=500, cursor=first["additional_data"]["next_cursor"])
    assert rest["additional_data"]["next_cursor"] is None
    codes = [field["field_code"] for field in first["data"] + rest["data"]]
    assert (codes[:2], codes[-1]) == (["id", "title" if kind == "deal" else "name"], code)
    assert len(codes) == len(set(codes))


def test_a_renamed_field_keeps_its_hash(crm, api):
    code = crm.people.add_field("person", "ERP id")
    assert api.patch(f"/personFields/{code}", field_name="ERP number")["field_code"] == code
    assert api.patch(f"/personFields/{code}", description="from the ERP")["field_name"] == "ERP number"
    assert api.call("PATCH", f"/personFields/{code}", json={"field_name": ""}).status_code == 400
    assert crm.people.rename_field("person", "ERP number", "Number") == code
    assert api.data(f"/personFields/{code}")["field_name"] == "Number"


@pytest.mark.parametrize(
    "body",
    [
        {"field_type": "text"},
        {"field_name": "", "field_type": "text"},
        {"field_name": "x", "field_type": "stage"},
        {"field_name": "x", "field_type": "enum"},
        {"field_name": "x", "field_type": "set", "options": []},
        {"field_name": "x", "field_type": "set", "options": ["A"]},
        {"field_name": "x", "field_type": "text", "options": [{"label": "A"}]},
        {"field_name": "x", "field_type": "text", "key": "abc"},
        ["x"],
    ],
)
def test_a_field_that_cannot_be_is_refused(api, body):
    assert api.refusal("POST", "/dealFields", json=body)[1]["code"] == "ERR_SCHEMA_VALIDATION_FAILED"


def test_the_plans_limit_of_fields_is_a_403_with_a_feature_code(crm, api):
    crm.switches.max_custom_fields = 1
    api.post("/dealFields", field_name="x", field_type="text")
    status, body = api.refusal("POST", "/dealFields", json={"field_name": "y", "field_type": "text"})
    assert (status, body["code"]) == (403, "feature_capping_custom_fields_limit")


def test_ids_of_built_in_options_may_be_text(api):
    assert [one["id"] for one in api.data("/dealFields/status")["options"]] == [
        "open",
        "won",
        "lost",
        "deleted",
    ]


def test_a_built_in_field_cannot_be_deleted_and_an_unknown_one_is_404(api):
    assert api.call("DELETE", "/dealFields/title").status_code == 403
    assert api.call("GET", "/dealFields/nonsense").status_code == 404


def test_options_are_written_in_bulk_all_or_none(crm, api):
    code = crm.people.add_field("deal", "Priority", "enum", ["Low", "High"])
    low, high = (option["id"] for option in api.data(f"/dealFields/{code}")["options"])
    added = api.call("POST", f"/dealFields/{code}/options", json=[{"label": "Top"}]).json()
    assert ([one["label"] for one in added["data"]], added["success"]) == (["Top"], True)
    bad = [{"id": low, "label": "Lowest"}, {"id": 9999, "label": "x"}]
    assert api.call("PATCH", f"/dealFields/{code}/options", json=bad).status_code == 400
    changed = api.call("PATCH", f"/dealFields/{code}/options", json=[{"id": low, "label": "Least"}])
    assert [one["label"] for one in changed.json()["data"]] == ["Least"]
    api.call("DELETE", f"/dealFields/{code}/options", json=[{"id": high}])
    assert [one["label"] for one in api.data(f"/dealFields/{code}")["options"]] == ["Least", "Top"]


@pytest.mark.parametrize("body", [{}, ["A"], [{"label": ""}], [{"name": "A"}], [{"label": "A", "id": 1}]])
def test_options_of_a_wrong_shape_are_refused(crm, api, body):
    code = crm.people.add_field("deal", "Priority", "enum", ["Low"])
    assert api.call("POST", f"/dealFields/{code}/options", json=body).status_code == 400
    assert len(api.data(f"/dealFields/{code}")["options"]) == 1


def test_a_field_without_options_takes_none(api):
    assert api.call("POST", "/dealFields/title/options", json=[{"label": "A"}]).status_code == 400


@pytest.mark.parametrize("shown", ["label_ids", "label"])
def test_switch_the_code_of_the_label_field(crm, api, shown):
    crm.switches.label_field_code = shown
    codes = [field["field_code"] for field in api.data("/personFields")]
    assert [code for code in codes if code.startswith("label")] == [shown]
    assert api.data(f"/personFields/{shown}")["field_type"] == "set"


def test_include_fields_adds_the_objects_of_those_names(api):
    field = api.data("/dealFields/title", include_fields="ui_visibility,required_fields")
    assert (set(field) & {"ui_visibility", "required_fields", "important_fields"}) == {
        "ui_visibility",
        "required_fields",
    }
    assert api.call("GET", "/dealFields", params={"include_fields": "colour"}).status_code == 400


@pytest.mark.parametrize("how", TYPES)
def test_a_value_comes_back_as_it_was_written_and_a_wrong_type_is_refused(crm, api, linked, how):
    good, bad = TYPES[how]
    code = crm.people.add_field("organization", "x", how)
    assert patched(api, code, good).json()["data"]["custom_fields"] == {code: good}
    for value in bad:
        answer = patched(api, code, value)
        assert (answer.status_code, answer.json()["field_code"]) == (400, code), value
    assert api.data("/organizations/1")["custom_fields"] == {code: good}


def test_times_carry_a_zone(crm, api, linked):
    code = crm.people.add_field("organization", "x", "time")
    sent = {"value": "09:00:00", "timezone_name": "Europe/London"}
    shown = patched(api, code, sent).json()["data"]["custom_fields"][code]
    assert shown == {**sent, "timezone_id": 318}
    shown = patched(api, code, {"value": "09:00:00"}).json()["data"]["custom_fields"][code]
    assert shown["timezone_name"] == "Europe/Berlin"
    assert patched(api, code, "09:00:00").status_code == 400
    span = crm.people.add_field("organization", "y", "timerange")
    assert patched(api, span, {"value": "09:00:00"}).status_code == 400
    assert patched(api, span, {"value": "09:00:00", "until": "11:00:00"}).status_code == 200


def test_an_address_in_a_custom_field_is_whole_too(crm, api, linked):
    code = crm.people.add_field("organization", "x", "address")
    shown = patched(api, code, {"value": "Storgatan 3"}).json()["data"]["custom_fields"][code]
    assert (shown["value"], shown["postal_code"], len(shown)) == ("Storgatan 3", None, 10)


def test_enum_and_set_take_ids_of_options_and_an_empty_set_is_refused(crm, api, linked):
    one = crm.people.add_field("organization", "x", "enum", ["A", "B"])
    many = crm.people.add_field("organization", "y", "set", ["C", "D"])
    a, _ = (option["id"] for option in api.data(f"/organizationFields/{one}")["options"])
    c, d = (option["id"] for option in api.data(f"/organizationFields/{many}")["options"])
    for code, value in (
        (one, str(a)),
        (one, c),
        (one, [a]),
        (many, []),
        (many, c),
        (many, [c, a]),
        (many, f"{c},{d}"),
    ):
        assert patched(api, code, value).status_code == 400, value
    patched(api, one, a)
    assert patched(api, many, [d, c]).json()["data"]["custom_fields"] == {one: a, many: [d, c]}
    labelled = api.data("/organizations/1", include_option_labels="true")["custom_fields"]
    assert labelled == {
        one: {"id": a, "label": "A"},
        many: [{"id": d, "label": "D"}, {"id": c, "label": "C"}],
    }


def test_a_record_keeps_the_id_of_an_option_that_is_gone(crm, api, linked):
    code = crm.people.add_field("organization", "x", "enum", ["A", "B"])
    a = api.data(f"/organizationFields/{code}")["options"][0]["id"]
    patched(api, code, a)
    api.call("DELETE", f"/organizationFields/{code}/options", json=[{"id": a}])
    assert api.data("/organizations/1")["custom_fields"] == {code: a}
    assert patched(api, code, a).status_code == 400


def test_every_custom_field_of_the_account_comes_and_null_clears_one(crm, api, linked):
    codes = [crm.people.add_field("organization", name) for name in "abc"]
    patched(api, codes[0], "x")
    patched(api, codes[1], "y")
    assert patched(api, codes[0], None).json()["data"]["custom_fields"] == dict(
        zip(codes, [None, "y", None], strict=True)
    )


def test_an_unknown_hash_fails_the_whole_write_and_is_named(crm, api, linked):
    body = {"name": "changed", "custom_fields": {"f" * 40: "x"}}
    status, answer = api.refusal("PATCH", "/organizations/1", json=body)
    assert (status, answer["code"], answer["field_code"]) == (400, "ERR_SCHEMA_VALIDATION_FAILED", "f" * 40)
    assert api.data("/organizations/1")["name"] == "Company 000001"


def test_a_field_that_is_deleted_takes_its_values_along(crm, api, linked):
    code = crm.people.add_field("organization", "x")
    patched(api, code, "y")
    assert api.call("DELETE", f"/organizationFields/{code}").json()["data"]["field_code"] == code
    assert api.data("/organizations/1")["custom_fields"] == {}
    assert patched(api, code, "y").status_code == 400
