"""Reading organizations, persons and products: windows, pages, cursors, fetching by id."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.errors import ConfigError, Later, Rejected
from mlconnector.systems.pipedrive.emulator import SECOND_TOKEN, Pipedrive
from tests.systems.pipedrive.connecting import Client, changes, flow, ids, running

NOON = datetime(2026, 7, 21, 12, 0, tzinfo=UTC)
ORGANIZATIONS = flow("organization", "name")


@pytest.fixture
def client(crm: Pipedrive) -> Iterator[Client]:
    """An empty account, whose clock stands still at noon."""
    crm.clock.freeze(NOON)
    with running(crm) as client:
        yield client


def test_a_checkpoint_is_the_server_s_clock_less_half_a_minute_in_whole_seconds(client: Client) -> None:
    client.crm.people.add("organization", name="A")
    (batch,) = client.reader(ORGANIZATIONS).read("organization", None)
    assert batch.checkpoint == "2026-07-21T11:59:30Z"


def test_an_empty_list_has_a_checkpoint_too(client: Client) -> None:
    (batch,) = client.reader(ORGANIZATIONS).read("organization", None)
    assert (list(batch.changes), batch.checkpoint) == ([], "2026-07-21T11:59:30Z")


def test_times_are_asked_for_in_whole_seconds_and_utc(client: Client) -> None:
    window = {"since": "2026-07-01T08:00:00.123+02:00", "until": "2026-07-02"}
    assert ids(list(client.reader(ORGANIZATIONS).read("organization", **window))) == []
    query = client.crm.log[-1].query
    assert query["updated_since"] == "2026-07-01T06:00:00Z"
    assert query["updated_until"] == "2026-07-02T00:00:00Z"


def test_the_checkpoint_of_a_window_is_not_behind_its_end(client: Client) -> None:
    batches = list(client.reader(ORGANIZATIONS).read("organization", None, until="2026-07-02"))
    assert batches[-1].checkpoint == "2026-07-02T00:00:00Z"


def test_products_know_no_upper_bound_so_it_is_kept_here(client: Client) -> None:
    old = client.crm.people.add("product", name="Old")
    client.crm.clock.advance(60)
    client.crm.people.add("product", name="New")
    batches = list(client.reader(flow("product", "name")).read("product", None, until="2026-07-21T12:00:30Z"))
    assert ids(batches) == [str(old)]


def test_pages_are_walked_in_the_order_of_ids_and_only_the_last_has_a_checkpoint(client: Client) -> None:
    client.crm.fill(organizations=7)
    batches = list(client.reader(ORGANIZATIONS, page_size=3).read("organization", None))
    assert ids(batches) == [str(number) for number in range(1, 8)]
    assert [batch.checkpoint is None for batch in batches] == [True, True, False]
    assert client.crm.log[-1].query["sort_by"] == "id"


def test_an_item_that_comes_on_two_pages_comes_once(client: Client) -> None:
    client.crm.fill(organizations=7)
    client.crm.switches.repeated_page_items = True
    assert len(ids(list(client.reader(ORGANIZATIONS, page_size=3).read("organization", None)))) == 7


def test_a_refused_cursor_begins_the_list_again_and_nothing_comes_twice(client: Client) -> None:
    client.crm.fill(organizations=7)
    client.crm.fault("status", path="/organizations", skip=2, status=400)
    batches = list(client.reader(ORGANIZATIONS, page_size=3).read("organization", None))
    assert ids(batches) == [str(number) for number in range(1, 8)]


def test_a_list_that_is_always_refused_is_an_error_with_a_next_step(client: Client) -> None:
    client.crm.fill(organizations=7)
    client.crm.fault("status", path="/organizations", skip=1, times=0, status=400)
    with pytest.raises(ConfigError) as caught:
        list(client.reader(ORGANIZATIONS, page_size=3).read("organization", None))
    assert "check" in caught.value.hint


def test_an_interrupted_read_goes_on_behind_its_batch_with_the_first_checkpoint(client: Client) -> None:
    client.crm.fill(organizations=7)
    walk = client.reader(ORGANIZATIONS, page_size=3).read("organization", None)
    cursor = next(walk).cursor
    client.crm.clock.advance(3600)
    rest = list(client.reader(ORGANIZATIONS, page_size=3).read("organization", None, resume=cursor))
    assert ids(rest) == ["4", "5", "6", "7"]
    assert rest[-1].checkpoint == "2026-07-21T11:59:30Z"


@pytest.mark.parametrize("cursor", ["", "{}", "garbage", '{"legs":[]}'])
def test_a_place_that_belongs_to_another_read_starts_again(client: Client, cursor: str) -> None:
    client.crm.fill(organizations=2)
    assert len(ids(list(client.reader(ORGANIZATIONS).read("organization", None, resume=cursor)))) == 2


def test_a_record_that_is_edited_during_the_walk_comes_with_the_next_read(client: Client) -> None:
    client.crm.fill(organizations=7)
    walk = client.reader(ORGANIZATIONS, page_size=3).read("organization", None)
    batches = [next(walk)]
    client.crm.clock.advance(10)
    client.crm.people.edit("organization", 1, name="Other")
    batches += list(walk)
    again = list(client.reader(ORGANIZATIONS).read("organization", batches[-1].checkpoint))
    assert changes(again)["1"].record["name"] == "Other"


def test_shift_goes_back_in_whole_seconds(client: Client) -> None:
    reader = client.reader(ORGANIZATIONS)
    assert reader.shift("2026-07-21T11:59:30Z", timedelta(minutes=10)) == "2026-07-21T11:49:30Z"


def test_a_person_has_a_primary_address_and_phone(client: Client) -> None:
    mails = [{"value": "a@x.se", "label": "home"}, {"value": "b@x.se", "primary": True}]
    client.crm.people.add("person", name="Anna Berg", emails=mails, phones=[{"value": "123"}])
    client.crm.people.add("person", name="Nobody")
    found = changes(list(client.reader(flow("person", "name")).read("person", None)))
    assert (found["1"].record["primary_email"], found["1"].record["primary_phone"]) == ("b@x.se", "123")
    assert (found["2"].record["primary_email"], found["2"].record["primary_phone"]) == (None, None)


def test_amounts_are_decimal_whole_ones_too(client: Client) -> None:
    client.crm.people.add(
        "product", name="Desk", tax=19, prices=[{"currency": "EUR", "price": 1000.8, "cost": 5}]
    )
    (change,) = changes(list(client.reader(flow("product", "name")).read("product", None))).values()
    price = change.record["prices"][0]
    assert [change.record["tax"], price["price"], price["cost"]] == [
        Decimal(19),
        Decimal("1000.8"),
        Decimal(5),
    ]
    assert all(isinstance(one, Decimal) for one in (change.record["tax"], price["price"], price["cost"]))


# by id


def test_deleted_hidden_and_unknown_records_come_as_deletes_each_once(client: Client) -> None:
    client.crm.fill(organizations=8)
    client.crm.people.delete("organization", 3)
    wanted = ["1", "2", "3", "4", "5", "99", "5"]
    found = list(client.reader(ORGANIZATIONS).fetch("organization", wanted))
    assert [(one.id, one.kind) for one in found] == [
        ("1", "upsert"), ("2", "upsert"), ("3", "delete"), ("4", "upsert"), ("5", "upsert"), ("99", "delete"),
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["record", "not-found", "error"])
def test_a_deleted_record_is_gone_however_pipedrive_says_so(client: Client, how: Any) -> None:
    client.crm.fill(organizations=1)
    client.crm.people.delete("organization", 1)
    client.crm.switches.get_deleted = how
    (change,) = client.reader(ORGANIZATIONS).fetch("organization", ["1"])
    assert change.kind == "delete"


def test_a_record_that_may_not_be_seen_fails_alone_and_is_not_taken_for_deleted(client: Client) -> None:
    client.crm.fill(organizations=1)
    client.crm.people.hide("organization", 1)
    client.crm.switches.invisible = "forbidden"
    client.secrets["api_token"] = SECOND_TOKEN
    (change,) = client.reader(ORGANIZATIONS).fetch("organization", ["1"])
    assert change.kind == "upsert"
    with pytest.raises(Rejected):
        change.record["name"]


def test_two_hundred_and_fifty_records_are_fetched_with_three_calls(client: Client) -> None:
    client.crm.fill(persons=250)
    found = list(client.reader(flow("person", "name")).fetch("person", [str(one) for one in range(1, 251)]))
    assert len({one.id for one in found if one.kind == "upsert"}) == 250
    assert client.paths() == ["/persons"] * 3


def test_ids_of_another_system_are_refused_before_anything_is_asked(client: Client) -> None:
    with pytest.raises(ConfigError, match="none of Pipedrive's"):
        list(client.reader(ORGANIZATIONS).fetch("organization", ["0000-cafe"]))
    assert client.paths() == []


def test_people_find_a_record_by_name_code_address_or_id(client: Client) -> None:
    client.crm.people.add("person", name="Anna Berg", emails=[{"value": "anna@x.se"}])
    client.crm.people.add("product", name="Desk", code="1896-S")
    client.crm.company.index()
    reader = client.reader(flow("person"), flow("product"))
    assert reader.resolve("person", "anna@x.se") == ["1"]
    assert reader.resolve("product", "1896-s") == ["1"]
    assert reader.resolve("person", "1") == ["1"]
    assert reader.resolve("person", "17") == [], "nobody has this id"
    assert reader.resolve("person", " ") == []


# what it costs


def test_ten_thousand_persons_cost_two_hundred_tokens_and_ten_for_the_fields(client: Client) -> None:
    crm = Pipedrive()
    crm.fill(persons=10_000)
    language = crm.people.add_field("person", "Language", "enum", ("German", "Swedish"))
    with running(crm) as client:
        connected = client.connect()
        source = connected.source([flow("person", "name", "custom_fields.Language")])
        read = sum(len(batch.changes) for batch in source.read("person", None))
        assert read == 10_000
        assert connected.usage() == {"calls": 21, "retries": 0, "throttled": 0, "tokens": 210}
        assert crm.tokens_spent == 210
        assert crm.log[-1].query["custom_fields"] == language


def test_a_run_with_nothing_new_costs_sixty_tokens_and_five_calls(client: Client) -> None:
    crm = Pipedrive()
    crm.clock.freeze(NOON)
    with running(crm) as client:
        connected = client.connect()
        kinds = ("organization", "person", "product", "deal")
        source = connected.source([flow(kind, "id") for kind in kinds])
        since = "2026-07-21T11:00:00Z"
        assert [ids(list(source.read(kind, since))) for kind in kinds] == [[], [], [], []]
        assert (connected.usage()["tokens"], crm.tokens_spent, len(crm.log)) == (60, 60, 5)


def test_nothing_is_asked_for_with_a_parameter_that_the_list_does_not_know(client: Client) -> None:
    crm = Pipedrive(plan=None)
    crm.seed()
    crm.switches.unknown_parameters = "refused"
    kinds = ("organization", "person", "product", "deal")
    with running(crm) as client:
        source = client.reader(*(flow(kind, "custom_fields.ERP number") for kind in kinds[:3]), flow("deal"))
        for kind in kinds:
            found = ids(list(source.read(kind, "2026-01-01T00:00:00Z", until="2100-01-01")))
            assert found and len(list(source.fetch(kind, found))) == len(found)
            assert source.resolve(kind, "Adatum Corporation") is not None
        client.writer().find("organization", ["name:adatum", "number:ERP number=10000"])
        client.crm.clock.advance(86_400)
        list(source.read("deal", crm.clock.now().strftime("%Y-%m-%dT00:00:00Z")))
        list(source.read("deal", "2026-01-01T00:00:00Z"))


def test_no_log_line_holds_the_token(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client.crm.fault("status", status=500)
    list(client.reader(ORGANIZATIONS).read("organization", None))
    assert "/organizations" in caplog.text and client.secrets["api_token"] not in caplog.text


def test_what_breaks_for_good_is_later_and_no_short_list(client: Client) -> None:
    client.crm.fill(organizations=7)
    client.crm.fault("status", skip=1, times=0, status=500)
    with pytest.raises(Later):
        list(client.reader(ORGANIZATIONS, page_size=3).read("organization", None))
