"""What of two records changed since they were in step, and what of it is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mlconnector.model import Flow, Link, Mapped, Step
from mlconnector.pairs import Merge, changed_fields, field_hash, hashes, merge, seen_of, seen_there
from tests.toys import START

FLOW = Flow(
    "f", "a", "row", "b", "thing", lambda change: Mapped("k", {}, b""),
    fields={"displayName": frozenset({"name"}), "city": frozenset({"address.town", "country"})}, rules="1",
)  # fmt: skip
RECORD = {"name": "Nord", "address": {"town": "Ulm"}, "country": "DE", "unmapped": 1}


def link(record: dict[str, Any] = RECORD, **seen: str) -> Link:
    return Link("t1", {**seen_of(FLOW, record), **seen}, {})


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        ({}, set()),
        ({"name": "Syd"}, {"displayName"}),
        ({"address": {"town": "Bonn", "zip": "5"}}, {"city"}),
        ({"address": {"town": "Ulm", "zip": "5"}}, set()),
        ({"address": None}, {"city"}),
        ({"country": "", "name": None}, {"city", "displayName"}),
        ({"unmapped": 2}, set()),
    ],
)
def test_what_changed_is_told_by_the_fields_it_is_made_of(now: dict[str, Any], changed: set[str]) -> None:
    assert changed_fields(FLOW, {**RECORD, **now}, link()) == changed


def test_after_the_mapping_changed_everything_may_have() -> None:
    assert changed_fields(replace(FLOW, rules="2"), RECORD, link()) is None


def test_of_two_that_were_linked_by_hand_nothing_is_known() -> None:
    assert changed_fields(FLOW, RECORD, Link("t1", {}, {})) is None


def test_what_the_other_way_round_saw_says_nothing_of_this_flows_mapping() -> None:
    seen = hashes(RECORD, ["name", "address.town", "country"])
    assert changed_fields(FLOW, RECORD, Link("t1", seen, {})) == set()


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
