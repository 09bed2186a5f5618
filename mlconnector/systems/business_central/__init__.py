"""Dynamics 365 Business Central through API v2.0: what the connection file may say about it, and its entities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mlconnector.model import Tools
from mlconnector.systems.base import Connected, Entity, System
from mlconnector.systems.business_central.fields import CUSTOMER, VENDOR


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`systems: <alias>: {kind: business_central, …}`."""

    kind: str = "business_central"
    tenant: Annotated[str, Meta(description="Entra tenant: its id (a GUID) or a verified domain")]
    client_id: Annotated[str, Meta(description="application (client) id of the app registration in Entra")]
    environment: Annotated[str, Meta(description="environment name in the admin centre")] = "Production"
    company: Annotated[str, Meta(description="company name or id")]
    base_url: Annotated[
        str, Meta(description="where the API is; a URL that holds /api/ is taken as it stands")
    ] = "https://api.businesscentral.dynamics.com"
    login_url: Annotated[str, Meta(description="where tokens come from")] = (
        "https://login.microsoftonline.com"
    )
    page_size: Annotated[int, Meta(ge=1, le=20000, description="records a page")] = 1000
    parallel: Annotated[int, Meta(ge=1, le=5, description="requests at once")] = 4


def connect(settings: Settings, secrets: Mapping[str, str], tools: Tools) -> Connected:
    """One company of one environment; talks only when asked to."""
    from mlconnector.systems.business_central.read import BusinessCentral

    return BusinessCentral(settings, secrets, tools)


def _needs(settings: Any) -> tuple[str, ...]:
    return ("client_secret",)


SYSTEM = System(
    name="business_central",
    settings=Settings,
    secrets={
        "client_secret": "the Value (not the Secret ID) of a client secret of the app registration in Entra",
    },
    entities={
        "customer": Entity(key="number", fields=CUSTOMER),
        "vendor": Entity(key="number", fields=VENDOR),
    },
    connect=connect,
    needs=_needs,
)
