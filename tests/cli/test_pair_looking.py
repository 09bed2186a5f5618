"""Pipedrive and Business Central: what `status` and `explain` say."""

from __future__ import annotations

from tests.cli.pairing import CUSTOMERS, DEALS, ITEMS, PRODUCTS, Pair, crm, pair

__all__ = ["crm", "pair"]


def test_a_deal_is_explained_by_its_document_s_number_with_what_became_of_the_posting(pair: Pair) -> None:
    pair.win_a_deal()
    pair.write(f"{CUSTOMERS}\n{ITEMS.format('EUR')}\n{DEALS}")
    assert pair.run("sync").exit_code == 0
    document, posting = pair.world.json("explain", "PD-1")
    assert (document["flow"], posting["flow"]) == ("deals_to_documents", "deals_to_documents.post")
    assert document["name"] == posting["name"] == "Two lamps"
    assert document["now"]["mapping"]["body"]["total"] == posting["now"]["mapping"]["body"]["total"] == "100"
    assert posting["now"]["mapping"]["body"]["externalDocumentNumber"] == "PD-1"
    assert posting["stands"]["code"] == "posted" and posting["target"]["id"].startswith("invoice/")
    pair.crm.people.lose(1)
    assert pair.run("sync").exit_code == 1
    assert "not settled in deals_to_documents" in pair.run("explain", "PD-1").stdout


def test_what_was_taken_of_the_day_is_remembered_from_run_to_run(pair: Pair) -> None:
    pair.crm.switches.daily_headers = False
    pair.write(CUSTOMERS)
    assert pair.run("sync").exit_code == 0
    spent = pair.crm.tokens_spent
    assert f"crm: {spent} tokens taken today" in pair.run("status").stdout
    share = f"per_second: 60, daily_tokens: {spent + 5}, daily_share: 100"
    pair.world.file.write_text(pair.world.file.read_text().replace("per_second: 60", share))
    second = pair.run("sync")
    assert second.exit_code == 3 and "daily_share leaves the rest to others" in second.stderr
    assert pair.crm.tokens_spent <= spent + 5
    pair.crm.fault("html", status=403)
    pair.world.file.write_text(pair.world.file.read_text().replace(share, "per_second: 60"))
    assert "Cloudflare" in pair.run("sync").stderr
    asked = len(pair.crm.log)
    assert "nothing is sent until" in pair.run("status").stdout
    assert "Cloudflare" in pair.run("sync", "-v").stderr and len(pair.crm.log) == asked


def test_every_record_that_waits_is_listed_with_its_own_reason_and_a_command_that_means_it(
    pair: Pair,
) -> None:
    erp, people = pair.world.erp, pair.crm.people
    for name in ("Doppelt GmbH", "Doppelt GmbH", "Alpha", "Alpha"):
        erp.add("customers", displayName=name)
    twice = [people.add("organization", name="Doppelt GmbH") for _ in range(2)]
    pair.write(CUSTOMERS)
    pair.run("sync")
    (row,) = pair.world.json("status")["flows"][0]["waiting"]
    listed = {one["id"]: one for one in pair.world.json("status", "--waiting")}
    assert set(listed) == {"1", *map(str, twice)} and row["records"] == 3
    assert row["example"] == "Alpha" and row["reason"] == listed["1"]["reason"]
    shown = pair.run("-c", str(pair.world.file), "status", "--waiting").stdout
    for one in twice:
        assert f"organizations_to_customers Doppelt GmbH, id {one}: failed, ambiguous-match" in shown
        assert f"mlconnector -c {pair.world.file} link organizations_to_customers {one} TARGET" in shown


def test_a_deal_that_the_mapping_refuses_is_explained_like_any_other(pair: Pair) -> None:
    people = pair.crm.people
    for _ in range(2):
        people.win(people.add("deal", title="Empty deal", org_id=1, currency="EUR"))
    pair.write(f"{CUSTOMERS}\n{DEALS}")
    pair.run("sync")
    found = pair.run("explain", "Empty deal", "--flow", "deals_to_documents")
    assert (
        found.exit_code == 0 and found.stdout.count("mapping    fails: no-products, it has no products") == 2
    )
    assert found.stdout.count("Add products to the deal in Pipedrive") == 4, (
        "of the record, and of the mapping"
    )
    assert "mlconnector replay --record 2 --flow deals_to_documents" in found.stdout


def test_explain_says_how_the_document_stands_and_finds_the_deal_by_each_of_its_numbers(pair: Pair) -> None:
    pair.win_a_deal()
    pair.write(f"{CUSTOMERS}\n{ITEMS.format('EUR')}\n{DEALS.replace('post: true', 'post: false')}")
    (before,) = pair.world.json("explain", "PD-1", "--flow", "deals_to_documents")
    assert before["source"]["id"] == "1" and before["target"]["told"] == {}
    pair.run("sync")
    (order,) = pair.world.erp.rows("salesOrders")
    shown = pair.run("explain", order["number"]).stdout
    there = f"sales order {order['number']}, draft, customer {order['customerNumber']} Gamma, 100.00 "
    assert f"  there      {there}" in shown and "without tax" in shown
    pair.write(f"{CUSTOMERS}\n{ITEMS.format('EUR')}\n{DEALS}")
    pair.run("sync", "--full")
    (invoice,) = pair.world.erp.rows("salesInvoices")
    for number in (order["number"], invoice["number"]):
        deal, posting = pair.world.json("explain", number)
        assert deal["source"]["id"] == posting["source"]["id"] == "1"
        assert deal["target"]["told"]["stands"].startswith("posted")
        assert invoice["number"] in posting["target"]["told"]["document"]
    pair.world.erp.fault("status", path="/sales", status=503, times=0)
    assert pair.run("explain", "PD-1").exit_code == 0, "what the state file knows is shown all the same"


def test_a_customer_s_number_finds_its_organization(pair: Pair) -> None:
    pair.write(CUSTOMERS)
    pair.run("sync")
    (customer,) = pair.world.erp.rows("customers")
    (found,) = pair.world.json("explain", customer["number"])
    assert found["flow"] == "organizations_to_customers" and found["name"] == "Alpha"


def test_check_warns_of_a_day_to_come_and_says_where_an_unknown_field_stands(pair: Pair) -> None:
    wrong = f"{CUSTOMERS[:-1]}, map: {{number: custom_fields.VAT number}}}}"
    pair.write(f"{wrong}\n{DEALS.replace('2020-01-01', '2999-01-01')}")
    found = {one["level"]: one for one in pair.world.json("check") if one["level"] != "ok"}
    assert ":10:" in found["warning"]["message"] and "is still to come" in found["warning"]["message"]
    assert ".map.number: the organization has no custom field 'VAT number'" in found["error"]["message"]
    assert "mlconnector fields crm.organization" in found["error"]["remedy"]


def test_a_system_that_is_down_is_told_once_with_the_flows_that_it_ended(pair: Pair) -> None:
    pair.write(f"{CUSTOMERS}\n{ITEMS.format('EUR')}\n{PRODUCTS.format('EUR')}")
    pair.world.erp.fault("status", path="/api/", times=0, status=429, retry_after=3600)
    said = pair.run("sync").stderr
    assert said.count("Error: ") == said.count("Next: ") == 1
    assert said.startswith(
        "Error: organizations_to_customers, products_to_items, items_to_products ended early"
    )
    error = pair.world.json("history")[0]["error"]
    assert error.count("business_central: ") == 1 and "items_to_products" in error


def test_check_of_a_pair_names_the_permission_set_that_may_write(pair: Pair) -> None:
    pair.write(f"{CUSTOMERS}\n{ITEMS.format('EUR')}\n{PRODUCTS.format('EUR')}")
    pair.world.erp.forbidden_tables = {"customers"}
    found = [one["remedy"] for one in pair.world.json("check") if one["level"] == "error"]
    assert found and all("may read and write Customer, such as D365 BUS FULL ACCESS" in one for one in found)


def test_before_the_first_run_of_a_pair_it_is_said_that_linking_comes_first(pair: Pair) -> None:
    pair.write(CUSTOMERS)
    first = "mlconnector sync --adopt --dry-run"
    checked = pair.run("check")
    assert checked.exit_code == 0 and checked.stderr == f"Next: {first}\n"
    assert f"there was no run yet: {first}" in pair.run("status").stdout
    assert f"there was no run yet: {first}" in pair.run("history").stderr
    pair.run("sync")
    assert pair.run("check").stderr == "Next: mlconnector sync\n"


def test_what_got_no_answer_is_told_with_the_time_after_which_it_is_looked_for(pair: Pair) -> None:
    pair.write(CUSTOMERS)
    pair.world.erp.fault("lost-answer", method="POST", path="/customers", times=0)
    said = pair.run("sync").stdout
    assert "no-answer" in said and "the first run 10 minutes after it was sent looks for it" in said


def test_init_says_what_comes_next(pair: Pair) -> None:
    file = pair.world.folder / "deals.yaml"
    said = pair.run("init", "pipedrive-business-central", "-o", str(file)).stderr
    assert f"mlconnector secrets set -c {file} crm.api_token\n" in said
    assert said.endswith(f"  mlconnector check -c {file}\n")
