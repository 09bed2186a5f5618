"""A server of one's own: its switches, what it listens to, which tenants it has, and who may call (fact sheet 1.3).

Guesses, where the sheet is silent: nobody listening is the 404 of Windows' HTTP.sys, in HTML; a 405 has no body and
comes before the credentials are looked at; a missing or unknown tenant is a 400 (`tenant_status`) before them as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from mlconnector.sandbox import Reply, Request
from mlconnector.systems.business_central.emulator_answers import Problem, not_found
from mlconnector.systems.business_central.emulator_credentials import (
    ACCESS_KEY,
    DOMAIN,
    PASSWORD,
    USER,
    Credentials,
    CredentialType,
)
from mlconnector.systems.business_central.emulator_login import Login
from mlconnector.systems.business_central.emulator_pages import Service, page_view
from mlconnector.systems.business_central.emulator_profile import PROFILES, Profile
from mlconnector.systems.business_central.emulator_versions import FinancialDetails, Version, api_version
from mlconnector.systems.business_central.emulator_view import View

_PATH = re.compile(r"/([^/]+)/(?:api/([^/]+)|(ODataV4|OData))(?:/(.*))?", re.DOTALL)
_NOBODY = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">\r\n'
    "<HTML><HEAD><TITLE>Not Found</TITLE></HEAD>\r\n<BODY><h2>Not Found</h2>\r\n"
    "<hr><p>HTTP Error 404. The requested resource is not found.</p>\r\n</BODY></HTML>\r\n"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a request is for: `version` of the API, or an OData service; `base` is its root as the client wrote it."""

    kind: str
    version: str
    base: str
    segments: Sequence[str]


@dataclass(slots=True)
class Server:
    """The switches, under the names of the server's own settings where it has one; they may be changed at any time."""

    profile: str = "onprem"
    instance: str = ""
    credentials: CredentialType = "NavUserPassword"
    user: str = USER
    password: str = PASSWORD
    access_key: str = ACCESS_KEY
    domain: str = DOMAIN
    ntlm_only: bool = True
    tenants: Sequence[str] = ()
    tenant_status: int = 400
    api_services_enabled: bool = True
    odata_services_enabled: bool = True
    services: Mapping[str, int] = field(default_factory=lambda: {"Customer": 21, "Vendor": 26})
    page_fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    time_zone: str = "UTC"
    financial_details: FinancialDetails = "array"

    @property
    def product(self) -> Profile:
        """The line of the table that this server is an installation of."""
        return PROFILES[self.profile]

    @property
    def zone(self) -> ZoneInfo:
        """Where it stands; its clock decides which day it is."""
        return ZoneInfo(self.time_zone)

    def find(self, request: Request) -> Endpoint | Reply:
        """What a request is for; an answer where nobody listens (404) or somebody switched it off (405)."""
        found = _PATH.fullmatch(request.raw_path)
        if found is None or unquote(found[1]).lower() != self.instance.lower():
            return nobody_listens()
        kind = "api" if found[2] else found[3]
        if not self._listens(kind):
            return nobody_listens()
        if not (self.api_services_enabled if kind == "api" else self.odata_services_enabled):
            return Reply(405, b"", {"Allow": ""})
        rest = found[4] or ""
        root = request.raw_path[: len(request.raw_path) - len(rest)].rstrip("/")
        segments = [unquote(part) for part in rest.split("/") if part]
        return Endpoint(kind, unquote(found[2] or ""), request.base + root, segments)

    def _listens(self, kind: str) -> bool:
        product = self.product
        there = {"api": bool(product.versions), "ODataV4": product.odata_v4, "OData": product.odata_v3}
        return there[kind]

    def check_tenant(self, request: Request) -> None:
        """On a server with several tenants each request names one (section 1.3)."""
        tenant = request.query.get("tenant", "")
        if not self.tenants or tenant.lower() in {known.lower() for known in self.tenants}:
            return
        text = (
            f"The tenant '{tenant}' is not mounted or does not exist."
            if tenant
            else "A tenant was not specified, but is needed because the system has multiple tenants."
        )
        raise Problem(self.tenant_status, "Internal_TenantUnavailable", text)

    def refuse(self, request: Request, login: Login, now: datetime) -> Reply | None:
        """The 401 for a caller without good credentials; None lets it pass."""
        return self._credentials().refuse(request, login, now)

    def unauthorized(self) -> Reply:
        """A 401 as a fault asks for it."""
        return self._credentials().challenge()

    def _credentials(self) -> Credentials:
        return Credentials(
            self.credentials, self.user, self.password, self.access_key, self.domain, self.ntlm_only
        )

    def version(self, name: str) -> Version:
        """A version of the API that this product has; 404 for another one."""
        if name not in self.product.versions:
            raise not_found(name)
        return api_version(name, self.financial_details, old_etag=self.product.old_etag)

    def views(self) -> dict[str, View]:
        """The published pages by service name."""
        return {
            name: page_view(
                Service(name, page, tuple(self.page_fields.get(name, ()))), old_etag=self.product.old_etag
            )
            for name, page in self.services.items()
        }


def make_server(profile: str, switches: Mapping[str, object]) -> Server:
    """A server of that profile; ValueError for a profile, a switch, a page or a field that there is not."""
    if profile == "online":
        raise ValueError(f"a server's profile is needed for {', '.join(switches)}")
    if profile not in PROFILES:
        raise ValueError(f"no profile {profile!r}; there are online, {', '.join(PROFILES)}")
    usual = {"instance": PROFILES[profile].instance, "api_services_enabled": PROFILES[profile].api_enabled}
    server = Server(profile=profile)
    for name, value in {**usual, **switches}.items():
        if name == "profile" or name not in Server.__slots__:
            raise ValueError(f"no switch {name!r}; there are {', '.join(Server.__slots__[1:])}")
        setattr(server, name, value)
    return checked(server)


def checked(server: Server) -> Server:
    """The server, if it can be one; ValueError says which switch stands where it cannot."""
    if server.credentials not in get_args(CredentialType):
        raise ValueError(f"no credential type {server.credentials!r}")
    for name in ("services", "page_fields"):
        if not isinstance(getattr(server, name), Mapping):
            raise ValueError(f"{name} is an object of names, not {getattr(server, name)!r}")
    if isinstance(server.tenants, str):
        raise ValueError("tenants is a list of names")
    server.views()
    _ = server.zone
    return server


def nobody_listens() -> Reply:
    """What Windows answers for an address that no service has claimed."""
    return Reply(404, _NOBODY.encode(), {"Content-Type": "text/html; charset=us-ascii"})
