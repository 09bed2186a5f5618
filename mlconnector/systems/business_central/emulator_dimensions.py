"""The code behind default dimensions (fact sheet 2.8). Left out: dimension sets of documents, shortcut dimensions.

Texts that the sheet does not have: those for a missing dimension and for a value of another one.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlconnector.systems.business_central.emulator_answers import refused
from mlconnector.systems.business_central.emulator_company import Company
from mlconnector.systems.business_central.emulator_field import NO_GUID, encode_option
from mlconnector.systems.business_central.emulator_hooks import Hooks
from mlconnector.systems.business_central.emulator_masters import DIMENSION_VALUES
from mlconnector.systems.business_central.emulator_write import Draft, read

_PARENTS: Mapping[str, str] = {"customers": "Customer", "vendors": "Vendor", "items": "Item"}


def _settle(company: Company, draft: Draft, now: int) -> None:
    """Codes follow the ids, the type of the parent follows the URL; the parent's stamp stays."""
    dimension, value = draft.row("dimensions", draft["dimensionId"]), None
    if dimension is None:
        raise refused('A "dimensionId" must be provided.')
    if draft["dimensionValueId"] != NO_GUID:
        value = company.tables["dimensionValues"].by_id[draft["dimensionValueId"]]
    if value is not None and read(DIMENSION_VALUES, value, "dimensionId") != dimension.id:
        raise refused("The dimension value does not belong to the dimension.")
    draft["dimensionCode"] = dimension.key
    draft["dimensionValueCode"] = read(DIMENSION_VALUES, value, "code") if value is not None else ""
    draft["place"] = f"{draft['parentId']}/{dimension.key}"
    kinds = [kind for name, kind in _PARENTS.items() if draft["parentId"] in company.tables[name].by_id]
    draft["parentType"] = encode_option(kinds[0] if kinds else "")


DEFAULT_DIMENSION_HOOKS = Hooks(settle=_settle)
