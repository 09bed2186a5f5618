"""The connect test: log-in, rights, tokens, and the fields that flows name (fact sheet 1, 6, 8, trap 18)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mlconnector.errors import ConnectorError
from mlconnector.http import Answer
from mlconnector.model import Finding, Flow
from mlconnector.systems.base import failed
from mlconnector.systems.pipedrive.api import PLURAL, Api
from mlconnector.systems.pipedrive.fields import Definitions, custom_names
from mlconnector.systems.pipedrive.known import CUSTOM
from mlconnector.systems.pipedrive.verdict import LOG_IN_AGAIN, SYSTEM

CLOCKS_APART = timedelta(minutes=2)
AREA = {"organization": "contacts", "person": "contacts", "product": "products", "deal": "deals"}
"""Of which scopes a kind of record is (1.3)."""
LITTLE_LEFT = 10
"""Percent of the tokens above the floor under which a run may not come far."""


def find_problems(
    api: Api, definitions: Mapping[str, Definitions], now: Callable[[], datetime], flows: Sequence[Flow]
) -> Iterator[Finding]:
    """Never raises: what cannot be asked is reported, and what needs it is left out."""
    where = _alias(flows)
    try:
        me, answer = api.me()
    except ConnectorError as error:
        yield failed(where, error)
        return
    yield Finding("ok", where, f"logged in as {me.get('name')} at {me.get('company_name')}")
    yield from _rights(where, me)
    yield from _clocks(where, answer, now())
    for flow in flows:
        try:
            yield from _check_flow(api, definitions, flow)
        except ConnectorError as error:
            yield failed(flow.name, error)
    yield from _tokens(api, where)


def _alias(flows: Sequence[Flow]) -> str:
    """The name of this system in the connection file."""
    return next((flow.source if _is_read(flow) else flow.target for flow in flows), SYSTEM)


def _is_read(flow: Flow) -> bool:
    """Whether this system is the flow's source."""
    return flow.entity in PLURAL


def _rights(where: str, me: Mapping[str, Any]) -> Iterator[Finding]:
    """A user without global visibility gets fewer records and no error (trap 18)."""
    access = [one for one in me.get("access") or () if isinstance(one, dict)]
    if any(one.get("admin") and one.get("app") in ("global", "sales") for one in access):
        yield Finding("ok", where, "an administrator: every record is seen")
    else:
        yield Finding(
            "warning",
            where,
            "this user is no administrator: records that others keep to themselves are missing, and look deleted",
            "use a token of a user with global visibility (Pipedrive: Manage users, Visibility groups)",
        )
    currency = me.get("default_currency")
    if currency:
        yield Finding("ok", where, f"amounts without a currency are in {currency}, the user's default")


def _clocks(where: str, answer: Answer, now: datetime) -> Iterator[Finding]:
    theirs = answer.date()
    if theirs is None or abs(theirs - now) <= CLOCKS_APART:
        return
    minutes = round(abs(theirs - now).total_seconds() / 60)
    side = "behind" if now < theirs else "ahead of"
    yield Finding(
        "warning",
        where,
        f"this machine's clock is {minutes} minutes {side} Pipedrive's",
        "set the clock (ntp): what was made a moment ago is looked for by it; watermarks are not taken from it",
    )


def _scopes(api: Api, flow: Flow, kind: str, *, reads: bool) -> Iterator[Finding]:
    """What an app may do is said with its token; that it may write is not seen otherwise before it does."""
    fits = {f"{AREA[kind]}:full", *([f"{AREA[kind]}:read"] if reads else [])}
    if api.scopes is None or api.scopes & fits:
        return
    yield Finding(
        "error",
        flow.name,
        f"the app may not {'read' if reads else 'write'} {PLURAL[kind]}: it has no scope {' or '.join(sorted(fits))}",
        f"give it that scope in Pipedrive's Marketplace manager, then {LOG_IN_AGAIN}",
    )


def _check_flow(api: Api, definitions: Mapping[str, Definitions], flow: Flow) -> Iterator[Finding]:
    """One record of the entity as a source or target, and the custom fields that the mapping names."""
    reads = _is_read(flow)
    kind = flow.entity if reads else flow.into
    yield from _scopes(api, flow, kind, reads=reads)
    for path in (f"/{PLURAL[kind]}", *(("/deals/archived",) if kind == "deal" else ())):
        api.page(path, {"limit": "1"})
    names = custom_names(flow.paths if reads else flow.fields)
    known = definitions[kind]
    troubles = [(*known.trouble(name), f"{CUSTOM}{name}") for name in names]
    yield from (
        Finding("error", flow.name, message, hint, reads) for message, hint, reads in troubles if message
    )
    if not any(message for message, _, _ in troubles):
        named = f", custom fields {', '.join(names)}" if names else ""
        yield Finding("ok", flow.name, f"{PLURAL[kind]} can be read{named}")
    yield from _same_names(flow, known)


def _same_names(flow: Flow, known: Definitions) -> Iterator[Finding]:
    names = [one.field_name.strip() for one in known.custom] if known.is_read else []
    for name in sorted({one for one in names if names.count(one) > 1}):
        codes = ", ".join(one.field_code for one in known.named(name))
        yield Finding(
            "warning",
            flow.name,
            f"{names.count(name)} custom fields of the {known.kind} are called {name!r}",
            f"rename all but one in Pipedrive, or map one as {CUSTOM}KEY; the keys are {codes}",
        )


def _tokens(api: Api, where: str) -> Iterator[Finding]:
    budget = api.budget
    if budget.left is None:
        message = f"Pipedrive does not say how many tokens are left today; {budget.limit} a day are assumed"
        yield Finding("ok", where, message)
        return
    free, above = budget.free or 0, max(1, budget.limit - budget.floor)
    message = f"{budget.left} of the company's {budget.limit} tokens are left today"
    if free * 100 < above * LITTLE_LEFT:
        remedy = (
            "find out what else takes them (Pipedrive: Company settings, API usage), or lower daily_floor"
        )
        yield Finding("warning", where, message, remedy)
    else:
        yield Finding("ok", where, message)
