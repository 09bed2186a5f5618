"""Secrets by name (`erp.client_secret`): the environment first, then the system's keyring. The only home of keyring.

A connection's secrets are one keyring entry, a small JSON object, so that a run asks the keyring once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from mlconnector.errors import ConfigError

SERVICE = "mlconnector"
LIMIT_SECONDS = 5.0

_CRON = (
    "under cron set DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/<your uid>/bus in the crontab and run "
    "`loginctl enable-linger` once, or give the secret in the environment as {variable}"
)


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret was found; an empty source says nowhere. Never its value."""

    name: str
    source: Literal["environment", "keyring", ""]


def variable(name: str) -> str:
    """The environment variable of a secret: `erp.client_secret` -> MLCONNECTOR_SECRET_ERP_CLIENT_SECRET."""
    return "MLCONNECTOR_SECRET_" + name.upper().replace("-", "_").replace(".", "_")


def load_secrets(
    connection: str,
    wanted: Collection[str],
    env: Mapping[str, str] = os.environ,
    *,
    limit_seconds: float = LIMIT_SECONDS,
) -> dict[str, str]:
    """The wanted secrets by name. Raises ConfigError that names all that are missing and how to store each."""
    found = {name: value for name in wanted if (value := _from_environment(name, env))}
    missing = [name for name in wanted if name not in found]
    if missing:
        stored = _read(connection, missing, limit_seconds)
        found |= {name: stored[name] for name in missing if stored.get(name)}
        missing = [name for name in missing if name not in found]
    if missing:
        raise ConfigError("\n".join(_missing_line(connection, name) for name in missing))
    return found


def store(connection: str, name: str, value: str) -> None:
    """Puts a secret into the keyring; blanks and line ends around it, as copying leaves them, go."""
    value = value.strip()
    if not value:
        raise ConfigError(f"the value for {name} is empty, nothing was stored")
    _write(connection, {**_read(connection, [name]), name: value}, name)


def delete(connection: str, name: str) -> bool:
    """Takes a secret out of the keyring; False if it was not there."""
    stored = _read(connection, [name])
    if name not in stored:
        return False
    _write(connection, {key: value for key, value in stored.items() if key != name}, name)
    return True


def list_names(
    connection: str, wanted: Collection[str], env: Mapping[str, str] = os.environ
) -> list[SecretSource]:
    """Each wanted secret and each stored one with its source.

    Raises ConfigError if the keyring cannot be asked, but not where the environment holds all that is wanted.
    """
    try:
        stored = _read(connection, wanted)
    except ConfigError:
        if not all(_from_environment(name, env) for name in wanted):
            raise
        stored = {}
    return [
        SecretSource(name, _source(name, stored, env)) for name in dict.fromkeys((*wanted, *sorted(stored)))
    ]


def _source(
    name: str, stored: Mapping[str, str], env: Mapping[str, str]
) -> Literal["environment", "keyring", ""]:
    if _from_environment(name, env):
        return "environment"
    return "keyring" if stored.get(name) else ""


def _from_environment(name: str, env: Mapping[str, str]) -> str:
    return env.get(variable(name), "").strip()


def _missing_line(connection: str, name: str) -> str:
    return (
        f"there is no secret {name}: looked in ${variable(name)} and in the keyring ({SERVICE}, {connection}); "
        f"run: mlconnector secrets set {connection} {name}"
    )


def _read(connection: str, names: Collection[str], limit_seconds: float = LIMIT_SECONDS) -> dict[str, str]:
    """All secrets of the connection; `names` are for the message if the keyring does not answer."""
    text = _ask(lambda backend: backend.get_password(SERVICE, connection), names, limit_seconds)
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeError):
        raise ConfigError(
            f"the keyring entry {SERVICE} / {connection} is damaged: it is not what mlconnector wrote",
            hint=f"remove it (keyring del {SERVICE} {connection}) and store the secrets again",
        ) from None


def _write(connection: str, secrets: Mapping[str, str], name: str) -> None:
    """The whole entry anew; the last secret takes the entry with it."""
    if not secrets:
        _ask(lambda backend: backend.delete_password(SERVICE, connection), [name])
        return
    text = msgspec.json.encode(secrets).decode()
    _ask(lambda backend: backend.set_password(SERVICE, connection, text), [name])


@dataclass(slots=True)
class _Answer:
    value: Any = None
    error: BaseException | None = None
    came: threading.Event = field(default_factory=threading.Event)


def _ask(call: Callable[[Any], Any], names: Collection[str], limit_seconds: float = LIMIT_SECONDS) -> Any:
    """What `call` gets from the keyring, within `limit_seconds`; ConfigError if it cannot answer.

    In a thread, because a locked keyring that wants to ask on a screen waits for ever (secretstorage #33); the thread
    is a daemon, so that it does not keep the process.
    """
    answer = _Answer()

    def ask() -> None:
        try:
            answer.value = call(_backend())
        except BaseException as error:  # handed over to the thread that waits
            answer.error = error
        answer.came.set()

    threading.Thread(target=ask, name="keyring", daemon=True).start()
    hint = _CRON.format(variable=" or ".join(variable(name) for name in names))
    if not answer.came.wait(limit_seconds):
        raise ConfigError(
            f"the keyring did not answer within {limit_seconds:g} seconds: it may be locked and asking on a screen",
            hint=f"unlock it; {hint}",
        )
    if answer.error is not None:
        raise _explained(answer.error, hint) from None
    return answer.value


def _backend() -> Any:
    """The backend to use. Those that keep nothing, or keep it in a file in clear text, are refused."""
    import keyring

    chosen = keyring.get_keyring()
    chain = getattr(chosen, "backends", None)
    candidates = list(chain) if chain and type(chosen).__module__ == "keyring.backends.chainer" else [chosen]
    safe = [backend for backend in candidates if not _objection(backend)]
    if not safe:
        raise ConfigError(_objection(candidates[0]))
    return safe[0]


def _objection(backend: Any) -> str:
    module = type(backend).__module__
    if module == "keyring.backends.fail":
        return "no keyring was found on this machine, or it cannot be reached from this process"
    if module == "keyring.backends.null":
        return "the keyring is switched off (the null backend), so nothing can be stored"
    if module.startswith("keyrings.alt") or "plaintext" in type(backend).__name__.lower():
        return f"the keyring is {type(backend).__name__}, which keeps secrets in a file, and is not used"
    return ""


def _explained(error: BaseException, hint: str) -> ConfigError:
    from keyring.errors import InitError, KeyringLocked, NoKeyringError

    if isinstance(error, ConfigError):
        return ConfigError(error.message, hint=hint)
    if isinstance(error, NoKeyringError):
        return ConfigError(
            "no keyring was found on this machine, or it cannot be reached from this process", hint=hint
        )
    if isinstance(error, KeyringLocked):
        return ConfigError("the keyring is locked", hint=f"unlock it; {hint}")
    if isinstance(error, InitError):
        return ConfigError("the keyring could not be opened: nobody answered its question", hint=hint)
    # by its kind alone: what a backend says may hold what it was given
    return ConfigError(f"the keyring failed ({type(error).__name__})", hint=hint)
