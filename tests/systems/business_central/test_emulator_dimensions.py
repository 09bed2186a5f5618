"""Default dimensions of the emulated Business Central: only below a parent (fact sheet 2.8, checklist E15)."""

from __future__ import annotations

import pytest

DIALOG = (400, "Application_DialogException")
FLAT = "You must get to the parent first to get to the default dimensions."


@pytest.fixture
def area(api):
    """A dimension with its values."""
    return api.get("dimensions", filter="code eq 'AREA'", expand="dimensionValues")["value"][0]


@pytest.fixture
def group(api):
    """Another dimension."""
    return api.get("dimensions", filter="code eq 'CUSTOMERGROUP'", expand="dimensionValues")["value"][0]


def body(dimension, value=0):
    return {"dimensionId": dimension["id"], "dimensionValueId": dimension["dimensionValues"][value]["id"]}


@pytest.mark.parametrize(
    ("entity", "number", "kind"),
    [("customers", "10000", "Customer"), ("vendors", "10000", "Vendor"), ("items", "1896-S", "Item")],
)
def test_a_default_dimension_takes_type_and_id_from_the_url(bc, api, area, clock, entity, number, kind):
    parent = bc.row(entity, number)
    clock.advance(60)
    path = f"{entity}({parent['id']})/defaultDimensions"
    row = api.call("POST", path, json=body(area, 1)).json()
    assert (row["parentType"], row["parentId"]) == (kind, parent["id"])
    assert (row["dimensionCode"], row["dimensionValueCode"], row["postingValidation"]) == (
        "AREA",
        "SOUTH",
        "_x0020_",
    )
    assert [one["id"] for one in api.get(path)["value"]] == [row["id"]]
    assert bc.row(entity, number)["lastModifiedDateTime"] == parent["lastModifiedDateTime"]


def test_without_a_parent_there_are_none(api, area):
    assert api.error("GET", "defaultDimensions") == (*DIALOG, FLAT)
    assert api.error("POST", "defaultDimensions", json=body(area)) == (*DIALOG, FLAT)


def test_one_can_be_changed_and_deleted_by_its_own_id(bc, api, area):
    path = f"customers({bc.row('customers', '10000')['id']})/defaultDimensions"
    row = api.call("POST", path, json=body(area)).json()
    one, headers = f"defaultDimensions({row['id']})", {"If-Match": "*"}
    other = {"dimensionValueId": body(area, 1)["dimensionValueId"], "postingValidation": "Same_x0020_Code"}
    changed = api.call("PATCH", one, json=other, headers=headers).json()
    assert (changed["dimensionValueCode"], changed["postingValidation"]) == ("SOUTH", "Same_x0020_Code")
    assert api.call("DELETE", one).status_code == 204
    assert api.get(path)["value"] == []


def test_dimension_and_value_must_be_there_and_belong_together(bc, api, area, group):
    path = f"customers({bc.row('customers', '10000')['id']})/defaultDimensions"
    unknown = area["id"][:-1] + "0"
    wrong = api.error("POST", path, json={"dimensionId": unknown})
    assert wrong == (*DIALOG, 'The "dimensionId" does not match to a Dimension.')
    wrong = api.error("POST", path, json={"dimensionId": area["id"], "dimensionValueId": unknown})
    assert wrong == (*DIALOG, 'The "dimensionValueId" does not match to a Dimension Value.')
    mixed = body(area) | {"dimensionValueId": body(group)["dimensionValueId"]}
    assert api.error("POST", path, json=mixed)[:2] == DIALOG
    assert api.error("POST", path, json={})[:2] == DIALOG
    api.call("POST", path, json=body(area))
    assert api.error("POST", path, json=body(area))[1] == "Internal_EntityWithSameKeyExists"
