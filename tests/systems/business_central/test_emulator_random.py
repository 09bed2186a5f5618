"""Whatever is sent to the emulated Business Central, each call is answered and its documents stay consistent."""

from __future__ import annotations

import random

import pytest

from mlconnector.systems.business_central.emulator_entities import ENTITIES

SETS = (
    "customers",
    "contacts",
    "items",
    "salesOrders",
    "salesInvoices",
    "salesOrderLines",
    "salesInvoiceLines",
)
TEXTS = ("", "abc", "1896-S", "10000", "EUR", "USD", "STANDARD", "PCS", "x" * 200)
ODD = (None, [], {}, -1, 1e30, True, "00000000-0000-0000-0000-000000000000")
GUIDS = {"itemId": "items", "accountId": "accounts", "documentId": "salesOrders"}
ACTIONS = ("post", "shipAndInvoice", "cancel", "send", "postAndSend")
LINE = {"lineType": "Item", "lineObjectNumber": "1896-S", "quantity": 2}


class Hand:
    """Makes up requests; one seed makes the same ones each time."""

    def __init__(self, bc, seed):
        self.tables = bc.companies[0].tables
        self.random = random.Random(seed)

    def id(self, entity):
        return self.random.choice([row.id for row in self.tables[entity].rows] or [ODD[-1]])

    def value(self, field):
        if self.random.random() < 0.05:
            return self.random.choice(ODD)
        known = {
            "decimal": (0, 1, 2.5, 100, -3),
            "bool": (True, False),
            "int": (0, 10000, 77),
            "enum": field.options,
        }
        known["date"] = ("2026-01-31", "0001-01-01", "2019-01-01")
        if field.kind == "guid":
            return self.id(field.refers or GUIDS.get(field.name, "customers"))
        return self.random.choice(known.get(field.kind, TEXTS))

    def body(self, name):
        fields = [field for field in ENTITIES[name].fields if field.access == "W"]
        body = {
            field.name: self.value(field) for field in self.random.sample(fields, self.random.randint(1, 5))
        }
        if name in ("salesOrders", "salesInvoices"):
            body["discountAmount"] = self.random.choice((0, 10.01))
            return {"customerNumber": "C00060", **body, name.removesuffix("s") + "Lines": [LINE, LINE]}
        return body

    def request(self):
        name, chance = self.random.choice(SETS), self.random.random()
        one = f"{name}({self.id(name)})"
        if chance < 0.45:
            return "POST", name, self.body(name)
        if chance < 0.8:
            return (
                "PATCH",
                one,
                {key: value for key, value in self.body(name).items() if not isinstance(value, list)},
            )
        if chance < 0.9:
            return "POST", f"{one}/Microsoft.NAV.{self.random.choice(ACTIONS)}", None
        return "DELETE", one, None


def check(bc, header, lines):
    """Totals and discount are those of the lines, and no line is without its document."""
    known, rows = {row["id"]: row for row in bc.rows(header)}, bc.rows(lines)
    assert {line["documentId"] for line in rows} <= known.keys()
    for id, row in known.items():
        own = [line for line in rows if line["documentId"] == id]
        assert sum(line["netAmountIncludingTax"] for line in own) == row["totalAmountIncludingTax"], row[
            "number"
        ]
        assert sum(line["invoiceDiscountAllocation"] for line in own) == row["discountAmount"], row["number"]


@pytest.mark.parametrize("seed", range(2))
def test_after_any_calls_documents_are_the_sum_of_their_lines(bc, api, seed):
    bc.edit("customers", "C00060", currencyCode="", blocked="")
    hand, answers = Hand(bc, seed), []
    for method, path, body in (hand.request() for _ in range(200)):
        answers.append(api.call(method, path, json=body, headers={"If-Match": "*"}).status_code)
    assert {200, 201, 204, 400} <= set(answers) <= {200, 201, 204, 400, 404, 501}
    check(bc, "salesOrders", "salesOrderLines")
    check(bc, "salesInvoices", "salesInvoiceLines")
