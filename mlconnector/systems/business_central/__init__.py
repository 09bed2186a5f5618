"""Dynamics 365 Business Central and NAV: what the connection file may say about one, and its entities.

Online through API v2.0; servers of one's own through API v2.0, v1.0, beta or published OData pages (NAV 2017 on).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mlconnector.model import FieldInfo, Tools
from mlconnector.systems.base import Connected, Entity, System
from mlconnector.systems.business_central.fields import CONTACT, CUSTOMER, ITEM, VENDOR
from mlconnector.systems.business_central.mistakes import ONLINE, find_mistakes

CHUNK = 20
"""So many records go into one `$batch`. There is one lane only: parallel writes lock each other out (trap T42)."""
LATE = timedelta(minutes=10)
"""So long a call may still be carried out that nobody waits for any more: the operation ends after 8 minutes, the
gateway's answer comes after 10 (section 6.1). What is not there before that may come yet, so it is not made again."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`systems: <alias>: {kind: business_central, …}`."""

    kind: str = "business_central"
    tenant: Annotated[
        str, Meta(description="Entra tenant: its id (a GUID) or a verified domain; needed with login: entra")
    ] = ""
    client_id: Annotated[
        str,
        Meta(
            description="application (client) id of the app registration in Entra; needed with login: entra"
        ),
    ] = ""
    environment: Annotated[str, Meta(description="environment name in the admin centre")] = "Production"
    company: Annotated[str, Meta(min_length=1, pattern=r"\S", description="company name or id")]
    base_url: Annotated[
        str,
        Meta(
            description="where the API is; of a server of your own host, port and instance"
            " (https://nav.example.com:7048/BC250); a URL that holds /api/ or /ODataV4 is taken as it stands"
        ),
    ] = ONLINE
    api: Annotated[
        Literal["v2.0", "v1.0", "beta", "odata"],
        Meta(description="what the server offers: a version of its API, or published pages (odata)"),
    ] = "v2.0"
    login: Annotated[
        Literal["entra", "basic", "windows"],
        Meta(
            description="how to log in: Entra ID, user and password (or web service access key), or Windows"
        ),
    ] = "entra"
    user: Annotated[str, Meta(description="who logs in, with login: basic or windows (DOMAIN\\user)")] = ""
    server_tenant: Annotated[
        str, Meta(description="tenant of a multitenant server of your own (?tenant=)")
    ] = ""
    ca_bundle: Annotated[
        str,
        Meta(
            description="file (PEM) with the certificates of your own certificate authority; relative to this file"
        ),
    ] = ""
    services: Annotated[
        dict[Literal["customer", "vendor"], str],
        Meta(
            description="names under which pages 21 (customer) and 26 (vendor) are published, with api: odata"
        ),
    ] = {}
    login_url: Annotated[str, Meta(description="where tokens come from")] = (
        "https://login.microsoftonline.com"
    )
    page_size: Annotated[int, Meta(ge=1, le=20000, description="records a page")] = 1000
    parallel: Annotated[int, Meta(ge=1, le=5, description="requests at once")] = 4
    per_second: Annotated[
        float,
        Meta(gt=0, le=100, description="requests a second; online a user or app has 6000 in five minutes"),
    ] = 15.0


def connect(settings: Settings, secrets: Mapping[str, str], tools: Tools) -> Connected:
    """One company of one environment; talks only when asked to."""
    from mlconnector.systems.business_central.read import BusinessCentral

    return BusinessCentral(settings, secrets, tools)


def _needs(settings: Any) -> tuple[str, ...]:
    return ("client_secret",) if settings.login == "entra" else ("password",)


def _fields(settings: Any, entity: str) -> Mapping[str, FieldInfo]:
    from mlconnector.systems.business_central.dialects import dialect_of

    return dialect_of(settings).fields.get(entity, {})


def _origin(settings: Any) -> Mapping[str, str]:
    """A record keeps its GUID from one version of the API to the next; on a page its number is its key."""
    from mlconnector.systems.business_central.api import instance_url
    from mlconnector.systems.business_central.dialects import dialect_of

    pages = dialect_of(settings).pages
    return {
        "ids": "numbers (api: odata)" if pages else "GUIDs (api: v2.0, v1.0, beta)",
        "server": instance_url(settings),
        "server_tenant": settings.server_tenant,
        "company": settings.company.strip(),
    }


def _owner(settings: Any) -> str:
    from mlconnector.systems.business_central.dialects import dialect_of

    return dialect_of(settings).name


SYSTEM = System(
    name="business_central",
    settings=Settings,
    secrets={
        "client_secret": "the Value (not the Secret ID) of a client secret of the app registration in Entra",
        "password": "the user's password, or the web service access key of the user's card (login: basic, windows)",
    },
    entities={
        "customer": Entity(key="number", batch=CHUNK, settle=LATE, fields=CUSTOMER, title="displayName"),
        "vendor": Entity(key="number", fields=VENDOR),
        "contact": Entity(key="number", batch=CHUNK, settle=LATE, fields=CONTACT, title="displayName"),
        "item": Entity(key="number", batch=CHUNK, fields=ITEM, title="displayName"),
        "document": Entity(key="externalDocumentNumber", batch=CHUNK, settle=LATE),
        "posting": Entity(key="document", batch=CHUNK),
    },
    connect=connect,
    needs=_needs,
    problems=find_mistakes,
    fields=_fields,
    origin=_origin,
    owner=_owner,
    authorities=("ca_bundle",),
)
