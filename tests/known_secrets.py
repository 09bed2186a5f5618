"""What opens the emulators: the secrets of nearly every test. None may be shown, logged or kept in a state file."""

from __future__ import annotations

from mlconnector.systems.business_central import emulator as business_central
from mlconnector.systems.business_central import emulator_credentials as server
from mlconnector.systems.mailchimp import emulator as mailchimp
from mlconnector.systems.pipedrive import emulator as pipedrive

SECRETS = (
    business_central.CLIENT_SECRET,
    server.PASSWORD,
    server.ACCESS_KEY,
    mailchimp.API_KEY,
    mailchimp.ACCESS_TOKEN,
    pipedrive.API_TOKEN,
    pipedrive.SECOND_TOKEN,
    pipedrive.CLIENT_SECRET,
)


def secrets_in(text: str) -> list[str]:
    """Those that stand in it."""
    return [secret for secret in SECRETS if secret in text]
