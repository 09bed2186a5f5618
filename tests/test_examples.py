"""The files in examples/ are used as they stand: they load, their commands exist, their units are whole."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlconnector.cli import program
from mlconnector.config import load_connection
from mlconnector.template import PAIRS, template

EXAMPLES = Path(__file__).parent.parent / "examples"
UNITS = ("mlconnector.service", "mlconnector.timer")


def cron_commands() -> list[str]:
    lines = (EXAMPLES / "crontab").read_text("utf-8").splitlines()
    return [line.split(None, 5)[5] for line in lines if re.match(r"[\d*]", line)]


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(EXAMPLES / name, "utf-8")
    return parser


def commands() -> list[str]:
    """Everything in the examples that runs mlconnector, in their comments as well."""
    quoted = [
        found
        for file in sorted(EXAMPLES.iterdir())
        for found in re.findall(r"`(mlconnector [^`]+)`", file.read_text("utf-8"))
    ]
    return [*cron_commands(), unit("mlconnector.service")["Service"]["ExecStart"], *quoted]


@pytest.mark.parametrize("line", commands())
def test_every_command_line_in_the_examples_is_one(line: str) -> None:
    words = shlex.split(line)
    assert Path(words[0]).name == "mlconnector"
    result = CliRunner().invoke(program, [*words[1:], "--help"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Usage: mlconnector ")


@pytest.mark.parametrize("pair", PAIRS)
def test_the_connection_file_is_what_init_writes_and_loads(pair: str) -> None:
    file = EXAMPLES / f"{pair}.yaml"
    assert file.read_text("utf-8") == template(pair)
    assert [bound.flow.name for bound in load_connection(file).flows] == list(PAIRS[pair])


NAV2018 = {
    **dict.fromkeys(("tenant", "client_id", "environment")),
    "company": "CRONUS International Ltd.",
    "base_url": "https://nav.nordkran.local:7048/DynamicsNAV110",
    "api": "odata",
    "login": "basic",
    "user": "SYNC",
}


def test_the_file_for_a_nav_server_is_a_template_too_and_loads() -> None:
    file = EXAMPLES / "nav2018-mailchimp.yaml"
    assert file.read_text("utf-8") == template(settings={"erp": NAV2018})
    assert [bound.flow.name for bound in load_connection(file).flows] == list(PAIRS["nav-mailchimp"])
    assert "      # TYPE: type" in file.read_text("utf-8")


def test_the_crontab_syncs_often_and_reads_everything_at_night() -> None:
    lines = [line for line in (EXAMPLES / "crontab").read_text("utf-8").splitlines() if line.strip()]
    for line in lines:
        assert re.match(r"#|[A-Z_]+=\S+$|([\d*/,-]+ +){5}mlconnector ", line), line
    assert [command.split("yaml ")[1] for command in cron_commands()] == ["sync", "sync --full", "status"]


def test_the_units_belong_together_and_hold_no_secret() -> None:
    service, timer = unit("mlconnector.service"), unit("mlconnector.timer")
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["SuccessExitStatus"].split() == ["1", "4"]
    assert service["Service"]["EnvironmentFile"].startswith("/etc/")
    assert timer["Install"]["WantedBy"] == "timers.target"
    for name in ("mlconnector.service", "crontab"):
        for line in (EXAMPLES / name).read_text("utf-8").splitlines():
            assert "MLCONNECTOR_SECRET_" not in line or (line.startswith("#") and line.endswith("=..."))


def test_their_lines_fit_a_screen() -> None:
    for file in EXAMPLES.iterdir():
        assert max(map(len, file.read_text("utf-8").splitlines())) <= 120, file.name


def verified(folder: Path, misspelled: bool = False) -> list[str]:
    """What systemd says of the units, whose program is one that is there."""
    program = folder / "program"
    program.touch(0o755)
    for name in UNITS:
        text = (EXAMPLES / name).read_text("utf-8").replace("/usr/local/bin/mlconnector", str(program))
        (folder / name).write_text(text.replace("Type=", "Typ=") if misspelled else text, "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(folder / name) for name in UNITS)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    return [
        line for line in done.stderr.splitlines() if "mlconnector" in line
    ]  # not of the machine's own units


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_itself_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    if not any("Typ" in line for line in verified(tmp_path, misspelled=True)):
        pytest.skip("systemd-analyze cannot verify units here")
    assert verified(tmp_path) == []
