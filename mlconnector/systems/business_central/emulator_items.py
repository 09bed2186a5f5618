"""The code behind items, their variants and what else a sale needs (fact sheet 2.6, 2.7, trap T16).

Texts that the sheet does not have: those for entries, for posting groups of services and for items in documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mlconnector.systems.business_central.emulator_answers import refused
from mlconnector.systems.business_central.emulator_company import Company
from mlconnector.systems.business_central.emulator_field import NO_GUID
from mlconnector.systems.business_central.emulator_goods import ITEMS
from mlconnector.systems.business_central.emulator_hooks import Effect, Hooks
from mlconnector.systems.business_central.emulator_rows import Row
from mlconnector.systems.business_central.emulator_write import Draft

_LINES = {"salesOrderLines": "Sales Order", "salesInvoiceLines": "Sales Invoice"}


def _book_stock(draft: Draft, old: Decimal) -> None:
    """A PATCH of `inventory` posts the difference; a POST is refused."""
    if draft.before is None:
        raise refused("Inventory cannot be changed during on insert.")
    if draft["inventory"] != old:
        draft["entries"] = True


def _fixed_by_entries(caption: str, field: str) -> Effect:
    def check(draft: Draft, old: Any) -> None:
        if draft["entries"] and draft[field] != old:
            raise refused(
                f"You cannot change {caption} because there are one or more ledger entries for this item."
            )

    return check


def _settle(company: Company, draft: Draft, now: int) -> None:
    """Only what is kept in stock has an inventory posting group; another type takes the template's away."""
    if draft["type"] == "Inventory" or not draft["inventoryPostingGroupCode"]:
        return
    if (
        draft.sent.get("inventoryPostingGroupCode")
        or draft.sent.get("inventoryPostingGroupId", NO_GUID) != NO_GUID
    ):
        raise refused(f"Inventory Posting Group must be blank for items of type {draft['type']}.")
    draft["inventoryPostingGroupId"], draft["inventoryPostingGroupCode"] = NO_GUID, ""


def _keep_used(company: Company, row: Row) -> None:
    """An item with entries, or one in a document, stays."""
    if row.values[ITEMS.columns["entries"]]:
        raise refused(f"You cannot delete Item {row.key} because there are ledger entries for this item.")
    for name, caption in _LINES.items():
        column = company.tables[name].entity.columns["itemId"]
        if any(line.values[column] == row.id for line in company.tables[name].rows):
            raise refused(
                f"You cannot delete Item {row.key} because there is at least one outstanding {caption} "
                "that includes this item."
            )


def _rename(company: Company, before: Row | None, row: Row, stamp: int | None, now: int) -> None:
    """Lines name their item by its number; they are rewritten, and their documents with them."""
    if before is None or before.key == row.key:
        return
    for name in _LINES:
        table = company.tables[name]
        for line in [*table.rows]:
            if line.values[table.entity.columns["itemId"]] == row.id:
                draft = company.draft(table.entity, line)
                draft["lineObjectNumber"] = row.key
                company.store(draft, stamp, now)


_EFFECTS: Mapping[str, Effect] = {
    "inventory": _book_stock,
    "type": _fixed_by_entries("Type", "type"),
    "unitCost": _fixed_by_entries("Unit Cost", "unitCost"),
}
ITEM_HOOKS = Hooks(effects=_EFFECTS, settle=_settle, stored=_rename, removing=_keep_used)


def _place_variant(company: Company, draft: Draft, now: int) -> None:
    if draft["itemId"] == NO_GUID:
        raise refused("Item does not exist.")
    draft["place"] = f"{draft['itemId']}/{draft['code']}"


VARIANT_HOOKS = Hooks(settle=_place_variant)


def _mark_tax(company: Company, draft: Draft, now: int) -> None:
    """A tax group made by hand is taxed as the ordinary one."""
    ordinary = company.tables["taxGroups"].by_key.get("STANDARD")
    if draft.before is None and ordinary is not None:
        draft["percent"] = ordinary.values[draft.entity.columns["percent"]]


TAX_GROUP_HOOKS = Hooks(settle=_mark_tax)
