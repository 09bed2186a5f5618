"""`mlconnector login`, and the secrets that a system renews while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
import requests

from mlconnector.cli.vault import StoredSecrets
from mlconnector.config import load_connection
from mlconnector.errors import ConfigError
from mlconnector.sandbox import Running
from mlconnector.systems.pipedrive.emulator import CLIENT_ID, CLIENT_SECRET, Pipedrive
from tests.cli.conftest import World
from tests.test_secrets import MemoryKeyring

SYSTEM = """
  crm: {{kind: pipedrive, login: oauth, client_id: {client}, base_url: "{url}", login_url: "{url}"}}
flows:"""
CLIENT = {"MLCONNECTOR_SECRET_CRM_CLIENT_SECRET": CLIENT_SECRET}


@pytest.fixture
def memory(world: World) -> MemoryKeyring:
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


@pytest.fixture
def crm(world: World) -> Iterator[Pipedrive]:
    """A Pipedrive beside the two systems, whose app is registered with the default callback."""
    crm = Pipedrive()
    with Running(crm) as server:
        text = world.file.read_text()
        world.file.write_text(text.replace("\nflows:", SYSTEM.format(client=CLIENT_ID, url=server.url)))
        crm.login.redirect_uri = "http://127.0.0.1:8976/callback"
        yield crm


def test_a_pasted_address_logs_in_and_the_token_is_stored_and_never_shown(
    world: World, crm: Pipedrive, memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "secrets.token_urlsafe", lambda size: "s" * 32
    )  # what the browser would come back with
    shown = world.run("login", "--paste", env=CLIENT, stdin="")
    assert shown.exit_code == 3 and "another log-in" in shown.stderr
    url = next(line for line in shown.stderr.splitlines() if line.startswith("http"))
    back = requests.get(url, allow_redirects=False, timeout=10).headers["Location"]
    result = world.run("login", "crm", "--paste", env=CLIENT, stdin=f"{back}\n")
    assert result.exit_code == 0, result.stderr
    assert "crm: logged in as Karin Berg at Nordkran (sandbox)" in result.stderr
    (token,) = crm.login._grants
    assert token in memory.entries["mlconnector", "nordkran"]
    code = back.partition("code=")[2].partition("&")[0]
    assert token not in result.output and code not in result.output and CLIENT_SECRET not in result.output


@pytest.mark.parametrize("system", ["erp", "nobody"])
def test_a_system_without_a_log_in_is_refused(world: World, crm: Pipedrive, system: str) -> None:
    result = world.run("login", system, env=CLIENT)
    assert result.exit_code == 2 and system in result.stderr


def test_a_connection_without_one_is_refused(world: World) -> None:
    result = world.run("login")
    assert result.exit_code == 2 and "login: oauth" in result.stderr


def test_a_client_secret_that_is_missing_is_asked_for_first(
    world: World, crm: Pipedrive, memory: MemoryKeyring
) -> None:
    result = world.run("login", "--paste", stdin="")
    assert result.exit_code == 2 and "mlconnector secrets set nordkran crm.client_secret" in result.stderr


def test_nobody_is_sent_to_a_browser_if_nothing_could_be_kept(world: World, crm: Pipedrive) -> None:
    world.file.write_text(world.file.read_text() + "secrets: {keyring: false}\n")
    result = world.run("login", "--paste", env=CLIENT, stdin="")
    assert result.exit_code == 2 and "keyring: true" in result.stderr and "http" not in result.stderr


# the vault


def vault(world: World, hidden: list[str]) -> StoredSecrets:
    return StoredSecrets(load_connection(world.file), "crm", hidden.extend)


def test_a_secret_is_stored_only_if_it_is_another_one(
    world: World, crm: Pipedrive, memory: MemoryKeyring
) -> None:
    hidden: list[str] = []
    kept = vault(world, hidden)
    with pytest.raises(ConfigError, match=r"crm\.refresh_token"):
        kept.read("refresh_token")
    kept.store("refresh_token", "token-number-one")
    before = dict(memory.entries)
    memory.entries.clear(), memory.entries.update(before)
    kept.store("refresh_token", "token-number-one")
    assert kept.read("refresh_token") == "token-number-one"
    assert memory.entries == before
    assert "token-number-one" in hidden


def test_whoever_renews_keeps_others_out(world: World, crm: Pipedrive) -> None:
    order: list[str] = []

    def second() -> None:
        with vault(world, []).alone():
            order.append("second")

    with vault(world, []).alone():
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.1)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_a_lock_that_cannot_be_had_is_said_so(world: World, crm: Pipedrive, tmp_path: Path) -> None:
    (tmp_path / "state.db.crm.login").mkdir()
    with pytest.raises(ConfigError, match="lock file"), vault(world, []).alone():
        pass
