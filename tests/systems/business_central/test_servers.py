"""Our side of servers of one's own: log-in, what `check` says, and whole runs from the command line."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from mlconnector.errors import AuthError, ConfigError, ConnectorError, Stop
from mlconnector.flows import FLOWS
from mlconnector.mapping import compile_map
from mlconnector.model import Change, Flow, Mapped, Skip, Step, Tools
from mlconnector.systems.business_central import SYSTEM, Settings
from mlconnector.systems.business_central.emulator import CLIENT_ID, CLIENT_SECRET, TENANT, BusinessCentral

from .serving import PASSWORD, USER, Site, serving

APIS = {"onprem": "v2.0", "bc14": "v1.0", "nav2018": "odata", "nav2017": "odata"}


def connect(site: Site, password: str = PASSWORD, **changes: Any) -> Any:
    profile = site.server.profile
    given = {
        "base_url": site.root, "api": APIS.get(profile, "odata"), "login": "basic", "user": USER,
        "company": site.bc.companies[0].name, **changes,
    }  # fmt: skip
    secrets = {"password": password, "client_secret": CLIENT_SECRET}
    return SYSTEM.connect(
        Settings(**given), secrets, Tools(site.bc.clock.now, lambda seconds: None, "nordkran erp")
    )


def flow(*paths: str, entity: str = "customer") -> Flow:
    wanted = frozenset({"number", "displayName", "email", *paths})
    return Flow(
        "f",
        "erp",
        entity,
        "mail",
        "member",
        lambda change: Skip("no", ""),
        paths=wanted,
        needs=frozenset({"email"}),
    )


def records(connected: Any, *paths: str) -> dict[str, Change]:
    reader = connected.source([flow(*paths)])
    return {
        change.record["number"]: change for batch in reader.read("customer", None) for change in batch.changes
    }


def findings(connected: Any, *paths: str) -> list[str]:
    return [f"{one.level}: {one.message} / {one.remedy}" for one in connected.check([(flow(*paths), None)])]


# the same record, whatever the server

FIELDS = [
    "addressLine1", "addressLine2", "city", "state", "country", "postalCode", "phoneNumber", "email", "website",
    "taxRegistrationNumber", "blocked", "customerFinancialDetail.balance",
]  # fmt: skip


@pytest.mark.parametrize("profile", ["bc14", "nav2018", "nav2017"])
def test_a_record_maps_to_the_same_whatever_the_server(profile: str) -> None:
    kind = FLOWS["customers_to_members"]
    rules = {name: line for name, line in kind.default_map.items() if name != "TYPE"}
    rules["BALANCE"] = kind.optional_map["BALANCE"]
    with serving("onprem") as newest, serving(profile) as other:
        found = []
        for site in (newest, other):
            connected = connect(site)
            compiled = compile_map(rules, SYSTEM.fields_of(connected._settings, "customer"))
            assert not compiled.problems
            rows = records(connected, *FIELDS)
            found.append({number: compiled(rows[number].record) for number in sorted(rows)})
    assert found[0] == found[1] and len(found[0]) > 5


def test_a_field_of_the_page_is_read_under_its_own_name() -> None:
    with serving("nav2018") as site:
        site.bc.edit("customers", "10000", regionManager="Nord")
        connected = connect(site)
        fields, sample = connected.describe("customer", [])
        assert {"displayName", "Region_Manager", "E_Mail"} <= {one.name for one in fields}
        assert "number" in sample
        assert records(connected, "Region_Manager")["10000"].record["Region_Manager"] == "Nord"


def test_a_blank_date_of_a_page_is_empty() -> None:
    with serving("nav2018") as site:
        site.bc.edit_by_code("customers", "10000", displayName="By code")
        rows = records(connect(site), "Last_Date_Modified")
        assert all(row.record.get("Last_Date_Modified") != "0001-01-01" for row in rows.values())


def test_a_renumbered_customer_is_gone_under_its_old_number() -> None:
    with serving("nav2018") as site:
        site.bc.renumber("customers", "10000", "10000X")
        reader = connect(site).source([flow()])
        assert [one.kind for one in reader.fetch("customer", ["10000", "10000X"])] == ["delete", "upsert"]


# log-in


@pytest.mark.parametrize("profile", list(APIS))
@pytest.mark.parametrize("login", ["basic", "windows"])
def test_each_server_is_read_with_each_log_in(profile: str, login: str) -> None:
    pytest.importorskip("requests_ntlm", reason="the extra `windows` is not installed")
    switches = {"credentials": "Windows"} if login == "windows" else {}
    with serving(profile, **switches) as site:
        user = f"{site.server.domain}\\{USER}" if login == "windows" else USER
        assert "10000" in records(connect(site, login=login, user=user))


def test_an_access_key_serves_as_password() -> None:
    with serving("nav2018") as site:
        assert "10000" in records(connect(site, password=site.server.access_key))


def test_a_server_that_takes_tokens_is_named_by_its_whole_address() -> None:
    with serving("onprem", credentials="AccessControlService") as site:
        tokens = {
            "login": "entra",
            "user": "",
            "tenant": TENANT,
            "client_id": CLIENT_ID,
            "login_url": site.url,
        }
        assert "10000" in records(connect(site, base_url=f"{site.root}/api/v2.0", **tokens))


@pytest.mark.parametrize(
    ("login", "credentials", "hint"),
    [
        ("basic", "NavUserPassword", "store the password"),
        ("basic", "Windows", "login: windows"),
        ("windows", "NavUserPassword", "login: basic"),
        ("windows", "Windows", "DOMAIN\\user"),
        ("basic", "AccessControlService", "set login: entra"),
        ("windows", "AccessControlService", "set login: entra"),
    ],
)
def test_a_refused_password_and_the_wrong_log_in_are_told_apart(
    login: str, credentials: str, hint: str
) -> None:
    with serving("nav2018", credentials=credentials) as site, pytest.raises(AuthError) as caught:
        records(connect(site, "wrong", login=login))
    assert hint in caught.value.hint and "wrong" not in str(caught.value)


def test_a_refused_password_names_the_command_that_stores_it() -> None:
    with serving("nav2018") as site, pytest.raises(AuthError) as caught:
        records(connect(site, "wrong"))
    assert caught.value.hint.endswith("mlconnector secrets set nordkran erp.password")


def test_windows_log_in_without_its_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "requests_ntlm", None)
    with serving("nav2018") as site, pytest.raises(ConfigError) as caught:
        connect(site, login="windows")
    assert "pip install requests-ntlm" in caught.value.hint


def test_a_tenant_goes_with_every_call() -> None:
    with serving("nav2018", tenants=("default", "other")) as site:
        with pytest.raises(ConnectorError):
            records(connect(site))
        assert "10000" in records(connect(site, server_tenant="default", page_size=3))
        assert all("tenant=default" in str(entry.query) or entry.status == 400 or entry.query.get("tenant")
                   for entry in site.bc.log)  # fmt: skip


@pytest.mark.parametrize("profile", list(APIS))
@pytest.mark.parametrize("status", [400, 404, 503])
@pytest.mark.parametrize(
    ("named", "said"), [("", "names none"), ("t3", "no tenant 't3'")], ids=["none", "another"]
)
def test_a_tenant_that_is_missing_or_not_mounted_is_the_files_matter_and_nothing_to_wait_for(
    profile: str, status: int, named: str, said: str
) -> None:
    with serving(profile, tenants=("default", "t2"), tenant_status=status) as site:
        connected = connect(site, server_tenant=named)
        with pytest.raises(ConfigError) as caught:
            records(connected)
        assert said in caught.value.message and caught.value.hint.startswith("set server_tenant: ")
        (line,) = findings(connected)
        assert "set server_tenant: " in line
        assert connected.usage()["retries"] == 0


def test_a_wrong_interface_of_a_multitenant_server_is_still_told_with_what_it_has() -> None:
    with serving("nav2017", tenants=("default", "t2")) as site:
        (line,) = findings(connect(site, api="v2.0"))
    assert "no API v2.0 (404) / set api: odata" in line


# what check says


def test_check_finds_nothing_to_complain_of() -> None:
    for profile in APIS:
        with serving(profile) as site:
            assert all(line.startswith("ok: ") for line in findings(connect(site)))


@pytest.mark.parametrize(
    ("profile", "switches", "changes", "said"),
    [
        ("nav2016", {}, {}, "OData V3 only"),
        ("nav2018", {}, {"api": "beta"}, "switched off"),
        ("nav2018", {"odata_services_enabled": False}, {}, "switched off"),
        ("nav2018", {"services": {"CustomerCard": 21}}, {}, "services: {customer: its name}"),
        (
            "nav2018",
            {"page_fields": {"Customer": ["-E_Mail"]}},
            {},
            "nothing can be sent without it: add E_Mail to",
        ),
        (
            "nav2018",
            {"page_fields": {"Customer": ["-Name"]}},
            {},
            "add Name to page 21 (Customer Card), or take displ",
        ),
        (
            "nav2018",
            {"page_fields": {"Customer": ["-Name", "-City"]}},
            {},
            "does not show Name; it shows No, Name_2",
        ),
        ("nav2018", {"page_fields": {"Customer": ["-Last_Date_Modified"]}}, {}, "add Last_Date_Modified to"),
        ("nav2018", {}, {"company": "Nobody AB"}, "ompany"),
        ("bc14", {}, {"api": "v2.0"}, "no API v2.0 (404) / set api: v1.0 (odata, beta would do as well)"),
        ("onprem", {}, {"api": "beta"}, "no API beta (404) / set api: v2.0"),
        ("nav2017", {}, {"api": "v2.0"}, "no API v2.0 (404) / set api: odata; there is v2.0 from Business"),
        (
            "nav2018",
            {},
            {"api": "v1.0"},
            "switched off on this server (405) / set api: odata, or set ApiServ",
        ),
        (
            "nav2018",
            {"api_services_enabled": True},
            {"api": "v1.0"},
            "set api: odata (beta would do as well)",
        ),
        ("nav2018", {"odata_services_enabled": False}, {"api": "v2.0"}, "/ set ApiServicesEnabled and OData"),
        (
            "onprem",
            {},
            {"company": "cronus int"},
            "no company 'cronus int' / set company to one of: CRONUS Int",
        ),
        (
            "nav2018",
            {},
            {"company": "cronus int"},
            "no company 'cronus int' / set company to one of: CRONUS I",
        ),
    ],
)
def test_every_refusal_is_named_with_its_remedy(
    profile: str, switches: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    with serving(profile, **switches) as site:
        lines = findings(connect(site, **changes))
        assert any(line.startswith("error: ") and said in line for line in lines), lines


def test_a_field_of_the_page_that_is_misspelled_is_answered_with_the_one_that_was_meant() -> None:
    with serving("nav2018") as site:
        lines = findings(connect(site), "Curency_Code", "Nothing_Like_It")
    (near,) = [line for line in lines if "Curency_Code" in line]
    assert "does not show Curency_Code (did you mean 'Currency_Code'?) / write it as" in near
    assert "it shows" not in near
    (far,) = [line for line in lines if "Nothing_Like_It" in line]
    assert "it shows No, " in far


@pytest.mark.parametrize("profile", ["bc14", "nav2018", "onprem"])
def test_what_is_overdue_is_the_same_figure_on_every_server(profile: str) -> None:
    name = "customerFinancialDetail.overdueAmount"
    with serving(profile) as site:
        site.bc.touch_balance("10000", 500)
        detail = records(connect(site), name)["10000"].record["customerFinancialDetail"]
    with serving("onprem") as newest:
        newest.bc.touch_balance("10000", 500)
        wanted = records(connect(newest), name)["10000"].record["customerFinancialDetail"]["overdueAmount"]
    assert detail["overdueAmount"] == wanted


def test_what_to_write_for_another_interface_is_what_the_loader_takes() -> None:
    with serving("bc14") as site:
        named = {"api": "v2.0", "base_url": f"{site.root}/api/v2.0"}
        (line,) = [line for line in findings(connect(site, **named)) if "no API v2.0 (404)" in line]
        assert f"set api: v1.0 and base_url: {site.root}/api/v1.0 (odata" in line
        written = {"api": "v1.0", "base_url": f"{site.root}/api/v1.0"}
        assert list(SYSTEM.problems({"login": "basic", "user": USER, **written})) == []
        assert "10000" in records(connect(site, **written))


def test_an_instance_that_is_not_there_is_no_matter_of_the_interface() -> None:
    with serving("nav2018") as site:
        (line,) = findings(connect(site, base_url=f"{site.url}/NAV"))
    assert (
        "nothing of Business Central or NAV answers" in line
        and "check base_url (host, port, instance)" in line
    )


@pytest.mark.parametrize("profile", ["onprem", "nav2018"])
def test_the_company_that_was_probably_meant_is_named_first(profile: str) -> None:
    companies = ["Another AG", "CRONUS AG", "Nordkran AB", "Zenith"]
    with serving(profile, companies=companies) as site, pytest.raises(ConfigError) as caught:
        records(connect(site, company="Nordcran AB"))
    assert caught.value.hint.startswith("set company to one of: Nordkran AB, ")
    assert all(name in caught.value.hint for name in companies)


def test_a_company_of_pages_in_other_letter_case_is_no_mistake_where_the_server_takes_it() -> None:
    with serving("nav2018") as site:
        assert all(
            line.startswith("ok: ") for line in findings(connect(site, company="CRONUS international LTD."))
        )


def test_a_page_with_another_name_is_found_by_services() -> None:
    with serving("nav2018", services={"CustomerCard": 21, "Vendor": 26}) as site:
        assert "10000" in records(connect(site, services={"customer": "CustomerCard"}))


# TLS


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A certificate authority, and a certificate of it for 127.0.0.1 with its key."""
    ca, ca_key, key, request, cert = (
        folder / name for name in ("ca.pem", "ca.key", "key", "csr", "cert.pem")
    )
    extensions = folder / "ext"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj"]
    for command in (
        [*new, "/CN=Nordkran CA", "-x509", "-days", "2", "-keyout", ca_key, "-out", ca],
        [*new, "/CN=127.0.0.1", "-keyout", key, "-out", request],
        ["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2",
         "-extfile", extensions, "-out", cert],
    ):  # fmt: skip
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
    return ca, cert, key


@contextmanager
def behind_tls(url: str, cert: Path, key: Path) -> Iterator[str]:
    """The same server behind a proxy that speaks TLS."""
    there = urlsplit(url)

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            inside = HTTPConnection(there.hostname or "", there.port)
            inside.request("GET", self.path, headers={**self.headers, "Accept-Encoding": "identity"})
            answer = inside.getresponse()
            body = answer.read().replace(url.encode(), f"https://127.0.0.1:{port}".encode())
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    port = server.server_address[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_certificate_authority_of_ones_own_is_trusted_by_its_file_and_not_otherwise(tmp_path: Path) -> None:
    ca, cert, key = _certificates(tmp_path)
    with serving("nav2018") as site, behind_tls(site.url, cert, key) as url:
        base = f"{url}/{site.server.instance}"
        assert "10000" in records(connect(site, base_url=base, ca_bundle=str(ca)))
        with pytest.raises(Stop, match="no trusted TLS connection") as caught:
            records(connect(site, base_url=base))
        assert "ca_bundle" in caught.value.hint


def test_a_missing_file_of_authorities_in_the_environment_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
    with serving("nav2018") as site, pytest.raises(ConfigError, match="certificate authorities"):
        records(connect(site, base_url="https://127.0.0.1:9/DynamicsNAV110"))


def test_the_online_profile_is_as_it_was() -> None:
    assert BusinessCentral().server is None


# servers of one's own as targets


def into(entity: str, source: str = "organization") -> Flow:
    return Flow("to_erp", "crm", source, "erp", entity, lambda change: Skip("no", ""))


def new(number: str) -> Step:
    return Step("create", number, Mapped(f"any:{number}", {"displayName": f"Firma {number}"}, b""))


@pytest.mark.parametrize("tenant", ["", "default"])
def test_a_server_of_ones_own_is_written_to_like_the_one_online(tenant: str) -> None:
    with serving("onprem", tenants=(tenant,) if tenant else ()) as site:
        target = connect(site, server_tenant=tenant).target(
            into("customer"), SimpleNamespace(conflict="source")
        )
        outcomes = target.write("customer", [new("1"), new("2")])
        assert [outcome.status for outcome in outcomes] == ["created", "created"]
        names = [row["displayName"] for row in site.bc.rows("customers")]
        assert names.count("Firma 1") == names.count("Firma 2") == 1


@pytest.mark.parametrize("profile", ["bc14", "nav2018"])
def test_older_interfaces_are_only_read_from_and_that_is_said(profile: str) -> None:
    with serving(profile) as site:
        connected = connect(site)
        with pytest.raises(ConfigError, match="only read from") as refused:
            connected.target(into("customer"), SimpleNamespace(conflict="source"))
        assert "needs api: v2.0" in refused.value.hint
        errors = [one for one in connected.check([(into("customer"), None)]) if one.level == "error"]
        assert "a flow into Business Central needs api: v2.0" in [one.remedy for one in errors]
        with pytest.raises(ConfigError, match="item records"):
            connected.source([flow(entity="item")])
