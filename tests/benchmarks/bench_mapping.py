"""CPU a record of a ten-line mapping and of a whole flow: `python tests/benchmarks/bench_mapping.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mlconnector.flows import FLOWS
from mlconnector.mapping import compile_map, compile_when
from mlconnector.model import Change
from mlconnector.systems.business_central.fields import CUSTOMER

TEN_LINES: dict[str, Any] = {
    "email": "email",
    "A": {"from": "displayName", "transform": ["trim", "upper"]},
    "B": "number",
    "C": "type",
    "D": {"from": ["country", "state"], "join": "-"},
    "E": {"from": "customerFinancialDetail.balance", "transform": "round2"},
    "F": {"from": "country", "lookup": {"DE": "South"}, "default": "Other"},
    "G": {"from": "lastModifiedDateTime", "transform": ["date"]},
    "H": {"from": ["website", "email"], "first": True},
    "I": {"from": "addressLine1", "max_length": 50},
}
RECORD = {
    "id": "b37406e8-eaf1-ef11-9b20-d99fd2b71a0f",
    "number": "D00070",
    "displayName": " Ulm Falcons ",
    "type": "Company",
    "addressLine1": "Hafengasse 7",
    "city": "Ulm",
    "state": "",
    "country": "DE",
    "postalCode": "89073",
    "email": "info@ulm-falcons.de",
    "website": "",
    "blocked": "_x0020_",
    "customerFinancialDetail": {"balance": Decimal("2311.345")},
    "lastModifiedDateTime": "2025-02-23T13:34:29.943Z",
}


def microseconds(call: Callable[[], object], rounds: int = 7, calls: int = 20_000) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(calls):
            call()
        best = min(best, time.process_time() - start)
    return best / calls * 1e6


if __name__ == "__main__":
    compiled = compile_map(TEN_LINES, CUSTOMER)
    print(f"ten lines     {microseconds(lambda: compiled(RECORD)):6.1f} µs a record")
    kind = FLOWS["customers_to_members"]
    when = compile_when({"blocked": {"is": " "}}, CUSTOMER)
    bound = kind.bind(kind.options(audience="A"), compile_map(kind.default_map, CUSTOMER), when)
    change = Change("customer", "1", "upsert", None, RECORD)
    print(f"a whole flow  {microseconds(lambda: bound(change)):6.1f} µs a record, with key and digest")
