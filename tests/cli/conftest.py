"""Two emulators, a connection file that points at them, and the command line in this process and in others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keyring
import msgspec
import pytest
from click.testing import CliRunner, Result
from keyring.backends import fail

from mlconnector.cli import program
from mlconnector.sandbox import Running
from mlconnector.systems.business_central.emulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    TENANT,
    BusinessCentral,
)
from mlconnector.systems.mailchimp.emulator import API_KEY, Mailchimp
from tests.known_secrets import secrets_in

COMPANY = "CRONUS International Ltd."
SECRETS = {
    "MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": CLIENT_SECRET,
    "MLCONNECTOR_SECRET_MAIL_API_KEY": API_KEY,
}

FILE = """
name: nordkran
state: state.db
systems:
  erp: {{kind: business_central, tenant: {tenant}, client_id: {client}, company: {company},
        base_url: "{erp}", login_url: "{erp}"}}
  mail: {{kind: mailchimp, base_url: "{mail}/3.0"}}
flows:
  customers_to_members: {{from: erp, to: mail, audience: Customers}}
  vendors_to_members: {{from: erp, to: mail, audience: Vendors}}
"""


@dataclass
class World:
    """Both systems and the command line."""

    erp: BusinessCentral
    mail: Mailchimp
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / "nordkran.yaml"

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    def _whole(self, env: Mapping[str, str | None]) -> dict[str, str]:
        """The environment of a process; what is None is not in it."""
        whole: dict[str, str | None] = {**os.environ, **self.environment, **env}
        return {name: value for name, value in whole.items() if value is not None}

    def run(self, *words: str, env: Mapping[str, str | None] = {}, stdin: str | None = None) -> Result:
        """In this process. What it says holds no secret."""
        result = CliRunner().invoke(program, list(words), env={**self.environment, **env}, input=stdin)
        assert not secrets_in(result.output)
        return result

    def json(self, *words: str) -> Any:
        """What it prints with --json."""
        return msgspec.json.decode(self.run("--json", *words).stdout)

    def start(self, *words: str, env: Mapping[str, str | None] = {}) -> subprocess.Popen[str]:
        """As a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "mlconnector", *words],
            env=self._whole(env),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def on_terminal(self, *words: str, env: Mapping[str, str | None] = {}) -> tuple[int, str]:
        """As a process with a terminal for its results: the exit code and what the terminal shows."""
        ours, theirs = os.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "mlconnector", *words],
            env=self._whole(env),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        code = process.wait(30)
        shown = os.read(ours, 65_536).decode()
        os.close(ours)
        return code, shown

    def customer(self, number: str, email: str = "", **more: Any) -> None:
        """One more customer in the ERP."""
        self.erp.add("customers", number=number, displayName=f"Customer {number}", email=email, **more)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """No customers and no vendors; an empty account with the audiences Customers and Vendors; no keyring."""
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    erp, mail = BusinessCentral(), Mailchimp()
    with Running(erp) as one, Running(mail) as other:
        text = FILE.format(tenant=TENANT, client=CLIENT_ID, company=COMPANY, erp=one.url, mail=other.url)
        (tmp_path / "nordkran.yaml").write_text(text)
        yield World(
            erp,
            mail,
            tmp_path,
            {
                **SECRETS,
                "MLCONNECTOR_CONNECTION": str(tmp_path / "nordkran.yaml"),
                "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
                "HOME": str(tmp_path),
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
                "XDG_STATE_HOME": str(tmp_path / "state"),
            },
        )
