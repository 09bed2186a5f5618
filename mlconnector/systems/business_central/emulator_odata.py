"""Page web services: `/ODataV4/Company('…')/{Service}` and `/ODataV4/{Service}?company=…` (fact sheet 1.7, E30).

Left out: writes, bound actions, containment of sub-pages, rows of `Company` beyond what names a company.
`/OData` (v3) is a service document and nothing else: enough to see what a server is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from mlconnector.sandbox import Reply, json_reply
from mlconnector.systems.business_central.emulator_answers import (
    JSON_TYPE,
    Problem,
    bad_request,
    not_found,
)
from mlconnector.systems.business_central.emulator_company import Company
from mlconnector.systems.business_central.emulator_entities import COMPANIES
from mlconnector.systems.business_central.emulator_field import Entity
from mlconnector.systems.business_central.emulator_metadata import edmx, service_document
from mlconnector.systems.business_central.emulator_pages import NAMESPACE
from mlconnector.systems.business_central.emulator_rows import Shown
from mlconnector.systems.business_central.emulator_service import (
    Call,
    check_rights,
    count_all,
    list_rows,
    single_row,
)
from mlconnector.systems.business_central.emulator_view import (
    View,
    copied,
    make_entity,
    quoted_key,
    read_key,
)

_SEGMENT = re.compile(r"([$A-Za-z_]\w*)(?:\((.*)\))?", re.DOTALL)
_KEY = re.compile(r"(?:[A-Za-z_]\w*\s*=\s*)?('(?:[^']|'')*')")


def _company_list() -> View:
    shown = {"Name": "name", "Display_Name": "displayName", "Id": "id"}
    fields = [
        (replace(COMPANIES.by_name[kept], name=name), copied(COMPANIES.columns[kept]))
        for name, kept in shown.items()
    ]
    look = {"key": "Name", "reference": "Name", "namespace": NAMESPACE}
    entity = make_entity("Company", "Company", COMPANIES, tuple(one for one, _ in fields), **look)
    return View(entity, COMPANIES, tuple(source for _, source in fields))


COMPANY_LIST = _company_list()


@dataclass(frozen=True, slots=True)
class Published:
    """What is published: a view for each service name, and how the rows of one are found in a company.

    `named` finds a company by its name or id; without either it is the default one, and a Problem if there is none.
    """

    views: Mapping[str, View]
    rows: Callable[[Company, View], Shown]
    named: Callable[[str | None], Company]

    @property
    def entities(self) -> Mapping[str, Entity]:
        """The list of companies first, as in a service document."""
        return {
            COMPANY_LIST.entity.name: COMPANY_LIST.entity,
            **{name: view.entity for name, view in self.views.items()},
        }


def serve_pages(call: Call, segments: Sequence[str], published: Published) -> Reply:
    """Answers a GET below `/ODataV4`; `segments` are percent-decoded, `call` is not yet about a company."""
    if not segments:
        document = service_document(call.base, published.entities)
        return json_reply(200, document, JSON_TYPE, OData_Version="4.0")
    if list(segments) == ["$metadata"]:
        body = edmx(published.entities, COMPANY_LIST.entity.name)
        return Reply(200, body, {"Content-Type": "application/xml"})
    if call.request.method != "GET":
        text = "This emulator shows pages read-only."
        raise Problem(501, "BadRequest_MethodNotImplemented", text)
    name, key = _read(segments[0])
    if name != COMPANY_LIST.entity.name:
        return _serve_service(call, segments, published, published.named(call.request.query.get("company")))
    if key is None:
        return _serve_companies(call, segments)
    company = published.named(_text_of(key))
    if len(segments) == 1:
        row = call.table(COMPANY_LIST.entity).row_at(company.id, call.then)
        if row is None:
            raise not_found(name)
        return single_row(call, COMPANY_LIST.entity, row)
    return _serve_service(call, segments[1:], published, company)


def _serve_companies(call: Call, segments: Sequence[str]) -> Reply:
    if len(segments) > 1:
        raise not_found(segments[1])
    return list_rows(call, COMPANY_LIST.entity)


def _serve_service(call: Call, segments: Sequence[str], published: Published, company: Company) -> Reply:
    name, key = _read(segments[0])
    view = published.views.get(name)
    if view is None or len(segments) > 2:
        raise not_found(name)  # the same answer as for a row that is not there (section 6.4)
    check_rights(call, view.entity, "GET", view.base)
    scope = f"Company('{quote(company.name, safe='')}')/"
    rows = {view.entity.table: published.rows(company, view)}
    inside = replace(call, company=company, scope=scope, entities=published.entities, tables=rows)
    if len(segments) == 2:
        if key is None and segments[1] == "$count":
            return count_all(inside, view.entity)
        raise not_found(segments[1])
    if key is None:
        return list_rows(inside, view.entity)
    row = inside.table(view.entity).row_at(quoted_key(read_key(_key_of(key, view.entity))), call.then)
    if row is None:
        raise not_found(name)
    return single_row(inside, view.entity, row)


def _read(segment: str) -> tuple[str, str | None]:
    found = _SEGMENT.fullmatch(segment)
    if found is None:
        raise not_found(segment)
    return found[1], found[2]


def _key_of(text: str, entity: Entity) -> str:
    """The quoted part of `'10000'` or `No='10000'`; 400 for another property or a key without quotes."""
    found = _KEY.fullmatch(text.strip())
    name, equals, _ = text.partition("=")
    named = equals and not text.strip().startswith("'")
    if found is None or (named and name.strip() != entity.reference):
        raise bad_request(
            f"Bad Request - Error in query syntax. '{text}' is not a valid key.", "BadRequest_NotFound"
        )
    return found[1]


def _text_of(key: str) -> str:
    return _key_of(key, COMPANY_LIST.entity)[1:-1].replace("''", "'")


def old_service_document(base: str, names: Sequence[str]) -> Reply:
    """`GET …/OData`: Atom, as version 3 answers unless JSON is asked for."""
    sets = "".join(
        f"<collection href={quoteattr(name)}><atom:title>{escape(name)}</atom:title></collection>"
        for name in ("Company", *names)
    )
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><service xml:base={quoteattr(base + "/")} '
        'xmlns="http://www.w3.org/2007/app" xmlns:atom="http://www.w3.org/2005/Atom">'
        f"<workspace><atom:title>Default</atom:title>{sets}</workspace></service>"
    )
    headers = {"Content-Type": "application/atomsvc+xml; charset=utf-8", "DataServiceVersion": "1.0;"}
    return Reply(200, body.encode(), headers)
