"""Business Central customers and vendors to members of a Mailchimp audience. Pure.

Consent is not decided here: `status_if_new` is all that is said of it, and only a member that is created hears it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mlconnector.explain import Problem, suggest
from mlconnector.flows.fields import is_address, normal_address, split_addresses
from mlconnector.flows.kind import FlowKind
from mlconnector.mapping import TRANSFORMS, CompiledMap, CompiledWhen, TargetField, digest
from mlconnector.model import Change, MapFunction, Mapped, Skip
from mlconnector.transforms import number, spell

REQUIRED = ("email_address",)
NOT_MERGE_FIELDS = ("email_address", "tags", "language", "vip")
RESERVED = frozenset(
    [
        "INTERESTS",
        "UNSUB",
        "FORWARD",
        "REWARDS",
        "ARCHIVE",
        "USER_URL",
        "DATE",
        "EMAIL",
        "EMAIL_TYPE",
        "TO",
        "SMSPHONE",
    ]
)
ADDRESS_PARTS = ("addr1", "addr2", "city", "state", "zip", "country")
ADDRESS_NEEDS = ("addr1", "city", "state", "zip")
CREATE_ONLY = frozenset({"status_if_new"})
LABELS = {
    "COMPANY": "Company",
    "CUSTNO": "Customer number",
    "VENDNO": "Vendor number",
    "TYPE": "Type",
    "TERRITORY": "Territory",
    "PHONE": "Phone Number",
    "ADDRESS": "Address",
    "FNAME": "First Name",
    "LNAME": "Last Name",
    "SALESREP": "Salesperson",
    "WEBSITE": "Website",
    "CURRENCY": "Currency",
    "PAYTERMS": "Payment terms",
    "BALANCE": "Balance",
    "OVERDUE": "Overdue",
}
"""What Mailchimp shows for the merge fields of the default mappings, where a line gives no `label`."""
_TAG = re.compile(r"[A-Z0-9_]{1,10}")
_WHOLE_DOUBLES = 2**53

_YES = frozenset({"yes", "true", "1"})


class MemberOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A flow's own settings in the connection file."""

    audience: Annotated[str, Meta(description="the audience, by name or id", min_length=1)]
    new_members: Annotated[
        Literal["subscribed", "pending", "transactional", "unsubscribed"],
        Meta(
            description="status of a member that is created; nobody's status is changed afterwards. "
            "A double opt-in audience gets pending for subscribed"
        ),
    ] = "subscribed"
    several_addresses: Annotated[
        Literal["first", "skip"], Meta(description="what to do with a record that holds several addresses")
    ] = "first"
    on_delete: Annotated[
        Literal["ignore", "archive"],
        Meta(description="what happens to the member when the record is deleted"),
    ] = "ignore"
    on_exclude: Annotated[
        Literal["ignore", "archive"],
        Meta(description="what happens to the member when the record no longer matches `when`"),
    ] = "ignore"
    tags: Annotated[
        tuple[str, ...], Meta(description="tags each member gets; those from elsewhere stay")
    ] = ()


class CustomerOptions(MemberOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, with the customers' tag."""

    tags: Annotated[tuple[str, ...], Meta(description="tags each member gets; those from elsewhere stay")] = (
        "Customer",
    )


class VendorOptions(MemberOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, with the vendors' tag."""

    tags: Annotated[tuple[str, ...], Meta(description="tags each member gets; those from elsewhere stay")] = (
        "Vendor",
    )


@dataclass(frozen=True, slots=True)
class MergeField:
    """A merge field that the mapping fills; `type` is Mailchimp's (`text`, `number`, `address`, …)."""

    tag: str
    type: str
    label: str


class MemberTarget(MemberOptions, frozen=True, kw_only=True):
    """What the Mailchimp writer gets as `options`: the settings, and the merge fields it has to see to."""

    merge_fields: tuple[MergeField, ...] = ()


def merge_fields(compiled: CompiledMap) -> tuple[MergeField, ...]:
    """The merge fields of a mapping, in its order; without a label the tag is its label."""
    return tuple(
        MergeField(target.name, target.type, target.label or LABELS.get(target.name, target.name))
        for target in compiled.targets.values()
        if target.name not in NOT_MERGE_FIELDS
    )


def complete(options: MemberOptions, compiled: CompiledMap) -> MemberTarget:
    """The options with the merge fields of the mapping."""
    return MemberTarget(**msgspec.structs.asdict(options), merge_fields=merge_fields(compiled))


def check(rules: Mapping[str, Any], compiled: CompiledMap) -> Iterator[Problem]:
    """Targets that a member does not have: tags against sheet 5.2, addresses against 5.3."""
    yield from (Problem((), f"a member needs {name!r}") for name in REQUIRED if name not in rules)
    for name in rules:
        message = "" if name in NOT_MERGE_FIELDS else _tag_problem(name)
        if message:
            yield Problem((name,), message)
    for target in compiled.targets.values():
        if target.type == "address":
            yield from _address_problems(target)


def _tag_problem(name: str) -> str:
    if name in RESERVED:
        use = "; the address is 'email_address'" if name == "EMAIL" else ""
        return f"{name} is a name that Mailchimp keeps for itself{use}"
    if _TAG.fullmatch(name):
        return ""
    if _TAG.fullmatch(name.upper()):
        near = suggest(name, NOT_MERGE_FIELDS) or f" (did you mean {name.upper()!r}?)"
        return f"a merge tag is written in capitals{near}"
    near = suggest(name, NOT_MERGE_FIELDS)
    return f"a merge tag has up to 10 characters, A to Z, 0 to 9 and _{near}"


def _address_problems(target: TargetField) -> Iterator[Problem]:
    if target.name in NOT_MERGE_FIELDS:
        yield Problem((target.name, "parts"), f"{target.name} has no parts")
        return
    for part in target.parts:
        if part not in ADDRESS_PARTS:
            yield Problem(
                (target.name, "parts", part), f"an address has no such part{suggest(part, ADDRESS_PARTS)}"
            )
    missing = [part for part in ADDRESS_NEEDS if part not in target.parts]
    if missing:
        yield Problem((target.name, "parts"), f"Mailchimp takes no address without {' and '.join(missing)}")


def place(options: MemberOptions) -> str:
    """The audience; letter case makes no other one of it."""
    return options.audience.strip().lower()


def bind(options: MemberOptions, compiled: CompiledMap, when: CompiledWhen) -> MapFunction:
    """The function that makes a member of a change.

    Codes of its Skips: `excluded`, `missing-email`, `invalid-email`, `several-addresses`.
    """
    spellings: tuple[tuple[str, Callable[[Any], Any]], ...] = tuple(
        (target.name, _SPELLINGS.get(target.type, _text))
        for target in compiled.targets.values()
        if target.name not in NOT_MERGE_FIELDS
    )
    only_one = options.several_addresses == "skip"

    def map_record(change: Change) -> Mapped | Skip:
        if not when(change.record):
            return Skip("excluded", "it does not match the flow's `when`", leaves=True)
        values = compiled(change.record)
        address = _choose_address(values.get("email_address"), only_one=only_one)
        if isinstance(address, Skip):
            return address
        body: dict[str, Any] = {
            # for the digest: a flow that is given another audience sends everybody to it
            "audience": options.audience,
            "email_address": address,
            "merge_fields": {tag: spelling(values[tag]) for tag, spelling in spellings},
            "status_if_new": options.new_members,
        }
        _add_extras(body, values, options.tags)
        key = f"email:{normal_address(address)}"
        return Mapped(key, body, digest(body, CREATE_ONLY), create_only=CREATE_ONLY)

    return map_record


def _choose_address(value: Any, *, only_one: bool) -> str | Skip:
    """The address to use; no reason of a Skip holds it."""
    addresses = [] if value is None else split_addresses(spell(value))
    if not addresses:
        return Skip("missing-email", "it has no e-mail address")
    if only_one and len(addresses) > 1:
        return Skip(
            "several-addresses", f"it has {len(addresses)} e-mail addresses and the flow takes none then"
        )
    usable = next((address for address in addresses if is_address(address)), None)
    return usable or Skip("invalid-email", "its e-mail address cannot be one")


def _add_extras(body: dict[str, Any], values: Mapping[str, Any], constant_tags: tuple[str, ...]) -> None:
    """Tags, language and vip; what is empty is left out, and then the member keeps what it has."""
    tags, mapped_tags = constant_tags, values.get("tags")
    if mapped_tags:
        tags = (*tags, *re.split(r"[;,]", spell(mapped_tags)))
    if tags and (named := dict.fromkeys(tag.strip() for tag in tags if tag.strip())):
        body["tags"] = list(named)
    if values.get("language"):
        body["language"] = spell(values["language"])
    vip = values.get("vip")
    if vip is not None:
        body["vip"] = spell(vip).strip().lower() in _YES


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return spell(value).strip()


def _number(value: Any) -> Any:
    """A JSON number that does not depend on how the source wrote it: 5.00 is 5, 2311.30 is 2311.3.

    Mailchimp keeps numbers as doubles, so a float loses nothing that it would have kept; what is whole goes as an
    integer as long as a double holds it. Text that is no number is sent as it is: Mailchimp's refusal names the field.
    """
    amount = None if value is None else number(value)
    if amount is None:
        return _text(value)
    if -_WHOLE_DOUBLES < amount < _WHOLE_DOUBLES and amount == int(amount):
        return int(amount)
    return float(amount)


def _with(transform: str, value: Any) -> str:
    return "" if value is None else TRANSFORMS[transform](value) or ""


def _address(value: Any) -> Any:
    """The object, or "" where a needed part is empty: a stored half address fails later updates (sheet 5.3)."""
    parts = {name: _text(part) for name, part in value.items()}
    if not all(parts.get(name) for name in ADDRESS_NEEDS):
        return ""
    return {name: part for name, part in parts.items() if part}


_SPELLINGS: Mapping[str, Callable[[Any], Any]] = {
    "number": _number,
    "address": _address,
    "date": partial(_with, "date"),
    "birthday": partial(_with, "month_day"),
}

_PLACE = {
    "TERRITORY": {"from": ["country", "state"], "join": "-"},
    "PHONE": {"from": "phoneNumber", "type": "phone"},
    "ADDRESS": {
        "parts": {
            "addr1": "addressLine1",
            "addr2": "addressLine2",
            "city": "city",
            "state": {"from": "state", "default": "N/A"},
            "zip": "postalCode",
            "country": "country",
        },
    },
}
_PLACE_NOTES = {
    "TERRITORY": "SE-Skåne, DE, US-GA",
    "PHONE": "sent as it is written in Business Central",
    "ADDRESS": "Mailchimp takes none without addr1, city, state and zip: such a record sends an empty one",
    "email_address": "several in one field are told apart; see several_addresses",
}
_OPTIONAL = {
    "WEBSITE": {"from": "website", "transform": ["url"], "type": "url"},
    "CURRENCY": "currencyCode",
    "PAYTERMS": "paymentTerm.displayName",
}

_NOT_BLOCKED = {"blocked": {"is": " "}}

CUSTOMERS_TO_MEMBERS = FlowKind(
    name="customers_to_members",
    summary="Business Central customers become members of a Mailchimp audience.",
    source="business_central",
    entity="customer",
    target="mailchimp",
    into="member",
    options=CustomerOptions,
    default_map={
        "email_address": "email",
        "COMPANY": "displayName",
        "CUSTNO": "number",
        "TYPE": "type",
        **_PLACE,
    },
    default_when={},
    optional_map={
        "FNAME": {"from": "displayName", "transform": ["first_word"]},
        "SALESREP": "salespersonCode",
        **_OPTIONAL,
        "BALANCE": {"from": "customerFinancialDetail.balance", "transform": ["round2"]},
        "OVERDUE": {"from": "customerFinancialDetail.overdueAmount", "transform": ["round2"]},
    },
    notes={
        **_PLACE_NOTES,
        "TYPE": "Company or Person",
        "BALANCE": "a balance does not mark its customer as changed: run sync --full now and then",
        "OVERDUE": "as BALANCE",
    },
    required=REQUIRED,
    check=check,
    complete=complete,
    bind=bind,
    place=place,
    optional_when=_NOT_BLOCKED,
    when_note="only those that are not blocked",
)

VENDORS_TO_MEMBERS = FlowKind(
    name="vendors_to_members",
    summary="Business Central vendors become members of a Mailchimp audience.",
    source="business_central",
    entity="vendor",
    target="mailchimp",
    into="member",
    options=VendorOptions,
    default_map={
        "email_address": "email",
        "COMPANY": "displayName",
        "VENDNO": "number",
        "TYPE": {"value": "Vendor"},
        **_PLACE,
    },
    default_when={},
    optional_map={
        **_OPTIONAL,
        "BALANCE": {"from": "balance", "transform": ["round2"]},
    },
    notes={
        **_PLACE_NOTES,
        "BALANCE": "a balance does not mark its vendor as changed: run sync --full now and then",
    },
    required=REQUIRED,
    check=check,
    complete=complete,
    bind=bind,
    place=place,
    optional_when=_NOT_BLOCKED,
    when_note="only those that are not blocked",
)
