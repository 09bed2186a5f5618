"""How a run is asked to end: SIGTERM or Ctrl-C. What is in flight finishes first; a second Ctrl-C ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mlconnector.errors import StoppedError


class Stopping:
    """Whether this run was asked to end."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ask(self) -> None:
        """Asks it to end."""
        self._event.set()

    def requested(self) -> bool:
        """Whether it was asked."""
        return self._event.is_set()

    def sleep(self, seconds: float) -> None:
        """Waits, but raises StoppedError as soon as the run is asked to end."""
        if self._event.wait(seconds):
            raise StoppedError("the run was asked to end", hint="what is left goes out with the next run")


@contextmanager
def stop_on_signals() -> Iterator[Stopping]:
    """Takes SIGTERM and SIGINT for the time of a run."""
    stopping = Stopping()

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
