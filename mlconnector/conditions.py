"""The `when:` of a flow: which records belong in it, compiled to closures. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mlconnector.explain import KeyPath, Problem, convert
from mlconnector.model import FieldInfo
from mlconnector.reading import Compiler, Constant, Read, Record, reader
from mlconnector.transforms import decode_enum_name, number, spell

_COMPARABLE = (int, Decimal, float, NoneType)


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a field of `when:` must be; exactly one of the four."""

    equals: Annotated[Constant | UnsetType, Meta(description='exactly this; " " is blank')] = msgspec.field(
        name="is", default=UNSET
    )
    among: Annotated[list[Constant] | UnsetType, Meta(description="one of these")] = msgspec.field(
        name="in", default=UNSET
    )
    empty: Annotated[bool | UnsetType, Meta(description="true: nothing is there; false: something is")] = (
        UNSET
    )
    negated: Annotated[Condition | UnsetType, Meta(description="anything but this")] = msgspec.field(
        name="not", default=UNSET
    )


@dataclass(frozen=True, slots=True)
class CompiledWhen:
    """Call it with a record: whether it belongs in the flow."""

    paths: frozenset[str]
    problems: tuple[Problem, ...] = ()
    _tests: tuple[tuple[Read, Callable[[Any], bool]], ...] = ()

    def __call__(self, record: Record) -> bool:
        return all(test(read(record)) for read, test in self._tests)


def compile_when(
    conditions: Mapping[str, Any], fields: Mapping[str, FieldInfo], owner: str = "the source"
) -> CompiledWhen:
    """`conditions` as the connection file spells them: all of them must hold."""
    compiler = Compiler(fields, owner)
    tests = []
    for name, raw in conditions.items():
        info = compiler.info(name, (name,))
        condition, problems = convert(raw, Condition, (name,))
        compiler.problems += problems
        if info and condition is not None:
            tests.append((reader(info), _compile_condition(compiler, condition, info, (name,))))
    return CompiledWhen(frozenset(compiler.paths), tuple(compiler.problems), tuple(tests))


def _compile_condition(
    compiler: Compiler, condition: Condition, info: FieldInfo, path: KeyPath
) -> Callable[[Any], bool]:
    given = [
        name for name in ("equals", "among", "empty", "negated") if getattr(condition, name) is not UNSET
    ]
    if len(given) != 1:
        compiler.fail(path, "a condition has exactly one of 'is', 'in', 'empty' and 'not'")
    elif isinstance(condition.negated, Condition):
        inner = _compile_condition(compiler, condition.negated, info, (*path, "not"))
        return lambda value: not inner(value)
    elif condition.empty is not UNSET:
        wanted = condition.empty
        return lambda value: (value is None) is wanted
    elif condition.equals is not UNSET:
        return _matching(info, frozenset(_comparable(compiler, condition.equals, info, (*path, "is"))))
    elif condition.among is not UNSET:
        return _compile_among(compiler, condition.among, info, (*path, "in"))
    return lambda value: False


def _compile_among(
    compiler: Compiler, constants: list[Constant], info: FieldInfo, path: KeyPath
) -> Callable[[Any], bool]:
    if not constants:
        compiler.fail(path, "the list is empty, so nothing would match")
    allowed: set[Any] = set()
    for position, constant in enumerate(constants):
        allowed.update(_comparable(compiler, constant, info, (*path, position)))
    return _matching(info, frozenset(allowed))


def _matching(info: FieldInfo, allowed: frozenset[Any]) -> Callable[[Any], bool]:
    if info.type in ("number", "boolean"):
        return lambda value: isinstance(value, _COMPARABLE) and value in allowed
    # codes are stored in capitals, enum names compare as a person reads them; only text is taken to the letter
    fold = info.type in ("code", "enum", "guid")
    return lambda value: (
        (value if value is None else spell(value).upper() if fold else spell(value)) in allowed
    )


def _comparable(compiler: Compiler, constant: Constant, info: FieldInfo, path: KeyPath) -> list[Any]:
    """The constant as the reader of this field would give it; nothing and a problem if it never could."""
    if isinstance(constant, str) and not constant.strip():
        return [None]
    if info.type == "boolean":
        if not isinstance(constant, bool):
            compiler.fail(path, f"{info.name!r} is true or false")
        return [constant]
    if info.type == "number":
        amount = None if isinstance(constant, bool) else number(constant)
        if amount is None:
            compiler.fail(path, f"{info.name!r} is a number")
        return [Decimal(amount or 0)]
    text = spell(constant)
    if info.type == "enum":
        text = decode_enum_name(text) or ""
    fold = info.type in ("code", "enum", "guid")
    return [(text.upper() if fold else text) or None]
