"""The emulated Mailchimp's transport: credentials, headers, errors, paging, partial answers, audiences, control."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from mlconnector.sandbox import Running
from mlconnector.systems.mailchimp.emulator import ACCESS_TOKEN, API_KEY, Mailchimp, Switches

LIST = {
    "name": "Partners",
    "permission_reminder": "You are a partner.",
    "email_type_option": False,
    "contact": {"company": "Contoso", "address1": "Kaj 1", "city": "Malmö", "country": "SE"},
    "campaign_defaults": {
        "from_name": "C",
        "from_email": "c@contoso.com",
        "subject": "",
        "language": "en",
    },
}


def ping(url, headers=None, **params):
    return requests.get(f"{url}/3.0/ping", headers=headers, params=params, timeout=10)


# credentials


def test_a_key_is_taken_as_basic_password_with_any_user(api):
    assert api.get("/ping") == {"health_status": "Everything's Chimpy!"}


@pytest.mark.parametrize("value", [f"Bearer {API_KEY}", f"Bearer {ACCESS_TOKEN}", f"apikey {API_KEY}"])
def test_keys_and_tokens_are_taken_as_bearer_and_legacy_keys_as_apikey(api, value):
    assert ping(api.url, {"Authorization": value}).status_code == 200


def test_a_key_in_the_query_must_agree_with_the_header(api):
    header = {"Authorization": f"Bearer {API_KEY}"}
    assert ping(api.url, apikey=API_KEY).status_code == 200
    assert ping(api.url, header, apikey="other-us6").status_code == 401


def test_without_credentials_the_key_is_missing(api):
    answer = ping(api.url)
    assert (answer.status_code, answer.json()["title"]) == (401, "API Key Missing")


@pytest.mark.parametrize("value", ["Bearer wrong-us6", "Basic !!!", "Digest x"])
def test_a_wrong_key_is_invalid(api, value):
    answer = ping(api.url, {"Authorization": value})
    assert (answer.status_code, answer.json()["title"]) == (401, "API Key Invalid")
    assert "wrong datacenter" in answer.json()["detail"]


@pytest.mark.parametrize(("status", "title"), [(401, "API Key Invalid"), (403, "Wrong Datacenter")])
def test_switch_a_key_of_another_data_centre_is_refused_in_either_form(emulator, api, status, title):
    emulator.switches.wrong_dc_status = status
    other = ping(api.url, {"Authorization": "Bearer " + API_KEY.replace("-us6", "-us1")})
    emulator.switches.wrong_dc = True
    for answer in (other, api.call("GET", "/ping")):
        assert (answer.status_code, answer.json()["title"]) == (status, title)


def test_a_role_that_may_not_write_is_forbidden_to(emulator, api):
    emulator.account.role = "viewer"
    assert api.get("/")["role"] == "viewer"
    answer = api.put("a@contoso.com", status="subscribed")
    assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")


@pytest.mark.parametrize("scheme", ["OAuth", "Bearer"])
def test_metadata_names_this_server_as_the_api_of_a_token(api, scheme):
    header = {"Authorization": f"{scheme} {ACCESS_TOKEN}"}
    data = requests.get(f"{api.url}/oauth2/metadata", headers=header, timeout=10).json()
    assert (data["dc"], data["role"], data["api_endpoint"]) == ("us6", "admin", api.url)


def test_a_revoked_token_is_invalid_everywhere_but_the_key_still_works(emulator, api):
    emulator.expire_tokens()
    header = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    metadata = requests.get(f"{api.url}/oauth2/metadata", headers=header, timeout=10)
    assert metadata.json()["error"] == "invalid_token"
    assert ping(api.url, header).status_code == 401
    assert api.call("GET", "/ping").status_code == 200


# headers and errors


def test_an_answer_names_its_schema_its_request_and_its_type(api):
    answer = api.call("GET", "/lists/{l}")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Link"].endswith('Lists/Response.json>; rel="describedBy"')
    assert len(answer.headers["X-Request-Id"]) == 36


def test_a_member_answer_links_the_dashboard(api):
    assert 'rel="dashboard"' in api.put("a@contoso.com", status="subscribed").headers["Link"]


def test_an_error_is_a_problem_document_whose_instance_is_the_request_id(api):
    answer = api.call("GET", "/lists/0000000000")
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert problem["instance"] == answer.headers["X-Request-Id"]
    assert list(problem) == ["type", "title", "status", "detail", "instance"]
    assert (problem["status"], problem["title"]) == (404, "Resource Not Found")


def test_a_method_that_a_resource_does_not_have_is_405_with_allow(api):
    answer = api.call("DELETE", "/lists/{l}/merge-fields")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_broken_json_is_a_parse_error(api):
    answer = api.call("POST", "/lists/{l}/members", data=b"{")
    assert (answer.status_code, answer.json()["title"]) == (400, "JSON Parse Error")


def test_outside_3_0_there_is_nothing(api):
    assert requests.get(f"{api.url}/2.0/lists", timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("name", "status"), [("APIKeyMissing", 401), ("UserDisabled", 403), ("TooManyRequests", 429)]
)
def test_an_error_can_be_triggered_by_its_name(api, name, status):
    assert api.call("GET", "/ping", headers={"X-Trigger-Error": name}).status_code == status


def test_post_can_stand_for_another_method_but_other_verbs_cannot(emulator, api):
    emulator.add_member("Customers", "a@contoso.com")
    path, header = "/lists/{l}/members/a@contoso.com", {"X-HTTP-Method-Override": "PATCH"}
    assert api.call("POST", path, headers=header, json={"vip": True}).json()["vip"] is True
    assert api.call("GET", path, headers=header).status_code == 422


def test_answers_are_compressed_only_for_those_who_ask(api):
    assert api.call("GET", "/lists").headers["Content-Encoding"] == "gzip"
    plain = api.call("GET", "/lists", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.json()["total_items"] == 2


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (429, "Too Many Requests"),
        (500, "Internal Server Error"),
        (503, "Compliance Related"),
        (403, "Forbidden"),
    ],
)
def test_faults_answer_in_the_vendors_words(emulator, api, status, title):
    emulator.fault("status", status=status)
    answer = api.call("GET", "/ping")
    assert (answer.status_code, answer.json()["title"]) == (status, title)


def test_a_gateway_timeout_is_html(emulator, api):
    emulator.fault("status", status=502)
    assert "html" in api.call("GET", "/ping").headers["Content-Type"]


def test_switch_429_and_403_can_come_without_a_body(emulator, api):
    emulator.switches.bodiless_errors = True
    emulator.fault("status", status=429)
    answer = api.call("GET", "/ping")
    assert (answer.status_code, answer.content) == (429, b"")


def test_switch_the_edge_denies_access_in_html(emulator, api):
    emulator.switches.html_403 = True
    answer = api.call("GET", "/ping")
    assert answer.status_code == 403
    assert "Access Denied" in answer.text


def test_the_eleventh_request_at_once_is_too_many(emulator, api):
    emulator.latency_seconds = 0.4
    with ThreadPoolExecutor(11) as pool:
        answers = list(pool.map(lambda _: ping(api.url, {"Authorization": f"Bearer {API_KEY}"}), range(11)))
    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["detail"] == "You have exceeded the limit of 10 simultaneous connections."


# paging and partial answers


def test_a_page_has_ten_rows_by_default_and_a_thousand_at_most(emulator, api):
    for number in range(1001):
        emulator.add_member("Customers", f"p{number}@contoso.com")
    fields = "members.id,total_items"
    assert len(api.get("/lists/{l}/members", fields=fields)["members"]) == 10
    large = api.get("/lists/{l}/members", fields=fields, count=5000)
    assert (len(large["members"]), large["total_items"]) == (1000, 1001)


def test_switch_a_count_above_a_thousand_is_refused(emulator, api):
    emulator.switches.large_count = "refused"
    assert api.call("GET", "/lists/{l}/members", params={"count": 1001}).status_code == 400


def test_an_offset_beyond_the_end_is_empty_and_still_counts(emulator, api):
    emulator.add_member("Customers", "a@contoso.com")
    page = api.get("/lists/{l}/members", offset=50)
    assert (page["members"], page["total_items"]) == ([], 1)


def test_fields_reduce_the_answer_along_dot_paths(emulator, api):
    emulator.add_member("Customers", "a@contoso.com", FNAME="Ida")
    page = api.get(
        "/lists/{l}/members", fields="members.email_address,members.merge_fields.FNAME,total_items"
    )
    row = {"email_address": "a@contoso.com", "merge_fields": {"FNAME": "Ida"}}
    assert page == {"members": [row], "total_items": 1}


def test_exclude_fields_take_parts_away(emulator, api):
    emulator.add_member("Customers", "a@contoso.com")
    page = api.get("/lists/{l}/members", exclude_fields="_links,members._links,members.nonsense")
    assert "_links" not in page
    assert "_links" not in page["members"][0]
    assert page["members"][0]["email_address"] == "a@contoso.com"


def test_switch_unknown_names_in_fields_are_ignored_or_refused(emulator, api):
    emulator.add_member("Customers", "a@contoso.com")
    params = {"fields": "members.nonsense,members.unsubscribe_reason"}
    assert api.call("GET", "/lists/{l}/members", params=params).json() == {"members": [{}]}
    emulator.switches.unknown_fields = "refused"
    answer = api.call("GET", "/lists/{l}/members", params=params)
    assert (answer.status_code, answer.json()["title"]) == (422, "Requested Fields Invalid")
    assert api.get("/lists/{l}/members", fields="members.unsubscribe_reason") == {"members": [{}]}


# audiences


def test_lists_come_with_the_limit_of_the_plan(api):
    data = api.get("/lists")
    assert [row["name"] for row in data["lists"]] == ["Customers", "Vendors"]
    assert data["constraints"] == {"may_create": True, "max_instances": 5, "current_total_instances": 2}


def test_lists_can_be_asked_for_by_member(emulator, api):
    emulator.add_member("Vendors", "a@contoso.com")
    assert [row["name"] for row in api.get("/lists", email="A@contoso.com")["lists"]] == ["Vendors"]


def test_an_audience_is_created_until_the_plan_is_full(emulator, api):
    assert api.call("POST", "/lists", json={"name": "x"}).json()["title"] == "Invalid Resource"
    made = api.call("POST", "/lists", json={**LIST, "double_optin": True}).json()
    assert (made["name"], made["double_optin"]) == ("Partners", True)
    assert emulator.list_id("Partners") == made["id"]
    emulator.switches.max_audiences = 3
    answer = api.call("POST", "/lists", json=LIST)
    assert (answer.status_code, answer.json()["title"]) == (403, "User action not permitted")


def test_stats_of_a_list_are_up_to_five_minutes_old(emulator, api):
    assert api.get("/lists/{l}")["stats"]["member_count"] == 0
    emulator.add_member("Customers", "a@contoso.com")
    assert api.get("/lists/{l}")["stats"]["member_count"] == 0
    emulator.clock.advance(301)
    assert api.get("/lists/{l}")["stats"]["member_count"] == 1


def test_total_contacts_are_counted_only_if_asked_for(api):
    assert "total_contacts" not in api.get("/lists/{l}")["stats"]
    assert api.get("/lists/{l}", include_total_contacts="true")["stats"]["total_contacts"] == 0


def test_there_are_no_interest_groups(api):
    assert api.get("/lists/{l}/interest-categories")["categories"] == []


# the sandbox


def test_seed_brings_contacts_in_every_status_and_knows_them(emulator):
    made = emulator.seed(["buyer@fabrikam.com"], ["seller@adatum.com"])
    assert made["Customers"]["buyer@fabrikam.com"] == "subscribed"
    for name, expected in made.items():
        assert {row["email_address"]: row["status"] for row in emulator.members(name)} == expected
    statuses = {"subscribed", "unsubscribed", "cleaned", "archived", "pending", "transactional"}
    assert set(made["Customers"].values()) == statuses


def test_seed_can_be_repeated(emulator):
    assert emulator.seed() == emulator.seed()


def do(url, action, **data):
    return requests.post(f"{url}/_sandbox/do/{action}", json=data, timeout=10)


def test_what_people_do_can_be_done_over_http(emulator, api):
    do(api.url, "add_member", list="Customers", email="a@contoso.com", FNAME="Ida")
    assert do(api.url, "person_unsubscribes", list=api.list_id, email="a@contoso.com").status_code == 200
    assert do(api.url, "member", list="Customers", email="a@contoso.com").json()["status"] == "unsubscribed"
    rows = do(api.url, "transitions", list="Customers").json()
    assert [(row["by"], row["new"]) for row in rows] == [("admin", "subscribed"), ("person", "unsubscribed")]
    assert do(api.url, "bounce", list="Customers", email="nobody@contoso.com").status_code == 400


def test_switches_can_be_changed_over_http(emulator, api):
    assert do(api.url, "switches", html_403=True).json()["html_403"] is True
    assert emulator.switches.html_403
    for wrong in ({"nonsense": 1}, {"wrong_dc_status": 404}, {"wrong_dc": "yes"}):
        assert do(api.url, "switches", **wrong).status_code == 400


def test_every_action_is_known_to_the_control_endpoint(api):
    known = do(api.url, "nonsense").json()["known"]
    assert {"do/person_unsubscribes", "do/bounce", "do/complain", "do/confirm", "do/seed"} <= set(known)


def test_a_running_account_can_be_set_up_in_code():
    emulator = Mailchimp(api_key="k-us1", role="owner", switches=Switches(max_merge_fields=80))
    with Running(emulator) as running:
        root = requests.get(f"{running.url}/3.0/", auth=("x", "k-us1"), timeout=10).json()
    assert (root["role"], emulator.data_centre) == ("owner", "us1")
