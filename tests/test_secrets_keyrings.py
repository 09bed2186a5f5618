"""Backends that do not serve: each ends in one sentence that names it, says why and what helps."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null
from keyring.errors import InitError, KeyringLocked

from mlconnector.errors import ConfigError
from mlconnector.secrets import delete, load_secrets, store
from mlconnector.settings import SecretSettings
from tests.test_secrets import (
    SECRET,
    FailingKeyring,
    HangingKeyring,
    MemoryKeyring,
    PlaintextKeyring,
    message_of,
    use,
)

PLAINTEXT = SecretSettings(allow_plaintext_keyring=True)


class EncryptedKeyring(MemoryKeyring):
    """Stands for the one of keyrings.alt that asks for a password."""

    __module__ = "keyrings.alt.file"


class TalkingKeyring(MemoryKeyring):
    """Prints what it is asked, and asks back."""

    def get_password(self, service: str, username: str) -> str | None:
        print(SECRET)
        print(SECRET, file=sys.stderr)
        return input("Password: ")


class ForgettingKeyring(MemoryKeyring):
    """Takes everything and keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Nothing."""


class AnsweringKeyring(MemoryKeyring):
    """Answers with what it is given, whatever kind that is."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def get_password(self, service: str, username: str) -> str | None:
        return self.answer  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MemoryKeyring]:
    """The keyring as it was afterwards; no D-Bus of this machine."""
    for name in ("DBUS_SESSION_BUS_ADDRESS", "PYTHON_KEYRING_BACKEND"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    before = keyring.get_keyring()
    backend = MemoryKeyring()
    use(backend)
    yield backend
    use(before)


def refusal(settings: SecretSettings | None = None) -> pytest.ExceptionInfo[ConfigError]:
    with pytest.raises(ConfigError) as error:
        load_secrets("nordkran", ["a.x"], {}, settings=settings)
    assert SECRET not in message_of(error)
    assert "\n" not in error.value.message
    return error


@pytest.mark.parametrize(
    ("backend", "name", "why"),
    [
        (fail.Keyring(), "keyring.backends.fail.Keyring", "there is no D-Bus address"),  # type: ignore[no-untyped-call]
        (null.Keyring(), "keyring.backends.null.Keyring", "it is switched off"),  # type: ignore[no-untyped-call]
        (PlaintextKeyring(), "keyrings.alt.file.PlaintextKeyring", "in a file in clear text"),
        (EncryptedKeyring(), "keyrings.alt.file.EncryptedKeyring", "asks for a password at a terminal"),
        (FailingKeyring(KeyringLocked(SECRET)), "tests.test_secrets.FailingKeyring", "it is locked"),
        (FailingKeyring(InitError(SECRET)), "tests.test_secrets.FailingKeyring", "nobody answers"),
        (FailingKeyring(OSError(SECRET)), "tests.test_secrets.FailingKeyring", "it failed (OSError)"),
        (FailingKeyring(SystemExit(SECRET)), "tests.test_secrets.FailingKeyring", "it failed (SystemExit)"),
        (FailingKeyring(KeyboardInterrupt()), "tests.test_secrets.FailingKeyring", "it failed (Keyboard"),
        (TalkingKeyring(), "tests.test_secrets_keyrings.TalkingKeyring", "it failed (EOFError)"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="D-Bus is Linux's")
def test_a_backend_that_cannot_serve_is_named_with_why_and_what_helps(
    backend: KeyringBackend, name: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    use(backend)
    error = refusal()
    assert f"the keyring ({name}) does not serve: " in error.value.message
    assert why in error.value.message
    for help_ in ("$MLCONNECTOR_SECRET_A_X", "a command", "systemd's credentials"):
        assert help_ in error.value.hint
    assert capsys.readouterr() == ("", "")


def test_without_a_bus_the_message_says_where_one_was_looked_for(tmp_path: Path) -> None:
    use(fail.Keyring())  # type: ignore[no-untyped-call]
    error = refusal()
    assert f"there is no bus at {tmp_path}/bus" in error.value.message
    assert "loginctl enable-linger" in error.value.hint
    assert "DBUS_SESSION_BUS_ADDRESS in the crontab" in error.value.hint


@pytest.mark.parametrize(
    "address", ["unix:path=/nowhere/bus", "tcp:host=127.0.0.1,port=1", "nonsense", "unix:x"]
)
def test_a_dead_or_odd_bus_address_is_shown(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    use(fail.Keyring())  # type: ignore[no-untyped-call]
    assert f"nothing answers at the D-Bus address {address!r}" in refusal().value.message


@pytest.fixture
def choosing(memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """keyring chooses its backend anew."""
    monkeypatch.setattr("keyring.core._keyring_backend", None)
    return monkeypatch


@pytest.mark.parametrize(
    "chosen",
    [
        "keyring.backends.fail.Keyring",
        "keyring.backends.macOS.Keyring",
        "no.such.module.Keyring",
        "keyring.backends.fail.None",
        "nonsense",
        "",
    ],
)
@pytest.mark.skipif(sys.platform == "darwin", reason="there one of them can be used")
def test_what_the_environment_chooses_is_named(chosen: str, choosing: pytest.MonkeyPatch) -> None:
    choosing.setenv("PYTHON_KEYRING_BACKEND", chosen)
    error = refusal()
    assert (chosen or "an empty $PYTHON_KEYRING_BACKEND") in error.value.message
    assert "take $PYTHON_KEYRING_BACKEND away" in error.value.hint


@pytest.mark.parametrize(
    "text",
    ["[backend]\ndefault-keyring=keyring.backends.null.Keyring", "[backend]\ndefault-keyring=x.Y", "["],
)
def test_what_a_settings_file_of_keyring_chooses_is_said(
    text: str, tmp_path: Path, choosing: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "python_keyring"
    folder.mkdir()
    (folder / "keyringrc.cfg").write_text(text)
    choosing.setenv("XDG_CONFIG_HOME", str(tmp_path))
    error = refusal()
    assert "does not serve" in error.value.message
    assert "the backend in keyringrc.cfg" in error.value.hint


def test_a_bus_that_takes_the_call_and_says_nothing_is_left_after_the_limit(
    tmp_path: Path, choosing: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "bus"))
        silent.listen()
        choosing.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.SecretService.Keyring")
        with pytest.raises(
            ConfigError, match=r"the keyring does not serve: it did not answer within 0\.3 seconds"
        ):
            load_secrets("nordkran", ["a.x"], {}, limit_seconds=0.3)


def test_a_secret_service_that_was_chosen_and_cannot_be_reached_says_why(
    choosing: pytest.MonkeyPatch,
) -> None:
    choosing.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.SecretService.Keyring")
    message = refusal().value.message
    assert "(keyring.backends.SecretService.Keyring) does not serve: there is no D-Bus address" in message


def test_a_keyring_that_hangs_is_left_after_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    backend = HangingKeyring()
    use(backend)
    with pytest.raises(
        ConfigError, match=r"HangingKeyring\) does not serve: it did not answer within 0\.1 seconds"
    ):
        load_secrets("nordkran", ["a.x"], {}, limit_seconds=0.1)
    backend.answered.set()
    print("seen again")
    assert capsys.readouterr().out == "seen again\n"


@pytest.mark.parametrize("answer", [5, b"\xff", ["x"], "", "{", "[]", '{"a": 1}', SECRET, '{"a.x": null}'])
def test_an_answer_that_mlconnector_did_not_write_is_damaged(answer: object) -> None:
    use(AnsweringKeyring(answer))
    error = refusal()
    assert "(tests.test_secrets_keyrings.AnsweringKeyring) is damaged" in error.value.message
    assert "keyring del mlconnector nordkran" in error.value.hint


def test_none_is_no_entry() -> None:
    use(AnsweringKeyring(None))
    assert "there is no secret a.x" in refusal().value.message


def test_a_backend_that_keeps_nothing_is_found_out_when_a_secret_is_stored() -> None:
    use(ForgettingKeyring())
    with pytest.raises(ConfigError, match="took the secret and does not have it now") as error:
        store("nordkran", "a.x", SECRET)
    assert SECRET not in message_of(error)


def test_clear_text_is_used_only_where_it_is_allowed() -> None:
    backend = PlaintextKeyring()
    use(backend)
    with pytest.raises(ConfigError, match="clear text"):
        store("nordkran", "a.x", SECRET)
    assert backend.entries == {}
    assert "allow_plaintext_keyring: true" in refusal().value.hint
    store("nordkran", "a.x", SECRET, settings=PLAINTEXT)
    assert load_secrets("nordkran", ["a.x"], {}, settings=PLAINTEXT) == {"a.x": SECRET}
    assert delete("nordkran", "a.x", settings=PLAINTEXT)


@pytest.mark.parametrize("backend", [fail.Keyring(), null.Keyring(), EncryptedKeyring()])  # type: ignore[no-untyped-call]
def test_what_keeps_nothing_or_asks_is_refused_even_then(backend: KeyringBackend) -> None:
    use(backend)
    assert "does not serve" in refusal(PLAINTEXT).value.message


def chain_of(*members: KeyringBackend) -> KeyringBackend:
    class Chain(chainer.ChainerBackend):
        __module__ = "keyring.backends.chainer"
        backends = members  # type: ignore[assignment]

    return Chain()


def test_of_a_chain_the_first_member_that_may_serve_is_used(memory: MemoryKeyring) -> None:
    plain = PlaintextKeyring()
    use(chain_of(plain, memory))
    store("nordkran", "a.x", SECRET)
    assert load_secrets("nordkran", ["a.x"], {}) == {"a.x": SECRET}
    assert [*memory.entries] == [("mlconnector", "nordkran")]
    assert plain.entries == {}


def test_a_chain_without_such_a_member_says_why_for_each() -> None:
    use(chain_of(PlaintextKeyring(), null.Keyring()))  # type: ignore[no-untyped-call]
    message = refusal().value.message
    for part in ("keyrings.alt.file.PlaintextKeyring: ", "clear text", "keyring.backends.null.Keyring: "):
        assert part in message
    use(chain_of())
    assert "chain without a member that does (empty)" in refusal().value.message
