"""The state file for commands that look after it and are no run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlconnector.errors import ConfigError, LockedError
from mlconnector.ledger import Ledger
from mlconnector.ledger.lock import RunLock

if TYPE_CHECKING:
    from mlconnector.config import Connection


@contextmanager
def open_state(connection: Connection) -> Iterator[Ledger]:
    """For writing and under the run lock; made if there is none. Raises LockedError while a run is under way."""
    from mlconnector.cli.build import utc_now

    with ExitStack() as stack:
        try:
            stack.enter_context(RunLock(connection.state, utc_now))
        except LockedError as error:
            error.hint = "let it finish, then run this command again"
            raise
        yield stack.enter_context(Ledger.open(connection.state, connection.name, utc_now))


def refuse_missing(connection: Connection) -> None:
    """Raises ConfigError if there is no state file yet."""
    if not connection.state.exists():
        raise ConfigError(
            f"{connection.state}: there is no state file yet",
            hint="the first sync makes it: mlconnector sync",
        )


def backups(state: Path) -> list[Path]:
    """The backups beside a state file, under the names that `ledger backup` gives them."""
    if not state.parent.is_dir():
        return []
    files = (file for file in state.parent.iterdir() if file.name.startswith(f"{state.name}."))
    return sorted(file for file in files if file.suffix == ".bak")


def backup_path(state: Path) -> Path:
    """Where a backup goes that is given no name: beside the state file, with the time in UTC."""
    from mlconnector.cli.build import utc_now

    return state.with_name(f"{state.name}.{utc_now():%Y%m%dT%H%M%SZ}.bak")
