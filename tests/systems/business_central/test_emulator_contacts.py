"""Contacts of the emulated Business Central, and how customers and vendors hang together with them (2.5, E20)."""

from __future__ import annotations

import pytest

DIALOG = (400, "Application_DialogException")
FIELDS = (
    "id number type displayName jobTitle companyNumber companyName contactBusinessRelation addressLine1 addressLine2 "
    "city state country postalCode phoneNumber mobilePhoneNumber email website searchName privacyBlocked "
    "taxRegistrationNumber lastInteractionDate lastModifiedDateTime"
)


def post(api, entity="contacts", **body):
    answer = api.call("POST", entity, json={"displayName": "Test Contact", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def patch(api, row, entity="contacts", **body):
    path = f"{entity}({row['id']})"
    return api.call("PATCH", path, json=body, headers={"If-Match": "*"})


def linked(api, row, entity="customers"):
    return api.get(f"{entity}({row['id']})/contactsInformation", expand="contact")["value"]


@pytest.fixture
def customer(api):
    """A new customer, made by API."""
    return post(api, "customers", displayName="Ulm Falcons", city="Ulm", email="info@contoso.com")


# contacts by themselves


def test_a_contact_shows_every_field_in_page_order(api):
    row = post(api)
    assert list(row)[2:] == FIELDS.split()
    assert (row["number"], row["type"], row["contactBusinessRelation"]) == ("CT000064", "Company", "None")
    assert (row["companyNumber"], row["companyName"]) == (row["number"], "Test Contact")
    assert (row["searchName"], row["lastInteractionDate"]) == ("TEST CONTACT", "0001-01-01")


def test_a_contact_needs_a_name(api):
    assert api.error("POST", "contacts", json={}) == (*DIALOG, 'A "displayName" must be provided.')
    blank = api.error("POST", "contacts", json={"displayName": " "})
    assert blank == (*DIALOG, 'The blank "displayName" is not allowed.')


def test_what_is_computed_cannot_be_sent_and_a_long_title_is_refused(api):
    relation = api.error("POST", "contacts", json={"displayName": "X", "contactBusinessRelation": "Customer"})
    assert relation[:2] == (400, "BadRequest_InvalidOperation")
    long = api.error("POST", "contacts", json={"displayName": "X", "jobTitle": "x" * 31})
    assert long[:2] == (400, "Application_StringExceededLength")


def test_a_person_takes_name_and_address_of_the_company(api):
    company = post(api, displayName="Nordkran", city="Malmö", country="SE")
    person = post(api, displayName="Anna Nordin", type="Person", companyNumber=company["number"])
    assert (person["companyName"], person["city"], person["country"]) == ("Nordkran", "Malmö", "SE")
    own = post(api, type="Person", city="Lund", companyNumber=company["number"])
    assert own["city"] == "Lund"


def test_a_person_s_company_must_be_a_company(api):
    person = post(api, type="Person")
    for number in (person["number"], "CT999999"):
        answer = api.error(
            "POST", "contacts", json={"displayName": "X", "type": "Person", "companyNumber": number}
        )
        assert answer[:2] == (400, "Internal_InvalidTableRelation")


def test_a_company_s_name_leads_to_its_number(api):
    company = post(api, displayName="Nordkran")
    assert post(api, type="Person", companyName="Nordkran")["companyNumber"] == company["number"]
    assert post(api, type="Person", companyName="Elsewhere")["companyNumber"] == ""


def test_persons_follow_their_company_s_name_and_number(api, clock):
    company = post(api, displayName="Nordkran")
    person = post(api, type="Person", companyNumber=company["number"])
    clock.advance(60)
    patch(api, company, displayName="Nordkran AB", number="CT777777")
    after = api.get(f"contacts({person['id']})")
    assert (after["companyNumber"], after["companyName"]) == ("CT777777", "Nordkran AB")
    assert after["lastModifiedDateTime"] > person["lastModifiedDateTime"]


# customers and vendors


@pytest.mark.parametrize(("entity", "relation"), [("customers", "Customer"), ("vendors", "Vendor")])
def test_a_new_customer_or_vendor_gets_a_linked_company_contact(api, entity, relation):
    row = post(api, entity, displayName="Ulm Falcons", city="Ulm")
    (info,) = linked(api, row, entity)
    assert (info["relatedId"], info["relatedType"], info["contactType"]) == (row["id"], relation, "Company")
    contact = info["contact"]
    assert (contact["displayName"], contact["city"], contact["contactBusinessRelation"]) == (
        "Ulm Falcons",
        "Ulm",
        relation,
    )


def test_without_the_setup_no_contact_is_made(bc, api):
    bc.setup.linked_contacts = False
    before = len(bc.rows("contacts"))
    assert linked(api, post(api, "customers")) == []
    assert len(bc.rows("contacts")) == before


def test_a_customer_s_change_is_pushed_into_its_contact(api, customer, clock):
    before = linked(api, customer)[0]["contact"]
    clock.advance(60)
    patch(api, customer, "customers", creditLimit=500)
    assert linked(api, customer)[0]["contact"] == before
    patch(api, customer, "customers", phoneNumber="+49 731 1", displayName="Ulm Hawks")
    after = linked(api, customer)[0]["contact"]
    assert (after["phoneNumber"], after["displayName"], after["companyName"]) == (
        "+49 731 1",
        "Ulm Hawks",
        "Ulm Hawks",
    )
    assert after["lastModifiedDateTime"] > before["lastModifiedDateTime"]


def test_people_s_edits_are_pushed_as_well_and_those_by_code_are_not(bc, api, customer):
    bc.edit("customers", customer["number"], city="Bonn")
    assert linked(api, customer)[0]["contact"]["city"] == "Bonn"
    bc.edit_by_code("customers", customer["number"], city="Köln")
    assert linked(api, customer)[0]["contact"]["city"] == "Bonn"


def test_persons_of_the_linked_company_belong_to_the_customer(api, customer):
    company = linked(api, customer)[0]
    person = post(api, type="Person", displayName="Eva Falk", companyNumber=company["contactNumber"])
    assert [row["contactName"] for row in linked(api, customer)] == ["Ulm Falcons", "Eva Falk"]
    assert person["contactBusinessRelation"] == "Customer"


def test_deleting_a_customer_leaves_the_contact_without_the_relation(api, customer):
    contact = linked(api, customer)[0]["contact"]
    assert api.call("DELETE", f"customers({customer['id']})").status_code == 204
    assert api.get(f"contacts({contact['id']})")["contactBusinessRelation"] == "None"


def test_deleting_the_contact_leaves_the_customer(api, customer):
    contact = linked(api, customer)[0]["contact"]
    assert api.call("DELETE", f"contacts({contact['id']})").status_code == 204
    assert linked(api, customer) == []
    assert patch(api, customer, "customers", city="Bonn").status_code == 200


def test_contacts_information_is_there_below_a_customer_only_and_cannot_be_written(api, customer):
    assert api.error("GET", "contactsInformation") == (*DIALOG, "id type not specified.")
    below = f"customers({customer['id']})/contactsInformation"
    assert api.error("POST", below, json={})[:2] == (405, "BadRequest_MethodNotAllowed")


def test_every_seeded_customer_and_vendor_has_its_contact(bc, api):
    adatum = bc.row("customers", "10000")
    names = [row["contactName"] for row in linked(api, adatum)]
    assert names == ["Adatum Corporation", "Robert Townes", "Karin Fleischer"]
    relations = [row["contactBusinessRelation"] for row in bc.rows("contacts") if row["type"] == "Company"]
    assert (relations.count("Customer"), relations.count("Vendor"), relations.count("None")) == (40, 15, 1)


# renaming and deleting customers with documents


def test_a_renamed_customer_is_rewritten_in_its_documents(bc, api, clock):
    before = bc.row("salesOrders", "S-ORD101001")
    clock.advance(60)
    patch(api, bc.row("customers", "10000"), "customers", number="A10000")
    after = bc.row("salesOrders", "S-ORD101001")
    assert (after["customerNumber"], after["billToCustomerNumber"]) == ("A10000", "A10000")
    assert (after["customerId"], after["id"]) == (before["customerId"], before["id"])
    assert after["lastModifiedDateTime"] > before["lastModifiedDateTime"]


def test_a_customer_with_documents_stays(api, customer):
    api.call("POST", "salesOrders", json={"customerId": customer["id"]})
    text = f"You cannot delete Customer {customer['number']} because there is at least one outstanding Sales Order"
    answer = api.error("DELETE", f"customers({customer['id']})")
    assert (answer[:2], answer[2].startswith(text)) == (DIALOG, True)
