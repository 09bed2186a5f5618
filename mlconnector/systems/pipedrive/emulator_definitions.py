"""Field definitions over v2 and v1 of the emulated Pipedrive (fact sheet section 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlconnector.systems.pipedrive.emulator_errors import invalid
from mlconnector.systems.pipedrive.emulator_fields import Field, Fields
from mlconnector.systems.pipedrive.emulator_query import read_limit, read_whole, take_page
from mlconnector.systems.pipedrive.emulator_types import filled, text
from mlconnector.systems.pipedrive.emulator_view import field_view, option_views, read_extras
from mlconnector.systems.pipedrive.emulator_visit import Answer, Visit, page, single

SETTINGS = ("field_name", "description", "ui_visibility", "important_fields", "required_fields")


def list_fields(visit: Visit, kind: str) -> Answer:
    """GET /…Fields: only the active ones."""
    fields, extra = visit.company.fields[kind], read_extras(visit.query)
    rows = [{"id": one.id, "field": one} for one in fields.by_code.values()]
    taken, cursor = take_page(visit.query, visit.company.switches, rows, (), ("id",))
    return page([field_view(fields, row["field"], extra) for row in taken], cursor)


def get_field(visit: Visit, kind: str) -> Answer:
    """GET /…Fields/{field_code}."""
    fields, field = _named(visit, kind)
    return single(field_view(fields, field, read_extras(visit.query)))


def create_field(visit: Visit, kind: str) -> Answer:
    """POST /…Fields."""
    body, fields = _object(visit, (*SETTINGS, "field_type", "options")), visit.company.fields[kind]
    if wrong := filled(body.get("field_name")):
        raise invalid(f"field_name: {wrong}")
    labels = _read_options(body.get("options") or [], ("label",))
    made = fields.create(
        body["field_name"],
        str(body.get("field_type")),
        [option["label"] for option in labels],
        visit.company.stamp(),
        body.get("description"),
    )
    return single(field_view(fields, made))


def change_field(visit: Visit, kind: str) -> Answer:
    """PATCH /…Fields/{field_code}: the name may change, the code and the type never."""
    fields, field = _named(visit, kind)
    body = _object(visit, SETTINGS)
    if "field_name" in body and (wrong := filled(body["field_name"])):
        raise invalid(f"field_name: {wrong}")
    field.name = body.get("field_name", field.name)
    field.description = body.get("description", field.description)
    field.update_time = visit.company.stamp()
    return single(field_view(fields, field))


def delete_field(visit: Visit, kind: str) -> Answer:
    """DELETE /…Fields/{field_code}."""
    fields, field = _named(visit, kind)
    fields.delete(field)
    return single(field_view(fields, field))


def add_options(visit: Visit, kind: str) -> Answer:
    """POST /…Fields/{field_code}/options: `[{"label"}]`."""
    fields, field = _with_options(visit, kind)
    labels = [option["label"] for option in _read_options(visit.body(), ("label",))]
    return _options(option_views(fields.add_options(field, labels, visit.company.stamp())))


def change_options(visit: Visit, kind: str) -> Answer:
    """PATCH /…Fields/{field_code}/options: `[{"id", "label"}]`."""
    fields, field = _with_options(visit, kind)
    sent = _read_options(visit.body(), ("id", "label"))
    touched = fields.touched(field, [option["id"] for option in sent])
    for option, change in zip(touched, sent, strict=True):
        option.label, option.update_time = change["label"], visit.company.stamp()
    return _options(option_views(touched))


def delete_options(visit: Visit, kind: str) -> Answer:
    """DELETE /…Fields/{field_code}/options: `[{"id"}]`."""
    fields, field = _with_options(visit, kind)
    touched = fields.touched(field, [option["id"] for option in _read_options(visit.body(), ("id",))])
    fields.drop_options(field, touched)
    return _options(option_views(touched))


def list_fields_v1(visit: Visit, kind: str) -> Answer:
    """GET /v1/…Fields: `start` and `limit` stand in additional_data directly (6.2)."""
    start, limit = read_whole(visit.query, "start"), read_limit(visit.query, visit.company.switches)
    rows = list(visit.company.fields[kind].by_code.values())
    more = {"start": start, "limit": limit, "more_items_in_collection": len(rows) > start + limit}
    shown = [_field_v1(row) for row in rows[start : start + limit]]
    return {"success": True, "data": shown or None, "additional_data": more}


def _field_v1(field: Field) -> Mapping[str, Any]:
    return {
        "id": field.id,
        "key": field.code,
        "name": field.name,
        "field_type": field.type,
        "add_time": _v1_time(field.add_time),
        "update_time": _v1_time(field.update_time),
        "active_flag": True,
        "edit_flag": field.custom,
        "mandatory_flag": field.code in ("title", "name"),
        "options": [{"id": one.id, "label": one.label} for one in field.options] if field.options else None,
        "options_deleted": [{"id": one.id, "label": one.label} for one in field.gone],
    }


def _v1_time(text: str) -> str:
    return text.replace("T", " ").rstrip("Z")


def _named(visit: Visit, kind: str) -> tuple[Fields, Field]:
    fields = visit.company.fields[kind]
    return fields, fields.find(visit.names[0])


def _with_options(visit: Visit, kind: str) -> tuple[Fields, Field]:
    fields, field = _named(visit, kind)
    if field.type not in ("enum", "set"):
        raise invalid("options: this field has none", fields.code_of(field))
    return fields, field


def _options(views: list[dict[str, Any]]) -> Answer:
    return {"success": True, "data": views, "additional_data": None}


def _object(visit: Visit, known: tuple[str, ...]) -> dict[str, Any]:
    body = visit.body()
    if not isinstance(body, dict):
        raise invalid("the body must be an object")
    if unknown := [name for name in body if name not in known]:
        raise invalid(f"{unknown[0]}: is not allowed")
    return body


def _read_options(body: Any, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """A bare array of objects with just these keys: all of it fits, or 400."""
    if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
        raise invalid("options: must be an array of objects")
    for item in body:
        checks: Mapping[str, Callable[[Any], str]] = {"label": filled, "id": _an_id}
        if wrong := [key for key in keys if key not in item or checks[key](item[key])]:
            raise invalid(f"options: {wrong[0]} is required")
        if unknown := [key for key in item if key not in (*keys, "color")]:
            raise invalid(f"options: {unknown[0]} is not allowed")
    return body


def _an_id(value: Any) -> str:
    return "" if isinstance(value, int) else text(value)
