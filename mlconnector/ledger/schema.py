"""The state file's tables and how an older file becomes a newer one. Append migrations, never edit one."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

VERSION = 4
"""`PRAGMA user_version` of a file that has every migration below: the gate that keeps sqlite_utils out of most runs."""

# A record waits in `sending` (one row a chunk) while it is on its way; a row of `ledger` is written when it settled.
# Random GUID keys dirty a page each, so this halves the bytes written (the figures are in tests/benchmarks).
_FIRST = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE watermarks (
    flow TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    stored_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE ledger (
    flow TEXT NOT NULL,
    source_id TEXT NOT NULL,
    status TEXT NOT NULL,
    target_key TEXT,
    owns INTEGER NOT NULL DEFAULT 0,
    target_id TEXT,
    digest BLOB,
    code TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at TEXT,
    source_modified TEXT,
    wants TEXT,
    tried TEXT,
    memo TEXT,
    name TEXT NOT NULL DEFAULT '',
    run_id INTEGER,
    updated_at TEXT,
    UNIQUE (flow, source_id)
);

-- Two records of a flow never own one key. A skipped or removed record keeps the key it had but owns it no longer.
CREATE UNIQUE INDEX ledger_owner ON ledger (flow, target_key) WHERE owns = 1;
CREATE INDEX ledger_former ON ledger (flow, target_key) WHERE owns = 0;
CREATE INDEX ledger_wants ON ledger (flow, wants) WHERE wants IS NOT NULL;
CREATE INDEX ledger_open ON ledger (flow, status) WHERE status NOT IN ('done', 'skipped');

CREATE TABLE sending (
    id INTEGER PRIMARY KEY,
    flow TEXT NOT NULL,
    run_id INTEGER,
    at TEXT NOT NULL,
    steps TEXT NOT NULL
);

CREATE TABLE attempts (
    run_id INTEGER,
    flow TEXT NOT NULL,
    source_id TEXT NOT NULL,
    at TEXT NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    code TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    answer TEXT NOT NULL DEFAULT '',
    request_id TEXT NOT NULL DEFAULT ''
);

CREATE TABLE links (
    system TEXT NOT NULL,
    entity TEXT NOT NULL,
    id TEXT NOT NULL,
    other_system TEXT NOT NULL,
    other_entity TEXT NOT NULL,
    other_id TEXT NOT NULL,
    PRIMARY KEY (system, entity, id, other_system, other_entity)
) WITHOUT ROWID;
CREATE INDEX links_back ON links (other_system, other_entity, other_id);

CREATE TABLE backfills (
    flow TEXT PRIMARY KEY,
    since TEXT,
    until TEXT,
    cursor TEXT,
    read INTEGER NOT NULL DEFAULT 0,
    started_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    command TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    exit_code INTEGER,
    error TEXT NOT NULL DEFAULT ''
);

CREATE TABLE run_flows (
    run_id INTEGER NOT NULL,
    flow TEXT NOT NULL,
    counts TEXT NOT NULL,
    calls INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, flow)
) WITHOUT ROWID;
"""

# `parted`: counterparts that no record has. Removed ones (live = 0) come back for whoever has their key next; those
# left behind when their record got another (live = 1) are removed unless somebody wants them.
_SECOND = """
CREATE TABLE parted (
    flow TEXT NOT NULL,
    key TEXT NOT NULL,
    source_id TEXT NOT NULL,
    target_id TEXT NOT NULL,
    memo TEXT,
    live INTEGER NOT NULL,
    PRIMARY KEY (flow, key)
) WITHOUT ROWID;
CREATE INDEX ledger_unclear ON ledger (flow) WHERE tried IS NOT NULL;
INSERT INTO parted
    SELECT flow, target_key, source_id, target_id, memo, 0 FROM ledger
    WHERE status = 'removed' AND owns = 0 AND target_key IS NOT NULL AND target_id IS NOT NULL
    GROUP BY flow, target_key;
"""

# People who asked to be forgotten: a salted hash of their key (the salt is in `meta`), and the flow, empty for all.
_THIRD = """
CREATE TABLE forgotten (
    flow TEXT NOT NULL,
    hash BLOB NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (flow, hash)
) WITHOUT ROWID;
"""


# Each pair of records once, whichever flow made it: the smaller end (system, entity) comes first. `seen` are hashes of
# the fields of each as they were when both were last in step.
_FOURTH = """
CREATE TABLE pairs (
    system TEXT NOT NULL,
    entity TEXT NOT NULL,
    id TEXT NOT NULL,
    other_system TEXT NOT NULL,
    other_entity TEXT NOT NULL,
    other_id TEXT NOT NULL,
    seen TEXT NOT NULL DEFAULT '{}',
    other_seen TEXT NOT NULL DEFAULT '{}',
    UNIQUE (system, entity, other_system, other_entity, id),
    UNIQUE (system, entity, other_system, other_entity, other_id)
);
INSERT OR IGNORE INTO pairs (system, entity, id, other_system, other_entity, other_id)
    SELECT system, entity, id, other_system, other_entity, other_id FROM links
    WHERE (system, entity) <= (other_system, other_entity)
    UNION ALL SELECT other_system, other_entity, other_id, system, entity, id FROM links
    WHERE (system, entity) > (other_system, other_entity);
DROP TABLE links;
ALTER TABLE pairs RENAME TO links;
"""


def migrate(connection: sqlite3.Connection) -> None:
    """Brings a file to VERSION; each step commits together with its record. Call it under the run lock."""
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    migrations = Migrations("mlconnector")

    @migrations(name="0001_first")
    def _first(db: Database) -> None:
        _execute(db, _FIRST)

    @migrations(name="0002_parted")
    def _second(db: Database) -> None:
        _execute(db, _SECOND)

    @migrations(name="0003_forgotten")
    def _third(db: Database) -> None:
        _execute(db, _THIRD)

    @migrations(name="0004_links")
    def _fourth(db: Database) -> None:
        _execute(db, _FOURTH)

    migrations.apply(Database(connection, execute_plugins=False))
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _execute(db: Database, script: str) -> None:
    """Statement by statement: executescript would commit the migration's transaction."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.conn.execute(statement)
