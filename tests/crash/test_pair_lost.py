"""Answers and state files that get lost between Pipedrive and Business Central: nothing is made or posted twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from typing import Literal

import pytest

from mlconnector.sandbox import Emulator, Reply, Request
from tests.crash.pair import LATE_SECONDS, TOTALS, PairCrm, PairErp, PairLoop, check, fill
from tests.crash.test_pair_kill import MODES, NAMES, is_write

Loss = Literal["503", "cut", "nothing"]


class Lossy(Emulator):
    """Mixed into an emulator: the answer to one request gets lost after it was carried out."""

    scene: Scene

    def handle(self, request: Request) -> tuple[Reply | None, bool]:
        scene = self.scene
        scene.seen.append((request.method, request.path))
        reply, cut = super().handle(request)
        if len(scene.seen) != scene.at:
            return reply, cut
        return {"503": (self.error(request, 503), False), "cut": (reply, True), "nothing": (None, False)}[
            scene.loss
        ]


class LossyErp(Lossy, PairErp):
    pass


class LossyCrm(Lossy, PairCrm):
    pass


class Scene(PairLoop):
    """A small pair, one answer of which gets lost."""

    def __init__(self, document: str, post: bool) -> None:
        super().__init__(document=document, post=post, erp=LossyErp, crm=LossyCrm)
        self.at, self.posted = 0, post
        self.loss: Loss = "nothing"
        self.seen: list[tuple[str, str]] = []
        self.erp.scene = self.crm.scene = self  # type: ignore[attr-defined]
        fill(self)

    def run_until_it_is_quiet(self, times: int = 2) -> None:
        for _ in range(times):
            self.pass_time(LATE_SECONDS)
            self.run()
        writes = self.writes()
        self.run()
        assert self.writes() == writes


def requests_of(document: str, post: bool) -> list[tuple[str, str]]:
    with closing(Scene(document, post)) as undisturbed:
        undisturbed.run()
        return list(undisturbed.seen)


def lose_and_go_on(document: str, post: bool, at: int, loss: Loss) -> None:
    with closing(Scene(document, post)) as one:
        one.at, one.loss = at, loss
        one.run()
        told = f"{loss} instead of the answer to request {at}, {one.seen[at - 1]}"
        one.run_until_it_is_quiet()
        check(one, posted=post, told=told)


@pytest.mark.parametrize(("document", "post"), MODES, ids=NAMES)
def test_any_answer_may_get_lost_once(document: str, post: bool) -> None:
    """That of a write in both ways; that of a read in one of them, since it is asked again."""
    requests = requests_of(document, post)
    losses: list[tuple[int, Loss]] = []
    for at, one in enumerate(requests, 1):
        if is_write(one):
            losses += [(at, "503"), (at, "cut")]
        elif (document, post) == ("order", True):
            losses.append((at, "503" if at % 2 else "cut"))
    assert len(losses) > 10
    for at, loss in losses:
        lose_and_go_on(document, post, at, loss)


# the state file is gone, or an old one came back


@pytest.fixture(params=MODES, ids=NAMES)
def synced(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """All is done, and everything was read once more since."""
    document, post = request.param
    with closing(Scene(document, post)) as one:
        one.run_until_it_is_quiet()
        yield one


def lose_state(scene: PairLoop) -> None:
    for file in scene.connection.state.parent.glob("state.db*"):
        file.unlink()


def test_without_its_state_file_it_finds_again_all_that_it_made(synced: Scene) -> None:
    before = synced.writes()
    lose_state(synced)
    synced.run_until_it_is_quiet()
    check(synced, posted=synced.posted)
    assert synced.writes() == before, "all is as it was, so there is nothing to write"
    assert {one.status for one in synced.entries("deals_to_documents", ["1", "2"]).values()} == {"done"}


def test_with_a_state_file_from_before_it_finds_again_all_that_it_made_since() -> None:
    for document, post in MODES:
        with closing(Scene(document, post)) as one:
            for deal in TOTALS:
                one.people.reopen(deal)
            one.run()
            shutil.copy(one.connection.state, one.connection.state.with_suffix(".backup"))
            for deal in TOTALS:
                one.people.win(deal)
            one.run_until_it_is_quiet()
            check(one, posted=post)
            before = one.writes()
            lose_state(one)
            shutil.copy(one.connection.state.with_suffix(".backup"), one.connection.state)
            one.run_until_it_is_quiet()
            check(one, posted=post)
            assert one.writes() == before


def test_drafts_that_people_posted_while_there_was_no_state_file_are_not_made_again() -> None:
    for document in ("order", "invoice"):
        with closing(Scene(document, True)) as one:
            one.posted = True
            one.erp.fault("status", path="Microsoft.NAV", status=500, times=0)
            one.run()
            one.erp.faults.clear()
            lose_state(one)
            for deal in TOTALS:
                (draft,) = one.documents(deal)
                one.erp.people.post(draft["number"])
            one.run_until_it_is_quiet()
            check(one, posted=True)
            posted = one.entries("deals_to_documents.post", ["1", "2"]).values()
            assert [(entry.status, entry.code) for entry in posted] == [("done", "posted")] * 2


def test_a_person_of_a_company_whose_answer_got_lost_is_found_there_and_keeps_nothing_else_waiting() -> None:
    with closing(Scene("order", False)) as one:
        one.erp.fault("lost-answer", method="POST", path="contacts$")
        one.run_until_it_is_quiet()
        check(one, posted=False)
        assert one.entries("persons_to_contacts", ["1"])["1"].status == "done"


def add_one_more(scene: Scene, kind: str) -> None:
    name = "Nordkran Nord und Süd " * 6
    if kind == "organization":
        scene.add_organization(name)
    else:
        scene.add_person(name, 1 if kind == "person" else None)


FLOW_OF = {
    "organization": ("organizations_to_customers", "customers$"),
    "person": ("persons_to_contacts", "contacts$"),
    "person without organization": ("persons_to_contacts", "contacts$"),
}


@pytest.mark.parametrize("lost", ["the answer", "the state file"])
@pytest.mark.parametrize("kind", FLOW_OF)
def test_a_record_whose_name_was_cut_is_found_again(kind: str, lost: str) -> None:
    flow, path = FLOW_OF[kind]
    with closing(Scene("order", False)) as one:
        one.run()
        add_one_more(one, kind)
        if lost == "the answer":
            one.erp.fault("lost-answer", method="POST", path=path)
        one.run()
        if lost == "the state file":
            lose_state(one)
        one.run_until_it_is_quiet()
        one.erp.made.check()
        assert [entry.status for entry in one.entries(flow, ["1", "2"]).values()] == ["done"] * 2
        assert not one.erp.faults or one.erp.faults[0].hits == 1
