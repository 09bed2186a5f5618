"""What an answer means: the table of the sheet's 4.6, 11.2 and 11.3, row by row."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mlconnector.errors import AuthError, Rejected, Stop
from mlconnector.http import Again, Answer
from mlconnector.systems.mailchimp.api import _CODES, code_of, verdict

PROBLEM = "application/problem+json; charset=utf-8"


def answer(status: int, body: Any = b"", content_type: str = PROBLEM, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Answer("PUT", "/3.0/x", status, {"Content-Type": content_type, **headers}, raw, "from-header")


def problem(status: int, title: str, detail: str = "", *errors: tuple[str, str]) -> Answer:
    rows = [{"field": field, "message": message} for field, message in errors]
    body = {"title": title, "status": status, "detail": detail, "instance": "from-body", "errors": rows}
    return answer(status, body)


WHO = "anna@nordkran.se"
TABLE = [
    ("Member Exists", f"{WHO} is already a list member. Use PUT to insert or update.", "address-taken"),
    (
        "Member In Compliance State",
        f"{WHO} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be"
        " subscribed.",
        "compliance-state",
    ),
    (
        "Member In Compliance State",
        f"{WHO} is already a list member in compliance state due to unsubscribe, bounce, or compliance review",
        "compliance-state",
    ),
    (
        "Forgotten Email Not Subscribed",
        f"{WHO} was permanently deleted and cannot be re-imported.",
        "forgotten-address",
    ),
    ("Forgotten Email Not Subscribed", "", "forgotten-address"),
    ("Invalid Resource", "Please provide a valid email address.", "invalid-address"),
    ("Invalid Resource", f"{WHO} looks fake or invalid, please enter a real one.", "fake-address"),
    (
        "Invalid Resource",
        f"{WHO} has signed up to a lot of lists very recently; we're not allowing more signups for now",
        "too-many-signups",
    ),
    ("Invalid Resource", "Your merge fields were invalid.", "bad-merge-value"),
    ("Invalid Resource", "The resource submitted could not be validated.", "invalid-body"),
    ("Bad Request", "Your request could not be processed.", "refused"),
]


@pytest.mark.parametrize(("title", "detail", "code"), TABLE)
def test_a_refusal_of_one_record_has_a_code_of_ours(title: str, detail: str, code: str) -> None:
    error = verdict(problem(400, title, detail))
    assert isinstance(error, Rejected)
    assert (error.code, error.answer, error.status) == (code, f"400 {title}", 400)
    assert error.request_id == "from-body"
    assert WHO not in error.message


def test_every_code_of_the_table_in_the_code_is_tried() -> None:
    tried = {code for _, _, code in TABLE} | {"incomplete-address"}
    assert {code for _, code in _CODES} <= tried


def test_an_incomplete_postal_address_is_found_in_the_details() -> None:
    error = verdict(
        problem(
            400,
            "Invalid Resource",
            "Your merge fields were invalid.",
            ("ADDRESS", "Please enter a complete address"),
        )
    )
    assert isinstance(error, Rejected)
    assert (error.code, error.details) == (
        "incomplete-address",
        (("ADDRESS", "Please enter a complete address"),),
    )


def test_details_hold_no_whole_address() -> None:
    error = verdict(problem(400, "Invalid Resource", "", ("email_address", f"{WHO} is bad")))
    assert isinstance(error, Rejected) and WHO not in str(error.details)


@pytest.mark.parametrize(("status", "code"), [(404, "not-found"), (405, "not-removable"), (422, "refused")])
def test_other_refusals_are_told_apart_by_their_status(status: int, code: str) -> None:
    error = verdict(problem(status, "Some Title"))
    assert isinstance(error, Rejected) and (error.code, error.status) == (code, status)


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (401, "API Key Invalid"),
        (401, "API Key Missing"),
        (403, "Forbidden"),
        (403, "Wrong Datacenter"),
        (403, "User Disabled"),
    ],
)
def test_credentials_that_are_refused_stop_the_run(status: int, title: str) -> None:
    error = verdict(problem(status, title))
    assert isinstance(error, AuthError) and title in error.message and error.hint


def test_a_401_without_a_body_stops_the_run_too() -> None:
    assert isinstance(verdict(answer(401, b"", "text/html")), AuthError)


@pytest.mark.parametrize(("status", "executed"), [(429, False), (503, False), (500, True)])
@pytest.mark.parametrize("content_type", [PROBLEM, "text/html", ""])
def test_a_service_in_trouble_is_tried_again(status: int, executed: bool, content_type: str) -> None:
    error = verdict(answer(status, b"", content_type))
    assert isinstance(error, Again) and error.executed is executed


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_gave_up_means_that_the_call_may_still_run(status: int) -> None:
    error = verdict(answer(status, b"<html>", "text/html"))
    assert isinstance(error, Again) and error.executed and error.timed_out and error.after == 60.0


def test_a_403_that_is_no_json_is_the_edge_and_no_wrong_key() -> None:
    error = verdict(answer(403, b"<HTML>Access Denied", "text/html"))
    assert isinstance(error, Again) and not error.executed and error.throttled and error.after == 60.0


def test_retry_after_wins() -> None:
    error = verdict(answer(429, b"", PROBLEM, **{"Retry-After": "7"}))
    assert isinstance(error, Again) and error.after == 7.0


def test_a_redirect_is_a_wrong_base_url() -> None:
    assert isinstance(verdict(answer(302)), Stop)


@pytest.mark.parametrize("body", [b'{"id": "x', b"", b"<html>"])
def test_a_good_answer_that_was_cut_short_is_none(body: bytes) -> None:
    error = verdict(answer(200, body, "application/json"))
    assert isinstance(error, Again) and error.executed


def test_a_page_of_somebody_else_is_no_answer() -> None:
    assert isinstance(verdict(answer(200, b"<html>Please log in", "text/html")), Again)


def test_good_answers_are_good() -> None:
    assert verdict(answer(200, {"id": "x"}, "application/json")) is None
    assert verdict(answer(204)) is None


@pytest.mark.parametrize(
    "body",
    [b"[]", b'"text"', b"null", b'{"errors": {"a": 1}}', b'{"errors": [1]}', b'{"errors": null}', b"{"],
)
def test_a_problem_of_no_known_shape_is_a_refusal_all_the_same(body: bytes) -> None:
    error = verdict(answer(400, body))
    assert isinstance(error, Rejected) and error.code == "refused"


def test_the_compliance_text_wins_over_the_words_it_shares() -> None:
    assert (
        code_of("", "x is already a list member in compliance state due to unsubscribe") == "compliance-state"
    )
