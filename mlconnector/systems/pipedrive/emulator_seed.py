"""Fills the emulated Pipedrive: with the records of `emulator_awkward`, or with many plain ones."""

from __future__ import annotations

from mlconnector.systems.pipedrive.emulator_contacts import ORGANIZATION, PERSON
from mlconnector.systems.pipedrive.emulator_deals import BLANK as DEAL
from mlconnector.systems.pipedrive.emulator_lines import add
from mlconnector.systems.pipedrive.emulator_products import BLANK as PRODUCT
from mlconnector.systems.pipedrive.emulator_products import prices
from mlconnector.systems.pipedrive.emulator_state import Company, Record


def seed(company: Company) -> None:
    """Realistic and awkward records."""


def fill(
    company: Company, organizations: int, persons: int, products: int, won_deals: int, lines: int
) -> None:
    """Many plain records; persons and deals are spread over the organizations, lines over the products."""
    owner = next(iter(company.users))
    for number in range(1, organizations + 1):
        _insert(company, "organization", {**ORGANIZATION, "name": f"Company {number:06}"}, owner)
    for number in range(1, persons + 1):
        email = {"value": f"person{number:06}@contoso.com", "primary": True, "label": "work"}
        names = {"name": f"Person {number:06}", "first_name": "Person", "last_name": f"{number:06}"}
        org_id = _spread(company, "organization", number)
        _insert(company, "person", {**PERSON, **names, "emails": [email], "org_id": org_id}, owner)
    for number in range(1, products + 1):
        price = prices([{"currency": "EUR", "price": number}])
        named = {"name": f"Product {number:06}", "code": f"P-{number:06}", "prices": price}
        _insert(company, "product", {**PRODUCT, **named}, owner)
    for number in range(1, won_deals + 1):
        _win(company, owner, number, lines)
    company.index()


def _win(company: Company, owner: int, number: int, lines: int) -> None:
    stage = next(iter(company.stages.values()))
    now = company.stamp()
    won = {
        **DEAL,
        "title": f"Deal {number:06}", "creator_user_id": owner, "status": "won", "won_time": now, "close_time": now,
        "local_won_date": company.day_of(now), "local_close_date": company.day_of(now), "_first_won_time": now,
        "stage_id": stage["id"], "pipeline_id": stage["pipeline_id"],
        "org_id": _spread(company, "organization", number), "person_id": _spread(company, "person", number),
    }  # fmt: skip
    deal = _insert(company, "deal", won, owner)
    sold = (_spread(company, "product", number + place) for place in range(lines))
    bodies = [{"product_id": product, "item_price": 10.5, "quantity": 2} for product in sold if product]
    if bodies:
        add(company, deal, bodies)


def _insert(company: Company, kind: str, record: Record, owner: int) -> Record:
    return company.insert(kind, {**record, "owner_id": owner})


def _spread(company: Company, kind: str, number: int) -> int | None:
    """The id of one of the records of a kind, each in its turn."""
    rows = company.tables[kind].listed
    return rows[number % len(rows)]["id"] if rows else None
