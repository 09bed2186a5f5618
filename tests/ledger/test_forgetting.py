"""A person is erased: from every row, from the bytes of the file, all or nothing; and left out from then on."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlconnector.errors import Stop
from mlconnector.ledger import Ledger, Pair, Settled
from mlconnector.ledger.forgetting import REASON, clear, forget, remember
from mlconnector.model import LedgerEntry, Left, Outcome, Step
from tests.ledger.conftest import ANNA, BO, entry, files_no_longer_than, in_file, sent, settled, store
from tests.toys import START, Clock

CARL = "email:carl@nordkran.se"
AT = "2026-07-01T08:00:00.000Z"
MARK = b"digest-of-anna--"
HERE, THERE = ("erp", "customer"), ("mail", "member")
TRACES = [
    "anna@nordkran.se",
    "t-c1",
    "contact-of-anna",
    "no-of-anna",
    "refused a***",
    "request-of-anna",
    MARK.decode(),
]
"""What is stored of c1, and of nobody else."""


def fill(ledger: Ledger) -> None:
    """Anna as the counterpart of c1, after c1 was somebody else; and others."""
    before = Settled("c1", Outcome("created", "t-old"), sent("c1", BO).step, "email:anna.old@nordkran.se")
    store(ledger, before, settled("c0", "skipped", code="missing-email"))
    anna = Outcome(
        "updated", "t-c1", code="x", reason="refused a***@nordkran.se",
        request_id="request-of-anna", memo={"contact": "contact-of-anna"},
    )  # fmt: skip
    store(ledger, Settled("c1", anna, sent("c1", ANNA).step, ANNA, MARK, START, name="no-of-anna"))
    store(ledger, Settled("c2", Outcome("created", "t-c2"), sent("c2", BO).step, BO, b"e" * 16, name="20000"))
    ledger.link(HERE, THERE, [Pair("c1", "t-c1", {}, {}), Pair("c2", "t-c2", {}, {})])


def residue(ledger: Ledger) -> None:
    """Her address in the free space of the file, and in no row."""
    ledger._db.execute("PRAGMA secure_delete = OFF")  # Debian's SQLite has it on
    with ledger._transaction():
        ledger._db.executemany(
            "INSERT INTO meta VALUES (?, ?)", [(f"x{n}", "anna@nordkran.se" * 9) for n in range(999)]
        )
    with ledger._transaction():
        ledger._db.execute("DELETE FROM meta WHERE name LIKE 'x%'")
    ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def forget_wholly(ledger: Ledger, key: str = ANNA, flow: str | None = None) -> None:
    forget(ledger, key, flow)
    clear(ledger)


# what is erased


def test_of_a_person_stays_the_source_id_and_that_they_are_forgotten(ledger: Ledger) -> None:
    fill(ledger)
    erased = forget(ledger, ANNA)
    assert (erased.records, erased.attempts, erased.links) == ((("f", "c1", "no-of-anna"),), 2, 1)
    assert entry(ledger, "c1") == LedgerEntry(
        "f", "c1", "skipped", code="forgotten", reason=REASON, updated_at=AT
    )
    assert ledger.attempts("f", "c1") == [] and ledger.owners("f", [ANNA]) == {}
    assert ledger.links(HERE, THERE, ["c1", "c2"]).keys() == {"c2"}


def test_nobody_else_is_touched(ledger: Ledger) -> None:
    fill(ledger)
    before = entry(ledger, "c2"), ledger.attempts("f", "c2"), entry(ledger, "c0")
    forget_wholly(ledger)
    assert (entry(ledger, "c2"), ledger.attempts("f", "c2"), entry(ledger, "c0")) == before


def wants(ledger: Ledger) -> None:
    store(ledger, sent("other", ANNA), Settled("c1", Outcome("skipped", code="key-taken"), wants=ANNA))


def tried(ledger: Ledger) -> None:
    unknown = Outcome("unknown", "t-c1", code="no-answer")
    store(ledger, Settled("c1", unknown, sent("c1", BO).step, BO, tried_keys=("email:c@nordkran.se", ANNA)))


def former(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA))
    store(ledger, Settled("c1", Outcome("removed", "t-c1", memo={"archived": {"status": "subscribed"}})))


def capital(ledger: Ledger) -> None:
    store(ledger, sent("c1", "email:Anna@Nordkran.SE"))


def under_way(ledger: Ledger) -> None:
    ledger.begin("f", 1, [("c1", ANNA)])
    ledger._recover()


@pytest.mark.parametrize("how", [wants, tried, former, capital, under_way])
def test_a_record_is_theirs_however_it_came_to_know_the_address(
    ledger: Ledger, path: Path, how: Callable[[Ledger], None]
) -> None:
    how(ledger)
    forget_wholly(ledger)
    found = entry(ledger, "c1")
    assert (found.status, found.code) == ("skipped", "forgotten")
    assert (found.target_key, found.target_id, found.wants, found.tried, found.memo) == (None,) * 5
    assert in_file(path, "nna@", "nna@".upper(), "Anna@", BO) == []


def test_what_is_known_of_counterparts_that_no_record_has_goes_too(ledger: Ledger, path: Path) -> None:
    """c1 was Bo, then Anna, who was archived; c2 was Anna before it became somebody else."""
    for source_id, key in (("c1", BO), ("c1", ANNA)):
        store(ledger, sent(source_id, key))
        store(
            ledger,
            Settled(source_id, Outcome("removed", f"t-{source_id}"), Step("remove", source_id, was_key=key)),
        )
    store(ledger, sent("c2", CARL))
    store(ledger, Settled("c2", Outcome("removed", "t-c2"), Step("remove", "c2", was_key=CARL)))
    assert ledger.parted.among("f", [ANNA, BO, CARL]).keys() == {ANNA, BO, CARL}
    forget_wholly(ledger)
    assert ledger.parted.among("f", [ANNA, BO, CARL]).keys() == {CARL}
    assert in_file(path, "anna@nordkran.se", "bo@nordkran.se") == []


def test_a_record_that_left_them_behind_and_is_somebody_else_now_stays(ledger: Ledger, path: Path) -> None:
    moved = Outcome("updated", "t-carl", left=(Left(ANNA, "t-anna"),))
    store(ledger, Settled("c1", moved, sent("c1", CARL).step, CARL))
    before = entry(ledger, "c1")
    assert forget(ledger, ANNA).records == ()
    clear(ledger)
    assert entry(ledger, "c1") == before and ledger.parted.left_behind("f") == []
    assert in_file(path, "anna") == []


def test_a_part_of_an_address_is_another_address(ledger: Ledger) -> None:
    store(ledger, sent("c1", "email:hanna@nordkran.se"), sent("c2", "email:anna@nordkran.se.example"))
    assert forget(ledger, ANNA).records == ()


def test_in_one_flow_only(ledger: Ledger) -> None:
    store(ledger, sent("c1", ANNA))
    ledger.finish("g", 1, [], [sent("c1", ANNA)])
    forget(ledger, ANNA, "g")
    assert entry(ledger, "c1").status == "done" and ledger.entries("g", ["c1"])["c1"].code == "forgotten"
    assert ANNA in ledger.forgotten("g") and ANNA not in ledger.forgotten("f")


# the bytes


def test_no_byte_of_them_is_left_in_the_file(path: Path, ledger: Ledger) -> None:
    """Among many, so that pages are split, freed and used again; and other runs have come and gone."""
    ledger._db.execute("PRAGMA secure_delete = OFF")  # Debian's SQLite has it on
    fill(ledger)
    for n in range(40):
        store(ledger, *(sent(f"n{n}-{m}", f"email:{n}-{m}@nordkran.se", reason="x" * 99) for m in range(50)))
        store(ledger, Settled("c1", Outcome("updated", "t-c1"), sent("c1", ANNA).step, ANNA, MARK))
    ledger._db.execute("DELETE FROM ledger WHERE source_id LIKE 'n1%'")
    assert in_file(path, *TRACES) == TRACES
    forget_wholly(ledger)
    assert in_file(path, *TRACES) == [], "while it is open"
    assert in_file(path, "bo@nordkran.se") != []
    ledger.close()
    assert in_file(path, *TRACES) == []


def test_old_bytes_go_as_well_where_no_row_has_the_address_any_more(path: Path, ledger: Ledger) -> None:
    residue(ledger)
    assert in_file(path, "anna@nordkran.se")
    forget_wholly(ledger)
    assert in_file(path, "anna@nordkran.se") == []


def test_the_hash_is_of_this_file_and_tells_nothing(path: Path, ledger: Ledger, clock: Clock) -> None:
    forget_wholly(ledger)
    with Ledger.open(path.with_name("other.db"), "nordkran", clock.now) as other:
        forget_wholly(other)
        hashes = [one._db.execute("SELECT hash FROM forgotten").fetchone()[0] for one in (ledger, other)]
    assert hashes[0] != hashes[1] and len(hashes[0]) == 32


def test_while_somebody_reads_the_old_bytes_stay_and_the_next_run_takes_them_out(
    path: Path, ledger: Ledger, clock: Clock
) -> None:
    fill(ledger)
    residue(ledger)
    with Ledger.look(path, "nordkran", clock.now) as look:
        reading = look._db.execute("SELECT * FROM ledger")
        reading.fetchone()
        ledger._db.execute("PRAGMA busy_timeout = 50")
        with pytest.raises(Stop, match="another program reads the state file") as stopped:
            forget_wholly(ledger)
        assert stopped.value.hint and entry(ledger, "c1").code == "forgotten"
        reading.close()
    ledger.close()
    Ledger.open(path, "nordkran", clock.now).close()
    assert in_file(path, *TRACES) == []


def test_a_run_is_not_held_up_by_old_bytes_that_cannot_be_taken_out(
    path: Path,
    ledger: Ledger,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store(ledger, *(sent(f"n{n}", f"email:{n}@nordkran.se", reason="x" * 200) for n in range(500)))
    residue(ledger)
    forget(ledger, ANNA)
    ledger.close()
    monkeypatch.setattr(logging.getLogger("mlconnector"), "propagate", True)
    with files_no_longer_than(100_000), Ledger.open(path, "nordkran", clock.now) as ledger:
        ledger.set_watermark("f", "x")
        with pytest.raises(Stop, match="could not be written anew") as stopped:
            clear(ledger)
    assert "may still be in the state file's free space" in caplog.text
    assert "free space" in stopped.value.hint and in_file(path, "anna@nordkran.se")
    Ledger.open(path, "nordkran", clock.now).close()
    assert in_file(path, "anna@nordkran.se") == []


# left out, and back


def test_who_is_forgotten_is_known_by_the_key_alone(path: Path, ledger: Ledger, clock: Clock) -> None:
    assert not ledger.forgotten("f") and ANNA not in ledger.forgotten("f")
    forget_wholly(ledger)
    ledger.close()
    with Ledger.open(path, "nordkran", clock.now) as ledger:
        keys = ledger.forgotten("f")
        assert keys and ANNA in keys and BO not in keys
        assert ANNA in ledger.copy().forgotten("f")
    assert in_file(path, "anna") == []


def test_where_nobody_was_forgotten_it_is_one_question(ledger: Ledger) -> None:
    asked: list[str] = []
    ledger._db.set_trace_callback(asked.append)
    assert ANNA not in ledger.forgotten("f")
    assert len(asked) == 1


def test_forgetting_somebody_twice_or_unknown_is_fine(ledger: Ledger) -> None:
    fill(ledger)
    for found in (1, 0, 0):
        assert len(forget(ledger, ANNA).records) == found
        clear(ledger)
    assert forget(ledger, "email:nobody@nordkran.se").records == ()
    assert "email:nobody@nordkran.se" in ledger.forgotten("f") and ANNA in ledger.forgotten("f")


def test_who_wants_to_be_back_is_known_no_longer(ledger: Ledger) -> None:
    assert not remember(ledger, ANNA), "nobody was forgotten yet"
    forget(ledger, ANNA)
    forget(ledger, BO, "f")
    assert not remember(ledger, ANNA, "f"), "forgotten in all flows"
    assert not remember(ledger, BO, "g")
    assert remember(ledger, ANNA) and remember(ledger, BO)
    assert not ledger.forgotten("f")


# a process that ends in the middle

DIE = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from mlconnector.ledger import Ledger
from mlconnector.ledger.forgetting import clear, forget
path, last = Path(sys.argv[1]), int(sys.argv[2])
with Ledger.open(path, "nordkran", lambda: datetime(2026, 7, 1, 8, tzinfo=UTC)) as ledger:
    steps = iter(range(last))
    ledger._db.set_progress_handler(lambda: next(steps, None) is None and os.kill(os.getpid(), signal.SIGKILL), 5)
    forget(ledger, "email:anna@nordkran.se")
    clear(ledger)
"""


def test_a_process_that_is_killed_in_the_middle_leaves_all_or_nothing(tmp_path: Path, clock: Clock) -> None:
    with Ledger.open(tmp_path / "before.db", "nordkran", clock.now) as ledger:
        fill(ledger)
        residue(ledger)
    outcomes, last, code = [], 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        last += 1 + last // 2
        path = tmp_path / f"{last}" / "state.db"
        path.parent.mkdir()
        shutil.copy(tmp_path / "before.db", path)
        code = subprocess.run([sys.executable, "-c", DIE, str(path), str(last)], env=os.environ).returncode
        with Ledger.look(path, "nordkran", clock.now) as ledger:
            left = [entry(ledger, "c1").status == "done", ledger.attempts("f", "c1") != [],
                    bool(ledger.links(HERE, THERE, ["c1"])), ANNA not in ledger.forgotten("f")]  # fmt: skip
        assert len(set(left)) == 1, f"killed at {last}"
        outcomes.append(left[0])
        if not left[0]:
            Ledger.open(path, "nordkran", clock.now).close()
            assert in_file(path, *TRACES) == [], f"killed at {last}"
    assert outcomes == sorted(outcomes, reverse=True) and True in outcomes[5:] and outcomes.count(False) > 2
