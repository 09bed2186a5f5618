"""`mlconnector sandbox`."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError

if TYPE_CHECKING:
    from mlconnector.cli.playground import Playground
    from mlconnector.report import Screen

NAME = "sandbox"
MARK = "# Written by `mlconnector sandbox`"
NOTE = f"""\
{MARK}: it leads to emulators on this machine. The next sandbox of this folder
# keeps what you edit here and corrects the ports. `mlconnector init` writes one for your own systems.
"""
_PLACE = re.compile(r"(?m)^ *(?:base|login)_url: .*$")
_KIND = re.compile(r"(?m)^# (?:profile|pair): .*$")
PORTS = {"nav-mailchimp": {"mail_port": 8802}, "pipedrive-business-central": {"crm_port": 8803}}
"""Where the systems of a pair listen, besides the ERP."""
PROFILES = ("online", "onprem", "bc14", "nav2018", "nav2017", "nav2016")
ENDED_AFTER_SECONDS = 0.2
"""How long a signal to end may go unnoticed."""

EPILOG = """
\b
Examples:
  mlconnector sandbox                              writes ./mlconnector-sandbox/sandbox.yaml
  mlconnector sandbox --folder /tmp/try --erp-port 0 --mail-port 0
  mlconnector sandbox --customers 5000 --latency 50
  mlconnector sandbox --pair pipedrive-business-central --folder pair
  mlconnector sandbox --profile nav2017 --folder nav
"""


@click.command(cls=Command, epilog=EPILOG)
@click.option(
    "--pair",
    type=click.Choice(tuple(PORTS)),
    default="nav-mailchimp",
    show_default=True,
    help="Which connection is shown: Business Central with Mailchimp, or with Pipedrive.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("mlconnector-sandbox"),
    show_default=True,
    help="Where the connection file and its state go; made if it is not there.",
)
@click.option(
    "--erp-port",
    type=click.IntRange(0, 65535),
    default=8801,
    show_default=True,
    metavar="N",
    help="Port of the emulated Business Central; 0: any that is free.",
)
@click.option(
    "--mail-port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Port of the emulated Mailchimp, 8802 if the pair has it; 0: any that is free.",
)
@click.option(
    "--crm-port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Port of the emulated Pipedrive, 8803 if the pair has it; 0: any that is free.",
)
@click.option(
    "--customers", type=click.IntRange(min=5), default=60, show_default=True, metavar="N", help="In the ERP."
)
@click.option(
    "--vendors", type=click.IntRange(min=5), default=20, show_default=True, metavar="N", help="In the ERP."
)
@click.option(
    "--latency", type=click.IntRange(min=0), default=0, metavar="MS", help="Every answer takes that longer."
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default=PROFILES[0],
    show_default=True,
    help="What the ERP is: Business Central online, a server of your own (25 or 14), or NAV.",
)
@click.pass_obj
def command(common: Common, /, folder: Path, latency: int, **choices: Any) -> int:
    """Run emulators of the systems of a pair on this machine until Ctrl-C.

    Business Central always runs; Mailchimp and Pipedrive do for the pair that has them, or if their port is given.
    They hold realistic and awkward records, and what happens to them is controlled by HTTP: edits, unsubscribes, won
    deals, documents, faults, the clock. What the command prints has examples, and `curl -s URL/_sandbox/do/help` lists
    every action of an emulator with a call that works. A ready connection file is written into the folder; its state
    starts anew each time, because the emulators do. No account, no keyring.
    """
    from mlconnector.cli.playground import open_playground
    from mlconnector.cli.stop import stop_on_signals

    pair, profile = choices["pair"], choices["profile"]
    if pair == "pipedrive-business-central" and profile != PROFILES[0]:
        raise click.UsageError(f"the sandbox of {pair} is Business Central online: leave --profile out")
    for option, port in PORTS[pair].items():
        choices[option] = port if choices[option] is None else choices[option]
    with (
        stop_on_signals() as stopping,
        open_playground(**choices) as playground,
    ):
        for emulator in playground.emulators:
            emulator.latency_seconds = latency / 1000
        file = write_connection(folder.absolute(), _note(playground) + playground.connection_text(NAME))
        _tell(common.screen(), playground, file)
        while not stopping.requested():
            time.sleep(ENDED_AFTER_SECONDS)
    common.screen().notice("the sandbox has ended; the files are still there")
    return 0


def _note(playground: Playground) -> str:
    """The comment on top; it names the profile and the pair, because a file of others is written anew."""
    if playground.pair != "nav-mailchimp":
        return f"{NOTE}# pair: {playground.pair}\n"
    return NOTE if playground.erp.server is None else f"{NOTE}# profile: {playground.profile}\n"


def write_connection(folder: Path, text: str) -> Path:
    """Writes the file and takes away the state of an earlier sandbox; the file's path.

    A file of that name that is not the sandbox's own is never touched: ConfigError.
    """
    file, state = folder / f"{NAME}.yaml", folder / f"{NAME}.db"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = file.read_text("utf-8", "replace") if file.exists() else ""
        if (before and not before.startswith(MARK)) or (not before and state.exists()):
            raise ConfigError(
                f"{file if before else state} is there already and not the sandbox's own; it was left as it is",
                hint="name another folder with --folder",
            )
        file.write_text(_with_its_edits(before, text), "utf-8")
        for ending in ("", "-wal", "-shm"):
            state.with_name(state.name + ending).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder}: the sandbox cannot write there: {error.strerror or error}",
            hint="name another folder with --folder",
        ) from None
    return file


def _with_its_edits(before: str, text: str) -> str:
    """What was there (somebody may have edited the mapping) with the addresses of today; else the text."""
    if _KIND.findall(before) != _KIND.findall(text):
        return text
    places = iter(_PLACE.findall(text))
    if len(_PLACE.findall(before)) != len(_PLACE.findall(text)):
        return text
    return _PLACE.sub(lambda _: next(places), before)


def _tell(screen: Screen, playground: Playground, file: Path) -> None:
    from mlconnector.cli.controls import lines
    from mlconnector.cli.playground import environment

    if screen.as_json:
        screen.data(
            {
                "connection": str(file),
                "business_central": playground.erp_url,
                "profile": playground.profile,
                **({"mailchimp": playground.mail_url} if playground.mail_url else {}),
                **({"pipedrive": playground.crm_url} if playground.crm_url else {}),
                "environment": environment(file, playground.secrets),
            }
        )
    elif screen.quiet:
        screen.raw(f"{file}\n")
    else:
        screen.raw("\n".join(lines(playground, file)) + "\n")
    sys.stdout.flush()
