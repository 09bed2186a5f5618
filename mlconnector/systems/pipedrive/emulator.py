"""The emulated Pipedrive, REST v2 and what is only in v1: transport and control. Written from the fact sheet.

Left out: webhooks (section 7), because polling is what makes a sync correct and no part of the tool receives
deliveries; `/deals/installments`, activities, leads, notes, files, projects, filters over HTTP and product images,
because no flow reads them. They answer 404 (v1 twins of v2: 410), as an unknown path does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import mlconnector.systems.pipedrive.emulator_seed as seeds
from mlconnector.sandbox import Clock, Emulator, Reply, Request, json_reply
from mlconnector.systems.pipedrive.emulator_errors import Problem, gateway, out_of_scope
from mlconnector.systems.pipedrive.emulator_examples import EXAMPLES
from mlconnector.systems.pipedrive.emulator_login import CLIENT_ID, CLIENT_SECRET, SCOPES, Caller, Login
from mlconnector.systems.pipedrive.emulator_people import People
from mlconnector.systems.pipedrive.emulator_routes import Route, find_route
from mlconnector.systems.pipedrive.emulator_state import Company, User
from mlconnector.systems.pipedrive.emulator_switches import Switches
from mlconnector.systems.pipedrive.emulator_throttle import Blocked, Throttle
from mlconnector.systems.pipedrive.emulator_visit import Visit

__all__ = ["API_TOKEN", "CLIENT_ID", "CLIENT_SECRET", "SECOND_TOKEN", "Pipedrive", "Switches"]

API_TOKEN = "1f2e3d4c5b6a79880123456789abcdef01234567"  # noqa: S105  # of an emulator
SECOND_TOKEN = "89abcdef0123456701234567f0e1d2c3b4a59687"  # noqa: S105
JSON_TYPE = "application/json; charset=utf-8"
ON_RECORDS = ("record", "edit", "delete", "restore", "merge", "hide", "named", "records", "add")
ON_DEALS = ("win", "lose", "reopen", "archive", "unarchive", "lines", "discount")
ON_LINES = ("add_line", "edit_line", "remove_line")
ON_THE_REST = (
    "rename_product",
    "add_variation",
    "add_field",
    "rename_field",
    "delete_field",
    "add_filter",
    "code",
)


def users() -> Iterator[User]:
    """An administrator, and a salesman who sees his own records and those that are everybody's."""
    yield User(21001, "Karin Berg", "karin.berg@nordkran.se", API_TOKEN)
    yield User(21002, "Tomas Lind", "tomas.lind@nordkran.se", SECOND_TOKEN, sees_all=False, currency="SEK")


class Pipedrive(Emulator):
    """One company account; empty until `seed` or `fill`. `plan` None limits nothing; `people` do what people do."""

    name = "pipedrive"

    def __init__(
        self,
        *,
        plan: str | None = "growth",
        seats: int = 5,
        scopes: Iterable[str] = SCOPES,
        clock: Clock | None = None,
        switches: Switches | None = None,
    ) -> None:
        super().__init__(clock)
        self.switches = switches or Switches()
        self.company = Company(self.clock, self.switches, list(users()))
        self.people = People(self.company, self.lock)
        self.login = Login(self.company, frozenset(scopes))
        self.throttle = Throttle(self.clock.now, self.switches, plan, seats)

    # data

    def seed(self) -> None:
        """Realistic and awkward records (`emulator_seed`), some days old."""
        with self.lock:
            seeds.seed(self.company)

    def fill(
        self,
        *,
        organizations: int = 0,
        persons: int = 0,
        products: int = 0,
        won_deals: int = 0,
        lines: int = 3,
    ) -> None:
        """Many plain records, quickly; each won deal has so many lines."""
        with self.lock:
            seeds.fill(self.company, organizations, persons, products, won_deals, lines)

    @property
    def tokens_spent(self) -> int:
        """What was taken from today's budget."""
        return self.throttle.spent.get(self.throttle.today, 0)

    def install(self) -> str:
        """The administrator installs the app; the refresh token."""
        with self.lock:
            return self.login.install(self.people.user).refresh_token

    # transport

    def answer(self, request: Request) -> Reply:
        """One answer of the API or of the OAuth server."""
        try:
            if request.path.startswith("/oauth/"):
                return self.login.answer(request)
            return self._serve(request, self.login.caller(request))
        except (Problem, Blocked) as problem:
            return problem.reply()

    def error(self, request: Request, status: int) -> Reply:
        """A status that a fault asks for, in the gateway's spelling."""
        return gateway(status).reply()

    def expire_tokens(self) -> None:
        """OAuth access tokens are dead; the API token and refresh tokens are not."""
        self.login.expire()

    def _serve(self, request: Request, caller: Caller) -> Reply:
        try:
            reply = self._routed(request, caller)
        except Problem as problem:
            reply = problem.reply()
        reply.headers.update(self.throttle.headers(caller))
        return reply

    def _routed(self, request: Request, caller: Caller) -> Reply:
        route, names = find_route(request.method, request.path)
        self.throttle.admit(caller, route.cost, is_search=route.is_search)
        try:
            return self._answered(request, caller, route, names)
        except Problem:
            if not self.switches.failed_requests_cost:
                self.throttle.spend(-route.cost)
            raise

    def _answered(self, request: Request, caller: Caller, route: Route, names: tuple[str, ...]) -> Reply:
        if not caller.may(route.scopes):
            raise out_of_scope()
        visit = Visit(self.company, request, caller.user, names)
        return json_reply(route.status, route.answer(visit), JSON_TYPE)

    # control

    def examples(self) -> Mapping[str, Mapping[str, Any]]:
        """See Emulator."""
        return EXAMPLES

    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        """`POST /_sandbox/do/<name>` with the arguments of the method of `People` by name."""
        acts = (*ON_RECORDS, *ON_DEALS, *ON_LINES, *ON_THE_REST)
        return {
            **{name: partial(self._act, name) for name in acts},
            "spend": lambda data: self.throttle.spend(int(data["tokens"])),
            "install": lambda data: self.install(),
            "switches": self._change_switches,
        }

    def _act(self, name: str, data: Mapping[str, Any]) -> Any:
        return getattr(self.people, name)(**data)

    def _change_switches(self, values: Mapping[str, Any]) -> dict[str, Any]:
        self.switches.change(values)
        return asdict(self.switches)
