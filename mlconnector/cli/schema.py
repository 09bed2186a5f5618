"""`mlconnector schema`."""

from __future__ import annotations

import json

import click

from mlconnector.cli.options import Command, Common

EPILOG = """
\b
Examples:
  mlconnector schema > connection.schema.json
  mlconnector schema | python -m json.tool
"""


@click.command(cls=Command, epilog=EPILOG)
@click.pass_obj
def command(common: Common) -> int:
    """Print the JSON Schema of the connection file: completion and help in editors that know YAML.

    The file that `init` writes names connection.schema.json beside it in its first line.
    """
    from mlconnector.schema import json_schema

    common.screen().raw(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    return 0
