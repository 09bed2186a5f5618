"""What Pipedrive and Business Central are asked for: calls and tokens, counted at their emulators.

    python -m tests.benchmarks.bench_deals [--persons 10000] [--deals 1000]

Each count stands beside the least that the two APIs allow for the same work (`floor`): pages of 500 at 10 tokens, one
deep insert a document. Not a test: nothing here is asserted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from math import ceil
from pathlib import Path

from mlconnector.sandbox import Running
from mlconnector.systems.business_central.emulator import CLIENT_ID, CLIENT_SECRET, TENANT, BusinessCentral
from mlconnector.systems.pipedrive.emulator import API_TOKEN, Pipedrive

PAGE, PAGE_TOKENS, DEALS_A_CALL = 500, 10, 100
SYSTEMS = """
name: bench
state: {name}.db
systems:
  crm: {{kind: pipedrive, base_url: "{crm}", per_second: 60}}
  erp: {{kind: business_central, tenant: {tenant}, client_id: {client}, company: CRONUS International Ltd.,
        base_url: "{erp}", login_url: "{erp}"}}
flows:
"""
PERSONS = "  persons_to_contacts: {from: crm, to: erp}\n"
ACCOUNTS = """
  organizations_to_customers: {from: crm, to: erp}
  products_to_items: {from: crm, to: erp, currency: EUR}
"""
DEALS = """
  deals_to_documents: {from: crm, to: erp, won_since: 2020-01-01}
"""
BACK = """
  customers_to_organizations: {from: erp, to: crm}
  items_to_products: {from: erp, to: crm, currency: EUR}
"""


class Bench:
    """Both emulators, and runs of the program as processes of their own."""

    def __init__(self, folder: Path, crm: Pipedrive, erp: BusinessCentral) -> None:
        self.folder, self.crm, self.erp = folder, crm, erp
        crm.latency_seconds = erp.latency_seconds = 0.0
        self.urls = {"crm": Running(crm).url, "erp": Running(erp).url}

    def file(self, name: str, flows: str) -> None:
        text = SYSTEMS.format(name=name, tenant=TENANT, client=CLIENT_ID, **self.urls) + flows
        (self.folder / f"{name}.yaml").write_text(text)

    def pass_an_hour(self) -> None:
        """What was just made is behind the overlap then."""
        for emulator in (self.crm, self.erp):
            emulator.clock.advance(3600)

    def win(self, discount: int) -> None:
        """One more deal with a line."""
        people = self.crm.people
        deal = people.add("deal", title="One more", org_id=1, currency="EUR")
        people.add_line(deal, 1, 10, 2)
        if discount:
            people.discount(deal, discount)
        people.win(deal)

    def run(self, label: str, name: str, floor: str, *words: str) -> None:
        """One run; prints seconds, calls to either side and tokens."""
        tokens, began = self.crm.tokens_spent, time.perf_counter()
        self.crm.log.clear()
        self.erp.log.clear()
        environment = {
            **os.environ,
            "MLCONNECTOR_SECRET_CRM_API_TOKEN": API_TOKEN,
            "MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": CLIENT_SECRET,
        }
        command = [sys.executable, "-m", "mlconnector", "-q", "-c", str(self.folder / f"{name}.yaml"), "sync"]
        code = subprocess.run([*command, *words], env=environment, stdout=subprocess.DEVNULL).returncode
        if code:
            sys.exit(f"{label}: exit code {code}")
        seconds = time.perf_counter() - began
        spent, calls = self.crm.tokens_spent - tokens, len(self.crm.log)
        asked = f"Pipedrive {calls:3} calls {spent:4} tokens  Business Central {len(self.erp.log):4} calls"
        print(f"{label:<30} {seconds:6.1f} s  {asked}   {floor}")


def main(persons: int, deals: int) -> None:
    """Persons into an empty company; deals into one that has their customers and items; then nothing new."""
    with tempfile.TemporaryDirectory() as name:
        read = Bench(Path(name), Pipedrive(plan=None), BusinessCentral())
        read.crm.fill(persons=persons)
        read.file("persons", PERSONS)
        pages = ceil(persons / PAGE)
        floor = f"floor: {pages} Pipedrive calls, {pages * PAGE_TOKENS} tokens"
        read.run(f"{persons} persons, dry run", "persons", floor, "--dry-run")
        bench = Bench(Path(name), Pipedrive(plan=None), BusinessCentral())
        bench.crm.fill(organizations=50, products=40, won_deals=deals)
        bench.file("deals", ACCOUNTS + BACK)
        bench.run("50 organizations, 40 products", "deals", "")
        bench.file("deals", ACCOUNTS + DEALS + BACK)
        pages = ceil(deals / PAGE) + ceil(deals / DEALS_A_CALL)
        bench.run(
            f"{deals} won deals, an order each",
            "deals",
            f"floor: {pages + 1} Pipedrive calls, {deals} inserts",
        )
        bench.pass_an_hour()
        bench.run("the same once more, as overlap", "deals", "")
        bench.pass_an_hour()
        bench.run("nothing new, all flows", "deals", "floor: 4 Pipedrive calls, 50 tokens (no persons)")
        for label, discount in (("one more deal", 0), ("one more, with a discount", 5)):
            bench.pass_an_hour()
            bench.win(discount)
            floor = (
                f"floor: {4 if discount else 3} Business Central calls for it, the rest reads what changed"
            )
            bench.run(label, "deals", floor)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--persons", type=int, default=10_000)
    parser.add_argument("--deals", type=int, default=1_000)
    arguments = parser.parse_args()
    main(arguments.persons, arguments.deals)
