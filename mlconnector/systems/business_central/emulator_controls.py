"""The emulator's controls by HTTP, `POST /_sandbox/do/<name>`: what its Python calls do, spelled in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mlconnector.systems.business_central.emulator_company import LateEdit
from mlconnector.systems.business_central.emulator_server import Server, checked
from mlconnector.systems.business_central.emulator_setup import Setup

if TYPE_CHECKING:
    from mlconnector.systems.business_central.emulator import BusinessCentral

Action = Callable[[Mapping[str, Any]], Any]

SWITCHES: Mapping[str, Callable[[Any], Any]] = {
    "registered": bool,
    "replica_lag_seconds": float,
    "rate_limit": lambda value: (int(value[0]), float(value[1])) if value else None,
    "page_limit": int,
    "empty_last_page": bool,
    "manual_numbers": bool,
    "duplicate_status": int,
    "forbidden_tables": set,
    "xml_unauthorized": bool,
}
PEOPLE: Mapping[str, tuple[str, ...]] = {
    "release": ("number",),
    "ask-for-approval": ("number",),
    "reopen": ("number",),
    "post": ("number",),
    "pay": ("number",),
    "delete-draft": ("number",),
    "add-line": ("number",),
    "edit-line": ("number", "sequence"),
    "delete-line": ("number", "sequence"),
    "block": ("entity", "number", "blocked"),
    "set-price": ("number", "price"),
    "move-stock": ("number", "quantity"),
    "merge-customers": ("number", "into"),
}
"""What people do in the client, and the words that a call of it takes."""
SETUP: Mapping[str, Callable[[Any], Any]] = {one.name: type(one.default) for one in fields(Setup)}
SERVER_SWITCHES = tuple(one.name for one in fields(Server) if one.name != "profile")


class Controls:
    """The actions of one emulator, and the edits that wait for their commit."""

    def __init__(self, emulator: BusinessCentral) -> None:
        self._emulator = emulator
        self._late: dict[str, LateEdit] = {}
        self._late_count = 0

    def actions(self) -> dict[str, Action]:
        """Each action takes the JSON that was sent and returns what JSON can carry."""
        bc = self._emulator
        known: dict[str, Action] = {
            "add": lambda data: bc.add(data["entity"], company=data.get("company"), **data.get("fields", {})),
            "edit": lambda data: bc.edit(*_named(data), company=data.get("company"), **data["fields"]),
            "edit-by-code": lambda data: bc.edit_by_code(
                *_named(data), company=data.get("company"), **data["fields"]
            ),
            "renumber": lambda data: bc.renumber(*_named(data), data["to"], company=data.get("company")),
            "delete": lambda data: bc.delete(*_named(data), company=data.get("company")),
            "row": lambda data: bc.row(*_named(data), company=data.get("company")),
            "rows": self._rows,
            "balance": self._balance,
            "stamp": self._stamp,
            "late-edit": self._late_edit,
            "commit": lambda data: self._late.pop(data["handle"]).commit(),
            "seed": lambda data: bc.seed(**data),
            "switch": self._switch,
            **{name: self._of_people(name, words) for name, words in PEOPLE.items()},
        }
        return {name: _spelled_for_json(action) for name, action in known.items()}

    def _of_people(self, name: str, words: tuple[str, ...]) -> Action:
        """A call of `people`: the words in order, then `fields` and `company` if there are any."""
        call = getattr(self._emulator.people, name.replace("-", "_"))
        return lambda data: call(
            *(data[word] for word in words), company=data.get("company"), **data.get("fields", {})
        )

    def _rows(self, data: Mapping[str, Any]) -> Any:
        """All records of a set, with these fields only if any are named."""
        rows = self._emulator.rows(data["entity"], company=data.get("company"))
        wanted = data.get("fields")
        return [_plain({name: row.get(name) for name in wanted} if wanted else row) for row in rows]

    def _balance(self, data: Mapping[str, Any]) -> Any:
        entity, number = data.get("entity", "customers"), data["number"]
        return self._emulator.touch_balance(
            number, data["amount"], entity=entity, company=data.get("company")
        )

    def _stamp(self, data: Mapping[str, Any]) -> Any:
        when = datetime.fromisoformat(data["when"])
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        return self._emulator.stamp(*_named(data), aware, company=data.get("company"))

    def _late_edit(self, data: Mapping[str, Any]) -> Any:
        late = self._emulator.edit_late(*_named(data), company=data.get("company"), **data["fields"])
        self._late_count += 1
        handle = str(self._late_count)
        self._late[handle] = late
        return {"handle": handle}

    def _switch(self, data: Mapping[str, Any]) -> Any:
        bc, server = self._emulator, self._emulator.server
        of_server = SERVER_SWITCHES if server is not None else ()
        if server is not None:
            checked(replace(server, **{name: value for name, value in data.items() if name in of_server}))
        for name, value in data.items():
            if name in SETUP:
                setattr(bc.setup, name, SETUP[name](value))
            elif name in SWITCHES:
                setattr(bc, name, SWITCHES[name](value))
            elif name in of_server:
                setattr(server, name, value)
            else:
                raise ValueError(
                    f"no switch {name!r}; there are {', '.join([*SWITCHES, *SETUP, *of_server])}"
                )
        shown = {name: getattr(bc, name) for name in SWITCHES} | asdict(bc.setup)
        return shown | {name: getattr(server, name) for name in of_server if name not in _OPENING}


_OPENING = frozenset({"password", "access_key"})


def _spelled_for_json(action: Action) -> Action:
    return lambda data: _plain(action(data))


def _plain(value: Any) -> Any:
    """What JSON can carry: numbers for Decimal, lists for sets."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, Decimal):
        return float(value)
    return sorted(value) if isinstance(value, set) else value


def _named(data: Mapping[str, Any]) -> tuple[str, str]:
    return data["entity"], data["number"]
