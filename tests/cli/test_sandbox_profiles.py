"""`mlconnector sandbox --profile`: the file it writes leads to the kind of server that was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlconnector.cli import program
from mlconnector.cli.controls import lines
from mlconnector.cli.playground import INTERFACES, environment, open_playground
from mlconnector.cli.sandbox import MARK, PROFILES, write_connection
from mlconnector.systems.business_central.emulator_profile import PROFILES as KNOWN


def test_every_profile_of_the_emulator_can_be_had() -> None:
    assert ("online", *KNOWN) == PROFILES
    assert list(INTERFACES) == list(KNOWN)


@pytest.mark.parametrize("profile", ["onprem", "bc14", "nav2018", "nav2017"])
def test_its_connection_file_passes_check(tmp_path: Path, profile: str) -> None:
    with open_playground(customers=8, vendors=8, profile=profile) as playground:
        file = tmp_path / "sandbox.yaml"
        file.write_text(playground.connection_text("sandbox"), "utf-8")
        known = environment(file, playground.secrets)
        result = CliRunner().invoke(program, ["check", "--json"], env=known)
    assert result.exit_code == 0, result.output
    assert "logged in as SYNC" in json.dumps(json.loads(result.stdout))


@pytest.mark.parametrize(
    ("profile", "old", "new", "said"),
    [
        ("nav2016", "", "", ("answers OData V3 only, as NAV 2013 to 2016 do", "upgrade it: NAV 2017 brought")),
        ("bc14", "api: v1.0", "api: v2.0", ("this server has no API v2.0", "set api: v1.0")),
        ("nav2018", "api: odata", "api: v1.0", ("switched off on this server", "set api: odata")),
        ("nav2018", "company: CRONUS", "company: CRONUZ", ("there is no company", "set company to one of: CRON")),
    ],
)  # fmt: skip
def test_what_a_server_does_not_have_is_said_alike_by_every_command(
    tmp_path: Path, profile: str, old: str, new: str, said: tuple[str, str]
) -> None:
    with open_playground(customers=5, vendors=5, profile=profile) as playground:
        file = tmp_path / "sandbox.yaml"
        text = playground.connection_text("sandbox").replace('"', "")
        assert old in text
        file.write_text(text.replace(old, new), "utf-8")
        known = environment(file, playground.secrets)
        for words in (["check"], ["sync"], ["fields", "erp.customer"]):
            result = CliRunner().invoke(program, ["--json", *words], env=known)
            assert result.exit_code == 2, (words, result.output)
            for sentence in said:
                assert sentence in result.output, (words, result.output)


def test_check_names_the_line_of_a_misspelled_field_and_sync_the_field_and_the_command(
    tmp_path: Path,
) -> None:
    with open_playground(customers=5, vendors=5, profile="nav2018") as playground:
        file = tmp_path / "sandbox.yaml"
        line = "      CURRENCY: Curency_Code"
        text = playground.connection_text("sandbox").replace("    map:\n", f"    map:\n{line}\n", 1)
        file.write_text(text, "utf-8")
        known = environment(file, playground.secrets)
        checked = CliRunner().invoke(program, ["check", "--json"], env=known)
        synced = CliRunner().invoke(program, ["sync"], env=known)
    (wrong,) = [one for one in json.loads(checked.stdout) if one["level"] == "error"]
    place = f"{file}:{text.splitlines().index(line) + 1}:7: flows.customers_to_members.map.CURRENCY: "
    assert wrong["message"].startswith(place) and "did you mean 'Currency_Code'?" in wrong["message"]
    assert checked.exit_code == synced.exit_code == 2
    assert "Curency_Code" in synced.stderr and "mlconnector check, which names" in synced.stderr


def test_the_file_names_the_interface_and_no_secret(tmp_path: Path) -> None:
    with open_playground(customers=5, vendors=5, profile="nav2018") as playground:
        file = tmp_path / "sandbox.yaml"
        text = playground.connection_text("sandbox")
        file.write_text(text, "utf-8")
        printed = "\n".join(lines(playground, file))
        secret = playground.secrets["erp.password"]
    assert "    api: odata\n    login: basic\n    user: SYNC\n" in text.replace('"', "")
    assert "/DynamicsNAV110" in text and "client_id" not in text and "login_url" not in text
    assert secret not in text
    assert "/DynamicsNAV110" in printed and f"={secret}" in printed
    assert '"path": "/Customer"' in printed and '"path": "/customers"' not in printed


def test_a_file_of_another_profile_is_written_anew(tmp_path: Path) -> None:
    place = "    base_url: http://127.0.0.1:{0}/BC\n"
    first = f"{MARK}\n# profile: onprem\n{place.format(1)}    api: v2.0\n"
    write_connection(tmp_path, first)
    other = f"{MARK}\n# profile: bc14\n{place.format(2)}    api: v1.0\n"
    assert write_connection(tmp_path, other).read_text("utf-8") == other
    edited = other.replace("v1.0", "beta")
    (tmp_path / "sandbox.yaml").write_text(edited, "utf-8")
    again = write_connection(tmp_path, other.replace(":2/", ":3/")).read_text("utf-8")
    assert again == edited.replace(":2/", ":3/")
