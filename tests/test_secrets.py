from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail
from keyring.errors import PasswordDeleteError

from mlconnector.errors import ConfigError
from mlconnector.secrets import SecretSource, delete, find_secrets, list_names, load_secrets, store, variable
from mlconnector.settings import SecretSettings

MEMORY = "tests.test_secrets.MemoryKeyring"
SECRET = "s3cret-value-of-ours"


class MemoryKeyring(KeyringBackend):
    """A keyring that lives as long as the test and counts what it is asked."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.reads = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.reads += 1
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.entries:
            raise PasswordDeleteError("not there")
        del self.entries[service, username]


class FailingKeyring(MemoryKeyring):
    """Raises what it is given."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def get_password(self, service: str, username: str) -> str | None:
        raise self.error


class HangingKeyring(MemoryKeyring):
    """Waits for somebody at a screen."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.answered.wait(30)
        return None


class PlaintextKeyring(MemoryKeyring):
    """Stands for the file backends of keyrings.alt."""

    __module__ = "keyrings.alt.file"


def use(backend: KeyringBackend) -> None:
    keyring.set_keyring(backend)


@pytest.fixture(autouse=True)
def memory() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    backend = MemoryKeyring()
    use(backend)
    yield backend
    use(before)


def message_of(error: pytest.ExceptionInfo[ConfigError]) -> str:
    return f"{error.value.message}\n{error.value.hint}"


def test_what_is_stored_is_found_with_one_question(memory: MemoryKeyring) -> None:
    store("nordkran", "erp.client_secret", " s3cret\n")
    store("nordkran", "mail.api_key", "k-us6")
    memory.reads = 0
    wanted = ["erp.client_secret", "mail.api_key"]
    assert load_secrets("nordkran", wanted, {}) == {"erp.client_secret": "s3cret", "mail.api_key": "k-us6"}
    assert memory.reads == 1
    assert [*memory.entries] == [("mlconnector", "nordkran")]


def test_the_environment_comes_first_and_then_the_keyring_is_not_asked(memory: MemoryKeyring) -> None:
    assert variable("my-erp.client_secret") == "MLCONNECTOR_SECRET_MY_ERP_CLIENT_SECRET"
    env = {"MLCONNECTOR_SECRET_MAIL_API_KEY": "k-us6"}
    assert load_secrets("nordkran", ["mail.api_key"], env) == {"mail.api_key": "k-us6"}
    assert memory.reads == 0


def test_connections_do_not_see_each_other() -> None:
    store("one", "mail.api_key", "k")
    with pytest.raises(ConfigError):
        load_secrets("two", ["mail.api_key"], {})


def test_all_missing_secrets_are_named_as_problems_of_their_own_with_where_and_how() -> None:
    with pytest.raises(ConfigError) as error:
        load_secrets("nordkran", ["erp.client_secret", "mail.api_key"], {})
    first, second = error.value.each()
    assert "$MLCONNECTOR_SECRET_ERP_CLIENT_SECRET" in first.message
    assert f"the keyring {MEMORY} (mlconnector, nordkran)" in first.message
    assert first.hint == "run: mlconnector secrets set nordkran erp.client_secret"
    assert "mail.api_key" in second.message
    assert second.hint == "run: mlconnector secrets set nordkran mail.api_key"


def test_sources_are_listed_without_a_value() -> None:
    store("nordkran", "erp.client_secret", SECRET)
    store("nordkran", "old.api_key", SECRET)
    env = {"MLCONNECTOR_SECRET_MAIL_API_KEY": SECRET}
    listed = list_names("nordkran", ["erp.client_secret", "mail.api_key", "x.y"], env)
    assert [(one.name, one.source, one.where) for one in listed] == [
        ("erp.client_secret", "keyring", MEMORY),
        ("mail.api_key", "environment", "$MLCONNECTOR_SECRET_MAIL_API_KEY"),
        ("x.y", "", ""),
        ("old.api_key", "keyring", MEMORY),
    ]
    assert SECRET not in repr(listed)


def test_without_a_keyring_what_the_environment_holds_is_listed() -> None:
    use(fail.Keyring())  # type: ignore[no-untyped-call]
    env = {"MLCONNECTOR_SECRET_MAIL_API_KEY": SECRET}
    assert [one.source for one in list_names("nordkran", ["mail.api_key"], env)] == ["environment"]
    with pytest.raises(ConfigError, match=r"keyring\.backends\.fail\.Keyring"):
        list_names("nordkran", ["mail.api_key", "erp.client_secret"], env)


def test_the_last_secret_takes_the_entry_with_it(memory: MemoryKeyring) -> None:
    store("nordkran", "a.x", "1")
    store("nordkran", "a.y", "2")
    assert delete("nordkran", "a.x")
    assert load_secrets("nordkran", ["a.y"], {}) == {"a.y": "2"}
    assert delete("nordkran", "a.y")
    assert memory.entries == {}
    assert not delete("nordkran", "a.y")


def test_an_empty_value_is_not_stored(memory: MemoryKeyring) -> None:
    with pytest.raises(ConfigError, match="is empty"):
        store("nordkran", "a.x", " \n")
    assert memory.entries == {}


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"a": 1}', "s3cret"])
def test_a_damaged_entry_is_said_so_without_what_it_holds(memory: MemoryKeyring, damaged: str) -> None:
    memory.entries["mlconnector", "nordkran"] = damaged
    with pytest.raises(ConfigError) as error:
        load_secrets("nordkran", ["a.x"], {})
    assert "is damaged" in message_of(error)
    assert "keyring del mlconnector nordkran" in message_of(error)
    assert "s3cret" not in message_of(error)


# the order


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    return folder


@pytest.fixture
def answering(tmp_path: Path) -> SecretSettings:
    """A command that knows one secret."""
    script = tmp_path / "ask"
    script.write_text('#!/bin/sh\n[ "$1" = nordkran/mail.api_key ] && echo from-command\n')
    script.chmod(0o755)
    return SecretSettings(command=(str(script), "{connection}/{name}"))


def settings_with(settings: SecretSettings, *, keyring: bool) -> SecretSettings:
    return SecretSettings(command=settings.command, keyring=keyring)


def test_the_first_source_in_the_order_gives_the_secret(
    memory: MemoryKeyring, credentials: Path, answering: SecretSettings
) -> None:
    name, wanted = "mail.api_key", ["mail.api_key"]
    settings = settings_with(answering, keyring=True)
    store("nordkran", name, "from-keyring", settings=settings)
    (credentials / name).write_text("from-folder\n")
    (credentials / f"nordkran.{name}").write_text("from-own-file\n")
    env = {variable(name): "from-environment", "CREDENTIALS_DIRECTORY": str(credentials)}
    steps = [
        ("from-environment", lambda: env.pop(variable(name))),
        ("from-own-file", (credentials / f"nordkran.{name}").unlink),
        ("from-folder", lambda: env.pop("CREDENTIALS_DIRECTORY")),
        ("from-command", lambda: None),
    ]
    memory.reads = 0
    for value, take_away in steps:
        assert load_secrets("nordkran", wanted, env, settings=settings) == {name: value}
        take_away()
    assert memory.reads == 0
    assert load_secrets("nordkran", wanted, env) == {name: "from-keyring"}


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_variable_is_refused_and_lets_no_older_value_through(
    memory: MemoryKeyring, answering: SecretSettings, empty: str
) -> None:
    store("nordkran", "erp.password", SECRET)
    env = {"MLCONNECTOR_SECRET_ERP_PASSWORD": empty}
    for settings in (None, answering, settings_with(answering, keyring=True)):
        with pytest.raises(ConfigError) as error:
            load_secrets("nordkran", ["erp.password"], env, settings=settings)
        said = "the secret erp.password: $MLCONNECTOR_SECRET_ERP_PASSWORD is set, and empty"
        assert (error.value.message, error.value.exit_code) == (said, 2)
        assert "unset MLCONNECTOR_SECRET_ERP_PASSWORD" in error.value.hint


def test_each_source_is_named_with_its_place(credentials: Path, answering: SecretSettings) -> None:
    (credentials / "erp.client_secret").write_text(SECRET)
    env = {"CREDENTIALS_DIRECTORY": str(credentials)}
    found = find_secrets("nordkran", ["erp.client_secret", "mail.api_key"], env, settings=answering)
    assert answering.command
    assert found == [
        SecretSource("erp.client_secret", "credentials", str(credentials / "erp.client_secret")),
        SecretSource("mail.api_key", "command", f"the command {answering.command[0]}"),
    ]


def test_a_command_that_fails_is_not_passed_over_for_the_keyring(answering: SecretSettings) -> None:
    store("nordkran", "erp.client_secret", SECRET)
    with pytest.raises(ConfigError, match=r"gave no secret erp\.client_secret: it ended with exit code 1"):
        load_secrets("nordkran", ["erp.client_secret"], {}, settings=answering)
    both = settings_with(answering, keyring=True)
    assert load_secrets("nordkran", ["erp.client_secret"], {}, settings=both) == {"erp.client_secret": SECRET}


def test_where_command_and_keyring_both_fail_both_are_said(answering: SecretSettings) -> None:
    use(FailingKeyring(OSError()))
    both = settings_with(answering, keyring=True)
    with pytest.raises(ConfigError) as error:
        load_secrets("nordkran", ["erp.client_secret"], {}, settings=both)
    assert "exit code 1; the keyring" in error.value.message


@pytest.mark.parametrize("settings", [SecretSettings(keyring=False), SecretSettings(command=("x", "{name}"))])
def test_a_keyring_that_is_not_a_source_takes_nothing(
    memory: MemoryKeyring, settings: SecretSettings
) -> None:
    with pytest.raises(ConfigError, match="nothing was stored"):
        store("nordkran", "mail.api_key", SECRET, settings=settings)
    with pytest.raises(ConfigError) as error:
        load_secrets("nordkran", ["mail.api_key"], {}, settings=settings)
    assert "secrets set" not in message_of(error)
    assert "MLCONNECTOR_SECRET_MAIL_API_KEY" in message_of(error) or settings.command
    assert memory.reads == 0


def test_a_credential_that_is_not_there_is_looked_for_further_down(credentials: Path) -> None:
    store("nordkran", "mail.api_key", SECRET)
    env = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert load_secrets("nordkran", ["mail.api_key"], env) == {"mail.api_key": SECRET}
    with pytest.raises(ConfigError, match=f"in the credentials folder {credentials}"):
        load_secrets("nordkran", ["x.y"], env)
    env = {"CREDENTIALS_DIRECTORY": str(credentials / "gone")}
    assert load_secrets("nordkran", ["mail.api_key"], env) == {"mail.api_key": SECRET}


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda file: file.write_text(" \n"), "is empty"),
        (lambda file: file.write_bytes(b"\xff\xfe"), "is no text"),
        (lambda file: file.write_text(f"{SECRET}\nand more"), "holds a line end"),
        (lambda file: file.mkdir(), "it is no file"),
        (lambda file: os.mkfifo(file), "it is no file"),
        (lambda file: file.symlink_to(file.name), "cannot be read"),
    ],
)
def test_a_credential_that_cannot_be_used_is_refused_and_not_passed_over(
    credentials: Path, make: object, why: str
) -> None:
    store("nordkran", "mail.api_key", SECRET)
    assert callable(make)
    make(credentials / "mail.api_key")
    with pytest.raises(ConfigError, match=why) as error:
        load_secrets("nordkran", ["mail.api_key"], {"CREDENTIALS_DIRECTORY": str(credentials)})
    assert str(credentials / "mail.api_key") in error.value.message
    assert SECRET not in message_of(error)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_credential_without_the_right_to_read_it_is_refused(credentials: Path) -> None:
    (credentials / "mail.api_key").touch(0)
    with pytest.raises(ConfigError, match="Permission denied"):
        load_secrets("nordkran", ["mail.api_key"], {"CREDENTIALS_DIRECTORY": str(credentials)})


@pytest.mark.parametrize("value", ["two\nlines", "broken\udcff", "nul\0"])
def test_a_value_that_no_header_could_carry_is_refused_without_showing_it(
    memory: MemoryKeyring, value: str
) -> None:
    with pytest.raises(ConfigError, match="nothing was stored"):
        store("nordkran", "mail.api_key", value)
    with pytest.raises(ConfigError, match=r"\$MLCONNECTOR_SECRET_MAIL_API_KEY holds a line end") as error:
        load_secrets("nordkran", ["mail.api_key"], {"MLCONNECTOR_SECRET_MAIL_API_KEY": value})
    assert value not in message_of(error)
    assert memory.entries == {}


def test_several_reasons_are_a_sentence_each_and_one_reason_is_said_once(credentials: Path) -> None:
    use(fail.Keyring())  # type: ignore[no-untyped-call]
    (credentials / "a.x").mkdir()
    env = {"CREDENTIALS_DIRECTORY": str(credentials)}
    with pytest.raises(ConfigError) as error:
        load_secrets("nordkran", ["a.x", "b.y", "b.z"], env)
    first, second = (one.message for one in error.value.each())
    assert "is no file" in first and "keyring.backends.fail.Keyring" in second
    with pytest.raises(ConfigError) as error:
        load_secrets("nordkran", ["b.y", "b.z"], env)
    assert len(error.value.each()) == 1
    assert "$MLCONNECTOR_SECRET_B_Y and $MLCONNECTOR_SECRET_B_Z" in error.value.hint
