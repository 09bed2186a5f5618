"""The writer on the emulator: who is created, updated, left alone; consent on every path; small chunks and large."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mlconnector.errors import ConfigError, StoppedError
from mlconnector.flows.nav_mailchimp import MergeField
from tests.systems.mailchimp.writing import (
    ANNA,
    COMPANY,
    MANY,
    OTTO,
    Busy,
    Desk,
    create,
    remove,
    update,
    write,
)

NOT_NEW = ["subscribed", "unsubscribed", "cleaned", "pending", "transactional"]


def test_a_run_that_has_to_end_does_so_between_two_single_writes_and_says_what_was_done(
    desk: Desk, mail: Busy
) -> None:
    steps = []
    for number in range(4):
        mail.add_member("Customers", f"old{number}@nordkran.se")
        steps.append(update(f"new{number}@nordkran.se", desk.id(f"old{number}@nordkran.se")))
    writer = desk.writer()
    desk.ends_after = len(desk.sleeps) + 2
    with pytest.raises(StoppedError) as stopped:
        writer.write("member", steps)
    assert {one: outcome.status for one, outcome in stopped.value.settled.items()} == {
        "new0@nordkran.se": "updated",
        "new1@nordkran.se": "updated",
    }
    assert desk.status("old2@nordkran.se") and not desk.status("new2@nordkran.se")


def test_a_new_member_is_created_with_fields_and_tags(both: Desk) -> None:
    outcome = both.one(create(ANNA, fields={"COMPANY": "Nordkran"}, tags=["Customer"]))
    assert (outcome.status, outcome.target_id, outcome.answer) == ("created", both.id(ANNA), "200")
    assert outcome.request_id and outcome.memo and outcome.memo["tags"] == ["Customer"]
    assert (both.status(ANNA), both.fields(ANNA)["COMPANY"], both.tags(ANNA)) == (
        "subscribed",
        "Nordkran",
        {"Customer"},
    )


@pytest.mark.parametrize("status", NOT_NEW)
def test_a_member_that_exists_is_updated_and_keeps_its_status(both: Desk, mail: Busy, status: str) -> None:
    mail.add_member("Customers", ANNA, status)
    outcome = both.one(create(ANNA, fields={"COMPANY": "Nordkran"}))
    assert (outcome.status, outcome.target_id) == ("updated", both.id(ANNA))
    assert (both.status(ANNA), both.fields(ANNA)["COMPANY"]) == (status, "Nordkran")


@pytest.mark.parametrize("linked", [False, True])
def test_who_was_archived_by_somebody_stays_archived(both: Desk, mail: Busy, linked: bool) -> None:
    mail.add_member("Customers", ANNA, "archived")
    outcome = both.one(update(ANNA, both.id(ANNA)) if linked else create(ANNA))
    assert (outcome.status, outcome.code) == ("skipped", "archived")
    assert both.status(ANNA) == "archived"


def test_a_double_opt_in_audience_asks_the_person_first(both: Desk, mail: Busy) -> None:
    mail.account.audience("Customers").double_optin = True
    both.one(create(ANNA))
    assert both.status(ANNA) == "pending"
    assert ANNA in {sent["email_address"] for sent in mail.confirmation_mails("Customers")}


@pytest.mark.parametrize("wanted", ["pending", "transactional", "unsubscribed"])
def test_a_new_member_gets_the_status_the_file_names(both: Desk, wanted: str) -> None:
    both.one(create(ANNA, status_if_new=wanted))
    assert both.status(ANNA) == wanted


def test_addresses_are_compared_without_letter_case(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", "Anna@Nordkran.se")
    outcome = both.one(create("ANNA@nordkran.se", fields={"COMPANY": "Nordkran"}))
    assert (outcome.status, outcome.target_id) == ("updated", both.id(ANNA))


def test_outcomes_come_one_a_step_in_the_order_of_the_steps(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", OTTO)
    steps = [
        create("a@example.com"),
        remove(OTTO, desk.id(OTTO)),
        create(ANNA),
        *[create(f"m{place}@nordkran.se") for place in range(MANY)],
        create("no address"),
    ]
    outcomes = desk.write(*steps)
    assert [outcome.code or outcome.status for outcome in outcomes] == [
        "fake-address",
        "removed",
        *["created"] * (MANY + 1),
        "invalid-address",
    ]


def test_a_chunk_may_hold_removals_only(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    assert desk.one(remove(ANNA, desk.id(ANNA))).status == "removed"
    assert desk.bulk_calls() == []


def test_several_threads_write_at_once(desk: Desk) -> None:
    writer = desk.writer(parallel=6)
    chunks = [[create(f"c{lane}p{place}@nordkran.se") for place in range(30)] for lane in range(6)]
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda chunk: write(writer, *chunk), chunks))
    assert {outcome.status for chunk in outcomes for outcome in chunk} == {"created"}
    assert len(desk.emulator.members("Customers")) == 180


# another audience in the file


def test_ids_of_the_audience_that_was_named_before_do_not_count(both: Desk) -> None:
    outcome = both.one(update(ANNA, both.id(ANNA, "Vendors"), {"archived": {"status": "subscribed"}}))
    assert (outcome.status, outcome.target_id, both.status(ANNA)) == ("created", both.id(ANNA), "subscribed")


def test_everybody_goes_to_an_audience_that_is_named_anew(desk: Desk) -> None:
    emails = [f"m{place}@nordkran.se" for place in range(MANY)]
    outcomes = desk.write(*[update(email, desk.id(email, "Vendors")) for email in emails])
    assert {outcome.status for outcome in outcomes} == {"created"}
    assert {row["status"] for row in desk.emulator.members("Customers")} == {"subscribed"}


def test_a_member_of_the_former_audience_is_not_removed_from_this_one(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    outcome = desk.one(remove(ANNA, desk.id(ANNA, "Vendors")))
    assert (outcome.status, outcome.code, desk.status(ANNA)) == ("removed", "other-audience", "subscribed")


# who is looked at before


def test_few_members_are_looked_at_one_by_one_and_many_by_a_list(desk: Desk) -> None:
    desk.write(*[create(f"m{place}@nordkran.se") for place in range(MANY - 1)])
    assert len(desk.calls("GET", "/members/")) == MANY - 1
    desk.emulator.log.clear()
    desk.write(*[create(f"n{place}@nordkran.se") for place in range(MANY)])
    assert len(desk.calls("GET", "/members/")) == 0
    assert [entry.query["status"] for entry in desk.calls("GET", "/members")] == ["archived"]


def test_few_new_members_among_many_known_ones_are_looked_at_too(desk: Desk, mail: Busy) -> None:
    emails = [f"m{place}@nordkran.se" for place in range(MANY)]
    desk.write(*[create(email) for email in emails])
    mail.switches.collection_lag_seconds = 60.0
    mail.add_member("Customers", ANNA, "archived")
    *_, anna = desk.write(*[update(email, desk.id(email)) for email in emails], create(ANNA))
    assert (anna.code, desk.status(ANNA)) == ("archived", "archived")


def test_the_list_of_archived_members_is_read_once_and_then_its_news(desk: Desk, mail: Busy) -> None:
    mail.clock.freeze(mail.clock.now())
    writer = desk.writer()
    for lane in range(2):
        write(writer, create(f"{lane}@nordkran.se"), fillers=MANY)
    assert len(desk.calls("GET", "/members")) == 1
    mail.add_member("Customers", ANNA, "archived")
    mail.clock.advance(20)
    (anna,) = write(writer, create(ANNA), fillers=MANY)
    assert anna.code == "archived"
    lists = [entry for entry in desk.calls("GET", "/members") if entry.path.endswith("/members")]
    assert "since_last_changed" in lists[-1].query


@pytest.mark.parametrize("count", [999, 1000, 1001, 2500])
def test_the_list_of_archived_members_is_read_to_its_end(desk: Desk, mail: Busy, count: int) -> None:
    for place in range(count):
        mail.add_member("Customers", f"old{place}@nordkran.se", "archived")
    desk.fillers = MANY
    assert desk.one(create(f"old{count - 1}@nordkran.se")).code == "archived"


def test_a_known_member_archived_at_the_last_moment_is_never_subscribed(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    mail.before_bulk = lambda: mail.archive("Customers", ANNA)
    desk.fillers = MANY
    outcome = desk.one(update(ANNA, desk.id(ANNA)))
    assert (outcome.status, outcome.code, desk.status(ANNA)) == ("skipped", "archived", "archived")
    assert "subscribed" not in {move.new for move in mail.transitions("Customers") if move.old == "archived"}


def test_a_member_that_was_looked_at_and_then_archived_is_never_subscribed(desk: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA)
    mail.before_bulk = lambda: mail.archive("Customers", ANNA)
    assert desk.one(create(ANNA)).code == "archived"
    assert "subscribed" not in {move.new for move in mail.transitions("Customers") if move.old == "archived"}


# tags


def test_a_tag_that_is_not_given_any_more_is_taken_away_and_others_stay(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA, tags=["Trade fair", "Old", "Kept"])
    outcome = both.one(update(ANNA, both.id(ANNA), {"tags": ["Old", "Kept"]}, tags=["Kept", "New"]))
    assert both.tags(ANNA) == {"Trade fair", "Kept", "New"}
    assert outcome.memo and outcome.memo["tags"] == ["Kept", "New"]


def test_a_tag_is_taken_away_from_a_member_that_is_unchanged_otherwise(both: Desk, mail: Busy) -> None:
    mail.switches.bulk_unchanged = "omitted"
    mail.add_member("Customers", ANNA, tags=["Old", "Kept"])
    both.one(update(ANNA, both.id(ANNA), {"tags": ["Old", "Kept"]}, tags=["Kept"]))
    assert both.tags(ANNA) == {"Kept"}


def test_a_tag_spelled_with_other_letter_case_stays(both: Desk, mail: Busy) -> None:
    mail.add_member("Customers", ANNA, tags=["VIP"])
    both.one(update(ANNA, both.id(ANNA), {"tags": ["VIP"]}, tags=["vip"]))
    assert both.tags(ANNA) == {"VIP"}


def test_no_tag_call_is_made_when_the_bulk_call_brought_them(desk: Desk) -> None:
    desk.one(create(ANNA, tags=["Customer"]))
    assert desk.calls("POST", "/tags") == []


# merge fields


def test_missing_merge_fields_are_created_with_their_types(desk: Desk, mail: Busy) -> None:
    kinds = {"COMPANY": "text", "BALANCE": "number", "TEL": "phone", "SINCE": "date", "WEB": "url"}
    desk.writer(fields=[MergeField(tag, kind, tag.title()) for tag, kind in kinds.items()])
    made = mail.account.audience("Customers").fields.by_tag
    assert {tag: made[tag].type for tag in kinds} == kinds
    assert (made["COMPANY"].name, made["COMPANY"].required, made["COMPANY"].public) == (
        "Company",
        False,
        False,
    )
    assert made["TEL"].options["phone_format"] == "none"


def test_merge_fields_that_are_there_are_not_created_again(desk: Desk) -> None:
    desk.writer()
    desk.writer()
    assert len(desk.calls("POST", "/merge-fields")) == 1


def test_a_lost_answer_to_the_creation_of_a_merge_field_makes_no_second_one(desk: Desk, mail: Busy) -> None:
    mail.fault("lost-answer", method="POST", path="/merge-fields")
    desk.writer()
    assert len(desk.calls("POST", "/merge-fields")) == 1
    assert desk.one(create(ANNA, fields={"COMPANY": "Nordkran"})).status == "created"


def test_a_merge_field_of_a_type_that_cannot_hold_the_value_stops_the_run(desk: Desk) -> None:
    desk.writer(fields=[MergeField("BALANCE", "number", "Balance")])
    with pytest.raises(ConfigError, match="BALANCE is of type number there, the mapping gives text"):
        desk.writer(fields=[MergeField("BALANCE", "text", "Balance")])


def test_more_merge_fields_than_the_plan_holds_stop_the_run_and_name_the_limit(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="could not be created") as raised:
        desk.writer(fields=[MergeField(f"F{place}", "text", "F") for place in range(31)])
    assert "30 merge fields" in raised.value.hint


def test_a_text_longer_than_mailchimp_keeps_is_cut_before_it_is_sent(both: Desk) -> None:
    both.one(create(ANNA, fields={"COMPANY": "å" * 200}))
    assert both.fields(ANNA)["COMPANY"] == "å" * 127


# find


def test_find_sees_what_was_written_a_moment_ago_archived_or_not(desk: Desk, mail: Busy) -> None:
    mail.switches.collection_lag_seconds = 60.0
    writer = desk.writer()
    write(writer, create(ANNA), create(OTTO))
    mail.archive("Customers", OTTO)
    found = writer.find("member", [f"email:{ANNA}", f"email:{OTTO}", "email:nobody@nordkran.se"])
    assert found == {f"email:{ANNA}": [desk.id(ANNA)], f"email:{OTTO}": [desk.id(OTTO)]}


def test_find_works_before_anything_is_prepared(desk: Desk, mail: Busy) -> None:
    from mlconnector.flows.nav_mailchimp import MemberTarget
    from tests.systems.mailchimp.writing import FLOW

    mail.add_member("Customers", ANNA)
    target = desk.connect().target(FLOW, MemberTarget(audience="Customers", merge_fields=(COMPANY,)))
    assert target.find("member", [f"email:{ANNA}"]) == {f"email:{ANNA}": [desk.id(ANNA)]}


# each switch of the sheet's 13.1, in its other position


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"bulk_unchanged": "omitted"},
        {"bulk_legacy": True},
        {"bulk_duplicates": "per-address"},
        {"bulk_self_unsubscribed": "silent"},
        {"bulk_api_unsubscribed": "silent"},
        {"since_last_changed": "inclusive"},
        {"members_without_status": "all"},
        {"cleaned_to_pending": "compliance"},
        {"archived_status_if_new": "unarchived"},
        {"long_merge_tag": "truncated"},
        {"pending_to_subscribed": "refused"},
        {"unknown_fields": "refused"},
        {"large_count": "refused"},
        {"to_transactional": "applied"},
        {"incomplete_address": "ignored"},
        {"shorter_bulk_members": True},
        {"collection_lag_seconds": 5.0},
    ],
    ids=str,
)
def test_uncertain_behaviour_makes_no_difference_to_consent_or_to_what_arrives(
    both: Desk, mail: Busy, switches: dict[str, object]
) -> None:
    before = {f"{status}@nordkran.se": status for status in [*NOT_NEW, "archived"]}
    for email, status in before.items():
        mail.add_member("Customers", email, status)
    mail.clock.advance(60)
    mail.switches.change(switches)
    emails = [*before, ANNA]
    for company in ("Nordkran", "Nordkran", "Other"):
        outcomes = both.write(*[create(email, fields={"COMPANY": company}, tags=["T"]) for email in emails])
        assert [one.code for one in outcomes] == ["archived" if "archived" in e else "" for e in emails]
        assert {email: both.status(email) for email in emails} == {**before, ANNA: "subscribed"}
        alive = [email for email in emails if "archived" not in email]
        assert {both.fields(email)["COMPANY"] for email in alive} == {company}
        assert all(both.tags(email) == {"T"} for email in alive)
