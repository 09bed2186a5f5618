"""Which writer a flow gets, by the entity it leads into."""

from __future__ import annotations

from typing import Any

from mlconnector.errors import ConfigError
from mlconnector.model import Flow, Tools
from mlconnector.systems.base import Target
from mlconnector.systems.business_central.api import Api
from mlconnector.systems.business_central.codes import Codes
from mlconnector.systems.business_central.dialects import V2
from mlconnector.systems.business_central.documents import DocumentWriter
from mlconnector.systems.business_central.posting import PostingWriter
from mlconnector.systems.business_central.verdict import SYSTEM
from mlconnector.systems.business_central.write import RecordWriter

RECORDS = ("customer", "contact", "item")


def open_target(api: Api, codes: Codes, tools: Tools, flow: Flow, options: Any) -> Target:
    """The Target of a flow; `options` are the flow's own settings. Raises ConfigError for what cannot be written."""
    if api.dialect is not V2:
        raise ConfigError(
            f"{SYSTEM}: {api.dialect.name} is only read from", hint=f"flow {flow.name} needs api: v2.0"
        )
    if flow.into in RECORDS:
        return RecordWriter(
            api, codes, tools, conflict=options.conflict, too_long=getattr(options, "too_long", "clip")
        )
    if flow.into == "document":
        return DocumentWriter(api, codes, options)
    if flow.into == "posting":
        return PostingWriter(api, tools)
    raise ConfigError(
        f"{SYSTEM}: {flow.into} records are only read",
        hint=f"flow {flow.name}: put another entity under `to`",
    )
