"""What may leave this program in text: secrets never, whole e-mail addresses only when asked for. And the logging.

One log line an event, on stderr; JSON lines when asked. The standard library's logging is all that is needed.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from mlconnector.errors import mask_addresses

_SHORTEST_SECRET = 6


class Redactor:
    """Knows the secrets of this process and takes them out of what is printed or logged."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def hide(self, values: Iterable[str]) -> None:
        """These never appear from now on."""
        known = {*self._secrets, *(value for value in values if len(value) >= _SHORTEST_SECRET)}
        self._secrets = tuple(sorted(known, key=len, reverse=True))

    def text(self, text: str, *, addresses: bool) -> str:
        """The text without secrets, and without whole addresses unless `addresses` are allowed."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text if addresses else mask_addresses(text)

    def value(self, value: Any, *, addresses: bool) -> Any:
        """The same for all text inside plain data (keys as well)."""
        if isinstance(value, str):
            return self.text(value, addresses=addresses)
        if isinstance(value, Mapping):
            clean = self.value
            return {
                clean(key, addresses=addresses): clean(inner, addresses=addresses)
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(inner, addresses=addresses) for inner in value]
        return value


def set_up_logging(redactor: Redactor, *, verbose: int, as_json: bool, quiet: bool = False) -> None:
    """Warnings (errors with `quiet`), from -v on information, from -vv on everything with whole addresses."""
    log = logging.getLogger("mlconnector")
    log.setLevel(_LEVELS[min(verbose, 2)] if verbose or not quiet else logging.ERROR)
    log.propagate = False
    for handler in list(log.handlers):
        log.removeHandler(handler)
    handler = _Stderr()
    handler.setFormatter(_Lines(redactor, verbose=verbose, as_json=as_json))
    log.addHandler(handler)


_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is now: a live display takes its place for a while."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Fixed."""


class _Lines(logging.Formatter):
    """One clean line an event; a traceback only from -v on."""

    def __init__(self, redactor: Redactor, *, verbose: int, as_json: bool) -> None:
        super().__init__()
        self._redactor = redactor
        self._verbose = verbose
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        message = self._clean(record.getMessage())
        trace = ""
        if record.exc_info and self._verbose:
            trace = self._clean(self.formatException(record.exc_info))
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if self._as_json:
            event = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": message}
            return json.dumps({**event, "traceback": trace} if trace else event, ensure_ascii=False)
        line = f"{at} {record.levelname.lower()} {message}"
        return f"{line}\n{trace}" if trace else line

    def _clean(self, text: str) -> str:
        return self._redactor.text(text, addresses=self._verbose >= 2)
