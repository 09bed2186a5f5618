"""What answers mean, by status, code and text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlconnector.errors import AuthError, ConfigError, Later, Rejected
from mlconnector.http import Again, Answer
from mlconnector.systems.pipedrive.verdict import login_verdict, midnight_after, verdict

DATE = "Tue, 21 Jul 2026 12:00:00 GMT"
NOON = datetime(2026, 7, 21, 12, tzinfo=UTC)


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    """An answer at noon; a body that is no text is JSON."""
    given = {"Date": DATE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    is_text = isinstance(body, str)
    given.setdefault("Content-Type", "text/html" if is_text else "application/json")
    content = body.encode() if is_text else json.dumps(body or {"success": status < 300}).encode()
    return Answer("GET", "/api/v2/persons", status, given, content)


def gateway(status: int, text: str) -> dict[str, Any]:
    return {"success": False, "error": text, "errorCode": status, "error_info": "Please check"}


def test_success_is_what_says_so() -> None:
    assert verdict(answer(200, {"success": True, "data": []})) is None
    problem = verdict(answer(200, {"success": False, "error": "No"}))
    assert isinstance(problem, Rejected) and "No" in problem.message


@pytest.mark.parametrize("body", ["<html>Welcome</html>", '{"success": true, "da'])
def test_what_is_no_json_to_its_end_is_asked_for_again(body: str) -> None:
    problem = verdict(answer(200, body))
    assert isinstance(problem, Again) and problem.executed


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"success": False, "error": "No", "code": "ERR_SCHEMA_VALIDATION_FAILED"}, "invalid-value"),
        (400, {"success": False, "error": "Deleted", "code": "ERR_DEAL_DELETED"}, "record-deleted"),
        (400, {"success": False, "error": "Cannot update deal value", "error_info": ""}, "refused"),
        (403, {"success": False, "error": "Forbidden", "code": "ERR_FORBIDDEN"}, "forbidden"),
        (403, {"success": False, "error": "Limit", "code": "feature_capping_deals_limit"}, "plan-limit"),
        (404, {"success": False, "error": "Entity was not found", "data": None}, "not-found"),
        (415, gateway(415, "off"), "feature-off"),
    ],
)  # fmt: skip
def test_a_refusal_has_a_code_of_ours(status: int, body: Any, code: str) -> None:
    problem = verdict(answer(status, body))
    assert isinstance(problem, Rejected) and (problem.code, problem.status) == (code, status)


def test_no_message_holds_a_whole_address() -> None:
    problem = verdict(answer(400, {"success": False, "error": "emails: anna@nordkran.se is taken"}))
    assert isinstance(problem, Rejected) and "anna@" not in problem.message


@pytest.mark.parametrize("login", ["token", "oauth"])
def test_a_refused_log_in_stops_with_a_remedy_and_the_request_s_id(login: str) -> None:
    problem = verdict(answer(401, gateway(401, "unauthorized access"), x_correlation_id="c-1"), login=login)
    assert isinstance(problem, AuthError)
    assert ("mlconnector login" in problem.hint) is (login == "oauth")
    assert problem.request_id == "c-1"


def test_a_missing_scope_and_an_unpaid_account_stop_with_a_remedy() -> None:
    scope = verdict(answer(403, gateway(403, "Scope and URL mismatch")))
    assert isinstance(scope, AuthError) and "contacts:full" in scope.hint
    unpaid = verdict(answer(402, gateway(402, "Company account is not open")))
    assert isinstance(unpaid, AuthError) and "Billing" in unpaid.hint


@pytest.mark.parametrize("status", [405, 410])
def test_a_retired_address_is_a_matter_of_configuration(status: int) -> None:
    assert isinstance(verdict(answer(status, gateway(status, "gone"))), ConfigError)


def test_a_page_of_cloudflare_keeps_everybody_away_for_a_quarter_of_an_hour() -> None:
    problem = verdict(answer(403, "<!DOCTYPE html>This error is produced by Cloudflare."))
    assert isinstance(problem, Later) and problem.retry_at == NOON + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_ratelimit_reset": "1"}, 1.0),
        ({}, 2.0),
        ({"Retry_After": "7"}, 7.0),
        ({"x_ratelimit_reset": "9999"}, 60.0),
    ],
)
def test_a_burst_is_waited_out_and_was_not_carried_out(headers: dict[str, str], seconds: float) -> None:
    problem = verdict(answer(429, gateway(429, "Rate limit exceeded"), **headers))
    assert isinstance(problem, Again) and problem.throttled and not problem.executed
    assert problem.after == seconds


@pytest.mark.parametrize(
    ("text", "headers", "retry_at"),
    [
        ("daily request budget exceeded", {"Retry_After": "3939"}, NOON + timedelta(seconds=3939)),
        ("daily request budget exceeded", {}, NOON + timedelta(hours=12)),
        ("Rate limit exceeded", {"Retry_After": "600"}, NOON + timedelta(minutes=10)),
        ("Rate limit exceeded", {"x_daily_ratelimit_token_remaining": "0"}, NOON + timedelta(hours=12)),
    ],
)
def test_a_spent_day_is_later_and_never_slept_out(
    text: str, headers: dict[str, str], retry_at: datetime
) -> None:
    problem = verdict(answer(429, gateway(429, text), **headers))
    assert isinstance(problem, Later) and problem.retry_at == retry_at


def test_what_may_pass_is_tried_again() -> None:
    maintenance = verdict(answer(503, gateway(503, "Scheduled maintenance")))
    assert isinstance(maintenance, Again) and not maintenance.executed
    broken = verdict(answer(502, "<html>Bad gateway</html>"))
    assert isinstance(broken, Again) and broken.executed


def test_the_next_midnight_is_utc_s() -> None:
    assert (
        midnight_after(datetime.fromisoformat("2026-07-21T23:30:00-02:00")).isoformat()
        == "2026-07-23T00:00:00+00:00"
    )


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"success": False, "message": "Invalid grant", "error": "invalid_grant"}, AuthError, "mlconnector login"),
        (401, {"success": "false", "message": "x", "error": "invalid_client"}, AuthError, "client_secret"),
        (400, {"success": False, "message": "x", "error": "unsupported_grant_type"}, AuthError, "login"),
        (404, "<html>Not here</html>", ConfigError, "login_url"),
        (500, "<html>Broken</html>", Again, ""),
        (200, {"access_token": "a"}, type(None), ""),
    ],
)  # fmt: skip
def test_the_token_endpoint_has_its_own_words(status: int, body: Any, kind: type, said: str) -> None:
    problem = login_verdict(answer(status, body))
    assert isinstance(problem, kind)
    assert said in getattr(problem, "hint", "")
