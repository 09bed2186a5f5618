"""Opens a state file, and says in one sentence why one cannot be used."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mlconnector.errors import ConfigError
from mlconnector.ledger import schema
from mlconnector.ledger.rights import no_right


def connect(database: str) -> sqlite3.Connection:
    db = sqlite3.connect(database, uri=True, isolation_level=None, timeout=30)
    db.execute("PRAGMA foreign_keys = ON")
    return db


def prepare(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > schema.VERSION:
        raise other_version(path, version)
    if version < schema.VERSION:
        schema.migrate(db)


def refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    """Not ours are tables without those that every state file has from its first moment on."""
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "_sqlite_migrations" not in tables:
        raise ConfigError(
            f"{path}: this is a database, but not a state file of mlconnector",
            hint="name another file (state: in the connection file)",
        )


def lies_in_the_file(error: sqlite3.Error) -> bool:
    """Whether it is full, locked, gone or damaged; any other error is a mistake of this program."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def other_version(path: Path, version: int) -> ConfigError:
    if version > schema.VERSION:
        return ConfigError(
            f"{path}: the state file was written by a newer mlconnector (version {version} of its tables)",
            hint="upgrade mlconnector, or name another state file",
        )
    return ConfigError(
        f"{path}: the state file is of an older version ({version})", hint="a sync brings it up to date"
    )


def unusable(path: Path, error: Exception) -> ConfigError:
    if not _is_damaged(error) and (refused := no_right(path)):
        return refused
    return ConfigError(
        f"{path}: the state file cannot be used: {error}",
        hint="check the path, its rights and the free space; a damaged file is replaced by your last backup",
    )


def _is_damaged(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
