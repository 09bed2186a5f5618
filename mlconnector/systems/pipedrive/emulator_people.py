"""What people do in the emulated Pipedrive's web application; the rules are those of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import mlconnector.systems.pipedrive.emulator_contacts as contacts
import mlconnector.systems.pipedrive.emulator_lines as lines
import mlconnector.systems.pipedrive.emulator_products as products
import mlconnector.systems.pipedrive.emulator_records as records
from mlconnector.systems.pipedrive.emulator_state import Company, Record, User
from mlconnector.systems.pipedrive.emulator_view import Shape


class People:
    """Somebody who sees and may do everything. `custom` names fields as people do: `{"ERP number": "10000"}`."""

    def __init__(self, company: Company, lock: AbstractContextManager[Any]) -> None:
        self.company = company
        self.lock = lock
        """No request is answered while somebody acts."""

    @property
    def user(self) -> User:
        """The administrator."""
        return next(iter(self.company.users.values()))

    # looking

    def record(self, kind: str, record_id: int) -> Record:
        """A record as the API shows it, deleted ones too; KeyError if it was never there."""
        with self.lock:
            return Shape(self.company, kind).show(self._row(kind, record_id))

    def records(self, kind: str) -> list[Record]:
        """All records of a kind, deleted and archived ones too."""
        with self.lock:
            shape = Shape(self.company, kind)
            return [shape.show(row) for row in self.company.tables[kind].listed]

    def named(self, kind: str, name: str) -> Record:
        """The first record of that name (of a deal: title) that is not deleted; KeyError if there is none."""
        with self.lock:
            key = "title" if kind == "deal" else "name"
            for row in self.company.tables[kind].listed:
                if row[key] == name and not row["is_deleted"]:
                    return Shape(self.company, kind).show(row)
            raise KeyError(name)

    def lines(self, deal_id: int) -> list[Record]:
        """The lines of a deal."""
        with self.lock:
            return [lines.view(self.company, line) for line in self.company.lines(self._row("deal", deal_id))]

    def code(self, kind: str, field: str) -> str:
        """The hash of a custom field; KeyError if there is none of that name."""
        return self.company.fields[kind].named(field).code

    # any record

    def add(self, kind: str, custom: Mapping[str, Any] | None = None, **fields: Any) -> int:
        """A new record; its id."""
        with self.lock:
            body = {**fields, **self._custom(kind, custom)}
            number: int = records.create(self.company, self.user, kind, body)["id"]
            return number

    def edit(self, kind: str, record_id: int, custom: Mapping[str, Any] | None = None, **fields: Any) -> None:
        """Changes fields of a record."""
        with self.lock:
            row = self.company.editable(kind, record_id, self.user)
            records.change(self.company, kind, row, {**fields, **self._custom(kind, custom)})

    def delete(self, kind: str, record_id: int) -> None:
        """Into the bin, for 30 days."""
        with self.lock:
            self.company.delete(kind, self.company.editable(kind, record_id, self.user))

    def restore(self, kind: str, record_id: int) -> None:
        """Out of the bin."""
        with self.lock:
            self.company.change(kind, self._row(kind, record_id), {"is_deleted": False})

    def merge(self, kind: str, gone: int, into: int) -> None:
        """Merges a person or organization into another one, which survives."""
        with self.lock:
            rows = [self.company.editable(kind, one, self.user) for one in (gone, into)]
            contacts.merge(self.company, kind, *rows)

    def hide(self, kind: str, record_id: int) -> None:
        """Makes a record its owner's only."""
        self.edit(kind, record_id, visible_to=1)

    # deals

    def win(self, deal_id: int) -> None:
        """The deal is won."""
        self.edit("deal", deal_id, status="won")

    def lose(self, deal_id: int, reason: str = "Too expensive") -> None:
        """The deal is lost."""
        self.edit("deal", deal_id, status="lost", lost_reason=reason)

    def reopen(self, deal_id: int) -> None:
        """The deal is open again."""
        self.edit("deal", deal_id, status="open")

    def archive(self, deal_id: int) -> None:
        """The deal leaves the list for the archive."""
        self.edit("deal", deal_id, is_archived=True)

    def unarchive(self, deal_id: int) -> None:
        """The deal comes back from the archive."""
        self.edit("deal", deal_id, is_archived=False)

    def add_line(
        self, deal_id: int, product_id: int, item_price: float, quantity: float = 1, **fields: Any
    ) -> int:
        """A product on a deal; the line's id."""
        with self.lock:
            body = {"product_id": product_id, "item_price": item_price, "quantity": quantity, **fields}
            number: int = lines.add(self.company, self._row("deal", deal_id), [body])[0]["id"]
            return number

    def edit_line(self, deal_id: int, line_id: int, **fields: Any) -> None:
        """Changes a line of a deal."""
        with self.lock:
            deal = self._row("deal", deal_id)
            lines.change(self.company, deal, lines.find(self.company, deal, line_id), fields)

    def remove_line(self, deal_id: int, line_id: int) -> None:
        """Takes a product off a deal."""
        with self.lock:
            lines.remove(self.company, self._row("deal", deal_id), [line_id])

    def discount(self, deal_id: int, amount: float, type: str = "percentage", description: str = "") -> str:
        """A discount on the whole deal; its id."""
        with self.lock:
            body = {"type": type, "amount": amount, "description": description}
            deal = self._row("deal", deal_id)
            name: str = lines.add_discount(self.company, self.user, deal, body)["id"]
            return name

    # products and fields

    def rename_product(self, product_id: int, name: str) -> None:
        """The product has another name."""
        self.edit("product", product_id, name=name)

    def add_variation(self, product_id: int, name: str, prices: Sequence[Mapping[str, Any]] = ()) -> int:
        """A variation of a product; its id."""
        with self.lock:
            product = self._row("product", product_id)
            body = {"name": name, "prices": list(prices)}
            number: int = products.add_variation(self.company, product, body)["id"]
            return number

    def add_field(self, kind: str, name: str, type: str = "varchar", options: Sequence[str] = ()) -> str:
        """A custom field; its hash."""
        with self.lock:
            return self.company.fields[kind].create(name, type, options, self.company.stamp(), None).code

    def rename_field(self, kind: str, name: str, new_name: str) -> str:
        """The field has another name and keeps its hash, which is returned."""
        with self.lock:
            field = self.company.fields[kind].named(name)
            field.name, field.update_time = new_name, self.company.stamp()
            return field.code

    def delete_field(self, kind: str, name: str) -> None:
        """The field is gone, with all its values."""
        with self.lock:
            fields = self.company.fields[kind]
            fields.delete(fields.named(name))

    def add_filter(self, **conditions: Any) -> int:
        """A saved filter: fields and what they have to be; its id."""
        number = len(self.company.filters) + 1
        self.company.filters[number] = conditions
        return number

    def _row(self, kind: str, record_id: int) -> Record:
        return self.company.tables[kind].rows[record_id]

    def _custom(self, kind: str, custom: Mapping[str, Any] | None) -> dict[str, Any]:
        if custom is None:
            return {}
        return {"custom_fields": {self.code(kind, name): value for name, value in custom.items()}}
