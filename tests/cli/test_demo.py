"""The demo as a process of its own: it ends well, proves it with numbers, keeps its files and its secrets."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlconnector.cli import program
from mlconnector.cli.playground import SECRETS, open_playground
from mlconnector.cli.stage import Stage
from mlconnector.systems.pipedrive.emulator import API_TOKEN

WHOLE_ADDRESS = re.compile(r"[\w.+'-]+@[\w-]+\.[\w.-]+")
LIMIT_SECONDS = 60


@dataclass(frozen=True)
class Told:
    """What a demo did."""

    code: int
    out: str
    err: str
    folder: Path


DEALS = ("deals.yaml", "deals.db", "deals-requests-pipedrive.jsonl", "deals-documents.jsonl")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """One demo for all tests: no keyring, no D-Bus, a home that cannot be written, an odd locale, a proxy."""
    home = tmp_path_factory.mktemp("home")
    folder = tmp_path_factory.mktemp("place") / "demo"
    home.chmod(0o500)
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "DBUS"))}
    environment = {
        **keep,
        "HOME": str(home),
        "PYTHONIOENCODING": "ascii",
        "LC_ALL": "C",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }
    started = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-m", "mlconnector", "demo", "--folder", str(folder)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    print(f"the demo took {time.monotonic() - started:.1f} s")
    yield Told(process.returncode, process.stdout, process.stderr, folder)
    home.chmod(0o700)


def test_it_ends_well(told: Told) -> None:
    assert (told.code, told.err) == (0, ""), told.out
    assert "WRONG" not in told.out
    assert told.out.count("  ok  ") >= 15


def test_it_tells_every_chapter_with_its_commands(told: Told) -> None:
    titles = re.findall(r"(?m)^== (.*) ==$", told.out)
    assert [title[:2] for title in titles[:8]] == [f"{number}." for number in range(1, 9)]
    deals = [title for title in titles if title.startswith("Deals ")]
    assert [title[6:8] for title in deals] == [f"{number}." for number in range(1, 9)]
    commands = re.findall(r"(?m)^\$ (.*)$", told.out)
    for begin in (
        "mlconnector check",
        "mlconnector sync",
        "kill -9",
        "mlconnector replay",
        "mlconnector explain",
        "mlconnector sync --adopt --dry-run",
        "mlconnector link",
    ):
        assert any(command.startswith(begin) for command in commands), begin


def test_the_closing_numbers_are_what_they_must_be(told: Told) -> None:
    numbers = dict(re.findall(r"(?m)^  (\w[\w -]*\w) {2,}(\d+)$", told.out))
    assert (numbers["duplicates"], numbers["opt-outs turned back"]) == ("0", "0")
    there, left_out = (
        int(numbers["up to date in Mailchimp"]),
        int(numbers["left out with a reason on record"]),
    )
    assert there + left_out == int(numbers["records in the ERP"])
    assert int(numbers["requests made"]) > 50


def test_the_deals_have_one_document_each(told: Told) -> None:
    numbers = dict(re.findall(r"(?m)^  (\w[\w' -]*\w) {2,}(\d+)$", told.out))
    assert int(numbers["won deals with a document"]) >= 5
    assert numbers["deals with two documents"] == "0"


def test_one_story_can_be_chosen(tmp_path: Path) -> None:
    result = CliRunner().invoke(program, ["demo", "pipedrive", "--folder", str(tmp_path / "d")])
    assert result.exit_code == 0, result.output
    assert "== Deals 8." in result.stdout and "== 1. check" not in result.stdout
    assert {*DEALS} <= {file.name for file in (tmp_path / "d").iterdir()}


def test_it_prints_plain_text_without_whole_addresses_and_secrets(told: Told) -> None:
    assert "\x1b" not in told.out
    assert not WHOLE_ADDRESS.findall(told.out)
    assert not any(secret in told.out for secret in SECRETS.values())


def test_its_files_are_kept_and_hold_no_secret(told: Told) -> None:
    files = {file.name: file for file in told.folder.iterdir()}
    wanted = {*DEALS, "demo.yaml", "demo.db", "requests-business_central.jsonl", "requests-mailchimp.jsonl"}
    assert wanted <= set(files)
    for file in files.values():
        assert not any(secret.encode() in file.read_bytes() for secret in (*SECRETS.values(), API_TOKEN)), (
            file
        )
    shown = CliRunner().invoke(program, ["-c", str(files["demo.yaml"]), "history"])
    assert shown.exit_code == 0 and "under way or killed" in shown.stdout


def test_nothing_of_it_is_left_running(told: Told) -> None:
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            assert bytes(told.folder) not in environment.read_bytes(), environment
    ports = re.findall(r"base_url: .*?:(\d+)", (told.folder / "demo.yaml").read_text("utf-8"))
    assert len(ports) == 2
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)), 2)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = CliRunner().invoke(program, ["demo", "--folder", str(tmp_path)])
    assert result.exit_code == 2
    assert "is not empty" in result.stderr and "--folder" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_something_that_is_not_as_it_must_be_ends_it_with_another_code(tmp_path: Path) -> None:
    before = dict(os.environ)
    with (
        open_playground(customers=5, vendors=5) as playground,
        Stage(playground, tmp_path, pauses=False) as stage,
    ):
        stage.expect("two and two are four", True)
        assert stage.all_as_it_must
        stage.expect("two and two are five", False)
        stage.expect("two and two are four", True)
        assert not stage.all_as_it_must
    assert dict(os.environ) == before
