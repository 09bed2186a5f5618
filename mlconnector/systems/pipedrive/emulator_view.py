"""How the emulated Pipedrive shows records, lists and field definitions in v2 (fact sheet 2, 3, 6.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlconnector.systems.pipedrive.emulator_errors import invalid
from mlconnector.systems.pipedrive.emulator_fields import Field, Fields, Option
from mlconnector.systems.pipedrive.emulator_query import Query, is_true
from mlconnector.systems.pipedrive.emulator_state import Company, Record

MOST_CUSTOM_FIELDS = 15
_COUNTS = (
    "email_messages_count", "activities_count", "done_activities_count", "undone_activities_count", "files_count",
    "notes_count", "followers_count",
)  # fmt: skip
_DEALS = ("open", "closed", "won", "lost")
_OF_DEALS = tuple(f"{prefix}{status}_deals_count" for prefix in ("", "related_") for status in _DEALS)
_NULLS = (
    "next_activity_id", "last_activity_id", "last_incoming_mail_time", "last_outgoing_mail_time", "smart_bcc_email",
    "source_lead_id", "doi_status",
)  # fmt: skip
INCLUDES: Mapping[str, tuple[str, ...]] = {
    "deal": (
        "next_activity_id", "last_activity_id", "first_won_time", "products_count", *_COUNTS, "participants_count",
        "last_incoming_mail_time", "last_outgoing_mail_time", "smart_bcc_email", "source_lead_id",
    ),
    "person": (
        "next_activity_id", "last_activity_id", *_OF_DEALS, "participant_open_deals_count",
        "participant_closed_deals_count", *_COUNTS, "last_incoming_mail_time", "last_outgoing_mail_time",
        "marketing_status", "doi_status", "smart_bcc_email",
    ),
    "organization": (
        "next_activity_id", "last_activity_id", *_OF_DEALS, *_COUNTS, "people_count", "smart_bcc_email",
    ),
    "product": (),
}  # fmt: skip
HIDDEN: Mapping[str, tuple[str, ...]] = {
    "contact_sync": ("postal_address", "notes", "im", "birthday", "job_title"),
    "organization_details": ("website", "linkedin", "industry", "annual_revenue", "employee_count"),
}
"""Keys that are absent unless the account has the feature."""


@dataclass
class Shape:
    """What a request wants to see of each record."""

    company: Company
    kind: str
    include: tuple[str, ...] = ()
    custom: tuple[str, ...] = ()
    option_labels: bool = False
    labels: bool = False

    def show(self, record: Record) -> Record:
        """The record as the API shows it: every custom field of the account, empty ones as null (3.5)."""
        shown = {name: value for name, value in record.items() if name not in self._hidden and name[0] != "_"}
        if self.kind == "deal" and record["is_deleted"]:
            shown["status"] = "deleted"
        if self.kind == "product":
            shown["prices"] = [{"product_id": record["id"], **price} for price in record["prices"]]
        shown["custom_fields"] = self._custom_values(record["custom_fields"])
        if self.labels:
            shown[self.company.switches.labels_key] = self._labels_of(record)
        return {**shown, **{name: self._included(name, record) for name in self.include}}

    def _custom_values(self, values: Mapping[str, Any]) -> Record:
        shown = {code: values.get(code) for code in self._codes}
        if self.option_labels:
            for code in shown:
                shown[code] = with_labels(self.company.fields[self.kind].by_code[code], shown[code])
        return shown

    def _labels_of(self, record: Record) -> list[Record]:
        field = self.company.fields[self.kind].by_code["label"]
        return [{"id": label, "label": field.label_of(label)} for label in record["label_ids"]]

    @cached_property
    def _codes(self) -> list[str]:
        codes = self.company.fields[self.kind].custom_codes
        return [code for code in codes if code in self.custom] if self.custom else codes

    @cached_property
    def _hidden(self) -> set[str]:
        switches = self.company.switches
        hidden = {name for switch, names in HIDDEN.items() if not getattr(switches, switch) for name in names}
        return {*hidden, "marketing_status"}

    def _included(self, name: str, record: Record) -> Any:
        if name == "products_count":
            return len(self.company.lines(record))
        if name == "first_won_time":
            return record["_first_won_time"]
        if name == "marketing_status":
            return record["marketing_status"] if self.company.switches.marketing else None
        if name == "people_count":
            return self._people[record["id"]]
        if name in _OF_DEALS:
            return self._deals[record["id"], name.removeprefix("related_").partition("_")[0]]
        return None if name in _NULLS else 0

    @cached_property
    def _people(self) -> Counter[int]:
        persons = self.company.tables["person"].listed
        return Counter(
            person["org_id"] for person in persons if person["org_id"] and not person["is_deleted"]
        )

    @cached_property
    def _deals(self) -> Counter[tuple[int, str]]:
        link = "person_id" if self.kind == "person" else "org_id"
        live = [deal for deal in self.company.tables["deal"].listed if not deal["is_deleted"]]
        found = Counter((deal[link], deal["status"]) for deal in live)
        found.update((deal[link], "closed") for deal in live if deal["status"] != "open")
        return found


def read_shape(company: Company, kind: str, query: Query, *, labels: bool = True) -> Shape:
    """From the query; without `labels` the two label parameters are not known (2.1)."""
    custom = _names(query, "custom_fields")
    if len(custom) > MOST_CUSTOM_FIELDS:
        raise invalid(f"custom_fields: must contain less than or equal to {MOST_CUSTOM_FIELDS} items")
    include = _names(query, "include_fields") if INCLUDES[kind] else ()
    if unknown := [name for name in include if name not in INCLUDES[kind]]:
        raise invalid(f"include_fields: {unknown[0]} is not allowed")
    option_labels, plain_labels = is_true(query, "include_option_labels"), is_true(query, "include_labels")
    return Shape(company, kind, include, custom, labels and option_labels, labels and plain_labels)


def with_labels(field: Field, value: Any) -> Any:
    """Options of enum and set as `{id, label}`; the label of one that is gone is null."""
    if value is None or field.type not in ("enum", "set"):
        return value
    shown = [
        {"id": option, "label": field.label_of(option)}
        for option in (value if isinstance(value, list) else [value])
    ]
    return shown if isinstance(value, list) else shown[0]


def field_view(fields: Fields, field: Field, extra: Iterable[str] = ()) -> Record:
    """A field definition (6.1)."""
    shown = {
        "field_name": field.name,
        "field_code": fields.code_of(field),
        "field_type": field.type,
        "description": field.description,
        "options": [option.view() for option in field.options] if field.options else None,
        "subfields": _subfields(field),
        "is_custom_field": field.custom,
        "is_optional_response_field": False,
    }
    return {**shown, **{name: _EXTRAS[name] for name in extra}}


def read_extras(query: Query) -> tuple[str, ...]:
    """`include_fields` of a field list."""
    names = _names(query, "include_fields")
    if unknown := [name for name in names if name not in _EXTRAS]:
        raise invalid(f"include_fields: {unknown[0]} is not allowed")
    return names


def option_views(options: Sequence[Option]) -> list[Record]:
    """Only the options that were touched (6.1)."""
    return [option.view() for option in options]


def _subfields(field: Field) -> list[Record] | None:
    parts = {
        "monetary": ("value", "currency"),
        "daterange": ("value", "until"),
        "timerange": ("value", "until"),
    }
    if field.type not in parts:
        return None
    return [
        {"field_code": part, "field_name": f"{part.title()} of {field.name}", "field_type": "varchar"}
        for part in parts[field.type]
    ]


def _names(query: Query, name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in query.get(name, "").split(",") if part.strip())


_EXTRAS: Mapping[str, Any] = {
    "ui_visibility": {"add_visible_flag": False, "details_visible_flag": True},
    "important_fields": {"enabled": False, "stage_ids": []},
    "required_fields": {"enabled": False, "stage_ids": [], "statuses": {}},
}
