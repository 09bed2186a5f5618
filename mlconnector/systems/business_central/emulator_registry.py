"""Which code stands behind which table: one line an entity set."""

from __future__ import annotations

from collections.abc import Mapping

from mlconnector.systems.business_central.emulator_contacts import (
    CONTACT_HOOKS,
    CUSTOMER_HOOKS,
    VENDOR_HOOKS,
)
from mlconnector.systems.business_central.emulator_dimensions import DEFAULT_DIMENSION_HOOKS
from mlconnector.systems.business_central.emulator_documents import INVOICE_HOOKS, ORDER_HOOKS
from mlconnector.systems.business_central.emulator_hooks import Hooks
from mlconnector.systems.business_central.emulator_items import ITEM_HOOKS, TAX_GROUP_HOOKS, VARIANT_HOOKS
from mlconnector.systems.business_central.emulator_lines import INVOICE_LINE_HOOKS, ORDER_LINE_HOOKS

HOOKS: Mapping[str, Hooks] = {
    "customers": CUSTOMER_HOOKS,
    "vendors": VENDOR_HOOKS,
    "contacts": CONTACT_HOOKS,
    "items": ITEM_HOOKS,
    "itemVariants": VARIANT_HOOKS,
    "defaultDimensions": DEFAULT_DIMENSION_HOOKS,
    "taxGroups": TAX_GROUP_HOOKS,
    "salesOrders": ORDER_HOOKS,
    "salesOrderLines": ORDER_LINE_HOOKS,
    "salesInvoices": INVOICE_HOOKS,
    "salesInvoiceLines": INVOICE_LINE_HOOKS,
}
