"""The table of deal lines, carried through to Business Central: its own reckoning comes to the deal's total."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.model import Step
from mlconnector.systems.business_central.emulator import BusinessCentral
from tests.flows.test_deal_documents import TABLE, document

from .writing import Desk, running

CENTS = Decimal("0.05")
"""What the flow lets pass as rounding."""


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A customer without a currency of its own, and three items."""
    emulator = BusinessCentral()
    for number in ("A-5", "A-6", "MISC"):
        emulator.add("items", number=number, displayName=number, unitPrice=1)
    emulator.add("customers", number="C1", displayName="Nordkran AB")
    for code, unit in (("JPY", "1"), ("KWD", "0.001")):
        emulator.add("currencies", code=code, displayName=code, amountRoundingPrecision=unit)
        rate = {"exchangeRateAmount": 1, "relationalExchangeRateAmount": 1}
        place = f"{code}/2020-01-01"
        emulator.add(
            "currencyExchangeRates", currencyCode=code, startingDate="2020-01-01", place=place, **rate
        )
    with running(emulator) as one:
        yield one


@pytest.mark.parametrize("kind", ["order", "invoice"])
@pytest.mark.parametrize("row", TABLE, ids=[row[0].replace(" ", "-") for row in TABLE])
def test_a_document_comes_to_what_its_deal_does(desk: Desk, row: Any, kind: str) -> None:
    name, record, options, _, _, total = row
    mapped = document({**record, "id": f"{kind} {name}"[:30]}, **options)
    refs = {"item:5": desk.id("items", "A-5"), "item:6": desk.id("items", "A-6")}
    step = Step("create", name, mapped, refs={"customer": desk.id("customers", "C1"), **refs})
    rounding = Decimal(options.get("rounding", CENTS))
    (made,) = desk.write("document", step, document=kind, currency_differs="deal", rounding=rounding)
    assert made.status == "created", made
    found = desk.emulator.row(f"sales{kind.capitalize()}s", str(made.target_id).partition("/")[2])
    assert abs(Decimal(str(found["totalAmountExcludingTax"])) - Decimal(total)) <= rounding
