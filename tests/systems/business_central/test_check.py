from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlconnector.errors import ConfigError
from mlconnector.model import Finding, Flow
from mlconnector.systems.business_central import SYSTEM
from mlconnector.systems.business_central.emulator import BusinessCentral

from .connecting import SECRETS, Client, flow, running

NOON = datetime(2026, 7, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def bc() -> BusinessCentral:
    """One customer and no vendor; it is noon."""
    emulator = BusinessCentral()
    emulator.clock.freeze(NOON)
    emulator.add("customers", number="10000", displayName="Adatum", email="a@x.se")
    return emulator


@pytest.fixture
def client(bc: BusinessCentral) -> Iterator[Client]:
    """A client of `bc`."""
    with running(bc) as client:
        yield client


def test_vendors_are_only_read(client: Client) -> None:
    with pytest.raises(ConfigError, match="vendor records are only read"):
        client.connect().target(replace(flow(), into="vendor"), None)


def test_it_is_connected_by_what_the_registry_names(client: Client) -> None:
    connected = SYSTEM.connect(client.settings(), SECRETS, client.tools())
    assert connected.entity("customer").key == "number"
    assert connected.usage() == {"calls": 0, "retries": 0, "throttled": 0}
    connected.close()


def test_describe_shows_the_fields_and_one_live_record(client: Client) -> None:
    fields, sample = client.connect().describe("customer", [])
    assert {field.name for field in fields} == set(SYSTEM.entities["customer"].fields)
    for name in SYSTEM.entities["customer"].fields:
        first, _, rest = name.partition(".")
        assert first in sample
        assert not rest or sample[first] is None or rest in sample[first]
    assert client.connect().describe("vendor", [])[1] == {}


def errors(findings: Iterator[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level != "ok"]


def test_a_connection_that_works_is_said_to_work(bc: BusinessCentral, client: Client) -> None:
    found = list(client.connect().check([(flow("email"), None), (flow("balance", entity="vendor"), None)]))
    assert [finding.level for finding in found] == ["ok"] * 5
    text = "\n".join(f"{finding.where}: {finding.message}" for finding in found)
    assert "erp: company CRONUS International Ltd., Business Central " in text
    assert "amounts are in EUR" in text
    assert "customers: customers can be read" in text
    assert "vendors: vendors can be read, there are none yet" in text


def test_every_field_that_is_not_there_is_named_at_once(client: Client) -> None:
    flows = [
        flow("email", "displayName2", "paymentTerm.nonsense", "nowhere.code"),
        flow("gone", entity="vendor"),
    ]
    found = errors(client.connect().check([(one, None) for one in flows]))
    assert sorted(finding.message.split("field ")[1] for finding in found) == [
        "displayName2 on customers",
        "gone on vendors",
        "nowhere.code on customers",
        "paymentTerm.nonsense on customers",
    ]


def test_missing_permissions_are_named_for_each_flow(bc: BusinessCentral, client: Client) -> None:
    bc.forbidden_tables = {"vendors", "companyInformation"}
    found = errors(client.connect().check([(flow(), None), (flow(entity="vendor"), None)]))
    assert [(finding.level, finding.where) for finding in found] == [("warning", "erp"), ("error", "vendors")]
    assert "no permission on Vendor" in found[1].message
    assert "Microsoft Entra applications" in found[1].remedy


@pytest.mark.parametrize(
    ("settings", "secret", "text"),
    [
        ({}, "d0c5a3e1-0b1d-4c6e-8a57-2d3c4b5a6978", "Secret ID"),
        ({}, "", "secrets set"),
        ({"client_id": "5d7ad2c1-0000-4f0b-9d0f-3c1b2a495867"}, None, "client_id"),
        ({"tenant": "other.com"}, None, "tenant"),
        ({"environment": "Test"}, None, "environment"),
        ({"company": "Nobody"}, None, "CRONUS International Ltd."),
    ],
)
def test_each_setting_that_is_wrong_has_its_remedy(
    client: Client, settings: dict[str, str], secret: str | None, text: str
) -> None:
    if secret is not None:
        client.secrets["client_secret"] = secret
    [problem] = errors(client.connect(**settings).check([(flow(), None)]))
    assert problem.level == "error"
    assert text in problem.remedy


def test_a_clock_that_is_wrong_is_a_warning(bc: BusinessCentral, client: Client) -> None:
    wrong = replace(client, now=lambda: NOON - timedelta(minutes=5))
    [problem] = errors(wrong.connect().check([]))
    assert problem.level == "warning"
    assert "5 minutes behind" in problem.message


def test_a_system_that_is_away_is_a_finding_too(client: Client, bc: BusinessCentral) -> None:
    bc.fault("drop", times=0)
    [problem] = errors(client.connect().check([(flow(), None)]))
    assert problem.level == "error"


# flows that lead here


def into(entity: str) -> Flow:
    return replace(flow(entity="organization", name=f"to_{entity}"), source="crm", target="erp", into=entity)


def checked(client: Client, *flows: Flow, **settings: Any) -> list[Finding]:
    return list(client.connect(**settings).check([(one, None) for one in flows]))


@pytest.mark.parametrize(
    ("entity", "sets"),
    [
        ("customer", ["customers", "countriesRegions", "currencies"]),
        ("contact", ["contacts", "customers"]),
        ("item", ["items"]),
        ("document", ["salesOrders", "salesInvoices", "customers", "items", "currencies"]),
        ("posting", ["salesOrders", "salesInvoices"]),
    ],
)
def test_what_a_flow_writes_to_is_read_once_and_its_currency_is_named(
    bc: BusinessCentral, client: Client, entity: str, sets: list[str]
) -> None:
    findings = checked(client, into(entity))
    assert {finding.level for finding in findings} == {"ok"}
    assert any("EUR" in finding.message for finding in findings)
    assert {finding.where for finding in findings} == {"erp", f"to_{entity}"}
    assert all(any(entry.path.endswith(f"/{name}") for entry in bc.log) for name in sets)
    assert all(entry.method == "GET" for entry in bc.log if "token" not in entry.path)


def test_each_set_that_cannot_be_read_is_named_with_its_remedy(bc: BusinessCentral, client: Client) -> None:
    bc.forbidden_tables = {"salesOrders", "salesInvoices"}
    failed = [finding for finding in checked(client, into("document")) if finding.level == "error"]
    assert [finding.message.split(" ")[0] for finding in failed] == ["salesOrders", "salesInvoices"]
    assert all("permission set" in finding.remedy for finding in failed)


def test_customers_without_a_contact_are_a_warning_where_persons_are_written(
    bc: BusinessCentral, client: Client
) -> None:
    bc.delete("contacts", next(row["number"] for row in bc.rows("contacts") if row["type"] == "Company"))
    (warning,) = (one for one in checked(client, into("contact")) if one.level == "warning")
    assert "no contact of type Company" in warning.message
    assert "Marketing Setup" in warning.remedy


def test_both_directions_are_checked_in_one_go(client: Client) -> None:
    findings = checked(client, flow("email"), replace(into("customer"), name="back"))
    assert [one.where for one in findings if one.level == "ok"][-2:] == ["customers", "back"]
