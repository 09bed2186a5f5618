"""The emulated Mailchimp Marketing API 3.0: transport, credentials and what people do. Written from the fact sheet.

Left out, because the connector uses none of it: /batches and /batch-webhooks, segments, webhooks, e-commerce,
campaigns and reports, search-members, notes, events and activity, interest groups (an empty collection answers),
marketing permissions, PATCH and DELETE of a list. They answer 404 or 405, as an unknown resource does.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

import mlconnector.systems.mailchimp.emulator_persons as persons
from mlconnector.sandbox import Clock, Emulator, Reply, Request, html_reply, json_reply
from mlconnector.systems.mailchimp.emulator_errors import BY_STATUS, NAMED, Problem, named, not_found
from mlconnector.systems.mailchimp.emulator_examples import EXAMPLES
from mlconnector.systems.mailchimp.emulator_members import ADMIN_REASON
from mlconnector.systems.mailchimp.emulator_merge import STANDARD
from mlconnector.systems.mailchimp.emulator_query import Walks
from mlconnector.systems.mailchimp.emulator_routes import Route, Visit, route
from mlconnector.systems.mailchimp.emulator_state import Account, Audience, Member, Switches, Transition
from mlconnector.systems.mailchimp.emulator_view import member_view, partial

__all__ = ["ACCESS_TOKEN", "API_KEY", "Mailchimp", "Switches", "Transition"]

API_KEY = "0123456789abcdef0123456789abcdef-us6"
ACCESS_TOKEN = "9f4c1ab2d3e4f5a69f4c1ab2d3e4f5a6"  # noqa: S105  # of an emulator
WRITERS = frozenset({"owner", "admin", "manager"})
JSON_TYPE = "application/json; charset=utf-8"
EDGE_PAGE = (
    b"<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY><H1>Access Denied</H1>"
    b"You don't have permission to access this server.<P>Reference #18.2f1c3a17.1638</BODY></HTML>"
)


class Mailchimp(Emulator):
    """One account with the audiences Customers and Vendors (fact sheet section 13; `switches` are 13.1)."""

    name = "mailchimp"
    max_parallel = 10

    def __init__(
        self,
        *,
        api_key: str = API_KEY,
        access_token: str = ACCESS_TOKEN,
        role: str = "admin",
        clock: Clock | None = None,
        switches: Switches | None = None,
    ) -> None:
        super().__init__(clock)
        self.api_key = api_key
        self.access_token = access_token
        self.switches = switches or Switches()
        self.account = Account(self.clock, self.switches, role)
        self._walks = Walks()
        self._moves: dict[int, list[tuple[Audience, int]]] = {}
        for name in ("Customers", "Vendors"):
            self.add_list(name)

    @property
    def data_centre(self) -> str:
        """`us6`: what the API key ends in."""
        return self.api_key.rpartition("-")[2]

    # transport

    def handle(self, request: Request) -> tuple[Reply | None, bool]:
        """As the base, compressed if the client accepts gzip."""
        reply, cut = super().handle(request)
        if reply is not None and reply.body and "gzip" in request.headers.get("accept-encoding", ""):
            reply.body = gzip.compress(reply.body, compresslevel=1, mtime=0)
            reply.headers["Content-Encoding"] = "gzip"
        return reply, cut

    def answer(self, request: Request) -> Reply:
        """One answer, below /3.0 or at /oauth2/metadata."""
        request_id = str(uuid.uuid4())
        try:
            reply = self._serve(request, request_id)
        except Problem as problem:
            reply = problem.reply(request_id)
        reply.headers["Server"] = "openresty"
        self._collect_moves(request)
        return reply

    def error(self, request: Request, status: int) -> Reply:
        """A status that a fault asks for: JSON, HTML for 502 and 504, bare where `bodiless_errors` says so."""
        if self.switches.bodiless_errors and status in (403, 429):
            return Reply(status)
        if status not in BY_STATUS:
            return html_reply(status)
        return named(BY_STATUS[status]).reply(str(uuid.uuid4()))

    def expire_tokens(self) -> None:
        """The user disconnects the app: the OAuth token is dead, the API key is not."""
        self.access_token = ""

    def _serve(self, request: Request, request_id: str) -> Reply:
        if self.switches.html_403:
            return Reply(403, EDGE_PAGE, {"Content-Type": "text/html"})
        if request.path == "/oauth2/metadata":
            return self._metadata(request)
        if request.headers.get("x-trigger-error") in NAMED:
            raise named(request.headers["x-trigger-error"])
        method, path = _method(request), request.raw_path
        if not path.startswith("/3.0"):
            raise not_found()
        self._authenticate(request)
        if method != "GET" and self.account.role not in WRITERS:
            raise named("Forbidden")
        taken, answer, names = route(method, path.removeprefix("/3.0"))
        visit = Visit(self.account, request, self._walks, tuple(unquote(name) for name in names))
        data = answer(visit)
        if data is None:
            return Reply(204, b"", {"X-Request-Id": request_id})
        return self._json(visit, taken, data, request_id)

    def _json(self, visit: Visit, taken: Route, data: dict[str, Any], request_id: str) -> Reply:
        body = data
        if visit.query.get("fields") or visit.query.get("exclude_fields"):
            body = partial(visit.query, data, self.switches)
        link = f'<{visit.links.schemas}/{taken.schema}.json>; rel="describedBy"'
        if "contact_id" in data:
            link += f", <https://{self.data_centre}.admin.mailchimp.com/lists/members/view?id="
            link += f'{data["web_id"]}>; rel="dashboard"'
        return json_reply(200, body, JSON_TYPE, X_Request_Id=request_id, Link=link)

    def _authenticate(self, request: Request) -> None:
        """Section 1.2 and 1.4."""
        secret = _secret(request.headers.get("authorization", ""))
        in_query = request.query.get("apikey", "") if request.method == "GET" else ""
        if secret is None and not in_query:
            raise named("APIKeyMissing")
        if secret and in_query and secret != in_query:
            raise Problem(
                401, "API Key Invalid", "The API key in the query does not match the Authorization header."
            )
        given = secret or in_query
        here = self.api_key.rpartition("-")[0]
        elsewhere = given != self.api_key and given.rpartition("-")[0] == here and bool(here)
        if elsewhere or (self.switches.wrong_dc and self._is_known(given)):
            raise named("WrongDatacenter" if self.switches.wrong_dc_status == 403 else "APIKeyInvalid")
        if not self._is_known(given):
            raise named("APIKeyInvalid")

    def _is_known(self, given: str) -> bool:
        return given == self.api_key or bool(self.access_token and given == self.access_token)

    def _metadata(self, request: Request) -> Reply:
        """Where an OAuth token's account lives (1.2); the endpoint is this emulator."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() not in ("oauth", "bearer") or not token or token != self.access_token:
            return json_reply(401, {"error": "invalid_token", "error_description": "The token is invalid."})
        login = {"email": "owner@contoso.com", "avatar": None, "login_id": 168278758}
        return json_reply(
            200,
            {
                "dc": self.data_centre,
                "role": self.account.role,
                "accountname": "Nordkran (sandbox)",
                "user_id": 131656250,
                "login": {**login, "login_name": "sandbox", "login_email": "owner@contoso.com"},
                "login_url": request.base,
                "api_endpoint": request.base,
            },
        )

    # the journal

    def _collect_moves(self, request: Request) -> None:
        for audience in self.account.audiences.values():
            moves = self._moves.setdefault(id(request), []) if audience.unnumbered else []
            moves += [(audience, index) for index in audience.unnumbered]
            audience.unnumbered.clear()

    def _record(self, request: Request, reply: Reply | None, fault: Any) -> None:
        """Also writes the request's number into the journal entries it made."""
        with self.lock:
            super()._record(request, reply, fault)
            for audience, index in self._moves.pop(id(request), ()):
                audience.journal[index] = audience.journal[index]._replace(by=self.requests_seen)

    # in-process: what is there

    def add_list(
        self, name: str, *, double_optin: bool = False, merge_fields: Iterable[Mapping[str, Any]] = STANDARD
    ) -> str:
        """A new audience; `merge_fields` are bodies of POST /merge-fields. Returns its id."""
        with self.lock:
            return self.account.create(name, double_optin=double_optin, merge_fields=merge_fields).id

    def list_id(self, name: str) -> str:
        """The id of the audience of that name; KeyError if there is none."""
        return self.account.audience(name).id

    def add_member(
        self, list_name: str, email: str, status: str = "subscribed", **fields: Any
    ) -> dict[str, Any]:
        """A contact that was there before, unchecked: `FNAME="Ida"`, `tags=[…]`, `origin="admin"`, `vip=True` …"""
        with self.lock:
            audience = self.account.audience(list_name)
            return member_view(audience, persons.add(audience, email, status, fields), None)

    def member(self, list_name: str, email: str) -> dict[str, Any] | None:
        """The contact as the API shows it, without `_links`; None if there is none."""
        with self.lock:
            audience = self.account.audience(list_name)
            found = audience.find(email)
            return member_view(audience, found, None) if found else None

    def members(self, list_name: str) -> list[dict[str, Any]]:
        """All contacts, archived ones too."""
        with self.lock:
            audience = self.account.audience(list_name)
            return [member_view(audience, member, None) for member in audience.members.values()]

    def transitions(self, list_name: str) -> list[Transition]:
        """The journal of changes of status, oldest first."""
        with self.lock:
            return list(self.account.audience(list_name).journal)

    def confirmation_mails(self, list_name: str) -> list[dict[str, str]]:
        """The double-opt-in mails sent so far."""
        with self.lock:
            return list(self.account.audience(list_name).mails)

    def seed(
        self, customers_emails: Sequence[str] = (), vendors_emails: Sequence[str] = ()
    ) -> dict[str, dict[str, str]]:
        """Contacts in every status: a few of its own and the given addresses. The status of each, by list."""
        wanted = {"Customers": customers_emails, "Vendors": vendors_emails}
        with self.lock:
            return {
                name: persons.seed(self.account.audience(name), emails) for name, emails in wanted.items()
            }

    # in-process: what people do

    def person_unsubscribes(self, list_name: str, email: str, reason: str = "None given") -> None:
        """The link in a mail: never to be subscribed by API again."""
        with self.lock:
            persons.unsubscribe(*self._contact(list_name, email), reason, by="person")

    def admin_unsubscribes(self, list_name: str, email: str) -> None:
        """Somebody with a login does it."""
        with self.lock:
            persons.unsubscribe(*self._contact(list_name, email), ADMIN_REASON, by="admin")

    def bounce(self, list_name: str, email: str) -> None:
        """A hard bounce: cleaned."""
        with self.lock:
            persons.bounce(*self._contact(list_name, email))

    def complain(self, list_name: str, email: str) -> None:
        """The spam button: unsubscribed, in compliance state."""
        with self.lock:
            persons.complain(*self._contact(list_name, email))

    def confirm(self, list_name: str, email: str) -> None:
        """The click in the double-opt-in mail."""
        with self.lock:
            persons.confirm(*self._contact(list_name, email))

    def archive(self, list_name: str, email: str) -> None:
        """Somebody archives the contact in the UI."""
        with self.lock:
            persons.put_away(*self._contact(list_name, email))

    def unarchive(self, list_name: str, email: str) -> None:
        """Somebody brings it back in the UI, with the status it had."""
        with self.lock:
            persons.unarchive(*self._contact(list_name, email))

    def forget(self, list_name: str, email: str) -> None:
        """Somebody deletes the contact permanently."""
        with self.lock:
            audience, member = self._contact(list_name, email)
            audience.remove(member, "admin")

    def profile_edit(self, list_name: str, email: str, **merge_fields: Any) -> None:
        """The person edits their profile; an incomplete address is stored as it is."""
        with self.lock:
            persons.edit_profile(*self._contact(list_name, email), merge_fields)

    def email_change(self, list_name: str, email: str, new_email: str) -> None:
        """The person takes another address."""
        with self.lock:
            persons.change_email(*self._contact(list_name, email), new_email)

    def too_many_signups(self, email: str, *, on: bool = True) -> None:
        """The address has signed up to a lot of lists very recently (4.6), or no longer."""
        with self.lock:
            (self.account.crowded.add if on else self.account.crowded.discard)(email.lower())

    def _contact(self, list_name: str, email: str) -> tuple[Audience, Member]:
        audience = self.account.audience(list_name)
        member = audience.find(email)
        if member is None:
            raise KeyError(email)
        return audience, member

    # control

    def control(self, request: Request) -> Reply:
        """As in the base; what a person could not do either (archive twice) is a 400."""
        try:
            return super().control(request)
        except Problem as problem:
            return json_reply(400, {"error": problem.detail})

    def examples(self) -> Mapping[str, Mapping[str, Any]]:
        """See Emulator."""
        return EXAMPLES

    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        """`POST /_sandbox/do/<name>` with `{"list": name or id, "email": …}` and what else the method takes."""
        on_contact: dict[str, Callable[..., Any]] = {
            "add_member": self.add_member,
            "member": self.member,
            "person_unsubscribes": self.person_unsubscribes,
            "admin_unsubscribes": self.admin_unsubscribes,
            "bounce": self.bounce,
            "complain": self.complain,
            "confirm": self.confirm,
            "archive": self.archive,
            "unarchive": self.unarchive,
            "forget": self.forget,
            "profile_edit": self.profile_edit,
            "email_change": self.email_change,
        }
        on_list: dict[str, Callable[..., Any]] = {
            "members": self.members,
            "transitions": self._journal_rows,
            "confirmation_mails": self.confirmation_mails,
        }
        others: dict[str, Callable[..., Any]] = {
            "add_list": self.add_list,
            "lists": self._lists,
            "seed": self.seed,
            "too_many_signups": self.too_many_signups,
            "switches": self._change_switches,
        }
        taking = {name: _taking(("list", "email"), method) for name, method in on_contact.items()}
        taking |= {name: _taking(("list",), method) for name, method in on_list.items()}
        return taking | {name: _taking((), method) for name, method in others.items()}

    def _journal_rows(self, list_name: str) -> list[dict[str, Any]]:
        return [{**row._asdict(), "at": row.at.isoformat()} for row in self.transitions(list_name)]

    def _lists(self) -> dict[str, str]:
        return {audience.name: audience.id for audience in self.account.audiences.values()}

    def _change_switches(self, **values: Any) -> dict[str, Any]:
        self.switches.change(values)
        return asdict(self.switches)


def _taking(first: tuple[str, ...], method: Callable[..., Any]) -> Callable[[Mapping[str, Any]], Any]:
    """A control action: the named keys as positional arguments, the rest by name."""

    def action(data: Mapping[str, Any]) -> Any:
        rest = {name: value for name, value in data.items() if name not in first}
        return method(*(data[name] for name in first), **rest)

    return action


def _method(request: Request) -> str:
    """The verb; POST may be overridden (section 2)."""
    override = request.headers.get("x-http-method-override")
    if override is None:
        return request.method
    if request.method != "POST":
        raise named("InvalidMethodOverride")
    return override.upper()


def _secret(header: str) -> str | None:
    """The key or token of an Authorization header; None without one, "" for one that cannot be read."""
    scheme, _, value = header.partition(" ")
    if not header:
        return None
    if scheme.lower() in ("bearer", "apikey"):
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
