"""Error answers of the emulated Pipedrive, in the spellings of fact sheet section 9."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from mlconnector.sandbox import Reply, json_reply

INFO = "Please check developers.pipedrive.com"
INVALID = "ERR_SCHEMA_VALIDATION_FAILED"
CLOUDFLARE = (
    b"<!DOCTYPE html><html><head><title>Access denied | pipedrive.com used Cloudflare to restrict access</title>"
    b"</head><body><h1>Error 1015</h1><p>This error is produced by Cloudflare.</p></body></html>"
)
GATEWAY = {
    401: "unauthorized access",
    402: "Company account is not open",
    403: "Forbidden",
    404: "Unknown method",
    405: "Method not allowed",
    410: "Resource is permanently gone",
    429: "Rate limit exceeded",
    500: "Internal server error",
    503: "Scheduled maintenance",
}
"""What the gateway says for a bare status; the words of 401 are real, those of the others are not known."""


@dataclass
class Problem(Exception):
    """An error answer."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    def reply(self) -> Reply:
        """The answer."""
        reply = json_reply(self.status, self.body)
        reply.headers.update(self.headers)
        return reply

    @property
    def text(self) -> str:
        """What it says to a person."""
        return str(self.body.get("error") or self.body.get("message"))


def gateway(status: int, text: str = "", **headers: str) -> Problem:
    """The gateway's own shape; header names are given with `_` for `-`."""
    body = {"success": False, "error": text or GATEWAY.get(status, "Error"), "errorCode": status}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Problem(status, {**body, "error_info": INFO}, named)


def unauthorized() -> Problem:
    """A bad or expired token (1.3)."""
    return gateway(401, x_401_by_gw="true", x_correlation_id=str(uuid4()))


def out_of_scope() -> Problem:
    """A call that the app's scopes do not cover (1.3)."""
    return gateway(403, "Scope and URL mismatch")


def classic(status: int, text: str, info: str, **more: Any) -> Problem:
    """The shape of v1 and some of v2."""
    body = {"success": False, "error": text, "error_info": info, "data": None, "additional_data": None}
    return Problem(status, {**body, **more})


def not_found() -> Problem:
    """A record that is not there, or that the user may not see."""
    return classic(404, "Entity was not found", "Object was not found.")


def forbidden() -> Problem:
    """The user may not do it."""
    return Problem(403, {"success": False, "error": "Forbidden", "code": "ERR_FORBIDDEN"})


def capped(what: str) -> Problem:
    """A limit of the plan is reached (section 9)."""
    return classic(403, f"Limit reached: {what}", INFO, code=f"feature_capping_{what}_limit")


def invalid(text: str, field_code: str = "") -> Problem:
    """A request that does not fit the schema; of a custom field it names the code (3.5)."""
    body = {"success": False, "error": f"Validation failed: {text}", "code": INVALID}
    return Problem(400, {**body, "field_code": field_code} if field_code else body)


def refused(text: str) -> Problem:
    """A write that fits the schema and still cannot be done: no `code` (3.6)."""
    return classic(400, text, INFO)


def is_deleted(kind: str) -> Problem:
    """A write to a deleted record (9.1); only the deal's code is known, the others are by analogy."""
    text = "Entity is deleted. You must first restore it before you can edit"
    return Problem(400, {"success": False, "error": text, "code": f"ERR_{kind.upper()}_DELETED"})


def oauth(status: int, code: str, text: str) -> Problem:
    """What the token endpoint answers (1.3)."""
    return Problem(status, {"success": False, "message": text, "error": code})
