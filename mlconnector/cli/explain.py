"""`mlconnector explain`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConnectorError, Rejected

if TYPE_CHECKING:
    from mlconnector.cli.systems import Systems
    from mlconnector.config import BoundFlow, Connection
    from mlconnector.ledger import Ledger
    from mlconnector.model import Change, LedgerEntry
    from mlconnector.report import Screen

EPILOG = """
\b
Examples:
  mlconnector explain 10000
  mlconnector explain anna@nordkran.se -v          with whole addresses
  mlconnector explain 10000 --flow customers_to_members --json
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("record")
@click.option("--flow", "flows", metavar="FLOW", multiple=True, help="Only in this flow; may be repeated.")
@click.pass_obj
def command(common: Common, record: str, flows: tuple[str, ...]) -> int:
    """Tell everything about one RECORD: a number, its id in either system, or an e-mail address.

    Both ids, how it stands and why, what the mapping gives now, what a sync would do, and every attempt to send it
    with the vendor's answer and request id. Writes nothing. What the mapping gives now takes the source; without it
    everything else is shown.
    """
    from mlconnector.cli.build import open_connection, utc_now
    from mlconnector.cli.flows import choose_flows
    from mlconnector.cli.records import not_found
    from mlconnector.cli.systems import open_systems
    from mlconnector.ledger import Ledger
    from mlconnector.model import Tools

    screen = common.screen()
    connection = open_connection(common)
    chosen = choose_flows(connection, flows)
    found: list[dict[str, Any]] = []
    silent: dict[str, ConnectorError] = {}
    foretold: dict[tuple[str, str], str] = {}
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger.look(connection.state, connection.name, utc_now))
        systems = None
        try:
            systems = stack.enter_context(open_systems(connection, screen, Tools(utc_now, time.sleep)))
        except ConnectorError as error:  # what the state file knows is worth showing all the same
            silent = dict.fromkeys(connection.systems, error)
        for bound in chosen:
            inquiry = _Inquiry(connection, bound, ledger, systems, silent, utc_now, foretold)
            found += inquiry.about(record)
    if not found:
        raise not_found([record], next(iter(silent.values()), None))
    if common.json:
        screen.data(found)
    else:
        for one in found:
            _show(screen, one)
    return 0


class _Inquiry:
    """What is known in one flow. `silent` are the systems that cannot be asked, and why: none is tried twice.

    `foretold` is what a sync would do, by flow and record, in those that were asked before.
    """

    def __init__(
        self,
        connection: Connection,
        bound: BoundFlow,
        ledger: Ledger,
        systems: Systems | None,
        silent: dict[str, ConnectorError],
        now: Callable[[], datetime],
        foretold: dict[tuple[str, str], str],
    ) -> None:
        from mlconnector.cli.flows import source_key

        self.connection = connection
        self.foretold = foretold
        self.bound = bound
        self.named_by = source_key(connection, bound)
        self.flow = bound.flow
        self.ledger = ledger
        self.systems = systems
        self.silent = silent
        self.now = now

    def about(self, text: str) -> Iterator[dict[str, Any]]:
        """Everything about each record that `text` may mean."""
        from mlconnector.cli.records import find_ids, id_in_reference, is_there

        known = find_ids(self.flow, self.ledger, None, [text])
        ids = known = list(dict.fromkeys([*known, *self._by_counterpart(text)]))
        changes: dict[str, Change] = {}
        try:
            if self.systems is not None and self.flow.source not in self.silent:
                asked = find_ids(self.flow, self.ledger, self.systems.source(self.flow.source), [text])
                ids = list(dict.fromkeys([*known, *asked, *id_in_reference(self.bound, text)]))
                source = self.systems.source_of(self.flow, self.ledger)
                changes = {change.id: change for change in source.fetch(self.flow.entity, ids)} if ids else {}
        except ConnectorError as error:
            self.silent[self.flow.source] = error
        entries = self.ledger.entries(self.flow.name, ids)
        for one in ids:
            entry, change = entries.get(one), changes.get(one)
            if entry is not None or (change is not None and is_there(change)):
                yield self._about_one(one, entry, change)

    def _by_counterpart(self, text: str) -> list[str]:
        """Records whose counterparts are called so, if the target can be asked."""
        from mlconnector.cli.records import ids_by_counterpart

        if self.systems is None or self.flow.target in self.silent:
            return []
        try:
            return ids_by_counterpart(self.bound, self.ledger, self.systems, text)
        except ConnectorError as error:
            self.silent[self.flow.target] = error
            return []

    def _told(self, target_id: str | None) -> Mapping[str, str]:
        """How its counterpart stands, if the target can tell."""
        from mlconnector.systems.base import Tells

        if not target_id or self.systems is None or self.flow.target in self.silent:
            return {}
        try:
            target = self.systems.target(self.bound)
            return target.tell(self.flow.into, target_id) if isinstance(target, Tells) else {}
        except ConnectorError as error:
            return {"stands": f"could not be asked: {error.message}"}

    def _about_one(self, source_id: str, entry: LedgerEntry | None, change: Change | None) -> dict[str, Any]:
        flow, name = self.flow, self._name(change) or (entry.name if entry else None)
        return {
            "flow": flow.name,
            "source": {
                "system": flow.source,
                "entity": flow.entity,
                "id": source_id,
                self.named_by: name,
            },
            "name": name,
            "target": {
                "system": flow.target,
                "entity": flow.into,
                "id": entry.target_id if entry else None,
                "key": entry.target_key if entry else None,
                "told": self._told(entry.target_id if entry else None),
            },
            "stands": self._standing(entry),
            "now": None if change is None else self._as_it_is_now(change),
            "now_missing": self._why_not_asked(),
            "attempts": self.ledger.attempts(flow.name, source_id),
        }

    def _name(self, change: Change | None) -> str | None:
        """What people call it, if the source says so now."""
        try:
            return None if change is None else change.record.get(self.named_by)
        except ConnectorError:  # a record that came broken says so when it is looked into
            return None

    def _why_not_asked(self) -> str:
        error = self.silent.get(self.flow.source)
        return "; ".join(one.message for one in error.each()) if error else ""

    def _standing(self, entry: LedgerEntry | None) -> dict[str, Any] | None:
        if entry is None:
            return None
        owner = self.ledger.owners(self.flow.name, [entry.wants]) if entry.wants else {}
        names = (
            "status",
            "code",
            "reason",
            "attempts",
            "retry_at",
            "source_modified",
            "run_id",
            "updated_at",
        )
        known = asdict(entry)
        return {
            **{name: known[name] for name in names},
            "wants": entry.wants,
            "owner": next((one.source_id for one in owner.values()), None),
            "next": ""
            if entry.status == "done"
            else self._next(entry.code, entry.status, entry.source_id, entry.name),
        }

    def _next(self, code: str, status: str, source_id: str, name: str | None) -> str:
        """The next step in commands that mean this record and no other."""
        from mlconnector.cli.records import naming

        return naming(self.connection, self.bound).remedy(code, status, source_id, name or "")

    def _as_it_is_now(self, change: Change) -> dict[str, Any]:
        """What the mapping gives and what a sync would do."""
        would = self._would(change)
        self.foretold[self.flow.name, change.id] = would["would"]
        if change.kind == "delete":
            left = f"not settled in {self.flow.follows}" if self.flow.follows else "deleted in the source"
            return {"gone": True, "left": left, **would}
        if would["code"] in (
            "mapping-error",
            "unreadable-record",
            "not-visible",
        ):  # it would not work here either
            return {"modified": change.modified, **would}
        return {"modified": change.modified, "mapping": self._mapped(change), **would}

    def _mapped(self, change: Change) -> dict[str, Any]:
        """What the mapping gives, or why it gives nothing."""
        from mlconnector.model import Mapped

        try:
            mapped = self.flow.map(change)
        except Rejected as error:
            step = self._next(error.code, "failed", change.id, self._name(change))
            return {"fails": error.code, "reason": error.message, "next": step}
        if isinstance(mapped, Mapped):
            return {"key": mapped.key, "body": dict(mapped.body)}
        return {"skipped": mapped.code, "reason": mapped.reason}

    def _would(self, change: Change) -> dict[str, Any]:
        from mlconnector.cli.preview import preview

        assert self.systems is not None
        if (silent := self.silent.get(self.flow.target)) is not None:
            return {"would": "unknown", "code": "", "why": silent.message}
        if self.foretold.get((self.flow.follows, change.id)) in _ENDS_THERE:
            return {"would": "nothing", "code": "", "why": f"{self.flow.follows} does not get so far"}
        try:
            settled = preview(self.bound, self.systems, self.ledger, change, self.now)
        except ConnectorError as error:
            return {"would": "unknown", "code": "", "why": error.message}
        if settled is None:
            return {"would": "nothing", "code": "", "why": "there is nothing new to send or to note"}
        outcome = settled.outcome
        if outcome.status == "planned":
            return {"would": outcome.code, "code": "", "why": outcome.reason}
        return {"would": outcome.status, "code": outcome.code, "why": outcome.reason}


def _show(screen: Screen, one: Mapping[str, Any]) -> None:
    source, target = one["source"], one["target"]
    screen.line(f"{one['flow']}: {one['name'] or source['id']}")
    screen.line(f"  source     {source['system']}.{source['entity']} {source['id']}")
    there = target["id"] or "nothing linked yet"
    key = f", key {target['key']}" if target["key"] else ""
    screen.line(f"  target     {target['system']}.{target['entity']} {there}{key}")
    if told := target["told"]:
        screen.line(f"  there      {', '.join(_in_words(told))}")
    _show_standing(screen, one["stands"])
    if one["now"] is not None:
        _show_now(screen, one["now"])
    elif one["now_missing"]:
        screen.line(
            "  now        what the mapping gives is missing, because the source could not be asked: "
            f"{one['now_missing']}; run: mlconnector check"
        )
    screen.line(f"  attempts   {len(one['attempts']) or 'none'}")
    for attempt in one["attempts"]:
        screen.line(f"    {_attempt(attempt)}")
    screen.line()


def _in_words(told: Mapping[str, str]) -> Iterator[str]:
    """`sales order 101005, draft, customer 10000 Adatum, 100.00 EUR without tax`."""
    for name, value in told.items():
        yield f"customer {value}" if name == "customer" else value


def _show_standing(screen: Screen, stands: Mapping[str, Any] | None) -> None:
    from mlconnector.cli.moments import short

    if stands is None:
        screen.line("  status     not on record: no run has met it yet")
        return
    why = _joined(": ", stands["code"], stands["reason"])
    run = f" (run {stands['run_id']})" if stands["run_id"] else ""
    screen.line(f"  status     {stands['status']} since {short(stands['updated_at'])}{run}{why}")
    if stands["owner"]:
        screen.line(f"             its key {stands['wants']} belongs to {stands['owner']}")
    if stands["retry_at"]:
        screen.line(f"             tried again from {short(stands['retry_at'])}")
    if stands["next"]:
        screen.line(f"  next       {stands['next']}")


def _show_now(screen: Screen, now: Mapping[str, Any]) -> None:
    if now.get("gone"):
        screen.line(f"  now        {now['left']}")
    else:
        changed = f", last changed {now['modified']:%Y-%m-%d %H:%M:%SZ}" if now.get("modified") else ""
        screen.line(f"  now        in the source{changed}")
    mapping = now.get("mapping", {})
    if "fails" in mapping:
        screen.line(f"  mapping    fails: {mapping['fails']}, {mapping['reason']}")
        screen.line(f"             {mapping['next']}")
    elif "skipped" in mapping:
        screen.line(f"  mapping    leaves it out: {mapping['skipped']}, {mapping['reason']}")
    elif mapping:
        screen.line(f"  mapping    {mapping['key']}")
        for name, value in _flat(mapping["body"]):
            screen.line(f"    {name} = {value}")
    screen.line(f"  a sync     {_WOULD.get(now['would'], now['would'])}{_because(now)}")


_ENDS_THERE = ("flag", "remove", "skipped", "held", "failed", "unknown")
"""What does not become settled in a flow is not taken up by the one that follows it."""
_WOULD = {
    "create": "would create it",
    "create-post": "would create and post it",
    "link": "would link it",
    "update": "would update it",
    "update-post": "would update and post it",
    "post": "would post it",
    "flag": "would flag it",
    "leave": "would leave it as it is",
    "remove": "would remove its counterpart",
    "nothing": "would do nothing",
    "skipped": "would skip it",
    "held": "would hold it back",
    "failed": "would fail",
    "unchanged": "would do nothing",
    "unknown": "cannot be foretold",
}


def _because(now: Mapping[str, Any]) -> str:
    return _joined(": ", now["code"], now["why"])


def _joined(before: str, *texts: str) -> str:
    there = [text for text in texts if text]
    return f"{before}{', '.join(there)}" if there else ""


def _flat(body: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            yield from _flat({str(place): one for place, one in enumerate(value, 1)}, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _attempt(attempt: Mapping[str, Any]) -> str:
    from mlconnector.cli.moments import short

    words = [short(attempt["at"]), f"run {attempt['run_id']}", attempt["action"], attempt["status"]]
    words += [_joined("", attempt["code"], attempt["reason"])] if attempt["code"] else []
    words += [f"answer {attempt['answer']}"] if attempt["answer"] else []
    words += [f"request {attempt['request_id']}"] if attempt["request_id"] else []
    return "  ".join(words)
