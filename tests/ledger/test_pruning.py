"""What is old and decides nothing is removed; what may still decide something stays, however old it is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from mlconnector.errors import Stop
from mlconnector.ledger import Ledger, Settled
from mlconnector.ledger.rows import stamp
from mlconnector.ledger.upkeep import ATTEMPTS, RECORDS, Pruned, compact, count_old, listed, prune, size_of
from mlconnector.model import Left, Outcome, Step
from tests.ledger.conftest import ANNA, BO, entry, sent, settled, store
from tests.toys import START, Clock

DAY = 86_400
BEFORE = stamp(START + timedelta(days=1)) or ""


def ids(ledger: Ledger) -> set[str]:
    return {row[2] for row in listed(ledger, RECORDS)[1]}


def fill(ledger: Ledger, clock: Clock) -> None:
    """A run a day for three days, one attempt and one record that is gone each."""
    for day in range(3):
        clock.seconds = day * DAY
        run = ledger.history.start("sync")
        store(ledger, sent("c1", ANNA, "updated"), settled(f"gone{day}", "skipped", code="gone"), run=run)
        ledger.history.end_flow(run, "f", {"updated": 1}, 1, 0.1)
        ledger.history.end(run, 0)


def test_what_is_older_goes_and_the_rest_stays(ledger: Ledger, clock: Clock) -> None:
    fill(ledger, clock)
    expected = Pruned(attempts=1, run_flows=1, runs=1, records=1, kept=0)
    assert count_old(ledger, BEFORE) == expected == prune(ledger, BEFORE)
    assert prune(ledger, BEFORE) == Pruned(0, 0, 0, 0, 0)
    assert [run["id"] for run in ledger.history.last()] == [3, 2] and ledger.history.last()[0]["flows"]
    assert len(ledger.attempts("f", "c1")) == 2 and ids(ledger) == {"c1", "gone1", "gone2"}


def test_counting_removes_nothing(ledger: Ledger, clock: Clock) -> None:
    fill(ledger, clock)
    count_old(ledger, BEFORE)
    assert len(ledger.history.last()) == 3 and len(ids(ledger)) == 4


def test_the_last_run_of_all_and_of_each_flow_stays_however_old(ledger: Ledger, clock: Clock) -> None:
    fill(ledger, clock)
    ledger.history.end_flow(ledger.history.start("sync --flow g"), "g", {}, 0, 0)
    last = ledger.history.start("sync")
    prune(ledger, "9999")
    assert [run["id"] for run in ledger.history.last()] == [last, 4, 3]
    assert ledger.history.start("sync") == last + 1, "numbers never come again"


def test_records_that_are_there_stay_however_they_stand(ledger: Ledger) -> None:
    store(ledger, sent("done", "k1"), sent("failed", "k2", "failed"), sent("lost", "k3", "unknown"))
    store(ledger, settled("held", "held"), settled("no address", "skipped", code="missing-email"))
    assert prune(ledger, "9999").records == 0 and len(ids(ledger)) == 5


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(sent("c1", ANNA), id="its member stays there"),
        pytest.param(sent("c1", ANNA, "unknown", target_id=None), id="it may be there under its key"),
        pytest.param(
            Settled("c1", Outcome("unknown"), sent("c1", BO).step, None, tried_keys=(ANNA,)), id="or another"
        ),
    ],
)
def test_a_record_that_is_gone_stays_if_its_member_is_known_by_it(ledger: Ledger, record: Settled) -> None:
    store(ledger, record)
    tries = record.tried_keys
    store(ledger, Settled("c1", Outcome("skipped", code="gone"), tried_keys=tries))
    pruned = prune(ledger, "9999")
    assert (pruned.records, pruned.kept) == (0, 1) and ids(ledger) == {"c1"}


def test_an_archived_member_can_come_back_as_it_was_for_its_record_and_for_another(ledger: Ledger) -> None:
    memo = {"archived": {"status": "subscribed", "at": "x"}}
    store(ledger, sent("c1", ANNA))
    store(ledger, Settled("c1", Outcome("removed", "t-c1", memo=memo), Step("remove", "c1", was_key=ANNA)))
    assert prune(ledger, "9999").kept == 1
    assert entry(ledger, "c1").memo == ledger.parted.among("f", [ANNA])[ANNA].memo == memo


def test_who_is_forgotten_stays_so(ledger: Ledger) -> None:
    from mlconnector.ledger.forgetting import forget

    store(ledger, sent("c1", ANNA))
    forget(ledger, ANNA)
    store(ledger, settled("c1", "skipped", code="gone"))
    assert prune(ledger, "9999").records == 1
    assert ANNA in ledger.forgotten("f")


def test_the_file_gets_smaller(path: Path, ledger: Ledger) -> None:
    for n in range(20):
        store(ledger, *(sent("c1", ANNA, "updated", reason="x" * 400) for _ in range(50)), run=n)
    ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = size_of(path)
    assert prune(ledger, "9999").attempts == 1000 and compact(ledger)
    assert size_of(path) < before / 4 and ledger.counts("f") == {"done": 1}


def test_while_somebody_reads_it_does_not_get_smaller_and_nothing_is_wrong(
    path: Path, ledger: Ledger, clock: Clock
) -> None:
    with Ledger.look(path, "nordkran", clock.now) as look:
        reading = look._db.execute("SELECT * FROM sqlite_master")
        reading.fetchone()
        store(ledger, sent("c1", ANNA))
        ledger._db.execute("PRAGMA busy_timeout = 50")
        assert not compact(ledger)
        reading.close()
    assert compact(ledger)


def test_a_file_that_may_not_be_written_is_a_sentence(as_nobody: Path, clock: Clock) -> None:
    path = as_nobody / "state.db"
    Ledger.open(path, "nordkran", clock.now).close()
    path.chmod(0o400)
    with Ledger.open(path, "nordkran", clock.now) as ledger:
        with pytest.raises(Stop, match="cannot be written: attempt to write a readonly"):
            prune(ledger, "9999")
        with pytest.raises(Stop, match="written anew: attempt to write a readonly"):
            compact(ledger)


DIE = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from mlconnector.ledger import Ledger
from mlconnector.ledger.upkeep import compact, prune
path, last = Path(sys.argv[1]), int(sys.argv[2])
with Ledger.open(path, "nordkran", lambda: datetime(2026, 7, 1, 8, tzinfo=UTC)) as ledger:
    steps = iter(range(last))
    ledger._db.set_progress_handler(lambda: next(steps, None) is None and os.kill(os.getpid(), signal.SIGKILL), 25)
    prune(ledger, sys.argv[3])
    compact(ledger)
"""


def test_a_process_that_is_killed_in_the_middle_removes_all_or_nothing(tmp_path: Path, clock: Clock) -> None:
    with Ledger.open(tmp_path / "before.db", "nordkran", clock.now) as ledger:
        fill(ledger, clock)
    outcomes, last, code = [], 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        last += 1 + last // 2
        path = tmp_path / f"{last}" / "state.db"
        path.parent.mkdir()
        shutil.copy(tmp_path / "before.db", path)
        words = [sys.executable, "-c", DIE, str(path), str(last), BEFORE]
        code = subprocess.run(words, env=os.environ).returncode
        with Ledger.look(path, "nordkran", clock.now) as ledger:
            counts = count_old(ledger, BEFORE)
            assert len(ledger.history.last()) == 2 + counts.runs and ledger.counts("f")["done"] == 1
        assert counts in (Pruned(1, 1, 1, 1, 0), Pruned(0, 0, 0, 0, 0)), f"killed at {last}"
        outcomes.append(counts.runs == 1)
    assert outcomes == sorted(outcomes, reverse=True) and True in outcomes[4:] and outcomes.count(False) > 4


# listing


def test_everything_is_listed_by_flow_and_name(ledger: Ledger) -> None:
    store(ledger, Settled("c2", Outcome("skipped", code="missing-email"), name="10001"))
    store(ledger, Settled("c1", Outcome("created", "t1"), sent("c1", ANNA).step, ANNA, name="10000"))
    names, rows = listed(ledger, RECORDS)
    found = [dict(zip(names, row, strict=True)) for row in rows]
    assert [row["name"] for row in found] == ["10000", "10001"]
    assert (found[0]["target_key"], found[0]["target_id"], found[1]["code"]) == (ANNA, "t1", "missing-email")


def test_a_counterpart_whose_record_has_another_one_by_now_is_listed_as_well(ledger: Ledger) -> None:
    moved = Outcome("updated", "t-bo", left=(Left(ANNA, "t-anna"),))
    store(ledger, Settled("c1", moved, sent("c1", BO).step, BO, name="10000"))
    found = [row[2:6] for row in listed(ledger, RECORDS)[1]]
    assert found == [("c1", ANNA, "t-anna", "left-behind"), ("c1", BO, "t-bo", "done")]


def test_every_attempt_is_listed_with_the_name_of_its_record(ledger: Ledger) -> None:
    store(ledger, Settled("c1", Outcome("created", "t1"), sent("c1", ANNA).step, ANNA, name="10000"))
    store(
        ledger, sent("c1", ANNA, "failed", code="refused", reason="no", answer="400", request_id="r"), run=2
    )
    names, rows = listed(ledger, ATTEMPTS)
    found = [dict(zip(names, row, strict=True)) for row in rows]
    assert [(row["name"], row["status"], row["run_id"]) for row in found] == [
        ("10000", "created", 1),
        ("10000", "failed", 2),
    ]
    assert (found[1]["code"], found[1]["answer"], found[1]["request_id"]) == ("refused", "400", "r")
