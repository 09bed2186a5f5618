"""What README.md says is true of the code: commands, files, tables, codes, links.

Tables that are made from the code are renewed by `pytest tests/test_readme.py --rewrite-golden`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import keyring
import pytest
import requests
import yaml
from click.testing import CliRunner

from mlconnector import remedies
from mlconnector.cli import program
from mlconnector.cli.playground import Playground, open_playground
from mlconnector.config import load_connection
from mlconnector.mapping import TargetType
from mlconnector.model import LedgerEntry
from mlconnector.secrets import variable
from mlconnector.settings import FileHead
from mlconnector.systems import SYSTEMS, load_system
from mlconnector.template import template
from tests import readme_tables
from tests.command_lines import every_command, in_block, in_prose, parse
from tests.test_secrets import MemoryKeyring

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
TEXT = README.read_text("utf-8")
PROSE = re.sub(r"(?ms)^```.*?^```$", "", TEXT)
DEMO = "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/mlconnector demo"
TESTS = 'python3 -m venv .venv && .venv/bin/pip install -q ".[test]" && .venv/bin/python -m pytest -n 2 -q'
PACKAGE = ROOT / "mlconnector"


def blocks(*languages: str) -> list[str]:
    found = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", TEXT)
    return [block for language, block in found if language in languages]


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, code marks and head line aside."""
    _, _, below = TEXT.partition(f"\n## {heading}\n")
    found = re.search(r"(?m)(?:^\|.*\n)+", below)
    assert found, heading
    lines = found[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


# the commands


def test_the_two_commands_stand_near_the_top_on_a_line_of_their_own() -> None:
    above = TEXT.partition("\n## First run")[0].splitlines()
    assert DEMO in above
    assert TESTS in above


def test_what_the_pipeline_runs_is_the_same() -> None:
    pipeline = ROOT / ".ci" / "run"
    if not pipeline.exists():
        pytest.skip("this copy of the project comes without .ci")
    run = pipeline.read_text("utf-8")
    assert "-m pytest -n 2 -q" in run
    assert '/mlconnector" demo' in run


def test_the_pipeline_runs_the_demo_with_the_oldest_libraries_that_are_allowed_as_well() -> None:
    pipeline = ROOT / ".ci" / "run"
    if not pipeline.exists():
        pytest.skip("this copy of the project comes without .ci")
    run = pipeline.read_text("utf-8")
    assert "\nstep lowest lowest\n" in run
    made = re.search(r"(?s)/bin/python\" -c '\n(.+?)' >", run)
    assert made
    printed = subprocess.run(
        [sys.executable, "-c", made[1]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert [re.sub(",.*", "", one).replace(">=", "==") for one in project["dependencies"]] == printed


@pytest.mark.parametrize(
    "line",
    dict.fromkeys([line for block in blocks("sh", "crontab") for line in in_block(block)] + in_prose(PROSE)),
)
def test_every_command_line_parses(line: str) -> None:
    assert parse(line)


def test_command_lines_are_found_at_all() -> None:
    found = [line for block in blocks("sh", "crontab") for line in in_block(block)]
    assert len(found) >= 20
    assert "mlconnector demo" in found
    assert "mlconnector sync --full" in found
    assert len(in_prose(PROSE)) >= 15


def test_what_is_asked_of_the_sandbox_is_answered() -> None:
    lines = re.findall(r"(?m)^curl -s \"?localhost:(\d+)(/[^ \"]*)\"?(?: -d '(.*)')?$", TEXT)
    assert len(lines) == TEXT.count("\ncurl ")
    with open_playground(customers=5, vendors=5, crm_port=0) as playground:
        places = {"8801": playground.erp_url, "8802": playground.mail_url, "8803": playground.crm_url}
        for port, path, body in lines:
            method = "POST" if body else "GET"
            answer = requests.request(method, places[port] + path, data=body, timeout=10)
            assert answer.status_code == 200, answer.text


def test_every_command_is_shown() -> None:
    for name, _ in every_command():
        if name not in ("mlconnector", "mlconnector secrets delete"):
            assert name in TEXT


# the connection file


def test_the_whole_example_loads(tmp_path: Path) -> None:
    whole = [block for block in blocks("yaml") if "\nname: " in block]
    assert [block.rstrip() for block in whole] == [template().rstrip()]
    (tmp_path / "nordkran.yaml").write_text(whole[0], "utf-8")
    assert len(load_connection(tmp_path / "nordkran.yaml").flows) == 2


@pytest.mark.parametrize("block", [block for block in blocks("yaml") if "\nname: " not in block])
def test_every_fragment_loads_as_a_part_of_the_file_or_of_a_flow(block: str, tmp_path: Path) -> None:
    whole: dict[str, Any] = yaml.safe_load(template())
    part = yaml.safe_load(block)
    if "flows" in part:
        whole = yaml.safe_load(template("pipedrive-business-central"))
        for name, lines in part["flows"].items():
            whole["flows"][name].update(lines)
    elif "systems" in part:
        whole["systems"].update(part["systems"])
        del whole["flows"]["customers_to_members"]["map"]["TYPE"]
    else:
        at_top = part.keys() <= set(FileHead.__struct_fields__)
        (whole if at_top else whole["flows"]["customers_to_members"]).update(part)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(whole), "utf-8")
    assert load_connection(tmp_path / "c.yaml")


def test_the_mapping_shows_every_key_of_a_line_and_all_types() -> None:
    shown = next(block for block in blocks("yaml") if block.startswith("map:"))
    for key in (
        "from",
        "join",
        "first",
        "value",
        "transform",
        "lookup",
        "default",
        "max_length",
        "parts",
        "type",
    ):
        assert f"{key}:" in shown
    for kind in TargetType.__args__:
        assert f"`{kind}`" in TEXT


def test_a_server_with_nav_2018_is_connected_by_the_steps_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a home where nothing is yet, every command of the steps, in their order, and the edits that they ask for."""
    keyring.set_keyring(MemoryKeyring())
    for variable_name in ("MLCONNECTOR_CONNECTION", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable_name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    steps = TEXT.partition("Step by step for NAV 2018:")[2].partition("For the default mapping")[0]
    commands = re.findall(r"`((?:mlconnector|mkdir) [^`]+)`", steps)
    done = []
    with open_playground(customers=6, vendors=6, profile="nav2018") as playground:
        for command in commands:
            program_name, *words = shlex.split(command.replace("~", str(tmp_path)))
            done.append(" ".join(words[:2]))
            if program_name == "mkdir":
                subprocess.run([program_name, *words], check=True)
                continue
            secret = playground.secrets.get(words[-1])
            result = CliRunner().invoke(program, words, input=secret)
            assert result.exit_code == 0, (command, result.output)
            if words[0] == "init":
                file = Path(words[-1])
                file.write_text(_filled_in(file.read_text("utf-8"), playground), "utf-8")
        assert len(playground.mail.members("Customers")) > 5
    assert done[1:] == [
        "init -o", "secrets set", "secrets set", "check", "fields erp.customer", "sync --dry-run", "sync",
    ]  # fmt: skip


def _filled_in(text: str, playground: Playground) -> str:
    """What the third step asks for: the lines above it in place of `erp`, one line out, the audiences."""
    above = (
        TEXT.partition("Step by step for NAV 2018:")[0]
        .rpartition("```yaml\nsystems:\n")[2]
        .partition("```")[0]
    )
    ours = above.replace("https://nav.nordkran.local:7048/DynamicsNAV110", playground.erp_base)
    assert playground.erp_base in ours
    text = re.sub(r"(?ms)^  erp:\n.*?(?=^  mail:)", lambda _: ours, text)
    text = re.sub(r"(?m)^      TYPE: type.*\n", "", text, count=1)
    text = text.replace("kind: mailchimp\n", f"kind: mailchimp\n    base_url: {playground.mail_url}/3.0\n")
    return text.replace("audience: Suppliers", "audience: Vendors")


# the tables


def test_what_is_made_from_the_code_is_as_the_code_has_it(rewrite_golden: bool) -> None:
    assert sorted(readme_tables.names(TEXT)) == sorted(readme_tables.MADE)
    renewed = readme_tables.renewed(TEXT)
    if rewrite_golden:
        README.write_text(renewed, "utf-8")
    assert rewrite_golden or renewed == TEXT, "renew it: pytest tests/test_readme.py --rewrite-golden"


def test_every_code_has_its_row_with_the_next_step() -> None:
    told = {code.strip("`"): (meaning, step) for code, meaning, step in rows("Troubleshooting by code")}
    steps = readme_tables.next_steps()
    assert list(told) == list(steps)
    assert {code: step for code, (_, step) in told.items()} == steps
    assert all(meaning for meaning, _ in told.values())


def written_codes() -> set[str]:
    """The codes that the code gives a record, as literals. Business Central's refusals concern no single record."""
    found: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text("utf-8")
        if not file.name.startswith("emulator"):
            found.update(re.findall(r"\bcode=\"([a-z]+(?:-[a-z]+)+|gone|later|stopped)\"", text))
            found.update(re.findall(r"\bSkip\(\s*\"([a-z-]+)\"", text))
    api = (PACKAGE / "systems" / "mailchimp" / "api.py").read_text("utf-8")
    refusals = api.partition("def code_of")[2].partition("\ndef ")[0]
    return found | set(re.findall(r"\"[^\"]+\", \"([a-z-]+)\"\)", refusals)) | {"not-found", "refused"}


def test_no_code_is_without_a_next_step() -> None:
    assert len(written_codes()) > 20
    assert written_codes() - remedies.REMEDIES.keys() == set()


def test_the_ways_a_record_can_stand_are_named() -> None:
    assert LedgerEntry("f", "1", "done").status == "done"
    for status in ("done", "skipped", "failed", "held", "unknown", "sending", "removed"):
        assert f"`{status}`" in TEXT.partition("\n## Troubleshooting by code\n")[2].partition("| Code |")[0]


def test_the_exit_codes_are_those_of_the_program() -> None:
    found = re.findall(r"(?m)^\| (\d) \| (\w+)", TEXT)
    assert found == [("0", "fine"), ("1", "finished"), ("2", "usage"), ("3", "stopped"), ("4", "another")]


def test_the_environment_variables_of_secrets_are_spelled_as_the_code_has_them() -> None:
    names = {variable(f"{alias}.{name}") for alias, kind in zip(("erp", "mail", "crm"), SYSTEMS, strict=True)
             for name in load_system(kind).secrets}  # fmt: skip
    named = set(re.findall(r"MLCONNECTOR_SECRET_[A-Z_]*[A-Z]", TEXT))
    assert named and named <= names


# links


def test_links_lead_to_files_and_headings_that_exist() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in PROSE.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", PROSE):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif not target.startswith("https://"):
            assert (ROOT / target).exists(), target


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:mlconnector|flows|systems)/[\w/.]*)`", PROSE))))
def test_paths_in_the_text_exist(path: str) -> None:
    base = ROOT if path.startswith("mlconnector/") else PACKAGE
    assert (base / path.replace("NAME", "mailchimp")).exists()
