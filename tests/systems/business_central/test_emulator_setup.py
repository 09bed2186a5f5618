"""Switches of the emulated Business Central: a company's setup, and what the platform does where nobody is sure."""

from __future__ import annotations

import pytest

DESK = {"lineType": "Item", "lineObjectNumber": "1896-S", "quantity": 2}


@pytest.fixture
def order(api, bc):
    """A draft with one line of a customer within the country."""
    bc.edit("customers", "C00060", currencyCode="", blocked="")
    body = {"customerNumber": "C00060", "salesOrderLines": [DESK]}
    return api.call("POST", "salesOrders", json=body).json()


def patch(api, path, **body):
    return api.call("PATCH", path, json=body, headers={"If-Match": "*"})


def do(api, action, **data):
    return api.session.post(f"{api.url}/_sandbox/do/{action}", json=data, timeout=10)


# late and stale


def test_a_write_may_be_seen_long_after_it_was_stamped(api, bc, order, clock):
    clock.advance(600)
    bc.setup.commit_delay_seconds = 120
    row = patch(api, f"salesOrders({order['id']})", externalDocumentNumber="PO 5").json()
    line = api.get(f"salesOrders({order['id']})/salesOrderLines")["value"][0]
    patch(api, f"salesOrderLines({line['id']})", quantity=3)
    assert row["lastModifiedDateTime"] == "2026-07-21T13:02:20.467Z"
    assert api.get(f"salesOrders({order['id']})")["lastModifiedDateTime"] == row["lastModifiedDateTime"]


def test_a_replica_knows_neither_new_documents_nor_their_lines(api, bc, order, clock):
    bc.replica_lag_seconds = 5
    clock.advance(2)
    found = {"filter": f"number eq '{order['number']}'", "expand": "salesOrderLines"}
    assert api.get("salesOrders", **found)["value"] == []
    primary = api.get("salesOrders", headers={"Data-Access-Intent": "ReadWrite"}, **found)["value"]
    assert len(primary[0]["salesOrderLines"]) == 1
    clock.advance(5)
    api.call("POST", f"salesOrders({order['id']})/salesOrderLines", json=DESK)
    assert len(api.get("salesOrders", **found)["value"][0]["salesOrderLines"]) == 1


def test_a_rolled_back_document_was_never_there_for_a_replica(api, bc, order, clock):
    bc.replica_lag_seconds = 5
    clock.advance(10)
    api.call(
        "POST",
        "salesOrders",
        json={"customerNumber": "C00060", "salesOrderLines": [DESK, {"sequence": 10000}]},
    )
    clock.advance(2)
    assert len(api.get("salesOrders")["value"]) == 5
    clock.advance(10)
    assert len(api.get("salesOrders")["value"]) == 5


def test_a_patch_that_changes_nothing_may_leave_the_stamp(api, bc, clock):
    item = bc.row("items", "1900-S")
    clock.advance(60)
    bc.setup.unchanged_write_stamps = False
    assert (
        patch(api, f"items({item['id']})", displayName=item["displayName"]).json()["@odata.etag"]
        == item["@odata.etag"]
    )
    bc.setup.unchanged_write_stamps = True
    moved = patch(api, f"items({item['id']})", displayName=item["displayName"]).json()
    assert moved["lastModifiedDateTime"] > item["lastModifiedDateTime"]


# shapes


def test_a_read_only_value_sent_as_it_is_may_pass(api, bc, order):
    path = f"salesOrders({order['id']})"
    assert patch(api, path, status="Draft").status_code == 400
    bc.setup.read_only_unchanged_passes = True
    assert patch(api, path, status="Draft", number=order["number"]).status_code == 200
    assert patch(api, path, status="Open").status_code == 400


@pytest.mark.parametrize(("switch", "there"), [("null", True), ("absent", False)])
def test_an_expanded_row_that_is_not_there_is_null_or_absent(api, bc, order, switch, there):
    bc.setup.missing_expand = switch
    row = api.get(f"salesOrders({order['id']})", expand="currency")
    assert ("currency" in row) is there
    assert row.get("currency") is None


def test_page_variables_in_a_query_are_refused_or_ignored(api, bc):
    known = api.numbers("items")
    queries = ({"filter": "inventory gt 1000"}, {"orderby": "inventory desc"})
    assert [
        api.call("GET", "items", params={f"${k}": v for k, v in one.items()}).status_code for one in queries
    ] == [400, 400]
    bc.setup.ignores_page_variables = True
    assert [api.numbers("items", **one) for one in queries] == [known, known]


# permissions and deadlocks


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_right_may_be_missing_for_one_verb(api, bc, order, status):
    bc.forbidden_tables = {"salesOrders Insert"}
    bc.setup.permission_status = status
    answer = api.error("POST", "salesOrders", json={"customerNumber": "C00060"})
    text = "You do not have the following permissions on TableData Sales Header: Insert."
    assert answer == (status, "Application_DialogException", text)
    assert api.get(f"salesOrders({order['id']})")["number"] == order["number"]


def test_one_write_may_be_deadlocked_and_is_not_done(api, bc, order):
    bc.fault("status", status=409, method="POST", path="salesOrderLines$")
    lines = f"salesOrders({order['id']})/salesOrderLines"
    status, code, text = api.error("POST", lines, json=DESK)
    assert (status, code) == (409, "Internal_ServerError")
    assert "deadlocked" in text
    assert len(api.get(lines)["value"]) == 1
    assert api.call("POST", lines, json=DESK).status_code == 201


# by HTTP


def test_people_s_work_can_be_done_by_curl(api, order):
    number = order["number"]
    assert do(api, "edit-line", number=number, sequence=10000, fields={"quantity": 1}).json()["quantity"] == 1
    assert do(api, "release", number=number).json()["status"] == "Open"
    posted = do(api, "post", number=number).json()
    assert (posted["orderNumber"], do(api, "pay", number=posted["number"]).json()["status"]) == (
        number,
        "Paid",
    )
    assert do(api, "post", number=number).status_code == 400
    assert do(api, "set-price", number="1896-S", price=1200).json()["unitPrice"] == 1200
    assert do(api, "block", entity="items", number="1896-S", blocked=True).json()["blocked"] is True


def test_a_setup_is_switched_by_curl_too(api, bc):
    shown = do(api, "switch", external_document_required=True, commit_delay_seconds=3).json()
    assert (shown["external_document_required"], shown["commit_delay_seconds"]) == (True, 3.0)
    assert bc.setup.external_document_required is True


def test_documents_start_anew_with_each_seed(bc, order):
    before = len(bc.rows("salesOrders"))
    bc.seed()
    assert (before, len(bc.rows("salesOrders"))) == (5, 4)
    assert bc.add("salesOrders", customerNumber="10000")["number"] == "S-ORD101005"
    assert bc.add("contacts", displayName="New")["number"] == "CT000064"
