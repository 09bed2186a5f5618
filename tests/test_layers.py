"""Who never imports whom (DESIGN 9).

What is imported for its type only counts as well: to name a type is to know its module. An import inside a function
counts like any other, and so does `import_module` with a name in quotes.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlconnector

ROOT = Path(mlconnector.__file__).parent


def _name(path: Path) -> str:
    return ".".join(["mlconnector", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")


MODULES = {_name(path): path for path in sorted(ROOT.rglob("*.py"))}

HOMES = {
    "requests": {"http", "auth"},
    "urllib3": {"http", "auth"},
    "tenacity": {"http", "auth"},
    "sqlite3": {"ledger"},
    "sqlite_utils": {"ledger"},
    "keyring": {"secrets"},
    "secretstorage": {"secrets"},
    "yaml": {"yamlfile"},
    "rich": {"report"},
    "click": {"cli", "__main__"},
}
EMULATOR_MAY = {"spnego": {"systems.business_central.emulator_ntlm"}}
"""The server's side of NTLM cannot be had from the standard library; its module imports it inside a function."""
PURE = {"decide", "pairs", "spelling", "mapping", "transforms", "conditions", "reading", "explain", "flows"}
IMPURE = {
    *HOMES, "asyncio", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select",
    "shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "urllib.request", "uuid",
}  # fmt: skip
CLOCK = {"now", "utcnow", "today"}
VENDOR_MAY = {"model", "errors", "http", "auth", "pairs", "spelling", "systems.base"}
VENDOR_FREE = {
    "engine",
    "lanes",
    "matching",
    "pairs",
    "signals",
    "decide",
    "plan",
    "ledger",
    "sandbox",
    "http",
    "auth",
    "network",
}
ENGINE = {"engine", "lanes", "matching", "signals", "plan"}
ENGINE_NEVER = {
    "cli",
    "report",
    "summary",
    "config",
    "settings",
    "places",
    "secrets",
    "flows",
    "http",
    "auth",
    "sandbox",
}


def find_imports(module: str, text: str, *, package: bool = False) -> Iterator[str]:
    """Full names of what a module's text imports anywhere in it: modules, or names where they are none of ours."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            above = parts[: len(parts) - node.level + int(package)] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))


def find_breaches(module: str, text: str, *, package: bool = False) -> list[str]:
    """What in this module's text breaks a rule."""
    here = module.removeprefix("mlconnector.")
    found = []
    for name in find_imports(module, text, package=package):
        ours = name.partition(".")[0] == "mlconnector"
        broken = _our_breach(here, _module_of(name)) if ours else _foreign_breach(here, name)
        if broken:
            found.append(f"{module} imports {name}: {broken}")
    if _within(here, PURE):
        found += [f"{module} reads the clock: {call}" for call in _clock_calls(text)]
    return found


def _module_of(name: str) -> str:
    """`systems.base` of `mlconnector.systems.base.Entity`; empty for the package itself."""
    known = name
    while known not in MODULES and "." in known and not known.startswith("mlconnector.systems."):
        known = known.rpartition(".")[0]
    return known.removeprefix("mlconnector").removeprefix(".")


def _within(here: str, homes: set[str]) -> bool:
    return any(here == home or here.startswith(f"{home}.") for home in homes)


def _is_emulator(here: str) -> bool:
    return here.startswith("systems.") and here.rpartition(".")[2].startswith("emulator")


def _foreign_breach(here: str, name: str) -> str:
    top = name.partition(".")[0]
    if top in HOMES and not _within(here, HOMES[top]):
        return f"the home of {top} is {' and '.join(sorted(HOMES[top]))}"
    foreign = top not in sys.stdlib_module_names and here not in EMULATOR_MAY.get(top, set())
    if (here in ("model", "errors") or _is_emulator(here)) and foreign:
        return "the standard library only"
    if _within(here, PURE) and (top in IMPURE or _within(name, IMPURE)):
        return "pure modules have no effects"
    return ""


def _our_breach(here: str, name: str) -> str:
    if here in ("model", "errors") and name:
        return "the standard library only"
    if _within(name, {"cli"}) and not _within(here, {"cli", "__main__"}):
        return "nobody imports the command line"
    if _is_emulator(here):
        sibling = name.startswith(here.rpartition(".")[0] + ".emulator")
        return (
            ""
            if sibling or _within(name, {"sandbox"})
            else "an emulator imports sandbox and its siblings only"
        )
    vendor = ".".join(here.split(".")[:2])
    if here.startswith("systems.") and here != "systems.base":
        allowed = _within(name, {*VENDOR_MAY, vendor}) or not name
        return "" if allowed else "a system knows model, errors, http, auth, systems.base and itself"
    if _within(here, PURE) and name and not _within(name, {*PURE, "model", "errors"}):
        return "pure modules import pure modules"
    if _within(here, VENDOR_FREE) and name.startswith("systems.") and not _within(name, {"systems.base"}):
        return "no named system here"
    if _within(here, ENGINE) and _within(name, ENGINE_NEVER):
        return "the engine knows interfaces and the ledger"
    return ""


def _clock_calls(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK:
            yield ast.unparse(node)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_keeps_to_its_layer(module: str) -> None:
    path = MODULES[module]
    assert find_breaches(module, path.read_text("utf-8"), package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("model", "import msgspec"),
        ("errors", "from mlconnector.model import Flow"),
        ("decide", "import time"),
        ("decide", "from datetime import datetime\ndef f():\n    return datetime.now()"),
        ("mapping", "def f():\n    import sqlite3"),
        ("flows.nav_mailchimp", "from mlconnector.http import Http"),
        ("flows.nav_mailchimp", "from mlconnector.systems import mailchimp"),
        ("flows.fields", "from urllib import request"),
        ("systems.mailchimp.api", "from mlconnector.systems.business_central.api import Api"),
        ("systems.mailchimp.api", "from ..business_central import api"),
        ("systems.mailchimp.api", "from importlib import import_module\nimport_module('mlconnector.ledger')"),
        ("systems.mailchimp.write", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
                                    "    from mlconnector.engine import FlowRun"),
        ("systems.mailchimp.check", "from mlconnector import flows"),
        ("systems.pipedrive.read", "from mlconnector.systems import SYSTEMS"),
        ("engine", "from mlconnector.systems.mailchimp import SYSTEM"),
        ("engine", "import click"),
        ("lanes", "def f():\n    from rich.table import Table"),
        ("signals", "from mlconnector.systems import load_system"),
        ("systems.mailchimp.emulator", "from mlconnector.systems.mailchimp.api import Api"),
        ("systems.mailchimp.emulator_bulk", "from mlconnector.errors import Rejected"),
        ("systems.mailchimp.emulator", "import msgspec"),
        ("systems.mailchimp.emulator", "def f():\n    import spnego"),
        ("report", "import requests"),
        ("cli.status", "import sqlite3"),
        ("ledger", "import yaml"),
        ("config", "import yaml"),
        ("config", "from mlconnector.cli import program"),
    ],
)  # fmt: skip
def test_a_breach_is_found(module: str, text: str) -> None:
    assert len(find_breaches(f"mlconnector.{module}", text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (
            "systems.mailchimp.api",
            "import msgspec\nfrom mlconnector import __version__\nfrom . import member",
        ),
        ("systems.mailchimp.emulator", "from mlconnector.systems.mailchimp.emulator_state import Account"),
        ("engine", "from mlconnector.systems.base import Entity\nfrom mlconnector import signals"),
        ("decide", "from datetime import datetime\nwhen = datetime.fromisoformat('2026-07-01')"),
        ("cli.sync", "import click\nfrom mlconnector.cli.build import run_flows"),
        ("http", "import requests\nimport tenacity"),
    ],
)
def test_what_is_allowed_is_no_breach(module: str, text: str) -> None:
    assert find_breaches(f"mlconnector.{module}", text) == []


def test_only_the_report_and_the_command_line_print() -> None:
    printing = [
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert [one for one in printing if not _within(one.removeprefix("mlconnector."), {"report", "cli"})] == []


EACH_ALONE = """
import json, sys
from importlib import import_module
broken = {}
for name in json.loads(sys.argv[1]):
    for known in [known for known in sys.modules if known.partition(".")[0] == "mlconnector"]:
        del sys.modules[known]
    try:
        import_module(name)
    except Exception as error:
        broken[name] = repr(error)
print(json.dumps(broken))
"""


def test_every_module_can_be_imported_first() -> None:
    assert json.loads(_python(EACH_ALONE, json.dumps(list(MODULES)))) == {}


def test_the_command_line_starts_without_anything_heavy() -> None:
    heavy = ["keyring", "requests", "rich", "sqlite_utils", "tenacity", "urllib3", "yaml"]
    text = f"import sys, mlconnector.cli; print([one for one in {heavy} if one in sys.modules])"
    assert _python(text).strip() == "[]"


def _python(text: str, *words: str) -> str:
    command = [sys.executable, "-c", text, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
