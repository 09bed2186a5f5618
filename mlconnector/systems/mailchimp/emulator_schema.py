"""JSON-schema checks of member bodies, in the service's words (fact sheet 4.2 and 4.6)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, Literal

from mlconnector.systems.mailchimp.emulator_errors import schema_error
from mlconnector.systems.mailchimp.emulator_state import read_time

Call = Literal["POST", "PUT", "PATCH", "bulk", "legacy bulk"]

NAMES: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "NULL",
}
WRITABLE = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
ENUMERATION = "Value did not match any values in the enumeration"
ANY_OF = "Data did not match any of the schemas described in anyOf."
BLANK = "This value should not be blank."

Fault = tuple[str, str]


def describe(wanted: str, value: Any) -> str:
    """`Schema describes object, array found instead`."""
    return f"Schema describes {wanted}, {NAMES[type(value)]} found instead"


def _typed(wanted: str) -> Callable[[str, Any], list[Fault]]:
    def check(name: str, value: Any) -> list[Fault]:
        return [] if NAMES[type(value)] == wanted else [(name, describe(wanted, value))]

    return check


def _one_of(*choices: str) -> Callable[[str, Any], list[Fault]]:
    def check(name: str, value: Any) -> list[Fault]:
        return [] if value in choices else [(name, ENUMERATION)]

    return check


def _merge_fields(name: str, value: Any) -> list[Fault]:
    if not isinstance(value, dict):
        return [(name, describe("object", value))]
    return [(f"{name}.{tag}", ANY_OF) for tag, item in value.items() if item is None or type(item) is list]


def _interests(name: str, value: Any) -> list[Fault]:
    if not isinstance(value, dict):
        return [(name, describe("object", value))]
    return [(f"{name}.{key}", "This interest does not exist on this list.") for key in value]


def _address(name: str, value: Any) -> list[Fault]:
    try:
        if value != "":
            ipaddress.ip_address(value)
    except ValueError:
        return [(name, "This value is not a valid IP address.")]
    return []


def _moment(name: str, value: Any) -> list[Fault]:
    if not isinstance(value, str):
        return [(name, describe("string", value))]
    try:
        if value:
            read_time(value)
    except ValueError:
        return [(name, "This value is not a valid datetime.")]
    return []


def _tags(name: str, value: Any) -> list[Fault]:
    if not isinstance(value, list):
        return [(name, describe("array", value))]
    return [
        (f"{name}.item:{i}", describe("string", item))
        for i, item in enumerate(value)
        if type(item) is not str
    ]


_STATUS = _one_of(*WRITABLE)
CHECKS: Mapping[str, Callable[[str, Any], list[Fault]]] = {
    "email_address": _typed("string"),
    "email_type": _one_of("html", "text", ""),
    "status": _STATUS,
    "status_if_new": _STATUS,
    "merge_fields": _merge_fields,
    "interests": _interests,
    "language": _typed("string"),
    "vip": _typed("boolean"),
    "location": _typed("object"),
    "ip_signup": _address,
    "ip_opt": _address,
    "timestamp_signup": _moment,
    "timestamp_opt": _moment,
    "tags": _tags,
}
_PATCHED = {**CHECKS, "status": _one_of("subscribed", "unsubscribed", "cleaned", "pending")}
for _name in ("tags", "status_if_new"):
    del _PATCHED[_name]
_PUT = {name: check for name, check in CHECKS.items() if name != "tags"}
_POSTED = {name: check for name, check in CHECKS.items() if name != "status_if_new"}
_LEGACY = {name: check for name, check in _POSTED.items() if name != "tags"}
BY_CALL: Mapping[Call, Mapping[str, Callable[[str, Any], list[Fault]]]] = {
    "POST": _POSTED,
    "PUT": _PUT,
    "PATCH": _PATCHED,
    "bulk": CHECKS,
    "legacy bulk": _LEGACY,
}


def member_faults(body: Any, call: Call, prefix: str = "") -> list[Fault]:
    """What the schema of that call says against the body; keys it does not know are ignored."""
    if not isinstance(body, dict):
        return [(prefix.rstrip("."), describe("object", body))]
    checks, faults = BY_CALL[call], []
    is_bulk = call in ("bulk", "legacy bulk")
    for name, value in body.items():
        if name in checks and not (is_bulk and value is None):
            faults += checks[name](prefix + name, value)
    if call == "POST":
        faults += [(name, BLANK) for name in ("email_address", "status") if not body.get(name)]
    return faults + (_bulk_faults(body, call, prefix) if is_bulk else [])


def _bulk_faults(body: Mapping[str, Any], call: Call, prefix: str) -> list[Fault]:
    """Each member needs status or status_if_new; before 2023 only status (7.1)."""
    if body.get("status") or (call == "bulk" and body.get("status_if_new")):
        return []
    return [(prefix + "status", ANY_OF)]


def check_member(body: Any, call: Call) -> None:
    """Raises Problem 400 for a body that does not fit the schema of that call."""
    faults = member_faults(body, call)
    if faults:
        raise schema_error(*faults)
