"""Service documents and `$metadata` (EDMX) of the emulated sets and pages (fact sheet 1.1, 1.7, checklist E2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from xml.sax.saxutils import quoteattr

from mlconnector.systems.business_central.emulator_field import Entity, Field, Navigation, encode_option
from mlconnector.systems.business_central.emulator_versions import Version

_EDM = {
    "guid": "Edm.Guid",
    "code": "Edm.String",
    "text": "Edm.String",
    "decimal": "Edm.Decimal",
    "int": "Edm.Int64",
    "bool": "Edm.Boolean",
    "date": "Edm.Date",
    "datetime": "Edm.DateTimeOffset",
    "caption": "Edm.String",
    "complex": "Microsoft.NAV.postaladdresstype",
}
_ADDRESS = "".join(
    f'<Property Name="{name}" Type="Edm.String"/>'
    for name in ("street", "city", "state", "countryLetterCode", "postalCode")
)


def service_document(base: str, names: Iterable[str]) -> dict[str, Any]:
    """`GET …/api/v2.0` or `GET …/ODataV4`."""
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in names]
    return {"@odata.context": f"{base}/$metadata", "value": sets}


@cache
def api_edmx(version: Version) -> bytes:
    """`GET …/api/v2.0/$metadata`, made once for each version."""
    return edmx(version.entities)


def edmx(entities: Mapping[str, Entity], holder: str = "companies") -> bytes:
    """Types with keys and lengths, enums with encoded members, navigation, the container.

    Rows of the set `holder` contain all the other sets: companies do.
    """
    namespace = next(iter(entities.values())).namespace
    addressed = any(one.kind == "complex" for entity in entities.values() for one in entity.fields)
    address = f'<ComplexType Name="postaladdresstype">{_ADDRESS}</ComplexType>' if addressed else ""
    types = "".join(_enums(entity) + _type(entity, entities, holder) for entity in entities.values())
    sets = "".join(_set(entity) for entity in entities.values())
    actions = "".join(_action(entity, name) for entity in entities.values() for name in entity.actions)
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        f'<Schema Namespace="{namespace}" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'{address}{types}{actions}<EntityContainer Name="NAV">{sets}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
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


def _type(entity: Entity, entities: Mapping[str, Entity], holder: str) -> str:
    navigation = "".join(_navigation(nav, entities[nav.target]) for nav in entity.navigation)
    if entity.name == holder:
        navigation = "".join(
            f'<NavigationProperty Name="{other.name}" Type="Collection({other.namespace}.{other.single})" '
            'ContainsTarget="true"/>'
            for other in entities.values()
            if other is not entity
        )
    properties = "".join(_property(entity, field) for field in entity.fields)
    return (
        f'<EntityType Name="{entity.single}"><Key><PropertyRef Name="{entity.reference}"/></Key>'
        f"{properties}{navigation}</EntityType>"
    )


def _action(entity: Entity, name: str) -> str:
    kind = f"{entity.namespace}.{entity.single}"
    return f'<Action Name="{name}" IsBound="true"><Parameter Name="bindingParameter" Type="{kind}"/></Action>'


def _navigation(nav: Navigation, target: Entity) -> str:
    single = f"{target.namespace}.{target.single}"
    kind = f"Collection({single})" if nav.many else single
    return f'<NavigationProperty Name="{nav.name}" Type="{kind}"/>'


def _property(entity: Entity, field: Field) -> str:
    if field.kind == "enum":
        return f'<Property Name="{field.name}" Type="Microsoft.NAV.{_enum_name(entity, field)}"/>'
    nullable = ' Nullable="false"' if field.name == entity.reference else ""
    length = f' MaxLength="{field.length}"' if field.length else ""
    scale = ' Scale="Variable"' if field.kind == "decimal" else ""
    return f'<Property Name="{field.name}" Type="{_EDM[field.kind]}"{nullable}{length}{scale}/>'


def _set(entity: Entity) -> str:
    bindings = "".join(
        f'<NavigationPropertyBinding Path="{nav.name}" Target="{nav.target}"/>' for nav in entity.navigation
    )
    return f'<EntitySet Name="{entity.name}" EntityType="{entity.namespace}.{entity.single}">{bindings}</EntitySet>'
