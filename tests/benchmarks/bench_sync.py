"""How long a first sync and a run with nothing to do take, against a floor measured in the same run.

    python -m tests.benchmarks.bench_sync [--customers 100000] [--latency 0 50 200]

The two servers are as quick as a server can be (pages rendered beforehand, answers with what the client reads), in
processes of their own, so that what is measured is the client. The floor is a bare script that makes the very same
calls with as many threads and does nothing with the answers; that of a run with nothing to do is the import of the
libraries it needs. Not a test: nothing here is asserted.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import msgspec

from mlconnector.sandbox import Emulator, Reply, Request, Running, json_reply

COMPANY = "2cd06086-7b01-f111-a1fd-7ced8d2674f8"
PAGE, CHUNK, LANES = 1000, 500, 6
LIBRARIES = "click, msgspec, requests, sqlite3, tenacity, yaml"
START = datetime(2024, 11, 1, tzinfo=UTC)

FILE = """
name: bench
state: state.db
systems:
  erp: {{kind: business_central, tenant: t, client_id: c, company: {company}, base_url: "{erp}", login_url: "{erp}"}}
  mail: {{kind: mailchimp, base_url: "{mail}/3.0"}}
flows:
  customers_to_members: {{from: erp, to: mail, audience: Customers}}
"""


class FastErp(Emulator):
    """Business Central with customers rendered beforehand; filters by stamp, nothing else."""

    def __init__(self, customers: int, url: str = "") -> None:
        super().__init__()
        self.rows = [_customer(n, customers) for n in range(customers)]
        self.pages: dict[int, bytes] = {}

    def answer(self, request: Request) -> Reply:
        if request.path.endswith("/token"):
            return json_reply(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": "t"})
        start = int(request.query.get("$skiptoken", "0"))
        if "lastModifiedDateTime" in request.query.get("$filter", ""):
            return Reply(200, b'{"value":[]}', {"Content-Type": "application/json"})
        if start not in self.pages:
            self.pages[start] = self._render(start, request)
        return Reply(200, self.pages[start], {"Content-Type": "application/json"})

    def _render(self, start: int, request: Request) -> bytes:
        rows = b",".join(self.rows[start : start + PAGE])
        more = start + PAGE
        url = f"{request.base}{request.path}?$skiptoken={more}"
        link = f',"@odata.nextLink":"{url}"'.encode() if more < len(self.rows) else b""
        return b'{"value":[' + rows + b"]" + link + b"}"


class FastMail(Emulator):
    """A Mailchimp that says of every member that it is new, or, with `known`, that it was updated."""

    max_parallel = 10

    def answer(self, request: Request) -> Reply:
        if request.path == "/3.0/lists":
            lists = [{"id": "a36b032126", "name": "Customers", "double_optin": False}]
            return json_reply(200, {"lists": lists, "total_items": 1})
        if request.path.endswith("/merge-fields"):
            if request.method == "POST":
                return json_reply(200, {})
            return json_reply(200, {"merge_fields": [], "total_items": 0})
        if request.path.endswith("/members"):
            return json_reply(200, {"members": [], "total_items": 0})
        return _taken(request.body)


class _Sent(msgspec.Struct):
    email_address: str


class _Bulk(msgspec.Struct):
    members: list[_Sent]


def _taken(body: bytes) -> Reply:
    sent = msgspec.json.decode(body, type=_Bulk)
    new = [
        {
            "id": hashlib.md5(member.email_address.lower().encode()).hexdigest(),
            "email_address": member.email_address,
            "status": "subscribed",
            "merge_fields": {"COMPANY": "x" * 20},
        }
        for member in sent.members
    ]
    text = msgspec.json.encode({"new_members": new, "updated_members": [], "errors": []})
    return Reply(200, text, {"Content-Type": "application/json"})


def _customer(n: int, total: int) -> bytes:
    stamp = START + timedelta(days=700) * (n / total)
    return msgspec.json.encode(
        {
            "@odata.etag": 'W/"JzE4Ozg5MDM2MzYwNDgyMzQ1NjE0MjE7MDA7Jw=="',
            "id": f"{n * 7919 % 2**32:08x}-93e1-ef11-9344-{n:012x}",
            "number": f"C{n:06d}",
            "displayName": f"Customer {n} GmbH & Co. KG",
            "type": "Company",
            "addressLine1": f"Marktplatz {n % 200}",
            "addressLine2": "",
            "city": "Lübeck",
            "state": "",
            "country": "DE",
            "postalCode": f"{n % 99999:05d}",
            "phoneNumber": f"+49 451 {n:06d}",
            "email": f"Einkauf.{n}@kunde{n % 5000}.contoso.com",
            "lastModifiedDateTime": stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
    )


def _serve(which: str, customers: int, latency: float, ready: Any, end: Event) -> None:
    emulator = FastErp(customers) if which == "erp" else FastMail()
    emulator.latency_seconds = latency
    with Running(emulator) as running:
        ready.put((which, running.url))
        end.wait()


@dataclass
class Measured:
    """Wall clock and CPU seconds, largest resident set in MB."""

    seconds: float
    cpu: float
    memory: float


def measure(command: list[str], folder: Path) -> Measured:
    """Runs a command to its end; its own resources only."""
    environment = {
        **os.environ,
        "MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": "s",
        "MLCONNECTOR_SECRET_MAIL_API_KEY": "k-us1",
        "MLCONNECTOR_CONNECTION": str(folder / "bench.yaml"),
    }
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        sys.exit(f"{command} ended with {status}")
    return Measured(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def floor(erp: str, mail: str) -> None:
    """The same calls, bare: one thread follows the pages, six send chunks of what was read."""
    from concurrent.futures import ThreadPoolExecutor

    import requests

    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=LANES + 1))
    with ThreadPoolExecutor(LANES) as pool:
        url: str | None = f"{erp}/v2.0/t/Production/api/v2.0/companies({COMPANY})/customers"
        while url:
            page = session.get(url).json()
            url = page.get("@odata.nextLink")
            members = [{"email_address": row["email"], "merge_fields": row} for row in page["value"]]
            for start in range(0, len(members), CHUNK):
                body = msgspec.json.encode({"members": members[start : start + CHUNK]})
                pool.submit(lambda b: session.post(f"{mail}/3.0/lists/a36b032126", data=b).content, body)


def rounds(customers: int, latency: float) -> None:
    """One first sync and one run with nothing to do, at one latency."""
    ready: Any = multiprocessing.Queue()
    end = multiprocessing.Event()
    servers = [
        multiprocessing.Process(target=_serve, args=(which, customers, latency, ready, end))
        for which in ("erp", "mail")
    ]
    for server in servers:
        server.start()
    urls = dict(ready.get() for _ in servers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench.yaml").write_text(FILE.format(company=COMPANY, **urls))
        command = [sys.executable, "-m", "mlconnector", "-q", "sync"]
        bare = [sys.executable, "-m", "tests.benchmarks.bench_sync", "--floor", urls["erp"], urls["mail"]]
        measure(bare, folder)  # the servers render their pages once
        lowest = measure(bare, folder)
        imports = measure([sys.executable, "-c", f"import {LIBRARIES}"], folder)
        first, again = measure(command, folder), measure(command, folder)
        size = (folder / "state.db").stat().st_size / 1e6
    end.set()
    for server in servers:
        server.join()
    calls = customers / PAGE + customers / CHUNK
    print(f"{customers} customers, {latency * 1000:.0f} ms a call, about {calls:.0f} calls")
    print(f"  floor (bare script)    {lowest.seconds:6.2f} s  cpu {lowest.cpu:6.2f} s")
    print(f"  floor (imports)        {imports.seconds:6.2f} s")
    for label, one, least in (("first sync", first, lowest), ("nothing to do", again, imports)):
        ratio = f"{one.seconds / least.seconds:5.2f} x its floor"
        print(f"  {label:<22} {one.seconds:6.2f} s  cpu {one.cpu:6.2f} s  {one.memory:5.0f} MB  {ratio}")
    print(f"  state file             {size:6.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--floor", nargs=2, metavar=("ERP", "MAIL"))
    parser.add_argument("--latency", type=int, nargs="+", default=(0, 50, 200), metavar="MS")
    arguments = parser.parse_args()
    if arguments.floor:
        floor(*arguments.floor)
    else:
        for milliseconds in arguments.latency:
            rounds(arguments.customers, milliseconds / 1000)
