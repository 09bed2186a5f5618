"""Business Central online in API v2.0, with its token endpoint, written from the fact sheet (checklist of section 8).

With another `profile` it is a server of one's own or NAV (E4, E30): API v2.0, v1.0 or beta, page web services, Basic or
Windows credentials. Documents, contacts, items and `$batch` are there in API v2.0 only; `setup` has the switches of the
company and of what the sheet calls uncertain, `people` what is done in the client.

Left out until an issue needs them: webhooks (E25, E26), pictures, PDFs, attachments, dimension sets, quotes, credit
memos and purchases, ledger entries, journals, writes to pages and to old versions, OData v3 beyond its service list,
Kerberos, the post code table, cascades of a renamed code. Answers carry Content-Length where the real ones are chunked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from mlconnector.sandbox import Clock, Emulator, Reply, Request
from mlconnector.systems.business_central.emulator_answers import (
    Problem,
    dress,
    fault_reply,
    new_correlation,
    not_found,
    problem_reply,
)
from mlconnector.systems.business_central.emulator_changes import create
from mlconnector.systems.business_central.emulator_company import Company, LateEdit, as_sent, shown
from mlconnector.systems.business_central.emulator_controls import Controls
from mlconnector.systems.business_central.emulator_entities import COMPANIES, ENTITIES
from mlconnector.systems.business_central.emulator_examples import EXAMPLES
from mlconnector.systems.business_central.emulator_field import Entity
from mlconnector.systems.business_central.emulator_login import Login, entra_fault
from mlconnector.systems.business_central.emulator_odata import (
    Published,
    old_service_document,
    serve_pages,
)
from mlconnector.systems.business_central.emulator_people import People
from mlconnector.systems.business_central.emulator_posting import let_fall_due
from mlconnector.systems.business_central.emulator_query import PAGE_LIMIT
from mlconnector.systems.business_central.emulator_registry import HOOKS
from mlconnector.systems.business_central.emulator_routes import Routes
from mlconnector.systems.business_central.emulator_rows import Table, sql_stamp
from mlconnector.systems.business_central.emulator_seed import (
    ONLINE_BUILD,
    company_row,
    fill_company,
    seed_company,
)
from mlconnector.systems.business_central.emulator_server import Server, make_server
from mlconnector.systems.business_central.emulator_setup import Setup
from mlconnector.systems.business_central.emulator_shelf import Shelf
from mlconnector.systems.business_central.emulator_throttle import Throttle
from mlconnector.systems.business_central.emulator_versions import V2

TENANT = "9f0c5a3e-0b1d-4c6e-8a57-2d3c4b5a6978"
CLIENT_ID = "5d7ad2c1-7f5e-4f0b-9d0f-3c1b2a495867"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - opens nothing but this emulator

_TOKEN_PATH = re.compile(r"/([^/]+)/oauth2/v2\.0/token")
_SERVICE_PATH = re.compile(r"/v2\.0/(?:([^/]+)/)?([^/]+)/api/v2\.0(?:/(.*))?")
_RAW_ROOT = re.compile(r"/v2\.0/.*?/api/v2\.0")


class BusinessCentral(Emulator):
    """One environment of one tenant. The switches are plain attributes and may be changed at any time.

    `profile` is `online` or one of `emulator_profile.PROFILES`; `**server` are switches of `server` (see `Server`).

    The in-process calls (`add`, `edit`, …) do what a person would do in the client, without the checks of the API but
    for sales documents and their lines; they act on the first company unless `company` names another one.
    """

    name = "business_central"
    max_parallel = 100  # 5 at work and 95 in the queue (section 6.1)

    def __init__(
        self,
        *,
        tenant: str = TENANT,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        environment: str = "Production",
        companies: Sequence[str] = ("CRONUS International Ltd.",),
        currency: str = "EUR",
        token_seconds: int = 3599,
        registered: bool = True,
        profile: str = "online",
        clock: Clock | None = None,
        **server: Any,
    ) -> None:
        super().__init__(clock)
        self.server = None if profile == "online" and not server else make_server(profile, server)
        self.environment = environment
        self.registered = registered
        self.login = Login(tenant, client_id, client_secret, token_seconds, domains=["cronus.com"])
        self.replica_lag_seconds = 0.0
        self.rate_limit: tuple[int, float] | None = (6000, 300.0) if self.server is None else None
        self.page_limit = PAGE_LIMIT if self.server is None else self.server.product.page_limit
        self.empty_last_page = False
        self.manual_numbers = True
        self.duplicate_status = 400
        self.forbidden_tables: set[str] = set()
        self.xml_unauthorized = False
        self.setup = Setup()
        self.companies = [
            Company(name, place, currency, self.setup, HOOKS) for place, name in enumerate(companies)
        ]
        self._company_rows = Table(COMPANIES, "")
        self._routes = Routes(self, Shelf(self._company_rows, self._zone), Throttle())
        self.people = People(self)
        self._controls = Controls(self)
        started = self.clock.now()
        build = self.server.product.build if self.server is not None else ONLINE_BUILD
        for company in self.companies:
            fill_company(company, started)
        self._company_rows.load(
            self._company_rows.make(company_row(company.id, company.name, place, started, build))
            for place, company in enumerate(self.companies)
        )

    # what a client sees

    def answer(self, request: Request) -> Reply:
        """A token, or something below the service root."""
        login = _TOKEN_PATH.fullmatch(request.path)
        if login is not None:
            return self.login.answer(request, login[1], self.clock.now())
        correlation = new_correlation()
        try:
            reply = self._serve(request)
        except Problem as problem:
            reply = problem_reply(problem, correlation)
        return dress(request, reply, correlation, on_premises=self.server is not None)

    def error(self, request: Request, status: int) -> Reply:
        """The body that goes with a fault's status (section 6.4)."""
        if _TOKEN_PATH.fullmatch(request.path):
            return entra_fault(status, self.clock.now())
        correlation = new_correlation()
        if status == 401 and self.server is not None:
            return dress(request, self.server.unauthorized(), correlation)
        if status == 401:
            return dress(request, problem_reply(self._unauthorized(), correlation), correlation)
        return dress(request, fault_reply(status, self.login.tenant, correlation), correlation)

    def expire_tokens(self) -> None:
        """Every token handed out so far is worth nothing."""
        self.login.tokens.clear()

    def _serve(self, request: Request) -> Reply:
        for company in self.companies:
            let_fall_due(company, sql_stamp(self.clock.now()))
        return (
            self._serve_online(request) if self.server is None else self._serve_server(request, self.server)
        )

    def _serve_server(self, request: Request, server: Server) -> Reply:
        """Somebody listening, a tenant, good credentials: in this order."""
        endpoint = server.find(request)
        if isinstance(endpoint, Reply):
            return endpoint
        server.check_tenant(request)
        refused_call = server.refuse(request, self.login, self.clock.now())
        if refused_call is not None:
            return refused_call
        self._routes.throttle.check(self.rate_limit, self.clock.now())
        base, segments = endpoint.base, endpoint.segments
        if endpoint.kind == "api":
            return self._routes.answer(request, base, segments, server.version(endpoint.version))
        views = server.views()
        if endpoint.kind == "OData":
            return old_service_document(base, list(views))
        published = Published(views, self._routes.shelf.rows_of, self._routes.company)
        return serve_pages(self._routes.call(request, base, None, V2), segments, published)

    def _serve_online(self, request: Request) -> Reply:
        found = _SERVICE_PATH.fullmatch(request.path)
        root = _RAW_ROOT.match(request.raw_path)
        if found is None or root is None:
            raise not_found(request.path.strip("/").split("/")[0])
        self._check_caller(request)
        self._check_environment(found[1], found[2])
        self._routes.throttle.check(self.rate_limit, self.clock.now())
        base = request.base + root[0]
        segments = [part for part in (found[3] or "").split("/") if part]
        return self._routes.answer(request, base, segments, V2)

    def _check_caller(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self.login.valid(token.strip(), self.clock.now()):
            raise self._unauthorized()
        if not self.registered:
            text = "The server has rejected the client credentials."
            raise Problem(401, "Authentication_InvalidCredentials", text)

    def _unauthorized(self) -> Problem:
        text = "The credentials provided are incorrect"
        return Problem(401, "Unauthorized", text, xml=self.xml_unauthorized)

    def _check_environment(self, tenant: str | None, environment: str) -> None:
        known = tenant is None or self.login.knows(tenant)
        if not known or environment.lower() != self.environment.lower():
            raise Problem(404, "NoEnvironment", "Environment does not exist.", xml=True)

    def _zone(self) -> str:
        return self.server.time_zone if self.server is not None else "UTC"

    # what other people do meanwhile

    def seed(
        self, customers: int = 40, vendors: int = 15, items: int = 5, *, company: str | None = None
    ) -> None:
        """Fills a company with the demo company's rows, awkward ones and generated ones; replaces what was there.

        Each customer and vendor has its contact; a few documents have been entered by hand.
        """
        with self.lock:
            seed_company(self.company_named(company), customers, vendors, items, self.clock.now())

    def add(self, entity: str, /, *, company: str | None = None, **fields: Any) -> dict[str, Any]:
        """A new record, number series and templates filling the rest; the row as the API shows it.

        A document may bring its lines: `salesOrderLines=[{…}]`.
        """
        kind = _entity(entity)
        with self.lock:
            where, now = self.company_named(company), sql_stamp(self.clock.now())
            if not where.hooks(kind).validated:
                return shown(kind, where.add(kind, fields, self.clock.now()))
            try:
                return shown(kind, create(where, kind, as_sent(fields), where.moment(now)))
            except Problem as problem:
                raise ValueError(problem.message) from None

    def edit(
        self, entity: str, number: str, /, *, company: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Changes a record (by number, code or id) and stamps it; the row as the API shows it."""
        with self.lock:
            return self.edit_late(entity, number, company=company, **fields).commit()

    def edit_late(
        self, entity: str, number: str, /, *, company: str | None = None, by_code: bool = False, **fields: Any
    ) -> LateEdit:
        """Stamps a change now; nobody sees it before `.commit()` (section 3.6, late commit)."""
        with self.lock:
            kind, where, stamp = _entity(entity), self.company_named(company), sql_stamp(self.clock.now())
            where.find(kind, number)
            return LateEdit(where, kind, number, fields, stamp, self, by_code)

    def edit_by_code(
        self, entity: str, number: str, /, *, company: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """A change past the table's triggers: `lastModifiedDateTime` moves, a page's `Last_Date_Modified` does not."""
        with self.lock:
            return self.edit_late(entity, number, company=company, by_code=True, **fields).commit()

    def renumber(self, entity: str, old: str, new: str, *, company: str | None = None) -> dict[str, Any]:
        """Renames a record: the same id under another number; ValueError if that one is taken."""
        return self.edit(entity, old, company=company, number=new)

    def touch_balance(
        self,
        number: str,
        amount: Decimal | float | str,
        *,
        entity: str = "customers",
        company: str | None = None,
    ) -> dict[str, Any]:
        """Posts an amount that is due (or, negative, a payment): balances move, the stamp does not (E22)."""
        with self.lock:
            where, kind, value = self.company_named(company), _entity(entity), Decimal(str(amount))
            draft = where.draft(kind, where.find(kind, number))
            for name in ("balance", "balanceDue", "overdueAmount"):
                if name in kind.columns:
                    draft[name] += value
            if "totalSalesExcludingTax" in kind.columns and value > 0:
                draft["totalSalesExcludingTax"] += value
            return shown(kind, where.store(draft, None, sql_stamp(self.clock.now())))

    def delete(self, entity: str, number: str, *, company: str | None = None) -> None:
        """Takes a record out, whatever depends on it."""
        with self.lock:
            where, kind = self.company_named(company), _entity(entity)
            where.remove(kind, where.find(kind, number), sql_stamp(self.clock.now()))

    def stamp(
        self, entity: str, number: str, when: datetime, *, company: str | None = None
    ) -> dict[str, Any]:
        """Sets `lastModifiedDateTime` and nothing else; year 1 is the blank stamp."""
        with self.lock:
            where, kind = self.company_named(company), _entity(entity)
            draft = where.draft(kind, where.find(kind, number))
            return shown(kind, where.store(draft, sql_stamp(when), sql_stamp(self.clock.now())))

    def row(self, entity: str, number: str, *, company: str | None = None) -> dict[str, Any]:
        """One record (by number, code or id) as the API shows it; KeyError if there is none."""
        with self.lock:
            kind = _entity(entity)
            return shown(kind, self.company_named(company).find(kind, number))

    def rows(self, entity: str, *, company: str | None = None) -> list[dict[str, Any]]:
        """All records in the order of their numbers."""
        with self.lock:
            kind = _entity(entity)
            return [shown(kind, row) for row in self.company_named(company).table(kind).rows]

    def company_named(self, name: str | None) -> Company:
        """A company by name or id, the first one without; KeyError if there is none of that name."""
        if name is None:
            return self.companies[0]
        try:
            return self._routes.company(name)
        except Problem as problem:
            raise KeyError(problem.message) from None

    def examples(self) -> Mapping[str, Mapping[str, Any]]:
        """See Emulator."""
        return EXAMPLES

    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        """`POST /_sandbox/do/<name>` with `{"entity": "customers", "number": "10000", "fields": {…}}` and the like."""
        return self._controls.actions()


def _entity(name: str) -> Entity:
    entity = ENTITIES.get(name)
    if entity is None or entity is COMPANIES:
        known = ", ".join(name for name in ENTITIES if name != COMPANIES.name)
        raise KeyError(f"no entity set {name!r}; there are {known}")
    return entity
