"""One request on its way through the emulated Pipedrive, and the envelopes of its answer (fact sheet 2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlconnector.sandbox import Request
from mlconnector.systems.pipedrive.emulator_errors import invalid
from mlconnector.systems.pipedrive.emulator_state import Company, Record, User

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Visit:
    """The request, who sent it and what its path says."""

    company: Company
    request: Request
    user: User
    names: tuple[str, ...]

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        return self.request.query

    def body(self) -> Any:
        """The JSON body, or 400."""
        try:
            return json.loads(self.request.body)
        except ValueError:
            raise invalid("the body is not valid JSON") from None

    def number(self, place: int = 0) -> int:
        """An id in the path."""
        return int(self.names[place])

    def find(self, kind: str) -> Record:
        """The record of the path, deleted or not; else 404."""
        return self.company.find(kind, self.number(), self.user)

    def editable(self, kind: str) -> Record:
        """The record of the path, which is not deleted: 404 or 400 else."""
        return self.company.editable(kind, self.number(), self.user)


def single(data: Any) -> Answer:
    """One record."""
    return {"success": True, "data": data}


def page(data: Iterable[Any], cursor: str | None) -> Answer:
    """One page of a list; the cursor is null at the end."""
    return {"success": True, "data": list(data), "additional_data": {"next_cursor": cursor}}


def found(items: Sequence[Any], cursor: str | None) -> Answer:
    """One page of a search (5.3)."""
    return {"success": True, "data": {"items": items}, "additional_data": {"next_cursor": cursor}}
