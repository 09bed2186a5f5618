"""Whose file it is that this user may not use, as a sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mlconnector.errors import ConfigError

_EFFECTIVE = os.access in os.supports_effective_ids


def no_right(state: Path) -> ConfigError | None:
    """Names, of the state file's folder, itself and the files beside it, the first that this user may not use."""
    for place in (state.parent, *_files(state)):
        needed = os.R_OK | os.W_OK | (os.X_OK if place.is_dir() else 0)
        if os.access(place, os.F_OK) and not os.access(place, needed, effective_ids=_EFFECTIVE):
            return ConfigError(
                f"{state}: the state file cannot be used: user {_name(os.geteuid())} may not write {place},"
                f" which belongs to {_name(place.stat().st_uid)}",
                hint="run mlconnector always as the same user, or give this one the rights (chown, chmod)",
            )
    return None


def _files(state: Path) -> Iterator[Path]:
    if state.parent.is_dir():
        yield from (state.with_name(state.name + ending) for ending in ("", ".lock", "-wal", "-shm"))


def _name(number: int) -> str:
    import pwd  # not there on Windows

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
