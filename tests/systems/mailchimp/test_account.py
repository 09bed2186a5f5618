"""The account: which audience is meant, where the API is, what check finds, what can be mapped."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any

import pytest

from mlconnector.errors import AuthError, ConfigError, Later
from mlconnector.flows.nav_mailchimp import MemberTarget, MergeField
from mlconnector.model import Finding, Tools
from mlconnector.systems.mailchimp import SYSTEM, Settings
from mlconnector.systems.mailchimp.account import Mailchimp
from mlconnector.systems.mailchimp.api import Api
from mlconnector.systems.mailchimp.emulator import ACCESS_TOKEN, API_KEY
from tests.systems.mailchimp.writing import ANNA, COMPANY, FLOW, Busy, Desk, create

NOW = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)


def findings(desk: Desk, *fields: MergeField, audience: str = "Customers", **settings: Any) -> list[Finding]:
    options = MemberTarget(audience=audience, merge_fields=fields or (COMPANY,))
    return list(desk.connect(**settings).check([(FLOW, options)]))


def errors(found: list[Finding]) -> list[str]:
    return [one.message for one in found if one.level == "error"]


# which audience


def test_an_audience_is_named_by_its_name_letter_case_aside_or_by_its_id(desk: Desk, mail: Busy) -> None:
    for name in ("Customers", " customers ", mail.list_id("Customers")):
        desk.one(create(ANNA), audience=name)
    assert len(mail.members("Customers")) == 1


def test_an_unknown_audience_stops_the_run_and_names_those_there_are(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="has no audience 'Partners'") as raised:
        desk.writer("Partners")
    assert "Customers (" in raised.value.hint and "Vendors (" in raised.value.hint


def test_of_two_audiences_with_one_name_the_id_has_to_be_named(desk: Desk, mail: Busy) -> None:
    second = mail.add_list("Customers")
    with pytest.raises(ConfigError, match="has 2 audiences named Customers") as raised:
        desk.writer("Customers")
    assert second in raised.value.hint
    desk.one(create(ANNA), audience=second)
    assert mail.account.audiences[second].members


# where the API is and who we are


def test_an_oauth_token_finds_its_data_centre_in_the_metadata(desk: Desk) -> None:
    desk.secrets = {"access_token": ACCESS_TOKEN}
    tools = Tools(now=desk.emulator.clock.now, sleep=desk.sleeps.append)
    api = Api(Settings(auth="oauth", login_url=desk.url), desk.secrets, tools)
    assert api.http.base_url == "https://us6.api.mailchimp.com/3.0"


def test_an_oauth_token_writes_members(desk: Desk) -> None:
    desk.secrets = {"access_token": ACCESS_TOKEN}
    assert desk.one(create(ANNA), auth="oauth", login_url=desk.url).status == "created"


def test_an_oauth_token_that_is_not_valid_any_more_says_so(desk: Desk, mail: Busy) -> None:
    mail.expire_tokens()
    tools = Tools(now=mail.clock.now, sleep=desk.sleeps.append)
    with pytest.raises(AuthError):
        Api(Settings(auth="oauth", login_url=desk.url), {"access_token": ACCESS_TOKEN}, tools)


def test_a_key_names_its_data_centre() -> None:
    tools = Tools(now=lambda: None, sleep=lambda seconds: None)  # type: ignore[arg-type, return-value]
    api = Api(Settings(), {"api_key": API_KEY}, tools)
    assert api.http.base_url == "https://us6.api.mailchimp.com/3.0"


def test_a_host_that_came_from_the_ending_of_the_key_is_corrected_at_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_found(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    monkeypatch.setenv("NO_PROXY", "*")
    tools = Tools(now=lambda: NOW, sleep=lambda seconds: None, called="nordkran mail")
    with pytest.raises(Later, match=r"us999\.api\.mailchimp\.com:443: its name is not found") as raised:
        Api(Settings(), {"api_key": "0123-us999"}, tools).account()
    assert "comes from the ending of the API key" in raised.value.hint
    assert "mlconnector secrets set nordkran mail.api_key" in raised.value.hint
    with pytest.raises(Later) as raised:
        Api(Settings(base_url="https://nobody.invalid"), {"api_key": "0123-us999"}, tools).account()
    assert "correct the host in the connection file" in raised.value.hint


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://us6.api.mailchimp.com", ""),
        ("https://us6.api.mailchimp.com/3.0/", ""),
        ("https://proxy.nordkran.se/mailchimp/3.0", ""),
        (
            "https://us6.api.mailchimp.com/3.0/lists",
            "goes too far; write base_url: https://us6.api.mailchimp.com/3.0",
        ),
        ("http://127.0.0.1:8802/3.0?a=b", "goes too far; write base_url: http://127.0.0.1:8802/3.0"),
        ("https://us6.admin.mailchimp.com/lists", "is the address of Mailchimp's pages for people"),
        ("https://anna:hunter2@us6.api.mailchimp.com/3.0/lists", ""),
    ],
)
def test_an_address_of_mailchimp_that_was_pasted_is_answered_with_what_to_write(url: str, says: str) -> None:
    found = [message for _, message in SYSTEM.problems({"base_url": url})]
    assert len(found) == bool(says) and all(message.startswith(says) for message in found)


@pytest.mark.parametrize("key", ["0123456789abcdef", "0123-", "0123-us6.evil.com", "-us6x"])
def test_a_key_without_a_data_centre_is_no_key(key: str) -> None:
    tools = Tools(now=lambda: None, sleep=lambda seconds: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigError, match="does not end in its data centre") as raised:
        Api(Settings(), {"api_key": key}, tools)
    assert key not in str(raised.value) + raised.value.hint


def test_nothing_is_sent_before_it_is_needed(desk: Desk) -> None:
    account = desk.connect()
    account.entity("member")
    account.target(FLOW, MemberTarget(audience="Customers"))
    assert (len(desk.emulator.log), account.usage()["calls"]) == (0, 0)


def test_chunk_and_parallel_calls_come_from_the_settings(desk: Desk) -> None:
    entity = desk.connect(chunk=7, parallel=3).entity("member")
    assert (entity.batch, entity.lanes, entity.upserts) == (7, 3, True)


# check


def test_check_finds_nothing_wrong_with_a_good_account(desk: Desk) -> None:
    found = findings(desk)
    assert {one.level for one in found} == {"ok"}
    text = " ".join(one.message for one in found)
    assert "logged in to" in text and "become subscribed" in text and "COMPANY will be created" in text


def test_check_changes_nothing(desk: Desk) -> None:
    findings(desk)
    assert {entry.method for entry in desk.emulator.log} == {"GET"}


def test_check_says_that_a_double_opt_in_audience_asks_first(desk: Desk, mail: Busy) -> None:
    mail.account.audience("Customers").double_optin = True
    assert any("new members become pending" in one.message for one in findings(desk))


@pytest.mark.parametrize("role", ["viewer", "author"])
def test_check_finds_a_role_that_may_not_write(desk: Desk, mail: Busy, role: str) -> None:
    mail.account.role = role
    assert "may not write members" in errors(findings(desk))[0]


def test_check_finds_a_wrong_key_and_an_unknown_audience(desk: Desk) -> None:
    assert "has no audience" in errors(findings(desk, audience="Partners"))[0]
    desk.secrets = {"api_key": "wrong-us6"}
    assert "API Key Invalid" in errors(findings(desk))[0]


@pytest.mark.parametrize("status", [401, 403])
def test_check_names_a_key_of_another_data_centre(desk: Desk, mail: Busy, status: Any) -> None:
    mail.switches.wrong_dc, mail.switches.wrong_dc_status = True, status
    assert len(errors(findings(desk))) == 1


def test_check_finds_types_that_clash_and_too_many_fields(desk: Desk, mail: Busy) -> None:
    desk.writer(fields=[MergeField("BALANCE", "number", "Balance")])
    assert "BALANCE is of type number" in errors(findings(desk, MergeField("BALANCE", "text", "B")))[0]
    many = [MergeField(f"F{place}", "text", "F") for place in range(30)]
    assert any(
        one.level == "warning" and "Premium" in one.message + one.remedy for one in findings(desk, *many)
    )
    more = [MergeField(f"F{place}", "text", "F") for place in range(80)]
    assert "more than any plan holds" in errors(findings(desk, *more))[0]


def test_check_notices_a_clock_that_is_off(desk: Desk, mail: Busy) -> None:
    tools = Tools(now=lambda: mail.clock.now().replace(year=2020), sleep=desk.sleeps.append)
    account = Mailchimp(Settings(base_url=desk.url), desk.secrets, tools)
    assert any("clock is" in one.message for one in account.check([]))


def test_describe_gives_the_member_s_fields_and_the_audience_s_merge_fields(desk: Desk) -> None:
    desk.writer()
    fields, sample = desk.connect().describe("member", [MemberTarget(audience="Customers")])
    names = {field.name: field.type for field in fields}
    assert (names["email_address"], names["COMPANY"], names["ADDRESS"]) == ("text", "text", "object")
    assert sample == {}


def test_it_is_no_source(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="only be the target"):
        desk.connect().source([FLOW])
