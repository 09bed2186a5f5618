"""The bulk call: each refusal and its reaction, refused chunks, time-outs, old accounts, unanswered members."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from mlconnector.errors import AuthError, ConfigError, Later
from mlconnector.flows.nav_mailchimp import MergeField
from mlconnector.sandbox import Reply, Request, json_reply
from tests.systems.mailchimp.writing import (
    ANNA,
    COMPANY,
    MANY,
    OTTO,
    Busy,
    Desk,
    create,
    is_bulk,
    running,
    update,
)

FIELDS = (COMPANY, MergeField("BALANCE", "number", "Balance"), MergeField("ADDRESS", "address", "Address"))
WHOLE = {"addr1": "Kaj 1", "city": "Lund", "state": "N/A", "zip": "22222"}
HALF = {"addr1": "Kaj 1", "city": "Lund"}


class Answering(Busy):
    """Answers bulk calls with what `reply` makes of them."""

    def reply(self, request: Request) -> Reply | None:
        return None

    def answer(self, request: Request) -> Any:
        bulk = request.method == "POST" and is_bulk(request.path)
        return (self.reply(request) if bulk else None) or super().answer(request)


# one member is refused


@pytest.mark.parametrize(
    ("email", "code"),
    [("anna@example.com", "fake-address"), ("anna..b@nordkran.se", "invalid-address")],
)
def test_an_address_that_cannot_be_one_fails_alone(both: Desk, email: str, code: str) -> None:
    bad, good = both.write(create(email), create(ANNA))
    assert (bad.status, bad.code, bad.retry_at) == ("failed", code, None)
    assert good.status == "created"
    assert email not in bad.reason


def test_a_forgotten_address_is_left_in_peace(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    mail.forget("Customers", ANNA)
    outcome = both.one(create(ANNA))
    assert (outcome.status, outcome.code, both.status(ANNA)) == ("skipped", "forgotten-address", None)


def test_who_opted_out_and_was_archived_then_does_not_come_back(desk: Desk, mail: Busy) -> None:
    mail.switches.collection_lag_seconds = 60.0  # the list does not show it yet
    mail.add_member("Customers", ANNA, "archived", status_before="unsubscribed")
    desk.fillers = MANY
    outcome = desk.one(create(ANNA))
    assert (outcome.status, outcome.code) == ("skipped", "compliance-state")
    assert desk.status(ANNA) == "archived"


def test_too_many_signups_are_tried_again_after_a_day(both: Desk, mail: Busy) -> None:
    mail.clock.freeze(mail.clock.now())
    mail.too_many_signups(ANNA)
    outcome = both.one(create(ANNA))
    assert (outcome.status, outcome.code) == ("failed", "too-many-signups")
    assert outcome.retry_at == mail.clock.now() + timedelta(hours=24)
    mail.too_many_signups(ANNA, on=False)
    assert both.one(create(ANNA)).status == "created"


def test_a_bad_merge_value_fails_and_names_the_field(both: Desk) -> None:
    bad, good = both.write(
        create(ANNA, fields={"BALANCE": "much"}), create(OTTO, fields={"BALANCE": 5}), fields=FIELDS
    )
    assert (bad.status, bad.code) == ("failed", "bad-merge-value")
    assert bad.reason == "BALANCE: Please enter a number"
    assert good.status == "created"


def test_an_incomplete_postal_address_is_left_empty_and_the_rest_arrives(both: Desk) -> None:
    outcome = both.one(create(ANNA, fields={"ADDRESS": HALF, "COMPANY": "Nordkran"}), fields=FIELDS)
    assert (outcome.status, outcome.code) == ("created", "incomplete-address")
    assert (both.fields(ANNA)["ADDRESS"], both.fields(ANNA)["COMPANY"]) == ("", "Nordkran")


def test_an_incomplete_postal_address_stored_there_does_not_block_updates(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    mail.profile_edit("Customers", ANNA, ADDRESS=HALF)
    outcome = both.one(update(ANNA, both.id(ANNA), fields={"COMPANY": "Nordkran"}))
    assert (outcome.status, outcome.code) == ("updated", "incomplete-address")
    assert (both.fields(ANNA)["ADDRESS"], both.fields(ANNA)["COMPANY"]) == ("", "Nordkran")


def test_a_whole_postal_address_mends_a_stored_half_one(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    mail.profile_edit("Customers", ANNA, ADDRESS=HALF)
    assert both.one(update(ANNA, both.id(ANNA), fields={"ADDRESS": WHOLE}), fields=FIELDS).code == ""
    assert both.fields(ANNA)["ADDRESS"]["zip"] == "22222"


# the whole chunk is refused


class Picky(Answering):
    """Refuses a whole call for one member in it."""

    bad = ("bad3@nordkran.se",)

    def reply(self, request: Request) -> Reply | None:
        if any(email.encode() in request.body for email in self.bad):
            detail = "The resource submitted could not be validated."
            return json_reply(
                400,
                {"title": "Invalid Resource", "status": 400, "detail": detail},
                "application/problem+json",
            )
        return None


def test_a_chunk_that_is_refused_as_a_whole_is_halved_down_to_the_bad_record() -> None:
    with running(Picky()) as desk:
        outcomes = desk.write(*[create(f"bad{place}@nordkran.se") for place in range(40)])
        failed = [(place, one.code) for place, one in enumerate(outcomes) if one.status != "created"]
        assert failed == [(3, "invalid-body")]
        assert len(desk.bulk_calls()) <= 2 * 6 + 1


def test_halving_has_a_call_budget() -> None:
    mail = Picky()
    mail.bad = ("@nordkran.se",)
    with running(mail) as desk:
        outcomes = desk.write(*[create(f"bad{place}@nordkran.se") for place in range(200)])
        assert {one.code for one in outcomes} == {"invalid-body", "refused-together"}
        assert {one.status for one in outcomes if one.code == "refused-together"} == {"held"}
        assert len(desk.bulk_calls()) <= 41


def test_an_audience_that_was_deleted_stops_the_run(desk: Desk, mail: Busy) -> None:
    writer = desk.writer()
    del mail.account.audiences[mail.list_id("Customers")]
    with pytest.raises(ConfigError, match="the audience Customers is not there any more"):
        writer.write("member", [create(f"m{place}@nordkran.se") for place in range(1)])


# no clear answer


def test_a_call_that_timed_out_waits_a_minute_and_goes_on_in_halves(desk: Desk, mail: Busy) -> None:
    mail.fault("html", method="POST", path=r"/lists/\w+$", status=504)
    outcomes = desk.write(*[create(f"m{place}@nordkran.se") for place in range(20)])
    assert {one.status for one in outcomes} == {"created"}
    assert desk.bulk_calls() == [20, 10, 10]
    assert [seconds for seconds in desk.sleeps if seconds] == [60.0]


def test_a_call_whose_answer_is_lost_is_repeated(both: Desk, mail: Busy) -> None:
    mail.fault("lost-answer", method="POST", path=r"/lists/\w+$")
    outcome = both.one(create(ANNA, tags=["T"]))
    assert (outcome.status, both.status(ANNA), both.tags(ANNA)) == ("updated", "subscribed", {"T"})
    assert len(both.emulator.members("Customers")) == 1 + both.fillers


@pytest.mark.parametrize("kind", ["lost-answer", "cut"])
def test_a_call_that_never_gets_an_answer_leaves_its_members_unknown(
    desk: Desk, mail: Busy, kind: Any
) -> None:
    mail.fault(kind, method="POST", path=r"/lists/\w+$", times=0)
    outcome = desk.one(create(ANNA))
    assert (outcome.status, outcome.code) == ("unknown", "no-answer")
    mail.faults.clear()
    assert desk.one(create(ANNA)).status == "updated"
    assert len(mail.members("Customers")) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_throttled_account_ends_the_flow_as_later(desk: Desk, mail: Busy, status: int) -> None:
    writer = desk.writer()
    mail.fault("status", times=0, status=status)
    with pytest.raises(Later):
        writer.write("member", [create(ANNA)])


@pytest.mark.parametrize("kind", ["status", "html"])
def test_a_throttled_call_is_tried_again(both: Desk, mail: Busy, kind: Any) -> None:
    mail.fault(kind, method="POST", path=r"/lists/\w+$", status=429, times=2)
    assert both.one(create(ANNA)).status == "created"


def test_an_edge_that_blocks_this_address_is_later_and_no_wrong_key(desk: Desk, mail: Busy) -> None:
    writer = desk.writer()
    mail.switches.html_403 = True
    with pytest.raises(Later):
        writer.write("member", [create(ANNA)])
    assert max(desk.sleeps) >= 60


def test_a_key_that_was_withdrawn_stops_the_run(desk: Desk, mail: Busy) -> None:
    writer = desk.writer()
    mail.api_key = "another-us6"
    with pytest.raises(AuthError):
        writer.write("member", [create(ANNA)])


# answers that do not say everything


class Silent(Answering):
    """Leaves addresses with `silent` out of its answers, and does nothing about those with `deaf`."""

    def reply(self, request: Request) -> Reply | None:
        if b"deaf" in request.body:
            return json_reply(200, {"new_members": [], "updated_members": [], "errors": []})
        return None


def test_a_member_the_answer_does_not_mention_is_read_again(desk: Desk, mail: Busy) -> None:
    mail.switches.bulk_unchanged = "omitted"
    mail.add_member("Customers", ANNA)
    mail.profile_edit("Customers", ANNA, LNAME="Lind")
    outcome = desk.one(create(ANNA, fields={"LNAME": "Lind"}))
    assert (outcome.status, outcome.target_id) == ("unchanged", desk.id(ANNA))


def test_a_member_that_was_neither_taken_nor_refused_fails_and_is_due_again() -> None:
    with running(Silent()) as desk:
        outcome = desk.one(create("deaf@nordkran.se"))
        assert (outcome.status, outcome.code) == ("failed", "not-applied")
        assert outcome.retry_at is not None


def test_a_member_whose_change_was_not_applied_is_written_alone() -> None:
    mail = Silent()
    mail.add_member("Customers", "deaf@nordkran.se", "unsubscribed")
    with running(mail) as desk:
        outcome = desk.one(create("deaf@nordkran.se", fields={"COMPANY": "Nordkran"}, tags=["T"]))
        assert outcome.status == "updated"
        assert desk.fields("deaf@nordkran.se")["COMPANY"] == "Nordkran"
        assert (desk.status("deaf@nordkran.se"), desk.tags("deaf@nordkran.se")) == ("unsubscribed", {"T"})


class Archiving(Silent):
    """Somebody archives the member while the call is on its way."""

    def reply(self, request: Request) -> Reply | None:
        self.archive("Customers", "deaf@nordkran.se")
        return super().reply(request)


def test_a_member_the_answer_does_not_mention_may_be_archived_by_now() -> None:
    mail = Archiving()
    mail.add_member("Customers", "deaf@nordkran.se")
    with running(mail) as desk:
        assert desk.one(create("deaf@nordkran.se")).code == "archived"
        assert desk.status("deaf@nordkran.se") == "archived"


# accounts of an older kind


def test_an_account_without_status_if_new_is_written_by_single_puts(both: Desk, mail: Busy) -> None:
    mail.switches.bulk_legacy = True
    outcomes = both.write(create(ANNA, tags=["T"]), create(OTTO, fields={"COMPANY": "Nordkran"}))
    assert [one.status for one in outcomes] == ["created", "created"]
    assert (both.status(ANNA), both.tags(ANNA)) == ("subscribed", {"T"})
    assert len(both.bulk_calls()) == 1


def test_an_account_of_the_older_kind_is_asked_once_a_run(desk: Desk, mail: Busy) -> None:
    mail.switches.bulk_legacy = True
    writer = desk.writer()
    for place in range(3):
        writer.write("member", [create(f"m{place}@nordkran.se")])
    assert len(desk.bulk_calls()) == 1


class NoTags(Answering):
    """Takes bulk calls, but ignores the tags in them."""

    def reply(self, request: Request) -> Reply | None:
        members = request.json()["members"]
        for member in members:
            member.pop("tags", None)
        body = {**request.json(), "members": members}
        return Busy.answer(self, _with_body(request, msgspec.json.encode(body)))


def _with_body(request: Request, body: bytes) -> Request:
    return replace(request, body=body)


def test_tags_a_bulk_call_ignored_are_set_by_the_tags_endpoint() -> None:
    with running(NoTags()) as desk:
        assert desk.one(create(ANNA, tags=["T"])).status == "created"
        assert desk.tags(ANNA) == {"T"}


class Willful(Answering):
    """Subscribes everybody, whatever `status_if_new` says."""

    def reply(self, request: Request) -> Reply | None:
        return Busy.answer(self, _with_body(request, request.body.replace(b"pending", b"subscribed")))


def test_an_account_that_does_not_heed_status_if_new_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    with running(Willful()) as desk:
        writer = desk.writer(parallel=1)
        writer.write("member", [create(ANNA, status_if_new="pending")])
        writer.write("member", [create(OTTO, status_if_new="pending")])
        assert desk.status(OTTO) == "pending"
        assert len(desk.bulk_calls()) == 1
    assert "one by one from here" in caplog.text


def test_a_large_chunk_of_archived_members_makes_no_bulk_call(desk: Desk, mail: Busy) -> None:
    emails = [f"gone{place}@nordkran.se" for place in range(MANY)]
    for email in emails:
        mail.add_member("Customers", email, "archived")
    outcomes = desk.write(*[create(email) for email in emails])
    assert {one.code for one in outcomes} == {"archived"} and desk.bulk_calls() == []
