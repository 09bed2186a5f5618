from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mlconnector.errors import AuthError, ConfigError, Later
from mlconnector.http import Http, Limits, TimedOut
from mlconnector.sandbox import Clock, json_reply
from mlconnector.systems.business_central import SYSTEM, Settings
from mlconnector.systems.business_central.api import (
    Api,
    Company,
    choose_company,
    service_url,
    token_url,
)
from mlconnector.systems.business_central.dialects import V2
from mlconnector.systems.business_central.emulator import BusinessCentral
from mlconnector.systems.business_central.verdict import verdict

from .connecting import COMPANY, Canned, Client, running


def make_api(client: Client, **settings: Any) -> Api:
    return Api(client.settings(**settings), client.secrets, client.tools())


def settings(**changes: Any) -> Settings:
    return Settings(**{"tenant": "t-1", "client_id": "c", "company": "NORDKRAN", **changes})


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


OWN = "https://host:7048/BC"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"api": "v2.0"}, {"api": "v1.0"}),
        ({"api": "v1.0"}, {"api": "beta"}),
        ({"base_url": "https://h"}, {"base_url": "https://h/v2.0/"}),
        ({"base_url": f"{OWN}/api/v2.0"}, {"base_url": OWN, "login": "basic", "user": "SYNC"}),
        ({"base_url": f"{OWN}/api/v2.0"}, {"base_url": f"{OWN}/api/v1.0", "api": "v1.0"}),
        ({"page_size": 1}, {"parallel": 1}),
    ],
)
def test_ids_mean_the_same_in_each_version_of_the_api_and_however_one_logs_in(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert SYSTEM.origin(settings(**one)) == SYSTEM.origin(settings(**other))


@pytest.mark.parametrize(
    "other",
    [
        {"api": "odata"},
        {"company": "SYDKRAN"},
        {"environment": "Sandbox"},
        {"tenant": "t-2"},
        {"base_url": "https://other"},
        {"server_tenant": "two"},
    ],
)
def test_ids_mean_others_on_pages_and_in_another_company_or_server(other: dict[str, Any]) -> None:
    assert SYSTEM.origin(settings()) != SYSTEM.origin(settings(**other))


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
    asked = V2.select({*paths, "customerFinancialDetail.balance"})
    assert asked == V2.select([*reversed(paths), "customerFinancialDetail.balance"])
    assert asked["$select"] == "id,number,lastModifiedDateTime,email"
    assert asked["$expand"] == (
        "customerFinancialDetail($select=balance,overdueAmount),paymentTerm($select=code)"
    )


def test_nothing_is_expanded_that_no_path_leads_through() -> None:
    assert V2.select({"email"}) == {"$select": "id,number,lastModifiedDateTime,email"}


# tokens


def test_the_emulated_entra_refuses_as_the_real_one() -> None:
    emulator = BusinessCentral()
    with running(emulator) as client:
        client.secrets["client_secret"] = "d0c5a3e1-0b1d-4c6e-8a57-2d3c4b5a6978"
        with pytest.raises(AuthError, match="AADSTS7000215"):
            make_api(client).sign_in()
        with pytest.raises(AuthError, match="AADSTS900023"):
            make_api(client, tenant="nonsense").sign_in()
        client.secrets["client_secret"] = ""
        with pytest.raises(ConfigError, match="no client secret"):
            make_api(client).sign_in()


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
    emulator = Canned(json_reply(200, {}), token=json_reply(200, {"hello": 1}))
    with running(emulator) as client, pytest.raises(ConfigError, match="without a token"):
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
    with running(BusinessCentral()) as client, pytest.raises(ConfigError, match="no such environment"):
        make_api(client, environment="Test").companies()


@pytest.mark.parametrize(("timeouts", "calls"), [(1, 1), (None, 3)])
def test_a_call_gives_up_after_so_many_time_outs(timeouts: int | None, calls: int) -> None:
    emulator = Canned(json_reply(200, {}))
    emulator.fault("slow", times=0, seconds=0.4)
    with running(emulator) as client:
        http = Http("bc", client.url, verdict, client.tools(), limits=Limits(read_timeout=0.05, attempts=3))
        with pytest.raises(TimedOut, match="no answer in time"):
            http.send("GET", "/x", timeouts=timeouts)
        assert http.usage.calls == calls
        http.close()


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
