"""Limits of the emulated Pipedrive: requests in two seconds, tokens in a day, and the block after both (section 8)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mlconnector.sandbox import Reply
from mlconnector.systems.pipedrive.emulator_errors import CLOUDFLARE, Problem, gateway
from mlconnector.systems.pipedrive.emulator_login import Caller
from mlconnector.systems.pipedrive.emulator_switches import Switches

PLANS = {"lite": (20, 80, 1), "growth": (40, 160, 2), "premium": (100, 400, 5), "ultimate": (120, 480, 7)}
"""Requests in two seconds by API token and by OAuth token, and the multiplier of the day's budget (8.1, 8.2)."""
WINDOW = timedelta(seconds=2)
SEARCHES = 10
SEAT = 30_000
BLOCK = timedelta(minutes=15)


@dataclass(slots=True)
class Meter:
    """What one token has done of late."""

    requests: deque[datetime] = field(default_factory=deque)
    searches: deque[datetime] = field(default_factory=deque)
    refused_in_a_row: int = 0
    blocked_until: datetime | None = None


class Blocked(Exception):
    """Cloudflare answers, with a page (8.5)."""

    def reply(self) -> Reply:
        """The page."""
        return Reply(403, CLOUDFLARE, {"Content-Type": "text/html; charset=UTF-8", "Server": "cloudflare"})


class Throttle:
    """The company's budget and the window of each token; without a plan nothing is limited."""

    def __init__(self, now: Callable[[], datetime], switches: Switches, plan: str | None, seats: int) -> None:
        self._now = now
        self._switches = switches
        self.plan = plan
        self.daily_budget = SEAT * PLANS[plan][2] * seats if plan else 0
        self.patience = 10
        """So many 429 in a row, and the API token is blocked."""
        self.spent: dict[str, int] = {}
        """Tokens by day, which ends at midnight UTC (the real zone is not known)."""
        self._meters: dict[str, Meter] = {}

    @property
    def today(self) -> str:
        """The day whose budget is being spent."""
        return self._now().astimezone(UTC).date().isoformat()

    @property
    def left(self) -> int:
        """Tokens that are left for today."""
        return max(0, self.daily_budget - self.spent.get(self.today, 0))

    def spend(self, tokens: int) -> None:
        """A request, or another integration of the company, takes its tokens."""
        self.spent[self.today] = self.spent.get(self.today, 0) + tokens

    def admit(self, caller: Caller, cost: int, *, is_search: bool) -> None:
        """Lets a request pass and charges it, or raises 429 or the block."""
        meter = self._meter(caller)
        if meter.blocked_until and self._now() < meter.blocked_until:
            raise Blocked
        if self.plan and (problem := self._refusal(meter, caller, cost, is_search=is_search)):
            self._count_refusal(meter, caller)
            raise problem
        meter.refused_in_a_row, meter.blocked_until = 0, None
        meter.requests.append(self._now())
        if is_search:
            meter.searches.append(self._now())
        self.spend(cost)

    def headers(self, caller: Caller) -> dict[str, str]:
        """On every answer to somebody who is known (8.4)."""
        if not self.plan:
            return {}
        meter, limit = self._meter(caller), self._limit(caller)
        shown = {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(max(0, limit - len(meter.requests))),
            "x-ratelimit-reset": str(self._reset(meter.requests)),
        }
        if self._switches.daily_headers:
            shown["x-daily-ratelimit-token-limit"] = str(self.daily_budget)
            shown["x-daily-ratelimit-token-remaining"] = str(self.left)
        return shown

    def _refusal(self, meter: Meter, caller: Caller, cost: int, *, is_search: bool) -> Problem | None:
        """The daily budget is looked at first: no waiting of seconds helps there."""
        if self.left < cost:
            return gateway(429, "daily request budget exceeded", retry_after=str(self._until_midnight()))
        searching = is_search and len(meter.searches) >= SEARCHES
        return gateway(429) if searching or len(meter.requests) >= self._limit(caller) else None

    def _count_refusal(self, meter: Meter, caller: Caller) -> None:
        meter.refused_in_a_row += 1
        if meter.refused_in_a_row >= self.patience and caller.scopes is None:
            meter.blocked_until = self._now() + BLOCK

    def _meter(self, caller: Caller) -> Meter:
        meter = self._meters.setdefault(caller.token, Meter())
        for seen in (meter.requests, meter.searches):
            while seen and not self._now() - WINDOW < seen[0] <= self._now():
                seen.popleft()
        return meter

    def _limit(self, caller: Caller) -> int:
        by_token, by_oauth, _ = PLANS[self.plan or "ultimate"]
        return by_token if caller.scopes is None else by_oauth

    def _reset(self, seen: deque[datetime]) -> int:
        """Seconds until the window has room for its first request again."""
        return math.ceil((seen[0] + WINDOW - self._now()).total_seconds()) if seen else 2

    def _until_midnight(self) -> int:
        now = self._now().astimezone(UTC)
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return math.ceil((midnight - now).total_seconds())
