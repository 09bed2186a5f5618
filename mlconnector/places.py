"""Where files are: the connection file that is meant, and the user's folders."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mlconnector.errors import ConfigError
from mlconnector.yamlfile import LARGEST

_FLOWS = re.compile(rb"^flows:", re.MULTILINE)


def find_connection(name: str | None, env: Mapping[str, str] = os.environ) -> Path:
    """The file that is meant: a path, or a name in the user's configuration folder.

    Without a name: `$MLCONNECTOR_CONNECTION`, then the only file in that folder. Raises ConfigError that says where
    it looked.
    """
    name = name or env.get("MLCONNECTOR_CONNECTION")
    folder = user_folder(env, "XDG_CONFIG_HOME", ".config")
    if not name:
        return _only_file(folder)
    if os.sep in name or name.endswith((".yaml", ".yml")):
        return Path(name).expanduser() if name.startswith("~/") else Path(name)
    named = folder / f"{name}.yaml"
    if named.is_file():
        return named
    raise ConfigError(
        f"there is no connection {name!r}: looked for {named}",
        hint=_lying_here(named) or f"name a file, or write one: mlconnector init -o {named}",
    )


def _only_file(folder: Path) -> Path:
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if len(files) == 1:
        return files[0]
    if files:
        names = ", ".join(file.stem for file in files)
        raise ConfigError(f"which connection? {folder} holds {names}", hint="name one on the command line")
    raise ConfigError(
        f"no connection is named, $MLCONNECTOR_CONNECTION is not set and {folder} holds no .yaml file",
        hint=_lying_here(folder) or f"write one: mlconnector init -o {folder / 'NAME.yaml'}",
    )


def _lying_here(wanted: Path) -> str:
    """The next step if the current folder holds a connection file that may be the one; "" otherwise."""
    folder = wanted.parent if wanted.suffix else wanted
    with suppress(OSError):
        here = Path.cwd()
        for file in [here / wanted.name] if wanted.suffix else sorted(here.glob("*.yaml")):
            if file.is_file() and _FLOWS.search(file.read_bytes()[:LARGEST]):
                move = f"mkdir -p {folder} && mv {file.name} {folder}/"
                return f"name the one in this folder: -c {file.name}   or move it: {move}"
    return ""


def user_folder(env: Mapping[str, str], variable: str, otherwise: str) -> Path:
    """This package's folder below an XDG base folder (a relative one is not heeded, as XDG says)."""
    base = env.get(variable, "")
    if not base.startswith("/"):
        base = f"{env.get('HOME') or Path.home()}/{otherwise}"
    return Path(base) / "mlconnector"
