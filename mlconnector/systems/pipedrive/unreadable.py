"""A record that Pipedrive refuses to show, in place of the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlconnector.errors import Rejected


class Unreadable(Mapping[str, Any]):
    """Who looks into it is refused, so that this record fails alone and is not taken for deleted (trap 18)."""

    def __init__(self, error: Rejected) -> None:
        self._error = error

    def __getitem__(self, name: str) -> Any:
        raise self._error

    def __iter__(self) -> Iterator[str]:
        raise self._error

    def __len__(self) -> int:
        return 1
