"""The flows mlconnector knows: one module a pair of systems, one line a flow, loaded when a connection names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlconnector.flows.kind import FlowKind

_MODULES = {
    "customers_to_members": "nav_mailchimp",
    "vendors_to_members": "nav_mailchimp",
    "organizations_to_customers": "pipedrive_business_central",
    "persons_to_contacts": "pipedrive_business_central",
    "products_to_items": "pipedrive_business_central",
    "deals_to_documents": "pipedrive_business_central",
    "customers_to_organizations": "pipedrive_business_central",
    "items_to_products": "pipedrive_business_central",
}
"""A flow's constant in its module has its name in capitals."""


class _Flows(Mapping[str, "FlowKind"]):
    def __getitem__(self, name: str) -> FlowKind:
        kind: FlowKind = getattr(import_module(f"mlconnector.flows.{_MODULES[name]}"), name.upper())
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


FLOWS: Mapping[str, FlowKind] = _Flows()
