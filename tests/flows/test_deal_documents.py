"""Won deals as documents: a table of what lines become, and that any lines come to what they say."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlconnector.errors import Rejected
from mlconnector.flows import FLOWS
from mlconnector.flows.deal_documents import bind_postings, comment_lines
from mlconnector.flows.pair_options import DocumentOptions, check_documents
from mlconnector.mapping import digest
from mlconnector.model import Change, Mapped, Ref, Skip
from tests.flows.cases import flow_function

D = Decimal
FIRST = date(2020, 1, 1)


def line(price: Any = "100", quantity: Any = 1, **more: Any) -> dict[str, Any]:
    """One line of a deal: product 5, without tax."""
    usual = {
        "id": 1,
        "product_id": 5,
        "product_code": "A-5",
        "name": "Desk",
        "order_nr": 10,
        "currency": "EUR",
    }
    usual |= {
        "discount": 0,
        "discount_type": "percentage",
        "tax": 0,
        "tax_method": "none",
        "is_enabled": True,
    }
    usual |= {"product_variation_id": None, "comments": "", "billing_frequency": "one-time"}
    return {**usual, "item_price": D(price), "quantity": D(quantity), **more}


def deal(*lines: dict[str, Any], value: Any = "100", **more: Any) -> dict[str, Any]:
    """A won deal with these lines."""
    usual = {"id": 12, "title": "Office", "org_id": 3, "currency": "EUR", "status": "won"}
    usual |= {"local_won_date": "2026-07-01", "discounts": []}
    return {**usual, "value": None if value is None else D(value), "products": list(lines), **more}


def document(record: dict[str, Any], **options: Any) -> Mapped:
    """What the deal becomes; Rejected where it waits for a person."""
    change = Change("deal", "12", "upsert", None, record)
    found = flow_function("deals_to_documents", {"options": options})(change)
    assert isinstance(found, Mapped), found
    return found


def spelled(entry: Any) -> str:
    """A line of a document in one line."""
    if "comment" in entry:
        return f"# {entry['comment']}"
    what = entry["ref"] or entry["item"]
    off = f"{entry['discountPercent']}%" if "discountPercent" in entry else f"{entry['discountAmount']}"
    return f"{what} {entry['quantity']} x {entry['unitPrice']} less {off}"


INCLUSIVE = {"tax": 25, "tax_method": "inclusive"}
EXCLUSIVE = {"tax": 25, "tax_method": "exclusive"}
MONTHLY = {"billing_frequency": "monthly", "billing_frequency_cycles": 12, "billing_start_date": "2026-08-01"}
VARIATION = {"product_variation_id": 44}
NO_CODE = {"product_code": None}

TABLE: list[tuple[str, dict[str, Any], dict[str, Any], list[str], str, str]] = [
    ("one line", deal(line()), {}, ["item:5 1 x 100 less 0%"], "0", "100"),
    ("a part of a piece", deal(line("19.9", "2.5"), value="49.75"), {}, ["item:5 2.5 x 19.9 less 0%"], "0", "49.75"),
    ("half a cent is rounded up", deal(line("0.05", "0.5"), value="0.03"), {}, ["item:5 0.5 x 0.05 less 0%"],
     "0", "0.03"),
    ("five decimals, no more", deal(line("0.123456", "10"), value="1.23"), {}, ["item:5 10 x 0.12346 less 0%"],
     "0", "1.23"),
    ("a percentage off", deal(line("192.8", 20, discount=D("12.5")), value="3374"), {},
     ["item:5 20 x 192.8 less 12.5%"], "0", "3374"),
    ("all of it off", deal(line(discount=100), value="0"), {}, ["item:5 1 x 100 less 100%"], "0", "0"),
    ("an amount off the whole line", deal(line("50", 4, discount=15, discount_type="amount"), value="185"), {},
     ["item:5 4 x 50 less 15"], "0", "185"),
    ("tax on top, value without it", deal(line(**EXCLUSIVE)), {}, ["item:5 1 x 100 less 0%"], "0", "100"),
    ("tax on top, value with it", deal(line(**EXCLUSIVE), value="125"), {}, ["item:5 1 x 100 less 0%"], "0", "100"),
    ("prices with tax", deal(line("125", 2, **INCLUSIVE), value="250"), {}, ["item:5 2 x 100 less 0%"], "0", "200"),
    ("prices with tax, value without it", deal(line("125", 2, **INCLUSIVE), value="200"), {},
     ["item:5 2 x 100 less 0%"], "0", "200"),
    ("prices with tax that divide badly", deal(line("9.99", 7, tax=19, tax_method="inclusive"), value="69.93"), {},
     ["item:5 7 x 8.39496 less 0%"], "0", "58.76"),
    ("prices with tax, an amount off", deal(line("125", 2, discount=25, discount_type="amount", **INCLUSIVE),
                                            value="225"), {}, ["item:5 2 x 100 less 20"], "0", "180"),
    ("prices with tax, a percentage off", deal(line("125", 2, discount=10, **INCLUSIVE), value="225"), {},
     ["item:5 2 x 100 less 10%"], "0", "180"),
    ("a disabled line", deal(line(), line("999", id=2, is_enabled=False)), {}, ["item:5 1 x 100 less 0%"], "0", "100"),
    ("in the deal's order", deal(line("1", id=3, order_nr=20, product_id=6), line("2", id=2, order_nr=None),
                                 line("3", id=1, order_nr=10), value="6"), {},
     ["item:5 1 x 3 less 0%", "item:6 1 x 1 less 0%", "item:5 1 x 2 less 0%"], "0", "6"),
    ("a return", deal(line(), line("20", -1, id=2, order_nr=20), value="80"), {},
     ["item:5 1 x 100 less 0%", "item:5 -1 x 20 less 0%"], "0", "80"),
    ("yen have no decimals", deal(line("1250.4", 3, currency="JPY"), value="3751", currency="JPY"), {},
     ["item:5 3 x 1250.4 less 0%"], "0", "3751"),
    ("dinars have three", deal(line("1.0005", 3, currency="KWD"), value="3.002", currency="KWD"), {},
     ["item:5 3 x 1.0005 less 0%"], "0", "3.002"),
    ("kronor", deal(line("15890", 2, currency="SEK"), line("4965", "1.5", id=2, currency="SEK", order_nr=20),
                    value="39227.5", currency="SEK"), {},
     ["item:5 2 x 15890 less 0%", "item:5 1.5 x 4965 less 0%"], "0", "39227.5"),
    ("comments", deal(line(comments="In grey.\nTo the back door")), {},
     ["item:5 1 x 100 less 0%", "# In grey.", "# To the back door"], "0", "100"),
    ("a variation", deal(line(**VARIATION, product_variation_name="Oak")), {}, ["item:5 1 x 100 less 0%"], "0", "100"),
    ("a percentage off the deal", deal(line(), value="95", discounts=[{"type": "percentage", "amount": 5}]), {},
     ["item:5 1 x 100 less 0%"], "5", "95"),
    ("an amount off the deal", deal(line(), value="88", discounts=[{"type": "amount", "amount": 12}]), {},
     ["item:5 1 x 100 less 0%"], "12", "88"),
    ("one after the other", deal(line(), value="76", discounts=[{"type": "amount", "amount": 5},
                                                                {"type": "percentage", "amount": 20}]), {},
     ["item:5 1 x 100 less 0%"], "24", "76"),
    ("each off the sum of the lines", deal(line(), value="75", discounts=[{"type": "amount", "amount": 5},
                                                                           {"type": "percentage", "amount": 20}]), {},
     ["item:5 1 x 100 less 0%"], "25", "75"),
    ("an amount with tax off the deal", deal(line("125", 2, **INCLUSIVE), value="225",
                                             discounts=[{"type": "amount", "amount": 25}]), {},
     ["item:5 2 x 100 less 0%"], "20", "180"),
    ("the first period", deal(line("49", **MONTHLY), value="49"), {"recurring": "first_period"},
     ["item:5 1 x 49 less 0%", "# Recurring monthly, 12 times, from 2026-08-01: this is the first period"],
     "0", "49"),
    ("recurring lines left out", deal(line(), line("49", id=2, **MONTHLY, **NO_CODE), value="149"),
     {"recurring": "leave_out"}, ["item:5 1 x 100 less 0%"], "0", "100"),
    ("recurring lines left out of a discount", deal(line(), line("100", id=2, **MONTHLY), value="190",
                                                    discounts=[{"type": "amount", "amount": 10}]),
     {"recurring": "leave_out"}, ["item:5 1 x 100 less 0%"], "5", "95"),
    ("the default item", deal(line(**NO_CODE)), {"unknown_product": "default_item", "default_item": "misc"},
     ["MISC 1 x 100 less 0%"], "0", "100"),
    ("no products, the default item", deal(value="1500.5"), {"without_products": "item", "default_item": "MISC"},
     ["MISC 1 x 1500.5 less 0%"], "0", "1500.5"),
    ("no products, a comment", deal(value="1500.5"), {"without_products": "comment"}, ["# Office: 1500.5 EUR"],
     "0", "0"),
    ("only disabled ones are no products", deal(line(is_enabled=False), value="0"), {"without_products": "comment"},
     ["# Office: 0 EUR"], "0", "0"),
    ("a difference that is rounding", deal(line("33.333", 3), value="99.95"), {}, ["item:5 3 x 33.333 less 0%"],
     "0", "99.95"),
    ("a larger one that is allowed", deal(line(), value="99"), {"rounding": "1"}, ["item:5 1 x 100 less 0%"],
     "0", "99"),
    ("no value to compare with", deal(line(), value=None), {}, ["item:5 1 x 100 less 0%"], "0", "100"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "options", "lines", "discount", "total"),
    [row[1:] for row in TABLE],
    ids=[row[0].replace(" ", "-") for row in TABLE],
)
def test_lines_of_a_deal_become_lines_of_a_document(
    record: dict[str, Any], options: dict[str, Any], lines: list[str], discount: str, total: str
) -> None:
    body = document(record, **options).body
    assert [spelled(entry) for entry in body["lines"]] == lines
    assert (str(body["discount"]), str(body["total"])) == (discount, total)
    assert body["pricesIncludeTax"] is False


HELD: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("total-differs", deal(line(), value="101"), {}, "the deal's value is 101 EUR, its lines come to 100"),
    ("total-differs", deal(line(**EXCLUSIVE), value="120"), {},
     "the deal's value is 120 EUR, its lines come to 100 (125 with tax)"),
    ("total-differs", deal(line(), value="99.94"), {}, "the deal's value is 99.94 EUR, its lines come to 100"),
    ("total-differs", deal(line("49", **MONTHLY), value="588"), {"recurring": "first_period"},
     "the deal's value is 588 EUR, its lines come to 49"),
    ("no-products", deal(value="5"), {}, "it has no products"),
    ("unknown-product", deal(line(**NO_CODE)), {}, "line 1 (Desk): its product (id 5) has no code, and so no item"),
    ("unknown-product", deal(line(product_id=None)), {}, "line 1 (Desk): it has no product, and so no item"),
    ("variation", deal(line(**VARIATION)), {"variations": "hold"}, "line 1 (Desk) has a variation of its product"),
    ("recurring-line", deal(line(**MONTHLY)), {}, "line 1 (Desk) is billed again and again"),
    ("several-currencies", deal(line(currency="USD")), {}, "line 1 (Desk) is not in EUR, the deal's currency"),
    ("missing-organization", deal(line(), org_id=None), {}, "it has no organization, so there is nobody to sell to"),
    ("missing-currency", deal(line(), currency=None), {}, "it has no currency"),
    ("discount-out-of-range", deal(line(discount=101)), {}, "the discount of line 1 (Desk) is more than its price"),
    ("discount-out-of-range", deal(line(discount=101, discount_type="amount")), {},
     "the discount of line 1 (Desk) is more than its price"),
    ("discount-out-of-range", deal(line(), discounts=[{"type": "amount", "amount": 101}]), {},
     "the discounts on the deal are more than its lines"),
    ("bad-amount", deal(line(quantity="NaN")), {},
     "the quantity of line 1 (Desk) is no amount that can be reckoned with"),
    ("bad-amount", deal(line(D(10) ** 11)), {}, "the price of line 1 (Desk) is no amount that can be reckoned with"),
    ("bad-amount", deal(line(tax=-5)), {}, "the tax of line 1 (Desk) is no amount that can be reckoned with"),
    ("bad-amount", deal(line(), value="1E+20"), {}, "the value of the deal is no amount that can be reckoned with"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "record", "options", "reason"), HELD)
def test_what_a_person_has_to_decide_is_held_with_its_reason(
    code: str, record: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as caught:
        document(record, **options)
    assert (caught.value.code, caught.value.message) == (code, reason)


def test_a_deal_with_nothing_but_recurring_lines_that_are_left_out_has_no_document() -> None:
    function = flow_function("deals_to_documents", {"options": {"recurring": "leave_out"}})
    record = deal(line("49", **MONTHLY), value="49")
    found = function(Change("deal", "12", "upsert", None, record))
    assert isinstance(found, Skip)
    assert (found.code, found.leaves) == ("no-lines", True)


def test_the_description_names_the_variation() -> None:
    named = document(deal(line(**VARIATION, product_variation_name="Oak"))).body["lines"][0]
    by_id = document(deal(line(**VARIATION))).body["lines"][0]
    assert (named["description"], by_id["description"]) == ("Desk, Oak", "Desk, variation 44")


def test_where_no_products_are_read_the_links_say_which_item_a_line_is_of() -> None:
    unread = line()
    del unread["product_code"]
    assert document(deal(unread)).body["lines"][0]["ref"] == "item:5"


def test_a_product_of_which_nothing_is_known_has_its_linked_item_or_the_default_one() -> None:
    unread = line()
    del unread["product_code"]
    mapped = document(deal(unread), unknown_product="default_item", default_item="misc")
    entry = mapped.body["lines"][0]
    assert (entry["ref"], entry["item"], mapped.refs[1].optional) == ("item:5", "MISC", True)
    known = document(deal(line()), unknown_product="default_item", default_item="misc")
    assert "item" not in known.body["lines"][0] and not known.refs[1].optional


def test_a_discount_of_none_is_said_so_that_price_lists_give_no_other() -> None:
    (entry,) = document(deal(line())).body["lines"]
    assert entry == {
        "line": "1", "ref": "item:5", "description": "Desk", "quantity": 1, "unitPrice": 100, "discountPercent": 0,
    }  # fmt: skip


def test_the_document_waits_for_its_customer_and_its_items() -> None:
    mapped = document(deal(line(), line(id=2, product_id=6), line(id=3), value="300"))
    assert mapped.refs == (
        Ref("customer", "organization", "3", "customer"),
        Ref("item:5", "product", "5", "item"),
        Ref("item:6", "product", "6", "item"),
    )
    assert not mapped.match


def test_the_title_alone_changes_no_document() -> None:
    digests = {document(deal(line(), title=title)).digest for title in ("Office", "Office, second floor")}
    assert len(digests) == 1


def test_a_long_comment_is_cut_into_lines_between_words() -> None:
    entries = [entry["comment"] for entry in comment_lines("word " * 60 + "\n\n" + "x" * 150)]
    assert max(map(len, entries)) <= 100
    assert " ".join(entries[:-2]).split() == ["word"] * 60
    assert "".join(entries[-2:]) == "x" * 150


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"reference_prefix": "P" * 35}, ("reference_prefix",), "leaves no room"),
        ({"without_products": "item"}, ("default_item",), "is needed with without_products: item"),
        (
            {"unknown_product": "default_item"},
            ("default_item",),
            "is needed with unknown_product: default_item",
        ),
        ({"rounding": -1}, ("rounding",), "not below 0"),
    ],
)
def test_options_that_would_refuse_deals_are_problems(
    options: dict[str, Any], path: tuple[str, ...], says: str
) -> None:
    (problem,) = check_documents(msgspec.convert({"won_since": FIRST, **options}, DocumentOptions))
    assert problem.path == path
    assert says in problem.message


@pytest.mark.parametrize(
    ("won", "is_old"),
    [
        ({"local_won_date": "2026-06-30"}, True),
        ({"local_won_date": "2026-07-01", "won_time": "2026-06-30T22:30:00Z"}, False),
        ({"local_won_date": None, "won_time": "2026-06-30T22:30:00Z"}, True),
    ],
)
def test_a_deal_that_was_won_before_the_first_day_makes_no_document(
    won: dict[str, Any], is_old: bool
) -> None:
    function = flow_function("deals_to_documents", {"options": {"won_since": "2026-07-01"}})
    found = function(Change("deal", "12", "upsert", None, deal(line(), **won)))
    assert (isinstance(found, Skip) and found.code == "won-before" and not found.leaves) is is_old


def test_a_deal_of_before_the_first_day_does_not_leave_though_a_condition_misses_its_lines() -> None:
    given = {"options": {"won_since": "2026-07-02"}, "when": {"products": {"empty": False}}}
    record = {name: value for name, value in deal().items() if name != "products"}
    found = flow_function("deals_to_documents", given)(Change("deal", "12", "upsert", None, record))
    assert isinstance(found, Skip) and (found.code, found.leaves) == ("won-before", False)


def test_a_posting_refers_to_the_document_of_its_deal_and_says_how_it_was_left() -> None:
    then = FLOWS["deals_to_documents"].then
    assert then is not None
    assert (then.name, then.into) == ("post", "posting")
    function = then.bind(DocumentOptions(won_since=FIRST, post=True, document="invoice"))
    assert function is not None
    record = {"id": "12", "key": "document:PD-12", "memo": {"at": "2026-07-01T08:00:00Z", "total": "100"}}
    mapped = function(Change("deal", "12", "upsert", None, record))
    assert isinstance(mapped, Mapped)
    number = {"document": "invoice", "externalDocumentNumber": "PD-12"}
    assert (mapped.key, mapped.body) == ("posting:PD-12", {**number, **record["memo"]})
    assert mapped.digest == digest(mapped.body), (
        "written anew, it is another one: what was refused is tried again"
    )
    assert mapped.refs == (Ref("document", "deal", "12", "document"),)


def test_drafts_stay_drafts_unless_posting_is_asked_for() -> None:
    assert bind_postings(DocumentOptions(won_since=FIRST)) is None


AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=2)
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "item_price": AMOUNTS,
            "quantity": st.decimals(min_value=0, max_value=10**4, places=3),
            "discount": st.decimals(min_value=0, max_value=100, places=2),
            "discount_type": st.sampled_from(["percentage", "amount"]),
            "tax": st.sampled_from([0, 6, 19, D("25.5")]),
            "tax_method": st.sampled_from(["exclusive", "none"]),
            "is_enabled": st.booleans(),
        }
    ),
    min_size=1,
    max_size=6,
)


def cents(amount: Fraction) -> Fraction:
    """Rounded half up."""
    return Fraction((amount * 100 + Fraction(1, 2)).__floor__(), 100)


@given(LINES)
def test_the_total_is_quantity_times_price_less_discounts_to_the_cent(drawn: list[dict[str, Any]]) -> None:
    lines = [{**line(id=number), **one} for number, one in enumerate(drawn)]
    expected = Fraction(0)
    for one in lines:
        whole = cents(Fraction(one["item_price"]) * Fraction(one["quantity"]))
        if one["discount_type"] == "amount":
            one["discount"] = min(one["discount"], D(whole.numerator) / D(whole.denominator))
        off = (
            Fraction(one["discount"])
            if one["discount_type"] == "amount"
            else whole * Fraction(one["discount"]) / 100
        )
        expected += (whole - cents(off)) * one["is_enabled"]
    options = {"without_products": "comment"}
    body = document(
        deal(*lines, value=0 if not any(one["is_enabled"] for one in lines) else None), **options
    ).body
    assert Fraction(body["total"]) == expected
    assert sum(document_net(entry) for entry in body["lines"] if "line" in entry) == expected


def document_net(entry: Any) -> Fraction:
    """What Business Central makes of a line (sheet 2.10)."""
    whole = (entry["quantity"] * entry["unitPrice"]).quantize(D("0.01"), ROUND_HALF_UP)
    if "discountAmount" in entry:
        return Fraction(whole - entry["discountAmount"])
    return Fraction(whole - (whole * entry["discountPercent"] / 100).quantize(D("0.01"), ROUND_HALF_UP))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.decimals(allow_nan=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
LINE_NAMES = [*line(), "billing_frequency_cycles", "billing_start_date", "product_variation_name"]
ANY_LINE = st.dictionaries(st.sampled_from(LINE_NAMES), ANYTHING).map(lambda odd: {**line(), **odd})
ODD = st.dictionaries(
    st.sampled_from([*deal(), "won_time", "is_deleted", "custom_fields"]),
    ANYTHING | st.lists(ANY_LINE, max_size=3),
)


@given(
    ODD, st.sampled_from(["hold", "first_period", "leave_out"]), st.sampled_from(["hold", "item", "comment"])
)
def test_whatever_a_deal_holds_nothing_but_rejected_is_raised(odd: Any, recurring: str, without: str) -> None:
    options = {"recurring": recurring, "without_products": without, "default_item": "MISC"}
    function = flow_function("deals_to_documents", {"options": options})
    try:
        found = function(Change("deal", "12", "upsert", None, {**deal(line()), **odd}))
    except Rejected as error:
        assert error.code
    else:
        assert isinstance(found, Mapped | Skip)
