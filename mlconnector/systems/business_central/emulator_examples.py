"""What people may do in the emulated Business Central, each action with what a call of it may post (to the seeded
company)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CUSTOMER = {"entity": "customers", "number": "10000"}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "rows": {"entity": "salesOrders", "fields": ["number", "externalDocumentNumber", "status"]},
    "row": {"entity": "salesOrders", "number": "S-ORD101001"},
    "add": {"entity": "customers", "fields": {"displayName": "Lind AB", "email": "ida@contoso.com"}},
    "edit": {**_CUSTOMER, "fields": {"displayName": "Adatum & Sons"}},
    "edit-by-code": {**_CUSTOMER, "fields": {"city": "Ulm"}},
    "delete": {"entity": "customers", "number": "40000"},
    "renumber": {**_CUSTOMER, "to": "10000X"},
    "block": {**_CUSTOMER, "blocked": "All"},
    "merge-customers": {"number": "20000", "into": "30000"},
    "balance": {"number": "10000", "amount": -100},
    "stamp": {**_CUSTOMER, "when": "2026-01-01T00:00:00Z"},
    "late-edit": {**_CUSTOMER, "fields": {"city": "Ulm"}},
    "commit": {"handle": "1"},
    "set-price": {"number": "1896-S", "price": 1050},
    "move-stock": {"number": "1896-S", "quantity": 10},
    "release": {"number": "S-ORD101001"},
    "ask-for-approval": {"number": "S-ORD101001"},
    "reopen": {"number": "S-ORD101003"},
    "post": {"number": "S-INV102203"},
    "pay": {"number": "PS-INV103002"},
    "delete-draft": {"number": "S-INV102203"},
    "add-line": {
        "number": "S-ORD101001",
        "fields": {"lineType": "Item", "lineObjectNumber": "1896-S", "quantity": 2},
    },
    "edit-line": {"number": "S-ORD101001", "sequence": 10000, "fields": {"quantity": 5}},
    "delete-line": {"number": "S-ORD101001", "sequence": 10000},
    "seed": {"customers": 5, "vendors": 5},
    "switch": {"forbidden_tables": ["vendors"]},
}
