"""Pipedrive's organizations and persons as customers and contacts, and customers as organizations again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlconnector.flows.bodies import (
    ADDRESS,
    ADDRESS_PARTS,
    CONTACT,
    CUSTOM,
    CUSTOMER,
    ORGANIZATION,
    Shape,
    cut_names,
    fill_shape,
    make_mapped,
    match_keys,
    text,
)
from mlconnector.flows.fields import is_address, split_addresses
from mlconnector.flows.pair_options import ContactOptions, CustomerOptions, OrganizationOptions
from mlconnector.mapping import CompiledMap, CompiledWhen
from mlconnector.model import Change, MapFunction, Mapped, Ref, Skip
from mlconnector.spelling import plain_email, plain_name, plain_tax

EXCLUDED = Skip("excluded", "it does not match the flow's `when`", leaves=True)
NAMELESS = Skip("missing-name", "it has no name")
ONCE = frozenset({"number", "type"})
"""A number written to a customer that is there would rename it (sheet 2.2, trap 40); a person stays one."""
IN_ONE_LINE = (
    "address-in-one-line",
    "Pipedrive has the address in one line only: it is addressLine1 of a new customer, one that is there keeps its own",
)


def bind_customers(options: CustomerOptions, compiled: CompiledMap, when: CompiledWhen) -> MapFunction:
    """The function that makes a customer of an organization. Codes of its Skips: `excluded`, `missing-name`.

    Of an address that Pipedrive knows in one line only no part is sent: it would empty the customer's.
    """
    parts = _address_lines(compiled)

    def map_organization(change: Change) -> Mapped | Skip:
        if not when(change.record):
            return EXCLUDED
        body = fill_shape(CUSTOMER, compiled(change.record))
        if not body.get("displayName"):
            return NAMELESS
        key, match = f"organization:{change.id}", match_keys(options.match, _customer_keys(body))
        line = _only_line(change.record) if parts else ""
        if not line:
            return make_mapped(key, body, match=match, create_only=ONCE)
        body = {name: value for name, value in body.items() if name not in parts}
        body |= {"addressLine1": line} if "addressLine1" in parts else {}
        mapped = make_mapped(key, body, match=match, create_only=ONCE | {"addressLine1"})
        return replace(mapped, notes=(IN_ONE_LINE,))

    return map_organization


def _address_lines(compiled: CompiledMap) -> frozenset[str]:
    """The names that are filled from parts of the address; none if the whole of it is mapped as well."""
    lines = {name: target.paths for name, target in compiled.targets.items()}
    if any(path in (f"{ADDRESS}value", "address") for paths in lines.values() for path in paths):
        return frozenset()
    return frozenset(name for name, paths in lines.items() if any(path.startswith(ADDRESS) for path in paths))


def _only_line(record: Mapping[str, Any]) -> str:
    """The address if nothing but the whole of it is known; otherwise ""."""
    address = record.get("address")
    if not isinstance(address, Mapping) or any(
        address.get(part) for part in ADDRESS_PARTS if part != "value"
    ):
        return ""
    return text(address.get("value"))


def _customer_keys(body: Mapping[str, Any]) -> dict[str, str]:
    return {
        "number": body.get("number", ""),
        "tax": plain_tax(body.get("taxRegistrationNumber", "")),
        "email": _first_email(body.get("email", "")),
        "name": _name_key(CUSTOMER, body),
    }


def _name_key(shape: Shape, body: Mapping[str, Any]) -> str:
    """Of a name that is too long what its counterpart has of it, so that it is found again."""
    info = shape.fields["displayName"]
    return plain_name(body["displayName"][: info.length].rstrip())


def _first_email(several: str) -> str:
    """What could be none matches none."""
    usable = (address for address in split_addresses(several) if is_address(address))
    return plain_email(next(usable, ""))


def bind_contacts(options: ContactOptions, compiled: CompiledMap, when: CompiledWhen) -> MapFunction:
    """The function that makes a contact of a person.

    Its company is a Ref; in a key of `match` the remote id of that stands as `{company}`, and nothing without one.
    Codes of its Skips: `excluded`, `missing-name`, `without-company`.
    """

    def map_person(change: Change) -> Mapped | Skip:
        if not when(change.record):
            return EXCLUDED
        company = text(change.record.get("org_id"))
        if not company and options.without_company == "skip":
            return Skip(
                "without-company", "it belongs to no organization, and the flow leaves such persons out"
            )
        values = compiled(change.record)
        if "mobilePhoneNumber" in values:
            values["mobilePhoneNumber"] = _mobile_of(values["mobilePhoneNumber"])
        body = fill_shape(CONTACT, values)
        if not body.get("displayName"):
            return NAMELESS
        refs = (Ref("company", "organization", company, "customer"),) if company else ()
        match = match_keys(options.match, _contact_keys(body, in_company=bool(company)))
        return make_mapped(f"person:{change.id}", body, refs=refs, match=match, create_only=ONCE)

    return map_person


def _contact_keys(body: Mapping[str, Any], *, in_company: bool) -> dict[str, str]:
    name = _name_key(CONTACT, body)
    return {
        "email": _first_email(body.get("email", "")),
        "name": f"{'{company}' if in_company else ''}/{name}" if name else "",
    }


def _mobile_of(value: Any) -> Any:
    """Of a person's `phones` the one with the label mobile; anything else as it is."""
    if not isinstance(value, list):
        return value
    phones = (phone for phone in value if isinstance(phone, Mapping))
    return next((phone.get("value") for phone in phones if phone.get("label") == "mobile"), None)


def bind_organizations(
    options: OrganizationOptions, compiled: CompiledMap, when: CompiledWhen
) -> MapFunction:
    """The function that makes an organization of a customer. Codes of its Skips: `excluded`, `missing-name`."""
    number_field = _number_field(compiled)

    def map_customer(change: Change) -> Mapped | Skip:
        if not when(change.record):
            return EXCLUDED
        body = fill_shape(ORGANIZATION, compiled(change.record))
        if not body.get("name"):
            return NAMELESS
        number = text(body.get(number_field))
        found = {
            "number": f"{number_field.removeprefix(CUSTOM)}={number}" if number else "",
            "name": plain_name(body["name"]),
        }
        match = match_keys(options.match, found)
        cut = cut_names(compiled, CUSTOMER, change.record)
        return make_mapped(f"customer:{change.id}", body, match=match, cut=cut)

    return map_customer


def _number_field(compiled: CompiledMap) -> str:
    """The custom field that the mapping fills with the customer's number; empty if there is none."""
    fields = (target for target in compiled.targets.values() if target.name.startswith(CUSTOM))
    return next((target.name for target in fields if target.paths == {"number"}), "")
