"""What tests of several folders share."""

from __future__ import annotations

import pytest
from hypothesis import settings

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
