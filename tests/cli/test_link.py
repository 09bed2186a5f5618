"""`mlconnector link`: a person says which customer an organization is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mlconnector.cli import program
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
    assert result.exit_code == 0 and f"{desk.id} is linked with C2" in result.stdout, result.output
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


@pytest.mark.parametrize(
    ("words", "flow", "says"),
    [
        (["1", "C9"], "organizations_to_customers", "erp has no customer C9"),
        (["99", "C1"], "organizations_to_customers", "no flow knows a record 99"),
        (["1"], "organizations_to_customers", "give TARGET or --new, one of them"),
        (["1", "C1", "--new"], "organizations_to_customers", "give TARGET or --new, one of them"),
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
