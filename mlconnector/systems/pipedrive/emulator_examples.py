"""What people may do in the emulated Pipedrive, each action with what a call of it may post (to the seeded account)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "win": {"deal_id": 14},
    "lose": {"deal_id": 14, "reason": "Too expensive"},
    "reopen": {"deal_id": 7},
    "archive": {"deal_id": 7},
    "unarchive": {"deal_id": 7},
    "add": {"kind": "organization", "name": "Lind AB", "custom": {"ERP number": "L100"}},
    "edit": {"kind": "deal", "record_id": 14, "title": "Desks"},
    "delete": {"kind": "person", "record_id": 12},
    "restore": {"kind": "deal", "record_id": 8},
    "merge": {"kind": "organization", "gone": 8, "into": 9},
    "hide": {"kind": "deal", "record_id": 7},
    "record": {"kind": "deal", "record_id": 7},
    "records": {"kind": "product"},
    "named": {"kind": "organization", "name": "Trey Research"},
    "lines": {"deal_id": 7},
    "add_line": {"deal_id": 1, "product_id": 2, "item_price": 120, "quantity": 3},
    "edit_line": {"deal_id": 7, "line_id": 8, "quantity": 5},
    "remove_line": {"deal_id": 2, "line_id": 4},
    "discount": {"deal_id": 14, "amount": 10, "type": "percentage"},
    "rename_product": {"product_id": 1, "name": "ATHENS Desk, oak"},
    "add_variation": {"product_id": 1, "name": "Oak"},
    "add_field": {"kind": "deal", "name": "Their order", "type": "varchar"},
    "rename_field": {"kind": "organization", "name": "ERP number", "new_name": "Customer no."},
    "delete_field": {"kind": "organization", "name": "ERP number"},
    "code": {"kind": "organization", "field": "ERP number"},
    "add_filter": {"status": "won"},
    "spend": {"tokens": 1000},
    "switches": {"daily_headers": False},
}
