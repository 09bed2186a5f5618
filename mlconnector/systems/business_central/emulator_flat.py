"""Sets that cannot be read as a whole (fact sheet 2.5, 2.10, checklist E15)."""

from __future__ import annotations

import re

from mlconnector.systems.business_central.emulator_answers import refused
from mlconnector.systems.business_central.emulator_field import Entity

NO_DOCUMENT = "You must specify an Id or a Document Id to get the lines."
_LINES = ("salesOrderLines", "salesInvoiceLines")
_NAMED = re.compile(r"\b(?:id|documentId)\s+eq\s+[0-9a-f]", re.IGNORECASE)


def check_flat(entity: Entity, method: str, filter_text: str) -> None:
    """400 for lines without a document, and for the contacts and dimensions of nobody."""
    if entity.name in _LINES and method == "GET" and not _NAMED.search(filter_text):
        raise refused(NO_DOCUMENT)
    if entity.name == "contactsInformation":
        raise refused("id type not specified.")
    if entity.name == "defaultDimensions":
        raise refused("You must get to the parent first to get to the default dimensions.")
