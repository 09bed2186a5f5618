from __future__ import annotations

import json

import pytest

from mlconnector.errors import AuthError, ConfigError, Rejected, Stop
from mlconnector.http import Again, Answer
from mlconnector.systems.business_central.verdict import login_verdict, plain, verdict

CORRELATION = "3ffdbdbd-f677-40ad-b95b-3a778b9e786a"
XML = (
    '<?xml version="1.0"?><error xmlns="http://docs.oasis-open.org/odata/ns/metadata">'
    "<code>{}</code><message>{}</message></error>"
)


def answer(status: int, body: bytes | str = b"", method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(method, "/x", status, named, body.encode() if isinstance(body, str) else body)


def error(status: int, code: str, text: str = "Something.", method: str = "GET", **headers: str) -> Answer:
    body = {"error": {"code": code, "message": f"{text}  CorrelationId:  {CORRELATION}."}}
    return answer(status, json.dumps(body), method, **headers)


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (400, "BadRequest", "bad-request"),
        (400, "BadRequest_InvalidRequestUrl", "bad-request"),
        (400, "BadRequest_NotFound", "bad-query"),
        (404, "BadRequest_NotFound", "bad-query"),
        (404, "BadRequest_ResourceNotFound", "not-found"),
        (400, "BadRequest_InvalidOperation", "read-only-field"),
        (400, "BadRequest_InvalidToken", "missing-etag"),
        (400, "BadRequest_RequiredParamNotProvided", "missing-field"),
        (501, "BadRequest_MethodNotImplemented", "not-implemented"),
        (409, "Request_EntityChanged", "changed-meanwhile"),
        (400, "Internal_EntityWithSameKeyExists", "key-exists"),
        (409, "Internal_EntityWithSameKeyExists", "key-exists"),
        (404, "Internal_RecordNotFound", "related-record-not-found"),
        (400, "Internal_DataNotFoundFilter", "related-record-not-found"),
        (400, "Internal_InvalidTableRelation", "unknown-reference"),
        (400, "Application_DialogException", "business-rule"),
        (400, "Application_FieldValidationException", "missing-field"),
        (400, "Application_StringExceededLength", "too-long"),
        (400, "Application_EvaluateException", "bad-value"),
        (400, "Application_InvalidGUID", "bad-value"),
        (400, "Application_FilterErrorException", "bad-query"),
        (400, "Application_CallbackNotAllowed", "needs-confirmation"),
        (400, "Unknown", "http-400"),
        (412, "", "changed-meanwhile"),
        (413, "", "http-413"),
        (415, "", "http-415"),
        (501, "", "http-501"),
    ],
)
def test_a_refusal_has_our_code_and_the_vendors(status: int, code: str, ours: str) -> None:
    problem = verdict(error(status, code))
    assert isinstance(problem, Rejected)
    assert (problem.code, problem.status, problem.answer) == (ours, status, code or str(status))


@pytest.mark.parametrize(
    ("status", "code", "kind", "names"),
    [
        (401, "Unauthorized", AuthError, "API.ReadWrite.All"),
        (401, "", AuthError, "API.ReadWrite.All"),
        (401, "Authentication_InvalidCredentials", AuthError, '"Microsoft Entra applications"'),
        (403, "", AuthError, "permission set"),
        (401, "Authorization_RequestDenied", AuthError, "permission set"),
        (404, "NoEnvironment", ConfigError, "environment"),
        (404, "Internal_CompanyNotFound", ConfigError, "company"),
        (400, "Internal_CompanyNotFound", ConfigError, "company"),
        (404, "", ConfigError, "base_url"),
        (405, "", ConfigError, "ApiServicesEnabled"),
        (405, "BadRequest_MethodNotAllowed", ConfigError, "ApiServicesEnabled"),
        (302, "", Stop, "base_url"),
    ],
)
def test_what_concerns_everything_stops_with_a_remedy(
    status: int, code: str, kind: type[Stop], names: str
) -> None:
    problem = verdict(error(status, code))
    assert isinstance(problem, kind)
    assert names in problem.hint


def test_a_verb_that_is_not_allowed_concerns_the_record_only() -> None:
    problem = verdict(error(405, "BadRequest_MethodNotAllowed", method="POST"))
    assert isinstance(problem, Rejected)
    assert problem.code == "method-not-allowed"


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("You do not have the following permissions on TableData Customer: Read.", "on Customer ("),
        (
            "Sorry, the current permissions prevented the action. (TableData 21 Cust. Ledger Entry Read: Base App)",
            "on Cust. Ledger Entry (",
        ),
        ("You do not have permissions to read Sales Orders.", "on Sales Orders ("),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_missing_permissions_name_the_table(status: int, text: str, table: str) -> None:
    problem = verdict(error(status, "Application_DialogException", text))
    assert isinstance(problem, AuthError)
    assert table in problem.message


def test_a_missing_right_to_write_names_a_permission_set_that_has_it() -> None:
    problem = verdict(error(403, "", "You do not have permissions to insert Sales Orders.", method="POST"))
    assert isinstance(problem, AuthError)
    assert "may write Sales Orders, such as D365 BUS FULL ACCESS" in problem.hint


def test_the_value_that_was_too_long_is_not_shown() -> None:
    text = (
        "The length of the string is 57, but it must be less than or equal to 50 characters. Value: Anna Lind"
    )
    problem = verdict(error(400, "Application_StringExceededLength", text))
    assert isinstance(problem, Rejected)
    assert problem.message.endswith("less than or equal to 50 characters.")


@pytest.mark.parametrize(
    ("status", "code", "executed", "throttled", "timed_out"),
    [
        (408, "Unknown", True, False, True),
        (429, "Application_TooManyRequests", False, True, False),
        (429, "", False, True, False),
        (500, "Internal_ServerError", True, False, False),
        (409, "Internal_ServerError", True, False, False),
        (502, "", True, False, False),
        (503, "", True, True, False),
        (503, "Internal_TenantUnavailable", True, True, False),
        (400, "Internal_TenantUnavailable", False, False, False),
        (504, "", True, False, True),
    ],
)
def test_what_passes_is_tried_again(
    status: int, code: str, executed: bool, throttled: bool, timed_out: bool
) -> None:
    problem = verdict(error(status, code))
    assert isinstance(problem, Again)
    assert (problem.executed, problem.throttled, problem.timed_out) == (executed, throttled, timed_out)


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (
            409,
            "Internal_ServerError",
            "The transaction was deadlocked on lock resources with another process.",
        ),
        (
            400,
            "Application_DialogException",
            "The table is locked by another user. Please retry the activity.",
        ),
        (400, "Application_DialogException", "The item is being updated by someone. Try again later."),
        (400, "Unknown", "The data upgrade must run before you can go on."),
    ],
)
def test_a_refusal_that_says_it_will_pass_is_tried_again(status: int, code: str, text: str) -> None:
    problem = verdict(error(status, code, text))
    assert isinstance(problem, Again)
    assert problem.executed


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_the_server_says_how_long_to_wait(status: int) -> None:
    problem = verdict(error(status, "", Retry_After="17"))
    assert isinstance(problem, Again)
    assert problem.after == 17


def test_a_wait_given_as_a_date_is_counted_from_the_servers_own_clock() -> None:
    date = {"Date": "Tue, 21 Jul 2026 12:00:00 GMT", "Retry-After": "Tue, 21 Jul 2026 12:00:30 GMT"}
    problem = verdict(Answer("GET", "/x", 503, date, b""))
    assert isinstance(problem, Again)
    assert problem.after == 30


def test_a_gateway_may_speak_xml() -> None:
    for status in (400, 401, 404):
        problem = verdict(answer(status, XML.format("NoEnvironment", "Environment does not exist.")))
        assert isinstance(problem, ConfigError)
    refused = verdict(answer(401, XML.format("Unauthorized", "The credentials provided are incorrect")))
    assert isinstance(refused, AuthError)


@pytest.mark.parametrize(
    "body", ["", "<html><h1>Oops</h1></html>", "{", '{"error":"text"}', "[1]", b"\xff\xfe"]
)
def test_no_body_of_an_error_is_taken_for_granted(body: str | bytes) -> None:
    assert isinstance(verdict(answer(400, body)), Rejected)
    assert isinstance(verdict(answer(502, body)), Again)
    assert isinstance(login_verdict(answer(400, body)), AuthError | ConfigError)


def test_a_text_comes_without_its_tail_and_the_request_id_is_kept() -> None:
    problem = verdict(error(400, "Unknown", "It  is\nwrong."))
    assert isinstance(problem, Rejected)
    assert problem.message == "business_central: Unknown: It is wrong."
    assert problem.request_id == CORRELATION


def test_no_message_holds_a_whole_address() -> None:
    text = plain("The value 'anna.berg@nordkran.se;x@y.de' is wrong. Value: anna@nordkran.se")
    assert text == "The value 'a***@nordkran.se;x***@y.de' is wrong. Value: a***@nordkran.se"
    assert plain("maeve.o'neill@contoso.com and 'bo@x.se'") == "m***@contoso.com and 'b***@x.se'"


def test_a_200_that_breaks_off_or_is_a_gateways_page_is_tried_again() -> None:
    cut = verdict(answer(200, '{"value":[{"id"', Content_Type="application/json"))
    page = verdict(answer(200, "<html>please log in</html>", Content_Type="text/html"))
    assert isinstance(cut, Again)
    assert isinstance(page, Again)
    assert (cut.timed_out, page.timed_out) == (True, False)
    assert verdict(answer(200, '{"value":[]}')) is None
    assert verdict(answer(204)) is None


# tokens


def entra(number: int, name: str = "invalid_request", text: str = "") -> str:
    problem = {"error": name, "error_codes": [number], "error_description": text, "trace_id": "8f0c"}
    return json.dumps(problem)


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (7000215, "the Secret ID was probably pasted in place of its Value"),
        (7000222, "make a new one"),
        (700016, "client_id"),
        (90002, "tenant"),
        (900023, "tenant"),
        (70011, "login_url"),
        (1002012, "login_url"),
        (900144, "client_id"),
        (65001, "admin consent"),
    ],
)
def test_each_refusal_of_entra_has_a_remedy(number: int, names: str) -> None:
    problem = login_verdict(answer(400, entra(number)))
    assert isinstance(problem, AuthError)
    assert names in problem.hint
    assert f"AADSTS{number}" in problem.message
    assert problem.request_id == "8f0c"


def test_the_number_counts_and_not_the_text() -> None:
    problem = login_verdict(answer(401, entra(7000222, text="AADSTS7000215: Invalid client secret")))
    assert isinstance(problem, AuthError)
    assert "expired" in problem.message


def test_a_number_nobody_knows_is_named_all_the_same() -> None:
    problem = login_verdict(answer(400, entra(53003, "access_denied")))
    assert isinstance(problem, AuthError)
    assert "AADSTS53003" in problem.message


@pytest.mark.parametrize(
    ("status", "name"), [(429, "x"), (500, "x"), (503, "x"), (400, "temporarily_unavailable")]
)
def test_trouble_at_entra_passes(status: int, name: str) -> None:
    assert isinstance(login_verdict(answer(status, entra(90033, name))), Again)


def test_an_address_that_is_no_token_endpoint_is_a_wrong_setting() -> None:
    problem = login_verdict(answer(404, "<html>not here</html>"))
    assert isinstance(problem, ConfigError)
    assert "login_url" in problem.hint


def test_a_field_that_holds_something_else_is_not_missing() -> None:
    text = "Blocked must be equal to 'No'  in Item: No.=A-1. Current value is 'Yes'."
    problem = verdict(error(400, "Application_FieldValidationException", text, "POST"))
    assert isinstance(problem, Rejected) and problem.code == "business-rule"
