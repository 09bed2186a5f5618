from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from mlconnector.config import Connection, load_connection
from mlconnector.errors import ConfigError
from mlconnector.model import Change, Mapped
from mlconnector.places import find_connection
from mlconnector.settings import Brake, SecretSettings

GOOD = """\
name: nordkran
state: state/nordkran.db
systems:
  erp: {kind: business_central, tenant: 9f0c, client_id: 1b2c, company: NORDKRAN}
  mail: {kind: mailchimp}
flows:
  customers_to_members:
    from: erp
    to: mail
    audience: Customers
    map:
      CUSTNO: number
      TYPE: null
      REGION: {from: country, lookup: {DE: South, NO: North}, default: Other}
    when: {blocked: {is: " "}}
  suppliers:
    kind: vendors_to_members
    from: erp
    to: mail
    audience: Suppliers
    on_delete: archive
"""


def load(folder: Path, text: str, env: dict[str, str] | None = None) -> Connection:
    file = folder / "c.yaml"
    file.write_text(text, "utf-8")
    return load_connection(file, env or {"HOME": "/home/anna"})


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    assert caught.value.exit_code == 2
    return caught.value.message.replace(f"{folder}/", "").splitlines()


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_file_becomes_a_connection(tmp_path: Path) -> None:
    connection = load(tmp_path, GOOD)
    assert connection.name == "nordkran"
    assert connection.path == tmp_path / "c.yaml"
    assert connection.state == tmp_path / "state/nordkran.db"
    assert connection.overlap == timedelta(minutes=10)
    assert connection.brake == Brake(share=30, at_least=20)
    assert [(one.alias, one.kind) for one in connection.systems.values()] == [
        ("erp", "business_central"),
        ("mail", "mailchimp"),
    ]
    assert connection.systems["erp"].settings.company == "NORDKRAN"
    assert connection.secret_names() == ["erp.client_secret", "mail.api_key"]


def test_a_flow_is_bound_to_its_mapping(tmp_path: Path) -> None:
    customers, suppliers = load(tmp_path, GOOD).flows
    assert (customers.flow.name, customers.kind, customers.options.audience) == (
        "customers_to_members",
        "customers_to_members",
        "Customers",
    )
    assert (suppliers.flow.name, suppliers.kind, suppliers.flow.entity) == (
        "suppliers",
        "vendors_to_members",
        "vendor",
    )
    assert suppliers.flow.on_delete == "archive"
    assert "TYPE" not in customers.rules
    assert {"country", "email", "blocked"} <= customers.flow.paths
    assert "type" not in customers.flow.paths
    assert [field.tag for field in customers.options.merge_fields][-1] == "REGION"
    record = {"email": "anna@nordkran.se", "country": "NO", "blocked": "_x0020_"}
    mapped = customers.flow.map(Change("customer", "1", "upsert", None, record))
    assert isinstance(mapped, Mapped)
    assert mapped.body["merge_fields"]["REGION"] == "North"


def test_a_flow_that_is_not_enabled_is_left_out_and_still_checked(tmp_path: Path) -> None:
    text = changed("    kind: vendors_to_members\n", "    kind: vendors_to_members\n    enabled: false\n")
    assert [bound.flow.name for bound in load(tmp_path, text).flows] == ["customers_to_members"]
    (problem,) = problems_of(tmp_path, text.replace("audience: Suppliers", "audience: 5"))
    assert problem == "c.yaml:21:5: flows.suppliers.audience: expected text, got number 5"


@pytest.mark.parametrize(
    ("text", "overlap"),
    [("90s", timedelta(seconds=90)), ("1h30m", timedelta(minutes=90)), ("2d", timedelta(days=2))],
)
def test_a_duration_has_a_unit(tmp_path: Path, text: str, overlap: timedelta) -> None:
    assert load(tmp_path, f"{GOOD}overlap: {text}\n").overlap == overlap


def test_the_state_file_is_in_the_users_state_folder_if_none_is_named(tmp_path: Path) -> None:
    text = changed("state: state/nordkran.db\n", "")
    assert load(tmp_path, text).state == Path("/home/anna/.local/state/mlconnector/nordkran.db")
    env = {"XDG_STATE_HOME": "/var/lib", "HOME": "/home/anna"}
    assert load(tmp_path, text, env).state == Path("/var/lib/mlconnector/nordkran.db")


BAD = """\
name: nord kran
overlap: 10
brake: {share: 300, atleast: 2}
system: 5
systems:
  erp:
    kind: business_central
    tenant: 9f0c
    client_secret: hunter2
    page_size: 500x
    base_url: http://erp.nordkran.se
  mail: {kind: mailchimpp, api_key: hunter2}
  mail2: {kind: mailchimp, auth: oath}
flows:
  customers_to_members:
    from: mail2
    to: erpp
    audiences: Customers
    new_members: subscribe
    map:
      custno: number
      COMPANY: displayname
      DATE: number
      X: {from: country, transform: [uper, trim], joint: " "}
      ADDRESS: {parts: {adr1: addressLine1, city: city, state: state, zip: postalCode}}
      V: number
      V: {value: 1}
      email_address: null
    when: {bloked: {is: " "}, balanceDue: {is: lots}}
  vendor_to_members:
    from: erp
"""

LIFE = "customers_to_members"
MEMBERS = (LIFE, "vendors_to_members")
"""The flows between systems of these kinds."""
EXPECTED = f"""\
c.yaml:1:1: name: text 'nord kran' does not look right: a short name of letters, digits, - _ and ., under which state and secrets are kept
c.yaml:2:1: overlap: expected text, got number 10: how far each run reads back behind the last one, such as 10m, 90s, 1h or 2d
c.yaml:3:9: brake.share: 300 is too large, at most 100
c.yaml:3:21: brake.atleast: unknown setting (did you mean 'at_least'?)
c.yaml:4:1: system: unknown setting (did you mean 'systems'?)
c.yaml:6:3: systems.erp: needs 'client_id'
c.yaml:6:3: systems.erp: needs 'company'
c.yaml:9:5: systems.erp.client_secret: secrets do not stand in this file; run: mlconnector secrets set <name> erp.client_secret
c.yaml:10:5: systems.erp.page_size: expected a whole number, got text '500x'
c.yaml:11:5: systems.erp.base_url: plain http is only allowed to this machine (127.0.0.1, localhost); use https://
c.yaml:12:10: systems.mail.kind: text 'mailchimpp' is not business_central or mailchimp or pipedrive (did you mean 'mailchimp'?)
c.yaml:12:28: systems.mail.api_key: secrets do not stand in this file; run: mlconnector secrets set <name> mail.api_key
c.yaml:13:28: systems.mail2.auth: text 'oath' is not one of api_key, oauth (did you mean 'oauth'?)
c.yaml:15:3: flows.{LIFE}: needs 'audience'
c.yaml:16:5: flows.{LIFE}.from: {LIFE} needs a business_central system, 'mail2' is mailchimp (did you mean 'erp'?)
c.yaml:17:5: flows.{LIFE}.to: there is no system 'erpp' under 'systems' (did you mean 'mail2'?)
c.yaml:18:5: flows.{LIFE}.audiences: unknown setting (did you mean 'audience'?)
c.yaml:19:5: flows.{LIFE}.new_members: text 'subscribe' is not one of pending, subscribed, transactional, unsubscribed (did you mean 'subscribed'?)
c.yaml:20:5: flows.{LIFE}.map: a member needs 'email_address'
c.yaml:21:7: flows.{LIFE}.map.custno: a merge tag is written in capitals (did you mean 'CUSTNO'?)
c.yaml:22:7: flows.{LIFE}.map.COMPANY: the source has no field 'displayname' (did you mean 'displayName'?)
c.yaml:23:7: flows.{LIFE}.map.DATE: DATE is a name that Mailchimp keeps for itself
c.yaml:24:38: flows.{LIFE}.map.X.transform[0]: there is no transform 'uper' (did you mean 'upper'?)
c.yaml:24:51: flows.{LIFE}.map.X.joint: unknown setting (did you mean 'join'?)
c.yaml:25:17: flows.{LIFE}.map.ADDRESS.parts: Mailchimp takes no address without addr1
c.yaml:25:25: flows.{LIFE}.map.ADDRESS.parts.adr1: an address has no such part (did you mean 'addr1'?)
c.yaml:27:7: flows.{LIFE}.map.V: stands here twice, first in line 26
c.yaml:29:12: flows.{LIFE}.when.bloked: the source has no field 'bloked' (did you mean 'blocked'?)
c.yaml:29:44: flows.{LIFE}.when.balanceDue.is: 'balanceDue' is a number
c.yaml:30:3: flows.vendor_to_members: there is no such flow (did you mean 'vendors_to_members'?); there are {", ".join(MEMBERS)}
"""  # noqa: E501 - the lines as they are printed


def test_every_problem_comes_at_once_with_its_line_and_what_was_meant(tmp_path: Path) -> None:
    assert problems_of(tmp_path, BAD) == EXPECTED.splitlines()


@pytest.mark.parametrize(
    ("key", "command"),
    [
        ("api_key", "mail.api_key"),
        ("access_token", "mail.access_token"),
        *[
            (key, "mail.api_key (or mail.access_token)")
            for key in ("token", "client_secret", "password", "refresh-token", "apiKey", "Secret")
        ],
    ],
)
def test_a_secret_in_the_file_is_refused_never_shown_and_answered_with_one_that_there_is(
    tmp_path: Path, key: str, command: str
) -> None:
    text = changed("mail: {kind: mailchimp}", f"mail: {{kind: mailchimp, {key}: [hunter2]}}")
    (problem,) = problems_of(tmp_path, text)
    assert problem.endswith(f"run: mlconnector secrets set nordkran {command}")
    assert "hunter2" not in problem


def test_the_secret_that_the_settings_need_is_named_first(tmp_path: Path) -> None:
    text = changed("mail: {kind: mailchimp}", "mail: {kind: mailchimp, auth: oauth, token: hunter2}")
    (problem,) = problems_of(tmp_path, text)
    assert problem.endswith("secrets set nordkran mail.access_token (or mail.api_key)")
    text = changed("company: NORDKRAN", "company: NORDKRAN, secret: hunter2")
    (problem,) = problems_of(tmp_path, text)
    assert problem.endswith("secrets set nordkran erp.client_secret (or erp.password)")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:8801", ""),
        ("http://localhost:8801/api/v2.0", ""),
        ("http://[::1]:8801", ""),
        ("https://erp.nordkran.se", ""),
        ("http://127.0.0.1.nordkran.se", "plain http"),
        ("http://10.0.0.1", "plain http"),
        ("https://anna:hunter2@erp.nordkran.se", "a name or password has no place"),
        ("ftp://127.0.0.1", "begins with https://"),
        ("erp.nordkran.se", "begins with https://"),
        ("http://[::1", "not a web address"),
    ],
)
def test_plain_http_goes_to_this_machine_only(tmp_path: Path, url: str, says: str) -> None:
    text = changed("company: NORDKRAN", f'company: NORDKRAN, base_url: "{url}"')
    if not says:
        assert load(tmp_path, text).systems["erp"].settings.base_url == url
        return
    (problem,) = problems_of(tmp_path, text)
    assert says in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("name: nordkran\n", "", "c.yaml:1:1: needs 'name'"),
        (
            "  mail: {kind: mailchimp}",
            "  mail:",
            "c.yaml:5:3: systems.mail.kind: needs 'kind': business_central or mailchimp or pipedrive",
        ),
        (
            "  mail: {",
            "  m.ail: {",
            "c.yaml:5:3: systems.m.ail: a system's name is made of letters, digits, - and _, and begins with a letter",
        ),
        ("state: state/nordkran.db", "state: state/", "c.yaml:2:1: state: this is no name of a file"),
        (
            "state: state/nordkran.db",
            "overlap: 31d",
            "c.yaml:2:1: overlap: is longer than 30 days; sync --full reads everything again",
        ),
        (
            "    kind: vendors_to_members\n",
            "",
            f"c.yaml:16:3: flows.suppliers: there is no such flow; there are {', '.join(MEMBERS)}",
        ),
        (
            "    map:\n",
            "    mapp:\n",
            "c.yaml:11:5: flows.customers_to_members.mapp: unknown setting (did you mean 'map'?)",
        ),
        (
            "from: erp\n    to: mail\n    audience: Suppliers",
            "to: mail\n    audience: Suppliers",
            "c.yaml:16:3: flows.suppliers: needs 'from'",
        ),
    ],
)
def test_a_problem_is_reported_where_it_stands(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert says in problems_of(tmp_path, changed(old, new))


def test_a_file_that_is_no_group_is_said_so(tmp_path: Path) -> None:
    for text in ("just text", "[a, b]", "5"):
        (problem,) = problems_of(tmp_path, text)
        assert "a connection file begins with 'name:', 'systems:' and 'flows:'" in problem


FOLDER = Path(tempfile.mkdtemp(prefix="mlconnector-test-"))


@pytest.fixture(scope="module", autouse=True)
def _remove_folder() -> Iterator[None]:
    yield
    for file in FOLDER.iterdir():
        file.unlink()
    FOLDER.rmdir()


def loads_or_says_why(text: str) -> None:
    try:
        assert isinstance(load(FOLDER, text), Connection)
    except ConfigError as error:
        assert error.message


@given(st.text())
def test_any_text_gives_a_connection_or_a_configuration_error(text: str) -> None:
    loads_or_says_why(text.encode("utf-8", "replace").decode())


PIECES = [
    "null",
    "[]",
    "{}",
    "5",
    "true",
    "'x'",
    "{from: [number]}",
    "[number, 1]",
    "{is: {in: []}}",
    "-1.5",
    "&a b",
]


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(GOOD) - 1), st.integers(0, 12), st.sampled_from(PIECES) | st.text(max_size=5)
        ),
        min_size=1,
        max_size=3,
    )
)
def test_a_damaged_file_gives_a_connection_or_a_configuration_error(edits: list[Any]) -> None:
    text = GOOD
    for at, length, new in edits:
        text = text[:at] + new + text[at + length :]
    loads_or_says_why(text.encode("utf-8", "replace").decode())


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab "\\', max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=4,
)


ADDRESSES = [
    "http://127.0.0.1:abc/X",
    "https://x:99999",
    "https://x:0",
    "https://[::1",
    "https://x ",
    "nav:7048",
    "",
    5,
]


@given(
    st.sampled_from([("from", "erp"), ("to", "mail")]),
    st.sampled_from(["erp", "mail", "nobody", "", None, 5, ["erp"]]) | VALUE,
)
def test_any_end_of_a_flow_gives_a_connection_or_a_configuration_error(
    line: tuple[str, str], value: Any
) -> None:
    old = f"    {line[0]}: {line[1]}\n"
    loads_or_says_why(changed(old, f"    {line[0]}: {json.dumps(value)}\n"))


@given(
    st.sampled_from(["base_url", "login_url"]),
    st.sampled_from(["company: NORDKRAN", "kind: mailchimp"]),
    st.sampled_from(ADDRESSES) | st.text("ab:/[]@.%?#0 ", max_size=8).map("https://{}".format) | VALUE,
)
def test_any_address_gives_a_connection_or_a_configuration_error(key: str, after: str, value: Any) -> None:
    loads_or_says_why(changed(after, f"{after}, {key}: {json.dumps(value)}"))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "from: erp\n    to: mail\n    audience: Suppliers",
            "from: mail\n    to: mail\n    audience: Suppliers",
            "c.yaml:18:5: flows.suppliers.from: vendors_to_members needs a business_central system, 'mail' is"
            " mailchimp (did you mean 'erp'?)",
        ),
        (
            "from: erp\n    to: mail\n    audience: Suppliers",
            "from: mail\n    to: erp\n    audience: Suppliers",
            "c.yaml:18:5: flows.suppliers.from: vendors_to_members needs a business_central system, 'mail' is"
            " mailchimp (did you mean 'erp'?)",
        ),
    ],
)
def test_a_flow_from_a_system_of_another_kind_is_told_with_the_one_that_fits(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert problems_of(tmp_path, changed(old, new))[0] == says


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://nav:abc/BC", "the port of a web address is a number from 1 to 65535"),
        ("https://nav:99999/BC", "the port of a web address is a number from 1 to 65535"),
        ("https://nav:0/BC", "the port of a web address is a number from 1 to 65535"),
        ("https://nav:7048/BC ", "holds a blank; a web address has none"),
    ],
)
def test_an_address_with_a_port_or_a_blank_that_leads_nowhere_is_refused(
    tmp_path: Path, url: str, says: str
) -> None:
    for after in ("company: NORDKRAN", "kind: mailchimp"):
        (problem,) = problems_of(tmp_path, changed(after, f'{after}, base_url: "{url}"'))
        assert problem.endswith(f".base_url: {says}")
    (problem,) = problems_of(tmp_path, f'{GOOD}healthcheck: {{ping_url: "{url}"}}\n')
    assert problem == f"c.yaml:22:15: healthcheck.ping_url: {says}"


def test_a_backslash_in_double_quotes_is_told_to_want_single_quotes(tmp_path: Path) -> None:
    for name in (r"NORDKRAN\nav", r"NORDKRAN\bsync"):
        (problem,) = problems_of(tmp_path, changed("company: NORDKRAN", f'company: "{name}"'))
        assert problem.startswith(
            "c.yaml:4:64: systems.erp.company: holds a control character; in double quotes"
        )
        assert "single quotes" in problem
    for name in (r"NORDKRAN\sync", r"NORDKRAN\xavier"):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, changed("company: NORDKRAN", f'company: "{name}"'))
        assert "c.yaml:4:" in caught.value.message and "single quotes" in caught.value.hint


def test_a_line_end_in_a_mapping_is_meant(tmp_path: Path) -> None:
    load(tmp_path, changed("CUSTNO: number", 'CUSTNO: {from: [number, email], join: "\\n"}'))


@pytest.mark.parametrize(("company", "says"), [('""', "is empty"), ('"  "', "does not look right")])
def test_a_company_without_a_name_is_refused(tmp_path: Path, company: str, says: str) -> None:
    (problem,) = problems_of(tmp_path, changed("company: NORDKRAN", f"company: {company}"))
    assert says in problem and problem.startswith("c.yaml:4:64: systems.erp.company: ")


def test_a_file_of_100_megabytes_is_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "c.yaml").open("wb") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    with pytest.raises(ConfigError, match="is over 1 MB"):
        load_connection(tmp_path / "c.yaml")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10_000_000


@given(st.sampled_from(["name", "state", "overlap", "brake", "secrets", "systems", "flows"]), VALUE)
def test_any_value_of_a_setting_gives_a_connection_or_a_configuration_error(key: str, value: Any) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{key}:")]
    loads_or_says_why("\n".join([*lines, f"{key}: {json.dumps(value)}"]))


def test_a_connection_is_found_by_path_and_by_name(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    folder = tmp_path / "mlconnector"
    folder.mkdir()
    (folder / "nordkran.yaml").touch()
    assert find_connection("x/y.yaml", env) == Path("x/y.yaml")
    assert find_connection("nordkran", env) == folder / "nordkran.yaml"
    assert find_connection(None, env) == folder / "nordkran.yaml"
    assert find_connection(None, {**env, "MLCONNECTOR_CONNECTION": "a.yml"}) == Path("a.yml")


def test_a_connection_that_is_not_found_says_where_it_was_looked_for(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    folder = tmp_path / ".config/mlconnector"
    with pytest.raises(ConfigError, match=str(folder)):
        find_connection(None, env)
    with pytest.raises(ConfigError, match=str(folder / "nordkran.yaml")):
        find_connection("nordkran", env)
    folder.mkdir(parents=True)
    (folder / "a.yaml").touch()
    (folder / "b.yaml").touch()
    with pytest.raises(ConfigError, match="holds a, b"):
        find_connection(None, env)


def test_reading_a_file_imports_nothing_heavy() -> None:
    heavy = ["requests", "keyring", "rich", "sqlite_utils", "sqlite3", "click", "tenacity"]
    code = f"import sys, mlconnector.config; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_of_two_flows_into_one_audience_neither_may_archive(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "name: n\nsystems:\n  erp: {kind: business_central, tenant: t, client_id: c, company: C}\n"
        "  mail: {kind: mailchimp}\nflows:\n"
        "  customers_to_members: {from: erp, to: mail, audience: All, on_delete: archive}\n"
        "  vendors_to_members: {from: erp, to: mail, audience: all}\n"
    )
    with pytest.raises(ConfigError, match=r"customers_to_members\.on_delete: cannot be archive"):
        load_connection(file, {})


def test_where_secrets_are_looked_for_is_a_setting(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).secrets == SecretSettings()
    text = GOOD + 'secrets: {command: [pass, show, "{connection}/{name}"], keyring: true}\n'
    assert load(tmp_path, text).secrets == SecretSettings(
        command=("pass", "show", "{connection}/{name}"), keyring=True
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{command: [pass, show]}", "secrets.command: needs {name} in one of its words"),
        ("{command: []}", "secrets.command: needs {name} in one of its words"),
        ('{command: [pass, "{conection}/{name}"]}', "secrets.command: {conection} is not known here"),
        ('{command: ["", "{name}"]}', "secrets.command[0]: is empty"),
        ("{command: pass show}", "secrets.command: expected a list, got text 'pass show'"),
        ("{keyring: maybe}", "secrets.keyring: expected true or false"),
        ("{keyrings: false}", "unknown setting; secrets do not stand in this file (did you mean 'keyring'?)"),
        (
            "{erp.client_secret: hunter2}",
            "secrets do not stand in this file; run: mlconnector secrets set nordkran SYSTEM.NAME",
        ),
        ("{erp: {client_secret: hunter2}}", "secrets do not stand in this file"),
        (
            "hunter2",
            "secrets: secrets do not stand in this file; here stand command, keyring, allow_plaintext_keyring",
        ),
        ("[hunter2]", "secrets: secrets do not stand in this file"),
    ],
)
def test_a_mistake_under_secrets_is_one_sentence_that_shows_no_secret(
    tmp_path: Path, given: str, says: str
) -> None:
    (problem,) = problems_of(tmp_path, f"{GOOD}secrets: {given}\n")
    assert says in problem
    assert "hunter2" not in problem


def with_authorities(name: str) -> str:
    return changed("company: NORDKRAN}", f"company: NORDKRAN, ca_bundle: {name}}}")


@pytest.mark.parametrize("name", ["ca.pem", "./tls/../ca.pem", "~/ca.pem"])
def test_a_file_of_authorities_is_found_beside_the_connection_file_wherever_cron_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "ca.pem").write_bytes(Path(DEFAULT_CA_BUNDLE_PATH).read_bytes())
    monkeypatch.chdir("/")
    connection = load(tmp_path, with_authorities(name), {"HOME": str(tmp_path)})
    found = Path(connection.systems["erp"].settings.ca_bundle)
    assert found.is_absolute() and found.samefile(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no file "),
        (b"\x30\x82\x03\x01", "holds no certificate in PEM"),
        ("a folder", "cannot be read (Is a directory)"),
    ],
)
def test_a_file_of_authorities_that_cannot_serve_is_a_problem_of_the_file(
    tmp_path: Path, content: bytes | str | None, says: str
) -> None:
    if isinstance(content, bytes):
        (tmp_path / "ca.pem").write_bytes(content)
    elif content:
        (tmp_path / "ca.pem").mkdir()
    (problem,) = problems_of(tmp_path, with_authorities("ca.pem"))
    assert (
        problem.startswith("c.yaml:4:83: systems.erp.ca_bundle: ") and says in problem and "ca.pem" in problem
    )


@pytest.mark.parametrize(
    ("api", "field", "says"),
    [
        (
            "v1.0",
            "salespersonCode",
            "API v1.0 has no field 'salespersonCode'; take it out, or use one of: id, number",
        ),
        (
            "beta",
            "creditLimit",
            "API beta has no field 'creditLimit'; take it out, or use one of: id, number",
        ),
        ("odata", "type", "OData V4 has no field 'type'; take it out, or use one of: number, displayName"),
    ],
)
def test_a_field_that_an_interface_does_not_have_is_told_with_those_it_has(
    tmp_path: Path, api: str, field: str, says: str
) -> None:
    text = changed("company: NORDKRAN", f"company: NORDKRAN, api: {api}").replace(
        "TYPE: null", f"TYPE: {field}"
    )
    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith(f"c.yaml:13:7: flows.customers_to_members.map.TYPE: {says}")


def test_a_flow_knows_the_fields_without_which_nothing_can_be_sent(tmp_path: Path) -> None:
    text = changed("CUSTNO: number", "email_address: {from: [email, website], first: true}")
    assert [bound.flow.needs for bound in load(tmp_path, text).flows] == [{"email", "website"}, {"email"}]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "company: NORDKRAN",
            "company: NORDKRAN, services: {customer: Kunde}",
            "c.yaml:4:83: systems.erp.services: does nothing without api: odata; take it out, or set api: odata",
        ),
        (
            "kind: mailchimp}",
            "kind: mailchimp, login_url: https://login.mailchimp.com}",
            "c.yaml:5:27: systems.mail.login_url: does nothing with auth: api_key; take it out, or set auth: oauth",
        ),
        (
            "company: NORDKRAN",
            "company: NORDKRAN, base_url: https://nav:7048/BC/api/v2.0/companies",
            "c.yaml:4:83: systems.erp.base_url: goes too far; write base_url: https://nav:7048/BC/api/v2.0",
        ),
    ],
)
def test_a_setting_without_effect_and_a_pasted_address_are_problems_with_line_and_column(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert problems_of(tmp_path, changed(old, new)) == [says]


def test_a_connection_file_that_lies_in_the_current_folder_is_named_where_none_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"HOME": str(tmp_path / "home")}
    folder = tmp_path / "home" / ".config" / "mlconnector"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    for name, wanted in ((None, folder / "NAME.yaml"), ("nordkran", folder / "nordkran.yaml")):
        with pytest.raises(ConfigError) as caught:
            find_connection(name, env)
        assert caught.value.hint.endswith(f"mlconnector init -o {wanted}")
    (tmp_path / "nordkran.yaml").write_text("name: nordkran\nflows:\n")
    for name in (None, "nordkran"):
        with pytest.raises(ConfigError) as caught:
            find_connection(name, env)
        assert "-c nordkran.yaml " in caught.value.hint
        assert caught.value.hint.endswith(f"mkdir -p {folder} && mv nordkran.yaml {folder}/")


DAY = "won_since: 2026-12-01"
PAIR = """\
name: deals
systems:
  crm: {kind: pipedrive, company_domain: acme}
  erp: {kind: business_central, tenant: t.example.com, client_id: c, company: Nordkran}
flows:
  deals_to_documents:
    from: crm
    to: erp
    won_since: 2026-12-01
"""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("won_since: 31.12.2026", """won_since: text '31.12.2026' is no date: write "2026-12-31"\n"""),
        (
            "won_since: 12/31/2026",
            """won_since: text '12/31/2026' is no date: write year, month and day, such as""",
        ),
        ("won_since: 2026-02-30", "is no date, there is no such day"),
        ("won_since:", 'won_since: is empty: write a day such as "2026-12-31"'),
        ('won_since: ""', 'won_since: is empty: write a day such as "2026-12-31"'),
        ("post: true", "needs 'won_since', a day such as \"2026-12-31\""),
        (
            "won_since: 2026-12-01\n  deal_to_document: {from: crm, to: erp}",
            "there are organizations_to_customers, ",
        ),
    ],
)
def test_a_day_that_is_none_is_told_where_it_stands_and_what_to_write(
    tmp_path: Path, given: str, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, PAIR.replace(DAY, given))
    place = {"post: true": ":6:3:"}.get(given, ":10:3:" if "\n" in given else ":9:5:")
    assert says in f"{caught.value.message}\n" and place in caught.value.message
    assert "members" not in caught.value.message and "\n" not in caught.value.message
