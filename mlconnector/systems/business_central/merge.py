"""What of a record is to be written to its counterpart: `pairs.merge` in the spelling of Business Central. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlconnector.model import Step
from mlconnector.pairs import Merge, merge
from mlconnector.spelling import legal_forms, plain_name, plain_tax
from mlconnector.systems.business_central.read import read_stamp
from mlconnector.systems.business_central.values import is_blank, same


def compare(step: Step, values: Mapping[str, Any], row: Mapping[str, Any], conflict: str) -> Merge:
    """The values to write against the record as it is there; see `pairs.merge` for `conflict`."""
    wanted = {name: value for name, value in values.items() if _counts(step, name)}
    current = {name: value if same(value, row.get(name)) else row.get(name) for name, value in wanted.items()}
    changed_there = read_stamp(row.get("lastModifiedDateTime"))
    return merge(step, wanted, current, conflict, changed_there, is_empty=is_blank)


def in_step(step: Step, values: Mapping[str, Any], merged: Merge, row: Mapping[str, Any]) -> list[str]:
    """The fields that are as they are wanted once `merged` is written, `row` being what is there then."""
    return [
        name
        for name in values
        if name not in merged.kept
        and _is_told(step, name)
        and (_counts(step, name) or same(values[name], row.get(name)))
    ]


def is_just_matched(step: Step) -> bool:
    """Whether the two were never in step before."""
    return step.changed is None and not step.seen


def find_contradiction(entity: str, step: Step, values: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """What speaks against a customer or contact that was only just found, by its name or an e-mail address; "" is
    nothing.

    What a person linked holds (its memo is empty, not None).
    """
    if entity not in _AGAINST or step.memo is not None or not is_just_matched(step) or step.mapped is None:
        return ""
    return _AGAINST[entity](step.mapped.match, values, row)


def _against_customer(match: Sequence[str], values: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """A number or tax number that both have holds, whatever else there is."""
    ours, theirs = (plain_tax(str(one.get("taxRegistrationNumber") or "")) for one in (values, row))
    numbers = [key.partition(":")[2] for key in match if key.startswith("number:")]
    has = str(row["number"]).casefold()
    if any(number.casefold() == has for number in numbers) or (ours and ours == theirs):
        return ""
    if ours and theirs and ours not in theirs and theirs not in ours:
        return "its tax number is another one"
    if numbers:
        return "its number is another one"
    forms = [legal_forms(str(one.get("displayName") or "")) for one in (values, row)]
    return "its legal form is another one" if all(forms) and not forms[0] & forms[1] else ""


def _against_contact(match: Sequence[str], values: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Several people may share an e-mail address (info@…)."""
    names = {plain_name(str(one.get("displayName") or "")) for one in (values, row)}
    companies = {str(one.get("companyNumber") or "").upper() for one in (values, row)}
    return "its name and its company are others" if len(names) > 1 and len(companies) > 1 else ""


_AGAINST = {"customer": _against_customer, "contact": _against_contact}


def _counts(step: Step, name: str) -> bool:
    """Not what only a new record gets: another number would rename it (trap T40)."""
    create_only = step.mapped.create_only if step.mapped is not None else frozenset()
    return name != "number" and name not in create_only


def _is_told(step: Step, name: str) -> bool:
    return step.changed is None or name in step.changed
