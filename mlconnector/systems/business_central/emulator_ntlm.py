"""The server's side of NTLM, by `pyspnego` (it comes with the extra `windows`); a handshake belongs to a connection.

The fact sheet (1.3) names the scheme and no more; the messages are those of any Windows server.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = "NTLM_USER_FILE"
_GARBAGE = (ValueError, IndexError, StopIteration, struct.error)
"""What its parsers raise for a message that is none."""
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Account:
    """A Windows user."""

    domain: str
    name: str
    password: str


def shake_hands(connection: dict[str, Any], token: str, account: Account) -> tuple[str, bool]:
    """The server's next message (base64, empty if there is none) and whether the caller is known now.

    A wrong password ends the handshake with no message. RuntimeError if `pyspnego` is not installed.
    """
    try:
        import spnego
    except ImportError:
        raise RuntimeError("Windows credentials need pyspnego: pip install pyspnego") from None
    try:
        received = base64.b64decode(token, validate=True)
    except binascii.Error:
        return "", False
    bare = received.startswith(b"NTLMSSP\0")
    with _one_at_a_time, _known(account):
        context = connection.pop("handshake", None)
        if context is None:
            options = spnego.NegotiateOptions  # its own code, not the machine's Kerberos
            chosen = ("ntlm", options.use_ntlm) if bare else ("negotiate", options.use_negotiate)
            context = spnego.server(protocol=chosen[0], options=chosen[1])
        try:
            answer = context.step(received)
        except (spnego.exceptions.SpnegoError, *_GARBAGE):
            return "", False
    if context.complete:
        connection["user"] = context.client_principal
        return "", True
    connection["handshake"] = context
    return base64.b64encode(answer or b"").decode(), False


@contextmanager
def _known(account: Account) -> Iterator[None]:
    """`pyspnego` takes its users from a file that the environment names."""
    before = os.environ.get(_FILE)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "users"
        file.write_text(f"{account.domain}:{account.name}:{account.password}\n", "utf-8")
        os.environ[_FILE] = str(file)
        try:
            yield
        finally:
            os.environ.pop(_FILE) if before is None else os.environ.update({_FILE: before})
