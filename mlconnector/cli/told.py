"""What an unattended run said last of why it could not even begin, so that the next ones need not mail it again.

The state file remembers what ended a run; a mistake in the connection file keeps a run from reaching that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

_A_DAY = timedelta(days=1)


def was_told(connection: str | None, text: str, now: Callable[[], datetime]) -> bool:
    """Whether this was the last that was said of this connection, within a day; notes that it is said now."""
    path, at, said = _path(connection), now(), _hash(text)
    with suppress(OSError, ValueError):
        when, _, before = path.read_text("utf-8").partition(" ")
        if before == said and abs(at - datetime.fromisoformat(when)) < _A_DAY:
            return True
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(f"{at.isoformat()} {said}", "utf-8")
    return False


def forget_told(connection: str | None) -> None:
    """All is well again: whatever comes is news."""
    with suppress(OSError):
        _path(connection).unlink(missing_ok=True)


def _path(connection: str | None) -> Path:
    from mlconnector.places import user_folder

    name = connection or os.environ.get("MLCONNECTOR_CONNECTION", "")
    return user_folder(os.environ, "XDG_STATE_HOME", ".local/state") / f"told.{_hash(name)}"


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
