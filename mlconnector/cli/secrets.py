"""`mlconnector secrets`: set, list and delete; a value is never an argument and never shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mlconnector.cli.options import Command, Common, common_options
from mlconnector.errors import ConfigError

if TYPE_CHECKING:
    from mlconnector.config import Connection

EPILOG = """
\b
Examples:
  mlconnector secrets set erp.client_secret              asks for it
  mlconnector secrets set nordkran mail.api_key < key.txt
  mlconnector secrets list
"""

SET_EPILOG = """
\b
Examples:
  mlconnector secrets set erp.client_secret
  mlconnector secrets set nordkran mail.api_key < key.txt
"""

LIST_EPILOG = """
\b
Examples:
  mlconnector secrets list
  mlconnector secrets list nordkran --json
"""

DELETE_EPILOG = """
\b
Examples:
  mlconnector secrets delete mail.api_key
  mlconnector secrets delete nordkran mail.api_key
"""


@click.group(epilog=EPILOG, params=common_options())
def command() -> None:
    """Store, list and delete a connection's secrets in the system's keyring.

    A secret is called by its system's name in the connection file, a dot, and its own name: erp.client_secret.
    An environment variable (MLCONNECTOR_SECRET_ERP_CLIENT_SECRET for erp.client_secret) goes before the keyring.
    """


@command.command("set", cls=Command, epilog=SET_EPILOG)
@click.argument("words", metavar="[CONNECTION] NAME", nargs=-1)
@click.pass_obj
def set_(common: Common, words: tuple[str, ...]) -> int:
    """Store the secret NAME, such as erp.client_secret. It is asked for without echo, or read from stdin.

    CONNECTION is a file or a name, as with -c.
    """
    from mlconnector.secrets import store

    connection, name = _connection_and_name(common, words)
    where = _known(connection)[name]
    screen = common.screen()
    if sys.stdin.isatty():
        screen.notice(f"{name}: {where}")
        value = click.prompt(f"{name} (not shown)", hide_input=True, err=True)
    else:
        value = sys.stdin.read()
    screen.redactor.hide([value.strip()])
    store(connection.name, name, value)
    screen.notice(f"stored {name} of {connection.name} in the keyring")
    if name not in connection.secret_names():
        screen.notice(f"{name} is not used with the settings in {connection.path}")
    return 0


@command.command("list", cls=Command, epilog=LIST_EPILOG)
@click.argument("words", metavar="[CONNECTION]", nargs=-1)
@click.pass_obj
def list_(common: Common, words: tuple[str, ...]) -> int:
    """List the secrets that are needed and where each was found."""
    from mlconnector.secrets import list_names

    if len(words) > 1:
        raise click.UsageError("give one connection at most")
    connection = _connection(common, words[0] if words else None)
    known = _known(connection)
    rows = [
        {"secret": one.name, "found_in": one.source or "missing", "what": known.get(one.name, "not used")}
        for one in list_names(connection.name, connection.secret_names())
    ]
    if common.json:
        common.screen().data(rows)
    else:
        common.screen().table(rows)
    return 0


@command.command("delete", cls=Command, epilog=DELETE_EPILOG)
@click.argument("words", metavar="[CONNECTION] NAME", nargs=-1)
@click.pass_obj
def delete_(common: Common, words: tuple[str, ...]) -> int:
    """Take the secret NAME out of the keyring."""
    from mlconnector.secrets import delete

    connection, name = _connection_and_name(common, words, stored=True)
    there = delete(connection.name, name)
    common.screen().notice(f"deleted {name}" if there else f"{name} was not in the keyring")
    return 0


def _connection_and_name(
    common: Common, words: tuple[str, ...], *, stored: bool = False
) -> tuple[Connection, str]:
    """`[CONNECTION] NAME`; the name has to be one of a secret, or (`stored`) of one that was stored once."""
    if len(words) not in (1, 2):
        raise click.UsageError("give the name of a secret, such as erp.client_secret")
    connection = _connection(common, words[0] if len(words) == 2 else None)
    name, known = words[-1], _known(connection)
    if name not in known and not stored:
        raise click.UsageError(f"there is no secret {name!r}; there are {', '.join(known)}")
    return connection, name


def _connection(common: Common, given: str | None) -> Connection:
    """By file or name. A name is also understood as the `name:` of the connection that is meant otherwise."""
    from mlconnector.cli.build import open_connection

    if given is None:
        return open_connection(common)
    try:
        return open_connection(Common(connection=given))
    except ConfigError as error:
        try:
            meant = open_connection(common)
        except ConfigError:
            raise error from None
        if meant.name != given:
            raise error from None
        return meant


def _known(connection: Connection) -> dict[str, str]:
    """Every secret that the connection's systems may have, with a sentence on where to get it."""
    from mlconnector.systems import load_system

    return {
        f"{alias}.{name}": where
        for alias, part in connection.systems.items()
        for name, where in load_system(part.kind).secrets.items()
    }
