"""OAuth: one log-in with a browser, and tokens that are renewed without anybody noticing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from mlconnector.errors import AuthError, ConfigError, ConnectorError
from mlconnector.model import Tools
from mlconnector.sandbox import Reply, Request, Running, json_reply
from mlconnector.systems.pipedrive import Settings
from mlconnector.systems.pipedrive.api import Api
from mlconnector.systems.pipedrive.emulator import CLIENT_ID, CLIENT_SECRET, Pipedrive
from mlconnector.systems.pipedrive.login import Installing
from mlconnector.systems.pipedrive.oauth import Grant, is_trusted
from tests.systems.pipedrive.connecting import Client, flow, ids, running

ORGANIZATIONS = flow("organization", "name")


@dataclass
class MemoryVault:
    """`Tools.vault` in memory; the lock is one between threads."""

    secrets: dict[str, str] = field(default_factory=dict)
    stored: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self.lock:
            yield

    def read(self, name: str) -> str:
        return self.secrets[name]

    def store(self, name: str, value: str) -> None:
        assert self.lock.locked()
        self.stored.append(value)
        self.secrets[name] = value


class Rotating(Pipedrive):
    """Gives another refresh token each time, and the old one is dead (Pipedrive does not, so far)."""

    def answer(self, request: Request) -> Reply:
        reply = super().answer(request)
        if request.path == "/oauth/token" and reply.status == 200:
            grant = list(self.login._grants.values())[-1]
            del self.login._grants[grant.refresh_token]
            grant.refresh_token += "x"
            self.login._grants[grant.refresh_token] = grant
            found = {"access_token": list(self.login.access_tokens)[-1], "expires_in": 3599}
            return json_reply(
                200, {**found, "refresh_token": grant.refresh_token, "api_domain": request.base}
            )
        return reply


@pytest.fixture
def client() -> Iterator[Client]:
    """An account in which the app is installed, and three organizations."""
    with installed(Pipedrive()) as client:
        yield client


@contextmanager
def installed(crm: Pipedrive) -> Iterator[Client]:
    crm.fill(organizations=3)
    with running(crm) as client:
        client.secrets = {"client_secret": CLIENT_SECRET, "refresh_token": crm.install()}
        client.vault = MemoryVault({"refresh_token": client.secrets["refresh_token"]})
        yield client


def read(client: Client, **settings: Any) -> list[str]:
    source = client.reader(ORGANIZATIONS, login="oauth", client_id=CLIENT_ID, **settings)
    return ids(list(source.read("organization", None)))


def renewals(client: Client) -> int:
    return client.paths("POST").count("/oauth/token")


# using tokens


def test_a_token_is_asked_for_once_and_its_refresh_token_stored_at_once(client: Client) -> None:
    assert read(client, page_size=1) == ["1", "2", "3"]
    assert renewals(client) == 1
    assert isinstance(client.vault, MemoryVault) and client.vault.stored == [client.secrets["refresh_token"]]


def test_a_token_is_renewed_before_it_ends(client: Client) -> None:
    source = client.reader(ORGANIZATIONS, login="oauth", client_id=CLIENT_ID, page_size=1)
    walk = source.read("organization", None)
    next(walk)
    client.crm.clock.advance(3599 - 200)
    list(walk)
    assert renewals(client) == 2
    assert [one.status for one in client.crm.log if one.status == 401] == []


def test_a_token_that_is_refused_is_renewed_once(client: Client) -> None:
    client.crm.fault("expired-token", path="/organizations", skip=1)
    assert read(client, page_size=1) == ["1", "2", "3"]
    assert renewals(client) == 2


def test_a_refresh_token_that_is_replaced_is_stored_before_it_is_needed(client: Client) -> None:
    with installed(Rotating()) as client:
        client.crm.fault("expired-token", path="/organizations", skip=1)
        assert read(client, page_size=1) == ["1", "2", "3"]
        assert isinstance(client.vault, MemoryVault)
        assert client.vault.stored == [
            client.secrets["refresh_token"] + "x",
            client.secrets["refresh_token"] + "xx",
        ]
        assert read(client) == ["1", "2", "3"]  # a later run goes on with what is stored


def test_the_stored_token_counts_and_not_the_one_a_run_began_with(client: Client) -> None:
    client.secrets["refresh_token"] = "an older one"
    assert read(client) == ["1", "2", "3"]


def test_a_dead_refresh_token_says_that_somebody_has_to_log_in(client: Client) -> None:
    client.crm.clock.advance(61 * 86_400)
    with pytest.raises(AuthError) as caught:
        read(client)
    assert caught.value.hint == "run: mlconnector login"
    assert renewals(client) == 1


def test_a_wrong_client_secret_is_told_apart(client: Client) -> None:
    client.secrets["client_secret"] = "wrong"
    with pytest.raises(AuthError, match="client secret is wrong"):
        read(client)


def test_a_token_endpoint_that_is_down_is_waited_for(client: Client) -> None:
    client.crm.fault("status", path="/oauth/token", times=2, status=503)
    assert read(client) == ["1", "2", "3"]


def test_a_scope_that_is_missing_stops_with_the_scopes_to_give() -> None:
    with installed(Pipedrive(scopes={"base"})) as client, pytest.raises(AuthError) as caught:
        read(client)
    assert "contacts:full" in caught.value.hint


def test_two_that_need_a_token_at_once_ask_one_after_the_other(client: Client) -> None:
    class Counting(MemoryVault):
        inside, most = 0, 0

        def read(self, name: str) -> str:
            self.inside += 1
            self.most = max(self.most, self.inside)
            return super().read(name)

        def store(self, name: str, value: str) -> None:
            super().store(name, value)
            self.inside -= 1

    client.vault = vault = Counting({"refresh_token": client.secrets["refresh_token"]})
    settings = Settings(login="oauth", client_id=CLIENT_ID, login_url=client.url)
    tools = Tools(client.crm.clock.now, client.sleeps.append, vault=vault)
    threads = [threading.Thread(target=Grant(settings, client.secrets, tools).renew) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (vault.most, len(vault.stored)) == (1, 5)


@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        ("https://acme.pipedrive.com", True),
        ("http://acme.pipedrive.com", False),
        ("https://acme.pipedrive.com.evil.example", False),
        ("https://evilpipedrive.com", False),
        ("https://acme.pipedrive.com@evil.example", False),
        ("https://evil.example\\@acme.pipedrive.com", False),
        ("https://evil.example@acme.pipedrive.com", False),
        ("https://acme.pipedrive.com:8443", False),
        ("https://evil.example#.pipedrive.com", False),
        ("https://acme.pipedrive.com\n", False),
        ("", False),
    ],
)
def test_tokens_go_to_pipedrive_only(origin: str, trusted: bool) -> None:
    assert is_trusted(origin) is trusted


class Elsewhere(Pipedrive):
    """Says with each token that its API is at acme.pipedrive.com."""

    def answer(self, request: Request) -> Reply:
        reply = super().answer(request)
        reply.body = reply.body.replace(request.base.encode(), b"https://acme.pipedrive.com")
        return reply


@pytest.mark.parametrize(
    ("crm", "settings", "url"),
    [
        (Elsewhere(), {}, "https://acme.pipedrive.com"),
        (Elsewhere(), {"company_domain": "nordkran"}, "https://nordkran.pipedrive.com"),
        (Pipedrive(), {}, "https://api.pipedrive.com"),  # it names this machine, which is not to be trusted
    ],
)
def test_the_address_that_comes_with_the_token_is_used_unless_the_file_names_one(
    crm: Pipedrive, settings: dict[str, str], url: str
) -> None:
    with installed(crm) as client:
        made = Settings(login="oauth", client_id=CLIENT_ID, login_url=client.url, **settings)
        api = Api(made, client.secrets, Tools(crm.clock.now, client.sleeps.append, vault=client.vault))
        assert api._base_url() == url


# logging in


def logging_in(client: Client, **settings: Any) -> Installing:
    """A log-in at the emulator, whose app is registered with the callback of these settings."""
    made = Settings(
        **{
            "login": "oauth",
            "client_id": CLIENT_ID,
            "base_url": client.url,
            "login_url": client.url,
            **settings,
        }
    )
    client.crm.login.redirect_uri = made.redirect_url
    client.vault = MemoryVault()
    return Installing(
        made,
        {"client_secret": CLIENT_SECRET},
        Tools(client.crm.clock.now, client.sleeps.append, vault=client.vault),
    )


def visit(url: str) -> str:
    """Where the browser is sent to once the user has agreed."""
    return requests.get(url, allow_redirects=False, timeout=10).headers["Location"]


def test_a_person_logs_in_with_a_browser_on_this_machine(client: Client) -> None:
    with Running(Pipedrive()) as other:
        port = other.port
    login = logging_in(client, redirect_url=f"http://127.0.0.1:{port}/callback")
    address: list[str] = []
    waiting = threading.Thread(target=lambda: address.append(login.receive(10)))
    waiting.start()
    back = visit(login.url)
    assert requests.get(back.replace("/callback", "/favicon.ico"), timeout=10).status_code == 404
    assert requests.get(back, timeout=10).status_code == 200
    waiting.join()
    assert login.finish(address[0]) == "Karin Berg at Nordkran (sandbox)"
    assert (
        isinstance(client.vault, MemoryVault)
        and client.vault.secrets["refresh_token"] in client.crm.login._grants
    )


def test_the_address_may_be_pasted(client: Client) -> None:
    login = logging_in(client, redirect_url="https://nordkran.example/callback")
    assert login.finish(f"  {visit(login.url)}\n") == "Karin Berg at Nordkran (sandbox)"
    with pytest.raises(ConfigError, match="not on this machine"):
        login.receive(1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda url: url.replace("state=", "state=x"), "another log-in"),
        (lambda url: url.partition("&state")[0], "not the address the browser ended at"),
        (lambda url: url.replace("code=", "cod="), "gave no access"),
        (lambda url: "", "not the address the browser ended at"),
    ],
)
def test_an_answer_to_another_question_is_refused(
    client: Client, change: Callable[[str], str], says: str
) -> None:
    login = logging_in(client)
    with pytest.raises(AuthError, match=says):
        login.finish(change(visit(login.url)))
    assert renewals(client) == 0


def test_a_user_who_says_no_is_told_so(client: Client) -> None:
    client.crm.switches.user_denies = True
    login = logging_in(client)
    with pytest.raises(AuthError, match="user_denied"):
        login.finish(visit(login.url))


def test_a_code_that_is_too_old_means_to_begin_anew(client: Client) -> None:
    login = logging_in(client)
    address = visit(login.url)
    client.crm.clock.advance(301)
    with pytest.raises(AuthError) as caught:
        login.finish(address)
    assert "mlconnector login" in caught.value.hint


def test_each_log_in_has_a_state_of_its_own_and_names_no_scope(client: Client) -> None:
    first, second = (parse_qs(urlsplit(logging_in(client).url).query) for _ in range(2))
    assert first["state"] != second["state"] and len(first["state"][0]) >= 32
    assert set(first) == {"client_id", "redirect_uri", "state"}


def test_a_port_that_is_taken_and_a_browser_that_never_comes_are_said_so(client: Client) -> None:
    with Running(Pipedrive()) as other:
        with pytest.raises(ConfigError, match=f"port {other.port} cannot be opened"):
            logging_in(client, redirect_url=f"http://127.0.0.1:{other.port}/callback").receive(1)
        free = other.port
    with pytest.raises(ConnectorError, match="nobody came back"):
        logging_in(client, redirect_url=f"http://127.0.0.1:{free}/callback").receive(0.2)
