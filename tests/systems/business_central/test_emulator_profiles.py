"""The emulated servers of one's own: what each listens to, who may call, tenants, API v1.0 and beta."""

from __future__ import annotations

import base64
import importlib.util
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
import requests

from mlconnector.sandbox import Clock
from mlconnector.systems.business_central.emulator import CLIENT_ID, CLIENT_SECRET, TENANT, BusinessCentral

from .serving import PASSWORD, USER, serving

SCOPE = "https://api.businesscentral.dynamics.com/.default"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
LISTENS = {
    "onprem": {"api/v2.0": 200, "api/v1.0": 200, "api/beta": 404, "ODataV4": 200, "OData": 404},
    "bc14": {"api/v2.0": 404, "api/v1.0": 200, "api/beta": 200, "ODataV4": 200, "OData": 200},
    "nav2018": {"api/v2.0": 405, "api/v1.0": 405, "api/beta": 405, "ODataV4": 200, "OData": 200},
    "nav2017": {"api/v2.0": 404, "api/v1.0": 404, "api/beta": 404, "ODataV4": 200, "OData": 200},
    "nav2016": {"api/v2.0": 404, "api/v1.0": 404, "api/beta": 404, "ODataV4": 404, "OData": 200},
}
NO_NTLM = "needs requests-ntlm and pyspnego (pip install 'mlconnector[windows]')"
with_ntlm = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("spnego", "requests_ntlm")), reason=NO_NTLM
)


# what listens


@pytest.mark.parametrize("profile", LISTENS)
def test_a_product_serves_what_it_has(profile):
    with serving(profile) as site:
        assert {path: site.call(path).status_code for path in LISTENS[profile]} == LISTENS[profile]


@pytest.mark.parametrize("path", ["WRONG/ODataV4", "nothing", "v2.0/Production/api/v2.0/companies"])
def test_where_nobody_listens_windows_answers_in_html_before_anybody_asks_who_calls(path):
    with serving("nav2017") as site:
        answer = requests.get(f"{site.url}/{path}", timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=us-ascii")


def test_an_instance_is_found_in_any_case_and_may_have_another_name():
    with serving("onprem", instance="NORD") as site:
        assert site.call(f"{site.url}/nord/api/v2.0/companies").status_code == 200
        assert site.call(f"{site.url}/BC/api/v2.0/companies").status_code == 404


@pytest.mark.parametrize(("switch", "path"), [("api", "api/v2.0/companies"), ("odata", "ODataV4/Company")])
def test_an_endpoint_that_is_switched_off_answers_405(switch, path):
    with serving("onprem") as site:
        assert site.call(path).status_code == 200
        setattr(site.server, f"{switch}_services_enabled", False)
        answer = site.call(path)
    assert (answer.status_code, answer.content) == (405, b"")


def test_odata_3_is_recognised_by_its_atom_service_document():
    with serving("nav2016") as site:
        answer = site.call("OData/")
        assert answer.headers["Content-Type"].startswith("application/atomsvc+xml")
        assert answer.headers["DataServiceVersion"] == "1.0;"
        names = [one.get("href") for one in ElementTree.fromstring(answer.content).iter() if one.get("href")]
    assert names == ["Company", "Customer", "Vendor"]


def test_what_is_not_there_cannot_be_made():
    for switches in ({"profile": "nav2009"}, {"instance": "BC"}, {"profile": "onprem", "colour": "red"}):
        with pytest.raises(ValueError, match=r"profile|switch"):
            BusinessCentral(**switches)
    with pytest.raises(ValueError, match="no page 30"):
        BusinessCentral(profile="onprem", services={"Item": 30})


def test_api_2_of_a_server_is_that_of_the_online_service_and_takes_writes():
    with serving("onprem") as site:
        site.bc.companies[0].next_numbers["customers"] = "C90000"
        made = site.call(f"api/v2.0/{site.company}/customers", "POST", json={"displayName": "Neu AG"})
        assert (made.status_code, made.json()["number"]) == (201, "C90000")
        assert made.headers["Location"].startswith(f"{site.root}/api/v2.0/{site.company}/customers(")
        assert made.headers["Cache-Control"] == "no-cache, no-store"
        assert site.get("api/v2.0/companies")["value"][0]["systemVersion"].startswith("25.")


def test_faults_the_log_and_the_clock_work_as_online():
    clock = Clock()
    clock.freeze(datetime(2026, 7, 21, 22, 30, tzinfo=UTC))
    with serving("nav2017", clock=clock) as site:
        site.bc.fault("status", path="/Customer", status=503, retry_after=7)
        site.bc.fault("status", path="/Customer", status=401)
        answer = site.call(f"{site.pages}/Customer")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
        refused = site.call(f"{site.pages}/Customer")
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm=""')
        entry = site.bc.log[-1]
    assert (entry.status, entry.headers["authorization"]) == (401, "***")
    assert answer.headers["Date"] == "Tue, 21 Jul 2026 22:30:00 GMT"


def test_switches_are_turned_by_curl_too():
    with serving("nav2018") as site:
        control = f"{site.url}/_sandbox/do/switch"
        shown = requests.post(
            control, json={"api_services_enabled": True, "page_limit": 5}, timeout=10
        ).json()
        assert shown["api_services_enabled"] is True and "password" not in shown
        assert site.call("api/beta/companies").status_code == 200
        assert len(site.get(f"api/beta/{site.company}/customers")["value"]) == 5
        assert requests.post(control, json={"profile": "bc14"}, timeout=10).status_code == 400


@pytest.mark.parametrize(
    "switches",
    [
        {"services": {"Customer": 22}},
        {"services": 5},
        {"services": {"Customer": 21}, "page_fields": {"Customer": ["Nothing"]}},
        {"credentials": "Kerberos"},
        {"time_zone": "Nowhere"},
        {"tenants": "t2"},
    ],
)
def test_a_switch_to_what_no_server_can_be_is_refused_and_changes_nothing(switches):
    with serving("nav2018") as site:
        before = replace(site.server)
        answer = requests.post(f"{site.url}/_sandbox/do/switch", json=switches, timeout=10)
        assert answer.status_code == 400 and answer.json()["error"]
        assert site.server == before
        assert site.call(f"{site.pages}/Customer").status_code == 200


# who may call


def _basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_basic_takes_the_password_and_the_web_service_access_key():
    with serving("bc14") as site:
        key = site.server.access_key
        assert len(key) == 44
        for text in (f"{USER}:{PASSWORD}", f"sync:{key}"):
            assert requests.get(f"{site.root}/ODataV4", headers=_basic(text), timeout=10).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _basic(f"{USER}:wrong"),
        _basic("OTHER:sandbox-password"),
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic ???"},
    ],
)
def test_others_get_a_challenge_without_a_body(headers):
    with serving("bc14") as site:
        answer = requests.get(f"{site.root}/ODataV4", headers=headers, timeout=10)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["WWW-Authenticate"] == 'Basic realm=""'


def test_beyond_ascii_basic_understands_nothing():
    with serving("bc14", password="größer") as site:
        answer = requests.get(f"{site.root}/ODataV4", headers=_basic(f"{USER}:größer"), timeout=10)
    assert answer.status_code == 401


def test_a_server_with_tokens_takes_those_of_entra():
    with serving("onprem", credentials="AccessControlService") as site:
        site.session.auth = None
        assert site.error("api/v2.0/companies")[:2] == (401, "Authentication_InvalidCredentials")
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        token = requests.post(
            f"{site.url}/{TENANT}/oauth2/v2.0/token", data=form | {"scope": SCOPE}, timeout=10
        ).json()["access_token"]
        site.session.headers["Authorization"] = f"Bearer {token}"
        assert site.call("api/v2.0/companies").status_code == 200


@with_ntlm
@pytest.mark.parametrize(("ntlm_only", "schemes"), [(True, "NTLM"), (False, "Negotiate, NTLM")])
def test_windows_credentials_need_one_handshake_a_connection(ntlm_only, schemes):
    from requests_ntlm import HttpNtlmAuth

    with serving("nav2017", credentials="Windows", ntlm_only=ntlm_only) as site:
        site.session.auth = None
        assert site.call("ODataV4").headers["WWW-Authenticate"] == schemes
        site.bc.log.clear()
        site.session.auth = HttpNtlmAuth(f"CRONUS\\{USER}", PASSWORD)
        for _ in range(3):
            assert site.call("ODataV4/Customer").status_code == 200
        assert [entry.status for entry in site.bc.log] == [401, 401, 200, 200, 200]


@with_ntlm
@pytest.mark.parametrize(
    ("user", "password"), [(f"CRONUS\\{USER}", "wrong"), (f"OTHER\\{USER}", PASSWORD), ("CRONUS\\X", "y")]
)
def test_a_handshake_with_wrong_credentials_ends_in_a_401(user, password):
    from requests_ntlm import HttpNtlmAuth

    with serving("nav2017", credentials="Windows") as site:
        site.session.auth = HttpNtlmAuth(user, password)
        assert site.call("ODataV4/Customer").status_code == 401
        site.session.auth = (USER, PASSWORD)
        assert site.call("ODataV4/Customer").status_code == 401


@with_ntlm
def test_negotiate_takes_ntlm_wrapped_in_spnego_and_no_garbage():
    import spnego

    with serving("nav2017", credentials="Windows", ntlm_only=False) as site:
        site.session.auth = None
        own = spnego.NegotiateOptions.use_negotiate
        client = spnego.client(f"CRONUS\\{USER}", PASSWORD, protocol="negotiate", options=own)
        first = site.call("ODataV4", headers={"Authorization": f"Negotiate {_wrapped(client.step())}"})
        challenge = base64.b64decode(first.headers["WWW-Authenticate"].removeprefix("Negotiate "))
        last = _wrapped(client.step(challenge))
        answer = site.call("ODataV4", headers={"Authorization": f"Negotiate {last}"})
        assert (first.status_code, answer.status_code, site.call("ODataV4").status_code) == (401, 200, 200)
    with serving("nav2017", credentials="Windows") as site:
        site.session.auth = None
        for garbage in (
            "NTLM ???",
            "NTLM TlRMTVNTUAA=",
            "NTLM YWJj",
            "NTLM YEgGBisGAQUFAqA+MDw=",
            "Basic YTpi",
        ):
            assert site.call("ODataV4", headers={"Authorization": garbage}).status_code == 401


def _wrapped(token: bytes) -> str:
    assert token.startswith((b"`", b"\xa1"))  # ASN.1, not bare NTLM
    return base64.b64encode(token).decode()


# tenants


def test_with_several_tenants_each_request_names_one_and_links_keep_it():
    with serving("onprem", tenants=("default", "nord")) as site:
        for path in ("api/v2.0/companies", "ODataV4/Customer", "ODataV4/Customer?tenant=south"):
            assert site.error(path)[:2] == (400, "Internal_TenantUnavailable")
        for path in (f"api/v2.0/{site.company}/customers", f"{site.pages}/Customer"):
            first = site.call(f"{path}?tenant=NORD", headers={"Prefer": "odata.maxpagesize=3"}).json()
            assert "tenant=NORD" in first["@odata.nextLink"]
            assert len(site.get(first["@odata.nextLink"], page=3)["value"]) == 3
        site.server.tenant_status = 503
        assert site.error("ODataV4/Customer")[0] == 503


def test_a_server_with_one_tenant_does_not_mind_being_told():
    with serving("nav2017") as site:
        assert site.call("ODataV4/Customer?tenant=default").status_code == 200


# API v1.0 and beta


def test_v1_has_one_address_captions_and_no_figures():
    with serving("bc14") as site:
        site.bc.edit("customers", "10000", addressLine2="2nd floor", blocked="Ship")
        row = site.get(f"api/v1.0/{site.company}/customers", filter="number eq '10000'")["value"][0]
        other = site.get(f"api/v1.0/{site.company}/customers", filter="number eq '20000'")["value"][0]
    assert row["address"] == {
        "street": "Station Road, 21\r\n2nd floor",
        "city": "Cambridge",
        "state": "",
        "countryLetterCode": "GB",
        "postalCode": "CB1 2FB",
    }
    assert other["address"]["street"] == "Southwark Bridge Rd, 91-95"
    assert (row["blocked"], other["blocked"], row["type"]) == ("Ship", " ", "Company")
    assert row["lastModifiedDateTime"] == site.bc.row("customers", "10000")["lastModifiedDateTime"]
    absent = {"balance", "overdueAmount", "balanceDue", "creditLimit", "salespersonCode", "addressLine1"}
    assert not absent & set(row)


@pytest.mark.parametrize("shape", ["array", "object"])
def test_v1_has_the_figures_behind_a_navigation_in_the_plural(shape):
    with serving("bc14", financial_details=shape) as site:
        row = site.get(
            f"api/v1.0/{site.company}/customers", top="1", expand="customerFinancialDetails($select=balance)"
        )["value"][0]
        details = row["customerFinancialDetails"]
        below = site.get(f"api/v1.0/{site.company}/customers({row['id']})/customerFinancialDetails")
    figures = details[0] if shape == "array" else details
    assert (figures["balance"], set(figures)) == (2311.3, {"@odata.etag", "balance"})
    assert (below["value"][0] if shape == "array" else below)["overdueAmount"] == 1800


def test_beta_has_the_figures_on_the_customer():
    with serving("bc14") as site:
        row = site.get(f"api/beta/{site.company}/customers", top="1")["value"][0]
        assert (row["balance"], row["overdueAmount"], row["totalSalesExcludingTax"]) == (
            2311.3,
            1800,
            10250.5,
        )
        assert site.error(f"api/beta/{site.company}/customers", expand="customerFinancialDetails")[0] == 400
        assert site.error(f"api/beta/{site.company}/customerFinancialDetails")[0] == 404
        vendor = site.get(f"api/beta/{site.company}/vendors", top="1")["value"][0]
        assert (vendor["balance"], vendor["address"]["state"]) == (3214.7, "GA")


@pytest.mark.parametrize("version", ["v1.0", "beta"])
@pytest.mark.parametrize(
    "name", ["salespersonCode", "creditLimit", "balanceDue", "addressLine1", "country", "contact"]
)
def test_a_field_of_a_later_version_is_an_unknown_property(version, name):
    with serving("bc14") as site:
        path = f"api/{version}/{site.company}/customers"
        text = f"Could not find a property named '{name}' on type 'Microsoft.NAV.customer'."
        assert site.error(path, select=name) == (400, "BadRequest", text)
        assert site.error(path, filter=f"{name} eq 'x'") == (400, "BadRequest", text)


def test_old_versions_filter_order_page_and_count():
    with serving("bc14") as site:
        path = f"api/v1.0/{site.company}/customers"
        assert site.get(path, filter="blocked eq 'Ship'", select="number")["value"][0]["number"] == "C00150"
        assert len(site.get(path, filter="blocked eq ' ' and type eq 'Person'")["value"]) == 4
        stamps = [row["lastModifiedDateTime"] for row in _pages(site, path, orderby="lastModifiedDateTime")]
        assert len(stamps) == 40 and stamps == sorted(stamps)
        newer = f"lastModifiedDateTime gt {stamps[20]}"
        assert site.get(path, filter=newer, count="true", top="1")["@odata.count"] == 19
        row = site.get(path, top="1")["value"][0]
        assert site.get(f"{path}({row['id']})")["number"] == "10000"
        assert site.call(f"{path}/$count").text == "40"


def _pages(site, path: str, **params: str) -> list[dict[str, object]]:
    body = site.get(path, page=7, **params)
    rows = body["value"]
    while "@odata.nextLink" in body:
        body = site.get(body["@odata.nextLink"], page=7)
        rows += body["value"]
    return rows


def test_old_versions_show_companies_and_their_currency_and_take_no_writes():
    with serving("bc14", currency="SEK") as site:
        company = site.get("api/v1.0/companies")["value"][0]
        assert set(company) == {"id", "systemVersion", "name", "displayName", "businessProfileId"}
        assert site.get(f"api/v1.0/companies({company['id']})")["name"] == company["name"]
        information = site.get(f"api/beta/{site.company}/companyInformation")["value"][0]
        assert (information["currencyCode"], information["address"]["city"]) == ("SEK", "Düsseldorf")
        assert site.error(f"api/v1.0/{site.company}/customers", "POST")[0] == 501
        assert site.error("api/v1.0/companies", "POST")[0] == 405


def test_the_metadata_of_an_old_version_has_the_address_type():
    with serving("bc14") as site:
        root = ElementTree.fromstring(site.call("api/v1.0/$metadata").content)
    assert [one.get("Name") for one in root.iter(f"{EDM}ComplexType")] == ["postaladdresstype"]
    customer = next(one for one in root.iter(f"{EDM}EntityType") if one.get("Name") == "customer")
    kinds = {one.get("Name"): one.get("Type") for one in customer.iter(f"{EDM}Property")}
    assert (kinds["address"], kinds["blocked"]) == ("Microsoft.NAV.postaladdresstype", "Edm.String")


def test_etags_of_older_servers_hold_a_sha_256():
    with serving("bc14") as old, serving("onprem") as new:
        tags = [
            site.get(f"api/v1.0/{site.company}/customers", top="1")["value"][0]["@odata.etag"]
            for site in (old, new)
        ]
    texts = [base64.b64decode(tag[3:-1]).decode() for tag in tags]
    assert texts[0].startswith("'44;") and texts[0].endswith("=1;00;'")
    assert not texts[1].startswith("'44;")


def test_a_server_of_one_s_own_has_documents_in_v2_only():
    with serving("onprem") as site:
        orders = site.get(f"api/v2.0/{site.company}/salesOrders", expand="salesOrderLines")["value"]
        assert len(orders[0]["salesOrderLines"]) == 2
        assert site.error(f"api/v1.0/{site.company}/salesOrders")[0] == 404
