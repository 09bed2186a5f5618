"""The systems mlconnector can talk to: one line each, loaded when a connection names it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlconnector.systems.base import System

SYSTEMS = {
    "business_central": "mlconnector.systems.business_central",
    "mailchimp": "mlconnector.systems.mailchimp",
    "pipedrive": "mlconnector.systems.pipedrive",
}


def load_system(kind: str) -> System:
    """The `SYSTEM` of a kind in SYSTEMS; KeyError for any other."""
    system: System = import_module(SYSTEMS[kind]).SYSTEM
    return system
