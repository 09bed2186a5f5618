"""Deals, persons, organizations and products of the emulated Pipedrive: list, get, create, change, delete."""

from __future__ import annotations

import mlconnector.systems.pipedrive.emulator_contacts as contacts
import mlconnector.systems.pipedrive.emulator_deals as deals
import mlconnector.systems.pipedrive.emulator_products as products
from mlconnector.systems.pipedrive.emulator_errors import is_deleted, not_found
from mlconnector.systems.pipedrive.emulator_query import FILTERS, SORTS, check_parameters, take_page, tests_of
from mlconnector.systems.pipedrive.emulator_state import Company, Record, User
from mlconnector.systems.pipedrive.emulator_view import Shape, read_shape
from mlconnector.systems.pipedrive.emulator_visit import Answer, Visit, page, single

PAGING = (
    "filter_id",
    "ids",
    "limit",
    "cursor",
    "sort_by",
    "sort_direction",
    "updated_since",
    "custom_fields",
)
LABELS = ("include_option_labels", "include_labels")


def list_records(visit: Visit, kind: str, *, archived: bool = False) -> Answer:
    """GET of a list, or of the archived deals, which know no labels (2.1)."""
    company, query = visit.company, visit.query
    check_parameters(query, _known(kind, archived=archived), company.switches)
    shape = read_shape(company, kind, query, labels=kind != "product" and not archived)
    tests = tests_of(company, visit.user, kind, query, archived=archived)
    rows, cursor = take_page(query, company.switches, company.tables[kind].listed, tests, SORTS[kind])
    answer = page([shape.show(row) for row in rows], cursor)
    if cursor and company.switches.edits_during_walks:
        company.change(kind, rows[0], {})
    return answer


def _known(kind: str, *, archived: bool) -> tuple[str, ...]:
    """The parameters of a list (2.1)."""
    window = () if kind == "product" else ("updated_until", "include_fields")
    labels = () if kind == "product" or archived else LABELS
    return (*PAGING, *FILTERS[kind], *window, *labels, *(("status",) if kind == "deal" else ()))


def get_record(visit: Visit, kind: str) -> Answer:
    """GET of one; of a deleted one by switch (9.1)."""
    record = visit.find(kind)
    if record["is_deleted"] and visit.company.switches.get_deleted != "record":
        raise not_found() if visit.company.switches.get_deleted == "not-found" else is_deleted(kind)
    query = visit.query if kind != "product" else {}
    return single(read_shape(visit.company, kind, query).show(record))


def create_record(visit: Visit, kind: str) -> Answer:
    """POST."""
    record = create(visit.company, visit.user, kind, visit.body())
    return single(Shape(visit.company, kind).show(record))


def change_record(visit: Visit, kind: str) -> Answer:
    """PATCH; the answer is the whole record."""
    record = visit.editable(kind)
    change(visit.company, kind, record, visit.body())
    return single(Shape(visit.company, kind).show(record))


def delete_record(visit: Visit, kind: str) -> Answer:
    """DELETE; a second one is 404 or accepted by switch."""
    record = visit.find(kind)
    if record["is_deleted"] and visit.company.switches.delete_again == "not-found":
        raise not_found()
    if not record["is_deleted"]:
        visit.company.delete(kind, record)
    return single({"id": record["id"]})


def create(company: Company, user: User, kind: str, body: object) -> Record:
    """A new record of any kind."""
    if kind == "deal":
        return deals.create(company, user, body)
    if kind == "product":
        return products.create(company, user, body)
    return contacts.create(company, user, kind, body)


def change(company: Company, kind: str, record: Record, body: object) -> None:
    """A change of any kind of record."""
    if kind == "deal":
        deals.change(company, record, body)
    elif kind == "product":
        products.change(company, record, body)
    else:
        contacts.change(company, kind, record, body)
