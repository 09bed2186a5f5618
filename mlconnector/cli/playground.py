"""Emulators on ports of this machine, with data in them, and a connection file that leads to the two of a pair.

What `sandbox` and `demo` share. No account, no keyring and no network beyond this machine are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from mlconnector.errors import ConfigError
from mlconnector.sandbox import Clock, Emulator, Running
from mlconnector.secrets import variable
from mlconnector.systems.business_central.emulator import CLIENT_ID, CLIENT_SECRET, TENANT, BusinessCentral
from mlconnector.systems.mailchimp.emulator import API_KEY, Mailchimp
from mlconnector.systems.pipedrive.emulator import API_TOKEN, Pipedrive
from mlconnector.template import template

COMPANY = "CRONUS International Ltd."
NAV_MAILCHIMP, PIPEDRIVE = "nav-mailchimp", "pipedrive-business-central"
SECRETS: Mapping[str, str] = {"erp.client_secret": CLIENT_SECRET, "mail.api_key": API_KEY}
"""Constants of the emulators: they open nothing else. Even so, they do not stand in the connection file."""
ONLINE = "online"
INTERFACES: Mapping[str, str] = {
    "onprem": "v2.0",
    "bc14": "v1.0",
    "nav2018": "odata",  # its API is there, and off until somebody switches it on
    "nav2017": "odata",
    "nav2016": "odata",
}
"""What the connection file asks a server of each profile for."""
_BALANCE = "BALANCE: {from: customerFinancialDetail"
OPTIONS = {"customers_to_members": {"audience": "Customers"}, "vendors_to_members": {"audience": "Vendors"}}
WON_BEFORE_NOW = timedelta(days=60)
"""Of the deals that are there from the start all were won in this time."""
IN_USE = {
    "      # number: custom_fields.ERP number": "      number: custom_fields.ERP number",
    "      # taxRegistrationNumber: custom_fields.VAT number": (
        "      taxRegistrationNumber: custom_fields.VAT registration no."
    ),
    "      # custom_fields.ERP number: number": "      custom_fields.ERP number: number",
}
"""Lines that `init` only shows, as they are used here: the account has these custom fields."""
MEMBERS = {
    "Customers": (
        "robert.townes@contoso.com",  # subscribed
        "meagan.bond@contoso.com",  # unsubscribed
        "ian.deberry@contoso.com",  # cleaned
        "jesse.homer@contoso.com",  # archived
        "siobhan@oneill.contoso.com",  # pending
        "lukasz.wisniewski@wideworldimporters.com",  # transactional
        "helen.ray@contoso.com",  # subscribed
    ),
    "Vendors": ("krystal.york@contoso.com", "evan.mcintosh@contoso.com"),  # subscribed, unsubscribed
}
"""Addresses of the ERP that are in Mailchimp from the start, each with the status that `Mailchimp.seed` gives."""


@dataclass(frozen=True, slots=True)
class Playground:
    """Emulators with one clock. Those of the pair run, and those whose port was asked for: they have an address."""

    erp: BusinessCentral
    mail: Mailchimp
    crm: Pipedrive
    erp_url: str
    mail_url: str = ""
    crm_url: str = ""
    pair: str = NAV_MAILCHIMP

    @property
    def emulators(self) -> tuple[Emulator, ...]:
        """Those that run."""
        places = ((self.erp, self.erp_url), (self.mail, self.mail_url), (self.crm, self.crm_url))
        return tuple(emulator for emulator, url in places if url)

    @property
    def profile(self) -> str:
        """`online`, or which kind of server the ERP is."""
        return self.erp.server.profile if self.erp.server is not None else ONLINE

    @property
    def erp_base(self) -> str:
        """The `base_url` of the ERP: of a server, with its instance."""
        server = self.erp.server
        return f"{self.erp_url}/{server.instance}" if server is not None else self.erp_url

    @property
    def secrets(self) -> Mapping[str, str]:
        """What the connection file needs, by name."""
        if self.pair == PIPEDRIVE:
            return {"crm.api_token": API_TOKEN, "erp.client_secret": CLIENT_SECRET}
        if self.erp.server is None:
            return SECRETS
        return {"erp.password": self.erp.server.password, "mail.api_key": API_KEY}

    def connection_text(self, name: str, *, erp: Mapping[str, Any] | None = None, **settings: Any) -> str:
        """The connection file that `init` writes, leading here; its state file stands beside it.

        `erp` are further settings of the ERP, `settings` those of the other system. Some lines that `init` only shows
        are in use: the balance, which the ERP changes without marking the customer as changed; the custom fields that
        hold the number and the tax number of an organization. Pages have no field for the line about the type.
        """
        if self.pair == PIPEDRIVE:
            return self._crm_text(name, {**self._erp_settings(), **(erp or {})}, settings)
        mail = {"base_url": f"{self.mail_url}/3.0", **settings}
        given = {"erp": {**self._erp_settings(), **(erp or {})}, "mail": mail}
        text = template(name=name, settings=given, options=OPTIONS, state=f"{name}.db")
        return text.replace(f"      # {_BALANCE}", f"      {_BALANCE}")

    def _crm_text(self, name: str, erp: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
        crm = {"company_domain": None, "base_url": self.crm_url, **settings}
        first_day = (self.erp.clock.now() - WON_BEFORE_NOW).date().isoformat()
        text = template(
            PIPEDRIVE,
            name=name,
            settings={"crm": crm, "erp": erp},
            options={"deals_to_documents": {"won_since": first_day}},
            state=f"{name}.db",
        )
        for shown, used in IN_USE.items():
            text = text.replace(f"{shown}\n", f"{used}\n")
        return text

    def _erp_settings(self) -> dict[str, Any]:
        server = self.erp.server
        if server is None:
            online = {"tenant": TENANT, "client_id": CLIENT_ID, "login_url": self.erp_url}
            return {**online, "company": COMPANY, "base_url": self.erp_url}
        return {
            **dict.fromkeys(("tenant", "client_id", "environment")),
            "company": COMPANY,
            "base_url": self.erp_base,
            "api": INTERFACES[server.profile],
            "login": "basic",
            "user": server.user,
        }


def environment(file: Path, secrets: Mapping[str, str] = SECRETS) -> dict[str, str]:
    """What a command needs in its environment to run against a playground: its file and the secrets."""
    return {"MLCONNECTOR_CONNECTION": str(file), **{variable(name): value for name, value in secrets.items()}}


@contextmanager
def open_playground(
    *,
    customers: int,
    vendors: int,
    pair: str = NAV_MAILCHIMP,
    erp_port: int = 0,
    mail_port: int | None = None,
    crm_port: int | None = None,
    profile: str = ONLINE,
) -> Iterator[Playground]:
    """The emulators with their data until the end of the block. ConfigError if a port cannot be had.

    A port of None is any that is free for a system of the pair, and no emulator for another one.
    """
    clock = Clock()
    erp, mail, crm = (
        BusinessCentral(profile=profile, clock=clock),
        Mailchimp(clock=clock),
        Pipedrive(clock=clock),
    )
    erp.seed(customers, vendors)
    with ExitStack() as stack:
        place = Playground(
            erp, mail, crm, stack.enter_context(_listening(erp, erp_port, "--erp-port")).url, pair=pair
        )
        if pair == NAV_MAILCHIMP or mail_port is not None:
            mail.seed(MEMBERS["Customers"], MEMBERS["Vendors"])
            running = stack.enter_context(_listening(mail, mail_port or 0, "--mail-port"))
            place = replace(place, mail_url=running.url)
        if pair == PIPEDRIVE or crm_port is not None:
            crm.seed()
            running = stack.enter_context(_listening(crm, crm_port or 0, "--crm-port"))
            place = replace(place, crm_url=running.url)
        yield place


def _listening(emulator: Emulator, port: int, option: str) -> Running:
    try:
        return Running(emulator, port)
    except OSError as error:
        raise ConfigError(
            f"port {port} of 127.0.0.1 cannot be used: {error.strerror or error}",
            hint=f"name another one with {option}, or 0 for any that is free",
        ) from None
