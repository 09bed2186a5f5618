"""What people do in the sandbox, over HTTP: every action has an example that works, and says what it did."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from mlconnector.cli.playground import Playground, open_playground
from mlconnector.systems.business_central import emulator_examples as erp
from mlconnector.systems.mailchimp import emulator_examples as mail
from mlconnector.systems.pipedrive import emulator_examples as crm

EXAMPLES = {"erp": erp.EXAMPLES, "mail": mail.EXAMPLES, "crm": crm.EXAMPLES}


@pytest.fixture
def playground() -> Iterator[Playground]:
    with open_playground(
        pair="nav-mailchimp", profile="online", erp_port=0, mail_port=0, crm_port=0, customers=60, vendors=20
    ) as playground:
        yield playground


def do(playground: Playground, system: str, action: str, data: object) -> requests.Response:
    url = getattr(playground, f"{system}_url")
    return requests.post(f"{url}/_sandbox/do/{action}", json=data, timeout=10)


@pytest.mark.parametrize(
    ("system", "action"), [(system, action) for system, found in EXAMPLES.items() for action in found]
)
def test_each_example_works_and_says_what_it_did(playground: Playground, system: str, action: str) -> None:
    before = {"commit": "late-edit", "unarchive": "archive"}.get(action) if system != "mail" else None
    if before:
        do(playground, system, before, EXAMPLES[system][before])
    answer = do(playground, system, action, EXAMPLES[system][action])
    assert answer.status_code == 200, answer.text
    assert answer.json() or action == "confirmation_mails"


def test_each_action_has_an_example(playground: Playground) -> None:
    for emulator, system in ((playground.erp, "erp"), (playground.mail, "mail"), (playground.crm, "crm")):
        assert set(emulator.actions()) - {"install"} == set(EXAMPLES[system])
        assert requests.get(f"{getattr(playground, f'{system}_url')}/_sandbox/do/help", timeout=10).json()


@pytest.mark.parametrize(
    ("system", "action", "data", "says"),
    [
        ("crm", "win", {}, "it needs 'deal_id'"),
        ("crm", "win", {"deal": 1}, "it does not take 'deal'"),
        ("crm", "win", {"deal_id": 999}, "not found"),
        ("erp", "release", {}, "it needs 'number'"),
        ("erp", "release", {"number": "S-ORD1"}, "S-ORD1"),
        ("mail", "bounce", {"list": "Customers"}, "it needs 'email'"),
    ],
)
def test_a_wrong_call_gets_a_sentence_and_a_call_that_is_right(
    playground: Playground, system: str, action: str, data: dict[str, object], says: str
) -> None:
    answer = do(playground, system, action, data)
    assert answer.status_code == 400 and answer.json()["example"] == EXAMPLES[system][action]
    assert answer.json()["error"].startswith(f"do/{action}: ") and says in answer.json()["error"]
    assert "Error" not in answer.json()["error"]


def test_a_deal_that_is_won_says_so(playground: Playground) -> None:
    assert do(playground, "crm", "win", {"deal_id": 14}).json() == {"done": "win", "deal_id": 14}
