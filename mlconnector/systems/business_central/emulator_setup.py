"""How a company is set up, and which of two behaviours the platform shows where the fact sheet says UNCERTAIN."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Setup:
    """Switches; they may be changed at any time. The defaults are those of the demo company.

    `external_document_required`: Sales & Receivables Setup wants External Document No. at posting (2.9).
    `templates`: configuration templates fill posting groups, terms, units (2.0); nothing can be posted without.
    `linked_contacts`: Marketing Setup has a business relation code, so customers and vendors get a contact (2.5).
    `property_order`: how the properties of a body are applied, `json` or `page` (2.16, UNCERTAIN).
    `totals_after_lines`: the answer to a deep insert has the totals of its lines (4.4, UNCERTAIN).
    `unchanged_write_stamps`: a PATCH that changes nothing moves the stamp (3.6, UNCERTAIN).
    `read_only_unchanged_passes`: a body may hold a read-only field with the value it has (2.0, UNCERTAIN).
    `missing_expand`: a 0..1 property without a row is `null` or `absent` in `$expand` (E12, UNCERTAIN).
    `ignores_page_variables`: `$filter` and `$orderby` on page variables do nothing, instead of a 400 (2.17, UNCERTAIN).
    `permission_status`: 400, 401 or 403 for missing permissions (6.5, UNCERTAIN).
    `commit_delay_seconds`: what the API and `people` write is stamped that long before it is seen (E10).
    `batch_counts_parts`: each part of a `$batch` counts towards the rate (4.6, UNCERTAIN).
    """

    external_document_required: bool = False
    templates: bool = True
    linked_contacts: bool = True
    property_order: str = "json"
    totals_after_lines: bool = True
    unchanged_write_stamps: bool = True
    read_only_unchanged_passes: bool = False
    missing_expand: str = "null"
    ignores_page_variables: bool = False
    permission_status: int = 400
    commit_delay_seconds: float = 0.0
    batch_counts_parts: bool = True
