"""A backup is whole and checked, for its owner only, and takes nobody's place; the run beside it notices nothing."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlconnector.errors import ConfigError, ConnectorError, Stop
from mlconnector.ledger import Ledger
from mlconnector.ledger.newfile import new_file
from mlconnector.ledger.upkeep import back_up
from tests.ledger.conftest import ANNA, files_no_longer_than, sent, store
from tests.toys import Clock

WRITE = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from mlconnector.ledger import Ledger
with Ledger.open(Path(sys.argv[1]), "nordkran", lambda: datetime.now(UTC)) as ledger:
    n = 0
    while True:
        n += 1
        with ledger._transaction():
            for half in "ab":
                ledger._db.execute("INSERT INTO meta VALUES (?, ?)", (f"{half}{n}", "x" * 3000))
        if n % 20 == 0:
            print(n, flush=True)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "state.bak"


def make(path: Path, copy: Path, clock: Clock) -> int:
    with Ledger.look(path, "nordkran", clock.now, oldest=1) as ledger:
        return back_up(ledger, copy)


def test_a_backup_holds_what_the_file_holds_and_can_take_its_place(
    path: Path, copy: Path, ledger: Ledger, clock: Clock
) -> None:
    store(ledger, sent("c1", ANNA))
    ledger.begin("f", 1, [("c2", "email:bo@nordkran.se")])
    assert make(path, copy, clock) == copy.stat().st_size
    store(ledger, sent("c3", "email:later@nordkran.se"))
    assert [file.name for file in copy.parent.iterdir()] == ["state.bak"], "one file, nothing beside it"
    with Ledger.open(copy, "nordkran", clock.now) as restored:
        assert restored.counts("f") == {"done": 1, "sending": 1}


def test_it_is_for_its_owner_only_from_its_first_byte_on(
    path: Path, copy: Path, ledger: Ledger, clock: Clock
) -> None:
    before = os.umask(0)
    try:
        with new_file(copy) as part:
            assert stat.S_IMODE(part.stat().st_mode) == 0o600 and not copy.exists()
        copy.unlink()
        make(path, copy, clock)
    finally:
        os.umask(before)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_left_as_it_is(path: Path, copy: Path, ledger: Ledger, clock: Clock) -> None:
    copy.write_text("older")
    with pytest.raises(ConfigError, match="there is such a file already"):
        make(path, copy, clock)
    with pytest.raises(ConfigError, match="there is such a file already"):
        make(path, path, clock)
    assert copy.read_text() == "older" and list(copy.parent.iterdir()) == [copy]
    copy.unlink()
    copy.symlink_to(copy.parent / "nowhere")
    with pytest.raises(ConfigError, match="there is such a file already"):
        make(path, copy, clock)


def test_one_that_comes_up_meanwhile_is_left_as_it_is_too(copy: Path) -> None:
    with pytest.raises(ConfigError, match="there is such a file already"), new_file(copy) as part:
        part.write_text("mine")
        copy.write_text("somebody's")
    assert copy.read_text() == "somebody's" and list(copy.parent.iterdir()) == [copy]


def test_a_file_system_without_hard_links_will_do(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    with new_file(copy) as part:
        part.write_text("whole")
    assert copy.read_text() == "whole" and list(copy.parent.iterdir()) == [copy]
    with pytest.raises(ConfigError, match="already"), new_file(copy.with_name("other")) as part:
        copy.with_name("other").touch()


def test_a_run_goes_on_while_it_is_backed_up_and_each_backup_holds_whole_commits(
    path: Path, copy: Path, clock: Clock
) -> None:
    Ledger.open(path, "nordkran", clock.now).close()
    writer = subprocess.Popen([sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    try:
        held = [0]
        for number in range(8):
            written = int(writer.stdout.readline())
            make(path, copy.with_name(f"{number}"), clock)
            db = sqlite3.connect(copy.with_name(f"{number}"))
            halves = db.execute(
                "SELECT substr(name, 1, 1), count(*) FROM meta GROUP BY 1 ORDER BY 1"
            ).fetchall()
            db.close()
            assert halves[0][1] == halves[1][1] >= written and halves[0][1] > held[-1]
            held.append(halves[0][1])
    finally:
        writer.kill()
        writer.wait()


def test_a_process_that_is_killed_leaves_nothing_under_the_name(path: Path, copy: Path, clock: Clock) -> None:
    with Ledger.open(path, "nordkran", clock.now) as ledger:
        store(ledger, *(sent(f"n{n}", f"email:{n}", reason="x" * 900) for n in range(5000)))
    text = (
        "import sys\nfrom pathlib import Path\nfrom datetime import datetime, UTC\n"
        "from mlconnector.ledger import Ledger\nfrom mlconnector.ledger.upkeep import back_up\n"
        "with Ledger.look(Path(sys.argv[1]), 'nordkran', lambda: datetime.now(UTC)) as ledger:\n"
        "    back_up(ledger, Path(sys.argv[2]))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", text, str(path), str(copy)])
    while not list(copy.parent.iterdir()) and process.poll() is None:
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert all(file.name.startswith(".state.bak.") for file in copy.parent.iterdir())
    assert process.returncode == -signal.SIGKILL
    make(path, copy, clock)


def test_a_full_disk_leaves_nothing_behind(path: Path, copy: Path, ledger: Ledger, clock: Clock) -> None:
    store(ledger, *(sent(f"n{n}", f"email:{n}", reason="x" * 300) for n in range(500)))
    with files_no_longer_than(50_000), pytest.raises(Stop, match="no backup was made") as stopped:
        make(path, copy, clock)
    assert "free space" in stopped.value.hint and list(copy.parent.iterdir()) == []


def test_what_cannot_be_written_to_its_end_leaves_nothing_behind(copy: Path) -> None:
    refusal = pytest.raises(ConfigError, match="cannot be written")
    with files_no_longer_than(1000), refusal as refused, new_file(copy) as part:
        part.write_bytes(b"x" * 2000)
    assert "free space" in refused.value.hint and list(copy.parent.iterdir()) == []


def test_a_damaged_file_gives_no_backup(path: Path, copy: Path, clock: Clock) -> None:
    with Ledger.open(path, "nordkran", clock.now) as ledger:
        store(ledger, *(sent(f"n{n}", f"email:{n}", reason="x" * 300) for n in range(500)))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 4))
    with pytest.raises(Stop, match="no backup was made: ") as stopped:
        make(path, copy, clock)
    assert "\n" not in stopped.value.message and list(copy.parent.iterdir()) == []


def test_a_folder_that_is_not_there_or_not_to_be_written_is_a_sentence(clock: Clock, as_nobody: Path) -> None:
    path = as_nobody / "state.db"
    Ledger.open(path, "nordkran", clock.now).close()
    for copy in (as_nobody / "nowhere" / "copy", Path("/proc/copy")):
        with pytest.raises(ConnectorError, match="cannot be written: ") as refused:
            make(path, copy, clock)
        assert refused.value.hint


def test_an_older_file_can_be_backed_up_before_it_is_brought_up_to_date(
    path: Path, copy: Path, clock: Clock
) -> None:
    db = sqlite3.connect(path)
    db.executescript(Path(__file__).with_name("version_1.sql").read_text("utf-8"))
    db.execute("PRAGMA user_version = 1")
    db.close()
    make(path, copy, clock)
    db = sqlite3.connect(copy)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match="newer mlconnector"):
        make(copy, copy.with_name("again"), clock)
