"""Limits of the emulated Pipedrive: burst, daily budget, headers and the block (fact sheet 8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from mlconnector.sandbox import Running
from mlconnector.systems.pipedrive.emulator import CLIENT_ID, CLIENT_SECRET, SECOND_TOKEN, Pipedrive
from tests.systems.pipedrive.conftest import Api

START = datetime(2026, 11, 2, 22, 54, 21, tzinfo=UTC)
BUDGET = 30_000


@pytest.fixture
def crm() -> Pipedrive:
    """A Lite account with one seat, at a moment that stands still."""
    crm = Pipedrive(plan="lite", seats=1)
    crm.clock.freeze(START)
    return crm


@pytest.fixture
def api(crm: Pipedrive) -> Iterator[Api]:
    with Running(crm) as running:
        yield Api(running.url)


def statuses(api, times, path="/deals/1"):
    return [api.call("GET", path).status_code for _ in range(times)]


@pytest.mark.parametrize(("method", "path", "cost"), [
    ("GET", "/api/v2/deals/1", 1), ("GET", "/api/v2/deals", 10), ("GET", "/api/v2/deals/archived", 20),
    ("GET", "/api/v2/deals/products", 10), ("GET", "/api/v2/deals/1/discounts", 10), ("POST", "/api/v2/persons", 5),
    ("PATCH", "/api/v2/products/1", 5), ("DELETE", "/api/v2/organizations/1", 3), ("GET", "/api/v2/itemSearch", 20),
    ("GET", "/api/v2/deals/search", 20), ("POST", "/api/v2/deals/1/products", 5),
    ("POST", "/api/v2/deals/1/products/bulk", 25), ("DELETE", "/api/v2/deals/1/products", 15),
    ("GET", "/api/v2/stages", 5), ("GET", "/api/v2/dealFields", 10), ("GET", "/api/v2/dealFields/title", 1),
    ("GET", "/v1/dealFields", 20), ("GET", "/v1/users", 20), ("GET", "/v1/users/me", 2), ("GET", "/v1/currencies", 20),
    ("GET", "/v1/recents", 20), ("PUT", "/v1/persons/1/merge", 40),
])  # fmt: skip
def test_every_call_has_its_price_even_when_it_fails(crm, api, method, path, cost):
    api.call(method, path, json={})
    assert crm.tokens_spent == cost


def test_switch_failed_calls_are_free(crm, api):
    crm.switches.failed_requests_cost = False
    statuses(api, 2)
    api.data("/persons")
    assert crm.tokens_spent == 10


def test_a_page_costs_the_same_however_large(crm, api):
    crm.fill(persons=200)
    api.data("/persons", limit=1)
    api.data("/persons", limit=200)
    assert crm.tokens_spent == 20


def test_more_than_the_plans_requests_in_two_seconds_are_429(crm, api):
    assert statuses(api, 21) == [404] * 20 + [429]
    assert api.refusal("GET", "/deals/1")[1]["error"] == "Rate limit exceeded"
    crm.clock.advance(2)
    assert statuses(api, 1) == [404]


def test_each_token_has_its_own_window(crm, api):
    statuses(api, 20)
    assert statuses(Api(api.url, SECOND_TOKEN), 1) == [404]
    form = {"grant_type": "refresh_token", "refresh_token": crm.install()}
    data = requests.post(
        f"{api.url}/oauth/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET), timeout=10
    ).json()
    headers = {"Authorization": f"Bearer {data['access_token']}"}
    answer = requests.get(f"{api.url}/api/v2/deals", headers=headers, timeout=10)
    assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (200, "80")


def test_ten_searches_in_two_seconds_and_other_calls_go_on(crm, api):
    assert statuses(api, 11, "/persons/search?term=xx") == [200] * 10 + [429]
    assert statuses(api, 1, "/itemSearch?term=xx") == [429]
    assert statuses(api, 1) == [404]


def test_every_answer_tells_what_is_left(crm, api):
    answer = api.call("GET", "/persons")
    shown = {name: answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")}
    assert shown == {"limit": "20", "remaining": "19", "reset": "2"}
    assert answer.headers["x-daily-ratelimit-token-limit"] == str(BUDGET)
    assert api.call("GET", "/deals/1").headers["x-daily-ratelimit-token-remaining"] == str(BUDGET - 11)


def test_switch_the_headers_of_the_daily_budget_are_missing(crm, api):
    crm.switches.daily_headers = False
    answer = api.call("GET", "/persons")
    assert "x-ratelimit-limit" in answer.headers
    assert "x-daily-ratelimit-token-limit" not in answer.headers


def test_a_spent_budget_is_429_until_midnight_for_everybody(crm, api):
    crm.throttle.spend(BUDGET - 10)
    assert statuses(api, 2, "/persons") == [200, 429]
    answer = Api(api.url, SECOND_TOKEN).call("GET", "/persons")
    assert answer.json()["error"] == "daily request budget exceeded"
    assert (answer.headers["retry-after"], answer.headers["x-daily-ratelimit-token-remaining"]) == (
        "3939",
        "0",
    )
    crm.clock.advance(3939)
    assert statuses(api, 1, "/persons") == [200]


def test_who_ignores_ten_429_gets_an_html_page_for_a_quarter_of_an_hour(crm, api):
    assert statuses(api, 31) == [404] * 20 + [429] * 10 + [403]
    answer = api.call("GET", "/deals/1")
    assert answer.headers["content-type"].startswith("text/html")
    assert "Cloudflare" in answer.text
    crm.clock.advance(14 * 60)
    assert statuses(api, 1) == [403]
    crm.clock.advance(60)
    assert statuses(api, 1) == [404]


def test_a_success_in_between_forgives(crm, api):
    for _ in range(3):
        assert statuses(api, 25) == [404] * 20 + [429] * 5
        crm.clock.advance(2)
    assert statuses(api, 1) == [404]


@pytest.mark.parametrize(
    ("plan", "burst", "daily"), [("growth", "40", 120_000), ("ultimate", "120", 420_000)]
)
def test_plans_differ(plan, burst, daily):
    crm = Pipedrive(plan=plan, seats=2)
    with Running(crm) as running:
        answer = Api(running.url).call("GET", "/persons")
    assert (answer.headers["x-ratelimit-limit"], crm.throttle.daily_budget) == (burst, daily)


def test_without_a_plan_nothing_is_limited():
    crm = Pipedrive(plan=None)
    with Running(crm) as running:
        client = Api(running.url)
        assert statuses(client, 130) == [404] * 130
        assert "x-ratelimit-limit" not in client.call("GET", "/persons").headers
