"""`mlconnector demo`: the command. The stories are in `story` and `story_deals`, their stage is in `stage`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError

EPILOG = """
\b
Examples:
  mlconnector demo                          both stories, in a new folder below the one for temporary files
  mlconnector demo pipedrive                Pipedrive and Business Central only
  mlconnector demo --folder demo --fast
"""
STORIES = ("mailchimp", "pipedrive")


@click.command(cls=Command, epilog=EPILOG)
@click.argument("story", required=False, type=click.Choice(STORIES))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where its files go: a new or an empty folder. Default: one of its own.",
)
@click.option("--fast", is_flag=True, help="No pauses for reading on a terminal.")
@click.pass_obj
def command(common: Common, story: str | None, folder: Path | None, fast: bool) -> int:
    """Show whole stories in a sandbox: the real commands against emulated systems, in less than twenty seconds.

    mailchimp: first sync, a run with nothing to do, an unsubscribe, edits, a bad record, kill -9, a storm of faults,
    replay, and what status and explain tell. pipedrive: two full systems that are linked, won deals that become orders,
    a match by hand, the way back, a lost answer, a deal that is reopened, posting. Without STORY both.

    Needs no account, no keyring and no network. Its files are kept; the exit code is 0 only if everything came out as
    it must.
    """
    if common.json:
        raise click.UsageError("the demo is a story for people: it has no --json")
    place = _empty_folder(folder)
    tellers = {"mailchimp": _tell_of_members, "pipedrive": _tell_of_deals}
    went_well = [tell(place, not fast) for name, tell in tellers.items() if story in (None, name)]
    return 0 if all(went_well) else 1


def _tell_of_members(folder: Path, pauses: bool) -> bool:
    from mlconnector.cli.playground import open_playground
    from mlconnector.cli.stage import Stage
    from mlconnector.cli.story import CUSTOMERS, VENDORS, tell

    with open_playground(customers=CUSTOMERS, vendors=VENDORS) as playground:
        with Stage(playground, folder, pauses=pauses, chunk=20) as stage:
            tell(stage)
        return stage.all_as_it_must


def _tell_of_deals(folder: Path, pauses: bool) -> bool:
    from mlconnector.cli.playground import PIPEDRIVE, open_playground
    from mlconnector.cli.stage import Stage
    from mlconnector.cli.story_deals import CUSTOMERS, HASTE, tell

    with open_playground(pair=PIPEDRIVE, customers=CUSTOMERS, vendors=5) as playground:
        playground.crm.throttle.plan = None  # the audience waits, and the limits are shown elsewhere
        with Stage(playground, folder, pauses=pauses, name="deals", erp=HASTE, **HASTE) as stage:
            tell(stage)
        return stage.all_as_it_must


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
