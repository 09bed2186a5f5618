"""Writing organizations and products: created once, changed only where both agree that it is ours to change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from mlconnector.errors import ConfigError
from mlconnector.model import Mapped, Outcome, Step
from mlconnector.pairs import hashes
from mlconnector.systems.pipedrive.emulator import Pipedrive
from tests.systems.pipedrive.connecting import Client, create, running, update

NOON = datetime(2026, 7, 21, 12, 0, tzinfo=UTC)
ADDRESS = {
    "value": "Station Road 21",
    "route": "Station Road",
    "locality": "Cambridge",
    "country": "United Kingdom",
}


@pytest.fixture
def client(crm: Pipedrive) -> Iterator[Client]:
    crm.clock.freeze(NOON)
    for name, kind, options in (
        ("ERP number", "varchar", ()),
        ("Region", "enum", ("North", "South")),
        ("Interests", "set", ("Desks", "Chairs")),
        ("Credit limit", "monetary", ()),
        ("Weight", "double", ()),
    ):
        crm.people.add_field("organization", name, kind, options)
    with running(crm) as client:
        yield client


def organization(client: Client, id_: int | str = 1) -> dict[str, Any]:
    """As Pipedrive shows it, custom fields by name."""
    found = client.crm.people.record("organization", int(id_))
    fields = client.crm.company.fields["organization"].by_code
    return {**found, **{fields[code].name: value for code, value in found["custom_fields"].items()}}


def sent(client: Client) -> list[tuple[str, str]]:
    """What was written, and with which body."""
    return [(one.method, one.body) for one in client.crm.log if one.method != "GET"]


def in_step(outcome: Outcome, *names: str) -> dict[str, str]:
    """What the engine remembers of the counterpart's fields after an outcome."""
    return hashes(outcome.now or {}, names)


# creating


def test_a_created_organization_has_all_that_was_mapped_in_strict_types(client: Client) -> None:
    made = client.one(
        create(
            {
                "name": "Adatum Corporation",
                "address.route": "Station Road", "address.street_number": 21, "address.locality": "Cambridge",
                "custom_fields.ERP number": 10000, "custom_fields.Region": "south",
                "custom_fields.Interests": ["Desks", "Chairs"], "custom_fields.Weight": Decimal("12.50"),
                "custom_fields.Credit limit": {"value": Decimal("25000"), "currency": "EUR"},
            }
        )
    )  # fmt: skip
    assert (made.status, made.target_id, made.answer) == ("created", "1", "200")
    found = organization(client)
    assert found["address"]["value"] == "Station Road 21, Cambridge"
    assert (found["ERP number"], found["Weight"], found["Credit limit"]["value"]) == ("10000", 12.5, 25000)
    assert made.now is not None
    assert (made.now["custom_fields"]["Region"], made.now["custom_fields"]["Interests"]) == (
        "South",
        ["Desks", "Chairs"],
    )


def test_a_created_product_has_its_prices_and_is_shown_as_the_source_shows_it(client: Client) -> None:
    body = {"name": "Desk", "code": "1896-S", "tax": "19", "category": "furniture", "is_linkable": True}
    made = client.one(
        create({**body, "prices": [{"currency": "EUR", "price": Decimal("1000.80")}]}), "product"
    )
    assert made.answer == "201" and made.now is not None
    assert (made.now["category"], made.now["tax"]) == ("Furniture", Decimal(19))
    assert made.now["prices"][0]["price"] == Decimal("1000.8")
    assert client.crm.people.record("product", 1)["prices"][0]["currency"] == "EUR"


def test_amounts_are_sent_digit_by_digit(client: Client) -> None:
    amount = Decimal("1234567890123456.7800")
    price = {"currency": "EUR", "price": Decimal("1000.80"), "cost": Decimal("12.00")}
    client.one(create({"name": "Desk", "prices": [price]}), "product")
    client.one(create({"name": "A", "custom_fields.Credit limit": {"value": amount, "currency": "EUR"}}))
    product, organization = (body for _, body in sent(client))
    assert '"price":1000.8,"cost":12}' in product
    assert '"value":1234567890123456.78,' in organization


def test_what_is_no_amount_is_refused_before_it_is_sent(client: Client) -> None:
    refused = client.one(create({"name": "A", "custom_fields.Weight": Decimal("NaN")}))
    assert (refused.status, refused.code, sent(client)) == ("failed", "wrong-type", [])


def test_empty_values_are_not_sent_with_a_creation(client: Client) -> None:
    client.one(create({"name": "A", "address.locality": None, "custom_fields.Region": ""}))
    assert sent(client) == [("POST", '{"name":"A"}')]


@pytest.mark.parametrize("kind", ["lost-answer", "cut"])
def test_a_creation_without_an_answer_is_unknown_and_sent_once(client: Client, kind: Any) -> None:
    client.crm.fault(kind, method="POST", times=0)
    assert client.one(create({"name": "A"})).status == "unknown"
    assert len(sent(client)) == 1


@pytest.mark.parametrize("status", [500, 502])
def test_a_creation_that_broke_there_is_unknown(client: Client, status: int) -> None:
    client.crm.fault("status", method="POST", times=0, status=status)
    outcome = client.one(create({"name": "A"}))
    assert (outcome.status, outcome.code, len(sent(client))) == ("unknown", "no-answer", 1)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": ""}, "missing-name"),
        ({"name": "A", "custom_fields.Region": "West"}, "unknown-option"),
        ({"name": "A", "custom_fields.Interests": "Desks, Beds"}, "unknown-option"),
        ({"name": "A", "custom_fields.Weight": "much"}, "wrong-type"),
        ({"name": "A", "custom_fields.Credit limit": 25000}, "wrong-type"),
        ({"name": "A", "owner_id": "Karin"}, "wrong-type"),
        ({"name": "A", "owner_id": 4711}, "invalid-value"),
    ],
)
def test_a_value_that_does_not_fit_fails_with_a_code(client: Client, body: dict[str, Any], code: str) -> None:
    outcome = client.one(create(body))
    assert (outcome.status, outcome.code) == ("failed", code) and outcome.reason
    assert client.crm.people.records("organization") == []


def test_what_cannot_be_written_is_a_matter_of_the_map(client: Client) -> None:
    with pytest.raises(ConfigError, match="'nmae'"):
        client.one(create({"name": "A", "nmae": "B"}))
    with pytest.raises(ConfigError, match="names that are alike: 'Region'"):
        client.one(create({"name": "A", "custom_fields.Regions": "B"}))


def test_a_field_that_was_renamed_during_a_run_is_found_again(client: Client) -> None:
    writer = client.writer()
    code = client.crm.people.code("organization", "Weight")
    client.crm.people.delete_field("organization", "Weight")
    client.crm.people.add_field("organization", "Weight", "double")
    client.crm.clock.advance(120)
    (outcome,) = writer.write("organization", [create({"name": "A", "custom_fields.Weight": 3})])
    assert outcome.status == "created" and organization(client)["Weight"] == 3
    assert code not in organization(client)["custom_fields"]


def test_a_field_that_is_gone_stops_the_flow_and_says_so(client: Client) -> None:
    writer = client.writer()
    client.crm.people.delete_field("organization", "Weight")
    client.crm.clock.advance(120)
    with pytest.raises(ConfigError, match="no custom field 'Weight'"):
        writer.write("organization", [create({"name": "A", "custom_fields.Weight": 3})])


@pytest.mark.parametrize("has_it", [True, False])
def test_fields_of_a_feature_are_sent_only_where_a_read_has_shown_them(client: Client, has_it: bool) -> None:
    client.crm.switches.organization_details = has_it
    client.crm.people.add("organization", name="Other")
    made = client.one(create({"name": "A", "website": "https://a.example"}))
    changed = client.one(update(1, {"website": "https://b.example"}))
    assert (made.status, changed.status) == ("created", "updated" if has_it else "unchanged")
    assert ("website" in sent(client)[0][1]) is has_it


# changing


def test_only_what_changed_and_differs_is_sent(client: Client) -> None:
    made = client.one(create({"name": "A", "custom_fields.ERP number": "1", "custom_fields.Region": "North"}))
    seen = in_step(made, "name", "custom_fields.ERP number", "custom_fields.Region")
    body = {"name": "A", "custom_fields.ERP number": "2", "custom_fields.Region": "South"}
    client.crm.log.clear()
    changed = frozenset({"name", "custom_fields.ERP number"})
    outcome = client.one(update(1, body, changed=changed, seen=seen))
    code = client.crm.people.code("organization", "ERP number")
    assert sent(client) == [("PATCH", f'{{"custom_fields":{{"{code}":"2"}}}}')]
    assert outcome.now == {"name": "A", "custom_fields": {"ERP number": "2"}}
    assert (outcome.status, organization(client)["ERP number"]) == ("updated", "2")


def test_what_is_equal_already_is_not_written(client: Client) -> None:
    client.one(create({"name": "A", "custom_fields.Weight": 3, "custom_fields.Interests": "Desks,Chairs"}))
    client.crm.log.clear()
    body = {
        "name": "A",
        "custom_fields.Weight": Decimal("3.00"),
        "custom_fields.Interests": ["Chairs", "Desks"],
    }
    outcome = client.one(update(1, body))
    assert (outcome.status, sent(client)) == ("unchanged", [])


def test_a_field_that_was_emptied_by_the_source_is_emptied(client: Client) -> None:
    made = client.one(
        create({"name": "A", "custom_fields.Interests": ["Desks"], "custom_fields.Region": "North"})
    )
    names = ("custom_fields.Interests", "custom_fields.Region")
    body = {"custom_fields.Interests": None, "custom_fields.Region": ""}
    outcome = client.one(update(1, body, changed=frozenset(names), seen=in_step(made, *names)))
    found = organization(client)
    assert (outcome.status, found["Interests"], found["Region"]) == ("updated", None, None)


def test_an_address_is_sent_whole(client: Client) -> None:
    client.crm.people.add("organization", name="A", address=ADDRESS)
    outcome = client.one(update(1, {"address.locality": "Ely"}))
    found = organization(client)["address"]
    assert (found["route"], found["locality"], found["country"]) == ("Station Road", "Ely", "United Kingdom")
    assert found["value"] == "Station Road, Ely, United Kingdom"
    assert outcome.status == "updated"


@pytest.mark.parametrize(
    "parts",
    [
        {"route": "Station Road 21", "street_number": None, "country": "GB"},
        {"route": "21 Station Road", "street_number": None, "country": "united kingdom"},
        {"route": "Station Road", "street_number": "21", "country": "GBR"},
    ],
)
def test_an_address_that_says_the_same_in_other_parts_is_left_as_it_is(
    client: Client, parts: dict[str, Any]
) -> None:
    client.crm.people.add("organization", name="A", address={**ADDRESS, "street_number": "21"})
    body = {f"address.{part}": value for part, value in parts.items()}
    assert client.one(update(1, body)).status == "unchanged"
    moved = update(1, {**body, "address.route": "Mill Road 5", "address.street_number": None})
    assert client.one(moved).status == "updated"
    found = organization(client)["address"]
    assert (found["route"], found["street_number"], found["country"]) == (
        "Mill Road 5",
        None,
        "United Kingdom",
    )


def test_an_address_in_one_line_is_no_other_than_the_street_that_it_became(client: Client) -> None:
    client.crm.people.add("organization", name="A", address={"value": "Station Road 21, Ely"})
    line = {"address.route": "Station Road 21, Ely", "address.street_number": None, "address.locality": None}
    assert client.one(update(1, line)).status == "unchanged"
    other = client.one(update(1, {**line, "address.locality": "Ely"}))
    assert (other.status, other.code) == ("unchanged", "address-in-one-line")
    assert organization(client)["address"]["value"] == "Station Road 21, Ely"


def test_a_text_that_was_cut_in_the_source_does_not_cut_its_counterpart(client: Client) -> None:
    client.crm.people.add("organization", name="A", address={**ADDRESS, "locality": "Llanfairpwllgwyngyll"})
    step = update(1, {"address.locality": "Llanfairpwll"})
    assert step.mapped is not None
    cut = replace(step, mapped=replace(step.mapped, cut=frozenset({"address.locality"})))
    assert client.one(cut).status == "unchanged"
    assert client.one(step).status == "updated"


def test_an_address_is_emptied_by_emptying_its_parts(client: Client) -> None:
    made = client.one(create({"name": "A", "address.route": "Road", "address.locality": "Ely"}))
    names = ("address.route", "address.locality")
    client.one(update(1, dict.fromkeys(names), changed=frozenset(names), seen=in_step(made, *names)))
    assert organization(client)["address"] is None


def test_a_price_is_changed_in_its_currency_and_the_others_stay(client: Client) -> None:
    euro, crown = {"currency": "EUR", "price": 1, "notes": "n"}, {"currency": "SEK", "price": 9, "cost": 4}
    client.crm.people.add("product", name="Desk", prices=[crown, euro])
    outcome = client.one(update(1, {"prices": [{"currency": "EUR", "price": Decimal("2.50")}]}), "product")
    found = {one["currency"]: one for one in client.crm.people.record("product", 1)["prices"]}
    assert (found["SEK"]["price"], found["SEK"]["cost"]) == (9, 4)
    assert (found["EUR"]["price"], found["EUR"]["notes"]) == (2.5, "n")
    assert outcome.now is not None and len(outcome.now["prices"]) == 2
    again = client.one(update(1, {"prices": [{"currency": "EUR", "price": Decimal("2.5")}]}), "product")
    assert again.status == "unchanged"


def test_a_price_without_a_currency_does_not_keep_the_others_from_being_changed(client: Client) -> None:
    client.crm.people.add("product", name="Desk", prices=[{"currency": "EUR", "price": 1}])
    (row,) = client.crm.people.company.tables["product"].listed
    stray = {"currency": None, "price": 5, "cost": 0, "direct_cost": None, "notes": ""}
    wanted = {"prices": [{"currency": "EUR", "price": Decimal(2)}]}
    row["prices"].append(stray)
    assert client.one(update(1, wanted), "product").status == "updated"
    assert client.crm.people.record("product", 1)["prices"][0]["price"] == 2
    row["prices"].append(stray)
    assert client.one(update(1, wanted), "product").status == "unchanged"


def test_names_that_are_for_creating_only_are_not_changed(client: Client) -> None:
    client.crm.people.add("product", name="Desk", code="OLD")
    mapped = Mapped("code:NEW", {"name": "Desk 2", "code": "NEW"}, b"", create_only=frozenset({"code"}))
    client.one(Step("update", "s1", mapped, "1"), "product")
    found = client.crm.people.record("product", 1)
    assert (found["name"], found["code"]) == ("Desk 2", "OLD")


def test_a_change_that_got_no_answer_is_made_again(client: Client) -> None:
    client.crm.people.add("organization", name="A")
    client.crm.fault("lost-answer", method="PATCH")
    assert client.one(update(1, {"name": "B"})).status == "updated"


def test_many_are_read_in_one_call_before_they_are_changed(client: Client) -> None:
    client.crm.fill(organizations=30)
    steps = [replace(update(number, {"name": "New"}), source_id=f"s{number}") for number in range(1, 26)]
    writer = client.writer()
    client.crm.log.clear()
    assert {one.status for one in writer.write("organization", steps)} == {"updated"}
    assert client.paths("GET") == ["/organizations"]


# both sides changed


@pytest.mark.parametrize(
    ("conflict", "ours_at", "name", "status", "code"),
    [
        ("source", None, "Ours", "updated", ""),
        ("target", None, "Theirs", "unchanged", "conflict-kept"),
        ("hold", None, "Theirs", "failed", "conflict"),
        ("newest", NOON.replace(hour=13), "Ours", "updated", ""),
        ("newest", NOON.replace(hour=11), "Theirs", "unchanged", "conflict-kept"),
    ],
)
def test_a_conflict_is_settled_as_the_flow_says(
    client: Client, conflict: str, ours_at: datetime | None, name: str, status: str, code: str
) -> None:
    made = client.one(create({"name": "Once"}))
    client.crm.people.edit("organization", 1, name="Theirs")
    step = update(
        1, {"name": "Ours"}, changed=frozenset({"name"}), seen=in_step(made, "name"), modified=ours_at
    )
    outcome = client.one(step, conflict=conflict)
    assert organization(client)["name"] == name
    assert (outcome.status, outcome.code) == (status, code)
    if code:
        assert "name" in outcome.reason and "Theirs" not in outcome.reason and "Ours" not in outcome.reason
        assert not outcome.now


def test_a_kept_field_does_not_keep_the_others_from_being_written(client: Client) -> None:
    made = client.one(create({"name": "Once", "custom_fields.ERP number": "1"}))
    client.crm.people.edit("organization", 1, name="Theirs")
    names = ("name", "custom_fields.ERP number")
    body = {"name": "Ours", "custom_fields.ERP number": "2"}
    step = update(1, body, changed=frozenset(names), seen=in_step(made, *names))
    outcome = client.one(step, conflict="target")
    assert (outcome.status, outcome.code) == ("updated", "conflict-kept")
    assert outcome.now == {"custom_fields": {"ERP number": "2"}}
    assert (organization(client)["name"], organization(client)["ERP number"]) == ("Theirs", "2")


def test_of_two_that_were_just_matched_an_empty_value_takes_nothing_away(client: Client) -> None:
    client.crm.people.add("organization", name="A", address=ADDRESS)
    outcome = client.one(update(1, {"name": "A", "address.locality": None, "custom_fields.ERP number": "7"}))
    assert organization(client)["address"]["locality"] == "Cambridge"
    assert outcome.now is not None and "address" not in outcome.now, "that is not in step"
    assert organization(client)["ERP number"] == "7"


def test_linking_reads_and_writes_nothing(client: Client) -> None:
    client.crm.people.add("organization", name="A")
    step = replace(update(1, {"name": "B"}), action="link")
    outcome = client.one(step)
    assert (outcome.status, outcome.code, outcome.target_id) == ("unchanged", "linked", "1")
    assert outcome.now is not None and outcome.now["name"] == "A"
    assert sent(client) == []


# gone


@pytest.mark.parametrize("how", ["record", "not-found", "error"])
@pytest.mark.parametrize("action", ["update", "link"])
def test_a_counterpart_in_the_bin_is_told_and_never_made_anew(client: Client, how: Any, action: Any) -> None:
    client.crm.people.add("organization", name="A")
    client.crm.people.delete("organization", 1)
    client.crm.switches.get_deleted = how
    outcome = client.one(replace(update(1, {"name": "B"}), action=action))
    assert (outcome.status, outcome.code) == ("failed", "counterpart-gone")
    assert sent(client) == []


def test_a_counterpart_that_goes_away_between_two_calls_is_gone_too(client: Client) -> None:
    client.crm.people.add("organization", name="A")
    writer = client.writer()
    rows = writer._current([update(1, {})])
    client.crm.people.delete("organization", 1)
    assert writer._guarded(update(1, {"name": "B"}), rows["1"]).code == "counterpart-gone"


def test_removing_puts_it_into_the_bin(client: Client) -> None:
    client.crm.people.add("organization", name="A")
    step = Step("remove", "s1", None, "1")
    assert [client.one(step).status for _ in range(2)] == ["removed", "removed"]
    assert organization(client)["is_deleted"] is True


# looking


def find(client: Client, *keys: str, kind: str = "organization", **settings: Any) -> dict[str, list[str]]:
    return {key: list(ids) for key, ids in client.writer(kind, **settings).find(kind, keys).items()}


def test_names_are_found_however_they_are_written(client: Client) -> None:
    for name in (
        "Müller & Söhne Büromöbel GmbH",
        "MÜLLER + SÖHNE BÜROMÖBEL",
        "Müller & Söhne KG",
        "Büromöbel Nord",
    ):
        client.crm.people.add("organization", name=name)
    client.crm.clock.advance(3600)
    assert find(client, "name:müller söhne büromöbel", "name:nobody") == {
        "name:müller söhne büromöbel": ["1", "2"]
    }


def test_a_number_is_found_in_its_own_custom_field_only(client: Client) -> None:
    client.crm.people.add_field("organization", "Other number")
    client.crm.people.add("organization", name="A", custom={"Other number": "10000"})
    client.crm.people.add("organization", name="B", custom={"ERP number": "10000"})
    client.crm.clock.advance(3600)
    code = client.crm.people.code("organization", "ERP number")
    keys = ("number:ERP number=10000", f"number:{code}=10000")
    assert find(client, *keys) == {key: ["2"] for key in keys}


def test_a_number_may_be_kept_in_a_field_of_numbers(client: Client) -> None:
    client.crm.people.add("organization", name="A", custom={"Weight": 10000})
    client.crm.people.add("organization", name="B", custom={"Weight": 0.5})
    keys = ("number:Weight=10000", "number:Weight=0.5")
    assert find(client, *keys) == {keys[0]: ["1"], keys[1]: ["2"]}


def test_a_product_is_found_by_its_code_and_the_bin_is_not_looked_into(client: Client) -> None:
    for _ in range(3):
        client.crm.people.add("product", name="Desk", code="1896-S")
    client.crm.people.delete("product", 2)
    client.crm.clock.advance(3600)
    assert find(client, "code:1896-s", kind="product") == {"code:1896-s": ["1", "3"]}


def test_what_was_just_made_is_found_though_the_index_lags_behind(client: Client) -> None:
    client.crm.switches.search_lag_seconds = 60
    client.one(create({"name": "Adatum"}))
    assert find(client, "name:adatum") == {"name:adatum": ["1"]}
    assert "/organizations/search" in client.paths()


def test_an_index_that_is_behind_finds_nothing_that_is_not_so_any_more(client: Client) -> None:
    client.crm.people.add("organization", name="Adatum")
    client.crm.clock.advance(3600)
    client.crm.switches.search_lag_seconds = 7200
    client.crm.people.edit("organization", 1, name="Relecloud")
    assert find(client, "name:adatum") == {}


def test_many_keys_are_looked_for_in_the_list_which_costs_less(client: Client) -> None:
    client.crm.fill(organizations=1200)
    client.crm.clock.advance(3600)
    writer = client.writer()
    client.crm.log.clear()
    keys = [f"name:company {number:06}" for number in range(1, 101)]
    assert len(writer.find("organization", keys)) == 100
    assert client.paths() == ["/organizations"] * 3
    client.crm.log.clear()
    writer.find("organization", keys[:2])  # and then it is known how short the list is
    assert client.paths() == ["/organizations"] * 3


def test_a_word_that_very_many_names_hold_is_looked_for_in_the_list(client: Client) -> None:
    client.crm.fill(organizations=600)
    client.crm.clock.advance(3600)
    assert find(client, "name:company 000599") == {"name:company 000599": ["599"]}
    assert client.paths().count("/organizations/search") == 5


def test_keys_of_another_kind_are_not_found(client: Client) -> None:
    assert find(client, "tax:SE1", "name:", "number:ERP number=") == {}
    assert client.paths() == ["/organizationFields"]


def test_a_one_letter_name_can_be_looked_for(client: Client) -> None:
    client.crm.people.add("organization", name="X")
    client.crm.clock.advance(3600)
    assert find(client, "name:x") == {"name:x": ["1"]}
