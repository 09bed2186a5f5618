"""Secrets by name (`erp.client_secret`): where they are looked for, and in which order.

The first of these that has a secret gives it:

1. environment: the variable MLCONNECTOR_SECRET_ERP_CLIENT_SECRET, if it is set;
2. credentials: the file `NAME.erp.client_secret` (NAME is the connection's) or `erp.client_secret` in the folder
   $CREDENTIALS_DIRECTORY, if systemd gives one;
3. command: what `secrets.command` in the connection file prints, if it is given;
4. keyring: the connection's entry in the system's keyring (`keyrings`), if no command is given or the connection file
   says `secrets.keyring: true`.

An empty variable, a file that cannot be read and a command that fails end the search: an older value is never taken in
their place without a word. (`secrets.keyring: true` asks for just that after a command.)

A connection's secrets are one keyring entry, a small JSON object, so that a run asks the keyring once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from mlconnector.errors import ConfigError, together
from mlconnector.secrets.keyrings import LIMIT_SECONDS, SERVICE, Entry, read_entry, write_entry
from mlconnector.settings import SecretSettings

Source = Literal["environment", "credentials", "command", "keyring", ""]

_FOLDER: Final = "CREDENTIALS_DIRECTORY"
_LONGEST: Final = 65_536
_BROKEN: Final = "holds a line end or another character that no secret has"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret was found; without a source, why it was not and what helps. Never its value."""

    name: str
    source: Source
    where: str = ""
    problem: str = ""
    remedy: str = ""


def variable(name: str) -> str:
    """The environment variable of a secret: `erp.client_secret` -> MLCONNECTOR_SECRET_ERP_CLIENT_SECRET."""
    return "MLCONNECTOR_SECRET_" + name.upper().replace("-", "_").replace(".", "_")


def load_secrets(
    connection: str,
    wanted: Collection[str],
    env: Mapping[str, str] = os.environ,
    *,
    settings: SecretSettings | None = None,
    limit_seconds: float = LIMIT_SECONDS,
) -> dict[str, str]:
    """The wanted secrets by name. Raises ConfigError that names all that are missing, why, and what helps.

    `limit_seconds` is how long the keyring may take.
    """
    search = _Search(connection, wanted, settings, env, limit_seconds)
    found = {name: search.find(name) for name in wanted}
    _require_all([one.source for one in found.values()])
    return {name: one.value for name, one in found.items()}


def find_secrets(
    connection: str,
    wanted: Collection[str],
    env: Mapping[str, str] = os.environ,
    *,
    settings: SecretSettings | None = None,
) -> list[SecretSource]:
    """Where each wanted secret is found, or why it is not."""
    search = _Search(connection, wanted, settings, env)
    return [search.find(name).source for name in wanted]


def list_names(
    connection: str,
    wanted: Collection[str],
    env: Mapping[str, str] = os.environ,
    *,
    settings: SecretSettings | None = None,
) -> list[SecretSource]:
    """Each wanted secret and each stored one with its source.

    Raises ConfigError if the keyring cannot be asked, but not where other sources hold all that is wanted.
    """
    search = _Search(connection, wanted, settings, env)
    found = [search.find(name).source for name in wanted]
    entry = search.entry() if asks_keyring(search.settings) else None
    if isinstance(entry, ConfigError):
        _require_all(found)
    others = sorted({*entry.secrets} - {*wanted}) if isinstance(entry, Entry) else []
    return [*found, *(search.find(name).source for name in others)]


def store(connection: str, name: str, value: str, *, settings: SecretSettings | None = None) -> str:
    """Puts a secret into the keyring and gives the backend's name; blanks and line ends around the value go."""
    value = value.strip()
    if not value:
        raise ConfigError(f"the value for {name} is empty, nothing was stored")
    if not value.isprintable():
        raise ConfigError(f"the value for {name} {_BROKEN}; nothing was stored", hint="copy it again")
    entry = require_keyring(connection, name, settings=settings)
    plaintext = settings is not None and settings.allow_plaintext_keyring
    write_entry(connection, {**entry.secrets, name: value}, plaintext=plaintext)
    return entry.backend


def require_keyring(connection: str, name: str, *, settings: SecretSettings | None = None) -> Entry:
    """What the keyring holds of the connection. Raises ConfigError if it could not take the secret `name`."""
    search = _Search(connection, [name], settings)
    if not asks_keyring(search.settings):
        raise ConfigError(
            "this connection does not ask the keyring (see `secrets` in its file), so nothing was stored",
            hint=f"give it as {search.elsewhere()}, or write `keyring: true` under `secrets`",
        )
    entry = search.entry()
    if isinstance(entry, ConfigError):
        raise entry
    return entry


def delete(connection: str, name: str, *, settings: SecretSettings | None = None) -> bool:
    """Takes a secret out of the keyring; False if it was not there."""
    plaintext = settings is not None and settings.allow_plaintext_keyring
    stored = read_entry(connection, plaintext=plaintext).secrets
    if name not in stored:
        return False
    left = {key: value for key, value in stored.items() if key != name}
    write_entry(connection, left, plaintext=plaintext)
    return True


def asks_keyring(settings: SecretSettings) -> bool:
    """Whether the keyring is a source with these settings."""
    return settings.command is None if settings.keyring is None else settings.keyring


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one source says: the value and where it is, or where it was looked for, with a problem if there is one."""

    where: str
    value: str = field(default="", repr=False)
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    source: SecretSource
    value: str = field(default="", repr=False)


def _missing(name: str, problem: str, remedy: str) -> _Found:
    return _Found(SecretSource(name, "", problem=problem, remedy=remedy))


class _Search:
    """One search through the sources of a connection, in their order; the keyring is asked once at most."""

    def __init__(
        self,
        connection: str,
        wanted: Collection[str],
        settings: SecretSettings | None,
        env: Mapping[str, str] = os.environ,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self.settings = settings or SecretSettings()
        self._connection = connection
        self._wanted = wanted
        self._env = env
        self._limit_seconds = limit_seconds
        self._entry: Entry | ConfigError | None = None

    def find(self, name: str) -> _Found:
        """The first source that has it, or why there is none."""
        looked: list[str] = []
        failed: list[str] = []
        for source, answer in self._answers(name):
            if answer.value and answer.value.isprintable():
                return _Found(SecretSource(name, source, answer.where), answer.value)
            if answer.value:
                problem = f"the secret {name} in {answer.where} {_BROKEN}"
                return _missing(name, problem, "give it anew, on one line")
            if answer.problem and (source != "command" or not asks_keyring(self.settings)):
                return _missing(name, "; ".join([*failed, answer.problem]), answer.remedy)
            failed += [answer.problem] if answer.problem else []
            looked.append(f"in {answer.where}")
        places = ", ".join(looked[:-1]) + (" and " if looked[1:] else "") + looked[-1]
        return _missing(name, f"there is no secret {name}: looked {places}", self._remedy(name))

    def entry(self) -> Entry | ConfigError:
        """What the keyring holds of the connection, or why it cannot be asked."""
        if self._entry is None:
            plaintext = self.settings.allow_plaintext_keyring
            try:
                self._entry = read_entry(
                    self._connection, plaintext=plaintext, limit_seconds=self._limit_seconds
                )
            except ConfigError as error:
                hint = f"{error.hint}. Without a keyring: {self.elsewhere()}"
                self._entry = ConfigError(error.message, hint=hint)
        return self._entry

    def elsewhere(self) -> str:
        """How to give what the environment does not hold without the keyring."""
        unset = [name for name in self._wanted if not self._env.get(variable(name), "").strip()]
        names = unset or list(self._wanted)
        given = " and ".join(f"${variable(name)}" for name in names)
        command = "" if self.settings.command else ", a command"
        return f"{given} in its environment{command} or systemd's credentials (README, Secrets under cron)"

    def _answers(self, name: str) -> Iterator[tuple[Source, _Answer]]:
        """What each source says that is there to be asked."""
        yield "environment", self._from_environment(name)
        if self._env.get(_FOLDER):
            yield "credentials", self._from_credentials(name, Path(self._env[_FOLDER]))
        if self.settings.command:
            yield "command", self._from_command(name, self.settings.command)
        if asks_keyring(self.settings):
            yield "keyring", self._from_keyring(name)

    def _from_environment(self, name: str) -> _Answer:
        where = variable(name)
        value = self._env.get(where)
        if value is not None and not value.strip():
            remedy = f"give it its value, or unset {where}: then the next place is looked at"
            return _Answer(
                f"${where}", problem=f"the secret {name}: ${where} is set, and empty", remedy=remedy
            )
        return _Answer(f"${where}", (value or "").strip())

    def _from_credentials(self, name: str, folder: Path) -> _Answer:
        for file in (folder / f"{self._connection}.{name}", folder / name):
            try:
                value = _read_file(file)
            except OSError as error:
                return _unusable(file, f"cannot be read ({error.strerror or error})")
            except UnicodeError:
                return _unusable(file, "is no text")
            if value is not None:
                return _Answer(str(file), value) if value else _unusable(file, "is empty")
        return _Answer(f"the credentials folder {folder}")

    def _from_command(self, name: str, words: Sequence[str]) -> _Answer:
        from mlconnector.secrets.command import CommandError, ask_command

        where = f"the command {words[0]}"
        try:
            return _Answer(where, ask_command(words, self._connection, name, self._env))
        except CommandError as error:
            problem = f"{where} gave no secret {name}: it {error}"
            return _Answer(f"{where} (it {error})", problem=problem, remedy=error.remedy)

    def _from_keyring(self, name: str) -> _Answer:
        entry = self.entry()
        if isinstance(entry, ConfigError):
            return _Answer("", problem=entry.message, remedy=entry.hint)
        value = entry.secrets.get(name, "")
        if value:
            return _Answer(entry.backend, value)
        return _Answer(f"the keyring {entry.backend} ({SERVICE}, {self._connection})")

    def _remedy(self, name: str) -> str:
        if name.endswith(".refresh_token"):  # nobody has one to type in
            return f"run: mlconnector login {name.partition('.')[0]}"
        if asks_keyring(self.settings):
            return f"run: mlconnector secrets set {self._connection} {name}"
        return f"give it as {self.elsewhere()}"


def _read_file(file: Path) -> str | None:
    """What a credential holds; None if there is no such file. A pipe is none: reading it may wait for ever."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise OSError("it is no file")
        with file.open("rb") as opened:
            return opened.read(_LONGEST).decode().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _unusable(file: Path, why: str) -> _Answer:
    """A file that is there does not pass the question on: what comes next may be older."""
    problem = f"the credential {file} {why}"
    return _Answer(str(file), problem=problem, remedy="check it, and the line for it in systemd's unit file")


def _require_all(found: Sequence[SecretSource]) -> None:
    """Raises ConfigError if one is missing: a problem with its remedy for each reason."""
    reasons = dict.fromkeys((one.problem, one.remedy) for one in found if not one.source)
    if reasons:
        raise together([ConfigError(problem, hint=remedy) for problem, remedy in reasons])
