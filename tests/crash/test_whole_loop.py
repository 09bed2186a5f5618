"""Random operations over the real loop: nothing lost, nothing twice, nothing behind the watermark, and it rests.

Business Central's reader, the engine, the SQLite ledger and the Mailchimp writer over HTTP; commits arrive late, stamps
tie, rows change while a walk is on, answers get lost or cut, addresses are swapped, the process ends at any step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlconnector.systems.mailchimp.write import FEW
from tests.crash.loop import OVERLAP, Loop, configured

NUMBERS = [str(10000 + place) for place in range(7)]
ADDRESSES = [f"p{place}@nordkran.se" for place in range(7)]
CODES = {"key-taken", "archived"}
"""Why the member of a customer with an address may be missing, or be another's: it is on record."""


class WholeLoopMachine(RuleBasedStateMachine):
    """One flow; the sizes of pages and chunks make several of each."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = Loop()
        self.on_delete = "archive"
        self.any_deleted = False
        self.late: list[tuple[datetime, Any]] = []
        self.left_alone: set[str] = set()
        """Numbers of customers that were deleted and whose members stay, as the file says."""

    @initialize(
        chunk=st.sampled_from([1, 3, 500]),
        lanes=st.integers(1, 3),
        on_delete=st.sampled_from(["archive", "ignore"]),
        omitted=st.booleans(),
        large=st.booleans(),
    )
    def begin(self, chunk: int, lanes: int, on_delete: str, omitted: bool, large: bool) -> None:
        self.loop.close()
        self.loop = Loop(chunk=chunk, lanes=lanes, on_delete=on_delete)
        self.on_delete = on_delete
        self.loop.mail.switches.bulk_unchanged = "omitted" if omitted else "updated"
        for place in range(FEW + 2 if large else 0):
            self._put(str(20000 + place), f"q{place}@nordkran.se")

    def _put(self, number: str, email: str, name: str = "Before") -> None:
        if self.loop.has(number):
            self.loop.erp.edit("customers", number, email=email, displayName=name)
        else:
            self.loop.erp.add("customers", number=number, email=email, displayName=name)

    # what happens in the ERP; no time passes by itself, so that stamps tie

    @rule(number=st.sampled_from(NUMBERS), email=st.sampled_from([*ADDRESSES, ""]), name=st.integers(0, 9))
    def edit(self, number: str, email: str, name: int) -> None:
        self._put(number, email, f"Name {name}")

    @rule(number=st.sampled_from(NUMBERS), name=st.integers(0, 9))
    def rename(self, number: str, name: int) -> None:
        if self.loop.has(number):
            self.loop.erp.edit("customers", number, displayName=f"Name {name}")

    @rule(one=st.sampled_from(NUMBERS), other=st.sampled_from(NUMBERS))
    def swap_addresses(self, one: str, other: str) -> None:
        if self.loop.has(one) and self.loop.has(other):
            first, second = (self.loop.erp.row("customers", number)["email"] for number in (one, other))
            self._put(one, second)
            self._put(other, first)

    @rule(number=st.sampled_from(NUMBERS), name=st.integers(0, 9))
    def begin_late(self, number: str, name: int) -> None:
        """Stamped now, visible later; an edit that comes between has to wait, as in a database."""
        if self.loop.has(number) and number not in {edit.number for _, edit in self.late}:
            edit = self.loop.erp.edit_late("customers", number, displayName=f"Late {name}")
            self.late.append((self.loop.clock.now(), edit))

    @rule()
    def commit_late(self) -> None:
        while self.late:
            _, edit = self.late.pop()
            if self.loop.has(edit.number):
                edit.commit()

    @rule(number=st.sampled_from(NUMBERS))
    def delete(self, number: str) -> None:
        if self.loop.has(number):
            self.loop.erp.delete("customers", number)
            self.any_deleted = True
            if self.on_delete == "ignore":
                self.left_alone.add(number)

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        """A transaction lives no longer than the overlap."""
        if any(
            self.loop.clock.now() - since >= OVERLAP - timedelta(seconds=seconds + 1)
            for since, _ in self.late
        ):
            self.commit_late()
        self.loop.pass_time(seconds)

    # what the network does

    @rule(
        kind=st.sampled_from(["lost-answer", "cut", "drop", "duplicate"]),
        method=st.sampled_from(["", "POST", "PUT", "GET", "DELETE"]),
        skip=st.integers(0, 4),
        times=st.sampled_from([1, 1, 2, 9]),
    )
    def mailchimp_in_trouble(self, kind: Any, method: str, skip: int, times: int) -> None:
        self.loop.mail.fault(kind, method=method, skip=skip, times=times)

    @rule(
        kind=st.sampled_from(["cut", "drop", "expired-token", "status", "html"]),
        skip=st.integers(0, 4),
        times=st.sampled_from([1, 1, 2, 9]),
    )
    def erp_in_trouble(self, kind: Any, skip: int, times: int) -> None:
        self.loop.erp.fault(kind, skip=skip, times=times, status=503)

    @rule()
    def the_line_is_good_again(self) -> None:
        self.loop.mail.faults.clear()
        self.loop.erp.faults.clear()

    # what the tool does

    @rule(how=st.sampled_from(["sync", "full"]), tick=st.integers(0, 1))
    def run(self, how: str, tick: int) -> None:
        self.loop.pass_time(tick)
        self._run(how)

    @rule(
        number=st.sampled_from(NUMBERS),
        email=st.sampled_from(ADDRESSES),
        kind=st.sampled_from(["lost-answer", "drop", "cut"]),
        method=st.sampled_from(["POST", "PUT"]),
        times=st.sampled_from([1, 9]),
    )
    def write_in_trouble(self, number: str, email: str, kind: Any, method: str, times: int) -> None:
        self._put(number, email, "In trouble")
        self.loop.mail.fault(kind, method=method, path="lists", times=times)
        self.run("sync", 1)
        self.loop.mail.faults.clear()

    @rule(late=st.sampled_from(NUMBERS), other=st.sampled_from(NUMBERS), seconds=st.integers(1, 12))
    def another_commits_first(self, late: str, other: str, seconds: int) -> None:
        """A run between the stamp and the commit of a change; the watermark is past the stamp then."""
        self.begin_late(late, 0)
        self.loop.pass_time(seconds)
        self._put(other, f"p{NUMBERS.index(other)}@nordkran.se", f"First {seconds}")
        self.run("sync", 1)

    @rule(how=st.sampled_from(["sync", "full"]), steps=st.integers(1, 60))
    def crash_in_a_run(self, how: str, steps: int) -> None:
        self._run(how, crash_after=steps)

    @rule(
        how=st.sampled_from(["sync", "full"]),
        at=st.integers(1, 6),
        number=st.sampled_from(NUMBERS),
        email=st.sampled_from(ADDRESSES),
    )
    def run_while_rows_change(self, how: str, at: int, number: str, email: str) -> None:
        left = at

        def count_down() -> None:
            nonlocal left
            left -= 1
            if left:
                self.loop.erp.meanwhile = count_down
            else:
                self._put(number, email, "Meanwhile")

        self.loop.erp.meanwhile = count_down
        self._run(how)
        self.loop.erp.meanwhile = None

    def _run(self, how: str, crash_after: int | None = None) -> None:
        if any(self.loop.clock.now() - since >= OVERLAP / 2 for since, _ in self.late):
            self.commit_late()  # a run may wait for a while, and so would the transaction
        self.loop.run(how, crash_after=crash_after)
        self.commit_late()

    # what must hold

    @invariant()
    def nothing_lies_behind_the_watermark_that_the_ledger_does_not_hold(self) -> None:
        watermark = self.loop.watermark()
        if watermark is None:
            return
        known = self.loop.entries()
        behind = datetime.fromisoformat(watermark) - OVERLAP
        for row in self.loop.erp.rows("customers"):
            if datetime.fromisoformat(row["lastModifiedDateTime"]) < behind:
                assert row["number"] in known, f"{row['number']} is behind the watermark and unknown"

    def teardown(self) -> None:
        try:
            self.commit_late()
            self.loop.erp.meanwhile = None
            self.loop.settle("sync")
            self._nothing_is_lost(deletions_are_known=False)
            self.loop.settle("full")
            self._nothing_is_lost(deletions_are_known=True)
            self._nothing_is_there_twice()
            self._it_comes_to_rest()
        finally:
            self.loop.close()

    def _nothing_is_lost(self, *, deletions_are_known: bool) -> None:
        entries = self.loop.entries()
        rows = self.loop.erp.rows("customers")
        owned = {entries[row["number"]].target_key for row in rows if entries[row["number"]].status == "done"}
        for row in rows:
            entry, email = entries[row["number"]], row["email"]
            if not email:
                assert entry.code == "missing-email"
            elif entry.status == "done":
                member = self.loop.mail.member("Customers", email)
                assert member is not None, f"{row['number']} is lost"
                fields = member["merge_fields"]
                assert (fields["CUSTNO"], fields["COMPANY"]) == (row["number"], row["displayName"]), "stale"
                assert member["status"] == "subscribed"
            elif entry.status == "unknown":
                # not clear whether it is there under its former key; the new one is another's, so it has to wait
                assert f"email:{email}" in owned, entry
            else:
                assert entry.code in CODES, entry
                if entry.code == "key-taken" and (deletions_are_known or not self.any_deleted):
                    assert f"email:{email}" in owned, "nobody has the key"

    def _nothing_is_there_twice(self) -> None:
        """No customer has two members that get mail."""
        there = {row["number"] for row in self.loop.erp.rows("customers") if row["email"]} - self.left_alone
        entries = self.loop.entries()
        numbers = Counter(
            member["merge_fields"].get("CUSTNO", "")
            for member in self.loop.mail.members("Customers")
            if member["status"] == "subscribed"
        )
        for number in there:
            assert numbers[number] <= 1 or entries[number].status != "done", f"{number} is there twice"

    def _it_comes_to_rest(self) -> None:
        writes = self.loop.writes()
        self.loop.pass_time(100)
        self.loop.run("full")
        assert self.loop.writes() == writes, "it never comes to rest"


TestWholeLoop: Callable[..., Any] = configured(WholeLoopMachine, 60, 25)
