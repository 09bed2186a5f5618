"""Checks of a POST or PATCH body and what BC makes of it (fact sheet 2.2, 2.4, 2.7, 2.16, 2.17, 4.1 to 4.3).

Properties are validated in the order they came in; which order the platform takes is UNCERTAIN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from mlconnector.systems.business_central.emulator_answers import Problem, bad_request, refused
from mlconnector.systems.business_central.emulator_entities import ENTITIES
from mlconnector.systems.business_central.emulator_field import (
    NO_GUID,
    Entity,
    Field,
    decode_option,
    encode_option,
)
from mlconnector.systems.business_central.emulator_rows import Row, Table, etag_of, read_stamp

SALESPEOPLE = frozenset({"", "BC", "EH", "HR", "JO", "LM", "OF", "RB"})
MOST = 10**18
"""A decimal has 38 digits in SQL, 20 of them behind the point."""
NAMED = ("customers", "contacts")
"""Entity sets whose records need a displayName."""
RELATION_ERROR = (
    "The field {field} of table {table} contains a value ({value}) that cannot be found in the related table "
    "({related})."
)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ETAG = re.compile(r'(?:W/)?"[A-Za-z0-9+/]+=*"')
_ADDRESS = re.compile(r"[^@\s;,<>]+@[^@\s;,<>]+\.[^@\s;,<>.]+")

Values = list[Any]


class Draft:
    """A record on its way in: its values by field name, and where the checks look things up."""

    def __init__(self, entity: Entity, values: Values, tables: Mapping[str, Table], lcy: str) -> None:
        self.entity = entity
        self.values = values
        self.tables = tables
        self.lcy = lcy
        self.before: Row | None = None
        self.sent: Mapping[str, Any] = {}
        self.effects: Mapping[str, Callable[[Draft, Any], None]] = {}
        self.in_page_order = False
        self.read_only_passes = False

    def __getitem__(self, name: str) -> Any:
        return self.values[self.entity.columns[name]]

    def __setitem__(self, name: str, value: Any) -> None:
        self.values[self.entity.columns[name]] = value

    def code_id(self, entity_set: str, code: str) -> str:
        """The id of a code in a small table; the zero GUID where there is none."""
        row = self.tables[entity_set].by_key.get(code)
        return row.id if row is not None else NO_GUID

    def row(self, entity_set: str, id: str) -> Row | None:
        """A row by id."""
        return self.tables[entity_set].by_id.get(id)

    def set_currency(self, code: str) -> None:
        """Id and code of a currency code; `""` and the local currency are the same (section 2.17)."""
        local = code in ("", self.lcy)
        self["currencyId"] = NO_GUID if local else self.code_id("currencies", code)
        self["currencyCode"] = self.lcy if local else code


def read(entity: Entity, row: Row, name: str) -> Any:
    """One value of a row by the name of its field."""
    return row.values[entity.columns[name]]


def read_body(content_type: str, body: bytes) -> dict[str, Any]:
    """The JSON object of a request; 415 or 400 if it is none."""
    if not content_type.startswith("application/json"):
        raise Problem(
            415, "BadRequest", "The content type of the request is not supported. Use application/json."
        )
    try:
        data = json.loads(body, parse_float=Decimal)
    except ValueError:
        raise bad_request("Invalid Request Body") from None
    if not isinstance(data, dict):
        raise bad_request("Invalid Request Body")
    return {name: value for name, value in data.items() if "@" not in name}


def check_token(entity: Entity, row: Row, if_match: str | None, *, needed: bool) -> None:
    """`If-Match` against the row's etag: 400 if missing or unreadable, 409 if stale (section 4.2)."""
    if if_match is None and not needed:
        return
    if if_match is None or (if_match != "*" and not _ETAG.fullmatch(if_match)):
        raise bad_request(
            "Could not validate the client concurrency token required by the service. "
            "Please provide a valid token in the client request.",
            "BadRequest_InvalidToken",
        )
    if if_match not in ("*", etag_of(entity, row)):
        raise Problem(409, "Request_EntityChanged", "Another user has already changed the record.")


def apply_body(draft: Draft, body: Mapping[str, Any]) -> None:
    """Writes the properties of a body into a draft, one by one, each with its checks."""
    entity = draft.entity
    page = {field.name: field for field in entity.fields}
    for name in body:
        if name not in page:
            raise bad_request(
                f"The property '{name}' does not exist on type 'Microsoft.NAV.{entity.single}'. "
                "Make sure to only use property names that are defined by the type."
            )
        if page[name].access == "R" and not _is_unchanged(draft, page[name], body[name]):
            raise bad_request(f"Control '{page[name].caption}' is read-only", "BadRequest_InvalidOperation")
    names = [name for name in page if name in body] if draft.in_page_order else body
    sent = {name: wire_value(page[name], body[name]) for name in names if page[name].access == "W"}
    draft.sent = sent
    for name, value in sent.items():
        _apply(draft, page[name], value)


def _is_unchanged(draft: Draft, field: Field, value: Any) -> bool:
    """Whether a read-only field that is sent as it is may pass (UNCERTAIN in section 2.0)."""
    same = draft.read_only_passes and draft.before is not None
    return same and bool(wire_value(field, value) == draft[field.name])


def _apply(draft: Draft, field: Field, value: Any) -> None:
    rule, old = _RULES.get(field.name), draft[field.name]
    if rule is not None:
        rule(draft, field, value)
    if field.least is not None and value < field.least:
        raise refused(
            f"{field.caption} must be greater than or equal to {field.least} in {draft.entity.caption}."
        )
    if field.pair:
        apply_pair(draft, field, value)
    elif field.refers:
        _check_reference(draft, field, value)
    if not field.pair:
        draft[field.name] = value
    if field.name in ("currencyId", "currencyCode") and "currencyId" in draft.entity.columns:
        _apply_currency(draft, draft.sent)
    if field.name == "taxAreaId":
        area = draft.row("taxAreas", value)
        draft["taxAreaDisplayName"] = area.values[ENTITIES["taxAreas"].columns["displayName"]] if area else ""
    if field.name in draft.effects:
        draft.effects[field.name](draft, old)


def wire_value(field: Field, value: Any) -> Any:
    """A JSON value as the field holds it: codes in upper case, lengths enforced, enums known (section 2.0)."""
    if field.kind in ("text", "code"):
        return _text(field, value)
    if field.kind == "decimal" and isinstance(value, int | Decimal) and _is_number(value):
        return Decimal(value)
    if field.kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if field.kind == "bool" and isinstance(value, bool):
        return value
    if field.kind == "enum" and isinstance(value, str):
        return _option(field, value)
    if field.kind == "guid" and isinstance(value, str):
        if not _GUID.fullmatch(value):
            raise refused(f"The value '{value}' is not a valid GUID.", "Application_InvalidGUID")
        return value.lower()
    if field.kind == "date" and isinstance(value, str) and _DATE.fullmatch(value):
        return value
    if field.kind == "datetime" and isinstance(value, str) and (ticks := read_stamp(value)) is not None:
        return ticks
    raise bad_request(f"Unable to convert value to {field.kind.capitalize()}")


def _is_number(value: int | Decimal) -> bool:
    return not isinstance(value, bool) and -MOST < value < MOST


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise bad_request(
            f"Cannot convert the literal '{json.dumps(value, default=str)}' to the expected type 'Edm.String'."
        )
    text = value.strip().upper() if field.kind == "code" else value
    if field.length and len(text) > field.length:
        raise refused(
            f"The length of the string is {len(text)}, but it must be less than or equal to {field.length} "
            f"characters. Value: {text}",
            "Application_StringExceededLength",
        )
    return text


def _option(field: Field, value: str) -> str:
    name = decode_option(value)
    if name not in field.options:
        known = ",".join(option or " " for option in field.options)
        raise refused(f"'{value}' is not an option. The existing options are: {known}", "Unknown")
    return encode_option(name)


def _check_reference(draft: Draft, field: Field, value: Any) -> None:
    related = ENTITIES[field.refers]
    if field.kind == "guid" and value != NO_GUID and draft.row(field.refers, value) is None:
        raise refused(f'The "{field.name}" does not match to a {related.caption}.')
    if field.kind == "code" and value and value not in draft.tables[field.refers].by_key:
        no_relation(draft, field, value, related.caption)


def no_relation(draft: Draft, field: Field, value: str, related: str) -> None:
    """400 for a code that is not in the related table (section 4.3)."""
    text = RELATION_ERROR.format(
        field=field.caption, table=draft.entity.caption, value=value, related=related
    )
    raise refused(text, "Internal_InvalidTableRelation")


_UNKNOWN = {
    "customer": "The sell-to customer cannot be found.",
    "billToCustomer": "The bill-to customer cannot be found.",
    "item": "Item does not exist.",
}
_MISMATCH = {
    "customer": "The sell-to customer values do not match to a specific Customer.",
    "billToCustomer": "The bill-to customer values do not match to a specific Customer.",
    "itemCategory": "The item categories values do not match to a specific item category.",
}


def apply_pair(draft: Draft, field: Field, value: str) -> None:
    """Id and code of one row: each sets both, and the two must not contradict each other (sections 2.6, 2.7, 2.9).

    Where the sheet has no text, it is one made after the others.
    """
    stem = re.sub("(Id|Code|Number)$", "", field.name)
    table, related = draft.tables[field.refers], ENTITIES[field.refers].caption
    blank = value in ("", NO_GUID)
    row = (table.by_id if field.kind == "guid" else table.by_key).get(value)
    if row is None and (not blank or field.refers == "customers"):
        raise refused(_UNKNOWN.get(stem, f'The "{field.name}" does not match to a {related}.'))
    pair = (row.id, row.key) if row is not None else (NO_GUID, "")
    mine, other = pair if field.kind == "guid" else reversed(pair)
    if draft.sent.get(field.pair, other) != other:
        raise refused(_MISMATCH.get(stem, f"The {stem} values do not match to a specific {related}."))
    draft[field.name], draft[field.pair] = mine, other


def _apply_currency(draft: Draft, sent: Mapping[str, Any]) -> None:
    """The id counts and the code is only checked if both came (section 2.17)."""
    code = sent.get("currencyCode", "").strip().upper()
    local = code in ("", draft.lcy)
    if not local and code not in draft.tables["currencies"].by_key:
        raise refused('The "currencyCode" does not match to a Currency.')
    of_id = ""
    if sent.get("currencyId", NO_GUID) != NO_GUID:
        row = draft.row("currencies", sent["currencyId"])
        of_id = row.key if row is not None else ""
    if {"currencyId", "currencyCode"} <= sent.keys() and of_id != ("" if local else code):
        raise refused("The currency values do not match to a specific Currency.")
    draft.set_currency(of_id if "currencyId" in sent else code)


def _check_name(draft: Draft, field: Field, value: str) -> None:
    if draft.entity.name in NAMED and not value.strip():
        raise refused('The blank "displayName" is not allowed.')


def _check_phone(draft: Draft, field: Field, value: str) -> None:
    if draft.entity.name in ("customers", "vendors") and any(sign.isalpha() for sign in value):
        raise refused(
            f"Phone No. must not contain letters in {draft.entity.caption}: No.={draft['number']}",
            "Application_FieldValidationException",
        )


def _check_email(draft: Draft, field: Field, value: str) -> None:
    for address in filter(None, (part.strip() for part in value.split(";"))):
        if not _ADDRESS.fullmatch(address):
            raise refused(f'The email address "{address}" is not valid.')


def _check_salesperson(draft: Draft, field: Field, value: str) -> None:
    if value not in SALESPEOPLE:
        no_relation(draft, field, value, "Salesperson/Purchaser")


def _check_percent(draft: Draft, field: Field, value: Decimal) -> None:
    if not 0 <= value <= 100:
        raise refused(f"The value in {field.caption} must be between 0 and 100.")


_RULES: Mapping[str, Callable[[Draft, Field, Any], None]] = {
    "displayName": _check_name,
    "phoneNumber": _check_phone,
    "email": _check_email,
    "salespersonCode": _check_salesperson,
    "salesperson": _check_salesperson,
    "discountPercent": _check_percent,
}


def check_required(entity: Entity, body: Mapping[str, Any]) -> None:
    """What a POST must name: a customer's or a contact's displayName, a small table's code."""
    if entity.name in NAMED and "displayName" not in body:
        raise refused('A "displayName" must be provided.')
    if "code" in entity.columns and not str(body.get("code", "")).strip():
        raise bad_request("Field 'code' must not be blank or empty.", "BadRequest_RequiredParamNotProvided")


def check_deletable(entity: Entity, row: Row) -> None:
    """A customer or vendor with entries stays (section 2.2)."""
    amounts = ("balance", "totalSalesExcludingTax", "balanceDue")
    if any(row.values[entity.columns[name]] for name in amounts if name in entity.columns):
        raise refused(
            f"You cannot delete {entity.caption} {row.key} because it has ledger entries in a fiscal year that has "
            "not been closed yet."
        )


def already_exists(entity: Entity, key: str, status: int) -> Problem:
    """A second record with one number or code (section 4.3)."""
    field = "No." if entity.key == "number" else "Code"
    key = key.rpartition("/")[2]
    return Problem(
        status,
        "Internal_EntityWithSameKeyExists",
        f"The record in table {entity.caption} already exists. Identification fields and values: {field}='{key}'",
    )
