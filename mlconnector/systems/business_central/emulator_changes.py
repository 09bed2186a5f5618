"""POST, PATCH and DELETE as changes of a company: one transaction each, deep if the body is (fact sheet 4.1 to 4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlconnector.systems.business_central.emulator_answers import bad_request, refused
from mlconnector.systems.business_central.emulator_company import SERIES_NAMES, STAMP, Company, Moment
from mlconnector.systems.business_central.emulator_entities import ENTITIES
from mlconnector.systems.business_central.emulator_field import Entity, Navigation
from mlconnector.systems.business_central.emulator_rows import Row
from mlconnector.systems.business_central.emulator_write import (
    Draft,
    already_exists,
    apply_body,
    check_deletable,
    check_required,
)

_FIRST = ("documentId",)
"""What a new record needs to know before anything else can be looked up."""


def create(company: Company, entity: Entity, body: Mapping[str, Any], moment: Moment) -> Row:
    """A new record and what its body holds for the rows below it: all of it or nothing (section 4.4).

    The row is the one to show; a document's is that of before its lines where the setup says so.
    """
    own, below = _split_body(entity, body)
    with company.undo.transaction(moment.now):
        row = _create_one(company, entity, own, moment)
        for nav, bodies in below:
            for inner in bodies:
                create(company, ENTITIES[nav.target], {nav.by: row.id, **inner}, moment)
        after = company.table(entity).by_id[row.id]
    return after if company.setup.totals_after_lines else row


def _split_body(
    entity: Entity, body: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[Navigation, Sequence[Mapping[str, Any]]]]]:
    """What is the record's own, and what belongs to the tables of its navigation properties."""
    own: dict[str, Any] = {}
    below: list[tuple[Navigation, Sequence[Mapping[str, Any]]]] = []
    for name, value in body.items():
        nav = entity.nav(name)
        if nav is None or not nav.many or "POST" not in ENTITIES[nav.target].verbs:
            own[name] = value
        elif isinstance(value, list) and all(isinstance(inner, dict) for inner in value):
            below.append((nav, value))
        else:
            raise bad_request("Invalid Request Body")
    return own, below


def _create_one(company: Company, entity: Entity, body: Mapping[str, Any], moment: Moment) -> Row:
    draft = company.draft(entity)
    company.fill_template(draft)
    company.hooks(entity).begin(company, draft, moment.now)
    first = {name: body[name] for name in _FIRST if name in body}
    apply_body(draft, {**first, **body})
    check_required(entity, body)
    if entity.key == "number":
        _settle_number(company, draft, moment)
    return _store(company, draft, moment)


def _settle_number(company: Company, draft: Draft, moment: Moment) -> None:
    """A blank number comes from the series; an own one needs "Manual Nos." (section 4.3)."""
    if not draft["number"]:
        draft["number"] = company.take_number(draft.entity)
    elif not moment.manual_numbers:
        raise refused(
            "You may not enter numbers manually. If you want to enter numbers manually, please activate "
            f"Manual Nos. in No. Series {SERIES_NAMES[draft.entity.name]}."
        )


def change(company: Company, entity: Entity, row: Row, body: Mapping[str, Any], moment: Moment) -> Row:
    """A record with the properties of a body in it; no deep changes (section 4.4)."""
    with company.undo.transaction(moment.now):
        company.hooks(entity).changing(company, row)
        draft = company.draft(entity, row)
        apply_body(draft, body)
        if not draft[entity.key]:
            caption = entity.by_name[entity.key].caption
            raise refused(f"{caption} must have a value in {entity.caption}.")
        if tuple(draft.values) == row.values and not company.setup.unchanged_write_stamps:
            return row
        return _store(company, draft, moment)


def _store(company: Company, draft: Draft, moment: Moment) -> Row:
    stamp = moment.stamp
    if draft.before is not None and draft.sent.keys() == {"inventory"}:
        stamp = draft.before.values[draft.entity.columns[STAMP]]  # a stock movement leaves it (section 2.6)
    try:
        return company.store(draft, stamp, moment.now)
    except ValueError:
        raise already_exists(draft.entity, draft[draft.entity.key], moment.duplicate_status) from None


def remove(company: Company, entity: Entity, row: Row, moment: Moment) -> None:
    """Takes a record out, unless something depends on it."""
    check_deletable(entity, row)
    with company.undo.transaction(moment.now):
        company.hooks(entity).removing(company, row)
        company.remove(entity, row, moment.now)
