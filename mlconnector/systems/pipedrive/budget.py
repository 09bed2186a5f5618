"""What a call costs, and whether another one may be made today (fact sheet 8.2, 8.4, traps 16 and 17).

The day's tokens are the whole company's. What is left of them is known from the headers of the last answer, where
Pipedrive sends them: `daily_floor` bounds that. What this connection took is counted here, from run to run in
`Tools.quota`: `daily_share` bounds that.
"""

from __future__ import annotations

import re
import threading

from mlconnector.errors import Later
from mlconnector.http import Answer
from mlconnector.model import Tools
from mlconnector.systems.pipedrive import Settings
from mlconnector.systems.pipedrive.verdict import SYSTEM, midnight_after

_COSTS = (
    ("GET", r"/v1/users/me", 2),
    ("GET", r"/v2/deals/archived", 20),
    ("GET", r"/v2/\w+/search", 20),
    ("GET", r"/v2/\w+/\d+", 1),
    ("GET", r"/v2/.*", 10),
    ("POST|PATCH", r"/v2/.*", 5),
    ("DELETE", r"/v2/.*", 3),
)
_TABLE = tuple((re.compile(methods), re.compile(f"(?:/api)?{path}"), cost) for methods, path, cost in _COSTS)
DEAREST = 40


def cost_of(method: str, path: str) -> int:
    """Tokens of one request by the table of 8.2; a call that is not in it counts as the dearest."""
    known = (cost for methods, paths, cost in _TABLE if methods.fullmatch(method) and paths.fullmatch(path))
    return next(known, DEAREST)


class Budget:
    """The tokens of a day. May be used from several threads at once."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._share, self._floor = settings.daily_share, settings.daily_floor
        self._now, self._quota = tools.now, tools.quota
        self._lock = threading.Lock()
        self.spent = 0
        """Tokens since it was opened."""
        self.limit = settings.daily_tokens
        self.left: int | None = None
        """Tokens left to the company; None where Pipedrive did not say."""

    @property
    def floor(self) -> int:
        """So many tokens are left to others."""
        return self.limit * self._floor // 100

    @property
    def free(self) -> int | None:
        """Tokens above the floor; None where Pipedrive did not say how many are left."""
        return None if self.left is None else self.left - self.floor

    def admit(self, method: str, path: str) -> None:
        """Raises Later if this call would take what is not this connection's, or Pipedrive said to keep away."""
        cost = cost_of(method, path)
        with self._lock:
            self._keep_away()
            today = self._today()
            if self.free is not None and cost > self.free:
                raise self._over(
                    f"{self.left} of the company's {self.limit} tokens are left today", "daily_floor"
                )
            if today + cost > self.limit * self._share // 100:
                state = f"this connection took {today} of the company's {self.limit} tokens today"
                raise self._over(state, "daily_share")

    def note(self, answer: Answer) -> None:
        """Counts an answer, a refusal too (whether these cost is not known), and reads what is left."""
        cost = cost_of(answer.method, answer.path)
        with self._lock:
            self.spent += cost
            self._quota.spent = self._today() + cost
            self.limit = _number(answer, "limit") or self.limit
            left = _number(answer, "remaining")
            self.left = self.left if left is None else left

    def keep_away(self, error: Later, answer: Answer) -> None:
        """No call before the time that the error names, by the clock of who named it (8.5)."""
        now = self._now()
        if error.retry_at is not None:
            with self._lock:
                self._quota.away_until = now + (error.retry_at - (answer.date() or now))
                self._quota.why = error.message

    def _keep_away(self) -> None:
        until = self._quota.away_until
        if until is not None and self._now() < until:
            raise Later(
                self._quota.why, hint=f"nothing is sent until {until:%Y-%m-%d %H:%M} UTC", retry_at=until
            )

    def _today(self) -> int:
        """Tokens that this connection took today, by UTC: which midnight Pipedrive means is not known (8.2)."""
        day = self._now().date().isoformat()
        if self._quota.day != day:
            self._quota.day, self._quota.spent = day, 0
        return self._quota.spent

    def _over(self, state: str, setting: str) -> Later:
        return Later(
            f"{SYSTEM}: {state}, and {setting} leaves the rest to others",
            hint=f"the next run goes on from here; change {setting} in the connection file if that is too little",
            retry_at=midnight_after(self._now()),
        )


def _number(answer: Answer, name: str) -> int | None:
    text = answer.headers.get(f"x-daily-ratelimit-token-{name}", "")
    return int(text) if text.isdecimal() else None
