"""What of two records changed since they were in step, and what of it is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mlconnector.decide import Known
from mlconnector.lanes import Planned
from mlconnector.model import Flow, LedgerEntry, Link, Mapped, Step
from mlconnector.pairs import (
    Made,
    Merge,
    changed_fields,
    field_hash,
    hashes,
    left_out,
    merge,
    moved_fields,
    seen_of,
    seen_there,
    unfilled,
)
from tests.toys import START

FLOW = Flow(
    "f", "a", "row", "b", "thing", lambda change: Mapped("k", {}, b""),
    fields={"displayName": frozenset({"name"}), "city": frozenset({"address.town", "country"})}, rules="1",
)  # fmt: skip
RECORD = {"name": "Nord", "address": {"town": "Ulm"}, "country": "DE", "unmapped": 1}


def made(record: dict[str, Any], **refs: str) -> Made:
    """The town in capitals without what stands behind a comma, and the country."""
    town = str((record.get("address") or {}).get("town") or "").partition(",")[0].upper()
    return Made({"displayName": record.get("name"), "city": f"{town} {record.get('country')}"}, refs)


def link(record: dict[str, Any] = RECORD, **seen: str) -> Link:
    return Link("t1", {**seen_of(FLOW, record, made(record)), **seen}, {})


def changed(record: dict[str, Any], seen: Link, flow: Flow = FLOW, **refs: str) -> frozenset[str] | None:
    return changed_fields(flow, moved_fields(flow, record, seen), made(record, **refs), seen)


@pytest.mark.parametrize(
    ("now", "names"),
    [
        ({}, set()),
        ({"address": {"town": "ULM, Donau"}}, set()),
        ({"name": "Syd"}, {"displayName"}),
        ({"address": {"town": "Bonn", "zip": "5"}}, {"city"}),
        ({"address": {"town": "Ulm", "zip": "5"}}, set()),
        ({"address": None}, {"city"}),
        ({"country": "", "name": None}, {"city", "displayName"}),
        ({"unmapped": 2}, set()),
    ],
)
def test_what_changed_is_told_by_the_fields_it_is_made_of(now: dict[str, Any], names: set[str]) -> None:
    assert changed({**RECORD, **now}, link()) == names


def test_after_the_mapping_changed_everything_may_have() -> None:
    assert changed(RECORD, link(), replace(FLOW, rules="2")) is None


def test_of_two_that_were_linked_by_hand_nothing_is_known() -> None:
    assert changed(RECORD, Link("t1", {}, {})) is None


def test_what_the_other_way_round_saw_says_nothing_of_this_flows_mapping() -> None:
    seen = hashes(RECORD, ["name", "address.town", "country"])
    assert changed(RECORD, Link("t1", seen, {})) == set()
    other = {**RECORD, "address": {"town": "ULM, Donau"}}
    assert changed(other, Link("t1", seen, {})) == {"city"}, "of an older state file the value is not known"


def test_what_the_other_way_round_brought_and_people_took_back_is_a_change() -> None:
    brought = {**RECORD, "name": "Syd"}
    assert changed(RECORD, link(name=field_hash(brought["name"]))) == {"displayName"}


def test_a_reference_that_leads_elsewhere_is_a_change_although_nothing_changed_here() -> None:
    flow = replace(FLOW, fields={**FLOW.fields, "company": frozenset({"org"})})
    seen = Link("t1", seen_of(flow, RECORD, made(RECORD, company="c1")), {})  # type: ignore[arg-type]
    assert changed(RECORD, seen, flow, company="c1") == set()
    assert changed(RECORD, seen, flow, company="c2") == {"company"}
    assert changed({**RECORD, "org": 2}, seen, flow) == {"company"}, "it may refer to none any more"


def test_what_was_empty_and_never_seen_is_no_change() -> None:
    seen = {path: one for path, one in link().seen.items() if path != "country"}
    for blank in (None, "", " ", 0, False):
        assert changed({**RECORD, "country": blank}, Link("t1", seen, {})) == set()
    assert changed(RECORD, Link("t1", seen, {})) == {"city"}


def test_what_was_left_out_is_known_as_such_until_it_was_sent() -> None:
    assert left_out(made(RECORD), link()) == set()
    seen = seen_of(FLOW, RECORD, made(RECORD), ["city"])
    assert left_out(made(RECORD), Link("t1", seen, {})) == {"city"}  # type: ignore[arg-type]
    assert left_out(made(RECORD), Link("t1", hashes(RECORD, ["name"]), {})) == set(), "an older state file"


def test_a_new_counterpart_fills_what_is_empty_here_and_nothing_else() -> None:
    back = {"number": frozenset({"no"}), "name": frozenset({"title"}), "short": frozenset({"title", "abc"})}
    assert unfilled({"name": "Nord", "number": ""}, back, ["name"]) == {"no", "abc"}
    assert unfilled({"name": "Nord", "number": ""}, back, ["name", "number"]) == {"abc"}, (
        "it was carried as it is"
    )


def test_only_what_is_watched_and_known_is_remembered_of_a_counterpart() -> None:
    now = {"displayName": "Nord", "custom_fields": {"Region": "N"}, "etag": "x"}
    found = seen_there(now, ["displayName", "city", "custom_fields.Region", "custom_fields.Other"])
    assert found == {"displayName": field_hash("Nord"), "custom_fields.Region": field_hash("N")}


def test_an_empty_text_and_nothing_are_one() -> None:
    assert field_hash("") == field_hash(None) != field_hash(0)


# merging

WAS = {"name": "Nord", "city": "Ulm", "phone": ""}
STEP = Step("update", "c1", seen=hashes(WAS, WAS), modified=START)
BOTH = {"name": "Syd", "city": "Bonn"}


def merged(changed: set[str] | None, there: dict[str, Any], conflict: str = "source", **step: Any) -> Merge:
    known = {"changed": None if changed is None else frozenset(changed), **step}
    return merge(replace(STEP, **known), {**WAS, **BOTH}, {**WAS, **there}, conflict, START)


def test_only_what_changed_here_is_written_and_only_if_it_differs_there() -> None:
    assert merged({"name"}, {}) == Merge({"name": "Syd"})
    assert merged({"name"}, {"name": "Syd"}) == Merge({})
    assert merged(set(), {"name": "Other"}) == Merge({})


def test_what_changed_only_there_is_left_alone() -> None:
    assert merged({"name"}, {"phone": "1", "city": "Rom"}) == Merge({"name": "Syd"})


@pytest.mark.parametrize(
    ("conflict", "expected"),
    [
        ("source", Merge({"name": "Syd", "city": "Bonn"})),
        ("target", Merge({"city": "Bonn"}, kept=("name",))),
        ("hold", Merge({}, in_conflict=("name",))),
    ],
)
def test_what_changed_on_both_sides_is_settled_as_configured(conflict: str, expected: Merge) -> None:
    assert merged({"name", "city"}, {"name": "Öst"}, conflict) == expected


@pytest.mark.parametrize(("seconds", "is_written"), [(0, True), (1, True), (-1, False), (None, False)])
def test_the_newest_wins(seconds: int | None, is_written: bool) -> None:
    modified = None if seconds is None else START + timedelta(seconds=seconds)
    found = merged({"name"}, {"name": "Öst"}, "newest", modified=modified)
    assert ("name" in found.write) is is_written and ("name" in found.kept) is not is_written


def test_both_sides_came_to_the_same_value_which_is_no_conflict() -> None:
    assert merged({"name"}, {"name": "Syd"}, "hold") == Merge({})


def test_a_field_that_is_mapped_from_now_on_is_not_emptied() -> None:
    known = replace(STEP, changed=None, seen=hashes(WAS, ["name", "city"]))
    found = merge(known, {"name": "Nord", "city": "Ulm", "phone": ""}, {**WAS, "phone": "1"}, "source", START)
    assert found == Merge({}, kept=("phone",))


def test_two_that_just_met_never_lose_a_value_to_an_empty_one() -> None:
    assert merged(None, {"phone": "1"}, seen={}) == Merge(BOTH, kept=("phone",))
    assert merged(None, {"phone": "1"}, "target", seen={}) == Merge({}, kept=("phone", "name", "city"))
    assert merged(None, {"name": "", "city": None}, "target", seen={}) == Merge(BOTH)


def test_what_was_left_out_before_does_not_count_for_the_brake() -> None:
    known = Known(LedgerEntry("f", "c1", "done"), changed=frozenset({"country"}))
    plan = Planned("c1", None, "", None, known, STEP)
    assert plan.touches_known
    assert not replace(plan, known=replace(known, only_left_out=True)).touches_known
