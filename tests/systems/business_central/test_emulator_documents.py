"""Sales orders and invoices of the emulated Business Central: headers, deep inserts, changes (2.9, 2.11)."""

from __future__ import annotations

import pytest
import requests

ZERO = "00000000-0000-0000-0000-000000000000"
ORDER_FIELDS = (
    "id number externalDocumentNumber orderDate postingDate customerId customerNumber customerName "
    "billToName billToCustomerId billToCustomerNumber shipToName shipToContact sellToAddressLine1 "
    "sellToAddressLine2 sellToCity sellToCountry sellToState sellToPostCode billToAddressLine1 "
    "billToAddressLine2 billToCity billToCountry billToState billToPostCode shipToAddressLine1 "
    "shipToAddressLine2 shipToCity shipToCountry shipToState shipToPostCode shortcutDimension1Code "
    "shortcutDimension2Code currencyId currencyCode pricesIncludeTax paymentTermsId shipmentMethodId "
    "salesperson partialShipping requestedDeliveryDate discountAmount discountAppliedBeforeTax "
    "totalAmountExcludingTax totalTaxAmount totalAmountIncludingTax fullyShipped status "
    "lastModifiedDateTime phoneNumber email"
)
INVOICE_FIELDS = (
    "id number externalDocumentNumber invoiceDate postingDate dueDate promisedPayDate "
    "customerPurchaseOrderReference customerId customerNumber customerName billToName billToCustomerId "
    "billToCustomerNumber shipToName shipToContact sellToAddressLine1 sellToAddressLine2 sellToCity "
    "sellToCountry sellToState sellToPostCode billToAddressLine1 billToAddressLine2 billToCity "
    "billToCountry billToState billToPostCode shipToAddressLine1 shipToAddressLine2 shipToCity "
    "shipToCountry shipToState shipToPostCode currencyId shortcutDimension1Code shortcutDimension2Code "
    "currencyCode orderId orderNumber paymentTermsId shipmentMethodId salesperson disputeStatusId "
    "disputeStatus pricesIncludeTax remainingAmount discountAmount discountAppliedBeforeTax "
    "totalAmountExcludingTax totalTaxAmount totalAmountIncludingTax status lastModifiedDateTime "
    "phoneNumber email"
)
DIALOG = (400, "Application_DialogException")
DESK = {"lineType": "Item", "lineObjectNumber": "1896-S", "quantity": 2}


def post(api, entity="salesOrders", **body):
    answer = api.call("POST", entity, json={"customerNumber": "C00060", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(api, entity="salesOrders", **body):
    return api.error("POST", entity, json=body)


def patch(api, row, entity="salesOrders", **body):
    return api.call("PATCH", f"{entity}({row['id']})", json=body, headers={"If-Match": "*"})


@pytest.fixture
def buyer(bc):
    """A customer within the country, who pays in the local currency, within a month."""
    return bc.edit(
        "customers",
        "C00060",
        displayName="Bürohaus Süd",
        addressLine1="Ringstraße 4",
        city="Ulm",
        country="DE",
        postalCode="89073",
        email="einkauf@contoso.com",
        phoneNumber="+49 731 555",
        salespersonCode="JO",
        currencyCode="",
        blocked="",
    )


@pytest.fixture(autouse=True)
def _there_is_a_buyer(buyer):
    """Every document here is his."""


# what a document shows


@pytest.mark.parametrize(
    ("entity", "fields"), [("salesOrders", ORDER_FIELDS), ("salesInvoices", INVOICE_FIELDS)]
)
def test_a_document_shows_every_field_in_page_order(api, entity, fields):
    row = post(api, entity)
    assert list(row) == ["@odata.context", "@odata.etag", *fields.split()]
    assert None not in row.values()


def test_a_header_takes_names_address_terms_and_currency_from_its_customer(api, buyer):
    row = post(api)
    assert (row["customerId"], row["customerNumber"]) == (buyer["id"], "C00060")
    assert {row[name] for name in ("customerName", "billToName", "shipToName")} == {"Bürohaus Süd"}
    for part in ("sellTo", "billTo", "shipTo"):
        assert (row[f"{part}City"], row[f"{part}PostCode"], row[f"{part}Country"]) == ("Ulm", "89073", "DE")
    assert (row["email"], row["phoneNumber"]) == (buyer["email"], buyer["phoneNumber"])
    assert (row["salesperson"], row["paymentTermsId"]) == ("JO", buyer["paymentTermsId"])
    assert (row["currencyCode"], row["currencyId"], row["status"]) == ("EUR", ZERO, "Draft")


def test_dates_start_with_today_and_the_due_date_with_the_terms(api):
    order, invoice = post(api), post(api, "salesInvoices")
    assert (order["orderDate"], order["postingDate"], order["requestedDeliveryDate"]) == (
        "2026-07-21",
        "2026-07-21",
        "0001-01-01",
    )
    assert (invoice["invoiceDate"], invoice["dueDate"]) == ("2026-07-21", "2026-08-21")
    later = patch(api, invoice, "salesInvoices", invoiceDate="2026-01-31").json()
    assert later["dueDate"] == "2026-02-28"


def test_drafts_have_series_of_their_own(api, bc):
    orders = [post(api)["number"], post(api)["number"]]
    assert orders == ["S-ORD101005", "S-ORD101006"]
    assert post(api, "salesInvoices")["number"] == "S-INV102205"


def test_the_number_of_a_document_cannot_be_sent(api):
    assert refused(api, customerNumber="10000", number="X1") == (
        400,
        "BadRequest_InvalidOperation",
        "Control 'No.' is read-only",
    )


# customers and references


def test_a_document_needs_a_customer_that_there_is(api):
    assert refused(api) == (*DIALOG, 'A "customerNumber" or a "customerId" must be provided.')
    unknown = (*DIALOG, "The sell-to customer cannot be found.")
    assert refused(api, customerNumber="NOBODY") == unknown
    assert refused(api, customerId="11111111-2222-3333-4444-555555555555") == unknown


def test_number_and_id_must_be_of_one_customer(api, bc, buyer):
    other = bc.row("customers", "10000")["id"]
    text = "The sell-to customer values do not match to a specific Customer."
    assert refused(api, customerNumber="C00060", customerId=other) == (*DIALOG, text)
    assert post(api, customerId=buyer["id"])["customerNumber"] == "C00060"


def test_the_customer_comes_first_or_overwrites_what_stands_before_it(api):
    late = api.call("POST", "salesOrders", json={"sellToCity": "Bonn", "customerNumber": "C00060"}).json()
    assert (late["sellToCity"], post(api, sellToCity="Bonn")["sellToCity"]) == ("Ulm", "Bonn")


def test_with_page_order_the_customer_is_always_first(api, bc):
    bc.setup.property_order = "page"
    row = api.call("POST", "salesOrders", json={"sellToCity": "Bonn", "customerNumber": "C00060"}).json()
    assert row["sellToCity"] == "Bonn"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"currencyCode": "XXX"}, 'The "currencyCode" does not match to a Currency.'),
        ({"paymentTermsId": ZERO[:-1] + "1"}, 'The "paymentTermsId" does not match to a Payment Terms.'),
        (
            {"externalDocumentNumber": "x" * 36},
            "The length of the string is 36, but it must be less than or equal to 35",
        ),
        ({"sellToCountry": "UK"}, "The field Sell To Country of table Sales Header contains a value (UK)"),
        ({"salesperson": "XX"}, "The field Salesperson Code of table Sales Header contains a value (XX)"),
    ],
)
def test_values_of_a_header_are_checked(api, body, text):
    status, _, message = refused(api, customerNumber="C00060", **body)
    assert (status, message.startswith(text)) == (400, True), message


def test_a_currency_without_a_rate_is_refused(api):
    api.call("POST", "currencies", json={"code": "PLN"})
    status, code, message = refused(api, customerNumber="C00060", currencyCode="PLN")
    assert (status, code) == (400, "Internal_DataNotFoundFilter")
    assert message.startswith("There is no Currency Exchange Rate within the filter.")


def test_the_local_currency_can_be_named_or_left_blank(api):
    assert (
        post(api, currencyCode="")["currencyCode"] == post(api, currencyCode="eur")["currencyCode"] == "EUR"
    )
    assert post(api, currencyCode="USD")["currencyCode"] == "USD"


@pytest.mark.parametrize("blocked", ["All", "Invoice"])
def test_a_blocked_customer_gets_no_document(api, bc, blocked):
    bc.edit("customers", "C00060", blocked=blocked)
    for entity in ("salesOrders", "salesInvoices"):
        status, code, message = refused(api, entity, customerNumber="C00060")
        assert (status, code) == DIALOG
        assert message.endswith(f"when Customer C00060 is blocked with type {blocked}")


# deep insert


def test_a_deep_insert_makes_header_and_lines_and_answers_without_lines(api):
    row = post(api, salesOrderLines=[DESK, {"lineType": "Comment", "description": "gift wrap"}])
    assert "salesOrderLines" not in row
    assert row["totalAmountExcludingTax"] == 2001.6
    lines = api.get(f"salesOrders({row['id']})/salesOrderLines")["value"]
    assert [(line["sequence"], line["description"]) for line in lines] == [
        (10000, "ATHENS Desk"),
        (20000, "gift wrap"),
    ]


def test_a_deep_insert_answers_with_lines_if_asked_to(api):
    body = {"customerNumber": "C00060", "salesInvoiceLines": [DESK]}
    row = api.call("POST", "salesInvoices?$expand=salesInvoiceLines", json=body).json()
    assert [line["lineObjectNumber"] for line in row["salesInvoiceLines"]] == ["1896-S"]
    again = api.get(f"salesInvoices({row['id']})", expand="salesInvoiceLines($expand=item)")
    assert again["salesInvoiceLines"][0]["item"]["displayName"] == "ATHENS Desk"


def test_the_answer_can_have_the_totals_of_before_its_lines(api, bc):
    bc.setup.totals_after_lines = False
    row = post(api, salesOrderLines=[DESK])
    assert row["totalAmountExcludingTax"] == 0
    assert api.get(f"salesOrders({row['id']})")["totalAmountExcludingTax"] == 2001.6


def test_a_bad_line_takes_the_whole_document_back_but_for_its_number(api, bc):
    before = bc.rows("salesOrders"), bc.rows("salesOrderLines")
    bad = {"lineType": "Item", "lineObjectNumber": "NONE", "quantity": 1}
    body = {"customerNumber": "C00060", "salesOrderLines": [DESK, bad]}
    assert refused(api, **body) == (*DIALOG, "Item does not exist.")
    assert (bc.rows("salesOrders"), bc.rows("salesOrderLines")) == before
    assert post(api)["number"] == "S-ORD101006"


def test_names_from_the_documentation_s_sample_are_unknown(api):
    status, code, message = refused(api, customerNumber="C00060", documentLines=[])
    assert (status, code) == (400, "BadRequest")
    assert "'documentLines' does not exist on type 'Microsoft.NAV.salesOrder'" in message


# finding


def test_documents_are_found_by_their_external_number_in_any_case(api):
    made = post(api, externalDocumentNumber="web-4711")
    assert made["externalDocumentNumber"] == "WEB-4711"
    assert api.numbers("salesOrders", filter="externalDocumentNumber eq 'Web-4711'") == [made["number"]]
    status, code, _ = api.error("GET", f"salesOrders?$filter=externalDocumentNumber eq '{'x' * 36}'")
    assert (status, code) == (400, "Application_FilterErrorException")


def test_documents_are_found_by_state_and_customer_and_not_by_what_the_page_computes(api, buyer):
    made = post(api)
    assert api.numbers("salesOrders", filter="status eq 'In_x0020_Review'") == ["S-ORD101004"]
    assert api.numbers("salesOrders", filter=f"customerId eq {buyer['id']}") == [made["number"]]
    for name in ("currencyCode eq 'EUR'", "partialShipping eq true"):
        assert api.error("GET", f"salesOrders?$filter={name}")[0] == 400


def test_what_people_entered_is_there_with_and_without_an_external_number(api):
    known = {row["externalDocumentNumber"] for row in api.get("salesOrders")["value"]}
    assert {"PO 88231", ""} <= known
    posted = api.get("salesInvoices", filter="startswith(number,'PS-')")["value"]
    assert {row["status"] for row in posted} == {"Open", "Paid"}


# changing and deleting


def test_a_draft_can_be_changed_and_deleted_with_its_lines(api, bc):
    row = post(api, salesOrderLines=[DESK])
    assert patch(api, row, externalDocumentNumber="PO 1").json()["externalDocumentNumber"] == "PO 1"
    assert api.call("DELETE", f"salesOrders({row['id']})").status_code == 204
    assert all(line["documentId"] != row["id"] for line in bc.rows("salesOrderLines"))


def test_a_released_order_cannot_be_edited(api, bc):
    released = bc.row("salesOrders", "S-ORD101003")
    answer = patch(api, released, externalDocumentNumber="PO 2")
    assert answer.json()["error"]["code"] == "Application_FieldValidationException"
    text = "Status must be equal to 'Open'  in Sales Header: Document Type=Order, No.=S-ORD101003. "
    assert answer.json()["error"]["message"].startswith(f"{text}Current value is 'Released'.")


def test_a_posted_invoice_can_be_neither_changed_nor_deleted(api, bc):
    posted = bc.row("salesInvoices", "PS-INV103002")
    text = "The invoice has been posted and can no longer be modified."
    path = f"salesInvoices({posted['id']})"
    headers = {"If-Match": "*"}
    assert api.error("PATCH", path, json={"email": "a@contoso.com"}, headers=headers) == (*DIALOG, text)
    assert api.error("DELETE", path) == (*DIALOG, text)


def test_an_external_number_may_be_there_twice(api):
    made = [post(api, externalDocumentNumber="WEB-1")["number"] for _ in range(2)]
    assert api.numbers("salesOrders", filter="externalDocumentNumber eq 'WEB-1'") == made


def test_a_document_lost_on_the_way_back_can_be_found(api, bc):
    bc.fault("lost-answer", method="POST", path="salesOrders$")
    body = {"customerNumber": "C00060", "externalDocumentNumber": "WEB-2", "salesOrderLines": [DESK]}
    with pytest.raises(requests.ConnectionError):
        api.call("POST", "salesOrders", json=body)
    found = api.get("salesOrders", filter="externalDocumentNumber eq 'WEB-2'", expand="salesOrderLines")[
        "value"
    ]
    assert [len(row["salesOrderLines"]) for row in found] == [1]


def test_a_change_of_the_header_cannot_carry_lines(api):
    row = post(api)
    assert patch(api, row, salesOrderLines=[DESK]).status_code == 400
