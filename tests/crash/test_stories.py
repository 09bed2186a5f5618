"""Stories that a random walk finds rarely: a send without an answer, and what happens to the record before the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.crash.loop import Loop

OLD, NEW, THIRD = "anna@nordkran.se", "anna.lind@nordkran.se", "erik@nordkran.se"
REFUSED = {"archived by somebody": "away@nordkran.se", "fake": "anna@example.com"}


class Story(Loop):
    """One customer with its member, and what the line does to the next write."""

    def put(self, number: str, email: str, **more: Any) -> None:
        if self.has(number):
            self.erp.edit("customers", number, email=email, **more)
        else:
            self.erp.add("customers", number=number, email=email, displayName=f"Customer {number}", **more)
        self.pass_time(2)

    def sync(self, times: int = 1, how: str = "full") -> None:
        for _ in range(times):
            self.run(how)
            self.pass_time(400)

    def sync_in_trouble(self, kind: Any, method: str) -> None:
        """A run whose writes all get lost: before they are carried out (`drop`) or after it (`lost-answer`)."""
        self.mail.fault(kind, method=method, times=0)
        self.run("sync")
        self.mail.faults.clear()
        self.pass_time(400)

    def status(self, email: str) -> str:
        found = self.mail.member("Customers", email)
        return str(found["status"]) if found else ""


@pytest.fixture(params=[1, 500], ids=["chunks of 1", "chunks of 500"])
def story(request: pytest.FixtureRequest) -> Iterator[Story]:
    loop = Story(chunk=request.param)
    loop.mail.add_member("Customers", REFUSED["archived by somebody"], "archived")
    yield loop
    loop.close()


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
def test_a_lost_create_is_found_again_and_leaves_with_its_record(story: Story, refused: str) -> None:
    story.put("1", OLD)
    story.sync_in_trouble("lost-answer", "POST")
    story.put("1", refused)
    story.sync(2)
    assert story.status(OLD) == "subscribed"
    story.erp.delete("customers", "1")
    story.sync(2)
    assert story.status(OLD) == "archived" and story.status(refused) in ("", "archived")


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
def test_a_record_that_is_refused_keeps_no_other_waiting(story: Story, refused: str, applied: bool) -> None:
    story.put("1", OLD)
    story.sync()
    story.put("1", NEW)
    story.sync_in_trouble("lost-answer" if applied else "drop", "PUT")
    story.put("1", refused)
    free = OLD if applied else NEW
    story.put("2", free)
    story.sync(2)
    member = story.mail.member("Customers", free)
    assert member is not None and member["merge_fields"]["CUSTNO"] == "2"
    assert story.status(NEW if applied else OLD) == "subscribed"
    assert {entry.status for entry in story.entries().values()} <= {"done", "failed", "skipped"}


def test_a_lost_move_that_is_refused_further_on_goes_on_from_where_it_is(story: Story) -> None:
    story.put("1", OLD)
    story.sync()
    story.put("1", NEW)
    story.sync_in_trouble("lost-answer", "PUT")
    story.put("1", REFUSED["fake"])
    story.sync()
    story.put("1", THIRD)
    story.sync()
    assert (story.status(OLD), story.status(NEW), story.status(THIRD)) == ("", "", "subscribed")


def test_two_that_take_each_others_address_leave_with_their_records(story: Story) -> None:
    story.put("1", OLD)
    story.put("2", NEW)
    story.sync()
    story.put("1", NEW)
    story.put("2", OLD)
    story.sync_in_trouble("lost-answer", "PUT")
    story.erp.delete("customers", "1")
    story.erp.delete("customers", "2")
    story.sync(2)
    assert {story.status(OLD), story.status(NEW)} <= {"", "archived"}


@pytest.mark.parametrize("leaves", ["deleted", "blocked"])
def test_an_address_that_one_leaves_and_another_takes_has_one_member(story: Story, leaves: str) -> None:
    story.put("1", OLD)
    story.put("2", NEW)
    story.sync()
    if leaves == "deleted":
        story.erp.delete("customers", "2")
    else:
        story.put("2", NEW, blocked="All")
    story.put("1", NEW)
    story.sync(3)
    member = story.mail.member("Customers", NEW)
    assert member is not None and member["merge_fields"]["CUSTNO"] == "1" and member["status"] == "subscribed"
    assert story.status(OLD) in ("", "archived")


def test_a_lost_archiving_is_never_answered_by_a_second_member(story: Story) -> None:
    story.put("1", OLD)
    story.sync()
    story.put("1", OLD, blocked="All")
    story.sync_in_trouble("lost-answer", "DELETE")
    story.sync()
    story.put("1", OLD, blocked=" ")
    story.sync(2)
    assert story.status(OLD) in ("subscribed", "archived") and story.writes() > 0
    assert len([one for one in story.mail.members("Customers") if one["merge_fields"].get("CUSTNO")]) == 1
