"""Date formulas such as `1M`, `14D` or `CM+10D` (fact sheet 2.0)."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, timedelta

_TERM = re.compile(r"([+-]?)(C?)(\d*)([DWMQY])")
_MONTHS = {"M": 1, "Q": 3, "Y": 12}


def add_formula(day: str, formula: str) -> str:
    """The day that a formula leads to from an ISO day; a blank formula is that day itself."""
    when = date.fromisoformat(day)
    for sign, current, count, unit in _TERM.findall(formula):
        steps = int(count or 1) * (-1 if sign == "-" else 1)
        when = _end_of(when, unit) if current else _later(when, steps, unit)
    return when.isoformat()


def _later(when: date, steps: int, unit: str) -> date:
    if unit in "DW":
        return when + timedelta(days=steps * (7 if unit == "W" else 1))
    years, month = divmod(when.month - 1 + steps * _MONTHS[unit], 12)
    last = monthrange(when.year + years, month + 1)[1]
    return date(when.year + years, month + 1, min(when.day, last))


def _end_of(when: date, unit: str) -> date:
    """The end of the current day, week, month, quarter or year."""
    if unit == "D":
        return when
    if unit == "W":
        return when + timedelta(days=6 - when.weekday())
    month = {"M": when.month, "Q": (when.month + 2) // 3 * 3, "Y": 12}[unit]
    return date(when.year, month, monthrange(when.year, month)[1])
