"""`mlconnector secrets`: set, check, list and delete; a value is never an argument and never shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from mlconnector.cli.options import Command, Common, common_options
from mlconnector.errors import ConfigError

if TYPE_CHECKING:
    from mlconnector.config import Connection
    from mlconnector.report import Screen

EPILOG = """
\b
Examples:
  mlconnector secrets set erp.client_secret              asks for it
  mlconnector secrets set nordkran mail.api_key < key.txt
  mlconnector secrets check --as-cron
  mlconnector secrets list
"""

SET_EPILOG = """
\b
Examples:
  mlconnector secrets set erp.client_secret
  mlconnector secrets set nordkran mail.api_key < key.txt
"""

CHECK_EPILOG = """
\b
Examples:
  mlconnector secrets check
  mlconnector secrets check nordkran --as-cron
  mlconnector secrets check --as-cron --json
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
    """Store, check, list and delete a connection's secrets in the system's keyring.

    A secret is called by its system's name in the connection file, a dot, and its own name: erp.client_secret.
    The first of these that has it gives it: an environment variable (MLCONNECTOR_SECRET_ERP_CLIENT_SECRET), a file in
    systemd's credentials folder, the command under `secrets` in the connection file, the keyring.
    """


@command.command("set", cls=Command, epilog=SET_EPILOG)
@click.argument("words", metavar="[CONNECTION] NAME", nargs=-1)
@click.pass_obj
def set_(common: Common, words: tuple[str, ...]) -> int:
    """Store the secret NAME, such as erp.client_secret. It is asked for without echo, or read from stdin.

    CONNECTION is a file or a name, as with -c.
    """
    from mlconnector.secrets import require_keyring, store

    connection, name = _connection_and_name(common, words)
    require_keyring(
        connection.name, name, settings=connection.secrets
    )  # before a secret is asked for in vain
    where = _known(connection)[name]
    screen = common.screen()
    if sys.stdin.isatty():
        screen.notice(f"{name}: {where}")
        value = click.prompt(f"{name} (not shown)", hide_input=True, err=True)
    else:
        value = sys.stdin.read()
    screen.redactor.hide([value.strip()])
    backend = store(connection.name, name, value, settings=connection.secrets)
    screen.notice(f"stored {name} of {connection.name} in the keyring ({backend})")
    if name not in connection.secret_names():
        screen.notice(f"{name} is not used with the settings in {connection.path}")
    return 0


@command.command("check", cls=Command, epilog=CHECK_EPILOG)
@click.argument("words", metavar="[CONNECTION]", nargs=-1)
@click.option(
    "--as-cron", is_flag=True, help="Look in the bare environment that cron gives, not in this one."
)
@click.pass_obj
def check_(common: Common, words: tuple[str, ...], as_cron: bool) -> int:
    """Say where each needed secret is found, or why it is not and what helps. Exit code 2 if one is missing.

    Nothing is asked for and no value is shown. With --as-cron what your crontab sets by itself is not there either.
    """
    connection, screen = _connection(common, _one_word(words)), common.screen()
    if as_cron:
        screen.notice("as cron sees it: HOME, LOGNAME, USER, SHELL and PATH are set, nothing else")
    rows = _rows_as_cron(connection) if as_cron else _rows(connection)
    shown = [row for row in rows if common.json or not common.quiet or row["problem"]]
    if screen.is_terminal:
        _show_to_person(screen, shown)
    else:
        _show(common, shown)
    return 2 if any(row["problem"] for row in rows) else 0


def _show_to_person(screen: Screen, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each reason once and below the table, where it has the whole width."""
    screen.table([{name: row[name] for name in ("secret", "found_in", "where")} for row in rows])
    for problem, step in dict.fromkeys((row["problem"], row["next"]) for row in rows if row["problem"]):
        screen.line(f"Error: {problem}\nNext: {step}")


def _rows(connection: Connection) -> list[dict[str, Any]]:
    from mlconnector.secrets import find_secrets

    return [
        {
            "secret": one.name,
            "found_in": one.source or "missing",
            "where": one.where,
            "problem": one.problem,
            "next": one.remedy,
        }
        for one in find_secrets(connection.name, connection.secret_names(), settings=connection.secrets)
    ]


def _rows_as_cron(connection: Connection) -> list[dict[str, Any]]:
    """The rows that this command makes under cron's conditions. Raises ConfigError if it does not come so far there."""
    from mlconnector.cli.cron import run_as_cron
    from mlconnector.secrets.command import LIMIT_SECONDS

    limit_seconds = 30 + LIMIT_SECONDS * len(connection.secret_names())
    ended = run_as_cron(["secrets", "check", "--json", "-c", str(connection.path)], limit_seconds)
    try:
        rows: list[dict[str, Any]] = json.loads(ended.out)
    except ValueError:
        error = _last_error(ended.err)
        why = error.get("message") or f"it ends with exit code {ended.code}"
        raise ConfigError(f"as cron would run it: {why}", hint=error.get("next") or "") from None
    return rows


def _last_error(lines: str) -> Mapping[str, str]:
    for line in reversed(lines.splitlines()):
        try:
            return dict(json.loads(line)["error"])
        except (ValueError, TypeError, LookupError):
            continue
    return {}


@command.command("list", cls=Command, epilog=LIST_EPILOG)
@click.argument("words", metavar="[CONNECTION]", nargs=-1)
@click.pass_obj
def list_(common: Common, words: tuple[str, ...]) -> int:
    """List the secrets that are needed and where each was found."""
    from mlconnector.secrets import list_names

    connection = _connection(common, _one_word(words))
    known = _known(connection)
    rows = [
        {"secret": one.name, "found_in": one.source or "missing", "what": known.get(one.name, "not used")}
        for one in list_names(connection.name, connection.secret_names(), settings=connection.secrets)
    ]
    _show(common, rows)
    return 0


@command.command("delete", cls=Command, epilog=DELETE_EPILOG)
@click.argument("words", metavar="[CONNECTION] NAME", nargs=-1)
@click.pass_obj
def delete_(common: Common, words: tuple[str, ...]) -> int:
    """Take the secret NAME out of the keyring."""
    from mlconnector.secrets import delete

    connection, name = _connection_and_name(common, words, stored=True)
    there = delete(connection.name, name, settings=connection.secrets)
    common.screen().notice(f"deleted {name}" if there else f"{name} was not in the keyring")
    return 0


def _show(common: Common, rows: Sequence[Mapping[str, Any]]) -> None:
    if common.json:
        common.screen().data(rows)
    else:
        common.screen().table(rows)


def _one_word(words: Sequence[str]) -> str | None:
    if len(words) > 1:
        raise click.UsageError("give one connection at most")
    return words[0] if words else None


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
