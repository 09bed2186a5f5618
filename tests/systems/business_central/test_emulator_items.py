"""Items and the small tables around them in the emulated Business Central (fact sheet 2.6, 2.7, trap T16)."""

from __future__ import annotations

import pytest

ZERO = "00000000-0000-0000-0000-000000000000"
DIALOG = (400, "Application_DialogException")
FIELDS = (
    "id number displayName displayName2 type itemCategoryId itemCategoryCode blocked gtin inventory unitPrice "
    "priceIncludesTax unitCost taxGroupId taxGroupCode baseUnitOfMeasureId baseUnitOfMeasureCode "
    "generalProductPostingGroupId generalProductPostingGroupCode inventoryPostingGroupId inventoryPostingGroupCode "
    "lastModifiedDateTime"
)


def post(api, **body):
    answer = api.call("POST", "items", json={"displayName": "Desk Lamp", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(api, **body):
    return api.error("POST", "items", json=body)


def patch(api, row, **body):
    return api.call("PATCH", f"items({row['id']})", json=body, headers={"If-Match": "*"})


def message(answer):
    assert answer.status_code == 400
    return answer.json()["error"]["message"]


def test_the_demo_items_are_there_with_their_prices(bc):
    known = {row["number"]: row["unitPrice"] for row in bc.rows("items")}
    assert list(known) == ["1896-S", "1900-S", "1906-S", "1908-S", "1996-S"]
    assert (float(known["1896-S"]), float(known["1900-S"])) == (1000.8, 192.8)


def test_an_item_shows_every_field_and_the_template_fills_units_and_groups(api):
    row = post(api, unitPrice=19.95)
    assert list(row)[2:] == FIELDS.split()
    assert (row["number"], row["type"], row["unitPrice"]) == ("1000", "Inventory", 19.95)
    assert (row["baseUnitOfMeasureCode"], row["taxGroupCode"]) == ("PCS", "STANDARD")
    assert (row["generalProductPostingGroupCode"], row["inventoryPostingGroupCode"]) == ("RETAIL", "RESALE")
    assert ZERO not in (row["taxGroupId"], row["baseUnitOfMeasureId"], row["inventoryPostingGroupId"])


def test_without_a_template_an_item_has_no_groups(bc, api):
    bc.setup.templates = False
    assert (post(api)["taxGroupCode"], post(api)["baseUnitOfMeasureId"]) == ("", ZERO)


def test_an_item_needs_no_name_and_its_number_is_a_code(api):
    assert api.call("POST", "items", json={"number": "lamp-1"}).json()["number"] == "LAMP-1"
    assert refused(api, number="LAMP-1")[:2] == (400, "Internal_EntityWithSameKeyExists")


def test_id_and_code_of_a_category_set_each_other_and_must_agree(api):
    desk, chair = (
        row["id"]
        for row in api.get("itemCategories", filter="code eq 'DESK' or code eq 'CHAIR'", orderby="code desc")[
            "value"
        ]
    )
    assert post(api, itemCategoryCode="desk")["itemCategoryId"] == desk
    assert post(api, itemCategoryId=chair)["itemCategoryCode"] == "CHAIR"
    text = "The item categories values do not match to a specific item category."
    assert refused(api, itemCategoryId=chair, itemCategoryCode="DESK") == (*DIALOG, text)
    assert refused(api, taxGroupCode="NONE") == (*DIALOG, 'The "taxGroupCode" does not match to a Tax Group.')


def test_inventory_is_refused_in_a_post_and_books_stock_in_a_patch(api, bc, clock):
    assert refused(api, inventory=5) == (*DIALOG, "Inventory cannot be changed during on insert.")
    row = post(api)
    clock.advance(60)
    booked = patch(api, row, inventory=5).json()
    assert (booked["inventory"], booked["lastModifiedDateTime"]) == (5, row["lastModifiedDateTime"])
    assert api.error("GET", "items?$filter=inventory gt 1")[0] == 400


def test_entries_fix_type_and_cost_and_keep_the_item(api, bc):
    desk = bc.row("items", "1896-S")
    assert "You cannot change Unit Cost because" in message(patch(api, desk, unitCost=1))
    assert "You cannot change Type because" in message(patch(api, desk, type="Service"))
    assert patch(api, desk, unitPrice=1100, unitCost=780.7).status_code == 200
    assert api.error("DELETE", f"items({desk['id']})")[:2] == DIALOG


def test_prices_are_not_negative_and_a_service_has_no_inventory_group(api):
    assert refused(api, unitPrice=-1)[:2] == DIALOG
    assert post(api, type="Service")["inventoryPostingGroupCode"] == ""
    assert refused(api, type="Service", inventoryPostingGroupCode="RESALE")[:2] == DIALOG
    assert refused(api, type="Thing")[1:] == (
        "Unknown",
        "'Thing' is not an option. The existing options are: Inventory,Service,Non-Inventory",
    )


def test_blocked_is_a_boolean_here(api):
    assert post(api, blocked=True)["blocked"] is True
    assert refused(api, blocked="All")[:2] == (400, "BadRequest")


def test_an_item_in_a_document_stays_and_a_renamed_one_is_rewritten_there(api, bc):
    item = post(api)
    order = bc.row("salesOrders", "S-ORD101001")
    line = {"itemId": item["id"], "quantity": 1}
    line = api.call("POST", f"salesOrders({order['id']})/salesOrderLines", json=line).json()
    assert "at least one outstanding Sales Order" in api.error("DELETE", f"items({item['id']})")[2]
    patch(api, item, number="LAMP-9")
    assert api.get(f"salesOrderLines({line['id']})")["lineObjectNumber"] == "LAMP-9"


def test_variants_belong_to_an_item_and_only_it_can_be_sold_with_them(api, bc):
    desk, chair = bc.row("items", "1896-S"), bc.row("items", "1900-S")
    variant = api.call("POST", f"items({desk['id']})/itemVariants", json={"code": "oak"}).json()
    assert (variant["itemNumber"], variant["code"]) == ("1896-S", "OAK")
    assert api.get(f"items({desk['id']})", expand="itemVariants")["itemVariants"][0]["code"] == "OAK"
    wrong = api.error(
        "POST", "itemVariants", json={"itemId": desk["id"], "itemNumber": "1900-S", "code": "X"}
    )
    assert wrong == (*DIALOG, "The item values do not match to a specific Item.")
    again = api.error("POST", "itemVariants", json={"itemNumber": "1896-S", "code": "OAK"})
    assert again[1] == "Internal_EntityWithSameKeyExists"
    order = bc.row("salesOrders", "S-ORD101001")
    line = {"itemId": chair["id"], "itemVariantId": variant["id"]}
    assert api.error("POST", f"salesOrders({order['id']})/salesOrderLines", json=line)[:2] == DIALOG


@pytest.mark.parametrize("entity", ["unitsOfMeasure", "itemCategories", "locations", "taxGroups"])
def test_small_tables_around_items_take_codes(api, entity):
    row = api.call("POST", entity, json={"code": "new", "displayName": "New"}).json()
    assert (row["code"], row["displayName"]) == ("NEW", "New")
    assert api.error("POST", entity, json={"displayName": "X"})[0] == 400
    assert api.call("DELETE", f"{entity}({row['id']})").status_code == 204


@pytest.mark.parametrize("entity", ["accounts", "currencyExchangeRates"])
def test_accounts_and_rates_are_read_only(api, entity):
    assert api.get(entity)["value"]
    assert api.error("POST", entity, json={})[:2] == (405, "BadRequest_MethodNotAllowed")


def test_many_items_are_a_matter_of_seconds(bc):
    bc.seed(items=20_000)
    rows = bc.companies[0].tables["items"].rows
    assert (len(rows), bc.add("items", displayName="Next")["number"]) == (20_000, "20995")
