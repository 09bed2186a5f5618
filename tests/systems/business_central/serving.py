"""A server of one's own on a port, and plain HTTP calls to it as its user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import requests

from mlconnector.sandbox import Running
from mlconnector.systems.business_central.emulator import BusinessCentral

USER, PASSWORD = "SYNC", "sandbox-password"


class Site:
    """`root` is the server with its instance; paths are given below it."""

    def __init__(self, bc: BusinessCentral, url: str) -> None:
        assert bc.server is not None
        self.bc = bc
        self.server = bc.server
        self.url = url
        self.root = f"{url}/{bc.server.instance}"
        self.company = f"companies({bc.companies[0].id})"
        self.pages = f"ODataV4/Company('{quote(bc.companies[0].name)}')"
        self.session = requests.Session()
        self.session.auth = (USER, PASSWORD)

    def call(self, path: str, method: str = "GET", **options: Any) -> requests.Response:
        address = path if path.startswith("http") else f"{self.root}/{path}"
        return self.session.request(method, address, timeout=10, **options)

    def get(self, path: str, *, page: int = 0, **params: str) -> Any:
        """The JSON of a GET that works; parameters without their `$`."""
        headers = {"Prefer": f"odata.maxpagesize={page}"} if page else {}
        answer = self.call(
            path, params={f"${name}": value for name, value in params.items()}, headers=headers
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def error(self, path: str, method: str = "GET", **params: str) -> tuple[int, str, str]:
        """Status, code and the text without its CorrelationId."""
        answer = self.call(path, method, params={f"${name}": value for name, value in params.items()})
        error = answer.json()["error"]
        return answer.status_code, error["code"], error["message"].split("  CorrelationId")[0]


@contextmanager
def serving(profile: str, **switches: Any) -> Iterator[Site]:
    """A seeded server until the end of the block."""
    emulator = BusinessCentral(profile=profile, **switches)
    emulator.seed()
    with Running(emulator) as running:
        site = Site(emulator, running.url)
        with site.session:
            yield site
