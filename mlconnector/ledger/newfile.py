"""A new file that only its owner may read, and that has its name only when all of it is there."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlconnector.errors import ConfigError

_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Gives a name in the same folder to write to; whole, it is called `path`, otherwise nothing stays of it.

    Mode 0600 from the first byte. Raises ConfigError if there is such a file already, or where none can be made.
    """
    try:
        if os.path.lexists(path):
            raise FileExistsError
        file, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(file)
        part = Path(name)
        try:
            yield part
            _give_name(part, path)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError:
        raise ConfigError(
            f"{path}: there is such a file already, it was left as it is", hint="name another one"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror or error}",
            hint="check the folder, its rights and the free space",
        ) from error


def _give_name(part: Path, path: Path) -> None:
    """A hard link never replaces a file, as a rename would; some file systems have none."""
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError from None
        part.rename(path)
