"""The screen, the log lines and what is taken out of them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from io import StringIO

import pytest

from mlconnector import report
from mlconnector.logs import Redactor, set_up_logging
from mlconnector.report import Screen, ago, so_far
from mlconnector.summary import Summary, Tally


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    yield
    log = logging.getLogger("mlconnector")
    log.handlers.clear()
    log.propagate = True
    log.setLevel(logging.NOTSET)


def test_rows_are_key_value_lines_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().table([{"name": "a b", "mail": "anna@nordkran.se", "none": None, "yes": True}])
    assert capsys.readouterr().out == 'name="a b" mail=a***@nordkran.se yes=yes\n'


def test_data_is_json_with_addresses_masked_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(as_json=True).data({"a": ["anna@nordkran.se"]})
    assert json.loads(capsys.readouterr().out) == {"a": ["a***@nordkran.se"]}
    Screen(as_json=True, verbose=1).data({"a": "anna@nordkran.se"})
    assert json.loads(capsys.readouterr().out) == {"a": "anna@nordkran.se"}


def test_notices_go_to_stderr_and_not_at_all_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().notice("hello")
    Screen(quiet=True).notice("hello")
    Screen(as_json=True).notice("hello")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", 'hello\n{"notice": "hello"}\n')


def test_a_suggested_command_names_the_connection_that_was_named(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(connection="my deals")
    screen.line("see: mlconnector status; mlconnector init writes one; mlconnector check -c a.yaml")
    screen.data({"next": ["run: mlconnector replay --record 7 --flow f"]})
    Screen().line("see: mlconnector status")
    first, *data, last = capsys.readouterr().out.splitlines()
    assert first == (
        "see: mlconnector -c 'my deals' status; mlconnector init writes one; mlconnector check -c a.yaml"
    )
    assert (
        "mlconnector -c 'my deals' replay --record 7" in "".join(data) and last == "see: mlconnector status"
    )


def test_plain_progress_has_a_rate_and_an_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "EVERY_SECONDS", 0.0)
    with Screen(verbose=1).watching(Summary("sync")) as watch:
        watch.expect("flow", 100)
        watch.progress("flow", {"read": 50, "created": 10})
    line = capsys.readouterr().err
    assert line.startswith("flow=flow created=10 read=50 records_per_second=")
    assert "eta_seconds=" in line
    with Screen(as_json=True, verbose=1).watching(Summary("sync")) as watch:
        watch.progress("flow", {"read": 50})
    assert json.loads(capsys.readouterr().err)["progress"]["read"] == 50


def test_without_v_there_is_no_progress_under_cron(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "EVERY_SECONDS", 0.0)
    with Screen().watching(Summary("sync")) as watch:
        watch.expect("flow", 100)
        watch.progress("flow", {"read": 50})
    assert capsys.readouterr() == ("", "")


def test_a_flow_without_news_is_left_out_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Summary(
        "sync", tallies={"flow": Tally("flow", counts={"read": 3, "unchanged": 3}, finished=True)}
    )
    Screen().summary(summary)
    assert capsys.readouterr().out == ""
    Screen(verbose=1).summary(summary)
    assert capsys.readouterr().out == "flow: 3 unchanged\n"


@pytest.mark.parametrize(
    ("verbose", "expected"), [(0, ["warning"]), (1, ["info", "warning"]), (2, ["debug", "info", "warning"])]
)
def test_log_levels(verbose: int, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(Redactor(), verbose=verbose, as_json=True)
    log = logging.getLogger("mlconnector.test")
    log.debug("one")
    log.info("two")
    log.warning("three")
    assert [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()] == expected


@pytest.mark.parametrize(("verbose", "shown"), [(0, False), (1, False), (2, True)])
def test_logs_hold_no_secret_and_whole_addresses_only_at_vv(
    verbose: int, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    redactor = Redactor()
    redactor.hide(["hunter2hunter2"])
    set_up_logging(redactor, verbose=verbose, as_json=False)
    logging.getLogger("mlconnector.test").warning("%s has hunter2hunter2", "anna@nordkran.se")
    said = capsys.readouterr().err
    assert ("anna@nordkran.se" in said) is shown
    assert "hunter2" not in said and said.endswith("has ***\n")


def test_a_traceback_is_logged_from_v_on_and_masked(capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in (0, 1):
        set_up_logging(Redactor(), verbose=verbose, as_json=False)
        try:
            raise ValueError("anna@nordkran.se")
        except ValueError:
            logging.getLogger("mlconnector.test").exception("mapping failed")
        said = capsys.readouterr().err
        assert ("Traceback" in said) is bool(verbose)
        assert "anna@" not in said


def test_a_short_secret_does_not_tear_the_text_apart() -> None:
    redactor = Redactor()
    redactor.hide(["a", ""])
    assert redactor.text("a banana", addresses=True) == "a banana"


@pytest.mark.parametrize(
    ("seconds", "words"), [(5, "5 s"), (65, "1 min"), (7_500, "2 h 5 min"), (90_000, "1 d 1 h")]
)
def test_ago(seconds: float, words: str) -> None:
    assert ago(seconds) == words


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_waited_for_is_told_to_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for screen in (Screen(), Screen(as_json=True), Screen(quiet=True)):
        monkeypatch.setattr(sys, "stderr", terminal := _Terminal())
        screen.waiting("asking crm …")
        assert terminal.getvalue() == ("asking crm …\n" if screen.as_json is screen.quiet else "")
    monkeypatch.setattr(sys, "stderr", file := StringIO())
    Screen().waiting("asking crm …")
    assert file.getvalue() == ""


def test_progress_of_a_dry_run_says_planned_and_not_sent() -> None:
    assert [*so_far({"read": 9, "planned": 8, "failed": 1})] == ["9 read", "8 planned", "1 failed"]
    assert [*so_far({"read": 9, "created": 2, "updated": 1})] == ["9 read", "3 sent"]
