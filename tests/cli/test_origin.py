"""A state file whose records come from elsewhere than the connection file says now is refused and left as it is."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from mlconnector.sandbox import Running
from mlconnector.systems.pipedrive.emulator import API_TOKEN, Pipedrive
from tests.cli.conftest import CLIENT_SECRET, COMPANY, World

ONE_BACK = "customers_to_organizations: {from: erp, to: crm, new: create}"


@pytest.fixture
def synced(world: World) -> World:
    """One member of each flow is on record, and nobody calls from here on."""
    world.customer("10000", "anna@nordkran.se")
    world.erp.add("vendors", number="V1", displayName="Vendor", email="ven@nordkran.se")
    assert world.run("sync").exit_code == 0
    world.erp.log.clear()
    world.mail.log.clear()
    return world


def change(world: World, old: str, new: str) -> None:
    text = world.file.read_text()
    assert old in text
    world.file.write_text(text.replace(old, new))


def records(world: World) -> list[Any]:
    db = sqlite3.connect(world.state)
    found = db.execute(
        "SELECT * FROM ledger UNION ALL SELECT *, 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0 FROM watermarks"
    )
    rows = found.fetchall()
    db.close()
    return rows


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (COMPANY, "CRONUS Sverige AB", f"company was '{COMPANY}' and is 'CRONUS Sverige AB'"),
        ("company: ", "environment: Sandbox, company: ", "/Production' and is '"),
        ("kind: business_central", "kind: business_central, server_tenant: two", "server_tenant was ''"),
    ],
)
@pytest.mark.parametrize(
    "words", [["sync"], ["sync", "--full"], ["sync", "--dry-run"], ["replay", "--failed"]]
)
def test_a_source_that_became_another_is_refused_before_anything_is_read_or_written(
    synced: World, old: str, new: str, told: str, words: list[str]
) -> None:
    before = records(synced)
    change(synced, old, new)
    result = synced.run(*words)
    assert result.exit_code == 2 and result.stdout == ""
    assert told in result.stderr and result.stderr.count("Error: ") == 1
    assert "(customers_to_members, vendors_to_members)" in result.stderr
    assert "Next: set it back, or name a new state file" in result.stderr
    assert ([*synced.erp.log], [*synced.mail.log], records(synced)) == ([], [], before)
    change(synced, new, old)
    again = synced.run("sync")
    assert (again.exit_code, again.output) == (0, "")


def test_another_kind_of_ids_is_refused_and_can_be_nobody_s_new_name(synced: World) -> None:
    change(synced, "kind: business_central", "kind: business_central, api: odata")
    result = synced.run("sync")
    assert result.exit_code == 2
    assert "ids was 'GUIDs (api: v2.0, v1.0, beta)' and is 'numbers (api: odata)'" in result.stderr
    assert "rebind" not in result.stderr
    refused = synced.run("ledger", "rebind")
    assert refused.exit_code == 2 and "cannot be the same records" in refused.stderr
    assert synced.run("sync").exit_code == 2


def test_a_flow_that_reads_other_records_now_is_refused(synced: World) -> None:
    change(synced, "customers_to_members: {", "customers_to_members: {kind: vendors_to_members, ")
    result = synced.run("sync", "--flow", "customers_to_members")
    assert result.exit_code == 2 and "entity was 'customer' and is 'vendor'" in result.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (COMPANY, COMPANY.upper()),
        ("erp", "nav"),
        ("kind: business_central", "kind: business_central, page_size: 5"),
    ],
)
def test_another_alias_or_letter_case_is_the_same_source(synced: World, old: str, new: str) -> None:
    change(synced, old, new)
    result = synced.run("sync", env={"MLCONNECTOR_SECRET_NAV_CLIENT_SECRET": CLIENT_SECRET})
    assert (result.exit_code, result.output) == (0, "")


def test_a_state_file_that_says_nothing_of_its_source_is_told_by_the_next_run(synced: World) -> None:
    db = sqlite3.connect(synced.state)
    db.execute("DELETE FROM meta WHERE name LIKE 'source:%'")
    db.commit()
    db.close()
    assert synced.run("sync").exit_code == 0
    change(synced, COMPANY, "CRONUS Sverige AB")
    assert "company was" in synced.run("sync").stderr


def test_a_first_run_with_a_wrong_company_binds_nothing(world: World) -> None:
    change(world, COMPANY, "CRONOS")
    assert "there is no company 'CRONOS'" in world.run("sync").stderr
    change(world, "CRONOS", COMPANY)
    world.customer("10000", "anna@nordkran.se")
    assert world.run("sync").stdout == "customers_to_members: 1 created\n"


def test_an_audience_that_only_has_the_name_of_the_one_before_is_refused_before_anything_is_written(
    synced: World,
) -> None:
    """As in another account: what looks unchanged would never get there."""
    audience = synced.mail.account.audiences[synced.mail.list_id("Customers")]
    audience.name = "Old"
    synced.mail.add_list("Customers")
    synced.customer("10001", "bo@nordkran.se")
    for words in (["sync", "--dry-run"], ["sync"]):
        result = synced.run(*words)
        assert result.exit_code == 2
        assert (
            f"'customers' of mail had the id {audience.id} and has {synced.mail.list_id('Customers')} here"
            in (result.stderr)
        )
    assert {entry.method for entry in synced.mail.log} == {"GET"}
    change(synced, "audience: Customers", "audience: Old")
    assert "1 created" in synced.run("sync").stdout


def test_another_audience_in_the_file_is_meant(synced: World) -> None:
    change(synced, "audience: Customers", "audience: Others")
    synced.mail.add_list("Others")
    assert synced.run("sync", "--full").exit_code == 0
    assert {one["email_address"] for one in synced.mail.members("Others")} == {"anna@nordkran.se"}


def test_another_audience_is_told_by_check_until_a_run_in_full_has_sent_everything(synced: World) -> None:
    def told() -> list[str]:
        return [one["message"] for one in synced.json("check") if one["level"] == "warning"]

    assert told() == []
    synced.mail.add_list("Others")
    change(synced, "audience: Customers", "audience: Others")
    synced.customer("20000", "new@nordkran.se")
    for words in (["status"], ["sync"], ["sync", "--full", "--dry-run"], ["sync", "--full", "--limit", "1"]):
        assert synced.run(*words).exit_code == 0
        (message,) = told()
        assert "records were sent to 'customers' before" in message
    assert synced.run("sync", "--full", "--allow-mass-change").exit_code == 0
    assert told() == []
    assert {one["email_address"] for one in synced.mail.members("Others")} == {
        "anna@nordkran.se",
        "new@nordkran.se",
    }


def test_an_audience_that_was_renamed_is_no_other_one_once_a_run_has_seen_it(synced: World) -> None:
    synced.mail.account.audiences[synced.mail.list_id("Customers")].name = "Others"
    change(synced, "audience: Customers", "audience: Others")
    synced.customer("20000", "new@nordkran.se")
    assert synced.run("sync").exit_code == 0
    assert [one for one in synced.json("check") if one["level"] == "warning"] == []


def test_check_tells_it_as_an_error(synced: World) -> None:
    change(synced, COMPANY, "CRONUS Sverige AB")
    (told,) = [one for one in synced.json("check") if one["where"] == "state"]
    assert told["level"] == "error" and "company was" in told["message"] and "ledger rebind" in told["remedy"]


def test_after_rebind_a_server_that_moved_goes_on_where_it_was(synced: World) -> None:
    with Running(synced.erp) as moved:
        old = synced.file.read_text().partition('base_url: "')[2].partition('"')[0]
        change(synced, f'base_url: "{old}"', f'base_url: "{moved.url}"')
        assert "mlconnector ledger rebind" in synced.run("sync").stderr
        shown = synced.run("ledger", "rebind")
        assert shown.exit_code == 0 and shown.stdout.count(" was ") == 2
        synced.mail.log.clear()
        result = synced.run("sync")
        assert (result.exit_code, result.output, [*synced.mail.log]) == (0, "", [])
    assert synced.run("ledger", "rebind").stdout == "nothing has changed\n"
    assert synced.json("ledger", "rebind") == {"changed": {}}


@pytest.mark.parametrize("flow", ["organizations_to_customers: {from: crm, to: erp}", ONE_BACK])
def test_a_log_in_of_another_pipedrive_is_refused_before_anything_is_read_or_written(
    world: World, flow: str
) -> None:
    crm = Pipedrive(plan=None)
    world.environment["MLCONNECTOR_SECRET_CRM_API_TOKEN"] = API_TOKEN
    with Running(crm) as running:
        text = world.file.read_text().partition("  mail: ")[0]
        crm.people.add("organization", name="Nordkran AB")
        world.erp.add("customers", number="10000", displayName="Adatum")
        world.file.write_text(
            f'{text}  crm: {{kind: pipedrive, base_url: "{running.url}"}}\nflows:\n  {flow}\n'
        )
        first = world.run("sync")
        assert "1 created" in first.stdout and world.run("sync").exit_code == 0, first.output
        crm.company.id += 1
        world.erp.add("customers", number="20000", displayName="Trey Research")
        crm.log.clear(), world.erp.log.clear()
        result = world.run("sync")
        assert result.exit_code == 2 and "log in to the" in result.stderr, result.output
        assert "with the id" in result.stderr or "had the id" in result.stderr
        assert not [one.path for one in crm.log if one.method != "GET"]
        assert not [one.path for one in world.erp.log if one.method != "GET" and "token" not in one.path]
