"""What a flow into Business Central needs there, as far as it can be seen without writing (fact sheet 1.6, 4.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mlconnector.errors import ConfigError, ConnectorError
from mlconnector.model import Finding, Flow
from mlconnector.systems.base import failed
from mlconnector.systems.business_central.api import RECORD, Api, decode_row, read_page
from mlconnector.systems.business_central.dialects import V2
from mlconnector.systems.business_central.find import contacts_of, rows_where
from mlconnector.systems.business_central.verdict import READS, SYSTEM, WRITES

_SETS: Mapping[str, Sequence[str]] = {
    "customer": ("customers", "countriesRegions", "currencies"),
    "contact": ("contacts", "customers"),
    "item": ("items",),
    "document": ("salesOrders", "salesInvoices", "customers", "items", "currencies"),
    "posting": ("salesOrders", "salesInvoices"),
}
"""By target the entity sets it reads or writes."""


def leads_here(api: Api, flow: Flow) -> bool:
    """Whether a flow of this system writes to it; its source is another system then."""
    return flow.entity not in api.dialect.sets


def find_target_problems(api: Api, flow: Flow) -> Iterator[Finding]:
    """One finding for each entity set that cannot be read, and what is seen of the set-up. Never raises."""
    if api.dialect is not V2:
        message = f"{api.dialect.name} is only read from"
        yield Finding("error", flow.name, message, "a flow into Business Central needs api: v2.0")
        return
    failed = [problem for name in _SETS.get(flow.into, ()) for problem in _unreadable(api, flow, name)]
    yield from failed
    if failed:
        return
    yield Finding("ok", flow.name, f"{', '.join(_SETS.get(flow.into, ()))} can be read")
    if flow.into == "contact":
        yield from _company_contacts(api, flow)


def as_writer(finding: Finding) -> Finding:
    """What is missing to read is missing to write as well: one permission set is enough for both."""
    remedy = finding.remedy.replace(READS, WRITES).replace("may read ", "may read and write ")
    return replace(finding, remedy=remedy) if READS in finding.remedy else finding


def wrong_currency(api: Api, flow: Flow, options: Any) -> ConfigError | None:
    """Prices of items are in the company's own currency (section 2.7), and in nothing else whatever a flow says."""
    said = str(getattr(options, "currency", "")) if "item" in (flow.entity, flow.into) else ""
    local = api.local_currency().upper() if said else ""
    if not local or said == local:
        return None
    message = (
        f"{SYSTEM}: prices of items are in {local} there, and the flow {flow.name} says currency: {said}"
    )
    return ConfigError(message, hint=f"set currency: {local} in the flow {flow.name}")


def find_currency_problems(api: Api, flows: Sequence[tuple[Flow, Any]]) -> Iterator[Finding]:
    """One finding for each flow with another currency. Never raises: that it is not known is said elsewhere."""
    for flow, options in flows:
        with suppress(ConnectorError):
            if problem := wrong_currency(api, flow, options):
                yield failed(flow.name, problem)


def find_item_problems(api: Api, flows: Sequence[tuple[Flow, Any]]) -> Iterator[Finding]:
    """One finding for each flow whose default item is not there. Never raises: as above."""
    for flow, options in flows:
        number = str(getattr(options, "default_item", "")).strip().upper()
        if flow.into != "document" or not number:
            continue
        with suppress(ConnectorError):
            if not any(rows_where(api, "items", "number", [number], ["id", "number"])):
                remedy = "correct default_item, or add the item in Business Central"
                yield Finding("error", flow.name, f"default_item: there is no item {number}", remedy)


def _unreadable(api: Api, flow: Flow, entity_set: str) -> Iterator[Finding]:
    try:
        _first(api, entity_set)
    except ConnectorError as error:
        remedy = (
            error.hint or f"see whether this Business Central has {entity_set} (contacts since version 18)"
        )
        yield Finding("error", flow.name, f"{entity_set} cannot be read: {error.message}", remedy)


def _company_contacts(api: Api, flow: Flow) -> Iterator[Finding]:
    """Persons hang below the contact of type Company that a customer has, or has not (section 2.5)."""
    try:
        customers = [str(row["id"]) for row in _first(api, "customers")]
        found = contacts_of(api, customers)
    except ConnectorError as error:
        yield Finding(
            "warning",
            flow.name,
            f"contacts of customers cannot be read: {error.message}",
            "give the app a permission set in Business Central that reads contacts and customers",
        )
        return
    if any(not rows for rows in found.values()):
        yield Finding(
            "warning",
            flow.name,
            "the first customer has no contact of type Company; persons of such customers cannot be written",
            'in Marketing Setup set the business relation code for customers, then choose "Create Contact" on them',
        )


def _first(api: Api, entity_set: str) -> list[dict[str, Any]]:
    answer = api.get(api.address(entity_set, {"$top": "1"}))
    return [decode_row(RECORD, raw, answer) for raw in read_page(answer).value]
