"""Tells a monitoring service that a run began and how it ended, as healthchecks.io and its like expect it.

A ping never changes what a run does: that one failed is said with -v only.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import Literal
from urllib.parse import urlsplit

from mlconnector.errors import ConnectorError
from mlconnector.http import Answer, Http, Limits, unexpected
from mlconnector.model import Tools
from mlconnector.settings import Healthcheck

log = logging.getLogger("mlconnector.pings")

When = Literal["start", "success", "fail"]
LONGEST_BODY = 10_000
"""Bytes; healthchecks.io keeps 100 kB, others less."""
_LIMITS = Limits(parallel=1, connect_timeout=5.0, read_timeout=10.0, attempts=2)


def addresses(check: Healthcheck) -> dict[When, str]:
    """Where each ping goes: below `ping_url` (`/start`, nothing, `/fail`), unless it has an address of its own."""
    base = check.ping_url.rstrip("/")
    below: dict[When, str] = (
        {"start": f"{base}/start", "success": base, "fail": f"{base}/fail"} if base else {}
    )
    own: dict[When, str] = {"start": check.start_url, "success": check.success_url, "fail": check.fail_url}
    return {**below, **{when: url for when, url in own.items() if url}}


def ping(url: str, text: str, tools: Tools) -> bool:
    """POSTs a short text; False if the service did not take it."""
    body = text.encode()[:LONGEST_BODY].decode(errors="ignore")
    try:
        with closing(Http("healthcheck", url, _verdict, tools, limits=_LIMITS)) as http:
            http.send("POST", "", text=body, repeatable=True)
    except Exception as error:  # whatever it is, no run ends because nobody could be told of it
        why = error.message if isinstance(error, ConnectorError) else type(error).__name__
        log.info("the healthcheck was not told: %s", why)  # a mail for each run would be no news
        return False
    return True


def reach(url: str, tools: Tools) -> None:
    """Asks the service for its front page, by which no check is told anything. Raises ConnectorError."""
    service = urlsplit(url)
    http = Http("healthcheck", f"{service.scheme}://{service.netloc}", _any_answer, tools, limits=_LIMITS)
    try:
        http.send("GET", "/")
    finally:
        http.close()


def _any_answer(answer: Answer) -> Exception | None:
    """Whatever its front page is, somebody is there; but a gateway that finds nobody is not enough."""
    return _verdict(answer) if answer.status >= 500 else None


def _verdict(answer: Answer) -> Exception | None:
    return unexpected("healthcheck", answer)
