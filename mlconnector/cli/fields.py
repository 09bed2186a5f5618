"""`mlconnector fields`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from mlconnector.cli.options import Command, Common
from mlconnector.errors import ConfigError

if TYPE_CHECKING:
    from mlconnector.config import Connection

EPILOG = """
\b
Examples:
  mlconnector fields erp.customer
  mlconnector fields erp.customer -v         with whole addresses in the sample
  mlconnector fields mail.member             the merge fields of the audiences that flows write to
  mlconnector fields erp.vendor --json
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("what", metavar="SYSTEM.ENTITY")
@click.pass_obj
def command(common: Common, what: str) -> int:
    """List the fields of an entity that can be mapped: type, length, a note, and a value of a live record.

    SYSTEM is a name under `systems:` in the connection file. What Mailchimp holds comes without a sample.
    """
    from mlconnector.cli.build import open_connection, utc_now
    from mlconnector.cli.systems import open_systems
    from mlconnector.model import Tools
    from mlconnector.reading import reader

    screen = common.screen()
    connection = open_connection(common)
    alias, entity = _parse(connection, what)
    options = [
        bound.options
        for bound in connection.flows
        if (alias, entity) in ((bound.flow.source, bound.flow.entity), (bound.flow.target, bound.flow.into))
    ]
    with open_systems(connection, screen, Tools(utc_now, time.sleep), [alias]) as systems:
        fields, sample = systems.connected(alias).describe(entity, options)
    if not fields:
        raise ConfigError(
            f"{what} has no fields to list: what its flow writes is made from other records",
            hint="the connection file that init writes shows what can be mapped",
        )
    rows = [
        {
            "field": field.name,
            "type": field.type,
            "length": field.length,
            "note": field.note,
            "sample": reader(field)(sample),
        }
        for field in fields
    ]
    if common.json:
        screen.data(rows)
    else:
        screen.table([{**row, "sample": _shortened(row["sample"])} for row in rows])
    return 0


def _parse(connection: Connection, what: str) -> tuple[str, str]:
    from mlconnector.systems import load_system

    alias, _, entity = what.partition(".")
    known = [
        f"{name}.{one}"
        for name, part in connection.systems.items()
        for one in load_system(part.kind).entities
    ]
    if what not in known:
        raise click.UsageError(f"there is no {what!r} in this connection; there are {', '.join(known)}")
    return alias, entity


def _shortened(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
