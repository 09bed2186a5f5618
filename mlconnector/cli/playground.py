"""Emulators on ports of this machine, with data in them, and a connection file that leads to two of them.

What `sandbox` and `demo` share. No account, no keyring and no network beyond this machine are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlconnector.errors import ConfigError
from mlconnector.sandbox import Clock, Emulator, Running
from mlconnector.secrets import variable
from mlconnector.systems.business_central.emulator import CLIENT_ID, CLIENT_SECRET, TENANT, BusinessCentral
from mlconnector.systems.mailchimp.emulator import API_KEY, Mailchimp
from mlconnector.systems.pipedrive.emulator import Pipedrive
from mlconnector.template import template

COMPANY = "CRONUS International Ltd."
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
AUDIENCES = {"customers_to_members": "Customers", "vendors_to_members": "Vendors"}
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
    """Running emulators with one clock; Pipedrive, which no connection file leads to yet, only if asked for."""

    erp: BusinessCentral
    mail: Mailchimp
    erp_url: str
    mail_url: str
    crm: Pipedrive | None = None
    crm_url: str = ""

    @property
    def emulators(self) -> tuple[Emulator, ...]:
        """Those that run."""
        both: tuple[Emulator, ...] = (self.erp, self.mail)
        return both if self.crm is None else (*both, self.crm)

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
        if self.erp.server is None:
            return SECRETS
        return {"erp.password": self.erp.server.password, "mail.api_key": API_KEY}

    def connection_text(self, name: str, **mail_settings: Any) -> str:
        """The connection file that `init` writes, leading here; its state file stands beside it.

        The line for the balance is in use: that is what the ERP changes without marking the customer as changed.
        Pages have no field for the line about the type.
        """
        settings = {
            "erp": self._erp_settings(),
            "mail": {"base_url": f"{self.mail_url}/3.0", **mail_settings},
        }
        text = template(name=name, settings=settings, audiences=AUDIENCES, state=f"{name}.db")
        return text.replace(f"      # {_BALANCE}", f"      {_BALANCE}")

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
    erp_port: int = 0,
    mail_port: int = 0,
    crm_port: int | None = None,
    profile: str = ONLINE,
) -> Iterator[Playground]:
    """The emulators with their data until the end of the block. ConfigError if a port cannot be had."""
    clock = Clock()
    erp, mail = BusinessCentral(profile=profile, clock=clock), Mailchimp(clock=clock)
    erp.seed(customers, vendors)
    mail.seed(MEMBERS["Customers"], MEMBERS["Vendors"])
    with ExitStack() as stack:
        one = stack.enter_context(_listening(erp, erp_port, "--erp-port"))
        other = stack.enter_context(_listening(mail, mail_port, "--mail-port"))
        if crm_port is None:
            yield Playground(erp, mail, one.url, other.url)
            return
        crm = Pipedrive(clock=clock)
        crm.seed()
        third = stack.enter_context(_listening(crm, crm_port, "--crm-port"))
        yield Playground(erp, mail, one.url, other.url, crm, third.url)


def _listening(emulator: Emulator, port: int, option: str) -> Running:
    try:
        return Running(emulator, port)
    except OSError as error:
        raise ConfigError(
            f"port {port} of 127.0.0.1 cannot be used: {error.strerror or error}",
            hint=f"name another one with {option}, or 0 for any that is free",
        ) from None
