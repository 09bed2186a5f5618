"""`mlconnector link`: a person says which customer an organization is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mlconnector.cli import program
from mlconnector.cli.build import utc_now
from mlconnector.config import load_connection
from mlconnector.ledger import Ledger
from mlconnector.sandbox import Running
from mlconnector.systems.business_central.emulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    TENANT,
    BusinessCentral,
)
from mlconnector.systems.pipedrive.emulator import API_TOKEN, Pipedrive

FILE = """
name: nordkran
state: state.db
systems:
  crm: {{kind: pipedrive, base_url: "{crm}"}}
  erp: {{kind: business_central, tenant: {tenant}, client_id: {client}, company: CRONUS International Ltd.,
        base_url: "{erp}", login_url: "{erp}"}}
flows:
  organizations_to_customers: {{from: crm, to: erp}}
  persons_to_contacts: {{from: crm, to: erp}}
  customers_to_organizations: {{from: erp, to: crm}}
  deals_to_documents: {{from: crm, to: erp, won_since: 2026-01-01, post: true}}
"""


class Desk:
    """Two customers of one name, an organization that may be either, and the command line."""

    def __init__(self, folder: Path, crm: Pipedrive, erp: BusinessCentral, urls: dict[str, str]) -> None:
        self.crm, self.erp, self.file = crm, erp, folder / "nordkran.yaml"
        self.file.write_text(FILE.format(tenant=TENANT, client=CLIENT_ID, **urls))
        for number in ("C1", "C2"):
            erp.add("customers", number=number, displayName="Nordkran AB", currencyCode="")
        self.id = str(crm.people.add("organization", name="Nordkran"))

    def run(self, *words: str) -> Result:
        secrets = {
            "MLCONNECTOR_SECRET_CRM_API_TOKEN": API_TOKEN,
            "MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": CLIENT_SECRET,
        }
        return CliRunner().invoke(program, ["-c", str(self.file), *words], env=secrets)

    def link(self, *words: str, flow: str = "organizations_to_customers") -> Result:
        return self.run("link", flow, *words)

    def names(self) -> dict[str, Any]:
        return {row["number"]: row["displayName"] for row in self.erp.rows("customers")}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    crm, erp = Pipedrive(plan=None), BusinessCentral()
    erp.rate_limit = None
    with Running(crm) as one, Running(erp) as other:
        desk = Desk(tmp_path, crm, erp, {"crm": one.url, "erp": other.url})
        first = desk.run("sync")
        assert "1 failed (ambiguous-match)" in first.stdout, first.output
        yield desk


def test_the_next_sync_writes_the_customer_that_was_named_by_its_number(desk: Desk) -> None:
    result = desk.link(desk.id, "C2")
    assert result.exit_code == 0, result.output
    assert f"organization {desk.id} Nordkran is linked with customer C2 Nordkran AB" in result.stdout
    assert "The next sync makes the fields of the two agree." in result.stdout
    look = desk.run(*result.stdout.splitlines()[-1].split()[1:])
    assert "organizations_to_customers: 1 would be updated" in look.stdout, look.output
    assert desk.names() == {"C1": "Nordkran AB", "C2": "Nordkran AB"}, "nothing is written yet"
    desk.crm.people.edit("organization", int(desk.id), name="Nordkran Syd")
    assert desk.run("sync").exit_code == 0
    assert desk.names() == {"C1": "Nordkran AB", "C2": "Nordkran Syd"}


def test_the_next_sync_makes_a_new_one_if_it_is_none_of_them(desk: Desk) -> None:
    assert desk.link(desk.id, "--new").exit_code == 0
    assert "1 created" in desk.run("sync").stdout
    assert sorted(desk.names().values()) == ["Nordkran", "Nordkran AB", "Nordkran AB"]
    again = desk.link(desk.id, "--new")
    assert again.exit_code == 2 and "has a counterpart already" in again.stderr
    assert len(desk.names()) == 3


def test_what_is_linked_with_another_is_named_and_replaced_only_if_that_is_said(desk: Desk) -> None:
    other = str(desk.crm.people.add("organization", name="Syd"))
    assert desk.link(desk.id, "C1").exit_code == 0
    assert desk.link(desk.id, "C1").exit_code == 0, "it is that one already"
    for words, says in (
        ((desk.id, "C2"), "organization 1 Nordkran is linked with customer C1 Nordkran AB already"),
        ((other, "C1"), "customer C1 Nordkran AB is linked with organization 1 Nordkran already"),
    ):
        result = desk.link(*words)
        assert result.exit_code == 2 and says in result.stderr, result.output
        assert "--replace" in result.stderr
    assert desk.link(other, "C1", "--replace").exit_code == 0
    assert "organization 2 Syd" in desk.link(desk.id, "C1").stderr


def test_one_that_is_linked_with_a_record_that_is_gone_is_free(desk: Desk) -> None:
    assert desk.link(desk.id, "C1").exit_code == 0
    desk.erp.delete("customers", "C1")
    assert desk.link(desk.id, "C2").exit_code == 0


def test_of_several_of_one_name_each_is_named_with_its_id(desk: Desk) -> None:
    other = desk.crm.people.add("organization", name="Nordkran")
    desk.run("sync")
    result = desk.link("Nordkran", "C1")
    assert result.exit_code == 2
    assert f"Nordkran may mean {desk.id} Nordkran; {other} Nordkran" in result.stderr


def test_a_person_is_linked_with_a_contact_that_is_there_and_is_a_person(desk: Desk) -> None:
    person = str(desk.crm.people.add("person", name="Anna Lind", emails=[{"value": "anna@lind.se"}]))
    company = next(row["number"] for row in desk.erp.rows("contacts") if row["type"] == "Company")
    bo = desk.erp.add("contacts", type="Person", displayName="Bo Ek")
    for target in ("CT999999", company, "not-a-guid", "9f0c2f6e-0000-4000-8000-000000000000"):
        result = desk.link(person, target, flow="persons_to_contacts")
        assert result.exit_code == 2 and f"erp has no contact {target} that" in result.stderr, result.output
    result = desk.link(person, bo["id"].upper(), flow="persons_to_contacts")
    assert f"person {person} Anna Lind is linked with contact {bo['number']} Bo Ek" in result.stdout
    desk.run("sync")
    assert desk.erp.row("contacts", bo["number"])["displayName"] == "Anna Lind"


def test_a_link_with_what_can_be_no_id_ends_no_run(desk: Desk) -> None:
    desk.crm.people.add("person", name="Bo Ek", org_id=int(desk.id))
    person = str(desk.crm.people.add("person", name="Anna Lind"))
    connection = load_connection(desk.file)
    with Ledger.open(connection.state, connection.name, utc_now) as ledger:
        here, there = (("crm", "organization"), ("erp", "customer")), (("crm", "person"), ("erp", "contact"))
        ledger.link_by_hand("organizations_to_customers", *here, desk.id, "C1")
        ledger.link_by_hand("persons_to_contacts", *there, person, "CT999999")
    for _ in range(2):
        assert desk.run("sync", "--full").exit_code < 2
    status = desk.run("status").stdout
    assert status.count("1 failed  counterpart-gone") == 2, "either is told"
    assert status.count("1 failed  no-company-contact") == 1, "whose customer is not there waits"


@pytest.mark.parametrize(
    ("words", "flow", "says"),
    [
        (["1", "C9"], "organizations_to_customers", "erp has no customer C9"),
        (["99", "C1"], "organizations_to_customers", "no flow knows a record 99"),
        (["1"], "organizations_to_customers", "give TARGET or --new, one of them"),
        (["1", "C1", "--new"], "organizations_to_customers", "give TARGET or --new, one of them"),
        (["1", "--new", "--replace"], "organizations_to_customers", "--replace goes with TARGET"),
        (["1", "C1"], "deals_to_documents", "there is nothing to link by hand"),
        (["1", "C1"], "deals", "there is no flow 'deals'"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_linked(
    desk: Desk, words: list[str], flow: str, says: str
) -> None:
    result = desk.link(*words, flow=flow)
    assert result.exit_code == 2 and says in result.stderr, result.output
    assert "ambiguous-match" in desk.run("status").stdout
