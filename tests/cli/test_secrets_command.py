from __future__ import annotations

import keyring
import pytest

from tests.cli.conftest import World
from tests.test_secrets import MemoryKeyring

SECRET = "s3cret-value-of-ours"


@pytest.fixture
def memory(world: World) -> MemoryKeyring:
    """In place of the one that `world` takes away."""
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


def test_set_reads_stdin_and_never_echoes(world: World, memory: MemoryKeyring) -> None:
    result = world.run("secrets", "set", "erp.client_secret", stdin=f"{SECRET}\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "stored erp.client_secret of nordkran in the keyring\n"
    assert SECRET in memory.entries["mlconnector", "nordkran"]


def test_the_connection_may_stand_first_by_its_name_or_file(world: World, memory: MemoryKeyring) -> None:
    for given in ("nordkran", str(world.file)):
        assert world.run("secrets", "set", given, "mail.api_key", stdin=SECRET).exit_code == 0
    assert world.run("secrets", "set", "other", "mail.api_key", stdin=SECRET).exit_code == 2


def test_a_name_that_is_none_is_refused_before_anything_is_asked(world: World, memory: MemoryKeyring) -> None:
    result = world.run("secrets", "set", "erp.password", stdin=SECRET)
    assert result.exit_code == 2
    assert "erp.client_secret, mail.api_key, mail.access_token" in result.stderr
    assert memory.entries == {}


def test_one_that_these_settings_do_not_use_is_stored_with_a_word(
    world: World, memory: MemoryKeyring
) -> None:
    assert "not used" in world.run("secrets", "set", "mail.access_token", stdin=SECRET).stderr


def test_list_shows_where_each_was_found_and_no_value(world: World, memory: MemoryKeyring) -> None:
    env = {"MLCONNECTOR_SECRET_ERP_CLIENT_SECRET": "", "MLCONNECTOR_SECRET_MAIL_API_KEY": ""}
    world.run("secrets", "set", "erp.client_secret", stdin=SECRET)
    result = world.run("secrets", "list", env=env)
    first, second = result.stdout.splitlines()
    assert first.startswith("secret=erp.client_secret found_in=keyring ")
    assert second.startswith("secret=mail.api_key found_in=missing ")
    assert SECRET not in result.output


def test_delete(world: World, memory: MemoryKeyring) -> None:
    world.run("secrets", "set", "erp.client_secret", stdin=SECRET)
    assert world.run("secrets", "delete", "erp.client_secret").stderr == "deleted erp.client_secret\n"
    assert "was not" in world.run("secrets", "delete", "erp.client_secret").stderr


def test_an_empty_value_is_refused(world: World, memory: MemoryKeyring) -> None:
    assert world.run("secrets", "set", "erp.client_secret", stdin="\n").exit_code == 2
