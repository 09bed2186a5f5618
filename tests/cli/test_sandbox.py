"""The sandbox as a process of its own: its file works, every line it prints does, it ends when asked to."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlconnector.cli import program
from mlconnector.cli.playground import SECRETS
from mlconnector.cli.sandbox import MARK, write_connection

CHOICES = ("--customers", "45", "--vendors", "15", "--crm-port", "0")
URLS = "    base_url: {0}\n    login_url: {0}\n    base_url: {0}/3.0\n"


@dataclass(frozen=True)
class Open:
    """A running sandbox and what it printed."""

    process: subprocess.Popen[str]
    printed: str
    folder: Path
    environment: Mapping[str, str]

    def lines(self, begin: str) -> list[str]:
        """Its lines that begin so."""
        stripped = [line.strip() for line in self.printed.splitlines()]
        return [line for line in stripped if line.startswith(begin)]

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """A line as it stands there, with the exports before it, in a shell."""
        script = "\n".join([*self.lines("export "), line])
        return subprocess.run(
            ["sh", "-c", script], env={**self.environment}, capture_output=True, text=True, timeout=60
        )


def start(folder: Path, *words: str, ports: Sequence[str] = ("--erp-port", "0", "--mail-port", "0")) -> Open:
    program_folder = folder.parent / "bin"
    program_folder.mkdir(exist_ok=True)
    (program_folder / "mlconnector").write_text(f'#!/bin/sh\nexec {sys.executable} -m mlconnector "$@"\n')
    (program_folder / "mlconnector").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{program_folder}:{os.environ['PATH']}",
        "HOME": str(folder.parent),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    process = subprocess.Popen(
        ["mlconnector", "sandbox", "--folder", str(folder), *ports, *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Open(process, read_until(process, "Ctrl-C ends the sandbox."), folder, environment)


def read_until(process: subprocess.Popen[str], last: str, seconds: float = 30.0) -> str:
    assert process.stdout is not None
    shown, end = "", time.monotonic() + seconds
    while last not in shown:
        assert time.monotonic() < end and select.select([process.stdout], [], [], seconds)[0], shown
        part = os.read(process.stdout.fileno(), 65536).decode()
        assert part, process.communicate()[1]
        shown += part
    return shown


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    running = start(tmp_path_factory.mktemp("try") / "sandbox folder", *CHOICES)
    yield running
    running.process.kill()
    running.process.communicate()


def test_its_connection_file_works_in_processes_of_their_own(sandbox: Open) -> None:
    check, sync, status, explain = [sandbox.run(line) for line in sandbox.lines("mlconnector -c ")]
    assert check.returncode == 0, check.stdout + check.stderr
    assert sync.returncode == 1 and "fake-address" in sync.stdout, sync.stderr
    assert "customers_to_members" in status.stdout
    assert "customers_to_members: 10000" in explain.stdout and explain.returncode == 0
    assert "merge_fields.BALANCE = " in explain.stdout


def test_the_file_holds_no_secret_and_the_log_shows_none(sandbox: Open) -> None:
    file = (sandbox.folder / "sandbox.yaml").read_text("utf-8")
    urls = re.findall(r"base_url: \"?(http://127\.0\.0\.1:\d+)", file)
    assert len(urls) == 2
    sandbox.run(sandbox.lines("mlconnector -c ")[0])
    logs = [sandbox.run(f"curl -s {url}/_sandbox/log").stdout for url in urls]
    assert "client_secret=***" in logs[0] and "/3.0/" in logs[1]
    for text in (file, *logs):
        assert not any(secret in text for secret in SECRETS.values())


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_every_curl_line_it_prints_answers_200(sandbox: Open) -> None:
    lines = sandbox.lines("curl ")
    assert len(lines) >= 20
    for line in lines:
        answer = sandbox.run(f"{line} -w '\\n%{{http_code}}'")
        assert answer.stdout.endswith("\n200"), (line, answer.stdout, answer.stderr)
    kinds = set(re.findall(r'"kind": "([\w-]+)"', "\n".join(line for line in lines if "/faults" in line)))
    assert kinds == {"status", "html", "lost-answer", "cut", "slow", "expired-token", "duplicate"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_pipedrive_listens_where_it_says_and_takes_the_token_it_names(sandbox: Open) -> None:
    url, token = re.findall(r"Pipedrive +(\S+) .*x-api-token: (\w+)", sandbox.printed)[0]
    answer = sandbox.run(f"curl -s -H 'x-api-token: {token}' {url}/api/v2/deals")
    assert "Desks for the new floor" in answer.stdout
    assert token not in sandbox.run(f"curl -s {url}/_sandbox/log").stdout


def test_without_its_port_there_is_no_pipedrive(tmp_path: Path) -> None:
    running = start(tmp_path / "s", "--customers", "5", "--vendors", "5")
    running.process.kill()
    running.process.communicate()
    assert "Pipedrive" not in running.printed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_and_frees_its_ports(tmp_path: Path, number: int) -> None:
    running = start(tmp_path / "s", "--customers", "5", "--vendors", "5")
    running.process.send_signal(number)
    _, err = running.process.communicate(timeout=10)
    assert running.process.returncode == 0, err
    assert "Traceback" not in err
    for port in re.findall(r"http://127\.0\.0\.1:(\d+)  ", running.printed):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)), 2)


def test_a_port_in_use_is_one_clear_sentence(tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        words = ["sandbox", "--folder", str(tmp_path), "--erp-port", "0", "--mail-port", port]
        result = CliRunner().invoke(program, words)
    assert result.exit_code == 2
    assert f"port {port} of 127.0.0.1 cannot be used" in result.stderr and "--mail-port" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_its_own_is_left_as_it_is(tmp_path: Path) -> None:
    for name in ("sandbox.yaml", "sandbox.db"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("mine")
        words = ["sandbox", "--folder", str(folder), "--erp-port", "0", "--mail-port", "0"]
        result = CliRunner().invoke(program, words)
        assert result.exit_code == 2 and "not the sandbox's own" in result.stderr
        assert [(file.name, file.read_text()) for file in folder.iterdir()] == [(name, "mine")]


def test_a_new_sandbox_keeps_edits_corrects_the_ports_and_drops_the_old_state(tmp_path: Path) -> None:
    file = write_connection(tmp_path, f"{MARK}\n{URLS.format('http://127.0.0.1:1')}    CITY: city\n")
    file.write_text(file.read_text() + "    PLACE: city\n")
    (tmp_path / "sandbox.db").write_text("of emulators that are gone")
    write_connection(tmp_path, f"{MARK}\n{URLS.format('http://127.0.0.1:2')}    CITY: city\n")
    assert file.read_text() == f"{MARK}\n{URLS.format('http://127.0.0.1:2')}    CITY: city\n    PLACE: city\n"
    assert not (tmp_path / "sandbox.db").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ["sandbox", "--folder", str(tmp_path / "file" / "below"), "--erp-port", "0", "--mail-port", "0"]
    result = CliRunner().invoke(program, words)
    assert result.exit_code == 2
    assert "the sandbox cannot write there" in result.stderr and "--folder" in result.stderr
    assert "Traceback" not in result.stderr
