"""Records as a `Change` shows them: as Pipedrive sends them, custom fields by key and name, amounts as Decimal."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from mlconnector.systems.pipedrive.api import Record
from mlconnector.systems.pipedrive.fields import Definitions, Field, custom_names

AMOUNTS: Mapping[str, tuple[str, ...]] = {
    "deal": ("value", "arr", "mrr", "acv", "probability"),
    "organization": ("annual_revenue",),
    "person": (),
    "product": ("tax",),
    "line": ("item_price", "quantity", "discount", "tax", "sum"),
    "discount": ("amount",),
    "price": ("price", "cost", "direct_cost"),
}
MOST_ASKED = 15
"""So many custom fields a list can be restricted to; with more of them all come (section 2)."""


class Shape:
    """How records of one kind are shown. `paths` are the fields that are mapped; None: all of them."""

    def __init__(self, definitions: Definitions, paths: Collection[str] | None = None) -> None:
        self._definitions = definitions
        self._names = None if paths is None else custom_names(paths)
        self._labels_category = paths is None or "category" in paths
        self.kind = definitions.kind

    def parameters(self) -> dict[str, str]:
        """What a list is asked with, so that only the custom fields come that are wanted. Raises ConfigError."""
        if self._names is None or not 0 < len(self._wanted) <= MOST_ASKED:
            return {}
        return {"custom_fields": ",".join(sorted(self._wanted))}

    def show(self, raw: Mapping[str, Any]) -> Record:
        """One record (SPEC of `Change.record`: section 3 of the sheet, null for what is empty)."""
        record = with_amounts(raw, self.kind)
        record["custom_fields"] = self._custom(raw.get("custom_fields") or {})
        if self.kind == "person":
            record["primary_email"] = primary(raw.get("emails"))
            record["primary_phone"] = primary(raw.get("phones"))
        elif self.kind == "product":
            record["prices"] = [with_amounts(price, "price") for price in raw.get("prices") or ()]
            record["category"] = self._category(raw.get("category"))
        return record

    @cached_property
    def _wanted(self) -> Mapping[str, str]:
        """Key → name of each field that is wanted; the name is empty where two fields share it."""
        definitions = self._definitions
        names = self._names
        fields = definitions.custom if names is None else [definitions.one(name) for name in names]
        return {
            one.field_code: one.field_name.strip() if len(definitions.named(one.field_name)) == 1 else ""
            for one in fields
        }

    def _custom(self, values: Mapping[str, Any]) -> Record:
        """Each value under its key, and under its name."""
        if self._names is None and values.keys() - self._wanted.keys() and self._definitions.read_again():
            del self._wanted
        shown: Record = {}
        for code, name in self._wanted.items():
            shown[code] = self._value(code, values.get(code))
            if name:
                shown[name] = shown[code]
        return shown

    def _value(self, code: str, value: Any) -> Any:
        field = self._definitions.by_code.get(code) if value is not None else None
        if field is None:
            return value
        if field.field_type == "enum":
            return self._label(field, value)
        if field.field_type == "set":
            return [self._label(field, one) for one in value]
        if field.field_type == "double":
            return _decimal(value)
        if field.field_type == "monetary" and isinstance(value, dict):
            return {**value, "value": _decimal(value.get("value"))}
        return value

    def _label(self, field: Field, id_: Any) -> Any:
        """The option's label; the id itself if the option is gone (6.1)."""
        label = field.label_of(id_)
        if label is None and self._definitions.read_again():
            label = self._definitions.by_code.get(field.field_code, field).label_of(id_)
        return id_ if label is None else label

    def _category(self, id_: Any) -> Any:
        if id_ is None or not self._labels_category:
            return id_
        field = self._definitions.by_code.get("category")
        return id_ if field is None else self._label(field, id_)


def with_amounts(raw: Mapping[str, Any], what: str) -> Record:
    """A copy in which whole amounts are Decimal too: JSON does not tell 12 from 12.0."""
    record = dict(raw)
    for name in AMOUNTS[what]:
        if name in record:
            record[name] = _decimal(record[name])
    return record


def primary(entries: Any) -> str | None:
    """The primary one of `emails` or `phones`, else the first; None if there is none."""
    kept = [one for one in entries or () if one.get("value")]
    chosen = next((one for one in kept if one.get("primary")), kept[0] if kept else None)
    return None if chosen is None else str(chosen["value"])


def is_deleted(raw: Mapping[str, Any]) -> bool:
    """Whether it lies in the bin (9.1)."""
    return bool(raw.get("is_deleted")) or raw.get("status") == "deleted"


def stamp_of(raw: Mapping[str, Any]) -> datetime | None:
    """Its `update_time`, aware; None without one."""
    return read_moment(raw.get("update_time"))


def read_moment(text: Any) -> datetime | None:
    """A time in any of Pipedrive's spellings (section 2), UTC where it does not say; None for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _decimal(value: Any) -> Any:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
