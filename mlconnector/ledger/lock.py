"""The run lock: one run of a connection at a time. The kernel drops it with the process, so none is ever stale.

The lock file says who holds it, since when and how far it is.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from mlconnector.errors import ConfigError, LockedError
from mlconnector.ledger.rights import no_right

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

_LONGEST = 300
_NEWS_SECONDS = 1.0
_TELL_AGAIN = timedelta(days=1)


class RunLock:
    """An flock on `<state>.lock` beside the state file, held from `with` to its end.

    The file's text is for people; it is never unlinked, because whoever waited on the old file would then hold a
    lock that nobody else sees. Raises LockedError if another process holds it, ConfigError if it cannot be had.
    `<state>.lock.told` is there while it is held and an unattended run was turned away: the next ones, turned away as
    well, need not say so again (`LockedError.is_old`).
    """

    def __init__(
        self,
        state: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        unattended: bool = False,
    ) -> None:
        self.path = lock_path(state)
        self._state = state
        self._now = now
        self._unattended = unattended
        self._file: int | None = None
        self._told_path = self.path.with_name(self.path.name + ".told")
        self._holder = ""
        self._told_at = 0.0

    def __enter__(self) -> Self:
        if fcntl is None:  # pragma: no cover - Windows
            raise ConfigError(
                "this system has no file locks (flock), so two runs could not be kept apart",
                hint="run mlconnector on Linux, macOS or in WSL",
            )
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, _LONGEST, 0).decode("utf-8", "replace").strip()
            os.close(file)
            error = _locked(holder)
            error.is_old = self._unattended and self._was_told(holder.partition(",")[0])
            raise error from None
        except OSError as error:
            os.close(file)
            raise _no_lock(self.path, error) from error
        self._file = file
        started = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._holder = f"pid {os.getpid()} since {started} on {socket.gethostname()}"
        self._note(f"{self._holder}\n")
        return self

    def tell(self, text: str) -> None:
        """How far the run is, for whoever finds the lock taken; written once a second at most."""
        if self._file is not None and time.monotonic() - self._told_at >= _NEWS_SECONDS:
            self._told_at = time.monotonic()
            self._note(f"{self._holder}, {text}\n")

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._note("")
            with contextlib.suppress(OSError):
                self._told_path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise no_right(self._state) or _no_lock(self.path, error) from error

    def _was_told(self, holder: str) -> bool:
        """Whether a run before this one said within a day that this holder is under way; notes that one did."""
        now = self._now().astimezone(UTC)
        with contextlib.suppress(OSError, ValueError):
            at, _, told = self._told_path.read_text("utf-8").partition(" ")
            if told == holder and abs(now - datetime.fromisoformat(at)) < _TELL_AGAIN:
                return True
        with contextlib.suppress(OSError):
            self._told_path.write_text(f"{now.isoformat()} {holder}", "utf-8")
        return False

    def _note(self, text: str) -> None:
        assert self._file is not None
        line = text.encode()[:_LONGEST]
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same, this is for people
            os.pwrite(self._file, line, 0)
            os.ftruncate(self._file, len(line))


def lock_path(state: Path) -> Path:
    """The lock file of a state file."""
    return state.with_name(state.name + ".lock")


def lock_holder(state: Path) -> str:
    """What the holder of the lock wrote of itself; empty if nobody holds it. Takes no lock, so it may be a moment old.

    A holder that was killed leaves its line behind: on this host, it counts only while its process lives.
    """
    try:
        holder = lock_path(state).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    words = holder.split()
    if len(words) >= 6 and words[1].isdigit() and words[5].rstrip(",") == socket.gethostname():
        return holder if _lives(int(words[1])) else ""
    return holder


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def _locked(holder: str) -> LockedError:
    who = f" ({holder})" if holder else ""
    return LockedError(
        f"another run of this connection is under way{who}; this one did nothing",
        hint="let it finish; the next run goes on from there",
    )


def _no_lock(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path}: the lock file of the state cannot be used: {error.strerror or error}",
        hint="check the folder and its rights, or name another state file (state: in the connection file)",
    )
