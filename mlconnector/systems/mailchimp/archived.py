"""Who is archived in an audience, as far as a list says that may lag behind (sheet 4.10)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from mlconnector.errors import ConfigError, Rejected
from mlconnector.model import Tools
from mlconnector.systems.mailchimp.api import Api
from mlconnector.systems.mailchimp.member import Audience

REFRESH_SECONDS = 10.0
"""How old the list of archived members may get before its news are read."""


class Archived:
    """Hashes of the archived members of an audience; shared by the lanes of a run."""

    def __init__(self, api: Api, tools: Tools) -> None:
        self._api = api
        self._tools = tools
        self._hashes: set[str] = set()
        self._read_at: datetime | None = None
        self._news_since: datetime | None = None  # by Mailchimp's clock, not by this machine's
        self._lock = threading.Lock()

    def __contains__(self, hash_: str) -> bool:
        return hash_ in self._hashes

    def refresh(self, audience: Audience) -> None:
        """Reads the list once, its news every REFRESH_SECONDS. ConfigError if the account does not give it."""
        with self._lock, needed("the list of archived members"):
            now = self._tools.now()
            if self._read_at is not None and (now - self._read_at).total_seconds() < REFRESH_SECONDS:
                return
            found, began = self._list(audience)
            self._hashes |= found
            self._news_since = began - timedelta(hours=1) if began else None
            self._read_at = now

    def _list(self, audience: Audience) -> tuple[set[str], datetime | None]:
        try:
            return self._api.archived(audience.id, self._news_since)
        except Rejected as error:
            if error.status == 404:
                raise audience.is_gone() from None
            raise


@contextmanager
def needed(what: str) -> Iterator[None]:
    """A refusal here is not one member's: without `what` nothing can be written safely."""
    try:
        yield
    except Rejected as error:
        raise ConfigError(
            f"mailchimp does not give {what}: {error.message}",
            hint="run: mlconnector check",
            request_id=error.request_id,
        ) from None
