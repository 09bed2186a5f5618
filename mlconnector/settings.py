"""What a connection file may say, but for what its systems and flows allow: that is theirs to say."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mlconnector.flows.kind import FlowKind

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$(?!\n)"


class Brake(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A run stops before its first write if it would change more than this."""

    share: Annotated[
        int, Meta(ge=0, le=100, description="percent of the known records; 100 lets all pass")
    ] = 30
    at_least: Annotated[int, Meta(ge=0, description="so many records always pass")] = 20


class Healthcheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A monitoring service that every `sync` tells how it went; what is empty is not told."""

    ping_url: Annotated[
        str,
        Meta(
            description="the address of a check at healthchecks.io or alike; /start and /fail are put behind it"
        ),
    ] = ""
    start_url: Annotated[str, Meta(description="told that a run begins, in place of ping_url/start")] = ""
    success_url: Annotated[str, Meta(description="told that a run went well, in place of ping_url")] = ""
    fail_url: Annotated[str, Meta(description="told that a run went wrong, in place of ping_url/fail")] = ""

    def is_wanted(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self.given())

    def given(self) -> dict[str, str]:
        """The addresses that stand in the file, by their names there."""
        return {name: url for name, url in msgspec.structs.asdict(self).items() if url}


class SecretSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where secrets are looked for, besides the environment and systemd's credentials folder."""

    command: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...] | None,
        Meta(
            description="a program and its words that print one secret, run without a shell, such as"
            ' `[pass, show, "mlconnector/{connection}/{name}"]`'
        ),
    ] = None
    keyring: Annotated[
        bool | None,
        Meta(
            description="whether the keyring is asked. Not given: if there is no command; true: also for what the"
            " command does not give; false: never"
        ),
    ] = None
    allow_plaintext_keyring: Annotated[
        bool, Meta(description="lets a keyring serve that keeps secrets in a file in clear text")
    ] = False


class FileHead(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The top of a connection file."""

    name: Annotated[
        str,
        Meta(
            pattern=NAME,
            description="a short name of letters, digits, - _ and ., under which state and secrets are kept",
        ),
    ]
    systems: Annotated[
        dict[str, dict[str, Any]],
        Meta(description="the systems of this connection, each under a name of yours"),
    ]
    flows: Annotated[
        dict[str, dict[str, Any] | None], Meta(min_length=1, description="what is synced from where to where")
    ]
    state: Annotated[
        str | None,
        Meta(description="the state file; relative to this file. Not given: in the user's state folder"),
    ] = None
    overlap: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]{1,6}[smhd]){1,4}$(?!\n)",
            description="how far each run reads back behind the last one, such as 10m, 90s, 1h or 2d",
        ),
    ] = "10m"
    brake: Annotated[Brake, Meta(description="when a run that would change too much stops")] = Brake()
    secrets: Annotated[
        SecretSettings, Meta(description="where secrets are looked for; they never stand here")
    ] = SecretSettings()
    healthcheck: Annotated[
        Healthcheck, Meta(description="a monitoring service that is told how each sync went")
    ] = Healthcheck()


class FlowHead(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every flow has; the flow kind's own settings stand beside it."""

    kind: Annotated[str | None, Meta(description="the kind of flow, if the flow has a name of its own")] = (
        None
    )
    source: Annotated[str, Meta(description="name of the system that is read")] = msgspec.field(name="from")
    target: Annotated[str, Meta(description="name of the system that is written")] = msgspec.field(name="to")
    enabled: Annotated[bool, Meta(description="false leaves the flow out")] = True
    map: Annotated[
        dict[str, Any],
        Meta(description="lines that change, add to or (null) take away from the flow's own mapping"),
    ] = {}
    when: Annotated[
        dict[str, Any] | None, Meta(description="conditions a record has to meet, all of them")
    ] = None


def flow_struct(kind: FlowKind) -> type[msgspec.Struct]:
    """FlowHead and the kind's own options as one Struct: a flow as the file has it."""
    return _flow_struct(kind.name, kind.options)


@cache
def _flow_struct(name: str, options: type[msgspec.Struct]) -> type[msgspec.Struct]:
    fields = [_field_like(own) for own in msgspec.structs.fields(options)]
    return msgspec.defstruct(name, fields, bases=(FlowHead,), forbid_unknown_fields=True, kw_only=True)


def _field_like(own: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    if own.required:
        return own.name, own.type
    return own.name, own.type, own.default
