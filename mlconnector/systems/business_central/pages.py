"""What a server says of its published pages: `$metadata` read, and the connect test for them (fact sheet 1.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from xml.etree import ElementTree

from mlconnector.errors import ConfigError, ConnectorError
from mlconnector.http import Answer
from mlconnector.model import FieldInfo, FieldType, Finding, Flow
from mlconnector.systems.base import failed
from mlconnector.systems.business_central import Settings
from mlconnector.systems.business_central.api import Api, read_page
from mlconnector.systems.business_central.check import compare_clocks
from mlconnector.systems.business_central.verdict import SYSTEM

Fields = Mapping[str, FieldInfo]
_TYPES: Mapping[str, FieldType] = {
    "Edm.String": "text",
    "Edm.Decimal": "number",
    "Edm.Int16": "number",
    "Edm.Int32": "number",
    "Edm.Int64": "number",
    "Edm.Boolean": "boolean",
    "Edm.Date": "date",
    "Edm.DateTimeOffset": "datetime",
    "Edm.Guid": "guid",
}
PAGES = {"customer": "page 21 (Customer Card)", "vendor": "page 26 (Vendor Card)"}


def metadata(api: Api) -> tuple[Mapping[str, Fields], Answer]:
    """The fields of every published page by its service name, and the answer they came in."""
    answer = api.metadata()
    try:
        root = ElementTree.fromstring(answer.body)  # noqa: S314 - the operator's own server; expat limits entities
    except ElementTree.ParseError:
        raise ConfigError(
            f"{SYSTEM}: $metadata is no XML", hint="check base_url in the connection file"
        ) from None
    types = {one.get("Name", ""): _properties(one) for one in root.iter() if _is(one, "EntityType")}
    sets = {
        one.get("Name", ""): types.get(one.get("EntityType", "").rpartition(".")[2], {})
        for one in root.iter()
        if _is(one, "EntitySet")
    }
    return sets, answer


def _is(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name


def _properties(entity_type: ElementTree.Element) -> Fields:
    found = {}
    for one in entity_type:
        if _is(one, "Property"):
            name, length = one.get("Name", ""), one.get("MaxLength", "")
            kind = _TYPES.get(one.get("Type", ""), "text")
            found[name] = FieldInfo(name, kind, int(length) if length.isdecimal() else None)
    return found


def page_fields(api: Api, entity: str, known: Fields) -> list[FieldInfo]:
    """What can be mapped: the fields that the page has, under our names where they have one, and under their own."""
    dialect = api.dialect
    there = metadata(api)[0].get(dialect.sets[entity], {})
    ours = [info for name, info in known.items() if dialect.theirs(name) in there]
    return [*ours, *there.values()]


def find_page_problems(
    api: Api, settings: Settings, now: Callable[[], datetime], flows: Sequence[Flow]
) -> Iterator[Finding]:
    """Log-in, the pages and their fields, and a record of each as the flow asks for it. Never raises."""
    where = flows[0].source if flows else SYSTEM
    try:
        pages, answer = metadata(api)
    except ConnectorError as error:
        yield failed(where, error)
        return
    who = f" as {settings.user}" if settings.user else ""
    yield Finding("ok", where, f"logged in{who}, {len(pages)} pages are published")
    yield from compare_clocks(where, answer, now())
    if wrong := api.wrong_company():
        yield failed(where, wrong)
        return
    for flow in flows:
        yield from _page_of(api, flow, pages)


def _page_of(api: Api, flow: Flow, pages: Mapping[str, Fields]) -> Iterator[Finding]:
    dialect = api.dialect
    service = dialect.sets[flow.entity]
    if service not in pages:
        yield Finding(
            "error",
            flow.name,
            f"no page is published as {service}; there are {', '.join(sorted(pages)) or 'none'}",
            f"publish {PAGES[flow.entity]} as {service} on the page Web Services,"
            f" or set services: {{{flow.entity}: its name}}",
        )
        return
    missing = [*_not_shown(api, flow, pages[service])]
    yield from missing or [_one_row(api, flow)]


def _not_shown(api: Api, flow: Flow, there: Fields) -> Iterator[Finding]:
    """What the flow reads and the page does not show: first what nothing can be sent without."""
    dialect, page = api.dialect, PAGES[flow.entity]
    reads = {path: dialect.theirs(path) for path in sorted(flow.paths)}
    always = [name for name in (dialect.key, dialect.modified) if name not in there]
    if always:
        remedy = f"add {' and '.join(always)} to {page}: every read needs it"
        yield Finding("error", flow.name, _lacks(api, flow, " and ".join(always), there), remedy)
    missing = {path: name for path, name in reads.items() if name not in (*there, *always)}
    for path, name in sorted(missing.items(), key=lambda one: one[0] not in flow.needs):
        own = path == name
        near = get_close_matches(name, there, 1) if own else []
        step = f"write it as the page spells it, or {_add(name, page)}" if near else _add(name, page)
        if path in flow.needs:
            remedy = f"nothing can be sent without it: {step}, or have its line in map read what it shows"
        else:
            remedy = f"{step}, or take {path} out of map and when"
        yield Finding("error", flow.name, _lacks(api, flow, name, there, near), remedy, path)


def _add(name: str, page: str) -> str:
    return f"add {name} to {page}"


def _lacks(api: Api, flow: Flow, name: str, there: Fields, near: Sequence[str] = ()) -> str:
    shown = f" (did you mean {near[0]!r}?)" if near else f"; it shows {', '.join(there) or 'nothing'}"
    return f"the page {api.dialect.sets[flow.entity]} does not show {name}{shown}"


def _one_row(api: Api, flow: Flow) -> Finding:
    service = api.dialect.sets[flow.entity]
    try:
        answer = api.read(api.address(service, {"$top": "1", **api.dialect.select(flow.paths)}))
        rows = read_page(answer).value
    except ConnectorError as error:
        return failed(flow.name, error)
    return Finding("ok", flow.name, f"{service} can be read{'' if rows else ', there are none yet'}")
