"""Counting and wording of a run: pure."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mlconnector
from mlconnector.errors import AuthError, ConfigError, Later
from mlconnector.ledger import Settled
from mlconnector.model import LedgerEntry, Outcome, Status
from mlconnector.remedies import REMEDIES, Naming, remedy
from mlconnector.summary import KEPT, Summary, Tally


def settled(status: Status, code: str = "", *, reason: str = "why", **more: Any) -> Settled:
    return Settled("id-1", Outcome(status, code=code, reason=reason if code else ""), **more)


def tally(*ones: Settled, **more: Any) -> Tally:
    found = Tally("flow", finished=True, **more)
    for one in ones:
        found.add(one)
    return found


def test_the_line_names_codes_and_numbers() -> None:
    ones = [settled("created")] * 12 + [settled("updated")] * 2 + [settled("updated", "incomplete-address")]
    ones += [settled("skipped", "missing-email")] * 2 + [settled("skipped", "key-taken")]
    ones += [settled("failed", "fake-address")]
    assert tally(*ones).line() == (
        "flow: 12 created, 3 updated (1 incomplete-address),"
        " 3 skipped (2 missing-email, 1 key-taken), 1 failed (fake-address)"
    )


def test_a_dry_run_says_what_would_be() -> None:
    planned = [settled("planned", action, reason="") for action in ("create", "create", "update", "remove")]
    assert tally(*planned).line() == "flow: 2 would be created, 1 would be updated, 1 would be removed"
    assert tally(settled("planned", "link", reason="")).line() == "flow: 1 would be linked"


def test_a_deal_that_is_not_won_is_counted_and_no_news() -> None:
    found = tally(settled("skipped", "not-won"), settled("skipped", "no-counterpart"))
    assert not found.is_news and not found.notes
    assert found.line() == "flow: 2 skipped (1 not-won, 1 no-counterpart)"


def test_a_run_that_adopts_says_how_many_were_linked() -> None:
    found = tally(settled("unchanged", "linked"), settled("unchanged", "linked"), counts={"unchanged": 5})
    assert found.line() == "flow: 2 linked, 3 unchanged"
    assert found.is_news


@pytest.mark.parametrize(("status", "code"), [("unchanged", "linked"), ("planned", "link")])
def test_each_link_has_a_line_and_problems_are_counted_by_themselves(status: Any, code: str) -> None:
    links = [settled(status, code, reason="customer C1 Nord, by name")] * 30
    summary = Summary("sync --adopt")
    summary.tallies["flow"] = tally(*[settled("held", "no-match")] * 3, *links)
    lines = summary.lines(everything=False, most=2)
    assert [line.endswith(" = customer C1 Nord, by name") for line in lines[1:31]] == [True] * 30
    assert len(lines) == 34 and "and 1 more" in lines[-1]


@pytest.mark.parametrize(
    ("before", "news"),
    [
        (None, True),
        (LedgerEntry("flow", "id-1", "failed", code="fake-address"), False),
        (LedgerEntry("flow", "id-1", "failed", code="later"), True),
        (LedgerEntry("flow", "id-1", "done"), True),
    ],
)
def test_a_record_that_failed_as_before_is_no_news(before: LedgerEntry | None, news: bool) -> None:
    one = settled("failed", "fake-address", before=before)
    assert tally(one).is_news is news
    assert len(tally(one).notes) == int(news)
    assert len(tally(one, attended=True).notes) == 1


def test_a_note_calls_the_record_by_its_name() -> None:
    one = settled("failed", "ambiguous-match", key="email:anna@nordkran.se", name="10000")
    (note,) = tally(one).notes
    assert note.line().startswith("  flow 10000 (anna@nordkran.se): failed, ambiguous-match: why. ")
    assert "mlconnector link flow id-1 TARGET" in note.line(), "a name may be that of several"
    (unnamed,) = tally(settled("failed", "x")).notes
    assert unnamed.line().startswith("  flow id-1: failed, x: why. ")


def test_records_that_wait_because_a_system_is_down_have_no_lines_of_their_own() -> None:
    found = tally(settled("failed", "later"), settled("failed", "stopped"))
    assert found.notes == [] and found.line() == "flow: 1 failed (later), 1 not sent (stopped)"


def test_what_a_stopped_run_did_not_come_to_is_not_called_failed() -> None:
    found = tally(settled("failed", "stopped"), settled("failed", "stopped"), settled("failed", "x"))
    assert found.line() == "flow: 1 failed (x), 2 not sent (stopped)"


def test_memory_does_not_grow_with_the_number_of_problems() -> None:
    found = tally(*[settled("failed", "x")] * (KEPT + 5))
    assert len(found.notes) == KEPT
    summary = Summary("sync", tallies={"flow": found})
    assert summary.lines(everything=False)[-1] == f"  and {KEPT + 5 - 20} more: mlconnector status"


def test_exit_codes() -> None:
    assert Summary("sync", tallies={"a": tally(settled("created"))}).exit_code() == 0
    assert Summary("sync", tallies={"a": tally(settled("skipped", "gone"))}).exit_code() == 0
    assert Summary("sync", tallies={"a": tally(settled("unknown", "no-answer"))}).exit_code() == 1
    early = Tally("b", error=Later("down"))
    assert Summary("sync", tallies={"a": tally(settled("failed", "x")), "b": early}).exit_code() == 3
    assert Summary("sync", error=ConfigError("x"), tallies={"b": early}).exit_code() == 2
    assert Summary("sync", error=AuthError("x")).exit_code() == 3


def test_a_flow_that_ended_early_does_not_look_finished() -> None:
    assert Tally("flow", error=Later("down")).line() == "flow: ended early"


def test_every_code_of_the_package_has_a_next_step() -> None:
    package = Path(mlconnector.__file__).parent
    folders = ["*.py", "flows/*.py", "systems/mailchimp/*.py", "systems/business_central/read.py"]
    files = [file for folder in folders for file in package.glob(folder) if "emulator" not in file.name]
    text = "\n".join(file.read_text() for file in files)
    codes = set(
        re.findall(
            r'code="([a-z]+(?:-[a-z]+)*)"|Skip\(\s*"([a-z-]+)"|^    \("[^"]+", "([a-z-]+)"\),$',
            text,
            re.MULTILINE,
        )
    )
    named = {code for group in codes for code in group if code}
    assert {"missing-email", "key-taken", "fake-address", "later"} <= named
    assert named <= REMEDIES.keys()


def test_what_is_not_known_of_the_code_is_said_of_the_status() -> None:
    assert remedy("http-418", "failed", "flow", "7").endswith("mlconnector replay --record 7 --flow flow")
    assert remedy("whatever", "done") == ""


def test_a_command_names_a_record_by_what_only_one_has() -> None:
    one = settled("failed", "ambiguous-match", name="Doppelt GmbH")
    by_id, by_number = Tally("flow"), Tally("flow", naming=Naming("flow", by_number=True))
    by_id.add(one)
    by_number.add(one)
    assert "link flow id-1 TARGET" in by_id.notes[0].next
    assert "link flow 'Doppelt GmbH' TARGET" in by_number.notes[0].next


def test_a_record_that_waits_for_a_moment_is_named_if_it_does_so_at_the_end() -> None:
    waits = settled("held", "waits-for-another", name="Alpha")
    assert Summary("sync", tallies={"flow": tally(waits, settled("created"))}).lines(everything=False) == [
        "flow: 1 created"
    ]
    left = Summary("sync", tallies={"flow": tally(waits)})
    assert "flow Alpha: held, waits-for-another: why. Nothing to do" in left.lines(everything=False)[1]
    before = replace(waits, before=LedgerEntry("flow", "id-1", "held", code="waits-for-another"))
    as_before = tally(before)
    assert not as_before.is_news and [note["name"] for note in as_before.data()["notes"]] == ["Alpha"]
