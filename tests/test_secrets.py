from __future__ import annotations

import threading
from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null
from keyring.errors import InitError, KeyringLocked, PasswordDeleteError

from mlconnector.errors import ConfigError
from mlconnector.secrets import SecretSource, delete, list_names, load_secrets, store, variable


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

    def __init__(self, error: Exception) -> None:
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


def test_all_missing_secrets_are_named_with_where_and_how() -> None:
    with pytest.raises(ConfigError) as error:
        load_secrets("nordkran", ["erp.client_secret", "mail.api_key"], {})
    lines = error.value.message.splitlines()
    assert len(lines) == 2
    assert "$MLCONNECTOR_SECRET_ERP_CLIENT_SECRET" in lines[0]
    assert "the keyring (mlconnector, nordkran)" in lines[0]
    assert lines[1].endswith("run: mlconnector secrets set nordkran mail.api_key")


def test_sources_are_listed_without_a_value() -> None:
    store("nordkran", "erp.client_secret", "s3cret")
    store("nordkran", "old.api_key", "s3cret")
    env = {"MLCONNECTOR_SECRET_MAIL_API_KEY": "s3cret"}
    listed = list_names("nordkran", ["erp.client_secret", "mail.api_key", "x.y"], env)
    assert listed == [
        SecretSource("erp.client_secret", "keyring"),
        SecretSource("mail.api_key", "environment"),
        SecretSource("x.y", ""),
        SecretSource("old.api_key", "keyring"),
    ]
    assert "s3cret" not in repr(listed)


def test_without_a_keyring_what_the_environment_holds_is_listed() -> None:
    use(fail.Keyring())
    env = {"MLCONNECTOR_SECRET_MAIL_API_KEY": "s3cret"}
    assert list_names("nordkran", ["mail.api_key"], env) == [SecretSource("mail.api_key", "environment")]
    with pytest.raises(ConfigError, match="no keyring was found"):
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


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        (fail.Keyring(), "no keyring was found"),
        (null.Keyring(), "switched off (the null backend)"),
        (PlaintextKeyring(), "PlaintextKeyring, which keeps secrets in a file"),
        (FailingKeyring(KeyringLocked("locked")), "the keyring is locked"),
        (FailingKeyring(InitError("Prompt dismissed")), "nobody answered its question"),
        (FailingKeyring(OSError("s3cret")), "the keyring failed (OSError)"),
    ],
)
def test_a_keyring_that_cannot_answer_says_why_and_what_helps_under_cron(
    backend: KeyringBackend, says: str
) -> None:
    use(backend)
    with pytest.raises(ConfigError) as error:
        load_secrets("nordkran", ["a.x"], {})
    assert says in error.value.message
    assert "s3cret" not in message_of(error)
    for help_ in ("DBUS_SESSION_BUS_ADDRESS", "enable-linger", "MLCONNECTOR_SECRET_A_X"):
        assert help_ in error.value.hint


def test_a_keyring_that_hangs_is_left_after_the_limit() -> None:
    backend = HangingKeyring()
    use(backend)
    with pytest.raises(ConfigError, match="did not answer"):
        load_secrets("nordkran", ["a.x"], {}, limit_seconds=0.1)
    backend.answered.set()


def test_nothing_is_written_to_a_file_backend() -> None:
    backend = PlaintextKeyring()
    use(backend)
    with pytest.raises(ConfigError):
        store("nordkran", "a.x", "s3cret")
    assert backend.entries == {}


def test_of_several_backends_the_first_that_is_safe_is_used(memory: MemoryKeyring) -> None:
    class Chain(chainer.ChainerBackend):
        __module__ = "keyring.backends.chainer"
        backends = [PlaintextKeyring(), memory]  # type: ignore[assignment]  # noqa: RUF012

    use(Chain())
    store("nordkran", "a.x", "1")
    assert load_secrets("nordkran", ["a.x"], {}) == {"a.x": "1"}
    assert [*memory.entries] == [("mlconnector", "nordkran")]
