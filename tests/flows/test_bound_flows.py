"""The connection file of the pair: what becomes of its flows, and mistakes in their options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mlconnector.cli.flows import choose_flows
from mlconnector.config import Connection, load_connection
from mlconnector.errors import ConfigError
from mlconnector.flows import FLOWS
from mlconnector.schema import json_schema
from mlconnector.template import PAIRS, template
from mlconnector.yamlfile import read_document

PAIR = "pipedrive-business-central"


def load(tmp_path: Path, text: str) -> Connection:
    file = tmp_path / "c.yaml"
    file.write_text(text, "utf-8")
    return load_connection(file)


def with_option(line: str, flow: str = "deals_to_documents") -> str:
    """The file with one more line in a flow."""
    return template(PAIR).replace(f"\n  {flow}:\n", f"\n  {flow}:\n    {line}\n")


def test_what_a_deal_depends_on_is_synced_first(tmp_path: Path) -> None:
    names = [bound.flow.name for bound in choose_flows(load(tmp_path, template(PAIR)), [])]
    assert sorted(names) == sorted(PAIRS[PAIR])
    assert names[-1] == "deals_to_documents"
    assert names.index("organizations_to_customers") < names.index("persons_to_contacts")
    assert names.index("organizations_to_customers") < names.index("customers_to_organizations")
    assert names.index("products_to_items") < names.index("items_to_products")


def test_a_flow_knows_of_which_source_fields_each_of_its_fields_is_made(tmp_path: Path) -> None:
    flows = {bound.flow.name: bound.flow for bound in load(tmp_path, template(PAIR)).flows}
    contacts, customers = flows["persons_to_contacts"], flows["organizations_to_customers"]
    assert contacts.fields["company"] == {"org_id"}
    assert contacts.fields["mobilePhoneNumber"] == {"phones"}
    assert customers.fields["addressLine1"] == {"address.route", "address.street_number"}
    assert customers.fields["type"] == frozenset()
    assert "org_id" in contacts.paths
    assert {"products", "discounts", "org_id", "value"} <= flows["deals_to_documents"].paths


def test_the_source_is_told_of_the_day_before_which_a_deal_makes_no_document(tmp_path: Path) -> None:
    flows = {bound.flow.name: bound.flow for bound in load(tmp_path, template(PAIR)).flows}
    assert str(flows["deals_to_documents"].first_day) == "2026-12-01"
    assert flows["organizations_to_customers"].first_day is None


def test_a_document_is_nobodys_but_the_deals_and_is_told_when_that_leaves(tmp_path: Path) -> None:
    flow = load(tmp_path, template(PAIR)).flows[3].flow
    assert (flow.name, dict(flow.fields), flow.rules) == ("deals_to_documents", {}, "")
    assert (flow.on_delete, flow.on_exclude) == ("archive", "archive")


@pytest.mark.parametrize(
    "text",
    [
        template(PAIR).replace("      city: address.locality\n", "      city: null\n"),
        template(PAIR).replace("      city: address.locality\n", "      city: address.sublocality\n"),
        with_option("too_long: hold", "organizations_to_customers"),
    ],
)
def test_another_mapping_or_option_gives_other_rules(tmp_path: Path, text: str) -> None:
    before, after = (
        {bound.flow.name: bound.flow.rules for bound in load(tmp_path, one).flows}
        for one in (template(PAIR), text)
    )
    assert [name for name in before if before[name] != after[name]] == ["organizations_to_customers"]


def test_posting_is_a_flow_of_its_own_behind_that_of_the_documents(tmp_path: Path) -> None:
    flows = {bound.flow.name: bound for bound in load(tmp_path, with_option("post: true")).flows}
    bound = flows["deals_to_documents.post"]
    flow = bound.flow
    assert (flow.entity, flow.into, flow.mode) == ("deal", "posting", "create_once")
    assert (flow.follows, flow.after) == ("deals_to_documents", ("deals_to_documents",))
    assert (flow.on_delete, flow.on_exclude) == ("ignore", "ignore")
    assert bound.options == flows["deals_to_documents"].options


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("without_products: item", "default_item: is needed with without_products: item"),
        ("rounding: -0.5", "rounding: is an amount such as 0.05, and not below 0"),
        ("rounding: much", "rounding: expected a number, got text 'much'"),
        ("on_unwon: remove", "on_unwon: text 'remove' is not one of delete, flag"),
        (f"reference_prefix: {'P' * 40}", "reference_prefix: leaves no room"),
        ("default_item: a-number-that-is-too-long", "default_item: is longer than 20 characters"),
    ],
)
def test_a_mistake_in_an_option_is_reported_where_it_stands(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, with_option(line))
    assert f"flows.deals_to_documents.{says}" in caught.value.message


def test_a_flow_of_items_needs_to_know_the_currency(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, re.sub(r"    currency: EUR.*\n", "", template(PAIR), count=1))
    assert "flows.products_to_items: needs 'currency'" in caught.value.message


def test_a_flow_of_documents_needs_to_know_from_which_day_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, re.sub(r"    won_since: .*\n", "", template(PAIR), count=1))
    assert "flows.deals_to_documents: needs 'won_since'" in caught.value.message
    with pytest.raises(ConfigError, match="won_since"):
        load(tmp_path, re.sub(r"    won_since: .*\n", "    won_since: last week\n", template(PAIR), count=1))


@pytest.mark.parametrize(
    "more", ["", "    reference_prefix: SP-\n", "    document: invoice\n    when: {pipeline_id: {is: 2}}\n"]
)
@pytest.mark.parametrize("to", ["erp", "same"])
def test_two_flows_that_make_documents_of_the_same_deals_are_a_mistake(
    tmp_path: Path, more: str, to: str
) -> None:
    whole = template(PAIR)
    erp = re.search(r"(?ms)^  erp:\n(.*?)^\S", whole)
    assert erp
    whole = whole.replace("flows:\n", f"  same:\n{erp[1]}\nflows:\n", 1)
    second = f"\n  spare_parts:\n    kind: deals_to_documents\n    from: crm\n    to: {to}\n    won_since: 2026-01-01\n"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{whole}{second}    {more.strip()}\n".replace("    \n", ""))
    says = "flows.spare_parts: deals_to_documents makes documents of the same deals in the same place"
    assert says in caught.value.message
    assert "each has one document" in caught.value.message


def test_flows_from_two_companies_into_one_need_references_of_their_own(tmp_path: Path) -> None:
    whole = template(PAIR).replace(
        "systems:\n", "systems:\n  other: {kind: pipedrive, company_domain: beta}\n", 1
    )
    second = "\n  spare_parts:\n    kind: deals_to_documents\n    from: other\n    to: erp\n    won_since: 2026-01-01\n"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, whole + second)
    assert "flows.spare_parts: deals_to_documents writes to the same place" in caught.value.message
    assert load(tmp_path, f"{whole}{second}    reference_prefix: SP-\n").flows


def test_the_schema_for_editors_takes_the_file(tmp_path: Path) -> None:
    text = with_option("rounding: 0.5").replace("    # when: {custom", "    when: {custom")
    load(tmp_path, text)
    validator = Draft202012Validator(json_schema())
    assert [error.message for error in validator.iter_errors(read_document(tmp_path / "c.yaml").data)] == []


def test_every_line_behind_a_comment_sign_may_be_used(tmp_path: Path) -> None:
    text = template(PAIR).replace("# secret ", "#").replace("# (mlconnector", "#")
    used = re.sub(r"(?m)^( {4,})# ((?:\w+|custom_fields\.[\w -]+): (?![a-z]+ [a-z]))", r"\1\2", text)
    for bound in load(tmp_path, used).flows:
        kind = FLOWS[bound.kind]
        assert bound.rules == {**kind.default_map, **kind.optional_map}
        assert bound.when == kind.optional_when
