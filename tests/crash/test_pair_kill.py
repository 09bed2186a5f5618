"""Won deals become documents in real processes that are killed at every request, and every answer gets lost once.

However a run ended, those after it leave one document for each deal, with its lines and its total, posted once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import pytest
from click.testing import CliRunner

from mlconnector.cli import program
from mlconnector.sandbox import Emulator, Reply, Request, Running
from mlconnector.systems.business_central.emulator import CLIENT_SECRET
from mlconnector.systems.pipedrive.emulator import API_TOKEN
from tests.crash.pair import LATE_SECONDS, PairCrm, PairErp, PairLoop, check, fill

AT_ONCE = 6
"""Scenes under way at once: the program waits most of the time, since it keeps below the rate of its systems."""
Fate = Literal["", "before", "after", "late"]
Mode = tuple[str, bool]
MODES = [(document, post) for document in ("order", "invoice") for post in (False, True)]
NAMES = [f"{document}, {'posted' if post else 'draft'}" for document, post in MODES]


@dataclass
class Killer:
    """Counts the requests of a process and kills it at one of them.

    `before` it is carried out, `after` it was and before it is answered; `late`: it is carried out once the next run
    has looked, as a busy server does.
    """

    process: subprocess.Popen[str] | None = None
    at: int = 0
    fate: Fate = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    killed: bool = False
    late: Callable[[], Any] = lambda: None

    def kill(self) -> None:
        assert self.process is not None
        self.killed = True  # before it dies: who waits for that goes on at once
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Deadly(Emulator):
    """Mixed into an emulator."""

    killer = Killer()

    def handle(self, request: Request) -> tuple[Reply | None, bool]:
        killer = self.killer
        with self.lock:
            killer.seen.append((request.method, request.path))
            here = len(killer.seen) == killer.at
        if here and killer.fate == "after":
            super().handle(request)
        if here:
            killer.late = lambda: super(Deadly, self).handle(request)
            killer.kill()
        return (None, False) if here or killer.killed else super().handle(request)


class DeadlyErp(Deadly, PairErp):
    pass


class DeadlyCrm(Deadly, PairCrm):
    pass


class Scene(PairLoop):
    """A small pair with ports of its own, and the program as a process."""

    def __init__(self, mode: Mode) -> None:
        self.ports: list[Running] = []
        super().__init__(document=mode[0], post=mode[1], erp=DeadlyErp, crm=DeadlyCrm, real_time=True)
        self.killer = Killer()
        self.erp.killer = self.crm.killer = self.killer  # type: ignore[attr-defined]
        self.posted = mode[1]
        fill(self)

    def addresses(self) -> tuple[str, str]:
        self.ports = [Running(self.erp), Running(self.crm)]
        return self.ports[0].url, self.ports[1].url

    def close(self) -> None:
        for port in self.ports:
            port.close()
        super().close()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": CLIENT_SECRET,
            "MLCONNECTOR_SECRET_CRM_API_TOKEN": API_TOKEN,
            "MLCONNECTOR_CONNECTION": str(self.file),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "HOME": self.folder.name,
        }

    def sync(self) -> int:
        """The program in this process."""
        return CliRunner().invoke(program, ["sync"], env=self.environment).exit_code

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mlconnector", "sync"],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sync_and_kill(self, at: int = 0, fate: Fate = "") -> int:
        """One process, killed at a request if it gets so far. Its exit code."""
        self.killer.at, self.killer.fate = at, fate
        with self.crm.lock, self.erp.lock:  # its first request finds the killer ready
            self.killer.process = self.start()
        self.killer.process.communicate(timeout=60)
        self.killer.at, self.killer.killed = 0, False
        return self.killer.process.returncode

    def run_until_it_is_quiet(self) -> None:
        """What cron does from then on."""
        for _ in range(2):
            self.pass_time(LATE_SECONDS)
            self.run()
        writes = self.writes()
        self.run()
        assert self.writes() == writes


@contextmanager
def scene(mode: Mode) -> Iterator[Scene]:
    with closing(Scene(mode)) as made:
        yield made


@cache
def requests_of(mode: Mode) -> list[tuple[str, str]]:
    """All requests of a run that nobody disturbs."""
    with scene(mode) as undisturbed:
        assert undisturbed.sync_and_kill() == 0
        check(undisturbed, posted=undisturbed.posted)
        return undisturbed.killer.seen


def is_write(request: tuple[str, str]) -> bool:
    return request[0] != "GET" and not request[1].endswith("/token")


def is_of_document(request: tuple[str, str]) -> bool:
    return is_write(request) and any(word in request[1] for word in ("sales", "$batch"))


def kill_and_go_on(mode: Mode, at: int, fate: Fate) -> None:
    """One life of a pair."""
    told = f"killed {fate} request {at}"
    with scene(mode) as one:
        assert one.sync_and_kill(at, fate) == -signal.SIGKILL, told
        if fate == "late":
            one.run()  # cron is quicker than the server
            one.killer.late()
            one.run()
        one.run_until_it_is_quiet()
        check(one, posted=one.posted, told=told)


def sweep(mode: Mode, blows: list[tuple[int, Fate]]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(kill_and_go_on, mode, at, fate) for at, fate in blows]:
            done.result()


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
def test_a_run_that_is_killed_before_any_request_is_made_good_by_those_after_it(mode: Mode) -> None:
    requests = requests_of(mode)
    assert len(requests) > 20
    sweep(mode, [(at, "before") for at in range(1, len(requests) + 1)])


@pytest.mark.parametrize("fate", ["after", "late"])
@pytest.mark.parametrize("mode", MODES, ids=NAMES)
def test_a_run_that_is_killed_while_a_write_is_under_way_is_made_good_by_those_after_it(
    mode: Mode, fate: Fate
) -> None:
    requests = requests_of(mode)
    wanted = is_write if mode == ("order", True) else is_of_document
    sweep(mode, [(at, fate) for at, one in enumerate(requests, 1) if wanted(one)])


def test_of_two_runs_started_together_one_leaves_with_code_4_and_nothing_is_made_twice() -> None:
    with scene(("order", True)) as one:
        one.erp.fault("slow", path="/token", seconds=1.5)
        processes = [one.start(), one.start()]
        assert sorted(process.wait(30) for process in processes) == [0, 4]
        check(one, posted=True)
        assert len([entry for entry in one.erp.log if entry.path.endswith("/token")]) == 1


def test_nothing_is_posted_while_it_is_not_known_whether_the_deal_is_still_won() -> None:
    """Pipedrive is down when the posting that failed comes up again."""
    with scene(("order", True)) as one:
        one.erp.fault("status", path="Microsoft.NAV", status=500, times=0)
        one.sync()
        one.erp.faults.clear()
        for deal in (1, 2):
            one.people.reopen(deal)
        one.crm.fault("status", path="/deals", status=503, retry_after=3000, times=0)
        assert one.sync() == 3
        assert {row["status"] for row in one.erp.rows("salesOrders")} == {"Draft"}
        assert one.erp.rows("salesInvoices") == []
