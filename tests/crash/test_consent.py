"""Whatever people, the ERP, the network and the process do: no run ever turns an opt-out back.

A model of every status and every path into and out of it, over the real loop. What moved whom is read from the
emulator's journal of transitions after each step.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlconnector.ledger import forgetting
from mlconnector.sandbox import Reply, Request
from mlconnector.systems.mailchimp.write import FEW
from tests.crash.loop import FusedMail, Loop, configured

ADDRESSES = [f"p{place}@nordkran.se" for place in range(6)]
NUMBERS = [str(10000 + place) for place in range(6)]
MANY = [(str(20000 + place), f"q{place}@nordkran.se") for place in range(FEW + 2)]
"""Enough to make a large chunk; in such an example the first of them are acted on as well."""
ON_RECORD = {"archived", "compliance-state", "forgotten", "forgotten-address", "key-taken", "member-gone"}
"""Why a customer with an address may have no member."""
STATUSES = ["subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived"]
STORIES = [
    ["return", "leave", "archive", "unarchive", "opt out", "move"],
    ["return", "archive", "move"],
    ["return", "archive", "leave", "return"],
    ["return", "leave", "opt out", "return"],
    ["return", "leave", "unarchive", "archive", "return"],
    ["return", "leave", "unarchive", "opt out", "return", "leave", "return"],
    ["return", "opt out", "leave", "return", "move", "return"],
    ["return", "leave", "move", "return"],
]
SWITCHES: dict[str, st.SearchStrategy[Any]] = {
    "bulk_unchanged": st.sampled_from(["updated", "omitted"]),
    "bulk_legacy": st.booleans(),
    "since_last_changed": st.sampled_from(["exclusive", "inclusive"]),
    "members_without_status": st.sampled_from(["not-archived", "all"]),
    "cleaned_to_pending": st.sampled_from(["accepted", "compliance"]),
    "archived_status_if_new": st.sampled_from(["archived", "unarchived"]),
    "to_transactional": st.sampled_from(["unchanged", "applied"]),
    "incomplete_address": st.sampled_from(["refused", "ignored"]),
    "shorter_bulk_members": st.booleans(),
    "collection_lag_seconds": st.sampled_from([0.0, 20.0]),
}


class Move(NamedTuple):
    """A change of status of one contact. `bulk` says that a bulk call did it, `by` is api, person or admin."""

    contact: str
    email: str
    old: str
    new: str
    by: str
    at: datetime
    bulk: bool


class WatchedMail(FusedMail):
    """Keeps the journal by contact, since addresses change."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.moves: list[Move] = []
        self.before_bulk: Callable[[], None] | None = None
        self._known = 0

    def answer(self, request: Request) -> Reply:
        bulk = request.method == "POST" and request.path.rpartition("/lists/")[2].isalnum()
        if bulk and self.before_bulk is not None:
            happens, self.before_bulk = self.before_bulk, None
            happens()
        self.note()
        reply = super().answer(request)
        self.note(bulk=bulk)
        return reply

    def note(self, *, bulk: bool = False) -> None:
        with self.lock:
            rows = self.transitions("Customers")
            for row in rows[self._known :]:
                found = self.member("Customers", row.email)
                contact = found["contact_id"] if found else row.email
                by = row.by if row.by in ("person", "admin") else "api"
                self.moves.append(Move(contact, row.email, row.old, row.new, str(by), row.at, bulk))
            self._known = len(rows)


class ConsentMachine(RuleBasedStateMachine):
    """One audience, one company; how the connection is set is drawn at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = Loop(mail=WatchedMail)
        self.checked = 0
        self.linked: set[str | None] = set()
        self.large = False
        self.run_began = self.loop.clock.now()
        self.touched: list[tuple[str, int]] = []
        """Contacts people did something with, and how many moves there had been."""
        self.forgotten: set[str] = set()
        self.moved_by_person: set[str] = set()
        self.left_alone: dict[str, int] = {}
        """Addresses of people whom the tool was told to forget, and how many moves there had been."""

    @property
    def mail(self) -> WatchedMail:
        assert isinstance(self.loop.mail, WatchedMail)
        return self.loop.mail

    @initialize(
        chunk=st.sampled_from([2, 500]),
        large=st.booleans(),
        rules=st.tuples(*[st.sampled_from(["archive", "ignore"])] * 2),
        double_optin=st.booleans(),
        before=st.lists(st.sampled_from(["", *STATUSES]), min_size=6, max_size=6),
        customers=st.integers(0, 6),
        switches=st.fixed_dictionaries({}, optional=SWITCHES),
    )
    def begin(
        self,
        chunk: int,
        large: bool,
        rules: tuple[str, str],
        double_optin: bool,
        before: list[str],
        customers: int,
        switches: dict[str, Any],
    ) -> None:
        self.loop.close()
        self.loop = Loop(chunk=chunk, on_delete=rules[0], on_exclude=rules[1], mail=WatchedMail, lanes=1)
        self.large = large
        self.mail.switches.change(switches)
        self.mail.account.audience("Customers").double_optin = double_optin
        for email, status in zip(ADDRESSES, before, strict=True):
            if status:
                self.mail.add_member("Customers", email, status)
        for number, email in [*zip(NUMBERS, ADDRESSES, strict=True)][:customers] + (MANY if large else []):
            self.loop.erp.add("customers", number=number, displayName="Before", email=email)
        self.mail.note()
        self.checked = len(self.mail.moves)
        self.loop.pass_time(2)

    # what people do with their membership, and the marketing team with theirs

    @rule(
        email=st.sampled_from([*ADDRESSES, *(email for _, email in MANY[:2])]),
        what=st.sampled_from(
            [
                "person_unsubscribes",
                "bounce",
                "complain",
                "confirm",
                "archive",
                "unarchive",
                "forget",
                "admin_unsubscribes",
            ]
        ),
        when=st.sampled_from(["now", "as a run begins", "before a bulk call"]),
    )
    def somebody_acts(self, email: str, what: str, when: str) -> None:
        if when == "as a run begins":
            self.loop.erp.meanwhile = lambda: self._act(email, what)
        elif when == "before a bulk call":
            self.mail.before_bulk = lambda: self._act(email, what)
        else:
            self._act(email, what)
        self.loop.pass_time(2)

    def _act(self, email: str, what: str) -> None:
        found = self.mail.member("Customers", email)
        fits = {
            "confirm": ("pending",),
            "archive": ("subscribed", "unsubscribed", "transactional"),
            "unarchive": ("archived",),
        }
        if found is None or found["status"] not in fits.get(what, STATUSES):
            return
        getattr(self.mail, what)("Customers", email)
        self.mail.note()
        self.touched.append((found["contact_id"], len(self.mail.moves)))
        if what == "forget":
            self.forgotten.add(email)

    @rule(email=st.sampled_from(ADDRESSES), to=st.sampled_from(ADDRESSES))
    def person_takes_another_address(self, email: str, to: str) -> None:
        found = self.mail.member("Customers", email)
        if found is None or self.mail.member("Customers", to) is not None or to in self.forgotten:
            return
        self.mail.email_change("Customers", email, to)
        self.touched.append((found["contact_id"], len(self.mail.moves)))
        self.moved_by_person |= {email, to}
        self.loop.pass_time(2)

    @rule(
        place=st.integers(0, 5),
        steps=st.sampled_from(STORIES) | st.lists(st.sampled_from(STORIES[0]), min_size=2),
    )
    def much_happens_to_one_customer(self, place: int, steps: list[str]) -> None:
        """With a run after each thing that happens in the ERP."""
        number, email = NUMBERS[place], ADDRESSES[place]
        for step in steps:
            if step == "leave":
                self.customer_goes_or_returns(number, "delete" if place % 2 else "block")
            elif step == "return":
                self.customer_comes_or_changes(number, email, 0)
            elif step == "move":
                self.customer_comes_or_changes(number, ADDRESSES[place - 1], 0)
            else:
                self._act(email, "admin_unsubscribes" if step == "opt out" else step)
            if step in ("leave", "return", "move"):
                self.run("full", None)
            self.loop.pass_time(2)

    @rule(email=st.sampled_from([*ADDRESSES[:2], *(email for _, email in MANY[:2])]))
    def somebody_is_archived_while_everybody_is_written(self, email: str) -> None:
        self.everybody_changes()
        self.mail.before_bulk = lambda: self._act(email, "archive")
        self.run("full", None)

    @rule(email=st.sampled_from(ADDRESSES[4:]))
    def person_asks_us_to_be_forgotten(self, email: str) -> None:
        if email in self.moved_by_person:
            return
        with self.loop.opened() as ledger:
            forgetting.forget(ledger, f"email:{email}")
        self.left_alone.setdefault(email, len(self.mail.moves))

    # what happens in the ERP

    @rule(number=st.sampled_from(NUMBERS), email=st.sampled_from([*ADDRESSES, ""]), name=st.integers(0, 3))
    def customer_comes_or_changes(self, number: str, email: str, name: int) -> None:
        fields = {"displayName": f"Name {name}", "email": email, "blocked": " "}
        if self.loop.has(number):
            self.loop.erp.edit("customers", number, **fields)
        else:
            self.loop.erp.add("customers", number=number, **fields)
        self.loop.pass_time(2)

    @rule(number=st.sampled_from(NUMBERS), what=st.sampled_from(["delete", "block", "unblock", "rename"]))
    def customer_goes_or_returns(self, number: str, what: str) -> None:
        if not self.loop.has(number):
            return
        if what == "delete":
            self.loop.erp.delete("customers", number)
        elif what == "rename":
            self.loop.erp.edit("customers", number, displayName=f"At {self.loop.clock.now():%M%S}")
        else:
            self.loop.erp.edit("customers", number, blocked="All" if what == "block" else " ")
        self.loop.pass_time(2)

    @rule()
    def everybody_changes(self) -> None:
        for row in self.loop.erp.rows("customers"):
            self.loop.erp.edit("customers", row["number"], displayName=f"All {self.loop.clock.now():%M%S}")
        self.loop.pass_time(2)

    # what the network and the process do

    @rule(
        kind=st.sampled_from(["lost-answer", "duplicate", "drop", "cut", "status"]),
        method=st.sampled_from(["POST", "PUT", "DELETE", "GET", ""]),
        skip=st.integers(0, 3),
    )
    def trouble_is_near(self, kind: Any, method: str, skip: int) -> None:
        self.mail.fault(kind, method=method, skip=skip)

    @rule(how=st.sampled_from(["sync", "full"]), crash_after=st.none() | st.integers(1, 60))
    def run(self, how: str, crash_after: int | None) -> None:
        self._begin_run()
        self.loop.run(how, crash_after=crash_after)
        self.no_call_turned_an_opt_out_back()
        self.loop.pass_time(2)

    @rule(replay=st.booleans())
    def run_to_the_end(self, replay: bool) -> None:
        self._begin_run()
        self.loop.run("full", replay=replay)
        self.loop.pass_time(2)

    def _begin_run(self) -> None:
        self.run_began = self.loop.clock.now()
        entries = self.loop.entries().values()
        self.linked = {entry.target_key for entry in entries if entry.status == "done"}

    # what must hold

    @invariant()
    def no_call_turned_an_opt_out_back(self) -> None:
        moves = self.mail.moves
        for place in range(self.checked, len(moves)):
            if moves[place].by == "api":
                self._check(moves[place], place)
        self.checked = len(moves)

    def _check(self, move: Move, place: int) -> None:
        double_optin = self.mail.account.audience("Customers").double_optin
        since = self.left_alone.get(move.email, place + 1)
        forgotten = since <= place and move.email not in self.moved_by_person
        assert not forgotten, f"written although the person asked to be forgotten: {move}"
        if move.new not in ("subscribed", "pending") or self._known_limit(move, place):
            return
        if move.new == "pending":
            assert move.old == "", f"a confirmation mail to somebody {move.old}: {move}"
        elif move.old == "":
            assert not double_optin, f"created without being asked: {move}"
        elif move.old == "archived":
            assert self._brought_back(move, place), move
        else:
            assert move.old == "transactional", move

    def _brought_back(self, move: Move, place: int) -> bool:
        """This connection archived it itself, as a subscriber, and nobody touched it since."""
        last = self._archived(move, place)
        if last is None or (last[1].by, last[1].old) != ("api", "subscribed"):
            return False
        return not any(last[0] < at <= place for contact, at in self.touched if contact == move.contact)

    def _known_limit(self, move: Move, place: int) -> bool:
        """Of more new addresses than are looked at, one was archived so recently that the list did not show it."""
        lag = timedelta(seconds=self.mail.switches.collection_lag_seconds)
        shown = min(move.at - lag, self.run_began)
        last = self._archived(move, place)
        is_new = f"email:{move.email}" not in self.linked
        return self.large and move.bulk and is_new and last is not None and last[1].at > shown

    def _archived(self, move: Move, place: int) -> tuple[int, Move] | None:
        before = [
            (at, one)
            for at, one in enumerate(self.mail.moves[:place])
            if one.contact == move.contact and one.new == "archived"
        ]
        return before[-1] if before else None

    @invariant()
    def nobody_forgotten_is_back(self) -> None:
        assert not self.forgotten & {row["email_address"] for row in self.mail.members("Customers")}

    def teardown(self) -> None:
        try:
            self.loop.erp.meanwhile = self.mail.before_bulk = None
            self._begin_run()
            self.loop.settle()
            self.no_call_turned_an_opt_out_back()
            self._everybody_is_there_or_on_record()
            self._it_comes_to_rest()
        finally:
            self.loop.close()

    def _everybody_is_there_or_on_record(self) -> None:
        entries = self.loop.entries()
        for row in self.loop.erp.rows("customers"):
            if row["blocked"] != " " and row["blocked"] != "_x0020_":
                continue
            entry = entries[row["number"]]
            if not row["email"]:
                assert entry.code == "missing-email"
            elif entry.status == "done":
                self._member_is_as_mapped(row)
            else:
                assert entry.code in ON_RECORD, entry

    def _member_is_as_mapped(self, row: Any) -> None:
        found = self.mail.member("Customers", row["email"])
        if found is None:
            assert row["email"] in self.forgotten | self.moved_by_person, f"{row['number']} is lost"
        elif found["status"] != "archived" and row["email"] not in self.moved_by_person:
            fields = found["merge_fields"]
            assert (fields["CUSTNO"], fields["COMPANY"]) == (row["number"], row["displayName"])

    def _it_comes_to_rest(self) -> None:
        writes = self.loop.writes()
        self.loop.pass_time(100)
        self.loop.run("full")
        assert self.loop.writes() == writes, "it never comes to rest"


TestConsent: Callable[..., Any] = configured(ConsentMachine, 50, 25)


@pytest.mark.parametrize("double_optin", [False, True], ids=["single opt-in", "double opt-in"])
@pytest.mark.parametrize("place", [0, 1], ids=["excluded", "deleted"])
@pytest.mark.parametrize("story", STORIES, ids=", ".join)
def test_consent_holds_in_each_story(story: list[str], place: int, double_optin: bool) -> None:
    machine = ConsentMachine()
    machine.begin(500, False, ("archive", "archive"), double_optin, [""] * 6, 0, {})
    machine.much_happens_to_one_customer(place, story)
    machine.no_call_turned_an_opt_out_back()
    machine.teardown()
