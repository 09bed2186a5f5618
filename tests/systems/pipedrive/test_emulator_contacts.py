"""Persons and organizations of the emulated Pipedrive, and their merge (fact sheet 3.2, 3.3, 5.2, 9.1)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PARTS = ["country", "locality", "route", "street_number", "postal_code", "admin_area_level_1"]


def email(value, **more):
    return {"value": value, **more}


def test_a_new_person_answers_200_and_its_name_is_split(api):
    answer = api.call("POST", "/persons", json={"name": "Anna Maria Lind"})
    person = answer.json()["data"]
    assert (answer.status_code, person["first_name"], person["last_name"]) == (200, "Anna", "Maria Lind")
    assert (person["emails"], person["phones"], person["org_id"]) == ([], [], None)
    assert api.post("/persons", name="Cher")["last_name"] is None


def test_first_and_last_name_make_the_name(api):
    assert api.post("/persons", first_name="Anna", last_name="Lind")["name"] == "Anna Lind"
    assert api.patch("/persons/1", last_name="Berg")["name"] == "Anna Berg"
    assert api.patch("/persons/1", first_name="Ida")["name"] == "Ida Berg"
    assert api.call("POST", "/persons", json={"emails": []}).status_code == 400


def test_the_first_email_becomes_primary_and_the_label_is_work(api):
    sent = [email("a@contoso.com"), email("b@contoso.com", label="home")]
    assert api.post("/persons", name="x", emails=sent)["emails"] == [
        {"value": "a@contoso.com", "primary": True, "label": "work"},
        {"value": "b@contoso.com", "primary": False, "label": "home"},
    ]
    chosen = [email("a@contoso.com"), email("b@contoso.com", primary=True)]
    assert [one["primary"] for one in api.patch("/persons/1", emails=chosen)["emails"]] == [False, True]


@pytest.mark.parametrize(
    "emails",
    [
        "a@b.c",
        ["a@b.c"],
        [{}],
        [email(5)],
        [email("a", primary=1)],
        [email("a", kind="x")],
        [email("a", primary=True)] * 2,
    ],
)
def test_emails_of_a_wrong_shape_are_refused(api, emails):
    assert api.call("POST", "/persons", json={"name": "x", "emails": emails}).status_code == 400


@pytest.mark.parametrize(("how", "expected"), [("replaced", ["b"]), ("merged", ["b", "a"])])
def test_switch_a_list_in_a_patch_replaces_or_merges(crm, api, how, expected):
    crm.switches.contact_lists_on_patch = how
    api.post("/persons", name="x", phones=[email("a")])
    assert [one["value"] for one in api.patch("/persons/1", phones=[email("b")])["phones"]] == expected


def test_names_addresses_and_codes_may_repeat(api):
    twice = [api.post("/persons", name="x", emails=[email("a@contoso.com")])["id"] for _ in range(2)]
    assert twice == [1, 2]
    assert [api.post("/organizations", name="x")["id"] for _ in range(2)] == [1, 2]
    assert [api.post("/products", name="x", code="P")["id"] for _ in range(2)] == [1, 2]


def test_deleted_persons_organizations_and_products_are_in_no_list(crm, api):
    for kind in ("person", "organization", "product"):
        crm.people.add(kind, name="x")
        crm.people.delete(kind, 1)
        assert api.ids(f"/{kind}s") == []
        crm.people.restore(kind, 1)
        assert api.ids(f"/{kind}s") == [1]


def test_the_time_of_deletion_is_the_update_time(crm, api):
    crm.clock.freeze(START)
    crm.people.add("person", name="x")
    crm.clock.advance(9)
    api.call("DELETE", "/persons/1")
    assert api.data("/persons/1")["update_time"] == "2026-11-02T09:00:09Z"


@pytest.mark.parametrize("key", ["job_title", "notes", "birthday"])
def test_fields_of_the_contact_sync_are_403_and_absent_without_it(crm, api, key):
    body = {"name": "x", key: "2000-12-31"}
    assert api.call("POST", "/persons", json=body).status_code == 403
    assert key not in api.post("/persons", name="x")
    crm.switches.contact_sync = True
    assert api.post("/persons", **body)[key] == "2000-12-31"


def test_the_marketing_status_needs_the_add_on(crm, api):
    body = {"name": "x", "marketing_status": "subscribed"}
    assert api.call("POST", "/persons", json=body).status_code == 403
    crm.switches.marketing = True
    api.post("/persons", **body)
    assert api.data("/persons/1", include_fields="marketing_status")["marketing_status"] == "subscribed"


def test_switch_details_of_an_organization_need_the_feature(crm, api):
    assert api.call("POST", "/organizations", json={"name": "x", "website": "www"}).status_code == 403
    assert "website" not in api.post("/organizations", name="x")
    crm.switches.organization_details = True
    assert api.post("/organizations", name="x", website="www", employee_count=3)["employee_count"] == 3


def test_an_address_is_replaced_as_a_whole(api):
    whole = {"value": "Storgatan 3, 753 31 Uppsala", "locality": "Uppsala", "postal_code": "753 31"}
    made = api.post("/organizations", name="x", address=whole)["address"]
    assert [made[part] for part in PARTS] == [None, "Uppsala", None, None, "753 31", None]
    after = api.patch("/organizations/1", address={"value": "Storgatan 4"})["address"]
    assert (after["value"], after["locality"]) == ("Storgatan 4", None)
    assert api.patch("/organizations/1", address=None)["address"] is None


@pytest.mark.parametrize(
    "address", ["Storgatan 3", {"locality": "Uppsala"}, {"value": 3}, {"value": "x", "city": "y"}]
)
def test_an_address_of_a_wrong_shape_is_refused(api, address):
    assert api.call("POST", "/organizations", json={"name": "x", "address": address}).status_code == 400


def test_switch_the_server_takes_a_lone_address_apart(crm, api):
    crm.switches.geocoding = True
    made = api.post("/organizations", name="x", address={"value": "Hauptstr. 1, 50667 Köln, Deutschland"})
    found = (made["address"]["locality"], made["address"]["postal_code"], made["address"]["country"])
    assert found == ("Köln", "50667", "Deutschland")


def test_an_organization_without_a_name_is_refused(api):
    assert api.call("POST", "/organizations", json={}).status_code == 400
    api.post("/organizations", name="x")
    assert api.call("PATCH", "/organizations/1", json={"name": " "}).status_code == 400


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_a_merge_deletes_one_and_repoints_what_hung_on_it(crm, api, prefix):
    crm.fill(organizations=2, persons=2, won_deals=2)
    crm.clock.advance(5)
    answer = api.call("PUT", f"{prefix}/organizations/1/merge", json={"merge_with_id": 2}).json()
    assert (answer["data"]["id"], answer["data"]["merge_what_id"]) == (2, 1)
    assert (api.ids("/organizations"), api.data("/organizations/1")["is_deleted"]) == ([2], True)
    assert api.ids("/deals", org_id=2) == [1, 2]
    assert api.ids("/persons", org_id=2) == [1, 2]


def test_the_survivor_of_a_merge_wins_conflicts_and_takes_over_what_it_lacks(crm, api):
    crm.people.add_field("person", "ERP number")
    crm.people.add("person", name="Old", emails=[email("a@contoso.com")], custom={"ERP number": "7"})
    crm.people.add("person", name="New", emails=[email("b@contoso.com")])
    crm.people.merge("person", 1, 2)
    person = api.data("/persons/2")
    assert (person["name"], list(person["custom_fields"].values())) == ("New", ["7"])
    assert [(one["value"], one["primary"]) for one in person["emails"]] == [
        ("b@contoso.com", True),
        ("a@contoso.com", False),
    ]


@pytest.mark.parametrize("body", [{}, {"merge_with_id": "2"}, {"merge_with_id": 1}])
def test_a_merge_without_another_record_is_refused(crm, api, body):
    crm.fill(persons=2)
    assert api.call("PUT", "/v1/persons/1/merge", json=body).status_code == 400
    assert api.call("PUT", "/v1/persons/1/merge", json={"merge_with_id": 9}).status_code == 404
