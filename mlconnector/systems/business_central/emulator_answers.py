"""How answers look: error bodies with their CorrelationId, common headers, gzip (fact sheet 6.2, 6.3)."""

from __future__ import annotations

import json
import uuid
import zlib
from dataclasses import dataclass

from mlconnector.sandbox import Reply, Request, html_reply

JSON_TYPE = "application/json; odata.metadata=minimal; odata.streaming=true"
XML_ERROR = (
    '<?xml version="1.0" encoding="utf-8"?><error xmlns="http://docs.oasis-open.org/odata/ns/metadata">'
    "<code>{code}</code><message>{message}</message></error>"
)
FAULTS = {
    403: (
        "Authorization_RequestDenied",
        "Sorry, the current permissions prevented the action. (TableData 36 Sales Header Insert: Base Application)",
    ),
    408: ("Unknown", "The operation has timed out."),
    409: (
        "Internal_ServerError",
        "The transaction was deadlocked on lock resources with another process. Please retry the transaction.",
    ),
    413: ("Unknown", "The request is too large."),
    429: ("Application_TooManyRequests", "Too many requests reached. Actual (101). Maximum (100)."),
    500: ("Internal_ServerError", "An error occurred while processing your request."),
    503: ("Internal_TenantUnavailable", "The tenant '{tenant}' is not accessible."),
}
GATEWAY = (502, 504)


@dataclass(eq=False)
class Problem(Exception):
    """An error answer on its way out; `xml` for those that a gateway in front spells."""

    status: int
    code: str
    message: str
    xml: bool = False

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"


def bad_request(message: str, code: str = "BadRequest") -> Problem:
    """400 with one of the `BadRequest` codes."""
    return Problem(400, code, message)


def refused(message: str, code: str = "Application_DialogException") -> Problem:
    """400 from business logic: AL `Error(...)` unless another code is named."""
    return Problem(400, code, message)


def not_found(segment: str) -> Problem:
    """404 for an unknown segment and for an id that is not there: the same text."""
    return Problem(404, "BadRequest_ResourceNotFound", f"Resource not found for the segment '{segment}'.")


def not_allowed(method: str, entity_set: str) -> Problem:
    """405 for a verb that an entity set does not take."""
    return Problem(
        405,
        "BadRequest_MethodNotAllowed",
        f"'{method}' requests for '{entity_set}' of EdmType 'Entity' are not allowed within "
        "Microsoft Dynamics NAV OData web services.",
    )


def problem_reply(problem: Problem, correlation: str) -> Reply:
    """The error body of section 6.2: two keys, the text ends in the CorrelationId."""
    if problem.xml:
        text = XML_ERROR.format(code=problem.code, message=problem.message)
        return Reply(problem.status, text.encode(), {"Content-Type": "application/xml; charset=utf-8"})
    tail = "" if problem.code == "Unauthorized" else f"  CorrelationId:  {correlation}."
    error = {"error": {"code": problem.code, "message": problem.message + tail}}
    body = json.dumps(error, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(problem.status, body, {"Content-Type": JSON_TYPE, "OData-Version": "4.0"})


def fault_reply(status: int, tenant: str, correlation: str) -> Reply:
    """What a fault of this status looks like; gateway statuses come as HTML (sections 6.1, 6.4)."""
    if status in GATEWAY:
        return html_reply(status)
    code, message = FAULTS.get(status, ("Unknown", "An unexpected error occurred."))
    return problem_reply(Problem(status, code, message.format(tenant=tenant)), correlation)


def new_correlation() -> str:
    """The guid that is `request-id` and CorrelationId at once."""
    return str(uuid.uuid4())


def dress(request: Request, reply: Reply, correlation: str, *, on_premises: bool = False) -> Reply:
    """Adds the headers of section 6.3, and gzip if the client takes it."""
    if on_premises:
        reply.headers.setdefault("Cache-Control", "no-cache, no-store")
    reply.headers.update(
        {
            "request-id": correlation,
            "ms-correlation-x": str(uuid.uuid5(uuid.NAMESPACE_OID, correlation)),
            "Server": "Microsoft-HTTPAPI/2.0",
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
            "x-content-type-options": "nosniff",
            "Vary": "Accept-Encoding",
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "Date, Content-Length, Server, OData-Version",
        }
    )
    if reply.body and "gzip" in request.headers.get("accept-encoding", ""):
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        reply.body = packer.compress(reply.body) + packer.flush()
        reply.headers["Content-Encoding"] = "gzip"
    return reply
