"""The group: help without heavy imports, common options on both sides, every error a sentence and a code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner, Result

import mlconnector.cli
from mlconnector import __version__
from mlconnector.cli import COMMANDS, program
from mlconnector.cli.options import Command, Common
from mlconnector.errors import AuthError, ConnectorError, Later, LockedError, Rejected
from tests.cli.conftest import World

HEAVY = {"requests", "rich", "keyring", "sqlite_utils", "yaml", "tenacity", "msgspec"}


def imported(*words: str) -> set[str]:
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mlconnector", *words], capture_output=True, text=True
    )
    lines = [line.rpartition("|")[2].strip() for line in process.stderr.splitlines() if "|" in line]
    return {line.partition(".")[0] for line in lines}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["sync", "--help"], ["secrets", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    assert not imported(*words) & HEAVY


def test_a_run_that_finds_the_lock_taken_imports_neither_requests_nor_keyring(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlconnector.ledger.lock import RunLock

    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    with RunLock(world.state):
        assert not imported("sync") & {"requests", "rich", "keyring", "tenacity", "sqlite_utils"}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_examples_and_the_summary_of_the_table_holds(name: str) -> None:
    shown = CliRunner().invoke(program, [name, "--help"])
    assert shown.exit_code == 0
    assert shown.stdout.count(f"  mlconnector {name}") >= 2
    if name not in ("secrets", "ledger"):  # groups
        assert "Common options:" in shown.stdout


def test_the_help_lists_all_commands_without_their_modules() -> None:
    shown = CliRunner().invoke(program, ["--help"])
    assert all(name in shown.stdout for name in COMMANDS)
    assert "Exit codes" in shown.stdout


def test_version() -> None:
    assert CliRunner().invoke(program, ["--version"]).stdout == f"mlconnector {__version__}\n"


@pytest.mark.parametrize("words", [["nonsense"], ["sync", "--nonsense"], ["backfill"], ["replay"], []])
def test_a_mistake_in_the_words_is_exit_code_2(words: list[str]) -> None:
    result = CliRunner().invoke(program, words)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


seen: list[Common] = []


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Common]]:
    """A command `init` that raises what `raises` holds, or notes its options."""

    @click.command(cls=Command)
    @click.pass_obj
    def command(common: Common) -> int:
        seen.append(common)
        if raises:
            raise raises[0]
        return 0

    module = type(sys)("mlconnector.cli.init")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlconnector.cli.init", module)
    seen.clear()
    raises.clear()
    yield seen
    raises.clear()


raises: list[BaseException] = []


def run(*words: str) -> Result:
    return CliRunner().invoke(program, list(words))


def test_common_options_stand_before_or_after_the_name(probe: list[Common]) -> None:
    run("-c", "a.yaml", "--json", "-v", "init", "-v")
    run("init", "-c", "b.yaml", "-q")
    run("-c", "a.yaml", "init", "-c", "b.yaml")
    first, second, third = probe
    assert (first.connection, first.json, first.verbose) == ("a.yaml", True, 2)
    assert (second.connection, second.quiet, second.json) == ("b.yaml", True, False)
    assert third.connection == "b.yaml"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AuthError("erp refused it", hint="renew the secret"), 3),
        (LockedError("another run", hint="wait"), 4),
        (Later("mail is down", hint="later"), 3),
        (Rejected("no", code="bad", hint="x"), 1),
        (ConnectorError("something", hint="do this"), 3),
    ],
)
def test_an_error_is_what_and_next_and_its_code(
    probe: list[Common], error: ConnectorError, code: int
) -> None:
    raises.append(error)
    result = run("init")
    assert result.exit_code == code
    assert result.stderr == f"Error: {error.message}\nNext: {error.hint}\n"
    assert result.stdout == ""


def test_with_json_an_error_is_a_json_line(probe: list[Common]) -> None:
    raises.append(AuthError("erp refused it", hint="renew", request_id="r-1"))
    told = json.loads(run("init", "--json").stderr)["error"]
    assert told == {
        "kind": "AuthError",
        "message": "erp refused it",
        "next": "renew",
        "request_id": "r-1",
        "exit_code": 3,
    }


def test_what_nobody_foresaw_is_one_sentence_without_its_words(probe: list[Common]) -> None:
    raises.append(KeyError("anna@nordkran.se with secret"))
    result = run("init")
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: mlconnector failed unexpectedly: KeyError")
    assert "anna" not in result.stderr and "Traceback" not in result.stderr
    assert "-v shows the traceback" in result.stderr


def test_v_shows_the_traceback_without_whole_addresses(probe: list[Common]) -> None:
    raises.append(KeyError("anna@nordkran.se"))
    result = run("init", "-v")
    assert "Traceback" in result.stderr
    assert "anna@nordkran.se" not in result.stderr
    assert "anna@nordkran.se" in run("init", "-vv").stderr


def test_a_message_never_shows_a_secret_nor_a_whole_address(probe: list[Common]) -> None:
    raises.append(AuthError("anna@nordkran.se was refused with hunter2hunter2"))
    program_redactor = Common.screen

    def screen(self: Common) -> object:
        shown = program_redactor(self)
        shown.redactor.hide(["hunter2hunter2"])
        return shown

    mlconnector.cli.options.Common.screen = screen  # type: ignore[method-assign]
    try:
        told = run("init").stderr
    finally:
        mlconnector.cli.options.Common.screen = program_redactor  # type: ignore[method-assign]
    assert told == "Error: a***@nordkran.se was refused with ***\n"


def test_ctrl_c_is_like_sigterm(probe: list[Common]) -> None:
    raises.append(KeyboardInterrupt())
    assert run("init").exit_code == 3


def test_a_reader_that_went_away_is_no_error() -> None:
    line = f"{sys.executable} -m mlconnector schema | head -c 10 >/dev/null; echo ${{PIPESTATUS[0]}}"
    process = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert process.stdout.strip() == "0"
    assert process.stderr == ""


def test_a_letter_that_the_locale_cannot_spell_ends_no_run() -> None:
    words = [sys.executable, "-m", "mlconnector", "init", "-o", "-"]
    process = subprocess.run(words, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True)
    assert (process.returncode, process.stderr) == (0, b"")
    assert b"SE-Sk?ne" in process.stdout
