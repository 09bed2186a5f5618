"""A command of the user's that prints a secret (`pass show …`): no shell, no screen, no stdin, and a time limit."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

LIMIT_SECONDS = 10.0

_PLACE = re.compile(r"\{(\w+)\}")
_ASKING = ("DISPLAY", "WAYLAND_DISPLAY", "GPG_TTY", "SSH_ASKPASS")
"""What a program would take to ask a person."""
_LONGEST = 65_536
_LOOK_SECONDS = 0.05


class CommandError(Exception):
    """The command gave no secret: why, and what helps; never what was printed."""

    def __init__(self, why: str, remedy: str = "run it by hand as cron does: without a screen or a question"):
        super().__init__(why)
        self.remedy = remedy


def ask_command(
    words: Sequence[str],
    connection: str,
    name: str,
    env: Mapping[str, str],
    *,
    limit_seconds: float = LIMIT_SECONDS,
) -> str:
    """The first line that the command prints, `{connection}` and `{name}` in its words filled in.

    Raises CommandError if it cannot be run, fails, prints nothing or does not end within the limit.
    """
    facts = {"connection": connection, "name": name}
    filled = [_PLACE.sub(lambda found: facts.get(found[1], found[0]), word) for word in words]
    filled[0] = os.path.expanduser(filled[0])  # noqa: PTH111 - a name without a slash must stay one
    deadline = time.monotonic() + limit_seconds
    with _running(filled, env) as process:
        printed = _read(process, deadline)
        try:
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise CommandError(
                f"did not end within {limit_seconds:g} seconds and may be waiting for a password"
            ) from None
    if code:
        raise CommandError(f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}")
    return _first_line(printed)


@contextmanager
def _running(words: Sequence[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The process, in a session of its own without a terminal; whatever is left of it is ended."""
    quiet = {name: value for name, value in env.items() if name not in _ASKING}
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=quiet,
            start_new_session=True,
        )
    except FileNotFoundError:
        path = (env.get("PATH") or os.defpath)[:60]
        raise CommandError(f"was not found (PATH is {path})", "name it with its whole path") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot be run ({type(error).__name__})") from None
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()


def _read(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """What it prints until its end; not for longer, though a process that it left behind may hold the pipe open."""
    kept = b""
    if process.stdout is None:
        return kept
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(kept) < _LONGEST and time.monotonic() < deadline:
            if selector.select(_LOOK_SECONDS):
                piece = os.read(process.stdout.fileno(), _LONGEST)
                if not piece:
                    break
                kept += piece
            elif process.poll() is not None:
                break
    return kept


def _first_line(printed: bytes) -> str:
    try:
        line = printed.partition(b"\n")[0].decode().strip()
    except UnicodeDecodeError:
        raise CommandError("printed something that is no text") from None
    if not line:
        raise CommandError("printed nothing on its first line")
    return line
