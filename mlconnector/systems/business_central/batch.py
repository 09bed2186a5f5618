"""Several calls in one `$batch`, with what became of each of them (fact sheet 4.6).

An answer to a part means what it would mean to a call of its own. A server that knows no `$batch`, or answers it in
another format, gets single calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mlconnector.errors import ConnectorError, Later, Stop, Uncertain
from mlconnector.http import Again, Answer
from mlconnector.systems.business_central.api import Api, Part
from mlconnector.systems.business_central.verdict import SYSTEM

PARTS = 50
"""A batch holds 100 at most and is no faster for it (section 4.6)."""

Result = Answer | ConnectorError
"""What became of a part: Rejected, Uncertain, or Stop and Later of the system as a whole."""


class _PartAnswer(msgspec.Struct):
    status: int
    id: str | None = None
    headers: dict[str, Any] | None = None
    body: msgspec.Raw = msgspec.Raw(b"")


class _Answers(msgspec.Struct):
    responses: list[_PartAnswer]


_ANSWERS = msgspec.json.Decoder(_Answers)


def carry_out(api: Api, parts: Sequence[Part]) -> list[Result]:
    """One result a part, in order; what follows a Stop or a Later was not sent and has that one too."""
    results: list[Result] = []
    if len(parts) > 1 and not api.knows_batches and all(part.method == "GET" for part in parts):
        first = parts[:PARTS]  # reads do no harm: by them is seen whether the server takes batches
        answer = api.try_batch(first)
        results = _told_apart(api, first, answer) if answer is not None else []
    if len(parts) < 2 or not api.takes_batches:
        return _one_by_one(api, parts)
    for start in range(len(results), len(parts), PARTS):
        if results and isinstance(results[-1], Stop | Later):
            return [*results, *[results[-1]] * (len(parts) - len(results))]
        results += _together(api, parts[start : start + PARTS])
    return results


def _one_by_one(api: Api, parts: Sequence[Part]) -> list[Result]:
    results: list[Result] = []
    for part in parts:
        ended = bool(results) and isinstance(results[-1], Stop | Later)
        results.append(results[-1] if ended else _alone(api, part))
    return results


def _alone(api: Api, part: Part) -> Result:
    try:
        return api.send(part)
    except ConnectorError as error:
        return error


def _together(api: Api, parts: Sequence[Part]) -> list[Result]:
    try:
        answer = api.send_batch(parts)
    except Uncertain as error:
        return [_alone(api, part) if part.repeatable else error for part in parts]
    except ConnectorError as error:
        return [error] * len(parts)
    return _told_apart(api, parts, answer)


def _told_apart(api: Api, parts: Sequence[Part], answer: Answer) -> list[Result]:
    answers = _by_number(answer, parts)
    return [_result(api, part, answers.get(str(number))) for number, part in enumerate(parts, 1)]


def _result(api: Api, part: Part, answer: Answer | None) -> Result:
    """What passes and does no harm twice is tried again, as a call of its own."""
    problem = api.judge(answer) if answer is not None else _unanswered()
    if answer is not None and problem is None:
        return answer
    if isinstance(problem, Again):
        if part.repeatable or not problem.executed:
            return _alone(api, part)
        message = f"{SYSTEM}: {problem.message}, so it may have been carried out"
        return Uncertain(message, request_id=problem.request_id, timed_out=problem.timed_out)
    assert isinstance(problem, ConnectorError)
    return problem


def _unanswered() -> Again:
    return Again("one part of a batch has no answer", executed=True)


def _by_number(answer: Answer, parts: Sequence[Part]) -> Mapping[str, Answer]:
    """The answers that can be told apart; none of an answer that is not understood."""
    try:
        found = _ANSWERS.decode(answer.body).responses
    except ValueError:
        return {}
    return {
        one.id: _as_answer(one, parts[int(one.id) - 1], answer)
        for one in found
        if one.id and one.id.isdecimal() and 0 < int(one.id) <= len(parts)
    }


def _as_answer(one: _PartAnswer, part: Part, whole: Answer) -> Answer:
    headers = {name.title(): str(value) for name, value in (one.headers or {}).items()}
    request_id = headers.get("Request-Id") or whole.request_id
    path = part.url.partition("?")[0]
    return Answer(part.method, path, one.status, headers, bytes(one.body), request_id)
