"""Nothing in the package switches the checks of a certificate off, and no setting could."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlconnector
from mlconnector.systems import SYSTEMS, load_system

PACKAGE = Path(mlconnector.__file__).parent
SWITCHES = {"verify", "verify_mode", "check_hostname", "assert_hostname", "cert_reqs", "assert_fingerprint"}
NEVER = {"CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context", "InsecureRequestWarning"}

ALLOWED = {("network.py", "check_hostname")}
"""The closer look at the names of a certificate that was refused for them: its issuer is checked, nothing is sent."""


def switched_off(text: str) -> Iterator[str]:
    """What a module switches off: by an argument, by an assignment, or by a name that is only there for that."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.keyword) and node.arg in SWITCHES and not _checks(node.value):
            yield node.arg or ""
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [getattr(target, "attr", getattr(target, "id", "")) for target in targets]
            yield from (name for name in names if name in SWITCHES and not _checks(node.value))
        elif isinstance(node, ast.Attribute | ast.Name | ast.alias):
            name = getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "name", "")
            if name in NEVER:
                yield str(name)
        elif isinstance(node, ast.Constant) and node.value in SWITCHES | NEVER:
            yield str(node.value)  # setattr, getattr, a dict that is spread into a call


def _checks(value: ast.expr) -> bool:
    """Whether no branch of a value is one that checks nothing."""
    return not any(isinstance(one, ast.Constant) and not one.value for one in ast.walk(value))


def test_no_call_in_the_package_switches_verification_off() -> None:
    found = {
        (str(path.relative_to(PACKAGE)), name)
        for path in PACKAGE.rglob("*.py")
        for name in switched_off(path.read_text("utf-8"))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    "text",
    [
        "requests.get(url, verify=False)",
        "session.verify = False",
        "session.verify = bundle or False",
        "session.verify = '' if local else True",
        "context.check_hostname = False",
        "context.verify_mode = ssl.CERT_NONE",
        "HTTPSConnectionPool(host, cert_reqs=None)",
        "options = {'verify': False}",
        "setattr(session, 'verify', off)",
        "from ssl import CERT_NONE",
        "ssl._create_unverified_context()",
    ],
)
def test_each_way_of_switching_it_off_would_be_found(text: str) -> None:
    assert list(switched_off(text))


@pytest.mark.parametrize("text", ["session.verify = bundle or True", "get(url, verify=bundle)"])
def test_an_authority_of_ones_own_is_no_way_of_switching_it_off(text: str) -> None:
    assert not list(switched_off(text))


@pytest.mark.parametrize("kind", SYSTEMS)
def test_no_setting_could_switch_it_off(kind: str) -> None:
    names = load_system(kind).settings.__struct_fields__
    assert not [name for name in names if re.search(r"verify|insecure|trust|ssl|tls", name)]
