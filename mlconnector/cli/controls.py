"""What `mlconnector sandbox` prints: where everything is, what to run next, and how to make things happen."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlconnector.cli.playground import INTERFACES, NAV_MAILCHIMP, PIPEDRIVE, Playground
from mlconnector.secrets import variable
from mlconnector.systems.pipedrive.emulator import API_TOKEN

Control = tuple[str, str, str, dict[str, Any] | None]
"""What it does, which system, the endpoint below /_sandbox/, and what is posted (None: it is a GET)."""

COMMANDS = {
    NAV_MAILCHIMP: ("check", "sync", "status", "explain 10000"),
    PIPEDRIVE: ("check", "sync --adopt --dry-run", "sync --adopt", "sync", "status", "explain PD-7"),
}
"""What to run first, in this order."""
_HELEN = {"list": "Customers", "email": "helen.ray@contoso.com"}

CONTROLS: dict[str, tuple[Control, ...]] = {
    "People work with the ERP": (
        (
            "a customer is renamed",
            "erp",
            "do/edit",
            {"entity": "customers", "number": "10000", "fields": {"displayName": "Adatum & Sons"}},
        ),
        (
            "a new vendor",
            "erp",
            "do/add",
            {"entity": "vendors", "fields": {"displayName": "Lind AB", "email": "ida@contoso.com"}},
        ),
        (
            "a payment: the balance moves, the stamp does not (sync --full finds it)",
            "erp",
            "do/balance",
            {"number": "20000", "amount": -100},
        ),
        (
            "a customer is deleted (sync --full finds it)",
            "erp",
            "do/delete",
            {"entity": "customers", "number": "40000"},
        ),
    ),
    "Documents": (
        (
            "the orders (or salesInvoices), with these fields or with all",
            "erp",
            "do/rows",
            {
                "entity": "salesOrders",
                "fields": ["number", "externalDocumentNumber", "status", "customerName"],
            },
        ),
        ("one with everything", "erp", "do/row", {"entity": "salesOrders", "number": "S-ORD101001"}),
        ("it is released (or: reopen, post, delete-draft)", "erp", "do/release", {"number": "S-ORD101001"}),
    ),
    "People work with Mailchimp": (
        (
            "a person unsubscribes by the link in a mail",
            "mail",
            "do/person_unsubscribes",
            {"list": "Customers", "email": "robert.townes@contoso.com"},
        ),
        ("a colleague archives a member", "mail", "do/archive", _HELEN),
        ("a member as it stands now", "mail", "do/member", _HELEN),
        ("every change of a status so far", "mail", "do/transitions", {"list": "Customers"}),
    ),
    "People work with Pipedrive": (
        ("a deal is won (or: lose, reopen, archive)", "crm", "do/win", {"deal_id": 14}),
        (
            "a product is put on a deal",
            "crm",
            "do/add_line",
            {"deal_id": 1, "product_id": 2, "item_price": 120, "quantity": 3},
        ),
        (
            "a new organization; custom fields by name",
            "crm",
            "do/add",
            {"kind": "organization", "name": "Lind AB", "custom": {"ERP number": "L100"}},
        ),
        ("a deal is changed", "crm", "do/edit", {"kind": "deal", "record_id": 14, "title": "Desks"}),
        ("a product is renamed", "crm", "do/rename_product", {"product_id": 1, "name": "ATHENS Desk, oak"}),
        (
            "one organization is merged into another, which stays",
            "crm",
            "do/merge",
            {"kind": "organization", "gone": 8, "into": 9},
        ),
        ("a deal as it stands now", "crm", "do/record", {"kind": "deal", "record_id": 2}),
        (
            "another integration uses up tokens of the day",
            "crm",
            "do/spend",
            {"tokens": 1000},
        ),
    ),
    "Things go wrong (each once; `times`, `skip`, `method` and `path` choose)": (
        (
            "429 that says how long to wait",
            "erp",
            "faults",
            {"kind": "status", "status": 429, "retry_after": 2, "path": "/customers"},
        ),
        ("429 that does not", "mail", "faults", {"kind": "status", "status": 429}),
        ("503", "erp", "faults", {"kind": "status", "status": 503, "path": "/vendors"}),
        ("an HTML page of a gateway", "erp", "faults", {"kind": "html", "status": 502, "path": "/customers"}),
        (
            "the write is applied, its answer gets lost",
            "mail",
            "faults",
            {"kind": "lost-answer", "method": "POST", "path": "/lists/"},
        ),
        (
            "an order is made, and the answer gets lost",
            "erp",
            "faults",
            {"kind": "lost-answer", "method": "POST", "path": "/salesOrders"},
        ),
        ("half of an answer", "erp", "faults", {"kind": "cut", "path": "/customers"}),
        ("slow: 3 seconds", "mail", "faults", {"kind": "slow", "seconds": 3}),
        ("all tokens have expired", "erp", "faults", {"kind": "expired-token", "path": "/customers"}),
        (
            "a write is delivered twice",
            "mail",
            "faults",
            {"kind": "duplicate", "method": "POST", "path": "/lists/"},
        ),
        ("which faults are set, and how often they struck", "erp", "faults", None),
    ),
    "Time and the log": (
        (
            "the clock goes two hours ahead, for all systems (check will notice)",
            "erp",
            "clock",
            {"advance": 7200},
        ),
        ("and back", "erp", "clock", {"advance": -7200}),
        ("every answer takes 50 ms longer", "erp", "latency", {"seconds": 0.05}),
        ("the last requests (| python3 -m json.tool makes it readable)", "erp", "log?last=5", None),
    ),
}


def lines(playground: Playground, file: Path) -> Iterator[str]:
    """Everything a person needs to go on."""
    erp, mail = playground.erp, playground.mail
    customers, vendors = len(erp.rows("customers")), len(erp.rows("vendors"))
    members = sum(len(mail.members(name)) for name in ("Customers", "Vendors"))
    yield f"Business Central  {playground.erp_url}   {customers} customers, {vendors} vendors"
    if playground.erp.server is not None:
        yield f"  as {playground.profile:<14}{playground.erp_base}"
    if playground.mail_url:
        yield f"Mailchimp         {playground.mail_url}   audiences Customers and Vendors, {members} members"
    if playground.crm_url:
        deals = len(playground.crm.people.records("deal"))
        yield f"Pipedrive         {playground.crm_url}   {deals} deals; x-api-token: {API_TOKEN}"
    yield f"connection file   {file}"
    yield "state             beside it, started anew"
    yield ""
    yield "In another terminal (these secrets are constants of the sandbox and open nothing else):"
    yield from (f"  export {variable(name)}={value}" for name, value in playground.secrets.items())
    if any(os.environ.get(name) for name in ("http_proxy", "all_proxy", "ALL_PROXY")):
        yield "  export no_proxy=127.0.0.1                 # for curl: there is a proxy in your environment"
    for name in COMMANDS[playground.pair]:
        yield f"  mlconnector -c {shlex.quote(str(file))} {name}"
    for title, controls in CONTROLS.items():
        there = [control for control in controls if _base(playground, control[1])]
        if there:
            yield ""
            yield f"{title}:"
        for control in there:
            yield from _control(playground, control)
    yield ""
    yield "All of an emulator's actions, each with an example: curl -s URL/_sandbox/do/help    Ctrl-C ends the sandbox."


def _control(playground: Playground, control: Control) -> Iterator[str]:
    about, system, endpoint, data = control
    posted = "" if data is None else f" -d {shlex.quote(json.dumps(_addressed(playground, data)))}"
    address = f"{_base(playground, system)}/_sandbox/{endpoint}"
    yield f"  # {about}"
    yield f"  curl -s {shlex.quote(address)}{posted}"


def _base(playground: Playground, system: str) -> str:
    """Where it is; "" if it does not run."""
    return {"erp": playground.erp_url, "mail": playground.mail_url, "crm": playground.crm_url}[system]


def _addressed(playground: Playground, data: dict[str, Any]) -> dict[str, Any]:
    """Published pages are called Customer and Vendor."""
    path = {"/customers": "/Customer", "/vendors": "/Vendor"}.get(data.get("path", ""))
    pages = INTERFACES.get(playground.profile) == "odata"
    return {**data, "path": path} if path and pages else data
