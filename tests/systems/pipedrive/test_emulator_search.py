"""Search of the emulated Pipedrive (fact sheet 5.3)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _still(crm):
    crm.clock.freeze(START)


def found(api, path, **params):
    answer = api.get(path, **params)
    return [hit["item"]["id"] for hit in answer["data"]["items"]]


@pytest.fixture
def indexed(crm):
    """Two organizations, a person, a product and a deal, all of them in the index."""
    crm.people.add_field("organization", "ERP number")
    crm.people.add("organization", name="Müller Möbel", custom={"ERP number": "K-100"})
    crm.people.add("organization", name="Müller", address={"value": "Ulm"})
    crm.people.add("person", name="Ida Müller", org_id=1, emails=[{"value": "Ida@Contoso.com"}])
    crm.people.add("product", name="Desk", code="1896-S")
    crm.people.add("deal", title="Müller desks", org_id=1, person_id=1)
    crm.company.index()
    return crm


def test_a_search_finds_parts_and_an_exact_one_the_whole_without_case(indexed, api):
    assert found(api, "/organizations/search", term="mülLER") == [2, 1]
    assert found(api, "/organizations/search", term="MÜLLER", exact_match="true") == [2]
    assert found(api, "/persons/search", term="ida@contoso.com", fields="email", exact_match="true") == [1]
    assert found(api, "/products/search", term="1896-s", fields="code", exact_match="true") == [1]
    assert found(api, "/deals/search", term="desk") == [1]


def test_the_fields_of_a_search_are_chosen(indexed, api):
    assert found(api, "/organizations/search", term="k-100", fields="custom_fields") == [1]
    assert found(api, "/organizations/search", term="k-100", fields="name") == []
    assert found(api, "/organizations/search", term="ulm", fields="address") == [2]
    assert (
        api.call("GET", "/organizations/search", params={"term": "ulm", "fields": "colour"}).status_code
        == 400
    )


def test_items_are_short_and_their_custom_fields_have_no_keys(indexed, api):
    item = api.data("/organizations/search", term="K-100")["items"][0]["item"]
    assert (item["type"], item["custom_fields"], item["address"]) == ("organization", ["K-100"], None)
    person = api.data("/persons/search", term="ida")["items"][0]["item"]
    assert (person["emails"], person["phones"]) == (["Ida@Contoso.com"], [])
    assert person["organization"] == {"id": 1, "name": "Müller Möbel", "address": None}
    priced = api.data("/products/search", term="desk", include_fields="product.price")["items"][0]["item"]
    assert (priced["code"], priced["prices"][0]["currency"]) == ("1896-S", "EUR")


def test_a_search_is_filtered_by_links(indexed, api):
    assert found(api, "/persons/search", term="ida", organization_id=1) == [1]
    assert found(api, "/persons/search", term="ida", organization_id=2) == []
    assert found(api, "/deals/search", term="desk", person_id=1, status="open") == [1]
    assert found(api, "/deals/search", term="desk", status="won") == []


@pytest.mark.parametrize(("params", "status"), [
    ({"term": "x"}, 400), ({"term": "x", "exact_match": "true"}, 200), ({}, 400),
    ({"term": "", "exact_match": "true"}, 400),
])  # fmt: skip
def test_a_term_has_two_characters_or_one_that_is_exact(api, params, status):
    assert api.call("GET", "/persons/search", params=params).status_code == status


def test_the_index_lags_some_seconds_behind(crm, api):
    crm.people.add("person", name="Ida")
    assert found(api, "/persons/search", term="ida") == []
    crm.clock.advance(3)
    assert found(api, "/persons/search", term="ida") == [1]
    crm.people.edit("person", 1, name="Eva")
    assert (found(api, "/persons/search", term="ida"), found(api, "/persons/search", term="eva")) == ([1], [])
    crm.clock.advance(3)
    assert (found(api, "/persons/search", term="ida"), found(api, "/persons/search", term="eva")) == ([], [1])


def test_switch_the_index_does_not_lag(crm, api):
    crm.switches.search_lag_seconds = 0
    crm.people.add("person", name="Ida")
    assert found(api, "/persons/search", term="ida") == [1]


def test_deleted_records_are_not_found(indexed, api):
    indexed.people.delete("person", 1)
    indexed.clock.advance(3)
    assert found(api, "/persons/search", term="ida") == []


def test_one_search_over_all_kinds_or_some(indexed, api):
    hits = api.data("/itemSearch", term="müller")["items"]
    assert {(hit["item"]["type"], hit["item"]["id"]) for hit in hits} == {
        ("organization", 1), ("organization", 2), ("person", 1), ("deal", 1),
    }  # fmt: skip
    assert found(api, "/itemSearch", term="müller", item_types="person") == [1]


def test_results_come_in_pages(crm, api):
    crm.fill(persons=120)
    first = api.get("/persons/search", term="person")
    cursor = first["additional_data"]["next_cursor"]
    rest = found(api, "/persons/search", term="person", cursor=cursor)
    assert (len(first["data"]["items"]), len(rest)) == (100, 20)
    assert len({*rest, *(hit["item"]["id"] for hit in first["data"]["items"])}) == 120
    assert api.call("GET", "/persons/search", params={"term": "person", "cursor": "x"}).status_code == 400


@pytest.mark.parametrize(("path", "most"), [("/persons/search", 500), ("/itemSearch", 100)])
def test_a_search_over_all_kinds_has_a_hundred_at_most(api, path, most):
    assert api.call("GET", path, params={"term": "xx", "limit": most}).status_code == 200
    assert api.call("GET", path, params={"term": "xx", "limit": most + 1}).status_code == 400


def test_in_one_field_the_case_counts(indexed, api):
    code = indexed.people.code("organization", "ERP number")
    asked = {"entity_type": "organization", "field": code}
    assert api.data("/itemSearch/field", term="K-100", **asked) == [{"id": 1, code: "K-100"}]
    assert api.data("/itemSearch/field", term="k-100", **asked) == []
    assert api.ids("/itemSearch/field", term="K-", match="beginning", **asked) == [1]
    assert api.ids("/itemSearch/field", term="-1", match="middle", **asked) == [1]
    assert api.ids("/itemSearch/field", term="-1", match="beginning", **asked) == []
    assert api.ids("/itemSearch/field", term="1896-S", entity_type="product", field="code") == [1]


def test_switch_the_search_in_one_field_answers_items(indexed, api):
    indexed.switches.field_search_shape = "items"
    assert found(api, "/itemSearch/field", term="1896-S", entity_type="product", field="code") == [1]


@pytest.mark.parametrize("params", [
    {"entity_type": "product"}, {"field": "code"}, {"entity_type": "x", "field": "code"},
    {"entity_type": "product", "field": "code", "match": "end"},
])  # fmt: skip
def test_a_search_in_one_field_needs_kind_and_field(api, params):
    assert api.call("GET", "/itemSearch/field", params={"term": "1896-S", **params}).status_code == 400


def test_only_some_types_can_be_found(crm, api):
    crm.people.add_field("person", "Birthday", "date")
    crm.people.add_field("person", "Height", "double")
    crm.people.add("person", name="Ida", custom={"Birthday": "2001-02-03", "Height": 171.5})
    crm.company.index()
    assert found(api, "/persons/search", term="2001-02-03") == []
    assert found(api, "/persons/search", term="171.5") == [1]
