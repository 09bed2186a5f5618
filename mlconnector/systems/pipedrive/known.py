"""The fields of Pipedrive's records that a mapping may name without asking the account (fact sheet section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlconnector.model import FieldInfo, FieldType

CUSTOM = "custom_fields."
ADDRESS_PARTS = (
    "value", "country", "admin_area_level_1", "admin_area_level_2", "locality", "sublocality", "route",
    "street_number", "subpremise", "postal_code",
)  # fmt: skip
"""3.3; what else comes (`formatted_address`) is not written."""


class Known(Mapping[str, FieldInfo]):
    """The built-in fields, and any name under `custom_fields.`: which of these the account has is told by `check`."""

    def __init__(self, *fields: FieldInfo) -> None:
        self._fields = {one.name: one for one in fields}

    def __getitem__(self, name: str) -> FieldInfo:
        if name.startswith(CUSTOM) and name != CUSTOM:
            return FieldInfo(name, "text", None, "a custom field, by name or by its 40-character key")
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def _fields(kind: FieldType, *names: str) -> tuple[FieldInfo, ...]:
    return tuple(FieldInfo(name, kind) for name in names)


_COMMON = (
    FieldInfo("id", "number"),
    FieldInfo("owner_id", "number", None, "a user's id"),
    FieldInfo("visible_to", "number", None, "1, 3, 5 or 7"),
    *_fields("datetime", "add_time", "update_time"),
)
_LABELS = FieldInfo("label_ids", "list", None, "ids of labels")
_ADDRESS = tuple(FieldInfo(f"address.{part}", "text") for part in ADDRESS_PARTS)

KNOWN: Mapping[str, Known] = {
    "organization": Known(
        FieldInfo("name", "text", 255),
        FieldInfo("address", "object", None, "all parts of the address; null if there is none"),
        *_ADDRESS,
        *_fields("text", "website", "linkedin"),
        *_fields("number", "industry", "annual_revenue", "employee_count"),
        _LABELS,
        *_COMMON,
    ),
    "person": Known(
        *_fields("text", "name", "first_name", "last_name"),
        FieldInfo("primary_email", "text", None, "the primary e-mail, else the first"),
        FieldInfo("primary_phone", "text", None, "the primary phone, else the first"),
        FieldInfo("emails", "list", None, "{value, primary, label} each"),
        FieldInfo("phones", "list", None, "{value, primary, label} each"),
        FieldInfo("org_id", "number", None, "the organization's id"),
        *_fields("text", "job_title", "notes"),
        FieldInfo("birthday", "date"),
        _LABELS,
        *_COMMON,
    ),
    "product": Known(
        FieldInfo("name", "text", 255),
        FieldInfo("code", "text", None, "free text, not unique"),
        *_fields("text", "description", "unit"),
        FieldInfo("tax", "number", None, "percent"),
        FieldInfo("category", "text", None, "by its label"),
        FieldInfo("is_linkable", "boolean", None, "whether it may be added to deals"),
        FieldInfo("billing_frequency", "text", None, "one-time, monthly, annually …"),
        FieldInfo("billing_frequency_cycles", "number"),
        FieldInfo("prices", "list", None, "{currency, price, cost, direct_cost, notes} each"),
        *_COMMON,
    ),
    "deal": Known(
        FieldInfo("title", "text", 255),
        FieldInfo("value", "number", None, "with products: the sum of their enabled lines less discounts"),
        FieldInfo("currency", "code", 3),
        FieldInfo("status", "text", None, "open, won or lost"),
        *_fields("number", "person_id", "org_id", "pipeline_id", "stage_id", "probability"),
        FieldInfo("lost_reason", "text"),
        *_fields("datetime", "won_time", "lost_time", "close_time", "stage_change_time"),
        *_fields("date", "local_won_date", "local_lost_date", "local_close_date", "expected_close_date"),
        FieldInfo("is_archived", "boolean"),
        FieldInfo("products", "list", None, "the lines of a won deal"),
        FieldInfo("discounts", "list", None, "discounts on the whole of a won deal"),
        *_fields("text", "origin", "origin_id", "channel"),
        _LABELS,
        *_COMMON,
    ),
}
