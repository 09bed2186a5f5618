"""The parts of README.md that are made from the code, between `<!-- made: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

import msgspec

from mlconnector.conditions import Condition
from mlconnector.flows import FLOWS
from mlconnector.mapping import Rule, compile_map
from mlconnector.remedies import REMEDIES, remedy
from mlconnector.settings import FileHead, flow_struct
from mlconnector.systems import load_system
from mlconnector.systems.business_central import Settings, verdict
from mlconnector.systems.business_central import emulator_examples as business_central_examples
from mlconnector.systems.business_central.dialects import dialect_of
from mlconnector.systems.business_central.pages import PAGES
from mlconnector.systems.pipedrive import emulator_examples as pipedrive_examples
from mlconnector.template import PAIRS, template
from mlconnector.transforms import TRANSFORMS

_MADE = re.compile(r"(<!-- made: ([\w-]+) -->\n)(?:(?!<!-- made).)*?(<!-- end -->)", re.S)
_CUSTOMERS, _VENDORS = FLOWS["customers_to_members"], FLOWS["vendors_to_members"]


def renewed(readme: str) -> str:
    """The text with every made part as the code has it now."""
    return _MADE.sub(lambda found: f"{found[1]}{MADE[found[2]]()}\n{found[3]}", readme)


def names(readme: str) -> list[str]:
    """The made parts that a text holds."""
    return [found[2] for found in _MADE.finditer(readme)]


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(escaped, line)) + " |" for line in lines)


def escaped(cell: str) -> str:
    """A cell as Markdown shows it as it stands; what is between backticks is left alone."""
    parts = cell.replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("_", "\\_") for part in parts[::2]]
    return "`".join(parts)


def settings(
    struct: type[msgspec.Struct], *, leave_out: Sequence[str] = (), before: str = ""
) -> Iterator[list[str]]:
    """A row for each setting: name, default, description with what it may be."""
    schema = msgspec.json.schema(struct)["$defs"][struct.__name__]
    for name, about in schema["properties"].items():
        if name not in leave_out:
            default = "required" if name in schema.get("required", ()) else _default(about)
            yield [f"`{before}{name}`", default, about.get("description", "") + _choices(about)]


def _default(about: Mapping[str, Any]) -> str:
    default = about.get("default")
    if default in (None, {}, ""):
        return ""
    return f"`{_spelled(default)}`"


def _choices(about: Mapping[str, Any]) -> str:
    if "enum" in about:
        return f" ({', '.join(f'`{one}`' for one in about['enum'])})"
    if "minimum" in about and "maximum" in about:
        return f" ({about['minimum']} to {about['maximum']})"
    return ""


def _spelled(value: Any) -> str:
    """As YAML takes it, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_spelled(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_spelled(inner) for inner in value) + "]"
    plain = isinstance(value, str) and re.fullmatch(r"\d*[A-Za-z/][\w./:-]*", value)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


_SETTING = ("Setting", "Default", "What it is")


def _head() -> str:
    groups = {one.name: _group(one.type) for one in msgspec.structs.fields(FileHead)}
    rows = [*settings(FileHead, leave_out=[name for name, group in groups.items() if group])]
    for name, group in groups.items():
        rows += settings(group, before=f"{name}.") if group else ()
    return table(_SETTING, iter(rows))


def _group(kind: Any) -> type[msgspec.Struct] | None:
    """The Struct of a setting that is a group of settings."""
    bare = get_args(kind)[0] if get_args(kind) else kind
    return bare if isinstance(bare, type) and issubclass(bare, msgspec.Struct) else None


def _system(kind: str) -> Callable[[], str]:
    def made() -> str:
        system = load_system(kind)
        rows = [["`kind`", "required", f"`{kind}`"], *settings(system.settings, leave_out=["kind"])]
        rows += [[f"secret `{name}`", "", where] for name, where in system.secrets.items()]
        return table(_SETTING, iter(rows))

    return made


def _flow() -> str:
    rows = []
    vendors = {row[0]: row for row in settings(flow_struct(_VENDORS))}
    for name, default, about in settings(flow_struct(_CUSTOMERS)):
        other = vendors.pop(name)[1]
        rows.append([name, default if default == other else f"customers {default}, vendors {other}", about])
    assert not vendors
    return table(_SETTING, iter(rows))


def _pair() -> str:
    """The options of the flows of this pair, each once: with the flows that have it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for flow in PAIRS["pipedrive-business-central"]:
        for row in settings(FLOWS[flow].options):
            found.setdefault((row[0], row[1].replace('"', ""), row[2]), []).append(f"`{flow}`")
    rows = ([name, default, about, ", ".join(flows)] for (name, default, about), flows in found.items())
    return table((*_SETTING, "Of"), rows)


def _crm_fields() -> str:
    lines = []
    for entity, known in load_system("pipedrive").entities.items():
        names = ", ".join(f"`{name}`" for name in known.fields if not name.startswith("custom_fields"))
        lines.append(f"- `{entity}`: {names}")
    return "\n".join(lines)


def _example() -> str:
    return f"```yaml\n{template().rstrip()}\n```"


def _line() -> str:
    return table(("Key", "Default", "What it does"), settings(Rule))


def _when() -> str:
    return table(("Key", "What it asks for"), ([row[0], row[2]] for row in settings(Condition)))


def _transforms() -> str:
    rows = ([f"`{name}`", one.gives, one.summary] for name, one in TRANSFORMS.items())
    return table(("Transform", "Gives", "What it does"), rows)


def _fields() -> str:
    lines = []
    for entity in ("customer", "vendor"):
        fields = load_system("business_central").entities[entity].fields
        lines.append(f"- `{entity}`: {', '.join(f'`{name}`' for name in fields)}")
    return "\n".join(lines)


def _pages() -> str:
    """What the published pages have to show for the mappings that `init` writes."""
    dialect = dialect_of(Settings(company="", api="odata"))
    rows = []
    for kind in (_CUSTOMERS, _VENDORS):
        paths = compile_map(kind.default_map, dialect.fields[kind.entity]).paths
        names = dict.fromkeys((dialect.key, dialect.modified, *map(dialect.theirs, sorted(paths))))
        shown = ", ".join(f"`{name}`" for name in names)
        rows.append([PAGES[kind.entity], f"`{dialect.sets[kind.entity]}`", shown])
    return table(("Page", "Service name", "Fields it has to show"), iter(rows))


def _login() -> str:
    rows = [
        [f"AADSTS{number}", f"Entra: {message}", hint] for number, (message, hint) in verdict._AADSTS.items()
    ]
    rows += [
        [f"`{code}`", f"Business Central: {message}", hint]
        for code, (_, message, hint) in verdict._STOPS.items()
    ]
    return table(("Shown", "What it means", "Next step"), iter(rows))


def next_steps() -> dict[str, str]:
    """What the README has to say for each code."""
    return {code: escaped(remedy(code, "failed", "FLOW", "RECORD")) for code in REMEDIES}


def _actions() -> str:
    """What people can do in the emulated Pipedrive and Business Central."""
    each = (("8803", pipedrive_examples.EXAMPLES), ("8801", business_central_examples.EXAMPLES))
    rows = (
        [f"`{port}/_sandbox/do/{name}`", f"`{json.dumps(data, ensure_ascii=False)}`"]
        for port, examples in each
        for name, data in examples.items()
    )
    return table(("Port and action", "Posted"), rows)


MADE: Mapping[str, Callable[[], str]] = {
    "file": _head,
    "business_central": _system("business_central"),
    "mailchimp": _system("mailchimp"),
    "pipedrive": _system("pipedrive"),
    "flow": _flow,
    "pair": _pair,
    "crm_fields": _crm_fields,
    "example": _example,
    "line": _line,
    "when": _when,
    "transforms": _transforms,
    "fields": _fields,
    "login": _login,
    "pages": _pages,
    "actions": _actions,
}
