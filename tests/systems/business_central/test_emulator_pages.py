"""Pages published by the emulated servers: addresses, rows, queries, paging, metadata, dates, edits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

from mlconnector.sandbox import Clock

from .serving import Site, serving

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
CUSTOMER = [
    *("No", "Name", "Name_2", "Address", "Address_2", "City", "County", "Post_Code", "Country_Region_Code"),
    *("Phone_No", "MobilePhoneNo", "E_Mail", "Home_Page", "Contact", "Salesperson_Code", "Currency_Code"),
    *("Language_Code", "Payment_Terms_Code", "Payment_Method_Code", "Shipment_Method_Code"),
    *("Credit_Limit_LCY", "Balance_LCY", "Balance_Due_LCY", "Blocked", "VAT_Registration_No"),
    *("Gen_Bus_Posting_Group", "Customer_Posting_Group", "Tax_Liable", "Tax_Area_Code"),
    *("Last_Date_Modified", "Region_Manager"),
]
NOON = datetime(2026, 7, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.freeze(NOON)
    return clock


@pytest.fixture
def nav(clock: Clock) -> Iterator[Site]:
    with serving("nav2017", clock=clock) as site:
        yield site


def rows(site: Site, page: int = 0, service: str = "Customer", **params: str) -> list[dict[str, Any]]:
    """All rows of a service, over all its pages."""
    body = site.get(f"{site.pages}/{service}", page=page, **params)
    found: list[dict[str, Any]] = body["value"]
    while "@odata.nextLink" in body:
        body = site.get(body["@odata.nextLink"], page=page)
        found += body["value"]
    return found


# addresses


def test_a_service_is_reached_below_a_company_and_with_company_in_the_query(nav):
    below = nav.get(f"{nav.pages}/Customer", top="2")
    beside = nav.call("ODataV4/Customer?company=CRONUS%20International%20Ltd.&$top=2").json()
    default = nav.get("ODataV4/Customer", top="2")
    assert below == beside == default
    assert below["@odata.context"] == (
        f"{nav.root}/ODataV4/$metadata#Company('CRONUS%20International%20Ltd.')/Customer"
    )


def test_a_row_is_reached_by_its_key_in_both_spellings_and_in_any_case(nav):
    row = nav.get(f"{nav.pages}/Customer('C00060')")
    assert row == nav.get(f"{nav.pages}/Customer(No='c00060')")
    assert row["@odata.context"].endswith("/Customer/$entity")
    assert (row["No"], row["Name"]) == ("C00060", "Müller & Söhne Büromöbel GmbH")
    assert nav.get(f"{nav.pages}/Vendor('10000')")["Purchaser_Code"] == "RB"


def test_what_is_not_there_is_a_404_with_an_odata_error(nav):
    missing = (404, "BadRequest_ResourceNotFound")
    assert nav.error(f"{nav.pages}/Customer('NONE')")[:2] == missing
    assert nav.error(f"{nav.pages}/Item")[:2] == missing
    assert nav.error(f"{nav.pages}/customer")[:2] == missing
    assert nav.error("ODataV4/Company('Nobody')/Customer")[:2] == (404, "Internal_CompanyNotFound")
    assert nav.error("ODataV4/Customer?company=Nobody")[:2] == (404, "Internal_CompanyNotFound")
    assert nav.error(f"{nav.pages}/Customer(Name='x')")[0] == 400
    assert nav.error(f"{nav.pages}/Customer(10000)")[0] == 400


def test_companies_are_listed_by_name_and_each_has_its_own_rows():
    names = ["NORDKRAN", "O'Neill & Co. / London"]
    with serving("nav2018", companies=names) as site:
        assert [row["Name"] for row in site.get("ODataV4/Company")["value"]] == names
        assert site.error("ODataV4/Customer")[:2] == (404, "Internal_CompanyNotFound")
        site.bc.add("customers", company=names[1], number="L1", displayName="Only in London")
        there = site.get("ODataV4/Company('O''Neill%20%26%20Co.%20%2F%20London')/Customer")
        assert [row["Name"] for row in there["value"]] == ["Only in London"]
        one = site.get("ODataV4/Company('O''Neill%20%26%20Co.%20%2F%20London')")
        assert one["Name"] == names[1]


def test_pages_are_published_under_any_name(clock):
    with serving("bc14", clock=clock, services={"CustomerCard": 21, "Kreditor": 26}) as site:
        assert site.get(f"{site.pages}/CustomerCard", top="1")["value"][0]["No"] == "10000"
        assert site.get(f"{site.pages}/Kreditor", top="1")["value"][0]["Name"] == "Fabrikam, Inc."
        assert site.error(f"{site.pages}/Customer")[0] == 404
        document = site.get("ODataV4")
    assert [one["name"] for one in document["value"]] == ["Company", "CustomerCard", "Kreditor"]


# rows


def test_a_row_has_the_fields_of_the_page_and_no_id(nav):
    row = nav.get(f"{nav.pages}/Customer", top="1")["value"][0]
    assert list(row) == ["@odata.etag", *CUSTOMER]
    assert row["@odata.etag"].startswith('W/"')
    expected = {
        "No": "10000", "Name": "Adatum Corporation", "Contact": "Robert Townes", "Currency_Code": "GBP",
        "Payment_Terms_Code": "1M(8D)", "Shipment_Method_Code": "EXW", "Payment_Method_Code": "",
        "Balance_LCY": 2311.3, "Balance_Due_LCY": 1800, "Blocked": " ", "Tax_Area_Code": "DOMESTIC",
        "Region_Manager": "Karen Berg", "Tax_Liable": False,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_the_local_currency_is_a_blank_code_and_blocked_has_captions(nav):
    by_number = {row["No"]: row for row in rows(nav)}
    assert by_number["40000"]["Currency_Code"] == ""
    assert {row["Blocked"] for row in by_number.values()} == {" ", "Ship", "Invoice", "All"}


def test_fields_are_left_off_a_page_or_named(clock):
    page_fields = {"Customer": ["-E_Mail", "-Last_Date_Modified"], "Vendor": ["Name"]}
    with serving("nav2017", clock=clock, page_fields=page_fields) as site:
        customer = site.get(f"{site.pages}/Customer", top="1")["value"][0]
        assert list(customer)[1:] == [one for one in CUSTOMER if f"-{one}" not in page_fields["Customer"]]
        vendor = site.get(f"{site.pages}/Vendor", top="1")["value"][0]
        assert list(vendor) == ["@odata.etag", "No", "Name"]
        text = "Could not find a property named 'E_Mail' on type 'NAV.Customer'."
        assert site.error(f"{site.pages}/Customer", select="No,E_Mail") == (400, "BadRequest", text)
        assert site.error(f"{site.pages}/Customer", filter="E_Mail ne ''") == (400, "BadRequest", text)
        assert b"E_Mail" not in site.call("ODataV4/$metadata").content


# queries


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("No eq '10000' or No eq '30000'", ["10000", "30000"]),
        ("No ge '20000' and No lt '40000'", ["20000", "30000"]),
        ("No le '30000' and No gt '10000' and No ne '20000'", ["30000"]),
        ("Blocked eq 'Ship'", ["C00150"]),
        ("Blocked ne ' ' and startswith(Name,'No More')", ["C00150", "C00160"]),
        ("contains(Name,'O''Neill')", ["C00070", "C00080"]),
        ("tolower(E_Mail) eq 'purchasing@fabrikam.com'", []),
        ("tolower(Name) eq 'trey research'", ["20000"]),
        ("Currency_Code eq 'usd' and City eq 'Miami'", ["30000"]),
        ("Payment_Terms_Code eq 'CM'", ["30000"]),
        ("Last_Date_Modified eq 0001-01-01", ["C00220", "C00230"]),
        ("Credit_Limit_LCY gt 4999.5", ["50000"]),
        ("Tax_Liable eq true", []),
    ],
)
def test_a_filter_finds_these(nav, text, numbers):
    assert [row["No"] for row in rows(nav, filter=text)] == numbers


def test_a_filter_on_two_fields_with_or_or_on_an_amount_is_refused(nav):
    assert nav.error(f"{nav.pages}/Customer", filter="No eq '1' or Name eq 'x'")[0] == 501
    assert nav.error(f"{nav.pages}/Customer", filter="Balance_LCY gt 1")[0] == 400


def test_select_top_skip_order_and_count(nav):
    body = nav.get(
        f"{nav.pages}/Customer",
        select="Name,No", top="2", skip="1", orderby="Name desc", count="true", filter="startswith(No,'C')",
    )  # fmt: skip
    names = sorted((row["Name"] for row in rows(nav, filter="startswith(No,'C')")), reverse=True)
    assert [row["Name"] for row in body["value"]] == names[1:3]
    assert list(body["value"][0]) == ["@odata.etag", "No", "Name"]
    assert body["@odata.count"] == len(names) == 35
    assert nav.call(f"{nav.pages}/Customer/$count").text == "40"


def test_pages_of_rows_follow_the_key_and_stay_right_when_rows_come_and_go(nav):
    body = nav.call(f"{nav.pages}/Customer", headers={"Prefer": "odata.maxpagesize=10"})
    assert body.headers["Preference-Applied"] == "odata.maxpagesize"
    link = body.json()["@odata.nextLink"]
    last = body.json()["value"][-1]["No"]
    assert f"$skiptoken='{last}'" in link
    nav.bc.delete("customers", last)
    nav.bc.add("customers", number="00001", displayName="Before the token")
    rest = nav.get(link, page=10)["value"]
    assert rest[0]["No"] > last
    everything = [row["No"] for row in rows(nav, page=10)]
    assert everything == sorted(everything) and len(everything) == 40


def test_the_server_cuts_pages_by_itself(clock):
    with serving("nav2018", clock=clock) as site:
        assert site.bc.page_limit == 1000
        site.bc.page_limit = 15
        assert len(site.get(f"{site.pages}/Customer")["value"]) == 15
        assert len(site.get(f"{site.pages}/Customer", page=100)["value"]) == 15
        assert len(rows(site, orderby="Name")) == 40


def test_pages_are_shown_and_not_written(nav):
    assert nav.error(f"{nav.pages}/Customer", "POST")[0] == 501


# metadata


def test_the_metadata_describes_each_page(nav):
    schema = next(ElementTree.fromstring(nav.call("ODataV4/$metadata").content).iter(f"{EDM}Schema"))
    types = {one.get("Name"): one for one in schema.iter(f"{EDM}EntityType")}
    assert schema.get("Namespace") == "NAV" and list(types) == ["Company", "Customer", "Vendor"]
    customer = types["Customer"]
    assert [one.get("Name") for one in customer.iter(f"{EDM}PropertyRef")] == ["No"]
    properties = {one.get("Name"): one for one in customer.iter(f"{EDM}Property")}
    assert list(properties) == CUSTOMER
    lengths = {name: one.get("MaxLength") for name, one in properties.items()}
    assert (lengths["No"], lengths["E_Mail"], lengths["Currency_Code"]) == ("20", "80", "10")
    kinds = {one.get("Type") for one in properties.values()}
    assert kinds == {"Edm.String", "Edm.Decimal", "Edm.Date", "Edm.Boolean"}
    assert properties["Last_Date_Modified"].get("Type") == "Edm.Date"
    sets = {one.get("Name"): one.get("EntityType") for one in schema.iter(f"{EDM}EntitySet")}
    assert sets["Vendor"] == "NAV.Vendor"


# what changes


def test_the_date_is_the_servers_day_of_the_last_modification(clock):
    with serving("nav2017", clock=clock, time_zone="Europe/Stockholm") as site:
        clock.freeze(datetime(2026, 7, 21, 22, 30, tzinfo=UTC))
        site.bc.edit("customers", "10000", displayName="After midnight in Sweden")
        assert site.get(f"{site.pages}/Customer('10000')")["Last_Date_Modified"] == "2026-07-22"
        site.server.time_zone = "America/New_York"
        assert site.get(f"{site.pages}/Customer('10000')")["Last_Date_Modified"] == "2026-07-21"


def test_code_and_postings_leave_the_date_and_change_the_etag(nav, clock):
    nav.bc.stamp("customers", "10000", datetime(2026, 7, 1, tzinfo=UTC))
    before = nav.get(f"{nav.pages}/Customer('10000')")
    for change in (
        lambda: nav.bc.edit_by_code("customers", "10000", displayName="By code"),
        lambda: nav.bc.touch_balance("10000", 5),
    ):
        change()
        after = nav.get(f"{nav.pages}/Customer('10000')")
        assert after["Last_Date_Modified"] == before["Last_Date_Modified"] == "2026-07-01"
        assert after["@odata.etag"] != before["@odata.etag"]
        before = after
    assert nav.bc.row("customers", "10000")["lastModifiedDateTime"].startswith("2026-07-21T12:00")
    nav.bc.edit("customers", "10000", displayName="By hand")
    assert nav.get(f"{nav.pages}/Customer('10000')")["Last_Date_Modified"] == "2026-07-21"


def test_a_renumbered_customer_is_another_row_to_whoever_reads_pages(nav):
    before = nav.bc.row("customers", "10000")
    nav.bc.renumber("customers", "10000", "11111")
    assert nav.error(f"{nav.pages}/Customer('10000')")[0] == 404
    assert nav.get(f"{nav.pages}/Customer('11111')")["Name"] == before["displayName"]
    assert nav.bc.row("customers", "11111")["id"] == before["id"]
    with pytest.raises(ValueError, match="exists already"):
        nav.bc.renumber("customers", "20000", "11111")


def test_a_late_commit_and_a_replica_are_seen_on_pages_too(nav, clock):
    late = nav.bc.edit_late("customers", "10000", displayName="Late")
    clock.advance(86_400)
    assert nav.get(f"{nav.pages}/Customer('10000')")["Name"] == "Adatum Corporation"
    late.commit()
    row = nav.get(f"{nav.pages}/Customer('10000')")
    assert (row["Name"], row["Last_Date_Modified"]) == ("Late", "2026-07-21")
    clock.advance(61)
    nav.bc.replica_lag_seconds = 60
    nav.bc.edit("customers", "10000", displayName="Newest")
    nav.bc.delete("customers", "20000")
    assert nav.get(f"{nav.pages}/Customer('10000')")["Name"] == "Late"
    assert rows(nav)[1]["No"] == "20000"
    clock.advance(61)
    assert rows(nav)[1]["No"] == "30000"


def test_what_a_code_is_called_now_is_what_the_page_shows(nav):
    nav.bc.edit("paymentTerms", "CM", code="MONTH")
    assert nav.get(f"{nav.pages}/Customer('30000')")["Payment_Terms_Code"] == "MONTH"


def test_the_controls_work_by_curl(nav):
    def control(name: str, **data: Any) -> Any:
        return requests.post(f"{nav.url}/_sandbox/do/{name}", json=data, timeout=10).json()

    control("edit-by-code", entity="customers", number="10000", fields={"contact": "Eva"})
    control("renumber", entity="customers", number="20000", to="22222")
    control("edit", entity="vendors", number="10000", fields={"regionManager": "Uwe"})
    assert nav.get(f"{nav.pages}/Customer('10000')")["Contact"] == "Eva"
    assert nav.get(f"{nav.pages}/Customer('22222')")["Name"] == "Trey Research"
    assert nav.get(f"{nav.pages}/Vendor('10000')")["Region_Manager"] == "Uwe"


def test_a_table_without_rights_cannot_be_read(nav):
    nav.bc.forbidden_tables = {"customers"}
    status, _, text = nav.error(f"{nav.pages}/Customer")
    assert (status, text) == (
        400,
        "You do not have the following permissions on TableData Customer: Read.",
    )
    assert len(rows(nav, service="Vendor")) == 15
