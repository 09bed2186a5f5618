"""What tests of several folders share, and what is looked for after each of them: a secret where none belongs."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.known_secrets import SECRETS, secrets_in

# A shared machine may be slow. In CI hypothesis takes fixed seeds and keeps no database by itself.
settings.register_profile("suite", parent=settings.default, deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden", action="store_true", help="write what comes out now into the golden files"
    )


@pytest.fixture
def rewrite_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rewrite-golden"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that prints or logs a secret has failed."""
    report = yield
    shown = [name for name, text in report.sections if secrets_in(text)]
    if shown and report.passed:
        report.outcome, report.longrepr = "failed", f"a secret was shown: {', '.join(shown)}"
    return report


@pytest.fixture(autouse=True)
def no_secret_is_in_a_state_file(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    folder = getattr(request.node, "funcargs", {}).get("tmp_path")
    for file in folder.rglob("*.db*") if isinstance(folder, Path) else ():
        content = file.read_bytes() if file.is_file() else b""
        assert not [secret for secret in SECRETS if secret.encode() in content], f"a secret is in {file.name}"
