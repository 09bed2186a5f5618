"""Pipelines and stages of the emulated Pipedrive: read only, in full (fact sheet 2.1)."""

from __future__ import annotations

from collections.abc import Mapping

from mlconnector.systems.pipedrive.emulator_errors import invalid, not_found
from mlconnector.systems.pipedrive.emulator_query import read_whole, take_page
from mlconnector.systems.pipedrive.emulator_state import Record
from mlconnector.systems.pipedrive.emulator_visit import Answer, Visit, page, single

SORTS = ("id", "update_time", "add_time", "order_nr")


def list_pipelines(visit: Visit) -> Answer:
    """GET /pipelines."""
    return _list(visit, list(visit.company.pipelines.values()))


def list_stages(visit: Visit) -> Answer:
    """GET /stages."""
    pipeline = read_whole(visit.query, "pipeline_id")
    stages = visit.company.stages.values()
    return _list(visit, [stage for stage in stages if pipeline in (0, stage["pipeline_id"])])


def get_pipeline(visit: Visit) -> Answer:
    """GET /pipelines/{id}."""
    return _get(visit, visit.company.pipelines)


def get_stage(visit: Visit) -> Answer:
    """GET /stages/{id}."""
    return _get(visit, visit.company.stages)


def _list(visit: Visit, rows: list[Record]) -> Answer:
    """There is no `updated_since` here: 400, where other lists ignore what they do not know."""
    if "updated_since" in visit.query:
        raise invalid("updated_since: is not allowed")
    return page(*take_page(visit.query, visit.company.switches, rows, (), SORTS))


def _get(visit: Visit, rows: Mapping[int, Record]) -> Answer:
    if visit.number() not in rows:
        raise not_found()
    return single(rows[visit.number()])
