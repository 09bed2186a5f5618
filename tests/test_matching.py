"""Whose counterpart is there already: candidates in order, never a guess, links by hand; flows that follow another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mlconnector.engine import FlowRun
from mlconnector.errors import Rejected
from mlconnector.ledger import Pair
from mlconnector.matching import NEW
from mlconnector.model import Change, Flow, LedgerEntry, Mapped, Outcome, Ref
from mlconnector.signals import FromLedger
from tests.crash.test_two_way import BACK, FORWARD, TwoWay

CRM, ERP = ("crm", "firm"), ("erp", "customer")


class Desk(TwoWay):
    """The two toy systems; `out` is the way from the first to the second."""

    def out(self, how: str = "sync", *, flow: Flow = FORWARD, adopt: bool = False, source: Any = None) -> Any:
        """One run of one flow; its counts."""
        self.runs += 1
        with self.opened() as ledger:
            job = self._job(ledger, flow, source or self.crm, self.erp, adopt)
            counts = getattr(FlowRun(job), how)()
        self.clock.seconds += 20
        return counts

    def back(self, *, adopt: bool = False, flow: Flow = BACK) -> None:
        """One run of the way back."""
        self.runs += 1
        with self.opened() as ledger:
            FlowRun(self._job(ledger, flow, self.erp, self.crm, adopt)).full()
        self.clock.seconds += 20

    def entry(self, id_: str, flow: str = "out") -> LedgerEntry:
        with self.opened() as ledger:
            return ledger.entries(flow, [id_])[id_]

    def link(self, one: str, other: str) -> None:
        with self.opened() as ledger:
            ledger.link_by_hand("out", CRM, ERP, one, other)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def by_town_then_name(change: Change) -> Mapped:
    found = FORWARD.map(change)
    assert isinstance(found, Mapped)
    return replace(found, match=(f"town:{change.record['city']}", *found.match))


def test_what_matches_is_updated_and_nothing_is_made(desk: Desk) -> None:
    desk.erp.put("c1", title="NORD", town="Rom")
    desk.crm.put("f1", name="Nord.", city="Ulm")
    assert desk.out()["updated"] == 1
    assert desk.erp.records == {"c1": {"title": "NORD.", "town": "Ulm"}} and desk.links() == {"f1": "c1"}


def test_a_key_that_finds_none_gives_way_to_the_next(desk: Desk) -> None:
    desk.erp.put("c1", title="NORD", town="Rom")
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.out(flow=replace(FORWARD, map=by_town_then_name))
    assert desk.links() == {"f1": "c1"}


def test_of_several_that_match_none_is_taken_and_all_are_named(desk: Desk) -> None:
    desk.erp.put("c1", title="NORD", town="Rom")
    desk.erp.put("c2", title="NORD", town="Bari")
    desk.crm.put("f1", name="Nord", city="Ulm")
    assert desk.out()["failed"] == 1
    entry = desk.entry("f1")
    assert entry.code == "ambiguous-match" and "c1, c2" in entry.reason
    assert desk.erp.writes == 0
    assert desk.out()["failed"] == 0, "told once"


@pytest.mark.parametrize("adopt", [False, True])
def test_what_is_not_clear_one_way_is_not_guessed_on_the_way_back(desk: Desk, adopt: bool) -> None:
    desk.erp.put("c1", title="Nord", town="Rom")
    desk.erp.put("c2", title="NORD", town="Ulm")
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.out(adopt=adopt)
    assert desk.entry("f1").code == "ambiguous-match"
    desk.back(adopt=adopt)
    assert desk.links() == {} and desk.entry("c1", BACK.name).code == "waits-for-decision"
    asked = desk.erp.asked
    desk.back()
    assert desk.erp.asked == asked, "nobody asks for it again before a person decided"
    desk.link("f1", "c2")
    desk.out()
    desk.back()
    assert desk.links() == {"f1": "c2"} and len(desk.erp.records) == 2


def test_what_matches_anothers_counterpart_has_none_where_the_flow_makes_none(desk: Desk) -> None:
    desk.erp.put("c1", title="Nord", town="Rom")
    desk.erp.put("c2", title="NORD", town="Ulm")
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.link("f1", "c2")
    desk.out()
    desk.back(flow=replace(BACK, new="ignore"))
    assert desk.entry("c1", BACK.name).code == "no-counterpart" and len(desk.crm.records) == 1


def test_a_person_says_which_one_it_is(desk: Desk) -> None:
    desk.erp.put("c1", title="NORD", town="Rom")
    desk.erp.put("c2", title="NORD", town="Bari")
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.out()
    desk.link("f1", "c2")
    desk.out()
    assert desk.entry("f1").status == "done"
    assert desk.erp.records["c2"]["town"] == "Ulm" and desk.erp.records["c1"]["town"] == "Rom"


def test_whoever_loses_its_counterpart_to_another_is_matched_anew(desk: Desk) -> None:
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.out()
    made = desk.links()["f1"]
    desk.crm.put("f2", name="Syd", city="Lund")
    desk.link("f2", made)
    assert (desk.entry("f2").code, desk.entry("f1").code) == ("linked-by-hand", "link-taken")
    desk.out()
    assert desk.links() == {"f2": made} and desk.entry("f1").code == "match-taken"
    desk.crm.put("f1", name="Nord", city="Bonn")
    desk.out()
    assert desk.erp.records[made] == {"title": "SYD", "town": "Lund"} and desk.links()["f1"] != made


def test_what_is_linked_with_another_record_is_no_match(desk: Desk) -> None:
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.out()
    desk.crm.put("f2", name="NORD!", city="Bonn")
    desk.out()
    entry = desk.entry("f2")
    assert (entry.status, entry.code) == ("failed", "match-taken") and len(desk.erp.records) == 1


def test_a_person_says_that_it_is_a_new_one(desk: Desk) -> None:
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.crm.put("f2", name="Nord", city="Bonn")
    desk.out()
    assert {desk.entry("f1").status, desk.entry("f2").code} == {"done", "match-taken"}
    with desk.opened() as ledger:
        ledger.take_up("out", "f2", "made-by-hand", "a person wants it to be made", {NEW: True})
    desk.erp.lost = 1
    desk.out()
    desk.out()
    assert desk.entry("f2").code == "ambiguous-match", "it may be there: it is not made a second time"
    assert len(desk.erp.records) == 2


@pytest.mark.parametrize("batch", [1, 3])
def test_of_two_that_match_each_other_the_first_is_made(desk: Desk, batch: int) -> None:
    desk.batch = batch
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.crm.put("f2", name="nord", city="Bonn")
    desk.crm.put("f3", name="Syd", city="Lund")
    desk.out()
    assert sorted(one["town"] for one in desk.erp.records.values()) == ["Lund", "Ulm"]
    assert desk.entry("f2").code == "match-taken"


def test_a_create_without_an_answer_is_found_by_what_it_was_called_then(desk: Desk) -> None:
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.erp.lost = 1
    desk.out()
    desk.crm.put("f1", name="Syd", city="Ulm")
    desk.out()
    assert list(desk.erp.records.values()) == [{"title": "SYD", "town": "Ulm"}]


@pytest.mark.parametrize("steps", range(1, 16))
def test_wherever_a_run_is_killed_it_is_made_once(desk: Desk, steps: int) -> None:
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.run(crash_after=steps)
    desk.crm.put("f1", name="Syd", city="Ulm")
    desk.settle()
    assert list(desk.erp.records.values()) == [{"title": "SYD", "town": "Ulm"}]


# adopting


def test_adopting_links_what_matches_and_writes_nothing(desk: Desk) -> None:
    desk.erp.put("c1", title="NORD", town="Rom")
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.crm.put("f2", name="Syd", city="Lund")
    counts = desk.out(adopt=True)
    assert desk.erp.writes == 0 and desk.links() == {"f1": "c1"}
    assert (counts["unchanged"], counts["held"], desk.entry("f2").code) == (1, 1, "no-match")
    assert re.fullmatch(r"\w+ c1, by name", desk.entry("f1").reason), "a person can look through them"


def test_after_adopting_only_what_changes_is_sent_and_what_did_not_match_is_made(desk: Desk) -> None:
    desk.erp.put("c1", title="NORD", town="Rom")
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.crm.put("f2", name="Syd", city="Lund")
    desk.run(adopt=True)
    desk.run()
    assert desk.erp.records["c1"] == {"title": "NORD", "town": "Rom"}, "as it was adopted"
    assert [one["title"] for one in desk.erp.records.values()] == ["NORD", "SYD"]
    desk.crm.put("f1", name="Nordost", city="Ulm")
    desk.run()
    assert desk.erp.records["c1"] == {"title": "NORDOS", "town": "Rom"}


# both ways


def test_what_came_from_there_is_not_sent_back(desk: Desk) -> None:
    desk.crm.put("f1", name="Nordkran Syd", city="Ulm")
    desk.run()
    made = desk.links()["f1"]
    for _ in range(3):
        desk.run("full")
    assert (desk.erp.writes, desk.crm.writes) == (1, 0)
    desk.erp.put(made, town="Lund")
    desk.run()
    assert desk.crm.records["f1"] == {"name": "Nordkran Syd", "city": "Lund"}, (
        "the name was cut there, not here"
    )


def test_a_counterpart_that_is_gone_is_told_and_not_made_again(desk: Desk) -> None:
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.out()
    desk.erp.records.clear()
    desk.crm.put("f1", name="Nord", city="Lund")
    desk.out()
    assert desk.entry("f1").code == "counterpart-gone" and desk.erp.records == {}


# a flow that goes on where another one ended

POST = Flow("out.post", "crm", "firm", "erp", "posting", lambda change: Mapped(f"post:{change.id}", {}, b"p"),
            mode="create_once", follows="out")  # fmt: skip


def posted(desk: Desk) -> Any:
    with desk.opened() as ledger:
        run = FlowRun(replace(desk._job(ledger, FORWARD, None, desk.erp, False), flow=POST,
                              source=FromLedger(ledger, POST), run_id=desk.runs))  # fmt: skip
        counts = run.sync()
    desk.runs += 1
    desk.clock.seconds += 20
    return counts


def test_what_one_flow_settled_is_taken_up_once_by_the_next(desk: Desk) -> None:
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.erp.find = lambda entity, keys: {}  # type: ignore[method-assign]
    desk.erp._apply = lambda step: Outcome("created", f"p-{step.source_id}")  # type: ignore[method-assign]
    assert posted(desk)["read"] == 0, "nothing is settled yet"
    desk.out()
    assert posted(desk)["created"] == 1
    assert posted(desk)["read"] == 0
    assert desk.entry("f1", "out.post").target_id == "p-f1"


# what is not asked for again


def watched(system: Any, name: str) -> list[Any]:
    """What a method of a toy system is asked for from now on."""
    asked: list[Any] = []
    method = getattr(system, name)

    def watching(entity: str, keys: Any) -> Any:
        asked.append(sorted(keys))
        return method(entity, keys)

    setattr(system, name, watching)
    return asked


def test_a_record_that_is_to_have_no_counterpart_is_not_searched_for_again(desk: Desk) -> None:
    ignoring = replace(FORWARD, new="ignore")
    desk.crm.put("f1", name="Nord", city="Ulm")
    assert desk.out(flow=ignoring)["skipped"] == 1
    asked = watched(desk.erp, "find")
    desk.out("full", flow=ignoring)
    assert asked == []
    desk.crm.put("f1", name="Nordost", city="Ulm")
    desk.out(flow=ignoring)
    assert asked == [["name:nordos"]]


def test_one_without_counterpart_is_kept_in_step_once_it_has_one(desk: Desk) -> None:
    ignoring = replace(FORWARD, new="ignore")
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.out(flow=ignoring)
    desk.erp.put("c1", title="NORD", town="Rom")
    desk.run()
    desk.out("full", flow=ignoring)
    assert desk.entry("f1").status == "done" and desk.links() == {"f1": "c1"}


def referring(change: Change) -> Mapped:
    found = FORWARD.map(change)
    assert isinstance(found, Mapped)
    return replace(found, refs=(Ref("boss", "boss", "b1", "person"),))


def test_a_record_that_waits_for_another_is_not_asked_for_until_that_is_linked(desk: Desk) -> None:
    flow = replace(FORWARD, map=referring)
    desk.crm.put("f1", name="Nord", city="Ulm")
    assert desk.out(flow=flow)["held"] == 1
    desk.clock.seconds += 1000
    desk.out(flow=flow)  # the overlap shows it once more
    desk.clock.seconds += 1000
    asked = watched(desk.crm, "fetch")
    desk.out(flow=flow)
    assert ["f1"] not in asked
    with desk.opened() as ledger:
        ledger.link(("crm", "boss"), ("erp", "person"), [Pair("b1", "p1", {}, {})])
    desk.out(flow=flow)
    assert ["f1"] in asked and desk.entry("f1").status == "done"


def test_a_record_is_sent_again_when_what_it_refers_to_is_another_one_by_now(desk: Desk) -> None:
    flow = replace(FORWARD, map=referring, fields={})
    with desk.opened() as ledger:
        ledger.link(("crm", "boss"), ("erp", "person"), [Pair("b1", "p1", {}, {})])
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.out(flow=flow)
    assert desk.out("full", flow=flow)["unchanged"] == 1
    with desk.opened() as ledger:
        ledger.link(("crm", "boss"), ("erp", "person"), [Pair("b1", "p2", {}, {})])
    assert desk.out("full", flow=flow)["unchanged"] == 1, "the toy has nothing to write, but it was asked"
    with desk.opened() as ledger:
        assert len(ledger.attempts("out", "f1")) == 2


def test_what_was_sent_by_keys_that_it_has_no_more_is_looked_for_by_these(desk: Desk) -> None:
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.erp.lost = 1
    desk.run(crash_after=None)
    unmatched = replace(FORWARD, map=lambda change: replace(FORWARD.map(change), match=()))
    desk.crm.put("f2", name="Syd", city="Ulm")
    desk.erp.lost = 1
    desk.out()
    desk.out(flow=unmatched)
    assert desk.entry("f2").status == "done" and len(desk.erp.records) == 2


def test_what_nothing_would_find_again_is_not_made_twice(desk: Desk) -> None:
    unmatched = replace(FORWARD, map=lambda change: replace(FORWARD.map(change), match=()))
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.erp.lost = 1
    desk.out(flow=unmatched)
    desk.out(flow=unmatched)
    assert desk.entry("f1").code == "may-be-there" and len(desk.erp.records) == 1
    desk.out("full", flow=unmatched)
    assert desk.entry("f1").code == "may-be-there" and len(desk.erp.records) == 1


class Broken(dict[str, Any]):
    """A record that came broken: whoever looks into it is told so."""

    def get(self, name: str, default: Any = None) -> Any:
        raise Rejected("it came broken", code="unreadable-record")

    __getitem__ = get


def test_a_linked_record_that_comes_broken_fails_alone(desk: Desk) -> None:
    desk.crm.put("f1", name="Nord", city="Ulm")
    desk.crm.put("f2", name="Syd", city="Ulm")
    desk.out()
    desk.crm.put("f2", name="Syd", city="Lund")
    whole = desk.crm.change

    def breaking(entity: str, id_: str) -> Change:
        change = whole(entity, id_)
        return replace(change, record=Broken()) if id_ == "f1" else change

    desk.crm.change = breaking  # type: ignore[method-assign]
    counts = desk.out("full")
    assert (counts["failed"], counts["updated"]) == (1, 1) and desk.entry("f1").code == "unreadable-record"
