from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mlconnector.errors import AuthError, ConfigError, Later, Rejected, Stop
from mlconnector.http import Again, Answer
from mlconnector.sandbox import Clock, json_reply
from mlconnector.systems.business_central import Settings
from mlconnector.systems.business_central.api import (
    Api,
    Company,
    choose_company,
    select,
    service_url,
    token_url,
)
from mlconnector.systems.business_central.emulator import BusinessCentral
from mlconnector.systems.business_central.verdict import login_verdict, plain, verdict

from .connecting import COMPANY, Canned, Client, running

CORRELATION = "3ffdbdbd-f677-40ad-b95b-3a778b9e786a"
XML = (
    '<?xml version="1.0"?><error xmlns="http://docs.oasis-open.org/odata/ns/metadata">'
    "<code>{}</code><message>{}</message></error>"
)


def make_api(client: Client, **settings: Any) -> Api:
    return Api(client.settings(**settings), client.secrets, client.tools())


def settings(**changes: str) -> Settings:
    return Settings(**{"tenant": "t-1", "client_id": "c", "company": "NORDKRAN", **changes})


def answer(status: int, body: bytes | str = b"", method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(method, "/x", status, named, body.encode() if isinstance(body, str) else body)


def error(status: int, code: str, text: str = "Something.", method: str = "GET", **headers: str) -> Answer:
    body = {"error": {"code": code, "message": f"{text}  CorrelationId:  {CORRELATION}."}}
    return answer(status, json.dumps(body), method, **headers)


# addresses


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://api.businesscentral.dynamics.com", "/v2.0/t-1/Production/api/v2.0"),
        ("https://proxy/bc/", "/v2.0/t-1/Production/api/v2.0"),
        ("https://host/v2.0", "/t-1/Production/api/v2.0"),
        ("https://host/v2.0/", "/t-1/Production/api/v2.0"),
        ("https://host:7048/BC/api/v2.0", ""),
        ("https://host/v2.0/Sandbox/api/v2.0/", ""),
    ],
)
def test_the_service_is_found_below_the_host_or_taken_as_written(base: str, expected: str) -> None:
    assert service_url(settings(base_url=base)) == base.rstrip("/") + expected


def test_an_environment_is_spelled_as_an_address_needs_it() -> None:
    assert "/t-1/My%20Test/api/" in service_url(settings(base_url="https://h", environment="My Test"))


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ("https://login.microsoftonline.com", "https://login.microsoftonline.com/t-1/oauth2/v2.0/token"),
        ("https://h/other/oauth2/token", "https://h/other/oauth2/token"),
    ],
)
def test_the_token_endpoint_is_found_below_the_host_or_taken_as_written(login: str, expected: str) -> None:
    assert token_url(settings(login_url=login)) == expected


def test_equal_paths_are_asked_for_alike_and_expansions_are_narrow() -> None:
    paths = ["email", "paymentTerm.code", "customerFinancialDetail.overdueAmount", "number"]
    asked = select({*paths, "customerFinancialDetail.balance"})
    assert asked == select([*reversed(paths), "customerFinancialDetail.balance"])
    assert asked["$select"] == "id,number,lastModifiedDateTime,email"
    assert asked["$expand"] == (
        "customerFinancialDetail($select=balance,overdueAmount),paymentTerm($select=code)"
    )


def test_nothing_is_expanded_that_no_path_leads_through() -> None:
    assert select({"email"}) == {"$select": "id,number,lastModifiedDateTime,email"}


# what answers mean


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
        (409, "Internal_ServerError", "server-error"),
        (400, "Application_DialogException", "business-rule"),
        (400, "Application_FieldValidationException", "missing-field"),
        (400, "Application_StringExceededLength", "too-long"),
        (400, "Application_EvaluateException", "bad-value"),
        (400, "Application_InvalidGUID", "bad-value"),
        (400, "Application_FilterErrorException", "bad-query"),
        (400, "Application_CallbackNotAllowed", "needs-confirmation"),
        (400, "Unknown", "http-400"),
        (412, "", "http-412"),
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


@pytest.mark.parametrize(
    ("status", "code", "executed", "throttled", "timed_out"),
    [
        (408, "Unknown", True, False, True),
        (429, "Application_TooManyRequests", False, True, False),
        (429, "", False, True, False),
        (500, "Internal_ServerError", True, False, False),
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


def test_the_emulated_entra_refuses_as_the_real_one() -> None:
    emulator = BusinessCentral()
    with running(emulator) as client:
        client.secrets["client_secret"] = "d0c5a3e1-0b1d-4c6e-8a57-2d3c4b5a6978"
        with pytest.raises(AuthError, match="AADSTS7000215"):
            make_api(client).sign_in()
        client.secrets["client_secret"] = ""
        with pytest.raises(ConfigError, match="no client secret"):
            make_api(client).sign_in()
        with pytest.raises(AuthError, match="AADSTS900023"):
            make_api(client, tenant="nonsense").sign_in()


@pytest.mark.parametrize("life", ["3599", 3599, None, "soon"])
def test_one_token_serves_a_run_however_its_life_is_spelled(life: Any) -> None:
    token = json_reply(200, {"access_token": "x", "expires_in": life})
    emulator = Canned(json_reply(200, {"value": []}), token=token)
    with running(emulator) as client:
        api = make_api(client)
        api.companies()
        api.companies()
        assert [entry.method for entry in emulator.log] == ["POST", "GET", "GET"]
        assert api.usage() == {"calls": 3, "retries": 0, "throttled": 0}


def test_an_answer_without_a_token_is_a_wrong_address() -> None:
    with running(Canned(json_reply(200, {}), token=json_reply(200, {"hello": 1}))) as client:
        with pytest.raises(ConfigError, match="without a token"):
            make_api(client).sign_in()


def test_a_token_is_renewed_before_it_ends() -> None:
    emulator = BusinessCentral(token_seconds=600, clock=Clock())
    with running(emulator) as client:
        api = make_api(client)
        api.companies()
        emulator.clock.advance(500)
        api.companies()
        assert [entry.status for entry in emulator.log] == [200, 200, 200, 200]
        assert len(token_calls(emulator)) == 2


def test_a_token_that_is_refused_is_renewed_once() -> None:
    emulator = BusinessCentral()
    with running(emulator) as client:
        api = make_api(client)
        api.companies()
        emulator.expire_tokens()
        api.companies()
        assert len(token_calls(emulator)) == 2
        emulator.xml_unauthorized = True
        emulator.fault("status", path="/companies", status=401, times=0)
        with pytest.raises(AuthError, match="a new one too"):
            api.companies()
        assert len(token_calls(emulator)) == 3


def token_calls(emulator: Any) -> list[Any]:
    return [entry for entry in emulator.log if entry.path.endswith("/token")]


def test_an_app_that_is_not_set_up_is_told_which_page() -> None:
    with running(BusinessCentral(registered=False)) as client:
        with pytest.raises(AuthError) as caught:
            make_api(client).companies()
        assert "Microsoft Entra applications" in caught.value.hint


# calls


def test_each_call_says_what_it_takes() -> None:
    emulator = BusinessCentral()
    with running(emulator) as client:
        api = make_api(client)
        api.get(api.address("customers", {"$top": "1"}), page_size=7, primary=True)
        api.get(api.address("customers", {"$top": "1"}))
        first, second = (entry.headers for entry in list(emulator.log)[-2:])
        assert first["accept"] == "application/json"
        assert first["accept-language"] == "en-US"
        assert first["prefer"] == "odata.maxpagesize=7"
        assert first["data-access-intent"] == "ReadWrite"
        assert "data-access-intent" not in second


def test_what_a_person_typed_cannot_change_the_address() -> None:
    emulator = BusinessCentral()
    with running(emulator) as client:
        api = make_api(client)
        text = "O''Neill & Co. #1 100%+5; https://x/?$top=1"
        address = api.address("customers", {"$filter": f"displayName eq '{text}'", "$top": "2"})
        api.get(address)
        assert emulator.log[-1].query == {"$filter": f"displayName eq '{text}'", "$top": "2"}


def test_a_429_is_waited_for_as_long_as_the_server_says() -> None:
    emulator = BusinessCentral()
    with running(emulator) as client:
        api = make_api(client)
        emulator.fault("status", path="/companies", status=429, retry_after=9)
        api.companies()
        assert any(9 <= seconds <= 10.1 for seconds in client.sleeps)
        assert api.usage()["throttled"] == 1


def test_a_429_without_a_time_is_waited_for_longer_and_longer() -> None:
    emulator = BusinessCentral()
    with running(emulator) as client:
        api = make_api(client)
        emulator.fault("status", path="/companies", status=429, times=0)
        with pytest.raises(Later, match="Application_TooManyRequests"):
            api.companies()
        assert api.usage()["throttled"] == 5
        assert max(client.sleeps) > 2


def test_a_wait_beyond_patience_ends_as_later() -> None:
    emulator = BusinessCentral()
    with running(emulator) as client:
        emulator.fault("status", path="/companies", status=503, retry_after=3600)
        with pytest.raises(Later) as caught:
            make_api(client).companies()
        assert caught.value.retry_at is not None
        assert (caught.value.retry_at - datetime.now(UTC)).total_seconds() > 3500


def test_an_environment_that_is_not_there_is_a_wrong_setting() -> None:
    with running(BusinessCentral()) as client:
        with pytest.raises(ConfigError, match="no such environment"):
            make_api(client, environment="Test").companies()


# companies


NORD = Company("2cd06086-7b01-f111-a1fd-7ced8d2674f8", "NORDKRAN", "Nordkran AB")
SOUTH = Company("2cd06087-7b01-f111-a1fd-7ced8d2674f8", "SYDKRAN", "Sydkran AB")
COPY = Company("2cd06088-7b01-f111-a1fd-7ced8d2674f8", "NORDKRAN TEST", "Nordkran AB")


@pytest.mark.parametrize("wanted", ["NORDKRAN", "nordkran", NORD.id, NORD.id.upper()])
def test_a_company_is_known_by_id_or_name(wanted: str) -> None:
    assert choose_company([SOUTH, NORD, COPY], wanted) is NORD


def test_a_company_is_known_by_a_display_name_that_is_its_own() -> None:
    assert choose_company([NORD, SOUTH], "sydkran ab") is SOUTH
    with pytest.raises(ConfigError) as caught:
        choose_company([NORD, SOUTH, COPY], "Nordkran AB")
    assert NORD.id in caught.value.hint
    assert COPY.id in caught.value.hint


def test_an_unknown_company_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        choose_company([NORD, SOUTH], "Nordcran")
    assert "NORDKRAN (Nordkran AB), SYDKRAN (Sydkran AB)" in caught.value.hint
    with pytest.raises(ConfigError, match="may not see any"):
        choose_company([], "NORDKRAN")


def test_a_name_is_looked_up_once_and_an_id_never() -> None:
    emulator = BusinessCentral(companies=["Other", COMPANY])
    with running(emulator) as client:
        api = make_api(client, company="cronus international ltd.")
        assert api.company_id() == api.company_id() == emulator.companies[1].id
        assert len([entry for entry in emulator.log if entry.path.endswith("/companies")]) == 1
        emulator.log.clear()
        assert (
            make_api(client, company=emulator.companies[0].id.upper()).company_id()
            == emulator.companies[0].id
        )
        assert not emulator.log


def test_the_local_currency_is_the_companys() -> None:
    with running(BusinessCentral(currency="SEK")) as client:
        assert make_api(client).local_currency() == "SEK"
