"""One Pipedrive company of a connection: opens readers and writers, checks what they need, describes its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlconnector.errors import ConfigError
from mlconnector.model import FieldInfo, Finding, Flow, Tools
from mlconnector.systems.base import Entity, Source, Target
from mlconnector.systems.pipedrive import SYSTEM as DECLARED
from mlconnector.systems.pipedrive import Settings
from mlconnector.systems.pipedrive.api import PLURAL, Api
from mlconnector.systems.pipedrive.check import find_problems
from mlconnector.systems.pipedrive.fields import Definitions
from mlconnector.systems.pipedrive.known import KNOWN
from mlconnector.systems.pipedrive.lines import Lines
from mlconnector.systems.pipedrive.read import Reader
from mlconnector.systems.pipedrive.shape import Shape
from mlconnector.systems.pipedrive.verdict import SYSTEM
from mlconnector.systems.pipedrive.write import WRITABLE, Writer


class Pipedrive:
    """The Connected of a company account; talks only when asked to. Readers and writers share what they know of it."""

    def __init__(self, settings: Settings, secrets: Mapping[str, str], tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._api = Api(settings, secrets, tools)
        alias = tools.called.rpartition(" ")[2]
        self._definitions = {kind: Definitions(self._api, kind, tools.now, alias) for kind in PLURAL}

    def entity(self, name: str) -> Entity:
        """Nothing about an entity depends on the settings."""
        return DECLARED.entities[name]

    def source(self, flows: Sequence[Flow]) -> Source:
        """A reader of the entities and fields that these flows map, and no others."""
        return Reader(self._api, self._settings, self._tools.now, self._definitions.__getitem__, flows)

    def target(self, flow: Flow, options: Any) -> Target:
        """A writer of organizations or products, which settles conflicts as the flow says."""
        if flow.into not in WRITABLE:
            raise ConfigError(
                f"{SYSTEM}: {PLURAL[flow.into]} are only read", hint=f"flow {flow.name}: see `from` and `to`"
            )
        return Writer(self._api, self._definitions[flow.into], self._tools, options.conflict)

    def check(self, flows: Sequence[tuple[Flow, Any]]) -> Iterator[Finding]:
        """Log-in, rights, budget, and the fields of each flow."""
        bound = [flow for flow, _ in flows]
        return find_problems(self._api, self._definitions, self._tools.now, bound)

    def describe(self, entity: str, options: Sequence[Any]) -> tuple[Sequence[FieldInfo], Mapping[str, Any]]:
        """The built-in and custom fields, and the first record with all of them (of deals a won one); {} without."""
        definitions = self._definitions[entity]
        won = {"status": "won"} if entity == "deal" else {}
        rows = self._api.page(f"/{PLURAL[entity]}", {"limit": "1", **won})[0].data or []
        sample = Shape(definitions).show(rows[0]) if rows else {}
        if rows and won:
            Lines(self._api, with_codes=False).attach([sample])
        return [*KNOWN[entity].values(), *definitions.described()], sample

    def usage(self) -> Mapping[str, int]:
        """Calls, retries, throttled answers and tokens so far."""
        return self._api.usage()

    def close(self) -> None:
        """Closes the pooled connections."""
        self._api.close()
