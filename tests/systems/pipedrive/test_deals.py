"""Reading deals: two lists, all statuses, lines, discounts, and the daily second look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.cli.records import is_there
from mlconnector.errors import Later, Rejected
from mlconnector.systems.pipedrive.emulator import SECOND_TOKEN, Pipedrive
from tests.systems.pipedrive.connecting import Client, changes, flow, ids, running

NOON = datetime(2026, 7, 21, 12, 0, tzinfo=UTC)
DEALS = flow("deal", "title", "value")


@pytest.fixture
def client(crm: Pipedrive) -> Iterator[Client]:
    """Two products at noon; nothing was sold yet."""
    crm.clock.freeze(NOON)
    crm.people.add("product", name="Desk", code="1896-S")
    crm.people.add("product", name="Chair", code="1900-S")
    with running(crm) as client:
        yield client


def sold(client: Client, *prices: float) -> int:
    """A won deal with a line for each price."""
    people = client.crm.people
    deal = people.add("deal", title="Desks", currency="EUR")
    for place, price in enumerate(prices):
        people.add_line(deal, 1 + place % 2, price, 2)
    people.win(deal)
    return deal


def read(client: Client, since: str | None = None, **settings: object) -> dict[str, object]:
    return {**changes(list(client.reader(DEALS, **settings).read("deal", since)))}


def test_open_lost_and_archived_deals_come_too_and_deleted_ones_as_deletes(client: Client) -> None:
    people = client.crm.people
    for title in ("open", "won", "lost", "deleted", "archived"):
        people.add("deal", title=title)
    people.win(2), people.lose(3), people.delete("deal", 4), people.win(5), people.archive(5)
    found = changes(list(client.reader(DEALS).read("deal", None)))
    assert {id_: (one.kind, one.record.get("status")) for id_, one in found.items()} == {
        "1": ("upsert", "open"), "2": ("upsert", "won"), "3": ("upsert", "lost"), "4": ("delete", None),
        "5": ("upsert", "won"),
    }  # fmt: skip


def test_a_deal_that_is_reopened_comes_again(client: Client) -> None:
    deal = sold(client, 10)
    client.crm.clock.advance(3600)
    client.crm.people.reopen(deal)
    found = changes(list(client.reader(DEALS).read("deal", "2026-07-21T12:30:00Z")))
    assert found[str(deal)].record["status"] == "open"
    assert "products" not in found[str(deal)].record


def test_both_lists_share_one_checkpoint(client: Client) -> None:
    batches = list(client.reader(DEALS).read("deal", None))
    assert [batch.checkpoint for batch in batches] == ["2026-07-21T11:59:30Z"]
    assert client.paths() == ["/deals", "/deals/archived"]


def test_a_read_that_breaks_between_the_lists_goes_on_with_the_second(client: Client) -> None:
    for _ in range(3):
        sold(client, 5)
    client.crm.people.archive(3)
    walk = client.reader(DEALS, page_size=2).read("deal", None)
    cursor = next(walk).cursor
    client.crm.log.clear()
    assert ids(list(client.reader(DEALS, page_size=2).read("deal", None, resume=cursor))) == ["3"]
    assert "/deals" not in client.paths()


def test_a_won_deal_has_its_lines_in_order_with_amounts(client: Client) -> None:
    deal = sold(client, 1000.8, 192)
    record = changes(list(client.reader(DEALS).read("deal", None)))[str(deal)].record
    assert [line["item_price"] for line in record["products"]] == [Decimal("1000.8"), Decimal(192)]
    assert all(type(line["quantity"]) is Decimal for line in record["products"])
    assert (record["discounts"], record["value"]) == ([], Decimal("2385.6"))


def test_a_won_deal_without_products_has_no_lines_and_open_deals_are_not_asked_for(client: Client) -> None:
    client.crm.people.add("deal", title="Advice", value=900)
    client.crm.people.win(1)
    client.crm.people.add("deal", title="Maybe", value=100)
    found = changes(list(client.reader(DEALS).read("deal", None)))
    assert found["1"].record["products"] == [] and found["1"].record["discounts"] == []
    assert [one.query["deal_ids"] for one in client.crm.log if one.path.endswith("/products")] == ["1"]


def test_discounts_are_asked_for_only_where_the_sum_is_not_the_value(client: Client) -> None:
    plain, discounted = sold(client, 10), sold(client, 20)
    client.crm.people.discount(discounted, 5, "percentage", "Regular customer")
    found = changes(list(client.reader(DEALS).read("deal", None)))
    (discount,) = found[str(discounted)].record["discounts"]
    assert (discount["type"], discount["amount"]) == ("percentage", Decimal(5))
    assert found[str(plain)].record["discounts"] == []
    assert [path for path in client.paths() if "discounts" in path] == [f"/deals/{discounted}/discounts"]


def test_lines_and_discounts_of_deals_that_were_won_before_the_first_day_are_not_asked_for(
    client: Client,
) -> None:
    old = sold(client, 10)
    client.crm.people.discount(old, 5)
    client.crm.clock.advance(86_400)
    new = sold(client, 20)
    late, early = (replace(DEALS, first_day=date(2026, 7, day)) for day in (22, 21))
    found = changes(list(client.reader(late).read("deal", None)))
    assert ("products" in found[str(old)].record, len(found[str(new)].record["products"])) == (False, 1)
    assert [one.query["deal_ids"] for one in client.crm.log if one.path.endswith("/products")] == [str(new)]
    assert not [path for path in client.paths() if "discounts" in path]
    for others in ([late, early], [late, DEALS]):
        assert "products" in changes(list(client.reader(*others).read("deal", None)))[str(old)].record


def test_a_disabled_line_does_not_count_for_the_sum(client: Client) -> None:
    deal = sold(client, 10, 20)
    client.crm.people.edit_line(deal, 2, is_enabled=False)
    assert len(changes(list(client.reader(DEALS).read("deal", None)))[str(deal)].record["products"]) == 2
    assert not [path for path in client.paths() if "discounts" in path]


def test_lines_come_in_hundreds_of_deals_whatever_their_number(client: Client) -> None:
    client.crm.fill(products=5, won_deals=120, lines=6)
    found = changes(list(client.reader(DEALS).read("deal", None)))
    assert {len(one.record["products"]) for one in found.values()} == {6}
    assert client.paths().count("/deals/products") == 3  # 600 lines of 100 deals are two pages


def test_a_call_for_lines_that_is_answered_404_once_leaves_no_deal_without_lines(client: Client) -> None:
    sold(client, 10), sold(client, 20, 30)
    client.crm.fault("status", path="/deals/products", status=404, times=1)
    found = changes(list(client.reader(DEALS).read("deal", None)))
    assert [len(one.record["products"]) for one in found.values()] == [1, 2]


def test_lines_that_stay_not_found_end_the_flow(client: Client) -> None:
    sold(client, 10)
    client.crm.fault("status", path="/deals/products", status=404, times=0)
    with pytest.raises(Later, match="lines of deals are not found"):
        list(client.reader(DEALS).read("deal", None))


@pytest.mark.parametrize(("goes", "kind"), [("delete", "delete"), ("hide", "upsert")])
def test_a_deal_that_goes_away_between_its_list_and_its_lines_goes_alone(
    client: Client, goes: str, kind: str
) -> None:
    deals = [sold(client, 10), sold(client, 20)]
    client.secrets["api_token"] = SECOND_TOKEN
    reader = client.reader(DEALS)
    listed = [client.crm.people.record("deal", one) for one in deals]
    getattr(client.crm.people, goes)("deal", deals[0])
    client.crm.fault("status", path="/deals/products", status=404, times=1)
    away, there = reader._shown("deal", listed)
    assert (away.kind, is_there(away)) == (kind, False)
    assert len(there.record["products"]) == 1


def test_lines_know_the_code_of_their_product_where_products_are_read_too(client: Client) -> None:
    deal = sold(client, 10, 20)
    source = client.reader(DEALS, flow("product", "code"))
    lines = changes(list(source.read("deal", None)))[str(deal)].record["products"]
    assert [line["product_code"] for line in lines] == ["1896-S", "1900-S"]
    alone = changes(list(client.reader(DEALS).read("deal", None)))[str(deal)].record["products"]
    assert "product_code" not in alone[0]


@pytest.mark.parametrize("goes", ["delete", "hide"])
def test_a_line_of_a_product_that_is_not_shown_any_more_is_not_taken_for_one_without_code(
    client: Client, goes: str
) -> None:
    deal = sold(client, 10, 20)
    getattr(client.crm.people, goes)("product", 1)
    client.secrets["api_token"] = SECOND_TOKEN
    source = client.reader(DEALS, flow("product", "code"))
    gone, there = changes(list(source.read("deal", None)))[str(deal)].record["products"]
    assert "product_code" not in gone
    assert there["product_code"] == "1900-S"


def test_lines_name_their_variations_which_are_read_once_a_product(client: Client) -> None:
    people = client.crm.people
    oak, birch = people.add_variation(1, "Oak"), people.add_variation(1, "Birch")
    for variation in (oak, birch, None):
        deal = people.add("deal", title="Desks", currency="EUR")
        people.add_line(deal, 1, 10, 2, product_variation_id=variation)
        people.win(deal)
    connected = client.connect()
    before = client.crm.tokens_spent
    found = changes(list(connected.source([DEALS]).read("deal", None)))
    names = [found[id_].record["products"][0].get("product_variation_name") for id_ in ("1", "2", "3")]
    assert names == ["Oak", "Birch", None]
    assert client.paths().count("/products/1/variations") == 1
    assert connected.usage()["tokens"] == client.crm.tokens_spent - before


def test_variations_of_a_product_that_is_not_shown_have_no_name(client: Client) -> None:
    people = client.crm.people
    deal = people.add("deal", title="Desks", currency="EUR")
    people.add_line(deal, 1, 10, 2, product_variation_id=people.add_variation(1, "Oak"))
    people.win(deal)
    client.crm.fault("status", path="/variations", status=404)
    (line,) = changes(list(client.reader(DEALS).read("deal", None)))[str(deal)].record["products"]
    assert line["product_variation_id"] and "product_variation_name" not in line


def test_a_discount_is_seen_though_it_takes_off_as_much_as_the_tax_adds(client: Client) -> None:
    client.crm.switches.sums_with_tax = client.crm.switches.line_sums_net = True
    people = client.crm.people
    deal = people.add("deal", title="Desk", currency="EUR")
    people.add_line(deal, 1, 100, 1, tax=25, tax_method="exclusive")
    people.discount(deal, 20)
    people.win(deal)
    record = changes(list(client.reader(DEALS).read("deal", None)))[str(deal)].record
    assert record["value"] == record["products"][0]["sum"] == 100
    assert [one["amount"] for one in record["discounts"]] == [20]


def test_with_tax_on_top_one_deal_without_discounts_shows_that_the_others_need_not_be_asked(
    client: Client,
) -> None:
    people = client.crm.people
    for _ in range(3):
        deal = people.add("deal", title="Desk", currency="EUR")
        people.add_line(deal, 1, 100, 1, tax=25, tax_method="exclusive")
        people.win(deal)
    read(client)
    assert [path for path in client.paths() if "discounts" in path] == ["/deals/1/discounts"]


def test_the_first_read_after_midnight_looks_at_the_lines_of_deals_won_lately_again(client: Client) -> None:
    lately = sold(client, 10)
    client.crm.clock.advance(20 * 3600)
    client.crm.people.edit_line(lately, 1, comments="in blue")  # the deal's own stamp does not move
    since = "2026-07-21T23:50:00Z"
    assert read(client, "2026-07-22T00:10:00Z") == {}
    found = changes(list(client.reader(DEALS).read("deal", since)))
    assert found[str(lately)].record["products"][0]["comments"] == "in blue"


def test_the_second_look_comes_once_a_day_though_the_overlap_reaches_back_over_midnight(
    client: Client,
) -> None:
    sold(client, 10)
    client.crm.clock.advance(12 * 3600 + 10)  # ten seconds past midnight
    overlap = timedelta(minutes=10)
    looks, checkpoint = [], "2026-07-21T23:55:00Z"
    for _ in range(3):
        reader = client.reader(DEALS)
        batches = list(reader.read("deal", reader.shift(checkpoint, overlap)))
        looks.append(ids(batches))
        checkpoint = str(batches[-1].checkpoint)
        client.crm.clock.advance(300)
    assert looks == [["1"], [], []]


def test_the_second_look_is_for_so_many_days_and_for_won_deals_only(client: Client) -> None:
    old, lost = sold(client, 10), sold(client, 20)
    client.crm.people.lose(lost)
    client.crm.clock.advance(10 * 86_400)
    client.crm.people.edit("deal", old, title="Edited long after it was won")
    client.crm.clock.advance(2 * 86_400)
    assert set(read(client, "2026-08-01T12:00:00Z", lines_days=5)) == set()
    assert set(read(client, "2026-08-01T12:00:00Z", lines_days=30)) == {str(old)}
    assert set(read(client, "2026-08-01T12:00:00Z", lines_days=0)) == set()


def test_the_second_look_tiles_with_the_window_and_no_deal_comes_twice(client: Client) -> None:
    before = sold(client, 10)
    client.crm.clock.advance(12 * 3600)
    after = sold(client, 20)
    batches = list(client.reader(DEALS).read("deal", "2026-07-21T23:00:00Z"))
    assert ids(batches) == [str(after), str(before)]
    assert [batch.checkpoint is None for batch in batches][-1] is False


def test_archived_and_deleted_deals_are_found_by_id(client: Client) -> None:
    for _ in range(5):
        sold(client, 10)
    client.crm.people.archive(2), client.crm.people.delete("deal", 3)
    found = list(client.reader(DEALS).fetch("deal", [str(one) for one in range(1, 7)]))
    kinds = {one.id: one.kind for one in found}
    assert kinds == {"1": "upsert", "2": "upsert", "3": "delete", "4": "upsert", "5": "upsert", "6": "upsert"}
    assert all("products" in one.record for one in found if one.id in "1245")


@pytest.mark.parametrize("how", ["record", "error"])
def test_a_deal_that_pipedrive_says_was_deleted_is_gone(client: Client, how: Any) -> None:
    client.crm.people.delete("deal", sold(client, 10))
    client.crm.switches.get_deleted = how
    (change,) = client.reader(DEALS).fetch("deal", ["1"])
    assert change.kind == "delete"


@pytest.mark.parametrize("others", [0, 5])
def test_a_deal_that_this_user_does_not_see_any_more_is_not_taken_for_deleted(
    client: Client, others: int
) -> None:
    client.crm.people.hide("deal", sold(client, 10))
    seen = [str(sold(client, 20)) for _ in range(others)]
    client.secrets["api_token"] = SECOND_TOKEN
    hidden, *rest = client.reader(DEALS).fetch("deal", ["1", *seen])
    assert [one.kind for one in (hidden, *rest)] == ["upsert"] * (1 + others)
    with pytest.raises(Rejected) as caught:
        hidden.record["status"]
    assert caught.value.code == "not-visible" and not is_there(hidden)


def test_a_thousand_won_deals_cost_twenty_for_each_hundred_of_lines_and_the_lists(client: Client) -> None:
    crm = Pipedrive()
    crm.fill(products=10, won_deals=1000, lines=3)
    with running(crm) as client:
        connected = client.connect()
        count = sum(len(batch.changes) for batch in connected.source([DEALS]).read("deal", None))
        assert (count, connected.usage()["tokens"]) == (1000, 20 + 20 + 10 * 10)
