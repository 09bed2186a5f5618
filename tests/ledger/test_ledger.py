"""The state file: what it keeps, what it tells, and that nothing is lost when the disk is full or a run dies."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mlconnector.errors import Stop
from mlconnector.ledger import Ledger, Pair, Settled
from mlconnector.model import LedgerEntry, Left, Link, Outcome, Step
from tests.ledger.conftest import ANNA, BO, DIGEST, entry, files_no_longer_than, sent, settled, store
from tests.toys import START, Clock

# one record


def test_what_was_sent_is_kept_with_everything_that_is_known(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA, memo={"tags": ["B2B"]}))
    assert entry(ledger, "c1") == LedgerEntry(
        "f", "c1", "done", ANNA, "t-c1", DIGEST, source_modified="2026-07-01T08:00:00.000Z",
        memo={"tags": ["B2B"]}, run_id=1, updated_at="2026-07-01T08:00:00.000Z",
    )  # fmt: skip


def test_what_an_outcome_does_not_say_stays_as_it_was(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA, memo={"tags": []}))
    store(ledger, Settled("c1", Outcome("skipped", code="gone")), run=2)
    found = entry(ledger, "c1")
    assert (found.status, found.code, found.run_id) == ("skipped", "gone", 2)
    assert (found.target_id, found.target_key, found.digest, found.memo) == (
        "t-c1",
        ANNA,
        DIGEST,
        {"tags": []},
    )


def test_attempts_count_what_was_sent_in_vain_and_start_again_when_it_worked(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA, "failed"))
    store(ledger, sent("c1", ANNA, "unknown"))
    assert entry(ledger, "c1").attempts == 2
    store(ledger, sent("c1", ANNA, "updated"))
    assert entry(ledger, "c1").attempts == 0


def test_ids_are_text(ledger: Ledger) -> None:
    store(ledger, sent("1", ANNA, target_id="7"), sent("01", BO, target_id="07"))
    assert ledger.entries("f", ["1", "01", "1.0"]).keys() == {"1", "01"}
    assert (entry(ledger, "1").target_id, entry(ledger, "01").target_id) == ("7", "07")
    ledger.link(HERE, THERE, pairs(**{"1": "7"}))
    assert linked(ledger, HERE, THERE, "1", "01") == {"1": "7"}


def test_flows_do_not_see_each_other(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA))
    assert ledger.entries("g", ["c1"]) == {} and ledger.owners("g", [ANNA]) == {}
    assert ledger.counts("g") == {} and ledger.search("g", "c1") == []


def test_more_keys_than_fit_in_one_question_are_all_found(ledger: Ledger) -> None:
    many = [str(n) for n in range(1201)]
    store(ledger, *(sent(one, f"email:{one}") for one in many))
    assert len(ledger.entries("f", many)) == len(ledger.owners("f", {f"email:{n}" for n in many})) == 1201


# who owns a key


def test_a_key_has_one_owner(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA))
    assert ledger.owners("f", [ANNA, BO]).keys() == {ANNA}
    with pytest.raises(sqlite3.IntegrityError):
        store(ledger, sent("c2", ANNA))
    assert ledger.owners("f", [ANNA])[ANNA].source_id == "c1"


@pytest.mark.parametrize("status", ["skipped", "removed"])
def test_a_skipped_or_removed_record_owns_its_key_no_longer(ledger: Ledger, status: str) -> None:
    store(ledger, sent("c1", ANNA))
    step = Step("remove", "c1", None, "t-c1", was_key=ANNA) if status == "removed" else None
    store(ledger, Settled("c1", Outcome(status, target_id="t-c1"), step))  # type: ignore[arg-type]
    assert ledger.owners("f", [ANNA]) == {} and entry(ledger, "c1").target_key == ANNA
    assert ledger.parted.among("f", [ANNA]).keys() == ({ANNA} if status == "removed" else set())


def test_a_counterpart_that_was_removed_elsewhere_is_inherited_there(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA))
    step = Step("remove", "c1", None, "t-c1", was_key=ANNA)
    gone = Outcome("removed", target_id="t-bo", key=BO, memo={"archived": {"status": "subscribed"}})
    store(ledger, Settled("c1", gone, step, BO))
    assert ledger.parted.among("f", [ANNA]) == {}
    found = ledger.parted.among("f", [BO])[BO]
    assert (found.target_id, found.memo) == ("t-bo", gone.memo)
    store(ledger, sent("c2", BO, "updated", target_id="t-bo"))
    assert ledger.parted.among("f", [BO]) == {}
    assert ledger.owners("f", [BO])[BO].source_id == "c2"


def test_of_what_was_gone_already_nothing_is_inherited(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA))
    step = Step("remove", "c1", None, "t-c1", was_key=ANNA)
    store(ledger, Settled("c1", Outcome("removed", target_id="t-c1", code="already-away", memo={}), step))
    assert ledger.parted.among("f", [ANNA]) == {}


def test_what_was_left_behind_is_known_until_it_is_settled(ledger: Ledger) -> None:
    store(ledger, sent("c1", BO, "updated", target_id="t-bo", left=(Left(ANNA, "t-anna"),)))
    assert ledger.parted.left_behind("f") == [("c1", Left(ANNA, "t-anna"))]
    assert ledger.parted.among("f", [ANNA]) == {} and not ledger.is_wanted("f", ANNA)
    step = Step("remove", "c1", None, "t-anna", was_key=ANNA)
    ledger.parted.settle_left(
        "f", ANNA, 1, step, Outcome("removed", target_id="t-anna", memo={"archived": {}})
    )
    assert ledger.parted.left_behind("f") == [] and ledger.parted.among("f", [ANNA]).keys() == {ANNA}
    assert ledger.attempts("f", "c1")[-1]["action"] == "remove"
    ledger.parted.settle_left("f", ANNA)
    assert ledger.parted.among("f", [ANNA]) == {}
    store(ledger, sent("c1", BO, "updated", target_id="t-bo", left=(Left(ANNA, "t-anna"),)))
    ledger.parted.settle_left(
        "f", ANNA, 1, step, Outcome("removed", target_id="t-anna", code="already-away", memo={})
    )
    assert ledger.parted.left_behind("f") == [] and ledger.parted.among("f", [ANNA]) == {}


def test_what_was_left_behind_and_has_to_wait_is_due_at_its_time(ledger: Ledger, clock: Clock) -> None:
    store(ledger, sent("c1", BO, "updated", target_id="t-bo", left=(Left(ANNA, "t-anna"),)))
    step = Step("remove", "c1", None, "t-anna", was_key=ANNA)
    later = clock.now() + timedelta(hours=24)
    ledger.parted.keep_left(
        "f", ANNA, 1, step, Outcome("held", code="waits-for-confirmation", retry_at=later)
    )
    assert ledger.parted.left_behind("f") == []
    assert ledger.attempts("f", "c1")[-1]["code"] == "waits-for-confirmation"
    clock.seconds += 86_400
    assert ledger.parted.left_behind("f") == [("c1", Left(ANNA, "t-anna"))]


def test_a_key_that_a_record_may_be_at_is_wanted_and_keeps_others_waiting(ledger: Ledger) -> None:
    store(ledger, Settled("c1", Outcome("unknown"), Step("update", "c1"), tried_keys=(ANNA,)))
    store(ledger, Settled("c2", Outcome("skipped", code="key-taken"), wants=ANNA))
    assert ledger.unclear("f")[ANNA].source_id == "c1" and ledger.is_wanted("f", ANNA)
    assert ledger.release("f") == 0
    store(ledger, Settled("c1", Outcome("skipped", code="gone")))
    assert ledger.unclear("f") == {} and ledger.release("f") == 1


def test_a_counterpart_with_a_new_owner_is_nobody_elses(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA, target_id="t1"))
    store(ledger, Settled("c1", Outcome("removed")))
    store(ledger, sent("c2", ANNA, "updated", target_id="t1"))
    former = entry(ledger, "c1")
    assert (former.target_key, former.target_id) == (None, None)
    assert ledger.owners("f", [ANNA])[ANNA].source_id == "c2"


def test_another_counterpart_under_the_same_key_is_not_forgotten(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA, target_id="t1"))
    store(ledger, Settled("c1", Outcome("removed")))
    store(ledger, sent("c2", ANNA, target_id="t2"))
    assert entry(ledger, "c1").target_id == "t1"


def test_records_that_wait_for_a_key_come_up_again_once_nobody_owns_it(ledger: Ledger) -> None:
    waits = Settled("c2", Outcome("skipped", code="key-taken"), wants=ANNA)
    store(ledger, sent("c1", ANNA), waits)
    assert ledger.release("f") == 0
    store(ledger, Settled("c1", Outcome("skipped", code="gone")))
    assert ledger.release("f") == 1
    assert entry(ledger, "c2").code == "key-released" and ledger.leftovers("f", 1) == ["c2"]


# a run that died


def test_what_was_on_its_way_when_a_run_died_is_sent_with_an_unknown_answer(
    path: Path, clock: Clock, ledger: Ledger
) -> None:
    store(ledger, sent("c1", ANNA, retry_at=START))
    ledger.begin("f", 2, [("c1", ANNA), ("c2", BO)])
    ledger.close()
    with Ledger.open(path, "nordkran", clock.now) as ledger:
        assert {entry(ledger, one).status for one in ("c1", "c2")} == {"sending"}
        assert entry(ledger, "c1").target_id == "t-c1" and entry(ledger, "c2").target_id is None
        assert ledger.owners("f", [ANNA, BO])[BO].source_id == "c2"
        assert ledger.leftovers("f", 3) == ["c1", "c2"] and ledger.counts("f") == {"sending": 2}


def test_a_key_that_somebody_else_owns_is_not_taken_by_what_was_on_its_way(
    path: Path, clock: Clock, ledger: Ledger
) -> None:
    store(ledger, sent("c1", ANNA))
    ledger.begin("f", 2, [("c2", ANNA)])
    ledger.close()
    with Ledger.open(path, "nordkran", clock.now) as ledger:
        assert ledger.owners("f", [ANNA])[ANNA].source_id == "c1"
        assert entry(ledger, "c2").target_key is None


def test_a_chunk_that_settled_is_not_open_any_more(path: Path, clock: Clock, ledger: Ledger) -> None:
    number = ledger.begin("f", 1, [("c1", ANNA)])
    assert ledger.counts("f") == {"sending": 1}
    ledger.finish("f", 1, [number], [sent("c1", ANNA)])
    assert ledger.counts("f") == {"done": 1}
    ledger.close()
    with Ledger.open(path, "nordkran", clock.now) as ledger:
        assert entry(ledger, "c1").status == "done"


# what is open


def test_leftovers_are_held_records_and_what_earlier_runs_left_oldest_first(
    ledger: Ledger, clock: Clock
) -> None:
    clock.seconds = 60
    store(ledger, settled("new-held", "held"), run=2)
    store(ledger, sent("this-run", "k1", "unknown"), run=3)
    clock.seconds = 30
    store(ledger, sent("lost", "k2", "unknown"), run=2)
    store(ledger, sent("due", "k3", "failed", retry_at=START), run=2)
    store(ledger, sent("later", "k4", "failed", retry_at=START + timedelta(hours=1)), run=2)
    store(ledger, sent("refused", "k5", "failed"), settled("skipped", "skipped"), sent("done", "k6"), run=2)
    clock.seconds = 90
    assert ledger.leftovers("f", 3) == ["due", "lost", "new-held"]
    clock.seconds = 3600
    assert ledger.leftovers("f", 4) == ["due", "later", "lost", "new-held", "this-run"]


def test_unsettled_records_by_status_and_by_the_time_they_got_there(ledger: Ledger, clock: Clock) -> None:
    store(ledger, sent("a", "k1", "failed"), sent("b", "k2"), settled("c", "skipped"))
    clock.seconds = 60
    store(ledger, sent("d", "k3", "unknown"), settled("e", "held"))
    assert ledger.unsettled("f") == ["a", "d", "e"]
    assert ledger.unsettled("f", "2026-07-01T08:00:30.000Z") == ["d", "e"]
    assert ledger.unsettled("f", statuses=["failed", "skipped"]) == ["a", "c"]


def test_counts_and_reasons(ledger: Ledger) -> None:
    store(ledger, sent("a", "k1"), settled("b", "skipped", code="missing-email", reason="no address"))
    store(ledger, settled("c", "skipped", code="missing-email", reason="no address"))
    store(ledger, sent("d", "k2", "failed", code="refused", reason="no", retry_at=START))
    assert ledger.counts("f") == {"done": 1, "skipped": 2, "failed": 1} and ledger.count_done("f") == 1
    first, second = ledger.reasons("f")
    assert (first["code"], first["records"], first["source_id"]) == ("missing-email", 2, "b")
    assert (second["status"], second["retry_at"]) == ("failed", "2026-07-01T08:00:00.000Z")


@pytest.mark.parametrize(
    "text",
    [
        "C-1",
        "c-1",
        "10-A",
        "10-a",
        "anna@nordkran.se",
        "Anna@Nordkran.SE",
        ANNA,
        "T-C-1",
        "wanted@nordkran.se",
    ],
)
def test_a_record_is_found_by_its_ids_its_name_and_its_key_letter_case_aside(
    ledger: Ledger, text: str
) -> None:
    store(ledger, sent("C-1", ANNA), sent("other", BO))
    store(ledger, Settled("C-1", Outcome("unchanged"), wants="email:wanted@nordkran.se", name="10-A"))
    assert [found.source_id for found in ledger.search("f", text)] == ["C-1"]
    assert [found.source_id for found in ledger.search(None, text)] == ["C-1"]


def test_a_document_is_found_by_its_external_number(ledger: Ledger) -> None:
    store(ledger, Settled("7", Outcome("created", target_id="order/1"), key="document:PD-7"))
    assert [found.source_id for found in ledger.search("f", "pd-7")] == ["7"]


def test_a_part_of_an_id_finds_nothing(ledger: Ledger) -> None:
    store(ledger, sent("C-1", ANNA))
    assert ledger.search(None, "C") == ledger.search(None, "%") == ledger.search(None, "anna") == []


def test_every_send_stays_on_record_and_nothing_is_ever_taken_away(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA, "unknown", code="no-answer"))
    store(ledger, sent("c1", ANNA, "updated", answer="200", request_id="r-7"), run=2)
    store(ledger, Settled("c1", Outcome("skipped", code="gone")), run=3)
    told = [(one["run_id"], one["status"], one["request_id"]) for one in ledger.attempts("f", "c1")]
    assert told == [(1, "unknown", ""), (2, "updated", "r-7")]


# what a complete read did not show


def test_what_a_complete_read_did_not_show_unless_it_is_known_to_be_gone(ledger: Ledger) -> None:
    store(ledger, sent("a", "k1"), sent("b", "k2"), settled("c", "held"))
    store(ledger, settled("d", "skipped", code="gone"), settled("e", "removed"))
    ledger.forget_seen()
    ledger.add_seen(["a", "a"])
    assert ledger.unseen("f") == ["b", "c"] and ledger.count_unseen("f") == 1
    ledger.forget_seen()
    assert ledger.unseen("f") == ["a", "b", "c"]


# watermarks, backfills, runs, links


def test_a_watermark_is_the_sources_own_text(ledger: Ledger, clock: Clock) -> None:
    assert ledger.watermark("f") is None and ledger.history.last_poll("f") is None
    ledger.set_watermark("f", "2026-07-01T08:00:00.1234567Z")
    clock.seconds = 60
    ledger.set_watermark("f", "2026-07-01T08:00:00.1234567Z")
    assert ledger.watermark("f") == "2026-07-01T08:00:00.1234567Z" and ledger.watermark("g") is None
    assert ledger.history.last_poll("f") == "2026-07-01T08:01:00.000Z"


def test_a_backfill_is_remembered_until_it_ends(ledger: Ledger) -> None:
    ledger.start_backfill("f", "2026-01-01", None)
    ledger.advance_backfill("f", "page-3", 3000)
    begun = ledger.backfill("f")
    assert begun is not None and (begun.since, begun.until) == ("2026-01-01", None)
    assert (begun.cursor, begun.read) == ("page-3", 3000)
    ledger.start_backfill("f", None, None)
    begun = ledger.backfill("f")
    assert begun is not None and (begun.since, begun.cursor, begun.read) == (None, None, 0)
    ledger.end_backfill("f")
    assert ledger.backfill("f") is None


def test_runs_come_newest_first_with_what_each_flow_did(ledger: Ledger) -> None:
    first, second = ledger.history.start("sync"), ledger.history.start("sync --full")
    ledger.history.end_flow(first, "f", {"created": 3}, calls=2, seconds=0.12345)
    ledger.history.end(first, 1, "refused")
    found = ledger.history.last()
    assert [run["id"] for run in found] == [second, first] and found[0]["ended_at"] is None
    assert found[1]["flows"]["f"]["counts"] == {"created": 3} and found[1]["flows"]["f"]["seconds"] == 0.123
    assert (found[1]["exit_code"], found[1]["error"]) == (1, "refused")
    assert [run["id"] for run in ledger.history.last(limit=1)] == [second]


# links between systems


HERE, THERE = ("mail", "member"), ("erp", "customer")
"""The end that comes later in the alphabet first: a pair is stored the other way round."""


def linked(ledger: Ledger, here: tuple[str, str], there: tuple[str, str], *ids: str) -> dict[str, str]:
    return {id_: link.id for id_, link in ledger.links(here, there, ids).items()}


def pairs(**ids: str) -> list[Pair]:
    return [Pair(one, other, {}, {}) for one, other in ids.items()]


@pytest.mark.parametrize(("here", "there"), [(HERE, THERE), (THERE, HERE)])
def test_a_link_is_found_from_both_ends(ledger: Ledger, here: Any, there: Any) -> None:
    ledger.link(here, there, pairs(c1="t1", c2="t2"))
    assert linked(ledger, here, there, "c1", "c2", "c3") == {"c1": "t1", "c2": "t2"}
    assert linked(ledger, there, here, "t1") == {"t1": "c1"}
    assert linked(ledger, here, ("mail", "vendor"), "c1") == {}


@pytest.mark.parametrize(("here", "there"), [(HERE, THERE), (THERE, HERE)])
def test_a_record_has_one_counterpart_and_is_that_of_one(ledger: Ledger, here: Any, there: Any) -> None:
    ledger.link(here, there, pairs(c1="t1", c2="t2"))
    ledger.link(here, there, pairs(c1="t2"))
    assert linked(ledger, here, there, "c1", "c2") == {"c1": "t2"}
    assert linked(ledger, there, here, "t1", "t2") == {"t2": "c1"}


def test_what_was_seen_of_either_end_adds_up(ledger: Ledger) -> None:
    ledger.link(HERE, THERE, [Pair("c1", "t1", {"name": "a"}, {"No": "x"})])
    ledger.link(THERE, HERE, [Pair("t1", "c1", {"City": "y"}, {"name": "b", "mail": "m"})])
    assert ledger.links(HERE, THERE, ["c1"]) == {
        "c1": Link("t1", {"name": "b", "mail": "m"}, {"No": "x", "City": "y"})
    }


# others at work


def test_it_can_be_read_while_a_run_writes_and_shows_what_was_committed(
    path: Path, clock: Clock, ledger: Ledger
) -> None:
    store(ledger, sent("c1", ANNA))
    with ledger._transaction(), Ledger.look(path, "nordkran", clock.now) as look:
        ledger._db.execute("UPDATE ledger SET status = 'failed'")
        assert look.counts("f") == {"done": 1}
    with Ledger.look(path, "nordkran", clock.now) as look:
        assert look.counts("f") == {"failed": 1}


def test_a_reader_sees_whole_commits_only(path: Path, clock: Clock, ledger: Ledger) -> None:
    seen: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            with Ledger.look(path, "nordkran", clock.now) as look:
                seen.append(sum(look.counts("f").values()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for n in range(60):
        store(ledger, *(sent(f"c{n}-{m}", f"email:{n}-{m}") for m in range(50)))
    over.set()
    watcher.join()
    assert seen == sorted(seen) and all(count % 50 == 0 for count in seen)


def test_who_looks_cannot_write(path: Path, clock: Clock, ledger: Ledger) -> None:
    with Ledger.look(path, "nordkran", clock.now) as look, pytest.raises(Stop, match="readonly"):
        look.set_watermark("f", "x")
    assert ledger.watermark("f") is None


def test_a_copy_takes_what_is_written_and_the_file_does_not(path: Path, clock: Clock, ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA))
    ledger.begin("f", 2, [("c1", ANNA)])
    with Ledger.look(path, "nordkran", clock.now) as look:
        copy = look.copy()
    assert entry(copy, "c1").status == "sending", "what a dead run left is seen as the next run would see it"
    store(copy, sent("c2", BO))
    copy.set_watermark("f", "x")
    copy.close()
    assert ledger.watermark("f") is None and ledger.entries("f", ["c2"]) == {}
    assert entry(ledger, "c1").status == "done"


# a disk that is full


def fill(ledger: Ledger, run: int = 2) -> None:
    store(ledger, *(sent(f"n{n}", f"email:{n}", reason="x" * 300) for n in range(2000)), run=run)


@contextmanager
def pages_used_up(ledger: Ledger) -> Iterator[None]:
    """SQLite's own limit: no page more than there are."""
    used = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {used}")
    yield
    ledger._db.execute("PRAGMA max_page_count = 1073741823")


@contextmanager
def no_longer_files(ledger: Ledger) -> Iterator[None]:
    """The system's limit: it is the commit that fails."""
    path = Path(ledger._db.execute("PRAGMA database_list").fetchone()[2] + "-wal")
    with files_no_longer_than(path.stat().st_size + 20_000):
        yield


@pytest.mark.parametrize("limited", [pages_used_up, no_longer_files])
def test_a_full_disk_stops_the_run_with_one_sentence_and_loses_nothing(
    path: Path, clock: Clock, ledger: Ledger, limited: Any
) -> None:
    store(ledger, sent("c1", ANNA))
    number = ledger.begin("f", 2, [("c2", BO)])
    with limited(ledger):
        with pytest.raises(Stop, match="the state file cannot be written") as stopped:
            fill(ledger)
        assert "free space" in stopped.value.hint and stopped.value.exit_code == 3
        assert ledger.counts("f") == {"done": 1, "sending": 1}
    ledger.finish("f", 2, [number], [sent("c2", BO)])
    fill(ledger)
    ledger.close()
    with Ledger.open(path, "nordkran", clock.now) as ledger:
        assert ledger.counts("f") == {"done": 2002}


def test_an_error_in_the_middle_of_a_transaction_undoes_all_of_it(ledger: Ledger) -> None:
    with suppress(KeyboardInterrupt), ledger._transaction():
        ledger._db.execute("INSERT INTO watermarks VALUES ('f', 'x', 'y')")
        raise KeyboardInterrupt
    assert ledger.watermark("f") is None
    ledger.set_watermark("f", "z")
    assert ledger.watermark("f") == "z"


def test_a_writer_waits_for_another_one(path: Path, clock: Clock, ledger: Ledger) -> None:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, other.execute, ["COMMIT"])
    timer.start()
    store(ledger, sent("c1", ANNA))
    timer.join()
    other.close()
    assert ledger.counts("f") == {"done": 1}


def test_a_file_that_is_damaged_stops_the_reader_with_one_sentence(path: Path, clock: Clock) -> None:
    with Ledger.open(path, "nordkran", clock.now) as ledger:
        fill(ledger)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(os.urandom(size // 2))
    with (
        pytest.raises(Stop, match="the state file cannot be read: database disk image is malformed") as stop,
        Ledger.open(path, "nordkran", clock.now) as ledger,
    ):
        ledger.entries("f", [f"n{n}" for n in range(2000)])
    assert stop.value.message.startswith(f"{path}: ")


def test_a_mistake_of_the_program_is_not_blamed_on_the_file(ledger: Ledger) -> None:
    with pytest.raises(sqlite3.ProgrammingError), ledger:
        ledger._db.execute("SELECT ?")


def test_a_reason_is_that_of_the_record_that_is_named_with_it(ledger: Ledger) -> None:
    for id_, name, reason in (("1", "Alpha", "zinc is missing"), ("2", "Beta", "a name is missing")):
        store(ledger, replace(settled(id_, "failed", code="refused", reason=reason), name=name))
    (row,) = ledger.reasons("f")
    assert (row["name"], row["reason"], row["records"]) == ("Alpha", "zinc is missing", 2)
