"""Pipedrive and Business Central with all six flows, run after run, and what was ever made in the ERP.

The run is the program's own but for the command line: its waits take no time, and time passes only when told to.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from mlconnector.cli.flows import in_order, source_key, ties
from mlconnector.cli.systems import Systems
from mlconnector.config import BoundFlow, load_connection
from mlconnector.engine import FlowRun
from mlconnector.errors import ConnectorError, Stop
from mlconnector.lanes import Job
from mlconnector.ledger import Ledger
from mlconnector.model import LedgerEntry, Tools
from mlconnector.sandbox import Clock, Reply, Request, Running
from mlconnector.systems.business_central.emulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    TENANT,
    BusinessCentral,
)
from mlconnector.systems.pipedrive.emulator import API_TOKEN, Pipedrive
from tests.crash.loop import Door, Fuse, Fused
from tests.toys import Crash, FusedLedger, Watcher

START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
WON_SINCE = "2026-06-01"
TOKEN = "Connector"
"""A custom field of organizations and persons that never changes: by it one is told from another for ever."""
SECRETS = {"erp.client_secret": CLIENT_SECRET, "crm.api_token": API_TOKEN}
LATE_SECONDS = 700.0
"""After so long nothing that was sent is still being carried out."""

FILE = """
name: nordkran
state: state.db
overlap: 30s
systems:
  crm: {{kind: pipedrive, base_url: "{crm}", per_second: 60}}
  erp: {{kind: business_central, company: CRONUS International Ltd., base_url: "{erp}", {login}}}
flows:
  organizations_to_customers: {{from: crm, to: erp, map: {{phoneNumber: custom_fields.Connector}}}}
  persons_to_contacts: {{from: crm, to: erp, map: {{jobTitle: custom_fields.Connector}}}}
  products_to_items: {{from: crm, to: erp, currency: EUR}}
  deals_to_documents: {{from: crm, to: erp, won_since: {won_since}, document: {document}, post: {post},
                       on_unwon: {on_unwon}}}
  customers_to_organizations: {{from: erp, to: crm, new: {back}}}
  items_to_products: {{from: erp, to: crm, currency: EUR, new: {back}}}
"""


class Made:
    """What API calls ever made in the ERP, those that are gone since too: by what tells records apart, their ids."""

    def __init__(self) -> None:
        self.ids: defaultdict[str, set[str]] = defaultdict(set)
        self.posted: defaultdict[str, set[str]] = defaultdict(set)
        self.spare: Counter[str] = Counter()
        """How many more may be made, since a person gave what there was to another record."""
        self.beside: set[str] = set()
        """Deals that had two documents at one time."""
        self._known: set[str] = set()

    def note(self, erp: BusinessCentral, *, by_people: bool = False) -> None:
        """Looks at all there is; what is new was made by people or by the call just now."""
        there = Counter(what for what, _ in _identified(erp) if what.startswith("document "))
        self.beside |= {what for what, count in there.items() if count > 1}
        for what, row in _identified(erp):
            if row["id"] not in self._known and not by_people and not what.endswith(" "):
                self.ids[what].add(row["id"])
            self._known.add(row["id"])
        for row in erp.rows("salesInvoices"):
            if row["status"] != "Draft" and row["remainingAmount"]:
                self.posted[row["externalDocumentNumber"]].add(row["id"])

    def check(self) -> None:
        """Nothing was made twice, and nothing posted twice."""
        assert not self.beside, f"two documents at one time: {self.beside}"
        for what, ids in self.ids.items():
            assert len(ids) <= 1 + self.spare[what], f"{what} was made {len(ids)} times"
        for number, ids in self.posted.items():
            assert len(ids) == 1, f"{number} was posted {len(ids)} times"

    def documents(self) -> set[str]:
        """The external numbers of all documents that ever were."""
        return {what.removeprefix("document ") for what in self.ids if what.startswith("document ")}


def _identified(erp: BusinessCentral) -> Iterator[tuple[str, Any]]:
    """Each record and what it was made for; a posted invoice that an order became is no other document."""
    for row in erp.rows("customers"):
        yield f"customer {row['phoneNumber']}", row
    for row in erp.rows("contacts"):
        if row["type"] == "Person":
            yield f"contact {row['jobTitle']}", row
    for row in erp.rows("items"):
        yield f"item {row['number']}", row
    for row in [*erp.rows("salesOrders"), *erp.rows("salesInvoices")]:
        if not row.get("orderNumber"):
            yield f"document {row['externalDocumentNumber']}", row


class PairErp(Fused, BusinessCentral):
    """Notes after each request what there is."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.made = Made()

    def answer(self, request: Request) -> Reply:
        drafts = self._drafts() if request.method == "DELETE" else Counter()
        reply = super().answer(request)
        if request.method != "GET":
            self.made.note(self)
        if request.method == "DELETE":  # `on_unwon: delete`: if its deal is won again, it gets another one
            self.made.spare += drafts - self._drafts()
        return reply

    def _drafts(self) -> Counter[str]:
        """How many drafts there are, by what they were made for."""
        drafts = [
            row
            for row in [*self.rows("salesOrders"), *self.rows("salesInvoices")]
            if row["status"] == "Draft"
        ]
        return Counter(f"document {row['externalDocumentNumber']}" for row in drafts)


class PairCrm(Fused, Pipedrive):
    pass


@cache
def doors() -> tuple[Door, str, Door, str]:
    """Two ports for all examples: the ERP's and Pipedrive's."""
    erp, crm = Door(), Door()
    return erp, Running(erp).url, crm, Running(crm).url


class PairLoop:
    """The two systems, the state file, and runs of all flows."""

    def __init__(
        self,
        *,
        document: str = "order",
        post: bool = False,
        on_unwon: str = "flag",
        back: str = "ignore",
        erp: type[PairErp] = PairErp,
        crm: type[PairCrm] = PairCrm,
        real_time: bool = False,
        profile: str = "online",
    ) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock, self.fuse = Clock(), Fuse()
        if not real_time:
            self.clock.freeze(START)
        self.erp, self.crm = erp(clock=self.clock, profile=profile), crm(plan=None, clock=self.clock)
        self.erp.rate_limit = None
        self.erp.fuse = self.crm.fuse = self.fuse
        self.people = self.crm.people
        for kind in ("organization", "person"):
            self.people.add_field(kind, TOKEN)
        self.watcher = Watcher()
        erp_url, crm_url = self.addresses()
        self.file = Path(self.folder.name) / "nordkran.yaml"
        self.secrets, login = (
            dict(SECRETS),
            f'login_url: "{erp_url}", tenant: {TENANT}, client_id: {CLIENT_ID}',
        )
        if (server := self.erp.server) is not None:
            server.api_services_enabled = True
            self.secrets["erp.password"] = server.password
            erp_url, login = f"{erp_url}/{server.instance}", "login: basic, user: SYNC"
        text = FILE.format(
            login=login, erp=erp_url, crm=crm_url, won_since=WON_SINCE,
            document=document, post=str(post).lower(), on_unwon=on_unwon, back=back,
        )  # fmt: skip
        self.file.write_text(text)
        self.connection = load_connection(self.file, {})

    def addresses(self) -> tuple[str, str]:
        """Where the ERP and Pipedrive are."""
        erp_door, erp_url, crm_door, crm_url = doors()
        erp_door.open_to(self.erp)
        crm_door.open_to(self.crm)
        return erp_url, crm_url

    def rewrite(self, old: str, new: str) -> None:
        """Changes the connection file."""
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))
        self.connection = load_connection(self.file, {})

    def close(self) -> None:
        self.folder.cleanup()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # records

    def add_organization(self, name: str, **fields: Any) -> int:
        number = len(self.people.records("organization")) + 1
        return self.people.add("organization", {TOKEN: f"555 {number}"}, name=name, **fields)

    def add_person(self, name: str, organization: int | None, email: str = "") -> int:
        number = len(self.people.records("person")) + 1
        emails = {"emails": [{"value": email}]} if email else {}
        return self.people.add("person", {TOKEN: f"Nr {number}"}, name=name, org_id=organization, **emails)

    def add_product(self, name: str, code: str, price: float) -> int:
        prices = [{"currency": "EUR", "price": price}]
        return self.people.add("product", name=name, code=code, prices=prices)

    # runs

    def run(
        self, how: str = "sync", *, adopt: bool = False, crash_after: int | None = None, replay: bool = False
    ) -> None:
        """One process: all flows; errors end it as they would."""
        self.fuse.left, self.fuse.dead = crash_after, False
        try:
            with contextlib.suppress(Stop, Crash), self.opened() as ledger:
                self._act(ledger, how, adopt, replay)
        finally:
            self.fuse.left, self.fuse.dead = None, False

    def _act(self, ledger: Ledger, how: str, adopt: bool, replay: bool) -> None:
        systems = Systems(self.connection, self.secrets, Tools(self.clock.now, self._sleep))
        run_id = ledger.history.start(how)
        finished: set[str] = set()
        try:
            for bound in in_order(self.connection.flows):
                follows, name = bound.flow.follows, bound.flow.name
                if (adopt and not bound.flow.fields) or (follows and follows not in finished):
                    continue
                with _going_on():
                    getattr(FlowRun(self._job(systems, bound, ledger, run_id, adopt)), how)()
                    finished.add(name)
                if replay:
                    with _going_on():
                        run = FlowRun(self._job(systems, bound, ledger, run_id, adopt))
                        run.replay(ledger.unsettled(name))
            ledger.history.end(run_id, 0)
        finally:
            systems.close()

    def replay(self, flow: str, *ids: str) -> None:
        """As `mlconnector replay --record` does, in one flow."""
        with self.opened() as ledger:
            systems = Systems(self.connection, SECRETS, Tools(self.clock.now, self._sleep))
            (bound,) = (one for one in self.connection.flows if one.flow.name == flow)
            FlowRun(self._job(systems, bound, ledger, ledger.history.start("replay"), False)).replay(ids)
            systems.close()

    def _job(self, systems: Systems, bound: BoundFlow, ledger: Ledger, run_id: int, adopt: bool) -> Job:
        flow = bound.flow
        return Job(
            flow=flow,
            entity=systems.connected(flow.target).entity(flow.into),
            source=systems.source_of(flow, ledger),
            target=systems.target(bound),
            ledger=ledger,
            run_id=run_id,
            overlap=self.connection.overlap,
            now=self.clock.now,
            stop_requested=lambda: False,
            observer=self.watcher,
            named_by=source_key(self.connection, bound),
            ties=ties(self.connection, bound),
            adopt=adopt,
        )

    def _sleep(self, seconds: float) -> None:
        if self.fuse.dead:
            raise Crash
        if seconds > 0.5:  # a pause that a system asked for, not the pace of calls
            self.clock.advance(seconds)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Ledger]:
        FusedLedger.fuse = self.fuse
        ledger = FusedLedger.open(self.connection.state, "nordkran", self.clock.now)
        try:
            yield ledger
        finally:
            ledger.close()

    def settle(self) -> None:
        """Clean runs, until nothing is left that a run without a person could do."""
        self.erp.faults.clear()
        self.crm.faults.clear()
        for _ in range(3):
            self.pass_time(LATE_SECONDS)
            self.run("full", replay=True)

    def writes(self) -> int:
        """Calls so far that may have changed a record in one of the systems."""
        return sum(map(_writes, [*self.erp.log, *self.crm.log]))

    def link(self, organization: int, customer: str) -> None:
        """As `mlconnector link` does, by the customer's id."""
        with self.opened() as ledger:
            before = ledger.links(("erp", "customer"), ("crm", "organization"), [customer]).get(customer)
            if before is not None and before.id != str(organization):
                self.erp.made.spare[f"customer 555 {before.id}"] += 1
            here, there = ("crm", "organization"), ("erp", "customer")
            ledger.link_by_hand("organizations_to_customers", here, there, str(organization), customer)

    # what there is

    def look(self) -> Ledger:
        return Ledger.look(self.connection.state, "nordkran", self.clock.now)

    def entries(self, flow: str, ids: list[str]) -> dict[str, LedgerEntry]:
        with self.look() as ledger:
            return ledger.entries(flow, ids)

    def links(self, entity: str, into: str, ids: list[str]) -> dict[str, str]:
        with self.look() as ledger:
            return {one: link.id for one, link in ledger.links(("crm", entity), ("erp", into), ids).items()}

    def documents(self, deal: int) -> list[dict[str, Any]]:
        """All documents of a deal, with their lines and what they are."""
        number = f"PD-{deal}"
        found: list[dict[str, Any]] = []
        for kind, lines in (("salesOrders", "salesOrderLines"), ("salesInvoices", "salesInvoiceLines")):
            for row in self.erp.rows(kind):
                if row["externalDocumentNumber"] == number:
                    of_it = [line for line in self.erp.rows(lines) if line["documentId"] == row["id"]]
                    found.append({**row, "kind": kind, "lines": of_it})
        return found

    def state_is_sound(self) -> bool:
        with contextlib.closing(sqlite3.connect(self.connection.state)) as db:
            return bool(db.execute("PRAGMA integrity_check").fetchone() == ("ok",))


@contextlib.contextmanager
def _going_on() -> Iterator[None]:
    """A flow that ends early does not keep the next one from running."""
    try:
        yield
    except Stop:
        raise
    except ConnectorError:
        pass


def _writes(entry: Any) -> bool:
    """A `$batch` of reads and a log-in write nothing."""
    if entry.method == "GET" or entry.path.endswith("/token"):
        return False
    if entry.path.endswith("$batch"):
        return any(f'"method":"{one}"' in entry.body for one in ("POST", "PATCH", "DELETE"))
    return True


# a small pair

WANTED_LINES = [(Decimal("1.5"), Decimal("19.9")), (Decimal(2), Decimal(100))]
TOTALS = {1: Decimal("226.86"), 2: Decimal("215.52")}


def fill(loop: PairLoop) -> None:
    """One organization, person and product; two won deals with two lines each, the second with a discount on all."""
    people = loop.people
    organization = loop.add_organization("Nordkran AB")
    person = loop.add_person("Anna Lind", organization, "anna@nordkran.se")
    product = loop.add_product("Desk", "A-1", 100)
    people.edit("product", product, unit="pcs")
    for title in ("First", "Second"):
        deal = people.add("deal", title=title, org_id=organization, person_id=person, currency="EUR")
        people.add_line(deal, product, 100, 2)
        people.add_line(deal, product, 19.9, 1.5, discount=10)
        if title == "Second":
            people.discount(deal, 5)
        people.win(deal)


def check(loop: PairLoop, *, posted: bool, told: str = "") -> None:
    """Each deal has its one document, with all it says, posted once if that is wanted; nothing else was made."""
    loop.erp.made.note(loop.erp)
    loop.erp.made.check()
    for deal, total in TOTALS.items():
        (document,) = loop.documents(deal)
        lines = [
            (Decimal(str(line["quantity"])), Decimal(str(line["unitPrice"]))) for line in document["lines"]
        ]
        assert sorted(lines) == WANTED_LINES, told
        assert Decimal(str(document["totalAmountExcludingTax"])) == total, told
        assert (document["status"] == "Draft") is not posted, told
        assert len(loop.erp.made.posted.get(f"PD-{deal}", ())) == int(posted), told
    contacts = [row for row in loop.erp.rows("contacts") if row["type"] == "Person"]
    counts = (len(loop.erp.rows("customers")), len(contacts), len(loop.erp.rows("items")))
    assert counts == (1, 1, 1), told
    assert loop.state_is_sound(), told
