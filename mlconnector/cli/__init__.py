"""The command line: the group, its table of commands, and the one place where an error becomes a message and a code.

A command's body is a module of its own, imported when it is called, so that `--help` and a run that finds the lock
taken start fast.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from mlconnector import __version__
from mlconnector.cli.options import Common, common_options
from mlconnector.errors import ConnectorError, StoppedError

COMMANDS = {
    "init": "Write a commented connection file to start from.",
    "check": "Check the file, the secrets and both systems; show every problem at once.",
    "secrets": "Store, check, list and delete the secrets of a connection.",
    "login": "Log in to a system with a browser, once.",
    "fields": "List the fields of a system that can be mapped.",
    "sync": "Send what is new or changed: the command for cron.",
    "backfill": "Read a window of the past (or everything) and send what differs.",
    "replay": "Fetch failed or chosen records again and send them again.",
    "link": "Say by hand which record of the target a record of the source is.",
    "status": "Show how each flow stands, what waits, and why.",
    "explain": "Tell everything that is known about one record.",
    "history": "List the last runs.",
    "ledger": "Back up, prune and export the state file.",
    "forget": "Erase a person from the state file, and leave them out from then on.",
    "schema": "Print the JSON Schema of the connection file, for editors.",
    "sandbox": "Run emulators of the systems on this machine, with faults on demand.",
    "demo": "Show a whole story in a sandbox, without any account.",
}
"""Name and summary; the body is the module of that name in this package, its command is called `command`."""

EPILOG = """
\b
Exit codes: 0 fine · 1 finished, some records failed · 2 usage or configuration
            3 stopped early · 4 another run holds the lock

\b
Environment: MLCONNECTOR_CONNECTION       the connection, where -c names none
             MLCONNECTOR_SECRET_…         a secret, before the keyring (mlconnector secrets --help)
             NO_COLOR                     no colours on a terminal
             HTTPS_PROXY, REQUESTS_CA_BUNDLE   a proxy, a certificate authority of your own

\b
Examples:
  mlconnector demo                          see it work, without any account
  mlconnector init -o nordkran.yaml         write a connection file
  mlconnector check -c nordkran.yaml        then check it
  mlconnector sync -c nordkran.yaml         the line for the crontab
"""


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""A disk that is full or broken is nobody's mistake in here."""


class Program(click.Group):
    """A group whose commands are imported when they are called; its `main` never shows a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"mlconnector.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Runs a command and exits with its code."""
        common = Common()
        if isinstance(sys.stdout, TextIOWrapper):  # a name that the locale cannot spell ends no run
            sys.stdout.reconfigure(errors="replace")
        try:
            code = super().main(args, "mlconnector", standalone_mode=False, obj=common, **extra)
            sys.stdout.flush()
        except Exception as error:  # the boundary of the program: what nobody foresaw is one sentence, too
            code = _told(error, common)
        except KeyboardInterrupt:
            code = _told(StoppedError("interrupted"), common)
        _leave(code)


def _told(error: Exception, common: Common) -> int:
    """Says what happened; the exit code."""
    if isinstance(error, click.ClickException):
        with suppress(OSError):
            error.show()
        return 2
    if isinstance(error, BrokenPipeError):
        return 0  # `mlconnector … | head`: the reader has seen enough
    if isinstance(error, click.Abort):
        error = StoppedError("interrupted")
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        error = _no_room(error)
    with suppress(OSError):  # nobody can be told, and the exit code still counts
        if not isinstance(error, ConnectorError):
            common.screen().crash(error)
        elif not common.screen().knows(error):
            common.screen().error(error)
    return error.exit_code if isinstance(error, ConnectorError) else 3


def _no_room(error: OSError) -> ConnectorError:
    where = f"{error.filename}" if error.filename else "the output"
    return ConnectorError(
        f"{where} cannot be written: {error.strerror}",
        hint="make room there (df -h) or write it elsewhere; what was sent is on record",
    )


def _leave(code: Any) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # it stays unwritten, and must not change the exit code
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code if isinstance(code, int) else 0)


@click.command(cls=Program, epilog=EPILOG, params=common_options(), no_args_is_help=True)
@click.version_option(__version__, prog_name="mlconnector", message="%(prog)s %(version)s")
def program() -> None:
    """Keeps systems in step: Business Central with Mailchimp audiences, and with Pipedrive.

    Made for cron: one connection file, one state file, one run, then exit.
    """
