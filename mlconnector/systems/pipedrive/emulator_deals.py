"""Writes of deals in the emulated Pipedrive: status, stage, archive and the locked value (fact sheet 3.1, 3.6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mlconnector.systems.pipedrive.emulator_bodies import Body, merged_custom, read_body
from mlconnector.systems.pipedrive.emulator_errors import invalid, refused
from mlconnector.systems.pipedrive.emulator_state import CURRENCIES, Company, Record, User, stamp

VALUE_LOCKED = "Cannot update deal value, the deal has products attached to it."
BLANK: Mapping[str, Any] = {
    "title": "", "creator_user_id": 0, "owner_id": 0, "value": 0, "person_id": None, "org_id": None, "stage_id": 0,
    "pipeline_id": 0, "currency": "EUR", "archive_time": None, "add_time": "", "update_time": "",
    "stage_change_time": None, "status": "open", "is_archived": False, "is_deleted": False, "probability": None,
    "lost_reason": None, "visible_to": 3, "close_time": None, "won_time": None, "lost_time": None,
    "local_won_date": None, "local_lost_date": None, "local_close_date": None, "expected_close_date": None,
    "label_ids": [], "origin": "ManuallyCreated", "origin_id": None, "channel": None, "channel_id": None,
    "acv": None, "arr": None, "mrr": None, "custom_fields": {}, "_first_won_time": None,
}  # fmt: skip
ONLY_WHEN: Mapping[str, tuple[str, ...]] = {
    "won_time": ("won",), "lost_time": ("lost",), "lost_reason": ("lost",), "close_time": ("won", "lost"),
}  # fmt: skip
MOMENTS = ("won_time", "lost_time", "close_time", "archive_time")


def create(company: Company, user: User, sent: Any) -> Record:
    """POST /deals; duplicates are not prevented (5.2)."""
    body = read_body(company, "deal", sent, creating=True)
    blank = {**BLANK, "creator_user_id": user.id, "owner_id": user.id, "currency": user.currency}
    custom = merged_custom(company, "deal", body.pop("custom_fields", {}), {})
    changes = _changes(company, blank, body)
    return company.insert("deal", {**blank, **changes, "custom_fields": custom})


def change(company: Company, deal: Record, sent: Any) -> None:
    """PATCH /deals/{id}: all of it or nothing."""
    body = read_body(company, "deal", sent, creating=False)
    if "value" in body and company.lines(deal):
        raise refused(VALUE_LOCKED)
    custom = merged_custom(company, "deal", body.pop("custom_fields", {}), deal["custom_fields"])
    changes = _changes(company, deal, body)
    company.change("deal", deal, {**changes, "custom_fields": custom})
    if "currency" in body and company.lines(deal):
        company.recompute(deal)


def _changes(company: Company, before: Record, body: Body) -> Record:
    """What a checked body changes, with all that follows from it."""
    _check(company, before, body)
    plain = {name: value for name, value in body.items() if name not in MOMENTS}
    after = {**plain, **_placed(company, before, body), **_closed(company, before, body)}
    after |= _archived(company, before, body)
    given = {name: _as_stamp(body[name]) for name in MOMENTS if body.get(name) is not None}
    return _with_local_dates(company, {**after, **given})


def _check(company: Company, before: Record, body: Body) -> None:
    status = body.get("status", before["status"])
    for name, where in ONLY_WHEN.items():
        if body.get(name) is not None and status not in where:
            raise invalid(f"{name}: is allowed only when the status is {' or '.join(where)}")
    if not company.switches.null_unlinks and None in (body.get("person_id", 0), body.get("org_id", 0)):
        raise invalid("person_id, org_id: must be an integer")
    if body.get("currency", "EUR") not in CURRENCIES:
        raise invalid("currency: is not one of the company's currencies")


def _placed(company: Company, before: Record, body: Body) -> Record:
    """Pipeline and stage; each implies the other."""
    pipeline_id = body.get("pipeline_id", before["pipeline_id"])
    stage_id = body.get("stage_id", before["stage_id"])
    if "stage_id" in body and stage_id in company.stages and "pipeline_id" not in body:
        pipeline_id = company.stages[stage_id]["pipeline_id"]
    pipeline_id = pipeline_id or next(iter(company.pipelines))
    stages = [key for key, stage in company.stages.items() if stage["pipeline_id"] == pipeline_id]
    if "stage_id" not in body and stage_id not in stages:
        stage_id = stages[0] if stages else 0
    if stage_id not in stages:
        raise invalid("stage_id: is not a stage of this pipeline")
    enabled = company.pipelines[pipeline_id]["is_deal_probability_enabled"]
    if body.get("probability") is not None and not enabled:
        raise invalid("probability: is not enabled in this pipeline")
    moved = before["stage_id"] not in (0, stage_id)
    placed = {"pipeline_id": pipeline_id, "stage_id": stage_id}
    return {**placed, "stage_change_time": company.stamp()} if moved else placed


def _closed(company: Company, before: Record, body: Body) -> Record:
    """What a change of the status brings along."""
    status = body.get("status", before["status"])
    if status == before["status"]:
        return {}
    now = company.stamp()
    kept = before["won_time"] if company.switches.won_time_when_reopened == "kept" else None
    return {
        "close_time": None if status == "open" else now,
        "won_time": now if status == "won" else kept,
        "lost_time": now if status == "lost" else None,
        "lost_reason": body.get("lost_reason"),
        "_first_won_time": before["_first_won_time"] or (now if status == "won" else None),
    }


def _archived(company: Company, before: Record, body: Body) -> Record:
    archived = body.get("is_archived", before["is_archived"])
    if archived == before["is_archived"]:
        return {}
    return {"archive_time": company.stamp() if archived else None}


def _with_local_dates(company: Company, changes: Record) -> Record:
    """`local_won_date` and its like are days of the account's calendar (trap 29)."""
    for name in ("won", "lost", "close"):
        if f"{name}_time" in changes:
            moment = changes[f"{name}_time"]
            changes[f"local_{name}_date"] = company.day_of(moment) if moment else None
    return changes


def _as_stamp(text: str) -> str:
    """A time that was sent in the form of v2 or v1, as v2 shows it."""
    moment = datetime.fromisoformat(text)
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
