"""JSON `$batch` of the emulated Business Central (fact sheet 4.6, checklist E24)."""

from __future__ import annotations

import pytest

ACCEPT = {"Accept": "application/json"}


def part(api, method="POST", path="customers", id="1", body=None, **headers):
    made = {"method": method, "id": id, "url": f"companies({api.company_id})/{path}", "headers": headers}
    return made if body is None else {**made, "body": body}


def named(api, name, id="1"):
    return part(api, body={"displayName": name}, id=id)


def bad(api, id="9"):
    return part(api, body={"displayName": ""}, id=id)


def send(api, *parts, **headers):
    answer = api.call("POST", f"{api.root}/$batch", json={"requests": parts}, headers=ACCEPT | headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["responses"]


def names(bc):
    return {row["displayName"] for row in bc.rows("customers")}


def test_parts_are_answered_in_order_with_their_own_headers_and_bodies(api):
    made, found = send(api, named(api, "A"), part(api, "GET", "customers?$top=1&$count=true", id="2"))
    assert (made["id"], made["status"], made["body"]["displayName"]) == ("1", 201, "A")
    assert made["headers"]["location"].endswith(f"customers({made['body']['id']})")
    assert made["headers"]["content-type"] == "application/json; odata.metadata=minimal"
    assert (found["id"], found["body"]["@odata.count"], len(found["body"]["value"])) == ("2", 41, 1)


def test_a_failure_ends_it_and_what_was_before_stays(api, bc):
    answers = send(api, named(api, "A"), bad(api), named(api, "B"))
    assert [answer["status"] for answer in answers] == [201, 400]
    error = answers[1]["body"]["error"]
    assert error["code"] == "Application_DialogException"
    assert "CorrelationId:  " in error["message"]
    assert "A" in names(bc)
    assert "B" not in names(bc)


def test_it_can_go_on_after_a_failure(api, bc):
    answers = send(api, bad(api), named(api, "B"), Prefer="odata.continue-on-error")
    assert [answer["status"] for answer in answers] == [400, 201]
    assert "B" in names(bc)


def test_under_snapshot_a_failure_takes_all_back_and_the_answers_do_not_tell(api, bc):
    before = names(bc)
    made, failed = send(api, named(api, "A"), bad(api), Isolation="snapshot")
    assert (made["status"], failed["status"]) == (201, 400)
    assert names(bc) == before
    assert api.call("GET", f"customers({made['body']['id']})").status_code == 404


def test_under_snapshot_posting_commits_all_the_same(api, bc):
    draft = bc.row("salesInvoices", "S-INV102204")
    post = part(api, path=f"salesInvoices({draft['id']})/Microsoft.NAV.post", id="2")
    answers = send(api, named(api, "A"), post, bad(api), Isolation="snapshot")
    assert [answer["status"] for answer in answers] == [201, 204, 400]
    assert "body" not in answers[1]
    assert bc.row("salesInvoices", draft["id"])["status"] == "Open"
    assert "A" in names(bc)


def test_headers_hold_for_their_part_only(api, bc):
    adatum = bc.row("customers", "10000")
    path = f"customers({adatum['id']})"
    etag = {"If-Match": adatum["@odata.etag"]}
    changes = [part(api, "PATCH", path, body={"city": city}, **etag) for city in ("Ulm", "Bonn")]
    answers = send(api, *changes, **{"If-Match": "*"})
    assert [answer["status"] for answer in answers] == [200, 409]
    assert answers[1]["body"]["error"]["code"] == "Request_EntityChanged"
    assert send(api, part(api, "PATCH", path, body={"city": "Bonn"}))[0]["status"] == 400


def test_a_part_may_name_its_company_in_a_header_and_do_without_an_id(api):
    request = {"method": "GET", "url": "vendors?$top=1", "headers": {"Company": "CRONUS International Ltd."}}
    answer = send(api, request)[0]
    assert (answer["id"], answer["status"], len(answer["body"]["value"])) == (None, 200, 1)


def test_more_than_a_hundred_parts_are_refused(api, bc):
    parts = [named(api, f"N{n}", id=str(n)) for n in range(101)]
    status, code, text = api.error("POST", f"{api.root}/$batch", json={"requests": parts}, headers=ACCEPT)
    assert (status, code) == (500, "Unknown")
    assert text.startswith("The current batch message contains too many parts.")
    assert len(send(api, *parts[:100])) == 100
    assert len(bc.rows("customers")) == 140


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"json": {"requests": []}, "headers": {"Accept": "*/*"}}, 415),
        ({"data": "--batch", "headers": {**ACCEPT, "Content-Type": "multipart/mixed"}}, 415),
        ({"json": {"requests": [{"url": "companies"}]}, "headers": ACCEPT}, 400),
        ({"json": [], "headers": ACCEPT}, 400),
    ],
)
def test_only_json_in_the_right_shape_is_taken(api, options, status):
    assert api.error("POST", f"{api.root}/$batch", **options)[0] == status


def test_parts_count_towards_the_rate_if_switched_so(api, bc):
    bc.rate_limit = (2, 60)
    parts = [part(api, "GET", "vendors?$top=1", id=str(n)) for n in range(3)]
    assert [answer["status"] for answer in send(api, *parts)] == [200, 200, 429]
    bc.setup.batch_counts_parts = False
    bc.rate_limit = (3, 60)
    assert [answer["status"] for answer in send(api, *parts)] == [200, 200, 200]
