"""Settings that are missing, that do nothing, and addresses that were pasted from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from mlconnector.systems.business_central.mistakes import find_mistakes

NAV = "https://nav:7048/DynamicsNAV110"
OWN = {"login": "basic", "user": "SYNC", "base_url": NAV, "api": "odata", "company": "X"}
ENTRA = {"tenant": "t", "client_id": "c", "company": "X"}


def mistakes(usual: dict[str, Any], **given: Any) -> list[str]:
    return [f"{key}: {message}" for key, message in find_mistakes({**usual, **given})]


@pytest.mark.parametrize("usual", [OWN, ENTRA])
def test_settings_that_belong_together_are_no_mistake(usual: dict[str, Any]) -> None:
    assert mistakes(usual) == []


@pytest.mark.parametrize(
    ("usual", "given", "said"),
    [
        (OWN, {"api": "v2.0", "services": {"customer": "Kunde"}}, "services: does nothing without api: odata"),
        (ENTRA, {"services": {"customer": "Kunde"}}, "services: does nothing without api: odata"),
        (ENTRA, {"server_tenant": "default"}, "server_tenant: is for a server of your own"),
        (ENTRA, {"user": "SYNC"}, "user: does nothing with login: entra"),
        (OWN, {"user": "anna:hunter2"}, "user: holds a colon, which ends a user's name with login: basic; the pass"),
        (OWN, {"tenant": "t"}, "tenant: does nothing with login: basic; take it out"),
        (OWN, {"client_id": "c"}, "client_id: does nothing"),
        (OWN, {"environment": "Production"}, "environment: does nothing"),
        (OWN, {"login_url": "https://login"}, "login_url: does nothing"),
        (OWN, {"login": "windows", "parallel": 4}, "parallel: does nothing with login: windows"),
        (ENTRA, {"base_url": f"{NAV}/api/v2.0", "environment": "Test"}, "environment: does nothing where base_url"),
    ],
)  # fmt: skip
def test_a_setting_that_does_nothing_is_a_mistake(usual: dict[str, Any], given: Any, said: str) -> None:
    (found,) = mistakes(usual, **given)
    assert said in found


@pytest.mark.parametrize(
    "url",
    [
        f"{NAV}/ODataV4/Company('CRONUS%20AG')",
        f"{NAV}/ODataV4/Company('CRONUS AG')/Customer",
        f"{NAV}/odatav4/$metadata",
        f"{NAV}/ODataV4?company=CRONUS",
        f"{NAV}/OData",
        f"{NAV}/OData/Company('CRONUS')/Customer",
        "https://nav:7047/DynamicsNAV110/WS/CRONUS/Page/Customer",
        "https://nav:8080/DynamicsNAV110/WebClient/",
    ],
)
def test_an_address_that_was_pasted_whole_is_answered_with_the_one_to_write(url: str) -> None:
    (found,) = mistakes(OWN, base_url=url)
    assert found.startswith("base_url: ") and found.endswith(f"; write base_url: {NAV}")


@pytest.mark.parametrize("end", ["?tenant=t2", "/ODataV4/Customer?$top=1&Tenant=t2", "/OData/?tenant=t2"])
def test_a_tenant_in_a_pasted_address_is_told_with_the_setting_that_takes_it(end: str) -> None:
    (found,) = mistakes(OWN, base_url=f"{NAV}{end}")
    assert found.endswith(f"; write base_url: {NAV} and, on a line of its own, server_tenant: t2")
    (found,) = mistakes(OWN, base_url=f"{NAV}{end}", server_tenant="t2")
    assert found.endswith(f"; write base_url: {NAV}")


@pytest.mark.parametrize(
    ("usual", "given", "said"),
    [
        (
            {**OWN, "api": "v2.0"},
            {"base_url": f"{NAV}/api/v2.0/companies(1)/customers"},
            f"base_url: goes too far; write base_url: {NAV}",
        ),
        (
            ENTRA,
            {"base_url": "https://api.businesscentral.dynamics.com/v2.0/t/Test/api/v2.0/companies(1)"},
            "base_url: goes too far; write base_url: https://api.businesscentral.dynamics.com/v2.0/t/Test/api/v2.0",
        ),
        (
            ENTRA,
            {"base_url": "https://api.businesscentral.dynamics.com/v2.0/t/Test"},
            "base_url: goes too far; take base_url out: 'tenant' and 'environment' say the rest",
        ),
        (
            ENTRA,
            {"base_url": "https://businesscentral.dynamics.com/t/Test?company=X"},
            "base_url: is the web client's address; take base_url out, online it is known",
        ),
        (OWN, {"base_url": f"{NAV}/api/beta"}, "api: base_url leads to beta; write api: beta"),
        (ENTRA, {"base_url": f"{NAV}/ODataV4"}, "base_url: base_url leads to odata; write api: odata"),
    ],
)
def test_an_address_that_leads_elsewhere_says_what_to_write(
    usual: dict[str, Any], given: Any, said: str
) -> None:
    assert mistakes(usual, **given) == [said]


@pytest.mark.parametrize(
    ("usual", "url"),
    [
        (OWN, f"{NAV}/"),
        (OWN, f"{NAV}/ODataV4/"),
        ({**OWN, "api": "beta"}, f"{NAV}/api/beta"),
        (ENTRA, f"{NAV}/api/v2.0"),
        (ENTRA, "https://api.businesscentral.dynamics.com/v2.0/"),
        (ENTRA, "https://proxy/bc"),
        (ENTRA, "https://host/api/contoso/sales/v2.0"),
    ],
)
def test_an_address_that_serves_is_left_alone(usual: dict[str, Any], url: str) -> None:
    assert mistakes(usual, base_url=url) == []


@pytest.mark.parametrize(
    "url", ["", 5, None, [], "nav", "https://[::1", "https://nav:x/OData", "https://u:pw@nav/OData"]
)
def test_what_is_no_address_is_left_to_others(url: Any) -> None:
    assert not [found for found in mistakes(OWN, base_url=url) if "write" in found]
