"""The connect test: what is wrong is found at once, and each finding says what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlconnector.model import Finding, Flow
from mlconnector.systems.pipedrive.emulator import CLIENT_ID, CLIENT_SECRET, SECOND_TOKEN, Pipedrive
from tests.systems.pipedrive.connecting import Client, back, flow, running


@pytest.fixture
def client() -> Iterator[Client]:
    crm = Pipedrive()
    crm.people.add_field("organization", "ERP number")
    with running(crm) as client:
        yield client


def check(client: Client, *flows: Flow, **settings: object) -> list[Finding]:
    """The findings; each that is not fine has a next step."""
    found = list(client.connect(**settings).check([(one, None) for one in flows]))
    assert all(one.remedy for one in found if one.level != "ok")
    return found


def troubles(found: list[Finding]) -> list[str]:
    return [one.message for one in found if one.level != "ok"]


def test_all_is_well(client: Client) -> None:
    found = check(
        client, flow("organization", "custom_fields.ERP number"), back("product", "name"), flow("deal")
    )
    assert troubles(found) == []
    texts = [one.message for one in found]
    assert texts[0] == "logged in as Karin Berg at Nordkran (sandbox)"
    assert "organizations can be read, custom fields ERP number" in texts
    assert "products can be read" in texts
    assert any("tokens are left today" in text for text in texts)
    assert any("EUR" in text for text in texts)
    assert {one.where for one in found} == {"crm", "organizations_out", "products_back", "deals_out"}


def test_a_refused_token_is_the_only_finding(client: Client) -> None:
    client.secrets["api_token"] = "wrong" * 8
    (one,) = check(client, flow("organization"))
    assert (one.level, one.where) == ("error", "crm") and "secrets set" in one.remedy


def test_an_unknown_custom_field_is_an_error_with_what_was_probably_meant(client: Client) -> None:
    for one in (
        flow("organization", "custom_fields.ERP numbr"),
        back("organization", "custom_fields.ERP numbr"),
    ):
        (problem,) = [found for found in check(client, one) if found.level == "error"]
        assert problem.where == one.name and problem.message.endswith("that are alike: 'ERP number'")
        assert "mlconnector fields SYSTEM.organization" in problem.remedy, (
            "a name that is alike may be another"
        )


def test_fields_that_share_a_name_are_warned_of_and_an_error_where_they_are_mapped(client: Client) -> None:
    (
        client.crm.people.add_field("organization", "Region"),
        client.crm.people.add_field("organization", "Region"),
    )
    found = check(client, flow("organization", "custom_fields.ERP number"))
    assert troubles(found) == ["2 custom fields of the organization are called 'Region'"]
    found = check(client, flow("organization", "custom_fields.Region"))
    assert [one.level for one in found if one.level != "ok"] == ["error", "warning"]


def test_a_user_who_does_not_see_everything_is_warned_of(client: Client) -> None:
    client.secrets["api_token"] = SECOND_TOKEN
    assert any("no administrator" in text for text in troubles(check(client, flow("organization"))))


def test_little_left_of_the_day_s_tokens_is_a_warning(client: Client) -> None:
    budget = client.crm.throttle.daily_budget
    client.crm.throttle.spend(budget - budget // 5 - 1000)
    (text,) = troubles(check(client, flow("organization")))
    assert "tokens are left today" in text


def test_an_account_that_does_not_tell_its_tokens_is_assumed_to_have_the_file_s(client: Client) -> None:
    client.crm.switches.daily_headers = False
    assert any("30000 a day are assumed" in one.message for one in check(client, flow("organization")))


def test_a_scope_that_is_missing_is_named(client: Client) -> None:
    client.crm.login.scopes = frozenset({"contacts:read", "products:full"})
    client.secrets = {"client_secret": CLIENT_SECRET, "refresh_token": client.crm.install()}
    flows = (flow("organization"), back("organization"), back("product"))
    found = check(client, *flows, login="oauth", client_id=CLIENT_ID)
    (problem,) = [one for one in found if one.level == "error"]
    assert problem.where == "organizations_back" and "contacts:full" in problem.message


def test_clocks_that_are_apart_are_a_warning(client: Client) -> None:
    client.behind = 600
    (text,) = troubles(check(client, flow("organization")))
    assert text == "this machine's clock is 10 minutes behind Pipedrive's"


def test_what_is_no_pipedrive_is_said_so(client: Client) -> None:
    (one,) = check(client, flow("organization"), base_url="http://127.0.0.1:9")
    assert one.level == "error" and "127.0.0.1:9" in one.message


def test_no_finding_holds_the_token(client: Client) -> None:
    texts = " ".join(
        one.message + one.remedy for one in check(client, flow("organization", "custom_fields.X"))
    )
    assert client.secrets["api_token"] not in texts
