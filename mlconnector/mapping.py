"""The mapping language: the `map:` of a flow, compiled once to closures, and the digest of what comes out. Pure.

What cannot be compiled is collected in `problems`, each with its path below `map:`. `when:` is in `conditions`, how
a field is read in `reading`, the transforms in `transforms`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mlconnector.conditions import CompiledWhen, compile_when
from mlconnector.explain import KeyPath, Problem, convert, suggest
from mlconnector.model import FieldInfo
from mlconnector.reading import Compiler, Constant, Read, Record, read_nothing, reader
from mlconnector.transforms import TRANSFORMS, spell

__all__ = ["TRANSFORMS", "CompiledMap", "CompiledWhen", "Rule", "compile_map", "compile_when", "digest"]

TargetType = Literal[
    "text",
    "number",
    "date",
    "birthday",
    "phone",
    "url",
    "imageurl",
    "zip",
    "address",
    "radio",
    "dropdown",
]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A map line that is more than a path.

    Order of work: read, join or first, transform, lookup, default, max_length.
    """

    source: Annotated[
        str | list[str] | None, Meta(description="a field of the source, or a list of fields")
    ] = msgspec.field(name="from", default=None)
    join: Annotated[
        str | None,
        Meta(description="text between the fields of the list that are not empty; a blank if not given"),
    ] = None
    first: Annotated[bool, Meta(description="take the first field of the list that is not empty")] = False
    value: Annotated[
        Constant | UnsetType, Meta(description="always this value, whatever the record holds")
    ] = UNSET
    transform: Annotated[
        str | list[str], Meta(description="named transforms, carried out from left to right")
    ] = []
    lookup: Annotated[
        dict[str, Constant | None] | None,
        Meta(
            description="replaces what was found by what stands beside it here; anything else becomes `default`"
        ),
    ] = None
    default: Annotated[Constant | None, Meta(description="what an empty value becomes")] = None
    max_length: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="cut to this many characters")
    ] = None
    parts: Annotated[
        dict[str, str | Rule] | None,
        Meta(description="an object, such as an address: its parts, each a line of its own"),
    ] = None
    type: Annotated[TargetType | None, Meta(description="type of the field in the target")] = None
    label: Annotated[str | None, Meta(description="label of the field in the target, if it is created")] = (
        None
    )


Line = str | Rule | None


@dataclass(frozen=True, slots=True)
class TargetField:
    """What a map line fills: its type (declared, or derived from the source), label and the source paths it reads."""

    name: str
    type: str
    label: str
    paths: frozenset[str]
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompiledMap:
    """Call it with a record: values by target name, None where empty, a dict of its parts for an object."""

    targets: Mapping[str, TargetField]
    problems: tuple[Problem, ...] = ()
    _lines: tuple[tuple[str, Read], ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """The source fields that are read."""
        return frozenset().union(*(target.paths for target in self.targets.values()))

    def __call__(self, record: Record) -> dict[str, Any]:
        return {name: read(record) for name, read in self._lines}


def compile_map(
    rules: Mapping[str, Any], fields: Mapping[str, FieldInfo], owner: str = "the source"
) -> CompiledMap:
    """`rules` as the connection file spells them (a null line is left out); `fields` are those that `owner` has."""
    targets: dict[str, TargetField] = {}
    lines: list[tuple[str, Read]] = []
    problems: list[Problem] = []
    for name, raw in rules.items():
        if raw is None:
            continue
        compiler = Compiler(fields, owner)
        read, kind = _compile_line(compiler, raw, (name,))
        problems += compiler.problems
        if not compiler.problems:
            rule = _as_rule(raw)
            label, parts = rule.label or "", tuple(rule.parts or ())
            targets[name] = TargetField(name, kind, label, frozenset(compiler.paths), parts)
            lines.append((name, read))
    return CompiledMap(targets, tuple(problems), tuple(lines))


_ENCODER = msgspec.json.Encoder(order="sorted")


def digest(body: Mapping[str, Any], leave_out: frozenset[str] = frozenset()) -> bytes:
    """16 bytes that change when the body does, `leave_out` apart.

    The bytes are stored in ledgers: another spelling here, and every record looks changed and is sent again.
    A change on purpose takes a new `person` and a rehash.
    """
    kept = {name: value for name, value in body.items() if name not in leave_out} if leave_out else body
    return hashlib.blake2b(_ENCODER.encode(kept), digest_size=16, person=b"mlc-v1").digest()


def _as_rule(raw: Any) -> Rule:
    return Rule(source=raw) if isinstance(raw, str) else msgspec.convert(raw, Rule)


def _compile_line(compiler: Compiler, raw: Any, path: KeyPath) -> tuple[Read, str]:
    """The closure of a line and the type of what it gives."""
    if isinstance(raw, str):
        info = compiler.info(raw, path)
        return (reader(info), _target_type(info)) if info else (read_nothing, "text")
    if not isinstance(raw, Rule):
        rule, problems = convert(raw, Rule, path)
        if problems:
            compiler.problems += _kindly(problems, raw, path)
            return _compile_rest(compiler, raw, problems, path)
        raw = rule
    found = [*_contradictions(raw)]
    compiler.problems += [Problem((*path, key), message) for key, message in found]
    if found:
        return read_nothing, "text"
    if raw.parts is not None:
        return _compile_parts(compiler, raw.parts, path), "address"
    return _compile_rule(compiler, raw, path)


def _compile_rest(compiler: Compiler, raw: Any, problems: list[Problem], path: KeyPath) -> tuple[Read, str]:
    """Compiles what is left of a bad line, so that its other problems are found as well."""
    bad = {problem.path[len(path)] for problem in problems if len(problem.path) > len(path)}
    rest = {key: value for key, value in raw.items() if key not in bad} if isinstance(raw, dict) else {}
    return _compile_line(compiler, rest, path) if bad and "from" in rest else (read_nothing, "text")


def _kindly(problems: list[Problem], raw: Any, path: KeyPath) -> list[Problem]:
    if isinstance(raw, dict):
        return problems
    return [Problem(path, "expected a field, {from: …} or null; a constant is written {value: …}")]


def _contradictions(rule: Rule) -> Iterator[tuple[str, str]]:
    """Keys of one line that cannot stand together, or do nothing."""
    sources = [rule.source is not None, rule.value is not UNSET, rule.parts is not None]
    several = isinstance(rule.source, list)
    if sum(sources) != 1:
        key = "value" if rule.value is not UNSET else "parts" if rule.parts is not None else "from"
        yield key, "a line has exactly one of 'from', 'value' and 'parts'"
    elif rule.source is None:
        idle: dict[str, Any] = {
            "transform": rule.transform,
            "lookup": rule.lookup,
            "default": rule.default is not None,
        }
        idle["max_length"] = rule.max_length
        yield from ((key, "needs 'from'") for key, given in idle.items() if given)
    if rule.source == []:
        yield "from", "the list of fields is empty"
    if rule.join is not None and rule.first:
        yield "join", "either 'join' or 'first', not both"
    if not several and (rule.join is not None or rule.first):
        yield "join" if rule.join is not None else "first", "needs a list of fields in 'from'"
    if rule.type and (rule.type == "address") != (rule.parts is not None):
        yield "type", "an address is written with 'parts', and only an address is"


def _compile_parts(compiler: Compiler, parts: Mapping[str, str | Rule], path: KeyPath) -> Read:
    reads = []
    for name, part in parts.items():
        inside: KeyPath = (*path, "parts", name)
        if isinstance(part, Rule) and part.parts is not None:
            compiler.fail(inside, "a part has no parts of its own")
        reads.append((name, _compile_line(compiler, part, inside)[0]))
    return lambda record: {name: read(record) for name, read in reads}


def _compile_rule(compiler: Compiler, rule: Rule, path: KeyPath) -> tuple[Read, str]:
    if rule.source is None:
        constant = rule.value
        return (lambda record: constant), rule.type or _type_of(constant)
    read, kind = _compile_source(compiler, rule, path)
    names = [rule.transform] if isinstance(rule.transform, str) else rule.transform
    for position, name in enumerate(names):
        if name not in TRANSFORMS:
            where = (
                (*path, "transform") if isinstance(rule.transform, str) else (*path, "transform", position)
            )
            compiler.fail(where, f"there is no transform {name!r}{suggest(name, TRANSFORMS)}")
            continue
        read, kind = _then(read, TRANSFORMS[name].apply), TRANSFORMS[name].gives
    if rule.lookup is not None:
        read, kind = _with_lookup(read, rule.lookup), _type_of(*rule.lookup.values())
    if rule.default is not None:
        read, kind = _with_default(read, rule.default), kind if _type_of(rule.default) == kind else "text"
    if rule.max_length is not None:
        read, kind = _then(read, _cut_to(rule.max_length)), "text"
    return read, rule.type or kind


def _compile_source(compiler: Compiler, rule: Rule, path: KeyPath) -> tuple[Read, str]:
    if isinstance(rule.source, str):
        return _compile_line(compiler, rule.source, (*path, "from"))
    places = enumerate(rule.source or [])
    lines = [_compile_line(compiler, name, (*path, "from", position)) for position, name in places]
    reads = tuple(read for read, _ in lines)
    kinds = {kind for _, kind in lines}
    if rule.first:
        return _first_of(reads), kinds.pop() if len(kinds) == 1 else "text"
    return _joined(reads, " " if rule.join is None else rule.join), "text"


def _first_of(reads: tuple[Read, ...]) -> Read:
    return lambda record: next((value for read in reads if (value := read(record)) is not None), None)


def _joined(reads: tuple[Read, ...], between: str) -> Read:
    def read_joined(record: Record) -> Any:
        values = [spell(value) for read in reads if (value := read(record)) is not None]
        return between.join(values) or None

    return read_joined


def _then(read: Read, apply: Callable[[Any], Any]) -> Read:
    def read_then(record: Record) -> Any:
        value = read(record)
        return None if value is None else apply(value)

    return read_then


def _with_lookup(read: Read, table: Mapping[str, Constant | None]) -> Read:
    """A blank key of the table stands for an empty value."""
    rows = {("" if key.isspace() else key): value for key, value in table.items()}

    def read_lookup(record: Record) -> Any:
        value = read(record)
        return rows.get("" if value is None else spell(value))

    return read_lookup


def _with_default(read: Read, default: Constant) -> Read:
    def read_default(record: Record) -> Any:
        value = read(record)
        return default if value is None or value == "" else value

    return read_default


def _cut_to(length: int) -> Callable[[Any], str | None]:
    return lambda value: spell(value)[:length].rstrip() or None


def _target_type(info: FieldInfo) -> str:
    return info.type if info.type in ("number", "date") else "text"


def _type_of(*constants: Any) -> str:
    """number if all that is not empty is one."""
    given = [one for one in constants if one is not None]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in given)
    return "number" if given and numbers else "text"
