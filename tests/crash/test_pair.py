"""Random operations on Pipedrive and Business Central with all six flows between them.

Whatever people, the network and the machine do: no deal has two documents, nothing is posted or made twice, and when
all is quiet it settles, each won deal has its document or a code that says why, and linked records say the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlconnector.systems.pipedrive.emulator_errors import Problem
from tests.crash.loop import configured
from tests.crash.pair import PairLoop

LONG = "Nordkran Vertriebsgesellschaft " * 4
FIRMS = ["Nordkran AB", "Syd", "Öst Kran", LONG.strip()]
TOWNS = ["Ulm", "Lund", ""]
PEOPLE = ["Anna Lind", "Bo Ek", "Eva Å"]
CODES = ["A-1", "B-2", "C-3"]
PRICES = [100.0, 19.9, 0.05]
OVERLAP = timedelta(seconds=30)
GONE_ASTRAY = (KeyError, ValueError, Problem)
"""What people are told when they want to do what cannot be done (any more)."""
PLACE = st.integers(0, 5)
STATES = ["win", "win", "win", "reopen", "lose", "delete", "restore", "archive", "unarchive"]
ACTS = ["release", "reopen", "post", "delete_draft", "delete_draft", "add_line", "edit_line", "delete_line"]


class PairMachine(RuleBasedStateMachine):
    """Records are named by their place among those of their kind; what is not there is let be."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = PairLoop()
        self.won: set[str] = set()
        """External numbers of deals that were won, since the day from which deals count."""
        self.touched: set[str] = set()
        """Those whose document people had in their hands."""
        self.late: list[tuple[datetime, Any]] = []

    @initialize(
        document=st.sampled_from(["order", "invoice"]),
        post=st.booleans(),
        on_unwon=st.sampled_from(["flag", "delete"]),
        back=st.sampled_from(["ignore", "create"]),
        full=st.booleans(),
        adopt=st.booleans(),
    )
    def begin(self, document: str, post: bool, on_unwon: str, back: str, full: bool, adopt: bool) -> None:
        self.loop.close()
        self.post = post
        self.loop = PairLoop(document=document, post=post, on_unwon=on_unwon, back=back)
        self.people, self.desk = self.loop.people, self.loop.erp.people
        for firm, code in zip(FIRMS[:2], CODES[:2], strict=True):
            self.loop.add_organization(firm)
            self.loop.add_product(f"Product {code}", code, 100)
            if full:
                with self._in_the_erp():
                    self.loop.erp.add("customers", displayName=firm, city="Rom")
                    self.loop.erp.add("items", number=code, displayName=f"Item {code}", unitPrice="7")
        self.loop.add_person(PEOPLE[0], 1, "anna@nordkran.se")
        self.add_deal(0, [100.0, 19.9], 5, False, True)
        if adopt:
            self.loop.run(adopt=True)

    # people in Pipedrive

    def _id(self, kind: str, place: int) -> int:
        ids = [row["id"] for row in self.people.records(kind)]
        return int(ids[place % len(ids)]) if ids else 0

    @rule(name=st.sampled_from(FIRMS), town=st.sampled_from(TOWNS))
    def add_organization(self, name: str, town: str) -> None:
        self.loop.add_organization(name, **_address(town))

    @rule(place=PLACE, name=st.sampled_from(FIRMS), town=st.sampled_from(TOWNS))
    def edit_organization(self, place: int, name: str, town: str) -> None:
        with contextlib.suppress(*GONE_ASTRAY):
            self.people.edit("organization", self._id("organization", place), name=name, **_address(town))

    @rule(name=st.sampled_from(PEOPLE), place=st.none() | PLACE, mail=st.booleans())
    def add_person(self, name: str, place: int | None, mail: bool) -> None:
        organization = None if place is None else self._id("organization", place)
        with contextlib.suppress(*GONE_ASTRAY):
            self.loop.add_person(name, organization, f"{name.split()[0].lower()}@syd.se" if mail else "")

    @rule(place=PLACE, name=st.sampled_from(PEOPLE), organization=PLACE)
    def edit_person(self, place: int, name: str, organization: int) -> None:
        with contextlib.suppress(*GONE_ASTRAY):
            number = self._id("organization", organization)
            self.people.edit("person", self._id("person", place), name=name, org_id=number)

    @rule(place=PLACE, price=st.sampled_from(PRICES), linkable=st.booleans())
    def edit_product(self, place: int, price: float, linkable: bool) -> None:
        prices = [{"currency": "EUR", "price": price}]
        with contextlib.suppress(*GONE_ASTRAY):
            self.people.edit("product", self._id("product", place), prices=prices, is_linkable=linkable)

    @rule(code=st.sampled_from(CODES))
    def add_product(self, code: str) -> None:
        self.loop.add_product(f"Product {code}", code, 5)

    @rule(kind=st.sampled_from(["organization", "person"]), gone=PLACE, into=PLACE, merge=st.booleans())
    def merge_or_delete(self, kind: str, gone: int, into: int, merge: bool) -> None:
        with contextlib.suppress(*GONE_ASTRAY):
            if merge:
                self.people.merge(kind, self._id(kind, gone), self._id(kind, into))
            else:
                self.people.delete(kind, self._id(kind, gone))

    @rule(
        firm=PLACE,
        prices=st.lists(st.sampled_from(PRICES), max_size=3),
        discount=st.sampled_from([0, 5]),
        old=st.sampled_from([False, False, False, True]),
        win=st.booleans(),
    )
    def add_deal(self, firm: int, prices: list[float], discount: int, old: bool, win: bool) -> None:
        with contextlib.suppress(*GONE_ASTRAY):
            firm = self._id("organization", firm)
            deal = self.people.add("deal", title="A deal", org_id=firm, currency="EUR")
            for place, price in enumerate(prices):
                self.people.add_line(deal, self._id("product", place), price, place + 1)
            if discount and prices:
                self.people.discount(deal, discount)
            if old:
                self.people.edit("deal", deal, status="won", won_time="2026-05-01T10:00:00Z")
            elif win:
                self._move(deal, "win")

    @rule(
        kind=st.sampled_from(["lost-answer", "lost-answer", "cut", "drop", "status"]),
        path=st.sampled_from(["salesOrders$|salesInvoices$|batch", "NAV"]),
        steps=st.none() | st.integers(30, 120),
        meanwhile=st.sampled_from(["", "reopen", "delete", "delete_draft", "release", "post", "edit_line"]),
        seconds=st.sampled_from([1, 700]),
    )
    def win_in_trouble(self, kind: Any, path: str, steps: int | None, meanwhile: str, seconds: int) -> None:
        """A deal is won, its document or posting gets into trouble, and people go on before the next run does.

        In the end it is won in any case, with another quantity.
        """
        self.the_line_is_good_again()
        self.loop.erp.fault(kind, method="POST", path=path, status=503, times=2)
        self.add_deal(0, [100.0], 5, False, True)
        self._run("sync", steps)
        self.loop.erp.faults.clear()
        last = len(self.people.records("deal")) - 1
        if meanwhile in ("reopen", "delete"):
            self.move_deal(last, meanwhile)
        elif meanwhile:
            self.handle_document(-1, meanwhile, 2)
        self.run("sync", seconds)
        self.move_deal(last, "restore" if meanwhile == "delete" else "win")
        self.change_lines(last, 100.0, 2, 1)
        self.run("sync", seconds)

    @rule(place=PLACE, what=st.sampled_from(STATES))
    def move_deal(self, place: int, what: str) -> None:
        with contextlib.suppress(*GONE_ASTRAY):
            self._move(self._id("deal", place), what)

    def _move(self, deal: int, what: str) -> None:
        if what in ("delete", "restore"):
            getattr(self.people, what)("deal", deal)
        else:
            getattr(self.people, what)(deal)
        row = self.people.record("deal", deal)
        if row["status"] == "won" and row["won_time"] >= "2026-06-01":
            self.won.add(f"PD-{deal}")

    @rule(place=PLACE, price=st.sampled_from(PRICES), quantity=st.integers(1, 3), how=st.integers(0, 2))
    def change_lines(self, place: int, price: float, quantity: int, how: int) -> None:
        with contextlib.suppress(*GONE_ASTRAY):
            deal = self._id("deal", place)
            lines = self.people.lines(deal)
            if how == 0 or not lines:
                self.people.add_line(deal, self._id("product", place), price, quantity)
            elif how == 1:
                self.people.edit_line(deal, lines[0]["id"], item_price=price, quantity=quantity)
            else:
                self.people.remove_line(deal, lines[0]["id"])

    # people in Business Central

    @contextlib.contextmanager
    def _in_the_erp(self) -> Iterator[None]:
        self.loop.erp.made.note(self.loop.erp)
        with contextlib.suppress(*GONE_ASTRAY):
            yield
        self.loop.erp.made.note(self.loop.erp, by_people=True)

    def _number(self, entity: str, place: int) -> str:
        rows = self.loop.erp.rows(entity)
        return str(rows[place % len(rows)]["number"]) if rows else ""

    @rule(place=PLACE, name=st.sampled_from(FIRMS[:3]), town=st.sampled_from(TOWNS))
    def edit_customer(self, place: int, name: str, town: str) -> None:
        with self._in_the_erp():
            self.loop.erp.edit("customers", self._number("customers", place), displayName=name, city=town)

    @rule(place=PLACE, town=st.sampled_from(TOWNS))
    def begin_late(self, place: int, town: str) -> None:
        """Stamped now, visible later."""
        if not self.late:
            with self._in_the_erp():
                edit = self.loop.erp.edit_late("customers", self._number("customers", place), city=town)
                self.late.append((self.loop.clock.now(), edit))

    @rule()
    def commit_late(self) -> None:
        while self.late:
            with self._in_the_erp():
                self.late.pop()[1].commit()

    @rule(name=st.sampled_from(FIRMS[:3]))
    def add_customer(self, name: str) -> None:
        with self._in_the_erp():
            self.loop.erp.add("customers", displayName=name)

    @rule(gone=PLACE, into=PLACE)
    def merge_customers(self, gone: int, into: int) -> None:
        with self._in_the_erp():
            one, other = self._number("customers", gone), self._number("customers", into)
            if one != other:
                self.desk.merge_customers(one, other)

    @rule(place=PLACE, price=st.sampled_from(PRICES), blocked=st.booleans())
    def edit_item(self, place: int, price: float, blocked: bool) -> None:
        with self._in_the_erp():
            self.loop.erp.edit("items", self._number("items", place), unitPrice=str(price), blocked=blocked)

    @rule(place=PLACE, blocked=st.sampled_from(["All", "Ship", ""]))
    def block_customer(self, place: int, blocked: str) -> None:
        with self._in_the_erp():
            self.desk.block("customers", self._number("customers", place), blocked)

    @rule(place=PLACE, act=st.sampled_from(ACTS), quantity=st.integers(1, 3))
    def handle_document(self, place: int, act: str, quantity: int) -> None:
        documents = [*self.loop.erp.rows("salesOrders"), *self.loop.erp.rows("salesInvoices")]
        if not documents:
            return
        row = documents[place % len(documents)]
        self.touched.add(row["externalDocumentNumber"])
        with self._in_the_erp():
            if act == "add_line":
                item = self.loop.erp.row("items", CODES[0])
                self.desk.add_line(row["number"], itemId=item["id"], quantity=quantity)
            elif act == "edit_line":
                self.desk.edit_line(row["number"], 10_000, quantity=quantity)
            elif act == "delete_line":
                self.desk.delete_line(row["number"], 10_000)
            elif act == "delete_draft":
                if row["status"] == "Draft":
                    self._delete_draft(row)
            else:
                getattr(self.desk, act)(row["number"])

    def _delete_draft(self, row: Any) -> None:
        """One that went away before any run saw that it had been made is made again, and nobody can help it."""
        number = row["externalDocumentNumber"]
        entry = self.loop.entries("deals_to_documents", [number[3:]]).get(number[3:])
        if entry is None or entry.target_id is None:
            self.loop.erp.made.spare[f"document {number}"] += 1
        self.desk.delete_draft(row["number"])

    # what the network does

    @rule(
        kind=st.sampled_from(["lost-answer", "cut", "drop", "status", "expired-token"]),
        method=st.sampled_from(["", "POST", "PATCH", "GET", "DELETE"]),
        skip=st.integers(0, 6),
        times=st.sampled_from([1, 1, 2, 9]),
        status=st.sampled_from([429, 503]),
        here=st.booleans(),
    )
    def trouble_is_near(self, kind: Any, method: str, skip: int, times: int, status: int, here: bool) -> None:
        system = self.loop.crm if here else self.loop.erp
        system.fault(kind, method=method, skip=skip, times=times, status=status)

    @rule(path=st.sampled_from(["batch", "customers", "contacts", "sales", "NAV"]), times=st.integers(1, 2))
    def answers_to_creates_get_lost(self, path: str, times: int) -> None:
        self.loop.erp.fault("lost-answer", method="POST", path=path, times=times)

    @rule(method=st.sampled_from(["GET", "PATCH", "DELETE"]), skip=st.integers(0, 6))
    def a_request_arrives_twice(self, method: str, skip: int) -> None:
        """Of those that may be repeated; a create that arrives twice makes two, and nobody can help it."""
        self.loop.erp.fault("duplicate", method=method, skip=skip)

    @rule()
    def the_line_is_good_again(self) -> None:
        self.loop.crm.faults.clear()
        self.loop.erp.faults.clear()

    # what the tool does

    @rule(seconds=st.sampled_from([1, 5, 20, 700]))
    def wait(self, seconds: int) -> None:
        """A transaction lives no longer than the overlap."""
        if self.late and self.loop.clock.now() - self.late[0][0] > OVERLAP - timedelta(seconds=seconds + 1):
            self.commit_late()
        self.loop.pass_time(seconds)

    @rule(how=st.sampled_from(["sync", "sync", "full"]), seconds=st.sampled_from([0, 1, 700]))
    def run(self, how: str, seconds: int) -> None:
        self.wait(seconds)
        self._run(how)

    @rule(how=st.sampled_from(["sync", "full"]), steps=st.integers(1, 90))
    def crash_in_a_run(self, how: str, steps: int) -> None:
        self._run(how, steps)

    @rule(at=st.integers(1, 12), place=PLACE, what=st.sampled_from(STATES), act=st.sampled_from(ACTS))
    def run_while_people_work(self, at: int, place: int, what: str, act: str) -> None:
        left = at

        def count_down() -> None:
            nonlocal left
            left -= 1
            if left:
                self.loop.erp.meanwhile = count_down
            else:
                self.move_deal(place, what)
                self.handle_document(place, act, 1)

        self.loop.erp.meanwhile = count_down
        self._run("sync")
        self.loop.erp.meanwhile = None

    def _run(self, how: str, crash_after: int | None = None) -> None:
        if self.late and self.loop.clock.now() - self.late[0][0] >= OVERLAP / 2:
            self.commit_late()
        self.loop.run(how, crash_after=crash_after)
        self.commit_late()

    @rule(place=PLACE, other=PLACE)
    def link_by_hand(self, place: int, other: int) -> None:
        customers = self.loop.erp.rows("customers")
        if customers and self.people.records("organization"):
            customer = customers[other % len(customers)]["id"]
            self.loop.link(self._id("organization", place), customer)

    # what must hold

    @invariant()
    def nothing_is_made_or_posted_twice(self) -> None:
        made = self.loop.erp.made
        made.check()
        assert made.documents() <= self.won, "a document for a deal that was never won"

    def teardown(self) -> None:
        try:
            self.commit_late()
            self.loop.erp.meanwhile = None
            self.loop.settle()
            self.nothing_is_made_or_posted_twice()
            self._it_comes_to_rest()
            self._each_deal_has_its_document_or_a_code()
            self._linked_customers_agree()
            self._linked_pairs_agree("product", "item", self._item_agrees)
            self._linked_pairs_agree("person", "contact", self._contact_agrees)
            assert self.loop.state_is_sound()
        finally:
            self.loop.close()

    def _it_comes_to_rest(self) -> None:
        before = self.loop.writes()
        for how in ("sync", "full"):
            self.loop.pass_time(100)
            self.loop.run(how)
        assert self.loop.writes() == before, "it never comes to rest"

    def _each_deal_has_its_document_or_a_code(self) -> None:
        deals = {str(row["id"]): row for row in self.people.records("deal")}
        entries = self.loop.entries("deals_to_documents", list(deals))
        posted = self.loop.entries("deals_to_documents.post", list(deals))
        for id_, deal in deals.items():
            number = f"PD-{id_}"
            if deal["status"] != "won" or deal["is_deleted"] or deal["won_time"] < "2026-06-01":
                continue
            entry = entries[id_]
            if entry.status != "done":
                assert entry.code, entry
                continue
            documents = self.loop.documents(int(id_))
            assert len(documents) == 1 or number in self.touched, entry
            for document in documents if number not in self.touched else ():
                assert _is_near(document["totalAmountExcludingTax"], deal["value"]), (entry, document)
            if self.post:
                assert posted[id_].code, posted[id_]
                assert posted[id_].status != "done" or len(self.loop.erp.made.posted[number]) == 1

    def _linked_pairs_agree(self, kind: str, into: str, agree: Callable[[Any, Any], bool]) -> None:
        """But where a person's change in the target stands."""
        ours = {str(row["id"]): row for row in self.people.records(kind)}
        theirs = {row["id"]: row for row in self.loop.erp.rows(f"{into}s")}
        links = self.loop.links(kind, into, list(ours))
        entries = self.loop.entries(f"{kind}s_to_{into}s", list(links))
        for one, other in links.items():
            if ours[one]["is_deleted"] or other not in theirs or one not in entries:
                continue
            entry = entries[one]
            assert entry.status == "done" or entry.code, entry
            if entry.status == "done" and entry.code != "conflict-kept":
                assert agree(ours[one], theirs[other]), (entry, ours[one], theirs[other])

    def _item_agrees(self, product: Any, item: Any) -> bool:
        if item["displayName"].startswith(
            "Item "
        ):  # it was there before, and nobody changed the product since
            return True
        prices = [one["price"] for one in product["prices"] if one["currency"] == "EUR"]
        alike = product["name"] == item["displayName"] and product["is_linkable"] is not item["blocked"]
        return alike and all(Decimal(str(price)) == Decimal(str(item["unitPrice"])) for price in prices)

    def _contact_agrees(self, person: Any, contact: Any) -> bool:
        return bool(person["name"] == contact["displayName"])

    def _linked_customers_agree(self) -> None:
        organizations = {str(row["id"]): row for row in self.people.records("organization")}
        links = self.loop.links("organization", "customer", list(organizations))
        entries = self.loop.entries("organizations_to_customers", list(links))
        customers = {row["id"]: row for row in self.loop.erp.rows("customers")}
        for one, other in links.items():
            if organizations[one]["is_deleted"] or other not in customers or one not in entries:
                continue
            assert entries[one].status == "done" or entries[one].code, entries[one]
            if entries[one].status == "done":
                self._agree(organizations[one], customers[other], entries[one])

    def _agree(self, organization: Any, customer: Any, entry: Any) -> None:
        told = (
            entry,
            organization["name"],
            organization["address"],
            customer["displayName"],
            customer["city"],
        )
        assert (
            organization["name"][:100].strip() == customer["displayName"] or entry.code == "conflict-kept"
        ), told
        town, there = (organization["address"] or {}).get("locality"), customer["city"]
        assert town == there or not (town and there) or entry.code == "conflict-kept", told


def _address(town: str) -> dict[str, Any]:
    return {"address": {"value": town, "locality": town} if town else None}


def _is_near(one: Any, other: Any) -> bool:
    return abs(Decimal(str(one)) - Decimal(str(other))) <= Decimal("0.05")


TestPair: Callable[..., Any] = configured(PairMachine, 25, 20)
