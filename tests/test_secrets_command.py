"""A command of the user's for secrets: what it gets, what counts, and that it can neither ask nor hang."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from mlconnector.secrets.command import CommandError, ask_command

SECRET = "s3cret-value-of-ours"
ENV = {"PATH": "/usr/bin:/bin"}


def ask(script: str, *, limit_seconds: float = 5.0, env: dict[str, str] = ENV) -> str:
    return ask_command(["sh", "-c", script, "{connection}", "{name}"], "nordkran", "mail.api_key", env,
                       limit_seconds=limit_seconds)  # fmt: skip


def refusal(script: str, **more: float) -> str:
    with pytest.raises(CommandError) as error:
        ask(script, **more)  # type: ignore[arg-type]
    assert SECRET not in str(error.value)
    return str(error.value)


def test_the_first_line_is_the_secret_and_words_are_filled_in() -> None:
    assert ask('echo "  $0 of $1 "; echo note') == "nordkran of mail.api_key"


def test_no_shell_reads_the_words() -> None:
    assert ask_command(["echo", "$HOME; {name} `id`"], "n", "a.x", ENV) == "$HOME; a.x `id`"


def test_the_home_folder_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ask").write_text("#!/bin/sh\necho yes\n")
    (tmp_path / "ask").chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ask_command(["~/ask", "{name}"], "n", "a.x", ENV) == "yes"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (f"echo {SECRET}; echo {SECRET} >&2; exit 3", "ended with exit code 3"),
        (f"echo {SECRET}; kill -9 $$", "was ended by signal 9"),
        ("true", "printed nothing on its first line"),
        (f"echo; echo {SECRET}", "printed nothing on its first line"),
        ("printf '\\377'", "printed something that is no text"),
        ("read line; echo $line", "printed nothing on its first line"),
        ("echo x > /dev/tty && echo asked", "ended with exit code"),
    ],
)
def test_what_gives_no_secret_says_why_and_not_what_was_printed(script: str, why: str) -> None:
    assert why in refusal(script)


@pytest.mark.parametrize(
    ("word", "why"),
    [("no-such-program", "was not found (PATH is /usr/bin:/bin)"), ("/etc", "cannot be run (PermissionError)"),
     ("a\0b", "cannot be run (ValueError)")],
)  # fmt: skip
def test_a_program_that_cannot_be_run_says_why(word: str, why: str) -> None:
    with pytest.raises(CommandError) as error:
        ask_command([word, "{name}"], "n", "a.x", ENV)
    assert str(error.value) == why


def running_in(group: int) -> list[str]:
    """The processes of a group, those aside that have ended and that nobody has asked about yet."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return [row[2] for row in rows if int(row[0]) == group and not row[1].startswith("Z")]


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
@pytest.mark.parametrize("script", ["sleep 30", "sleep 30 & wait", "trap '' TERM; sleep 30; sleep 30", "yes"])
def test_one_that_does_not_end_is_ended_with_all_it_started(script: str, tmp_path: Path) -> None:
    started = time.monotonic()
    why = refusal(f"echo $$ > {tmp_path}/pid; {script}", limit_seconds=0.4)
    assert "did not end within 0.4 seconds" in why
    assert time.monotonic() - started < 3
    assert running_in(int((tmp_path / "pid").read_text())) == []


def test_what_it_leaves_running_is_not_waited_for() -> None:
    """An agent that keeps the pipe open, as gpg-agent may."""
    started = time.monotonic()
    assert ask("(sleep 2; true) & echo yes") == "yes"
    assert time.monotonic() - started < 1.5


def test_it_finds_no_screen_to_ask_on() -> None:
    env = {**ENV, "DISPLAY": ":0", "WAYLAND_DISPLAY": "w", "GPG_TTY": "/dev/pts/1", "KEPT": "yes"}
    assert ask('echo "$DISPLAY$WAYLAND_DISPLAY$GPG_TTY$KEPT"', env=env) == "yes"
