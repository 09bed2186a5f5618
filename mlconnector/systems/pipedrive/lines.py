"""The lines of won deals and what was taken off their sum (fact sheet 3.6, section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from mlconnector.errors import ConfigError, Rejected
from mlconnector.systems.pipedrive.api import Api, Record
from mlconnector.systems.pipedrive.shape import with_amounts

DEALS_A_CALL = 100
PRODUCTS_A_CALL = 100
CENT = Decimal("0.005")
"""A smaller difference is one of rounding."""
MOST_CODES = 20_000
WENT_AWAY = ("not-found", "record-deleted")


class Lines:
    """Puts `products` and `discounts` into won deals; with `with_codes` each line has its `product_code` too."""

    def __init__(self, api: Api, *, with_codes: bool) -> None:
        self._api = api
        self._with_codes = with_codes
        self._codes: dict[int, str | None] = {}

    def attach(self, deals: Sequence[Record]) -> None:
        """`products` in the order of the deal; `discounts` is asked for only where the lines' sum is not the value.

        Rejected not-found or record-deleted if one of the deals went away meanwhile: then none may be used.
        """
        for start in range(0, len(deals), DEALS_A_CALL):
            chunk = deals[start : start + DEALS_A_CALL]
            lines = self._lines_of([deal["id"] for deal in chunk])
            for deal in chunk:
                deal["products"] = lines[deal["id"]]
                deal["discounts"] = self._discounts(deal["id"]) if _is_discounted(deal) else []

    def _lines_of(self, ids: Sequence[int]) -> dict[int, list[Record]]:
        found: dict[int, list[Record]] = {id_: [] for id_ in ids}
        asked = {"deal_ids": ",".join(map(str, ids)), "sort_by": "id", "limit": "500"}
        for row in self._all("/deals/products", asked):
            found.setdefault(row["deal_id"], []).append(with_amounts(row, "line"))
        for lines in found.values():
            lines.sort(key=lambda line: (line.get("order_nr") or 0, line["id"]))
        if self._with_codes:
            self._name_products([line for lines in found.values() for line in lines])
        return found

    def _name_products(self, lines: Iterable[Record]) -> None:
        """Those that are not known from earlier pages are asked for in hundreds."""
        lines = list(lines)
        if len(self._codes) > MOST_CODES:
            self._codes.clear()
        unknown = sorted(
            {line["product_id"] for line in lines if line.get("product_id")} - self._codes.keys()
        )
        for start in range(0, len(unknown), PRODUCTS_A_CALL):
            ids = unknown[start : start + PRODUCTS_A_CALL]
            self._codes |= dict.fromkeys(ids)
            rows = self._all("/products", {"ids": ",".join(map(str, ids)), "limit": str(PRODUCTS_A_CALL)})
            self._codes |= {row["id"]: row.get("code") for row in rows}
        for line in lines:
            line["product_code"] = self._codes.get(line.get("product_id") or 0)

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


def _is_discounted(deal: Record) -> bool:
    lines = [line for line in deal["products"] if line.get("is_enabled", True)]
    total = sum((line.get("sum") or Decimal(0) for line in lines), Decimal(0))
    return bool(deal["products"]) and abs(total - (deal.get("value") or Decimal(0))) >= CENT
