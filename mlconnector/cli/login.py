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
    from mlconnector.secrets import asks_keyring, load_secrets
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
    names = [f"{alias}.{name}" for name in kind.needs(part.settings) if name not in kind.login.gives]
    found = load_secrets(connection.name, names, settings=connection.secrets)
    screen.redactor.hide(found.values())
    secrets = {name.partition(".")[2]: value for name, value in found.items()}
    vault = StoredSecrets(connection, alias, screen.redactor.hide)
    login = kind.login.start(
        part.settings, secrets, Tools(utc_now, time.sleep, f"{connection.name} {alias}", vault)
    )
    screen.notice(f"open this address in a browser:\n{login.url}")
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

    able = []
    for alias, part in connection.systems.items():
        kind = load_system(part.kind)
        if kind.login is not None and set(kind.login.gives) & set(kind.needs(part.settings)):
            able.append(alias)
    fitting = [alias for alias in able if wanted in (None, alias, connection.systems[alias].kind)]
    if wanted in able:
        return wanted
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise click.UsageError(f"which system? {', '.join(fitting)} log in with a browser")
    if wanted is not None and wanted not in connection.systems:
        raise click.UsageError(f"there is no system {wanted!r}; there are {', '.join(connection.systems)}")
    raise ConfigError(
        "no system of this connection logs in with a browser"
        if wanted is None
        else f"{wanted} has no log-in",
        hint="set login: oauth in the connection file, or store its secrets: mlconnector secrets set",
    )
