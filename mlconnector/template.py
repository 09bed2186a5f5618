"""The connection file that `init` writes: the default mappings in full, with the comments the flows give.

And which of its examples were left as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import msgspec

from mlconnector.explain import KeyPath
from mlconnector.flows import FLOWS
from mlconnector.flows.kind import FlowKind
from mlconnector.mapping import compile_map
from mlconnector.model import FieldInfo
from mlconnector.systems import load_system

if TYPE_CHECKING:
    from mlconnector.config import Connection

PAIRS: dict[str, tuple[str, ...]] = {
    "nav-mailchimp": ("customers_to_members", "vendors_to_members"),
    "pipedrive-business-central": (
        "organizations_to_customers",
        "persons_to_contacts",
        "products_to_items",
        "deals_to_documents",
        "customers_to_organizations",
        "items_to_products",
    ),
}
"""What `init` can write, each with its flows."""

ALIASES = {"business_central": "erp", "mailchimp": "mail", "pipedrive": "crm"}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "customers_to_members": {"audience": "Customers"},
    "vendors_to_members": {"audience": "Suppliers"},
    "deals_to_documents": {"won_since": "2026-12-01"},
    "products_to_items": {"currency": "EUR"},
    "items_to_products": {"currency": "EUR"},
}
"""Options that have no default, as examples to replace."""
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_LONG = 95
"""So many characters, besides the indent, fit a line."""
_WORDS = frozenset({"true", "false", "null"})


def template(
    pair: str = "nav-mailchimp",
    *,
    name: str = "nordkran",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    state: str | None = None,
) -> str:
    """The text of a connection file.

    `settings` gives values by alias (`erp`, `mail`; None leaves a line out), `options` by flow name those without a
    default, `state` the state file; what is not given stands there as an example to replace. KeyError for a pair that
    is not in PAIRS.
    """
    kinds = [FLOWS[flow] for flow in PAIRS[pair]]
    systems = dict.fromkeys(system for kind in kinds for system in (kind.source, kind.target))
    lines = [
        "# yaml-language-server: $schema=./connection.schema.json",
        "# (mlconnector schema > connection.schema.json gives editors completion and help)",
        f"# Check it: mlconnector check      Secrets never stand here: mlconnector secrets set {name} NAME",
        f"name: {_scalar(name)}",
        f"state: {_scalar(state)}"
        if state
        else "# state: nordkran.db      # not given: in the user's state folder",
        "# overlap: 10m            # how far each run reads back behind the last one",
        "# brake: {share: 30, at_least: 20}   # stop before more than 30 % (and 20) of the known records would change",
        "",
        "systems:",
    ]
    for system in systems:
        lines += _system_lines(system, (settings or {}).get(ALIASES[system], {}))
    lines += ["", "flows:"]
    for kind in kinds:
        given = (settings or {}).get(ALIASES[kind.source], {})
        fields = load_system(kind.source).fields_of(_typed(kind.source, given), kind.entity)
        chosen = {**_OPTIONS.get(kind.name, {}), **(options or {}).get(kind.name, {})}
        lines += _flow_lines(kind, chosen, fields)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Example:
    """A value that stands in a connection file as somebody wrote it who showed how; `sure`: it can be nobody's own."""

    path: KeyPath
    remedy: str
    sure: bool


def left_examples(connection: Connection) -> list[Example]:
    """What nobody filled in yet. What may well be as in the example goes with the others only."""
    found = [*_left_settings(connection), *_left_addresses(connection)]
    return [*found, *_left_options(connection)] if found else []


def _left_settings(connection: Connection) -> Iterator[Example]:
    for part in connection.systems.values():
        for name, example in _EXAMPLES.get(part.kind, {}).items():
            if name in _FILL_IN and getattr(part.settings, name, None) == example:
                yield Example(("systems", part.alias, name), _FILL_IN[name], sure=name not in _NAMES)


def _left_addresses(connection: Connection) -> Iterator[Example]:
    for name, url in connection.healthcheck.given().items():
        if "your-uuid" in url:
            yield Example(("healthcheck", name), "put the address of your own check in its place", sure=True)


def _left_options(connection: Connection) -> Iterator[Example]:
    for bound in connection.flows:
        for name, remedy in _CHOOSE.items():
            example = _OPTIONS.get(bound.kind, {}).get(name)
            if (
                example is not None
                and not bound.flow.follows
                and str(getattr(bound.options, name)) == example
            ):
                yield Example(("flows", bound.flow.name, name), remedy, sure=False)


_CHOOSE = {
    "audience": "put the name or id of your own audience in its place",
    "won_since": "put the day in its place from which this connection makes the documents",
}
_FILL_IN = {
    "tenant": "put the Directory (tenant) ID of your app registration in Entra in its place",
    "client_id": "put the Application (client) ID of your app registration in Entra in its place",
    "company": "put the name or id of your own company in its place",
    "company_domain": "put your own company's part of its Pipedrive address in its place",
}
_NAMES = ("company", "company_domain")
"""What may be called as in the example."""
_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "business_central": {
        "tenant": "9f0c2f6e-0000-4000-8000-000000000000",
        "client_id": "1b2c3d4e-0000-4000-8000-000000000000",
        "company": "NORDKRAN",
        "environment": "Production",
    },
    "pipedrive": {"company_domain": "nordkran"},
}


def _system_lines(kind: str, given: Mapping[str, Any]) -> Iterator[str]:
    """The settings that are required or given; where each secret comes from, as a comment."""
    system = load_system(kind)
    usual = {**_EXAMPLES.get(kind, {}), **given}
    yield f"  {ALIASES[kind]}:"
    yield f"    kind: {kind}"
    for field in system.settings.__struct_fields__:
        if field != "kind" and usual.get(field) is not None:
            yield f"    {field}: {_scalar(usual[field])}"
    for secret, where in system.secrets.items():
        yield f"    # secret {ALIASES[kind]}.{secret}: {where}"


def _typed(kind: str, given: Mapping[str, Any]) -> Any:
    """The settings as their Struct; what is not given is no matter for what can be mapped."""
    settings = load_system(kind).settings
    known = {name: value for name, value in given.items() if value is not None}
    needed = {field.encode_name: "" for field in msgspec.structs.fields(settings) if field.required}
    return msgspec.convert({**needed, **known}, settings) if known else None


def _flow_lines(kind: FlowKind, options: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    yield f"  # {kind.summary}"
    yield f"  {kind.name}:"
    yield f"    from: {ALIASES[kind.source]}"
    yield f"    to: {ALIASES[kind.target]}"
    for option, value in options.items():
        yield from _noted(f"{option}: {_scalar(value)}", kind.notes.get(option, ""), "    ")
    yield from _option_lines(kind, "    # ")
    yield "    map:"
    for target, rule in kind.default_map.items():
        there = not compile_map({target: rule}, fields).problems
        yield from _map_lines(target, rule, kind.notes.get(target, ""), "      " if there else "      # ")
    for target, rule in kind.optional_map.items():
        yield from _noted(f"{target}: {_flow_style(rule)}", kind.notes.get(target, ""), "      # ")
    if kind.default_when:
        yield f"    when: {_flow_style(kind.default_when)}"
    if kind.optional_when:
        yield from _noted(f"when: {_flow_style(kind.optional_when)}", kind.when_note, "    # ")
    yield ""


def _option_lines(kind: FlowKind, indent: str) -> Iterator[str]:
    """The options that have a default, with it and with what else there is."""
    schema = msgspec.json.schema(kind.options)["$defs"][kind.options.__name__]["properties"]
    for option in msgspec.structs.fields(kind.options):
        if option.required:
            continue
        about = schema[option.name]
        default = list(option.default) if isinstance(option.default, tuple) else option.default
        choices = " | ".join(about.get("enum") or about.get("items", {}).get("enum", ()))
        note = f"{about['description']} ({choices})" if choices else about["description"]
        yield from _noted(f"{option.name}: {_flow_style(default)}", note, indent)


def _noted(line: str, note: str, indent: str) -> list[str]:
    """The note behind the line, or before it where that would be long."""
    if not note:
        return [indent + line]
    if len(line) + len(note) < _LONG:
        return [f"{indent}{line}      # {note}"]
    before = indent.removesuffix("# ")
    return [*(f"{before}# {part}" for part in wrap(note, _LONG)), indent + line]


def _map_lines(target: str, rule: Any, note: str, indent: str) -> Iterator[str]:
    line = f"{target}: {_flow_style(rule)}"
    if not isinstance(rule, Mapping) or ("parts" not in rule and len(line) < _LONG):
        yield from _noted(line, note, indent)
        return
    yield from _noted(f"{target}:", note, indent)
    yield from (f"{indent}  {key}: {_flow_style(value)}" for key, value in rule.items() if key != "parts")
    if "parts" in rule:
        yield f"{indent}  parts:"
        yield from (f"{indent}    {part}: {_flow_style(line)}" for part, line in rule["parts"].items())


def _flow_style(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow_style(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow_style(inner) for inner in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """Text plain where YAML cannot take it for anything else, quoted otherwise (JSON's spelling is YAML's)."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
