"""What `check` finds wrong comes with its next step, whoever finds it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlconnector
from mlconnector.errors import Rejected
from mlconnector.model import Finding
from mlconnector.systems.base import failed

ROOT = Path(mlconnector.__file__).parent


def made_findings(text: str) -> Iterator[ast.Call]:
    """Every place at which a Finding that is no `ok` is made."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Finding"):
            level = node.args[0] if node.args else None
            if not (isinstance(level, ast.Constant) and level.value == "ok"):
                yield node


def has_remedy(call: ast.Call) -> bool:
    """A fourth argument that is neither empty nor a hint, which an error may lack; a fifth may be a field."""
    if len(call.args) not in (4, 5) or call.keywords:
        return False
    remedy = call.args[3]
    is_hint = isinstance(remedy, ast.Attribute) and remedy.attr == "hint"
    return not (is_hint or (isinstance(remedy, ast.Constant) and not remedy.value))


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("Finding('error', where, said, 'do it')", True),
        ("Finding('warning', where, said, remedy)", True),
        ("Finding('error', where, said)", False),
        ("Finding('error', where, said, '')", False),
        ("Finding('error', where, said, error.hint)", False),
    ],
)
def test_a_finding_without_a_next_step_would_be_seen(text: str, fine: bool) -> None:
    (call,) = made_findings(text)
    assert has_remedy(call) is fine


def test_nothing_in_the_code_makes_a_finding_without_a_next_step() -> None:
    calls = {
        f"{path.relative_to(ROOT)}:{call.lineno}": has_remedy(call)
        for path in ROOT.rglob("*.py")
        for call in made_findings(path.read_text("utf-8"))
    }
    assert len(calls) > 10
    assert [place for place, fine in calls.items() if not fine] == []


def test_an_error_without_a_hint_becomes_a_finding_with_a_next_step() -> None:
    finding = failed("erp", Rejected("erp: refused", code="refused", request_id="r-1"))
    assert finding == Finding("error", "erp", "erp: refused [request r-1]", finding.remedy)
    assert "-v" in finding.remedy
