"""Pipedrive and Business Central: what is looked at before the first write of a flow."""

from __future__ import annotations

import pytest

from tests.cli.pairing import COMPANY, CUSTOMERS, DEALS, ITEMS, OTHER, PRODUCTS, Pair, crm, pair

__all__ = ["crm", "pair"]


@pytest.mark.parametrize("flow", [ITEMS, PRODUCTS])
def test_prices_in_another_currency_than_the_companys_own_are_refused_before_anything_is_written(
    pair: Pair, flow: str
) -> None:
    pair.write(flow.format("USD"))
    for words in (["sync"], ["sync", "--dry-run"], ["check"]):
        result = pair.run(*words)
        assert result.exit_code == 2, result.output
        assert "prices of items are in EUR there" in result.output
        assert "says currency: USD" in result.output
    assert pair.writes() == []
    pair.write(flow.format("EUR"))
    assert pair.run("sync").exit_code == 0
    assert pair.writes() != []


@pytest.mark.parametrize(
    ("company", "environment"), [(OTHER, "Production"), (f"{COMPANY}, environment: Sandbox", "Sandbox")]
)
def test_a_company_or_environment_that_became_another_gets_nothing_of_what_the_state_file_holds(
    pair: Pair, company: str, environment: str
) -> None:
    pair.write(CUSTOMERS)
    assert pair.run("sync").exit_code == 0
    pair.world.erp.log.clear()
    pair.crm.people.add("organization", name="Beta")
    pair.world.erp.environment = environment
    pair.write(CUSTOMERS, company)
    result = pair.run("sync")
    assert result.exit_code == 2, result.output
    assert "what it holds was sent elsewhere (organizations_to_customers): erp had the id" in result.output
    assert pair.writes() == []
    pair.world.erp.environment = "Production"
    pair.write(CUSTOMERS)
    assert pair.run("sync").exit_code == 0
    assert pair.writes() != []


def test_postings_are_guarded_and_checked_like_the_documents_they_follow(pair: Pair) -> None:
    pair.win_a_deal()
    pair.write(f"{CUSTOMERS}\n{ITEMS.format('EUR')}\n{DEALS}")
    assert pair.run("sync").exit_code == 0
    assert [row["status"] for row in pair.world.erp.rows("salesInvoices")] == ["Open"]
    assert pair.run("check").exit_code == 0


def test_check_names_the_drafts_that_would_be_posted_and_another_prefix_and_no_item(pair: Pair) -> None:
    for _ in range(2):
        pair.win_a_deal()
    flows = f"{CUSTOMERS}\n{ITEMS.format('EUR')}\n{DEALS}"
    pair.write(flows.replace("post: true", "post: false"))
    assert pair.run("sync").exit_code == 0
    assert pair.run("check").exit_code == 0
    pair.write(flows)
    found = pair.run("check")
    assert found.exit_code == 0 and "2 drafts of before would be posted by the next sync" in found.output
    pair.write(flows.replace("post: true", "post: true, reference_prefix: X-, default_item: nix"))
    found = pair.run("check")
    assert found.exit_code == 2
    assert "reference_prefix is 'X-', and 2 documents on record begin otherwise (PD-1)" in found.output
    assert "put the former prefix back" in found.output
    assert "default_item: there is no item NIX" in found.output
    pair.write(flows.replace("post: true", "post: true, default_item: b-1"))
    assert pair.run("sync").exit_code == 0
    found = pair.run("check")
    assert found.exit_code == 0 and "would be posted" not in found.output
