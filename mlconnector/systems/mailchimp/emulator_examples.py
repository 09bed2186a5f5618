"""What people may do in the emulated Mailchimp, each action with what a call of it may post (to the seeded account)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HELEN = {"list": "Customers", "email": "helen.ray@contoso.com"}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "member": _HELEN,
    "members": {"list": "Customers"},
    "transitions": {"list": "Customers"},
    "confirmation_mails": {"list": "Customers"},
    "lists": {},
    "add_member": {"list": "Customers", "email": "ida@contoso.com"},
    "person_unsubscribes": _HELEN,
    "admin_unsubscribes": _HELEN,
    "bounce": _HELEN,
    "complain": _HELEN,
    "confirm": {"list": "Customers", "email": "siobhan@oneill.contoso.com"},
    "archive": _HELEN,
    "unarchive": {"list": "Customers", "email": "jesse.homer@contoso.com"},
    "forget": _HELEN,
    "profile_edit": {**_HELEN, "FNAME": "Helen"},
    "email_change": {**_HELEN, "new_email": "helen@contoso.com"},
    "add_list": {"name": "Press"},
    "too_many_signups": {"email": "helen.ray@contoso.com"},
    "seed": {"customers_emails": ["helen.ray@contoso.com"]},
    "switches": {},
}
