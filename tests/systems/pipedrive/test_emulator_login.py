"""API tokens, OAuth, scopes and visibility of the emulated Pipedrive (fact sheet 1, trap 18)."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from mlconnector.sandbox import Running
from mlconnector.systems.pipedrive.emulator import (
    API_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    SECOND_TOKEN,
    Pipedrive,
)
from mlconnector.systems.pipedrive.emulator_login import REDIRECT_URI

ASK = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "state": "s1"}


def authorize(api, **params):
    answer = api.call("GET", "/oauth/authorize", params={**ASK, **params})
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def token(api, auth=(CLIENT_ID, CLIENT_SECRET), **form):
    return requests.post(f"{api.url}/oauth/token", data=form, auth=auth, timeout=10)


def redeem(api, code, **form):
    return token(api, grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI, **form)


def bearer(api, access, path="/api/v2/deals"):
    return requests.get(f"{api.url}{path}", headers={"Authorization": f"Bearer {access}"}, timeout=10)


def access_of(crm, api, *scopes):
    crm.login.scopes = frozenset(scopes)
    return token(api, grant_type="refresh_token", refresh_token=crm.install()).json()["access_token"]


@pytest.mark.parametrize(
    "headers", [{}, {"x-api-token": "wrong"}, {"Authorization": f"Bearer {API_TOKEN}"}, {"x-api-token": ""}]
)
def test_without_a_good_token_it_is_401_by_the_gateway(api, headers):
    answer = requests.get(f"{api.url}/api/v2/deals", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.json() == {
        "success": False, "error": "unauthorized access", "errorCode": 401,
        "error_info": "Please check developers.pipedrive.com",
    }  # fmt: skip
    assert answer.headers["x-401-by-gw"] == "true"
    assert len(answer.headers["x-correlation-id"]) == 36


def test_switch_a_token_in_the_query_is_taken_by_v1_only(crm, api):
    query = f"?api_token={API_TOKEN}"
    assert requests.get(f"{api.url}/v1/users/me{query}", timeout=10).status_code == 401
    crm.switches.token_in_query = True
    assert requests.get(f"{api.url}/v1/users/me{query}", timeout=10).status_code == 200
    assert requests.get(f"{api.url}/api/v2/deals{query}", timeout=10).status_code == 401


def test_a_code_becomes_tokens_with_the_emulator_as_api_domain(api):
    back = authorize(api)
    answer = redeem(api, back["code"])
    data = answer.json()
    assert (answer.status_code, back["state"], data["token_type"]) == (200, "s1", "Bearer")
    assert (data["expires_in"], data["api_domain"]) == (3599, api.url)
    assert {"base", "deals:read"} <= set(data["scope"].split(","))
    assert bearer(api, data["access_token"]).status_code == 200


def test_a_code_is_good_once_and_for_five_minutes(crm, api):
    code = authorize(api)["code"]
    assert redeem(api, code).status_code == 200
    again = redeem(api, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    code = authorize(api)["code"]
    crm.clock.advance(301)
    assert redeem(api, code).json()["error"] == "invalid_grant"


def test_switch_the_user_denies(crm, api):
    crm.switches.user_denies = True
    assert authorize(api) == {"error": "user_denied", "state": "s1"}


def test_a_callback_or_client_that_is_not_known_is_refused(api):
    wrong = {**ASK, "redirect_uri": "https://elsewhere.example/callback"}
    assert api.call("GET", "/oauth/authorize", params=wrong).status_code == 400
    code = authorize(api)["code"]
    assert token(api, ("x", "y"), grant_type="authorization_code", code=code).status_code == 401


def test_client_and_secret_in_the_body_are_tolerated(crm, api):
    form = {"grant_type": "refresh_token", "refresh_token": crm.install()}
    assert token(api, None, **form, client_id=CLIENT_ID, client_secret=CLIENT_SECRET).status_code == 200
    assert token(api, None, **form).status_code == 401


def test_a_refresh_gives_a_new_access_token_and_the_same_refresh_token(crm, api):
    first = redeem(api, authorize(api)["code"]).json()
    second = token(api, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert second["refresh_token"] == first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert bearer(api, second["access_token"]).status_code == 200


def test_an_access_token_expires(crm, api):
    crm.switches.access_token_seconds = 60
    access = access_of(crm, api, "deals:read")
    crm.clock.advance(59)
    assert bearer(api, access).status_code == 200
    crm.clock.advance(1)
    assert bearer(api, access).status_code == 401


def test_a_refresh_token_dies_after_sixty_days_without_use(crm, api):
    refresh = crm.install()
    for days, status in ((59, 200), (59, 200), (60, 400)):
        crm.clock.advance(days * 86400)
        answer = token(api, grant_type="refresh_token", refresh_token=refresh)
        assert answer.status_code == status
    assert answer.json() == {
        "success": False, "message": "Invalid grant: refresh token is invalid", "error": "invalid_grant",
    }  # fmt: skip


def test_a_revoked_refresh_token_takes_its_access_tokens_along(crm, api):
    refresh = crm.install()
    access = token(api, grant_type="refresh_token", refresh_token=refresh).json()["access_token"]
    form = {"token": refresh, "token_type_hint": "refresh_token"}
    requests.post(f"{api.url}/oauth/revoke", data=form, auth=(CLIENT_ID, CLIENT_SECRET), timeout=10)
    assert bearer(api, access).status_code == 401
    assert token(api, grant_type="refresh_token", refresh_token=refresh).status_code == 400


def test_the_fault_expired_token_hits_oauth_and_not_the_api_token(crm, api):
    access = access_of(crm, api, "deals:read")
    crm.fault("expired-token")
    assert bearer(api, access).status_code == 401
    assert api.call("GET", "/deals").status_code == 200


@pytest.mark.parametrize(("scopes", "path", "status"), [
    (["deals:read"], "/api/v2/deals", 200),
    (["contacts:read"], "/api/v2/deals", 403),
    (["contacts:read"], "/api/v2/persons", 200),
    (["products:read"], "/api/v2/deals/products?deal_ids=1", 200),
    (["deals:read"], "/api/v2/dealFields", 200),
    (["deals:read"], "/api/v2/itemSearch?term=xx", 403),
    (["search:read"], "/api/v2/itemSearch?term=xx", 200),
    (["contacts:read"], "/api/v2/persons/search?term=xx", 200),
    ([], "/v1/users/me", 200),
    ([], "/v1/users", 403),
    (["recents:read"], "/v1/recents?since_timestamp=2026-01-01%2000:00:00", 200),
])  # fmt: skip
def test_scopes_decide_what_an_app_may_call(crm, api, scopes, path, status):
    answer = bearer(api, access_of(crm, api, *scopes), path)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"] == "Scope and URL mismatch"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_discount_is_written_with_the_scope_for_writing_deals_only(crm, api, method):
    deal = crm.people.add("deal", title="x")
    part = "" if method == "POST" else f"/{crm.people.discount(deal, 5)}"
    body = {"type": "amount", "amount": 1, "description": "x"}
    for scope, status in (("deals:read", 403), ("deals:full", 201 if method == "POST" else 200)):
        headers = {"Authorization": f"Bearer {access_of(crm, api, scope)}"}
        url = f"{api.url}/api/v2/deals/{deal}/discounts{part}"
        assert requests.request(method, url, json=body, headers=headers, timeout=10).status_code == status


def test_reading_scopes_do_not_allow_writing(crm, api):
    access = access_of(crm, api, "deals:read")
    headers = {"Authorization": f"Bearer {access}"}
    answer = requests.post(f"{api.url}/api/v2/deals", json={"title": "x"}, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["errorCode"], crm.people.records("deal")) == (403, 403, [])


def test_a_second_user_gets_shorter_lists_without_an_error(crm, api):
    crm.fill(persons=3)
    crm.people.hide("person", 2)
    api.session.headers["x-api-token"] = SECOND_TOKEN
    assert api.ids("/persons") == [1, 3]
    assert api.call("GET", "/persons/2").status_code == 404
    assert api.post("/persons", name="Own", visible_to=1)["owner_id"] == 21002
    assert api.ids("/persons") == [1, 3, 4]


def test_switch_a_record_that_is_invisible_is_403(crm, api):
    crm.fill(persons=1)
    crm.people.hide("person", 1)
    crm.switches.invisible = "forbidden"
    api.session.headers["x-api-token"] = SECOND_TOKEN
    assert api.refusal("GET", "/persons/1")[1]["code"] == "ERR_FORBIDDEN"


def test_the_administrator_has_global_access_and_the_second_user_has_not(api):
    me = api.data("/v1/users/me")
    assert {"app": "global", "admin": True} in [{k: one[k] for k in ("app", "admin")} for one in me["access"]]
    api.session.headers["x-api-token"] = SECOND_TOKEN
    assert not any(one["admin"] for one in api.data("/v1/users/me")["access"])


def test_no_secret_gets_into_the_request_log(crm, api):
    api.data("/deals")
    token(api, grant_type="refresh_token", refresh_token=crm.install())
    log = str(list(crm.log))
    assert "grant_type=refresh_token" in log
    assert not [secret for secret in (API_TOKEN, CLIENT_SECRET, "v1u:refresh") if secret in log]


def test_scopes_can_be_given_to_the_constructor():
    crm = Pipedrive(scopes={"deals:read"})
    with Running(crm) as running:
        form = {"grant_type": "refresh_token", "refresh_token": crm.install()}
        data = requests.post(
            f"{running.url}/oauth/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET), timeout=10
        ).json()
    assert data["scope"] == "base,deals:read"
