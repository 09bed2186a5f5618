"""A state file that this user may not use: whose it is, and what to do."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from mlconnector.errors import ConfigError
from mlconnector.ledger import Ledger
from mlconnector.ledger.lock import RunLock, lock_path
from mlconnector.ledger.rights import no_right

from .conftest import Clock


def give_away(place: Path) -> str:
    """Takes this user's rights to a file; the name of its owner, who is root where that can be."""
    place.touch()
    place.chmod(0)
    user = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)
        os.chown(place, 0, 0)
        os.seteuid(user)
    return pwd.getpwuid(place.stat().st_uid).pw_name


def test_a_file_of_another_user_is_told_with_its_owner_and_not_taken_for_damaged(
    as_nobody: Path, clock: Clock
) -> None:
    state = as_nobody / "state.db"
    Ledger.open(state, "nordkran", clock.now).close()
    owner = give_away(state)
    for opened in (Ledger.open, Ledger.look):
        with pytest.raises(ConfigError) as caught:
            opened(state, "nordkran", clock.now)
        assert caught.value.message.startswith(f"{state}: the state file cannot be used: user ")
        assert caught.value.message.endswith(f" may not write {state}, which belongs to {owner}")
        assert "backup" not in caught.value.hint and "chown" in caught.value.hint


def test_a_lock_that_another_user_left_is_told_with_its_owner(as_nobody: Path) -> None:
    state = as_nobody / "state.db"
    owner = give_away(lock_path(state))
    with pytest.raises(ConfigError) as caught, RunLock(state):
        pass
    assert caught.value.message.endswith(f" may not write {lock_path(state)}, which belongs to {owner}")


def test_where_the_rights_are_there_they_are_not_blamed(as_nobody: Path, clock: Clock) -> None:
    state = as_nobody / "state.db"
    assert no_right(state) is None
    state.write_bytes(b"no database at all" * 99)
    with pytest.raises(ConfigError, match="not a database") as caught:
        Ledger.open(state, "nordkran", clock.now)
    assert no_right(state) is None and caught.value.message.startswith(f"{state}: ")
