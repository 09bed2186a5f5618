"""`mlconnector login`, and the secrets that a system renews while it runs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import keyring
import pytest
import requests

from mlconnector.cli.vault import StoredSecrets
from mlconnector.config import load_connection
from mlconnector.errors import ConfigError
from mlconnector.sandbox import Reply, Request, Running
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


class SlowLogin(Pipedrive):
    """Takes its time for a token, and notes how many ask for one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.count = threading.Lock()
        self.asking, self.most, self.answered = 0, 0, 0

    def handle(self, request: Request) -> tuple[Reply | None, bool]:
        if request.path != "/oauth/token":
            return super().handle(request)
        self._note(1)
        time.sleep(1)
        self._note(-1)
        return super().handle(request)

    def _note(self, more: int) -> None:
        with self.count:
            self.asking += more
            self.most = max(self.most, self.asking)
            self.answered += more < 0


@pytest.fixture
def crm(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowLogin]:
    """A Pipedrive beside the two systems, whose app is registered with the default callback."""
    monkeypatch.setenv("XDG_STATE_HOME", world.environment["XDG_STATE_HOME"])
    crm = SlowLogin()
    with Running(crm) as server:
        text = world.file.read_text()
        world.file.write_text(text.replace("\nflows:", SYSTEM.format(client=CLIENT_ID, url=server.url)))
        yield crm


def test_a_pasted_address_logs_in_and_the_token_is_stored_and_never_shown(
    world: World, crm: Pipedrive, memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "secrets.token_urlsafe", lambda size: "s" * 32
    )  # what the browser would come back with
    shown = world.run("login", "--paste", env=CLIENT, stdin="http://127.0.0.1:8976/callback?state=1&code=2")
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
    assert result.exit_code == 2 and "mlconnector secrets set nordkran" in result.stderr


@pytest.mark.parametrize("system", [None, "crm", "pipedrive"])
def test_a_system_that_has_a_token_names_the_command_that_stores_it(
    world: World, crm: Pipedrive, system: str | None
) -> None:
    text = world.file.read_text()
    world.file.write_text(text.replace(f"login: oauth, client_id: {CLIENT_ID}", "login: token"))
    result = world.run("login", *filter(None, [system]))
    assert result.exit_code == 2 and "crm logs in with a stored secret" in result.stderr, result.stderr
    assert "run: mlconnector secrets set nordkran crm.api_token; " in result.stderr


@pytest.mark.parametrize("system", [None, "crm", "pipedrive"])
def test_a_browser_that_comes_back_to_this_machine_logs_in(
    world: World, crm: Pipedrive, memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch, system: str | None
) -> None:
    callback = f"http://127.0.0.1:{free_port()}/callback"
    text, crm.login.redirect_uri = world.file.read_text(), callback
    world.file.write_text(text.replace("login: oauth,", f'login: oauth, redirect_url: "{callback}",'))
    monkeypatch.setattr("secrets.token_urlsafe", lambda size: "s" * 32)
    url = load_connection(world.file).systems["crm"].settings.login_url
    asked = {"client_id": CLIENT_ID, "redirect_uri": callback, "state": "s" * 32}
    browser = threading.Thread(target=come_back, args=(f"{url}/oauth/authorize?{urlencode(asked)}",))
    browser.start()
    result = world.run("login", *filter(None, [system]), env=CLIENT)
    browser.join()
    assert result.exit_code == 0, result.stderr
    assert "crm: open this address in a browser:" in result.stderr
    assert "waiting 5 minutes" in result.stderr and "mlconnector login crm --paste" in result.stderr
    assert "crm: logged in as Karin Berg" in result.stderr
    assert next(iter(crm.login._grants)) in memory.entries["mlconnector", "nordkran"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def come_back(url: str) -> None:
    """A browser: opens the address and goes where it leads, once somebody waits there."""
    for _ in range(100):
        with suppress(requests.ConnectionError):
            requests.get(url, timeout=10)
            return
        time.sleep(0.1)


@pytest.mark.parametrize(
    "text", ["", "hello", "https://oauth.pipedrive.com/oauth/authorize?state=x&client_id=5"]
)
def test_what_is_no_address_that_a_browser_ended_at_is_said_so(
    world: World, crm: Pipedrive, memory: MemoryKeyring, text: str
) -> None:
    result = world.run("login", "--paste", env=CLIENT, stdin=f"{text}\n")
    assert result.exit_code == 3 and "not the address the browser ended at" in result.stderr
    assert "it begins with http://127.0.0.1:8976/callback" in " ".join(result.stderr.split())


def test_nobody_is_sent_to_a_browser_if_there_is_no_keyring(world: World, crm: Pipedrive) -> None:
    result = world.run("login", "--paste", env=CLIENT, stdin="")
    assert result.exit_code == 2 and "keyring" in result.stderr and "/oauth/authorize" not in result.stderr


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


def test_two_processes_with_one_name_and_two_state_files_never_renew_at_once(
    world: World, crm: SlowLogin
) -> None:
    second = world.folder / "second.yaml"
    second.write_text(world.file.read_text().replace("state: state.db", "state: second.db"))
    secrets = {**CLIENT, "MLCONNECTOR_SECRET_CRM_REFRESH_TOKEN": crm.install()}
    both = [
        world.start("fields", "crm.organization", env={**secrets, "MLCONNECTOR_CONNECTION": str(file)})
        for file in (world.file, second)
    ]
    ends = [process.communicate(timeout=30) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert (crm.answered, crm.most) == (2, 1)


def test_a_lock_that_cannot_be_had_is_said_so(world: World, crm: Pipedrive, tmp_path: Path) -> None:
    (tmp_path / "state" / "mlconnector" / "nordkran.crm.login").mkdir(parents=True)
    with pytest.raises(ConfigError, match="lock file"), vault(world, []).alone():
        pass
