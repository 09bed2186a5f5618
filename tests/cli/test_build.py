"""Order of flows, one source a system, and how a run is asked to end."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from click import BadParameter

from mlconnector.cli.build import utc_now
from mlconnector.cli.flows import in_order, keeps_links
from mlconnector.cli.moments import Moment, age, short
from mlconnector.cli.stop import stop_on_signals
from mlconnector.cli.systems import Systems
from mlconnector.config import BoundFlow, load_connection
from mlconnector.errors import StoppedError
from mlconnector.model import Tools
from mlconnector.secrets import variable
from mlconnector.template import template
from tests.cli.conftest import API_KEY, CLIENT_SECRET, World


@pytest.fixture
def flows(world: World) -> tuple[BoundFlow, ...]:
    return load_connection(world.file).flows


def after(bound: BoundFlow, *names: str) -> BoundFlow:
    return replace(bound, flow=replace(bound.flow, after=names))


def names(flows: list[BoundFlow]) -> list[str]:
    return [bound.flow.name for bound in flows]


def test_flows_run_in_the_order_of_the_file_but_after_what_they_wait_for(
    flows: tuple[BoundFlow, ...],
) -> None:
    first, second = flows
    assert names(in_order(flows)) == ["customers_to_members", "vendors_to_members"]
    waiting = after(first, "vendors_to_members")
    assert names(in_order([waiting, second])) == ["vendors_to_members", "customers_to_members"]


def test_flows_that_wait_for_each_other_or_for_nobody_run_all_the_same(flows: tuple[BoundFlow, ...]) -> None:
    first, second = flows
    circle = [after(first, "vendors_to_members"), after(second, "customers_to_members")]
    assert len(in_order(circle)) == 2
    assert names(in_order([after(first, "nobody"), second])) == names([first, second])


def test_documents_are_linked_with_their_deals_also_before_somebody_wants_them_posted(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(template("pipedrive-business-central"), "utf-8")
    connection = load_connection(file)
    (deals,) = (bound for bound in connection.flows if bound.flow.name == "deals_to_documents")
    assert keeps_links(connection, deals)


def test_a_system_is_connected_once_and_read_by_one_source(world: World) -> None:
    connection = load_connection(world.file)
    secrets = {"erp.client_secret": CLIENT_SECRET, "mail.api_key": API_KEY}
    systems = Systems(connection, secrets, Tools(utc_now, lambda seconds: None))
    assert systems.connected("erp") is systems.connected("erp")
    assert systems.source("erp") is systems.source("erp")
    assert systems.target(connection.flows[0]) is not systems.target(connection.flows[1])
    assert systems.calls() == 0
    systems.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_sleep_and_the_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stopping:
        stopping.sleep(0.0)
        assert not stopping.requested()
        os.kill(os.getpid(), number)
        assert stopping.requested()
        with pytest.raises(StoppedError):
            stopping.sleep(60)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2026-07-01", "2026-07-01T00:00:00.000Z"),
        ("2026-07-01T14:30", "2026-07-01T14:30:00.000Z"),
        ("2026-07-01T14:30:05.25+02:00", "2026-07-01T12:30:05.250Z"),
    ],
)
def test_moments_are_utc_unless_they_say_otherwise(text: str, stamp: str) -> None:
    assert Moment().convert(text, None, None) == stamp


def test_what_is_no_moment_is_refused_with_an_example() -> None:
    with pytest.raises(BadParameter, match="2026-07-01"):
        Moment().convert("last week", None, None)


def test_an_opaque_watermark_has_no_age_and_is_shown_as_it_is() -> None:
    assert age("token-4711", utc_now()) is None and age(None, utc_now()) is None
    assert short("token-4711") == "token-4711"


@pytest.mark.parametrize("system", ["erp.client_secret", "mail.api_key"])
def test_a_refused_secret_names_the_command_that_stores_it(world: World, system: str) -> None:
    wrong = {variable(system): "not-a-real-one-us1"}
    result = world.run("check", env=wrong)
    assert result.exit_code == 2
    assert f"mlconnector secrets set nordkran {system}" in " ".join(result.output.split())
