"""The code behind contacts, and how customers and vendors hang together with them (fact sheet 2.5, checklist E20).

Left out: changes of a contact that BC carries back to its customer, opportunities and tasks that keep a contact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlconnector.systems.business_central.emulator_answers import refused
from mlconnector.systems.business_central.emulator_crm import CONTACTS, CONTACTS_INFORMATION
from mlconnector.systems.business_central.emulator_field import NO_GUID, Entity
from mlconnector.systems.business_central.emulator_hooks import Effect, Hooks
from mlconnector.systems.business_central.emulator_rows import Row, Shown
from mlconnector.systems.business_central.emulator_write import Draft, no_relation

if TYPE_CHECKING:
    from mlconnector.systems.business_central.emulator_company import Company

_ADDRESS = ("addressLine1", "addressLine2", "city", "state", "country", "postalCode")
PUSHED = ("displayName", *_ADDRESS, "phoneNumber", "email", "website", "taxRegistrationNumber")
"""What a customer or vendor passes on to its contact."""
RELATIONS = {"customers": ("customerId", "Customer"), "vendors": ("vendorId", "Vendor")}


def contact_rows(tables: Mapping[str, Shown], row: Row, entity: Entity, then: int | None) -> list[Row]:
    """`contactsInformation` of a customer or vendor: its company contact and the persons of that."""
    linked = tables["contacts"].row_at(row.values[entity.columns["contactId"]], then)
    if linked is None:
        return []
    related = RELATIONS[entity.name][1]
    of_company = tables["contacts"].grouped(CONTACTS.columns["companyNumber"], then)
    return [_information(contact, row.id, related) for contact in of_company.get(linked.key, [])]


def _information(contact: Row, related_id: str, related: str) -> Row:
    columns = CONTACTS.columns
    name, kind = contact.values[columns["displayName"]], contact.values[columns["type"]]
    values = (contact.id, contact.key, name, kind, related_id, related)
    return Row(contact.id, contact.key, values[: len(CONTACTS_INFORMATION.fields)])


# what a contact makes of its own fields


def _set_name(draft: Draft, old: str) -> None:
    if draft["searchName"] in ("", old.upper()):
        draft["searchName"] = draft["displayName"].upper()
    if draft["type"] == "Company":
        draft["companyName"] = draft["displayName"]


def _set_company(draft: Draft, old: str) -> None:
    """A person takes the company's name, and its address where there is none yet."""
    number = draft["companyNumber"]
    if not number or number == draft["number"]:
        return
    row = draft.tables["contacts"].by_key.get(number)
    if row is None or row.values[CONTACTS.columns["type"]] != "Company":
        no_relation(draft, CONTACTS.by_name["companyNumber"], number, "Contact")
        return
    draft["companyName"] = row.values[CONTACTS.columns["displayName"]]
    if not any(draft[name] for name in _ADDRESS):
        for name in _ADDRESS:
            draft[name] = row.values[CONTACTS.columns[name]]


def _find_company(draft: Draft, old: str) -> None:
    """A company's name leads to its number, if there is a contact of that name."""
    columns = CONTACTS.columns
    for row in draft.tables["contacts"].rows:
        named = row.values[columns["displayName"]] == draft["companyName"]
        if draft["type"] == "Person" and named and row.values[columns["type"]] == "Company":
            draft["companyNumber"] = row.key
            return


def _settle(company: Company, draft: Draft, now: int) -> None:
    """A company is its own company; what it is to us holds for its persons too."""
    draft["searchName"] = draft["searchName"] or draft["displayName"].upper()
    if draft["type"] == "Company":
        draft["companyNumber"], draft["companyName"] = draft["number"], draft["displayName"]
        draft["contactBusinessRelation"] = relation_of(draft)
        return
    row = draft.tables["contacts"].by_key.get(draft["companyNumber"])
    if row is not None:
        draft["companyName"] = row.values[CONTACTS.columns["displayName"]]
    relation = row.values[CONTACTS.columns["contactBusinessRelation"]] if row is not None else "None"
    draft["contactBusinessRelation"] = relation


def relation_of(draft: Draft) -> str:
    """Customer, Vendor, both or neither."""
    known = [name for field, name in RELATIONS.values() if draft[field] != NO_GUID]
    return "Multiple" if len(known) > 1 else (known or ["None"])[0]


def _pass_on(company: Company, before: Row | None, row: Row, stamp: int | None, now: int) -> None:
    """Persons follow their company: its number, its name, its relation."""
    columns = CONTACTS.columns
    names = ("number", "displayName", "contactBusinessRelation")
    if before is None or row.values[columns["type"]] != "Company":
        return
    if all(before.values[columns[name]] == row.values[columns[name]] for name in names):
        return
    for person in [*company.table(CONTACTS).rows]:
        if person.values[columns["companyNumber"]] == before.key and person.id != row.id:
            draft = company.draft(CONTACTS, person)
            draft["companyNumber"] = row.key
            company.store(draft, stamp, now)


def _removed(company: Company, row: Row, now: int) -> None:
    """The customer or vendor stays, without a contact."""
    for name, (field, _) in RELATIONS.items():
        owner = company.tables[name].by_id.get(row.values[CONTACTS.columns[field]])
        if owner is not None:
            entity = company.tables[name].entity
            draft = company.draft(entity, owner)
            draft["contactId"] = NO_GUID
            company.store(draft, None, now)


_EFFECTS: Mapping[str, Effect] = {
    "displayName": _set_name,
    "companyNumber": _set_company,
    "companyName": _find_company,
}
CONTACT_HOOKS = Hooks(effects=_EFFECTS, settle=_settle, stored=_pass_on, removed=_removed)


# what customers and vendors do to contacts


def link_contact(company: Company, draft: Draft, now: int) -> None:
    """A new customer or vendor gets a company contact, if Marketing Setup says so; changes are passed on to it."""
    contacts = company.table(CONTACTS)
    contact = contacts.by_id.get(draft["contactId"])
    if contact is None and (draft.before is not None or not company.setup.linked_contacts):
        return
    pushed = {name: draft[name] for name in PUSHED}
    if draft.before is not None and contact is not None:
        columns = draft.entity.columns
        if all(draft.before.values[columns[name]] == value for name, value in pushed.items()):
            return
    linked = company.draft(CONTACTS, contact)
    fill_contact(linked, draft, pushed)
    if contact is None:
        linked["number"] = company.take_number(CONTACTS)
    draft["contactId"] = linked["id"]
    company.store(linked, now, now)


def fill_contact(linked: Draft, owner: Draft, pushed: Mapping[str, Any]) -> None:
    """The owner's name and address in its contact, past the checks: what a customer has, a contact can have."""
    old = linked["displayName"]
    for name, value in pushed.items():
        linked[name] = value
    _set_name(linked, old)
    linked[RELATIONS[owner.entity.name][0]] = owner["id"]


def _unlink(company: Company, row: Row, now: int) -> None:
    """The relation goes, the contact stays."""
    for contact in [*company.table(CONTACTS).rows]:
        for field, _ in RELATIONS.values():
            if contact.values[CONTACTS.columns[field]] == row.id:
                draft = company.draft(CONTACTS, contact)
                draft[field] = NO_GUID
                company.store(draft, now, now)


_OPEN = {"salesOrders": "Sales Order", "salesInvoices": "Sales Invoice"}


def _keep_with_documents(company: Company, row: Row) -> None:
    """A customer of an open document stays (section 2.2)."""
    for name, caption in _OPEN.items():
        columns = company.tables[name].entity.columns
        if any(row.id == document.values[columns["customerId"]] for document in company.tables[name].rows):
            raise refused(
                f"You cannot delete Customer {row.key} because there is at least one outstanding {caption} "
                "for this customer."
            )


def _rename(company: Company, before: Row | None, row: Row, stamp: int | None, now: int) -> None:
    """Documents name their customer by its number; they are rewritten (section 3.6)."""
    if before is None or before.key == row.key:
        return
    for name in _OPEN:
        entity = company.tables[name].entity
        for document in [*company.tables[name].rows]:
            draft = company.draft(entity, document)
            for stem in ("customer", "billToCustomer"):
                if draft[f"{stem}Id"] == row.id:
                    draft[f"{stem}Number"] = row.key
            if tuple(draft.values) != document.values:
                company.store(draft, stamp, now)


def _keep_nothing(company: Company, row: Row) -> None:
    """Vendors have no documents here."""


def _owner_hooks(removing: Callable[[Company, Row], None]) -> Hooks:
    return Hooks(settle=link_contact, stored=_rename, removing=removing, removed=_unlink)


CUSTOMER_HOOKS = _owner_hooks(_keep_with_documents)
VENDOR_HOOKS = _owner_hooks(_keep_nothing)
