"""The stored secrets of one system, as the system may read and renew them while it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlconnector.errors import ConfigError, ConnectorError

if TYPE_CHECKING:
    from mlconnector.config import Connection


class StoredSecrets:
    """`Tools.vault` of a system. `hide` is told every value, so that none gets into a message."""

    def __init__(self, connection: Connection, alias: str, hide: Callable[[Iterable[str]], None]) -> None:
        self._connection = connection
        self._alias = alias
        self._hide = hide

    @contextmanager
    def alone(self) -> Iterator[None]:
        """An flock on `<connection>.<alias>.login` in the user's state folder, since by this name the keyring knows the
        secrets, whatever state file is in use; waits for another process, which needs a second at most."""
        import fcntl

        from mlconnector.places import user_folder

        folder = user_folder(os.environ, "XDG_STATE_HOME", ".local/state")
        path = folder / f"{self._connection.name}.{self._alias}.login"
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"the lock file {path} cannot be had ({error.strerror or error})",
                hint="check the rights of this folder, or set XDG_STATE_HOME to another one",
            ) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def read(self, name: str) -> str:
        """From where it would be found at the start of a run."""
        from mlconnector.secrets import load_secrets

        whole = f"{self._alias}.{name}"
        value = load_secrets(self._connection.name, [whole], settings=self._connection.secrets)[whole]
        self._hide([value])
        return value

    def store(self, name: str, value: str) -> None:
        """Into the keyring, unless it is stored already."""
        from mlconnector.secrets import store

        self._hide([value])
        try:
            if self.read(name) == value:
                return
        except ConnectorError:  # there was none so far
            pass
        store(self._connection.name, f"{self._alias}.{name}", value, settings=self._connection.secrets)
