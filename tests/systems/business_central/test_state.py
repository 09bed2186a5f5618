"""How a document stands, by what the API shows of it: there is no flag for posted ones (fact sheet 2.11)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mlconnector.systems.business_central.state import Document


@pytest.mark.parametrize(
    ("kind", "row", "condition"),
    [
        ("order", {"status": "Draft"}, "draft"),
        ("order", {"status": "In_x0020_Review"}, "released"),
        ("order", {"status": "Open"}, "released"),
        ("invoice", {"status": "Draft", "remainingAmount": Decimal(5)}, "draft"),
        ("invoice", {"status": "In_x0020_Review"}, "released"),
        ("invoice", {"status": "Open", "remainingAmount": 0, "orderNumber": ""}, "released"),
        ("invoice", {"status": "Open", "remainingAmount": Decimal(5), "orderNumber": ""}, "posted"),
        ("invoice", {"status": "Open", "remainingAmount": 0, "orderNumber": "S-ORD1"}, "posted"),
        ("invoice", {"status": "Paid", "remainingAmount": 0, "orderNumber": ""}, "posted"),
        ("invoice", {"status": "Canceled"}, "posted"),
        ("invoice", {"status": "Corrective"}, "posted"),
        ("invoice", {"status": "_x0020_"}, "released"),
    ],
)
def test_a_document_is_a_draft_released_or_posted(kind: str, row: dict[str, Any], condition: str) -> None:
    assert Document(kind, row).condition == condition
