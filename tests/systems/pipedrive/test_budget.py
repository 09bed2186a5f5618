"""What calls cost, and when no more are made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mlconnector.errors import Later
from mlconnector.systems.pipedrive.budget import cost_of
from mlconnector.systems.pipedrive.emulator import Pipedrive
from tests.systems.pipedrive.connecting import Client, create, flow, running

NOON = datetime(2026, 7, 21, 12, tzinfo=UTC)
PERSONS = flow("person", "name")


@pytest.fixture
def client() -> Iterator[Client]:
    """A Lite account with one seat (30,000 tokens a day, 20 requests in two seconds), at noon."""
    crm = Pipedrive(plan="lite", seats=1)
    crm.clock.freeze(NOON)
    with running(crm) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "cost"),
    [
        ("GET", "/api/v2/persons", 10),
        ("GET", "/api/v2/persons/12", 1),
        ("GET", "/api/v2/deals/archived", 20),
        ("GET", "/api/v2/deals/products", 10),
        ("GET", "/api/v2/deals/12/discounts", 10),
        ("GET", "/api/v2/organizationFields", 10),
        ("GET", "/api/v2/organizations/search", 20),
        ("POST", "/api/v2/products", 5),
        ("PATCH", "/api/v2/products/12", 5),
        ("DELETE", "/api/v2/products/12", 3),
        ("GET", "/v1/users/me", 2),
        ("PUT", "/somewhere", 40),
    ],
)
def test_calls_cost_what_the_table_says(method: str, path: str, cost: int) -> None:
    assert cost_of(method, path) == cost


def test_the_count_is_the_emulator_s_own(client: Client) -> None:
    client.crm.people.add("product", name="Desk")
    client.crm.people.add("deal", title="D")
    client.crm.people.add_line(1, 1, 10)
    client.crm.people.discount(1, 5)
    client.crm.people.win(1)
    connected = client.connect()
    source = connected.source([flow("deal", "title"), flow("product", "code")])
    list(source.read("deal", None)), list(source.fetch("product", ["1"])), source.resolve("product", "Desk")  # type: ignore[attr-defined]
    list(connected.check([]))
    assert connected.usage()["tokens"] == client.crm.tokens_spent > 60


def test_below_the_floor_nothing_more_is_asked(client: Client) -> None:
    client.crm.fill(persons=10)
    client.crm.throttle.spend(24_000 - 15)
    with pytest.raises(Later) as caught:
        list(client.reader(PERSONS, page_size=2).read("person", None))
    assert caught.value.retry_at == datetime(2026, 7, 22, tzinfo=UTC)
    assert "daily_floor" in caught.value.message
    assert len(client.crm.log) == 1  # the first answer tells how much is left


def test_the_runs_of_a_day_together_take_no_more_than_their_share(client: Client) -> None:
    client.crm.switches.daily_headers = False
    client.crm.fill(persons=3)
    how: dict[str, Any] = {"page_size": 1, "daily_tokens": 1000, "daily_share": 5}
    list(client.reader(PERSONS, **how).read("person", None))
    with pytest.raises(Later, match=r"took 50 of the company's 1000 .*daily_share") as caught:
        list(client.reader(PERSONS, **how).read("person", None))
    assert caught.value.retry_at == datetime(2026, 7, 22, tzinfo=UTC)
    assert client.crm.tokens_spent == 50
    client.crm.clock.advance(12 * 3600)
    assert len(list(client.reader(PERSONS, **how).read("person", None))) == 3, "another day"


def test_the_headers_know_the_company_s_budget_better_than_the_file(client: Client) -> None:
    client.crm.fill(persons=100)
    found = list(client.reader(PERSONS, page_size=10, daily_tokens=100, daily_share=10).read("person", None))
    assert len(found) == 10


def test_a_burst_is_waited_out(client: Client) -> None:
    client.crm.fill(persons=30)
    client.crm.fault("status", status=429, times=2)
    connected = client.connect(page_size=10)
    assert sum(len(one.changes) for one in connected.source([PERSONS]).read("person", None)) == 30
    assert connected.usage()["throttled"] == 2


def test_a_spent_day_ends_the_flow_at_once(client: Client) -> None:
    client.crm.throttle.spend(30_000)
    with pytest.raises(Later) as caught:
        list(client.reader(PERSONS).read("person", None))
    assert caught.value.retry_at == datetime(2026, 7, 22, tzinfo=UTC)
    assert len(client.crm.log) == 1


def test_requests_keep_below_half_of_the_smallest_plan_s_burst(client: Client) -> None:
    client.crm.fill(persons=12)
    list(client.reader(PERSONS, page_size=1).read("person", None))
    assert sum(client.sleeps) >= 11 / 4 - 1  # twelve calls at four a second, less what they took


def test_cloudflare_s_page_ends_the_flow(client: Client) -> None:
    client.crm.fault("html", status=403, times=0)
    with pytest.raises(Later, match="Cloudflare"):
        list(client.reader(PERSONS).read("person", None))
    assert len(client.crm.log) == 1


@pytest.mark.parametrize(("kind", "status"), [("html", 403), ("status", 429)])
def test_after_cloudflare_s_page_or_a_spent_day_the_other_flows_send_nothing(
    client: Client, kind: Any, status: int
) -> None:
    client.crm.fault(kind, status=status, retry_after=3600 if status == 429 else None)
    client.behind = -3600.0
    connected = client.connect()
    for one in (connected, connected, client.connect()):  # the third is another run
        with pytest.raises(Later) as caught:
            list(one.source([PERSONS]).read("person", None))
        assert caught.value.retry_at
    assert len(client.crm.log) == 1
    client.crm.clock.advance(86_400)
    assert list(connected.source([PERSONS]).read("person", None))


def test_what_was_written_before_the_tokens_ran_out_is_told(client: Client) -> None:
    steps = [create({"name": f"A{number}"}, f"s{number}") for number in range(4)]
    client.crm.switches.daily_headers = False
    writer = client.writer(daily_tokens=1000, daily_share=2)  # 20 tokens: the fields, two records
    with pytest.raises(Later) as caught:
        writer.write("organization", steps)
    assert {id_: one.status for id_, one in caught.value.settled.items()} == {
        "s0": "created",
        "s1": "created",
    }
    assert len(client.crm.people.records("organization")) == 2
