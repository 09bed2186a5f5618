"""What a system has to offer: the interfaces between the engine and a vendor's folder, and nothing of a vendor."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

import msgspec

from mlconnector.errors import ConnectorError
from mlconnector.model import Batch, Change, FieldInfo, Finding, Flow, Outcome, Step, Tools


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of record of a system, as the engine needs to know it.

    `upserts`: writing the same key again is safe and makes no second record. `batch` is how many steps one
    `write` may hold, `lanes` how many writes may be under way at once, `settle` how far the target's look-ups lag
    behind its writes. `fields` are the fields known without asking (a source's paths, a target's names). `key` is the
    field by which people call a record, `title` its name where that is another field.
    """

    key: str
    upserts: bool = False
    batch: int = 1
    lanes: int = 1
    settle: timedelta = timedelta(0)
    fields: Mapping[str, FieldInfo] = field(default_factory=dict)
    title: str = ""


class Source(Protocol):
    """Reads one system. Not shared between threads; one read at a time."""

    def read(
        self, entity: str, since: str | None, *, until: str | None = None, resume: str | None = None
    ) -> Iterator[Batch]:
        """Changes at or after `since` (a checkpoint of an earlier batch, overlap already taken off); None reads all.

        `until` leaves out what changed at or after it. `resume` is a `Batch.cursor`: goes on after that batch.
        Every record that existed during the whole read and matches comes at least once. A read that ends
        without an exception was complete. Raises Stop or Later.
        """
        ...

    def fetch(self, entity: str, ids: Collection[str]) -> Iterator[Change]:
        """These records as they are now, in any order, each id exactly once; gone comes as kind="delete".

        What may only be hidden is an upsert whose record raises Rejected when it is looked into.
        """
        ...

    def shift(self, checkpoint: str, overlap: timedelta) -> str:
        """The checkpoint moved back by `overlap`, in the source's own spelling; what `read` takes as `since`."""
        ...


class Target(Protocol):
    """Writes one system. `write` is called from several threads at once, up to `Entity.lanes`."""

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Remote ids by key, from reads that see their own writes. A key that is not there is absent or empty."""
        ...

    def write(self, entity: str, steps: Sequence[Step]) -> Sequence[Outcome]:
        """Carries the steps out: exactly one Outcome a step, in order.

        No two steps of concurrent calls touch the same key or the same remote id. Raises Stop or Later for the
        system as a whole, never for one record; the Outcomes it has by then go into the error's `settled`, and the
        other steps must be repeatable.
        """
        ...


@runtime_checkable
class Prepares(Protocol):
    """A target with something to set up before its first write of a run (merge fields, look-ups)."""

    def prepare(self, entity: str) -> None:
        """Called once a run and only if something is going to be written; raises Stop or Later."""
        ...


@runtime_checkable
class Placed(Protocol):
    """A target or source that can say, before the first write or read, where its ids belong."""

    def place(self) -> str:
        """What nothing of the same name has elsewhere, such as the id of an audience; raises Stop or Later.

        Asked once a run of a target, once a flow of a source; "" if the connection file says it (`System.origin`).
        """
        ...


@runtime_checkable
class Requires(Protocol):
    """A system (a Connected) that knows something which the options of a flow must agree with."""

    def require(self, flow: Flow, options: Any) -> None:
        """Called before the first write of a flow from or to it; raises ConfigError, Stop or Later."""
        ...


@runtime_checkable
class Resolves(Protocol):
    """A source, or a target, that knows its records by what people call them."""

    def resolve(self, entity: str, text: str) -> Sequence[str]:
        """Ids of the records that a person means by `text`: a number, an id, an e-mail address."""
        ...


@runtime_checkable
class Names(Protocol):
    """A target whose records are called otherwise than by their ids."""

    def names(self, entity: str, ids: Collection[str], *, persons: bool = False) -> Mapping[str, str]:
        """What people call these records, by id: number and name, `C00060 Müller & Söhne GmbH`.

        Only those that are there and of the kind that the entity is written as. A person's name is left out unless
        `persons` asks for it: what is stored has none.
        """
        ...


@runtime_checkable
class Tells(Protocol):
    """A target that can say how a record of its own stands, for whoever asks what became of it."""

    def tell(self, entity: str, id: str) -> Mapping[str, str]:
        """`document`, `stands`, `customer` and `total` in words; empty if it is not there. Raises ConnectorError."""
        ...


@runtime_checkable
class Foretells(Protocol):
    """A target that can say more of a step that is only planned than what it is called."""

    def foretell(self, entity: str, step: Step) -> Outcome:
        """`planned`, with the word for what `write` would come to as its code: `create`, `update`, `link`, `remove`,
        `post`, `flag` (it would fail), `leave`; behind the first two `-post` if a posting follows. Only reads."""
        ...


class Connected(Protocol):
    """One system of one connection, with its settings and secrets; talks only when asked to."""

    def entity(self, name: str) -> Entity:
        """The entity as these settings have it (`batch` and `lanes` may be set in the connection file)."""
        ...

    def source(self, flows: Sequence[Flow]) -> Source:
        """A reader that fetches what these flows (all of this source) map."""
        ...

    def target(self, flow: Flow, options: Any) -> Target:
        """A writer for one flow; `options` are the flow's own settings (the flow kind's Struct)."""
        ...

    def check(self, flows: Sequence[tuple[Flow, Any]]) -> Iterator[Finding]:
        """Log-in, rights, limits and clock, and what each of these flows (with its options) needs. Never raises."""
        ...

    def describe(self, entity: str, options: Sequence[Any]) -> tuple[Sequence[FieldInfo], Mapping[str, Any]]:
        """The fields of an entity as this account has them, and one live record as a sample (empty: none)."""
        ...

    def usage(self) -> Mapping[str, int]:
        """Counts since it was opened: `calls`, `retries`, `throttled`, and `tokens` where calls are paid in them."""
        ...

    def close(self) -> None:
        """Ends the connections it holds."""
        ...


class LoggingIn(Protocol):
    """One log-in by a person with a browser, from the address to open to the secrets that are stored."""

    @property
    def url(self) -> str:
        """What to open in a browser; it is good for this log-in only."""
        ...

    def receive(self, seconds: float) -> str:
        """Waits on this machine for the browser to come back; the address it came with. Raises ConnectorError."""
        ...

    def finish(self, address: str) -> str:
        """Takes the address that came back, stores the secrets (`Tools.vault`), and says who is logged in."""
        ...


@dataclass(frozen=True, slots=True)
class LogIn:
    """How `mlconnector login` logs in: the secrets it `gives` need not be stored before."""

    gives: tuple[str, ...]
    start: Callable[[Any, Mapping[str, str], Tools], LoggingIn]


@dataclass(frozen=True, slots=True)
class System:
    """What a system folder exposes as `SYSTEM`.

    `settings` is the Struct of its part of the connection file. `secrets` are the names it may need, each with
    one sentence on where to get it; `needs(settings)` gives those that these settings really need. `problems(given)`
    says what is wrong with settings as the file has them (name or "", sentence), besides what their types say.
    `authorities` are settings that name a file of certificate authorities; it is looked for beside the connection file.
    `fields(settings, entity)` gives the fields that can be mapped with these settings, where they differ from the
    entity's, and `owner(settings)` what has them. `origin(settings)` says what the ids of its records mean, in the
    words of the connection file: `ids` how a record is called, the others whose records they are. What is alike means
    the same records. `login` is given where somebody has to log in with a browser once.
    `connect(settings, secrets, tools)` returns without talking to the vendor.
    """

    name: str
    settings: type[msgspec.Struct]
    secrets: Mapping[str, str]
    entities: Mapping[str, Entity]
    connect: Callable[[Any, Mapping[str, str], Tools], Connected]
    needs: Callable[[Any], Sequence[str]]
    problems: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]] = lambda given: ()
    fields: Callable[[Any, str], Mapping[str, FieldInfo]] | None = None
    origin: Callable[[Any], Mapping[str, str]] = lambda settings: {}
    authorities: tuple[str, ...] = ()
    owner: Callable[[Any], str] | None = None
    login: LogIn | None = None

    def fields_of(self, settings: Any, entity: str) -> Mapping[str, FieldInfo]:
        """The fields of an entity; `settings` is None where nothing is known of the server."""
        if self.fields is None or settings is None:
            return self.entities[entity].fields
        return self.fields(settings, entity)

    def owner_of(self, settings: Any) -> str:
        """Who has these fields, as a message calls it."""
        return "the source" if self.owner is None or settings is None else self.owner(settings)


def failed(where: str, error: ConnectorError) -> Finding:
    """What an error is to `check`; none comes without a next step."""
    request = f" [request {error.request_id}]" if error.request_id else ""
    remedy = error.hint or "run it with -v, which shows every call and its answer"
    return Finding("error", where, f"{error.message}{request}", remedy)
