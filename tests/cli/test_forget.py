"""`mlconnector forget`: what it erases, what it says, and that the person is not synced again."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from mlconnector.cli import program
from mlconnector.ledger.lock import RunLock
from tests.cli.conftest import World

ANNA, NUMBER = "anna@nordkran.se", "NUMBER-OF-ANNA"


@pytest.fixture
def synced(world: World) -> World:
    world.customer(NUMBER, ANNA)
    world.customer("10001", "bo@nordkran.se")
    world.run("sync")
    return world


def in_files(world: World, *texts: str) -> list[str]:
    content = b"".join(file.read_bytes() for file in world.folder.glob("state.db*"))
    return [text for text in texts if text.encode() in content]


def test_a_person_is_erased_and_what_is_left_to_do_is_said(synced: World) -> None:
    (before,) = synced.json("explain", NUMBER)
    synced.run("ledger", "backup", str(synced.folder / "elsewhere"))
    traces = [ANNA, before["target"]["id"], NUMBER]
    assert in_files(synced, *traces) == traces
    shown = synced.run("forget", "Anna@Nordkran.SE")
    assert shown.exit_code == 0
    first, record, *left = shown.stdout.splitlines()
    assert first == "A***@Nordkran.SE is forgotten: 1 record and 1 attempt erased from the state file"
    assert record == f"  customers_to_members {NUMBER}" and left[0] == "What is left to do:"
    assert "  mail (mailchimp): delete the person there, if they are there; mlconnector does not" in left
    assert "  erp (business_central): the person's records stay there; they are skipped from now on" in left
    assert "  backups, if there are any elsewhere, hold what they held" in left
    assert in_files(synced, *traces) == []
    assert in_files(synced, "bo@nordkran.se")


def test_who_is_forgotten_is_not_sent_again_whatever_happens(synced: World) -> None:
    synced.run("forget", ANNA)
    synced.mail.forget("Customers", ANNA)  # as it said: deleted in Mailchimp
    synced.erp.edit("customers", NUMBER, displayName="Renamed")
    synced.customer("OTHER-NUMBER", ANNA.upper())
    for words in (["sync"], ["sync", "--full"], ["replay", "--record", NUMBER], ["replay", "--failed"]):
        synced.run(*words)
    assert {row["email_address"] for row in synced.mail.members("Customers")} == {"bo@nordkran.se"}
    waiting = synced.json("status")["flows"][0]["waiting"]
    assert [(row["code"], row["records"]) for row in waiting] == [("forgotten", 2)]
    assert "forget --undo" in waiting[0]["next"]
    assert in_files(synced, ANNA, ANNA.upper(), "OTHER-NUMBER") == []


def test_backups_that_still_hold_the_person_are_named(synced: World) -> None:
    synced.run("ledger", "backup")
    (backup,) = synced.folder.glob("*.bak")
    shown = synced.run("forget", ANNA)
    assert f"  {backup}: holds what it held; who restores it has to forget the person again" in shown.stdout
    assert ANNA.encode() in backup.read_bytes()


def test_forget_for_machines(synced: World) -> None:
    found = synced.json("-v", "forget", ANNA)
    ((record),) = found["records"]
    assert (found["address"], found["attempts"], record["name"]) == (ANNA, 1, NUMBER)
    assert len(found["left_to_do"]) == 2 and found["backups"] == []
    assert synced.json("forget", ANNA)["records"] == []
    assert synced.json("forget", "--undo", ANNA)["undone"] is True
    assert synced.json("forget", "--undo", ANNA) == {
        "address": "a***@nordkran.se",
        "flow": None,
        "undone": False,
    }


def test_somebody_may_be_forgotten_before_the_first_run(world: World) -> None:
    assert "0 records and 0 attempts" in world.run("forget", ANNA).stdout
    world.customer(NUMBER, ANNA)
    result = world.run("sync")
    assert result.exit_code == 0 and world.mail.members("Customers") == []
    assert "1 skipped (forgotten)" in result.stdout and "anna" not in result.stdout
    assert in_files(world, ANNA, NUMBER) == []


def test_who_wants_to_be_back_is_sent_by_a_full_read(synced: World) -> None:
    synced.run("forget", ANNA)
    synced.run("sync", "--full")
    shown = synced.run("forget", "--undo", ANNA)
    assert shown.stdout == "a***@nordkran.se is forgotten no longer\n" and "sync --full" in shown.stderr
    assert "1 updated" in synced.run("sync", "--full").stdout
    assert synced.json("explain", NUMBER)[0]["stands"]["status"] == "done"
    assert synced.run("forget", "--undo", ANNA).stdout == "a***@nordkran.se was not forgotten\n"


def test_in_one_flow_only(synced: World) -> None:
    synced.erp.add("vendors", number="V1", displayName="Anna", email=ANNA)
    synced.run("sync")
    assert "1 record and" in synced.run("forget", ANNA, "--flow", "vendors_to_members").stdout
    synced.erp.edit("vendors", "V1", displayName="Changed")
    synced.erp.edit("customers", NUMBER, displayName="Changed")
    assert synced.run("sync").stdout.startswith("customers_to_members: 1 updated")
    assert [one["status"] for one in synced.json("explain", "V1")[0]["attempts"]] == []
    assert (
        "comes back without --flow"
        in synced.run("forget", "--undo", ANNA, "--flow", "customers_to_members").stdout
    )
    assert synced.json("forget", "--undo", ANNA, "--flow", "vendors_to_members")["undone"]
    result = synced.run("forget", ANNA, "--flow", "nonsense")
    assert result.exit_code == 2 and "there is no flow 'nonsense'" in result.stderr


@pytest.mark.parametrize("text", [NUMBER, "anna", "anna@", "a@b.se, b@b.se", ""])
def test_what_is_no_address_is_said_so(text: str) -> None:
    result = CliRunner().invoke(program, ["forget", text])
    assert result.exit_code == 2 and "is no e-mail address" in result.stderr


def test_while_a_run_is_under_way_nothing_is_done(synced: World) -> None:
    for words in (["forget", ANNA], ["forget", "--undo", ANNA]):
        with RunLock(synced.state):
            result = synced.run(*words)
        assert result.exit_code == 4 and "then run this command again" in result.stderr
    assert synced.json("explain", NUMBER)[0]["stands"]["status"] == "done"


def test_that_nobody_can_be_listed_stands_in_the_help() -> None:
    shown = CliRunner().invoke(program, ["forget", "--help"]).stdout
    assert "Who was forgotten cannot be listed" in " ".join(shown.split())
