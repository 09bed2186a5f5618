"""The engine over a toy source and a toy target: order, watermark, leftovers, keys, brake, limits, stops."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mlconnector.engine import FlowRun
from mlconnector.errors import BrakeError, Later, Stop, StoppedError
from mlconnector.lanes import Brake
from mlconnector.ledger import Ledger, Pair, forgetting
from mlconnector.model import Change, LedgerEntry, Left, Mapped, Outcome, Ref, Step
from mlconnector.plan import DryRun
from tests.toys import Clock, ToySource, ToyTarget, Watcher, make_job, map_row


class Bench:
    """A source, a target and a ledger on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock(100)
        self.source = ToySource(self.clock)
        self.target = ToyTarget()
        self.ledger = Ledger.open(path, "toys", self.clock.now)
        self.runs = 0

    def run(self, how: str = "sync", *args: Any, **options: Any) -> dict[str, int]:
        self.clock.seconds += 100
        self.runs += 1
        options.setdefault("run_id", self.runs)
        target = options.pop("target", self.target)
        ledger = options.pop("ledger", self.ledger)
        run = FlowRun(make_job(ledger, self.source, target, self.clock, **options))
        return dict(getattr(run, how)(*args))

    def rows(self, **keys: int) -> None:
        for key, value in keys.items():
            self.source.put(f"id-{key}", key, value)

    def values(self) -> dict[str, int]:
        return {body["key"]: body["value"] for body in self.target.records.values()}

    def entry(self, id_: str) -> Any:
        return self.ledger.entries("f", [id_])[id_]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "state.db")
    yield bench
    bench.ledger.close()


def test_a_first_run_sends_everything_and_a_second_nothing(bench: Bench) -> None:
    bench.rows(**{f"k{n}": n for n in range(10)})
    assert bench.run()["created"] == 10
    writes = bench.target.writes
    counts = bench.run()
    assert bench.target.writes == writes
    assert counts.get("created", 0) == 0 and counts["unchanged"] == counts["read"]


def test_the_watermark_is_the_newest_stamp_and_the_overlap_is_not_stored(bench: Bench) -> None:
    bench.rows(a=1)
    stamp = bench.source.rows["id-a"].stamp
    bench.run()
    assert bench.ledger.watermark("f") == stamp.isoformat()


def test_a_late_commit_with_an_old_stamp_is_caught_by_the_overlap(bench: Bench) -> None:
    bench.rows(a=1)
    bench.run()
    bench.source.put("id-late", "late", 7, bench.source.rows["id-a"].stamp - timedelta(seconds=5))
    bench.run()
    assert bench.values() == {"email:a": 1, "email:late": 7}


def test_a_record_that_is_refused_blocks_nobody_and_waits_for_new_content(bench: Bench) -> None:
    bench.rows(a=1, b=2)
    bench.target.plan["id-a"] = ["refused"]
    assert bench.run()["failed"] == 1
    assert bench.values() == {"email:b": 2}
    assert bench.run().get("failed", 0) == 0, "same content: it is not tried again"
    bench.rows(a=3)
    bench.run()
    assert bench.values() == {"email:a": 3, "email:b": 2}


def test_replay_sends_a_refused_record_again(bench: Bench) -> None:
    bench.rows(a=1)
    bench.target.plan["id-a"] = ["refused"]
    bench.run()
    assert bench.run("replay", bench.ledger.unsettled("f"))["created"] == 1
    assert bench.entry("id-a").status == "done"


def test_an_answer_that_got_lost_is_settled_by_the_next_run_without_a_second_record(bench: Bench) -> None:
    bench.rows(a=1)
    bench.target.plan["id-a"] = ["lost"]
    assert bench.run()["unknown"] == 1
    bench.run()
    assert len(bench.target.records) == 1 and bench.entry("id-a").status == "done"


def test_a_target_that_does_not_upsert_is_asked_before_anything_is_created_again(bench: Bench) -> None:
    bench.target.upserts = False
    bench.rows(a=1)
    bench.target.plan["id-a"] = ["lost"]
    bench.run(upserts=False)
    bench.run(upserts=False)
    assert len(bench.target.records) == 1 and bench.target.made == 1


def test_two_hits_for_one_key_are_never_guessed(bench: Bench) -> None:
    bench.target.upserts = False
    bench.target.records = {"t8": {"key": "email:a"}, "t9": {"key": "email:a"}}
    bench.rows(a=1)
    assert bench.run(upserts=False)["failed"] == 1
    assert bench.entry("id-a").code == "ambiguous-match"


def test_the_second_of_two_records_with_one_key_is_skipped_and_taken_up_when_the_key_is_free(
    bench: Bench,
) -> None:
    bench.source.put("id-1", "same", 1)
    bench.source.put("id-2", "same", 2)
    bench.run()
    assert bench.values() == {"email:same": 1} and bench.entry("id-2").code == "key-taken"
    bench.source.put("id-1", "other", 1, bench.clock.now())
    bench.run()
    assert bench.values() == {"email:same": 2, "email:other": 1}


def test_a_record_whose_address_changed_updates_its_counterpart(bench: Bench) -> None:
    bench.rows(a=1)
    bench.run()
    bench.source.put("id-a", "new", 1, bench.clock.now())
    bench.run()
    assert bench.values() == {"email:new": 1} and bench.target.made == 1


def test_nobody_updates_the_counterpart_of_somebody_else(bench: Bench) -> None:
    """a loses its address, b takes it, then a gets another one: b's counterpart stays b's."""
    bench.rows(a=1)
    bench.run()
    bench.source.put("id-a", "", 1, bench.clock.now())
    bench.source.put("id-b", "a", 2, bench.clock.now())
    bench.run()
    bench.source.put("id-a", "c", 3, bench.clock.now())
    bench.run()
    assert bench.values() == {"email:a": 2, "email:c": 3}


def test_the_watermark_stays_when_the_target_is_down_and_nothing_is_lost(bench: Bench) -> None:
    class Down(ToyTarget):
        def write(self, entity: str, steps: Any) -> Any:
            raise Later("down")

    bench.rows(a=1, b=2)
    with pytest.raises(Later):
        bench.run(target=Down())
    assert bench.ledger.watermark("f") is None
    bench.run()
    assert bench.values() == {"email:a": 1, "email:b": 2}


def test_a_stop_in_one_chunk_lets_the_others_settle(bench: Bench) -> None:
    class Half(ToyTarget):
        def write(self, entity: str, steps: Any) -> Any:
            if any(step.source_id == "id-k0" for step in steps):
                raise Stop("refused")
            return super().write(entity, steps)

    target = Half()
    bench.rows(**{f"k{n}": n for n in range(8)})
    with pytest.raises(Stop):
        bench.run(target=target)
    sent = {body["key"] for body in target.records.values()}
    done = {e for e in (f"id-k{n}" for n in range(8)) if bench.ledger.entries("f", [e]).get(e)}
    assert {f"email:{e[3:]}" for e in done if bench.entry(e).status == "done"} == sent


def test_a_run_that_is_asked_to_stop_ends_before_the_next_page(bench: Bench) -> None:
    bench.rows(a=1)
    with pytest.raises(StoppedError):
        bench.run(stop_requested=lambda: True)
    assert bench.target.writes == 0 and bench.ledger.watermark("f") is None


def test_the_brake_stops_before_the_first_write(bench: Bench) -> None:
    bench.rows(**{f"k{n}": n for n in range(10)})
    bench.run()
    writes = bench.target.writes
    bench.rows(**{f"k{n}": n + 50 for n in range(10)})
    with pytest.raises(BrakeError):
        bench.run(brake=Brake(share=50, at_least=2))
    assert bench.target.writes == writes
    bench.run()  # allowed once
    assert bench.values()["email:k3"] == 53


def test_the_brake_counts_records_that_would_only_vanish(bench: Bench) -> None:
    bench.rows(**{f"k{n}": n for n in range(10)})
    bench.run()
    bench.source.rows.clear()
    with pytest.raises(BrakeError):
        bench.run("full", brake=Brake(share=50, at_least=2), on_delete="archive")
    assert len(bench.target.records) == 10


def test_new_records_do_not_trip_the_brake(bench: Bench) -> None:
    bench.rows(a=1)
    bench.run()
    bench.rows(**{f"k{n}": n for n in range(30)})
    assert bench.run(brake=Brake(share=1, at_least=1))["created"] == 30


def test_more_than_fits_in_memory_is_read_a_second_time_while_the_brake_watches(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlconnector.engine.HOLD", 5)
    bench.rows(a=1)
    bench.run()
    reads = bench.source.reads
    bench.rows(**{f"k{n}": n for n in range(30)})
    counts = bench.run(brake=Brake())
    assert bench.source.reads == reads + 2
    assert counts["created"] == 30 and counts["read"] == 31


def test_a_full_read_archives_what_is_gone_only_if_the_flow_says_so(bench: Bench) -> None:
    bench.rows(a=1, b=2)
    bench.run()
    del bench.source.rows["id-b"]
    bench.run("full")
    assert bench.entry("id-b").code == "gone" and len(bench.target.records) == 2
    bench.rows(b=2)
    bench.run("full")
    del bench.source.rows["id-b"]
    bench.run("full", on_delete="archive")
    assert bench.values() == {"email:a": 1} and bench.entry("id-b").status == "removed"


def test_a_record_that_was_only_missed_by_the_walk_is_not_taken_for_gone(bench: Bench) -> None:
    bench.rows(a=1, b=2, c=3, d=4)
    bench.run()
    moved = bench.source.rows.pop("id-a")
    bench.source.between_pages = lambda: bench.source.rows.__setitem__("id-a", moved)
    bench.run("full", on_delete="archive")
    assert len(bench.target.records) == 4


def test_a_record_that_leaves_the_filter_is_archived_only_if_the_flow_says_so(bench: Bench) -> None:
    bench.rows(a=1)
    bench.run()
    bench.source.put("id-a", "a", -1, bench.clock.now())
    bench.run()
    assert bench.entry("id-a").code == "excluded" and len(bench.target.records) == 1
    bench.source.put("id-a", "a", -2, bench.clock.now())
    bench.run(on_exclude="archive")
    assert bench.target.records == {} and bench.entry("id-a").status == "removed"
    bench.source.put("id-a", "a", 5, bench.clock.now())
    bench.run()
    assert bench.values() == {"email:a": 5}


def test_a_limit_sends_no_more_and_leaves_the_watermark_alone(bench: Bench) -> None:
    bench.rows(**{f"k{n}": n for n in range(9)})
    assert bench.run(limit=2)["created"] == 2
    assert bench.ledger.watermark("f") is None
    bench.run()
    assert len(bench.target.records) == 9


def test_a_dry_run_writes_nothing_anywhere(bench: Bench) -> None:
    bench.rows(a=1)
    watcher = Watcher()
    copy = bench.ledger.copy()
    counts = bench.run(ledger=copy, target=DryRun(bench.target), observer=watcher)
    assert counts["planned"] == 1 and bench.target.records == {}
    assert watcher.settled_records[0].outcome.code == "create"
    assert bench.ledger.entries("f", ["id-a"]) == {} and bench.ledger.watermark("f") is None


def test_a_backfill_leaves_the_watermark_alone_and_goes_on_where_it_stopped(bench: Bench) -> None:
    bench.rows(**{f"k{n}": n for n in range(9)})
    stops = iter([False] * 2 + [True] * 20)
    with pytest.raises(StoppedError):
        bench.run("backfill", None, None, stop_requested=lambda: next(stops), batch=3, lanes=1)
    begun = bench.ledger.backfill("f")
    assert begun is not None and begun.cursor is not None
    counts = bench.run("backfill", None, None)
    assert counts["read"] < 9 and len(bench.target.records) == 9
    assert bench.ledger.watermark("f") is None and bench.ledger.backfill("f") is None


def test_a_mapping_that_breaks_on_one_record_fails_that_record_only(bench: Bench) -> None:
    def broken(change: Any) -> Any:
        return 1 / 0 if change.id == "id-a" else map_row(change)

    bench.rows(a=1, b=2)
    bench.run(map=broken)
    assert bench.entry("id-a").code == "mapping-error" and bench.values() == {"email:b": 2}


def test_each_send_is_on_record(bench: Bench) -> None:
    bench.rows(a=1)
    bench.target.plan["id-a"] = ["lost"]
    bench.run()
    bench.run()
    told = [(a["action"], a["status"]) for a in bench.ledger.attempts("f", "id-a")]
    assert told == [("create", "unknown"), ("create", "updated")]


def test_records_may_refer_to_others_and_wait_until_they_are_linked(bench: Bench) -> None:
    from mlconnector.mapping import digest
    from mlconnector.model import Mapped, Ref

    def with_ref(change: Any) -> Mapped:
        key = change.record["key"]
        return Mapped(
            f"email:{key}", {"value": 1}, digest({"k": key}), refs=(Ref("boss", "boss", "b1", "boss"),)
        )

    bench.rows(a=1)
    assert bench.run(map=with_ref)["held"] == 1
    bench.ledger.link(("a", "boss"), ("b", "boss"), [Pair("b1", "t77", {}, {})])
    assert bench.run(map=with_ref)["created"] == 1


def test_a_record_that_waits_for_a_key_is_not_forgotten_when_the_run_ends_early(bench: Bench) -> None:
    bench.source.put("id-1", "same", 1)
    bench.source.put("id-2", "same", 2)
    bench.run()
    bench.source.put("id-1", "other", 1, bench.clock.now())
    bench.run(limit=1)  # id-1 moves away, and the run ends before id-2 comes up
    assert bench.values() == {"email:other": 1}
    bench.clock.seconds += 10_000  # far behind the overlap: no read shows id-2 again
    bench.source.put("id-9", "later", 9)
    bench.run()
    assert bench.values()["email:same"] == 2


def tries(bench: Bench, source_id: str) -> tuple[str, ...]:
    return tuple(bench.entry(source_id).tried_keys)


def test_where_a_move_may_have_got_to_is_remembered_until_it_is_clear(bench: Bench) -> None:
    bench.rows(a=1)
    bench.run()
    bench.target.plan["id-a"] = ["lost"] * 9
    for key in ("b", "c"):
        bench.source.put("id-a", key, 1)
        bench.run()
    assert tries(bench, "id-a") == ("email:b", "email:c")
    bench.source.put("id-a", "d", 1)
    bench.target.plan["id-a"] = ["refused"]
    bench.run()
    assert tries(bench, "id-a") == ("email:b", "email:c")  # a refusal is a clear answer
    bench.target.plan["id-a"] = ["lost"]
    bench.source.put("id-a", "e", 1)
    bench.run()
    del bench.source.rows["id-a"]
    bench.target.plan["id-a"] = ["lost"]
    bench.run("full", on_delete="archive")
    assert bench.entry("id-a").status == "unknown" and len(tries(bench, "id-a")) == 3
    bench.run("full", on_delete="archive")
    assert bench.entry("id-a").status == "removed" and not tries(bench, "id-a")


def test_where_it_is_is_found_out_before_nothing_is_sent(bench: Bench) -> None:
    """a was moved to b, and nobody heard of it; then it loses its key, and another record gets b."""
    bench.rows(a=1)
    bench.run()
    bench.target.plan["id-a"] = ["lost"]
    bench.source.put("id-a", "b", 1)
    bench.run()
    bench.source.put("id-a", "", 1)
    bench.source.put("id-x", "b", 2)
    bench.run()
    bench.run()
    assert not tries(bench, "id-a") and bench.entry("id-a").target_key is None
    assert bench.values() == {"email:b": 2} and bench.entry("id-x").status == "done"


def test_nobody_gets_a_key_that_another_record_may_be_at(bench: Bench) -> None:
    """a was moved to b, and nobody heard of it; it goes on to c while a new record wants b: each has its own."""
    bench.rows(a=1)
    bench.run()
    bench.target.plan["id-a"] = ["lost"]
    bench.source.put("id-a", "b", 1)
    bench.run()
    bench.source.put("id-a", "c", 1)
    bench.source.put("id-0", "b", 2)  # read before a
    bench.run("full")
    assert bench.values() == {"email:c": 1, "email:b": 2}
    assert {body["owner"] for body in bench.target.records.values()} == {"id-a", "id-0"}
    assert bench.entry("id-a").target_id == "t1"


@pytest.mark.parametrize("arrived", [True, False])
def test_two_creates_without_an_answer_whose_keys_are_swapped_find_their_way(
    bench: Bench, arrived: bool
) -> None:
    bench.target.plan = {"id-1": ["lost"] * 9, "id-2": ["lost"] * 9}
    bench.rows(**{"1": 1, "2": 2})
    bench.run()
    if not arrived:
        bench.target.records.clear()
    bench.target.plan.clear()
    bench.source.put("id-1", "2", 1)
    bench.source.put("id-2", "1", 2)
    bench.run()
    bench.run("full")
    assert bench.values() == {"email:2": 1, "email:1": 2}
    assert {bench.entry(one).status for one in ("id-1", "id-2")} == {"done"}


class Leaves(ToyTarget):
    """Of two counterparts that become one, the old one stays where it is."""

    def _apply(self, step: Step) -> Outcome:
        old = self.records.get(step.target_id or "")
        kept = dict(old) if old else {}
        outcome = super()._apply(step)
        if step.action == "update" and step.target_id and outcome.target_id != step.target_id:
            self.records[step.target_id] = kept
            return replace(outcome, left=(Left(kept["key"], step.target_id),))
        return outcome


def test_what_a_record_left_behind_is_removed_at_the_end_of_the_run(bench: Bench) -> None:
    bench.target = Leaves()
    bench.rows(a=1)
    bench.run()
    bench.target.records["t9"] = {"key": "email:b", "owner": "", "value": 0}
    bench.source.put("id-a", "b", 1)
    bench.run()
    assert bench.target.records == {"t9": {"key": "email:b", "owner": "id-a", "value": 1}}
    assert bench.ledger.parted.left_behind("f") == []


def test_a_record_that_is_gone_is_told_by_the_name_it_had(bench: Bench) -> None:
    bench.rows(a=1, b=1)
    bench.run(named_by="key")
    bench.source.rows.pop("id-a")
    watcher = Watcher()
    bench.run("full", named_by="key", observer=watcher)
    (told,) = watcher.settled_records
    assert (told.source_id, told.outcome.code, told.name) == ("id-a", "gone", "a")


def test_what_was_left_behind_and_is_refused_is_told_once_and_not_tried_again(bench: Bench) -> None:
    bench.target = Leaves()
    bench.rows(a=1)
    bench.run()
    bench.target.records["t9"] = {"key": "email:b", "owner": "", "value": 0}
    bench.target.plan["id-a"] = ["", "refused"]  # the move, then the removal of what it left
    bench.source.put("id-a", "b", 1)
    watcher = Watcher()
    bench.run(named_by="key", observer=watcher)
    told = watcher.settled_records[-1]
    assert (told.outcome.status, told.outcome.code, told.name, told.key) == (
        "failed",
        "refused",
        "b",
        "email:a",
    )
    last = bench.ledger.attempts("f", "id-a")[-1]
    assert (last["action"], last["status"], last["code"]) == ("remove", "failed", "refused")
    attempts, writes = len(bench.ledger.attempts("f", "id-a")), bench.target.writes
    for _ in range(2):
        bench.run("full", observer=watcher)
    assert bench.target.writes == writes and watcher.settled_records[-1] is told
    assert len(bench.ledger.attempts("f", "id-a")) == attempts
    assert bench.entry("id-a").status == "done"


def test_what_was_left_behind_without_a_clear_answer_is_removed_by_the_next_run(bench: Bench) -> None:
    bench.target = Leaves()
    bench.rows(a=1)
    bench.run()
    bench.target.records["t9"] = {"key": "email:b", "owner": "", "value": 0}
    bench.target.plan["id-a"] = ["", "lost"]
    bench.source.put("id-a", "b", 1)
    bench.run()
    assert bench.ledger.attempts("f", "id-a")[-1]["status"] == "unknown"
    bench.clock.seconds += 1
    bench.run()
    assert bench.ledger.attempts("f", "id-a")[-1]["status"] == "removed"
    assert bench.values() == {"email:b": 1} and bench.ledger.parted.left_behind("f") == []


def test_two_records_that_swap_their_keys_leave_nobody_behind(bench: Bench) -> None:
    bench.target = Leaves()
    bench.rows(a=1, b=2)
    bench.run()
    bench.source.put("id-a", "b", 1)
    bench.source.put("id-b", "a", 2)
    bench.run()
    bench.run()
    assert bench.values() == {"email:b": 1, "email:a": 2} and bench.target.made == 2


def test_a_key_that_is_somebody_elses_by_now_is_none_it_may_have_got_to(bench: Bench) -> None:
    bench.rows(a=1)
    bench.run()
    bench.target.plan["id-a"] = ["refused"]
    bench.source.put("id-a", "b", 1)
    bench.run()
    bench.source.put("id-b", "b", 2)
    bench.run()
    assert bench.entry("id-b").status == "done"
    steps: list[Step] = []
    write = bench.target.write
    bench.target.write = lambda entity, sent: steps.extend(sent) or write(entity, sent)  # type: ignore[method-assign]
    bench.source.put("id-a", "c", 1)
    bench.run()
    assert [(step.target_id, step.tried_keys) for step in steps] == [("t1", ())]


# people who asked to be forgotten


def forget_key(bench: Bench, key: str) -> None:
    forgetting.forget(bench.ledger, f"email:{key}")
    forgetting.clear(bench.ledger)


@pytest.mark.parametrize("how", ["sync", "full", "backfill", "replay"])
def test_a_person_who_is_forgotten_is_never_sent_again(bench: Bench, how: str) -> None:
    bench.rows(a=1, b=2)
    bench.run()
    forget_key(bench, "a")
    bench.target.records.clear()  # deleted there, as the person was told
    writes = bench.target.writes
    bench.source.put("id-a", "a", 7, bench.clock.now())
    bench.source.put("id-other", "a", 8, bench.clock.now())
    words: dict[str, tuple[Any, ...]] = {"backfill": (None, None), "replay": (["id-a", "id-other"],)}
    for _ in range(2):
        bench.run(how, *words.get(how, ()))
    assert bench.target.writes == writes
    assert bench.entry("id-a").code == bench.entry("id-other").code == "forgotten"


def test_of_a_person_who_is_forgotten_nothing_is_put_on_record(bench: Bench) -> None:
    forget_key(bench, "a")
    bench.rows(a=1)
    watcher = Watcher()
    assert bench.run(named_by="key", observer=watcher)["skipped"] == 1
    entry = bench.entry("id-a")
    assert entry == LedgerEntry(
        "f",
        "id-a",
        "skipped",
        code="forgotten",
        reason=forgetting.REASON,
        run_id=1,
        updated_at=entry.updated_at,
    )
    assert len(watcher.settled_records) == 1
    assert bench.run("full")["waiting"] == 1, "and it is written once"
    assert bench.entry("id-a") == entry


def test_a_record_that_comes_to_have_a_forgotten_address_leaves_its_member_as_it_is(bench: Bench) -> None:
    forget_key(bench, "a")
    bench.rows(b=1)
    bench.run()
    bench.source.put("id-b", "a", 2, bench.clock.now())
    bench.run(on_exclude="archive")
    assert bench.values() == {"email:b": 1} and bench.entry("id-b").target_key == "email:b"
    bench.source.put("id-b", "c", 3, bench.clock.now())
    bench.run()
    assert bench.values() == {"email:c": 3} and bench.target.made == 1


def test_nobody_waits_for_the_key_of_a_forgotten_person(bench: Bench) -> None:
    bench.source.put("id-1", "same", 1)
    bench.source.put("id-2", "same", 2)
    bench.run()
    forget_key(bench, "same")
    writes = bench.target.writes
    bench.run("full")
    assert bench.target.writes == writes
    assert {bench.entry(one).code for one in ("id-1", "id-2")} == {"forgotten"}


def test_a_record_whose_forgotten_person_gives_way_to_another_is_a_new_one(bench: Bench) -> None:
    bench.rows(a=1)
    bench.run()
    forget_key(bench, "a")
    bench.source.put("id-a", "b", 2, bench.clock.now())
    bench.run()
    assert bench.values() == {"email:a": 1, "email:b": 2}, "the old member is nobody's"


def test_a_forgotten_person_who_is_deleted_in_the_source_is_gone(bench: Bench) -> None:
    bench.rows(a=1)
    bench.run()
    forget_key(bench, "a")
    del bench.source.rows["id-a"]
    bench.run("full", on_delete="archive")
    assert bench.entry("id-a").code == "gone" and len(bench.target.records) == 1


def test_who_wants_to_be_back_is_sent_by_the_next_full_read(bench: Bench) -> None:
    bench.rows(a=1)
    bench.run()
    forget_key(bench, "a")
    bench.run()
    bench.target.records.clear()
    assert forgetting.remember(bench.ledger, "email:a")
    assert bench.run("full")["created"] == 1 and bench.values() == {"email:a": 1}


def test_a_dry_run_leaves_out_who_is_forgotten(bench: Bench) -> None:
    forget_key(bench, "a")
    bench.rows(a=1, b=1)
    assert bench.run(ledger=bench.ledger.copy(), target=DryRun(bench.target)) == {
        "read": 2,
        "skipped": 1,
        "planned": 1,
    }


def test_the_ledger_is_asked_once_a_run_who_is_forgotten(bench: Bench) -> None:
    bench.rows(**{f"k{n}": n for n in range(10)})
    asked: list[str] = []
    bench.ledger._db.set_trace_callback(asked.append)
    bench.run()
    assert len([one for one in asked if "forgotten" in one]) == 1


def test_a_flow_that_makes_nothing_new_only_brings_in_step_what_is_there(bench: Bench) -> None:
    bench.rows(a=1, b=2)
    bench.target.upserts = False
    bench.target.records["t1"] = {"key": "email:a", "value": 0}
    counts = bench.run(upserts=False, new="ignore")
    assert (counts["updated"], counts["skipped"]) == (1, 1)
    assert bench.values() == {"email:a": 1}
    assert bench.entry("id-b").code == "no-counterpart"
    assert bench.run("replay", ["id-b"], upserts=False)["created"] == 1


def test_a_key_to_match_by_may_hold_the_remote_id_of_what_a_record_refers_to(bench: Bench) -> None:
    def map_person(change: Change) -> Mapped:
        ref = Ref("company", "organization", "12", "customer")
        return Mapped("person:1", {}, b"digest", (ref,), match=("name:{company}/anna",))

    asked: set[str] = set()

    class Asked(ToyTarget):
        def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
            asked.update(keys)
            return {}

    bench.rows(a=1)
    bench.ledger.link(("a", "organization"), ("b", "customer"), [Pair("12", "guid-7", {}, {})])
    bench.run(target=Asked(upserts=False), upserts=False, map=map_person)
    assert asked == {"name:guid-7/anna"}
