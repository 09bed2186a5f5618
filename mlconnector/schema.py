"""The JSON Schema of a connection file, for editors: built from the same Structs that read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from mlconnector.conditions import Condition
from mlconnector.flows import FLOWS
from mlconnector.flows.kind import FlowKind
from mlconnector.mapping import Rule
from mlconnector.model import FieldInfo
from mlconnector.settings import FileHead, flow_struct
from mlconnector.systems import SYSTEMS, load_system
from mlconnector.transforms import TRANSFORMS

Schema = dict[str, Any]


def json_schema() -> Schema:
    """What `mlconnector schema` prints."""
    types = [FileHead, Rule, Condition, *(flow_struct(kind) for kind in FLOWS.values())]
    _, parts = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    _name_transforms(parts["Rule"])
    for kind in FLOWS.values():
        parts[kind.name] = _flow(parts[kind.name], kind)
        parts[f"{kind.name}_named"] = _with_kind(parts[kind.name], kind.name)
    head = parts.pop("FileHead")
    for name in SYSTEMS:
        parts[name] = _system(name)
    head["properties"]["systems"]["additionalProperties"] = _any_of(list(SYSTEMS))
    flows = head["properties"]["flows"]
    flows["properties"] = {name: _any_of([name, *(f"{other}_named" for other in FLOWS)]) for name in FLOWS}
    flows["additionalProperties"] = _any_of([f"{name}_named" for name in FLOWS])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **head,
        "title": "mlconnector connection",
        "$defs": parts,
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _any_of(names: list[str]) -> Schema:
    return {"anyOf": [_ref(name) for name in names]} if len(names) > 1 else _ref(names[0])


def _name_transforms(rule: Schema) -> None:
    names = [{"const": name, "description": one.summary} for name, one in TRANSFORMS.items()]
    one = {"anyOf": names}
    rule["properties"]["transform"] |= {"anyOf": [one, {"type": "array", "items": one}]}


def _flow(flow: Schema, kind: FlowKind) -> Schema:
    fields = load_system(kind.source).entities[kind.entity].fields
    path = {"type": "string", "examples": list(fields)}
    flow["description"] = kind.summary
    flow["properties"] = {name: _as_number(one) for name, one in flow["properties"].items()}
    flow["properties"]["kind"] = {"const": kind.name}
    flow["properties"]["map"]["additionalProperties"] = {"anyOf": [path, {"type": "null"}, _ref("Rule")]}
    flow["properties"]["when"] |= {
        "anyOf": [
            {
                "type": "object",
                "propertyNames": _names(fields),
                "additionalProperties": _ref("Condition"),
            },
            {"type": "null"},
        ]
    }
    return flow


def _names(fields: Mapping[str, FieldInfo]) -> Schema:
    """The known fields; where a system lets any custom field pass, what the account has is told by `check`."""
    known: Schema = {"enum": list(fields)}
    return {"anyOf": [known, {"pattern": "^custom_fields\\."}]} if "custom_fields.any" in fields else known


def _as_number(option: Schema) -> Schema:
    """An amount is a number in the file, not the text that msgspec makes of a Decimal."""
    if option.get("format") != "decimal":
        return option
    default = float(option["default"])
    return {key: one for key, one in option.items() if key != "format"} | {
        "type": "number",
        "default": default,
    }


def _with_kind(flow: Schema, name: str) -> Schema:
    """The same for a flow with a name of its own, which has to say its kind."""
    return {**flow, "required": ["kind", *flow["required"]], "title": name}


def _system(name: str) -> Schema:
    settings = load_system(name).settings
    _, parts = msgspec.json.schema_components([settings], ref_template="#/$defs/{name}")
    schema = parts[settings.__name__]
    schema["properties"]["kind"] = {"const": name}
    return {**schema, "title": name, "required": ["kind", *schema.get("required", [])]}
