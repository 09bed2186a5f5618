"""Pipedrive and Business Central: what is looked at before the first write of a flow."""

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
        """What was sent to either of them; log-ins are left out."""
        log = [*self.world.erp.log, *self.crm.log]
        return [f"{one.method} {one.path}" for one in log if one.method != "GET" and "token" not in one.path]


@pytest.fixture
def pair(world: World, crm: Pipedrive) -> Iterator[Pair]:
    """With two companies in Business Central, and one item."""
    world.erp = BusinessCentral(companies=(COMPANY, OTHER))
    world.erp.add("items", number="B-1", displayName="Chair", unitPrice=50)
    world.environment["MLCONNECTOR_SECRET_CRM_API_TOKEN"] = API_TOKEN
    with Running(crm) as one, Running(world.erp) as other:
        yield Pair(world, crm, one.url, other.url)


@pytest.mark.parametrize("flow", [ITEMS, PRODUCTS])
def test_prices_in_another_currency_than_the_companys_own_are_refused_before_anything_is_written(
    pair: Pair, flow: str
) -> None:
    pair.write(flow.format("USD"))
    for words in (["sync"], ["sync", "--dry-run"], ["check"]):
        result = pair.run(*words)
        assert result.exit_code == 2, result.output
        assert "prices of items are in EUR there" in result.output
        assert "says currency: USD" in result.output
    assert pair.writes() == []
    pair.write(flow.format("EUR"))
    assert pair.run("sync").exit_code == 0
    assert pair.writes() != []


@pytest.mark.parametrize(
    ("company", "environment"), [(OTHER, "Production"), (f"{COMPANY}, environment: Sandbox", "Sandbox")]
)
def test_a_company_or_environment_that_became_another_gets_nothing_of_what_the_state_file_holds(
    pair: Pair, company: str, environment: str
) -> None:
    pair.write(CUSTOMERS)
    assert pair.run("sync").exit_code == 0
    pair.world.erp.log.clear()
    pair.crm.people.add("organization", name="Beta")
    pair.world.erp.environment = environment
    pair.write(CUSTOMERS, company)
    result = pair.run("sync")
    assert result.exit_code == 2, result.output
    assert "what it holds was sent elsewhere (organizations_to_customers): erp had the id" in result.output
    assert pair.writes() == []
    pair.world.erp.environment = "Production"
    pair.write(CUSTOMERS)
    assert pair.run("sync").exit_code == 0
    assert pair.writes() != []


def test_postings_are_guarded_and_checked_like_the_documents_they_follow(pair: Pair) -> None:
    people = pair.crm.people
    firm = people.add("organization", name="Gamma")
    desk = people.add("product", name="Lamp", code="B-1", prices=[{"currency": "EUR", "price": 50}])
    deal = people.add("deal", title="D", org_id=firm, currency="EUR")
    people.add_line(deal, desk, 50, 2)
    people.win(deal)
    pair.write(f"{CUSTOMERS}\n{ITEMS.format('EUR')}\n{DEALS}")
    assert pair.run("sync").exit_code == 0
    assert [row["status"] for row in pair.world.erp.rows("salesInvoices")] == ["Open"]
    assert pair.run("check").exit_code == 0


def test_what_was_taken_of_the_day_is_remembered_from_run_to_run(pair: Pair) -> None:
    pair.crm.switches.daily_headers = False
    pair.write(CUSTOMERS)
    assert pair.run("sync").exit_code == 0
    spent = pair.crm.tokens_spent
    assert f"crm: {spent} tokens taken today" in pair.run("status").stdout
    share = f"per_second: 60, daily_tokens: {spent + 5}, daily_share: 100"
    pair.world.file.write_text(pair.world.file.read_text().replace("per_second: 60", share))
    second = pair.run("sync")
    assert second.exit_code == 3 and "daily_share leaves the rest to others" in second.stderr
    assert pair.crm.tokens_spent <= spent + 5
    pair.crm.fault("html", status=403)
    pair.world.file.write_text(pair.world.file.read_text().replace(share, "per_second: 60"))
    assert "Cloudflare" in pair.run("sync").stderr
    asked = len(pair.crm.log)
    assert "nothing is sent until" in pair.run("status").stdout
    assert "Cloudflare" in pair.run("sync", "-v").stderr and len(pair.crm.log) == asked
