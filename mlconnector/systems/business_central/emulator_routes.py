"""What stands below a service root: companies, their sets, `$metadata`, `$batch`; and what a call there sees."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlconnector.sandbox import Reply, Request, json_reply
from mlconnector.systems.business_central.emulator_answers import (
    JSON_TYPE,
    Problem,
    bad_request,
    new_correlation,
    not_allowed,
    problem_reply,
    refused,
)
from mlconnector.systems.business_central.emulator_batch import serve_batch
from mlconnector.systems.business_central.emulator_company import Company
from mlconnector.systems.business_central.emulator_metadata import api_edmx, service_document
from mlconnector.systems.business_central.emulator_rows import SECOND, sql_stamp
from mlconnector.systems.business_central.emulator_service import Call, Rules, read_segment, serve
from mlconnector.systems.business_central.emulator_shelf import Shelf
from mlconnector.systems.business_central.emulator_throttle import Throttle
from mlconnector.systems.business_central.emulator_versions import V2, Version

if TYPE_CHECKING:
    from mlconnector.systems.business_central.emulator import BusinessCentral


class Routes:
    """The routes of one emulator, whose switches they look at with each call."""

    def __init__(self, emulator: BusinessCentral, shelf: Shelf, throttle: Throttle) -> None:
        self._emulator = emulator
        self.shelf = shelf
        self.throttle = throttle

    def answer(self, request: Request, base: str, segments: Sequence[str], version: Version) -> Reply:
        """`base` is the root as the client wrote it, `segments` what stands behind it."""
        if not segments:
            document = service_document(base, version.entities)
            return self._document(request, json_reply(200, document, JSON_TYPE, OData_Version="4.0"))
        if list(segments) == ["$metadata"]:
            return self._metadata(request, version)
        if list(segments) == ["$batch"] and version is V2:
            return self._batch(request, base)
        name, key = read_segment(segments[0])
        if name == "companies" and (key is None or len(segments) == 1):
            return serve(self.call(request, base, None, version), segments)
        if name != "companies":
            company = self.company(request.query.get("company"))
            return serve(self.call(request, base, company, version), segments)
        company = self.company(key)
        if segments[1] == "$metadata":
            return self._metadata(request, version)
        return serve(self.call(request, base, company, version), segments[1:])

    def _batch(self, request: Request, base: str) -> Reply:
        """Each part is a call of its own, with its own error; it may count as one (section 4.6)."""
        earlier = itertools.count()

        def send(part: Request, segments: list[str]) -> Reply:
            try:
                if (
                    next(earlier) and self._emulator.setup.batch_counts_parts
                ):  # the first has been counted already
                    self.throttle.check(self._emulator.rate_limit, self._emulator.clock.now())
                if segments == ["$batch"]:
                    raise bad_request("A batch cannot hold another one.")
                return self.answer(part, base, segments, V2)
            except Problem as problem:
                return problem_reply(problem, new_correlation())

        undo = [company.undo for company in self._emulator.companies]
        return serve_batch(request, base, send, undo, sql_stamp(self._emulator.clock.now()))

    def _metadata(self, request: Request, version: Version) -> Reply:
        return self._document(request, Reply(200, api_edmx(version), {"Content-Type": "application/xml"}))

    def _document(self, request: Request, reply: Reply) -> Reply:
        if request.method != "GET":
            raise not_allowed(request.method, "$metadata")
        return reply

    def company(self, wanted: str | None) -> Company:
        """By id or name; without either the only company there is (section 1.4)."""
        if wanted is None and len(self._emulator.companies) == 1:
            return self._emulator.companies[0]
        for company in self._emulator.companies:
            if wanted is not None and wanted.lower() in (company.id, company.name.lower()):
                return company
        text = "No default company is set." if wanted is None else f"The company '{wanted}' does not exist."
        raise Problem(404, "Internal_CompanyNotFound", text)

    def call(self, request: Request, base: str, company: Company | None, version: Version) -> Call:
        """What a request sees: the tables, the switches, and the moment a replica is at (section 3.5)."""
        intent = request.headers.get("data-access-intent", "").lower()
        if intent == "readonly" and request.method != "GET":
            raise refused("The request cannot be carried out with Data-Access-Intent ReadOnly.", "BadRequest")
        now, then = self._emulator.clock.now(), None
        if self._emulator.replica_lag_seconds and request.method == "GET" and intent != "readwrite":
            then = sql_stamp(now) - int(self._emulator.replica_lag_seconds * SECOND)
        return Call(
            request=request,
            base=base,
            company=company,
            entities=version.entities,
            tables=self.shelf.tables(company, version),
            scope=f"companies({company.id})/" if company else "",
            now=now,
            then=then,
            rules=self._rules(),
        )

    def _rules(self) -> Rules:
        return Rules(
            page_limit=self._emulator.page_limit,
            empty_last_page=self._emulator.empty_last_page,
            manual_numbers=self._emulator.manual_numbers,
            duplicate_status=self._emulator.duplicate_status,
            forbidden_tables=frozenset(self._emulator.forbidden_tables),
            permission_status=self._emulator.setup.permission_status,
            missing_expand=self._emulator.setup.missing_expand,
            ignores_page_variables=self._emulator.setup.ignores_page_variables,
        )
