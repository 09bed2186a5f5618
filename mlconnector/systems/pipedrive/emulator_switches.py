"""The switches of the emulated Pipedrive: what the fact sheet calls UNCERTAIN, and features of an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints


@dataclass(kw_only=True, slots=True)
class Switches:
    """Uncertain behaviour, default first (fact sheet section and 12), then moods; may be changed while it runs."""

    line_change_updates_deal: Literal["when the value changes", "always"] = "when the value changes"
    """4: whether the deal's `update_time` moves when only its lines do."""
    line_name: Literal["current", "copied"] = "current"
    """Whether a line shows the product's name of today or of the day it was added: no source says."""
    sums_with_tax: bool = False
    """4: whether `sum` and the deal's value contain tax under `exclusive`."""
    line_sums_net: bool = False
    """12, question 7: the deal's value contains tax, and the `sum` of a line does not."""
    won_time_when_reopened: Literal["cleared", "kept"] = "cleared"
    price_change_updates_product: bool = True
    get_deleted: Literal["record", "not-found", "error"] = "record"
    delete_again: Literal["not-found", "accepted"] = "not-found"
    invisible: Literal["not-found", "forbidden"] = "not-found"
    large_limit: Literal["refused", "clamped"] = "refused"
    broken_cursor: Literal["refused", "from-start"] = "refused"
    unknown_parameters: Literal["ignored", "refused"] = "ignored"
    unknown_keys: Literal["refused", "ignored"] = "refused"
    """Of a body."""
    offset_times: Literal["refused", "accepted"] = "refused"
    """2.2: `updated_since` with `+02:00` where Z is documented."""
    filter_with_window: Literal["combined", "window-ignored"] = "combined"
    contact_lists_on_patch: Literal["replaced", "merged"] = "replaced"
    """3.2: `emails` and `phones`."""
    null_unlinks: bool = True
    """3.1: whether a deal's `person_id` and `org_id` take null."""
    geocoding: bool = False
    """3.3: whether the server fills the parts of an address of which only `value` was sent."""
    labels_key: Literal["labels", "label"] = "labels"
    label_field_code: Literal["label_ids", "label"] = "label_ids"
    field_search_shape: Literal["plain", "items"] = "plain"
    """5.3: the answer of itemSearch/field."""
    recents_of_deleted: Literal["record", "null"] = "record"
    recents_days: int = 30
    retired_v1: Literal[410, 404] = 410
    """The v1 twins."""
    token_in_query: bool = False
    """1.2: `?api_token=`, on v1 only."""
    token_type: Literal["Bearer", "bearer"] = "Bearer"  # noqa: S105  # a word of the protocol
    failed_requests_cost: bool = True
    daily_headers: bool = True

    search_lag_seconds: float = 3.0
    access_token_seconds: int = 3599
    user_denies: bool = False
    contact_sync: bool = False
    organization_details: bool = False
    """3.3: website, linkedin, industry, annual_revenue and employee_count."""
    marketing: bool = False
    max_custom_fields: int = 100
    repeated_page_items: bool = False
    """The last item of a page comes once more at the start of the next one."""
    edits_during_walks: bool = False
    """After each page but the last, its first record is edited by somebody."""

    def change(self, values: Mapping[str, Any]) -> None:
        """Sets switches by name; KeyError for a name that is none, ValueError for a value it does not take."""
        hints = get_type_hints(Switches)
        for name, value in values.items():
            choices = get_args(hints[name])
            wrong = value not in choices if choices else not isinstance(value, (hints[name], int))
            if wrong:
                raise ValueError(f"{name} takes {choices or hints[name].__name__}, not {value!r}")
        for name, value in values.items():
            setattr(self, name, value)
