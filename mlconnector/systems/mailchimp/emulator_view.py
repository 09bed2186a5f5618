"""How the emulated Mailchimp writes things down: members, lists, fields, links, partial responses, pages.

Fact sheet section 2 (fields, exclude_fields, paging), 3, 4.11 and 5.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from mlconnector.systems.mailchimp.emulator_errors import invalid, named
from mlconnector.systems.mailchimp.emulator_merge import MergeField
from mlconnector.systems.mailchimp.emulator_state import Audience, Member, Switches, stamp

Row = TypeVar("Row")
Tree = dict[str, Any]

PAGE = 10
LARGEST_PAGE = 1000
TAGS_SHOWN = 50
STATS_SECONDS = 300
OPTIONAL = frozenset({"unsubscribe_reason", "last_note", "interests", "marketing_permissions"})
"""Keys that exist but are not in every answer."""

_MEMBER_LINKS = (
    ("self", "", "GET", "Members/Response"),
    ("update", "", "PATCH", "Members/Response"),
    ("upsert", "", "PUT", "Members/Response"),
    ("delete", "", "DELETE", ""),
    ("activity", "/activity", "GET", "Members/Activity/Response"),
    ("goals", "/goals", "GET", "Members/Goals/Response"),
    ("notes", "/notes", "GET", "Members/Notes/CollectionResponse"),
    ("events", "/events", "POST", "Members/Events/POST"),
    ("delete_permanent", "/actions/delete-permanent", "POST", ""),
)


class Links:
    """Makes `_links`; `base` is scheme, host and port as the client addressed the service."""

    def __init__(self, base: str) -> None:
        self.api = f"{base}/3.0"
        self.schemas = f"{base}/schema/3.0/Definitions"

    def one(self, rel: str, path: str, method: str = "GET", schema: str = "") -> dict[str, str]:
        """One link; a schema is a name such as `Lists/Response`."""
        link = {"rel": rel, "href": self.api + path, "method": method}
        return {**link, "targetSchema": f"{self.schemas}/{schema}.json"} if schema else link

    def member(self, audience: Audience, member_id: str) -> list[dict[str, str]]:
        """The links of one member, in 4.11."""
        href, schemas = f"{self.api}/lists/{audience.id}/members", f"{self.schemas}/Lists/"
        links = [
            {
                "rel": rel,
                "href": f"{href}/{member_id}{suffix}",
                "method": method,
                "targetSchema": f"{schemas}{schema}.json",
            }
            for rel, suffix, method, schema in _MEMBER_LINKS
        ]
        parent = {"rel": "parent", "href": href, "method": "GET"}
        links.insert(1, {**parent, "targetSchema": f"{schemas}Members/CollectionResponse.json"})
        return links


def member_view(audience: Audience, member: Member, links: Links | None) -> dict[str, Any]:
    """A member in the order recorded in 4.11; without `_links` if None."""
    merge, names = member.merge, audience.tags_by_id
    fields = {made.tag: merge.get(made.merge_id, "") for made in audience.fields.by_id.values()}
    view: dict[str, Any] = {
        "id": member.id,
        "email_address": member.email,
        "unique_email_id": member.unique_email_id,
        "contact_id": member.contact_id,
        "full_name": f"{fields.get('FNAME', '')} {fields.get('LNAME', '')}".strip(),
        "web_id": member.web_id,
        "email_type": member.email_type,
        "status": member.status,
    }
    if member.status == "unsubscribed":
        view["unsubscribe_reason"] = member.reason
    view |= {
        "consents_to_one_to_one_messaging": True,
        "merge_fields": fields,
        "stats": {"avg_open_rate": 0, "avg_click_rate": 0},
        "ip_signup": member.ip_signup,
        "timestamp_signup": stamp(member.timestamp_signup),
        "ip_opt": member.ip_opt,
        "timestamp_opt": stamp(member.timestamp_opt),
        "member_rating": 2,
        "last_changed": stamp(member.last_changed),
        "language": member.language,
        "vip": member.vip,
        "email_client": "",
        "location": {
            "latitude": member.latitude,
            "longitude": member.longitude,
            "gmtoff": 0,
            "dstoff": 0,
            "country_code": "",
            "timezone": "",
            "region": "",
        },
        "source": member.source,
        "tags_count": len(member.tags),
        "tags": [{"id": tag, "name": names[tag].name} for tag in list(member.tags)[:TAGS_SHOWN]],
        "list_id": audience.id,
    }
    if links is not None:
        view["_links"] = links.member(audience, member.id)
    return view


_NOT_IN_BULK = ("full_name", "web_id", "unsubscribe_reason", "consents_to_one_to_one_messaging", "source")


def bulk_member_view(
    audience: Audience, member: Member, links: Links | None, switches: Switches
) -> dict[str, Any]:
    """The shorter member of a bulk answer (7.1); older answers had no contact_id either."""
    view = member_view(audience, member, links)
    for name in _NOT_IN_BULK:
        view.pop(name, None)
    if switches.shorter_bulk_members:
        del view["contact_id"]
    return view


def field_view(audience: Audience, made: MergeField, links: Links) -> dict[str, Any]:
    """A merge field (5.1)."""
    path, schema = f"/lists/{audience.id}/merge-fields", "Lists/MergeFields/Response"
    return {
        "merge_id": made.merge_id,
        "tag": made.tag,
        "name": made.name,
        "type": made.type,
        "required": made.required,
        "default_value": made.default_value,
        "public": made.public,
        "display_order": made.display_order,
        "options": made.options,
        "help_text": made.help_text,
        "list_id": audience.id,
        "_links": [
            links.one("self", f"{path}/{made.merge_id}", schema=schema),
            links.one("parent", path, schema="Lists/MergeFields/CollectionResponse"),
            links.one("update", f"{path}/{made.merge_id}", "PATCH", schema),
            links.one("delete", f"{path}/{made.merge_id}", "DELETE"),
        ],
    }


def list_view(audience: Audience, links: Links, *, total_contacts: bool) -> dict[str, Any]:
    """An audience (section 3)."""
    stats = dict(_stats(audience))
    total = stats.pop("total_contacts")
    if total_contacts:
        stats["total_contacts"] = total
    path = f"/lists/{audience.id}"
    return {
        "id": audience.id,
        "web_id": audience.web_id,
        "name": audience.name,
        "contact": {"company": "", "address1": "", "address2": "", "city": "", "state": "", "zip": ""}
        | {"country": "", "phone": ""}
        | audience.settings.get("contact", {}),
        "permission_reminder": audience.settings.get("permission_reminder", ""),
        "use_archive_bar": audience.settings.get("use_archive_bar", True),
        "campaign_defaults": {"from_name": "", "from_email": "", "subject": "", "language": "en"}
        | audience.settings.get("campaign_defaults", {}),
        "notify_on_subscribe": audience.settings.get("notify_on_subscribe", ""),
        "notify_on_unsubscribe": audience.settings.get("notify_on_unsubscribe", ""),
        "date_created": stamp(audience.created),
        "list_rating": 0,
        "email_type_option": audience.settings.get("email_type_option", False),
        "subscribe_url_short": f"http://eepurl.com/{audience.id}",
        "subscribe_url_long": f"https://sandbox.us6.list-manage.com/subscribe?id={audience.id}",
        "beamer_address": f"us6-{audience.id}@inbound.mailchimp.com",
        "visibility": "prv",
        "double_optin": audience.double_optin,
        "has_welcome": False,
        "marketing_permissions": False,
        "modules": [],
        "stats": stats,
        "_links": [
            links.one("self", path, schema="Lists/Response"),
            links.one("parent", "/lists", schema="Lists/CollectionResponse"),
            links.one("batch-sub-unsub-members", path, "POST", "Lists/BatchPOST-Response"),
            links.one("members", f"{path}/members", schema="Lists/Members/CollectionResponse"),
            links.one("merge-fields", f"{path}/merge-fields", schema="Lists/MergeFields/CollectionResponse"),
        ],
    }


def _stats(audience: Audience) -> dict[str, Any]:
    """Counts that are up to five minutes old, as the live ones are."""
    now = audience.now()
    if audience.stats is None or now - audience.stats[0] >= STATS_SECONDS:
        audience.stats = (now, _counted(audience))
    return audience.stats[1]


def _counted(audience: Audience) -> dict[str, Any]:
    counts = Counter(member.status for member in audience.members.values())
    return {
        "member_count": counts["subscribed"],
        "total_contacts": counts.total() - counts["archived"],
        "unsubscribe_count": counts["unsubscribed"],
        "cleaned_count": counts["cleaned"],
        "member_count_since_send": counts["subscribed"],
        "unsubscribe_count_since_send": counts["unsubscribed"],
        "cleaned_count_since_send": counts["cleaned"],
        "campaign_count": 0,
        "campaign_last_sent": "",
        "merge_field_count": len(audience.fields.by_id),
        "avg_sub_rate": 0,
        "avg_unsub_rate": 0,
        "target_sub_rate": 0,
        "open_rate": 0,
        "click_rate": 0,
        "last_sub_date": "",
        "last_unsub_date": "",
    }


def page(query: Mapping[str, str], rows: Sequence[Row], switches: Switches) -> Sequence[Row]:
    """The rows that `count` and `offset` ask for (section 2)."""
    count, offset = _whole(query, "count", PAGE), _whole(query, "offset", 0)
    if count > LARGEST_PAGE and switches.large_count == "refused":
        raise invalid("The count parameter can be 1000 at most.")
    return rows[offset : offset + min(count, LARGEST_PAGE)]


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if text and not text.isdecimal():
        raise invalid(f"The {name} parameter has to be a whole number.")
    return int(text) if text else default


def wants(query: Mapping[str, str], path: str) -> bool:
    """Whether a partial response will contain that path, such as `members._links`."""
    asked, left_out = _paths(query, "fields"), _paths(query, "exclude_fields")
    parts = path.split(".")
    parents = {".".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    if left_out.intersection(parents):
        return False
    return not asked or bool(asked.intersection(parents)) or any(p.startswith(path + ".") for p in asked)


def partial(query: Mapping[str, str], data: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """The answer cut down to `fields` and without `exclude_fields`, in dot notation."""
    asked, left_out = _paths(query, "fields"), _paths(query, "exclude_fields")
    if asked and switches.unknown_fields == "refused" and not all(_has(data, p.split(".")) for p in asked):
        raise named("RequestedFieldsInvalid")
    if asked:
        data = _keep(data, _tree(asked))
    return _drop(data, _tree(left_out)) if left_out else data


def _paths(query: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(path.strip() for path in query.get(name, "").split(",") if path.strip())


def _tree(paths: Iterable[str]) -> Tree:
    tree: Tree = {}
    for path in sorted(paths, key=len, reverse=True):
        node = tree
        *parents, last = path.split(".")
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = {}
    return tree


def _keep(data: Any, tree: Tree) -> Any:
    if isinstance(data, list):
        return [_keep(item, tree) for item in data]
    if not isinstance(data, dict) or not tree:
        return data
    return {name: _keep(value, tree[name]) for name, value in data.items() if name in tree}


def _drop(data: Any, tree: Tree) -> Any:
    if isinstance(data, list):
        return [_drop(item, tree) for item in data]
    if not isinstance(data, dict):
        return data
    kept = {}
    for name, value in data.items():
        below = tree.get(name)
        if below is None:
            kept[name] = value
        elif below:
            kept[name] = _drop(value, below)
    return kept


def _has(data: Any, parts: list[str]) -> bool:
    if not parts or parts[-1] in OPTIONAL:
        return True
    if isinstance(data, list):
        return not data or any(_has(item, parts) for item in data)
    return isinstance(data, dict) and parts[0] in data and _has(data[parts[0]], parts[1:])
