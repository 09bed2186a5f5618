"""Items and contacts as sources: read by time stamp, fetched by id, described."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from mlconnector.systems.business_central import SYSTEM
from mlconnector.systems.business_central.emulator import BusinessCentral

from .connecting import flow
from .writing import Desk


def test_items_are_read_with_what_is_mapped_and_their_category(bc: BusinessCentral, desk: Desk) -> None:
    source = desk.client.connect().source([flow("unitPrice", "itemCategory.displayName", entity="item")])
    (batch,) = source.read("item", None)
    record = {change.record["number"]: change.record for change in batch.changes}["1896-S"]
    assert record["unitPrice"] == Decimal("1000.8")
    assert set(record) == {"id", "number", "lastModifiedDateTime", "unitPrice", "itemCategory"}
    assert batch.checkpoint


def test_only_items_that_changed_are_read_again(bc: BusinessCentral, desk: Desk) -> None:
    source = desk.client.connect().source([flow("unitPrice", entity="item")])
    (batch,) = source.read("item", None)
    bc.clock.advance(3600)
    bc.edit("items", "1896-S", unitPrice=Decimal("999"))
    since = source.shift(str(batch.checkpoint), -timedelta(minutes=1))
    (again,) = source.read("item", since)
    assert [(one.record["number"], one.record["unitPrice"]) for one in again.changes] == [("1896-S", 999)]


@pytest.mark.parametrize(("entity", "entity_set"), [("item", "items"), ("contact", "contacts")])
def test_a_deleted_one_comes_as_a_delete(
    bc: BusinessCentral, desk: Desk, entity: str, entity_set: str
) -> None:
    gone, there = bc.rows(entity_set)[:2]
    bc.delete(entity_set, gone["number"])
    source = desk.client.connect().source([flow("displayName", entity=entity)])
    found = {change.id: change.kind for change in source.fetch(entity, [gone["id"], there["id"]])}
    assert found == {gone["id"]: "delete", there["id"]: "upsert"}


@pytest.mark.parametrize("entity", ["item", "contact"])
def test_every_known_field_can_be_asked_for_and_described(desk: Desk, entity: str) -> None:
    names = SYSTEM.entities[entity].fields
    source = desk.client.connect().source([flow(*names, entity=entity)])
    (batch,) = source.read(entity, None)
    assert {name.partition(".")[0] for name in names} <= batch.changes[0].record.keys()
    fields, sample = desk.client.connect().describe(entity, [])
    assert [field.name for field in fields] == list(names)
    assert sample["number"]


def test_an_item_is_meant_by_its_number(desk: Desk) -> None:
    source = desk.client.connect().source([flow(entity="item")])
    assert source.resolve("item", "1896-s") == [desk.id("items", "1896-S")]
    assert source.resolve("item", "a@x.se") == []


def test_a_person_is_meant_by_an_address(bc: BusinessCentral, desk: Desk) -> None:
    source = desk.client.connect().source([flow(entity="contact")])
    person = next(row for row in bc.rows("contacts") if row["displayName"] == "Karin Fleischer")
    assert source.resolve("contact", "Karin.Fleischer@adatum.com") == [person["id"]]


@pytest.mark.parametrize("entity", ["document", "posting"])
def test_of_documents_no_field_is_mapped(desk: Desk, entity: str) -> None:
    assert desk.client.connect().describe(entity, []) == ([], {})
    assert SYSTEM.fields_of(desk.client.settings(), entity) == {}
