"""The `$filter` language of section 3.1 and 3.2, compiled to a test of a row, with the platform's gaps kept.

`in` without `$schemaversion=2.1`, lambdas and nested functions vanish without a word, `or` over two fields is a 501.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mlconnector.systems.business_central.emulator_answers import Problem, bad_request, refused
from mlconnector.systems.business_central.emulator_field import Entity, Field, decode_option, encode_option
from mlconnector.systems.business_central.emulator_rows import Row, read_stamp

Test = Callable[[Row], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')"
    r"|(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?(?:Z|[+-]\d\d:\d\d))"
    r"|(?P<date>\d{4}-\d\d-\d\d(?![T\d]))"
    r"|(?P<number>-?\d+(?:\.\d+)?(?![\w.:-]))"
    r"|(?P<name>[A-Za-z_][\w]*(?:/[A-Za-z_]\w*)*)"
    r"|(?P<sign>[(),:]))"
)
_OPERATORS = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
}
_LITERALS = {
    "string": "String",
    "guid": "Guid",
    "datetime": "DateTimeOffset",
    "date": "Date",
    "number": "Int32",
}
_TYPES = {
    "text": "String",
    "code": "String",
    "decimal": "Decimal",
    "int": "Int64",
    "bool": "Boolean",
    "guid": "Guid",
    "date": "Date",
    "datetime": "DateTimeOffset",
    "enum": "Enum",
    "caption": "String",
    "complex": "ComplexType",
}
_TESTS: dict[str, Callable[[Callable[[Row], Any], Any], Test]] = {
    "eq": lambda get, value: lambda row: get(row) == value,
    "ne": lambda get, value: lambda row: get(row) != value,
    "gt": lambda get, value: lambda row: get(row) > value,
    "ge": lambda get, value: lambda row: get(row) >= value,
    "lt": lambda get, value: lambda row: get(row) < value,
    "le": lambda get, value: lambda row: get(row) <= value,
    "startswith": lambda get, value: lambda row: get(row).startswith(value),
    "endswith": lambda get, value: lambda row: get(row).endswith(value),
    "contains": lambda get, value: lambda row: value in get(row),
}


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a filter: its kind (a group of `_TOKEN`, or `end`), its text, and where it starts."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a filter: the fields it looks at and its test; None where the platform lets it vanish."""

    fields: frozenset[str]
    test: Test | None


VANISHED = Term(frozenset(), None)


@dataclass(frozen=True, slots=True)
class Operand:
    """A field on the left of an operator; `folded` inside tolower or toupper, `cut` inside substring."""

    field: Field
    column: int
    folded: bool = False
    cut: slice | None = None

    def getter(self) -> Callable[[Row], Any]:
        """Reads the value to compare from a row."""
        column, cut = self.column, self.cut
        if self.folded:
            return lambda row: row.values[column].lower()
        if cut is not None:
            return lambda row: row.values[column][cut]
        return lambda row: row.values[column]


def syntax_error(message: str) -> Problem:
    """400 for a query that cannot be read."""
    return bad_request(f"Bad Request - Error in query syntax. {message}", "BadRequest_NotFound")


def unknown_property(name: str, entity: Entity) -> Problem:
    """400 for a name that the type does not have."""
    return bad_request(
        f"Could not find a property named '{name}' on type '{entity.namespace}.{entity.single}'."
    )


def not_implemented(message: str) -> Problem:
    """501 for what the platform does not do."""
    return Problem(501, "BadRequest_MethodNotImplemented", message)


def stored_field(name: str, entity: Entity, option: str, *, lenient: bool = False) -> Field:
    """A field that may be filtered or ordered by; page variables and FlowFields may not (section 2.17).

    With `lenient` they come back all the same, to be ignored.
    """
    field = entity.by_name.get(name)
    if field is None or field not in entity.fields:
        raise unknown_property(name, entity)
    if not field.stored and not lenient:
        raise bad_request(f"The property '{name}' cannot be used in the {option} query option.")
    return field


def split_tokens(text: str) -> list[Token]:
    """The words of a filter or of a skip token, with an `end` behind them."""
    tokens: list[Token] = []
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise syntax_error(f"Syntax error at position {position} in '{text}'.")
        tokens.append(Token(found.lastgroup, found[found.lastgroup], position))
        position = found.end()
    return [*tokens, Token("end", "", len(text))]


def literal_value(token: Token) -> Any:
    """A literal as Python has it: str, Decimal, bool, ticks; guids in lower case."""
    match token.kind:
        case "string":
            return token.text[1:-1].replace("''", "'")
        case "number":
            return Decimal(token.text)
        case "datetime":
            return read_stamp(token.text)
        case "guid":
            return token.text.lower()
        case "name" if token.text in ("true", "false"):
            return token.text == "true"
        case _:
            return token.text


def compile_filter(text: str, entity: Entity, *, newer: bool, lenient: bool = False) -> Test | None:
    """The test of a `$filter`; None if nothing of it is left. `newer` is `$schemaversion=2.1`."""
    parser = _Parser(split_tokens(text), entity, newer, lenient)
    term = parser.any_of()
    parser.expect("end")
    return term.test


class _Parser:
    """Recursive descent over the tokens: or, and, comparison."""

    def __init__(self, tokens: list[Token], entity: Entity, newer: bool, lenient: bool) -> None:
        self._tokens = tokens
        self._place = 0
        self._entity = entity
        self._newer = newer
        self._lenient = lenient

    def _peek(self) -> Token:
        return self._tokens[self._place]

    def _next(self) -> Token:
        token = self._tokens[self._place]
        self._place = min(self._place + 1, len(self._tokens) - 1)
        return token

    def _took(self, text: str) -> bool:
        if self._peek().text == text and self._peek().kind in ("name", "sign"):
            self._next()
            return True
        return False

    def expect(self, wanted: str) -> Token:
        """The next token, which must be of this kind or text."""
        token = self._next()
        if wanted not in (token.kind, token.text):
            raise syntax_error(f"'{wanted}' expected at position {token.position}.")
        return token

    def any_of(self) -> Term:
        """`a or b`: one field only (section 3.1)."""
        terms = [self._all_of()]
        while self._took("or"):
            terms.append(self._all_of())
        fields = frozenset[str]().union(*(term.fields for term in terms))
        if len(terms) == 1:
            return terms[0]
        if len(fields) > 1:
            raise not_implemented("The 'OR' operator is not supported on distinct fields on an OData filter.")
        tests = [term.test for term in terms if term.test is not None]
        if len(tests) < len(terms):
            return VANISHED
        return Term(fields, lambda row: any(test(row) for test in tests))

    def _all_of(self) -> Term:
        terms = [self._one()]
        while self._took("and"):
            terms.append(self._one())
        if len(terms) == 1:
            return terms[0]
        fields = frozenset[str]().union(*(term.fields for term in terms))
        tests = [term.test for term in terms if term.test is not None]
        if len(tests) == 2:
            first, second = tests
            return Term(fields, lambda row: first(row) and second(row))
        return Term(fields, (lambda row: all(test(row) for test in tests)) if tests else None)

    def _one(self) -> Term:
        token = self._peek()
        if token.text == "(" and token.kind == "sign":
            self._next()
            term = self.any_of()
            self.expect(")")
            return term
        if token.kind != "name":
            raise syntax_error(f"Expression expected at position {token.position}.")
        if token.text == "not":
            raise not_implemented("The 'Not' operator is not supported on an OData filter.")
        if self._tokens[self._place + 1].text == "(":
            return self._call()
        return self._comparison(self._operand())

    def _call(self) -> Term:
        name = self._peek().text
        if name.endswith(("/any", "/all")):
            self._next()
            self._skip_parentheses()
            return VANISHED
        if name in ("tolower", "toupper", "substring"):
            return self._comparison(self._operand())
        if name not in ("startswith", "endswith", "contains"):
            raise not_implemented(f"The function '{name}' is not supported on an OData filter.")
        return self._text_test(name)

    def _text_test(self, name: str) -> Term:
        self._next()
        self.expect("(")
        nested = self._tokens[self._place + 1].text == "("
        operand = self._operand()
        self.expect(",")
        literal = self.expect("string")
        self.expect(")")
        if self._took("eq"):
            self.expect("true")
        if nested and not self._newer:
            return VANISHED
        if operand.field.kind not in ("text", "code"):
            raise _mismatch(operand.field, literal, name)
        return self._term(operand, name, self._text(operand, literal))

    def _operand(self) -> Operand:
        token = self.expect("name")
        if token.text in ("tolower", "toupper"):
            self.expect("(")
            inner = self._operand()
            self.expect(")")
            return Operand(inner.field, inner.column, folded=inner.field.kind in ("text", "code"))
        if token.text == "substring":
            return self._substring()
        field = stored_field(token.text, self._entity, "$filter", lenient=self._lenient)
        return Operand(field, self._entity.columns[field.name])

    def _substring(self) -> Operand:
        self.expect("(")
        inner = self._operand()
        self.expect(",")
        start = self._whole()
        stop = start + self._whole() if self._took(",") else None
        self.expect(")")
        if inner.field.kind not in ("text", "code"):
            raise not_implemented("The function 'substring' is not supported on this field.")
        return Operand(inner.field, inner.column, cut=slice(start, stop))

    def _whole(self) -> int:
        token = self.expect("number")
        if not token.text.isdecimal():
            raise syntax_error(f"A whole number expected at position {token.position}.")
        return int(token.text)

    def _comparison(self, operand: Operand) -> Term:
        token = self.expect("name")
        if token.text == "in":
            return self._listed(operand)
        if token.text not in _OPERATORS:
            raise not_implemented(f"The operator '{token.text}' is not supported on an OData filter.")
        literal = self._literal()
        value = self._value(operand, literal, _OPERATORS[token.text])
        if operand.field.kind in ("enum", "caption", "bool", "guid") and token.text not in ("eq", "ne"):
            raise _mismatch(operand.field, literal, _OPERATORS[token.text])
        return self._term(operand, token.text, value)

    def _listed(self, operand: Operand) -> Term:
        self.expect("(")
        literals = [self._literal()]
        while self._took(","):
            literals.append(self._literal())
        self.expect(")")
        if not self._newer:
            return VANISHED
        values = {self._value(operand, literal, "In") for literal in literals}
        get = operand.getter()
        return Term(frozenset({operand.field.name}), lambda row: get(row) in values)

    def _literal(self) -> Token:
        token = self._next()
        if token.kind in _LITERALS or token.text in ("true", "false"):
            return token
        if token.kind == "name":
            raise not_implemented(
                "Only a comparison of a field with a value is supported on an OData filter."
            )
        raise syntax_error(f"Expression expected at position {token.position}.")

    def _value(self, operand: Operand, token: Token, operator: str) -> Any:
        kind = operand.field.kind
        if kind in ("text", "code") and token.kind == "string":
            return self._text(operand, token)
        if kind in ("enum", "caption") and token.kind == "string":
            option = _option(operand.field, literal_value(token))
            return option if kind == "enum" else decode_option(option) or " "
        fits = {"decimal": "number", "int": "number"}.get(kind, kind)
        if token.kind == fits or (kind == "bool" and token.kind == "name"):
            value = literal_value(token)
            if value is None:
                raise syntax_error(f"'{token.text}' is not a date and time.")
            return value
        raise _mismatch(operand.field, token, operator)

    def _text(self, operand: Operand, token: Token) -> str:
        text: str = literal_value(token)
        field = operand.field
        if field.length and len(text) > field.length:
            raise refused(
                f"The filter \"='{text}'\" is not valid for the {field.caption} field on the "
                f"{self._entity.caption} table. The length of the string is {len(text)}, but it must be less than "
                f"or equal to {field.length} characters. Value: {text}",
                "Application_FilterErrorException",
            )
        if operand.folded:
            return text.lower()
        return text.strip().upper() if field.kind == "code" else text

    def _term(self, operand: Operand, name: str, value: Any) -> Term:
        if not operand.field.stored:
            return VANISHED
        return Term(frozenset({operand.field.name}), _TESTS[name](operand.getter(), value))

    def _skip_parentheses(self) -> None:
        depth = 0
        while self._peek().kind != "end":
            sign = self._next().text
            depth += {"(": 1, ")": -1}.get(sign, 0)
            if depth == 0:
                return


def _option(field: Field, text: str) -> str:
    """An enum literal: encoded name or caption, blank as `' '` or `'_x0020_'` (both UNCERTAIN in section 3.2)."""
    name = decode_option(text)
    if name not in field.options:
        known = ",".join(option or " " for option in field.options)
        raise refused(f"'{text}' is not an option. The existing options are: {known}", "Unknown")
    return encode_option(name)


def _mismatch(field: Field, token: Token, operator: str) -> Problem:
    literal = "Boolean" if token.kind == "name" else _LITERALS[token.kind]
    return bad_request(
        "A binary operator with incompatible types was detected. Found operand types "
        f"'Edm.{_TYPES[field.kind]}' and 'Edm.{literal}' for operator kind '{operator}'."
    )
