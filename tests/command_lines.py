"""Finds `mlconnector …` command lines in a text and parses them with the real command line, without running any."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click

from mlconnector.cli import program
from mlconnector.cli.options import Common

_LINE = re.compile(r"(?m)^(?:[$*/\d ,:~.\w-]*?[ /])?(mlconnector [^\n]*)$")
_INLINE = re.compile(r"`(?:[\w.]+=\S+ )*(mlconnector [^`]+)`")
_END = re.compile(r"\s(?:\||>|>>|<|&&|\|\||;|#)(?:\s.*|$)| {2,}.*")


def in_block(text: str) -> list[str]:
    """The command lines of a shell block, a crontab, a unit file or the examples of a help text."""
    return [command for part in text.split("&&") for command in _commands(_LINE.findall(part.strip()))]


def in_prose(text: str) -> list[str]:
    """Those between backticks."""
    return [*_commands(_INLINE.findall(text))]


def _commands(found: list[str]) -> Iterator[str]:
    for one in found:
        yield _END.sub("", one).rstrip(";")


def parse(line: str) -> list[click.Command]:
    """The command that a line calls, with its groups before it. Raises click.UsageError for a mistake in it."""
    words = shlex.split(line)[1:]
    called: list[click.Command] = [program]
    context = program.make_context("mlconnector", words, obj=Common())
    while isinstance(called[-1], click.Group):
        left = [*context._protected_args, *context.args]
        name, command, left = called[-1].resolve_command(context, left)
        if command is None:
            raise click.UsageError(f"there is no command {name}")
        called.append(command)
        context = command.make_context(name, left, parent=context)
    return called


def every_command(
    start: click.Command = program, name: str = "mlconnector"
) -> Iterator[tuple[str, click.Command]]:
    """All commands with their whole names: `mlconnector secrets set`."""
    yield name, start
    if isinstance(start, click.Group):
        context = click.Context(start, info_name=name, obj=Common())
        for one in start.list_commands(context):
            command = start.get_command(context, one)
            assert command is not None
            yield from every_command(command, f"{name} {one}")
