"""Single members in the emulated Mailchimp: the matrix of statuses, upserts, errors, archive, tags."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import md5

import pytest

WHO = "Ida@contoso.com"
PATH = "/lists/{l}/members/ida@contoso.com"
COMPLIANCE = "Member In Compliance State"
FORGOTTEN = "Forgotten Email Not Subscribed"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def bring_to(emulator, state):
    """Puts WHO into a state of the matrix 4.5."""
    name = "Customers"
    if state == "absent":
        return
    simple = state if state in ("cleaned", "pending", "transactional") else "subscribed"
    emulator.add_member(name, WHO, simple)
    if state in ("self", "archived-self"):
        emulator.person_unsubscribes(name, WHO)
    if state == "admin":
        emulator.admin_unsubscribes(name, WHO)
    if state == "complaint":
        emulator.complain(name, WHO)
    if state.startswith("archived"):
        emulator.archive(name, WHO)
    if state == "forgotten":
        emulator.forget(name, WHO)


WANTED = ("subscribed", "pending", "unsubscribed", "transactional")
MATRIX = {
    # wanted:     subscribed    pending    unsubscribed    transactional
    "absent": ("subscribed", "pending", "unsubscribed", "transactional"),
    "subscribed": ("subscribed", "pending", "unsubscribed", "subscribed"),
    "admin": ("subscribed", "pending", "unsubscribed", "unsubscribed"),
    "self": (COMPLIANCE, "pending", "unsubscribed", "unsubscribed"),
    "complaint": (COMPLIANCE, "pending", "unsubscribed", "unsubscribed"),
    "cleaned": (COMPLIANCE, "pending", "unsubscribed", "cleaned"),
    "pending": ("subscribed", "pending", "unsubscribed", "pending"),
    "transactional": ("subscribed", "pending", "unsubscribed", "transactional"),
    "archived": ("subscribed", "pending", "unsubscribed", "transactional"),
    "archived-self": (COMPLIANCE, "pending", "unsubscribed", "transactional"),
    "forgotten": (FORGOTTEN, FORGOTTEN, FORGOTTEN, FORGOTTEN),
}
CELLS = [
    (state, wanted, result)
    for state, row in MATRIX.items()
    for wanted, result in zip(WANTED, row, strict=True)
]


@pytest.mark.parametrize(("state", "wanted", "result"), CELLS)
def test_put_moves_a_member_as_the_matrix_says(emulator, api, state, wanted, result):
    bring_to(emulator, state)
    answer = api.put(WHO, status=wanted)
    if result in (COMPLIANCE, FORGOTTEN):
        assert (answer.status_code, answer.json()["title"]) == (400, result)
        assert "type" not in answer.json()
    else:
        assert (answer.status_code, answer.json()["status"]) == (200, result)
    mails = 1 if result == "pending" and state != "pending" else 0
    assert len(emulator.confirmation_mails("Customers")) == mails


@pytest.mark.parametrize(
    ("state", "wanted", "result"), [cell for cell in CELLS if cell[1] != "transactional"]
)
def test_patch_moves_like_put_but_never_creates(emulator, api, state, wanted, result):
    bring_to(emulator, state)
    answer = api.call("PATCH", PATH, json={"status": wanted})
    if state in ("absent", "forgotten"):
        assert answer.status_code == 404
    elif result == COMPLIANCE:
        assert answer.json()["title"] == COMPLIANCE
    else:
        assert answer.json()["status"] == result


@pytest.mark.parametrize("state", list(MATRIX))
def test_status_if_new_alone_moves_nobody_who_is_there(emulator, api, state):
    bring_to(emulator, state)
    before = emulator.member("Customers", WHO)
    answer = api.put(WHO, status_if_new="subscribed")
    if state == "absent":
        assert answer.json()["status"] == "subscribed"
    elif state == "forgotten":
        assert answer.json()["title"] == FORGOTTEN
    else:
        assert answer.json()["status"] == before["status"]


# switches of the matrix


def test_switch_an_archived_contact_can_be_revived_by_status_if_new(emulator, api):
    bring_to(emulator, "archived")
    emulator.switches.archived_status_if_new = "unarchived"
    assert api.put(WHO, status_if_new="subscribed").json()["status"] == "subscribed"


def test_switch_a_cleaned_contact_may_not_become_pending(emulator, api):
    bring_to(emulator, "cleaned")
    emulator.switches.cleaned_to_pending = "compliance"
    assert api.put(WHO, status="pending").json()["title"] == COMPLIANCE


def test_switch_a_pending_contact_may_not_be_subscribed_without_its_click(emulator, api):
    bring_to(emulator, "pending")
    emulator.switches.pending_to_subscribed = "refused"
    assert api.put(WHO, status="subscribed").status_code == 400


def test_switch_an_existing_contact_may_become_transactional(emulator, api):
    bring_to(emulator, "subscribed")
    emulator.switches.to_transactional = "applied"
    assert api.put(WHO, status="transactional").json()["status"] == "transactional"


# creating


def test_a_new_member_looks_as_recorded(emulator, api):
    emulator.clock.freeze(NOON)
    made = api.put(WHO, status_if_new="subscribed", merge_fields={"FNAME": "Ida", "LNAME": "Berg"}).json()
    assert list(made)[:8] == [
        "id",
        "email_address",
        "unique_email_id",
        "contact_id",
        "full_name",
        "web_id",
        "email_type",
        "status",
    ]
    assert made["id"] == md5(WHO.lower().encode()).hexdigest()
    assert (made["email_address"], made["full_name"], made["source"]) == (WHO, "Ida Berg", "API - Generic")
    assert made["merge_fields"] == {"FNAME": "Ida", "LNAME": "Berg", "ADDRESS": "", "PHONE": ""}
    assert (made["email_type"], made["member_rating"], made["vip"], made["language"]) == (
        "html",
        2,
        False,
        "",
    )
    assert (len(made["contact_id"]), len(made["unique_email_id"])) == (32, 10)
    assert (made["ip_opt"], made["timestamp_opt"]) == ("127.0.0.1", "2026-03-01T12:00:00+00:00")
    assert (made["ip_signup"], made["timestamp_signup"]) == ("", "")
    assert "unsubscribe_reason" not in made
    assert {link["rel"] for link in made["_links"]} >= {"self", "parent", "upsert", "delete_permanent"}


def test_only_a_subscribed_member_gets_an_opt_in_stamp(api):
    assert api.put(WHO, status_if_new="transactional").json()["timestamp_opt"] == ""


def test_proof_of_consent_is_stored_as_it_is_sent(api):
    made = api.put(WHO, status_if_new="subscribed", timestamp_opt="2020-05-01 10:00:00", ip_opt="203.0.113.9")
    assert made.json()["timestamp_opt"] == "2020-05-01T10:00:00+00:00"
    assert made.json()["ip_opt"] == "203.0.113.9"


def test_a_double_opt_in_list_subscribes_without_a_mail_if_told_to(emulator, api):
    api.list_id = emulator.add_list("Club", double_optin=True)
    assert api.get("/lists/{l}")["double_optin"] is True
    assert api.put(WHO, status_if_new="subscribed").json()["status"] == "subscribed"
    assert emulator.confirmation_mails("Club") == []


def test_a_put_that_creates_needs_an_address_and_a_status(api):
    answer = api.call("PUT", PATH, json={"vip": True}).json()
    assert [error["field"] for error in answer["errors"]] == ["email_address", "status_if_new"]


def test_a_put_at_an_absent_hash_creates_under_the_address_in_the_body(api):
    answer = api.call("PUT", PATH, json={"email_address": "new@contoso.com", "status": "subscribed"}).json()
    assert answer["id"] == md5(b"new@contoso.com").hexdigest()
    assert api.call("GET", PATH).status_code == 404


def test_post_creates_with_tags_and_needs_a_status(api):
    body = {"email_address": WHO, "status": "subscribed", "tags": ["ERP"]}
    assert api.call("POST", "/lists/{l}/members", json=body).json()["tags"][0]["name"] == "ERP"
    answer = api.call("POST", "/lists/{l}/members", json={"email_address": "x@contoso.com"}).json()
    assert answer["errors"] == [{"field": "status", "message": "This value should not be blank."}]


@pytest.mark.parametrize(
    ("state", "title", "words"),
    [
        ("subscribed", "Member Exists", f"{WHO} is already a list member. Use PUT to insert or update"),
        ("admin", "Member Exists", "is already a list member. Use PUT"),
        ("self", COMPLIANCE, f"{WHO} is already a list member in compliance state due to unsubscribe"),
        ("cleaned", COMPLIANCE, "is already a list member in compliance state"),
        ("forgotten", FORGOTTEN, f"{WHO} was permanently deleted and cannot be re-imported."),
    ],
)
def test_post_refuses_those_who_are_there(emulator, api, state, title, words):
    bring_to(emulator, state)
    answer = api.call("POST", "/lists/{l}/members", json={"email_address": WHO, "status": "subscribed"})
    assert (answer.status_code, answer.json()["title"]) == (400, title)
    assert words in answer.json()["detail"]
    assert "type" not in answer.json()


def test_post_revives_an_archived_contact_with_its_fields_and_tags(emulator, api):
    emulator.clock.freeze(NOON)
    emulator.add_member("Customers", WHO, FNAME="Ida", tags=["Fair"])
    emulator.archive("Customers", WHO)
    emulator.clock.advance(60)
    body = {"email_address": WHO, "status": "subscribed"}
    revived = api.call("POST", "/lists/{l}/members", json=body).json()
    assert (revived["merge_fields"]["FNAME"], revived["tags_count"]) == ("Ida", 1)
    assert revived["timestamp_opt"] == "2026-03-01T12:01:00+00:00"


@pytest.mark.parametrize(
    "email", ["nobody", "a@b", "a b@contoso.com", "a@@contoso.com", " a@contoso.com", ""]
)
def test_an_address_with_bad_syntax_is_refused(api, email):
    answer = api.call("PUT", PATH, json={"email_address": email, "status": "subscribed"})
    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")
    if email:
        assert answer.json()["detail"] == "Please provide a valid email address."
        assert "errors" not in answer.json()


@pytest.mark.parametrize(
    "email", ["a@example.com", "a@mail.example.org", "a@test.com", "a@erp.invalid", "a@x.test"]
)
def test_an_address_of_a_reserved_domain_looks_fake(api, email):
    detail = api.put(email, status="subscribed").json()["detail"]
    assert detail == f"{email} looks fake or invalid, please enter a real email address."


def test_an_address_that_signed_up_too_often_is_refused_for_now(emulator, api):
    emulator.too_many_signups(WHO)
    assert (
        "has signed up to a lot of lists very recently" in api.put(WHO, status="subscribed").json()["detail"]
    )
    emulator.too_many_signups(WHO, on=False)
    assert api.put(WHO, status="subscribed").status_code == 200


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"status": "archived"}, "status", "Value did not match any values in the enumeration"),
        ({"merge_fields": []}, "merge_fields", "Schema describes object, array found instead"),
        (
            {"merge_fields": {"FNAME": None}},
            "merge_fields.FNAME",
            "Data did not match any of the schemas described in anyOf.",
        ),
        ({"language": None}, "language", "Schema describes string, NULL found instead"),
        ({"ip_opt": "300.1.1.1"}, "ip_opt", "This value is not a valid IP address."),
        ({"timestamp_opt": "yesterday"}, "timestamp_opt", "This value is not a valid datetime."),
        ({"interests": {"9143cf3bd1": True}}, "interests.9143cf3bd1", "This interest does not exist"),
    ],
)
def test_a_body_that_does_not_fit_the_schema_names_the_field(api, body, field, message):
    problem = api.put(WHO, status_if_new="subscribed", **body).json()
    assert problem["title"] == "Invalid Resource"
    assert problem["errors"][0]["field"] == field
    assert problem["errors"][0]["message"].startswith(message)


def test_a_body_that_is_a_list_is_a_schema_error_without_a_field(api):
    problem = api.call("PUT", PATH, json=[]).json()
    assert problem["errors"] == [
        {"field": "", "message": "Schema describes object, array found instead"},
    ]


def test_patch_rejects_transactional_and_archived(emulator, api):
    emulator.add_member("Customers", WHO)
    for status in ("transactional", "archived"):
        problem = api.call("PATCH", PATH, json={"status": status}).json()
        assert problem["errors"][0]["field"] == "status"


# updating


def test_a_put_leaves_what_it_does_not_mention(emulator, api):
    emulator.add_member("Customers", WHO, FNAME="Ida", LNAME="Berg", language="sv", tags=["Fair"])
    changed = api.put(WHO, merge_fields={"FNAME": "Eva", "LNAME": ""}).json()
    assert changed["merge_fields"]["FNAME"] == "Eva"
    assert changed["merge_fields"]["LNAME"] == ""
    assert (changed["language"], changed["tags_count"]) == ("sv", 1)


def test_tags_in_a_put_are_ignored(api):
    assert api.put(WHO, status="subscribed", tags=["ERP"]).json()["tags"] == []


def test_a_status_alone_is_enough_for_a_member_that_is_there(emulator, api):
    emulator.add_member("Customers", WHO)
    assert api.call("PUT", PATH, json={"status": "unsubscribed"}).json()["status"] == "unsubscribed"


def test_last_changed_moves_only_with_a_real_change(emulator, api):
    emulator.clock.freeze(NOON)
    api.put(WHO, status="subscribed", merge_fields={"FNAME": "Ida"})
    emulator.clock.advance(60)
    same = api.put(WHO, status="subscribed", merge_fields={"FNAME": "Ida"}).json()
    assert same["last_changed"] == "2026-03-01T12:00:00+00:00"
    assert api.put(WHO, vip=True).json()["last_changed"] == "2026-03-01T12:01:00+00:00"


def test_an_api_unsubscribe_has_a_reason_until_the_contact_is_back(emulator, api):
    emulator.clock.freeze(NOON)
    api.put(WHO, status="subscribed")
    emulator.clock.advance(60)
    gone = api.put(WHO, status="unsubscribed").json()
    assert gone["unsubscribe_reason"] == "N/A (Unsubscribed by admin)"
    assert list(gone).index("unsubscribe_reason") == list(gone).index("status") + 1
    back = api.put(WHO, status="subscribed").json()
    assert "unsubscribe_reason" not in back
    assert back["timestamp_opt"] == "2026-03-01T12:00:00+00:00"


def test_pending_after_a_self_unsubscribe_becomes_subscribed_only_by_the_click(emulator, api):
    bring_to(emulator, "self")
    api.put(WHO, status="pending")
    assert api.put(WHO, status="subscribed").json()["title"] == COMPLIANCE
    emulator.confirm("Customers", WHO)
    assert emulator.member("Customers", WHO)["status"] == "subscribed"
    assert api.put(WHO, status="unsubscribed").json()["status"] == "unsubscribed"
    assert api.put(WHO, status="subscribed").json()["status"] == "subscribed"


def test_repeating_pending_sends_no_second_mail(emulator, api):
    for _ in range(2):
        api.put(WHO, status="pending")
    assert [mail["email_address"] for mail in emulator.confirmation_mails("Customers")] == [WHO]


# changing the address


def test_an_email_change_keeps_the_contact_and_moves_the_hash(emulator, api):
    before = emulator.add_member("Customers", WHO, FNAME="Ida", tags=["Fair"])
    body = {"email_address": "ida.new@contoso.com"}
    after = api.call("PUT", PATH, json=body).json()
    assert after["id"] == md5(b"ida.new@contoso.com").hexdigest()
    for name in ("contact_id", "web_id", "status", "tags", "merge_fields"):
        assert after[name] == before[name]
    assert after["unique_email_id"] != before["unique_email_id"]
    assert api.call("GET", PATH).status_code == 404
    assert api.call("PUT", PATH, json={**body, "status": "subscribed"}).json()["title"] == "Member Exists"


@pytest.mark.parametrize(("state", "title"), [("subscribed", "Member Exists"), ("forgotten", FORGOTTEN)])
def test_an_email_change_onto_a_taken_or_forgotten_address_is_refused(emulator, api, state, title):
    bring_to(emulator, state)
    emulator.add_member("Customers", "old@contoso.com")
    answer = api.call("PATCH", "/lists/{l}/members/old@contoso.com", json={"email_address": WHO})
    assert (answer.status_code, answer.json()["title"]) == (400, title)


def test_a_change_of_case_keeps_the_hash_and_the_new_spelling(emulator, api):
    before = emulator.add_member("Customers", WHO)
    after = api.put("IDA@contoso.com").json()
    assert (after["id"], after["email_address"]) == (before["id"], "IDA@contoso.com")


# archive and forget


def test_delete_archives_and_a_second_delete_is_not_allowed(emulator, api):
    emulator.add_member("Customers", WHO)
    first = api.call("DELETE", PATH)
    assert (first.status_code, first.content) == (204, b"")
    assert api.get(PATH)["status"] == "archived"
    second = api.call("DELETE", PATH)
    assert (second.status_code, second.headers["Allow"]) == (405, "GET, PUT")
    assert second.json()["detail"].endswith("Can not archive a contact that is bounced, pending or archived")


@pytest.mark.parametrize(
    ("state", "status"), [("pending", 405), ("cleaned", 405), ("absent", 404), ("self", 204)]
)
def test_delete_depends_on_the_status(emulator, api, state, status):
    bring_to(emulator, state)
    assert api.call("DELETE", PATH).status_code == status


def test_an_archived_contact_takes_fields_and_stays_archived(emulator, api):
    bring_to(emulator, "archived")
    changed = api.call("PATCH", PATH, json={"merge_fields": {"FNAME": "Ida"}}).json()
    assert (changed["status"], changed["merge_fields"]["FNAME"]) == ("archived", "Ida")


def test_a_permanently_deleted_contact_is_gone(emulator, api):
    emulator.add_member("Customers", WHO)
    path = f"/lists/{{l}}/members/{md5(WHO.lower().encode()).hexdigest()}"
    answer = api.call("POST", f"{path}/actions/delete-permanent")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.call("GET", path).status_code == 404
    assert api.call("POST", f"{path}/actions/delete-permanent").status_code == 404


def test_a_member_is_found_by_hash_address_and_contact_id(emulator, api):
    made = emulator.add_member("Customers", WHO)
    for name in (made["id"], WHO, made["contact_id"]):
        assert api.get(f"/lists/{{l}}/members/{name}")["id"] == made["id"]
    for path in ("actions/delete-permanent", "tags"):
        assert api.call("POST", f"{PATH}/{path}", json={"tags": []}).status_code == 404


# tags


def tag(api, *rows, email=WHO):
    path = f"/lists/{{l}}/members/{md5(email.lower().encode()).hexdigest()}/tags"
    body = {"tags": [{"name": name, "status": status} for name, status in rows], "is_syncing": True}
    return api.call("POST", path, json=body)


def test_tags_are_made_on_demand_and_taken_off_silently(emulator, api):
    emulator.add_member("Customers", WHO)
    answer = tag(api, ("VIP", "active"), ("Old", "inactive"))
    assert (answer.status_code, answer.content) == (204, b"")
    assert [row["name"] for row in api.get(f"{PATH}/tags")["tags"]] == ["VIP"]
    assert tag(api, ("vip", "inactive")).status_code == 204
    assert api.get(f"{PATH}/tags") == {"tags": [], "total_items": 0, "_links": []}


def test_an_empty_list_of_tags_removes_nothing_and_moves_nothing(emulator, api):
    before = emulator.add_member("Customers", WHO, tags=["VIP"])
    emulator.clock.advance(60)
    assert tag(api).status_code == 204
    assert emulator.member("Customers", WHO) == before


def test_archived_contacts_take_tags_and_absent_ones_are_404(emulator, api):
    bring_to(emulator, "archived")
    assert tag(api, ("VIP", "active")).status_code == 204
    assert tag(api, ("VIP", "active"), email="no@contoso.com").status_code == 404


def test_a_member_shows_fifty_tags_and_counts_all(emulator, api):
    emulator.add_member("Customers", WHO, tags=[f"T{number}" for number in range(60)])
    shown = api.get(PATH)
    assert (len(shown["tags"]), shown["tags_count"]) == (50, 60)
    assert api.get(f"{PATH}/tags", count=100)["total_items"] == 60


def test_a_tag_needs_a_name_and_a_status(emulator, api):
    emulator.add_member("Customers", WHO)
    assert tag(api, ("VIP", "on")).json()["errors"][0]["field"] == "tags.item:0.status"
    assert tag(api, ("", "active")).json()["errors"][0]["field"] == "tags.item:0.name"


def test_tags_are_searched_by_prefix(emulator, api):
    emulator.add_member("Customers", WHO, tags=["Customer", "VIP"])
    assert [row["name"] for row in api.get("/lists/{l}/tag-search", name="cus")["tags"]] == ["Customer"]
