"""Real processes: `kill -9` at every request of a small sync, before and after it is carried out; then a restart.

However a run ended, the audience is what it must be after the next one: the same members, once each, as they stood.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlconnector.cli import program
from mlconnector.sandbox import Emulator, Reply, Request, Running
from mlconnector.systems.business_central.emulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    TENANT,
    BusinessCentral,
)
from mlconnector.systems.mailchimp.emulator import API_KEY, Mailchimp
from mlconnector.systems.mailchimp.write import FEW

FILE = """
name: nordkran
state: state.db
systems:
  erp: {{kind: business_central, tenant: {tenant}, client_id: {client}, company: CRONUS International Ltd.,
        page_size: {page}, base_url: "{erp}", login_url: "{erp}"}}
  mail: {{kind: mailchimp, base_url: "{mail}/3.0", chunk: {chunk}, parallel: {lanes}}}
flows:
  customers_to_members: {{from: erp, to: mail, audience: Customers}}
"""


@dataclass
class Killer:
    """Counts the requests of a process and kills it at one of them, before or after it is carried out."""

    process: subprocess.Popen[str] | None = None
    at: int = 0
    after: bool = False
    seen: int = 0
    killed: bool = False

    def reached(self) -> bool:
        self.seen += 1
        return self.seen == self.at

    def kill(self) -> None:
        assert self.process is not None
        self.killed = True  # before it dies: who waits for that goes on at once
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Deadly(Emulator):
    """Mixed into an emulator."""

    killer = Killer()

    def handle(self, request: Request) -> tuple[Reply | None, bool]:
        with self.lock:
            here = self.killer.reached()
            if here and not self.killer.after:
                self.killer.kill()
        if (here or self.killer.killed) and not self.killer.after:
            return None, False
        reply = super().handle(request)
        if here and self.killer.after:
            self.killer.kill()
        return reply


class DeadlyErp(Deadly, BusinessCentral):
    pass


class DeadlyMail(Deadly, Mailchimp):
    pass


@dataclass(frozen=True)
class Size:
    """How many customers there are and how they are cut into pages and chunks."""

    customers: int
    page: int
    chunk: int
    lanes: int


SMALL = Size(customers=4, page=3, chunk=2, lanes=1)
LARGE = Size(customers=FEW + 4, page=10, chunk=FEW + 2, lanes=2)


@dataclass
class Scene:
    """A small company and its audience, in the middle of its life."""

    folder: Path
    size: Size
    killer: Killer = field(default_factory=Killer)

    def __post_init__(self) -> None:
        self.erp, self.mail = DeadlyErp(), DeadlyMail()
        self.erp.killer = self.mail.killer = self.killer
        for place in range(self.size.customers):
            self.erp.add("customers", number=f"1{place:04}", displayName=f"C{place}", email=email(place))
        self.mail.add_member("Customers", email(1), "unsubscribed")
        self.mail.add_member("Customers", email(2), "archived")

    @contextmanager
    def served(self) -> Iterator[Scene]:
        with Running(self.erp) as erp, Running(self.mail) as mail:
            text = FILE.format(
                tenant=TENANT, client=CLIENT_ID, erp=erp.url, mail=mail.url,
                page=self.size.page, chunk=self.size.chunk, lanes=self.size.lanes,
            )  # fmt: skip
            (self.folder / "nordkran.yaml").write_text(text)
            yield self

    @property
    def environment(self) -> dict[str, str]:
        return {
            "MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": CLIENT_SECRET,
            "MLCONNECTOR_SECRET_MAIL_API_KEY": API_KEY,
            "MLCONNECTOR_CONNECTION": str(self.folder / "nordkran.yaml"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "HOME": str(self.folder),
        }

    def start(self) -> subprocess.Popen[str]:
        with self.mail.lock, self.erp.lock:  # its first request finds the killer ready
            self.killer.process = subprocess.Popen(
                [sys.executable, "-m", "mlconnector", "sync"],
                env={**os.environ, **self.environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        return self.killer.process

    def sync_and_kill(self, at: int, *, after: bool) -> int:
        """One process, killed at a request if it gets so far. Its exit code."""
        self.killer.at, self.killer.after, self.killer.seen, self.killer.killed = at, after, 0, False
        process = self.start()
        process.communicate(timeout=30)
        self.killer.at, self.killer.killed = 0, False
        return process.returncode

    def sync(self) -> int:
        """The next run of the same program, in this process."""
        return CliRunner().invoke(program, ["sync"], env=self.environment).exit_code

    def audience(self) -> dict[str, tuple[str, str]]:
        """Status and customer number by address."""
        rows = self.mail.members("Customers")
        assert len({row["email_address"] for row in rows}) == len(rows)
        return {row["email_address"]: (row["status"], row["merge_fields"].get("CUSTNO", "")) for row in rows}


def email(place: int) -> str:
    return f"anna{place}@nordkran.se"


def wanted(size: Size) -> dict[str, tuple[str, str]]:
    """The second unsubscribed before and stays so; the third was archived by somebody and is not touched."""
    members = {email(place): ("subscribed", f"1{place:04}") for place in range(size.customers)}
    return {**members, email(1): ("unsubscribed", "10001"), email(2): ("archived", "")}


@pytest.fixture(params=[SMALL, LARGE], ids=["small chunks", "large chunks"])
def size(request: pytest.FixtureRequest) -> Size:
    return request.param


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_a_run_that_is_killed_at_any_request_is_made_good_by_the_next(
    tmp_path: Path, size: Size, after: bool
) -> None:
    at, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        at += 1
        folder = tmp_path / str(at)
        folder.mkdir()
        with Scene(folder, size).served() as scene:
            code = scene.sync_and_kill(at, after=after)
            assert code in (0, -signal.SIGKILL)
            assert scene.sync() == 0, f"killed at request {at}"
            assert scene.audience() == wanted(size), f"killed at request {at}"
            api = [move for move in scene.mail.transitions("Customers") if isinstance(move.by, int)]
            assert {(move.old, move.new) for move in api} <= {("", "subscribed")}, f"killed at request {at}"
    assert at > 8, "a sync makes more requests than that"


def test_a_run_that_is_killed_again_and_again_comes_to_its_end(tmp_path: Path) -> None:
    with Scene(tmp_path, LARGE).served() as scene:
        for at in range(1, 9):
            scene.sync_and_kill(at, after=at % 2 == 0)
        assert scene.sync() == 0
        assert scene.audience() == wanted(LARGE)


def test_of_two_runs_started_together_one_leaves_at_once_with_code_4(tmp_path: Path) -> None:
    with Scene(tmp_path, SMALL).served() as scene:
        scene.erp.fault("slow", path="/token", seconds=1.5)
        processes = [scene.start(), scene.start()]
        codes = sorted(process.wait(20) for process in processes)
        assert codes == [0, 4]
        assert scene.audience() == wanted(SMALL)
        assert len([entry for entry in scene.erp.log if entry.path.endswith("/token")]) == 1
