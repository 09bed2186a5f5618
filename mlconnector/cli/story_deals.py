"""The demo's chapters on Pipedrive and Business Central: what happens, what is run, and what must have come out."""

from __future__ import annotations

import shlex
from collections import Counter
from decimal import Decimal
from typing import Any

from mlconnector.cli.stage import Stage

CUSTOMERS = 30
HASTE = {"per_second": 60}
"""Requests: the emulators take as many as come, and the audience waits."""
TWINS = "Ångström Möbler AB"
_POSTED_LINE = ("    # post: false", "    post: true")


def tell(stage: Stage) -> None:
    """The whole story, and the files it leaves."""
    _opening(stage)
    for chapter in (
        _two_full_systems,
        _first_sync,
        _by_hand,
        _won,
        _way_back,
        _lost_answer,
        _reopened,
        _posting,
        _closing,
    ):
        chapter(stage)


def _opening(stage: Stage) -> None:
    stage.chapter("Pipedrive and Business Central")
    people = stage.crm.people
    for street in ("Storgatan 1", "Hamngatan 7"):
        stage.erp.add(
            "customers",
            displayName=TWINS,
            addressLine1=street,
            city="Uppsala",
            country="SE",
            currencyCode="SEK",
        )
    stage.say(
        f"""Two emulators: a Pipedrive with {len(people.records("organization"))} organizations,
        {len(people.records("product"))} products and {len(people.records("deal"))} deals, and a Business Central with
        {len(stage.erp.rows("customers"))} customers and {len(stage.erp.rows("items"))} items. Somebody has typed from
        one into the other for years, so many records are there twice, and some are not what they seem."""
    )
    stage.show(f"$ export MLCONNECTOR_CONNECTION={shlex.quote(str(stage.file))}")


def _two_full_systems(stage: Stage) -> None:
    stage.chapter("Deals 1. Two full systems are linked")
    stage.say("What matches what, by number, tax number, e-mail or name? A look first; nothing is written.")
    stage.run("sync", "--adopt", "--dry-run", "--flow", "organizations_to_customers", code=1)
    before = _all_records(stage)
    stage.say("Then for all flows. The links stand in the state file, and neither system is written to.")
    stage.run("-q", "sync", "--adopt", code=1)
    linked = sum(_linked(stage, flow) for flow in _OUT)
    stage.expect(
        f"{linked} records are linked, and nothing changed in either system",
        linked > 0 and _all_records(stage) == before,
    )


def _first_sync(stage: Stage) -> None:
    stage.chapter("Deals 2. The first sync")
    stage.say(
        """What has no counterpart is made, then won deals become draft orders. Some records wait for a person; each
        says why and what to do. They do not hold up the others."""
    )
    stage.run("sync", code=1)
    stage.expect("PD-7 is a draft of 3374.00 EUR without tax", _net(stage, "PD-7") == Decimal("3374"))
    stage.expect("no customer was made of an organization that matches several", _named(stage, TWINS) == 2)
    stage.say(
        f"""Look at: {TWINS} matches two customers, and which one is meant is never guessed. PD-7 has its line, its
        discount of 12.5 % and the deal's total, which is compared with the document's."""
    )


def _by_hand(stage: Stage) -> None:
    stage.chapter("Deals 3. A person says which one it is")
    number = next(
        row["number"] for row in stage.erp.rows("customers") if row["addressLine1"] == "Storgatan 1"
    )
    stage.say(f"{TWINS} in Storgatan is the right one:")
    stage.run("link", "organizations_to_customers", TWINS, number)
    stage.run("sync")
    stage.expect("no third one was made", _named(stage, TWINS) == 2)
    stage.expect("its won deal waited for it and is an order now", len(_documents(stage, "PD-5")) == 1)


def _won(stage: Stage) -> None:
    stage.chapter("Deals 4. A deal is won")
    deal = _sell(stage, "Desks for the second lodge")
    stage.say(
        "In Pipedrive, a deal with two products on it is won. The next run, a quarter of an hour later at most:"
    )
    stage.run("sync")
    (order,) = _documents(stage, f"PD-{deal}")
    stage.lines(_shown(stage, order))
    stage.expect("its total is the deal's", order["totalAmountExcludingTax"] == Decimal("2685.96"))


def _way_back(stage: Stage) -> None:
    stage.chapter("Deals 5. The way back")
    stage.erp.edit("customers", "50000", displayName="Relecloud B.V.")
    stage.erp.edit("items", "1900-S", unitPrice=Decimal("199.9"))
    stage.say("In the ERP customer 50000 gets another name and item 1900-S another price.")
    stage.run("sync")
    people = stage.crm.people
    prices = people.named("product", "PARIS Guest Chair, black")["prices"]
    stage.expect(
        "the organization has the name",
        any("B.V." in str(one["name"]) for one in people.records("organization")),
    )
    euro = next(price["price"] for price in prices if price["currency"] == "EUR")
    stage.expect(
        "the product has the price, and its price in pounds stayed", euro == 199.9 and len(prices) == 2
    )


def _lost_answer(stage: Stage) -> None:
    stage.chapter("Deals 6. The answer gets lost while an order is made")
    deal = _sell(stage, "Chairs for the sauna")
    fault = stage.erp.fault("lost-answer", method="POST", path="/salesOrders")
    stage.say("Business Central makes the order, and the connection breaks before it says so.")
    stage.run("sync", code=1)
    stage.expect("the fault struck", fault.hits == 1)
    stage.say(
        "Whether the order is there is not known. So it is not sent again: the next run looks for its number."
    )
    stage.run("sync")
    stage.expect(f"PD-{deal} is there, once", len(_documents(stage, f"PD-{deal}")) == 1)


def _reopened(stage: Stage) -> None:
    stage.chapter("Deals 7. A deal is reopened")
    deal = stage.crm.people.named("deal", "Chairs for the sauna")["id"]
    stage.crm.people.reopen(deal)
    stage.say("The customer changes their mind. With `on_unwon: flag` the draft stays, and a person is told:")
    stage.run("sync", code=1)
    stage.crm.people.win(deal)
    stage.say("They change it again, and the deal is won. It has its order already.")
    stage.run("sync")
    (found,) = stage.ask("explain", f"PD-{deal}", "--flow", "deals_to_documents")
    stage.expect(
        f"PD-{deal} is still there, once, and nobody has to do anything about it",
        len(_documents(stage, f"PD-{deal}")) == 1 and found["stands"]["status"] == "done",
    )


def _posting(stage: Stage) -> None:
    stage.chapter("Deals 8. Posting")
    text = stage.file.read_text("utf-8")
    stage.file.write_text(text.replace(*_POSTED_LINE), "utf-8")
    stage.say(
        """Until now all were drafts. With `post: true` in the connection file an order is shipped and invoiced as well,
        in a step of its own with its own row in the state file."""
    )
    stage.run("sync")
    posted = [
        row for row in stage.erp.rows("salesInvoices") if row["externalDocumentNumber"].startswith("PD-")
    ]
    stage.expect(
        f"{len(posted)} invoices are posted, and no draft is left", len(posted) == len(_all_documents(stage))
    )
    stage.say("And a run in which nothing changed:")
    before = _all_records(stage)
    printed = stage.run("sync", cron=True)
    stage.expect(
        "it printed nothing, posted nothing twice, and nothing goes back and forth",
        printed == "" and _all_records(stage) == before,
    )


def _closing(stage: Stage) -> None:
    stage.chapter("Deals: the proof, from the emulators' own books")
    numbers = Counter(row["externalDocumentNumber"] for row in _all_documents(stage))
    twice = [number for number, times in numbers.items() if times > 1]
    stage.lines(
        [
            ("won deals with a document", len(numbers)),
            ("deals with two documents", len(twice)),
            ("tokens taken from Pipedrive's day", stage.crm.tokens_spent),
            ("requests to both systems", stage.requests),
        ]
    )
    stage.expect("one deal, one document", not twice and len(numbers) >= 5)
    stage.keep_requests("deals-")
    stage.keep("deals-documents.jsonl", _all_documents(stage))
    stage.say(
        f"This story took {stage.seconds:.1f} s. Its files are kept in {stage.folder} as well. Try it yourself:"
    )
    stage.show(f"  mlconnector -c {shlex.quote(str(stage.file))} status")
    stage.show("  mlconnector sandbox --pair pipedrive-business-central")


_OUT = ("organizations_to_customers", "persons_to_contacts", "products_to_items")


def _sell(stage: Stage, title: str) -> int:
    """A won deal of two lines; its id."""
    people = stage.crm.people
    buyer = people.named("organization", "Alpine Ski House")["id"]
    goods = {row["code"]: row["id"] for row in reversed(people.records("product"))}
    deal = people.add("deal", title=title, org_id=buyer)
    people.add_line(deal, goods["1896-S"], 1000.8, 2, tax=19)
    people.add_line(deal, goods["1908-S"], 190.1, 4, tax=19, discount=10)
    people.win(deal)
    return deal


def _all_documents(stage: Stage) -> list[dict[str, Any]]:
    rows = [*stage.erp.rows("salesOrders"), *stage.erp.rows("salesInvoices")]
    return [row for row in rows if row["externalDocumentNumber"].startswith("PD-")]


def _documents(stage: Stage, number: str) -> list[dict[str, Any]]:
    return [row for row in _all_documents(stage) if row["externalDocumentNumber"] == number]


def _net(stage: Stage, number: str) -> Decimal:
    return sum((row["totalAmountExcludingTax"] for row in _documents(stage, number)), Decimal(0))


def _shown(stage: Stage, order: dict[str, Any]) -> list[tuple[str, object]]:
    lines = [row for row in stage.erp.rows("salesOrderLines") if row["documentId"] == order["id"]]
    rows: list[tuple[str, object]] = [
        (order["number"], f"{order['externalDocumentNumber']}, {order['customerName']}, {order['status']}")
    ]
    for line in lines:
        about = f"{line['quantity']:g} x {line['unitPrice']:.2f}, discount {line['discountPercent']:g} %"
        rows.append((f"  {line['lineObjectNumber']}", about))
    return rows


def _named(stage: Stage, name: str) -> int:
    return sum(row["displayName"] == name for row in stage.erp.rows("customers"))


def _all_records(stage: Stage) -> list[Any]:
    """Everything that the flows may write."""
    there = [
        stage.erp.rows(name) for name in ("customers", "contacts", "items", "salesOrders", "salesInvoices")
    ]
    return [*there, *(stage.crm.people.records(kind) for kind in ("organization", "product"))]


def _linked(stage: Stage, name: str) -> int:
    flows = {flow["flow"]: flow["counts"] for flow in stage.ask("status")["flows"]}
    return int(flows[name].get("done", 0))
