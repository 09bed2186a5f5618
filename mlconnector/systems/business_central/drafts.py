"""A sales document as it is to be (fact sheet 2.16, 4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mlconnector.model import Step
from mlconnector.systems.business_central.lines import Line
from mlconnector.systems.business_central.values import Note


@dataclass(frozen=True, slots=True)
class Draft:
    """What a deal says; `header` in page order without currency and lines."""

    step: Step
    header: Mapping[str, Any]
    lines: Sequence[Line]
    currency: str
    discount: Decimal
    total: Decimal | None
    notes: tuple[Note, ...] = ()

    @property
    def customer(self) -> str:
        """The id of the one who buys."""
        return self.step.refs.get("customer", "").lower()

    def header_in(self, currency: str) -> dict[str, Any]:
        """In page order: the currency comes after the customer, who brings another (section 2.16)."""
        header = dict(self.header)
        prices = {"pricesIncludeTax": header.pop("pricesIncludeTax")} if "pricesIncludeTax" in header else {}
        return {**header, "currencyCode": currency, **prices}

    def insert(self, lines: str) -> dict[str, Any]:
        """The deep insert: the header, then the lines (section 4.4)."""
        return {**self.header_in(self.currency), lines: [line.body() for line in self.lines]}
