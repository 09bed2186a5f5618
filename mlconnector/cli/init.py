"""`mlconnector init`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError

EPILOG = """
\b
Examples:
  mlconnector init                           writes nav-mailchimp.yaml into the current folder
  mlconnector init pipedrive-business-central
  mlconnector init -o nordkran.yaml
  mlconnector init -o -                      prints it
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("pair", default="nav-mailchimp")
@click.option(
    "-o", "--output", metavar="FILE", help="Where to write it; default PAIR.yaml, - for the terminal."
)
@click.pass_obj
def command(common: Common, pair: str, output: str | None) -> int:
    """Write a commented connection file for PAIR (default: nav-mailchimp; or pipedrive-business-central).

    The mappings stand in it in full, ready to be changed. A file that is there already is never overwritten.
    """
    from mlconnector.template import PAIRS, template

    if pair not in PAIRS:
        raise click.UsageError(f"there is no pair {pair!r}; there are {', '.join(PAIRS)}")
    if output == "-":
        common.screen().raw(template(pair))
        return 0
    path = Path(output or f"{pair}.yaml")
    text = template(pair, name=_name(path))
    try:
        _write_new(path, text)
    except FileExistsError:
        raise ConfigError(
            f"{path}: there is such a file already, it was left as it is", hint="name another one with -o"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror or error}",
            hint="check the folder, its rights and the free space, or name another file with -o",
        ) from None
    screen = common.screen()
    if common.json:
        screen.data({"written": str(path)})
        return 0
    screen.line(f"wrote {path}")
    screen.notice(f"Next: fill in the systems, then: mlconnector check -c {path}")
    return 0


def _write_new(path: Path, text: str) -> None:
    """All of it, or no file."""
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
        except OSError:
            path.unlink()
            raise


def _name(path: Path) -> str:
    """A name for the connection, from the file's."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-_.")[:64] or "connection"
