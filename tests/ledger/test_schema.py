"""The state file comes into being, is brought up to date, and is refused in one sentence where it is not ours."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from mlconnector.errors import ConfigError, Stop
from mlconnector.ledger import Ledger, schema
from mlconnector.ledger.forgetting import forget
from tests.ledger.conftest import ANNA
from tests.toys import Clock

NOW = Clock().now
FLOW = "customers_to_members"
OLD = Path(__file__).with_name("version_1.sql")
"""A state file as version 1 left it, one chunk of a killed run in it."""


def make(path: Path, name: str = "nordkran") -> Path:
    Ledger.open(path, name, NOW).close()
    return path


def tables(path: Path) -> list[Any]:
    db = sqlite3.connect(path)
    found = db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    db.close()
    return found


def columns(path: Path) -> list[Any]:
    db = sqlite3.connect(path)
    query = (
        "SELECT one.name, col.name, col.type FROM sqlite_master AS one, pragma_table_info(one.name) AS col"
    )
    found = db.execute(f"{query} ORDER BY one.name, col.cid").fetchall()
    db.close()
    return found


def refused(path: Path, how: str = "open", name: str = "nordkran") -> ConfigError:
    with pytest.raises(ConfigError) as refusal:
        getattr(Ledger, how)(path, name, NOW)
    assert str(path) in refusal.value.message and "\n" not in refusal.value.message
    assert refusal.value.hint and refusal.value.exit_code == 2
    return refusal.value


def test_it_is_made_with_its_folder_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.db"
    with Ledger.open(path, "nordkran", NOW) as ledger:
        ledger.set_watermark("f", "x")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_commits_reach_the_disk(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "state.db", "nordkran", NOW) as ledger:
        assert ledger._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"


def test_a_new_file_has_every_table_and_opening_it_again_changes_nothing(tmp_path: Path) -> None:
    path = make(tmp_path / "state.db")
    found = tables(path)
    names = {name for name, _ in found}
    assert {"ledger", "sending", "watermarks", "attempts", "links", "runs", "run_flows", "backfills"} <= names
    assert tables(make(path)) == found


def test_a_file_whose_migration_was_cut_short_is_finished(tmp_path: Path) -> None:
    path = make(tmp_path / "state.db")
    found = tables(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 0")
    db.close()
    assert tables(make(path)) == found
    with Ledger.look(path, "nordkran", NOW) as ledger:
        assert ledger._db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    db = sqlite3.connect(path)
    db.executescript(OLD.read_text("utf-8"))
    db.execute("PRAGMA user_version = 1")
    db.close()
    return path


def test_a_file_of_version_1_becomes_what_a_new_one_is_and_loses_nothing(old: Path, tmp_path: Path) -> None:
    with Ledger.open(old, "nordkran", NOW) as ledger:
        assert ledger.counts(FLOW) == {"done": 1, "skipped": 1, "sending": 1}
        assert ledger.owners(FLOW, [ANNA])[ANNA].name == "10000"
        assert ledger.watermark(FLOW) == "2026-07-01T08:00:00.000Z"
        assert [attempt["request_id"] for attempt in ledger.attempts(FLOW, "c1")] == ["r-1"]
        assert not ledger.forgotten(FLOW) and forget(ledger, ANNA).attempts == 1
        assert ANNA in ledger.forgotten(FLOW)
    assert columns(old) == columns(make(tmp_path / "new.db"))


def test_a_migration_that_fails_leaves_a_file_that_the_next_start_finishes(old: Path) -> None:
    db = sqlite3.connect(old)
    db.execute("CREATE TABLE forgotten (in_the_way TEXT)")
    db.close()
    assert "already exists" in refused(old).message
    db = sqlite3.connect(old)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert "0003_forgotten" not in [name for (name,) in db.execute("SELECT name FROM _sqlite_migrations")]
    db.execute("DROP TABLE forgotten")
    db.close()
    make(old)


def test_where_there_is_no_file_yet_one_sees_an_empty_ledger_and_makes_none(tmp_path: Path) -> None:
    with Ledger.look(tmp_path / "state.db", "nordkran", NOW) as ledger:
        assert ledger.counts("f") == {} and ledger.history.last() == []
    assert list(tmp_path.iterdir()) == []


def test_any_path_will_do(tmp_path: Path) -> None:
    path = make(tmp_path / "50% #1 ?mode=ro å.db")
    assert path.exists()
    Ledger.look(path, "nordkran", NOW).close()


@pytest.mark.parametrize("how", ["open", "look"])
def test_a_file_of_a_newer_version_is_left_to_it(tmp_path: Path, how: str) -> None:
    path = make(tmp_path / "state.db")
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    assert "newer mlconnector" in refused(path, how).message
    assert "upgrade" in refused(path, how).hint


def test_a_file_of_an_older_version_is_not_changed_by_looking(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch()
    assert "older version (0)" in refused(path, "look").message
    assert path.stat().st_size == 0
    make(path)


@pytest.mark.parametrize("how", ["open", "look"])
def test_the_file_of_another_connection_is_refused(tmp_path: Path, how: str) -> None:
    path = make(tmp_path / "state.db", "nordkran")
    refusal = refused(path, how, "sydkran")
    assert "belongs to the connection 'nordkran', not to 'sydkran'" in refusal.message


@pytest.mark.parametrize("how", ["open", "look"])
def test_what_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path, how: str) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Anna,\n" * 300)
    before = path.read_bytes()
    assert "file is not a database" in refused(path, how).message
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("how", ["open", "look"])
@pytest.mark.parametrize("version", [0, schema.VERSION])
def test_the_database_of_another_program_is_refused_and_left_as_it_is(
    tmp_path: Path, how: str, version: int
) -> None:
    path = tmp_path / "places.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE places (url TEXT)")
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    before = path.read_bytes()
    assert "not a state file of mlconnector" in refused(path, how).message
    assert path.read_bytes() == before


@pytest.mark.parametrize("how", ["open", "look"])
def test_a_folder_is_refused(tmp_path: Path, how: str) -> None:
    refused(tmp_path, how)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file" / "state.db")


def test_a_file_that_may_not_be_written_is_refused(as_nobody: Path) -> None:
    path = as_nobody / "state.db"
    path.touch(0o400)
    assert "may not write" in refused(path).message
    path.chmod(0o600)
    make(path).chmod(0o400)
    with Ledger.open(path, "nordkran", NOW) as ledger, pytest.raises(Stop, match="readonly"):
        ledger.history.start("sync")


@pytest.mark.parametrize("how", ["open", "look"])
def test_a_file_or_folder_that_may_not_be_read_is_refused(as_nobody: Path, how: str) -> None:
    folder = as_nobody / "closed"
    path = make(folder / "state.db")
    path.chmod(0)
    refused(path, how)
    folder.chmod(0)
    refused(path, how)
    folder.chmod(0o700)
