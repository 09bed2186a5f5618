"""Pipedrive and Business Central in the sandbox: from `init` to a posted invoice, as the README says, in processes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner, Result

from mlconnector.cli import program
from mlconnector.cli.playground import Playground, environment, open_playground
from mlconnector.cli.sandbox import MARK, write_connection
from mlconnector.config import load_connection
from mlconnector.template import PAIRS
from tests.cli.test_sandbox import Open, start
from tests.command_lines import in_block

PAIR = "pipedrive-business-central"
README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Open]:
    words = ("--pair", PAIR, "--customers", "45")
    running = start(tmp_path / "mlconnector-sandbox", *words, ports=("--erp-port", "0", "--crm-port", "0"))
    yield running
    running.process.kill()
    running.process.communicate()


def told_in_readme() -> list[str]:
    """The commands from `init` to a posted invoice, as they stand there."""
    found = re.search(r"(?ms)^From `init` to a posted invoice.*?^```sh\n(.*?)^```$", README)
    assert found
    return found[1].splitlines()


def test_what_it_prints_works_in_this_order(sandbox: Open) -> None:
    check, look, adopt, sync, status, explain = [
        sandbox.run(line) for line in sandbox.lines("mlconnector -c ")
    ]
    assert check.returncode == 0, check.stdout + check.stderr
    assert "organizations_to_customers: 8 would be linked" in look.stdout, look.stderr
    assert "organizations_to_customers: 8 linked" in adopt.stdout, adopt.stderr
    called = "Müller & Söhne Büromöbel GmbH"
    line = f"  organizations_to_customers {called} (6) = customer C00060 {called}, by name\n"
    assert line in look.stdout and line in adopt.stdout
    assert re.search(r"persons_to_contacts Robert Townes \(1\) = contact CT\d+, by email\n", look.stdout)
    assert sync.returncode == 1 and "deals_to_documents: 3 created" in sync.stdout, sync.stderr
    assert "deals_to_documents" in status.stdout
    assert "lines.1.quantity = 20" in explain.stdout and explain.returncode == 0, explain.stderr
    for line in sandbox.lines("curl "):
        answer = sandbox.run(f"{line} -w '\\n%{{http_code}}'")
        assert answer.stdout.endswith("\n200"), (line, answer.stdout, answer.stderr)


def test_it_has_the_systems_of_the_pair_and_no_others(sandbox: Open) -> None:
    assert "Mailchimp" not in sandbox.printed
    assert len(re.findall(r"(?m)^(?:Pipedrive|Business Central)  ", sandbox.printed)) == 2
    assert len(sandbox.lines("export MLCONNECTOR_SECRET_CRM_API_TOKEN=")) == 1
    connection = load_connection(sandbox.folder / "sandbox.yaml")
    assert [bound.flow.name for bound in connection.flows if not bound.flow.follows] == list(PAIRS[PAIR])


def test_from_init_to_a_posted_invoice_with_the_commands_of_the_readme(sandbox: Open) -> None:
    commands = told_in_readme()
    called = [line.split()[1] for line in in_block("\n".join(commands))]
    assert called == ["init", "check", "sync", "sync", "sync", "explain"]
    above = sandbox.folder.parent
    place = f"cd '{above}'; export XDG_STATE_HOME='{above}/state'\n"
    done = [sandbox.run(place + line) for line in commands]
    assert [one.returncode for one in done] == [0, 0, 0, 1, 1, 1, 0], [
        one.stdout + one.stderr for one in done
    ]
    assert "deals_to_documents.post: 3 created (posted)" in done[5].stdout
    (found,) = re.findall(r"erp\.document invoice/(\S+), key document:PD-7", done[6].stdout)
    url = re.findall(r"Business Central +(\S+)", sandbox.printed)[0]
    asked = {"entity": "salesInvoices", "number": found}
    invoice = requests.post(f"{url}/_sandbox/do/row", json=asked, timeout=10).json()
    assert (invoice["externalDocumentNumber"], invoice["status"]) == ("PD-7", "Open")
    assert invoice["totalAmountExcludingTax"] == 3374


def test_init_takes_the_systems_of_another_connection_and_nothing_else(tmp_path: Path) -> None:
    write = CliRunner().invoke
    mail, pair = str(tmp_path / "nordkran.yaml"), str(tmp_path / "pair.yaml")
    assert write(program, ["init", "-o", mail]).exit_code == 0
    text = Path(mail).read_text("utf-8").replace("company: NORDKRAN", "company: Kran & Co\n    parallel: 2")
    Path(mail).write_text(text, "utf-8")
    result = write(program, ["init", PAIR, "--systems-of", mail, "-o", pair])
    assert result.exit_code == 0, result.stderr
    settings = load_connection(Path(pair)).systems
    assert (settings["erp"].settings.company, settings["erp"].settings.parallel) == ("Kran & Co", 2)
    assert settings["crm"].settings.company_domain == "nordkran"


def test_init_says_which_other_connection_is_not_there(tmp_path: Path) -> None:
    words = ["init", PAIR, "--systems-of", str(tmp_path / "none.yaml"), "-o", str(tmp_path / "pair.yaml")]
    result = CliRunner().invoke(program, words)
    assert result.exit_code == 2 and "none.yaml" in result.stderr
    assert not list(tmp_path.iterdir())


def test_another_pair_in_the_same_folder_gets_its_own_file(tmp_path: Path) -> None:
    urls = "    base_url: http://127.0.0.1:1\n" * 3
    file = write_connection(tmp_path, f"{MARK}\n{urls}")
    write_connection(tmp_path, f"{MARK}\n# pair: {PAIR}\n{urls}    other: 1\n")
    assert "other: 1" in file.read_text("utf-8")


def test_a_server_of_ones_own_is_not_part_of_this_pair() -> None:
    result = CliRunner().invoke(program, ["sandbox", "--pair", PAIR, "--profile", "nav2017"])
    assert result.exit_code == 2 and "leave --profile out" in result.stderr


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Playground]:
    """Both emulators, and a connection file of which every command in this process knows."""
    with open_playground(pair=PAIR, customers=10, vendors=5) as playground:
        playground.crm.throttle.plan = None
        file = tmp_path / "pair.yaml"
        file.write_text(playground.connection_text("pair", per_second=60), "utf-8")
        for name, value in environment(file, playground.secrets).items():
            monkeypatch.setenv(name, value)
        yield playground


def run(*words: str) -> Result:
    return CliRunner().invoke(program, words)


def test_a_person_of_pipedrive_is_forgotten_by_key_and_left_out_from_then_on(
    pair: Playground, tmp_path: Path
) -> None:
    by_address = run("forget", "jesse.homer@contoso.com")
    assert by_address.exit_code == 2 and "look the id up first: mlconnector explain NAME" in by_address.stderr
    run("sync", "--flow", "organizations_to_customers", "--flow", "persons_to_contacts")
    assert "key person:5" in run("explain", "Jesse Homer").stdout
    forgotten = run("forget", "person:5")
    assert "person:5 is forgotten: 1 record" in forgotten.stdout
    assert b"Jesse Homer" not in (tmp_path / "pair.db").read_bytes()
    pair.crm.people.edit("person", 5, name="Jesse H.")
    run("sync", "--full", "--flow", "persons_to_contacts")
    assert "Jesse H." not in {row["displayName"] for row in pair.erp.rows("contacts")}
    assert b"Jesse H" not in (tmp_path / "pair.db").read_bytes()


def test_a_link_by_hand_to_what_is_not_there_is_refused_and_leaves_the_old_one(pair: Playground) -> None:
    run("sync", "--adopt")
    before = json.loads(run("explain", "1", "--flow", "organizations_to_customers", "--json").stdout)
    for words, said in (
        (("1", "99999"), "erp has no customer 99999"),
        (("nobody", "10000"), "no flow knows"),
    ):
        result = run("link", "organizations_to_customers", *words)
        assert result.exit_code == 2 and said in result.stderr, result.output
    after = json.loads(run("explain", "1", "--flow", "organizations_to_customers", "--json").stdout)
    assert after[0]["target"] == before[0]["target"] and after[0]["stands"]["code"] == "linked"
    there = pair.erp.row("customers", "20000")["id"]
    assert run("link", "organizations_to_customers", "2", there).exit_code == 0


def test_what_has_no_fields_to_map_says_so(pair: Playground) -> None:
    assert "has no fields to list" in run("fields", "erp.document").stderr
    assert "primary_email" in run("fields", "crm.person").stdout
