"""What is installed: every file of the package, one version, the console script, nothing but the package."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import mlconnector

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "mlconnector"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    data: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return data["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built as pip builds it; its build backend has to be fetched, so without a network there is none."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    if "hatchling" in built.stderr and "No matching distribution" in built.stderr:
        pytest.skip("the build backend cannot be had here")
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_file_of_the_package_as_it_is(wheel: zipfile.ZipFile) -> None:
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == wanted and "mlconnector/py.typed" in held
    assert all(wheel.read(name) == (ROOT / name).read_bytes() for name in held)


def test_the_wheel_works_wherever_python_does(wheel: zipfile.ZipFile, project: dict[str, Any]) -> None:
    assert str(wheel.filename).endswith(f"mlconnector-{mlconnector.__version__}-py3-none-any.whl")
    (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    lines = wheel.read(metadata).decode().splitlines()
    assert f"Requires-Python: {project['requires-python']}" in lines
    needed = [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert len(needed) == len(project["dependencies"])


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    (points,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert "mlconnector = mlconnector.__main__:main" in wheel.read(points).decode()


def test_there_is_one_version(project: dict[str, Any]) -> None:
    assert project["version"] == mlconnector.__version__


def test_the_extra_that_the_readme_and_the_message_name_is_there_and_brings_the_library(
    project: dict[str, Any],
) -> None:
    for file in (ROOT / "README.md", SOURCE / "auth.py"):
        named = re.findall(r'pip install "\.\[(\w+)\]"', file.read_text("utf-8"))
        assert "windows" in named, file
        assert set(named) <= set(project["optional-dependencies"]), file
    assert any(one.startswith("requests-ntlm") for one in project["optional-dependencies"]["windows"])


def test_the_changes_name_the_version_of_the_state_file() -> None:
    from mlconnector.ledger.schema import VERSION

    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"state file is version (\d+)", text)[0] == str(VERSION)


def test_every_dependency_has_a_lower_and_an_upper_bound(project: dict[str, Any]) -> None:
    assert [one for one in project["dependencies"] if ">=" not in one or ",<" not in one] == []


def test_every_library_that_is_imported_is_a_dependency(project: dict[str, Any]) -> None:
    from tests.test_layers import MODULES, find_imports

    names = {
        "yaml": "pyyaml",
        "sqlite_utils": "sqlite-utils",
        "requests_ntlm": "requests-ntlm",
        "spnego": "pyspnego",
    }
    extras = project["optional-dependencies"]["windows"]
    imported = {
        name.partition(".")[0]
        for module, path in MODULES.items()
        for name in find_imports(module, path.read_text("utf-8"), package=path.name == "__init__.py")
    }
    foreign = {names.get(one, one) for one in imported - sys.stdlib_module_names - {"mlconnector"}}
    foreign -= {"secretstorage"}  # keyring brings it where there is a Secret Service
    assert foreign == {one.partition(">=")[0] for one in [*project["dependencies"], *extras]}
