"""The system's keyring: which backend serves, why another one does not, and one entry of it. The only home of keyring.

Nothing here asks a person or waits for ever: what is locked is found out before it would be opened, and every call has
a time limit.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from mlconnector.errors import ConfigError

SERVICE = "mlconnector"
LIMIT_SECONDS = 5.0

_ADDRESS = "DBUS_SESSION_BUS_ADDRESS"
_CHOICE = "PYTHON_KEYRING_BACKEND"
_CHOOSE = f"take ${_CHOICE} away, or the backend in keyringrc.cfg (`keyring diagnose` says where that is)"
_UNLOCK = "unlock it by logging in at its screen; after a restart it stays locked until somebody does"


@dataclass(frozen=True, slots=True)
class Entry:
    """The secrets that the keyring holds of one connection, by name, and the backend that holds them."""

    backend: str
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a backend does not serve, and what helps."""

    why: str
    remedy: str


def read_entry(connection: str, *, plaintext: bool = False, limit_seconds: float = LIMIT_SECONDS) -> Entry:
    """What the keyring holds of a connection; no secrets if it has no such entry.

    `plaintext` lets a backend serve that keeps secrets in clear text. Raises ConfigError that names the backend, why it
    does not serve and what helps.
    """
    backend, text = _ask(
        lambda one: one.get_password(SERVICE, connection), connection, plaintext, limit_seconds
    )
    if text is None:
        return Entry(backend, {})
    try:
        return Entry(backend, msgspec.json.decode(text, type=dict[str, str]))
    except (msgspec.DecodeError, UnicodeError, TypeError):
        raise ConfigError(
            f"the keyring entry {SERVICE} / {connection} ({backend}) is damaged: it is not what mlconnector wrote",
            hint=f"remove it (keyring del {SERVICE} {connection}) and store the secrets again",
        ) from None


def write_entry(connection: str, secrets: Mapping[str, str], *, plaintext: bool = False) -> None:
    """The connection's entry anew; without secrets it is taken away. Raises ConfigError as `read_entry` does."""
    if not secrets:
        _ask(lambda one: one.delete_password(SERVICE, connection), connection, plaintext, LIMIT_SECONDS)
        return
    text = msgspec.json.encode(secrets).decode()

    def keep(backend: Any) -> bool:
        backend.set_password(SERVICE, connection, text)
        return bool(backend.get_password(SERVICE, connection) == text)

    backend, kept = _ask(keep, connection, plaintext, LIMIT_SECONDS)
    if not kept:
        raise _refusal(backend, Trouble("it took the secret and does not have it now", _CHOOSE))


@dataclass(slots=True)
class _Asked:
    backend: str = ""
    value: Any = None
    error: BaseException | None = None
    answered: threading.Event = field(default_factory=threading.Event)


def _ask(
    call: Callable[[Any], Any], connection: str, plaintext: bool, limit_seconds: float
) -> tuple[str, Any]:
    """The backend's name and what `call` gets from it. Raises ConfigError if it does not serve within the limit.

    In a thread, because a backend may wait for ever for somebody at a screen (secretstorage #33); the thread is a
    daemon, so that it does not keep the process.
    """
    asked = _Asked()

    def ask() -> None:
        try:
            backend = _serving_backend(plaintext)
            asked.backend = _name(backend)
            _require_open(backend, connection)
            asked.value = call(backend)
        except BaseException as error:  # a backend may raise SystemExit; the thread that waits judges it
            asked.error = error
        asked.answered.set()

    with _nobody_there():
        threading.Thread(target=ask, name="keyring", daemon=True).start()
        in_time = asked.answered.wait(limit_seconds)
    if not in_time:
        why = f"it did not answer within {limit_seconds:g} seconds and may be asking on a screen"
        raise _refusal(asked.backend, Trouble(why, _UNLOCK))
    if isinstance(asked.error, ConfigError):
        raise asked.error from None
    if asked.error is not None:
        raise _refusal(asked.backend, _explained(asked.error)) from None
    return asked.backend, asked.value


@contextmanager
def _nobody_there() -> Iterator[None]:
    """Meanwhile nothing can be read from the terminal, and what is printed is lost: a backend may do either."""
    streams = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(), io.StringIO(), io.StringIO()
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams


def _refusal(backend: str, trouble: Trouble) -> ConfigError:
    named = f" ({backend})" if backend else ""
    return ConfigError(f"the keyring{named} does not serve: {trouble.why}", hint=trouble.remedy)


def _explained(error: BaseException) -> Trouble:
    """By its kind alone: what a backend says may hold what it was given."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "KeyringLocked" in kinds:
        return Trouble("it is locked", _UNLOCK)
    if "InitError" in kinds:
        return Trouble("it could not be opened, because nobody answers its question", _UNLOCK)
    if "NoKeyringError" in kinds:
        return _why_none_was_found()
    return Trouble(f"it failed ({type(error).__name__})", "try it by itself: `keyring diagnose`")


def _name(backend: Any) -> str:
    return f"{type(backend).__module__}.{type(backend).__name__}"


def _serving_backend(plaintext: bool) -> Any:
    """The backend that keyring chose; of a chain the first that may serve. Raises ConfigError if none may."""
    chosen = _chosen_backend()
    is_chain = _is_of(chosen, "keyring.backends.chainer")
    refused = []
    for backend in list(chosen.backends) if is_chain else [chosen]:
        trouble = _objection(backend, plaintext)
        if trouble is None:
            return backend
        refused.append((_name(backend), trouble))
    if len(refused) == 1:
        raise _refusal(*refused[0])
    whys = "; ".join(f"{name}: {trouble.why}" for name, trouble in refused)
    remedy = refused[0][1].remedy if refused else _CHOOSE
    raise _refusal(
        _name(chosen), Trouble(f"it is a chain without a member that does ({whys or 'empty'})", remedy)
    )


def _chosen_backend() -> Any:
    _find_bus()
    keyring = import_module("keyring")
    try:
        return keyring.get_keyring()
    except Exception as error:  # a backend that was chosen by name cannot be loaded, or not here
        named = os.environ.get(_CHOICE, "the backend in keyringrc.cfg") or f"an empty ${_CHOICE}"
        is_service = any(part in named for part in ("SecretService", "libsecret", "keyringrc"))
        service = _service_trouble() if is_service and isinstance(error, RuntimeError) else None
        here = Trouble(f"it cannot be used here ({type(error).__name__})", _CHOOSE)
        raise _refusal(named, service or here) from None


def _is_of(backend: Any, *modules: str) -> bool:
    """Whether its class, or one it is made from, lives in one of the modules or below."""
    homes = [f"{kind.__module__}." for kind in type(backend).__mro__]
    return any(home.startswith(f"{module}.") for home in homes for module in modules)


def _objection(backend: Any, plaintext: bool) -> Trouble | None:
    """Why a backend may not serve at all; None for one that may be asked."""
    kinds = {kind.__name__.lower() for kind in type(backend).__mro__}
    if _is_of(backend, "keyring.backends.fail"):
        return _why_none_was_found()
    if _is_of(backend, "keyring.backends.null"):
        return Trouble("it is switched off and keeps nothing", _CHOOSE)
    if kinds & {"encryptedkeyring", "cryptfilekeyring"}:
        return Trouble("it asks for a password at a terminal", _CHOOSE)
    if plaintext or not (_is_of(backend, "keyrings.alt") or any("plaintext" in kind for kind in kinds)):
        return None
    return _clear_text()


def _clear_text() -> Trouble:
    """keyrings.alt, once installed, takes the place of a keyring that cannot be reached, without a word."""
    better = None if os.environ.get(_CHOICE) else _service_trouble()
    why = "it keeps secrets in a file in clear text"
    if better:
        why = f"{why}, and was taken because {better.why}"
    remedy = better.remedy if better else _CHOOSE
    return Trouble(
        why, f"{remedy}, or allow it: `secrets: {{allow_plaintext_keyring: true}}` in the connection file"
    )


def _why_none_was_found() -> Trouble:
    if os.environ.get(_CHOICE):
        return Trouble(f"${_CHOICE} asks for it, and it keeps nothing", _CHOOSE)
    return _service_trouble() or Trouble("keyring found no other on this machine", _CHOOSE)


def _require_open(backend: Any, connection: str) -> None:
    """Raises ConfigError for a Secret Service that would ask a person before it answers."""
    if _is_of(backend, "keyring.backends.SecretService", "keyring.backends.libsecret"):
        trouble = _service_trouble(getattr(backend, "preferred_collection", None), connection)
        if trouble:
            raise _refusal(_name(backend), trouble)


def _service_trouble(collection: str | None = None, connection: str = "") -> Trouble | None:
    """Why the Secret Service does not answer without a person; None if it does, or where there is none by nature."""
    if sys.platform != "linux":
        return None
    address = os.environ.get(_ADDRESS)
    if not address:
        why = f"there is no D-Bus address: ${_ADDRESS} is not set, and there is no bus at {_user_bus()}"
        return Trouble(why, f"run `loginctl enable-linger` once, or set {_ADDRESS} in the crontab")
    try:
        storage = import_module("secretstorage")
    except (ImportError, AttributeError):  # the latter from half of an installation (jaraco/keyring #296)
        return Trouble("SecretStorage is not installed, or broken", "run: pip install --force SecretStorage")
    try:
        bus = storage.dbus_init()
    except Exception:  # each kind of broken address raises an error of its own
        why = f"nothing answers at the D-Bus address {address[:100]!r} (${_ADDRESS})"
        return Trouble(why, f"correct it; as a rule it is {_ADDRESS}=unix:path={_user_bus()}")
    with closing(bus):
        return _locked_or_gone(storage, bus, [collection] if collection else [], connection)


def _locked_or_gone(storage: Any, bus: Any, path: list[str], connection: str) -> Trouble | None:
    """Looks from outside: keyring itself would make a missing collection and unlock a locked one, and prompt."""
    nobody = Trouble(
        f"no secret service (such as gnome-keyring) runs at the D-Bus address {os.environ[_ADDRESS][:100]!r}",
        "install and start one in that session: apt install gnome-keyring, then log in",
    )
    if not storage.check_service_availability(bus):
        return nobody
    try:
        collection = storage.Collection(bus, *path)
        query = {"service": SERVICE, "username": connection}
        locked = collection.is_locked() or any(one.is_locked() for one in collection.search_items(query))
    except storage.ItemNotFoundException:
        return Trouble("it has no default collection yet", "log in once at its screen, which makes one")
    except storage.SecretServiceNotAvailableException:
        return nobody
    return Trouble("it is locked", _UNLOCK) if locked else None


def _find_bus() -> None:
    """Cron sets no D-Bus address, but the user's own bus has a known place (sd-bus and libdbus look there as well)."""
    if sys.platform != "linux" or os.environ.get(_ADDRESS):
        return
    bus = _user_bus()
    try:
        about = bus.stat()
    except OSError:
        return
    if stat.S_ISSOCK(about.st_mode) and about.st_uid == os.getuid():
        os.environ[_ADDRESS] = f"unix:path={bus}"


def _user_bus() -> Path:
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}") / "bus"
