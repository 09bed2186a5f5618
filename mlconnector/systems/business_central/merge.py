"""What of a record is to be written to its counterpart: `pairs.merge` in the spelling of Business Central. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlconnector.model import Step
from mlconnector.pairs import Merge, merge
from mlconnector.systems.business_central.read import read_stamp
from mlconnector.systems.business_central.values import same


def compare(step: Step, values: Mapping[str, Any], row: Mapping[str, Any], conflict: str) -> Merge:
    """The values to write against the record as it is there; see `pairs.merge` for `conflict`."""
    wanted = {name: value for name, value in values.items() if _counts(step, name)}
    current = {name: value if same(value, row.get(name)) else row.get(name) for name, value in wanted.items()}
    return merge(step, wanted, current, conflict, read_stamp(row.get("lastModifiedDateTime")))


def in_step(step: Step, values: Mapping[str, Any], merged: Merge) -> list[str]:
    """The fields that are as they are wanted once `merged` is written."""
    names = (name for name in values if _counts(step, name))
    return [name for name in names if name not in merged.kept and _is_told(step, name)]


def is_just_matched(step: Step) -> bool:
    """Whether the two were never in step before."""
    return step.changed is None and not step.seen


def _counts(step: Step, name: str) -> bool:
    """Not what only a new record gets: another number would rename it (trap T40)."""
    create_only = step.mapped.create_only if step.mapped is not None else frozenset()
    return name != "number" and name not in create_only


def _is_told(step: Step, name: str) -> bool:
    return step.changed is None or name in step.changed
