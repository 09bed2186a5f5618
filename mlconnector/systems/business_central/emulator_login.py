"""The token endpoint of Entra ID for client credentials, with its error bodies (fact sheet 1.2)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

from mlconnector.sandbox import Reply, Request, json_reply

SCOPE = "https://api.businesscentral.dynamics.com/.default"
NEEDED = ("client_id", "client_secret", "scope")
TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z0-9-]+(\.[a-z0-9-]+)+")


@dataclass(slots=True)
class Login:
    """One app registration of one tenant, and the tokens it was given (token → when it ends, Unix seconds)."""

    tenant: str
    client_id: str
    client_secret: str
    seconds: int
    domains: Collection[str] = ()
    secret_expired: bool = False
    tokens: dict[str, float] = field(default_factory=dict)

    def knows(self, tenant: str) -> bool:
        """Whether this is the tenant's id or one of its domains."""
        return tenant.lower() in {self.tenant.lower(), *self.domains}

    def valid(self, token: str, now: datetime) -> bool:
        """Whether the token was handed out and has not run out."""
        return self.tokens.get(token, 0.0) > now.timestamp()

    def answer(self, request: Request, tenant: str, now: datetime) -> Reply:
        """`POST /{tenant}/oauth2/v2.0/token`."""
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        trouble = self._trouble(request, tenant, form)
        if trouble is not None:
            return entra_error(*trouble, now)
        token = f"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.{uuid.uuid4().hex}.{uuid.uuid4().hex}"
        self.tokens[token] = now.timestamp() + self.seconds
        return json_reply(
            200,
            {
                "token_type": "Bearer",
                "expires_in": self.seconds,
                "ext_expires_in": self.seconds,
                "access_token": token,
            },
            "application/json; charset=utf-8",
            Cache_Control="no-store, no-cache",
        )

    def _trouble(
        self, request: Request, tenant: str, form: dict[str, str]
    ) -> tuple[int, str, int, str] | None:
        """Status, `error`, number and text of what is wrong with a token request."""
        if request.method != "POST":
            return 400, "invalid_request", 900561, "The endpoint only accepts POST requests."
        if not TENANT.fullmatch(tenant.lower()):
            text = f"Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."
            return 400, "invalid_request", 900023, text
        if not self.knows(tenant):
            text = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
            return 400, "invalid_request", 90002, text
        for name in ("grant_type", *NEEDED):
            if not form.get(name):
                text = f"The request body must contain the following parameter: '{name}'."
                return 400, "invalid_request", 900144, text
        return self._refusal(form)

    def _refusal(self, form: dict[str, str]) -> tuple[int, str, int, str] | None:
        if form["grant_type"] != "client_credentials":
            text = f"The app requested an unsupported grant type '{form['grant_type']}'."
            return 400, "unsupported_grant_type", 70003, text
        if not form["scope"].endswith("/.default"):
            text = f"The provided value for scope {form['scope']} is not valid. Client credential flows must have "
            return (
                400,
                "invalid_scope",
                1002012,
                text + "a scope value with /.default suffixed to the resource.",
            )
        if form["scope"] != SCOPE:
            text = f"The provided value for the input parameter 'scope' is not valid: {form['scope']}."
            return 400, "invalid_scope", 70011, text
        if form["client_id"].lower() != self.client_id.lower():
            text = f"Application with identifier '{form['client_id']}' was not found in the directory."
            return 400, "unauthorized_client", 700016, text
        if form["client_secret"] != self.client_secret:
            text = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{self.client_id}'."
            )
            return 401, "invalid_client", 7000215, text
        if self.secret_expired:
            text = f"The provided client secret keys for app '{self.client_id}' are expired."
            return 401, "invalid_client", 7000222, text
        return None


def entra_error(status: int, error: str, number: int, text: str, now: datetime) -> Reply:
    """An Entra error body; trace id, correlation id and time stand in the text as well."""
    trace, correlation, stamp = str(uuid.uuid4()), str(uuid.uuid4()), f"{now:%Y-%m-%d %H:%M:%SZ}"
    tail = f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
    return json_reply(
        status,
        {
            "error": error,
            "error_description": f"AADSTS{number}: {text} {tail}",
            "error_codes": [number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        },
        "application/json; charset=utf-8",
    )


def entra_fault(status: int, now: datetime) -> Reply:
    """What a fault of this status looks like at the token endpoint."""
    text = "A transient error has occurred. Please try again."
    return entra_error(status, "temporarily_unavailable", 90033, text, now)
