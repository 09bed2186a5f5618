"""One company of the emulated environment: its tables, number series and templates, and what people do in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from mlconnector.systems.business_central.emulator_answers import Problem
from mlconnector.systems.business_central.emulator_columns import AS_STAMPED
from mlconnector.systems.business_central.emulator_entities import ENTITIES
from mlconnector.systems.business_central.emulator_field import Entity, Field
from mlconnector.systems.business_central.emulator_hooks import Hooks
from mlconnector.systems.business_central.emulator_rows import SECOND, Row, Table, row_text, sql_stamp
from mlconnector.systems.business_central.emulator_setup import Setup
from mlconnector.systems.business_central.emulator_templates import fill_template
from mlconnector.systems.business_central.emulator_undo import Undo
from mlconnector.systems.business_central.emulator_write import Draft, apply_body, apply_pair, wire_value

POSTED = "posted invoices"
SERIES = {
    "customers": ("C00010", 10),
    "vendors": ("V00010", 10),
    "items": ("1000", 1),
    "contacts": ("CT000001", 1),
    "salesOrders": ("S-ORD101001", 1),
    "salesInvoices": ("S-INV102201", 1),
    POSTED: ("PS-INV103001", 1),
}
SERIES_NAMES = {"customers": "CUST", "vendors": "VEND", "items": "ITEM", "contacts": "CONT"}
STAMP = "lastModifiedDateTime"
NO_HOOKS = Hooks()


def increase(number: str, by: int) -> str:
    """The last group of digits goes up, its width stays (checklist E19)."""

    def count(found: re.Match[str]) -> str:
        return str(int(found[0]) + by).zfill(len(found[0]))

    return re.sub(r"\d+(?=\D*$)", count, number, count=1)


def shown(entity: Entity, row: Row) -> dict[str, Any]:
    """A row as the page shows it, decimals as Decimal."""
    data: dict[str, Any] = json.loads(row_text(entity, row), parse_float=Decimal)
    return data


@dataclass(frozen=True, order=True, slots=True)
class Due:
    """A posted amount that is not due before `day`: in the invoice's currency and in the local one."""

    day: str
    customer: str
    amount: Decimal
    local: Decimal


@dataclass(frozen=True, slots=True)
class Moment:
    """When a write is stamped and when it is seen, and what the API lets pass."""

    stamp: int
    now: int
    manual_numbers: bool = True
    duplicate_status: int = 400


class Company:
    """Tables by entity set. `now` is always passed in: the stamp's time and the time readers see a change differ."""

    def __init__(self, name: str, place: int, lcy: str, setup: Setup, hooks: Mapping[str, Hooks]) -> None:
        self.name = name
        self.lcy = lcy
        self.setup = setup
        self.undo = Undo()
        self.mailed: list[str] = []
        """Numbers of the invoices that were sent by e-mail."""
        self.due: list[Due] = []  # a heap
        self._hooks = hooks
        self.id = f"9ee48135-93e1-ef11-9344-{0x6045BDE9CA09 + place:012x}"
        bases = [entity for entity in ENTITIES.values() if entity.table == entity.name != "companies"]
        self.tables = {
            entity.name: Table(
                entity, f"-{0x7B01 + n:04x}-f111-a1fd-{0x7CED8D2674F8 + place:012x}", self.undo
            )
            for n, entity in enumerate(bases)
        }
        self.next_numbers = {name: start for name, (start, _) in SERIES.items()}
        self._blanks = {entity.name: self._blank(entity) for entity in bases}

    def moment(self, now: int, **allowed: Any) -> Moment:
        """A write that is seen now; the setup says how long ago it began (checklist E10)."""
        return Moment(now - int(self.setup.commit_delay_seconds * SECOND), now, **allowed)

    def hooks(self, entity: Entity) -> Hooks:
        """The code behind a table."""
        return self._hooks.get(entity.name, NO_HOOKS)

    def table(self, entity: Entity) -> Table:
        """Where the rows of an entity set are kept."""
        return self.tables[entity.table]

    def find(self, entity: Entity, key: str) -> Row:
        """The row with that number, code or id; KeyError if there is none."""
        table = self.table(entity)
        row = table.by_key.get(key) or table.by_id.get(key)
        if row is None:
            raise KeyError(f"no {entity.single} {key!r}")
        return row

    def draft(self, entity: Entity, row: Row | None = None) -> Draft:
        """A copy of a row to work on, or a blank record with a new id."""
        values = list(row.values) if row is not None else [*self._blanks[entity.name]]
        draft = Draft(entity, values, self.tables, self.lcy)
        draft.before, draft.effects = row, self.hooks(entity).effects
        draft.in_page_order = self.setup.property_order == "page"
        draft.read_only_passes = self.setup.read_only_unchanged_passes
        if row is None:
            draft["id"] = self.table(entity).new_id()
        return draft

    def fill_template(self, draft: Draft) -> None:
        """What configuration templates put into a new record (checklist E20)."""
        if "currencyId" in draft.entity.columns:
            draft.set_currency("")
        if self.setup.templates:
            fill_template(draft)

    def take_number(self, entity: Entity, series: str = "") -> str:
        """The next free number of the series, which is that of the entity set unless another one is named."""
        series = series or entity.name
        number, step = self.next_numbers[series], SERIES[series][1]
        while number in self.table(entity).by_key:
            number = increase(number, step)
        self.next_numbers[series] = increase(number, step)
        return number

    def store(self, draft: Draft, stamp: int | None, now: int, *, by_code: bool = False) -> Row:
        """Writes a draft; `stamp` None leaves the old one, `now` is when readers can see it.

        `by_code`: table triggers are passed by, so that the date of the last modification stays (section 1.7).
        """
        entity, hooks, table = draft.entity, self.hooks(draft.entity), self.table(draft.entity)
        with self.undo.transaction(now):
            if stamp is not None and not by_code:
                hooks.settle(self, draft, now)
            if stamp is not None and STAMP in entity.columns:
                _settle_date(draft, by_code=by_code)
                draft[STAMP] = stamp
            row = table.make(draft.values)
            other = table.by_key.get(row.key)
            if other is not None and other.id != row.id:
                raise ValueError(f"{entity.single} {row.key} exists already")
            table.put(row, now)
            if stamp is not None and not by_code:
                hooks.stored(self, draft.before, row, stamp, now)
            return table.by_id[row.id]

    def remove(self, entity: Entity, row: Row, now: int) -> None:
        """Takes a record out, and what hangs on it."""
        with self.undo.transaction(now):
            self.table(entity).drop(row, now)
            self.hooks(entity).removed(self, row, now)

    def add(self, entity: Entity, fields: Mapping[str, Any], now: datetime) -> Row:
        """A new record as a person would make it: series and templates fill what is not named."""
        draft = self.draft(entity)
        self.fill_template(draft)
        self.hooks(entity).begin(self, draft, sql_stamp(now))
        self.put_fields(draft, fields)
        if entity.key == "number" and not draft["number"]:
            draft["number"] = self.take_number(entity)
        stamp = draft[STAMP] if STAMP in fields else sql_stamp(now)
        return self.store(draft, stamp, sql_stamp(now))

    def put_fields(self, draft: Draft, fields: Mapping[str, Any]) -> None:
        """Sets fields without the checks of the API, so that bad data can be made; ValueError for what cannot be."""
        if self.hooks(draft.entity).validated:
            self._apply(draft, fields)
            return
        for name, value in fields.items():
            field = draft.entity.by_name.get(name)
            if field is None:
                raise ValueError(f"{draft.entity.single} has no field {name!r}")
            if field.pair:
                self._put_pair(draft, field, value)
            elif name == "currencyCode" and "currencyId" in draft.entity.columns:
                self._put_currency(draft, str(value))
            else:
                draft[name] = plain_value(field, value)

    def _apply(self, draft: Draft, fields: Mapping[str, Any]) -> None:
        try:
            if draft.before is not None:
                self.hooks(draft.entity).changing(self, draft.before)
            apply_body(draft, as_sent(fields))
        except Problem as problem:
            raise ValueError(problem.message) from None

    def _put_pair(self, draft: Draft, field: Field, value: Any) -> None:
        try:
            apply_pair(draft, field, plain_value(field, value))
        except Problem as problem:
            raise ValueError(problem.message) from None

    def _put_currency(self, draft: Draft, code: str) -> None:
        if code not in ("", self.lcy) and code not in self.tables["currencies"].by_key:
            raise ValueError(f"no currency {code!r}")
        draft.set_currency(code)

    def _blank(self, entity: Entity) -> list[Any]:
        fields = [*entity.fields, *entity.hidden]
        return [field.blank for field in fields]


def _settle_date(draft: Draft, *, by_code: bool) -> None:
    if "dateModified" not in draft.entity.columns:
        return
    if not by_code:
        draft["dateModified"] = AS_STAMPED
    elif draft["dateModified"] == AS_STAMPED:
        draft["dateModified"] = draft[STAMP]


def as_sent(value: Any) -> Any:
    """A Python value as it comes out of a body: Decimal for float, at any depth."""
    if isinstance(value, Mapping):
        return {name: as_sent(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_sent(part) for part in value]
    return Decimal(str(value)) if isinstance(value, float) else value


def plain_value(field: Field, value: Any) -> Any:
    """A Python value as the field holds it; ValueError if the field cannot hold it."""
    if isinstance(value, datetime):
        return sql_stamp(value)
    try:
        return wire_value(field, Decimal(str(value)) if field.kind == "decimal" else value)
    except (Problem, ArithmeticError) as error:
        raise ValueError(f"{field.name}: {error}") from None


@dataclass(slots=True)
class LateEdit:
    """A change whose stamp is taken and that nobody sees before `commit` (checklist E10)."""

    company: Company
    entity: Entity
    number: str
    fields: Mapping[str, Any]
    stamp: int
    emulator: Any
    by_code: bool = False

    def commit(self) -> dict[str, Any]:
        """Makes it visible, with the old stamp; KeyError if the record is gone by now."""
        with self.emulator.lock:
            draft = self.company.draft(self.entity, self.company.find(self.entity, self.number))
            self.company.put_fields(draft, self.fields)
            now = sql_stamp(self.emulator.clock.now())
            row = self.company.store(draft, self.stamp, now, by_code=self.by_code)
            return shown(self.entity, row)
