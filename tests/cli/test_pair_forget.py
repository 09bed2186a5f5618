"""`mlconnector forget` between Pipedrive and Business Central: however the person's record stands."""

from __future__ import annotations

import pytest

from tests.cli.pairing import CUSTOMERS, Pair, crm, pair

__all__ = ["crm", "pair"]

PERSONS = "  persons_to_contacts: {from: crm, to: erp}"
LEFT_OUT = "  persons_to_contacts: {from: crm, to: erp, without_company: skip}"
NAME, ADDRESS = "Zita Persson", "zita@nordkran.se"


def in_files(pair: Pair, *texts: str) -> list[str]:
    content = b"".join(file.read_bytes() for file in pair.world.folder.glob("state.db*"))
    return [text for text in texts if text.encode() in content]


def add_zita(pair: Pair, case: str) -> int:
    """A person whose record comes to stand so."""
    people = pair.crm.people
    if case == "ambiguous-match":
        for _ in range(2):
            pair.world.erp.add("contacts", type="Person", displayName=NAME, email=ADDRESS)
    if case == "no-answer":
        pair.world.erp.fault("lost-answer", method="POST", path="/contacts", times=0)
    firm = {"org_id": 1} if case == "reference-left-out" else {}
    emails = [{"value": ADDRESS, "primary": True, "label": "work"}]
    return int(people.add("person", name=NAME, emails=emails, **firm))


@pytest.mark.parametrize(
    "case", ["ambiguous-match", "reference-left-out", "no-answer", "no-match", "without-company", "done"]
)
def test_a_person_is_forgotten_however_the_record_stands(pair: Pair, case: str) -> None:
    pair.write(LEFT_OUT if case == "without-company" else PERSONS)
    zita = add_zita(pair, case)
    pair.run("sync", *(["--adopt"] if case == "no-match" else []))
    (record,) = pair.world.json("explain", str(zita))
    assert record["stands"]["code"] == case or record["stands"]["status"] == case
    assert f"person:{zita} is forgotten: 1 record" in pair.run("forget", f"person:{zita}").stdout
    assert in_files(pair, NAME, ADDRESS) == []
    pair.world.erp.faults.clear()
    pair.run("sync", "--full")
    assert in_files(pair, NAME, ADDRESS) == []
    assert NAME not in pair.run("ledger", "export").stdout
    (waiting,) = pair.world.json("status")["flows"][0]["waiting"]
    assert waiting["code"] == "forgotten" and waiting["next"].endswith(f"forget --undo person:{zita}")


def test_an_address_that_is_on_record_forgets_the_person(pair: Pair) -> None:
    pair.write(f"{CUSTOMERS}\n{PERSONS}")
    zita = add_zita(pair, "no-answer")
    pair.run("sync")
    assert in_files(pair, ADDRESS) == [ADDRESS]
    assert pair.run("forget", ADDRESS).exit_code == 0 and in_files(pair, NAME, ADDRESS) == []
    pair.world.erp.faults.clear()
    assert pair.world.json("explain", str(zita), "--flow", "persons_to_contacts")[0]["name"] == NAME
    pair.run("sync", "--full")
    assert in_files(pair, NAME, ADDRESS) == []
    assert pair.run("forget", ADDRESS).exit_code == 2
    assert "forgotten no longer" in pair.run("forget", "--undo", f"person:{zita}").stdout


def test_a_person_who_was_linked_by_hand_is_forgotten_with_the_link(pair: Pair) -> None:
    pair.write(PERSONS)
    zita = add_zita(pair, "ambiguous-match")
    pair.run("sync")
    contact = pair.world.erp.rows("contacts")[-1]
    assert pair.run("link", "persons_to_contacts", str(zita), contact["number"]).exit_code == 0
    assert pair.world.json("forget", f"person:{zita}")["links"] == 1
    assert in_files(pair, NAME, contact["id"]) == []
