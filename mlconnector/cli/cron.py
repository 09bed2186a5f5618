"""This program as cron would start it: in cron's bare environment, without a terminal, for a limited time."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlconnector.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run under cron's conditions ended, and what it printed."""

    code: int
    out: str
    err: str


def cron_environment() -> dict[str, str]:
    """All that cron sets (crontab(5)); what else this process has in its environment is not in it."""
    user = pwd.getpwuid(os.getuid())
    return {
        "HOME": user.pw_dir,
        "LOGNAME": user.pw_name,
        "USER": user.pw_name,
        "SHELL": "/bin/sh",
        "PATH": "/usr/bin:/bin",
    }


def run_as_cron(words: Sequence[str], limit_seconds: float) -> Ended:
    """Runs `mlconnector WORDS` in the user's home, stdin empty, in a session of its own without a terminal.

    Raises ConfigError if the user is unknown to this machine, or if it does not end within the limit.
    """
    try:
        env = cron_environment()
    except KeyError:
        raise ConfigError(
            f"user {os.getuid()} has no entry in the list of users, so cron runs nothing for it",
            hint="try it as the user whose crontab it is",
        ) from None
    try:
        ended = subprocess.run(  # noqa: S603 - this very program
            [sys.executable, "-P", "-m", "mlconnector", *words],
            env=env,
            cwd=env["HOME"] if Path(env["HOME"]).is_dir() else "/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit_seconds,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"as cron would run it, this does not end within {limit_seconds:g} seconds",
            hint="look at the sources of the secrets one by one (README, Secrets under cron)",
        ) from None
    return Ended(ended.returncode, ended.stdout, ended.stderr)
