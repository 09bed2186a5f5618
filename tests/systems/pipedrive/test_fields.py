"""Custom fields: by name and key, labels of options, and what a file may say of them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.errors import ConfigError
from mlconnector.mapping import compile_map
from mlconnector.systems import load_system
from mlconnector.systems.pipedrive.emulator import Pipedrive
from tests.systems.pipedrive.connecting import Client, changes, flow, running


@pytest.fixture
def client(crm: Pipedrive) -> Iterator[Client]:
    """Organizations with fields of several types."""
    for name, kind, options in (
        ("ERP number", "varchar", ()),
        ("Region", "enum", ("North", "South")),
        ("Interests", "set", ("Desks", "Chairs")),
        ("Credit limit", "monetary", ()),
        ("Weight", "double", ()),
    ):
        crm.people.add_field("organization", name, kind, options)
    with running(crm) as client:
        yield client


def option(client: Client, field: str, label: str) -> Any:
    options = client.crm.company.fields["organization"].named(field).options or []
    return next(one.id for one in options if one.label == label)


def custom(client: Client, *names: str) -> dict[str, Any]:
    """The custom fields of the first organization, read for a flow that maps these."""
    paths = [f"custom_fields.{name}" for name in names]
    found = changes(list(client.reader(flow("organization", "name", *paths)).read("organization", None)))
    return dict(found["1"].record["custom_fields"])


def add(client: Client, **values: Any) -> None:
    client.crm.people.add(
        "organization", name="A", custom={k.replace("_", " "): v for k, v in values.items()}
    )


def test_a_value_stands_under_its_name_and_its_key(client: Client) -> None:
    add(client, ERP_number="10000")
    code = client.crm.people.code("organization", "ERP number")
    assert custom(client, "ERP number") == {"ERP number": "10000", code: "10000"}
    assert custom(client, code) == custom(client, "ERP number")


def test_options_become_labels(client: Client) -> None:
    both = [option(client, "Interests", "Chairs"), option(client, "Interests", "Desks")]
    add(client, Region=option(client, "Region", "South"), Interests=both)
    found = custom(client, "Region", "Interests")
    assert (found["Region"], found["Interests"]) == ("South", ["Chairs", "Desks"])


def test_amounts_are_decimal(client: Client) -> None:
    add(client, Credit_limit={"value": 25000, "currency": "EUR"}, Weight=3)
    found = custom(client, "Credit limit", "Weight")
    assert found["Credit limit"] == {"value": Decimal(25000), "currency": "EUR"}
    assert found["Weight"] == Decimal(3) and type(found["Weight"]) is Decimal


def test_an_empty_field_is_null(client: Client) -> None:
    add(client)
    assert custom(client, "Region")["Region"] is None


def test_a_renamed_field_is_still_found_by_its_key_and_no_more_by_its_name(client: Client) -> None:
    add(client, ERP_number="10000")
    code = client.crm.people.rename_field("organization", "ERP number", "Customer number")
    assert custom(client, code) == {"Customer number": "10000", code: "10000"}
    with pytest.raises(ConfigError, match="no custom field 'ERP number'"):
        custom(client, "ERP number")


def test_a_name_nearly_right_says_what_was_probably_meant(client: Client) -> None:
    with pytest.raises(ConfigError, match="names that are alike: 'ERP number'"):
        custom(client, "ERP-number")


def test_a_name_that_two_fields_share_has_to_be_a_key(client: Client) -> None:
    first = client.crm.people.code("organization", "Region")
    second = client.crm.people.add_field("organization", "Region")
    add(client, **{first: None})
    with pytest.raises(ConfigError) as caught:
        custom(client, "Region")
    assert first in caught.value.hint and second in caught.value.hint
    assert custom(client, second) == {second: None}


def test_an_option_that_was_added_during_a_run_is_read_again_once(client: Client) -> None:
    add(client, Region=option(client, "Region", "North"))
    source = client.reader(flow("organization", "custom_fields.Region"))
    list(source.read("organization", None))
    fields = client.crm.company.fields["organization"]
    fields.add_options(fields.named("Region"), ["West"], client.crm.company.stamp())
    for _ in range(3):
        add(client, Region=option(client, "Region", "West"))
    client.crm.clock.advance(120)
    found = changes(list(source.read("organization", None)))
    assert [one.record["custom_fields"]["Region"] for one in found.values()] == [
        "North",
        "West",
        "West",
        "West",
    ]
    assert client.paths().count("/organizationFields") == 2


def test_an_option_that_is_gone_leaves_its_number_and_costs_nothing_for_each_record(client: Client) -> None:
    fields = client.crm.company.fields["organization"]
    region = fields.named("Region")
    gone = option(client, "Region", "South")
    for _ in range(3):
        add(client, Region=gone)
    fields.drop_options(region, [one for one in region.options or () if one.id == gone])
    assert custom(client, "Region")["Region"] == gone
    assert client.paths().count("/organizationFields") == 1


@pytest.mark.parametrize(("count", "asked"), [(0, False), (1, True), (15, True), (16, False)])
def test_only_the_mapped_fields_are_asked_for_up_to_fifteen(client: Client, count: int, asked: bool) -> None:
    names = [f"Field {number}" for number in range(count)]
    for name in names:
        client.crm.people.add_field("organization", name)
    add(client)
    assert {name for name in custom(client, *names) if name in names} == set(names)
    query = client.crm.log[-1].query
    assert ("custom_fields" in query) is asked
    assert len(query.get("custom_fields", "").split(",")) == (count if asked else 1)


def test_without_a_mapped_field_the_definitions_are_not_read(client: Client) -> None:
    add(client, ERP_number="10000")
    assert custom(client) == {}
    assert client.paths() == ["/organizations"]


def test_the_category_of_a_product_is_its_label(client: Client) -> None:
    fields = client.crm.company.fields["product"].by_code["category"].options or []
    client.crm.people.add("product", name="Desk", category=fields[0].id)
    found = changes(list(client.reader(flow("product", "category")).read("product", None)))
    assert found["1"].record["category"] == "Furniture"


def test_the_file_may_name_any_custom_field_and_no_unknown_other() -> None:
    known = load_system("pipedrive").entities["organization"].fields
    lines = {"number": "custom_fields.ERP no.", "city": "address.locality"}
    assert compile_map(lines, known).problems == ()
    (problem,) = compile_map({"name": "nmae"}, known).problems
    assert "did you mean 'name'" in problem.message


def test_describe_names_custom_fields_with_type_options_and_a_sample(client: Client) -> None:
    add(client, ERP_number="10000", Region=option(client, "Region", "South"))
    fields, sample = client.connect().describe("organization", [])
    found = {one.name: one for one in fields}
    assert found["custom_fields.Region"].note.startswith("enum: North | South; key ")
    assert found["custom_fields.Weight"].type == "number"
    assert sample["custom_fields"]["Region"] == "South" and sample["name"] == "A"


def test_describe_of_deals_shows_a_won_one_with_lines(client: Client) -> None:
    client.crm.fill(products=1, won_deals=1)
    fields, sample = client.connect().describe("deal", [])
    assert "products" in {one.name for one in fields}
    assert len(sample["products"]) == 3
