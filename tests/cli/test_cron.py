"""What a crontab lives with: a budget of time, jitter, mails about news only, and a monitoring service."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlconnector.ledger.lock import RunLock, lock_path
from mlconnector.model import Tools
from mlconnector.pings import ping
from mlconnector.sandbox import Emulator, Reply, Request, Running
from tests.cli.conftest import World
from tests.cli.test_processes import ended, wait_for, writes

DAY = 86_400.0


class Checks(Emulator):
    """A monitoring service; `status` is what it answers."""

    status = 200

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, str]] = []

    def answer(self, request: Request) -> Reply:
        self.told.append((request.path, request.body.decode()))
        return Reply(self.status, b"OK", {"Content-Type": "text/plain"})


@pytest.fixture
def checks(world: World) -> Iterator[Checks]:
    """The connection's healthcheck."""
    service = Checks()
    with Running(service) as running:
        file = world.file.read_text()
        world.file.write_text(f'{file}\nhealthcheck: {{ping_url: "{running.url}/abc"}}\n')
        yield service


def test_a_run_that_uses_up_its_time_ends_after_the_writes_in_flight_and_loses_nothing(world: World) -> None:
    world.file.write_text(
        world.file.read_text().replace("kind: mailchimp", "kind: mailchimp, chunk: 1, parallel: 1")
    )
    for number in range(40):
        world.customer(f"{10000 + number}", f"p{number}@nordkran.se")
    world.mail.latency_seconds = 0.5
    code, _, err = ended(world.start("sync", "--max-time", "4s"))
    assert code == 3 and "reached the end of its time" in err
    assert 0 < len(writes(world)) < 40
    world.mail.latency_seconds = 0.0
    assert ended(world.start("sync"))[0] == 0
    assert len(world.mail.members("Customers")) == 40
    assert len([path for path in writes(world) if path.count("/") == 3]) == 40  # nobody was sent twice


def test_the_end_of_the_time_is_noticed_between_two_single_calls_of_one_chunk(world: World) -> None:
    for number in range(10):
        world.customer(f"{10000 + number}", f"p{number}@nordkran.se")
    assert ended(world.start("sync"))[0] == 0
    for number in range(10):
        world.erp.edit("customers", f"{10000 + number}", email=f"new{number}@nordkran.se")
    world.mail.latency_seconds = 0.5  # ten moves are some thirty calls
    began = time.monotonic()
    code, _, err = ended(world.start("sync", "--max-time", "4s"))
    assert code == 3 and "reached the end of its time" in err and time.monotonic() - began < 10
    moved = [one for one in world.mail.members("Customers") if one["email_address"].startswith("new")]
    (waits,) = world.json("status")["flows"][0]["waiting"]
    assert (waits["code"], waits["records"]) == ("stopped", 10 - len(moved)) and 0 < len(moved) < 10
    world.mail.latency_seconds = 0.0
    assert ended(world.start("sync"))[0] == 0
    assert {one["email_address"] for one in world.mail.members("Customers")} == {
        f"new{number}@nordkran.se" for number in range(10)
    }


def test_an_error_that_comes_after_the_end_of_the_time_is_told_as_that_error(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.mail.latency_seconds = 1.5
    world.mail.fault("status", path="/lists", times=0, status=403)
    result = world.run("sync", "--max-time", "1s")
    assert result.exit_code != 0
    assert "mailchimp" in result.stderr and "end of its time" not in result.stderr
    assert "mailchimp" in world.json("history")[0]["error"]


def test_jitter_begins_within_its_time(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    process = world.start("sync", "--jitter", "1s")
    assert ended(process)[0] == 0
    assert len(world.mail.members("Customers")) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_jitter_ends_the_run_with_a_sentence(
    world: World, number: signal.Signals
) -> None:
    process = world.start("sync", "--jitter", "1000d")
    wait_for(lambda: _takes_signals(process.pid))
    process.send_signal(number)
    code, out, err = ended(process)
    assert (code, out) == (3, "") and err.startswith("Error: the run was asked to end\nNext: ")
    assert not world.state.exists()


def _takes_signals(pid: int) -> bool:
    """Whether the process has a handler of its own for SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
    return bool(caught & 1 << (signal.SIGTERM - 1))


@pytest.mark.parametrize("given", ["soon", "5", "", "1x"])
def test_what_is_no_length_of_time_is_refused(world: World, given: str) -> None:
    result = world.run("sync", "--max-time", given)
    assert result.exit_code == 2 and "is no length of time" in result.stderr


def test_who_finds_the_lock_taken_is_told_how_far_the_other_is(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.mail.fault("slow", method="POST", seconds=2.0)
    first = world.start("sync")
    wait_for(lambda: "records read" in lock_path(world.state).read_text() if world.state.exists() else False)
    code, _, err = ended(world.start("sync"))
    assert code == 4 and f"pid {first.pid} since " in err and "customers_to_members: 1 records read" in err
    assert ended(first)[0] == 0
    assert lock_path(world.state).read_text() == ""


def test_of_the_runs_that_find_the_same_one_under_way_the_first_mails(world: World) -> None:
    with RunLock(world.state):
        said = [world.run("sync") for _ in range(3)]
        assert [result.exit_code for result in said] == [4, 4, 4]
        assert [bool(result.stderr) for result in said] == [True, False, False]
        assert "another run" in world.run("sync", "-v").stderr
        for words in (["forget", "anna@nordkran.se"], ["sync", "--dry-run"], ["sync", "--record", "1"]):
            assert "another run" in world.run(*words).stderr, "a person asked"


def test_a_mistake_in_the_file_is_told_once_a_day_and_anew_once_it_was_gone(world: World) -> None:
    text = world.file.read_text()
    for _ in range(2):
        world.file.write_text(text + "colour: red\n")
        said = [world.run("sync") for _ in range(3)]
        assert [result.exit_code for result in said] == [2, 2, 2]
        assert ["colour: unknown setting" in result.stderr for result in said] == [True, False, False]
        assert "colour: unknown setting" in world.run("sync", "-v").stderr
        assert "colour: unknown setting" in world.run("check").stderr
        world.file.write_text(text + "size: 3\n")
        assert "size: unknown setting" in world.run("sync").stderr, "another one is news"
        world.file.write_text(text)
        assert world.run("sync").exit_code == 0


def test_a_system_that_stays_down_is_told_once_a_day(world: World) -> None:
    world.run("sync")
    world.erp.fault("status", path="/customers", times=0, status=404)
    told = world.run("sync")
    assert told.exit_code == 2
    assert told.stderr.startswith("Error: ")
    again = world.run("sync")
    assert (again.exit_code, again.stdout, again.stderr) == (told.exit_code, "", "")
    assert world.run("sync", "-v").stderr != ""
    assert "configuration" in world.run("history").stdout


def test_another_error_is_news(world: World) -> None:
    world.erp.fault("status", path="/customers", times=0, status=404)
    world.run("sync")
    world.erp.faults.clear()
    world.erp.fault("status", path="/token", times=0, status=404)
    assert world.run("sync").stderr != ""


def test_the_healthcheck_hears_of_a_start_and_of_a_good_end(world: World, checks: Checks) -> None:
    world.customer("10000", "anna@nordkran.se")
    assert world.run("sync").exit_code == 0
    (start, began), (end, said) = checks.told
    assert (start, began) == ("/abc/start", "sync") and end == "/abc"
    assert "customers_to_members: 1 created" in said and "anna" not in said


def test_the_healthcheck_hears_of_a_bad_end_without_any_address_or_secret(
    world: World, checks: Checks
) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.mail.fault("status", path="/lists", times=0, status=403)
    assert world.run("sync").exit_code != 0
    path, said = checks.told[-1]
    assert path == "/abc/fail" and "ended early" in said and "@" not in said


def test_a_file_without_its_secrets_is_a_bad_end(world: World, checks: Checks) -> None:
    assert world.run("sync", env={"MLCONNECTOR_SECRET_MAIL_API_KEY": None}).exit_code == 2
    assert [path for path, _ in checks.told] == ["/abc/start", "/abc/fail"]
    assert "the keyring (keyring.backends.fail.Keyring) does not serve" in checks.told[-1][1]


def test_a_healthcheck_that_is_down_changes_nothing(world: World, checks: Checks) -> None:
    checks.status = 500
    world.customer("10000", "anna@nordkran.se")
    began = time.monotonic()
    result = world.run("sync")
    assert (result.exit_code, result.stderr) == (0, "") and time.monotonic() - began < 10
    assert len(world.mail.members("Customers")) == 1
    assert "the healthcheck was not told" in world.run("sync", "-v").stderr


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:abc/x", "http://[::1", "nowhere", "http://127.0.0.1:99999"]
)
def test_no_address_of_a_healthcheck_can_end_a_run(url: str) -> None:
    assert ping(url, "sync", Tools(lambda: datetime.now(UTC), lambda seconds: None)) is False


@pytest.mark.parametrize("words", [["sync", "--dry-run"], ["sync", "--record", "10000"], ["status"]])
def test_only_whole_syncs_are_told(world: World, checks: Checks, words: list[str]) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.run(*words)
    assert checks.told == []


def test_a_run_that_finds_the_lock_taken_tells_nothing(world: World, checks: Checks) -> None:
    with RunLock(world.state):
        assert world.run("sync").exit_code == 4
    assert checks.told == []


def test_an_address_of_its_own_goes_before_the_common_one(world: World, checks: Checks) -> None:
    file = world.file.read_text()
    url = file.partition('ping_url: "')[2].partition('/abc"')[0]
    world.file.write_text(file.replace("{ping_url:", f'{{success_url: "{url}/fine", ping_url:'))
    world.run("sync")
    assert [path for path, _ in checks.told] == ["/abc/start", "/fine"]


def test_check_reaches_the_monitoring_service_and_tells_it_nothing(world: World, checks: Checks) -> None:
    result = world.run("check")
    assert result.exit_code == 0
    assert "level=ok where=healthcheck" in result.stdout and "no check was told anything" in result.stdout
    assert checks.told == [("/", "")], "its front page, once, and neither /abc nor /abc/start"


@pytest.mark.parametrize("status", [0, 502])
def test_check_warns_of_a_monitoring_service_that_cannot_be_reached_and_says_where_it_stands(
    world: World, checks: Checks, status: int
) -> None:
    if status:
        checks.status = status
    else:
        world.file.write_text(
            re.sub(r'ping_url: "[^"]+"', 'ping_url: "http://127.0.0.1:9/x"', world.file.read_text())
        )
    (told,) = [one for one in world.json("check") if one["where"] == "healthcheck"]
    assert told["level"] == "warning" and told["remedy"]
    line = len(world.file.read_text().splitlines())
    assert f"nordkran.yaml:{line}:15: healthcheck.ping_url: " in told["message"]
    assert world.run("check").exit_code == 0


def test_a_healthcheck_over_plain_http_elsewhere_is_refused(world: World) -> None:
    file = world.file.read_text()
    world.file.write_text(f'{file}\nhealthcheck: {{ping_url: "http://hc.example.com/abc"}}\n')
    result = world.run("check")
    assert result.exit_code == 2 and "healthcheck.ping_url" in result.stderr
