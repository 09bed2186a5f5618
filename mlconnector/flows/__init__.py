"""The flows mlconnector knows: one module each (or one a pair of systems), one line here."""

from __future__ import annotations

from mlconnector.flows.kind import FlowKind
from mlconnector.flows.nav_mailchimp import CUSTOMERS_TO_MEMBERS, VENDORS_TO_MEMBERS

FLOWS: dict[str, FlowKind] = {
    "customers_to_members": CUSTOMERS_TO_MEMBERS,
    "vendors_to_members": VENDORS_TO_MEMBERS,
}
