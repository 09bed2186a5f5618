from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.errors import ConfigError, Later, Rejected, Stop
from mlconnector.http import TimedOut
from mlconnector.sandbox import json_reply
from mlconnector.systems.business_central.dialects import V2
from mlconnector.systems.business_central.emulator import BusinessCentral
from mlconnector.systems.business_central.read import read_stamp, show_moment, to_change

from .connecting import NOON, Canned, Client, Edited, Strained, filled, flow, lists, numbers, reader, running

YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


@pytest.fixture
def bc() -> BusinessCentral:
    """Twelve customers, 10000 to 21000, one a day since the ninth of July; it is noon of the 21st."""
    return filled(BusinessCentral())


@pytest.fixture
def client(bc: BusinessCentral) -> Iterator[Client]:
    """A client of `bc`."""
    with running(bc) as client:
        yield client


# what is asked for, and how it comes


def test_no_more_is_asked_for_than_the_flows_map(bc: BusinessCentral, client: Client) -> None:
    flows = [
        flow("email", "paymentTerm.code"),
        flow("city", "customerFinancialDetail.balance"),
        flow("balance", entity="vendor"),
    ]
    source = client.connect().source(flows)
    [batch] = source.read("customer", None)
    assert set(batch.changes[0].record) == {
        *("id", "number", "lastModifiedDateTime", "email", "city"),
        *("paymentTerm", "customerFinancialDetail"),
    }
    assert set(batch.changes[0].record["paymentTerm"]) == {"code"}
    assert lists(bc)[0].query == {
        "$select": "id,number,lastModifiedDateTime,city,email",
        "$expand": "customerFinancialDetail($select=balance),paymentTerm($select=code)",
    }
    list(source.read("vendor", None))
    assert bc.log[-1].query == {"$select": "id,number,lastModifiedDateTime,balance"}


def test_amounts_are_exact_and_annotations_stay_away(bc: BusinessCentral, client: Client) -> None:
    bc.touch_balance("10000", "2311.30")
    paths = ("balanceDue", "customerFinancialDetail.balance")
    [change] = next(reader(client, *paths).read("customer", None)).changes[:1]
    assert change.record["balanceDue"] == Decimal("2311.3")
    assert isinstance(change.record["customerFinancialDetail"]["balance"], Decimal)
    assert not any("@" in name for name in change.record)
    assert not any("@" in name for name in change.record["customerFinancialDetail"])
    assert change.modified == NOON - timedelta(days=12)
    assert (change.entity, change.kind) == ("customer", "upsert")


def test_a_broken_record_does_not_spoil_its_page() -> None:
    emulator = filled(Edited())
    emulator.old, emulator.new = b'"C3"', b'"C\xff\xfe"'
    with running(emulator) as client:
        [batch] = reader(client, "displayName").read("customer", None)
    assert len(batch.changes) == 12
    broken = batch.changes[3]
    assert broken.id == emulator.row("customers", "13000")["id"]
    assert batch.changes[4].record["displayName"] == "C4"
    with pytest.raises(Rejected) as caught:
        broken.record.get("displayName")
    assert caught.value.code == "unreadable-record"
    with pytest.raises(Rejected):
        dict(broken.record)


@pytest.mark.parametrize("raw", [b"{}", b"[]", b"7", b'{"number":"\xff"}'])
def test_a_record_without_an_id_stops_the_read(raw: bytes) -> None:
    with pytest.raises(Stop):
        to_change(V2, "customer", raw)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-24T22:53:12.55Z", datetime(2026, 2, 24, 22, 53, 12, 550_000, tzinfo=UTC)),
        ("2026-02-24T22:53:12.1234567Z", datetime(2026, 2, 24, 22, 53, 12, 123_456, tzinfo=UTC)),
        ("2026-02-24T22:53:12Z", datetime(2026, 2, 24, 22, 53, 12, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("2026-02-24", datetime(2026, 2, 24, tzinfo=UTC)),
        ("soon", None),
        (None, None),
    ],
)
def test_stamps_are_aware_and_the_blank_one_is_none(text: Any, moment: datetime | None) -> None:
    assert read_stamp(text) == moment


def test_a_checkpoint_is_utc_with_milliseconds_rounded_down() -> None:
    moment = datetime.fromisoformat("2026-02-24T23:53:12.9996+01:00")
    assert show_moment(moment) == "2026-02-24T22:53:12.999Z"


# pages


def test_pages_are_followed_to_the_end_and_only_the_last_has_a_checkpoint(
    bc: BusinessCentral, client: Client
) -> None:
    batches = list(reader(client, page_size=5).read("customer", None))
    assert [len(batch.changes) for batch in batches] == [5, 5, 2]
    assert numbers(batches) == [f"{place}000" for place in range(10, 22)]
    assert [batch.checkpoint for batch in batches] == [None, None, "2026-07-20T12:00:00.000Z"]
    assert [batch.cursor is None for batch in batches] == [False, False, True]
    assert [entry.headers["prefer"] for entry in lists(bc)] == ["odata.maxpagesize=5"] * 3
    assert [entry.headers["accept-language"] for entry in lists(bc)] == ["en-US"] * 3


def test_the_last_page_may_be_empty(bc: BusinessCentral, client: Client) -> None:
    bc.empty_last_page = True
    batches = list(reader(client, page_size=6).read("customer", None))
    assert [len(batch.changes) for batch in batches] == [6, 6, 0]
    assert batches[-1].checkpoint == "2026-07-20T12:00:00.000Z"


def test_a_link_to_another_origin_is_not_followed() -> None:
    emulator = filled(Edited())
    with running(emulator) as client:
        emulator.old = b'"@odata.nextLink":"' + client.url.encode()
        emulator.new = b'"@odata.nextLink":"http://127.0.0.1:9'
        with pytest.raises(Stop, match="an answer links to"):
            list(reader(client, page_size=5).read("customer", None))


def test_a_page_that_links_to_itself_ends_the_read() -> None:
    emulator = Canned(json_reply(200, {"value": []}))
    with running(emulator) as client:
        link = f"{client.url}/v2.0/x/api/v2.0/loop"
        emulator.replies = [json_reply(200, {"value": [], "@odata.nextLink": link})]
        company = "2cd06086-7b01-f111-a1fd-7ced8d2674f8"
        with pytest.raises(Stop, match="links to itself"):
            list(reader(client, company=company).read("customer", None))


def test_json_of_something_else_is_a_wrong_address() -> None:
    company = "2cd06086-7b01-f111-a1fd-7ced8d2674f8"
    with (
        running(Canned(json_reply(200, {"hello": "world"}))) as client,
        pytest.raises(ConfigError, match="something else than a list"),
    ):
        list(reader(client, company=company).read("customer", None))


def test_a_page_that_times_out_is_asked_for_again_in_halves_from_where_it_was() -> None:
    emulator = filled(Strained(), 260)
    emulator.bearable = 130
    with running(emulator) as client:
        source = reader(client, page_size=1000)
        assert numbers(list(source.read("customer", None))) == [
            r["number"] for r in emulator.rows("customers")
        ]
        sizes = [entry.headers["prefer"].partition("=")[2] for entry in lists(emulator)]
        assert sizes == ["1000", "500", "250", "125", "125", "125"]
        emulator.log.clear()
        list(source.read("customer", None))
        assert sizes[-3:] == [entry.headers["prefer"].partition("=")[2] for entry in lists(emulator)]


def test_halving_in_the_middle_repeats_no_page_that_came() -> None:
    emulator = filled(Strained(), 300)
    emulator.bearable = 1000
    with running(emulator) as client:
        batches = reader(client, page_size=200).read("customer", None)
        got = [next(batches)]
        emulator.bearable = 60
        got += batches
        assert [len(batch.changes) for batch in got] == [200, 50, 50]
        assert len(set(numbers(got))) == 300


def test_a_page_that_never_comes_ends_as_later() -> None:
    emulator = filled(Strained(), 1)
    emulator.bearable = 0
    with running(emulator) as client:
        with pytest.raises(Later, match="504"):
            list(reader(client, page_size=100).read("customer", None))
        sizes = [entry.headers["prefer"].partition("=")[2] for entry in lists(emulator)]
        assert sizes == ["100"] + ["50"] * 5


def test_an_answer_that_breaks_off_is_asked_for_again(bc: BusinessCentral, client: Client) -> None:
    bc.fault("cut", path="/customers", skip=1, times=2)
    bc.fault("drop", path="/customers", skip=1)
    source = reader(client, page_size=5)
    assert len(numbers(list(source.read("customer", None)))) == 12
    assert [entry.headers["prefer"] for entry in lists(bc)] == ["odata.maxpagesize=5"] * 6


def test_throttling_on_the_way_is_waited_for_with_the_same_page(bc: BusinessCentral, client: Client) -> None:
    bc.fault("status", path="/customers", status=429, retry_after=3, skip=1)
    bc.fault("html", path="/customers", status=502, skip=1)
    connected = client.connect(page_size=5)
    assert len(numbers(list(connected.source([flow()]).read("customer", None)))) == 12
    assert any(3 <= seconds <= 4 for seconds in client.sleeps)
    assert connected.usage() == {"calls": 7, "retries": 2, "throttled": 1}


def test_a_server_that_cannot_be_reached_is_not_asked_for_smaller_pages() -> None:
    client = Client("http://127.0.0.1:9", BusinessCentral().clock.now)
    with pytest.raises(Later, match="cannot connect") as caught:
        list(reader(client).read("customer", None))
    assert not isinstance(caught.value, TimedOut)


def test_a_system_that_is_down_ends_the_read_as_later(bc: BusinessCentral, client: Client) -> None:
    bc.fault("status", path="/customers", status=503, times=0)
    with pytest.raises(Later):
        list(reader(client).read("customer", None))


def test_a_field_that_is_not_there_stops_with_a_remedy(client: Client) -> None:
    with pytest.raises(ConfigError, match="Could not find a property named 'displayName2'") as caught:
        list(reader(client, "displayName2").read("customer", None))
    assert "mlconnector check" in caught.value.hint
    assert caught.value.request_id


# since, until and the watermark


def test_without_a_watermark_records_that_were_never_changed_come_too(
    bc: BusinessCentral, client: Client
) -> None:
    bc.stamp("customers", "15000", YEAR_ONE)
    [batch] = reader(client).read("customer", None)
    assert "15000" in numbers([batch])
    assert batch.changes[5].modified is None
    assert "$filter" not in lists(bc)[0].query


def test_from_a_watermark_on_the_stamp_itself_is_included(bc: BusinessCentral, client: Client) -> None:
    [batch] = reader(client).read("customer", "2026-07-19T12:00:00.000Z")
    assert numbers([batch]) == ["20000", "21000"]
    assert lists(bc)[0].query["$filter"] == "lastModifiedDateTime ge 2026-07-19T12:00:00.000Z"
    assert batch.checkpoint == "2026-07-20T12:00:00.000Z"


def test_until_leaves_out_what_changed_then_or_later(bc: BusinessCentral, client: Client) -> None:
    batches = list(reader(client).read("customer", "2026-07-18", until="2026-07-20T14:00:00+02:00"))
    assert numbers(batches) == ["19000", "20000"]
    bc.stamp("customers", "10000", YEAR_ONE)
    batches = list(reader(client).read("customer", None, until="2026-07-11"))
    assert numbers(batches) == ["10000", "11000"]


def test_a_time_that_is_none_is_told(client: Client) -> None:
    with pytest.raises(ConfigError, match="no date"):
        list(reader(client).read("customer", "yesterday"))


def test_nothing_new_leaves_the_watermark_alone(client: Client) -> None:
    [batch] = reader(client).read("customer", "2026-07-21T00:00:00.000Z")
    assert (batch.changes, batch.checkpoint, batch.cursor) == ([], None, None)


def test_only_blank_stamps_give_the_servers_clock(bc: BusinessCentral, client: Client) -> None:
    for row in bc.rows("customers"):
        bc.stamp("customers", row["number"], YEAR_ONE)
    batches = []
    for batch in reader(client, page_size=5).read("customer", None):
        batches.append(batch)
        bc.clock.advance(60)
    assert batches[-1].checkpoint == "2026-07-21T12:00:00.000Z"


def test_a_node_whose_clock_runs_ahead_does_not_carry_the_watermark_along(
    bc: BusinessCentral, client: Client
) -> None:
    bc.stamp("customers", "12000", NOON + timedelta(minutes=9))
    [batch] = reader(client).read("customer", None)
    assert batch.checkpoint == "2026-07-21T12:00:00.000Z"


def test_what_changes_on_a_page_already_passed_lies_after_the_watermark(
    bc: BusinessCentral, client: Client
) -> None:
    source = reader(client, page_size=5)
    seen = []
    for batch in source.read("customer", None):
        seen.append(batch)
        bc.clock.advance(60)
        if len(seen) == 1:
            bc.edit("customers", "11000", displayName="passed")
        bc.edit("customers", "21000", displayName=f"still to come {len(seen)}")
    checkpoint = seen[-1].checkpoint
    assert checkpoint == "2026-07-21T12:00:00.000Z"
    assert numbers(list(source.read("customer", checkpoint))) == ["11000", "21000"]


def test_a_late_commit_is_found_within_the_overlap(bc: BusinessCentral, client: Client) -> None:
    source = reader(client, "displayName")
    late = bc.edit_late("customers", "11000", displayName="late")
    bc.clock.advance(120)
    bc.edit("customers", "12000", displayName="early")
    bc.clock.advance(1)
    checkpoint = list(source.read("customer", "2026-07-21T00:00:00Z"))[-1].checkpoint
    assert checkpoint == "2026-07-21T12:02:00.000Z"
    late.commit()
    since = source.shift(checkpoint, timedelta(minutes=10))
    assert since == "2026-07-21T11:52:00.000Z"
    found = list(source.read("customer", since))
    assert numbers(found) == ["11000", "12000"]
    assert found[-1].checkpoint == checkpoint


# going on with an interrupted read


def test_an_interrupted_read_goes_on_in_another_process(bc: BusinessCentral, client: Client) -> None:
    first = next(reader(client, page_size=5).read("customer", None))
    bc.clock.advance(3600)
    bc.edit("customers", "21000", displayName="changed since")
    rest = list(reader(client, page_size=4).read("customer", None, resume=first.cursor))
    assert numbers(rest) == [f"{place}000" for place in range(15, 22)]
    assert rest[-1].checkpoint == "2026-07-21T12:00:00.000Z"  # the clock when the whole read began


def test_a_read_that_saw_its_records_before_it_was_interrupted_knows_it(
    bc: BusinessCentral, client: Client
) -> None:
    bc.empty_last_page = True
    first = next(reader(client, page_size=12).read("customer", None))
    [rest] = reader(client, page_size=12).read("customer", None, resume=first.cursor)
    assert (rest.changes, rest.checkpoint) == ([], "2026-07-20T12:00:00.000Z")


def test_with_other_fields_an_interrupted_read_starts_again(client: Client) -> None:
    first = next(reader(client, page_size=5).read("customer", None))
    again = list(reader(client, "city", page_size=5).read("customer", None, resume=first.cursor))
    assert len(numbers(again)) == 12
    assert all("city" in change.record for batch in again for change in batch.changes)


def test_a_cursor_that_is_none_starts_again(client: Client) -> None:
    assert len(numbers(list(reader(client).read("customer", None, resume="{half")))) == 12


def test_a_cursor_of_another_origin_is_refused(client: Client) -> None:
    first = next(reader(client, page_size=5).read("customer", None))
    with running(filled(BusinessCentral())) as other, pytest.raises(ConfigError, match="interrupted read"):
        list(reader(other, page_size=5).read("customer", None, resume=first.cursor))


def test_a_cursor_whose_link_was_tampered_with_is_refused(client: Client) -> None:
    cursor = json.loads(next(reader(client, page_size=5).read("customer", None)).cursor or "")
    cursor["link"] = cursor["link"].replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(Stop, match="an answer links to"):
        list(reader(client, page_size=5).read("customer", None, resume=json.dumps(cursor)))
