"""GET /lists/{list_id}/members: which members, in which order (fact sheet 4.9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mlconnector.systems.mailchimp.emulator_errors import invalid
from mlconnector.systems.mailchimp.emulator_state import Audience, Member, Switches, read_time

Test = Callable[[Member], bool]

STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
SORTED_BY = ("timestamp_opt", "timestamp_signup", "last_changed")
_MOMENTS = {
    "since_timestamp_opt": "timestamp_opt",
    "before_timestamp_opt": "timestamp_opt",
    "since_last_changed": "last_changed",
    "before_last_changed": "last_changed",
    "unsubscribed_since": "last_changed",
}
_PAGING = frozenset({"count", "offset", "fields", "exclude_fields", "apikey"})


class Walks:
    """Answers collection reads; keeps the last result, so that paging through it is cheap."""

    def __init__(self) -> None:
        self._key: object = None
        self._rows: Sequence[Member] = ()

    def rows(self, audience: Audience, query: Mapping[str, str]) -> Sequence[Member]:
        """All members that match, in the order asked for; Problem 400 for a filter that makes no sense."""
        asked = tuple(sorted((name, value) for name, value in query.items() if name not in _PAGING))
        switches = audience.switches
        mood = (switches.since_last_changed, switches.members_without_status)
        key = (audience.id, audience.version, asked, mood)
        if key != self._key or switches.collection_lag_seconds:
            self._rows = _matching(audience, query)
            self._key = key
        return self._rows


def _matching(audience: Audience, query: Mapping[str, str]) -> Sequence[Member]:
    tests = _tests(query, audience.switches)
    order = query.get("sort_field")
    if order not in (None, "", *SORTED_BY):
        raise invalid(f"The sort_field parameter has to be one of {', '.join(SORTED_BY)}.")
    members = [member for member in audience.seen_by_collections() if all(test(member) for test in tests)]
    if order:
        members.sort(
            key=lambda member: getattr(member, order), reverse=query.get("sort_dir", "DESC").upper() != "ASC"
        )
    return members


def _tests(query: Mapping[str, str], switches: Switches) -> list[Test]:
    status = query.get("status", "")
    if status and status not in STATUSES:
        raise invalid(f"The status parameter has to be one of {', '.join(STATUSES)}.")
    if query.get("unsubscribed_since") and status != "unsubscribed":
        raise invalid("unsubscribed_since needs the status unsubscribed.")
    if query.get("since_last_campaign") and not status:
        raise invalid("since_last_campaign needs a status.")
    tests = [_moment(name, query[name], switches) for name in _MOMENTS if query.get(name)]
    if status:
        tests.append(lambda member: member.status == status)
    elif switches.members_without_status == "not-archived":
        tests.append(lambda member: member.status != "archived")
    if query.get("vip_only") == "true":
        tests.append(lambda member: member.vip)
    for name in ("email_type", "unique_email_id"):
        if query.get(name):
            tests.append(_equals(name, query[name]))
    return tests


def _equals(name: str, value: str) -> Test:
    return lambda member: getattr(member, name) == value


def _moment(name: str, text: str, switches: Switches) -> Test:
    """A `+` that was not percent-encoded arrives as a space and is no time any more."""
    try:
        bound = read_time(text)
    except ValueError:
        raise invalid(f"The {name} parameter has to be an ISO 8601 time.") from None
    attribute = _MOMENTS[name]
    if name.startswith("before"):
        return lambda member: getattr(member, attribute) < bound
    if name == "since_last_changed" and switches.since_last_changed == "inclusive":
        return lambda member: member.last_changed >= bound
    return lambda member: getattr(member, attribute) > bound
