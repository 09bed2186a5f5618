from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlconnector.errors import ConfigError, LockedError
from mlconnector.ledger.lock import RunLock, lock_holder, lock_path

HOLD = """
import sys, time
from pathlib import Path
from mlconnector.ledger.lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def hold(state: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(state)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_it_says_who_holds_it_and_since_when(state: Path) -> None:
    at = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
    with RunLock(state, lambda: at), pytest.raises(LockedError) as caught, RunLock(state):
        pass
    assert caught.value.exit_code == 4
    me = f"pid {os.getpid()} since 2026-07-01T08:00:00Z on {socket.gethostname()}"
    assert me in caught.value.message
    assert caught.value.hint


def test_it_can_be_taken_again_after_it_was_let_go_and_the_file_stays(state: Path) -> None:
    for _ in range(2):
        with RunLock(state):
            assert lock_path(state).stat().st_mode & 0o777 == 0o600
    assert lock_path(state).read_text() == ""


def test_a_killed_holder_leaves_no_lock_behind(state: Path) -> None:
    process = hold(state)
    with pytest.raises(LockedError, match=f"pid {process.pid} "), RunLock(state):
        pass
    assert f"pid {process.pid} " in lock_holder(state)
    process.kill()
    process.wait()
    assert lock_holder(state) == ""
    with RunLock(state):
        assert f"pid {os.getpid()} " in lock_holder(state)
    assert lock_holder(state) == ""


def test_the_next_ones_that_are_turned_away_by_the_same_holder_say_so_once_a_day(state: Path) -> None:
    times = [datetime(2026, 7, 1, 8, 0, tzinfo=UTC) + timedelta(hours=hours) for hours in (0, 1, 23, 25, 26)]
    with RunLock(state):
        assert [turned_away(state, at) for at in times] == [False, True, True, False, True]
    assert sorted(file.name for file in state.parent.iterdir()) == ["state.db.lock"]
    with RunLock(state, lambda: times[-1]):
        assert turned_away(state, times[-1]) is False, "another holder is news"


def test_how_far_the_holder_is_makes_no_other_one_of_it(state: Path) -> None:
    with RunLock(state) as lock:
        assert turned_away(state, datetime.now(UTC)) is False
        lock.tell("customers: 100 records read")
        assert turned_away(state, datetime.now(UTC)) is True


def turned_away(state: Path, at: datetime) -> bool:
    with pytest.raises(LockedError) as caught, RunLock(state, lambda: at, unattended=True):
        pass
    assert caught.value.exit_code == 4
    return caught.value.is_old


def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="lock file") as caught, RunLock(tmp_path / "file" / "state.db"):
        pass
    assert caught.value.hint


def test_nobody_holds_what_was_never_locked(state: Path) -> None:
    assert lock_holder(state) == ""
