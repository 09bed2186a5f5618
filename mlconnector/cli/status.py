"""`mlconnector status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mlconnector.cli.options import Command, Common

if TYPE_CHECKING:
    from mlconnector.config import BoundFlow, Connection
    from mlconnector.ledger import Ledger
    from mlconnector.model import Quota
    from mlconnector.report import Screen

EPILOG = """
\b
Examples:
  mlconnector status
  mlconnector status --waiting               every record that waits or failed, each with its next step
  mlconnector status -c nordkran --json
"""


@click.command(cls=Command, epilog=EPILOG)
@click.option("--waiting", is_flag=True, help="List every record that waits or failed, by id and name.")
@click.pass_obj
def command(common: Common, waiting: bool) -> int:
    """Show how each flow stands: watermark, lag, last run, counts, what waits and why, and the next step.

    Reads the state file only, also while a run is under way. --json holds the lag in seconds, for a monitor.
    """
    from mlconnector.cli.build import open_connection, utc_now
    from mlconnector.ledger import Ledger
    from mlconnector.ledger.lock import lock_holder

    connection = open_connection(common)
    with Ledger.look(connection.state, connection.name, utc_now) as ledger:
        if waiting:
            _list(common, gather_waiting(connection, ledger))
            return 0
        found = gather(connection, ledger, utc_now())
    found["under_way"] = lock_holder(connection.state)
    if common.json:
        common.screen().data(found)
    else:
        _show(common.screen(), found)
    return 0


def _list(common: Common, rows: Sequence[Mapping[str, Any]]) -> None:
    from mlconnector.cli.moments import short

    screen = common.screen()
    if common.json:
        screen.data(rows)
        return
    if not rows:
        screen.notice("no record waits, and none failed")
    for row in rows:
        again = f" (again at {short(row['retry_at'])})" if row["retry_at"] else ""
        screen.line(f"{row['flow']} {_called(row['name'] or row['id'], row)}: {row['status']}, {row['code']}")
        screen.line(f"  {row['reason']}{again}")
        screen.line(f"  {row['next']}")


def _called(example: str, row: Mapping[str, Any]) -> str:
    """As people call it, and by what commands do."""
    return example if row["record"] == example else f"{example}, id {row['record']}"


def gather(connection: Connection, ledger: Ledger, now: datetime) -> dict[str, Any]:
    """Everything that `status` shows, as plain data."""
    from mlconnector.cli.flows import first_step
    from mlconnector.ledger.quotas import find_quota

    runs = ledger.history.last(100)
    return {
        "connection": connection.name,
        "file": str(connection.path),
        "state": str(connection.state),
        "last_run": _without_flows(runs[0]) if runs else None,
        "quotas": {
            alias: one for alias in connection.systems if (one := _quota(find_quota(ledger, alias), now))
        },
        "first_step": "" if runs else first_step(connection),
        "flows": [_flow(connection, bound, ledger, runs, now) for bound in connection.flows],
    }


def _quota(quota: Quota, now: datetime) -> dict[str, Any]:
    """What was taken of today's allowance, and until when nothing is sent; empty for most systems."""
    away = quota.away_until is not None and quota.away_until > now
    spent = quota.spent if quota.day == now.date().isoformat() else 0
    until = {"away_until": quota.away_until, "why": quota.why} if away else {}
    return ({"tokens": spent} if spent else {}) | until


def _without_flows(run: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name != "flows"}


def _flow(
    connection: Connection,
    bound: BoundFlow,
    ledger: Ledger,
    runs: Sequence[Mapping[str, Any]],
    now: datetime,
) -> dict[str, Any]:
    from mlconnector.cli.moments import age
    from mlconnector.cli.records import naming

    name, called = bound.flow.name, naming(connection, bound)
    last = next((run for run in runs if name in run["flows"]), None)
    begun = ledger.backfill(name)
    return {
        "flow": name,
        "follows": bound.flow.follows,
        "watermark": ledger.watermark(name),
        "read_at": ledger.history.last_poll(name),
        "lag_seconds": age(ledger.history.last_poll(name), now),
        "last_run": None if last is None else {**_without_flows(last), **last["flows"][name]},
        "counts": ledger.counts(name),
        "backfill": begun and {"since": begun.since, "until": begun.until, "read": begun.read},
        "waiting": [
            {
                **row,
                "example": row["name"] or row["source_id"],
                "record": called.record(row["source_id"], row["name"]),
                "next": called.remedy(row["code"], row["status"], row["source_id"], row["name"]),
            }
            for row in ledger.reasons(name)
            if row["status"] != "removed"
        ],
    }


def gather_waiting(connection: Connection, ledger: Ledger) -> list[dict[str, Any]]:
    """Every record that waits or failed, flow by flow; those that nobody has to do anything about come last."""
    from mlconnector.cli.records import naming

    found = [
        {
            "flow": bound.flow.name,
            "id": one.source_id,
            "name": one.name,
            "status": one.status,
            "code": one.code,
            "reason": one.reason,
            "retry_at": one.retry_at,
            "record": called.record(one.source_id, one.name),
            "next": called.remedy(one.code, one.status, one.source_id, one.name),
        }
        for bound in connection.flows
        for called in (naming(connection, bound),)
        for one in ledger.open_records(bound.flow.name)
    ]
    return sorted(found, key=lambda one: one["next"].startswith("Nothing to do"))


def _show(screen: Screen, found: Mapping[str, Any]) -> None:
    from mlconnector.cli.moments import short
    from mlconnector.summary import sparse

    screen.line(f"{found['connection']}: {found['file']}, state {found['state']}")
    if found["under_way"]:
        screen.line(f"a run is under way: {found['under_way']}")
    if found["last_run"] is None:
        screen.line(f"there was no run yet: {found['first_step']}")
    else:
        screen.line(_end(found["last_run"]))
    for alias, quota in found["quotas"].items():
        if "tokens" in quota:
            screen.line(f"{alias}: {quota['tokens']} tokens taken today")
        if "away_until" in quota:
            screen.line(
                f"{alias}: nothing is sent until {short(quota['away_until'].isoformat())}: {quota['why']}"
            )
    for flow in found["flows"]:
        last = flow["last_run"]
        screen.line()
        screen.line(flow["flow"])
        if not flow["follows"]:
            screen.line(f"  watermark  {short(flow['watermark']) or 'none: the next run reads everything'}")
            screen.line(f"  last read  {_lag(flow)}")
        if last is not None:
            result = f"{sparse(last['counts'])}, {last['calls']} calls, {last['seconds']} s"
            screen.line(
                f"  last run   {last['id']} ({last['command']}) at {short(last['started_at'])}: {result}"
            )
        screen.line(f"  records    {_counts(flow['counts'])}")
        if flow["backfill"]:
            screen.line(f"  backfill   unfinished, {flow['backfill']['read']} records read: call it again")
        _show_waiting(screen, flow["waiting"])


def _end(run: Mapping[str, Any]) -> str:
    from mlconnector.cli.history import ended
    from mlconnector.cli.moments import short

    last = f"the last run, {run['id']} ({run['command']}),"
    if run["ended_at"] is None:
        return f"{last} began at {short(run['started_at'])} and is under way, or was killed"
    if run["error"]:
        return f"{last} ended early at {short(run['ended_at'])} with exit code {run['exit_code']}: {run['error']}"
    return f"{last} ended at {short(run['ended_at'])} with exit code {run['exit_code']}: {ended(run)}"


def _lag(flow: Mapping[str, Any]) -> str:
    from mlconnector.cli.moments import short
    from mlconnector.report import ago

    if flow["lag_seconds"] is None:
        return "no watermark yet"
    return f"{short(flow['read_at'])}, {ago(flow['lag_seconds'])} ago"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "none yet"


def _show_waiting(screen: Screen, waiting: Sequence[Mapping[str, Any]]) -> None:
    from mlconnector.cli.moments import short

    for row in waiting:
        again = f", again at {short(row['retry_at'])}" if row["retry_at"] else ""
        example = f"{'such as' if row['records'] > 1 else 'record'} {_called(row['example'], row)}"
        screen.line(
            f"  {row['records']:>5} {row['status']}  {row['code']}: {row['reason']} ({example}{again})"
        )
        if row["next"]:
            screen.line(f"        {row['next']}")
