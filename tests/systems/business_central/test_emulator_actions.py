"""Posting in the emulated Business Central, by bound action and in the client: states, numbers, amounts (2.11, E22)."""

from __future__ import annotations

import pytest

DIALOG = (400, "Application_DialogException")
FIELD = (400, "Application_FieldValidationException")
NUMBER = "C00060"
DESK = {"lineType": "Item", "lineObjectNumber": "1896-S", "quantity": 2}


@pytest.fixture(autouse=True)
def buyer(bc):
    """Who buys within the country and owes nothing."""
    figures = dict.fromkeys(("balance", "balanceDue", "overdueAmount", "totalSalesExcludingTax"), 0)
    fields = {"currencyCode": "", "blocked": "", "email": "einkauf@contoso.com", **figures}
    return bc.edit("customers", NUMBER, **fields)


@pytest.fixture
def order(api):
    return make(api, "salesOrders", salesOrderLines=[DESK])


@pytest.fixture
def invoice(api):
    return make(api, "salesInvoices", salesInvoiceLines=[DESK])


def make(api, entity, **body):
    return api.call("POST", entity, json={"customerNumber": NUMBER, **body}).json()


def act(api, row, action, entity="salesInvoices", **headers):
    return api.call("POST", f"{entity}({row['id']})/Microsoft.NAV.{action}", headers=headers)


def refused(api, row, action, entity="salesInvoices"):
    return api.error("POST", f"{entity}({row['id']})/Microsoft.NAV.{action}")


# invoices


@pytest.mark.parametrize("action", ["post", "Post", "POST"])
def test_a_posted_invoice_keeps_its_id_and_gets_another_number(api, invoice, action):
    answer = act(api, invoice, action)
    assert (answer.status_code, answer.content) == (204, b"")
    posted = api.get(f"salesInvoices({invoice['id']})")
    assert (invoice["number"], posted["number"]) == ("S-INV102205", "PS-INV103003")
    assert (posted["status"], posted["remainingAmount"]) == ("Open", posted["totalAmountIncludingTax"])
    assert len(api.get(f"salesInvoices({invoice['id']})/salesInvoiceLines")["value"]) == 1


def test_only_a_draft_can_be_posted_and_only_a_posted_invoice_cancelled(api, invoice):
    posted_only = (*DIALOG, "The action can be applied to a posted invoice only.")
    assert refused(api, invoice, "cancel") == posted_only
    act(api, invoice, "post")
    assert refused(api, invoice, "post") == (*DIALOG, "The action can be applied to a draft invoice only.")
    assert act(api, invoice, "cancel").status_code == 204
    assert api.get(f"salesInvoices({invoice['id']})")["status"] == "Canceled"
    text = "The invoice cannot be canceled because it has already been canceled."
    assert refused(api, invoice, "cancel") == (*DIALOG, text)


def test_mail_is_sent_after_the_posting_is_kept(bc, api, invoice):
    assert act(api, invoice, "postAndSend").status_code == 204
    assert bc.companies[0].mailed == ["PS-INV103003"]
    silent = make(api, "salesInvoices", email="", salesInvoiceLines=[DESK])
    assert refused(api, silent, "postAndSend")[2].startswith("The send-to email is empty.")
    assert api.get(f"salesInvoices({silent['id']})")["number"] == "PS-INV103004"


def test_an_unknown_action_is_a_501_and_a_stale_token_a_409(bc, api, invoice):
    assert refused(api, invoice, "makeTea")[:2] == (501, "BadRequest_MethodNotImplemented")
    bc.edit("salesInvoices", invoice["number"], externalDocumentNumber="PO 9")
    stale = act(api, invoice, "post", **{"If-Match": invoice["@odata.etag"]})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "Request_EntityChanged")
    assert act(api, invoice, "post").status_code == 204


def test_lines_of_a_posted_invoice_stay(bc, api, invoice):
    act(api, invoice, "post")
    line = api.get(f"salesInvoices({invoice['id']})/salesInvoiceLines")["value"][0]
    text = "The invoice has been posted and can no longer be modified."
    assert api.error("DELETE", f"salesInvoiceLines({line['id']})") == (*DIALOG, text)


def test_metadata_names_the_actions(api):
    text = api.call("GET", f"{api.root}/$metadata").text
    assert '<Action Name="shipAndInvoice" IsBound="true">' in text
    assert 'Type="Microsoft.NAV.salesOrder"/></Action>' in text


# orders


def test_a_finished_order_disappears_and_its_invoice_names_it(api, order):
    assert act(api, order, "shipAndInvoice", "salesOrders").status_code == 204
    assert api.call("GET", f"salesOrders({order['id']})").status_code == 404
    rows = api.get("salesInvoices", filter=f"orderNumber eq '{order['number']}'")["value"]
    assert [(row["orderId"], row["status"], row["number"]) for row in rows] == [
        (order["id"], "Open", "PS-INV103003")
    ]
    assert rows[0]["id"] != order["id"]
    assert rows[0]["totalAmountIncludingTax"] == order["totalAmountIncludingTax"] == 2381.9
    lines = api.get(f"salesInvoices({rows[0]['id']})/salesInvoiceLines")["value"]
    assert [(line["lineObjectNumber"], line["quantity"]) for line in lines] == [("1896-S", 2)]


def test_an_order_in_parts_stays_until_the_last(api, order):
    line = api.get(f"salesOrders({order['id']})/salesOrderLines")["value"][0]
    part = {"shipQuantity": 1, "invoiceQuantity": 1}
    api.call("PATCH", f"salesOrderLines({line['id']})", json=part, headers={"If-Match": "*"})
    act(api, order, "shipAndInvoice", "salesOrders")
    line = api.get(f"salesOrderLines({line['id']})")
    assert (line["shippedQuantity"], line["invoicedQuantity"], line["shipQuantity"]) == (1, 1, 1)
    act(api, order, "shipAndInvoice", "salesOrders")
    assert api.call("GET", f"salesOrders({order['id']})").status_code == 404
    totals = [
        row["totalAmountExcludingTax"]
        for row in api.get("salesInvoices", filter="orderNumber ne ''")["value"]
    ]
    assert totals == [1000.8, 1000.8]


@pytest.mark.parametrize("verb", ["ship", "invoice"])
def test_no_more_goes_out_than_was_ordered(api, order, verb):
    line = api.get(f"salesOrders({order['id']})/salesOrderLines")["value"][0]
    path, headers = f"salesOrderLines({line['id']})", {"If-Match": "*"}
    answer = api.error("PATCH", path, json={f"{verb}Quantity": 3}, headers=headers)
    assert answer == (*DIALOG, f"You cannot {verb} more than 2 units.")


def test_an_order_without_lines_is_not_posted(api):
    text = "Please add at least one line item to the document."
    empty = make(api, "salesOrders")
    assert refused(api, empty, "shipAndInvoice", "salesOrders") == (*DIALOG, text)


# what posting stumbles over


@pytest.mark.parametrize(
    ("entity", "number", "fields", "text"),
    [
        ("customers", NUMBER, {"customerPostingGroup": ""}, "Customer Posting Group must have a value in Customer: "
         "No.=C00060. It cannot be zero or empty."),
        ("customers", NUMBER, {"generalBusinessPostingGroup": ""}, "Gen. Bus. Posting Group must have"),
        ("items", "1896-S", {"inventoryPostingGroupCode": ""}, "Inventory Posting Group must have a value in Item:"),
        ("items", "1896-S", {"blocked": True}, "Blocked must be equal to 'No'  in Item: No.=1896-S."),
    ],
)  # fmt: skip
def test_posting_needs_posting_groups_and_unblocked_items(bc, api, order, entity, number, fields, text):
    bc.edit(entity, number, **fields)
    answer = refused(api, order, "shipAndInvoice", "salesOrders")
    assert (answer[:2], answer[2].startswith(text)) == (FIELD, True), answer
    assert api.get(f"salesOrders({order['id']})")["number"] == order["number"]


def test_a_customer_made_without_a_template_cannot_be_invoiced(bc, api):
    bc.setup.templates = False
    made = api.call("POST", "customers", json={"displayName": "Bare"}).json()
    assert made["paymentTermsId"] == "00000000-0000-0000-0000-000000000000"
    bare = make(api, "salesInvoices", customerNumber=made["number"], salesInvoiceLines=[DESK])
    assert refused(api, bare, "post")[:2] == FIELD


def test_a_customer_blocked_meanwhile_is_not_invoiced(bc, api, order):
    bc.people.block("customers", NUMBER, "Ship")
    status, code, message = refused(api, order, "shipAndInvoice", "salesOrders")
    assert (status, code) == DIALOG
    assert message.startswith("You cannot post this type of document")


def test_an_external_number_can_be_mandatory_at_posting(bc, api, invoice):
    bc.setup.external_document_required = True
    answer = refused(api, invoice, "post")
    assert answer[:2] == FIELD
    assert answer[2].startswith(
        "External Document No. must have a value in Sales Header: Document Type=Invoice"
    )
    bc.edit("salesInvoices", invoice["number"], externalDocumentNumber="PO 7")
    assert act(api, invoice, "post").status_code == 204


# amounts


def figures(bc, api):
    row = bc.row("customers", NUMBER)
    detail = api.get(f"customers({row['id']})/customerFinancialDetail")
    return row["balanceDue"], detail["balance"], detail["totalSalesExcludingTax"], detail["overdueAmount"]


def test_posting_moves_balances_and_not_the_customer_s_stamp(bc, api, invoice, buyer, clock):
    clock.advance(60)
    act(api, invoice, "post")
    assert figures(bc, api) == (0, 2381.9, 2001.6, 0)
    row = bc.row("customers", NUMBER)
    assert row["lastModifiedDateTime"] == buyer["lastModifiedDateTime"]


def test_what_is_not_paid_falls_due_without_moving_a_stamp(bc, api, invoice, buyer, clock):
    act(api, invoice, "post")
    before = api.get(f"customers({buyer['id']})")
    clock.advance(40 * 86_400)
    bc.login.tokens.clear()
    api.session.headers["Authorization"] = f"Bearer {api.token().json()['access_token']}"
    after = api.get(f"customers({buyer['id']})")
    assert (before["balanceDue"], after["balanceDue"]) == (0, 2381.9)
    assert after["lastModifiedDateTime"] == before["lastModifiedDateTime"]
    bc.people.pay("PS-INV103003")
    assert figures(bc, api) == (0, 0, 2001.6, 0)


def test_a_cancelled_invoice_takes_its_amounts_and_goods_back(bc, api, invoice):
    stock = bc.row("items", "1896-S")
    act(api, invoice, "post")
    sold = bc.row("items", "1896-S")
    assert (stock["inventory"] - sold["inventory"], sold["lastModifiedDateTime"]) == (
        2,
        stock["lastModifiedDateTime"],
    )
    act(api, invoice, "cancel")
    assert figures(bc, api) == (0, 0, 0, 0)
    assert bc.row("items", "1896-S")["inventory"] == stock["inventory"]


# in the client


def test_people_release_reopen_and_post(bc, api, order, clock):
    clock.advance(60)
    released = bc.people.release(order["number"])
    assert (released["status"], released["lastModifiedDateTime"] > order["lastModifiedDateTime"]) == (
        "Open",
        True,
    )
    with pytest.raises(ValueError, match="Status must be equal to 'Open'"):
        bc.people.edit_line(order["number"], 10000, quantity=3)
    assert bc.people.ask_for_approval(order["number"])["status"] == "In_x0020_Review"
    with pytest.raises(ValueError, match="Pending Approval"):
        bc.people.post(order["number"])
    assert bc.people.reopen(order["number"])["status"] == "Draft"
    assert bc.people.post(order["number"])["orderNumber"] == order["number"]


def test_people_edit_lines_and_delete_drafts(bc, api, order):
    assert bc.people.edit_line(order["number"], 10000, quantity=3, unitPrice=900)["netAmount"] == 2700
    bc.people.add_line(order["number"], lineType="Comment", description="by hand")
    bc.people.delete_line(order["number"], 10000)
    assert bc.row("salesOrders", order["number"])["totalAmountExcludingTax"] == 0
    bc.people.delete_draft(order["number"])
    with pytest.raises(KeyError, match="no sales document"):
        bc.people.post(order["number"])


def test_people_enter_a_document_with_lines(bc):
    made = bc.add("salesOrders", customerNumber=NUMBER, salesOrderLines=[{**DESK, "unitPrice": 99.5}])
    assert made["totalAmountExcludingTax"] == 199
    with pytest.raises(ValueError, match="cannot be found"):
        bc.add("salesOrders", customerNumber="NOBODY")


def test_a_new_price_leaves_lines_alone_and_a_stock_movement_the_stamp(bc, order, clock):
    clock.advance(60)
    dearer = bc.people.set_price("1896-S", "1100.5")
    assert dearer["lastModifiedDateTime"] > order["lastModifiedDateTime"]
    assert float(bc.row("salesOrders", order["number"])["totalAmountExcludingTax"]) == 2001.6
    clock.advance(60)
    moved = bc.people.move_stock("1896-S", -3)
    assert (moved["inventory"], moved["lastModifiedDateTime"]) == (1, dearer["lastModifiedDateTime"])


def test_merging_customers_moves_documents_and_balances_and_removes_one(bc, api, order, clock):
    duplicate = bc.add("customers", displayName="Bürohaus Süd (double)")
    made = make(api, "salesInvoices", customerNumber=duplicate["number"], salesInvoiceLines=[DESK])
    act(api, made, "post")
    clock.advance(60)
    bc.people.merge_customers(duplicate["number"], NUMBER)
    moved = api.get(f"salesInvoices({made['id']})")
    assert (moved["customerNumber"], moved["status"]) == (NUMBER, "Open")
    assert moved["lastModifiedDateTime"] > made["lastModifiedDateTime"]
    assert figures(bc, api)[1] == 2381.9
    assert api.call("GET", f"customers({duplicate['id']})").status_code == 404
