"""Bound actions of sales documents (fact sheet 2.9, 2.11). Left out: makeCorrectiveCreditMemo, which is a 501."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlconnector.systems.business_central.emulator_answers import refused
from mlconnector.systems.business_central.emulator_company import Company, Moment
from mlconnector.systems.business_central.emulator_field import ZERO
from mlconnector.systems.business_central.emulator_posting import (
    book_amounts,
    book_stock,
    post_invoice,
    post_order,
)
from mlconnector.systems.business_central.emulator_rows import Row
from mlconnector.systems.business_central.emulator_sales import SALES_INVOICE_LINES, SALES_INVOICES

Action = Callable[[Company, Row, Moment], object]


def _cancel(company: Company, row: Row, moment: Moment) -> Row:
    """A posted invoice is taken back: amounts and stock as well (the credit memo itself is not shown)."""
    invoice = company.draft(SALES_INVOICES, row)
    if not invoice["posted"]:
        raise refused("The action can be applied to a posted invoice only.")
    if invoice["status"] == "Canceled":
        raise refused("The invoice cannot be canceled because it has already been canceled.")
    book_amounts(company, invoice, -1, moment)
    lines = company.table(SALES_INVOICE_LINES).below(row.id)
    book_stock(company, [company.draft(SALES_INVOICE_LINES, line) for line in lines], 1, moment)
    invoice["status"], invoice["remainingAmount"] = "Canceled", ZERO
    canceled = company.store(invoice, moment.stamp, moment.now)
    company.undo.commit()
    return canceled


def _send(company: Company, row: Row, moment: Moment) -> None:
    """Mails an invoice, draft or posted; `company.mailed` has its number then."""
    if not row.values[SALES_INVOICES.columns["email"]]:
        raise refused(
            "The send-to email is empty. Specify email either for the customer or for the sales invoice "
            "in email preview."
        )
    company.mailed.append(row.key)


def _then_send(first: Callable[[Company, Row, Moment], Row]) -> Action:
    """The first part is committed: without an e-mail address the invoice stays posted or cancelled."""

    def both(company: Company, row: Row, moment: Moment) -> None:
        _send(company, first(company, row, moment), moment)

    return both


ACTIONS: Mapping[tuple[str, str], Action] = {
    ("salesOrders", "shipandinvoice"): post_order,
    ("salesInvoices", "post"): post_invoice,
    ("salesInvoices", "postandsend"): _then_send(post_invoice),
    ("salesInvoices", "send"): _send,
    ("salesInvoices", "cancel"): _cancel,
    ("salesInvoices", "cancelandsend"): _then_send(_cancel),
}
"""By entity set and the action's name in small letters."""
