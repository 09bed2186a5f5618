"""What the contract suites need of a system: its emulator with some records, and our side of it connected.

One more system is one more entry in SOURCES or TARGETS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

from mlconnector.flows.nav_mailchimp import MemberTarget, MergeField
from mlconnector.model import Flow, Mapped, Outcome, Skip, Step, Tools
from mlconnector.sandbox import Emulator, Reply, Request, Running
from mlconnector.systems import load_system
from mlconnector.systems.base import Entity, Prepares, Source, Target
from mlconnector.systems.business_central.emulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    TENANT,
    BusinessCentral,
)
from mlconnector.systems.mailchimp.emulator import API_KEY, Mailchimp
from mlconnector.systems.pipedrive.emulator import API_TOKEN, Pipedrive

NOON = datetime(2026, 7, 21, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class SourceCase:
    """A source whose emulator can be changed by record name (`R0`, `R1` …); `page` records come at a time.

    `late` stamps a change now and gives what makes it visible. `blank` takes the stamp of a record away.
    """

    emulator: Emulator
    entity: str
    page: int
    connect: Callable[[], Source]
    add: Callable[[str], None]
    edit: Callable[[str], None]
    late: Callable[[str], Callable[[], Any]]
    blank: Callable[[str], None]
    delete: Callable[[str], None]
    id_of: Callable[[str], str]
    name_of: Callable[[Mapping[str, Any]], str]
    never_there: str
    by_day: bool = False
    """Whether it knows only the day of a change."""


@dataclass
class TargetCase:
    """A target whose emulator shows its records by key. `bad` is a key that the target refuses."""

    emulator: Emulator
    into: str
    entity: Entity
    connect: Callable[[], Target]
    mapped: Callable[[str, str], Mapped]
    key: Callable[[str], str]
    bad: str
    stored: Callable[[], Mapping[str, str]]
    """Key → value of what is there (archived or removed records left out)."""
    sleeps: list[float] = field(default_factory=list)
    returns: bool = True
    """Whether what was removed comes back by writing it."""
    removes: bool = True
    """Whether it removes anything: a record with a history stays, and that is said."""
    moves: bool = True
    """Whether a record can get another key."""
    refs: Mapping[str, str] = field(default_factory=dict)
    """Remote ids of what each record refers to, by field."""
    calls: str = ""
    """In the paths of all calls but those for tokens."""
    why: str = "gone"
    """Why a record is to be removed."""

    def target(self) -> Target:
        """As at the start of a run."""
        target = self.connect()
        if isinstance(target, Prepares):
            target.prepare(self.into)
        return target

    def create(self, name: str, value: str = "first") -> Step:
        return Step("create", name, self.mapped(name, value), refs=self.refs)

    def update(self, name: str, target_id: str | None, value: str = "second", **more: Any) -> Step:
        how = {"was_key": self.key(name), "refs": self.refs, **more}
        return Step("update", name, self.mapped(name, value), target_id, **how)

    def remove(self, name: str, made: Outcome | None = None) -> Step:
        target_id, memo = (made.target_id, made.memo) if made else (None, None)
        return Step("remove", name, None, target_id, was_key=self.key(name), memo=memo, why=self.why)


def _tools(emulator: Emulator, sleeps: list[float]) -> Tools:
    return Tools(now=emulator.clock.now, sleep=sleeps.append)


ONLINE = {"tenant": TENANT, "client_id": CLIENT_ID}
OWN = {"login": "basic", "user": "SYNC"}


@contextmanager
def business_central(
    profile: str = "online", api: str = "v2.0", entity: str = "customer"
) -> Iterator[SourceCase]:
    """Records of one kind in pages of three; the clock stands still at noon."""
    rows = f"{entity}s"
    emulator = BusinessCentral(profile=profile)
    emulator.clock.freeze(NOON)
    pages = api == "odata"
    system = load_system("business_central")
    flow = Flow("f", "erp", entity, "mail", "member", _no_map, paths=frozenset({"number", "displayName"}))
    with Running(emulator) as served:
        server = emulator.server
        if server is not None:
            server.api_services_enabled = True
        base = f"{served.url}/{server.instance}" if server else served.url

        def connect() -> Source:
            settings = system.settings(
                company="CRONUS International Ltd.", page_size=3, base_url=base, login_url=served.url, api=api,
                **(OWN if server else ONLINE),
            )  # fmt: skip
            secrets = {"client_secret": CLIENT_SECRET, "password": server.password if server else ""}
            return system.connect(settings, secrets, _tools(emulator, [])).source([flow])

        yield SourceCase(
            emulator=emulator,
            entity=entity,
            page=3,
            connect=connect,
            add=lambda name: _ignore(emulator.add(rows, number=name, displayName=name)),
            edit=lambda name: _ignore(emulator.edit(rows, name, displayName=f"{emulator.clock.now():%M%S}")),
            late=lambda name: emulator.edit_late(rows, name, displayName="late").commit,
            blank=lambda name: _ignore(emulator.stamp(rows, name, datetime(1, 1, 1, tzinfo=UTC))),
            delete=lambda name: emulator.delete(rows, name),
            id_of=lambda name: name if pages else str(emulator.row(rows, name)["id"]),
            name_of=lambda record: str(record["number"]),
            never_there="NOBODY" if pages else "00000000-0000-0000-0000-00000000cafe",
            by_day=pages,
        )


@contextmanager
def mailchimp() -> Iterator[TargetCase]:
    """An empty audience."""
    emulator = Mailchimp()
    system = load_system("mailchimp")
    flow = Flow("f", "erp", "customer", "mail", "member", _no_map)
    options = MemberTarget(audience="Customers", merge_fields=(MergeField("VALUE", "text", "Value"),))
    sleeps: list[float] = []
    with Running(emulator) as served:

        def connect() -> Target:
            settings = system.settings(base_url=served.url)
            return system.connect(settings, {"api_key": API_KEY}, _tools(emulator, sleeps)).target(
                flow, options
            )

        def address(name: str) -> str:
            return name if "@" in name else f"{name}@nordkran.se"

        def mapped(name: str, value: str) -> Mapped:
            body = {
                "email_address": address(name),
                "merge_fields": {"VALUE": value},
                "status_if_new": "subscribed",
            }
            return Mapped(f"email:{address(name)}", body, value.encode())

        def stored() -> Mapping[str, str]:
            rows = emulator.members("Customers")
            return {
                f"email:{row['email_address']}": row["merge_fields"].get("VALUE", "")
                for row in rows
                if row["status"] != "archived"
            }

        yield TargetCase(
            emulator=emulator,
            into="member",
            entity=system.entities["member"],
            connect=connect,
            mapped=mapped,
            key=lambda name: f"email:{address(name)}",
            bad="bad@example.com",
            stored=stored,
            sleeps=sleeps,
        )


@contextmanager
def pipedrive_source(kind: str) -> Iterator[SourceCase]:
    """Records of one kind (deals are won and have a line) in pages of three; the clock stands still at noon."""
    emulator = Pipedrive(plan=None)
    emulator.clock.freeze(NOON)
    people, table = emulator.people, emulator.company.tables[kind]
    title = "title" if kind == "deal" else "name"
    flow = Flow(
        "f", "crm", kind, "erp", "customer", _no_map, paths=frozenset({title, "custom_fields.Region"})
    )
    people.add_field(kind, "Region", "enum", ["North", "South"])
    people.add("product", name="Sold in every deal") if kind == "deal" else None

    def row(name: str) -> dict[str, Any]:
        return next(one for one in table.listed if one[title] == name)

    def add(name: str) -> None:
        number = people.add(kind, **{title: name})
        if kind == "deal":
            people.add_line(number, 1, 10.5, 2)
            people.win(number)

    def late(name: str) -> Callable[[], Any]:
        stamp = {"update_time": emulator.company.stamp()}
        return lambda: emulator.company.change(kind, row(name), stamp, stamped=False)

    with Running(emulator) as served:
        system = load_system("pipedrive")
        settings = system.settings(base_url=served.url, page_size=3, lines_days=0)
        yield SourceCase(
            emulator=emulator,
            entity=kind,
            page=3,
            connect=lambda: system.connect(settings, {"api_token": API_TOKEN}, _tools(emulator, [])).source(
                [flow]
            ),
            add=add,
            edit=lambda name: people.edit(kind, row(name)["id"], visible_to=3),
            late=late,
            blank=lambda name: row(name).update(update_time=None),
            delete=lambda name: people.delete(kind, row(name)["id"]),
            id_of=lambda name: str(row(name)["id"]),
            name_of=lambda record: str(record[title]),
            never_there="999999",
        )


@contextmanager
def pipedrive_target(kind: str) -> Iterator[TargetCase]:
    """An empty account; organizations are known by name, products by code."""
    emulator = Pipedrive(plan=None)
    emulator.people.add_field(kind, "Value"), emulator.people.add_field(kind, "Choice", "enum", ["Yes", "No"])
    prefix = "code" if kind == "product" else "name"
    flow = Flow("f", "erp", "customer", "crm", kind, _no_map)
    sleeps: list[float] = []

    def mapped(name: str, value: str) -> Mapped:
        body = {"name": name, "custom_fields.Value": value}
        body |= {"code": name} if kind == "product" else {}
        body |= {"custom_fields.Choice": "Perhaps"} if name == "bad" else {}
        return Mapped(f"{prefix}:{name}", body, value.encode())

    def stored() -> Mapping[str, str]:
        value = emulator.people.code(kind, "Value")
        rows = [row for row in emulator.people.records(kind) if not row["is_deleted"]]
        return {f"{prefix}:{row[prefix]}": row["custom_fields"][value] for row in rows}

    with Running(emulator) as served:
        system = load_system("pipedrive")
        settings, options = system.settings(base_url=served.url), SimpleNamespace(conflict="source")

        def connect() -> Target:
            tools = _tools(emulator, sleeps)
            return system.connect(settings, {"api_token": API_TOKEN}, tools).target(flow, options)

        yield TargetCase(
            emulator=emulator,
            into=kind,
            entity=system.entities[kind],
            connect=connect,
            mapped=mapped,
            key=lambda name: f"{prefix}:{name}",
            bad="bad",
            stored=stored,
            sleeps=sleeps,
            returns=False,
        )


class Plain(BusinessCentral):
    """A server that has no `$batch`."""

    def answer(self, request: Request) -> Reply:
        return Reply(404, b"", {}) if request.path.endswith("/$batch") else super().answer(request)


@dataclass(frozen=True)
class Kind:
    """How records of Business Central are told apart, and what a record of theirs is."""

    prefix: str
    known_by: str
    value: str
    body: Callable[[str, str], dict[str, Any]]
    bad: Mapping[str, Any]
    spelled: Callable[[str], str] = str
    moves: bool = True


KINDS = {
    "customer": Kind(
        "name", "displayName", "city",
        lambda name, value: {"displayName": name, "city": value},
        {"salespersonCode": "NONE"},
    ),
    "contact": Kind(
        "email", "email", "jobTitle",
        lambda name, value: {"displayName": name, "jobTitle": value, "type": "Person", "email": f"{name}@x.se"},
        {"companyNumber": "NONE"}, "{}@x.se".format,
    ),
    "item": Kind(
        "number", "number", "displayName",
        lambda name, value: {"number": name.upper(), "displayName": value},
        {"baseUnitOfMeasureCode": "NONE"}, str.upper, moves=False,
    ),
}  # fmt: skip


@contextmanager
def business_central_target(kind: str, made: type[BusinessCentral] = BusinessCentral) -> Iterator[TargetCase]:
    """A company without records of this kind."""
    emulator, one = made(), KINDS[kind]
    emulator.clock.freeze(NOON)

    def key(name: str) -> str:
        return f"{one.prefix}:{one.spelled(name)}"

    def mapped(name: str, value: str) -> Mapped:
        body = one.body(name, value) | (one.bad if name == "bad" else {})
        return Mapped(key(name), body, value.encode(), match=(key(name),))

    def stored() -> Mapping[str, str]:
        rows = [row for row in emulator.rows(f"{kind}s") if kind != "contact" or row["type"] == "Person"]
        return {f"{one.prefix}:{row[one.known_by]}": row[one.value] for row in rows}

    with _written(emulator, kind, SimpleNamespace(conflict="source")) as (connect, sleeps, entity):
        yield TargetCase(
            emulator=emulator, into=kind, entity=entity, connect=connect, mapped=mapped, key=key, bad="bad",
            stored=stored, sleeps=sleeps, removes=False, moves=one.moves, calls="/api/",
        )  # fmt: skip


@contextmanager
def business_central_documents(document: str) -> Iterator[TargetCase]:
    """A company with one customer and one item, and no documents; each document has one line."""
    emulator = BusinessCentral()
    emulator.clock.freeze(NOON)
    customer = emulator.add("customers", number="C1", displayName="Nordkran AB")
    emulator.add("items", number="A-1", displayName="Desk", unitPrice=100)
    quantities = {"first": 1, "second": 2}
    options = SimpleNamespace(
        document=document, on_unwon="delete", rounding="0.05", currency_differs="hold", too_long="clip"
    )

    def key(name: str) -> str:
        return f"document:{name.upper()}"

    def mapped(name: str, value: str) -> Mapped:
        count = quantities[value]
        line = {"line": "1", "item": "A-1", "quantity": count, "unitPrice": 100, "discountPercent": 0}
        body = {
            "externalDocumentNumber": name.upper(), "date": "2026-07-21", "pricesIncludeTax": False,
            "currency": "NOPE" if name == "bad" else "EUR", "lines": [line], "discount": 0, "total": 100 * count,
        }  # fmt: skip
        return Mapped(key(name), body, value.encode())

    def stored() -> Mapping[str, str]:
        kind = document.capitalize()
        lines = {row["documentId"]: row["quantity"] for row in emulator.rows(f"sales{kind}Lines")}
        found = {row["externalDocumentNumber"]: lines[row["id"]] for row in emulator.rows(f"sales{kind}s")}
        return {f"document:{one}": "first" if count == 1 else "second" for one, count in found.items()}

    with _written(emulator, "document", options) as (connect, sleeps, entity):
        yield TargetCase(
            emulator=emulator, into="document", entity=entity, connect=connect, mapped=mapped, key=key, bad="bad",
            stored=stored, sleeps=sleeps, refs={"customer": customer["id"]}, why="not-won", calls="/api/",
        )  # fmt: skip


@contextmanager
def _written(
    emulator: BusinessCentral, into: str, options: SimpleNamespace
) -> Iterator[tuple[Callable[[], Target], list[float], Entity]]:
    """What connects a writer: logged in, so that trouble hits what is written."""
    system = load_system("business_central")
    flow = Flow("f", "crm", "any", "erp", into, _no_map)
    sleeps: list[float] = []
    with Running(emulator) as served:
        settings = system.settings(
            company="CRONUS International Ltd.", base_url=served.url, login_url=served.url, **ONLINE
        )

        def connect() -> Target:
            connected = system.connect(settings, {"client_secret": CLIENT_SECRET}, _tools(emulator, sleeps))
            target = connected.target(flow, options)
            target.find("customer", ["number:NONE"])
            return target

        yield connect, sleeps, system.entities[into]


def _ignore(_: object) -> None:
    return None


def _no_map(_: object) -> Skip:
    return Skip("none", "")


SOURCES: Mapping[str, Callable[[], AbstractContextManager[SourceCase]]] = {
    "business_central": business_central,
    "business_central item": partial(business_central, entity="item"),
    "business_central contact": partial(business_central, entity="contact"),
    "onprem": partial(business_central, "onprem"),
    "bc14, API v1.0": partial(business_central, "bc14", "v1.0"),
    "nav2018, API beta": partial(business_central, "nav2018", "beta"),
    "nav2018, pages": partial(business_central, "nav2018", "odata"),
    "nav2017, pages": partial(business_central, "nav2017", "odata"),
    **{
        f"pipedrive {kind}": partial(pipedrive_source, kind)
        for kind in ("organization", "person", "product", "deal")
    },
}
TARGETS: Mapping[str, Callable[[], AbstractContextManager[TargetCase]]] = {
    "mailchimp": mailchimp,
    "business_central customer": partial(business_central_target, "customer"),
    "business_central contact": partial(business_central_target, "contact"),
    "business_central customer, single calls": partial(business_central_target, "customer", Plain),
    "business_central item": partial(business_central_target, "item"),
    "business_central order": partial(business_central_documents, "order"),
    "business_central invoice": partial(business_central_documents, "invoice"),
    "pipedrive organization": partial(pipedrive_target, "organization"),
    "pipedrive product": partial(pipedrive_target, "product"),
}
