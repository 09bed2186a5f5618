from tests.systems.mailchimp.writing import *
import pytest
from dataclasses import replace


@pytest.fixture
def emulator():
    return Busy()


@pytest.fixture
def desk(emulator):
    with running(emulator) as d:
        yield d


def test_audience_changed(desk):
    steps = [update(f"m{n}@nordkran.se", desk.id(f"m{n}@nordkran.se", "Vendors")) for n in range(MANY)]
    out = desk.write(*steps)
    assert {o.status for o in out} == {"created"}


def test_remove_other_audience(desk, emulator):
    emulator.add_member("Customers", ANNA)
    out = desk.one(remove(ANNA, desk.id(ANNA, "Vendors")))
    assert desk.status(ANNA) == "subscribed"


def test_tag_case(desk, emulator):
    emulator.add_member("Customers", ANNA, tags=["VIP"])
    desk.one(update(ANNA, desk.id(ANNA), {"tags": ["VIP"]}, tags=["vip"]))
    assert desk.tags(ANNA) == {"VIP"}


def test_omitted_tag(desk, emulator):
    emulator.switches.bulk_unchanged = "omitted"
    emulator.add_member("Customers", ANNA, tags=["A", "B"])
    desk.one(update(ANNA, desk.id(ANNA), {"tags": ["A", "B"]}, tags=["B"]))
    assert desk.tags(ANNA) == {"B"}


def test_lost_delete(desk, emulator):
    emulator.add_member("Customers", ANNA)
    emulator.fault("lost-answer", method="DELETE")
    assert desk.one(remove(ANNA, desk.id(ANNA))).status == "removed"


def test_window(desk, emulator):
    emulator.add_member("Customers", ANNA)
    emulator.before_bulk = lambda: emulator.archive("Customers", ANNA)
    desk.fillers = MANY
    out = desk.one(update(ANNA, desk.id(ANNA)))
    assert out.code == "archived"
    assert [
        t for t in emulator.transitions("Customers") if t.old == "archived" and t.new == "subscribed"
    ] == []


def test_merge_crash(desk, emulator):
    emulator.add_member("Customers", ANNA)
    emulator.add_member("Customers", OTTO)
    step = update(OTTO, desk.id(ANNA))
    first = desk.one(step)
    second = desk.one(replace(step, again=True))
    assert (first.status, first.target_id) == ("updated", desk.id(OTTO))
    assert (second.status, second.target_id) == ("updated", desk.id(OTTO))
