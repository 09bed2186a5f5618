"""Writes to the emulated Business Central: verbs, tokens, checks with their texts, numbers, currencies."""

from __future__ import annotations

import pytest

ZERO = "00000000-0000-0000-0000-000000000000"


def post(api, entity="customers", **body):
    return api.call("POST", entity, json={"displayName": "Ulm Falcons", **body})


def refused(api, **body):
    return api.error("POST", "customers", json={"displayName": "Ulm Falcons", **body})


def patch(api, row, if_match="*", **body):
    return api.call("PATCH", f"customers({row['id']})", json=body, headers={"If-Match": if_match})


@pytest.fixture
def adatum(bc):
    """Customer 10000 as it stands."""
    return bc.row("customers", "10000")


# verbs


def test_a_post_answers_201_with_the_place_and_the_whole_entity(api):
    answer = post(api)
    row = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{api.company}/customers({row['id']})"
    assert row["@odata.context"].endswith("/customers/$entity")
    assert api.get(answer.headers["Location"]) == row


def test_a_post_can_do_without_an_answer(api):
    headers = {"Prefer": "return-no-content"}
    answer = api.call("POST", "customers", json={"displayName": "Quiet"}, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get(answer.headers["Location"])["displayName"] == "Quiet"


def test_series_and_template_fill_what_the_body_does_not_name(api):
    row = post(api).json()
    assert (row["number"], row["type"], row["currencyCode"]) == ("C00410", "Company", "EUR")
    assert row["taxAreaDisplayName"] == "Domestic customers and vendors"
    terms = api.get(f"paymentTerms({row['paymentTermsId']})")
    method = api.get(f"shipmentMethods({row['shipmentMethodId']})")
    assert (terms["code"], method["code"]) == ("1M(8D)", "EXW")
    assert post(api, "vendors").json()["number"] == "V00160"


def test_a_patch_answers_200_and_changes_only_what_was_sent(api, adatum, clock):
    clock.advance(60)
    answer = patch(api, adatum, city="Ulm", country="de")
    row = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert (row["city"], row["country"], row["displayName"]) == ("Ulm", "DE", "Adatum Corporation")
    assert row["lastModifiedDateTime"] > adatum["lastModifiedDateTime"]
    assert row["@odata.etag"] != adatum["@odata.etag"]


def test_a_delete_answers_204_and_the_row_is_gone(api):
    row = post(api).json()
    assert api.call("DELETE", f"customers({row['id']})").status_code == 204
    assert api.call("GET", f"customers({row['id']})").status_code == 404


def test_a_customer_with_entries_stays(api, adatum):
    status, code, message = api.error("DELETE", f"customers({adatum['id']})")
    assert (status, code) == (400, "Application_DialogException")
    assert message.startswith("You cannot delete Customer 10000 because it has ledger entries")


def test_put_is_not_allowed(api, adatum):
    assert api.error("PUT", f"customers({adatum['id']})", json={})[:2] == (405, "BadRequest_MethodNotAllowed")


def test_a_body_needs_the_json_type_and_must_be_json(api):
    plain = api.call("POST", "customers", data="{}", headers={"Content-Type": "text/plain"})
    broken = api.call("POST", "customers", data="{", headers={"Content-Type": "application/json"})
    assert (plain.status_code, broken.status_code) == (415, 400)


def test_company_information_takes_a_patch_only(api):
    row = api.get("companyInformation")["value"][0]
    url = f"companyInformation({row['id']})"
    changed = api.call("PATCH", url, json={"city": "Ulm"}, headers={"If-Match": row["@odata.etag"]})
    assert changed.json()["city"] == "Ulm"
    assert api.call("POST", "companyInformation", json={}).status_code == 405
    assert api.call("DELETE", url).status_code == 405


# If-Match


@pytest.mark.parametrize("headers", [{}, {"If-Match": "soon"}, {"If-Match": ""}])
def test_a_patch_needs_a_readable_token(api, adatum, headers):
    answer = api.error("PATCH", f"customers({adatum['id']})", json={"city": "Ulm"}, headers=headers)
    assert answer[:2] == (400, "BadRequest_InvalidToken")


def test_a_stale_token_is_a_409(bc, api, adatum):
    bc.edit("customers", "10000", city="Ulm")
    answer = patch(api, adatum, if_match=adatum["@odata.etag"], city="Bonn")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "Request_EntityChanged"
    assert answer.json()["error"]["message"].startswith("Another user has already changed the record.")


def test_a_fresh_token_passes_byte_for_byte(api, adatum):
    assert patch(api, adatum, if_match=adatum["@odata.etag"], city="Bonn").status_code == 200


def test_a_delete_checks_its_token_only_if_there_is_one(bc, api):
    row = post(api).json()
    bc.edit("customers", row["number"], city="Ulm")
    stale = api.call("DELETE", f"customers({row['id']})", headers={"If-Match": row["@odata.etag"]})
    assert stale.status_code == 409
    assert api.call("DELETE", f"customers({row['id']})").status_code == 204


# checks of values


def test_a_customer_needs_a_name_and_a_vendor_does_not(api):
    dialog = (400, "Application_DialogException")
    assert api.error("POST", "customers", json={}) == (*dialog, 'A "displayName" must be provided.')
    assert refused(api, displayName=" ") == (*dialog, 'The blank "displayName" is not allowed.')
    assert api.call("POST", "vendors", json={}).status_code == 201


def test_an_unknown_property_and_one_of_another_page_are_refused(api):
    status, code, message = refused(api, balance=1)
    assert (status, code) == (400, "BadRequest")
    assert message.startswith("The property 'balance' does not exist on type 'Microsoft.NAV.customer'.")


def test_a_read_only_property_is_refused_and_a_stamp_is_ignored(api):
    assert refused(api, balanceDue=1) == (
        400,
        "BadRequest_InvalidOperation",
        "Control 'Balance Due' is read-only",
    )
    row = post(api, lastModifiedDateTime="2001-01-01T00:00:00Z").json()
    assert row["lastModifiedDateTime"].startswith("2026-07-21T")


def test_text_longer_than_its_field_is_refused_not_cut(api):
    assert refused(api, city="x" * 31) == (
        400,
        "Application_StringExceededLength",
        "The length of the string is 31, but it must be less than or equal to 30 characters. Value: "
        + "x" * 31,
    )


def test_codes_come_back_trimmed_and_in_upper_case(api):
    row = post(api, number=" x-17 ", country="de", postalCode="cb1 2fb").json()
    assert (row["number"], row["country"], row["postalCode"]) == ("X-17", "DE", "CB1 2FB")


def test_enums_take_the_encoded_name_or_the_caption_and_nothing_else(api):
    assert post(api, blocked="_x0020_").json()["blocked"] == "_x0020_"
    assert post(api, blocked=" ").json()["blocked"] == "_x0020_"
    assert post(api, blocked="Ship").json()["blocked"] == "Ship"
    text = "'Payment' is not an option. The existing options are:  ,Ship,Invoice,All"
    assert refused(api, blocked="Payment") == (400, "Unknown", text)


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (
            {"paymentTermsId": "11111111-2222-3333-4444-555555555555"},
            "Application_DialogException",
            'The "paymentTermsId" does not match to a Payment Terms.',
        ),
        (
            {"country": "UK"},
            "Internal_InvalidTableRelation",
            "The field Country/Region Code of table Customer contains a value (UK) that cannot be found in the "
            "related table (Country/Region).",
        ),
        (
            {"phoneNumber": "0711 1234 ext. 5"},
            "Application_FieldValidationException",
            "Phone No. must not contain letters in Customer: No.=",
        ),
        ({"email": "nobody"}, "Application_DialogException", 'The email address "nobody" is not valid.'),
        (
            {"paymentTermsId": "10 DAYS"},
            "Application_InvalidGUID",
            "The value '10 DAYS' is not a valid GUID.",
        ),
        ({"creditLimit": "12"}, "BadRequest", "Unable to convert value to Decimal"),
        (
            {"city": None},
            "BadRequest",
            "Cannot convert the literal 'null' to the expected type 'Edm.String'.",
        ),
    ],
)
def test_values_are_checked_with_their_texts(api, body, code, text):
    assert refused(api, **body) == (400, code, text)


def test_several_addresses_are_one_email(api):
    assert post(api, email="a@contoso.com; b@contoso.com").status_code == 201


def test_nothing_is_kept_of_a_refused_write(api, adatum):
    assert patch(api, adatum, city="Ulm", country="UK").status_code == 400
    assert api.get(f"customers({adatum['id']})")["city"] == "Cambridge"


# numbers


@pytest.mark.parametrize("status", [400, 409])
def test_a_number_that_exists_is_refused_with_either_status(bc, api, status):
    bc.duplicate_status = status
    assert refused(api, number="10000") == (
        status,
        "Internal_EntityWithSameKeyExists",
        "The record in table Customer already exists. Identification fields and values: No.='10000'",
    )


def test_own_numbers_can_be_forbidden(bc, api):
    bc.manual_numbers = False
    status, code, message = refused(api, number="X1")
    assert (status, code) == (400, "Application_DialogException")
    assert message.startswith("You may not enter numbers manually.")
    assert message.endswith("Manual Nos. in No. Series CUST.")
    assert post(api).status_code == 201


def test_the_series_passes_over_numbers_that_are_taken(api):
    post(api, number="C00410")
    assert post(api).json()["number"] == "C00420"


def test_a_patch_of_the_number_renames(bc, api, adatum):
    row = patch(api, adatum, number="99999").json()
    assert (row["id"], api.numbers()[-1]) == (adatum["id"], "C00400")
    assert "99999" in api.numbers()
    assert "10000" not in api.numbers()


# currencies (2.17)


def currency(api, **body):
    row = post(api, **body).json()
    return row["currencyCode"], row["currencyId"]


def test_the_local_currency_is_blank_inside_and_named_outside(api):
    assert currency(api, currencyCode="") == currency(api, currencyCode="EUR") == ("EUR", ZERO)
    assert currency(api, currencyId=ZERO) == ("EUR", ZERO)


def test_a_foreign_currency_goes_by_code_or_id(api):
    usd = api.get("currencies", filter="code eq 'USD'")["value"][0]["id"]
    assert currency(api, currencyCode="usd") == currency(api, currencyId=usd) == ("USD", usd)
    text = "The currency values do not match to a specific Currency."
    assert refused(api, currencyId=usd, currencyCode="GBP")[2] == text
    assert refused(api, currencyCode="XXX")[2] == 'The "currencyCode" does not match to a Currency.'


# small tables


def test_small_tables_need_a_code_and_have_it_once(api):
    missing = api.error("POST", "paymentTerms", json={"displayName": "X"})
    assert missing == (400, "BadRequest_RequiredParamNotProvided", "Field 'code' must not be blank or empty.")
    row = api.call("POST", "paymentTerms", json={"code": "7 days", "dueDateCalculation": "7D"}).json()
    assert (row["code"], row["discountPercent"]) == ("7 DAYS", 0)
    again = api.error("POST", "paymentTerms", json={"code": "7 DAYS"})
    assert again[:2] == (400, "Internal_EntityWithSameKeyExists")


def test_a_new_currency_starts_with_the_usual_precision(api):
    row = api.call("POST", "currencies", json={"code": "PLN"}).json()
    assert (row["amountDecimalPlaces"], row["amountRoundingPrecision"]) == ("2:2", 0.01)
