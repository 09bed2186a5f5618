from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlconnector.errors import ConfigError, Rejected
from mlconnector.sandbox import Reply, Request, json_reply
from mlconnector.systems.base import Resolves
from mlconnector.systems.business_central import SYSTEM
from mlconnector.systems.business_central.emulator import BusinessCentral

from .connecting import Client, Crowd, Deaf, filled, flow, lists, numbers, reader, running


@pytest.fixture
def bc() -> BusinessCentral:
    """Twelve customers, 10000 to 21000, one a day since the ninth of July; it is noon of the 21st."""
    return filled(BusinessCentral())


@pytest.fixture
def client(bc: BusinessCentral) -> Iterator[Client]:
    """A client of `bc`."""
    with running(bc) as client:
        yield client


def test_records_come_as_they_are_now_and_gone_ones_as_deletes(bc: BusinessCentral, client: Client) -> None:
    ids = {row["number"]: row["id"] for row in bc.rows("customers")}
    bc.delete("customers", "12000")
    bc.edit("customers", "13000", city="Malmö")
    wanted = [ids["12000"], ids["13000"], ids["10000"], ids["13000"]]
    found = {change.id: change for change in reader(client, "city").fetch("customer", wanted)}
    assert {id: change.kind for id, change in found.items()} == {
        ids["12000"]: "delete",
        ids["13000"]: "upsert",
        ids["10000"]: "upsert",
    }
    assert found[ids["13000"]].record["city"] == "Malmö"
    assert found[ids["12000"]].record == {}


def test_ids_are_asked_for_by_twenties_and_from_the_primary() -> None:
    emulator = filled(BusinessCentral(), 45)
    emulator.replica_lag_seconds = 86_400.0
    with running(emulator) as client:
        source = reader(client, "email", "city", "customerFinancialDetail.balance")
        ids = [row["id"] for row in emulator.rows("customers")]
        emulator.edit("customers", "54000", city="Lund")
        found = list(source.fetch("customer", ids))
        assert sorted(change.id for change in found) == sorted(ids)
        assert [c.record["city"] for c in found if c.record["number"] == "54000"] == ["Lund"]
        assert len(lists(emulator)) == 3
        assert all(entry.headers["data-access-intent"] == "ReadWrite" for entry in lists(emulator))
        assert lists(emulator)[0].query["$expand"] == "customerFinancialDetail($select=balance)"


@pytest.mark.parametrize(("settings", "most"), [({}, 4), ({"parallel": 5}, 5), ({"parallel": 1}, 1)])
def test_business_central_gets_four_requests_at_once_or_as_many_as_the_file_says_whoever_asks(
    settings: dict[str, int], most: int
) -> None:
    emulator = filled(Crowd(), 200)
    ids = [row["id"] for row in emulator.rows("customers")]
    with running(emulator) as client, ThreadPoolExecutor(2) as pool:
        connected = client.connect(page_size=50, **settings)
        one, other = connected.source([flow("email")]), connected.source([flow("city")])
        reading = pool.submit(lambda: [*one.read("customer", None)])
        assert len(list(other.fetch("customer", ids))) == 200
        assert len(numbers(reading.result())) == 200
    assert emulator.most == most


def test_an_address_with_many_fields_stays_short() -> None:
    fields = [name for name in SYSTEM.entities["customer"].fields if "." not in name]
    lengths: list[int] = []
    watched = filled(Watched(lengths), 30)
    with running(watched) as client:
        found = list(
            reader(client, *fields).fetch("customer", [row["id"] for row in watched.rows("customers")])
        )
        assert len(found) == 30
        assert 900 < max(lengths) <= 1800


class Watched(BusinessCentral):
    """Notes about how long the addresses are."""

    def __init__(self, lengths: list[int]) -> None:
        super().__init__()
        self.lengths = lengths

    def answer(self, request: Request) -> Reply:
        options = "&".join(f"{n}={v}" for n, v in request.query.items())
        self.lengths.append(len(request.base + request.raw_path + options.replace(" ", "%20")))
        return super().answer(request)


def test_a_filter_that_vanishes_makes_nobody_else_of_a_record() -> None:
    emulator = filled(Deaf())
    with running(emulator) as client:
        ids = [row["id"] for row in emulator.rows("customers")][:3]
        emulator.delete("customers", "12000")
        source = reader(client)
        found = {change.id: change.kind for change in source.fetch("customer", ids)}
        assert {
            entry.headers["data-access-intent"] for entry in emulator.log if "customers" in entry.path
        } == {"ReadWrite"}
        assert found == {ids[0]: "upsert", ids[1]: "upsert", ids[2]: "delete"}
        emulator.log.clear()
        assert [change.id for change in source.fetch("customer", ids[:1])] == ids[:1]
        assert not lists(emulator)


def test_a_set_that_is_not_there_never_looks_like_deletions(bc: BusinessCentral, client: Client) -> None:
    ids = [row["id"] for row in bc.rows("customers")]
    with pytest.raises(ConfigError, match=r"ResourceNotFound|no company"):
        list(reader(client, company="2cd06086-0000-f111-a1fd-7ced8d2674f8").fetch("customer", ids))
    bc.fault("html", path="/customers", status=404, times=0)
    with pytest.raises(ConfigError, match="404"):
        list(reader(client).fetch("customer", ids))


@pytest.mark.parametrize(
    ("status", "code"), [(400, "Application_DialogException"), (404, "Internal_RecordNotFound")]
)
def test_one_record_that_is_refused_fails_alone_and_is_not_taken_for_gone(status: int, code: str) -> None:
    emulator = filled(Sick())
    emulator.status, emulator.code = status, code
    with running(emulator) as client:
        ids = [row["id"] for row in emulator.rows("customers")][:3]
        emulator.sick = ids[1]
        found = {change.id: change for change in reader(client).fetch("customer", ids)}
        assert found[ids[0]].record["number"] == "10000"
        assert found[ids[1]].kind == "upsert"
        with pytest.raises(Rejected, match="Something is wrong with it"):
            found[ids[1]].record.get("number")


class Sick(Deaf):
    """One record cannot be shown."""

    sick, status, code = "none", 400, ""

    def answer(self, request: Request) -> Reply:
        if self.sick in request.path:
            problem = {"code": self.code, "message": "Something is wrong with it."}
            return json_reply(self.status, {"error": problem})
        return super().answer(request)


def test_ids_of_another_system_are_told_from_deleted_records(client: Client) -> None:
    with pytest.raises(ConfigError, match="none of Business Central"):
        list(reader(client).fetch("customer", ["10000"]))


def test_fetching_nothing_asks_nothing(bc: BusinessCentral) -> None:
    with running(bc) as client:
        assert list(reader(client, company=bc.companies[0].id).fetch("customer", [])) == []


# what people call a record


def test_a_record_is_found_by_what_people_call_it(bc: BusinessCentral, client: Client) -> None:
    ids = {row["number"]: row["id"] for row in bc.rows("customers")}
    bc.edit("customers", "14000", email="info@x.se; c2@x.se")
    bc.add("customers", number="A'1", displayName="Quote", email="Anna.Berg@X.se")
    source = reader(client)
    assert isinstance(source, Resolves)
    assert source.resolve("customer", ids["10000"].upper()) == [ids["10000"]]
    assert source.resolve("customer", " 11000 ") == [ids["11000"]]
    assert source.resolve("customer", "a'1") == [bc.row("customers", "A'1")["id"]]
    assert source.resolve("customer", "ANNA.berg@x.se") == [bc.row("customers", "A'1")["id"]]
    assert source.resolve("customer", "c2@x.se") == [ids["12000"]]
    assert source.resolve("customer", "info@x.se") == [ids["14000"]]


@pytest.mark.parametrize("text", ["99999", "nobody@x.se", "2@x.se", "", "x" * 21, f"{'x' * 90}@x.se"])
def test_what_nobody_is_called_finds_nobody(client: Client, text: str) -> None:
    assert reader(client).resolve("customer", text) == []


def test_a_filter_that_vanishes_finds_nobody_else() -> None:
    emulator = filled(Deaf())
    with running(emulator) as client:
        source = reader(client)
        assert source.resolve("customer", "13000") == [emulator.row("customers", "13000")["id"]]
        assert source.resolve("customer", "c5@x.se") == [emulator.row("customers", "15000")["id"]]
        assert source.resolve("customer", "nobody@x.se") == []
