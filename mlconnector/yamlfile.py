"""Reads a YAML file into plain data and remembers where everything stood: the only home of yaml.

A small YAML on purpose: text stays text (`NO`, `010`, `12:30`), keys are text, and there are no anchors, tags or
second documents. It is built from parser events, without recursion, so no file can exhaust the stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mlconnector.errors import ConfigError
from mlconnector.explain import KeyPath, Problem, dotted

LARGEST = 1_000_000
DEEPEST = 30

SINGLE_QUOTES = (
    "in double quotes a backslash begins an escape: put the text into single quotes ('DOMAIN\\user')"
)
_STEPS = {
    "tab character": "lines are indented with blanks: put blanks in place of the tab at the beginning of this line",
    "unknown escape character": SINGLE_QUOTES,
    "hexdecimal number": SINGLE_QUOTES,
    "mapping values are not allowed": "a text that holds a colon and a blank stands in quotes, such as"
    " company: 'Nordkran: Main'; or the line above lacks something, or is indented in another way",
}
"""Words of the parser that hint at what was meant, and the next step then."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, from 1, of a key or of an item of a list."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """What a file holds, where it stood, and what was wrong with it as YAML."""

    file: Path
    data: Any = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> Place:
        """Where `path` stands, or the nearest thing above it that the file has."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(1, 1))

    def told(self, path: KeyPath, message: str) -> str:
        """`file:line:column: path: message`."""
        place = self.place(path)
        what = f"{dotted(path)}: " if path else ""
        return f"{self.file}:{place.line}:{place.column}: {what}{message}"

    def error(self, problems: list[Problem]) -> ConfigError:
        """All problems in the order of the file, one `file:line:column: path: message` each."""
        lines = sorted({self._line(problem) for problem in problems})
        return ConfigError("\n".join(text for _, _, text in lines))

    def _line(self, problem: Problem) -> tuple[int, int, str]:
        place = self.place(problem.path)
        return place.line, place.column, self.told(problem.path, problem.message)


def read_document(file: Path) -> Document:
    """Raises ConfigError, one clear sentence, if there is nothing that could be read as YAML."""
    document = Document(file)
    text = _read_text(file)
    try:
        _Builder(document).build(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(file, text.split("\n"), error) from None
    except yaml.YAMLError:
        raise ConfigError(f"{file}: this is not YAML: it holds characters that YAML does not allow") from None
    if document.data is None and not document.problems:
        raise ConfigError(f"{file}: the file is empty", hint="mlconnector init writes one to start from")
    return document


def _not_yaml(file: Path, lines: list[str], error: yaml.MarkedYAMLError) -> ConfigError:
    """What the parser says, or what is behind it: a quote that is never closed, a line that begins too far right."""
    mark = error.problem_mark or error.context_mark
    said = str(error.problem or error.context)
    if mark is None:
        return ConfigError(f"{file}: this is not YAML: {said}")
    if opened := _open_quote(lines[: mark.line + 1]):
        place, quote = opened
        step = f"close it with {quote} in the same line"
        return ConfigError(
            f"{file}:{place.line}:{place.column}: a quote ({quote}) opens here and is not closed", hint=step
        )
    steps = (step for words, step in _STEPS.items() if words in said)
    hint = _quote_before(lines, mark) or _other_indent(lines, mark.line) or next(steps, "")
    return ConfigError(f"{file}:{mark.line + 1}:{mark.column + 1}: this is not YAML: {said}", hint=hint)


def _open_quote(lines: list[str]) -> tuple[Place, str] | None:
    """Where the first text in quotes begins that does not end in its line; nobody writes such ones on purpose here."""
    for number, line in enumerate(lines, 1):
        for found in _QUOTED.finditer(line):
            if found["rest"] is not None:
                return Place(number, found.start("rest") + 1), found["rest"][0]
            if found["comment"] is not None:
                break
    return None


def _quote_before(lines: list[str], mark: yaml.Mark) -> str:
    """Where a text in quotes ends just before the mistake: the quote that ends it may be one of a later text."""
    line = lines[mark.line] if mark.line < len(lines) else ""
    for found in _QUOTED.finditer(line):
        if found["rest"] is None and found["comment"] is None and found.end() == mark.column:
            return f"the text in quotes that opens in column {found.start() + 1} ends before this: is a quote missing?"
    return ""


_QUOTED = re.compile(
    r"""(?:^|(?<=[\s\[{,]))(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'(?!')|(?P<comment>\#.*)|(?P<rest>["'].*))"""
)
"""A text in quotes, one that does not end, or a comment: each begins a line, or stands behind a blank or a bracket."""


def _other_indent(lines: list[str], at: int) -> str:
    """Where a line begins at another column than the one above it, which holds all of its setting."""
    if at >= len(lines):
        return ""
    above = next(
        (n for n in range(at - 1, -1, -1) if lines[n].strip() and not lines[n].lstrip().startswith("#")), None
    )
    if above is None or lines[above].split(" #")[0].rstrip().endswith(":"):
        return ""
    here, there = (len(lines[n]) - len(lines[n].lstrip(" ")) for n in (at, above))
    if here == there or lines[at].lstrip(" ").startswith("\t"):
        return ""
    return (
        f"this line begins with {here} blanks, line {above + 1} above it with {there}: settings of one group"
        " begin below each other"
    )


def _read_text(file: Path) -> str:
    try:
        if file.is_fifo() and _lies_in_a_folder(file):  # nobody may ever write to it
            raise ConfigError(f"{file}: is a named pipe", hint="name an ordinary file")
        with file.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise ConfigError(f"{file}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise ConfigError(f"{str(file)!r} is no name of a file") from None
    if len(raw) > LARGEST:
        raise ConfigError(f"{file}: is over 1 MB, which is too large for a connection file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        step = f"save it as UTF-8 in your editor, or: iconv -f WINDOWS-1252 -t UTF-8 {file} > NEW.yaml"
        raise ConfigError(f"{file}:{line}: is not UTF-8 text", hint=step) from None


def _lies_in_a_folder(file: Path) -> bool:
    """Not so `/dev/stdin` and what a shell makes of `<(command)`: these end with the program that writes them."""
    real = file.resolve()
    return real.exists() and not real.is_relative_to("/dev")


def _plain(event: yaml.ScalarEvent) -> Any:
    """The value of a scalar; only true, false, null and decimal numbers are more than text."""
    text = event.value
    if event.style or not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _where(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet; `key` is the mapping's key that waits for its value."""

    path: KeyPath
    into: dict[str, Any] | list[Any]
    key: str | None = None
    line: int = 0
    column: int = 0


@dataclass(slots=True)
class _Builder:
    """Turns parser events into data."""

    document: Document
    stack: list[_Open] = field(default_factory=list)

    def build(self, events: Iterator[yaml.Event]) -> None:
        documents = 0
        for event in events:
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                self._fail(event, "the file holds a second document after '---'")
                return
            if isinstance(event, yaml.NodeEvent):
                self._check(event)
                self._add(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self.stack.pop()

    def _fail(self, event: yaml.Event, message: str) -> NoReturn:
        line, column = _where(event)
        raise ConfigError(f"{self.document.file}:{line}:{column}: {message}")

    def _check(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            self._fail(
                event, "anchors and aliases (& and *) are not used in a connection file; quote the text"
            )
        if getattr(event, "tag", None) not in (None, "!"):
            self._fail(event, "tags (!) are not used in a connection file; quote the text")
        if len(self.stack) >= DEEPEST:
            self._fail(event, f"more than {DEEPEST} levels deep")

    def _add(self, event: yaml.NodeEvent) -> None:
        """Puts what begins here where it belongs: a key, a value, an item or the whole."""
        parent = self.stack[-1] if self.stack else None
        if parent and isinstance(parent.into, dict) and parent.key is None:
            self._open_key(event, parent)
            return
        value = self._value_of(event)
        path = self._attach(event, parent, value)
        if not isinstance(event, yaml.ScalarEvent):
            self.stack.append(_Open(path, value))

    def _value_of(self, event: yaml.NodeEvent) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return _plain(event)
        return {} if isinstance(event, yaml.MappingStartEvent) else []

    def _open_key(self, event: yaml.NodeEvent, parent: _Open) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            self._fail(event, "a name was expected here, not a list or group")
            return
        parent.key = event.value
        parent.line, parent.column = _where(event)

    def _attach(self, event: yaml.NodeEvent, parent: _Open | None, value: Any) -> KeyPath:
        line, column = _where(event)
        if parent is None:
            self.document.data = value
            self.document.places[()] = Place(line, column)
            return ()
        if isinstance(parent.into, list):
            path: KeyPath = (*parent.path, len(parent.into))
            parent.into.append(value)
            self.document.places[path] = Place(line, column)
            return path
        key, parent.key = str(parent.key), None
        path = (*parent.path, key)
        place = Place(parent.line, parent.column)
        if key in parent.into:
            first = self.document.places[path].line
            self.document.problems.append(Problem(path, f"stands here twice, first in line {first}"))
        parent.into[key] = value
        self.document.places[path] = place
        return path
