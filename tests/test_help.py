"""Every command's help: it is there, says something, and its examples are command lines that parse."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from mlconnector.cli import COMMANDS, program
from tests.command_lines import every_command, in_block, parse

ALL = dict(every_command())


def shown(name: str) -> str:
    result = CliRunner().invoke(program, [*name.split()[1:], "--help"])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", ALL)
def test_help_works_and_shows_how_it_is_called(name: str) -> None:
    assert f"Usage: {name} " in shown(name)


@pytest.mark.parametrize("name", ALL)
def test_the_examples_parse_and_are_of_this_command(name: str) -> None:
    _, _, examples = shown(name).partition("Examples:")
    lines = in_block(examples)
    assert len(lines) >= 2, f"{name} has no examples"
    for line in lines:
        assert ALL[name] in parse(line), f"{line} is an example of {name}"


@pytest.mark.parametrize("name", [name for name, one in ALL.items() if not isinstance(one, click.Group)])
def test_every_option_says_what_it_is_for(name: str) -> None:
    for option in ALL[name].params:
        if isinstance(option, click.Option):
            assert option.help and option.help[0].isupper(), f"{name} {option.opts}"


def test_every_summary_is_a_sentence() -> None:
    for summary in COMMANDS.values():
        assert summary[0].isupper() and summary.endswith(".")


def test_the_environment_is_named() -> None:
    text = shown("mlconnector")
    for variable in ("MLCONNECTOR_CONNECTION", "MLCONNECTOR_SECRET_", "NO_COLOR", "REQUESTS_CA_BUNDLE"):
        assert variable in text


@pytest.mark.parametrize(
    "line",
    [
        "mlconnector nonsense",
        "mlconnector sync --nonsense",
        "mlconnector backfill",
        "mlconnector secrets nonsense",
        "mlconnector sync --limit none",
    ],
)
def test_a_wrong_line_is_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(line)
