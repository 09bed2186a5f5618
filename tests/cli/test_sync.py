"""`sync`, `backfill` and `replay` over the emulators: what is sent, what is said, and with which code it ends."""

from __future__ import annotations

import pytest

from mlconnector.ledger.lock import RunLock
from tests.cli.conftest import World


def emails(world: World, audience: str = "Customers") -> set[str]:
    return {member["email_address"] for member in world.mail.members(audience)}


def test_a_first_run_sends_all_and_says_so_in_one_line_a_flow(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.customer("10001", "bo@nordkran.se")
    result = world.run("sync")
    assert (result.exit_code, result.stdout) == (0, "customers_to_members: 2 created\n")
    assert result.stderr == ""
    assert emails(world) == {"anna@nordkran.se", "bo@nordkran.se"}


def test_a_run_that_changes_nothing_is_silent(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.customer("10001")
    world.customer("10002", "fake@example.com")
    world.run("sync")
    result = world.run("sync")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_new_problems_are_told_once_with_number_code_reason_and_next_step(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.customer("10001")
    world.customer("10002", "fake@example.com")
    result = world.run("sync")
    assert result.exit_code == 1
    first, *rest = result.stdout.splitlines()
    assert first == "customers_to_members: 1 created, 1 skipped (missing-email), 1 failed (fake-address)"
    assert rest[0].startswith("  customers_to_members 10001: skipped, missing-email: ")
    assert rest[1].startswith("  customers_to_members 10002 (f***@example.com): failed, fake-address: ")
    assert "Correct its e-mail address in the source." in rest[1]
    assert "fake@example.com" not in result.output


def test_v_shows_whole_addresses(world: World) -> None:
    world.customer("10002", "fake@example.com")
    assert "10002 (fake@example.com)" in world.run("sync", "-v").stdout


def test_many_problems_are_cut_to_twenty_lines(world: World) -> None:
    for number in range(23):
        world.customer(f"2{number:04}")
    lines = world.run("sync").stdout.splitlines()
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "  and 3 more: mlconnector status"


def test_quiet_says_nothing_but_errors(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    result = world.run("sync", "-q")
    assert (result.exit_code, result.output) == (0, "")


def test_json_is_one_document_whatever_happened(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    first, second = world.json("sync"), world.json("sync")
    assert first["flows"][0]["counts"]["created"] == 1
    assert first["exit_code"] == 0 and first["error"] is None
    assert second["flows"][0]["counts"]["unchanged"] == 1
    assert first["flows"][0]["calls"] > 0


def test_a_dry_run_writes_nothing_anywhere(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    result = world.run("sync", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "customers_to_members: 1 would be created",
        "vendors_to_members: nothing to do",
        "  customers_to_members 10000 (a***@nordkran.se): would be created",
    ]
    assert emails(world) == set()
    assert not world.state.exists()
    assert not any(entry.method in ("PUT", "PATCH", "DELETE") for entry in world.mail.log)
    world.run("sync")
    world.erp.edit("customers", "10000", displayName="Other")
    assert "1 would be updated" in world.run("sync", "--dry-run").stdout
    assert world.run("sync").stdout == "customers_to_members: 1 updated\n"


def test_a_dry_run_honours_the_lock(world: World) -> None:
    with RunLock(world.state):
        result = world.run("sync", "--dry-run")
    assert result.exit_code == 4
    assert "another run of this connection is under way (pid " in result.stderr


def test_only_the_named_flow_runs_and_an_unknown_one_is_refused(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    assert world.run("sync", "--flow", "vendors_to_members").stdout == ""
    result = world.run("sync", "--flow", "nonsense")
    assert result.exit_code == 2
    assert "there are customers_to_members, vendors_to_members" in result.stderr


def test_a_limit_sends_so_many_and_leaves_the_watermark(world: World) -> None:
    for number in range(4):
        world.customer(f"1000{number}", f"anna{number}@nordkran.se")
    result = world.run("sync", "--limit", "3")
    assert result.stdout.startswith("customers_to_members: 3 created")
    assert world.json("status")["flows"][0]["watermark"] is None
    world.run("sync")
    assert len(emails(world)) == 4


def test_one_record_by_its_number(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.customer("10001", "bo@nordkran.se")
    result = world.run("sync", "--record", "10001")
    assert result.stdout == "customers_to_members: 1 created\n"
    assert emails(world) == {"bo@nordkran.se"}
    assert world.run("sync", "--record", "bo@nordkran.se").stdout == "customers_to_members: 1 unchanged\n"
    missing = world.run("sync", "--record", "nobody@nordkran.se")
    assert missing.exit_code == 2
    assert "nobody@nordkran.se" not in missing.stderr
    assert world.run("sync", "--full", "--record", "10001").exit_code == 2


def test_full_finds_a_deletion_and_the_history_names_the_command(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.run("sync")
    world.erp.delete("customers", "10000")
    assert world.run("sync").stdout == ""
    assert "1 skipped (gone)" in world.run("sync", "--full").stdout
    assert world.json("history")[0]["command"] == "sync --full"


def test_the_brake_stops_a_mass_change_and_says_how_to_allow_it(world: World) -> None:
    for number in range(25):
        world.customer(f"1{number:04}", f"anna{number}@nordkran.se")
    world.run("sync")
    for number in range(25):
        world.erp.edit("customers", f"1{number:04}", displayName="Other")
    stopped = world.run("sync")
    assert stopped.exit_code == 3
    assert "nothing was written" in stopped.stderr and "--allow-mass-change" in stopped.stderr
    assert "25 would be updated" in world.run("sync", "--dry-run").stdout
    assert "25 updated" in world.run("sync", "--allow-mass-change").stdout


def test_a_flow_whose_system_is_down_ends_early_and_the_next_one_runs(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.erp.add("vendors", number="V1", displayName="Vendor", email="ven@nordkran.se")
    world.erp.fault("status", path="/customers", times=0, status=429, retry_after=3600)
    result = world.run("sync")
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: customers_to_members ended early: business_central: ")
    assert emails(world, "Vendors") == {"ven@nordkran.se"}
    run = world.json("history")[0]
    assert run["exit_code"] == 3 and "customers_to_members" in run["error"]


def test_a_refused_log_in_ends_the_run(world: World) -> None:
    world.erp.registered = False
    result = world.run("sync")
    assert result.exit_code == 3
    assert "Next: " in result.stderr
    assert world.json("history")[0]["exit_code"] == 3


def test_a_missing_secret_is_a_matter_of_configuration(world: World) -> None:
    result = world.run("sync", env={"MLCONNECTOR_SECRET_MAIL_API_KEY": None})
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_file_with_mistakes_shows_all_of_them(world: World) -> None:
    text = world.file.read_text().replace("audience: Vendors", "audiance: Vendors")
    world.file.write_text(text.replace("client_id", "client"))
    result = world.run("sync")
    assert result.exit_code == 2
    assert "nordkran.yaml:" in result.stderr
    assert result.stderr.count("nordkran.yaml:") >= 3


def test_a_backfill_leaves_the_watermark_and_takes_dates(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    result = world.run("backfill", "customers_to_members", "--since", "2020-01-01", "--until", "2100-01-01")
    assert result.stdout == "customers_to_members: 1 created\n"
    assert world.json("status")["flows"][0]["watermark"] is None
    nothing = world.run("backfill", "customers_to_members", "--until", "2020-01-01T10:00+02:00")
    assert nothing.stdout == "customers_to_members: nothing to do\n"


@pytest.mark.parametrize(
    "words", [["--since", "yesterday"], ["--since", "2026-02-01", "--until", "2026-01-01"]]
)
def test_a_window_that_is_none_is_refused(world: World, words: list[str]) -> None:
    assert world.run("backfill", "customers_to_members", *words).exit_code == 2


def test_an_interrupted_backfill_goes_on_where_it_stood(world: World) -> None:
    world.file.write_text(
        world.file.read_text().replace("kind: business_central", "kind: business_central, page_size: 2")
    )
    for number in range(6):
        world.customer(f"1000{number}", f"anna{number}@nordkran.se")
    world.erp.fault("status", path="/customers", skip=2, times=0, status=429, retry_after=3600)
    assert world.run("backfill", "customers_to_members").exit_code == 3
    world.erp.faults.clear()
    result = world.run("backfill", "customers_to_members")
    assert result.exit_code == 0
    assert "goes on with the backfill begun at" in result.stderr
    assert len(emails(world)) == 6


def test_replay_sends_failed_records_anew_even_unchanged_ones(world: World) -> None:
    world.customer("10000", "fake@example.com")
    world.run("sync")
    world.mail.log.clear()
    assert world.run("sync").output == ""
    assert "1 would be created" in world.run("replay", "--failed", "--dry-run").stdout
    again = world.run("replay", "--failed")
    assert again.exit_code == 1
    assert "1 failed (fake-address)" in again.stdout and "10000 (f***@example.com)" in again.stdout
    world.erp.edit("customers", "10000", email="good@nordkran.se")
    assert "1 created" in world.run("replay", "--failed").stdout


def test_replay_of_one_record_sends_what_looks_unchanged(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    world.run("sync")
    result = world.run("replay", "--record", "10000", "--flow", "customers_to_members")
    assert (result.exit_code, result.stdout) == (0, "customers_to_members: 1 updated\n")


def test_replay_wants_to_know_which(world: World) -> None:
    assert world.run("replay").exit_code == 2
    assert world.run("replay", "--record", "1", "--since", "2026-01-01").exit_code == 2
    nothing = world.run("replay", "--unknown", "--since", "2026-01-01")
    assert (nothing.exit_code, nothing.stderr) == (0, "there was nothing to replay\n")
