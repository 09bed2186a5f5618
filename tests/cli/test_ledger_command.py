"""`mlconnector ledger`: backup, prune and export, and what they say when the state file does not serve."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import stat
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlconnector.cli import program
from mlconnector.cli.build import utc_now
from mlconnector.ledger import Ledger
from mlconnector.ledger.lock import RunLock
from tests.cli.conftest import World
from tests.cli.test_processes import ended, wait_for


@pytest.fixture
def synced(world: World) -> World:
    world.customer("10000", "anna@nordkran.se")
    world.customer("=1+1", "")
    world.run("sync")
    return world


def age(world: World, days: int = 100) -> None:
    """Everything in the state file happened so long ago."""
    db = sqlite3.connect(world.state)
    for table, column in (("attempts", "at"), ("runs", "started_at"), ("ledger", "updated_at")):
        db.execute(f"UPDATE {table} SET {column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{days} days')")
    db.commit()
    db.close()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def refused(result: Result, code: int = 2) -> str:
    assert result.exit_code == code
    assert (
        result.stderr.startswith("Error: ") and "\nNext: " in result.stderr and result.stderr.count("\n") == 2
    )
    return result.stderr


# backup


def test_a_backup_is_put_beside_the_state_file_and_can_be_restored(synced: World) -> None:
    shown = synced.run("ledger", "backup")
    (backup,) = synced.folder.glob("state.db.*Z.bak")
    assert shown.exit_code == 0 and shown.stdout.startswith(f"wrote {backup} (")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    for file in synced.folder.glob("state.db*"):
        if file != backup:
            file.unlink()
    backup.rename(synced.state)
    assert synced.json("status")["flows"][0]["counts"] == {"done": 1, "skipped": 1}
    assert synced.run("sync").stdout == ""


def test_a_backup_of_a_name_of_its_own_replaces_nothing(synced: World) -> None:
    there = synced.folder / "copy.db"
    assert synced.json("ledger", "backup", str(there)) == {
        "written": str(there),
        "bytes": there.stat().st_size,
        "checked": True,
    }
    before = there.read_bytes()
    assert "there is such a file already" in refused(synced.run("ledger", "backup", str(there)))
    assert there.read_bytes() == before
    assert "cannot be written: No such file or directory" in refused(
        synced.run("ledger", "backup", str(synced.folder / "nowhere" / "copy.db"))
    )


def test_a_backup_is_made_while_a_sync_runs(synced: World) -> None:
    synced.customer("10001", "bo@nordkran.se")
    synced.erp.fault("slow", path="/customers", seconds=0.8)
    process = synced.start("sync")
    wait_for(lambda: synced.erp.faults[0].hits)
    assert synced.run("ledger", "backup").exit_code == 0
    assert process.poll() is None
    code, shown, _ = ended(process)
    assert code == 0 and shown.startswith("customers_to_members: 1 created")


# prune


def test_prune_removes_what_is_old_and_says_what(synced: World) -> None:
    synced.run("sync", "--full")
    age(synced)
    synced.run("sync", "--full")
    dry = synced.run("ledger", "prune", "--older-than", "90d", "--dry-run").stdout
    assert dry == "would be removed: 1 attempt, 2 runs (4 lines of flows), 0 records that are gone\n"
    assert len(synced.json("history")) == 3
    shown = synced.run("ledger", "prune", "--older-than", "90d").stdout
    assert shown.startswith("removed: 1 attempt, 2 runs (4 lines of flows), 0 records that are gone\nfreed: ")
    assert len(synced.json("history")) == 1
    assert synced.run("sync").stdout == "", "nothing is sent again"


def test_prune_keeps_a_gone_record_whose_member_is_known_and_says_so(synced: World) -> None:
    for number in ("10000", "=1+1"):
        synced.erp.delete("customers", number)
    synced.run("sync", "--full")
    age(synced)
    shown = synced.run("ledger", "prune", "--older-than", "1d12h").stdout
    assert "1 record that is gone\nkept: 1 record as old and gone, whose member is known by it\n" in shown
    counted = synced.json("ledger", "prune", "--older-than", "0s")
    assert (counted["records"], counted["kept"], counted["dry_run"]) == (0, 1, False)


@pytest.mark.parametrize("text", ["90", "d", "3 months", "-1d", "1d2", "", "9999999d", "99999999999999d"])
def test_what_is_no_length_of_time_is_said_so(text: str) -> None:
    result = CliRunner().invoke(program, ["ledger", "prune", "--older-than", text])
    assert result.exit_code == 2 and ("no length of time" in result.stderr or "100 years" in result.stderr)


def test_prune_waits_for_no_run_and_disturbs_none(synced: World) -> None:
    with RunLock(synced.state):
        said = refused(synced.run("ledger", "prune", "--older-than", "90d"), 4)
        assert "another run of this connection is under way" in said and "then run this command again" in said
        assert synced.run("ledger", "prune", "--older-than", "90d", "--dry-run").exit_code == 0


def test_cron_may_want_to_hear_of_errors_only(synced: World) -> None:
    assert synced.run("-q", "ledger", "prune", "--older-than", "90d").output == ""
    assert synced.run("-q", "ledger", "backup").output == ""
    refused(synced.run("-q", "ledger", "backup", str(synced.state)))


# export


def test_export_as_csv_has_every_record_with_its_whole_address(synced: World) -> None:
    found = {row["status"]: row for row in rows(synced.run("ledger", "export").stdout)}
    assert found["done"]["target_key"] == "email:anna@nordkran.se"
    assert (found["done"]["flow"], found["done"]["name"]) == ("customers_to_members", "10000")
    assert found["skipped"]["code"] == "missing-email" and found["skipped"]["attempts"] == "0"
    assert found["skipped"]["name"] == "'=1+1", "no formula for a spreadsheet"


def test_export_as_json_and_of_the_attempts(synced: World) -> None:
    found = json.loads(synced.run("ledger", "export", "--json").stdout)
    assert {row["name"] for row in found} == {"10000", "=1+1"}
    (attempt,) = json.loads(synced.run("ledger", "export", "--attempts", "--json").stdout)
    assert (attempt["name"], attempt["action"], attempt["answer"]) == ("10000", "create", "200")
    assert len(rows(synced.run("ledger", "export", "--attempts", "--csv").stdout)) == 1


def test_export_into_a_file_is_for_its_owner_only(synced: World) -> None:
    file = synced.folder / "records.csv"
    shown = synced.run("ledger", "export", str(file))
    assert shown.output == f"wrote {file}\n" and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text("utf-8") == synced.run("ledger", "export").stdout
    assert "there is such a file already" in refused(synced.run("ledger", "export", str(file)))
    other = synced.folder / "records.json"
    assert synced.json("ledger", "export", str(other)) == {"written": str(other)}
    assert len(json.loads(other.read_text("utf-8"))) == 2


def test_export_to_a_reader_who_has_seen_enough_ends_well(world: World) -> None:
    with Ledger.open(world.state, "nordkran", utc_now) as ledger:
        ledger._db.executemany(
            "INSERT INTO ledger (flow, source_id, status) VALUES ('f', ?, 'done')",
            [(f"{n}",) for n in range(9999)],
        )
    process = world.start("ledger", "export")
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().startswith("flow,")
    process.stdout.close()
    assert (process.stderr.read(), process.wait(10)) == ("", 0)


def test_export_before_the_first_run_is_a_head_line_and_nothing_is_made(world: World) -> None:
    assert world.run("ledger", "export").stdout.startswith("flow,name,source_id,target_key,")
    assert world.run("ledger", "export", "--json").stdout == "[]\n"
    assert not world.state.exists()


def test_csv_and_json_exclude_each_other(world: World) -> None:
    assert "exclude each other" in world.run("--json", "ledger", "export", "--csv").stderr


# a state file that does not serve

ALL = [
    ["ledger", "backup"],
    ["ledger", "prune", "--older-than", "90d"],
    ["ledger", "prune", "--older-than", "90d", "--dry-run"],
    ["ledger", "export"],
    ["forget", "anna@nordkran.se"],
    ["forget", "--undo", "anna@nordkran.se"],
]


def test_where_there_is_no_state_file_yet_none_is_made(world: World) -> None:
    for words in ALL[:3]:
        assert "there is no state file yet" in refused(world.run(*words)), words
        assert not world.state.exists()


def newer(state: Path) -> None:
    db = sqlite3.connect(state)
    db.execute("PRAGMA user_version = 99")
    db.close()


def foreign(state: Path) -> None:
    db = sqlite3.connect(state)
    db.executescript("DROP TABLE _sqlite_migrations")
    db.close()


def damaged(state: Path) -> None:
    state.write_bytes(b"SQLite format 3\0" + b"no more" * 999)


def of_another(state: Path) -> None:
    db = sqlite3.connect(state)
    db.execute("UPDATE meta SET value = 'sydkran' WHERE name = 'connection'")
    db.commit()
    db.close()


def damaged_inside(state: Path) -> None:
    """With runs in it, most of which cannot be read any more."""
    with Ledger.open(state, "nordkran", utc_now) as ledger:
        for _ in range(300):
            ledger.history.end(ledger.history.start("sync " + "x" * 200), 0, "")
    db = sqlite3.connect(state)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    size = state.stat().st_size
    with state.open("r+b") as file:
        file.seek(size * 2 // 3)
        file.write(os.urandom(size // 3))


@pytest.mark.parametrize("words", [("status",), ("history",)])
def test_a_command_that_meets_a_damaged_state_file_names_its_path(
    world: World, words: tuple[str, ...]
) -> None:
    damaged_inside(world.state)
    result = world.run(*words)
    assert result.exit_code in (2, 3)
    assert result.stderr.startswith(f"Error: {world.state}: the state file cannot be ")


TROUBLE = {
    newer: "written by a newer mlconnector",
    foreign: "not a state file of mlconnector",
    damaged: "the state file cannot be used: ",
    of_another: "belongs to the connection 'sydkran'",
}


@pytest.mark.parametrize(("spoil", "sentence"), TROUBLE.items())
def test_a_state_file_that_does_not_serve_is_one_sentence_with_a_next_step(
    world: World, spoil: Callable[[Path], None], sentence: str
) -> None:
    Ledger.open(world.state, "nordkran", utc_now).close()
    spoil(world.state)
    before = world.state.read_bytes()
    for words in ALL:
        assert sentence in refused(world.run(*words)), words
        assert world.state.read_bytes() == before and not list(world.folder.glob("*.bak*")), words
