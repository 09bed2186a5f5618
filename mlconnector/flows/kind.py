"""What a flow module exposes: from which entity to which, with which settings and which mapping to start from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mlconnector.explain import Problem
from mlconnector.mapping import CompiledMap, CompiledWhen
from mlconnector.model import MapFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """A second flow that takes up what the first one settled, `<flow>.<name>`: once for each record, into `into`.

    `bind(options)` gives its function, which knows a record by its id alone; None where the options do not ask for it.
    """

    name: str
    into: str
    bind: Callable[[Any], MapFunction | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowKind:
    """One kind of flow. `source` and `target` are kinds of systems, `entity` and `into` their entities.

    `options` is the Struct of the flow's own settings in the connection file; it may have `on_delete`, `on_exclude`
    and `new`, which the engine heeds. A line of the file's `map:` replaces, adds to or (null) takes away from
    `default_map`; `when:` replaces `default_when`. `notes` say something about a line, `optional_map` holds lines
    that `init` writes behind a #, `optional_when` conditions (with what they are for, `when_note`); all these are for
    the reader of the file only. Without the `required` lines the target takes no record.

    `check(rules, compiled)` gives the problems that only this flow can see, each with its path below `map:`;
    `check_options(options)` those of its options, each with its path below the flow.
    `complete(options, compiled)` gives what the target wants to know besides the options (merge fields).
    `place(options)` names where in the target it writes, so that two flows into one place can be told.
    `bind(options, map, when)` gives the function the engine calls for each upsert; it raises nothing but Rejected.

    `after` are kinds of flows that go first in a run. `paired`: the counterpart may be changed by others, so what is
    sent is what changed. `parting`: the target is told of every record that leaves, whatever becomes of its counterpart
    then. `reads` are source fields that the flow reads besides those of the mapping, by what they are for.
    """

    name: str
    summary: str
    source: str
    entity: str
    target: str
    into: str
    options: type[msgspec.Struct]
    default_map: Mapping[str, Any]
    default_when: Mapping[str, Any]
    optional_map: Mapping[str, Any]
    notes: Mapping[str, str]
    required: tuple[str, ...]
    check: Callable[[Mapping[str, Any], CompiledMap], Iterable[Problem]]
    complete: Callable[[Any, CompiledMap], Any]
    bind: Callable[[Any, CompiledMap, CompiledWhen], MapFunction]
    place: Callable[[Any], str]
    check_options: Callable[[Any], Iterable[Problem]] = lambda options: ()
    optional_when: Mapping[str, Any] = field(default_factory=dict)
    when_note: str = ""
    after: tuple[str, ...] = ()
    paired: bool = False
    parting: bool = False
    reads: Mapping[str, frozenset[str]] = field(default_factory=dict)
    then: Follow | None = None

    def needs(self, compiled: CompiledMap) -> frozenset[str]:
        """The source fields that the required lines read."""
        lines = [compiled.targets[name].paths for name in self.required if name in compiled.targets]
        return frozenset().union(*lines)

    def rules(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The map lines that hold once a file's own lines are laid over the default ones."""
        return {name: line for name, line in {**self.default_map, **changes}.items() if line is not None}
