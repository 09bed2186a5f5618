"""A contact is one person through any change of address: nobody is created again, no opt-out is left behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlconnector.errors import Later
from mlconnector.model import Outcome, Step
from mlconnector.sandbox import Reply, Request
from mlconnector.systems.mailchimp.emulator import Mailchimp
from tests.systems.mailchimp.writing import ANNA, MANY, Busy, Desk, create, remove, running, update

NEW, OWN = "anna.lind@nordkran.se", "anna.own@nordkran.se"


def linked(both: Desk, mail: Busy, email: str = ANNA) -> dict[str, str]:
    found = mail.member("Customers", email)
    assert found is not None
    return {"contact": found["contact_id"]}


def found_there(both: Desk, step: Step) -> Outcome:
    """What came of a step whose contact is elsewhere, once the engine said that nobody else has that address."""
    held = both.one(step)
    assert (held.status, held.code) == ("held", "found-elsewhere")
    return both.one(replace(step, memo=held.memo, tried_keys=(held.key or "",)))


def still(email: str, target_id: str, memo: dict[str, str] | None) -> Step:
    """The record changed, its address did not."""
    return replace(update(email, target_id, memo), was_key=f"email:{email}")


@pytest.mark.parametrize("status", ["subscribed", "unsubscribed"])
def test_an_address_that_the_person_changed_in_mailchimp_stands(both: Desk, mail: Busy, status: str) -> None:
    mail.add_member("Customers", ANNA, status)
    memo = linked(both, mail)
    mail.email_change("Customers", ANNA, OWN)
    outcome = found_there(both, still(ANNA, both.id(ANNA), memo))
    assert (outcome.status, outcome.code) == ("updated", "address-changed-there")
    assert both.status(OWN) == status and both.status(ANNA) in (None, "archived")
    again = both.one(still(ANNA, outcome.target_id or "", dict(outcome.memo or {})))
    assert (again.status, again.code, again.target_id) == ("updated", "address-changed-there", both.id(OWN))


def test_a_new_address_in_the_source_moves_the_contact_from_wherever_it_is(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA, "unsubscribed")
    memo = linked(both, mail)
    mail.email_change("Customers", ANNA, OWN)
    found_there(both, replace(update(NEW, both.id(ANNA), memo), was_key=f"email:{ANNA}"))
    assert both.status(NEW) == "unsubscribed" and both.status(OWN) is None


@pytest.mark.parametrize("step", ["update", "remove"])
def test_a_contact_whose_address_is_another_records_by_now_is_left_to_it(
    both: Desk, mail: Busy, step: str
) -> None:
    mail.add_member("Customers", ANNA)
    memo = linked(both, mail)
    mail.email_change("Customers", ANNA, OWN)
    asked = remove(ANNA, both.id(ANNA), memo) if step == "remove" else still(ANNA, both.id(ANNA), memo)
    held = both.one(asked)
    assert (held.status, held.code, held.key) == ("held", "found-elsewhere", f"email:{OWN}")
    outcome = both.one(
        replace(asked, memo=held.memo)
    )  # the engine does not give the key: another record has it
    assert outcome.code in (["already-away"] if step == "remove" else ["member-gone", "archived"])
    assert both.status(OWN) == "subscribed" and both.status(ANNA) in (None, "archived")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("archived", [False, True])
def test_nobody_is_made_for_a_record_that_was_linked(
    both: Desk, mail: Busy, legacy: bool, archived: bool
) -> None:
    mail.add_member("Customers", ANNA, "unsubscribed")
    memo: dict[str, Any] = linked(both, mail)
    mail.email_change("Customers", ANNA, OWN)
    mail.switches.bulk_legacy = legacy
    if archived:
        memo["archived"] = {"status": "subscribed", "at": "2026-01-01T00:00:00+00:00"}
    both.one(still(ANNA, both.id(ANNA), memo))
    assert both.status(ANNA) in (None, "archived") and both.status(OWN) == "unsubscribed"


def test_a_move_without_an_answer_is_found_where_it_was_going(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", OWN, "unsubscribed")  # where the move that nobody heard of brought it
    step = replace(update(NEW, both.id(ANNA)), was_key=f"email:{ANNA}", tried_keys=(f"email:{OWN}",))
    both.one(step)
    assert both.status(NEW) == "unsubscribed" and both.status(OWN) is None


def moved_unheard(both: Desk, mail: Busy, memo: bool) -> tuple[str, dict[str, str]]:
    """A move from ANNA to NEW was carried out, and nobody heard of it: the id it had, what was kept of it."""
    mail.add_member("Customers", ANNA, "unsubscribed")
    kept, target_id = linked(both, mail) if memo else {}, both.id(ANNA)
    mail.email_change("Customers", ANNA, NEW)
    return target_id, kept


@pytest.mark.parametrize("memo", [True, False], ids=["contact known", "contact not known"])
def test_a_move_without_an_answer_that_is_taken_back_is_no_change_by_the_person(
    both: Desk, mail: Busy, memo: bool
) -> None:
    target_id, kept = moved_unheard(both, mail, memo)
    outcome = both.one(replace(still(ANNA, target_id, kept), tried_keys=(f"email:{NEW}",)))
    assert (outcome.status, outcome.code) == ("updated", "")
    assert both.status(ANNA) == "unsubscribed" and both.status(NEW) is None


@pytest.mark.parametrize("memo", [True, False], ids=["contact known", "contact not known"])
def test_a_record_that_goes_after_a_move_without_an_answer_leaves_nobody_behind(
    both: Desk, mail: Busy, memo: bool
) -> None:
    target_id, kept = moved_unheard(both, mail, memo)
    outcome = both.one(replace(remove(ANNA, target_id, kept), tried_keys=(f"email:{NEW}",)))
    assert (outcome.status, outcome.target_id) == ("removed", both.id(NEW))
    assert both.status(NEW) == "archived"


def test_somebody_elses_member_is_not_taken_for_where_a_move_was_going(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", NEW)
    step = replace(remove(ANNA, both.id(ANNA), {"contact": "0" * 32}), tried_keys=(f"email:{NEW}",))
    assert both.one(step).code == "already-away"
    assert both.status(NEW) == "subscribed"


def test_who_changed_the_address_there_leaves_and_comes_back_with_that_address(
    both: Desk, mail: Busy
) -> None:
    mail.add_member("Customers", ANNA)
    memo = linked(both, mail)
    target_id = both.id(ANNA)
    mail.email_change("Customers", ANNA, OWN)
    away = found_there(both, remove(ANNA, target_id, memo))
    assert both.status(OWN) == "archived"
    back = both.one(still(ANNA, away.target_id or "", dict(away.memo or {})))
    assert (back.status, back.code) == ("updated", "address-changed-there")
    assert both.status(OWN) == "subscribed" and both.status(ANNA) is None


def test_a_linked_member_that_is_nowhere_is_not_made_anew(both: Desk, mail: Busy) -> None:
    outcome = both.one(replace(update(NEW, both.id(ANNA), {"contact": "0" * 32}), was_key=f"email:{ANNA}"))
    assert (outcome.status, outcome.code) == ("skipped", "member-gone")
    assert both.status(NEW) is None


def test_what_a_chunk_did_before_mailchimp_went_down_is_kept(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    writer = desk.writer()
    mail.fault("status", method="POST", path=r"/lists/\w+$", times=0, status=503, retry_after=600)
    move = replace(update(NEW, desk.id(ANNA)), was_key=f"email:{ANNA}")
    with pytest.raises(Later) as error:
        writer.write("member", [move, create("other@nordkran.se", "o")])
    assert error.value.settled[NEW].status == "updated" and "o" not in error.value.settled


def test_members_whose_tags_could_not_be_set_are_linked_all_the_same(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA, tags=["Old"])
    writer = desk.writer()
    mail.fault("status", method="POST", path="/tags", times=0, status=503, retry_after=600)
    step = replace(update(ANNA, desk.id(ANNA), {"tags": ["Old"]}, tags=["New"]), was_key=f"email:{ANNA}")
    with pytest.raises(Later) as error:
        writer.write("member", [step])
    kept = error.value.settled[ANNA]
    assert (kept.status, kept.code, kept.target_id) == ("failed", "later", desk.id(ANNA))


class Leaving(Mailchimp):
    """Right after the first page of archived members was read, one of them is taken out of the archive."""

    left = False

    def answer(self, request: Request) -> Reply:
        reply = super().answer(request)
        if request.query.get("status") == "archived" and not self.left:
            self.left = True
            self.unarchive("Customers", "old0@nordkran.se")
        return reply


def test_somebody_who_leaves_the_list_of_archived_moves_nobody_out_of_it() -> None:
    mail = Leaving()
    for number in range(1200):
        mail.add_member("Customers", f"old{number}@nordkran.se", "archived")
    with running(mail) as desk:
        steps = [create(f"old{number}@nordkran.se") for number in range(990, 990 + MANY)]
        assert {one.code for one in desk.write(*steps)} == {"archived"}
