"""What `explain` asks of sales documents: which one a number means, and how it stands (fact sheet 2.9, trap T21)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from mlconnector.systems.business_central.api import Api
from mlconnector.systems.business_central.find import NUMBER_LENGTH, rows_where
from mlconnector.systems.business_central.state import Document, find_successor, read_document
from mlconnector.systems.business_central.values import decode_option


def documents_called(api: Api, number: str) -> Sequence[str]:
    """Ids of the orders and invoices with this number; an invoice's order goes with it, and the other way round."""
    if not number or "@" in number:
        return []
    found = [
        f"order/{row['id']}"
        for row in rows_where(api, "salesOrders", "number", [number], ["id", "number"], NUMBER_LENGTH)
    ]
    for field in ("number", "orderNumber"):
        shown = ["id", "orderId", *dict.fromkeys(("number", field))]
        for row in rows_where(api, "salesInvoices", field, [number], shown, NUMBER_LENGTH):
            found.append(f"invoice/{row['id']}")
            found += [f"order/{row['orderId']}"] if row.get("orderId") else []
    return list(dict.fromkeys(one.lower() for one in found))


def tell_document(api: Api, target_id: str) -> Mapping[str, str]:
    """What a document is, how it stands, whose it is and what it comes to; an order that is gone is its invoice."""
    document = read_document(api, target_id)
    if document is None:
        invoice = find_successor(api, target_id)
        document = read_document(api, invoice.target_id) if invoice is not None else None
    return {} if document is None else _told(document)


def _told(document: Document) -> Mapping[str, str]:
    row, order = document.row, document.row.get("orderNumber")
    status = decode_option(str(row.get("status", "")))
    more = "" if status.lower() in ("", document.condition) else f" ({status})"
    net, gross = (_amount(row.get(f"totalAmount{name}Tax")) for name in ("Excluding", "Including"))
    return {
        "document": f"{document.name}{f' (of order {order})' if order else ''}",
        "stands": f"{document.condition}{more}",
        "customer": f"{row.get('customerNumber', '')} {row.get('customerName', '')}".strip(),
        "total": f"{net} {row.get('currencyCode', '')} without tax, {gross} with tax",
    }


def _amount(value: object) -> str:
    return f"{Decimal(str(value or 0)):.2f}"
