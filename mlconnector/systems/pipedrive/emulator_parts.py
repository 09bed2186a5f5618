"""What belongs to a record in the emulated Pipedrive: lines and discounts of deals, variations of products."""

from __future__ import annotations

import mlconnector.systems.pipedrive.emulator_lines as lines
import mlconnector.systems.pipedrive.emulator_products as products
from mlconnector.systems.pipedrive.emulator_errors import invalid
from mlconnector.systems.pipedrive.emulator_query import read_ids, take_page
from mlconnector.systems.pipedrive.emulator_state import Record
from mlconnector.systems.pipedrive.emulator_view import Shape
from mlconnector.systems.pipedrive.emulator_visit import Answer, Visit, page, single

LINE_SORTS = ("id", "add_time", "update_time", "order_nr")


def lines_of_deals(visit: Visit) -> Answer:
    """GET /deals/products?deal_ids=: of 100 deals at most; those the user may not see are missing."""
    wanted = read_ids(visit.query, "deal_ids")
    if not wanted:
        raise invalid("deal_ids: is required")
    deals = (visit.company.live("deal", number) for number in dict.fromkeys(wanted))
    seen = [deal for deal in deals if deal is not None and visit.company.sees(visit.user, deal)]
    return _lines_page(visit, seen, (*LINE_SORTS, "deal_id"))


def lines_of_deal(visit: Visit) -> Answer:
    """GET /deals/{id}/products."""
    return _lines_page(visit, [visit.find("deal")], LINE_SORTS)


def add_line(visit: Visit) -> Answer:
    """POST /deals/{id}/products."""
    return single(_show(visit, lines.add(visit.company, visit.editable("deal"), [visit.body()]))[0])


def add_lines(visit: Visit) -> Answer:
    """POST /deals/{id}/products/bulk."""
    body = visit.body()
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        raise invalid("data: is required")
    return single(_show(visit, lines.add(visit.company, visit.editable("deal"), body["data"])))


def change_line(visit: Visit) -> Answer:
    """PATCH /deals/{id}/products/{product_attachment_id}."""
    deal = visit.editable("deal")
    line = lines.find(visit.company, deal, visit.number(1))
    lines.change(visit.company, deal, line, visit.body())
    return single(lines.view(visit.company, line))


def remove_line(visit: Visit) -> Answer:
    """DELETE /deals/{id}/products/{product_attachment_id}."""
    deal = visit.editable("deal")
    line = lines.find(visit.company, deal, visit.number(1))
    lines.remove(visit.company, deal, [line["id"]])
    return single({"id": line["id"]})


def remove_lines(visit: Visit) -> Answer:
    """DELETE /deals/{id}/products: these, or the first hundred."""
    deal = visit.editable("deal")
    present = [line["id"] for line in visit.company.lines(deal)]
    chosen = read_ids(visit.query, "ids") or present[: lines.MOST_AT_ONCE]
    removed = lines.remove(visit.company, deal, chosen)
    more = {"more_items_in_collection": len(present) > len(removed)}
    return {**single({"ids": removed}), "additional_data": more}


def list_discounts(visit: Visit) -> Answer:
    """GET /deals/{id}/discounts: no pages."""
    return single(list(lines.discounts(visit.company, visit.find("deal"))))


def add_discount(visit: Visit) -> Answer:
    """POST /deals/{id}/discounts."""
    return single(lines.add_discount(visit.company, visit.user, visit.editable("deal"), visit.body()))


def change_discount(visit: Visit) -> Answer:
    """PATCH /deals/{id}/discounts/{discount_id}."""
    deal = visit.editable("deal")
    discount = lines.find_discount(visit.company, deal, visit.names[1])
    lines.change_discount(visit.company, visit.user, deal, discount, visit.body())
    return single(discount)


def remove_discount(visit: Visit) -> Answer:
    """DELETE /deals/{id}/discounts/{discount_id}."""
    deal = visit.editable("deal")
    discount = lines.find_discount(visit.company, deal, visit.names[1])
    lines.remove_discount(visit.company, deal, discount)
    return single({"id": discount["id"]})


def duplicate_product(visit: Visit) -> Answer:
    """POST /products/{id}/duplicate."""
    made = products.duplicate(visit.company, visit.editable("product"))
    return single(Shape(visit.company, "product").show(made))


def list_variations(visit: Visit) -> Answer:
    """GET /products/{id}/variations."""
    rows = products.variations_of(visit.company, visit.find("product"))
    taken, cursor = take_page(visit.query, visit.company.switches, rows, (), ("id",))
    return page([_variation(row) for row in taken], cursor)


def add_variation(visit: Visit) -> Answer:
    """POST /products/{id}/variations."""
    return single(_variation(products.add_variation(visit.company, visit.editable("product"), visit.body())))


def change_variation(visit: Visit) -> Answer:
    """PATCH /products/{id}/variations/{product_variation_id}."""
    variation = products.find_variation(visit.company, visit.editable("product"), visit.number(1))
    products.change_variation(visit.company, variation, visit.body())
    return single(_variation(variation))


def remove_variation(visit: Visit) -> Answer:
    """DELETE /products/{id}/variations/{product_variation_id}."""
    variation = products.find_variation(visit.company, visit.editable("product"), visit.number(1))
    del visit.company.variations[variation["id"]]
    return single({"id": variation["id"]})


def _variation(variation: Record) -> Record:
    prices = [{"product_variation_id": variation["id"], **price} for price in variation["prices"]]
    return {**{key: variation[key] for key in ("id", "name", "product_id")}, "prices": prices}


def _lines_page(visit: Visit, deals: list[Record], sorts: tuple[str, ...]) -> Answer:
    rows = [line for deal in deals for line in visit.company.lines(deal)]
    rows.sort(key=lambda line: line["id"])
    taken, cursor = take_page(visit.query, visit.company.switches, rows, (), sorts)
    return page(_show(visit, taken), cursor)


def _show(visit: Visit, rows: list[Record]) -> list[Record]:
    return [lines.view(visit.company, row) for row in rows]
