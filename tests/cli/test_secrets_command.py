from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keyring
import pytest

from mlconnector.cli.cron import run_as_cron
from mlconnector.errors import ConfigError
from tests.cli.conftest import SECRETS, World
from tests.test_secrets import MEMORY, MemoryKeyring

SECRET = "s3cret-value-of-ours"


@pytest.fixture
def memory(world: World) -> MemoryKeyring:
    """In place of the one that `world` takes away."""
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


def test_set_reads_stdin_and_never_echoes(world: World, memory: MemoryKeyring) -> None:
    result = world.run("secrets", "set", "erp.client_secret", stdin=f"{SECRET}\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"stored erp.client_secret of nordkran in the keyring ({MEMORY})\n"
    assert SECRET in memory.entries["mlconnector", "nordkran"]


def test_the_connection_may_stand_first_by_its_name_or_file(world: World, memory: MemoryKeyring) -> None:
    for given in ("nordkran", str(world.file)):
        assert world.run("secrets", "set", given, "mail.api_key", stdin=SECRET).exit_code == 0
    assert world.run("secrets", "set", "other", "mail.api_key", stdin=SECRET).exit_code == 2


def test_a_name_that_is_none_is_refused_before_anything_is_asked(world: World, memory: MemoryKeyring) -> None:
    result = world.run("secrets", "set", "erp.no_such", stdin=SECRET)
    assert result.exit_code == 2
    for name in ("erp.client_secret", "mail.api_key", "mail.access_token"):
        assert name in result.stderr
    assert memory.entries == {}


def test_one_that_these_settings_do_not_use_is_stored_with_a_word(
    world: World, memory: MemoryKeyring
) -> None:
    assert "not used" in world.run("secrets", "set", "mail.access_token", stdin=SECRET).stderr


def test_set_without_a_keyring_that_serves_is_refused_before_the_value_is_read(world: World) -> None:
    read_end, write_end = os.pipe()  # nothing is written to it: who reads it waits
    process = subprocess.Popen(
        [sys.executable, "-m", "mlconnector", "secrets", "set", "erp.client_secret"],
        env={**os.environ, **world.environment},
        stdin=read_end,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
        os.close(write_end)
        os.close(read_end)
    assert process.returncode == 2
    assert err.startswith("Error: the keyring (keyring.backends.fail.Keyring) does not serve")
    assert "MLCONNECTOR_SECRET_ERP_CLIENT_SECRET" in err


def test_a_sync_names_every_missing_secret_with_a_next_step_of_its_own(
    world: World, memory: MemoryKeyring
) -> None:
    result = world.run("sync", env=NOTHING)
    assert result.exit_code == 2
    assert result.stderr.count("Error: there is no secret ") == 2
    for name in ("erp.client_secret", "mail.api_key"):
        assert f"Next: run: mlconnector secrets set nordkran {name}\n" in result.stderr
        assert name in world.json("history")[0]["error"]
    machine = world.run("--json", "sync", env=NOTHING)
    errors = [json.loads(line)["error"] for line in machine.stderr.splitlines()]
    assert [error["next"].split()[-1] for error in errors] == ["erp.client_secret", "mail.api_key"]
    (other,) = json.loads(machine.stdout)["error"]["more"]
    assert other["next"].endswith("mail.api_key")


def test_list_shows_where_each_was_found_and_no_value(world: World, memory: MemoryKeyring) -> None:
    env = {"MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": None, "MLCONNECTOR_SECRET_MAIL_API_KEY": None}
    world.run("secrets", "set", "erp.client_secret", stdin=SECRET)
    result = world.run("secrets", "list", env=env)
    first, second = result.stdout.splitlines()
    assert first.startswith("secret=erp.client_secret found_in=keyring ")
    assert second.startswith("secret=mail.api_key found_in=missing ")
    assert SECRET not in result.output


def test_delete(world: World, memory: MemoryKeyring) -> None:
    world.run("secrets", "set", "erp.client_secret", stdin=SECRET)
    assert world.run("secrets", "delete", "erp.client_secret").stderr == "deleted erp.client_secret\n"
    assert "was not" in world.run("secrets", "delete", "erp.client_secret").stderr


def test_an_empty_value_is_refused(world: World, memory: MemoryKeyring) -> None:
    assert world.run("secrets", "set", "erp.client_secret", stdin="\n").exit_code == 2


# check

NOTHING: dict[str, str | None] = dict.fromkeys(SECRETS)


def test_check_says_where_each_is_found(world: World, memory: MemoryKeyring) -> None:
    world.run("secrets", "set", "erp.client_secret", stdin=SECRET)
    env = {"MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": None}
    result = world.run("secrets", "check", env=env)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"secret=erp.client_secret found_in=keyring where={MEMORY}",
        "secret=mail.api_key found_in=environment where=$MLCONNECTOR_SECRET_MAIL_API_KEY",
    ]
    assert world.run("--quiet", "secrets", "check", env=env).output == ""


def test_check_says_what_is_missing_why_and_what_helps(world: World, memory: MemoryKeyring) -> None:
    result = world.run("secrets", "check", "--json", env=NOTHING)
    assert result.exit_code == 2
    first, _ = json.loads(result.stdout)
    assert first["found_in"] == "missing"
    assert "there is no secret erp.client_secret: looked in $MLCONNECTOR_SECRET_ERP" in first["problem"]
    assert first["next"] == "run: mlconnector secrets set nordkran erp.client_secret"


def test_check_names_the_keyring_that_does_not_serve(world: World) -> None:
    result = world.run("--quiet", "secrets", "check", str(world.file), env=NOTHING)
    assert result.exit_code == 2
    assert result.stdout.count("keyring.backends.fail.Keyring") == 2


def with_command(world: World, script: str, more: str = "") -> Path:
    """The connection with a command that gives the secrets."""
    program = world.folder / "ask"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    text = f'secrets: {{command: ["{program}", "{{name}}"]{more}}}\n'
    world.file.write_text(world.file.read_text() + text)
    return program


def test_a_sync_takes_its_secrets_from_the_command(world: World) -> None:
    cases = [
        f"{name.removeprefix('MLCONNECTOR_SECRET_')}) echo '{value}';;" for name, value in SECRETS.items()
    ]
    with_command(world, f'case $(echo "$1" | tr a-z. A-Z_) in {" ".join(cases)} esac')
    world.customer("10000", "anna@nordkran.se")
    result = world.run("sync", env=NOTHING)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "found_in=command" in world.run("secrets", "check", env=NOTHING).stdout


def test_a_sync_whose_command_fails_ends_with_one_sentence(world: World, memory: MemoryKeyring) -> None:
    program = with_command(world, f"echo {SECRET}; echo {SECRET} >&2; exit 7")
    result = world.run("sync", env=NOTHING)
    assert result.exit_code == 2
    assert (
        f"Error: the command {program} gave no secret erp.client_secret: it ended with exit code 7"
        in result.stderr
    )
    assert SECRET not in result.output + result.stderr
    result = world.run("secrets", "set", "mail.api_key", stdin=SECRET)
    assert result.exit_code == 2 and "nothing was stored" in result.stderr


def test_as_cron_sees_nothing_of_this_environment(world: World) -> None:
    with_command(world, 'env > "$0.env"; [ "$1" = mail.api_key ] && echo found')
    env = {"CREDENTIALS_DIRECTORY": str(world.folder), "MLCONNECTOR_X": "1"}
    result = world.run("secrets", "check", "--as-cron", env=env)
    assert result.exit_code == 2
    assert "as cron sees it" in result.stderr
    first, second = result.stdout.splitlines()
    assert first.startswith("secret=erp.client_secret found_in=missing problem=")
    assert second.startswith("secret=mail.api_key found_in=command ")
    names = {line.partition("=")[0] for line in (world.folder / "ask.env").read_text().splitlines()}
    assert names - {"PWD", "_", "SHLVL", "LC_CTYPE"} == {"HOME", "LOGNAME", "USER", "SHELL", "PATH"}
    for value in SECRETS.values():
        assert value not in result.output + result.stderr


def test_as_cron_for_machines_and_by_a_relative_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with_command(world, "echo found")
    monkeypatch.chdir(world.folder)
    result = world.run("secrets", "check", "./nordkran.yaml", "--as-cron", "--json")
    assert result.exit_code == 0
    assert [row["found_in"] for row in json.loads(result.stdout)] == ["command", "command"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without an entry")
def test_as_cron_without_a_user_is_one_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    result = world.run("secrets", "check", "--as-cron")
    assert result.exit_code == 2
    assert "user 54321 has no entry" in result.stderr


def test_what_is_wrong_only_as_cron_is_said_as_such(world: World) -> None:
    """A file from stdin, of which cron has none."""
    done = subprocess.run(
        [sys.executable, "-m", "mlconnector", "secrets", "check", "/dev/stdin", "--as-cron"],
        env={**os.environ, **world.environment},
        input=world.file.read_text(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: as cron would run it: " in done.stderr
    assert "Traceback" not in done.stderr


def test_as_cron_it_may_not_take_for_ever() -> None:
    with pytest.raises(ConfigError, match=r"does not end within 0\.01 seconds"):
        run_as_cron(["--help"], 0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="a terminal as Linux has it")
def test_on_a_terminal_a_reason_that_two_share_is_said_once(world: World) -> None:
    code, shown = world.on_terminal("secrets", "check", env=NOTHING)
    assert code == 2
    assert shown.count("missing") == 2
    assert shown.count("Error: the keyring (keyring.backends.fail.Keyring)") == 1
