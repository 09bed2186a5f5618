"""Deal products and a deal's discounts in the emulated Pipedrive (fact sheet 3.6, 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from mlconnector.systems.pipedrive.emulator_bodies import DISCOUNT, LINE, Body
from mlconnector.systems.pipedrive.emulator_errors import invalid, not_found, refused
from mlconnector.systems.pipedrive.emulator_money import line_sum, number
from mlconnector.systems.pipedrive.emulator_products import check_cycles
from mlconnector.systems.pipedrive.emulator_state import Company, Record, User

BLANK: Mapping[str, Any] = {
    "tax": 0, "comments": "", "discount": 0, "discount_type": "percentage", "is_enabled": True,
    "product_variation_id": None, "billing_frequency": "one-time", "billing_frequency_cycles": None,
    "billing_start_date": None,
}  # fmt: skip
STEP = 10
MOST_AT_ONCE = 100
MOST_RECURRING = 20
SHOWN = (
    "id", "sum", "tax", "deal_id", "name", "product_id", "product_variation_id", "order_nr", "add_time",
    "update_time", "comments", "currency", "discount", "quantity", "item_price", "tax_method", "discount_type",
    "is_enabled", "billing_frequency", "billing_frequency_cycles", "billing_start_date",
)  # fmt: skip


def view(company: Company, line: Record) -> Record:
    """A line as the API shows it: `sum` is the line's own (4), the currency is the deal's."""
    currency = company.tables["deal"].rows[line["deal_id"]]["currency"]
    with_tax = company.switches.sums_with_tax and not company.switches.line_sums_net
    total = number(line_sum(line, currency, with_tax=with_tax), currency)
    product = company.tables["product"].rows[line["product_id"]]
    name = product["name"] if company.switches.line_name == "current" else line["name"]
    shown = {**line, "sum": total, "currency": currency, "name": name}
    return {key: shown[key] for key in SHOWN}


def add(company: Company, deal: Record, sent: Sequence[Any]) -> list[Record]:
    """New lines at the end: all of them or none."""
    if not 1 <= len(sent) <= MOST_AT_ONCE:
        raise invalid(f"data: must contain 1 to {MOST_AT_ONCE} items")
    bodies = [_checked(company, BLANK, LINE.check(body, company, creating=True)) for body in sent]
    _check_recurring([*company.lines(deal), *bodies])
    made = [_insert(company, deal, body) for body in bodies]
    _share_tax_method(company, deal, bodies)
    company.recompute(deal)
    return made


def change(company: Company, deal: Record, line: Record, sent: Any) -> None:
    """PATCH of one line; its `tax_method` is the whole deal's."""
    body = LINE.check(sent, company, creating=False)
    after = _checked(company, line, body)
    _check_recurring([after if one is line else one for one in company.lines(deal)])
    line.update(after)
    line["update_time"] = company.stamp()
    _share_tax_method(company, deal, [body])
    company.recompute(deal)


def remove(company: Company, deal: Record, gone: Iterable[int]) -> list[int]:
    """Takes lines away, which leaves no trace; the ids of those that were there."""
    ids = set(gone)
    removed = [line["id"] for line in company.lines(deal) if line["id"] in ids]
    company.lines_of[deal["id"]] = [line for line in company.lines(deal) if line["id"] not in ids]
    if removed:
        company.recompute(deal)
    return removed


def find(company: Company, deal: Record, line_id: int) -> Record:
    """One of the deal's own lines, or 404."""
    for line in company.lines(deal):
        if line["id"] == line_id:
            return line
    raise not_found()


def discounts(company: Company, deal: Record) -> list[Record]:
    """The deal's own discounts, in the order they were given."""
    return company.discounts_of.setdefault(deal["id"], [])


def add_discount(company: Company, user: User, deal: Record, sent: Any) -> Record:
    """POST /deals/{id}/discounts."""
    body = DISCOUNT.check(sent, company, creating=True)
    name = UUID(int=(deal["id"] << 64) + next(company.discount_ids), version=4)
    stamped = {"created_at": company.stamp(), "created_by": user.id}
    made = {"id": str(name), **body, "deal_id": deal["id"], **stamped}
    discounts(company, deal).append({**made, "updated_at": made["created_at"], "updated_by": user.id})
    _discounted(company, deal)
    return discounts(company, deal)[-1]


def change_discount(company: Company, user: User, deal: Record, discount: Record, sent: Any) -> None:
    """PATCH /deals/{id}/discounts/{discount_id}."""
    discount.update(DISCOUNT.check(sent, company, creating=False))
    discount.update(updated_at=company.stamp(), updated_by=user.id)
    _discounted(company, deal)


def remove_discount(company: Company, deal: Record, discount: Record) -> None:
    """DELETE /deals/{id}/discounts/{discount_id}."""
    discounts(company, deal).remove(discount)
    _discounted(company, deal)


def find_discount(company: Company, deal: Record, name: str) -> Record:
    """One of the deal's own discounts, or 404."""
    for discount in discounts(company, deal):
        if discount["id"] == name:
            return discount
    raise not_found()


def _discounted(company: Company, deal: Record) -> None:
    """A value that was typed in is not touched."""
    if company.lines(deal):
        company.recompute(deal)


def _insert(company: Company, deal: Record, body: Body) -> Record:
    lines = company.lines_of.setdefault(deal["id"], [])
    shared = lines[0]["tax_method"] if lines else "exclusive"
    made = {
        "id": next(company.line_ids),
        "deal_id": deal["id"],
        "name": company.tables["product"].rows[body["product_id"]]["name"],
        "tax_method": shared,
        **body,
        "order_nr": max((line["order_nr"] for line in lines), default=0) + STEP,
        "add_time": company.stamp(),
        "update_time": company.stamp(),
    }
    lines.append(made)
    return made


def _checked(company: Company, before: Mapping[str, Any], body: Body) -> Body:
    """The line after a write, or 400."""
    after = {**before, **body}
    product = company.live("product", after["product_id"])
    if "product_id" in body and (product is None or not product["is_linkable"]):
        raise refused(f"Product {after['product_id']} cannot be added to deals")
    variation = company.variations.get(after["product_variation_id"])
    stranger = variation is None or variation["product_id"] != after["product_id"]
    if after["product_variation_id"] and stranger and body.keys() & {"product_id", "product_variation_id"}:
        raise invalid("product_variation_id: is not a variation of this product")
    check_cycles(after["billing_frequency"], after["billing_frequency_cycles"])
    return after


def _check_recurring(lines: Iterable[Mapping[str, Any]]) -> None:
    if sum(line["billing_frequency"] != "one-time" for line in lines) > MOST_RECURRING:
        raise refused(f"A deal takes {MOST_RECURRING} recurring products at most")


def _share_tax_method(company: Company, deal: Record, bodies: Iterable[Body]) -> None:
    """One setting for the whole deal: changed on one line, it changes on all (4, trap 28)."""
    for body in bodies:
        if "tax_method" in body:
            for line in company.lines(deal):
                line["tax_method"] = body["tax_method"]
