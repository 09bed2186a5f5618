"""The lines of won deals and what was taken off their sum (fact sheet 3.6, section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from mlconnector.errors import ConfigError, Rejected
from mlconnector.systems.pipedrive.api import Api, Record
from mlconnector.systems.pipedrive.shape import is_deleted, with_amounts

DEALS_A_CALL = 100
PRODUCTS_A_CALL = 100
CENT = Decimal("0.005")
"""A smaller difference is one of rounding."""
MOST_CODES = 20_000
WENT_AWAY = ("not-found", "record-deleted")


class Lines:
    """Puts `products` and `discounts` into won deals; with `with_codes` each line has its `product_code` too.

    Unless its product is not shown: it is hidden or deleted.
    """

    def __init__(self, api: Api, *, with_codes: bool) -> None:
        self._api = api
        self._with_codes = with_codes
        self._codes: dict[int, str | None] = {}
        self._not_shown: set[int] = set()
        self._variations: dict[int, dict[int, str]] = {}
        self._value_is_sum = False
        """Whether a deal with tax on top and without discounts showed that its value is the sum of its lines."""

    def attach(self, deals: Sequence[Record]) -> None:
        """`products` in the order of the deal; `discounts` is asked for only where the lines' sum is not the value.

        And of a deal with tax on top until one without discounts was seen: the value may hold the tax, and the sum not
        (section 12, question 7).

        Rejected not-found or record-deleted if one of the deals went away meanwhile: then none may be used.
        """
        for start in range(0, len(deals), DEALS_A_CALL):
            chunk = deals[start : start + DEALS_A_CALL]
            lines = self._lines_of([deal["id"] for deal in chunk])
            for deal in chunk:
                deal["products"] = lines[deal["id"]]
                deal["discounts"] = self._discounts(deal["id"]) if self._may_be_discounted(deal) else []
                if not deal["discounts"] and _is_taxed(deal) and _has_value_of_lines(deal):
                    self._value_is_sum = True

    def _lines_of(self, ids: Sequence[int]) -> dict[int, list[Record]]:
        found: dict[int, list[Record]] = {id_: [] for id_ in ids}
        asked = {"deal_ids": ",".join(map(str, ids)), "sort_by": "id", "limit": "500"}
        for row in self._all("/deals/products", asked):
            found.setdefault(row["deal_id"], []).append(with_amounts(row, "line"))
        for lines in found.values():
            lines.sort(key=lambda line: (line.get("order_nr") or 0, line["id"]))
        if self._with_codes:
            self._name_products([line for lines in found.values() for line in lines])
        self._name_variations([line for lines in found.values() for line in lines])
        return found

    def _name_products(self, lines: Iterable[Record]) -> None:
        """Those that are not known from earlier pages are asked for in hundreds."""
        lines = list(lines)
        if len(self._codes) > MOST_CODES:
            self._codes.clear()
        named = {line["product_id"] for line in lines if line.get("product_id")}
        unknown = sorted(named - self._codes.keys() - self._not_shown)
        for start in range(0, len(unknown), PRODUCTS_A_CALL):
            ids = unknown[start : start + PRODUCTS_A_CALL]
            rows = self._all("/products", {"ids": ",".join(map(str, ids)), "limit": str(PRODUCTS_A_CALL)})
            self._codes |= {row["id"]: row.get("code") for row in rows if not is_deleted(row)}
            self._not_shown.update(set(ids) - self._codes.keys())
        for line in lines:
            product = line.get("product_id")
            if product not in self._not_shown:  # what is not known is not taken for a product without code
                line["product_code"] = self._codes.get(product or 0)

    def _name_variations(self, lines: Iterable[Record]) -> None:
        """A line names its variation by id only: those of its product are asked for once (3.4, 10 tokens a page)."""
        for line in lines:
            product, variation = line.get("product_id"), line.get("product_variation_id")
            if not product or not variation:
                continue
            if product not in self._variations:
                self._variations[product] = self._variations_of(product)
            if name := self._variations[product].get(variation):
                line["product_variation_name"] = name

    def _variations_of(self, product: int) -> dict[int, str]:
        """Names by id; of a product that is not shown nobody knows, and the line says the id."""
        try:
            rows = self._all(f"/products/{product}/variations", {"limit": "500"})
        except (Rejected, ConfigError):
            return {}
        return {row["id"]: str(row.get("name") or "") for row in rows}

    def _may_be_discounted(self, deal: Record) -> bool:
        if not deal["products"]:
            return False
        return not _has_value_of_lines(deal) or (_is_taxed(deal) and not self._value_is_sum)

    def _discounts(self, deal_id: int) -> list[Record]:
        return [with_amounts(row, "discount") for row in self._all(f"/deals/{deal_id}/discounts", {})]

    def _all(self, path: str, params: dict[str, str]) -> list[Record]:
        """All pages of a short list; one row twice is one row."""
        rows: dict[Any, Record] = {}
        cursor: str | None = None
        while True:
            asked = {**params, "cursor": cursor} if cursor else params
            try:
                page, _ = self._api.page(path, asked)
            except Rejected as error:
                if error.code in WENT_AWAY:  # never "no lines": they may be those of a hundred deals
                    raise
                raise ConfigError(error.message, hint="run: mlconnector check") from None
            rows |= {row["id"]: row for row in page.data or ()}
            if not page.next_cursor or page.next_cursor == cursor:
                return list(rows.values())
            cursor = page.next_cursor


def _has_value_of_lines(deal: Record) -> bool:
    total = sum((line.get("sum") or Decimal(0) for line in _enabled(deal)), Decimal(0))
    return bool(abs(total - (deal.get("value") or Decimal(0))) < CENT)


def _is_taxed(deal: Record) -> bool:
    """Whether tax comes on top of what its lines cost."""
    return any(line.get("tax") and line.get("tax_method") == "exclusive" for line in _enabled(deal))


def _enabled(deal: Record) -> list[Record]:
    return [line for line in deal["products"] if line.get("is_enabled", True)]
