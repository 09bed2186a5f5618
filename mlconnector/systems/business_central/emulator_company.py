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
from mlconnector.systems.business_central.emulator_entities import AS_STAMPED, ENTITIES
from mlconnector.systems.business_central.emulator_field import Entity, Field
from mlconnector.systems.business_central.emulator_rows import Row, Table, row_text, sql_stamp
from mlconnector.systems.business_central.emulator_write import Draft, wire_value

SERIES = {"customers": ("C00010", 10), "vendors": ("V00010", 10), "items": ("1000", 1)}
SERIES_NAMES = {"customers": "CUST", "vendors": "VEND", "items": "ITEM"}
STAMP = "lastModifiedDateTime"


def increase(number: str, by: int) -> str:
    """The last group of digits goes up, its width stays (checklist E19)."""

    def count(found: re.Match[str]) -> str:
        return str(int(found[0]) + by).zfill(len(found[0]))

    return re.sub(r"\d+(?=\D*$)", count, number, count=1)


def shown(entity: Entity, row: Row) -> dict[str, Any]:
    """A row as the page shows it, decimals as Decimal."""
    data: dict[str, Any] = json.loads(row_text(entity, row), parse_float=Decimal)
    return data


class Company:
    """Tables by entity set. `now` is always passed in: the stamp's time and the time readers see a change differ."""

    def __init__(self, name: str, place: int, lcy: str) -> None:
        self.name = name
        self.lcy = lcy
        self.id = f"9ee48135-93e1-ef11-9344-{0x6045BDE9CA09 + place:012x}"
        bases = [entity for entity in ENTITIES.values() if entity.table == entity.name != "companies"]
        self.tables = {
            entity.name: Table(entity, f"-{0x7B01 + n:04x}-f111-a1fd-{0x7CED8D2674F8 + place:012x}")
            for n, entity in enumerate(bases)
        }
        self.next_numbers = {name: start for name, (start, _) in SERIES.items()}
        self._blanks = {entity.name: self._blank(entity) for entity in bases}

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
        if row is None:
            draft["id"] = self.table(entity).new_id()
        return draft

    def fill_template(self, draft: Draft) -> None:
        """What configuration templates put into a new customer or vendor (checklist E20)."""
        if draft.entity.name not in ("customers", "vendors"):
            return
        draft.set_currency("")
        draft["paymentTermsId"] = draft.code_id("paymentTerms", "1M(8D)")
        draft["generalBusinessPostingGroup"] = "DOMESTIC"
        draft["customerPostingGroup" if draft.entity.name == "customers" else "vendorPostingGroup"] = (
            "DOMESTIC"
        )
        if draft.entity.name == "customers":
            draft["shipmentMethodId"] = draft.code_id("shipmentMethods", "EXW")
            area = self.tables["taxAreas"].by_key.get("DOMESTIC")
            if area is not None:
                draft["taxAreaId"], draft["taxAreaDisplayName"] = area.id, area.values[2]

    def take_number(self, entity: Entity) -> str:
        """The next free number of the series."""
        number, step = self.next_numbers[entity.name], SERIES[entity.name][1]
        while number in self.table(entity).by_key:
            number = increase(number, step)
        self.next_numbers[entity.name] = increase(number, step)
        return number

    def store(self, draft: Draft, stamp: int | None, now: int, *, by_code: bool = False) -> Row:
        """Writes a draft; `stamp` None leaves the old one, `now` is when readers can see it.

        `by_code`: table triggers are passed by, so that the date of the last modification stays (section 1.7).
        """
        if stamp is not None:
            _settle_date(draft, by_code=by_code)
            draft[STAMP] = stamp
        table = self.table(draft.entity)
        row = table.make(draft.values)
        other = table.by_key.get(row.key)
        if other is not None and other.id != row.id:
            raise ValueError(f"{draft.entity.single} {row.key} exists already")
        return table.put(row, now)

    def add(self, entity: Entity, fields: Mapping[str, Any], now: datetime) -> Row:
        """A new record as a person would make it: series and templates fill what is not named."""
        draft = self.draft(entity)
        self.fill_template(draft)
        self.put_fields(draft, fields)
        if entity.key == "number" and not draft["number"]:
            draft["number"] = self.take_number(entity)
        stamp = None if STAMP in fields else sql_stamp(now)
        return self.store(draft, stamp, sql_stamp(now))

    def put_fields(self, draft: Draft, fields: Mapping[str, Any]) -> None:
        """Sets fields without the checks of the API, so that bad data can be made; ValueError for what cannot be."""
        for name, value in fields.items():
            field = draft.entity.by_name.get(name)
            if field is None:
                raise ValueError(f"{draft.entity.single} has no field {name!r}")
            if name == "currencyCode" and "currencyId" in draft.entity.columns:
                self._put_currency(draft, str(value))
            else:
                draft[name] = plain_value(field, value)

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
