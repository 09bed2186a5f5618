"""The connect test that finds the usual mistakes, all of them at once (fact sheet 4.7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from mlconnector.errors import ConnectorError, Rejected
from mlconnector.http import Answer
from mlconnector.model import Finding, Flow
from mlconnector.systems.base import failed
from mlconnector.systems.business_central import Settings
from mlconnector.systems.business_central.api import Api, choose_company, read_page
from mlconnector.systems.business_central.check_target import find_target_problems, leads_here

CLOCKS_APART = timedelta(minutes=2)
_UNKNOWN = re.compile(r"Could not find a property named '(\w+)'")


def find_problems(
    api: Api, settings: Settings, now: Callable[[], datetime], flows: Sequence[Flow]
) -> Iterator[Finding]:
    """Never raises: what cannot be asked is reported, and what needs it is left out."""
    where = _alias(api, flows[0]) if flows else settings.kind
    try:
        api.sign_in()
        companies, answer = api.companies()
        yield Finding("ok", where, _logged_in(settings))
        yield from compare_clocks(where, answer, now())
        company = choose_company(companies, settings.company)
    except ConnectorError as error:
        yield failed(where, error)
        return
    yield Finding("ok", where, f"company {company.called()}, Business Central {company.systemVersion}")
    yield from _name_currency(api, where)
    for flow in flows:
        yield from find_target_problems(api, flow) if leads_here(api, flow) else _read_as(api, flow)


def _alias(api: Api, flow: Flow) -> str:
    return flow.target if leads_here(api, flow) else flow.source


def _logged_in(settings: Settings) -> str:
    if settings.login == "entra":
        return f"Entra gave a token to the app {settings.client_id}"
    return f"logged in as {settings.user}"


def compare_clocks(where: str, answer: Answer, now: datetime) -> Iterator[Finding]:
    """A warning where this machine's clock and the server's are far apart."""
    theirs = answer.date()
    if theirs is None or abs(theirs - now) <= CLOCKS_APART:
        return
    minutes = round(abs(theirs - now).total_seconds() / 60)
    side = "behind" if now < theirs else "ahead of"
    yield Finding(
        "warning",
        where,
        f"this machine's clock is {minutes} minutes {side} Business Central's",
        "set the clock (ntp): tokens are renewed by it; watermarks are not taken from it",
    )


def _name_currency(api: Api, where: str) -> Iterator[Finding]:
    try:
        code = api.local_currency()
    except ConnectorError as error:
        remedy = error.hint or "amounts are sent all the same"
        yield Finding("warning", where, f"the company's currency is not known: {error.message}", remedy)
    else:
        yield Finding("ok", where, f"amounts are in {code}, the company's own currency")


def _read_as(api: Api, flow: Flow) -> Iterator[Finding]:
    """One record as the flow asks for it; each field that is not there is named."""
    entity_set, paths = api.dialect.sets[flow.entity], set(flow.paths)
    while True:
        try:
            rows = read_page(
                api.get(api.address(entity_set, {"$top": "1", **api.dialect.select(paths)}))
            ).value
        except Rejected as error:
            missing = _paths_of(api, error, paths)
            if not missing:
                yield failed(flow.name, error)
                return
            yield from (_unknown_field(api, flow, path) for path in sorted(missing))
            paths -= missing
        except ConnectorError as error:
            yield failed(flow.name, error)
            return
        else:
            yield Finding(
                "ok", flow.name, f"{entity_set} can be read{'' if rows else ', there are none yet'}"
            )
            return


def _paths_of(api: Api, error: Rejected, paths: set[str]) -> set[str]:
    """The paths that hold the property which the server does not know."""
    found = _UNKNOWN.search(error.message)
    return {path for path in paths if found and found[1] in api.dialect.theirs(path).split(".")}


def _unknown_field(api: Api, flow: Flow, path: str) -> Finding:
    others = f"a field that mlconnector fields {flow.source}.{flow.entity} lists"
    if path in flow.needs:
        remedy = f"nothing can be sent without it: have its line in map read {others}"
    else:
        remedy = f"take {path} out of the flow's map and when, or use {others}"
    entity_set = api.dialect.sets[flow.entity]
    message = f"this Business Central has no field {path} on {entity_set}"
    return Finding("error", flow.name, message, remedy, path)
