"""What the tests of all flows share: one record through one flow, and the golden files."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from mlconnector.errors import Rejected
from mlconnector.flows import FLOWS
from mlconnector.mapping import compile_map, compile_when
from mlconnector.model import Change, MapFunction, Mapped, Skip
from mlconnector.systems import load_system

GOLDEN = Path(__file__).parent.parent / "golden"
NEEDED: dict[str, dict[str, Any]] = {
    "customers_to_members": {"audience": "A"},
    "vendors_to_members": {"audience": "A"},
    "products_to_items": {"currency": "EUR"},
    "items_to_products": {"currency": "EUR"},
    "deals_to_documents": {"won_since": "2020-01-01"},
}
"""Options without a default."""


def flow_function(flow: str, case: dict[str, Any]) -> MapFunction:
    """The flow with the `map`, `when` and `options` of a case."""
    kind = FLOWS[flow]
    fields = load_system(kind.source).entities[kind.entity].fields
    rules = kind.rules(case.get("map", {}))
    compiled = compile_map(rules, fields)
    when = compile_when(case.get("when", {}), fields)
    assert not compiled.problems
    assert not when.problems
    assert not [*kind.check(rules, compiled)]
    options = msgspec.convert({**NEEDED.get(flow, {}), **case.get("options", {})}, kind.options)
    return kind.bind(options, compiled, when)


def map_case(flow: str, case: dict[str, Any]) -> Mapped | Skip:
    """The record of a case through its flow."""
    record = case["record"]
    change = Change(FLOWS[flow].entity, str(record.get("id", "1")), "upsert", None, record)
    return flow_function(flow, case)(change)


def shown(flow: str, case: dict[str, Any]) -> dict[str, Any]:
    """What became of a case, as the golden file has it; amounts as text, to the last digit."""
    try:
        result = map_case(flow, case)
    except Rejected as error:
        return {"failed": error.code, "reason": error.message}
    if isinstance(result, Skip):
        return {"skip": result.code, "reason": result.reason, "leaves": result.leaves}
    more = {"refs": [f"{ref.field}: {ref.entity} {ref.id} as {ref.into}" for ref in result.refs]}
    more |= {
        "match": list(result.match),
        "cut": sorted(result.cut),
        "notes": [code for code, _ in result.notes],
    }
    return {
        "key": result.key,
        "body": json.loads(json.dumps(result.body, default=str)),
        "digest": result.digest.hex(),
        "create_only": sorted(result.create_only),
        **{name: value for name, value in more.items() if value},
    }


def read_golden(flow: str) -> list[dict[str, Any]]:
    """The cases of a flow, as its source would read them."""
    cases: list[dict[str, Any]] = json.loads(
        (GOLDEN / f"{flow}.json").read_text("utf-8"), parse_float=Decimal
    )
    return cases


def check_golden(flow: str, *, rewrite: bool) -> None:
    """Every case comes out as its file says; with `rewrite` the file says what comes out."""
    cases = read_golden(flow)
    results = [shown(flow, case) for case in cases]
    if rewrite:
        merged = [{**case, "result": result} for case, result in zip(cases, results, strict=True)]
        text = json.dumps(merged, indent=1, ensure_ascii=False, default=float)
        (GOLDEN / f"{flow}.json").write_text(text + "\n", "utf-8")
        return
    for case, result in zip(cases, results, strict=True):
        assert json.loads(json.dumps(result)) == json.loads(json.dumps(case["result"], default=float)), case[
            "about"
        ]
