"""Fills the emulated Pipedrive: with the records of `emulator_awkward`, or with many plain ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import mlconnector.systems.pipedrive.emulator_awkward as awkward
from mlconnector.sandbox import Clock
from mlconnector.systems.pipedrive.emulator_contacts import ORGANIZATION, PERSON
from mlconnector.systems.pipedrive.emulator_deals import BLANK as DEAL
from mlconnector.systems.pipedrive.emulator_lines import add
from mlconnector.systems.pipedrive.emulator_people import People
from mlconnector.systems.pipedrive.emulator_products import BLANK as PRODUCT
from mlconnector.systems.pipedrive.emulator_products import prices
from mlconnector.systems.pipedrive.emulator_state import Company, Record

BEGAN = timedelta(days=20)
"""Before now: less than the 30 days after which a deleted record is purged."""
STEP_SECONDS = 3 * 3600
Made = dict[str, list[int]]
"""Ids of the records that were just made, by kind."""
NOT_SENT = ("org", "person", "lines", "discounts", "variations", "then")


def seed(company: Company) -> None:
    """The records of `emulator_awkward`, as if people had been at work for some days."""
    today = company.clock
    company.clock = Clock()
    company.clock.freeze(today.now() - BEGAN)
    try:
        _work(People(company, nullcontext()), company.clock)
    finally:
        company.clock = today
    company.index()


def _work(people: People, clock: Clock) -> None:
    for kind, name, how, options in awkward.FIELDS:
        people.add_field(kind, name, how, options)
    groups: tuple[tuple[str, Iterable[Mapping[str, Any]]], ...] = (
        ("organization", awkward.ORGANIZATIONS),
        ("product", awkward.PRODUCTS),
        ("person", awkward.PERSONS),
        ("deal", awkward.DEALS),
    )
    later: list[tuple[str, int, str]] = []
    for kind, records in groups:
        for record in records:
            clock.advance(STEP_SECONDS)
            number = _enter(people, kind, record)
            later += [(kind, number, act) for act in record.get("then", ())]
    for kind, number, act in later:
        clock.advance(STEP_SECONDS)
        _do(people, act, kind, number)


def _enter(people: People, kind: str, record: Mapping[str, Any]) -> int:
    """One record with what belongs to it; its id."""
    sent = {name: value for name, value in record.items() if name not in NOT_SENT}
    if "custom" in sent:
        sent["custom"] = {name: _choice(people, kind, name, value) for name, value in sent["custom"].items()}
    number = people.add(kind, **{**sent, **_links(people, record)})
    for name, price in record.get("variations", ()):
        people.add_variation(number, name, [{"currency": "EUR", "price": price}])
    for line in record.get("lines", ()):
        people.add_line(number, **_sold(people, line))
    for discount in record.get("discounts", ()):
        people.discount(number, *discount)
    return number


def _links(people: People, record: Mapping[str, Any]) -> dict[str, int]:
    named = (("org_id", "organization", "org"), ("person_id", "person", "person"))
    return {link: _id_of(people, kind, record[key]) for link, kind, key in named if key in record}


def _sold(people: People, line: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in line.items() if name not in ("product", "variation")}
    fields["product_id"] = _id_of(people, "product", line["product"])
    if "variation" in line:
        variations = people.company.variations.values()
        fields["product_variation_id"] = next(
            one["id"] for one in variations if one["name"] == line["variation"]
        )
    return fields


def _id_of(people: People, kind: str, name: str) -> int:
    """Of the last record of that name, or the first product with that code."""
    rows = people.company.tables[kind].listed
    coded = [row["id"] for row in rows if kind == "product" and row["code"] == name]
    number: int = coded[0] if coded else [row["id"] for row in rows if row["name"] == name][-1]
    return number


def _choice(people: People, kind: str, name: str, value: Any) -> Any:
    """The id of an option that was named by its label."""
    options = people.company.fields[kind].named(name).options
    if not options:
        return value
    ids = {option.label: option.id for option in options}
    return [ids[label] for label in value] if isinstance(value, list) else ids[value]


def _do(people: People, act: str, kind: str, number: int) -> None:
    if act == "delete":
        people.delete(kind, number)
    else:
        {"win": people.win, "lose": people.lose, "archive": people.archive, "reopen": people.reopen}[act](
            number
        )


def fill(
    company: Company, organizations: int, persons: int, products: int, won_deals: int, lines: int
) -> None:
    """Many plain records; persons and deals are spread over these organizations, lines over these products."""
    made: Made = {"organization": [], "person": [], "product": []}
    for number in range(1, organizations + 1):
        _insert(company, made, "organization", {**ORGANIZATION, "name": f"Company {number:06}"})
    for number in range(1, persons + 1):
        _insert(company, made, "person", _person(made, number))
    for number in range(1, products + 1):
        price = prices([{"currency": "EUR", "price": number}])
        named = {"name": f"Product {number:06}", "code": f"P-{number:06}", "prices": price}
        _insert(company, made, "product", {**PRODUCT, **named})
    for number in range(1, won_deals + 1):
        _win(company, made, number, lines)
    company.index()


def _person(made: Made, number: int) -> Record:
    email = {"value": f"person{number:06}@contoso.com", "primary": True, "label": "work"}
    names = {"name": f"Person {number:06}", "first_name": "Person", "last_name": f"{number:06}"}
    return {**PERSON, **names, "emails": [email], "org_id": _spread(made["organization"], number)}


def _win(company: Company, made: Made, number: int, lines: int) -> None:
    stage = next(iter(company.stages.values()))
    now, owner = company.stamp(), next(iter(company.users))
    won = {
        **DEAL,
        "title": f"Deal {number:06}", "creator_user_id": owner, "status": "won", "won_time": now, "close_time": now,
        "local_won_date": company.day_of(now), "local_close_date": company.day_of(now), "_first_won_time": now,
        "stage_id": stage["id"], "pipeline_id": stage["pipeline_id"],
        "org_id": _spread(made["organization"], number), "person_id": _spread(made["person"], number),
    }  # fmt: skip
    deal = _insert(company, {}, "deal", won)
    if made["product"] and lines:
        sold = (_spread(made["product"], number + place) for place in range(lines))
        add(company, deal, [{"product_id": product, "item_price": 10.5, "quantity": 2} for product in sold])


def _insert(company: Company, made: Made, kind: str, record: Record) -> Record:
    row = company.insert(kind, {**record, "owner_id": next(iter(company.users))})
    made.setdefault(kind, []).append(row["id"])
    return row


def _spread(ids: Sequence[int], number: int) -> int | None:
    """One of the ids, each in its turn."""
    return ids[number % len(ids)] if ids else None
