"""The connection file: YAML to a `Connection`, with every problem reported at once.

What a system or a flow allows is theirs to say (`System.settings`, `FlowKind.options`); no vendor is known here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from mlconnector.explain import KeyPath, Problem, convert, show, suggest
from mlconnector.flows import FLOWS
from mlconnector.flows.kind import FlowKind
from mlconnector.mapping import compile_map, compile_when, digest
from mlconnector.model import FieldInfo, Flow
from mlconnector.places import user_folder
from mlconnector.settings import NAME, Brake, FileHead, Healthcheck, SecretSettings, flow_struct
from mlconnector.suspicions import control_characters, url_problems
from mlconnector.systems import SYSTEMS, load_system
from mlconnector.yamlfile import Document, read_document

_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_SECRET = re.compile(r"secret|passwor[dt]|passwd|api_?key|token|credential", re.IGNORECASE)
DURATION = re.compile(r"(\d+)([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST_OVERLAP = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SystemPart:
    """One entry of `systems:`; `settings` is the Struct of its kind."""

    alias: str
    kind: str
    settings: Any


@dataclass(frozen=True, slots=True)
class BoundFlow:
    """One entry of `flows:`.

    `options` is what `Connected.target` gets. `rules` and `when` are spelled as in the file, defaults included.
    """

    flow: Flow
    kind: str
    options: Any
    rules: Mapping[str, Any]
    when: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Connection:
    """A whole connection file, checked. Paths are absolute; `flows` are those that are enabled, in the file's order.

    `document` knows where in the file everything stands.
    """

    name: str
    path: Path
    document: Document
    state: Path
    overlap: timedelta
    brake: Brake
    secrets: SecretSettings
    healthcheck: Healthcheck
    systems: Mapping[str, SystemPart]
    flows: tuple[BoundFlow, ...]

    def secret_names(self) -> list[str]:
        """The secrets that these systems need: `erp.client_secret`, in the file's order."""
        return [
            f"{system.alias}.{name}"
            for system in self.systems.values()
            for name in load_system(system.kind).needs(system.settings)
        ]


def load_connection(path: Path, env: Mapping[str, str] = os.environ) -> Connection:
    """The connection in a file. Raises ConfigError with one line for each problem, or one sentence about the file."""
    document = read_document(path.absolute())
    return _Reading(document, env).connection()


def lines_that_read(connection: Connection, bound: BoundFlow, field: str) -> Iterator[KeyPath]:
    """The lines of a flow, those it has by default included, that read a field of the source."""
    fields = load_system(FLOWS[bound.kind].source).fields_of(
        connection.systems[bound.flow.source].settings, bound.flow.entity
    )
    for name, line in bound.rules.items():
        if field in compile_map({name: line}, fields).paths:
            yield "flows", bound.flow.name, "map", name
    if field in bound.when:
        yield "flows", bound.flow.name, "when", field


class _Fields(NamedTuple):
    """What a flow's lines may name, and who has these fields, for messages."""

    known: Mapping[str, FieldInfo]
    owner: str


class _Reading:
    """One file on its way to a Connection: collects problems until the end."""

    def __init__(self, document: Document, env: Mapping[str, str]) -> None:
        self.document = document
        self.env = env
        self.problems = list(document.problems)
        self.kinds: dict[str, str] = {}
        self.settings: dict[str, Any] = {}

    def connection(self) -> Connection:
        """Raises ConfigError if there was any problem."""
        data = self.document.data
        if not isinstance(data, dict):
            what = (
                f"a connection file begins with 'name:', 'systems:' and 'flows:', this is {show(data)[:4]}…"
            )
            raise self.document.error([Problem((), what)])
        self._take_out_secrets(data)
        self.problems += control_characters(data, ())
        head = self._convert(data, FileHead, ())
        for group, part in _groups({"healthcheck": data.get("healthcheck")}):
            self.problems += [Problem((group, key), message) for key, message in url_problems(part)]
        systems = [self._system(alias, part) for alias, part in _groups(data.get("systems"))]
        flows = [self._flow(name, part) for name, part in _groups(data.get("flows"))]
        self._check_places([flow for flow in flows if flow])
        state = self._state(head) if head else Path()
        overlap = self._overlap(head) if head else timedelta()
        if head and head.secrets.command is not None:
            self._check_command(head.secrets.command)
        if self.problems:
            raise self.document.error(self.problems)
        return Connection(
            name=head.name,
            path=self.document.file,
            document=self.document,
            state=state,
            overlap=overlap,
            brake=head.brake,
            secrets=head.secrets,
            healthcheck=head.healthcheck,
            systems={system.alias: system for system in systems if system},
            flows=tuple(one for flow in flows if flow for one in (flow, *_followers(flow))),
        )

    def _fail(self, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(path, message))

    def _convert(self, value: Any, kind: Any, path: KeyPath) -> Any:
        converted, problems = convert(value, kind, path)
        self.problems += problems
        return converted

    def _take_out_secrets(self, data: dict[str, Any]) -> None:
        """Before anything else, so that no later message can show one."""
        given = data.get("name")
        name = given if isinstance(given, str) and re.search(NAME, given) else "<name>"
        for alias, part in _groups(data.get("systems")):
            allowed = _settings_of(part.get("kind"))
            found = [key for key in part if key not in allowed and _SECRET.search(key)]
            for key in found:
                del part[key]
            for key in found:
                meant, *others = _secrets_meant(part, key)
                command = f"mlconnector secrets set {name} {alias}.{meant}"
                more = f" (or {', '.join(f'{alias}.{other}' for other in others)})" if others else ""
                self._fail(
                    ("systems", alias, key), f"secrets do not stand in this file; run: {command}{more}"
                )
        self._take_out_values(data, name)

    def _take_out_values(self, data: dict[str, Any], name: str) -> None:
        """`secrets:` is where somebody may write the secrets themselves."""
        given = data.get("secrets")
        known = SecretSettings.__struct_fields__
        if isinstance(given, dict):
            for key in [key for key in given if key not in known]:
                del given[key]
                hint = suggest(str(key), known) or f"; run: mlconnector secrets set {name} SYSTEM.NAME"
                self._fail(("secrets", key), f"unknown setting; secrets do not stand in this file{hint}")
        elif given is not None:
            del data["secrets"]
            self._fail(("secrets",), f"secrets do not stand in this file; here stand {', '.join(known)}")

    def _check_command(self, command: Sequence[str]) -> None:
        places = re.findall(r"\{(\w+)\}", " ".join(command))
        path: KeyPath = ("secrets", "command")
        for place in places:
            if place not in ("connection", "name"):
                self._fail(path, f"{{{place}}} is not known here; there are {{connection}} and {{name}}")
        if "name" not in places:
            self._fail(path, "needs {name} in one of its words, or every secret would be the same")

    def _system(self, alias: str, part: dict[str, Any]) -> SystemPart | None:
        path: KeyPath = ("systems", alias)
        if not _ALIAS.fullmatch(alias):
            self._fail(path, "a system's name is made of letters, digits, - and _, and begins with a letter")
        kind = part.get("kind")
        if not isinstance(kind, str) or kind not in SYSTEMS:
            known = " or ".join(SYSTEMS)
            hint = suggest(kind, SYSTEMS) if isinstance(kind, str) else ""
            found = f"{show(kind)} is not {known}{hint}" if "kind" in part else f"needs 'kind': {known}"
            self._fail((*path, "kind"), found)
            return None
        self.kinds[alias] = kind
        system = load_system(kind)
        for key in system.authorities:
            self._find_authorities(part, key, path)
        settings = self._convert(part, system.settings, path)
        if settings is not None:
            self.settings[alias] = settings
        for key, message in system.problems(part):
            self._fail((*path, key) if key else path, message)
        self.problems += [Problem((*path, key), message) for key, message in url_problems(part)]
        return SystemPart(alias, kind, settings)

    def _find_authorities(self, part: dict[str, Any], key: str, path: KeyPath) -> None:
        """Puts the file's whole path in place: cron's current folder is another one."""
        given = part.get(key)
        if not isinstance(given, str) or not given:
            return
        from mlconnector.network import authorities_problem

        file = self._beside(given)
        part[key] = str(file)
        if problem := authorities_problem(file):
            self._fail((*path, key), problem)

    def _flow(self, name: str, part: dict[str, Any]) -> BoundFlow | None:
        path: KeyPath = ("flows", name)
        kind_name = part.get("kind") or name
        kind = FLOWS.get(kind_name) if isinstance(kind_name, str) else None
        if kind is None:
            where = (*path, "kind") if part.get("kind") else path
            known = self._flows_of_these()
            hint = suggest(kind_name, known) if isinstance(kind_name, str) else ""
            self._fail(where, f"there is no such flow{hint}; there are {', '.join(known)}")
            return None
        shape = self._convert(part, flow_struct(kind), path)
        self._end((*path, "from"), part.get("from"), kind, kind.source)
        self._end((*path, "to"), part.get("to"), kind, kind.target)
        changes, when = part.get("map"), part.get("when")
        changed = changes if isinstance(changes, dict) else {}
        alias = part.get("from")
        settings = self.settings.get(str(alias)) if self._is_of(alias, kind.source) else None
        system = load_system(kind.source)
        fields = _Fields(system.fields_of(settings, kind.entity), system.owner_of(settings))
        rules = {
            name: line
            for name, line in kind.rules(changed).items()
            if name in changed
            or not compile_map({name: line}, *fields).problems  # a default for other servers
        }
        conditions = dict(when) if isinstance(when, dict) else dict(kind.default_when)
        return self._bind(path, kind, shape, rules, conditions, fields)

    def _flows_of_these(self) -> Sequence[str]:
        """The kinds of flows between the systems of this file; all, where these are not known."""
        kinds = set(self.kinds.values())
        return [name for name, one in FLOWS.items() if {one.source, one.target} <= kinds] or list(FLOWS)

    def _bind(
        self,
        path: KeyPath,
        kind: FlowKind,
        shape: Any,
        rules: dict[str, Any],
        when: dict[str, Any],
        fields: _Fields,
    ) -> BoundFlow | None:
        compiled, condition = compile_map(rules, *fields), compile_when(when, *fields)
        found = [*compiled.problems, *kind.check(rules, compiled)]
        self.problems += [problem.under(*path, "map") for problem in found]
        self.problems += [problem.under(*path, "when") for problem in condition.problems]
        if shape is None or not shape.enabled:
            return None
        own = {field: getattr(shape, field) for field in kind.options.__struct_fields__}
        options = kind.complete(kind.options(**own), compiled)
        self.problems += [problem.under(*path) for problem in kind.check_options(options)]
        filled = {name: target.paths for name, target in compiled.targets.items()}
        flow = Flow(
            name=str(path[-1]),
            source=shape.source,
            entity=kind.entity,
            target=shape.target,
            into=kind.into,
            map=kind.bind(options, compiled, condition),
            after=kind.after,
            on_delete="archive" if kind.parting else own.get("on_delete", "ignore"),
            on_exclude="archive" if kind.parting else own.get("on_exclude", "ignore"),
            paths=compiled.paths.union(condition.paths, *kind.reads.values()),
            fields={**filled, **kind.reads} if kind.paired else {},
            rules=digest({"map": rules, "options": own}).hex() if kind.paired else "",
            new=own.get("new", "create"),
            needs=kind.needs(compiled),
            first_day=own.get("won_since"),
        )
        return BoundFlow(flow, kind.name, options, rules, when)

    def _check_places(self, flows: Sequence[BoundFlow]) -> None:
        """Of two flows into one place neither may archive: it would archive what the other one keeps (trap 5)."""
        for one in flows:
            others = [other.flow.name for other in flows if other is not one and _place(other) == _place(one)]
            path: KeyPath = ("flows", one.flow.name)
            if FLOWS[one.kind].parting:
                twins = [
                    other
                    for other in flows
                    if other is not one and self._ends_of(other) == self._ends_of(one)
                ]
                if twins:
                    self._fail(path, _twins(one, twins[0]))
                elif others:
                    self._fail(
                        path, f"{others[0]} writes to the same place: each would take away the other's"
                    )
                continue
            for option in ("on_delete", "on_exclude"):
                if others and getattr(one.flow, option) == "archive":
                    self._fail((*path, option), f"cannot be archive: {others[0]} writes to the same place")

    def _ends_of(self, bound: BoundFlow) -> tuple[Any, ...]:
        """Whose records it reads and where it writes, whatever the systems are called in the file."""
        flow = bound.flow
        return flow.entity, flow.into, *(self._place_of(alias) for alias in (flow.source, flow.target))

    def _place_of(self, alias: str) -> Any:
        settings, kind = self.settings.get(alias), self.kinds.get(alias)
        origin = load_system(kind).origin(settings) if kind and settings is not None else {}
        if not origin.get("company"):  # which one it is, is seen at the log-in
            return alias
        return kind, tuple(sorted((name, value.casefold()) for name, value in origin.items()))

    def _is_of(self, alias: Any, kind: str) -> bool:
        """Whether it is the name of a system of this kind."""
        return isinstance(alias, str) and self.kinds.get(alias) == kind

    def _end(self, path: KeyPath, alias: Any, kind: FlowKind, wanted: str) -> None:
        """One end of a flow; what is no text was reported with the flow's shape."""
        systems = self.document.data.get("systems")
        known = systems if isinstance(systems, dict) else {}
        if not isinstance(alias, str) or self._is_of(alias, wanted):
            return
        fitting = [name for name, one in self.kinds.items() if one == wanted]
        hint = f" (did you mean {fitting[0]!r}?)" if len(fitting) == 1 else suggest(alias, fitting)
        if alias not in known:
            self._fail(path, f"there is no system {alias!r} under 'systems'{hint}")
        elif alias in self.kinds:
            self._fail(path, f"{kind.name} needs a {wanted} system, {alias!r} is {self.kinds[alias]}{hint}")

    def _state(self, head: FileHead) -> Path:
        if head.state is None:
            return user_folder(self.env, "XDG_STATE_HOME", ".local/state").absolute() / f"{head.name}.db"
        if not head.state.strip() or not head.state.isprintable() or head.state.endswith("/"):
            self._fail(("state",), "this is no name of a file")
        return self._beside(head.state)

    def _beside(self, file: str) -> Path:
        """A file that the connection file names, whatever the current folder is."""
        if file.startswith("~/"):
            file = f"{self.env.get('HOME') or Path.home()}{file[1:]}"
        return self.document.file.parent / file

    def _overlap(self, head: FileHead) -> timedelta:
        total = timedelta()
        for count, unit in DURATION.findall(head.overlap):
            total += timedelta(**{UNITS[unit]: int(count)})
        if total > _LONGEST_OVERLAP:
            self._fail(("overlap",), "is longer than 30 days; sync --full reads everything again")
        return total


def _twins(one: BoundFlow, other: BoundFlow) -> str:
    """Of what a record becomes there is one, whichever flow made it: a second flow would take over what the first one
    made, or the first one take it away when the record moves on to the second."""
    entity, into = one.flow.entity, one.flow.into
    return (
        f"{other.flow.name} makes {into}s of the same {entity}s in the same place: each has one {into}, which both"
        " would take for their own; let one flow take all of them"
    )


def _followers(bound: BoundFlow) -> Iterator[BoundFlow]:
    """The flow that takes up what this one settles, if its options ask for one."""
    then = FLOWS[bound.kind].then
    function = then.bind(bound.options) if then else None
    if then and function:
        name = bound.flow.name
        flow = replace(
            bound.flow,
            name=f"{name}.{then.name}",
            into=then.into,
            map=function,
            after=(name,),
            mode="create_once",
            on_delete="ignore",
            on_exclude="ignore",
            follows=name,
        )
        yield BoundFlow(flow, bound.kind, bound.options, {}, {})


def _place(bound: BoundFlow) -> tuple[str, str, str]:
    return bound.flow.target, bound.flow.into, FLOWS[bound.kind].place(bound.options)


def _groups(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries that are groups of settings; an empty entry is an empty group, the rest FileHead complains about."""
    if isinstance(value, dict):
        for name, part in list(value.items()):
            if part is None or isinstance(part, dict):
                yield name, part or {}


def _settings_of(kind: Any) -> tuple[str, ...]:
    return load_system(kind).settings.__struct_fields__ if isinstance(kind, str) and kind in SYSTEMS else ()


def _secrets_meant(part: dict[str, Any], key: str) -> list[str]:
    """The secrets of a system that somebody may mean by a key of its settings, the likeliest first."""
    if not _settings_of(part.get("kind")):
        return [key]
    system = load_system(part["kind"])
    if key in system.secrets:
        return [key]
    settings, _ = convert(part, system.settings)
    needed = () if settings is None else system.needs(settings)
    return list(dict.fromkeys((*needed, *system.secrets)))
