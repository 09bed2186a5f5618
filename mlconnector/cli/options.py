"""Options that every command has, before or after its name, and the class of command that has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mlconnector.report import Screen


@dataclass(slots=True)
class Common:
    """What the common options say; `ctx.obj` of every command."""

    connection: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    _screen: Screen | None = field(default=None, repr=False)

    def screen(self) -> Screen:
        """Where results, notices and errors go; made when the options are known."""
        from mlconnector.report import Screen

        if self._screen is None:
            self._screen = Screen(
                as_json=self.json, quiet=self.quiet, verbose=self.verbose, connection=self.connection
            )
        return self._screen


def common_options() -> list[click.Parameter]:
    """New ones for each command."""
    return [
        click.Option(
            ["-c", "--connection"],
            metavar="FILE|NAME",
            help="The connection: a file, or a name in the configuration folder. Default:"
            " $MLCONNECTOR_CONNECTION, then the only file in that folder.",
            expose_value=False,
            callback=_taker(_take_connection),
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            help="Results as JSON on stdout, logs and errors as JSON lines on stderr.",
            expose_value=False,
            callback=_taker(_take_json),
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            help="Errors only.",
            expose_value=False,
            callback=_taker(_take_quiet),
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            help="Say more, with whole e-mail addresses in results; -vv: in logs as well, and every request.",
            expose_value=False,
            callback=_taker(_take_verbose),
        ),
    ]


def _taker(take: Callable[[Common, Any], None]) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value:
            take(ctx.ensure_object(Common), value)

    return callback


def _take_connection(common: Common, value: str) -> None:
    common.connection = value


def _take_json(common: Common, value: bool) -> None:
    common.json = value


def _take_quiet(common: Common, value: bool) -> None:
    common.quiet = value


def _take_verbose(common: Common, value: int) -> None:
    common.verbose += value


class Command(click.Command):
    """A command that takes the common options, too, and shows them apart from its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shared = common_options()
        self.params.extend(self._shared)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own options first."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        own = [param for param in options if param not in self._shared]
        for title, params in (("Options", own), ("Common options", self._shared)):
            records = [record for param in params if (record := param.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def invoke(self, ctx: click.Context) -> Any:
        """Sets up logging first."""
        from mlconnector.logs import set_up_logging

        common = ctx.ensure_object(Common)
        redactor = common.screen().redactor
        set_up_logging(redactor, verbose=common.verbose, as_json=common.json, quiet=common.quiet)
        return super().invoke(ctx)
