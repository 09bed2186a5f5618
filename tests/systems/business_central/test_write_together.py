"""Several records in one `$batch`, each with its own outcome; and servers that have none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from mlconnector.errors import AuthError, ConnectorError, Later, Stop
from mlconnector.http import ATTEMPTS, Answer
from mlconnector.model import Outcome, Step
from mlconnector.sandbox import Reply, Request
from mlconnector.systems.business_central.api import Api, Part
from mlconnector.systems.business_central.batch import PARTS, carry_out
from mlconnector.systems.business_central.emulator import BusinessCentral

from .connecting import SECRETS
from .writing import Desk, NoBatch, create, running, update


class Parted(BusinessCentral):
    """Changes the answers to the parts of batches that write."""

    edit: Callable[[list[dict[str, Any]]], Any] | None = None

    def answer(self, request: Request) -> Reply:
        reply = super().answer(replace(request, headers={**request.headers, "accept-encoding": ""}))
        if self.edit is not None and request.path.endswith("/$batch") and b'"POST"' in request.body:
            answers = json.loads(reply.body)
            self.edit(answers["responses"])
            reply.body = json.dumps(answers).encode()
        return reply


@pytest.fixture
def bc() -> Parted:
    emulator = Parted()
    emulator.seed(customers=5)
    return emulator


@pytest.fixture
def desk(bc: Parted) -> Iterator[Desk]:
    with running(bc) as desk:
        yield desk


def three(desk: Desk) -> list[Step]:
    """A new one, a change, a new one that is refused."""
    row = desk.emulator.row("customers", "10000")
    return [
        create("1", displayName="Nordkran AB"),
        update("2", row["id"], {"city": row["city"]}, city="Ulm"),
        create("3", displayName="Nobody", salespersonCode="XX"),
    ]


def came_out(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(outcome.status, outcome.code) for outcome in outcomes]


def failing(number: int, status: int, code: str) -> Callable[[list[dict[str, Any]]], Any]:
    """Puts an error in the place of the answer to one part."""

    def edit(answers: list[dict[str, Any]]) -> None:
        body = {"error": {"code": code, "message": "It did not work."}}
        answers[number - 1] = {"id": str(number), "status": status, "headers": {}, "body": body}

    return edit


def test_each_of_them_has_its_own_outcome(desk: Desk) -> None:
    outcomes = desk.write("customer", *three(desk))
    assert came_out(outcomes) == [("created", ""), ("updated", ""), ("failed", "unknown-reference")]
    assert desk.emulator.row("customers", outcomes[0].target_id or "")["displayName"] == "Nordkran AB"
    assert desk.emulator.row("customers", "10000")["city"] == "Ulm"
    assert [entry.path.rpartition("/")[2] for entry in desk.calls("POST")] == ["$batch", "$batch"]
    assert all(entry.headers["prefer"] == "odata.continue-on-error" for entry in desk.calls("POST"))


def test_twenty_new_records_take_one_call_and_the_question_whether_it_is_understood(desk: Desk) -> None:
    outcomes = desk.write("item", *(create(str(n), displayName=f"Item {n}") for n in range(20)))
    assert {outcome.status for outcome in outcomes} == {"created"}
    assert len({outcome.target_id for outcome in outcomes}) == 20
    assert len(desk.calls("POST")) == 2


@pytest.mark.parametrize("status", [404, 405, 501, 200])
def test_a_server_without_batches_gets_single_calls(status: int) -> None:
    emulator = NoBatch()
    emulator.seed(customers=5)
    emulator.status = status
    with running(emulator) as desk:
        outcomes = desk.write("customer", *three(desk))
        assert came_out(outcomes) == [("created", ""), ("updated", ""), ("failed", "unknown-reference")]
        assert len(desk.calls("POST", "$batch")) == 1
        assert len(desk.calls("POST", "/customers")) == 2


@pytest.mark.parametrize(
    ("number", "status", "code", "expected"),
    [
        (1, 500, "Internal_ServerError", ("unknown", "no-answer")),
        (1, 409, "Internal_ServerError", ("unknown", "no-answer")),
        (1, 503, "Unknown", ("unknown", "no-answer")),
        (1, 429, "Application_TooManyRequests", ("created", "")),
        (1, 400, "Application_DialogException", ("failed", "business-rule")),
        (2, 409, "Request_EntityChanged", ("unchanged", "")),
        (2, 412, "", ("unchanged", "")),
        (2, 500, "Internal_ServerError", ("unchanged", "")),
        (2, 404, "BadRequest_ResourceNotFound", ("failed", "counterpart-gone")),
    ],
)
def test_the_answer_to_a_part_means_what_it_means_by_itself(
    bc: Parted, desk: Desk, number: int, status: int, code: str, expected: tuple[str, str]
) -> None:
    bc.edit = failing(number, status, code)
    outcomes = desk.write("customer", *three(desk))
    assert came_out(outcomes)[number - 1] == expected
    assert came_out(outcomes)[2] == ("failed", "unknown-reference")


@pytest.mark.parametrize("lost", [0, 1])
def test_a_part_without_an_answer_may_have_been_carried_out(bc: Parted, desk: Desk, lost: int) -> None:
    bc.edit = lambda answers: answers.pop(lost)
    outcomes = desk.write("customer", *three(desk))
    assert came_out(outcomes)[lost] == [("unknown", "no-answer"), ("unchanged", "")][lost]
    assert came_out(outcomes)[2] == ("failed", "unknown-reference")
    names = [row["displayName"] for row in bc.rows("customers")]
    assert names.count("Nordkran AB") == 1


def test_answers_are_told_apart_by_their_ids_and_not_by_their_places(bc: Parted, desk: Desk) -> None:
    bc.edit = lambda answers: answers.reverse()
    assert [outcome.status for outcome in desk.write("customer", *three(desk))] == [
        "created",
        "updated",
        "failed",
    ]


@pytest.mark.parametrize("id", [None, "99", "0", "x"])
def test_an_answer_to_nothing_that_was_asked_is_left_out(bc: Parted, desk: Desk, id: str | None) -> None:
    bc.edit = lambda answers: answers.append({"id": id, "status": 500})
    assert [one.status for one in desk.write("customer", *three(desk))] == ["created", "updated", "failed"]


@pytest.mark.parametrize("kind", ["lost-answer", "cut", "drop"])
def test_of_a_batch_whose_answer_got_lost_nothing_new_is_sent_again(
    bc: Parted, desk: Desk, kind: Any
) -> None:
    bc.fault(kind, method="POST", path="batch", skip=1)
    outcomes = desk.write("customer", *three(desk))
    assert came_out(outcomes) == [("unknown", "no-answer"), outcome_of(outcomes[1]), ("unknown", "no-answer")]
    assert outcomes[1].status in ("updated", "unchanged")
    assert bc.row("customers", "10000")["city"] == "Ulm"
    assert len(desk.calls("POST")) == 2


def outcome_of(outcome: Outcome) -> tuple[str, str]:
    return outcome.status, outcome.code


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(403, "Authorization_RequestDenied", AuthError), (401, "Unauthorized", AuthError)],
)
def test_what_was_done_before_the_run_has_to_stop_is_on_record(
    bc: Parted, desk: Desk, status: int, code: str, kind: type[ConnectorError]
) -> None:
    bc.edit = failing(3, status, code)
    with pytest.raises(kind) as stopped:
        desk.write("customer", *three(desk))
    settled = stopped.value.settled
    assert {id: outcome.status for id, outcome in settled.items()} == {"1": "created", "2": "updated"}


@pytest.mark.parametrize(("status", "kind"), [(429, Later), (401, Stop)])
def test_a_batch_that_was_not_carried_out_leaves_everything_to_the_next_run(
    bc: Parted, desk: Desk, status: int, kind: type[ConnectorError]
) -> None:
    bc.fault("status", method="POST", path="batch", status=status, skip=1, times=0)
    with pytest.raises(kind) as stopped:
        desk.write("customer", *three(desk))
    assert stopped.value.settled == {}
    assert [row["displayName"] for row in bc.rows("customers")].count("Nordkran AB") == 0


def test_after_a_call_that_gave_up_no_others_are_sent() -> None:
    emulator = NoBatch()
    emulator.seed(customers=5)
    with running(emulator) as desk:
        emulator.fault("status", method="POST", path="/customers", status=429, times=0)
        with pytest.raises(Later):
            desk.write("customer", *three(desk))
        assert len(desk.calls("POST", "/customers")) == ATTEMPTS
        assert desk.calls("PATCH") == []


def test_after_a_batch_that_gave_up_no_others_are_sent(bc: Parted, desk: Desk) -> None:
    api = Api(desk.client.settings(), SECRETS, desk.client.tools())
    parts = [Part("GET", api.address("customers", {"$top": "1"}))] * (2 * PARTS + 1)
    assert all(isinstance(result, Answer) for result in carry_out(api, parts))
    assert len(desk.calls("POST")) == 3
    bc.fault("status", method="POST", path="batch", status=429, times=0)
    assert all(isinstance(result, Later) for result in carry_out(api, parts))
    assert len(desk.calls("POST")) == 3 + ATTEMPTS
