"""The emulated Business Central's service: tokens, URLs, errors, representation, replicas, limits, control."""

from __future__ import annotations

import base64
import gzip
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest
import requests

from mlconnector.systems.business_central.emulator import CLIENT_SECRET, TENANT, BusinessCentral
from mlconnector.systems.business_central.emulator_rows import read_stamp, show_stamp, sql_stamp

ZERO = "00000000-0000-0000-0000-000000000000"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


# the token endpoint


def test_a_token_comes_with_an_integer_lifetime(api):
    answer = api.token()
    assert answer.status_code == 200
    assert set(answer.json()) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert answer.json()["expires_in"] == 3599


@pytest.mark.parametrize(
    ("form", "status", "error", "number"),
    [
        ({"client_secret": "secret-id"}, 401, "invalid_client", 7000215),
        ({"client_id": ZERO}, 400, "unauthorized_client", 700016),
        ({"tenant": "11111111-2222-3333-4444-555555555555"}, 400, "invalid_request", 90002),
        ({"tenant": "common"}, 400, "invalid_request", 900023),
        ({"scope": ""}, 400, "invalid_request", 900144),
        ({"scope": "https://graph.microsoft.com/.default"}, 400, "invalid_scope", 70011),
    ],
)
def test_a_token_request_is_refused_as_entra_does(api, form, status, error, number):
    answer = api.token(**form)
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert f"Trace ID: {body['trace_id']} Correlation ID:" in body["error_description"]


def test_an_expired_secret_is_told_from_a_wrong_one(bc, api):
    bc.login.secret_expired = True
    assert api.token().json()["error_codes"] == [7000222]
    assert api.token(client_secret=f"not {CLIENT_SECRET}").json()["error_codes"] == [7000215]


def test_a_token_runs_out(bc, api, clock):
    assert api.call("GET", "customers").status_code == 200
    clock.advance(3600)
    assert api.call("GET", "customers").status_code == 401


def test_a_verified_domain_stands_for_the_tenant(api):
    assert api.token(tenant="cronus.com").status_code == 200
    assert api.call("GET", f"{api.url}/v2.0/cronus.com/Production/api/v2.0/companies").status_code == 200


# who may call, and where


def test_without_a_token_the_gateway_answers_in_json_and_without_a_correlation(api):
    answer = requests.get(f"{api.root}/companies", timeout=10)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": {"code": "Unauthorized", "message": "The credentials provided are incorrect"}
    }


def test_the_gateway_can_answer_in_xml(bc, api):
    bc.xml_unauthorized = True
    answer = requests.get(f"{api.root}/companies", timeout=10)
    assert answer.status_code == 401
    assert "<code>Unauthorized</code>" in answer.text


def test_an_app_without_a_card_in_bc_is_rejected_with_a_good_token(bc, api):
    bc.registered = False
    status, code, message = api.error("GET", "customers")
    assert (status, code) == (401, "Authentication_InvalidCredentials")
    assert message == "The server has rejected the client credentials."


def test_the_environment_is_found_in_any_case_and_an_unknown_one_is_a_404_in_xml(api):
    assert api.call("GET", f"{api.url}/v2.0/{TENANT}/PRODUCTION/api/v2.0/companies").status_code == 200
    answer = api.call("GET", f"{api.url}/v2.0/{TENANT}/Sandbox/api/v2.0/companies")
    assert answer.status_code == 404
    root = ElementTree.fromstring(answer.text.partition("?>")[2])
    assert [part.text for part in root] == ["NoEnvironment", "Environment does not exist."]


def test_links_echo_the_form_of_the_url_that_was_asked(api):
    for root in (api.root, f"{api.url}/v2.0/production/api/v2.0"):
        body = api.get(f"{root}/companies({api.company_id.upper()})/customers", prefer="2")
        start = f"{root}/$metadata#companies({api.company_id})/customers"
        assert body["@odata.context"] == start
        assert body["@odata.nextLink"].startswith(f"{root}/companies({api.company_id.upper()})/customers?")


def test_the_only_company_is_the_default_and_a_name_may_choose(api):
    assert api.get(f"{api.root}/customers")["value"] == api.get("customers")["value"]
    by_name = api.call("GET", f"{api.root}/customers", params={"company": "CRONUS International Ltd."})
    assert by_name.json()["value"] == api.get("customers")["value"]


def test_of_two_companies_none_is_the_default_and_each_has_its_own_records(serve):
    bc = BusinessCentral(companies=["NORDKRAN", "My Company"])
    bc.add("customers", displayName="Only here", company="My Company")
    api = serve(bc)
    assert api.error("GET", f"{api.root}/customers")[:2] == (404, "Internal_CompanyNotFound")
    assert api.numbers() == []
    assert api.numbers(f"{api.root}/companies({bc.companies[1].id})/customers") == ["C00010"]


def test_unknown_sets_and_ids_are_the_same_404(api):
    missing = "Resource not found for the segment 'customers'."
    assert api.error("GET", f"customers({ZERO})") == (404, "BadRequest_ResourceNotFound", missing)
    assert api.error("GET", "Customers")[:2] == (404, "BadRequest_ResourceNotFound")
    assert api.error("GET", "purchaseOrders")[:2] == (404, "BadRequest_ResourceNotFound")


def test_a_number_is_no_key(api):
    assert api.call("GET", "customers('10000')").status_code == 400


# service document, metadata, companies


def test_the_service_document_lists_the_entity_sets(api):
    body = api.get(api.root)
    assert {"name": "vendors", "kind": "EntitySet", "url": "vendors"} in body["value"]


@pytest.mark.parametrize("below", ["", "/companies({id})"])
def test_metadata_names_lengths_enums_and_navigation(api, below):
    url = api.root + below.replace("{id}", api.company_id) + "/$metadata"
    tree = ElementTree.fromstring(api.call("GET", url).content)
    customer = next(part for part in tree.iter(f"{EDM}EntityType") if part.get("Name") == "customer")
    lengths = {part.get("Name"): part.get("MaxLength") for part in customer.iter(f"{EDM}Property")}
    assert (lengths["number"], lengths["email"], lengths["displayName"]) == ("20", "80", "100")
    assert customer.find(f"{EDM}Key/{EDM}PropertyRef").get("Name") == "id"
    assert "customerFinancialDetail" in {
        part.get("Name") for part in customer.iter(f"{EDM}NavigationProperty")
    }
    blocked = next(part for part in tree.iter(f"{EDM}EnumType") if part.get("Name") == "customerBlocked")
    assert [part.get("Name") for part in blocked] == ["_x0020_", "Ship", "Invoice", "All"]


def test_companies_have_no_etag_and_can_be_found_by_name(api):
    body = api.get(f"{api.root}/companies", filter="name eq 'CRONUS International Ltd.'")
    assert body["@odata.context"] == f"{api.root}/$metadata#companies"
    assert list(body["value"][0]) == [
        *("id", "systemVersion", "timestamp", "name", "displayName", "businessProfileId"),
        *("systemCreatedAt", "systemCreatedBy", "systemModifiedAt", "systemModifiedBy"),
    ]
    assert api.get(f"{api.root}/companies({api.company_id})")["id"] == api.company_id


def test_companies_cannot_be_posted(api):
    answer = api.error("POST", f"{api.root}/companies", json={"name": "X"})
    assert answer == (
        405,
        "BadRequest_MethodNotAllowed",
        "'POST' requests for 'companies' of EdmType 'Entity' are not allowed within "
        "Microsoft Dynamics NAV OData web services.",
    )


def test_company_information_is_one_row_that_tells_the_local_currency(api):
    rows = api.get("companyInformation")["value"]
    assert [row["currencyCode"] for row in rows] == ["EUR"]
    assert "EUR" not in {row["code"] for row in api.get("currencies")["value"]}


# representation


def test_a_customer_shows_every_field_in_page_order_after_its_etag(api):
    row = api.get("customers", top="1")["value"][0]
    assert list(row) == [
        *("@odata.etag", "id", "number", "displayName", "type", "addressLine1", "addressLine2", "city"),
        *("state", "country", "postalCode", "phoneNumber", "email", "website", "salespersonCode"),
        *("balanceDue", "creditLimit", "taxLiable", "taxAreaId", "taxAreaDisplayName"),
        *("taxRegistrationNumber", "currencyId", "currencyCode", "paymentTermsId", "shipmentMethodId"),
        *("paymentMethodId", "blocked", "lastModifiedDateTime"),
    ]


def test_blanks_are_written_out_and_never_null(bc, api):
    bc.add("customers", number="BLANK", displayName="B", paymentTermsId=ZERO)
    row = api.get("customers", filter="number eq 'blank'")["value"][0]
    assert None not in row.values()
    assert (row["email"], row["balanceDue"], row["paymentTermsId"]) == ("", 0, ZERO)
    assert (row["blocked"], row["taxLiable"], row["currencyId"]) == ("_x0020_", False, ZERO)


def test_a_single_entity_starts_with_context_and_etag(api):
    row = api.get("customers", top="1")["value"][0]
    single = api.get(f"customers({row['id']})")
    assert list(single)[:2] == ["@odata.context", "@odata.etag"]
    assert (
        single.pop("@odata.context") == f"{api.root}/$metadata#companies({api.company_id})/customers/$entity"
    )
    assert single == row


def test_an_etag_is_a_hash_of_what_the_page_shows(bc):
    before = bc.row("customers", "10000")["@odata.etag"]
    inner = base64.b64decode(re.fullmatch(r'W/"(.+)"', before)[1]).decode()
    length, digits = re.fullmatch(r"'(\d+);(\d+)1;00;'", inner).groups()
    assert int(length) == len(digits)
    changed = bc.edit("customers", "10000", displayName="Other")["@odata.etag"]
    assert changed != before
    when = datetime.fromisoformat(bc.row("customers", "10000")["lastModifiedDateTime"])
    bc.edit("customers", "10000", displayName="Once more")
    bc.edit("customers", "10000", displayName="Other")
    assert bc.stamp("customers", "10000", when)["@odata.etag"] == changed


def test_stamps_are_rounded_to_a_three_hundredth_and_lose_their_trailing_zeros(bc, clock):
    for milliseconds, shown in ((468, ".467Z"), (551, ".55Z"), (0, ":20Z"), (998, ".997Z"), (999, ":21Z")):
        clock.freeze(datetime(2026, 7, 21, 12, 54, 20, milliseconds * 1000, tzinfo=UTC))
        assert bc.edit("customers", "10000")["lastModifiedDateTime"].endswith(shown)


def test_a_stamp_survives_its_text():
    ticks = sql_stamp(datetime(2026, 2, 24, 22, 53, 12, 550_000, tzinfo=UTC))
    assert read_stamp(show_stamp(ticks)) == ticks
    assert read_stamp("2026-02-24T23:53:12.55+01:00") == ticks
    assert read_stamp("2026-02-24T22:53:12.55") is None
    assert show_stamp(0) == "0001-01-01T00:00:00Z"


def test_numbers_have_no_trailing_zeros(bc, api):
    bc.edit("customers", "10000", creditLimit="2311.30")
    text = api.call("GET", "customers", params={"$top": "1"}).text
    assert '"creditLimit":2311.3,' in text
    assert '"balanceDue":1800,' in text


# balances, late commits, replicas


def test_a_balance_moves_the_etag_but_not_the_stamp(bc, api):
    before = bc.row("customers", "20000")
    detail = api.get("customers", filter="number eq '20000'", expand="customerFinancialDetail")["value"][0]
    bc.touch_balance("20000", "100.05")
    after = api.get("customers", filter="number eq '20000'", expand="customerFinancialDetail")["value"][0]
    assert after["lastModifiedDateTime"] == before["lastModifiedDateTime"]
    assert after["@odata.etag"] != before["@odata.etag"]
    moved = [row["customerFinancialDetail"]["balance"] for row in (detail, after)]
    assert moved == [499.95, 600]


def test_a_vendor_shows_its_own_balance(bc):
    assert bc.touch_balance("10000", 10, entity="vendors")["balance"] == Decimal("3224.7")


def test_a_late_commit_arrives_with_a_stamp_that_polls_have_passed(bc, api, clock):
    started = clock.now()
    late = bc.edit_late("customers", "10000", displayName="Late")
    clock.advance(600)
    bc.edit("customers", "20000", displayName="Soon")
    since = (started + timedelta(seconds=300)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert api.filtered(f"lastModifiedDateTime ge {since}") == ["20000"]
    late.commit()
    assert api.filtered(f"lastModifiedDateTime ge {since}") == ["20000"]
    assert bc.row("customers", "10000")["displayName"] == "Late"
    assert bc.row("customers", "10000")["lastModifiedDateTime"] == show_stamp(sql_stamp(started))


def test_a_replica_shows_what_was_there_before_unless_the_primary_is_asked_for(bc, api, clock):
    bc.replica_lag_seconds = 5
    row = bc.edit("customers", "10000", displayName="New")
    bc.delete("customers", "20000")
    bc.add("customers", number="0001", displayName="Added")
    assert api.get(f"customers({row['id']})")["displayName"] == "Adatum Corporation"
    assert api.numbers()[:2] == ["10000", "20000"]
    primary = api.get("customers", headers={"Data-Access-Intent": "ReadWrite"})["value"]
    assert [row["number"] for row in primary[:2]] == ["0001", "10000"]
    clock.advance(5.01)
    assert api.get("customers")["value"] == primary


# limits and faults


def test_the_sliding_window_answers_429_until_it_has_moved_on(bc, api, clock):
    bc.rate_limit = (2, 300)
    assert [api.call("GET", "customers").status_code for _ in range(3)] == [200, 200, 429]
    text = "Too many requests reached. Actual (3). Maximum (2)."
    assert api.error("GET", "customers") == (429, "Application_TooManyRequests", text)
    clock.advance(301)
    assert api.call("GET", "customers").status_code == 200


def test_more_at_once_than_are_worked_on_and_queued_get_429(bc, api):
    assert bc.max_parallel == 100
    bc.max_parallel = 0
    text = "Too many requests reached. Actual (101). Maximum (100)."
    assert api.error("GET", "customers") == (429, "Application_TooManyRequests", text)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "Application_TooManyRequests"),
        (503, "Internal_TenantUnavailable"),
        (409, "Internal_ServerError"),
        (500, "Internal_ServerError"),
    ],
)
def test_a_fault_speaks_as_bc_does(bc, api, status, code):
    bc.fault("status", status=status, retry_after=7)
    answer = api.call("GET", "customers")
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")
    assert answer.json()["error"]["code"] == code


def test_a_gateway_timeout_comes_as_html(bc, api):
    bc.fault("status", status=504)
    assert api.call("GET", "customers").headers["Content-Type"] == "text/html"


def test_a_fault_at_the_token_endpoint_speaks_as_entra_does(bc, api):
    bc.fault("status", path="oauth2", status=503)
    assert api.token().json()["error"] == "temporarily_unavailable"


def test_missing_permissions_show_per_table(bc, api):
    bc.forbidden_tables = {"vendors"}
    text = "You do not have the following permissions on TableData Vendor: Read."
    assert api.error("GET", "vendors") == (400, "Application_DialogException", text)
    assert api.call("GET", "customers").status_code == 200


def test_an_error_has_two_keys_and_the_request_id_as_correlation(api):
    answer = api.call("GET", f"customers({ZERO})")
    assert list(answer.json()["error"]) == ["code", "message"]
    tail = f"'customers'.  CorrelationId:  {answer.headers['request-id']}."
    assert answer.json()["error"]["message"].endswith(tail)


def test_headers_are_those_of_the_service_and_gzip_is_used_if_taken(api):
    answer = api.call("GET", "customers", headers={"Accept-Encoding": "gzip"}, stream=True)
    assert answer.headers["Content-Type"] == "application/json; odata.metadata=minimal; odata.streaming=true"
    assert answer.headers["OData-Version"] == "4.0"
    assert answer.headers["Server"] == "Microsoft-HTTPAPI/2.0"
    assert gzip.decompress(answer.raw.read(decode_content=False)).startswith(b'{"@odata.context"')
    plain = api.call("GET", "customers", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers


# control


def do(api, action, **data):
    return requests.post(f"{api.url}/_sandbox/do/{action}", json=data, timeout=10)


def test_a_person_with_curl_can_do_what_tests_can(bc, api):
    added = do(api, "add", entity="customers", fields={"displayName": "Curl", "creditLimit": 12.5}).json()
    assert (added["number"], added["creditLimit"]) == ("C00410", 12.5)
    named = {"entity": "customers", "number": "C00410"}
    assert do(api, "edit", **named, fields={"city": "Ulm"}).json()["city"] == "Ulm"
    assert do(api, "stamp", **named, when="0001-01-01T00:00:00Z").status_code == 200
    assert do(api, "row", **named).json()["lastModifiedDateTime"] == "0001-01-01T00:00:00Z"
    assert do(api, "balance", number="C00410", amount=3).json()["balanceDue"] == 3
    assert do(api, "delete", **named).status_code == 200
    assert do(api, "row", **named).status_code == 400


def test_a_late_edit_by_curl_waits_for_its_commit(bc, api):
    handle = do(api, "late-edit", entity="vendors", number="10000", fields={"city": "Ulm"}).json()["handle"]
    assert bc.row("vendors", "10000")["city"] == "Atlanta"
    do(api, "commit", handle=handle)
    assert bc.row("vendors", "10000")["city"] == "Ulm"


def test_switches_can_be_set_by_curl(bc, api):
    assert do(api, "switch", rate_limit=[5, 60], forbidden_tables=["items"]).json()["rate_limit"] == [5, 60.0]
    assert (bc.rate_limit, bc.forbidden_tables) == ((5, 60.0), {"items"})
    assert do(api, "switch", tyop=1).status_code == 400
