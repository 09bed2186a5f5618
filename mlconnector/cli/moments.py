"""Dates, times and lengths of time on the command line, and how times are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click


class Moment(click.ParamType[str]):
    """`2026-07-01` or `2026-07-01T14:30[:00][+02:00]` → `2026-07-01T14:30:00.000Z`, which sorts as time does.

    Without an offset it is UTC, so that cron and a shell in another time zone mean the same.
    """

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Fails with an example of what would do."""
        try:
            when = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is no date: write 2026-07-01, or 2026-07-01T14:30+02:00 (UTC without an offset)",
                param,
                ctx,
            )
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
        return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


class Duration(click.ParamType[timedelta]):
    """`90d`, `12h` or `1d12h`: a length of time, spelled as in the connection file."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Fails with an example of what would do."""
        from mlconnector.config import DURATION, UNITS

        parts = DURATION.findall(str(value))
        if not parts or "".join(map("".join, parts)) != value:
            self.fail(f"{value!r} is no length of time: write 90d, 12h, 30m, 45s or 1d12h", param, ctx)
        try:
            total = sum((timedelta(**{UNITS[unit]: int(count)}) for count, unit in parts), timedelta())
        except OverflowError:
            total = timedelta.max
        if total > _LONGEST:
            self.fail(f"{value!r} is longer than 100 years", param, ctx)
        return total


_LONGEST = timedelta(days=36_525)


def age(stamp: str | None, now: datetime) -> float | None:
    """Seconds from a stored stamp until now; None where there is none, or none that is a time."""
    try:
        return max(0.0, (now - datetime.fromisoformat(stamp or "")).total_seconds())
    except (TypeError, ValueError):
        return None


def short(stamp: str | None) -> str:
    """A stored stamp for people: `2026-07-01 14:30:00Z`."""
    try:
        return datetime.fromisoformat(stamp or "").astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except ValueError:
        return stamp or ""
