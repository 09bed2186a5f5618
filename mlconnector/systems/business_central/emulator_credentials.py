"""Who may call a server of one's own: Basic, Windows (NTLM) or a bearer token, by its credential type (fact sheet 1.3).

Left out: Kerberos, and the credential type `UserName`, which is Basic with Windows credentials.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mlconnector.sandbox import Reply, Request
from mlconnector.systems.business_central.emulator_answers import Problem, new_correlation, problem_reply
from mlconnector.systems.business_central.emulator_login import Login
from mlconnector.systems.business_central.emulator_ntlm import Account, shake_hands

CredentialType = Literal["NavUserPassword", "Windows", "AccessControlService"]

USER = "SYNC"
PASSWORD = "sandbox-password"  # noqa: S105 - opens nothing but this emulator
DOMAIN = "CRONUS"
ACCESS_KEY = "c2FuZGJveC13ZWItc2VydmljZS1hY2Nlc3Mta2V5LSE="


@dataclass(frozen=True, slots=True)
class Credentials:
    """One user of a server, and the way in that its administrator chose."""

    type: CredentialType
    user: str
    password: str
    access_key: str
    domain: str
    ntlm_only: bool

    def refuse(self, request: Request, login: Login, now: datetime) -> Reply | None:
        """The 401 for a caller without good credentials, or the next step of a handshake; None lets it pass."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if self.type == "AccessControlService":
            good = scheme.lower() == "bearer" and login.valid(text.strip(), now)
            return None if good else self.challenge()
        if self.type == "Windows":
            return self._windows(request, scheme, text.strip())
        return None if scheme.lower() == "basic" and self._knows(text.strip()) else self.challenge()

    def challenge(self) -> Reply:
        """A 401 that names the scheme, without a body; for tokens the body that the online service has too."""
        if self.type == "AccessControlService":
            text = "The server has rejected the client credentials."
            problem = Problem(401, "Authentication_InvalidCredentials", text)
            return problem_reply(problem, new_correlation())
        return _asks_for(", ".join(self._schemes()) if self.type == "Windows" else 'Basic realm=""')

    def _schemes(self) -> tuple[str, ...]:
        return ("NTLM",) if self.ntlm_only else ("Negotiate", "NTLM")

    def _knows(self, text: str) -> bool:
        """`user:password` or `user:key` in base64; beyond ASCII nothing is understood (section 1.3)."""
        try:
            user, _, secret = base64.b64decode(text, validate=True).decode("ascii").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return user.lower() == self.user.lower() and secret in (self.password, self.access_key)

    def _windows(self, request: Request, scheme: str, text: str) -> Reply | None:
        """Once a connection has shaken hands, its later requests need nothing more."""
        if request.connection.get("user") and not text:
            return None
        known = next((one for one in self._schemes() if one.lower() == scheme.lower()), None)
        if known is None or not text:
            return self.challenge()
        account = Account(self.domain, self.user, self.password)
        token, done = shake_hands(request.connection, text, account)
        if done:
            return None
        return _asks_for(f"{known} {token}") if token else self.challenge()


def _asks_for(schemes: str) -> Reply:
    return Reply(401, b"", {"WWW-Authenticate": schemes})
