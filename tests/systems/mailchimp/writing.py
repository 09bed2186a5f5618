"""Our writer on an emulator that runs, and the waits it asked for, none of which took any time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mlconnector.errors import StoppedError
from mlconnector.flows.nav_mailchimp import MemberTarget, MergeField
from mlconnector.model import Flow, Mapped, Outcome, Skip, Step, Tools
from mlconnector.sandbox import Request, Running
from mlconnector.systems.mailchimp import Settings
from mlconnector.systems.mailchimp.account import Mailchimp as Connected
from mlconnector.systems.mailchimp.api import member_hash
from mlconnector.systems.mailchimp.emulator import API_KEY, Mailchimp
from mlconnector.systems.mailchimp.write import FEW, MemberWriter

ANNA, OTTO = "anna@nordkran.se", "otto@nordkran.se"
COMPANY = MergeField("COMPANY", "text", "Company")
MANY = FEW + 1
"""So many in one chunk are not looked at one by one."""


@dataclass
class Desk:
    """A connected account. `fillers` are others in the same chunk, who make it a large one.

    After `ends_after` waits the run is asked to end.
    """

    emulator: Mailchimp
    url: str
    secrets: dict[str, str] = field(default_factory=lambda: {"api_key": API_KEY})
    sleeps: list[float] = field(default_factory=list)
    fillers: int = 0
    ends_after: int | None = None

    def sleep(self, seconds: float) -> None:
        if self.ends_after is not None and len(self.sleeps) >= self.ends_after:
            raise StoppedError("the run was asked to end")
        self.sleeps.append(seconds)

    def connect(self, **settings: Any) -> Connected:
        tools = Tools(now=self.emulator.clock.now, sleep=self.sleep)
        return Connected(Settings(**{"base_url": self.url, **settings}), self.secrets, tools)

    def writer(
        self, audience: str = "Customers", fields: Sequence[MergeField] = (COMPANY,), **settings: Any
    ) -> MemberWriter:
        """Prepared, as at the start of a run."""
        writer = self.connect(**settings).target(FLOW, MemberTarget(audience=audience, merge_fields=fields))
        assert isinstance(writer, MemberWriter)
        writer.prepare("member")
        return writer

    def write(self, *steps: Step, **settings: Any) -> list[Outcome]:
        """What came of these steps in a run of their own."""
        return write(self.writer(**settings), *steps, fillers=self.fillers)

    def one(self, made: Step, **settings: Any) -> Outcome:
        return self.write(made, **settings)[0]

    def id(self, email: str, audience: str = "Customers") -> str:
        """The remote id as the ledger keeps it."""
        return f"{self.emulator.list_id(audience)}/{member_hash(email)}"

    def status(self, email: str) -> str | None:
        found = self.emulator.member("Customers", email)
        return found["status"] if found else None

    def fields(self, email: str) -> dict[str, Any]:
        found = self.emulator.member("Customers", email)
        assert found is not None
        return dict(found["merge_fields"])

    def tags(self, email: str) -> set[str]:
        found = self.emulator.member("Customers", email)
        assert found is not None
        return {tag["name"] for tag in found["tags"]}

    def calls(self, method: str, path: str = "") -> list[Any]:
        """Log entries of one method, with a text in their path."""
        return [entry for entry in self.emulator.log if entry.method == method and path in entry.path]

    def bulk_calls(self) -> list[int]:
        """How many members each bulk call held."""
        return [entry.body.count('"email_address"') for entry in self.calls("POST") if is_bulk(entry.path)]


FLOW = Flow("customers_to_members", "erp", "customer", "mail", "member", lambda change: Skip("none", ""))


class Busy(Mailchimp):
    """Something happens in the account right before the first bulk call is carried out."""

    before_bulk: Callable[[], None] | None = None

    def answer(self, request: Request) -> Any:
        happens = self.before_bulk
        if happens is not None and request.method == "POST" and is_bulk(request.path):
            self.before_bulk = None
            happens()
        return super().answer(request)


@contextmanager
def running(emulator: Mailchimp) -> Iterator[Desk]:
    """The emulator on a port, and a desk for it."""
    with Running(emulator) as served:
        yield Desk(emulator, served.url)


def write(writer: MemberWriter, *steps: Step, fillers: int = 0) -> list[Outcome]:
    """The outcomes of these steps; fillers are members nobody asks about."""
    others = [create(f"filler{number}@nordkran.se", f"filler{number}") for number in range(fillers)]
    return list(writer.write("member", [*steps, *others]))[: len(steps)]


def mapped(email: str, fields: Mapping[str, Any] | None = None, **body: Any) -> Mapped:
    usual = {"audience": "Customers", "merge_fields": fields or {}, "status_if_new": "subscribed"}
    return Mapped(f"email:{email.lower()}", {**usual, "email_address": email, **body}, b"")


def create(email: str, source_id: str = "", fields: Mapping[str, Any] | None = None, **body: Any) -> Step:
    """Nothing is linked yet."""
    return Step("create", source_id or email, mapped(email, fields, **body))


def update(email: str, target_id: str, memo: Mapping[str, Any] | None = None, **body: Any) -> Step:
    """A linked record; its former address does not matter, the id does."""
    return Step("update", email, mapped(email, **body), target_id, memo=memo)


def remove(email: str, target_id: str | None, memo: Mapping[str, Any] | None = None) -> Step:
    return Step("remove", email, None, target_id, was_key=f"email:{email}", memo=memo)


def is_bulk(path: str) -> bool:
    return path.rpartition("/lists/")[2].isalnum()
