"""Customers and items: what is sent of a change, whose change wins, and how many calls it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.model import Step
from mlconnector.systems.business_central.emulator import BusinessCentral

from .writing import Desk, create, mapped, running, update


def sent(desk: Desk) -> list[str]:
    """The bodies of single changes."""
    return [entry.body for entry in desk.calls("PATCH")]


def adatum(desk: Desk) -> dict[str, Any]:
    return desk.emulator.row("customers", "10000")


# new ones


def test_a_new_customer_gets_what_is_mapped_and_the_rest_from_its_template(desk: Desk) -> None:
    outcome = desk.one(
        "customer", create("12", displayName="Nordkran AB", city="Ulm", website="", country="SE")
    )
    row = desk.emulator.row("customers", outcome.target_id or "")
    assert (outcome.status, outcome.code) == ("created", "")
    assert (row["displayName"], row["city"], row["country"]) == ("Nordkran AB", "Ulm", "SE")
    assert row["paymentTermsId"] != "00000000-0000-0000-0000-000000000000"
    assert outcome.now == {name: value for name, value in row.items() if "@" not in name}


def test_what_was_done_to_its_values_is_said(desk: Desk) -> None:
    outcome = desk.one("customer", create("12", displayName="N" * 101, country="Atlantis"))
    assert (outcome.status, outcome.code) == ("created", "clipped")
    assert outcome.reason == (
        "displayName was cut to 100 characters; country was left out: it is none of Countries/Regions"
    )


def test_a_new_item_may_have_its_own_number(desk: Desk) -> None:
    body = {"number": "abc-1", "displayName": "Desk", "type": "Service", "unitPrice": Decimal("12.50")}
    outcome = desk.one("item", create("5", **body))
    row = desk.emulator.row("items", "ABC-1")
    assert (outcome.status, outcome.target_id) == ("created", row["id"])
    assert (row["type"], row["unitPrice"]) == ("Service", Decimal("12.5"))


@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize(
    ("match", "expected"),
    [(["number:1896-S"], ("unknown", "key-exists")), (["name:desk"], ("failed", "number-taken"))],
)
def test_a_number_that_is_taken_is_looked_for_by_the_next_run(
    bc: BusinessCentral, desk: Desk, status: int, match: list[str], expected: tuple[str, str]
) -> None:
    bc.duplicate_status = status
    before = bc.row("items", "1896-S")
    outcome = desk.one("item", create("5", match, number="1896-S", displayName="Other"))
    assert (outcome.status, outcome.code) == expected
    assert bc.row("items", "1896-S") == before


def test_a_number_that_may_not_be_given_is_refused_for_this_record_only(
    bc: BusinessCentral, desk: Desk
) -> None:
    bc.manual_numbers = False
    outcomes = desk.write("customer", create("1", displayName="A", number="X1"), create("2", displayName="B"))
    assert [outcome.status for outcome in outcomes] == ["failed", "created"]
    assert outcomes[0].code == "business-rule"
    assert "numbers manually" in outcomes[0].reason
    assert outcomes[0].request_id and outcomes[0].answer == "Application_DialogException"


# changes


def test_only_what_changed_and_differs_is_sent(desk: Desk) -> None:
    row = adatum(desk)
    body = {
        "displayName": row["displayName"],
        "city": "Ulm",
        "postalCode": row["postalCode"],
        "email": "new@x.se",
    }
    seen = {name: row[name] for name in body}
    outcome = desk.one("customer", update("1", row["id"], seen, ["displayName", "city"], **body))
    assert (outcome.status, sent(desk)) == ("updated", ['{"city":"Ulm"}'])
    assert outcome.now == {"displayName": row["displayName"], "city": "Ulm"}
    assert adatum(desk)["email"] == row["email"]


def test_nothing_is_sent_where_all_is_as_it_should_be(desk: Desk) -> None:
    row = adatum(desk)
    step = update("1", row["id"], {"city": "Lund", "type": "Person"}, city=row["city"], type="Company")
    outcome = desk.one("customer", step)
    assert (outcome.status, outcome.now) == ("unchanged", {"type": "Company", "city": row["city"]})
    assert sent(desk) == []


def test_a_field_that_was_emptied_in_the_source_is_emptied(desk: Desk) -> None:
    row = adatum(desk)
    step = update("1", row["id"], {"city": row["city"], "email": row["email"]}, city=None, email="")
    assert desk.one("customer", step).now == {"city": "", "email": ""}
    assert (adatum(desk)["city"], adatum(desk)["email"]) == ("", "")


@pytest.mark.parametrize(
    ("there", "wanted", "patched"),
    [
        ("USD", "", '{"currencyCode":""}'),
        ("", "", ""),
        ("", "EUR", ""),
        ("USD", "eur", '{"currencyCode":"EUR"}'),
    ],
)
def test_no_currency_means_the_companys_own(desk: Desk, there: str, wanted: str, patched: str) -> None:
    row = desk.emulator.edit("customers", "10000", currencyCode=there)
    seen = {"currencyCode": row["currencyCode"]}
    outcome = desk.one("customer", update("1", row["id"], seen, currencyCode=wanted))
    assert (outcome.now, "".join(sent(desk))) == ({"currencyCode": "EUR"}, patched)


def test_no_currency_leaves_that_of_a_customer_just_matched(desk: Desk) -> None:
    row = desk.emulator.edit("customers", "10000", currencyCode="USD")
    desk.one("customer", update("1", row["id"], None, currencyCode="", city="Ulm"))
    assert (adatum(desk)["currencyCode"], adatum(desk)["city"]) == ("USD", "Ulm")


def test_a_number_is_never_changed(desk: Desk) -> None:
    outcome = desk.one("item", update("1", desk.id("items", "1896-S"), {}, ["number"], number="NEW"))
    assert (outcome.status, sent(desk)) == ("unchanged", [])


def test_a_change_names_the_state_it_begins_with(desk: Desk) -> None:
    row = adatum(desk)
    desk.one("customer", update("1", row["id"], {"city": row["city"]}, city="Ulm"))
    (call,) = desk.calls("PATCH")
    assert call.headers["if-match"] == row["@odata.etag"]
    reads = desk.calls("GET", "/customers")
    assert all(entry.headers["data-access-intent"] == "ReadWrite" for entry in reads)


def test_a_counterpart_that_is_gone_is_not_made_anew(desk: Desk) -> None:
    gone = desk.id("customers", "10000")
    desk.emulator.delete("customers", "10000")
    outcome = desk.one("customer", update("1", gone, {"city": "Lund"}, city="Ulm"))
    assert (outcome.status, outcome.code, outcome.target_id) == ("failed", "counterpart-gone", gone)
    assert desk.calls("POST") == desk.calls("PATCH") == []


def test_a_record_that_left_the_source_stays_and_that_is_said(desk: Desk) -> None:
    id = desk.id("customers", "10000")
    outcome = desk.one("customer", Step("remove", "1", None, id))
    assert (outcome.status, outcome.code, outcome.target_id) == ("failed", "stays-there", id)
    assert desk.one("customer", Step("remove", "2", None, None)).status == "removed"
    assert desk.calls() == []


def test_a_field_mapped_since_today_is_not_emptied_by_nothing(desk: Desk) -> None:
    row = adatum(desk)
    base = update("1", row["id"], {"city": row["city"]}, city="Ulm", email="", state="North")
    outcome = desk.one("customer", replace(base, changed=None))
    assert outcome.now == {"city": "Ulm", "state": "North"}
    assert adatum(desk)["email"] == row["email"]


def test_what_only_a_new_record_gets_is_not_changed(desk: Desk) -> None:
    row = adatum(desk)
    base = update("1", row["id"], {"city": row["city"], "type": "Company"}, city="Ulm", type="Person")
    assert base.mapped is not None
    step = replace(base, mapped=replace(base.mapped, create_only=frozenset({"type"})))
    assert desk.one("customer", step).now == {"city": "Ulm"}
    assert adatum(desk)["type"] == "Company"


# changed on both sides


@pytest.mark.parametrize(
    ("conflict", "expected"),
    [
        ("source", ("updated", "", "Ulm")),
        ("target", ("unchanged", "conflict-kept", "Kiel")),
        ("hold", ("failed", "conflict", "Kiel")),
    ],
)
def test_what_was_changed_on_both_sides_goes_by_the_setting(
    desk: Desk, conflict: str, expected: tuple[str, str, str]
) -> None:
    row = desk.emulator.edit("customers", "10000", city="Kiel")
    outcome = desk.one("customer", update("1", row["id"], {"city": "Lund"}, city="Ulm"), conflict=conflict)
    assert (outcome.status, outcome.code, adatum(desk)["city"]) == expected
    assert outcome.code == "" or outcome.reason.endswith(": city")


@pytest.mark.parametrize("conflict", ["source", "target", "hold", "newest"])
def test_what_only_the_source_changed_is_no_conflict(desk: Desk, conflict: str) -> None:
    row = desk.emulator.edit("customers", "10000", city="Kiel", state="North")
    step = update("1", row["id"], {"city": "Kiel", "state": "South"}, ["city"], city="Ulm", state="West")
    assert desk.one("customer", step, conflict=conflict).status == "updated"
    assert (adatum(desk)["city"], adatum(desk)["state"]) == ("Ulm", "North")


@pytest.mark.parametrize(("ours", "city"), [(13, "Ulm"), (11, "Kiel"), (None, "Kiel")])
def test_the_newest_is_the_one_with_the_later_stamp(desk: Desk, ours: int | None, city: str) -> None:
    desk.emulator.edit("customers", "10000", city="Kiel")
    row = desk.emulator.stamp("customers", "10000", datetime(2026, 7, 21, 12, tzinfo=UTC))
    modified = datetime(2026, 7, 21, ours, tzinfo=UTC) if ours else None
    base = update("1", row["id"], {"city": "Lund"}, city="Ulm")
    step = Step(
        "update", "1", base.mapped, row["id"], changed=base.changed, seen=base.seen, modified=modified
    )
    desk.one("customer", step, conflict="newest")
    assert adatum(desk)["city"] == city


def test_other_fields_are_written_beside_a_conflict_that_is_kept(desk: Desk) -> None:
    row = desk.emulator.edit("customers", "10000", city="Kiel")
    step = update("1", row["id"], {"city": "Lund", "state": ""}, city="Ulm", state="North")
    outcome = desk.one("customer", step, conflict="target")
    assert (outcome.status, outcome.code, outcome.now) == ("updated", "conflict-kept", {"state": "North"})


# just matched


@pytest.mark.parametrize(
    ("conflict", "expected"),
    [
        ("source", ("updated", "Ulm", "North")),
        ("target", ("updated", "Cambridge", "North")),
        ("hold", ("failed", "Cambridge", "")),
    ],
)
def test_of_a_record_just_matched_empty_values_fill_nothing_and_others_go_by_the_setting(
    desk: Desk, conflict: str, expected: tuple[str, str, str]
) -> None:
    row = desk.emulator.edit("customers", "10000", city="Cambridge", state="")
    step = update("1", row["id"], None, city="Ulm", state="North", email="", addressLine1=None)
    outcome = desk.one("customer", step, conflict=conflict)
    after = adatum(desk)
    assert (outcome.status, after["city"], after["state"]) == expected
    assert (after["email"], after["addressLine1"]) == (row["email"], row["addressLine1"])
    in_step = {"source": {"city": "Ulm", "state": "North"}, "target": {"state": "North"}}
    assert outcome.now == in_step.get(conflict), "what was compared, and nothing else"


def test_linking_reads_the_whole_record_and_writes_nothing(desk: Desk) -> None:
    row = adatum(desk)
    step = Step("link", "1", mapped("organization:1", {"displayName": "Other"}), row["id"])
    outcome = desk.one("customer", step)
    assert (outcome.status, outcome.code, outcome.target_id) == ("unchanged", "linked", row["id"])
    assert outcome.now == {name: value for name, value in row.items() if "@" not in name}
    assert desk.calls("POST") == desk.calls("PATCH") == []


# somebody is quicker


class Busy(BusinessCentral):
    """Somebody changes the customer right before each of the next changes."""

    times = 1

    def answer(self, request: Any) -> Any:
        if request.method == "PATCH" and self.times:
            self.times -= 1
            self.edit("customers", "10000", state=f"S{self.times}")
        return super().answer(request)


@pytest.mark.parametrize(("times", "status"), [(1, "updated"), (2, "updated"), (3, "failed")])
def test_a_record_that_changed_in_between_is_read_and_compared_again(times: int, status: str) -> None:
    busy = Busy()
    busy.seed(customers=1)
    busy.times = times
    with running(busy) as desk:
        row = adatum(desk)
        outcome = desk.one("customer", update("1", row["id"], {"city": row["city"]}, city="Ulm"))
        assert (outcome.status, len(desk.calls("PATCH"))) == (status, min(times + 1, 3))
        assert (outcome.code, outcome.retry_at is not None) == (
            ("changed-meanwhile", True) if status == "failed" else ("", False)
        )
        assert adatum(desk)["state"] == "S0"


# answers that get lost


@pytest.mark.parametrize("kind", ["lost-answer", "cut", "drop"])
def test_a_change_whose_answer_got_lost_is_made_once(bc: BusinessCentral, desk: Desk, kind: Any) -> None:
    row = adatum(desk)
    bc.fault(kind, method="PATCH")
    outcome = desk.one("customer", update("1", row["id"], {"city": row["city"]}, city="Ulm"))
    assert outcome.status in ("updated", "unchanged")
    assert adatum(desk)["city"] == "Ulm"
    assert outcome.now == {"city": "Ulm"}


@pytest.mark.parametrize("kind", ["lost-answer", "cut", "drop"])
def test_a_create_whose_answer_got_lost_is_not_repeated(bc: BusinessCentral, desk: Desk, kind: Any) -> None:
    before = len(bc.rows("customers"))
    bc.fault(kind, method="POST", path="/customers")
    outcome = desk.one("customer", create("1", displayName="Nordkran AB"))
    assert (outcome.status, outcome.code, outcome.target_id) == ("unknown", "no-answer", None)
    assert len(bc.rows("customers")) - before == (0 if kind == "drop" else 1)
    assert len(desk.calls("POST", "/customers")) == 1


@pytest.mark.parametrize("status", [408, 409, 500, 503, 504])
def test_a_create_that_may_have_been_carried_out_is_unknown(
    bc: BusinessCentral, desk: Desk, status: int
) -> None:
    bc.fault("status", method="POST", path="/customers", status=status)
    outcome = desk.one("customer", create("1", displayName="Nordkran AB"))
    assert (outcome.status, len(desk.calls("POST", "/customers"))) == ("unknown", 1)


def test_a_throttled_create_was_not_carried_out_and_goes_out_again(bc: BusinessCentral, desk: Desk) -> None:
    bc.fault("status", method="POST", path="/customers", status=429)
    assert desk.one("customer", create("1", displayName="Nordkran AB")).status == "created"


# one that was only found


@pytest.mark.parametrize(
    ("match", "body", "against"),
    [
        (["name:adatum"], {"taxRegistrationNumber": "DE123456789"}, "tax number"),
        (["email:a@adatum.com"], {"taxRegistrationNumber": "DE123456789"}, "tax number"),
        (["number:77", "name:adatum"], {}, "number"),
        (["name:adatum"], {"displayName": "Adatum GmbH"}, "legal form"),
        (["name:adatum"], {"taxRegistrationNumber": "SE 556677-8899"}, ""),
        (["name:adatum"], {"displayName": "Adatum"}, ""),
        (["name:adatum"], {"displayName": "ADATUM GmbH & Co. Aktiebolag AB"}, ""),
        (["number:10000", "name:adatum"], {"taxRegistrationNumber": "DE123456789"}, ""),
        (["number:77", "tax:SE556677889901"], {"taxRegistrationNumber": "SE556677889901"}, ""),
    ],
)
@pytest.mark.parametrize("action", ["update", "link"])
def test_a_customer_whose_numbers_or_legal_form_contradict_is_not_taken_for_another(
    bc: BusinessCentral, desk: Desk, match: list[str], body: dict[str, Any], against: str, action: Any
) -> None:
    bc.edit("customers", "10000", displayName="Adatum AB", taxRegistrationNumber="SE556677889901")
    before = adatum(desk)
    step = Step(action, "12", mapped("organization:12", {"city": "Ulm", **body}, match), before["id"])
    outcome = desk.one("customer", step)
    assert (outcome.code == "contradicting-match") is bool(against)
    if against:
        assert (outcome.status, outcome.target_id) == ("failed", None)
        assert (
            outcome.reason == f"customer 10000 matches, but its {against} is another one; nothing was written"
        )
        assert adatum(desk) == before


def test_a_customer_that_a_person_linked_is_taken_whatever_it_holds(bc: BusinessCentral, desk: Desk) -> None:
    bc.edit("customers", "10000", taxRegistrationNumber="SE556677889901")
    body = {"taxRegistrationNumber": "DE123456789"}
    step = Step("update", "12", mapped("organization:12", body), desk.id("customers", "10000"), memo={})
    assert desk.one("customer", step).status == "updated"
