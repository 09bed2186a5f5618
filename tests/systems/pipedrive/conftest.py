"""An emulated Pipedrive on a port, and a plain HTTP client for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from mlconnector.sandbox import Running
from mlconnector.systems.pipedrive.emulator import API_TOKEN, Pipedrive


class Api:
    """Calls as the administrator; a path without a prefix is one of v2."""

    def __init__(self, url: str, token: str = API_TOKEN) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["x-api-token"] = token

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        address = (
            f"{self.url}{path}" if path.startswith(("/api", "/v1", "/oauth")) else f"{self.url}/api/v2{path}"
        )
        return self.session.request(method, address, timeout=10, allow_redirects=False, **options)

    def get(self, path: str, **params: Any) -> Any:
        return self.call("GET", path, params=params).json()

    def data(self, path: str, **params: Any) -> Any:
        return self.get(path, **params)["data"]

    def ids(self, path: str, **params: Any) -> list[int]:
        return [row["id"] for row in self.data(path, **params)]

    def post(self, path: str, **body: Any) -> Any:
        answer = self.call("POST", path, json=body)
        assert answer.ok, answer.text
        return answer.json()["data"]

    def patch(self, path: str, **body: Any) -> Any:
        answer = self.call("PATCH", path, json=body)
        assert answer.ok, answer.text
        return answer.json()["data"]

    def refusal(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        answer = self.call(method, path, **options)
        return answer.status_code, answer.json()


@pytest.fixture
def crm() -> Pipedrive:
    """An empty account without limits."""
    return Pipedrive(plan=None)


@pytest.fixture
def api(crm: Pipedrive) -> Iterator[Api]:
    """The administrator's client of `crm`, which is running."""
    with Running(crm) as running:
        client = Api(running.url)
        with client.session:
            yield client
