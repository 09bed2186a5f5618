"""Where results, notices, errors and progress go: rich on a terminal, plain lines elsewhere, JSON when asked.

Results go to stdout, everything else to stderr. The only home of rich, which is imported where it is needed.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from mlconnector.errors import ConnectorError
from mlconnector.logs import Redactor
from mlconnector.summary import KEPT, LINES, Summary, error_data

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mlconnector.ledger import Settled

EVERY_SECONDS: Final = 10.0
"""Between two plain progress lines."""


class Screen:
    """What a command says, with secrets and (unless asked for) whole addresses taken out.

    Where the connection was named (`connection`), every command that is suggested names it, too.
    """

    def __init__(
        self, *, as_json: bool = False, quiet: bool = False, verbose: int = 0, connection: str | None = None
    ) -> None:
        self.connection = connection
        self.as_json = as_json
        self.quiet = quiet
        self.verbose = verbose
        self.redactor = Redactor()

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads the results as they come."""
        return sys.stdout.isatty() and not self.as_json

    def clean(self, value: Any) -> Any:
        """Text, or plain data, as it may be shown."""
        shown = self.redactor.value(value, addresses=self.verbose > 0)
        return _with_connection(shown, shlex.quote(self.connection)) if self.connection else shown

    def line(self, text: str = "") -> None:
        """One line of a result."""
        sys.stdout.write(self.clean(text) + "\n")

    def raw(self, text: str) -> None:
        """Text that is taken as it is (a file, a schema)."""
        sys.stdout.write(text)

    def data(self, value: Any) -> None:
        """A result for machines."""
        text = json.dumps(self.clean(_plain(value)), ensure_ascii=False, indent=2, default=_spell)
        sys.stdout.write(text + "\n")

    def notice(self, text: str) -> None:
        """Something worth knowing that is not the result."""
        if not self.quiet:
            text = json.dumps({"notice": self.clean(text)}, ensure_ascii=False) if self.as_json else text
            sys.stderr.write(self.clean(text) + "\n")

    def waiting(self, text: str) -> None:
        """What is waited for, where somebody sits and waits."""
        if sys.stderr.isatty() and not self.as_json:
            self.notice(text)

    def table(self, rows: Sequence[Mapping[str, Any]], *, title: str = "") -> None:
        """Rows of the same columns: a table on a terminal, a `key=value` line each elsewhere."""
        if self.is_terminal:
            self._rich_table(rows, title)
            return
        for row in rows:
            facts = [(name, self.clean(_spell(value))) for name, value in row.items()]
            self.raw(" ".join(f"{name}={_quoted(text)}" for name, text in facts if text) + "\n")

    def _rich_table(self, rows: Sequence[Mapping[str, Any]], title: str) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for name in rows[0] if rows else ():
            table.add_column(name.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(
                *(
                    Text(text, style=_STYLES.get(text, ""))
                    for text in map(self.clean, map(_spell, row.values()))
                )
            )
        Console().print(table)

    def knows(self, error: ConnectorError) -> bool:
        """Whether whoever reads this was told before: a mailbox is, a terminal and a machine are not."""
        return error.is_old and not (self.is_terminal or self.as_json or self.verbose)

    def error(self, error: ConnectorError, *, where: str = "") -> None:
        """What happened, where, and the next step; each problem by itself where several were found together."""
        for one in error.each():
            self._error(one, where)

    def _error(self, error: ConnectorError, where: str) -> None:
        if self.as_json:
            place = {"where": where} if where else {}
            self._error_data({**place, **(error_data(error) or {}), "exit_code": error.exit_code})
            return
        request = f" [request {error.request_id}]" if error.request_id else ""
        begin = f"{where}: " if where else ""
        self._error_lines(f"{begin}{error.message}{request}", error.hint)

    def crash(self, error: BaseException) -> None:
        """An error that nobody foresaw: its kind and place; what it says (it may hold anything) only with -v."""
        where = _place(error)
        message = f"mlconnector failed unexpectedly: {type(error).__name__}{where}"
        hint = "this is a mistake in mlconnector; what was sent is on record. -v shows the traceback"
        trace = "".join(traceback.format_exception(error)) if self.verbose else ""
        if self.as_json:
            data = {"kind": "unexpected", "message": message, "next": hint, "exit_code": 3}
            self._error_data({**data, "traceback": trace} if trace else data)
            return
        if trace:
            sys.stderr.write(self.clean_log(trace))
        self._error_lines(message, "" if trace else hint)

    def clean_log(self, text: str) -> str:
        """Text as a log may show it."""
        return self.redactor.text(text, addresses=self.verbose > 1)

    def _error_data(self, data: Mapping[str, Any]) -> None:
        sys.stderr.write(json.dumps({"error": self.clean(data)}, ensure_ascii=False) + "\n")

    def _error_lines(self, message: str, hint: str) -> None:
        text = f"Error: {message}\n" + (f"Next: {hint}\n" if hint else "")
        sys.stderr.write(self.clean(text))

    def summary(self, summary: Summary) -> None:
        """What a run did: nothing where nobody watches and nothing changed."""
        if self.as_json:
            self.data(summary.data())
            return
        if self.quiet:
            return
        everything = self.is_terminal or self.verbose > 0 or summary.attended
        most = KEPT if self.verbose else LINES
        for text in summary.lines(everything=everything, most=most, details=self.verbose > 0):
            self.line(text)

    @contextmanager
    def watching(self, summary: Summary, tell: Tell = lambda text: None) -> Iterator[Watch]:
        """Shows progress for the time of a run, and tells it in a few words to `tell`."""
        display: Display = _Silent()
        if self.quiet:
            pass
        elif sys.stderr.isatty() and not self.as_json:
            display = _Live()
        elif self.verbose:
            display = _Lines(self)
        try:
            yield Watch(summary, display, tell)
        finally:
            display.close()


_STYLES: Final[Mapping[str, str]] = {
    "ok": "green",
    "warning": "yellow",
    "error": "bold red",
    "failed": "red",
    "unknown": "yellow",
}


Tell = Callable[[str], None]


class Display(Protocol):
    """Shows how far a flow is."""

    def expect(self, flow: str, total: int | None) -> None:
        """A flow begins; `total` is how many records it will read at most, None if nobody knows."""
        ...

    def show(self, flow: str, counts: Mapping[str, int]) -> None:
        """So far."""
        ...

    def close(self) -> None:
        """The end."""
        ...


class Watch:
    """The engine's observer: counts into the summary, shows on the display."""

    def __init__(self, summary: Summary, display: Display, tell: Tell) -> None:
        self.summary = summary
        self._display = display
        self._tell = tell

    def expect(self, flow: str, total: int | None = None) -> None:
        """A flow begins."""
        self._display.expect(flow, total)

    def progress(self, flow: str, counts: Mapping[str, int]) -> None:
        """Called after each page and each chunk."""
        self._display.show(flow, counts)
        self._tell(f"{flow}: {counts.get('read', 0)} records read")

    def settled(self, flow: str, one: Settled) -> None:
        """Called for each record that something was sent for or that settled newly."""
        self.summary.tally(flow).add(one)


class _Silent:
    def expect(self, flow: str, total: int | None) -> None:
        """Nobody watches."""

    def show(self, flow: str, counts: Mapping[str, int]) -> None:
        """Nobody watches."""

    def close(self) -> None:
        """Nobody watched."""


class _Pace:
    """How fast a flow goes, and how long it still takes if the total is known."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self.done = 0
        self._started = time.monotonic()

    def per_second(self, counts: Mapping[str, int]) -> float:
        """Records that came to an end; notes how many."""
        self.done = sum(number for name, number in counts.items() if name != "read")
        return self.done / max(0.001, time.monotonic() - self._started)

    def seconds_left(self, rate: float) -> float | None:
        """None where nobody knows."""
        return max(0, self.total - self.done) / rate if self.total and rate else None


class _Lines:
    """A `key=value` line every few seconds."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._pace = _Pace(None)
        self._shown = time.monotonic()

    def expect(self, flow: str, total: int | None) -> None:
        self._pace = _Pace(total)
        self._shown = time.monotonic()

    def show(self, flow: str, counts: Mapping[str, int]) -> None:
        now = time.monotonic()
        if now - self._shown < EVERY_SECONDS:
            return
        self._shown = now
        rate = self._pace.per_second(counts)
        left = self._pace.seconds_left(rate)
        facts: dict[str, Any] = {"flow": flow, **{name: counts[name] for name in sorted(counts)}}
        facts["records_per_second"] = round(rate, 1)
        if left is not None:
            facts["eta_seconds"] = round(left)
        if self._screen.as_json:
            sys.stderr.write(json.dumps({"progress": facts}) + "\n")
        else:
            sys.stderr.write(" ".join(f"{name}={value}" for name, value in facts.items()) + "\n")

    def close(self) -> None:
        """Nothing is left to do."""


class _Live:
    """A live line a flow on stderr, gone at the end."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._pace = _Pace(None)

    def expect(self, flow: str, total: int | None) -> None:
        if self._progress is None:
            self._progress = _rich_progress()
            self._progress.start()
        self._finish()
        self._pace = _Pace(total)
        self._task = self._progress.add_task(flow, total=total, facts="reading")

    def show(self, flow: str, counts: Mapping[str, int]) -> None:
        if self._progress is None or self._task is None:
            return
        rate = self._pace.per_second(counts)
        left = self._pace.seconds_left(rate)
        facts = [*so_far(counts)]
        facts += [f"{rate:.0f}/s", *([f"{ago(left)} left"] if left is not None else [])]
        self._progress.update(self._task, completed=self._pace.done, facts=", ".join(facts))

    def _finish(self) -> None:
        if self._progress is not None and self._task is not None:
            done = max(1, self._pace.done)
            self._progress.update(self._task, total=done, completed=done)
            self._task = None

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def so_far(counts: Mapping[str, int]) -> Iterator[str]:
    """`12 read`, `8 sent` (or, of a dry run, `8 planned`), `1 failed`."""
    sent = sum(counts.get(name, 0) for name in ("created", "updated", "removed"))
    failed = sum(counts.get(name, 0) for name in ("failed", "unknown"))
    yield f"{counts.get('read', 0)} read"
    yield f"{counts['planned']} planned" if counts.get("planned") else f"{sent} sent"
    if failed:
        yield f"{failed} failed"


def _rich_progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[facts]}"),
        console=Console(stderr=True),
        transient=True,
    )


def ago(seconds: float) -> str:
    """`3 min`, `2 h 5 min`, `4 d`: the two largest units."""
    left = int(seconds)
    if left < 60:
        return f"{left} s"
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2])


def _place(error: BaseException) -> str:
    """` (engine.py, line 12)`: the last line of ours."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "mlconnector" in frame.filename]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


_FOR_ONE: Final = (
    "backfill|check|explain|fields|forget|history|ledger|link|login|replay|status|sync|secrets check"
)
_SUGGESTED: Final = re.compile(rf"\bmlconnector (?=(?:{_FOR_ONE})\b)(?![^;\n]* -c )")
"""The beginning of a command that is meant for one connection."""


def _with_connection(value: Any, connection: str) -> Any:
    """Commands in a text, or in plain data, as they have to be typed for this connection."""
    if isinstance(value, str):
        return (
            _SUGGESTED.sub(lambda _: f"mlconnector -c {connection} ", value)
            if "mlconnector " in value
            else value
        )
    if isinstance(value, dict):
        return {name: _with_connection(inner, connection) for name, inner in value.items()}
    return [_with_connection(inner, connection) for inner in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """Mappings as dicts, so that json takes them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return value


def _spell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return ago(value.total_seconds())
    return str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if any(one in text for one in ' "\n=') else text
