"""Field tables of items and their variants (fact sheet 2.6, 2.7)."""

from __future__ import annotations

from mlconnector.systems.business_central.emulator_columns import (
    column,
    entity_set,
    id_column,
    number_column,
    option_column,
    stamp_column,
)
from mlconnector.systems.business_central.emulator_field import Field, Navigation
from mlconnector.systems.business_central.emulator_masters import DEFAULT_DIMENSIONS_OF


def _pair(stem: str, target: str, length: int) -> tuple[Field, Field]:
    """Id and code of a row of another table."""
    return (
        column(f"{stem}Id", "guid", refers=target, pair=f"{stem}Code"),
        column(f"{stem}Code", "code", length, refers=target, pair=f"{stem}Id"),
    )


ITEMS = entity_set(
    "items",
    "item",
    "Item",
    (
        id_column(),
        number_column(),
        column("displayName", "text", 100, caption="Description"),
        column("displayName2", "text", 50, caption="Description 2"),
        option_column("type", "Inventory", "Service", "Non-Inventory"),
        *_pair("itemCategory", "itemCategories", 20),
        column("blocked", "bool"),
        column("gtin", "code", 14, caption="GTIN"),
        column("inventory", "decimal", stored=False),
        column("unitPrice", "decimal", least=0),
        column("priceIncludesTax", "bool"),
        column("unitCost", "decimal", least=0),
        *_pair("taxGroup", "taxGroups", 20),
        *_pair("baseUnitOfMeasure", "unitsOfMeasure", 10),
        *_pair("generalProductPostingGroup", "generalProductPostingGroups", 20),
        *_pair("inventoryPostingGroup", "inventoryPostingGroups", 20),
        stamp_column("R"),
    ),
    key="number",
    hidden=(column("entries", "bool"),),
    navigation=(
        Navigation("itemCategory", "itemCategories", "itemCategoryId"),
        Navigation("unitOfMeasure", "unitsOfMeasure", "baseUnitOfMeasureId"),
        Navigation("inventoryPostingGroup", "inventoryPostingGroups", "inventoryPostingGroupId"),
        Navigation(
            "generalProductPostingGroup", "generalProductPostingGroups", "generalProductPostingGroupId"
        ),
        Navigation("itemVariants", "itemVariants", "itemId", many=True),
        DEFAULT_DIMENSIONS_OF,
    ),
)

ITEM_VARIANTS = entity_set(
    "itemVariants",
    "itemVariant",
    "Item Variant",
    (
        id_column(),
        column("itemId", "guid", refers="items", pair="itemNumber"),
        column("itemNumber", "code", 20, caption="Item No.", refers="items", pair="itemId"),
        column("code", "code", 10, caption="Code"),
        column("description", "text", 100),
        stamp_column(),
    ),
    key="place",
    hidden=(column("place", "text"),),
    navigation=(Navigation("item", "items", "itemId"),),
)
