"""Single writes: changed addresses, removals and returns, and what happens when their answers get lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mlconnector.model import Left, Outcome, Step
from tests.systems.mailchimp.writing import ANNA, MANY, OTTO, Busy, Desk, create, mapped, remove, update

NEW = "anna.lind@nordkran.se"


def moved(desk: Desk, **body: Any) -> Step:
    """Anna's record has a new address now."""
    return update(NEW, desk.id(ANNA), **body)


# a record gets another address


@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "cleaned", "pending", "transactional"])
def test_a_changed_address_moves_the_member_with_its_consent(both: Desk, mail: Busy, status: str) -> None:
    before = mail.add_member("Customers", ANNA, status, tags=["Kept"])
    outcome = both.one(moved(both, fields={"COMPANY": "Nordkran"}, tags=["T"]))
    after = mail.member("Customers", NEW)
    assert (outcome.status, outcome.target_id) == ("updated", both.id(NEW))
    assert after is not None and after["contact_id"] == before["contact_id"]
    assert (after["status"], both.tags(NEW), both.status(ANNA)) == (status, {"Kept", "T"}, None)


def test_a_change_of_letter_case_is_no_new_address(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    outcome = both.one(update(ANNA.upper(), both.id(ANNA)))
    assert (outcome.status, outcome.target_id) == ("updated", both.id(ANNA))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("subscribed", "subscribed", "subscribed"),
        ("unsubscribed", "subscribed", "unsubscribed"),
        ("unsubscribed", "pending", "unsubscribed"),
        ("subscribed", "unsubscribed", "unsubscribed"),
        ("subscribed", "cleaned", "cleaned"),
        ("subscribed", "pending", "pending"),
        ("transactional", "subscribed", "subscribed"),
    ],
)
def test_of_two_members_that_become_one_the_stricter_consent_wins(
    both: Desk, mail: Busy, old: str, new: str, wanted: str
) -> None:
    mail.add_member("Customers", ANNA, old)
    mail.add_member("Customers", NEW, new)
    outcome = both.one(moved(both, fields={"COMPANY": "Nordkran"}))
    assert (outcome.status, outcome.code, outcome.target_id) == ("updated", "address-taken", both.id(NEW))
    assert outcome.left == (Left(f"email:{ANNA}", both.id(ANNA)),)  # the engine sees to it
    assert (both.status(ANNA), both.status(NEW)) == (old, wanted)
    assert both.fields(NEW)["COMPANY"] == "Nordkran"


@pytest.mark.parametrize(("old", "wanted"), [("subscribed", "subscribed"), ("unsubscribed", "unsubscribed")])
def test_an_address_whose_member_was_archived_here_is_taken_with_the_stricter_consent(
    both: Desk, mail: Busy, old: str, wanted: str
) -> None:
    mail.add_member("Customers", ANNA, old)
    mail.add_member("Customers", NEW)
    away = both.one(remove(NEW, both.id(NEW)))
    mail.clock.advance(5)
    outcome = both.one(replace(moved(both), inherits=away.memo))
    assert (outcome.status, both.status(NEW)) == ("updated", wanted)
    assert outcome.left == (Left(f"email:{ANNA}", both.id(ANNA)),)
    mail.archive("Customers", NEW)
    mail.clock.advance(5)
    assert both.one(replace(moved(both), inherits=away.memo)).code == "archived"


def test_an_address_that_somebody_archived_is_not_taken(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    mail.add_member("Customers", NEW, "archived")
    assert both.one(moved(both)).code == "archived"
    assert (both.status(ANNA), both.status(NEW)) == ("subscribed", "archived")


def test_a_member_that_somebody_archived_does_not_come_back_with_a_new_address(
    both: Desk, mail: Busy
) -> None:
    mail.add_member("Customers", ANNA, "archived")
    assert both.one(moved(both)).code == "archived"
    assert (both.status(ANNA), both.status(NEW)) == ("archived", None)


def test_a_new_address_that_was_forgotten_is_left_in_peace(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    mail.add_member("Customers", NEW)
    mail.forget("Customers", NEW)
    outcome = both.one(moved(both))
    assert (outcome.status, outcome.code) == ("skipped", "forgotten-address")
    assert (both.status(ANNA), both.status(NEW)) == ("subscribed", None)


def test_a_lost_answer_to_a_change_of_address_does_no_harm(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA, "unsubscribed")
    mail.fault("lost-answer", method="PUT")
    outcome = both.one(moved(both))
    assert (outcome.status, outcome.target_id) == ("updated", both.id(NEW))
    assert (both.status(ANNA), both.status(NEW)) == (None, "unsubscribed")


def test_a_change_of_address_whose_outcome_was_lost_is_found_done(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA, "unsubscribed")
    both.one(moved(both))
    outcome = both.one(replace(moved(both), again=True))
    assert (outcome.status, outcome.target_id, both.status(NEW)) == ("updated", both.id(NEW), "unsubscribed")


def test_two_members_that_became_one_before_the_outcome_was_lost_stay_one(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    mail.add_member("Customers", NEW)
    both.one(moved(both))
    outcome = both.one(replace(moved(both), again=True))
    assert (outcome.status, outcome.target_id, len(outcome.left)) == ("updated", both.id(NEW), 1)
    assert (both.status(ANNA), both.status(NEW)) == ("subscribed", "subscribed")


def test_a_half_postal_address_stored_there_does_not_hinder_a_change_of_address(
    both: Desk, mail: Busy
) -> None:
    mail.add_member("Customers", ANNA)
    mail.profile_edit("Customers", ANNA, ADDRESS={"addr1": "Kaj 1"})
    assert both.one(moved(both)).target_id == both.id(NEW)
    assert both.fields(NEW)["ADDRESS"] == ""


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("status", ["subscribed", "unsubscribed"])
def test_records_that_swap_addresses_keep_both_members_as_they_stood(
    desk: Desk, mail: Busy, status: str, many: bool
) -> None:
    mail.add_member("Customers", ANNA)
    mail.add_member("Customers", OTTO, status)
    writer = desk.writer()
    others = [create(f"m{place}@nordkran.se") for place in range(MANY if many else 0)]
    first = writer.write("member", [*others, Step("update", "o", mapped(ANNA), desk.id(OTTO))])[-1]
    assert (first.status, first.target_id, desk.status(OTTO)) == ("updated", desk.id(ANNA), status)
    mail.clock.advance(2)
    second = writer.write("member", [*others, create(OTTO, "a")])[-1]
    assert (second.status, desk.status(OTTO)) == ("updated", status)


# removals and returns


def gone(desk: Desk, email: str = ANNA) -> Outcome:
    return desk.one(remove(email, desk.id(email)))


@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "transactional"])
def test_who_is_removed_is_archived_and_comes_back_as_they_were(both: Desk, mail: Busy, status: str) -> None:
    mail.add_member("Customers", ANNA, status, tags=["Kept"])
    removed = gone(both)
    assert (removed.status, removed.target_id, both.status(ANNA)) == ("removed", both.id(ANNA), "archived")
    mail.clock.advance(5)
    back = both.one(update(ANNA, both.id(ANNA), removed.memo, fields={"COMPANY": "Nordkran"}))
    assert (back.status, both.status(ANNA), both.tags(ANNA)) == ("updated", status, {"Kept"})
    assert both.fields(ANNA)["COMPANY"] == "Nordkran"
    assert back.memo is not None and "archived" not in back.memo


@pytest.mark.parametrize("touch", ["unsubscribe", "archive again", "edit"])
def test_who_was_touched_since_stays_archived(both: Desk, mail: Busy, touch: str) -> None:
    mail.add_member("Customers", ANNA)
    removed = gone(both)
    mail.clock.advance(5)
    if touch == "unsubscribe":
        mail.admin_unsubscribes("Customers", ANNA)
    elif touch == "edit":
        mail.profile_edit("Customers", ANNA, LNAME="Lind")
    else:
        mail.unarchive("Customers", ANNA)
        mail.archive("Customers", ANNA)
    back = both.one(update(ANNA, both.id(ANNA), removed.memo))
    assert (back.status, back.code, both.status(ANNA)) == ("skipped", "archived", "archived")


def test_who_was_brought_back_by_somebody_is_updated(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    removed = gone(both)
    mail.clock.advance(5)
    mail.unarchive("Customers", ANNA)
    mail.person_unsubscribes("Customers", ANNA)
    back = both.one(update(ANNA, both.id(ANNA), removed.memo, fields={"COMPANY": "Nordkran"}))
    assert (back.status, both.status(ANNA)) == ("updated", "unsubscribed")
    assert both.fields(ANNA)["COMPANY"] == "Nordkran"


def test_who_returns_with_another_address_comes_back_under_it(both: Desk, mail: Busy) -> None:
    before = mail.add_member("Customers", ANNA)
    removed = gone(both)
    mail.clock.advance(5)
    back = both.one(update(NEW, both.id(ANNA), removed.memo))
    after = mail.member("Customers", NEW)
    assert (back.status, back.target_id) == ("updated", both.id(NEW))
    assert after is not None and (after["status"], after["contact_id"]) == (
        "subscribed",
        before["contact_id"],
    )


def test_who_was_archived_by_somebody_counts_as_removed_and_not_as_ours(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA, "archived")
    removed = gone(both)
    assert (removed.status, removed.code) == ("removed", "already-away")
    assert both.one(update(ANNA, both.id(ANNA), removed.memo)).code == "archived"


@pytest.mark.parametrize("email", [ANNA, "nobody@nordkran.se"])
def test_removing_twice_is_the_same_as_once(desk: Desk, mail: Busy, email: str) -> None:
    mail.add_member("Customers", ANNA)
    assert [gone(desk, email).status, gone(desk, email).status] == ["removed", "removed"]


def test_a_lost_answer_to_a_removal_is_a_removal(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    mail.fault("lost-answer", method="DELETE")
    assert (gone(desk).status, desk.status(ANNA)) == ("removed", "archived")


def test_a_bounced_member_counts_as_removed_without_a_call(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA, "cleaned")
    assert gone(desk).status == "removed"
    assert (desk.calls("DELETE"), desk.status(ANNA)) == ([], "cleaned")


def test_who_was_asked_to_confirm_cannot_be_archived_before(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA, "pending")
    mail.clock.freeze(mail.clock.now())
    outcome = gone(desk)
    assert (outcome.status, outcome.code) == ("held", "waits-for-confirmation")
    assert outcome.retry_at == mail.clock.now() + timedelta(hours=24)
    assert desk.calls("DELETE") == []
    mail.confirm("Customers", ANNA)
    assert (gone(desk).status, desk.status(ANNA)) == ("removed", "archived")


def test_who_was_never_linked_is_removed_by_the_address_it_was_sent_with(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    sent = replace(remove(ANNA, None), tried_keys=(f"email:{ANNA}",))
    assert desk.one(sent).status == "removed"
    assert desk.status(ANNA) == "archived"


def test_who_was_certainly_never_sent_is_nobodys(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    assert desk.one(remove(ANNA, None)).code == "already-away"
    assert desk.status(ANNA) == "subscribed"


# one by one, where the bulk call does not work


@pytest.fixture
def old(desk: Desk, mail: Busy) -> Desk:
    mail.switches.bulk_legacy = True
    return desk


@pytest.mark.parametrize(
    ("status", "code"),
    [(None, ""), ("subscribed", ""), ("unsubscribed", ""), ("cleaned", ""), ("archived", "archived")],
)
def test_single_puts_keep_every_status(old: Desk, mail: Busy, status: str | None, code: str) -> None:
    if status:
        mail.add_member("Customers", ANNA, status)
    assert old.one(create(ANNA)).code == code
    assert old.status(ANNA) == (status or "subscribed")


def test_refusals_of_single_puts_concern_one_member(old: Desk, mail: Busy) -> None:
    mail.add_member("Customers", OTTO)
    mail.forget("Customers", OTTO)
    outcomes = old.write(
        create(OTTO), create("a@example.com"), create(ANNA, fields={"ADDRESS": {"city": "L"}})
    )
    assert [one.code or one.status for one in outcomes] == ["forgotten-address", "fake-address", "created"]


def test_a_put_that_never_gets_an_answer_is_later_for_the_whole_chunk(old: Desk, mail: Busy) -> None:
    from mlconnector.errors import Later

    writer = old.writer()
    mail.fault("lost-answer", method="PUT", times=0)
    with pytest.raises(Later):
        writer.write("member", [create(ANNA)])
    mail.faults.clear()
    assert writer.write("member", [create(ANNA)])[0].status == "updated"
