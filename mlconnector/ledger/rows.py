"""What a row of the ledger and an attempt hold, and the statements that write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import msgspec

from mlconnector.ledger.links import Pair
from mlconnector.model import LedgerEntry, Outcome, Ref, Step, value

COLUMNS = tuple(f.name for f in fields(LedgerEntry))
SELECT = f"SELECT {', '.join(COLUMNS)} FROM ledger"  # noqa: S608 - column names of ours
SETTLE = """
INSERT INTO ledger (flow, source_id, status, target_key, target_id, digest, code, reason, attempts, retry_at,
                    source_modified, wants, tried, memo, name, run_id, updated_at, owns)
VALUES {rows}
ON CONFLICT (flow, source_id) DO UPDATE SET
    status = excluded.status, target_key = coalesce(excluded.target_key, target_key),
    target_id = coalesce(excluded.target_id, target_id), digest = coalesce(excluded.digest, digest),
    code = excluded.code, reason = excluded.reason,
    attempts = CASE WHEN excluded.attempts = 0 THEN 0 ELSE attempts + excluded.attempts END,
    retry_at = excluded.retry_at, source_modified = coalesce(excluded.source_modified, source_modified),
    wants = excluded.wants, tried = excluded.tried, memo = coalesce(excluded.memo, memo),
    name = coalesce(nullif(excluded.name, ''), name), run_id = excluded.run_id,
    updated_at = excluded.updated_at,
    owns = CASE WHEN excluded.status IN ('skipped', 'removed') THEN 0
                WHEN excluded.target_key IS NULL THEN owns ELSE 1 END
"""
FORGET = """
UPDATE ledger INDEXED BY ledger_former SET target_key = NULL, target_id = NULL
WHERE flow = ? AND target_key = ? AND owns = 0 AND target_id = ? AND source_id <> ?
AND NOT (status = 'skipped' AND attempts > 0)
"""
"""A counterpart that found a new owner is nobody else's any more; but where the target said no, that is remembered."""
ATTEMPT = "INSERT INTO attempts VALUES {rows}"

JSON = msgspec.json.Encoder(order="sorted")


@value
class Settled:
    """What is stored of one record: `step` is None where nothing was sent. `modified` is the source's stamp.

    `wants` is a key that another record owns, `tried_keys` are those it was on its way to when no clear answer came.
    `name` is what people call the record, `pair` links it with its counterpart. `before` is its row as it was
    when it was planned, and not stored: it tells what is news.
    """

    source_id: str
    outcome: Outcome
    step: Step | None = None
    key: str | None = None
    digest: bytes | None = None
    modified: datetime | None = None
    wants: str | None = None
    tried_keys: tuple[str, ...] = ()
    name: str = ""
    pair: Pair | None = None
    before: LedgerEntry | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Backfill:
    """A backfill that was not finished: its window as given, where it stands and how many records it read."""

    flow: str
    since: str | None
    until: str | None
    cursor: str | None
    read: int
    started_at: str


REFERENCE = "ref:"
"""Stands before the record that another one waits for, in `wants`."""


DECISION = "ask:"
"""Stands before the remote id that a person has to decide about first, in `wants`."""


def reference_key(ref: Ref) -> str:
    """What is stored of a reference that is waited for: `ref:organization/9>customer`."""
    return f"{REFERENCE}{ref.entity}/{ref.id}>{ref.into}"


def reference_of(key: str) -> Ref:
    """The reference that such a key stands for."""
    entity, _, rest = key.removeprefix(REFERENCE).partition("/")
    id_, _, into = rest.rpartition(">")
    return Ref("", entity, id_, into)


def is_new_owner(one: Settled) -> bool:
    """Whether it came to own a key and a counterpart that it did not own before."""
    if one.step is None or one.key is None or one.outcome.target_id is None:
        return False
    before = one.before
    return before is None or before.target_key != one.key or before.status in ("skipped", "removed")


def row_of(flow: str, run_id: int, at: str, one: Settled) -> tuple[Any, ...]:
    outcome = one.outcome
    status = "done" if outcome.status in ("created", "updated", "unchanged") else outcome.status
    attempts = 0 if status == "done" else int(one.step is not None)
    memo = None if outcome.memo is None else JSON.encode(outcome.memo).decode()
    return (
        flow, one.source_id, status, one.key, outcome.target_id, one.digest, outcome.code, outcome.reason,
        attempts, stamp(outcome.retry_at), stamp(one.modified), one.wants,
        "\n".join(one.tried_keys) or None, memo, one.name, run_id, at,
        int(one.key is not None and status not in ("skipped", "removed")),
    )  # fmt: skip


def attempt_of(flow: str, run_id: int, at: str, one: Settled, step: Step) -> tuple[Any, ...]:
    outcome = one.outcome
    return (
        run_id, flow, one.source_id, at, step.action, outcome.status, outcome.code, outcome.reason,
        outcome.answer, outcome.request_id,
    )  # fmt: skip


def entry_of(row: Sequence[Any]) -> LedgerEntry:
    known = dict(zip(COLUMNS, row, strict=True))
    if known["memo"] is not None:
        known["memo"] = msgspec.json.decode(known["memo"])
    return LedgerEntry(**known)


def stamp(when: datetime | None) -> str | None:
    """UTC with milliseconds: `2026-07-15T13:57:19.397Z`, so that text sorts as time does."""
    return None if when is None else when.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
