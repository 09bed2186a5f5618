"""JSON `$batch`: many calls in one request (fact sheet 4.6, checklist E24).

Left out: multipart answers (without `Accept: application/json` it is a 415), `dependsOn` and `atomicityGroup`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from mlconnector.sandbox import Reply, Request, json_reply
from mlconnector.systems.business_central.emulator_answers import Problem, bad_request, not_allowed
from mlconnector.systems.business_central.emulator_undo import Undo

MOST_PARTS = 100
PART_TYPE = "application/json; odata.metadata=minimal"
_TOLD = ("location", "odata-version", "preference-applied")

Send = Callable[[Request, list[str]], Reply]
"""Answers a part: the request, and the segments of its path below the service root."""


class _Failed(Exception):
    """A part failed under snapshot isolation: everything is taken back."""


def serve_batch(request: Request, base: str, send: Send, undo: Iterable[Undo], now: int) -> Reply:
    """All parts in order; the first failure ends it unless `odata.continue-on-error` is preferred.

    Under `Isolation: snapshot` a failure takes everything back, and the answers of the parts before it still say 201.
    """
    parts = _read_parts(request)
    answers: list[dict[str, Any]] = []
    try:
        with ExitStack() as stack:
            if request.headers.get("isolation", "").lower() == "snapshot":
                for one in undo:
                    stack.enter_context(one.transaction(now))
                _run(request, base, parts, send, answers)
                if any(answer["status"] >= 400 for answer in answers):
                    raise _Failed
            else:
                _run(request, base, parts, send, answers)
    except _Failed:
        pass
    return json_reply(200, {"responses": answers}, PART_TYPE, OData_Version="4.0")


def _read_parts(request: Request) -> list[Mapping[str, Any]]:
    if request.method != "POST":
        raise not_allowed(request.method, "$batch")
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Problem(415, "BadRequest", "The content type of the request is not supported.")
    if "application/json" not in request.headers.get("accept", ""):
        text = "This emulator answers a $batch in JSON only: send Accept: application/json."
        raise Problem(415, "BadRequest", text)
    try:
        parts = json.loads(request.body)["requests"]
        if not all({"method", "url"} <= part.keys() for part in parts):
            raise ValueError("a part needs method and url")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise bad_request("Invalid Request Body") from None
    if len(parts) > MOST_PARTS:
        raise Problem(
            500,
            "Unknown",
            "The current batch message contains too many parts. A maximum number of '100' query operations and "
            "change sets are allowed in a batch message.",
        )
    return list(parts)


def _run(
    request: Request,
    base: str,
    parts: Iterable[Mapping[str, Any]],
    send: Send,
    answers: list[dict[str, Any]],
) -> None:
    goes_on = "odata.continue-on-error" in request.headers.get("prefer", "")
    for part in parts:
        inner, segments = _as_request(request, base, part)
        answers.append(_shown(part.get("id"), send(inner, segments)))
        if answers[-1]["status"] >= 400 and not goes_on:
            return


def _as_request(request: Request, base: str, part: Mapping[str, Any]) -> tuple[Request, list[str]]:
    """The part as if it had come by itself; headers hold for one part only."""
    url = urlsplit(str(part["url"]).removeprefix(f"{base}/").lstrip("/"))
    headers = {name.lower(): str(value) for name, value in (part.get("headers") or {}).items()}
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    if "company" in headers:
        query.setdefault("company", headers["company"])
    body = part.get("body")
    root = base.removeprefix(request.base)
    inner = replace(
        request,
        method=str(part["method"]).upper(),
        path=f"{unquote(root)}/{unquote(url.path)}",
        raw_path=f"{root}/{url.path}",
        query=query,
        headers={"content-type": "application/json", **headers},
        body=b"" if body is None else json.dumps(body).encode(),
    )
    return inner, [unquote(segment) for segment in url.path.split("/") if segment]


def _shown(id: Any, reply: Reply) -> dict[str, Any]:
    """The answer to one part; an empty one has no body."""
    headers = {name.lower(): value for name, value in reply.headers.items()}
    told = {name: headers[name] for name in _TOLD if name in headers}
    answer = {"id": id, "status": reply.status, "headers": told}
    if reply.body:
        is_json = "json" in headers.get("content-type", "")
        told["content-type"] = PART_TYPE if is_json else headers["content-type"]
        answer["body"] = json.loads(reply.body, parse_float=float) if is_json else reply.body.decode()
    return answer
