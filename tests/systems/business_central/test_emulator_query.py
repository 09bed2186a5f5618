"""What the emulated Business Central makes of query options: filters and their gaps, order, expand, paging."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from mlconnector.systems.business_central.emulator import BusinessCentral

ALL = 40


def mails(api, text, **params):
    return [row["email"] for row in api.get("customers", filter=text, **params)["value"]]


# filters


def test_a_code_is_compared_without_regard_to_case_and_a_text_with(api):
    assert api.filtered("number eq 'c00060'") == ["C00060"]
    assert api.filtered("displayName eq 'adatum corporation'") == []
    assert api.filtered("tolower(displayName) eq 'adatum corporation'") == ["10000"]


def test_an_inner_quote_is_doubled(api):
    assert [
        row["email"] for row in api.get("customers", filter="displayName eq 'Siobhán O''Neill'")["value"]
    ] == ["siobhan@oneill.contoso.com"]
    assert api.refused(filter="displayName eq 'Siobhán O'Neill'")[:2] == (400, "BadRequest_NotFound")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("number lt '20000'", 1),
        ("number le '20000'", 2),
        ("number ne '20000'", ALL - 1),
        ("creditLimit gt 4999.5", 1),
        ("creditLimit ge 0", ALL),
        ("taxLiable eq true", 0),
        ("blocked ne '_x0020_'", 3),
        ("blocked ne ' '", 3),
        ("blocked eq 'Ship' or blocked eq 'All'", 2),
        ("startswith(displayName,'Tied') and number gt 'C00250' and number lt 'C00290'", 3),
        ("endswith(displayName,'Research')", 1),
        ("contains(displayName,'Handels')", 2),
        ("substring(displayName,0,4) eq 'Tied'", 3),
        ("startswith(number,'1') or startswith(number,'2')", 2),
        ("(number eq '10000' or number eq '20000') and country eq 'gb'", 2),
    ],
)
def test_supported_filters_find_what_they_say(api, text, count):
    assert len(api.filtered(text)) == count


def test_guids_are_bare(bc, api):
    id = bc.row("customers", "30000")["id"]
    assert api.filtered(f"id eq {id}") == ["30000"]
    assert api.refused(filter=f"id eq '{id}'")[0] == 400


def test_a_stamp_needs_a_zone_and_no_quotes(bc, api):
    bc.edit("customers", "40000", city="Ulm")
    now = bc.row("customers", "40000")["lastModifiedDateTime"]
    assert api.filtered(f"lastModifiedDateTime ge {now}") == ["40000"]
    assert api.filtered(f"lastModifiedDateTime gt {now}") == []
    assert api.refused(filter=f"lastModifiedDateTime ge '{now}'")[:2] == (400, "BadRequest")
    assert api.refused(filter=f"lastModifiedDateTime ge {now[:-1]}")[0] == 400


def test_a_stamp_may_have_an_offset_and_seven_digits(bc, api):
    bc.edit("customers", "40000", city="Ulm")
    assert api.filtered("lastModifiedDateTime ge 2026-07-21T14:54:20.4670000+02:00") == ["40000"]
    assert api.filtered("lastModifiedDateTime ge 2026-07-21T14:54:20.4670001+02:00") == []


def test_the_blank_stamp_is_before_everything(api):
    assert len(api.filtered("lastModifiedDateTime gt 0001-01-01T00:00:00Z")) == ALL - 2
    assert len(api.filtered("lastModifiedDateTime ge 0001-01-01T00:00:00Z")) == ALL


def test_in_is_dropped_without_a_word_unless_the_schema_is_newer(api):
    text = "number in ('10000','20000')"
    assert len(api.filtered(text)) == ALL
    assert len(api.filtered(f"{text} and country eq 'GB'")) == len(api.filtered("country eq 'GB'"))
    assert api.filtered(text, schemaversion="2.1") == ["10000", "20000"]


def test_a_lambda_is_dropped_without_a_word(api):
    text = "defaultDimensions/any(d: d/dimensionCode eq 'AREA') and number eq '10000'"
    assert api.filtered(text) == ["10000"]
    assert len(api.filtered("defaultDimensions/any(d: d/dimensionCode eq 'AREA')")) == ALL


def test_nested_functions_find_the_wrong_rows_unless_the_schema_is_newer(api):
    text = "contains(tolower(displayName),'RESEARCH')"
    assert len(api.filtered(text)) == ALL
    assert api.filtered(text, schemaversion="2.1") == ["20000"]


def test_or_over_two_fields_is_not_implemented(api):
    assert api.refused(filter="number eq '1' or email eq 'a@contoso.com'") == (
        501,
        "BadRequest_MethodNotImplemented",
        "The 'OR' operator is not supported on distinct fields on an OData filter.",
    )


@pytest.mark.parametrize("text", ["not (number eq '1')", "indexof(city,'U') eq 1", "number eq city"])
def test_what_the_platform_lacks_is_a_501(api, text):
    assert api.refused(filter=text)[0] == 501


def test_an_unknown_property_is_named(api):
    text = "Could not find a property named 'balance' on type 'Microsoft.NAV.customer'."
    for option in ("filter", "orderby", "select", "expand"):
        query = {option: "balance gt 0" if option == "filter" else "balance"}
        assert api.refused(**query) == (400, "BadRequest", text)


@pytest.mark.parametrize("text", ["currencyCode eq 'USD'", "balanceDue gt 0", "taxRegistrationNumber eq 'X'"])
def test_page_variables_and_flow_fields_cannot_be_filtered(api, text):
    assert api.refused(filter=text)[:2] == (400, "BadRequest")


def test_a_literal_longer_than_its_field_is_refused(api):
    status, code, message = api.refused(filter=f"number eq '{'1' * 22}'")
    assert (status, code) == (400, "Application_FilterErrorException")
    assert "The length of the string is 22, but it must be less than or equal to 20 characters." in message


@pytest.mark.parametrize(
    "text",
    [
        "number",
        "number eq",
        "(number eq '1'",
        "number eq '1' '2'",
        "lastModifiedDateTime ge 2026-13-45T00:00:00Z",
        "substring(city,1.5) eq 'x'",
        "number eq '1",
        "creditLimit eq 'x'",
        "taxLiable gt true",
        "type eq 'Nobody'",
    ],
)
def test_what_cannot_be_read_is_a_400(api, text):
    assert api.refused(filter=text)[0] == 400


def test_plus_in_a_query_is_a_blank(api):
    url = f"{api.company}/customers?$filter=number+eq+'10000'"
    assert api.numbers(url) == ["10000"]


# order, top, skip, select, count


def test_rows_come_in_the_order_of_their_numbers(api):
    assert api.numbers() == sorted(api.numbers())


def test_order_takes_several_fields_and_ties_go_by_number(api):
    rows = api.get("customers", orderby="country desc,city")["value"]
    keys = [(row["country"], row["city"]) for row in rows]
    by_city = sorted(keys, key=lambda key: key[1])
    assert keys == sorted(by_city, key=lambda key: key[0], reverse=True)


def test_top_hides_the_next_link_and_never_gives_more_than_a_page(api):
    body = api.get("customers", prefer="10", top="30")
    assert len(body["value"]) == 10
    assert "@odata.nextLink" not in body


def test_skip_leaves_rows_out_once(api):
    body = api.get("customers", prefer="10", skip="5")
    again = api.get(body["@odata.nextLink"], prefer="10")
    assert [row["number"] for row in (*body["value"], *again["value"])] == api.numbers()[5:25]


def test_select_keeps_the_etag_and_the_page_order(api):
    whole = api.get("customers", top="1")["value"][0]
    part = api.get("customers", top="1", select="email,number")["value"][0]
    assert list(part) == ["@odata.etag", "number", "email"]
    assert part["@odata.etag"] == whole["@odata.etag"]


def test_count_stands_behind_the_context_and_ignores_top(api):
    body = api.get("customers", count="true", top="1", filter="country eq 'GB'")
    assert list(body) == ["@odata.context", "@odata.count", "value"]
    assert body["@odata.count"] == len(api.filtered("country eq 'GB'"))
    plain = api.call("GET", "customers/$count")
    assert (plain.text, plain.headers["Content-Type"]) == ("40", "text/plain")


def test_a_negative_top_is_refused(api):
    assert api.refused(top="-1")[0] == 400


# expand and navigation


def test_the_financial_detail_comes_by_its_singular_name_only(api):
    row = api.get("customers", top="1", expand="customerFinancialDetail")["value"][0]
    assert list(row)[-1] == "customerFinancialDetail"
    assert list(row["customerFinancialDetail"]) == [
        *("@odata.etag", "id", "number", "balance", "totalSalesExcludingTax", "overdueAmount"),
        "lastModifiedDateTime",
    ]
    assert row["customerFinancialDetail"]["balance"] == 2311.3
    assert row["customerFinancialDetail"]["@odata.etag"] != row["@odata.etag"]
    assert api.refused(expand="customerFinancialDetails")[0] == 400


def test_the_financial_detail_has_a_path_and_a_set_of_its_own(bc, api):
    id = bc.row("customers", "10000")["id"]
    single = api.get(f"customers({id})/customerFinancialDetail")
    assert single["balance"] == 2311.3
    rows = api.get("customerFinancialDetails", top="1")["value"]
    assert rows[0]["id"] == id
    assert api.call("PATCH", f"customerFinancialDetails({id})", json={}).status_code == 405


def test_expand_nests_options_and_shows_null_for_what_is_not_there(api):
    expand = "paymentTerm($select=code;$schemaversion=2.1),currency,paymentMethod"
    row = api.get("customers", top="1", select="number", expand=expand)["value"][0]
    assert list(row) == ["@odata.etag", "number", "paymentTerm", "currency", "paymentMethod"]
    assert list(row["paymentTerm"]) == ["@odata.etag", "code"]
    assert (row["currency"]["code"], row["paymentMethod"]) == ("GBP", None)


# paging


def pages(api, path="customers", size="7", **params):
    body = api.get(path, prefer=size, **params)
    yield body
    while "@odata.nextLink" in body:
        body = api.get(body["@odata.nextLink"], prefer=size)
        yield body


def paged(api, **params):
    return [row["number"] for body in pages(api, **params) for row in body["value"]]


def test_the_next_link_keeps_all_options_and_ends_in_the_last_id(api):
    body = api.get("customers", prefer="3", select="id,number", filter="displayName ne 'O''Neill & + %'")
    query = dict(parse_qsl(urlsplit(body["@odata.nextLink"]).query))
    assert query == {
        "$select": "id,number",
        "$filter": "displayName ne 'O''Neill & + %'",
        "aid": "FIN",
        "$skiptoken": body["value"][-1]["id"],
    }
    assert f"aid=FIN&$skiptoken={body['value'][-1]['id']}" in body["@odata.nextLink"]


def test_pages_hold_everything_once_with_filter_order_and_count(api):
    assert paged(api) == api.numbers()
    assert paged(api, orderby="lastModifiedDateTime desc,displayName") == api.numbers(
        orderby="lastModifiedDateTime desc,displayName"
    )
    assert paged(api, filter="country eq 'DE'", size="2") == api.filtered("country eq 'DE'")
    assert {body["@odata.count"] for body in pages(api, count="true")} == {ALL}


def test_a_page_size_is_confirmed_without_its_value(api):
    answer = api.call("GET", "customers", headers={"Prefer": "odata.maxpagesize=5"})
    assert answer.headers["Preference-Applied"] == "odata.maxpagesize"
    assert "Preference-Applied" not in api.call("GET", "customers").headers


def test_a_page_goes_on_behind_a_place_not_behind_a_count(bc, api):
    first = api.get("customers", prefer="3")
    bc.add("customers", number="00001", displayName="Inserted before")
    bc.delete("customers", first["value"][-1]["number"])
    bc.add("customers", number="30001", displayName="Inserted behind")
    second = api.get(first["@odata.nextLink"], prefer="3")
    assert [row["number"] for row in second["value"]] == ["30001", "40000", "50000"]


def test_the_last_page_may_be_empty(bc, api):
    assert [len(body["value"]) for body in pages(api, size="20")] == [20, 20]
    bc.empty_last_page = True
    assert [len(body["value"]) for body in pages(api, size="20")] == [20, 20, 0]


def test_without_a_preference_a_page_holds_twenty_thousand(bc, api):
    assert BusinessCentral().page_limit == 20_000
    bc.page_limit = 25
    assert [len(body["value"]) for body in pages(api, size="")] == [25, 15]
    assert [len(body["value"]) for body in pages(api, size="99999")] == [25, 15]


def test_an_edited_row_moves_behind_the_token_of_an_ordered_read(bc, api, clock):
    first = api.get("customers", prefer="39", orderby="lastModifiedDateTime")
    clock.advance(60)
    bc.edit("customers", first["value"][10]["number"], city="Ulm")
    second = api.get(first["@odata.nextLink"], prefer="39")
    assert [row["number"] for row in second["value"]][-1] == first["value"][10]["number"]
    assert len(second["value"]) == 2
