"""Where the demo plays: runs the real commands, shows them with what they print, and notes what must be true.

Commands run in this process through the program itself, or as a process of their own where it is killed.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict
from io import TextIOBase
from pathlib import Path
from textwrap import fill
from types import FrameType
from typing import Any, Self, TextIO

from mlconnector.cli.playground import Playground, environment
from mlconnector.errors import ConnectorError, StoppedError

WIDTH = 100
PAUSE_SECONDS = 0.5
CHILD_SECONDS = 30.0
_MEANINGS = {
    0: "fine",
    1: "finished, some records failed",
    2: "usage or configuration",
    3: "stopped early",
    4: "another run holds the lock",
    -signal.SIGKILL: "killed",
}


class _Tee(TextIOBase):
    """Passes on what a command writes, and keeps it."""

    def __init__(self, shown: TextIO | None, *, terminal: bool) -> None:
        self._shown = shown
        self._terminal = terminal
        self.kept: list[str] = []

    def write(self, text: str) -> int:
        self.kept.append(text)
        if self._shown is not None:
            self._shown.write(text)
        return len(text)

    def flush(self) -> None:
        if self._shown is not None:
            self._shown.flush()

    def isatty(self) -> bool:
        return self._terminal

    def fileno(self) -> int:
        return sys.__stdout__.fileno() if sys.__stdout__ else 1

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only in fact, if not for typeshed
        return getattr(self._shown, "encoding", None) or "utf-8"

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.kept)


class Stage:
    """One playground, one folder, and the environment that commands find while the block lasts."""

    def __init__(
        self, playground: Playground, folder: Path, *, pauses: bool, name: str = "demo", **settings: Any
    ) -> None:
        """`name` is that of the connection, `settings` are those of its system that is not the ERP."""
        self.erp = playground.erp
        self.mail = playground.mail
        self.crm = playground.crm
        self.folder = folder
        self.name = name
        self.file = folder / f"{name}.yaml"
        self.all_as_it_must = True
        self._out = sys.stdout
        self._terminal = sys.stdout.isatty()
        self._pauses = pauses and self._terminal
        self._emulators = playground.emulators
        self._environment = environment(self.file, playground.secrets)
        self._started = time.monotonic()
        self.file.write_text(playground.connection_text(name, **settings), "utf-8")

    def __enter__(self) -> Self:
        self._before = {name: os.environ.get(name) for name in self._environment}
        os.environ.update(self._environment)
        self._on_sigterm = signal.signal(signal.SIGTERM, _stopped)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._on_sigterm)
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

    @property
    def seconds(self) -> float:
        """Since the curtain rose."""
        return time.monotonic() - self._started

    @property
    def requests(self) -> int:
        """That the emulators have seen so far."""
        return sum(emulator.requests_seen for emulator in self._emulators)

    # what the audience sees

    def chapter(self, title: str) -> None:
        """A heading."""
        if self._pauses:
            time.sleep(PAUSE_SECONDS)
        self.show()
        self.show(self._styled(f"== {title} ==", "1;36"))

    def say(self, *sentences: str) -> None:
        """A sentence or two on what happens or what to look at; each argument is a paragraph."""
        for sentence in sentences:
            self.show(fill(" ".join(sentence.split()), WIDTH, break_long_words=False, break_on_hyphens=False))

    def lines(self, rows: list[tuple[str, object]]) -> None:
        """A small table."""
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            self.show(f"  {name.ljust(width)}  {value}")

    def expect(self, sentence: str, truth: bool) -> None:
        """Something that must be so; if it is not, the demo goes on and ends with 1."""
        self.all_as_it_must &= truth
        self.show(f"  {self._styled('ok', '32') if truth else self._styled('WRONG', '1;31')}  {sentence}")

    def show(self, text: str = "") -> None:
        """One line as it is."""
        self._out.write(text + "\n")
        self._out.flush()

    def _styled(self, text: str, codes: str) -> str:
        plain = not self._terminal or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return text if plain else f"\x1b[{codes}m{text}\x1b[0m"

    def keep(self, file: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Leaves a file of JSON lines in the folder."""
        text = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        (self.folder / file).write_text(text, "utf-8")

    def keep_requests(self, before: str = "") -> None:
        """Leaves what the emulators have seen, a file each."""
        for emulator in self._emulators:
            self.keep(f"{before}requests-{emulator.name}.jsonl", (asdict(entry) for entry in emulator.log))

    # the commands

    def run(self, *words: str, code: int = 0, cron: bool = False) -> str:
        """Shows a command and what it prints; all that it printed.

        `cron` keeps the terminal from it, as cron does. Ends the demo if its exit code is not `code`.
        """
        self.show(self._styled(f"$ mlconnector {shlex.join(words)}", "1"))
        tee = _Tee(self._out, terminal=self._terminal and not cron)
        ended = _run(words, tee)
        self._tell_code(ended, code)
        return tee.text

    def ask(self, *words: str) -> Any:
        """What a command says with --json; not shown."""
        tee = _Tee(None, terminal=False)
        _run((*words, "--json"), tee)
        return json.loads(tee.text)

    def kill(self, *words: str, when: Callable[[], object], and_then: float) -> None:
        """A command as a process of its own, shown, and killed `and_then` seconds after `when` is true."""
        self.show(self._styled(f"$ mlconnector {' '.join(words)} &", "1"))
        with _child(words) as process:
            end = time.monotonic() + CHILD_SECONDS
            while not when() and process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(and_then)
            self.show(self._styled(f"$ kill -9 {process.pid}", "1"))
            process.kill()
            self._tell_code(process.wait(), -signal.SIGKILL)

    def _tell_code(self, ended: int, expected: int) -> None:
        meaning = _MEANINGS.get(ended, "?")
        self.show(self._styled(f"[exit code {ended}: {meaning}]", "2"))
        if ended != expected:
            raise ConnectorError(
                f"the demo expected exit code {expected} here", hint=f"its files are in {self.folder}"
            )


def _run(words: tuple[str, ...], tee: _Tee) -> int:
    from mlconnector.cli import program

    with redirect_stdout(tee), redirect_stderr(tee):
        try:
            program.main(list(words))
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 0


@contextmanager
def _child(words: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    """A real process that does not outlive the block."""
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", "mlconnector", *words], stdin=nothing, stdout=nothing, stderr=nothing
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _stopped(number: int, frame: FrameType | None) -> None:
    raise StoppedError("the demo was asked to end")
