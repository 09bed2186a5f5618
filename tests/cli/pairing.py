"""Pipedrive and Business Central behind the command line: a connection file of some flows between the two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from click.testing import Result

from mlconnector.sandbox import Running
from mlconnector.systems.business_central.emulator import CLIENT_ID, TENANT, BusinessCentral
from mlconnector.systems.pipedrive.emulator import API_TOKEN, Pipedrive
from tests.cli.conftest import COMPANY, World

OTHER = "CRONUS Sverige AB"
FILE = """
name: nordkran
state: state.db
systems:
  crm: {{kind: pipedrive, base_url: "{crm}", per_second: 60}}
  erp: {{kind: business_central, tenant: {tenant}, client_id: {client}, company: {company},
        base_url: "{erp}", login_url: "{erp}"}}
flows:
{flows}
"""
ITEMS = "  products_to_items: {{from: crm, to: erp, currency: {}}}"
PRODUCTS = "  items_to_products: {{from: erp, to: crm, currency: {}, new: create}}"
DEALS = "  deals_to_documents: {from: crm, to: erp, won_since: 2020-01-01, post: true}"
CUSTOMERS = "  organizations_to_customers: {from: crm, to: erp}"


@pytest.fixture
def crm() -> Pipedrive:
    """A product and an organization."""
    pipedrive = Pipedrive()
    pipedrive.people.add("product", name="Desk", code="A-1", prices=[{"currency": "USD", "price": 100}])
    pipedrive.people.add("organization", name="Alpha")
    return pipedrive


@dataclass
class Pair:
    """The command line with both systems."""

    world: World
    crm: Pipedrive
    crm_url: str
    erp_url: str

    def write(self, flows: str, company: str = COMPANY) -> None:
        """The connection file."""
        ports = {"crm": self.crm_url, "erp": self.erp_url}
        text = FILE.format(tenant=TENANT, client=CLIENT_ID, company=company, flows=flows, **ports)
        self.world.file.write_text(text)

    def run(self, *words: str) -> Result:
        return self.world.run(*words)

    def writes(self) -> list[str]:
        """What was sent to either of them; log-ins and a `$batch` of reads are left out."""
        log = [*self.world.erp.log, *self.crm.log]
        sent = [one for one in log if one.method != "GET" and "token" not in one.path]
        return [
            f"{one.method} {one.path}"
            for one in sent
            if not one.path.endswith("$batch") or '"method":"P' in one.body or '"method":"DELETE' in one.body
        ]

    def win_a_deal(self) -> int:
        """Two lamps for 50 each; the deal's id. All deals are of one firm."""
        people = self.crm.people
        if not (lamps := [row["id"] for row in people.records("product") if row["name"] == "Lamp"]):
            prices = [{"currency": "EUR", "price": 50}]
            lamps = [people.add("product", name="Lamp", code="B-1", prices=prices)]
        firms = [row["id"] for row in people.records("organization") if row["name"] == "Gamma"]
        firm = firms[0] if firms else people.add("organization", name="Gamma")
        deal = people.add("deal", title="Two lamps", org_id=firm, currency="EUR")
        people.add_line(deal, lamps[0], 50, 2)
        people.win(deal)
        return deal


@pytest.fixture
def pair(world: World, crm: Pipedrive) -> Iterator[Pair]:
    """With two companies in Business Central, and one item."""
    world.erp = BusinessCentral(companies=(COMPANY, OTHER))
    world.erp.add("items", number="B-1", displayName="Chair", unitPrice=50)
    world.environment["MLCONNECTOR_SECRET_CRM_API_TOKEN"] = API_TOKEN
    with Running(crm) as one, Running(world.erp) as other:
        yield Pair(world, crm, one.url, other.url)
