"""How a run is asked to end: SIGTERM, Ctrl-C or the end of its time. What is in flight finishes first.

A second Ctrl-C ends at once.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mlconnector.errors import StoppedError


class Stopping:
    """Whether this run was asked to end, or had `seconds` and used them up."""

    def __init__(self, seconds: float | None = None) -> None:
        self._event = threading.Event()
        self._end = None if seconds is None else time.monotonic() + seconds

    def ask(self) -> None:
        """Asks it to end."""
        self._event.set()

    def requested(self) -> bool:
        """Whether it was asked, or is out of time."""
        return self._event.is_set() or self.out_of_time()

    def out_of_time(self) -> bool:
        """Whether it used up its time, and nobody asked it to end."""
        return not self._event.is_set() and self._end is not None and time.monotonic() >= self._end

    def sleep(self, seconds: float) -> None:
        """Waits, but raises StoppedError as soon as the run has to end."""
        left = seconds if self._end is None else min(seconds, max(0.0, self._end - time.monotonic()))
        if self._event.wait(left) or self.out_of_time():
            raise StoppedError("the run was asked to end", hint="the next run sends what is left")


@contextmanager
def stop_on_signals(seconds: float | None = None) -> Iterator[Stopping]:
    """Takes SIGTERM and SIGINT for the time of a run, which may last `seconds`."""
    stopping = Stopping(seconds)

    def asked(number: int, frame: FrameType | None) -> None:
        stopping.ask()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
