"""`mlconnector check`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConnectorError
from mlconnector.model import Finding, Tools
from mlconnector.summary import counted

if TYPE_CHECKING:
    from mlconnector.config import BoundFlow, Connection
    from mlconnector.explain import KeyPath
    from mlconnector.ledger import Ledger
    from mlconnector.report import Screen
    from mlconnector.template import Example

FILL_IN = "fill in what is named above, then: mlconnector check"
EPILOG = """
\b
Examples:
  mlconnector check
  mlconnector check -c nordkran.yaml
  mlconnector check --json
"""


@click.command(cls=Command, epilog=EPILOG)
@click.pass_obj
def command(common: Common) -> int:
    """Check the file, the secrets and every system: log-in, rights, company, audience, fields, limits, clock.

    Also whether the state file fits, what of the file was never filled in, and whether the monitoring service is there.
    Shows every problem at once, each with its remedy, and changes nothing. Exit code 2 if there is an error.
    """
    from mlconnector.cli.build import open_connection
    from mlconnector.template import left_examples

    screen = common.screen()
    connection = open_connection(common)
    examples = left_examples(connection)
    findings = [
        *_check_file(connection, examples),
        *_check_state(connection),
        *_check_healthcheck(connection, screen),
    ]
    for alias in connection.systems:
        findings += _check_system(connection, alias, screen, examples)
    if common.json:
        screen.data([_row(finding) for finding in findings])
    else:
        screen.table([_row(one) for one in findings if one.level != "ok" or not common.quiet])
        screen.notice(f"Next: {_next_step(connection, findings)}")
    return 2 if any(finding.level == "error" for finding in findings) else 0


def _next_step(connection: Connection, findings: Sequence[Finding]) -> str:
    """What comes after this check."""
    from mlconnector.cli.build import utc_now
    from mlconnector.cli.flows import first_step
    from mlconnector.ledger import Ledger

    if any(finding.level == "error" for finding in findings):
        return "do what stands beside each error, then: mlconnector check"
    with Ledger.look(connection.state, connection.name, utc_now) as ledger:
        return "mlconnector sync" if ledger.history.last(1) else first_step(connection)


def _row(finding: Finding) -> dict[str, str]:
    return {
        "level": finding.level,
        "where": finding.where,
        "message": finding.message,
        "remedy": finding.remedy,
    }


def _check_file(connection: Connection, examples: Sequence[Example]) -> Iterator[Finding]:
    """It was read without a mistake; whether all of it was filled in is another question."""
    for one in examples:
        told = connection.document.told(one.path, "this is still the example")
        yield Finding("error" if one.sure else "warning", "file", told, one.remedy)
    yield from _check_days(connection)
    if not examples:
        yield Finding("ok", "file", f"{connection.path}: {len(connection.flows)} flows, no mistakes")


def _check_days(connection: Connection) -> Iterator[Finding]:
    """A day that is still to come is as often a slip as it is meant."""
    from mlconnector.cli.build import utc_now

    for bound in connection.flows:
        day = bound.flow.first_day
        if day is not None and not bound.flow.follows and day > utc_now().date():
            path = ("flows", bound.flow.name, "won_since")
            told = connection.document.told(
                path, f"{day} is still to come: until then no deal makes a document"
            )
            yield Finding("warning", "file", told, "leave it so if that is meant, or write the day you mean")


def _check_healthcheck(connection: Connection, screen: Screen) -> Iterator[Finding]:
    """Each service once. Nothing depends on it but who watches, so that one is silent is a warning."""
    from mlconnector.cli.build import utc_now
    from mlconnector.pings import reach

    given = connection.healthcheck.given()
    services = {urlsplit(url).netloc: (name, url) for name, url in given.items()}
    tools = Tools(utc_now, lambda seconds: time.sleep(min(seconds, 1.0)))
    for service, (name, url) in services.items():
        screen.waiting(f"asking {service} …")
        try:
            reach(url, tools)
        except ConnectorError as error:
            told = connection.document.told(("healthcheck", name), error.message)
            remedy = "correct the address, or look at the network; a sync runs all the same, and nobody hears of it"
            yield Finding("warning", "healthcheck", told, remedy)
        else:
            done = "its front page was asked for, and no check was told anything"
            yield Finding("ok", "healthcheck", f"{service} answers ({done})")


def _check_state(connection: Connection) -> Iterator[Finding]:
    from mlconnector.cli.build import utc_now
    from mlconnector.cli.origin import left_place, other_origins
    from mlconnector.ledger import Ledger
    from mlconnector.systems.base import failed

    try:
        with Ledger.look(connection.state, connection.name, utc_now) as ledger:
            others = list(other_origins(connection, connection.flows, ledger))
            left = {one.flow.name: place for one in connection.flows if (place := left_place(one, ledger))}
            documents = [one for bound in connection.flows for one in _check_documents(bound, ledger)]
    except ConnectorError as error:
        yield failed("state", error)
        return
    yield from (failed("state", other) for other in others)
    yield from documents
    left = {name: place for name, place in left.items() if name not in {one.where for one in documents}}
    for name, place in left.items():
        told = f"records were sent to {place!r} before, and who did not change since may be missing in the new place"
        remedy = "run: mlconnector sync --full (the brake lets it pass with --allow-mass-change)"
        yield Finding("warning", name, told, remedy)
    state = connection.state
    folder = next(one for one in state.parents if one.exists())
    if not folder.is_dir() or not os.access(state if state.exists() else folder, os.W_OK):
        remedy = "check the rights, or name another state file (state: in the connection file)"
        yield Finding("error", "state", f"{state} cannot be written by this user", remedy)
        return
    if not others:
        yield Finding("ok", "state", f"{state}{'' if state.exists() else ' (the first sync creates it)'}")


def _check_documents(bound: BoundFlow, ledger: Ledger) -> Iterator[Finding]:
    """Of documents: whether they would be found again by their numbers, and what the next sync would post."""
    from mlconnector.flows import FLOWS

    flow, kind = bound.flow, FLOWS[bound.kind]
    if flow.follows:
        open_ones = ledger.settled_in(flow.follows, but_not_in=flow.name)
        refused = ledger.entries(flow.name, open_ones)
        if number := sum(1 for one in open_ones if one not in refused):
            told = f"{counted(number, 'draft')} of before would be posted by the next sync"
            remedy = "look at them with: mlconnector sync --dry-run; set post: false if that is not meant"
            yield Finding("warning", flow.name, told, remedy)
    elif kind.parting:
        prefix = kind.place(bound.options)
        if others := ledger.keys_unlike(flow.name, f"{flow.into}:{prefix}"):
            sample = others[0].partition(":")[2]
            told = f"reference_prefix is {prefix!r}, and {counted(len(others), 'document')} on record begin otherwise"
            remedy = (
                "put the former prefix back: with another one the documents would not be found again if the state file"
                " were lost, and each deal would get a second one"
            )
            yield Finding("error", flow.name, f"{told} ({sample})", remedy)


def _told_with_its_line(connection: Connection, finding: Finding) -> Finding:
    """What is wrong with a field is told where the file reads it, or where the flow stands that does so by default."""
    bound = next((one for one in connection.flows if one.flow.name == finding.where), None)
    if bound is None or not finding.reads:
        return finding
    from mlconnector.config import lines_that_read

    flow: KeyPath = ("flows", bound.flow.name)
    written = (*flow, "map", finding.reads) if finding.reads in bound.rules else flow
    path = next(lines_that_read(connection, bound, finding.reads), written)
    return replace(finding, message=connection.document.told(path, finding.message))


def _check_system(
    connection: Connection, alias: str, screen: Screen, examples: Sequence[Example]
) -> Iterator[Finding]:
    """Its secrets, and with them the system itself: not one that is somebody else's, or nobody's."""
    from mlconnector.cli.build import utc_now
    from mlconnector.cli.systems import open_systems
    from mlconnector.systems.base import failed

    flows = [
        (bound.flow, bound.options)
        for bound in connection.flows
        if alias in (bound.flow.source, bound.flow.target)
    ]
    if not flows:
        yield Finding("warning", alias, "no flow uses it", "remove it from the file, or enable a flow")
        return
    try:
        with open_systems(connection, screen, Tools(utc_now, time.sleep), [alias]) as systems:
            if any(one.sure for one in examples) and any(
                one.path[:2] == ("systems", alias) for one in examples
            ):
                yield Finding("warning", alias, "it was not asked: the file still has the example's", FILL_IN)
                return
            screen.waiting(f"asking {alias} ({connection.systems[alias].kind}) …")
            for finding in systems.connected(alias).check(flows):
                yield _told_with_its_line(connection, finding)
    except ConnectorError as error:
        yield from (failed(alias, one) for one in error.each())
