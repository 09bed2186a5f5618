"""`mlconnector login`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError

if TYPE_CHECKING:
    from mlconnector.config import Connection

PATIENCE_SECONDS = 300.0
EPILOG = """
\b
Examples:
  mlconnector login                         the only system of the connection that logs in with a browser
  mlconnector login crm
  mlconnector login crm --paste             the browser is on another machine
  mlconnector login crm --paste < url.txt
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("system", metavar="[SYSTEM]", required=False)
@click.option(
    "--paste",
    is_flag=True,
    help="Wait for nothing: read the address that the browser ended at from stdin.",
)
@click.pass_obj
def command(common: Common, system: str | None, paste: bool) -> int:
    """Log in to a system with a browser, once: shows an address to open and stores what is needed from then on.

    SYSTEM is a name under `systems:` in the connection file, or its kind. The client secret has to be stored before;
    the system's token goes into the keyring and is renewed there by every run.
    """
    from mlconnector.cli.build import open_connection, utc_now
    from mlconnector.cli.vault import StoredSecrets
    from mlconnector.model import Tools
    from mlconnector.secrets import asks_keyring, load_secrets, require_keyring
    from mlconnector.systems import load_system

    connection, screen = open_connection(common), common.screen()
    alias = _choose(connection, system)
    if not asks_keyring(connection.secrets):
        raise ConfigError(
            "what a log-in gives is kept in the keyring, which this connection does not ask",
            hint="write `keyring: true` under `secrets` in the connection file",
        )
    part = connection.systems[alias]
    kind = load_system(part.kind)
    assert kind.login is not None
    for name in kind.login.gives:
        require_keyring(connection.name, f"{alias}.{name}", settings=connection.secrets)
    names = [f"{alias}.{name}" for name in kind.needs(part.settings) if name not in kind.login.gives]
    found = load_secrets(connection.name, names, settings=connection.secrets)
    screen.redactor.hide(found.values())
    secrets = {name.partition(".")[2]: value for name, value in found.items()}
    vault = StoredSecrets(connection, alias, screen.redactor.hide)
    login = kind.login.start(
        part.settings, secrets, Tools(utc_now, time.sleep, f"{connection.name} {alias}", vault)
    )
    screen.notice(f"{alias}: open this address in a browser:\n{login.url}")
    if not paste:
        minutes = int(PATIENCE_SECONDS // 60)
        screen.notice(
            f"waiting {minutes} minutes for it to come back; is the browser on another machine: Ctrl-C, then"
            f" mlconnector login {alias} --paste"
        )
    address = _pasted() if paste else login.receive(PATIENCE_SECONDS)
    screen.notice(f"{alias}: logged in as {login.finish(address)}; run: mlconnector check")
    return 0


def _pasted() -> str:
    """The address is not shown again: a code stands in it."""
    if sys.stdin.isatty():
        return str(click.prompt("the address it ended at (not shown)", hide_input=True, err=True))
    return sys.stdin.readline()


def _choose(connection: Connection, wanted: str | None) -> str:
    """The system by its name or kind; without one, the only one that logs in with a browser."""
    from mlconnector.systems import load_system

    systems = connection.systems
    meant = [alias for alias, part in systems.items() if wanted in (None, alias, part.kind)]
    meant = [wanted] if wanted is not None and wanted in systems else meant
    if not meant:
        raise click.UsageError(f"there is no system {wanted!r}; there are {', '.join(systems)}")
    kinds = {alias: load_system(systems[alias].kind) for alias in meant}
    able = [
        alias
        for alias, kind in kinds.items()
        if kind.login is not None and set(kind.login.gives) & set(kind.needs(systems[alias].settings))
    ]
    if len(able) == 1:
        return able[0]
    if able:
        raise click.UsageError(f"which system? {', '.join(able)} log in with a browser")
    could = [alias for alias, kind in kinds.items() if kind.login is not None]
    if wanted is None and not could:
        raise ConfigError(
            "no system of this connection logs in with a browser",
            hint=f"store their secrets with: mlconnector secrets set {connection.name} NAME",
        )
    alias = (could or meant)[0]
    commands = [
        f"mlconnector secrets set {connection.name} {alias}.{name}"
        for name in kinds[alias].needs(systems[alias].settings)
    ]
    browser = "; to log in with a browser instead: login: oauth in the connection file" if could else ""
    raise ConfigError(
        f"{alias} logs in with a stored secret, not with a browser",
        hint=f"run: {', then '.join(commands)}{browser}",
    )
