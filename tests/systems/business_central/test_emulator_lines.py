"""Lines of sales documents: what items bring, what the order of fields does, amounts, discounts (2.10, 2.12, T17)."""

from __future__ import annotations

import pytest

ZERO = "00000000-0000-0000-0000-000000000000"
DIALOG = (400, "Application_DialogException")
LINE_FIELDS = (
    "id documentId sequence itemId accountId lineType lineObjectNumber description description2 "
    "unitOfMeasureId unitOfMeasureCode quantity unitPrice discountAmount discountPercent "
    "discountAppliedBeforeTax amountExcludingTax taxCode taxPercent totalTaxAmount amountIncludingTax "
    "invoiceDiscountAllocation netAmount netTaxAmount netAmountIncludingTax shipmentDate"
)
TO_COME = ["shippedQuantity", "invoicedQuantity", "invoiceQuantity", "shipQuantity"]
END = ["itemVariantId", "locationId"]
DESK = {"lineType": "Item", "lineObjectNumber": "1896-S"}


class Document:
    """A document of a customer within the country, and the calls for its lines."""

    def __init__(self, api, bc, entity="salesOrders", **header):
        bc.edit("customers", "C00060", currencyCode="", blocked="")
        self.api, self.lines = api, entity.removesuffix("s") + "Lines"
        body = {"customerNumber": "C00060", **header}
        self.id = api.call("POST", entity, json=body).json()["id"]
        self.path = f"{entity}({self.id})"

    def header(self):
        return self.api.get(self.path)

    def add(self, **line):
        answer = self.api.call("POST", f"{self.path}/{self.lines}", json=line)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def refused(self, **line):
        return self.api.error("POST", f"{self.path}/{self.lines}", json=line)

    def change(self, line, **body):
        path, headers = f"{self.lines}({line['id']})", {"If-Match": "*"}
        return self.api.call("PATCH", path, json=body, headers=headers)


@pytest.fixture
def order(api, bc):
    return Document(api, bc)


@pytest.fixture
def invoice(api, bc):
    return Document(api, bc, "salesInvoices")


# what a line shows and brings


def test_a_line_shows_every_field_in_page_order(order, invoice):
    assert list(order.add(**DESK))[2:] == [*LINE_FIELDS.split(), *TO_COME, *END]
    assert list(invoice.add(**DESK))[2:] == [*LINE_FIELDS.split(), *END]


def test_an_item_brings_description_unit_price_and_tax(order, bc):
    line, item = order.add(**DESK, quantity=3), bc.row("items", "1896-S")
    assert (line["itemId"], line["description"], line["unitOfMeasureCode"]) == (
        item["id"],
        "ATHENS Desk",
        "PCS",
    )
    assert (line["unitPrice"], line["taxCode"], line["taxPercent"]) == (1000.8, "STANDARD", 19)
    assert (line["shipQuantity"], line["invoiceQuantity"], line["shippedQuantity"]) == (3, 3, 0)
    assert line["shipmentDate"] == "2026-07-21"


def test_an_item_id_sets_type_and_number(order, bc):
    line = order.add(itemId=bc.row("items", "1900-S")["id"])
    assert (line["lineType"], line["lineObjectNumber"], line["quantity"]) == ("Item", "1900-S", 0)


def test_an_account_id_sets_type_and_number(order, api):
    account = api.get("accounts", filter="number eq '6810'")["value"][0]
    line = order.add(accountId=account["id"], quantity=1, unitPrice=50)
    assert (line["lineType"], line["description"], line["netAmount"]) == ("Account", "Fees and Charges", 50)


def test_a_line_without_a_type_is_a_comment(order):
    line = order.add(description="Please ring twice")
    assert (line["lineType"], line["sequence"], line["amountIncludingTax"]) == ("Comment", 10000, 0)


def test_a_comment_has_no_quantity(order):
    status, code, message = order.refused(lineType="Comment", quantity=1)
    assert (status, code) == (400, "Application_FieldValidationException")
    assert message.startswith("Type must have a value in Sales Line: Document Type=Order")


def test_unknown_items_units_and_variants_are_refused(order, bc):
    assert order.refused(lineType="Item", lineObjectNumber="NONE") == (*DIALOG, "Item does not exist.")
    assert order.refused(itemId=ZERO[:-1] + "1") == (*DIALOG, "Item does not exist.")
    assert order.refused(accountId=ZERO[:-1] + "1") == (*DIALOG, "Account does not exist.")
    assert order.refused(**DESK, unitOfMeasureCode="BOX")[1] == "Internal_InvalidTableRelation"
    both = order.refused(itemId=bc.row("items", "1896-S")["id"], accountId=ZERO)
    assert both[2] == 'Both "itemId" and "accountId" are specified. Specify only one of them.'


def test_a_blocked_item_is_not_sold(order, bc):
    bc.edit("items", "1896-S", blocked=True)
    assert order.refused(**DESK)[2].startswith("Blocked must be equal to 'No'  in Item: No.=1896-S.")


# the order of fields


def test_a_price_before_the_quantity_is_reset_and_one_behind_it_counts(order):
    assert order.add(**DESK, unitPrice=900, quantity=2)["unitPrice"] == 1000.8
    assert order.add(**DESK, quantity=2, unitPrice=900)["unitPrice"] == 900


def test_a_type_behind_the_number_forgets_it(order):
    line = order.add(lineObjectNumber="1896-S", lineType="Item")
    assert (line["lineType"], line["lineObjectNumber"], line["unitPrice"]) == ("Item", "", 0)


def test_in_page_order_the_order_of_the_body_does_not_matter(order, bc):
    bc.setup.property_order = "page"
    line = order.add(unitPrice=900, quantity=2, lineObjectNumber="1896-S", lineType="Item")
    assert (line["lineObjectNumber"], line["unitPrice"]) == ("1896-S", 900)


def test_another_quantity_finds_the_price_again(order):
    line = order.add(**DESK, quantity=2, unitPrice=900)
    assert order.change(line, quantity=3).json()["unitPrice"] == 1000.8


# amounts


def test_amounts_are_rounded_half_away_from_zero(order):
    line = order.add(**DESK, quantity=1, unitPrice=10.125)
    assert (line["amountExcludingTax"], line["totalTaxAmount"], line["amountIncludingTax"]) == (
        10.13,
        1.92,
        12.05,
    )


def test_of_discount_amount_and_percent_each_computes_the_other(order):
    line = order.add(**DESK, quantity=2, unitPrice=100, discountPercent=10)
    assert (line["discountAmount"], line["amountExcludingTax"]) == (20, 180)
    changed = order.change(line, discountAmount=50).json()
    assert (changed["discountPercent"], changed["amountExcludingTax"]) == (25, 150)
    assert order.change(line, discountPercent=101).status_code == 400


def test_prices_may_include_the_tax(api, bc):
    order = Document(api, bc, pricesIncludeTax=True)
    line = order.add(**DESK, quantity=1, unitPrice=119)
    assert (line["amountExcludingTax"], line["totalTaxAmount"], line["amountIncludingTax"]) == (100, 19, 119)
    assert order.add(**DESK, quantity=1)["unitPrice"] == 1190.952


def test_prices_come_in_the_currency_of_the_document(api, bc):
    order = Document(api, bc, currencyCode="USD")
    assert order.add(**DESK, quantity=1)["unitPrice"] == 1087.826  # a dollar is worth 0.92 euro


def test_customers_abroad_pay_no_tax(api, bc):
    area = next(row for row in bc.rows("taxAreas") if row["code"] == "EXPORT")
    bc.edit("customers", "C00060", taxAreaId=area["id"])
    assert Document(api, bc).add(**DESK, quantity=1)["taxPercent"] == 0


def test_the_header_sums_up_its_lines(order):
    order.add(**DESK, quantity=2)
    line = order.add(lineType="Item", lineObjectNumber="1900-S", quantity=1)
    header = order.header()
    assert (header["totalAmountExcludingTax"], header["totalTaxAmount"]) == (2194.4, 416.93)
    assert header["totalAmountIncludingTax"] == 2611.33
    order.api.call("DELETE", f"salesOrderLines({line['id']})")
    assert order.header()["totalAmountExcludingTax"] == 2001.6


def test_an_invoice_discount_is_spread_over_the_lines_and_again_when_they_change(order):
    first = order.add(**DESK, quantity=1, unitPrice=100)
    order.add(**DESK, quantity=1, unitPrice=200)
    headers = {"If-Match": "*"}
    row = order.api.call("PATCH", order.path, json={"discountAmount": 10}, headers=headers).json()
    assert (row["discountAmount"], row["totalAmountExcludingTax"], row["totalTaxAmount"]) == (10, 290, 55.1)
    shares = [
        line["invoiceDiscountAllocation"] for line in order.api.get(f"{order.path}/salesOrderLines")["value"]
    ]
    assert shares == [3.33, 6.67]
    order.change(first, unitPrice=200)
    lines = order.api.get(f"{order.path}/salesOrderLines")["value"]
    assert [(line["invoiceDiscountAllocation"], line["netAmount"]) for line in lines] == [(5, 195), (5, 195)]


def test_an_invoice_discount_needs_lines(order):
    headers = {"If-Match": "*"}
    answer = order.api.error("PATCH", order.path, json={"discountAmount": 10}, headers=headers)
    assert answer[:2] == DIALOG


# sequence, parents, stamps


def test_sequences_go_up_by_ten_thousand_and_are_fixed(order, invoice):
    order.add(sequence=15000)
    assert order.add()["sequence"] == 25000
    text = "You cannot insert a line because a line already exists."
    assert order.refused(sequence=15000) == (*DIALOG, text)
    for document, name in ((order, "sequence"), (invoice, '"sequence"')):
        moved = document.change(document.add(), sequence=5)
        text = f"The value for {name} cannot be modified. Delete and insert the line again."
        assert moved.json()["error"]["message"].startswith(text)


def test_number_and_document_of_a_line_are_fixed(order, invoice):
    line = order.add(**DESK)
    for name, value in (("lineObjectNumber", "1900-S"), ("documentId", invoice.id)):
        message = order.change(line, **{name: value}).json()["error"]["message"]
        assert message.startswith(f'The value for "{name}" cannot be modified.')


def test_lines_can_be_read_only_by_document_or_id(order, api):
    line = order.add(**DESK)
    text = "You must specify an Id or a Document Id to get the lines."
    assert api.error("GET", "salesOrderLines") == (*DIALOG, text)
    assert api.error("GET", "salesOrderLines?$filter=quantity gt 1") == (*DIALOG, text)
    assert api.get("salesOrderLines", filter=f"documentId eq {order.id}")["value"][0]["id"] == line["id"]
    assert api.get(f"salesOrderLines({line['id']})")["documentId"] == order.id
    below = api.get(f"{order.path}/salesOrderLines")
    assert below["@odata.context"].endswith(f"/{order.path}/salesOrderLines")


def test_a_line_is_reached_through_its_own_document_only(order, invoice, api, bc):
    line, other = order.add(**DESK), Document(api, bc)
    assert api.get(f"{order.path}/salesOrderLines({line['id']})")["id"] == line["id"]
    assert api.call("GET", f"{other.path}/salesOrderLines({line['id']})").status_code == 404
    assert api.call("GET", f"{order.path}/salesOrderLines/$count").text == "1"


def test_a_line_can_be_posted_flat_with_its_document_named_anywhere(order, api):
    answer = api.call("POST", "salesOrderLines", json={**DESK, "documentId": order.id})
    assert (answer.status_code, answer.json()["documentId"]) == (201, order.id)
    text = "You must specify an Id or a Document Id to get the lines."
    assert api.error("POST", "salesOrderLines", json=DESK) == (*DIALOG, text)


def test_the_header_s_stamp_and_etag_move_with_its_lines(order, clock):
    seen = [order.header()]
    line = order.add(**DESK, quantity=1)
    for change in (
        lambda: order.change(line, quantity=2),
        lambda: order.api.call("DELETE", f"salesOrderLines({line['id']})"),
    ):
        seen.append(order.header())
        clock.advance(60)
        change()
    seen.append(order.header())
    stamps = [row["lastModifiedDateTime"] for row in seen]
    assert stamps[0] == stamps[1] < stamps[2] < stamps[3]
    assert len({row["@odata.etag"] for row in seen}) == 4


def test_lines_of_a_released_order_stay_as_they_are(api, bc):
    released = bc.row("salesOrders", "S-ORD101003")
    line = api.get(f"salesOrders({released['id']})/salesOrderLines")["value"][0]
    path, headers = f"salesOrderLines({line['id']})", {"If-Match": "*"}
    new = api.error("POST", f"salesOrders({released['id']})/salesOrderLines", json=DESK)
    for answer in (
        new,
        api.error("PATCH", path, json={"quantity": 1}, headers=headers),
        api.error("DELETE", path),
    ):
        assert answer[1] == "Application_FieldValidationException"
        assert answer[2].startswith("Status must be equal to 'Open'")
