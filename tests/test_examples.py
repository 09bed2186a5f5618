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
README = EXAMPLES.parent / "README.md"
SERVICES = ("mlconnector.service", "mlconnector-full.service")
UNITS = (*SERVICES, "mlconnector.timer", "mlconnector-full.timer")
DAY = 24 * 60


def cron_lines(text: str) -> list[tuple[list[str], str]]:
    """The five fields and the command of each line that starts something."""
    lines = [line.split(None, 5) for line in text.splitlines() if re.match(r"([\d*/,-]+ +){5}\S", line)]
    return [(line[:5], line[5]) for line in lines]


def cron_commands() -> list[str]:
    return [command for _, command in cron_lines((EXAMPLES / "crontab").read_text("utf-8"))]


def counted(field: str, size: int) -> set[int]:
    """What a field of a crontab means: `*/10`, `20-50/10`, `0-2,4-23`."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-") if span != "*" else ("0", "-", str(size - 1))
        found.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


def starts(text: str, ending: str) -> list[int]:
    """The minutes of a day at which a crontab starts a command that ends so."""
    return [
        60 * hour + minute
        for fields, command in cron_lines(text)
        if command.endswith(ending)
        for hour in counted(fields[1], 24)
        for minute in counted(fields[0], 60)
    ]


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=("#",), strict=False)
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
    return [*cron_commands(), *(unit(name)["Service"]["ExecStart"] for name in SERVICES), *quoted]


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
    assert [command.split("yaml ")[1] for command in cron_commands()] == [
        "sync",
        "sync --full",
        "sync",
        "status",
    ]


def crontabs() -> list[str]:
    shown = re.findall(r"(?s)```crontab\n(.*?)```", README.read_text("utf-8"))
    return [(EXAMPLES / "crontab").read_text("utf-8"), *(one for one in shown if " --full" in one)]


@pytest.mark.parametrize("text", crontabs())
def test_no_run_of_a_crontab_takes_the_lock_from_another_and_none_is_long_in_coming(text: str) -> None:
    often, (full,) = starts(text, " sync"), starts(text, " --full")
    moments = sorted([*often, full])
    assert len(often) > 90
    apart = [(then - now) % DAY for now, then in zip(moments, [*moments[1:], moments[0]], strict=True)]
    assert min(apart) >= 10 and max(apart) <= 30
    assert (moments[(moments.index(full) + 1) % len(moments)] - full) % DAY >= 20, "--full takes longer"


def test_the_units_belong_together_and_hold_no_secret() -> None:
    for name in SERVICES:
        service = unit(name)["Service"]
        assert service["Type"] == "oneshot"
        assert service["SuccessExitStatus"].split() == ["1", "4"]
        assert unit(name.replace(".service", ".timer"))["Install"]["WantedBy"] == "timers.target"
    for name in ("crontab", *UNITS):
        assert "MLCONNECTOR_SECRET_" not in (EXAMPLES / name).read_text("utf-8")


def test_the_services_get_their_secrets_encrypted_and_the_ones_that_the_file_needs() -> None:
    wanted = load_connection(EXAMPLES / "nav-mailchimp.yaml").secret_names()
    for name in SERVICES:
        lines = (EXAMPLES / name).read_text("utf-8").splitlines()
        loaded = [line.partition("=")[2] for line in lines if line.startswith("LoadCredentialEncrypted=")]
        assert [one.partition(":")[0] for one in loaded] == wanted
        assert not [line for line in lines if re.match("EnvironmentFile|LoadCredential=|SetCredential", line)]


def test_one_timer_syncs_often_and_another_reads_everything_at_night_when_no_run_is_under_way() -> None:
    often, night = (
        [line for line in (EXAMPLES / name).read_text("utf-8").splitlines() if line and line[0] != "#"]
        for name in SERVICES
    )
    same = [
        line.replace(" mlconnector.service", "").replace(" --full", "").replace(", everything", "")
        for line in night
    ]
    assert same == often
    assert unit("mlconnector-full.service")["Service"]["ExecStart"].endswith(" sync --full")
    assert "mlconnector.service" in unit("mlconnector-full.service")["Unit"]["After"].split()
    timer = unit("mlconnector-full.timer")["Timer"]
    assert timer["OnCalendar"].endswith(" 03:00") and timer["Persistent"] == "true"
    assert unit("mlconnector.timer")["Timer"]["OnUnitInactiveSec"] == "10min"


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
