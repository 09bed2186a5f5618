"""Pipedrive and Business Central behind the command line: a draft is posted only while its deal is won."""

from __future__ import annotations

import pytest

from tests.cli.pairing import CUSTOMERS, DEALS, ITEMS, Pair, crm, pair

__all__ = ["crm", "pair"]

POST = "deals_to_documents.post"


@pytest.fixture
def drafts(pair: Pair) -> Pair:
    """Ten won deals with their drafts; from now on they are to be posted."""
    for _ in range(10):
        pair.win_a_deal()
    write(pair, "document: invoice, post: false")
    assert pair.run("sync").exit_code == 0
    write(pair, "document: invoice, post: true")
    return pair


def write(pair: Pair, options: str) -> None:
    deals = DEALS.replace("post: true", options)
    pair.write(f"{CUSTOMERS}\n{ITEMS.format('EUR')}\n{deals}")


def change(pair: Pair, *deals: int) -> None:
    """Three lamps in place of two."""
    for deal in deals:
        pair.crm.people.edit_line(deal, pair.crm.people.lines(deal)[0]["id"], quantity=3)


def posted(pair: Pair) -> set[str]:
    rows = pair.world.erp.rows("salesInvoices")
    return {row["externalDocumentNumber"] for row in rows if row["status"] != "Draft"}


def all_but(*deals: int) -> set[str]:
    return {f"PD-{deal}" for deal in range(1, 11) if deal not in deals}


def test_who_names_the_postings_has_the_deals_read_before(drafts: Pair) -> None:
    drafts.crm.people.reopen(1)
    result = drafts.run("sync", "--flow", POST)
    assert result.exit_code == 1 and "not-won-any-more" in result.output
    assert posted(drafts) == all_but(1)


def test_with_a_limit_nothing_is_posted(drafts: Pair) -> None:
    change(drafts, 2, 3, 4)
    drafts.crm.people.lose(10)
    drafts.run("sync", "--limit", "3")
    assert posted(drafts) == set()
    drafts.run("sync")
    assert posted(drafts) == all_but(10)


def test_one_record_alone_is_posted_if_its_deal_is_still_won(drafts: Pair) -> None:
    drafts.crm.people.reopen(1)
    drafts.run("sync", "--record", "1", "--flow", POST)
    drafts.run("sync", "--record", "2", "--flow", POST)
    assert posted(drafts) == {"PD-2"}


def test_a_window_of_the_past_is_followed_by_no_posting(drafts: Pair) -> None:
    drafts.crm.people.lose(10)
    drafts.run("backfill", "deals_to_documents", "--until", "2020-01-01")
    assert posted(drafts) == set()
    assert "there is no past of it to read" in drafts.run("backfill", POST).output


@pytest.mark.parametrize("words", [["--failed"], ["--record", "1", "--record", "2"]])
@pytest.mark.parametrize("flow", [[], ["--flow", POST]])
def test_a_replay_of_postings_looks_at_the_deal_first(
    drafts: Pair, words: list[str], flow: list[str]
) -> None:
    drafts.world.erp.fault("status", method="POST", path="NAV", status=400, times=10)
    drafts.run("sync")
    assert posted(drafts) == set()
    drafts.crm.people.reopen(1)
    result = drafts.run("replay", *words, *flow)
    assert "deals_to_documents: 1 failed (not-won-any-more)" in result.output
    assert posted(drafts) == (all_but(1) if words == ["--failed"] else {"PD-2"})


def test_a_replay_of_postings_leaves_to_people_what_they_did_to_a_draft(drafts: Pair) -> None:
    number = drafts.world.erp.rows("salesInvoices")[0]["number"]
    drafts.world.erp.people.edit_line(number, 10000, quantity=5)
    drafts.run("sync")
    drafts.run("replay", "--failed")
    assert posted(drafts) == all_but(1)
    assert {line["quantity"] for line in drafts.world.erp.rows("salesInvoiceLines")} == {2, 5}


def test_a_full_run_is_not_stopped_by_what_was_posted(pair: Pair) -> None:
    for _ in range(21):
        pair.win_a_deal()
    write(pair, "document: invoice, post: true")
    assert pair.run("sync").exit_code == 0
    assert len(posted(pair)) == 21
    result = pair.run("sync", "--full")
    assert result.exit_code == 0, result.output


# what a run says, and a dry run before it


def test_a_dry_run_names_the_drafts_that_would_be_posted(drafts: Pair) -> None:
    number = drafts.world.erp.rows("salesInvoices")[0]["number"]
    drafts.win_a_deal()
    change(drafts, 2)
    drafts.crm.people.lose(3)
    drafts.world.erp.people.edit_line(drafts.world.erp.rows("salesInvoices")[3]["number"], 10000, quantity=5)
    writes = len(drafts.writes())
    said = drafts.run("sync", "--dry-run").output
    assert (
        f"{POST} Two lamps (PD-1): would be posted: sales invoice {number}, customer C00020, 100.00 EUR"
        in said
    )
    assert "deals_to_documents Two lamps (PD-2): would be updated and posted\n" in said
    assert "deals_to_documents Two lamps (PD-3): would be flagged: its deal is not won any more" in said
    assert f"{POST} Two lamps (PD-4): would be flagged: " in said
    assert "deals_to_documents Two lamps (PD-11): would be created and posted\n" in said
    assert len(drafts.writes()) == writes


def test_explain_says_what_would_become_of_document_and_posting(drafts: Pair) -> None:
    assert "would post it: sales invoice" in drafts.run("explain", "PD-1").output
    drafts.crm.people.lose(1)
    said = drafts.run("explain", "PD-1").output
    assert "would flag it: its deal is not won any more" in said
    assert "would do nothing: deals_to_documents does not get so far" in said
    assert "would create and post it" in drafts.run("explain", str(drafts.win_a_deal())).output


def test_a_mailbox_hears_which_invoice_was_posted_and_more_with_v(pair: Pair) -> None:
    pair.win_a_deal()
    write(pair, "document: invoice, post: true")
    said = pair.run("sync").output
    (invoice,) = pair.world.erp.rows("salesInvoices")
    told = f"sales invoice {invoice['number']}, customer C00020, 100.00 EUR without tax"
    assert f"{POST} Two lamps (PD-1): posted, {told}\n" in said
    assert "created, sales invoice" not in said
    pair.win_a_deal()
    assert (
        "deals_to_documents Two lamps (PD-2): created, sales invoice S-INV" in pair.run("sync", "-v").output
    )
    assert told in pair.run("explain", "PD-1").output


def test_a_deal_that_when_leaves_out_by_now_keeps_its_draft_and_is_flagged(pair: Pair) -> None:
    pair.win_a_deal()
    write(pair, "document: order, post: false, on_unwon: delete")
    assert pair.run("sync").exit_code == 0
    write(pair, "post: false, on_unwon: delete, when: {pipeline_id: {in: [77]}}")
    said = pair.run("sync", "--full").output
    assert "excluded-now: its deal is won, and the flow leaves it out by now" in said
    assert len(pair.world.erp.rows("salesOrders")) == 1
    pair.crm.people.lose(1)
    pair.run("sync")
    assert pair.world.erp.rows("salesOrders") == [], "now it is not won any more"


def test_candidates_are_named_by_number_in_a_dry_run_too(pair: Pair) -> None:
    for _ in range(2):
        pair.world.erp.add("customers", displayName="Alpha")
    pair.write(CUSTOMERS)
    for words in (["sync", "--adopt", "--dry-run"], ["sync", "--dry-run"]):
        assert "2 records in the target match: C00010 Alpha, C00020 Alpha" in pair.run(*words).output


def test_a_dry_run_of_a_replay_says_that_what_is_posted_stays_as_it_is(pair: Pair) -> None:
    pair.win_a_deal()
    write(pair, "document: invoice, post: true")
    assert pair.run("sync").exit_code == 0
    said = pair.run("replay", "--record", "PD-1", "--dry-run").output
    assert "deals_to_documents Two lamps (PD-1): would stay as before" in said
    assert f"{POST} Two lamps (PD-1): would stay as before: sales invoice" in said
    pair.crm.people.lose(1)
    said = pair.run("replay", "--record", "PD-1", "--dry-run").output
    assert (
        "deals_to_documents Two lamps (PD-1): would be flagged: its deal is not won any more; sales invoice"
        in said
    )
    assert f"{POST} Two lamps" not in said
