"""`check`, `status`, `explain`, `history`, `fields`, `init` and `schema`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mlconnector.config import load_connection
from mlconnector.schema import json_schema
from mlconnector.template import left_examples
from tests.cli.conftest import API_KEY, CLIENT_SECRET, COMPANY, TENANT, World


@pytest.fixture
def synced(world: World) -> World:
    """One member, one without an address, one refused, one whose address is taken."""
    world.customer("10000", "anna@nordkran.se", city="Lund")
    world.customer("10001")
    world.customer("10002", "fake@example.com")
    world.customer("10003", "ANNA@nordkran.se")
    world.run("sync")
    return world


def test_check_finds_nothing_wrong(world: World) -> None:
    result = world.run("check")
    assert result.exit_code == 0
    assert "level=error" not in result.stdout and "level=ok where=erp" in result.stdout
    assert not world.state.exists()


def test_check_shows_all_problems_at_once_with_remedies(world: World) -> None:
    world.erp.registered = False
    world.file.write_text(world.file.read_text().replace("audience: Vendors", "audience: Nobody"))
    found = world.json("check")
    errors = {finding["where"]: finding for finding in found if finding["level"] == "error"}
    assert {"erp", "vendors_to_members"} <= errors.keys()
    assert all(finding["remedy"] for finding in errors.values())
    assert world.run("check").exit_code == 2


def test_check_names_a_missing_secret_and_still_checks_the_rest(world: World) -> None:
    result = world.run("check", env={"MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": None})
    assert result.exit_code == 2
    assert "level=error where=erp" in result.stdout
    assert "level=ok where=customers_to_members" in result.stdout


def test_check_names_the_examples_that_nobody_filled_in_with_line_and_column(world: World) -> None:
    text = world.file.read_text().replace(TENANT, "9f0c2f6e-0000-4000-8000-000000000000")
    world.file.write_text(
        text.replace(COMPANY, "NORDKRAN") + "\nhealthcheck: {ping_url: 'http://127.0.0.1:9/your-uuid'}\n"
    )
    result = world.run("check")
    found = [one for one in world.json("check") if one["where"] == "file"]
    told = [
        (one["level"], one["message"].partition("nordkran.yaml:")[2], bool(one["remedy"])) for one in found
    ]
    assert result.exit_code == 2
    assert told == [
        ("error", "5:33: systems.erp.tenant: this is still the example", True),
        ("warning", "5:128: systems.erp.company: this is still the example", True),
        ("error", "12:15: healthcheck.ping_url: this is still the example", True),
        ("warning", "9:47: flows.customers_to_members.audience: this is still the example", True),
    ]
    assert "not asked" in next(one["message"] for one in world.json("check") if one["where"] == "erp")
    assert not world.erp.log, "not even for a token"


def test_what_init_writes_is_full_of_examples_until_it_is_filled_in(world: World) -> None:
    assert world.run("init", "-o", str(world.folder / "mine.yaml")).exit_code == 0
    left = left_examples(load_connection(world.folder / "mine.yaml"))
    assert [one.path[-1] for one in left] == ["tenant", "client_id", "company", "audience", "audience"]
    assert left_examples(load_connection(world.file)) == [], "an audience alone may be called Customers"


def test_the_examples_of_the_pair_are_found_as_well() -> None:
    file = Path(__file__).parents[2] / "examples" / "pipedrive-business-central.yaml"
    names = [example.path[-1] for example in left_examples(load_connection(file))]
    assert names == ["company_domain", "tenant", "client_id", "company", "won_since"]


def test_check_finds_a_state_file_that_is_none(world: World) -> None:
    world.state.write_text("no database, but long enough to be taken for one" * 100)
    result = world.run("check")
    assert result.exit_code == 2
    assert "level=error where=state" in result.stdout


def test_status_before_the_first_run(world: World) -> None:
    shown = world.run("status").stdout
    assert "there was no run yet" in shown
    assert "watermark  none" in shown
    assert not world.state.exists()


def test_status_says_what_waits_why_and_what_to_do(synced: World) -> None:
    shown = synced.run("status").stdout
    assert "records    1 done, 1 failed, 2 skipped" in shown
    assert "1 skipped  missing-email: it has no e-mail address" in shown
    assert "Give it an e-mail address in the source" in shown
    assert "fake@example.com" not in shown and "f***@example.com" in shown
    flow = synced.json("status")["flows"][0]
    assert flow["watermark"] and flow["lag_seconds"] < 60
    assert {row["code"] for row in flow["waiting"]} == {"missing-email", "fake-address", "key-taken"}
    assert flow["last_run"]["counts"]["created"] == 1


def test_status_does_not_say_that_a_removed_record_waits(world: World) -> None:
    text = world.file.read_text()
    world.file.write_text(text.replace("audience: Customers}", "audience: Customers, on_delete: archive}"))
    world.customer("10000", "anna@nordkran.se")
    world.run("sync")
    world.erp.delete("customers", "10000")
    world.run("sync", "--full")
    flow = world.json("status")["flows"][0]
    assert (flow["counts"], flow["waiting"]) == ({"removed": 1}, [])


def test_history_lists_the_last_runs_first(synced: World) -> None:
    synced.run("sync", "--full")
    runs = synced.json("history")
    assert [(run["command"], run["exit_code"]) for run in runs] == [("sync --full", 0), ("sync", 1)]
    assert len(synced.json("history", "--limit", "1")) == 1
    shown = synced.run("history").stdout
    assert 'exit=1 ended="some records failed"' in shown and "1 created, 2 skipped, 1 failed" in shown
    assert shown.count("some records failed") == 1, "of the run, not of each flow"


def test_a_run_for_a_record_that_nobody_knows_is_in_the_history_with_its_exit_code(synced: World) -> None:
    for words in (["sync", "--record", "nobody"], ["replay", "--record", "nobody"]):
        assert synced.run(*words).exit_code == 2
    assert [run["exit_code"] for run in synced.json("history")][:2] == [2, 2]
    assert "no flow knows a record nobody" in synced.run("status").stdout


@pytest.fixture
def refused(synced: World) -> World:
    """The last run did not get as far as a flow."""
    synced.run("sync", env={"MLCONNECTOR_SECRET_MAIL_API_KEY": None})
    return synced


def test_status_says_when_and_why_the_last_run_ended_early(refused: World) -> None:
    (line,) = [
        line for line in refused.run("status").stdout.splitlines() if line.startswith("the last run, ")
    ]
    assert line.startswith("the last run, 2 (sync), ended early at 20")
    assert "Z with exit code 2: the keyring (keyring.backends.fail.Keyring) does not serve: " in line
    last = refused.json("status")["last_run"]
    assert (last["id"], last["exit_code"]) == (2, 2) and last["error"] and last["ended_at"]
    refused.run("sync")
    assert "ended early" not in refused.run("status").stdout


def test_history_has_a_place_of_its_own_for_an_error(refused: World) -> None:
    last, first = refused.run("history").stdout.splitlines()[:2]
    assert ' error="the keyring (keyring.backends.fail.Keyring) does not serve' in last
    assert "records=" not in last and "error=" not in first
    assert "does not serve" in refused.json("history")[0]["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="a terminal as Linux has it")
def test_history_on_a_terminal_shows_errors_below_the_table(refused: World) -> None:
    code, shown = refused.on_terminal("history")
    lines = shown.replace("\r", "").splitlines()
    assert code == 0 and "error" not in lines[0]
    (error,) = [line for line in lines if "does not serve" in line]
    assert error.startswith("run 2: the keyring ")


def test_explain_tells_ids_mapping_what_would_be_done_and_every_attempt(synced: World) -> None:
    (one,) = synced.json("explain", "10000")
    assert one["source"]["number"] == "10000"
    assert one["target"]["key"] == "email:a***@nordkran.se"
    member = synced.mail.member("Customers", "anna@nordkran.se")
    assert member is not None and one["target"]["id"].endswith(member["id"])
    assert one["stands"]["status"] == "done"
    assert one["now"]["mapping"]["body"]["merge_fields"]["CUSTNO"] == "10000"
    assert one["now"]["would"] == "nothing"
    (attempt,) = one["attempts"]
    assert attempt["status"] == "created" and attempt["request_id"] and attempt["answer"] == "200"


def test_explain_for_people(synced: World) -> None:
    synced.erp.edit("customers", "10000", displayName="Renamed")
    shown = synced.run("explain", "10000").stdout
    assert shown.startswith("customers_to_members: 10000\n")
    assert "merge_fields.COMPANY = Renamed" in shown
    assert "a sync     would update it" in shown
    assert "request " in shown and "anna@" not in shown
    assert "email_address = anna@nordkran.se" in synced.run("explain", "10000", "-v").stdout


def test_explain_by_address_finds_all_who_have_it_and_who_owns_it(synced: World) -> None:
    owner, other = synced.json("explain", "anna@nordkran.se")
    assert (owner["name"], other["name"]) == ("10000", "10003")
    assert other["stands"]["code"] == "key-taken"
    assert other["stands"]["owner"] == owner["source"]["id"]


def test_explain_says_why_a_record_is_left_out_or_failed(synced: World) -> None:
    assert "mapping    leaves it out: missing-email" in synced.run("explain", "10001").stdout
    shown = synced.run("explain", "10002").stdout
    assert "status     failed since" in shown and "fake-address" in shown
    assert "next       Correct its e-mail address in the source." in shown


def test_explain_by_the_target_s_id_and_before_any_run(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    (fresh,) = world.json("explain", "10000")
    assert fresh["stands"] is None and fresh["now"]["would"] == "create"
    assert not world.state.exists()
    world.run("sync")
    (known,) = world.json("explain", "10000")
    assert world.json("explain", known["target"]["id"])[0]["name"] == "10000"


def test_explain_of_a_deleted_record(synced: World) -> None:
    (before,) = synced.json("explain", "10000")
    synced.erp.delete("customers", "10000")
    (after,) = synced.json("explain", before["source"]["id"])
    assert after["now"]["gone"] and after["now"]["code"] == "gone"


@pytest.mark.parametrize("record", ["anna@nordkran.se", "10000"])
def test_explain_without_its_secrets_shows_the_state_file_and_says_what_is_missing_and_why(
    synced: World, record: str
) -> None:
    result = synced.run("explain", record, env={"MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": None})
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("customers_to_members: 10000\n")
    assert "status     done" in result.stdout and "attempts   1" in result.stdout
    (line, *_) = [line for line in result.stdout.splitlines() if line.startswith("  now ")]
    assert "what the mapping gives is missing, because the source could not be asked: the keyring" in line


def test_explain_of_a_number_while_the_source_is_down_shows_all_but_what_the_mapping_gives_now(
    synced: World,
) -> None:
    synced.erp.log.clear()
    synced.erp.fault("status", path="/companies", times=0, status=429, retry_after=3600)
    (one,) = synced.json("explain", "10000")
    assert one["now"] is None and "it asks to wait" in one["now_missing"]
    assert one["stands"]["status"] == "done" and len(one["attempts"]) == 1
    asked = [entry for entry in synced.erp.log if "/companies" in entry.path]
    assert len(asked) == 1, "the other flow does not try the same system again"


def test_explain_of_what_nobody_knows_while_the_source_is_down_says_so(synced: World) -> None:
    synced.erp.fault("status", path="/companies", times=0, status=429, retry_after=3600)
    result = synced.run("explain", "99999")
    assert result.exit_code == 2
    assert "the state file has no record 99999, and the source could not be asked: " in result.stderr


def test_explain_of_what_nobody_knows(world: World) -> None:
    result = world.run("explain", "nobody@nordkran.se")
    assert result.exit_code == 2
    assert "n***@nordkran.se" in result.stderr


def test_fields_of_the_source_have_types_and_a_sample(synced: World) -> None:
    rows = {row["field"]: row for row in synced.json("fields", "erp.customer")}
    assert (rows["number"]["type"], rows["number"]["length"]) == ("code", 20)
    assert rows["number"]["sample"] == "10000" and rows["city"]["sample"] == "Lund"
    assert rows["email"]["sample"] == "a***@nordkran.se"
    assert "field=email type=text length=80" in synced.run("fields", "erp.customer").stdout
    assert "sample=anna@nordkran.se" in synced.run("fields", "erp.customer", "-v").stdout


def test_fields_of_the_target_are_merge_fields_too(synced: World) -> None:
    assert {"email_address", "COMPANY"} <= {row["field"] for row in synced.json("fields", "mail.member")}


def test_fields_of_what_there_is_not(world: World) -> None:
    result = world.run("fields", "erp.journal")
    assert result.exit_code == 2
    assert "erp.customer, erp.vendor, " in result.stderr and ", mail.member" in result.stderr


def test_init_writes_a_file_that_can_be_read_and_overwrites_none(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = world.run("init", "-o", "mine.yaml")
    assert (result.exit_code, result.stdout) == (0, "wrote mine.yaml\n")
    assert "mlconnector check -c mine.yaml" in result.stderr
    assert load_connection(tmp_path / "mine.yaml").name == "mine"
    again = world.run("init", "--output", "mine.yaml")
    assert again.exit_code == 2 and "left as it is" not in again.stdout
    assert world.run("init", "nonsense").exit_code == 2
    assert "flows:" in world.run("init", "-o", "-").stdout


def test_schema_is_the_schema(world: World) -> None:
    assert json.loads(world.run("schema").stdout) == json.loads(json.dumps(json_schema()))


def test_no_secret_in_any_output_nor_in_the_state_file(synced: World) -> None:
    commands = [["check"], ["sync", "--full", "-vv"], ["status"], ["explain", "10000", "-vv"], ["history"]]
    commands += [["fields", "erp.customer", "-vv"], ["--json", "replay", "--failed", "-vv"]]
    said = "".join(synced.run(*words).output for words in commands)
    files = b"".join(path.read_bytes() for path in synced.folder.glob("state.db*"))
    for secret in (CLIENT_SECRET, API_KEY):
        assert secret not in said
        assert secret.encode() not in files


def test_no_whole_address_at_the_default_level_nor_in_logs_at_v(synced: World) -> None:
    synced.customer("10009", "carl@nordkran.se")
    commands = [["sync", "--dry-run"], ["sync"], ["status"], ["replay", "--failed"], ["explain", "10009"]]
    said = "".join(synced.run(*words).output for words in commands)
    logged = synced.run("sync", "--full", "-v").stderr
    for address in ("anna@nordkran.se", "carl@nordkran.se", "fake@example.com"):
        assert address not in said.lower()
        assert address not in logged


def test_check_finds_a_state_folder_that_cannot_be_written_and_quiet_shows_nothing_else(world: World) -> None:
    world.file.write_text(world.file.read_text().replace("state: state.db", "state: nordkran.yaml/state.db"))
    result = world.run("check", "-q")
    assert result.exit_code == 2
    (line,) = result.stdout.splitlines()
    assert line.startswith("level=error where=state ")
