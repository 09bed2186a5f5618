"""What people do in the client that no API offers: release, post, pay, merge (fact sheet 2.9, 2.11, 3.6).

Each call stamps what BC stamps: a payment and a stock movement leave stamps alone, a release moves the document's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mlconnector.systems.business_central.emulator_answers import Problem
from mlconnector.systems.business_central.emulator_changes import change, create, remove
from mlconnector.systems.business_central.emulator_company import Company, Moment, as_sent, shown
from mlconnector.systems.business_central.emulator_entities import CUSTOMERS
from mlconnector.systems.business_central.emulator_field import Entity, encode_option
from mlconnector.systems.business_central.emulator_goods import ITEMS
from mlconnector.systems.business_central.emulator_posting import (
    move_amounts,
    pay_invoice,
    post_invoice,
    post_order,
)
from mlconnector.systems.business_central.emulator_rows import Row, sql_stamp
from mlconnector.systems.business_central.emulator_sales import LINES, SALES_INVOICES, SALES_ORDERS
from mlconnector.systems.business_central.emulator_write import read

if TYPE_CHECKING:
    from mlconnector.systems.business_central.emulator import BusinessCentral

Found = dict[str, Any]


class People:
    """Documents are named by their numbers, lines by their sequence; KeyError for what is not there.

    ValueError with BC's text for what BC refuses. `company` names another company than the first.
    """

    def __init__(self, emulator: BusinessCentral) -> None:
        self._emulator = emulator

    def release(self, number: str, *, company: str | None = None) -> Found:
        """An order or a draft invoice becomes Released, which the API shows as `Open`."""
        return self._set_state(number, "Open", company)

    def ask_for_approval(self, number: str, *, company: str | None = None) -> Found:
        """It waits for somebody's approval: `In_x0020_Review`."""
        return self._set_state(number, "In Review", company)

    def reopen(self, number: str, *, company: str | None = None) -> Found:
        """It can be edited again: `Draft`."""
        return self._set_state(number, "Draft", company)

    def post(self, number: str, *, company: str | None = None) -> Found:
        """Posts an order (ships and invoices) or a draft invoice; the posted invoice."""

        def work(where: Company, moment: Moment) -> Row:
            entity, row = _document(where, number)
            return (post_order if entity is SALES_ORDERS else post_invoice)(where, row, moment)

        return self._do(SALES_INVOICES, work, company)

    def pay(self, number: str, *, company: str | None = None) -> Found:
        """The customer pays a posted invoice: `Paid`, balances go down, the customer's stamp stays."""

        def work(where: Company, moment: Moment) -> Row:
            return pay_invoice(where, where.find(SALES_INVOICES, number), moment)

        return self._do(SALES_INVOICES, work, company)

    def add_line(self, number: str, *, company: str | None = None, **fields: Any) -> Found:
        """A new line of a draft, checked as the API checks it; the line."""
        entity = self._lines_of(number, company)

        def work(where: Company, moment: Moment) -> Row:
            document = _document(where, number)[1]
            return create(where, entity, {"documentId": document.id, **as_sent(fields)}, moment)

        return self._do(entity, work, company)

    def edit_line(self, number: str, sequence: int, *, company: str | None = None, **fields: Any) -> Found:
        """Changes a line of a draft; the line."""
        entity = self._lines_of(number, company)

        def work(where: Company, moment: Moment) -> Row:
            return change(where, entity, _line(where, number, sequence), as_sent(fields), moment)

        return self._do(entity, work, company)

    def delete_line(self, number: str, sequence: int, *, company: str | None = None) -> Found:
        """Takes a line out of a draft; the line as it was."""
        entity = self._lines_of(number, company)

        def work(where: Company, moment: Moment) -> Row:
            row = _line(where, number, sequence)
            remove(where, entity, row, moment)
            return row

        return self._do(entity, work, company)

    def delete_draft(self, number: str, *, company: str | None = None) -> Found:
        """Deletes an order or a draft invoice with its lines; the header as it was."""
        entity = self._entity_of(number, company)

        def work(where: Company, moment: Moment) -> Row:
            row = where.find(entity, number)
            remove(where, entity, row, moment)
            return row

        return self._do(entity, work, company)

    def block(
        self, entity: str, number: str, blocked: str | bool = "All", *, company: str | None = None
    ) -> Found:
        """Blocks a customer or vendor (`All`, `Ship`, … or `""`), or an item (True or False)."""
        value = bool(blocked) if entity == "items" else blocked
        return self._emulator.edit(entity, number, company=company, blocked=value)

    def set_price(self, item: str, price: Decimal | float | str, *, company: str | None = None) -> Found:
        """Another unit price; lines that there are keep theirs."""
        return self._emulator.edit("items", item, company=company, unitPrice=Decimal(str(price)))

    def move_stock(self, item: str, quantity: Decimal | float | str, *, company: str | None = None) -> Found:
        """So many pieces come in (or, negative, go out); the item's stamp stays."""

        def work(where: Company, moment: Moment) -> Row:
            draft = where.draft(ITEMS, where.find(ITEMS, item))
            draft["inventory"] += Decimal(str(quantity))
            draft["entries"] = True
            return where.store(draft, None, moment.now)

        return self._do(ITEMS, work, company)

    def merge_customers(self, gone: str, into: str, *, company: str | None = None) -> Found:
        """Merge Duplicate Records: documents and entries of `gone` are renamed to `into`, and `gone` is removed.

        The contact of `gone` stays, with no relation. The surviving customer keeps its fields; documents are stamped.
        """

        def work(where: Company, moment: Moment) -> Row:
            old, new = where.find(CUSTOMERS, gone), where.find(CUSTOMERS, into)
            _move_documents(where, old, new, moment)
            figures = ("balance", "totalSalesExcludingTax", "balanceDue", "overdueAmount")
            amounts = {name: read(CUSTOMERS, old, name) for name in figures}
            where.due = [
                replace(due, customer=new.id) if due.customer == old.id else due for due in where.due
            ]
            where.remove(CUSTOMERS, old, moment.now)
            move_amounts(where, new.id, moment, **amounts)
            return where.find(CUSTOMERS, into)

        return self._do(CUSTOMERS, work, company)

    def _do(self, entity: Entity, work: Callable[[Company, Moment], Row], company: str | None) -> Found:
        """Runs it under the lock and in a transaction; the row as the API shows it."""
        emulator = self._emulator
        with emulator.lock:
            now = sql_stamp(emulator.clock.now())
            where = emulator.company_named(company)
            try:
                with where.undo.transaction(now):
                    return shown(entity, work(where, where.moment(now)))
            except Problem as problem:
                raise ValueError(problem.message) from None

    def _set_state(self, number: str, state: str, company: str | None) -> Found:
        entity = self._entity_of(number, company)

        def work(where: Company, moment: Moment) -> Row:
            draft = where.draft(entity, where.find(entity, number))
            if "posted" in entity.columns and draft["posted"]:
                raise ValueError(f"{number} is posted")
            draft["status"] = encode_option(state)
            return where.store(draft, moment.stamp, moment.now)

        return self._do(entity, work, company)

    def _entity_of(self, number: str, company: str | None) -> Entity:
        return _document(self._emulator.company_named(company), number)[0]

    def _lines_of(self, number: str, company: str | None) -> Entity:
        return LINES[self._entity_of(number, company).name]


def _document(where: Company, number: str) -> tuple[Entity, Row]:
    for entity in (SALES_ORDERS, SALES_INVOICES):
        row = where.table(entity).by_key.get(number) or where.table(entity).by_id.get(number)
        if row is not None:
            return entity, row
    raise KeyError(f"no sales document {number!r}")


def _line(where: Company, number: str, sequence: int) -> Row:
    entity, document = _document(where, number)
    for row in where.table(LINES[entity.name]).below(document.id):
        if read(LINES[entity.name], row, "sequence") == sequence:
            return row
    raise KeyError(f"no line {sequence} in {number}")


def _move_documents(where: Company, old: Row, new: Row, moment: Moment) -> None:
    for entity in (SALES_ORDERS, SALES_INVOICES):
        for row in [*where.table(entity).rows]:
            draft = where.draft(entity, row)
            for stem in ("customer", "billToCustomer"):
                if draft[f"{stem}Id"] == old.id:
                    draft[f"{stem}Id"], draft[f"{stem}Number"] = new.id, new.key
            if tuple(draft.values) != row.values:
                where.store(draft, moment.stamp, moment.now)
