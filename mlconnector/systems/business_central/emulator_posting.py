"""Posting: drafts become posted invoices, orders are shipped and invoiced, amounts move (fact sheet 2.9, 2.11, E22).

Left out: credit memos as records, shipments, ledger entries, a check of the stock. Posting commits (section 4.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from heapq import heappop, heappush

from mlconnector.systems.business_central.emulator_answers import Problem, refused
from mlconnector.systems.business_central.emulator_company import POSTED, Company, Due, Moment
from mlconnector.systems.business_central.emulator_dates import add_formula
from mlconnector.systems.business_central.emulator_documents import check_blocked, customer_of, identify
from mlconnector.systems.business_central.emulator_entities import CUSTOMERS
from mlconnector.systems.business_central.emulator_field import ZERO, decode_option
from mlconnector.systems.business_central.emulator_goods import ITEMS
from mlconnector.systems.business_central.emulator_rows import Row, show_stamp
from mlconnector.systems.business_central.emulator_sales import (
    LINES,
    SALES_INVOICE_LINES,
    SALES_INVOICES,
    SALES_ORDER_LINES,
    SALES_ORDERS,
)
from mlconnector.systems.business_central.emulator_totals import exchange_rate, rounded
from mlconnector.systems.business_central.emulator_write import Draft

NO_LINES = "Please add at least one line item to the document."
NOTHING = "There is nothing to post because the document does not contain a quantity or amount."


def post_invoice(company: Company, row: Row, moment: Moment) -> Row:
    """Posts a draft: the id stays, the number is one of the posted series."""
    header = company.draft(SALES_INVOICES, row)
    if header["posted"]:
        raise refused("The action can be applied to a draft invoice only.")
    lines = _lines(company, header)
    check_postable(company, header, lines, "quantity")
    posted = keep_posted(company, header, moment)
    _book(company, header, lines, moment)
    company.undo.commit()
    return posted


def post_order(company: Company, row: Row, moment: Moment) -> Row:
    """Ships and invoices what is to be; a finished order disappears. The posted invoice is new and names the order."""
    order = company.draft(SALES_ORDERS, row)
    if decode_option(order["status"]) == "In Review":
        raise refused(
            f"Status must be equal to 'Released'  in Sales Header: {identify(SALES_ORDERS, row.key)}. "
            "Current value is 'Pending Approval'.",
            "Application_FieldValidationException",
        )
    lines = _lines(company, order)
    check_postable(company, order, lines, "invoiceQuantity")
    invoice = _invoice_of(company, order, moment)
    _invoice_lines(company, invoice, lines, moment)
    posted = keep_posted(company, invoice, moment)
    _book(company, invoice, _lines(company, invoice), moment)
    _move_on(company, order, lines, moment)
    company.undo.commit()
    return posted


def _lines(company: Company, header: Draft) -> list[Draft]:
    entity = LINES[header.entity.name]
    return [company.draft(entity, row) for row in company.table(entity).below(header["id"])]


# may it be posted?


def check_postable(company: Company, header: Draft, lines: Sequence[Draft], quantity: str) -> None:
    """Lines, setup, posting groups, blocks: what posting stumbles over (T43)."""
    if not lines:
        raise refused(NO_LINES)
    if not any(line[quantity] for line in lines):
        raise refused(NOTHING)
    if company.setup.external_document_required and not header["externalDocumentNumber"]:
        raise missing("External Document No.", f"Sales Header: {identify(header.entity, header['number'])}")
    customer = customer_of(header, "billToCustomerId")
    check_blocked(customer, header.entity, verb="post")
    where = f"Customer: No.={customer['number']}"
    for caption, name in (
        ("Gen. Bus. Posting Group", "generalBusinessPostingGroup"),
        ("Customer Posting Group", "customerPostingGroup"),
    ):
        if not customer[name]:
            raise missing(caption, where)
    for line in lines:
        if line["lineType"] == "Item":
            _check_item(company, line)


def _check_item(company: Company, line: Draft) -> None:
    values = company.tables["items"].by_id[line["itemId"]].values
    item = dict(zip(ITEMS.columns, values, strict=True))
    where = f"Item: No.={item['number']}"
    if item["blocked"]:
        text = f"Blocked must be equal to 'No'  in {where}. Current value is 'Yes'."
        raise refused(text, "Application_FieldValidationException")
    if not item["generalProductPostingGroupCode"]:
        raise missing("Gen. Prod. Posting Group", where)
    if item["type"] == "Inventory" and not item["inventoryPostingGroupCode"]:
        raise missing("Inventory Posting Group", where)


def missing(caption: str, where: str) -> Problem:
    """The error of TestField (section 6.4)."""
    text = f"{caption} must have a value in {where}. It cannot be zero or empty."
    return refused(text, "Application_FieldValidationException")


# what becomes of it


def keep_posted(company: Company, header: Draft, moment: Moment) -> Row:
    """The posted document: its number and its state; amounts are booked elsewhere."""
    header["number"] = company.take_number(SALES_INVOICES, POSTED)
    header["posted"], header["status"] = True, "Open"
    header["remainingAmount"] = header["totalAmountIncludingTax"]
    return company.store(header, moment.stamp, moment.now)


def _invoice_of(company: Company, order: Draft, moment: Moment) -> Draft:
    """A new invoice with what the two headers have in common."""
    invoice = company.draft(SALES_INVOICES)
    own = {"id", "status", "lastModifiedDateTime", "number"}
    for name in SALES_INVOICES.columns.keys() & SALES_ORDERS.columns.keys() - own:
        invoice[name] = order[name]
    invoice["invoiceDate"], invoice["number"] = order["orderDate"], f"{order['number']}/"
    invoice["orderId"], invoice["orderNumber"] = order["id"], order["number"]
    terms = order.row("paymentTerms", order["paymentTermsId"])
    column = company.tables["paymentTerms"].entity.columns["dueDateCalculation"]
    invoice["dueDate"] = add_formula(order["orderDate"], terms.values[column] if terms is not None else "")
    return invoice


def _invoice_lines(company: Company, invoice: Draft, lines: Sequence[Draft], moment: Moment) -> None:
    """The lines of a posted invoice: the quantities invoiced, and all comments."""
    table = company.tables["salesInvoiceLines"]
    names = SALES_INVOICE_LINES.columns.keys() & SALES_ORDER_LINES.columns.keys() - {"id"}
    for line in lines:
        posted = company.draft(SALES_INVOICE_LINES)
        for name in names:
            posted[name] = line[name]
        posted["documentId"] = invoice["id"]
        posted["place"] = f"{invoice['id']}/{line['sequence']:010d}"
        _scale(posted, line)
        table.put(table.make(posted.values), moment.now)


def _scale(posted: Draft, line: Draft) -> None:
    if line["invoiceQuantity"] == line["quantity"]:
        return
    share = line["invoiceQuantity"] / line["quantity"]
    posted["quantity"] = line["invoiceQuantity"]
    for name in posted.entity.columns:
        if name.endswith(
            ("Amount", "AmountIncludingTax", "amountExcludingTax", "amountIncludingTax", "Allocation")
        ):
            posted[name] = rounded(line[name] * share)


def _move_on(company: Company, order: Draft, lines: Sequence[Draft], moment: Moment) -> None:
    """What was shipped and invoiced is noted; with nothing left the order goes."""
    table = company.tables["salesOrderLines"]
    for line in lines:
        line["shippedQuantity"] += line["shipQuantity"]
        line["invoicedQuantity"] += line["invoiceQuantity"]
        line["shipQuantity"] = line["quantity"] - line["shippedQuantity"]
        line["invoiceQuantity"] = line["quantity"] - line["invoicedQuantity"]
        table.put(table.make(line.values), moment.now)
    order["fullyShipped"] = not any(line["shipQuantity"] for line in lines)
    if order["fullyShipped"] and not any(line["invoiceQuantity"] for line in lines):
        company.remove(SALES_ORDERS, company.tables["salesOrders"].by_id[order["id"]], moment.now)
    else:
        order["status"] = "Open"
        company.store(order, moment.stamp, moment.now)


# amounts and stock


def _book(company: Company, invoice: Draft, lines: Sequence[Draft], moment: Moment) -> None:
    book_amounts(company, invoice, 1, moment)
    book_stock(company, lines, -1, moment)


def book_amounts(company: Company, invoice: Draft, sign: int, moment: Moment) -> None:
    """The customer's balances move and the stamp stays; what is not yet due falls due later (T10, E22)."""
    rate = exchange_rate(invoice)
    gross = sign * invoice["totalAmountIncludingTax"]
    customer = invoice["billToCustomerId"]
    sales = rounded(sign * invoice["totalAmountExcludingTax"] * rate)
    move_amounts(company, customer, moment, balance=rounded(gross * rate), totalSalesExcludingTax=sales)
    heappush(company.due, Due(invoice["dueDate"], customer, gross, rounded(gross * rate)))
    let_fall_due(company, moment.now)


def pay_invoice(company: Company, row: Row, moment: Moment) -> Row:
    """A payment of all that is left; one that is not yet due never falls due."""
    invoice = company.draft(SALES_INVOICES, row)
    if not invoice["posted"] or not invoice["remainingAmount"]:
        raise refused(f"There is nothing to pay on {row.key}.")
    rate, paid = exchange_rate(invoice), -invoice["remainingAmount"]
    move_amounts(company, invoice["billToCustomerId"], moment, balance=rounded(paid * rate))
    heappush(company.due, Due(invoice["dueDate"], invoice["billToCustomerId"], paid, rounded(paid * rate)))
    invoice["remainingAmount"], invoice["status"] = ZERO, "Paid"
    paid_row = company.store(invoice, moment.stamp, moment.now)
    let_fall_due(company, moment.now)
    return paid_row


def let_fall_due(company: Company, now: int) -> None:
    """What was due before today counts as due from now on; no stamp moves (section 2.3)."""
    today = show_stamp(now)[:10]
    while company.due and company.due[0].day < today:
        due = heappop(company.due)
        amounts = {"balanceDue": due.amount, "overdueAmount": due.local}
        move_amounts(company, due.customer, Moment(now, now), **amounts)


def move_amounts(company: Company, customer: str, moment: Moment, **amounts: Decimal) -> None:
    """Adds to the figures of a customer."""
    row = company.tables["customers"].by_id.get(customer)
    if row is None:
        return
    draft = company.draft(CUSTOMERS, row)
    for name, amount in amounts.items():
        draft[name] += amount
    company.store(draft, None, moment.now)


def book_stock(company: Company, lines: Sequence[Draft], sign: int, moment: Moment) -> None:
    """The inventory of items sold; their stamps stay (section 2.6)."""
    for line in lines:
        if line["lineType"] != "Item":
            continue
        item = company.draft(ITEMS, company.tables["items"].by_id[line["itemId"]])
        item["entries"] = True
        if item["type"] == "Inventory":
            item["inventory"] += sign * line["quantity"]
        company.store(item, None, moment.now)
