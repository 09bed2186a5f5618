"""What the emulated Pipedrive remembers: one company with its records, lines, fields, pipelines and users.

Every change of a record goes through `Company.insert` or `change`, which stamp it and let the search index lag behind.
Records are dicts in the spelling of v2; keys that begin with `_` are never shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from mlconnector.sandbox import Clock
from mlconnector.systems.pipedrive.emulator_errors import forbidden, invalid, is_deleted, not_found
from mlconnector.systems.pipedrive.emulator_fields import Fields
from mlconnector.systems.pipedrive.emulator_money import deal_value, recurring
from mlconnector.systems.pipedrive.emulator_switches import Switches

Record = dict[str, Any]

KINDS = ("deal", "person", "organization", "product")
PURGED_AFTER = timedelta(days=30)
TIDY = 5_000
"""So many changes are remembered for the search index before the old ones are dropped."""
SEEN_BY_ALL = (3, 7)
"""`visible_to` of 1 and 5 is the owner's, or the owner's group's."""
CURRENCIES = {
    "EUR": "Euro",
    "SEK": "Swedish Krona",
    "GBP": "Pound Sterling",
    "USD": "US Dollar",
    "JPY": "Yen",
}


@dataclass(slots=True)
class User:
    """Somebody with a login; `sees_all` is global visibility."""

    id: int
    name: str
    email: str
    token: str
    sees_all: bool = True
    active: bool = True
    currency: str = "EUR"


@dataclass(slots=True)
class Table:
    """The records of one kind, in the order of their ids; none ever leaves it."""

    ids: Iterator[int]
    rows: dict[int, Record] = field(default_factory=dict)
    listed: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Takes a new record in."""
        self.rows[record["id"]] = record
        self.listed.append(record)


class Company:
    """One Pipedrive account."""

    id = 8087566
    name = "Nordkran (sandbox)"
    domain = "nordkran-sandbox"
    zone = ZoneInfo("Europe/Berlin")

    def __init__(self, clock: Clock, switches: Switches, users: list[User]) -> None:
        self.clock = clock
        self.switches = switches
        self.users = {user.id: user for user in users}
        self.tables = {kind: Table(count(1)) for kind in KINDS}
        option_ids = count(17)
        now = self.stamp()
        self.fields = {kind: Fields(kind, switches, option_ids, now) for kind in KINDS}
        self.lines_of: dict[int, list[Record]] = {}
        self.discounts_of: dict[int, list[Record]] = {}
        self.variations: dict[int, Record] = {}
        self.filters: dict[int, Mapping[str, Any]] = {}
        self.pipelines: dict[int, Record] = {}
        self.stages: dict[int, Record] = {}
        self.line_ids, self.variation_ids, self.discount_ids = count(1), count(1), count(1)
        self._tidy_at = TIDY
        self._past: dict[tuple[str, int], list[tuple[datetime, Record | None]]] = {}
        self.add_pipeline("Sales", ("Qualified", "Offer made", "Negotiation"))

    # time

    def now(self) -> datetime:
        """The clock's time."""
        return self.clock.now()

    def stamp(self) -> str:
        """The same as Pipedrive writes it: UTC, whole seconds (2)."""
        return stamp(self.now())

    def day_of(self, moment: str) -> str:
        """The account's calendar day of a time."""
        return datetime.fromisoformat(moment).astimezone(self.zone).date().isoformat()

    # records

    def insert(self, kind: str, record: Record) -> Record:
        """A new record with the next id."""
        made = {"id": next(self.tables[kind].ids), **record}
        made["add_time"] = record.get("add_time") or self.stamp()
        made["update_time"] = self.stamp()
        self._remember(kind, made["id"], None)
        self.tables[kind].add(made)
        return made

    def change(
        self, kind: str, record: Record, changes: Mapping[str, Any], *, stamped: bool = True
    ) -> Record:
        """Applies changes; values are replaced, never altered in place. Unstamped: `update_time` stays."""
        self._remember(kind, record["id"], dict(record))
        record.update(changes)
        if stamped:
            record["update_time"] = self.stamp()
        return record

    def get(self, kind: str, record_id: Any) -> Record | None:
        """A record, deleted or not; None when it was never there or has been purged (9.1)."""
        record = self.tables[kind].rows.get(record_id)
        return None if record is None or self.is_purged(record) else record

    def live(self, kind: str, record_id: Any) -> Record | None:
        """A record that is not deleted."""
        record = self.get(kind, record_id)
        return None if record is None or record["is_deleted"] else record

    def is_purged(self, record: Record) -> bool:
        """Deleted more than 30 days ago."""
        return bool(record["is_deleted"]) and record["_deleted"] < stamp(self.now() - PURGED_AFTER)

    def find(self, kind: str, record_id: int, user: User) -> Record:
        """A record that the user may see, deleted or not; else 404."""
        record = self.get(kind, record_id)
        if record is None:
            raise not_found()
        if not self.sees(user, record):
            raise forbidden() if self.switches.invisible == "forbidden" else not_found()
        return record

    def editable(self, kind: str, record_id: int, user: User) -> Record:
        """A record that can be written to: 400 for a deleted one (9.1)."""
        record = self.find(kind, record_id, user)
        if record["is_deleted"]:
            raise is_deleted(kind)
        return record

    def sees(self, user: User, record: Record) -> bool:
        """Visibility (trap 18)."""
        return user.sees_all or record["owner_id"] == user.id or record["visible_to"] in SEEN_BY_ALL

    def delete(self, kind: str, record: Record) -> None:
        """Soft: `update_time` is the time of deletion (9.1)."""
        self.change(kind, record, {"is_deleted": True, "_deleted": self.stamp()})

    def linked(self, kind: str, name: str, record_id: Any) -> None:
        """A link to a record that is there, else 400."""
        if record_id is not None and self.live(kind, record_id) is None:
            raise invalid(f"{name}: {kind} {record_id} was not found")

    def as_indexed(self, kind: str) -> Iterator[Record]:
        """The records as the search index has them: some seconds behind (5.3)."""
        self._catch_up()
        for record in self.tables[kind].listed:
            past = self._past.get((kind, record["id"]))
            seen = past[0][1] if past else record
            if seen is not None and not seen["is_deleted"]:
                yield seen

    def index(self) -> None:
        """Lets the search index catch up with everything that was written."""
        self._past.clear()

    def _catch_up(self) -> None:
        cutoff = self.now() - timedelta(seconds=self.switches.search_lag_seconds)
        for key, rows in list(self._past.items()):
            self._past[key] = [row for row in rows if row[0] > cutoff]
            if not self._past[key]:
                del self._past[key]

    def _remember(self, kind: str, record_id: int, before: Record | None) -> None:
        if len(self._past) > self._tidy_at:
            self._catch_up()
            self._tidy_at = 2 * len(self._past) + TIDY
        if self.switches.search_lag_seconds > 0:
            self._past.setdefault((kind, record_id), []).append((self.now(), before))

    # deals and their lines

    def lines(self, deal: Record) -> list[Record]:
        """The deal's lines, in the order they were added."""
        return self.lines_of.get(deal["id"], [])

    def recompute(self, deal: Record) -> None:
        """The deal's value after a change of its lines or discounts (3.6, 4)."""
        lines, discounts = self.lines(deal), self.discounts_of.get(deal["id"], [])
        currency, with_tax = deal["currency"], self.switches.sums_with_tax
        value = deal_value(lines, discounts, currency, with_tax=with_tax) if lines else 0
        moved = value != deal["value"] or self.switches.line_change_updates_deal == "always"
        changes = {"value": value, **recurring(lines, currency)}
        self.change("deal", deal, changes, stamped=moved)

    # pipelines

    def add_pipeline(self, name: str, stages: tuple[str, ...], *, probability: bool = False) -> int:
        """A pipeline with its stages; its id."""
        now = self.stamp()
        common = {"is_deleted": False, "add_time": now, "update_time": now}
        number = len(self.pipelines) + 1
        self.pipelines[number] = {
            "id": number, "name": name, "order_nr": number,
            "is_deal_probability_enabled": probability, **common,
        }  # fmt: skip
        for place, stage in enumerate(stages, 1):
            key = len(self.stages) + 1
            self.stages[key] = {
                "id": key, "order_nr": place, "name": stage, "deal_probability": 100, "pipeline_id": number,
                "is_deal_rot_enabled": False, "days_to_rotten": None, **common,
            }  # fmt: skip
        return number


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
