"""What the emulated Mailchimp remembers: audiences, members, tags, the journal of status changes and the switches.

Every change of a member goes through `Audience.insert`, `commit` or `remove`; the rules are in `emulator_members`.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

from mlconnector.sandbox import Clock
from mlconnector.systems.mailchimp.emulator_merge import STANDARD, MergeFields


@dataclass(kw_only=True, slots=True)
class Switches:
    """UNCERTAIN behaviour, default first (fact sheet 13.1), and moods of the service; may be changed while it runs."""

    bulk_self_unsubscribed: Literal["error", "silent"] = "error"
    bulk_api_unsubscribed: Literal["resubscribed", "silent"] = "resubscribed"
    bulk_unchanged: Literal["updated", "omitted"] = "updated"
    bulk_legacy: bool = False
    bulk_duplicates: Literal["refused", "per-address"] = "refused"
    since_last_changed: Literal["exclusive", "inclusive"] = "exclusive"
    members_without_status: Literal["not-archived", "all"] = "not-archived"
    cleaned_to_pending: Literal["accepted", "compliance"] = "accepted"
    archived_status_if_new: Literal["archived", "unarchived"] = "archived"
    long_merge_tag: Literal["refused", "truncated"] = "refused"
    wrong_dc_status: Literal[401, 403] = 401
    pending_to_subscribed: Literal["accepted", "refused"] = "accepted"
    unknown_fields: Literal["ignored", "refused"] = "ignored"
    large_count: Literal["capped", "refused"] = "capped"
    to_transactional: Literal["unchanged", "applied"] = "unchanged"
    """The cells of 4.5 that are only UNCERTAIN: an existing contact asked to become transactional."""
    incomplete_address: Literal["refused", "ignored"] = "refused"
    """The stored-incomplete-address trap of 5.3."""
    shorter_bulk_members: bool = False
    collection_lag_seconds: float = 0.0
    wrong_dc: bool = False
    html_403: bool = False
    bodiless_errors: bool = False
    max_merge_fields: int = 30
    max_audiences: int = 5

    def change(self, values: Mapping[str, Any]) -> None:
        """Sets switches by name; KeyError for a name that is none, ValueError for a value it does not take."""
        hints = get_type_hints(Switches)
        for name, value in values.items():
            hint = hints[name]
            choices = get_args(hint)
            wrong = value not in choices if choices else not isinstance(value, (hint, int))
            if wrong:
                raise ValueError(f"{name} takes {choices or hint.__name__}, not {value!r}")
        for name, value in values.items():
            setattr(self, name, value)


class Transition(NamedTuple):
    """One change of status. `by` is the request's number in the log, "person" or "admin"; "" is no contact."""

    by: int | str
    email: str
    old: str
    new: str
    at: datetime


@dataclass(slots=True)
class Tag:
    """A tag, which is a static segment with the same id (4.8)."""

    id: int
    name: str


@dataclass(slots=True)
class Member:
    """One contact of one audience; times are whole seconds since 1970, 0 is never."""

    email: str
    id: str
    contact_id: str
    web_id: int
    unique_email_id: str
    status: str
    merge: dict[int, Any] = field(default_factory=dict)
    tags: dict[int, int] = field(default_factory=dict)
    origin: str = ""
    """Who unsubscribed: self, admin or api."""
    reason: str = ""
    complained: bool = False
    bounced: bool = False
    status_before: str = ""
    """Before it was archived."""
    email_type: str = "html"
    language: str = ""
    vip: bool = False
    latitude: float = 0
    longitude: float = 0
    ip_signup: str = ""
    timestamp_signup: int = 0
    ip_opt: str = ""
    timestamp_opt: int = 0
    last_changed: int = 0
    source: str = "API - Generic"

    @property
    def in_compliance(self) -> bool:
        """Opted out by themselves, bounced or complained: not to be subscribed by API."""
        return self.origin == "self" or self.bounced or self.complained


def hash_of(email: str) -> str:
    """A member's id: MD5 of the lower-cased address (4.1)."""
    return hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def digits_of(*parts: object, length: int = 32) -> str:
    """Hexadecimal digits that look random and are the same in every run."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:length]


@lru_cache(maxsize=4096)
def stamp(seconds: int) -> str:
    """A time as Mailchimp writes it; "" for 0."""
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else ""


_SPELLINGS = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?)?\s?(Z|UTC|[A-Z]{3,4}|[+-]\d\d:?\d\d)?"
)


def read_time(text: str) -> float:
    """Seconds since 1970 of a time in one of the spellings of section 2; ValueError for others."""
    found = _SPELLINGS.fullmatch(text)
    if found is None:
        raise ValueError(text)
    day, clock, seconds, fraction, zone = found.groups()
    offset = zone if zone and zone[0] in "+-" else "+00:00"
    iso = f"{day}T{clock or '00:00'}{seconds or ':00'}{(fraction or '')[:4]}"
    return datetime.fromisoformat(f"{iso}{offset}").timestamp()


class Audience:
    """A list with its members, merge fields, tags, forgotten addresses and confirmation mails."""

    def __init__(self, name: str, number: int, clock: Clock, switches: Switches) -> None:
        self.id = digits_of("list", number, name, length=10)
        self.number = number
        self.web_id = 100_000 + number
        self.name = name
        self.switches = switches
        self.clock = clock
        self.created = self.now()
        self.double_optin = False
        self.settings: dict[str, Any] = {}
        self.fields = MergeFields(
            lambda: switches.max_merge_fields, lambda: switches.long_merge_tag == "truncated"
        )
        self.members: dict[str, Member] = {}
        self.by_contact: dict[str, Member] = {}
        self.forgotten: set[str] = set()
        self.tags: dict[str, Tag] = {}
        self.tags_by_id: dict[int, Tag] = {}
        self.mails: list[dict[str, str]] = []
        self.journal: list[Transition] = []
        self.unnumbered: list[int] = []
        self.version = 0
        self.stats: tuple[int, dict[str, Any]] | None = None
        self._past: dict[str, list[tuple[float, Member | None]]] = {}
        self._serial = 0

    def now(self) -> int:
        """The clock's time in whole seconds."""
        return int(self.clock.now().timestamp())

    def find(self, name: str) -> Member | None:
        """By hash, plain address or contact_id (4.1)."""
        if "@" in name:
            return self.members.get(hash_of(name))
        return self.members.get(name.lower()) or self.by_contact.get(name)

    def tag(self, name: str) -> Tag:
        """The tag of that name, made if there is none; names compare case-insensitively."""
        known = self.tags.get(name.lower())
        if known is None:
            known = Tag(5_000_000 + self.number * 100_000 + len(self.tags), name)
            self.tags[name.lower()] = self.tags_by_id[known.id] = known
        return known

    def insert(self, email: str, status: str, by: str) -> Member:
        """A new member; the caller fills it in."""
        self._serial += 1
        member = Member(
            email=email,
            id=hash_of(email),
            contact_id=digits_of("contact", self.id, self._serial),
            web_id=400_000_000 + self.number * 10_000_000 + self._serial,
            unique_email_id=digits_of("unique", email.lower(), length=10),
            status=status,
            last_changed=self.now(),
        )
        self._remember(member.contact_id, None)
        self.members[member.id] = self.by_contact[member.contact_id] = member
        self._note(by, email, "", status)
        return member

    def commit(self, member: Member, changes: Mapping[str, Any], by: str) -> bool:
        """Applies what differs; last_changed moves only then (4.3). Whether anything did."""
        real = {name: value for name, value in changes.items() if getattr(member, name) != value}
        if not real:
            return False
        self._remember(member.contact_id, member)
        old = member.status
        if "email" in real:
            self._rekey(member, real["email"])
        for name, value in real.items():
            setattr(member, name, value)
        member.last_changed = self.now()
        self.version += 1
        if member.status != old:
            self._note(by, member.email, old, member.status)
        return True

    def remove(self, member: Member, by: str) -> None:
        """Permanent deletion: the address can never be added again (4.7)."""
        self._remember(member.contact_id, member)
        del self.members[member.id], self.by_contact[member.contact_id]
        self.forgotten.add(member.id)
        self._note(by, member.email, member.status, "forgotten")

    def seen_by_collections(self) -> Iterable[Member]:
        """The members as a collection read sees them: `collection_lag_seconds` ago (4.10)."""
        lag = self.switches.collection_lag_seconds
        if not lag or not self._past:
            return self.members.values()
        cutoff = self.clock.now().timestamp() - lag
        for contact in list(self._past):
            self._past[contact] = [row for row in self._past[contact] if row[0] > cutoff]
            if not self._past[contact]:
                del self._past[contact]
        old = {contact: rows[0][1] for contact, rows in self._past.items()}
        seen = [member for member in self.members.values() if member.contact_id not in old]
        seen += [member for member in old.values() if member is not None]
        return sorted(seen, key=lambda member: member.web_id)

    def _rekey(self, member: Member, email: str) -> None:
        del self.members[member.id]
        member.id = hash_of(email)
        member.unique_email_id = digits_of("unique", email.lower(), length=10)
        self.members[member.id] = member

    def _remember(self, contact_id: str, before: Member | None) -> None:
        if self.switches.collection_lag_seconds:
            row = (self.clock.now().timestamp(), copy.copy(before))
            self._past.setdefault(contact_id, []).append(row)

    def _note(self, by: str, email: str, old: str, new: str) -> None:
        self.version += 1
        if by == "api":
            self.unnumbered.append(len(self.journal))
        self.journal.append(Transition(by, email, old, new, self.clock.now()))


class Account:
    """All audiences of one Mailchimp account."""

    def __init__(self, clock: Clock, switches: Switches, role: str) -> None:
        self.clock = clock
        self.switches = switches
        self.role = role
        self.audiences: dict[str, Audience] = {}
        self.crowded: set[str] = set()
        """Addresses that signed up to a lot of lists very recently (4.6), lower-cased."""

    def create(
        self, name: str, *, double_optin: bool = False, merge_fields: Iterable[Mapping[str, Any]] = STANDARD
    ) -> Audience:
        """A new audience; `merge_fields` are bodies of POST /merge-fields."""
        made = Audience(name, len(self.audiences) + 1, self.clock, self.switches)
        made.double_optin = double_optin
        for definition in merge_fields:
            made.fields.create(definition)
        self.audiences[made.id] = made
        return made

    def audience(self, name_or_id: str) -> Audience:
        """By id or name; KeyError if there is none."""
        if name_or_id in self.audiences:
            return self.audiences[name_or_id]
        for audience in self.audiences.values():
            if audience.name == name_or_id:
                return audience
        raise KeyError(name_or_id)
