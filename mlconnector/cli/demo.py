"""`mlconnector demo`: the command. The story itself is in `story`, the stage it is played on in `stage`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError

EPILOG = """
\b
Examples:
  mlconnector demo                          in a new folder below the one for temporary files
  mlconnector demo --folder demo --fast
"""


@click.command(cls=Command, epilog=EPILOG)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where its files go: a new or an empty folder. Default: one of its own.",
)
@click.option("--fast", is_flag=True, help="No pauses for reading on a terminal.")
@click.pass_obj
def command(common: Common, folder: Path | None, fast: bool) -> int:
    """Show a whole story in a sandbox: the real commands against emulated systems, in about ten seconds.

    First sync, a run with nothing to do, an unsubscribe, edits, a bad record, kill -9, a storm of faults, replay, and
    what status and explain tell. Needs no account, no keyring and no network. Its files are kept; the exit code is 0
    only if everything came out as it must.
    """
    from mlconnector.cli.playground import open_playground
    from mlconnector.cli.stage import Stage
    from mlconnector.cli.story import CUSTOMERS, VENDORS, tell

    if common.json:
        raise click.UsageError("the demo is a story for people: it has no --json")
    place = _empty_folder(folder)
    with open_playground(customers=CUSTOMERS, vendors=VENDORS) as playground:
        with Stage(playground, place, pauses=not fast) as stage:
            tell(stage)
        return 0 if stage.all_as_it_must else 1


def _empty_folder(folder: Path | None) -> Path:
    """The folder, made if it is not there. ConfigError if it holds anything or cannot be had."""
    try:
        if folder is None:
            return Path(tempfile.mkdtemp(prefix="mlconnector-demo-"))
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        where = folder or "the folder for temporary files"
        raise ConfigError(
            f"{where} cannot be used: {error.strerror or error}", hint="name another folder with --folder"
        ) from None
    if taken:
        raise ConfigError(
            f"{folder} is not empty; nothing was written", hint="name a new folder with --folder"
        )
    return folder.absolute()
