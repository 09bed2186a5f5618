"""The service document and `$metadata` (EDMX) of the emulated entity sets (fact sheet 1.1, checklist E2)."""

from __future__ import annotations

from functools import cache
from typing import Any
from xml.sax.saxutils import quoteattr

from mlconnector.systems.business_central.emulator_entities import ENTITIES, Entity, Field, encode_option

_EDM = {
    "guid": "Edm.Guid",
    "code": "Edm.String",
    "text": "Edm.String",
    "decimal": "Edm.Decimal",
    "int": "Edm.Int64",
    "bool": "Edm.Boolean",
    "date": "Edm.Date",
    "datetime": "Edm.DateTimeOffset",
}


def service_document(base: str) -> dict[str, Any]:
    """`GET …/api/v2.0`."""
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in ENTITIES]
    return {"@odata.context": f"{base}/$metadata", "value": sets}


@cache
def edmx() -> bytes:
    """`GET …/$metadata`: types with keys and lengths, enums with encoded members, navigation, the container."""
    types = "".join(_enums(entity) + _type(entity) for entity in ENTITIES.values())
    sets = "".join(_set(entity) for entity in ENTITIES.values())
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        '<Schema Namespace="Microsoft.NAV" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'{types}<EntityContainer Name="NAV">{sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
    ).encode()


def _enum_name(entity: Entity, field: Field) -> str:
    return f"{entity.single}{field.name[0].upper()}{field.name[1:]}"


def _enums(entity: Entity) -> str:
    return "".join(
        f"<EnumType Name={quoteattr(_enum_name(entity, field))}>"
        + "".join(
            f'<Member Name={quoteattr(encode_option(option))} Value="{place}"/>'
            for place, option in enumerate(field.options)
        )
        + "</EnumType>"
        for field in entity.fields
        if field.kind == "enum"
    )


def _type(entity: Entity) -> str:
    navigation = "".join(
        f'<NavigationProperty Name="{nav.name}" Type="Microsoft.NAV.{ENTITIES[nav.target].single}"/>'
        for nav in entity.navigation
    )
    if entity.name == "companies":
        navigation = "".join(
            f'<NavigationProperty Name="{other.name}" Type="Collection(Microsoft.NAV.{other.single})" '
            'ContainsTarget="true"/>'
            for other in ENTITIES.values()
            if other is not entity
        )
    properties = "".join(_property(entity, field) for field in entity.fields)
    return (
        f'<EntityType Name="{entity.single}"><Key><PropertyRef Name="id"/></Key>'
        f"{properties}{navigation}</EntityType>"
    )


def _property(entity: Entity, field: Field) -> str:
    if field.kind == "enum":
        return f'<Property Name="{field.name}" Type="Microsoft.NAV.{_enum_name(entity, field)}"/>'
    nullable = ' Nullable="false"' if field.name == "id" else ""
    length = f' MaxLength="{field.length}"' if field.length else ""
    scale = ' Scale="Variable"' if field.kind == "decimal" else ""
    return f'<Property Name="{field.name}" Type="{_EDM[field.kind]}"{nullable}{length}{scale}/>'


def _set(entity: Entity) -> str:
    bindings = "".join(
        f'<NavigationPropertyBinding Path="{nav.name}" Target="{nav.target}"/>' for nav in entity.navigation
    )
    return (
        f'<EntitySet Name="{entity.name}" EntityType="Microsoft.NAV.{entity.single}">{bindings}</EntitySet>'
    )
