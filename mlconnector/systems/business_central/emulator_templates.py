"""What the demo company's configuration templates fill in a new record (fact sheet 2.0, checklist E20)."""

from __future__ import annotations

from collections.abc import Mapping

from mlconnector.systems.business_central.emulator_field import NO_GUID
from mlconnector.systems.business_central.emulator_write import Draft

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "customers": {"generalBusinessPostingGroup": "DOMESTIC", "customerPostingGroup": "DOMESTIC"},
    "vendors": {"generalBusinessPostingGroup": "DOMESTIC", "vendorPostingGroup": "DOMESTIC"},
}
_IDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "customers": {
        "paymentTermsId": ("paymentTerms", "1M(8D)"),
        "shipmentMethodId": ("shipmentMethods", "EXW"),
        "taxAreaId": ("taxAreas", "DOMESTIC"),
    },
    "vendors": {"paymentTermsId": ("paymentTerms", "1M(8D)")},
    "items": {
        "taxGroupId": ("taxGroups", "STANDARD"),
        "baseUnitOfMeasureId": ("unitsOfMeasure", "PCS"),
        "generalProductPostingGroupId": ("generalProductPostingGroups", "RETAIL"),
        "inventoryPostingGroupId": ("inventoryPostingGroups", "RESALE"),
    },
}


def fill_template(draft: Draft) -> None:
    """Fills a blank draft; the body, which comes later, has the last word."""
    for name, text in _TEXTS.get(draft.entity.name, {}).items():
        draft[name] = text
    for name, (table, code) in _IDS.get(draft.entity.name, {}).items():
        draft[name] = draft.code_id(table, code)
        pair = draft.entity.by_name[name].pair
        if pair and draft[name] != NO_GUID:
            draft[pair] = code
    area = draft.row("taxAreas", draft["taxAreaId"]) if draft.entity.name == "customers" else None
    if area is not None:
        draft["taxAreaDisplayName"] = area.values[draft.tables["taxAreas"].entity.columns["displayName"]]
