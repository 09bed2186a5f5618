"""One Mailchimp account of a connection: opens writers, checks what they will need, describes its fields."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlconnector.errors import ConfigError, ConnectorError
from mlconnector.model import FieldInfo, FieldType, Finding, Flow, Tools
from mlconnector.systems.base import Entity, Source, Target, failed
from mlconnector.systems.mailchimp import MEMBER, SYSTEM, Settings
from mlconnector.systems.mailchimp.api import Api
from mlconnector.systems.mailchimp.member import Audience, clashes
from mlconnector.systems.mailchimp.write import MemberWriter

FIELD_LIMIT, PREMIUM_FIELD_LIMIT = 30, 80
CLOCK_SKEW_SECONDS = 120
_FIELD_TYPES: Mapping[str, FieldType] = {"number": "number", "date": "date", "address": "object"}


class Mailchimp:
    """The Connected of a Mailchimp account; talks only when asked to."""

    def __init__(self, settings: Settings, secrets: Mapping[str, str], tools: Tools) -> None:
        self._settings = settings
        self._secrets = secrets
        self._tools = tools
        self._lock = threading.Lock()
        self._opened: Api | None = None
        self._audiences: list[dict[str, Any]] | None = None

    @property
    def _api(self) -> Api:
        with self._lock:
            if self._opened is None:
                self._opened = Api(self._settings, self._secrets, self._tools)
            return self._opened

    def entity(self, name: str) -> Entity:
        """`member`, with the chunk size and the parallel calls of the settings."""
        known = SYSTEM.entities[name]
        return replace(known, batch=self._settings.chunk, lanes=self._settings.parallel)

    def source(self, flows: Sequence[Flow]) -> Source:
        """Mailchimp is only written to."""
        raise ConfigError(
            "mailchimp can only be the target of a flow", hint="swap `from` and `to` in the connection file"
        )

    def target(self, flow: Flow, options: Any) -> Target:
        """A writer for the audience of one flow."""
        return MemberWriter(
            self._api, self._tools, lambda: self._audience(options.audience), options.merge_fields
        )

    def usage(self) -> Mapping[str, int]:
        """Calls, retries and throttled answers so far."""
        usage = self._opened.http.usage if self._opened else None
        return {name: getattr(usage, name, 0) for name in ("calls", "retries", "throttled")}

    def close(self) -> None:
        """Closes the pooled connections."""
        if self._opened is not None:
            self._opened.http.close()

    def describe(self, entity: str, options: Sequence[Any]) -> tuple[Sequence[FieldInfo], Mapping[str, Any]]:
        """The member's own fields and the merge fields of the audiences that flows write to; the first member."""
        fields = list(MEMBER.values())
        sample: dict[str, Any] = {}
        for name in dict.fromkeys(option.audience for option in options):
            audience = self._audience(name)
            fields += [
                FieldInfo(
                    tag, _FIELD_TYPES.get(kind, "text"), note=f"merge field ({kind}) of {audience.name}"
                )
                for tag, kind in self._api.merge_fields(audience.id).items()
            ]
            sample = sample or self._api.first_member(audience.id)
        return fields, sample

    def check(self, flows: Sequence[tuple[Flow, Any]]) -> Iterator[Finding]:
        """Log-in, role, clock, and for each flow the audience and its merge fields."""
        where = flows[0][0].target if flows else "mailchimp"
        try:
            yield from self._check_account(where)
        except ConnectorError as error:
            yield failed(where, error)
            return
        for flow, options in flows:
            try:
                yield from self._check_flow(flow, options)
            except ConnectorError as error:
                yield failed(flow.name, error)

    def _check_account(self, where: str) -> Iterator[Finding]:
        account, answer = self._api.account()
        role = str(account.get("role", ""))
        name = account.get("account_name", "")
        if role in ("viewer", "author"):
            yield Finding(
                "error",
                where,
                f"logged in to {name} as {role}, who may not write members",
                "use a key of a user with the role Manager, Admin or Owner",
            )
        else:
            yield Finding("ok", where, f"logged in to {name} as {role or 'a user'}")
        there = answer.date()
        skew = abs((self._tools.now() - there).total_seconds()) if there else 0.0
        if skew > CLOCK_SKEW_SECONDS:
            yield Finding(
                "warning",
                where,
                f"this machine's clock is {skew:.0f} s off",
                "switch on time synchronisation",
            )

    def _check_flow(self, flow: Flow, options: Any) -> Iterator[Finding]:
        audience = self._audience(options.audience)
        types = self._api.merge_fields(audience.id)
        missing = [field.tag for field in options.merge_fields if field.tag not in types]
        total = len(types) + len(missing)
        status = options.new_members
        if audience.double_optin and status == "subscribed":
            yield Finding("ok", flow.name, f"{audience.name} is double opt-in: new members become pending")
        elif status == "subscribed":
            yield Finding("ok", flow.name, f"new members of {audience.name} become subscribed")
        for problem in clashes(options.merge_fields, types):
            yield Finding("error", flow.name, problem, "change the line in map:, or use another merge field")
        if total > PREMIUM_FIELD_LIMIT:
            yield Finding(
                "error",
                flow.name,
                f"{total} merge fields are more than any plan holds",
                "drop lines from map:",
            )
        elif total > FIELD_LIMIT:
            yield Finding(
                "warning", flow.name, f"{total} merge fields need the Premium plan", "or drop lines from map:"
            )
        told = f"; {', '.join(missing)} will be created" if missing else ""
        yield Finding(
            "ok", flow.name, f"audience {audience.name} ({audience.id}) has {len(types)} merge fields{told}"
        )

    def _audience(self, wanted: str) -> Audience:
        if self._audiences is None:
            self._audiences = self._api.audiences()
        found = [one for one in self._audiences if one["id"] == wanted] or [
            one for one in self._audiences if str(one["name"]).strip().lower() == wanted.strip().lower()
        ]
        if len(found) == 1:
            return Audience(found[0]["id"], found[0]["name"], bool(found[0].get("double_optin")))
        if found:
            ids = ", ".join(one["id"] for one in found)
            raise ConfigError(
                f"mailchimp has {len(found)} audiences named {wanted}", hint=f"name one by its id: {ids}"
            )
        names = ", ".join(f"{one['name']} ({one['id']})" for one in self._audiences) or "none"
        raise ConfigError(
            f"mailchimp has no audience {wanted!r}", hint=f"correct `audience`; the account has: {names}"
        )
