"""The request rate of the one user there is: a sliding window (fact sheet 6.1)."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from mlconnector.systems.business_central.emulator_answers import Problem


class Throttle:
    """The moments of the requests that count."""

    def __init__(self) -> None:
        self._calls: deque[float] = deque()

    def check(self, limit: tuple[int, float] | None, when: datetime) -> None:
        """Counts a request; 429 if there were too many. `limit` is how many in how many seconds, None for no limit."""
        if limit is None:
            return
        most, window = limit
        now = when.timestamp()
        while self._calls and self._calls[0] <= now - window:
            self._calls.popleft()
        if len(self._calls) >= most:
            text = f"Too many requests reached. Actual ({len(self._calls) + 1}). Maximum ({most})."
            raise Problem(429, "Application_TooManyRequests", text)
        self._calls.append(now)
