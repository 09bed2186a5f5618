"""No secret and no whole e-mail address in anything that is printed, logged or stored where it does not belong.

Real commands as processes of their own, with errors, faults and tracebacks; every secret of the suite is searched for,
also as the wire carries it.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import keyring
import pytest
from click.testing import CliRunner
from keyring.backends import fail

from mlconnector.cli import program
from mlconnector.sandbox import Running
from mlconnector.systems.business_central.emulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    TENANT,
    BusinessCentral,
)
from mlconnector.systems.mailchimp.emulator import ACCESS_TOKEN, API_KEY, Mailchimp

ADDRESSES = ["anna.lind@nordkran.se", "otto.berg@nordkran.se", "gone.forever@nordkran.se", "fake@example.com"]
"""The last two are refused by Mailchimp, whose answers name them."""

FILE = """
name: nordkran
state: state.db
systems:
  erp: {{kind: business_central, tenant: {tenant}, client_id: {client}, company: CRONUS International Ltd.,
        base_url: "{erp}", login_url: "{erp}"}}
  mail: {{kind: mailchimp, auth: {auth}, base_url: "{mail}/3.0"}}
flows:
  customers_to_members: {{from: erp, to: mail, audience: Customers, several_addresses: first}}
"""

COMMANDS = [
    ["check"],
    ["fields", "erp.customer"],
    ["fields", "mail.member"],
    ["sync", "--dry-run"],
    ["sync"],
    ["sync"],
    ["sync", "--full"],
    ["status"],
    ["history"],
    ["explain", "10000"],
    ["explain", "10002"],
    ["explain", "10003"],
    ["replay", "--failed"],
    ["backfill", "customers_to_members", "--since", "2020-01-01"],
    ["secrets", "list"],
    ["secrets", "check"],
    ["schema"],
    ["sync", "--flow", "no_such_flow"],
    ["explain", "no-such-record"],
    ["frobnicate"],
    ["ledger", "backup"],
    ["forget", ADDRESSES[1]],
]
FAULTS: dict[str, Callable[[BusinessCentral, Mailchimp], object]] = {
    "nothing": lambda erp, mail: None,
    "the ERP is down": lambda erp, mail: erp.fault("status", status=503, times=0, retry_after=900),
    "Mailchimp is down": lambda erp, mail: mail.fault(
        "status", status=503, times=0, path="/lists/.", retry_after=900
    ),
    "Mailchimp answers with HTML": lambda erp, mail: mail.fault("html", status=400, times=0, path="/lists/."),
    "bulk answers get lost": lambda erp, mail: mail.fault("lost-answer", method="POST", times=1),
    "the key was withdrawn": lambda erp, mail: (setattr(mail, "api_key", "x-us6"), mail.expire_tokens()),
    "the secret was withdrawn": lambda erp, mail: setattr(erp.login, "client_secret", "other"),
}


@dataclass
class Scene:
    """Both systems, a connection and everything that was printed."""

    folder: Path
    erp: BusinessCentral
    mail: Mailchimp
    tokens: set[str] = field(default_factory=set)
    printed: list[tuple[str, str]] = field(default_factory=list)

    def run(self, *words: str, stdin: str = "") -> None:
        """In this process."""
        done = CliRunner().invoke(program, list(words), env=self.environment(), input=stdin)
        self._keep(words, done.output + done.stderr)

    def start(self, *words: str, **environment: str) -> None:
        """In a process of its own, so that nothing stands between it and what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "mlconnector", *words],
            cwd=self.folder,
            env={**os.environ, **self.environment(), **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self._keep(words, done.stdout + done.stderr)

    def _keep(self, words: Sequence[str], text: str) -> None:
        self.tokens |= set(self.erp.login.tokens)
        self.printed.append((" ".join(words), text))

    def environment(self) -> dict[str, str]:
        return {
            "MLCONNECTOR_CONNECTION": str(self.folder / "nordkran.yaml"),
            "MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": CLIENT_SECRET,
            "MLCONNECTOR_SECRET_MAIL_API_KEY": API_KEY,
            "MLCONNECTOR_SECRET_MAIL_ACCESS_TOKEN": ACCESS_TOKEN,
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "HOME": str(self.folder),
        }

    def secrets(self) -> set[str]:
        """As they are, and as the wire carries them."""
        plain = {CLIENT_SECRET, API_KEY, API_KEY.partition("-")[0], ACCESS_TOKEN, *self.tokens}
        basic = base64.b64encode(f"mlconnector:{API_KEY}".encode()).decode()
        return plain | {quote(secret, safe="") for secret in plain} | {basic}

    def files(self) -> Iterator[Path]:
        return (path for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def auth() -> str:
    return "api_key"


@pytest.fixture
def scene(auth: str, tmp_path: Path) -> Iterator[Scene]:
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    erp, mail = BusinessCentral(), Mailchimp()
    for place, email in enumerate(ADDRESSES):
        erp.add("customers", number=str(10000 + place), displayName=f"C{place}", email=email)
    erp.add("customers", number="10009", displayName="Two", email=f"{ADDRESSES[0]};{ADDRESSES[1]}")
    mail.add_member("Customers", ADDRESSES[2])
    mail.forget("Customers", ADDRESSES[2])
    with Running(erp) as one, Running(mail) as other:
        text = FILE.format(tenant=TENANT, client=CLIENT_ID, erp=one.url, mail=other.url, auth=auth)
        (tmp_path / "nordkran.yaml").write_text(text)
        yield Scene(tmp_path, erp, mail)


def assert_no_secrets(scene: Scene) -> None:
    assert scene.tokens, "no token was handed out"
    for secret in scene.secrets():
        for words, text in scene.printed:
            assert secret not in text, f"{words} printed a secret"
        for path in scene.files():
            assert secret.encode() not in path.read_bytes(), f"{path.name} holds a secret"


def assert_no_addresses(scene: Scene) -> None:
    """Where nobody asked for them with -v; what a person named in the command itself may come back."""
    for words, text in scene.printed:
        for email in ADDRESSES:
            assert email not in text.lower() or email in words, f"{words} printed an address"


@pytest.mark.parametrize("auth", ["api_key", "oauth"])
def test_no_command_shows_a_secret_or_a_whole_address(scene: Scene) -> None:
    for words in COMMANDS:
        scene.start(*words)
    assert "10002" in "".join(text for _, text in scene.printed)
    assert_no_secrets(scene)
    fields = [one for one in scene.printed if one[0].startswith(("fields", "explain"))]
    scene.printed = [one for one in scene.printed if one not in fields]  # these show one record to a person
    assert_no_addresses(scene)


@pytest.mark.parametrize("auth", ["api_key", "oauth"])
@pytest.mark.parametrize("option", ["-v", "--json"])
def test_no_secret_is_shown_to_who_asks_for_more(scene: Scene, option: str) -> None:
    for words in COMMANDS:
        scene.run(option, *words)
    assert max(len(text) for _, text in scene.printed) > 1000
    assert_no_secrets(scene)


@pytest.mark.parametrize("trouble", FAULTS)
def test_no_trouble_brings_a_secret_or_a_whole_address_out(scene: Scene, trouble: str) -> None:
    scene.run("sync", "--limit", "1")
    FAULTS[trouble](scene.erp, scene.mail)
    scene.run("sync")
    scene.run("status")
    assert_no_addresses(scene)
    scene.run("-v", "sync")
    scene.run("-v", "check")
    assert_no_secrets(scene)


def test_a_traceback_holds_no_secret_and_no_whole_address(scene: Scene) -> None:
    """A state file that is none, a folder in the way of a file, and a fault of ours under a debugger's eyes."""
    scene.start("sync")
    (scene.folder / "state.db").write_bytes(b"SQLite format 3\0 no more")
    scene.start("sync", PYTHONFAULTHANDLER="1")
    (scene.folder / "state.db").unlink()
    (scene.folder / "state.db").mkdir()
    scene.start("sync", PYTHONDEVMODE="1")
    assert_no_addresses(scene)
    scene.start("-v", "sync", PYTHONDEVMODE="1")
    assert_no_secrets(scene)


def test_secrets_are_taken_from_stdin_and_never_echoed(scene: Scene) -> None:
    name = (
        "mail.api_key"
        if "auth: api_key" in (scene.folder / "nordkran.yaml").read_text()
        else "mail.access_token"
    )
    scene.run("sync")
    for words in (
        ["secrets", "set", name],
        ["secrets", "delete", name],
        ["-v", "secrets", "set", "mail.nonsense"],
    ):
        scene.run(*words, stdin=f"{API_KEY}\n")
    assert_no_secrets(scene)


def test_the_state_file_is_for_its_owner_only(scene: Scene) -> None:
    scene.run("sync")
    found = [path for path in scene.files() if path.name.startswith("state.db")]
    assert found
    assert {path.stat().st_mode & 0o077 for path in found} == {0}


def test_what_is_kept_of_an_address_is_enough_to_know_it(scene: Scene) -> None:
    """Masked, not swallowed: the first letter and the domain are there."""
    scene.run("sync")
    scene.run("explain", "10003")
    assert re.search(r"f\*\*\*@example\.com", "".join(text for _, text in scene.printed))
