"""What keeps one from reaching a server: names, ports, proxies, certificates, each as a sentence and its next step.

Errors of the standard library come in; which library wrapped them is `http`'s matter.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

LOOK_SECONDS = 5.0


class Trouble(NamedTuple):
    """What is in the way, without a full stop, and what to do about it."""

    why: str
    remedy: str


_REFUSED = Trouble(
    "nothing listens at that port (connection refused)",
    "start the service there, or correct the port in the connection file",
)
NO_NAME = Trouble(
    "its name is not found (DNS)",
    "correct the host in the connection file, or have this machine's name server know it (or its VPN be up)",
)
_NO_ROUTE = Trouble(
    "there is no route to it", "look at this machine's network, VPN and firewall, or correct the host"
)
_SILENT = Trouble(
    "nothing answers there in time",
    "a firewall in between may drop it, or host or port are wrong: have it let through, or correct them in the"
    " connection file",
)
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})


def cannot_connect(cause: BaseException) -> Trouble:
    """Why no connection came about."""
    if isinstance(cause, socket.gaierror):
        return NO_NAME
    if isinstance(cause, ConnectionRefusedError):
        return _REFUSED
    if isinstance(cause, TimeoutError):
        return _SILENT
    number = cause.errno if isinstance(cause, OSError) else None
    if number in _UNREACHABLE:
        return _NO_ROUTE
    why = cause.strerror if isinstance(cause, OSError) else ""
    return Trouble(why or type(cause).__name__, "look at this machine's network and firewall")


def proxy_in_the_way(cause: BaseException, proxy: str) -> Trouble:
    """Why the proxy of the environment did not help; its address is shown without user and password."""
    parts = urlsplit(proxy if "://" in proxy else f"//{proxy}")
    where = f"the proxy {parts.hostname}{f':{parts.port}' if parts.port else ''}"
    answered = re.search(r"Tunnel connection failed: (\d{3})", str(cause))
    if answered and answered[1] == "407":
        return Trouble(f"{where} asks for a log-in (407)", "put user and password into HTTPS_PROXY")
    remedy = "correct HTTPS_PROXY, or name the host in NO_PROXY if no proxy leads to it"
    if answered:
        return Trouble(f"{where} does not let it through ({answered[1]})", remedy)
    return Trouble(f"{where} does not serve: {cannot_connect(cause).why}", remedy)


# TLS

_ASK = "ask its administrator for the certificate of {} (PEM) and name that file in ca_bundle (or REQUESTS_CA_BUNDLE)"
_ASK_MORE = (
    "the file that ca_bundle or REQUESTS_CA_BUNDLE names, {}, does not hold it: ask for the certificate of {} (PEM)"
    " and put it there"
)
_SIGNED_BY_ITSELF, _NOT_YET, _EXPIRED = 18, 9, 10
_UNKNOWN_ISSUER = frozenset({2, 19, 20, 21, 27})
_OTHER_NAME = frozenset({62, 64})
_OLD = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW"}
)
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"})
_RENEW = "have the certificate replaced at the server; if it should be valid, set this machine's clock"


def no_trust(
    cause: BaseException, host: str, authorities: str, *, port: int | None, own: bool = False
) -> Trouble:
    """Why TLS did not come about.

    `port` None: a proxy is in between, so no closer look is taken. `own`: the file of authorities is one that somebody
    named, not the usual one.
    """
    reason = getattr(cause, "reason", None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code in _OTHER_NAME:
            return _other_name(host, _certificate_names(host, port, authorities) if port else None)
        return _refused_certificate(cause, partial(_ASK_MORE.format, authorities) if own else _ASK.format)
    if reason in _OLD:
        return Trouble(
            "it speaks no TLS as new as 1.2",
            "switch on TLS 1.2 at the server (Windows: Schannel), or put a reverse proxy that speaks it before it",
        )
    if reason in _NO_TLS:
        return Trouble(
            "what answers there is not TLS, most likely plain http",
            "switch on SSL for this port at the server, or correct the port in the connection file",
        )
    said = (reason or type(cause).__name__).replace("_", " ").lower()
    return Trouble(f"the handshake failed ({said})", "look at the TLS settings and the log of the server")


def _other_name(host: str, names: tuple[str, ...] | None) -> Trouble:
    """`names` are those of the certificate; None if nobody knows."""
    new = f"have a certificate made for {host}"
    if names == ():
        return Trouble(
            f"its certificate is for no host at all: it has no Subject Alternative Name for {host} or any other",
            f"{new}, with that name as Subject Alternative Name (DNS); a Common Name alone does not count",
        )
    known = f"for {', '.join(names)}, not " if names else "not "
    use = f"write {names[0]} as the host" if names else "write a name that it has as the host"
    return Trouble(f"its certificate is {known}for {host}", f"{use} in the connection file, or {new}")


def _refused_certificate(cause: ssl.SSLCertVerificationError, ask: Callable[[str], str]) -> Trouble:
    """`ask` says how to have it trusted, told whose certificate it takes."""
    code = cause.verify_code
    if code == _SIGNED_BY_ITSELF:
        return Trouble("its certificate is signed by itself", ask("the server itself"))
    if code in _UNKNOWN_ISSUER:
        why = "its certificate comes from an authority that this machine does not know"
        return Trouble(why, ask("that authority"))
    if code == _EXPIRED:
        return Trouble("its certificate has expired", _RENEW)
    if code == _NOT_YET:
        return Trouble("its certificate is not valid yet", _RENEW)
    return Trouble(f"its certificate is refused ({cause.verify_message})", _RENEW)


def _certificate_names(host: str, port: int, authorities: str) -> tuple[str, ...] | None:
    """The names in a server's certificate, looked up once more for the message; None if it cannot be had.

    Who issued it is checked as always, and nothing is sent; only its names are not compared, since they are wanted.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    try:
        folder = Path(authorities).is_dir()
        context.load_verify_locations(None if folder else authorities, authorities if folder else None)
        with (
            socket.create_connection((host, port), LOOK_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            found = secure.getpeercert() or {}
    except (OSError, ValueError):
        return None
    return tuple(str(pair[1]) for pair in found.get("subjectAltName", ()))


def authorities_problem(file: Path) -> str:
    """What keeps a file from being one of certificate authorities, in a sentence; nothing if it is one."""
    try:
        if not file.exists():
            return f"there is no file {file}; put it there, or correct the name"
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        return (
            f"{file} holds no certificate in PEM (text with BEGIN CERTIFICATE); a binary .cer or .der becomes one by:"
            " openssl x509 -inform der -in FILE.cer -out FILE.pem"
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return f"{file} cannot be read ({why}); name a file in PEM that this user may read"
    return ""
