"""An emulated Business Central on a port, and a plain HTTP client for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from mlconnector.sandbox import Clock, Running
from mlconnector.systems.business_central.emulator import CLIENT_ID, CLIENT_SECRET, TENANT, BusinessCentral

from .writing import Desk, Office, running

SCOPE = "https://api.businesscentral.dynamics.com/.default"


class Api:
    """Calls below the main company with a token that is good; `url` is the server, `root` the service root."""

    def __init__(self, url: str, company_id: str) -> None:
        self.url = url
        self.root = f"{url}/v2.0/{TENANT}/Production/api/v2.0"
        self.company = f"{self.root}/companies({company_id})"
        self.company_id = company_id
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"

    def token(self, tenant: str = TENANT, **form: str) -> requests.Response:
        known = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": SCOPE,
        }
        return requests.post(f"{self.url}/{tenant}/oauth2/v2.0/token", data=known | form, timeout=10)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.company}/{path}"
        return self.session.request(method, url, timeout=10, **options)

    def get(self, path: str, prefer: str = "", headers: dict[str, str] | None = None, **params: str) -> Any:
        """The JSON of a GET; parameter names are given without their `$`."""
        sent = dict(headers or {}) | ({"Prefer": f"odata.maxpagesize={prefer}"} if prefer else {})
        named = {f"${name}": value for name, value in params.items()}
        return self.call("GET", path, params=named, headers=sent).json()

    def numbers(self, path: str = "customers", **params: str) -> list[str]:
        return [row["number"] for row in self.get(path, **params)["value"]]

    def filtered(self, text: str, **params: str) -> list[str]:
        return self.numbers(filter=text, **params)

    def error(self, method: str, path: str, **options: Any) -> tuple[int, str, str]:
        """Status, code and the text without its CorrelationId."""
        answer = self.call(method, path, **options)
        error = answer.json()["error"]
        return answer.status_code, error["code"], error["message"].split("  CorrelationId")[0]

    def refused(self, **params: str) -> tuple[int, str, str]:
        """The error that a GET of customers with these query options ends in."""
        return self.error("GET", "customers", params={f"${name}": value for name, value in params.items()})


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still on a summer's day."""
    clock = Clock()
    clock.freeze(datetime(2026, 7, 21, 12, 54, 20, 468_000, tzinfo=UTC))
    return clock


@pytest.fixture
def bc(clock: Clock) -> BusinessCentral:
    """The demo company with forty customers and fifteen vendors."""
    emulator = BusinessCentral(clock=clock)
    emulator.seed()
    return emulator


@pytest.fixture
def serve() -> Iterator[Callable[[BusinessCentral], Api]]:
    """Starts an emulator and gives a client of it; both end with the test."""
    with ExitStack() as stack:

        def start(emulator: BusinessCentral) -> Api:
            running = stack.enter_context(Running(emulator))
            client = Api(running.url, emulator.companies[0].id)
            stack.enter_context(client.session)
            return client

        yield start


@pytest.fixture
def api(bc: BusinessCentral, serve: Callable[[BusinessCentral], Api]) -> Api:
    """A client of `bc`, which is running."""
    return serve(bc)


@pytest.fixture
def desk(bc: BusinessCentral) -> Iterator[Desk]:
    """Our side of `bc`, which is running."""
    with running(bc) as desk:
        yield desk


@pytest.fixture(params=["order", "invoice"])
def office(request: pytest.FixtureRequest, bc: BusinessCentral, desk: Desk) -> Office:
    """Documents of both kinds, of a customer who pays in the company's own currency."""
    bc.edit("customers", "10000", currencyCode="", blocked="")
    return Office(desk, str(request.param))


@pytest.fixture
def orders(bc: BusinessCentral, desk: Desk) -> Office:
    """Orders of a customer who pays in the company's own currency."""
    bc.edit("customers", "10000", currencyCode="", blocked="")
    return Office(desk)
