"""Errors are named by what the run does next (DESIGN 7), never by a status code.

`hint` is the next step for the person who reads the message. No message holds a secret or a whole e-mail address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

_ADDRESS = re.compile(r"([^\s@<>\"'(:;,])[^\s@<>\"(:;,]*@([^\s@<>\"',;)]+)")


def mask_addresses(text: str) -> str:
    """The text with every e-mail address in it cut to its first letter and domain: `a***@nordkran.se`."""
    return _ADDRESS.sub(r"\1***@\2", text)


class ConnectorError(Exception):
    """Base of everything this package raises on purpose."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.request_id = request_id
        self.settled: dict[str, Any] = {}
        """Outcomes by source id of those steps of a chunk that were carried out before it was raised."""
        self.is_old = False
        """Whether the run before ended with the same, and said so to nobody who is not told yet."""
        self.more: tuple[ConnectorError, ...] = ()
        """What else is wrong: problems of the same kind, each with its own next step."""

    def each(self) -> tuple[ConnectorError, ...]:
        """This problem and those that were found with it."""
        return (self, *self.more)


class Stop(ConnectorError):
    """This connection cannot go on: the run ends, no watermark moves."""


class ConfigError(Stop):
    """The connection file, its secrets or the state file are wrong."""

    exit_code = 2


def together(problems: Sequence[ConfigError]) -> ConfigError:
    """Several problems as one error that tells all of them."""
    first, *others = problems
    first.more = tuple(others)
    return first


class AuthError(Stop):
    """A system refused who we are or what we may do."""


class BrakeError(Stop):
    """More known records would change in one run than the connection allows."""


class StoppedError(Stop):
    """SIGTERM, Ctrl-C or the end of the run's time budget: what was in flight is on record, the rest is left."""


class LockedError(ConnectorError):
    """Another run of the same connection holds the lock."""

    exit_code = 4


class Later(ConnectorError):
    """A system is down, throttled or out of budget after all retries: this flow ends early.

    `retry_at` is aware, or None where the vendor gave no time.
    """

    def __init__(
        self, message: str, *, hint: str = "", request_id: str = "", retry_at: datetime | None = None
    ) -> None:
        super().__init__(message, hint=hint, request_id=request_id)
        self.retry_at = retry_at
        self.status = 0
        """The HTTP status of the last answer; 0 if none came."""


class Rejected(ConnectorError):
    """The system refused this request for what it holds; sending it again would not help.

    `code` is ours (kebab-case), `answer` the vendor's title or code, `status` the HTTP status, `details` what the
    vendor said field by field.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str = "",
        request_id: str = "",
        answer: str = "",
        status: int = 0,
        details: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, request_id=request_id)
        self.code = code
        self.answer = answer
        self.status = status
        self.details = details


class Uncertain(ConnectorError):
    """It was sent and no clear answer came: it may have been applied. `timed_out` says the wait ran out."""

    exit_code = 1

    def __init__(
        self, message: str, *, hint: str = "", request_id: str = "", timed_out: bool = False
    ) -> None:
        super().__init__(message, hint=hint, request_id=request_id)
        self.timed_out = timed_out
