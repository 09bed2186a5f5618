"""An emulated Mailchimp on a port, and a plain HTTP client for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from mlconnector.sandbox import Running
from mlconnector.systems.mailchimp.emulator import API_KEY, Mailchimp
from tests.systems.mailchimp.writing import MANY, Busy, Desk, running


class Api:
    """Calls below /3.0 as an administrator; `{l}` in a path is the list Customers."""

    def __init__(self, url: str, list_id: str) -> None:
        self.url, self.list_id = url, list_id
        self.session = requests.Session()
        self.session.auth = ("anything", API_KEY)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        url = f"{self.url}/3.0{path.replace('{l}', self.list_id)}"
        return self.session.request(method, url, timeout=10, **options)

    def get(self, path: str, **params: Any) -> Any:
        return self.call("GET", path, params=params).json()

    def put(self, email: str, **body: Any) -> requests.Response:
        return self.call("PUT", f"/lists/{{l}}/members/{email}", json={"email_address": email, **body})

    def bulk(self, *members: dict[str, Any], params: dict[str, str] | None = None, **body: Any) -> Any:
        data = {"members": list(members), **body}
        return self.call("POST", "/lists/{l}", json=data, params=params).json()


@pytest.fixture
def emulator() -> Mailchimp:
    """An empty account with the lists Customers and Vendors."""
    return Mailchimp()


@pytest.fixture
def api(emulator: Mailchimp) -> Iterator[Api]:
    """A client of `emulator`, which is running."""
    with Running(emulator) as running:
        client = Api(running.url, emulator.list_id("Customers"))
        with client.session:
            yield client


@pytest.fixture
def mail() -> Busy:
    """An empty account for our own writer."""
    return Busy()


@pytest.fixture
def desk(mail: Busy) -> Iterator[Desk]:
    """Our writer on `mail`, which is running."""
    with running(mail) as desk:
        yield desk


@pytest.fixture(params=[0, MANY], ids=["few", "many"])
def both(request: pytest.FixtureRequest, desk: Desk) -> Desk:
    """The same twice: what is written is looked at one by one, or is part of a large chunk."""
    desk.fillers = request.param
    return desk
