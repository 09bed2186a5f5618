"""`mlconnector init`."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError

EPILOG = """
\b
Examples:
  mlconnector init                           writes nav-mailchimp.yaml into the current folder
  mlconnector init pipedrive-business-central
  mlconnector init -o nordkran.yaml
  mlconnector init -o -                      prints it
  mlconnector init pipedrive-business-central --systems-of nordkran.yaml -o deals.yaml
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("pair", default="nav-mailchimp")
@click.option(
    "-o", "--output", metavar="FILE", help="Where to write it; default PAIR.yaml, - for the terminal."
)
@click.option(
    "--systems-of",
    "other",
    metavar="FILE",
    help="Take the settings of the systems from this connection file, for those of the same kind.",
)
@click.pass_obj
def command(common: Common, pair: str, output: str | None, other: str | None) -> int:
    """Write a commented connection file for PAIR (default: nav-mailchimp; or pipedrive-business-central).

    The mappings stand in it in full, ready to be changed. A file that is there already is never overwritten.
    """
    from mlconnector.config import load_connection
    from mlconnector.template import PAIRS, template

    if pair not in PAIRS:
        raise click.UsageError(f"there is no pair {pair!r}; there are {', '.join(PAIRS)}")
    settings = _settings_of(Path(other)) if other else None
    if output == "-":
        common.screen().raw(template(pair, settings=settings))
        return 0
    path = Path(output or f"{pair}.yaml")
    text = template(pair, name=_name(path), settings=settings)
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
    then = "look through it" if other else "fill in the systems"
    screen.notice(f"Next: {then}, store the secrets, then check it:")
    with suppress(ConfigError):  # taken over from another file, something may still have to be mended
        for name in load_connection(path).secret_names():
            screen.notice(f"  mlconnector secrets set -c {path} {name}")
    screen.notice(f"  mlconnector check -c {path}")
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


def _settings_of(file: Path) -> dict[str, dict[str, Any]]:
    """What the systems of another connection have other than by default; what is not given there is left out."""
    from mlconnector.config import load_connection
    from mlconnector.template import ALIASES

    found: dict[str, dict[str, Any]] = {}
    for part in load_connection(file).systems.values():
        own = {
            field.name: None if value in (field.default, {}) else value
            for field in msgspec.structs.fields(part.settings)
            for value in (getattr(part.settings, field.name),)
        }
        found.setdefault(ALIASES[part.kind], own)
    return found
