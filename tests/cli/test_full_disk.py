"""Nothing more can be written: what is said then, what stays behind, and that it goes on once there is room."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import World
from tests.cli.test_sync import emails

MLCONNECTOR = f"{sys.executable} -m mlconnector"
IN_A_SMALL_DISK = """
mkdir -p disk && mount -t tmpfs -o size=400k tmpfs disk || exit 99
fill() { dd if=/dev/zero of=disk/fill bs=1k 2>/dev/null; }
"""


def shell(world: World, script: str, *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, "sh", "-c", script],
        env={**os.environ, **world.environment},
        cwd=world.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def on_a_small_disk(world: World, script: str) -> subprocess.CompletedProcess[str]:
    """A script in which `disk` is a file system of its own, that `fill` fills to the last byte."""
    try:
        ended = shell(world, IN_A_SMALL_DISK + script, "unshare", "-rm")
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if ended.returncode == 99 or "unshare" in ended.stderr:
        pytest.skip("no file system may be mounted here")
    return ended


def is_a_sentence(said: str) -> bool:
    lines = said.splitlines()
    return (
        [line.partition(":")[0] for line in lines] == ["Error", "Next"]
        and "mistake in mlconnector" not in said
        and "unexpectedly" not in said
    )


def use_disk(world: World) -> None:
    world.file.write_text(world.file.read_text().replace("state: state.db", "state: disk/state.db"))


def test_a_first_run_on_a_full_disk_sends_nothing_and_says_why(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    use_disk(world)
    ended = on_a_small_disk(world, f"fill; {MLCONNECTOR} sync")
    assert ended.returncode == 2 and is_a_sentence(ended.stderr), ended.stderr
    assert "disk/state.db" in ended.stderr and "full" in ended.stderr and "space" in ended.stderr
    assert emails(world) == set()


@pytest.mark.parametrize("words", ["sync --full", "forget bert@nordkran.se", "ledger prune --older-than 1d"])
def test_a_disk_that_is_full_later_is_told_as_such_and_nothing_is_lost(world: World, words: str) -> None:
    world.customer("10000", "anna@nordkran.se")
    use_disk(world)
    script = f"{MLCONNECTOR} sync; fill; {MLCONNECTOR} {words}; echo $? >&2; rm disk/fill"
    ended = on_a_small_disk(world, f"{script}; {MLCONNECTOR} {words}")
    said, code = ended.stderr.splitlines()[:2], ended.stderr.splitlines()[2]
    assert code in "23" and is_a_sentence("\n".join(said)) and "full" in said[0], ended.stderr
    assert "disk/state.db" in said[0] and "space" in said[1]
    assert ended.returncode == 0 and emails(world) == {"anna@nordkran.se"}


def test_where_no_file_may_grow_it_is_a_sentence(world: World) -> None:
    ended = shell(world, f"ulimit -f 0; exec {MLCONNECTOR} sync")
    assert ended.returncode == 2 and is_a_sentence(ended.stderr), ended.stderr
    assert "state.db" in ended.stderr


def test_init_leaves_no_empty_file_on_a_full_disk(world: World) -> None:
    init = f"{MLCONNECTOR} init -o disk/a.yaml"
    ended = on_a_small_disk(world, f"fill; {init}; ls disk >&2; rm disk/fill; {init}")
    said = ended.stderr.splitlines()
    assert is_a_sentence("\n".join(said[:2])) and said[2] == "fill", "no a.yaml stands before it"
    assert ended.returncode == 0 and "wrote disk/a.yaml" in ended.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_output_that_takes_nothing_is_told_and_what_was_sent_is_on_record(world: World) -> None:
    world.customer("10000", "anna@nordkran.se")
    for words in ("sync", "init -o -", "status"):
        ended = shell(world, f"{MLCONNECTOR} {words} >/dev/full")
        assert ended.returncode == 3 and is_a_sentence(ended.stderr), ended.stderr
        assert "the output cannot be written: No space left on device" in ended.stderr
    assert emails(world) == {"anna@nordkran.se"}
    assert world.json("status")["flows"][0]["counts"] == {"done": 1}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_where_nobody_can_be_told_the_exit_code_still_says_it(world: World) -> None:
    assert shell(world, f"{MLCONNECTOR} sync --max-time soon >/dev/full 2>&1").returncode == 2
    assert shell(world, f"{MLCONNECTOR} status --json >/dev/full 2>&1").returncode == 3
