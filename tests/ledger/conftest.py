"""A state file, and what is put into it."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlconnector.ledger import Ledger, Settled
from mlconnector.model import LedgerEntry, Outcome, Step
from tests.toys import START, Clock

ANNA, BO = "email:anna@nordkran.se", "email:bo@nordkran.se"
DIGEST = b"d" * 16


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def ledger(path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(path, "nordkran", clock.now) as ledger:
        yield ledger


def sent(source_id: str, key: str, status: Any = "created", **outcome: Any) -> Settled:
    """A record that something was sent for."""
    outcome.setdefault("target_id", f"t-{source_id}")
    before = outcome.pop("before", None)
    step = Step("create", source_id)
    return Settled(source_id, Outcome(status, **outcome), step, key, DIGEST, START, before=before)


def settled(source_id: str, status: Any, **outcome: Any) -> Settled:
    """A record that was settled without sending."""
    return Settled(source_id, Outcome(status, **outcome), wants=outcome.pop("wants", None))


def store(ledger: Ledger, *records: Settled, run: int = 1) -> None:
    ledger.finish("f", run, [], records)


def entry(ledger: Ledger, source_id: str) -> LedgerEntry:
    return ledger.entries("f", [source_id])[source_id]


def in_file(path: Path, *texts: str) -> list[str]:
    """Which of these texts stand anywhere in the state file and the files beside it."""
    files = [
        file
        for file in path.parent.iterdir()
        if file.name in (path.name, f"{path.name}-wal", f"{path.name}-shm")
    ]
    content = b"".join(file.read_bytes() for file in files)
    return [text for text in texts if text.encode() in content]


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """A full disk, as far as this process can tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder of a user whom file rights hold for; root stands above them."""
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        Ledger.open(
            Path(folder) / "first.db", "nordkran", Clock().now
        ).close()  # everything is imported while it can be read
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)
