"""Problem documents of the emulated Mailchimp: fact sheet sections 1.4, 4.6 and 11.2."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from mlconnector.sandbox import Reply

DOCS = "https://mailchimp.com/developer/marketing/docs/errors/"
_COMPLIANCE = "compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."


@dataclass
class Problem(Exception):
    """An error answer; `typed` is False where the live service leaves the `type` key out."""

    status: int
    title: str
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    type: str = DOCS
    typed: bool = True
    allow: str = ""

    def reply(self, request_id: str) -> Reply:
        """The answer, with X-Request-Id equal to `instance`."""
        document: dict[str, Any] = {"type": self.type} if self.typed else {}
        document |= {
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": request_id,
        }
        if self.errors:
            document["errors"] = self.errors
        headers = {"Content-Type": "application/problem+json; charset=utf-8", "X-Request-Id": request_id}
        if self.allow:
            headers["Allow"] = self.allow
        return Reply(self.status, json.dumps(document, ensure_ascii=False).encode(), headers)


_KEY_INVALID = "Your API key may be invalid, or you've attempted to access the wrong datacenter."

NAMED: dict[str, tuple[int, str, str]] = {
    "BadRequest": (400, "Bad Request", "Your request could not be processed."),
    "InvalidAction": (400, "Invalid Action", "The action requested was not valid for this resource."),
    "InvalidResource": (400, "Invalid Resource", "The resource submitted could not be validated."),
    "JSONParseError": (400, "JSON Parse Error", "We encountered an unspecified JSON parsing error."),
    "APIKeyMissing": (401, "API Key Missing", "Your request did not include an API key."),
    "APIKeyInvalid": (401, "API Key Invalid", _KEY_INVALID),
    "Forbidden": (403, "Forbidden", "You are not permitted to access this resource."),
    "UserDisabled": (403, "User Disabled", "This account has been deactivated."),
    "WrongDatacenter": (
        403,
        "Wrong Datacenter",
        "The API key provided is linked to a different data center.",
    ),
    "UserActionNotPermitted": (
        403,
        "User action not permitted",
        "User does not have access to the requested operation",
    ),
    "ResourceNotFound": (404, "Resource Not Found", "The requested resource could not be found."),
    "MethodNotAllowed": (
        405,
        "Method Not Allowed",
        "The requested method and resource are not compatible. "
        "See the Allow header for this resource's available methods.",
    ),
    "ResourceNestingTooDeep": (
        414,
        "Resource Nesting Too Deep",
        "The sub-resource requested is nested too deeply.",
    ),
    "InvalidMethodOverride": (
        422,
        "Invalid Method Override",
        "You can only use the X-HTTP-Method-Override header with the POST method.",
    ),
    "RequestedFieldsInvalid": (
        422,
        "Requested Fields Invalid",
        "The fields requested from this resource are invalid.",
    ),
    "UpgradeRequired": (426, "Upgrade Required", "This request must be made over HTTPS."),
    "TooManyRequests": (
        429,
        "Too Many Requests",
        "You have exceeded the limit of 10 simultaneous connections.",
    ),
    "InternalServerError": (
        500,
        "Internal Server Error",
        "A deep internal error has occurred during the processing of your request. Please contact support.",
    ),
    "ComplianceRelated": (503, "Compliance Related", "This method has been disabled."),
}
"""What `X-Trigger-Error: <name>` asks for (11.2)."""

BY_STATUS = {
    400: "BadRequest",
    401: "APIKeyInvalid",
    403: "Forbidden",
    404: "ResourceNotFound",
    405: "MethodNotAllowed",
    414: "ResourceNestingTooDeep",
    422: "RequestedFieldsInvalid",
    426: "UpgradeRequired",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ComplianceRelated",
}
"""Which of them stands for a bare status."""


def named(name: str) -> Problem:
    """One row of the table in 11.2; a 500 says `about:blank` there."""
    status, title, detail = NAMED[name]
    return Problem(status, title, detail, type="about:blank" if status == 500 else DOCS)


def not_found() -> Problem:
    """404 for a wrong list, an absent or a forgotten member."""
    return named("ResourceNotFound")


def invalid(detail: str, errors: list[dict[str, str]] | None = None) -> Problem:
    """400 Invalid Resource."""
    return Problem(400, "Invalid Resource", detail, errors or [])


def schema_error(*faults: tuple[str, str]) -> Problem:
    """400 for a body that does not fit the schema, one (field, message) each."""
    errors = [{"field": name, "message": message} for name, message in faults]
    return invalid(
        "The resource submitted could not be validated. For field-specific details, see the 'errors' array.",
        errors,
    )


def merge_error(errors: list[dict[str, str]]) -> Problem:
    """400 for values that the merge fields refuse (5.3)."""
    return invalid("Your merge fields were invalid.", errors)


def member_exists(email: str) -> Problem:
    """POST on an existing address, or an e-mail change onto one."""
    detail = f"{email} is already a list member. Use PUT to insert or update list members."
    return Problem(400, "Member Exists", detail, typed=False)


def in_compliance(email: str, *, posted: bool = False) -> Problem:
    """Opted out, bounced or complained; POST on an existing member words it differently."""
    start = "is already a list member in" if posted else "is in a"
    return Problem(400, "Member In Compliance State", f"{email} {start} {_COMPLIANCE}", typed=False)


def forgotten(email: str) -> Problem:
    """The address was permanently deleted from this list."""
    detail = (
        f"{email} was permanently deleted and cannot be re-imported. "
        "The contact must re-subscribe to get back on the list."
    )
    return Problem(400, "Forgotten Email Not Subscribed", detail, typed=False)
