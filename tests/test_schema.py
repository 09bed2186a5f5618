from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mlconnector.schema import json_schema
from mlconnector.template import template
from mlconnector.transforms import TRANSFORMS
from mlconnector.yamlfile import read_document


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.fixture
def data(tmp_path: Path) -> Any:
    file = tmp_path / "c.yaml"
    file.write_text(template(), "utf-8")
    return read_document(file).data


def test_the_file_that_init_writes_fits(validator: Draft202012Validator, data: Any) -> None:
    assert validator.is_valid(data)


def test_a_flow_with_a_name_of_its_own_says_its_kind(validator: Draft202012Validator, data: Any) -> None:
    flow = data["flows"].pop("vendors_to_members")
    data["flows"]["suppliers"] = flow
    assert not validator.is_valid(data)
    flow["kind"] = "vendors_to_members"
    assert validator.is_valid(data)


@pytest.mark.parametrize(
    "rule",
    [
        {"from": "number", "transform": ["uper"]},
        {"from": "number", "form": "x"},
        {"from": 5},
        {"from": "number", "type": "texts"},
        5,
    ],
)
def test_a_line_that_the_loader_refuses_does_not_fit(
    validator: Draft202012Validator, data: Any, rule: Any
) -> None:
    data["flows"]["customers_to_members"]["map"]["X"] = rule
    assert not validator.is_valid(data)


@pytest.mark.parametrize("part", ["systems", "flows"])
def test_unknown_settings_do_not_fit(validator: Draft202012Validator, data: Any, part: str) -> None:
    next(iter(data[part].values()))["unknown"] = "x"
    assert not validator.is_valid(data)


def test_transforms_are_named_with_what_they_do() -> None:
    one = json_schema()["$defs"]["Rule"]["properties"]["transform"]["anyOf"][0]["anyOf"]
    assert {entry["const"]: entry["description"] for entry in one} == {
        name: transform.summary for name, transform in TRANSFORMS.items()
    }


def test_every_setting_is_described() -> None:
    schema = json_schema()
    for name, part in schema["$defs"].items():
        for setting, about in part["properties"].items():
            assert "description" in about or "const" in about, f"{name}.{setting}"
