"""Real processes: exit codes, two runs at once, SIGTERM and Ctrl-C in the middle, a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from mlconnector.ledger.lock import RunLock
from tests.cli.conftest import World


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def ended(process: subprocess.Popen[str], seconds: float = 20.0) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def writes(world: World) -> list[str]:
    return [
        entry.path for entry in world.mail.log if entry.method in ("POST", "PUT") and "lists" in entry.path
    ]


def test_a_run_and_a_run_with_nothing_to_do(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    assert ended(world.start("sync")) == (0, "customers_to_members: 1 created\n", "")
    assert ended(world.start("sync")) == (0, "", "")


def test_of_two_runs_one_leaves_at_once_with_code_4(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.erp.fault("slow", path="/customers", seconds=2.0)
    first = world.start("sync")
    wait_for(lambda: world.state.exists())
    code, out, err = ended(world.start("sync"))
    assert (code, out) == (4, "")
    assert f"pid {first.pid} since " in err
    status = world.run("status").stdout
    assert f"a run is under way: pid {first.pid}" in status
    assert ended(first)[:2] == (0, "customers_to_members: 1 created\n")
    assert len(world.mail.members("Customers")) == 1


def test_sigterm_lets_writes_in_flight_finish_and_puts_them_on_record(world: World) -> None:
    world.file.write_text(
        world.file.read_text().replace("kind: mailchimp", "kind: mailchimp, chunk: 1, parallel: 1")
    )
    for number in range(6):
        world.customer(f"1000{number}", f"anna{number}@nordkran.se")
    world.mail.fault("slow", method="POST", path=r"/lists/\w+$", times=0, seconds=0.7)
    process = world.start("sync")
    wait_for(lambda: world.mail.members("Customers") or world.mail.faults[0].hits)
    process.send_signal(signal.SIGTERM)
    code, _, err = ended(process)
    assert code == 3
    assert "the run was asked to end" in err
    there = len(world.mail.members("Customers"))
    assert 1 <= there < 6
    counts = world.json("status")["flows"][0]["counts"]
    assert counts.get("done") == there and "sending" not in counts
    assert world.json("history")[0]["exit_code"] == 3
    world.mail.faults.clear()
    assert world.run("sync").exit_code == 0
    assert len(world.mail.members("Customers")) == 6


def test_sigterm_ends_a_wait_for_a_throttled_system(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.erp.fault("status", path="/customers", times=0, status=429, retry_after=60)
    process = world.start("sync")
    wait_for(lambda: world.erp.faults[0].hits)
    time.sleep(0.2)
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 3
    assert time.monotonic() - started < 3


def test_a_second_ctrl_c_ends_at_once(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.erp.fault("slow", path="/customers", times=0, seconds=8.0)
    process = world.start("sync")
    wait_for(lambda: world.erp.faults[0].hits)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert ended(process, 3)[0] == -signal.SIGINT
    with RunLock(world.state):
        pass


def test_on_a_terminal_there_are_tables_and_progress_with_a_rate(world: World) -> None:
    for number in range(30):
        world.customer(f"1{number:04}", f"anna{number}@nordkran.se")
    world.erp.fault("slow", path="/vendors", seconds=1.0)
    shown = on_a_terminal(world, "sync")
    assert "30 read, 30 sent" in shown and "/s" in shown
    assert "customers_to_members: 30 created" in shown
    table = on_a_terminal(world, "history")
    assert "started" in table and "started=" not in table
    assert "\x1b[" not in on_a_terminal(world, "check", NO_COLOR="1").replace("\x1b[1m", "").replace(
        "\x1b[0m", ""
    )


def on_a_terminal(world: World, *words: str, **env: str) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, **world.environment, "TERM": "xterm", "COLUMNS": "160", **env}
    process = subprocess.Popen(
        [sys.executable, "-m", "mlconnector", *words],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the terminal is gone with the process
        while select.select([ours], [], [], 20)[0] and (part := os.read(ours, 65536)):
            shown += part
    process.wait(20)
    os.close(ours)
    return shown.decode()


def test_cron_s_bare_environment_is_enough(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    process = subprocess.run(
        [sys.executable, "-m", "mlconnector", "sync"],
        env={**world.environment, "PATH": "/usr/bin:/bin", "FORCE_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stdout) == (0, "customers_to_members: 1 created\n")
