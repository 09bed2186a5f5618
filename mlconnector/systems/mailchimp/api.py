"""Calls to the Mailchimp Marketing API 3.0 and what its answers mean; nothing else (fact sheet: apis/mailchimp.md).

Consent: no call here can send `status: subscribed`, but `revive`, which only `write.py` may use and only for a member
that this connection archived itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from mlconnector.auth import FixedHeader, basic
from mlconnector.errors import AuthError, ConfigError, Rejected, Uncertain, mask_addresses
from mlconnector.http import Again, Answer, Http, Limits, unexpected
from mlconnector.model import Tools
from mlconnector.systems.mailchimp import Settings

READ_TIMEOUT_SECONDS = 130.0
"""The server gives up after 120 s (sheet 11.1)."""
PAGE = 1000
PAGE_OVERLAP = 100
ARCHIVED_WALKS = 3
"""How often the list of archived members is walked at most while it keeps changing."""
_MEMBER_FIELDS = "id,email_address,status,last_changed,merge_fields,tags,contact_id"
_SAMPLE = "members.email_address,members.tags,members.merge_fields"
_DATA_CENTRE = re.compile(r"[a-z]{2,5}\d{1,3}")


class Member(msgspec.Struct):
    """As much of a member as is needed here; `merge_fields` stay as sent."""

    id: str = ""
    email_address: str = ""
    status: str = ""
    last_changed: str | None = None
    contact_id: str | None = None
    merge_fields: dict[str, Any] | None = None
    tags: list[dict[str, Any]] | None = None


class BulkMember(msgspec.Struct):
    """A member in the answer of a bulk call: the rest is not decoded, it would be most of the work."""

    id: str = ""
    email_address: str = ""
    status: str | None = None
    contact_id: str | None = None
    tags: list[dict[str, Any]] | None = None


class BulkError(msgspec.Struct):
    """One address that a bulk call refused."""

    email_address: str = ""
    error: str | None = None
    error_code: str | None = None
    field: str | None = None
    field_message: str | None = None


class BulkAnswer(msgspec.Struct):
    """Sheet 7.1; every address sent should stand in exactly one of the three lists."""

    new_members: list[BulkMember] | None = None
    updated_members: list[BulkMember] | None = None
    errors: list[BulkError] | None = None


class _Listed(msgspec.Struct):
    id: str = ""
    email_address: str | None = None


class _Page(msgspec.Struct):
    members: list[_Listed] = []
    total_items: int = 0


_BULK = msgspec.json.Decoder(BulkAnswer)
_MEMBER = msgspec.json.Decoder(Member)
_PAGE = msgspec.json.Decoder(_Page)


def member_hash(address: str) -> str:
    """The member id of an address: MD5 of it in lower case (sheet 4.1)."""
    return hashlib.md5(address.strip().lower().encode(), usedforsecurity=False).hexdigest()


class Api:
    """One account. May be used from several threads at once."""

    def __init__(self, settings: Settings, secrets: Mapping[str, str], tools: Tools) -> None:
        limits = Limits(parallel=settings.parallel, read_timeout=READ_TIMEOUT_SECONDS)
        if settings.auth == "oauth":
            token = secrets["access_token"]
            url = _base_url(settings.base_url) or _url_of(_ask_data_centre(settings, token, tools))
            credentials = FixedHeader(f"Bearer {token}")
        else:
            url = _base_url(settings.base_url) or _url_of(_data_centre(secrets["api_key"], tools))
            credentials = basic("mlconnector", secrets["api_key"])
        self.http = Http(
            "mailchimp",
            url,
            verdict,
            tools,
            credentials=credentials,
            limits=limits,
            unknown_host="" if settings.base_url or settings.auth == "oauth" else tools.named(_WRONG_ENDING),
        )

    def account(self) -> tuple[dict[str, Any], Answer]:
        """Name, role, plan of the account, and the answer itself (its Date is the server's clock)."""
        answer = self.http.send("GET", "/", params={"exclude_fields": "_links"})
        return answer.json(), answer

    def audiences(self) -> list[dict[str, Any]]:
        """All audiences: id, name, double_optin, stats.merge_field_count (sheet 3)."""
        fields = "lists.id,lists.name,lists.double_optin,lists.marketing_permissions,lists.stats,total_items"
        found: list[dict[str, Any]] = []
        while True:
            params = {"count": str(PAGE), "offset": str(len(found)), "fields": fields}
            page = self.http.send("GET", "/lists", params=params).json()
            found += page.get("lists", [])
            if not page.get("lists") or len(found) >= int(page.get("total_items", 0)):
                return found

    def merge_fields(self, audience: str) -> dict[str, str]:
        """Tag → type of an audience's merge fields (sheet 5.1); EMAIL is not among them."""
        params = {"count": str(PAGE), "exclude_fields": "_links,merge_fields._links"}
        page = self.http.send("GET", f"/lists/{audience}/merge-fields", params=params).json()
        return {field["tag"]: field["type"] for field in page.get("merge_fields", [])}

    def create_merge_field(self, audience: str, tag: str, kind: str, label: str) -> None:
        """Creates one. Not repeatable: a lost answer raises Uncertain, look before trying again."""
        body: dict[str, Any] = {"tag": tag, "type": kind, "name": label, "required": False, "public": False}
        if kind == "phone":
            body["options"] = {"phone_format": "none"}
        elif kind == "date":
            body["options"] = {"date_format": "MM/DD/YYYY"}
        self.http.send("POST", f"/lists/{audience}/merge-fields", json=body)

    def member(self, audience: str, hash_: str) -> Member | None:
        """The member as it is now; this read sees its own writes (sheet 4.10). None: absent or forgotten."""
        try:
            answer = self.http.send(
                "GET", f"/lists/{audience}/members/{hash_}", params={"fields": _MEMBER_FIELDS}
            )
        except Rejected as error:
            if error.status == 404:
                return None
            raise
        return _decoded(_MEMBER, answer)

    def first_member(self, audience: str) -> dict[str, Any]:
        """Any member as a sample, its merge fields beside its own; {} in an empty audience."""
        params = {"count": "1", "fields": f"members.vip,members.language,{_SAMPLE}"}
        found = self.http.send("GET", f"/lists/{audience}/members", params=params).json().get("members", [])
        if not found:
            return {}
        member = dict(found[0])
        member["tags"] = [tag.get("name", "") for tag in member.get("tags", ())]
        return {**member, **member.pop("merge_fields", {})}

    def archived(self, audience: str, since: datetime | None = None) -> tuple[set[str], datetime | None]:
        """Hashes of everybody who is archived (and was changed since); the server's clock when it began.

        A collection read, which may lag (sheet 4.10). Pages overlap and a walk during which the total changed is made
        again, so that somebody who leaves the list in between moves nobody out of it.
        """
        found: set[str] = set()
        began: datetime | None = None
        for _ in range(ARCHIVED_WALKS):
            totals = []
            for page, answer in self._archived_pages(audience, since):
                began = began or answer.date()
                totals.append(page.total_items)
                for member in page.members:
                    found.add(member.id)
                    if member.email_address:
                        found.add(member_hash(member.email_address))
            if len(set(totals)) <= 1:
                break
        return found, began

    def _archived_pages(self, audience: str, since: datetime | None) -> Iterator[tuple[_Page, Answer]]:
        params = {
            "status": "archived",
            "count": str(PAGE),
            "sort_field": "last_changed",
            "sort_dir": "ASC",
            "fields": "members.id,members.email_address,total_items",
            **({"since_last_changed": since.isoformat(timespec="seconds")} if since else {}),
        }
        offset = 0
        while True:
            asked = {**params, "offset": str(offset)}
            answer = self.http.send("GET", f"/lists/{audience}/members", params=asked)
            page = _decoded(_PAGE, answer)
            yield page, answer
            if not page.members or offset + len(page.members) >= page.total_items:
                return
            offset += max(len(page.members) - PAGE_OVERLAP, 1)

    def bulk(
        self, audience: str, members: Callable[[], Sequence[Mapping[str, Any]]]
    ) -> tuple[BulkAnswer, Answer]:
        """Adds or updates up to 500 members; never says `status` (sheet 7.1). `members` is asked before each attempt.

        Raises Uncertain when no answer came: the caller waits and repeats, since the old call may still run.
        """

        def body() -> dict[str, Any]:
            found = members()
            if any("status" in member for member in found):
                raise AssertionError("a bulk call must not carry a status")
            return {"members": found, "update_existing": True}

        answer = self.http.send(
            "POST",
            f"/lists/{audience}",
            params={"skip_merge_validation": "true", "skip_duplicate_check": "true"},
            json=body,
            repeatable=False,
        )
        return _decoded(_BULK, answer), answer

    def put(self, audience: str, hash_: str, body: Mapping[str, Any]) -> tuple[Member, Answer]:
        """Writes one member by PUT. With `status_if_new` it may create it, without it can only update (sheet 4.3)."""
        return self._write("PUT", audience, hash_, body)

    def patch(self, audience: str, hash_: str, body: Mapping[str, Any]) -> tuple[Member, Answer]:
        """Changes one member that exists."""
        return self._write("PATCH", audience, hash_, body)

    def revive(
        self, audience: str, hash_: str, body: Mapping[str, Any], status: str
    ) -> tuple[Member, Answer]:
        """Brings an archived member back with the status it had when this connection archived it (sheet 4.5).

        Not repeatable: somebody may opt out between two attempts. Without an answer: look, and decide anew.
        """
        return self._send_member("PUT", audience, hash_, {**body, "status": status}, repeatable=False)

    def archive(self, audience: str, hash_: str) -> Answer:
        """Archives a member: reversible, not an opt-out. A second time is 405 or 404 (sheet 11.5).

        Not repeatable: how it stood before is remembered, and may be another a minute later.
        """
        return self.http.send("DELETE", f"/lists/{audience}/members/{hash_}", repeatable=False)

    def tag(self, audience: str, hash_: str, names: Mapping[str, bool]) -> Answer:
        """Adds (True) and takes away (False) tags by name; starts no automation (sheet 4.8)."""
        tags = [{"name": name, "status": "active" if on else "inactive"} for name, on in names.items()]
        path = f"/lists/{audience}/members/{hash_}/tags"
        return self.http.send("POST", path, json={"tags": tags, "is_syncing": True}, repeatable=True)

    def _write(
        self, method: str, audience: str, hash_: str, body: Mapping[str, Any]
    ) -> tuple[Member, Answer]:
        if body.get("status", "unsubscribed") != "unsubscribed":
            raise AssertionError("only an opt-out may be written as a status")
        return self._send_member(method, audience, hash_, body)

    def _send_member(
        self, method: str, audience: str, hash_: str, body: Mapping[str, Any], *, repeatable: bool = True
    ) -> tuple[Member, Answer]:
        answer = self.http.send(
            method,
            f"/lists/{audience}/members/{hash_}",
            params={"skip_merge_validation": "true"},
            json=body,
            repeatable=repeatable,
        )
        return _decoded(_MEMBER, answer), answer


def verdict(answer: Answer) -> Exception | None:
    """What an answer means (sheet 1.4, 4.6, 11.2 to 11.4): by title and status first, then by the text."""
    if 200 <= answer.status < 300:
        return _cut_short(answer)
    if answer.status == 403 and not answer.is_json():
        # the edge in front of Mailchimp blocks this address for a while; sheet 11.3
        blocked = Again(
            "Mailchimp's edge blocks this address (403)",
            executed=False,
            after=60.0,
            request_id=answer.request_id,
        )
        blocked.throttled = True
        return blocked
    if answer.status in (502, 504):
        gone = Again(
            f"{answer.status} from mailchimp", executed=True, after=60.0, request_id=answer.request_id
        )
        gone.timed_out = True
        return gone
    told = answer.json() if answer.is_json() else {}
    problem = told if isinstance(told, dict) else {}
    errors = problem.get("errors")
    title, detail = str(problem.get("title", "")), str(problem.get("detail", ""))
    request_id = str(problem.get("instance") or answer.request_id)
    if answer.status == 401 or (answer.status == 403 and answer.is_json()):
        return AuthError(
            f"mailchimp: {title or answer.status}: {mask_addresses(detail)}",
            hint=_remedy(title),
            request_id=request_id,
        )
    if answer.status in (429, 503) or answer.status >= 500 or 300 <= answer.status < 400:
        return unexpected("mailchimp", answer)
    details = tuple(
        (str(error.get("field", "")), mask_addresses(str(error.get("message", ""))))
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, dict)
    )
    return Rejected(
        f"mailchimp: {title or answer.status}: {mask_addresses(detail)}",
        code=code_of(title, detail, answer.status, details),
        request_id=request_id,
        answer=f"{answer.status} {title}".strip(),
        status=answer.status,
        details=details,
    )


def code_of(title: str, text: str, status: int = 400, details: Sequence[tuple[str, str]] = ()) -> str:
    """Our code for a refusal. The compliance text comes first: it also says "already a list member" (trap 30)."""
    low = f"{title} {text}".lower()
    everything = low + " " + " ".join(message for _, message in details).lower()
    for fragment, code in _CODES:
        if fragment in everything:
            return code
    return {404: "not-found", 405: "not-removable"}.get(status, "refused")


_CODES = (
    ("compliance state", "compliance-state"),
    ("permanently deleted", "forgotten-address"),
    ("forgotten email", "forgotten-address"),
    ("looks fake or invalid", "fake-address"),
    ("valid email address", "invalid-address"),
    ("signed up to a lot of lists", "too-many-signups"),
    ("complete address", "incomplete-address"),
    ("merge fields were invalid", "bad-merge-value"),
    ("member exists", "address-taken"),
    ("already a list member", "address-taken"),
    ("could not be validated", "invalid-body"),
)


def _cut_short(answer: Answer) -> Exception | None:
    """A 2xx that is no JSON: cut off, or a page of something in between. What was asked may have been done."""
    says_nothing = answer.method == "DELETE" or answer.path.endswith("/tags")
    if answer.status == 204 or (not answer.body and says_nothing):
        return None
    try:
        msgspec.json.decode(answer.body, type=msgspec.Raw)
    except msgspec.DecodeError:
        return Again("an answer that is no JSON from mailchimp", executed=True, request_id=answer.request_id)
    return None


T = TypeVar("T")


def _decoded(decoder: msgspec.json.Decoder[T], answer: Answer) -> T:
    try:
        return decoder.decode(answer.body)
    except msgspec.DecodeError as error:  # JSON, but not what the sheet describes
        raise Uncertain(
            f"mailchimp: an answer of an unknown shape ({error})", request_id=answer.request_id
        ) from None


_STORE_KEY = (
    "store a working key (Account, Extras, API keys): mlconnector secrets set CONNECTION SYSTEM.api_key"
)
_WRONG_ENDING = (
    "the host comes from the ending of the API key (-us1 …): look whether it is the key's, and store the whole key:"
    " mlconnector secrets set CONNECTION SYSTEM.api_key; if it is, look at this machine's name server"
)
_AUTHORISE_AGAIN = (
    "authorise again and store the new token: mlconnector secrets set CONNECTION SYSTEM.access_token"
)


def _remedy(title: str) -> str:
    if "datacenter" in title.lower() or "data center" in title.lower():
        return "the key belongs to another data centre: check its ending (-us1 …) and base_url"
    if "forbidden" in title.lower() or "not permitted" in title.lower():
        return "the user of the key may not do this: give it the role Manager or Admin in Mailchimp"
    return _STORE_KEY


def _data_centre(key: str, tools: Tools) -> str:
    found = key.rpartition("-")[2]
    if "-" not in key or not _DATA_CENTRE.fullmatch(found):
        raise ConfigError(
            "mailchimp: the API key does not end in its data centre (…-us1)",
            hint=tools.named(_STORE_KEY),
        )
    return found


def _ask_data_centre(settings: Settings, token: str, tools: Tools) -> str:
    credentials = FixedHeader(f"OAuth {token}")
    http = Http("mailchimp login", settings.login_url, verdict, tools, credentials=credentials)
    try:
        answer = http.send("GET", "/oauth2/metadata")
    except Rejected as error:
        raise AuthError(
            error.message, hint=tools.named(f"the access token is not valid any more: {_AUTHORISE_AGAIN}")
        ) from None
    found = answer.json()
    centre = str(found.get("dc", "")) if isinstance(found, dict) else ""
    if not _DATA_CENTRE.fullmatch(centre):
        raise AuthError(
            "mailchimp: the access token is not accepted (the metadata name no data centre)",
            hint=tools.named(_AUTHORISE_AGAIN),
        )
    return centre


def _url_of(data_centre: str) -> str:
    return f"https://{data_centre}.api.mailchimp.com/3.0"


def _base_url(configured: str) -> str:
    url = configured.rstrip("/")
    return url if not url or urlsplit(url).path.endswith("/3.0") else f"{url}/3.0"
