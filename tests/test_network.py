"""What is said when a server cannot be reached: each cause by itself, with host, port and the next step."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from mlconnector.errors import ConfigError, ConnectorError, Later, Stop
from mlconnector.http import Http, Limits, unexpected
from mlconnector.model import Tools
from mlconnector.network import authorities_problem, cannot_connect

PROXIES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _nobody_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def refusal(url: str, authorities: Path | None = None) -> ConnectorError:
    """What comes of one call there."""
    tools = Tools(lambda: datetime.now(UTC), lambda seconds: None)
    limits, bundle = Limits(attempts=1, connect_timeout=3, read_timeout=3), str(authorities or "")
    http = Http("erp", url, lambda answer: unexpected("erp", answer), tools, limits=limits, ca_bundle=bundle)
    with pytest.raises(ConnectorError) as caught:
        http.send("GET", "/things")
    told = f"{caught.value.message} {caught.value.hint}".lower()
    assert not any(word in told for word in ("verify=", "insecure", "disable", "switch off", "ignore"))
    return caught.value


@contextmanager
def listening(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port at which each caller is talked to like this."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client, suppress(OSError):
                        talk(client)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def answering(line: bytes) -> Callable[[socket.socket], object]:
    def talk(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(b"HTTP/1.1 " + line + b"\r\nContent-Length: 0\r\n\r\n")

    return talk


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# no connection


def test_a_name_that_is_not_found_is_told_as_such() -> None:
    error = refusal("https://nav.invalid:7048/BC")
    assert isinstance(error, Later)
    assert "cannot connect to nav.invalid:7048: its name is not found (DNS)" in error.message
    assert "correct the host" in error.hint and "the next run goes on" in error.hint


def test_a_closed_port_is_told_as_such() -> None:
    port = free_port()
    error = refusal(f"https://127.0.0.1:{port}/BC")
    assert f"cannot connect to 127.0.0.1:{port}: nothing listens at that port" in error.message
    assert "start the service" in error.hint and "port" in error.hint


@pytest.mark.parametrize(
    ("cause", "why", "remedy"),
    [
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route", "firewall"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "no route", "VPN"),
        (TimeoutError("timed out"), "in time", "firewall"),
        (PermissionError(errno.EPERM, "Operation not permitted"), "Operation not permitted", "firewall"),
        (ValueError("anything"), "ValueError", "network"),
    ],
)
def test_no_route_and_silence_are_told_apart(cause: Exception, why: str, remedy: str) -> None:
    trouble = cannot_connect(cause)
    assert why in trouble.why and remedy in trouble.remedy


@pytest.mark.parametrize(
    ("line", "why", "remedy"),
    [
        (
            b"407 Proxy Authentication Required",
            "asks for a log-in (407)",
            "user and password into HTTPS_PROXY",
        ),
        (b"502 Bad Gateway", "does not let it through (502)", "NO_PROXY"),
    ],
)
def test_a_proxy_that_refuses_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, line: bytes, why: str, remedy: str
) -> None:
    with listening(answering(line)) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://anna:hunter2@127.0.0.1:{port}")
        error = refusal("https://nav.invalid:7048")
    assert f"cannot connect to nav.invalid:7048: the proxy 127.0.0.1:{port} {why}" in error.message
    assert remedy in error.hint and "hunter2" not in f"{error.message}{error.hint}"


def test_a_proxy_that_is_not_there_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    error = refusal("https://nav.invalid:7048")
    assert "the proxy proxy.invalid:3128 does not serve: its name is not found" in error.message
    assert "correct HTTPS_PROXY" in error.hint


# TLS


def certificate(
    folder: Path,
    *names: str,
    issuer: Path | None = None,
    days: tuple[int, int] = (-1, 1),
    common_name_only: bool = False,
) -> Path:
    """A certificate for these names with its key in one PEM; without an issuer signed by itself."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def called(text: str) -> object:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def spelled(name: str) -> object:
        return x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)

    key = ec.generate_private_key(ec.SECP256R1())
    by_name, by_key = called(names[0]), key
    if issuer is not None:
        by_name = x509.load_pem_x509_certificate(issuer.read_bytes()).subject
        by_key = serialization.load_pem_private_key(issuer.read_bytes(), None)
    today = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(by_name, called(names[0]), key.public_key(), x509.random_serial_number())
        .not_valid_before(today + timedelta(days=days[0]))
        .not_valid_after(today + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if not common_name_only:
        built = built.add_extension(x509.SubjectAlternativeName(list(map(spelled, names))), critical=False)
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / f"{names[0]}.pem"
    file.write_bytes(
        built.sign(by_key, hashes.SHA256()).public_bytes(encoding)
        + key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    )
    return file


@contextmanager
def speaking_tls(file: Path, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if newest < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = newest
    context.load_cert_chain(file)
    with listening(lambda client: context.wrap_socket(client, server_side=True)) as port:
        yield port


def test_a_certificate_signed_by_itself_and_one_of_an_unknown_authority_are_told_apart(
    tmp_path: Path,
) -> None:
    authority = certificate(tmp_path, "authority")
    for issuer, why in (
        (None, "its certificate is signed by itself"),
        (authority, "an authority that this machine does not know"),
    ):
        with speaking_tls(certificate(tmp_path, "127.0.0.1", issuer=issuer)) as port:
            error = refusal(f"https://127.0.0.1:{port}")
        assert isinstance(error, Stop) and f"127.0.0.1:{port}: " in error.message and why in error.message
        assert "ask its administrator" in error.hint and "ca_bundle" in error.hint


def test_a_certificate_of_another_name_is_told_with_the_names_it_has(tmp_path: Path) -> None:
    file = certificate(tmp_path, "nav.nordkran.se", "10.0.0.5")
    with speaking_tls(file) as port:
        error = refusal(f"https://127.0.0.1:{port}", file)
    assert "its certificate is for nav.nordkran.se, 10.0.0.5, not for 127.0.0.1" in error.message
    assert "write nav.nordkran.se as the host" in error.hint


def test_a_certificate_with_nothing_but_a_common_name_is_told_to_be_for_no_host(tmp_path: Path) -> None:
    file = certificate(tmp_path, "localhost", common_name_only=True)
    with speaking_tls(file) as port:
        error = refusal(f"https://localhost:{port}", file)
    assert "for no host at all" in error.message and "Subject Alternative Name" in error.message
    assert "write" not in error.hint and "a Common Name alone does not count" in error.hint


@pytest.mark.parametrize("signed_by_itself", [True, False])
def test_a_file_with_another_authority_is_named_and_not_asked_for_once_more(
    tmp_path: Path, signed_by_itself: bool
) -> None:
    authority, other = certificate(tmp_path, "authority"), certificate(tmp_path, "another{0}")
    server = certificate(tmp_path, "127.0.0.1", issuer=None if signed_by_itself else authority)
    with speaking_tls(server) as port:
        error = refusal(f"https://127.0.0.1:{port}", other)
    assert f"ca_bundle or REQUESTS_CA_BUNDLE names, {other}, does not hold it" in error.hint
    assert "put it there" in error.hint and "name that file" not in error.hint


def test_a_certificate_that_is_over_and_one_that_is_to_come_are_told_as_such(tmp_path: Path) -> None:
    for days, why in (((-9, -2), "has expired"), ((2, 9), "is not valid yet")):
        file = certificate(tmp_path, "127.0.0.1", days=days)
        with speaking_tls(file) as port:
            error = refusal(f"https://127.0.0.1:{port}", file)
        assert why in error.message and "replaced" in error.hint and "clock" in error.hint


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_a_tls_that_is_too_old_is_told_as_such(tmp_path: Path) -> None:
    file = certificate(tmp_path, "127.0.0.1")
    with speaking_tls(file, ssl.TLSVersion.TLSv1_1) as port:
        error = refusal(f"https://127.0.0.1:{port}", file)
    assert "no TLS as new as 1.2" in error.message and "TLS 1.2" in error.hint


def test_plain_http_at_a_port_of_https_is_told_as_such() -> None:
    with listening(answering(b"400 Bad Request")) as port:
        error = refusal(f"https://127.0.0.1:{port}")
    assert f"127.0.0.1:{port}: what answers there is not TLS, most likely plain http" in error.message
    assert "switch on SSL" in error.hint


def test_a_file_that_holds_no_authority_is_told_and_not_taken_for_the_servers_fault(tmp_path: Path) -> None:
    file = tmp_path / "ca.cer"
    file.write_bytes(b"\x30\x82\x01\x01")
    with speaking_tls(certificate(tmp_path, "127.0.0.1")) as port:
        error = refusal(f"https://127.0.0.1:{port}", file)
    assert isinstance(error, ConfigError) and "ca.cer holds no certificate in PEM" in error.message


def test_a_file_of_authorities_is_looked_at_before_it_is_needed(tmp_path: Path) -> None:
    assert authorities_problem(certificate(tmp_path, "authority")) == ""
    assert "there is no file" in authorities_problem(tmp_path / "nothing.pem")
    assert "cannot be read (Is a directory)" in authorities_problem(tmp_path)
    (tmp_path / "key.pem").write_text("hello")
    assert "openssl x509 -inform der" in authorities_problem(tmp_path / "key.pem")
