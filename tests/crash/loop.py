"""The real loop over both emulators, run after run, each as a new process would do it; and a process that can end.

When the fuse has burnt down, nothing that the run still does has an effect: emulators hang up, the ledger and every
wait raise Crash. Time moves only when it is told to, and by every wait.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine

from mlconnector.cli.systems import Systems
from mlconnector.config import load_connection
from mlconnector.engine import FlowRun
from mlconnector.errors import ConnectorError
from mlconnector.lanes import Job
from mlconnector.ledger import Ledger
from mlconnector.model import Tools
from mlconnector.sandbox import Clock, Emulator, Reply, Request, Running
from mlconnector.systems.business_central.emulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    TENANT,
    BusinessCentral,
)
from mlconnector.systems.mailchimp.emulator import API_KEY, Mailchimp
from tests.toys import Crash, FusedLedger, Watcher

START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
OVERLAP = timedelta(seconds=30)
FLOW = "customers_to_members"
COMPANY = "CRONUS International Ltd."

FILE = """
name: nordkran
state: state.db
overlap: 30s
systems:
  erp: {{kind: business_central, tenant: {tenant}, client_id: {client}, company: {company}, page_size: 3,
        base_url: "{erp}", login_url: "{erp}"}}
  mail: {{kind: mailchimp, base_url: "{mail}/3.0", chunk: {chunk}, parallel: {lanes}}}
flows:
  customers_to_members:
    from: erp
    to: mail
    audience: Customers
    on_delete: {on_delete}
    on_exclude: {on_exclude}
    when: {{blocked: {{is: " "}}}}
"""


class Fuse:
    """Burns down with every step that has an effect; from then on the process is dead."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.dead = False
        self._lock = threading.Lock()

    def burns(self) -> bool:
        """One step; whether the process is dead now."""
        with self._lock:
            if self.left is not None and not self.dead:
                self.left -= 1
                self.dead = self.left <= 0
            return self.dead

    def tick(self) -> None:
        if self.burns():
            raise Crash


class Fused(Emulator):
    """Mixed into an emulator: the process may end before a request and after it was carried out."""

    fuse = Fuse()
    meanwhile: Callable[[], None] | None = None
    """Happens once, right before the next request."""

    def handle(self, request: Request) -> tuple[Reply | None, bool]:
        with self.lock:
            happens, self.meanwhile = self.meanwhile, None
            if happens is not None:
                happens()
        if self.fuse.burns():
            return None, False
        reply, cut = super().handle(request)
        return (None, False) if self.fuse.burns() else (reply, cut)


class FusedErp(Fused, BusinessCentral):
    pass


class FusedMail(Fused, Mailchimp):
    pass


class Door(Emulator):
    """A port that stays; what is behind it changes from one example to the next."""

    behind: Emulator

    def open_to(self, emulator: Emulator) -> None:
        self.behind, self.clock = emulator, emulator.clock

    def handle(self, request: Request) -> tuple[Reply | None, bool]:
        return self.behind.handle(request)


@cache
def doors() -> tuple[Door, str, Door, str]:
    """Two ports for all examples: the ERP's and Mailchimp's."""
    erp, mail = Door(), Door()
    return erp, Running(erp).url, mail, Running(mail).url


class Loop:
    """One connection with its two systems and its state file."""

    def __init__(
        self,
        *,
        chunk: int = 500,
        lanes: int = 2,
        on_delete: str = "archive",
        on_exclude: str = "archive",
        mail: type[FusedMail] = FusedMail,
    ) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.clock.freeze(START)
        self.fuse = Fuse()
        self.erp, self.mail = FusedErp(clock=self.clock), mail(clock=self.clock)
        self.erp.rate_limit = None
        self.erp.fuse = self.mail.fuse = self.fuse
        erp_door, erp_url, mail_door, mail_url = doors()
        erp_door.open_to(self.erp)
        mail_door.open_to(self.mail)
        text = FILE.format(
            tenant=TENANT, client=CLIENT_ID, company=COMPANY, erp=erp_url, mail=mail_url,
            chunk=chunk, lanes=lanes, on_delete=on_delete, on_exclude=on_exclude,
        )  # fmt: skip
        file = Path(self.folder.name) / "nordkran.yaml"
        file.write_text(text)
        self.connection = load_connection(file, {})
        self.watcher = Watcher()

    def close(self) -> None:
        self.folder.cleanup()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def run(self, how: str = "sync", *, crash_after: int | None = None, replay: bool = False) -> None:
        """One process: `sync` or `full`, then `replay --failed` if asked; errors end it as they would."""
        self.fuse.left, self.fuse.dead = crash_after, False
        try:
            with contextlib.suppress(ConnectorError, Crash), self.opened() as ledger:
                self._act(ledger, how, replay)
        finally:
            self.fuse.left, self.fuse.dead = None, False

    def _act(self, ledger: Ledger, how: str, replay: bool) -> None:
        secrets = {"erp.client_secret": CLIENT_SECRET, "mail.api_key": API_KEY}
        systems = Systems(self.connection, secrets, Tools(self.clock.now, self._sleep))
        try:
            getattr(FlowRun(self._job(systems, ledger)), how)()
            if replay:
                FlowRun(self._job(systems, ledger)).replay(ledger.unsettled(FLOW))
        finally:
            systems.close()

    def _job(self, systems: Systems, ledger: Ledger) -> Job:
        (bound,) = self.connection.flows
        self.watcher = Watcher()
        return Job(
            flow=bound.flow,
            entity=systems.connected("mail").entity("member"),
            source=systems.source("erp"),
            target=systems.target(bound),
            ledger=ledger,
            run_id=ledger.history.start("sync"),
            overlap=self.connection.overlap,
            now=self.clock.now,
            stop_requested=lambda: False,
            observer=self.watcher,
        )

    def _sleep(self, seconds: float) -> None:
        if self.fuse.dead:
            raise Crash
        self.clock.advance(seconds)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Ledger]:
        FusedLedger.fuse = self.fuse
        ledger = FusedLedger.open(self.connection.state, "nordkran", self.clock.now)
        try:
            yield ledger
        finally:
            ledger.close()

    def entries(self) -> dict[str, Any]:
        """What the ledger says of every customer there is, by its number."""
        rows = {row["id"]: row["number"] for row in self.erp.rows("customers")}
        ledger = Ledger.look(self.connection.state, "nordkran", self.clock.now)
        found = ledger.entries(FLOW, list(rows))
        ledger.close()
        return {rows[id_]: entry for id_, entry in found.items()}

    def watermark(self) -> str | None:
        ledger = Ledger.look(self.connection.state, "nordkran", self.clock.now)
        found = ledger.watermark(FLOW)
        ledger.close()
        return found

    def has(self, number: str) -> bool:
        return any(row["number"] == number for row in self.erp.rows("customers"))

    def writes(self) -> int:
        """Requests so far that were no reads."""
        return sum(entry.method != "GET" for entry in self.mail.log)

    def settle(self, how: str = "full") -> None:
        """Clean runs, until nothing is left that a run without a person could do."""
        self.erp.faults.clear()
        self.mail.faults.clear()
        for _ in range(3):
            self.pass_time(100)
            self.run(how, replay=True)


def configured(machine: type[RuleBasedStateMachine], examples: int, steps: int) -> Any:
    """The test case of a machine."""
    case = machine.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    return case
