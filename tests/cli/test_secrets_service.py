"""A real Secret Service (gnome-keyring on a bus of its own), a real cron, and commands as processes of their own.

`.ci/run` installs the Debian packages gnome-keyring, dbus-daemon and cron; without them these tests are skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlconnector.systems.business_central.emulator import CLIENT_SECRET
from mlconnector.systems.mailchimp.emulator import API_KEY
from tests.cli.conftest import World

pytestmark = pytest.mark.skipif(
    not (shutil.which("dbus-daemon") and shutil.which("gnome-keyring-daemon")),
    reason="gnome-keyring or dbus-daemon is not installed",
)

SERVICE = "keyring.backends.SecretService.Keyring"
VALUES = {"erp.client_secret": CLIENT_SECRET, "mail.api_key": API_KEY}
LIMIT_SECONDS = 10.0
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/> <allow receive_sender="*"/> <allow own="*"/>
  </policy>
</busconfig>
"""
"""Without service files: what is not started here is not started at all."""


def wait_for(happened: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + LIMIT_SECONDS
    while not happened():
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.02)


@dataclass
class Session:
    """A user's session: a bus and, if it is started, a keyring daemon. All of it lives in one folder."""

    folder: Path
    world: World
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def bus(self) -> Path:
        return self.folder / "bus"

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the tests' own; without a bus address."""
        own = {"HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder / "run"), "PATH": "/usr/bin:/bin"}
        return {**own, "MLCONNECTOR_CONNECTION": str(self.world.file), **more}

    @property
    def address(self) -> dict[str, str]:
        return {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.bus}"}

    def start_bus(self) -> None:
        (self.folder / "run").mkdir(mode=0o700)
        (self.folder / "bus.conf").write_text(BUS.format(path=self.bus))
        self._start(["dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork"])
        wait_for(self.bus.exists, "the start of the bus")

    def start_keyring(self, password: str | None) -> None:
        """Unlocked with a password, which also makes the collection; locked without one."""
        unlock = ["--unlock"] if password else []
        daemon = self._start(
            ["gnome-keyring-daemon", "--foreground", "--components=secrets", *unlock], password
        )
        wait_for(lambda: daemon.poll() is not None or self._has_service(), "the start of the keyring")
        if daemon.poll() is not None:
            pytest.skip(f"gnome-keyring-daemon does not run here: {self.log()[-200:]}")

    def _start(self, words: list[str], stdin: str | None = None) -> subprocess.Popen[bytes]:
        try:
            with (self.folder / "log").open("ab") as log:
                process = subprocess.Popen(
                    words, env=self.environment(**self.address), stdin=subprocess.PIPE, stdout=log, stderr=log
                )
        except OSError as error:
            pytest.skip(f"{words[0]} cannot be started here: {error}")
        self.started.append(process)
        assert process.stdin
        process.stdin.write((stdin or "").encode())
        process.stdin.close()
        return process

    def _has_service(self) -> bool:
        blocking = pytest.importorskip("jeepney.io.blocking")
        messages = pytest.importorskip("jeepney.bus_messages")
        with (
            contextlib.suppress(OSError),
            blocking.open_dbus_connection(bus=f"unix:path={self.bus}") as connection,
        ):
            bus = blocking.Proxy(messages.message_bus, connection)
            return bool(bus.NameHasOwner("org.freedesktop.secrets")[0])
        return False

    def log(self) -> str:
        """What bus and daemon said."""
        return (self.folder / "log").read_text(errors="replace")

    def stop_last(self) -> None:
        """Ends what was started last."""
        process = self.started.pop()
        process.terminate()
        process.wait(LIMIT_SECONDS)

    def run(
        self, *words: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command as a process of its own, with the bus's address unless `env` says what there is."""
        done = subprocess.run(
            [sys.executable, "-m", "mlconnector", *words],
            env=self.environment(**(self.address if env is None else env)),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )
        for value in VALUES.values():
            assert value not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def refusal(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        """What it says in one sentence and its next step, fast and without asking anybody."""
        done = self.run(*words, stdin="another-value", env=env)
        assert done.returncode == 2
        error, step = done.stderr.splitlines()
        assert error.startswith("Error: ") and step.startswith("Next: ")
        assert "MLCONNECTOR_SECRET_MAIL_API_KEY" in step
        assert "prompt" not in self.log()
        return error


@pytest.fixture
def session(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A bus without a keyring."""
    session = Session(tmp_path_factory.mktemp("session"), world)
    session.start_bus()
    yield session
    while session.started:
        session.stop_last()


@pytest.fixture
def unlocked(session: Session) -> Session:
    """Both secrets are stored."""
    session.start_keyring("opens-it")
    for name, value in VALUES.items():
        stored = session.run("secrets", "set", name, stdin=f"{value}\n")
        assert stored.stderr == f"stored {name} of nordkran in the keyring ({SERVICE})\n"
    return session


def test_what_is_stored_is_found_and_a_sync_uses_it(unlocked: Session) -> None:
    found = unlocked.run("secrets", "check")
    assert (found.returncode, found.stderr) == (0, "")
    assert [line.partition(" ")[2] for line in found.stdout.splitlines()] == [
        f"found_in=keyring where={SERVICE}"
    ] * 2
    unlocked.world.customer("10000", "anna@nordkran.se")
    done = unlocked.run("sync")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 created" in done.stdout
    assert unlocked.run("secrets", "delete", "mail.api_key").returncode == 0
    assert "there is no secret mail.api_key" in unlocked.run("sync").stderr


def test_a_bus_at_its_usual_place_needs_no_address(unlocked: Session) -> None:
    assert unlocked.run("secrets", "check", env={"XDG_RUNTIME_DIR": str(unlocked.folder)}).returncode == 0


def test_a_locked_keyring_is_said_to_be_locked_and_nobody_is_asked(unlocked: Session) -> None:
    unlocked.stop_last()
    unlocked.start_keyring(None)
    locked = f"Error: the keyring ({SERVICE}) does not serve: it is locked"
    assert unlocked.refusal("sync") == locked
    assert unlocked.refusal("secrets", "set", "mail.api_key") == locked
    assert unlocked.run("secrets", "check").stdout.count("it is locked") == 2
    assert "it is locked" in unlocked.run("check").stdout


def test_a_keyring_that_nobody_ever_opened_is_not_made(session: Session) -> None:
    session.start_keyring(None)
    for words in (["sync"], ["secrets", "set", "mail.api_key"]):
        assert f"({SERVICE}) does not serve: it has no default collection yet" in session.refusal(*words)


def test_a_bus_without_a_keyring_says_so(session: Session) -> None:
    error = session.refusal("sync")
    assert "(keyring.backends.fail.Keyring) does not serve: no secret service" in error
    assert f"unix:path={session.bus}" in error


def test_a_dead_bus_says_so(session: Session) -> None:
    session.stop_last()
    session.bus.touch()
    assert f"nothing answers at the D-Bus address 'unix:path={session.bus}'" in session.refusal("sync")


def test_no_address_says_so(session: Session) -> None:
    error = session.refusal("sync", env={})
    assert (
        f"there is no D-Bus address: $DBUS_SESSION_BUS_ADDRESS is not set, and there is no bus at {session.folder}"
        in error
    )


def test_as_cron_this_session_does_not_exist(unlocked: Session) -> None:
    values = {f"MLCONNECTOR_SECRET_{name.upper().replace('.', '_')}": value for name, value in VALUES.items()}
    seen = unlocked.run("secrets", "check", "--as-cron", env={**unlocked.address, **values})
    assert seen.returncode == 2
    assert seen.stdout.count("found_in=missing") == 2
    assert str(unlocked.folder) not in seen.stdout


# a real cron: it runs lines with @reboot as soon as it starts, if it is its first start

CRONTAB = """
@reboot touch {folder}/cron-works
@reboot cd / && {command} > {folder}/bare.out 2>&1; echo $? > {folder}/bare.code
DBUS_SESSION_BUS_ADDRESS=unix:path={folder}/bus
@reboot cd / && {command} > {folder}/bus.out 2>&1; echo $? > {folder}/bus.code
"""
CRON_LEAVES = [Path("/run/crond.pid"), Path("/run/crond.reboot")]


@pytest.fixture
def run_crontab() -> Iterator[Callable[[str], None]]:
    """Starts a cron with a crontab; skips wherever there may be another one, or jobs that are not ours."""
    if os.getuid() != 0 or not shutil.which("cron") or not shutil.which("crontab"):
        pytest.skip("a real cron needs root and Debian's cron")
    tables = [
        Path("/etc/crontab"),
        *Path("/etc/cron.d").glob("*"),
        *Path("/var/spool/cron/crontabs").glob("*"),
    ]
    if any(path.exists() for path in CRON_LEAVES) or Path("/var/spool/cron/crontabs/root").exists():
        pytest.skip("this machine has a cron of its own")
    if any("@reboot" in path.read_text(errors="replace") for path in tables if path.is_file()):
        pytest.skip("this machine has jobs of its own at its start")
    started: list[subprocess.Popen[bytes]] = []

    def run(crontab: str) -> None:
        given = subprocess.run(["crontab", "-"], input=crontab, text=True, timeout=LIMIT_SECONDS)
        if given.returncode:
            pytest.skip("crontab takes no table here")
        started.append(subprocess.Popen(["cron", "-f"], start_new_session=True))

    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(LIMIT_SECONDS)
    subprocess.run(["crontab", "-r"], check=False, capture_output=True, timeout=LIMIT_SECONDS)
    for path in CRON_LEAVES:
        path.unlink(missing_ok=True)


def test_a_real_cron_finds_the_keyring_by_its_address_and_says_so_without(
    unlocked: Session, run_crontab: Callable[[str], None]
) -> None:
    folder = unlocked.folder
    command = f"{sys.executable} -m mlconnector secrets check -c {unlocked.world.file}"
    run_crontab(CRONTAB.format(command=command, folder=folder))
    with contextlib.suppress(AssertionError):
        wait_for((folder / "cron-works").exists, "cron's first job")
    if not (folder / "cron-works").exists():
        pytest.skip("cron starts, but runs no jobs here")
    codes = [folder / "bare.code", folder / "bus.code"]
    wait_for(lambda: all(code.exists() and code.read_text() for code in codes), "the end of cron's jobs")
    assert [code.read_text().strip() for code in codes] == ["2", "0"], (folder / "bus.out").read_text()
    assert (folder / "bare.out").read_text().count("there is no D-Bus address") == 2
    assert (folder / "bus.out").read_text().count(f"found_in=keyring where={SERVICE}") == 2
