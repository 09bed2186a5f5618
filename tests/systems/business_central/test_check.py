from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlconnector.errors import ConfigError
from mlconnector.model import Finding
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


def test_it_is_only_read_from(client: Client) -> None:
    with pytest.raises(ConfigError, match="only read from"):
        client.connect().target(flow(), None)


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
