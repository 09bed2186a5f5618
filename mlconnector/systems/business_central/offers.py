"""What a server offers, asked where it does not answer what the connection file asks it for (fact sheet 1.5).

`check`, `sync` and `fields` all say what is found here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlconnector.errors import ConfigError, Rejected
from mlconnector.systems.business_central.verdict import SYSTEM, Unserved

if TYPE_CHECKING:
    from mlconnector.systems.business_central.api import Api

_BEST_FIRST = {"v2.0": "/api/v2.0", "v1.0": "/api/v1.0", "odata": "/ODataV4", "beta": "/api/beta"}
_OLD = "/OData"
_WHO_HAS_WHAT = (
    "v2.0 from Business Central 17 on, v1.0 from 14 to 27, beta in NAV 2018 and Business Central 13 to 18,"
    " odata (published pages) from NAV 2017 on"
)
_SWITCH = {True: "ODataServicesEnabled", False: "ApiServicesEnabled and ODataServicesEnabled"}


def instead(api: Api, error: Rejected | Unserved) -> ConfigError | None:
    """Why the interface that was asked does not serve, and what to do; None if it does, or if nobody can tell."""
    asked = api.dialect
    if not api.knows_instance() or api.serves(asked.path):
        return None
    offered = [name for name, path in _BEST_FIRST.items() if path != asked.path and api.serves(path)]
    if not offered and api.serves(_OLD):
        return ConfigError(
            f"{SYSTEM}: this server answers OData V3 only, as NAV 2013 to 2016 do, and that cannot be read",
            hint="upgrade it: NAV 2017 brought OData V4 (publish pages 21 and 26 there, api: odata),"
            " Business Central 17 the API v2.0",
        )
    others = f" ({', '.join(offered[1:])} would do as well)" if offered[1:] else ""
    step = f"set api: {offered[0]}{api.address_for(_BEST_FIRST[offered[0]])}{others}" if offered else ""
    if error.status == 405:
        switch = f"set {_SWITCH[asked.pages]} on the server instance"
        return ConfigError(
            f"{SYSTEM}: {asked.name} is switched off on this server (405)",
            hint=f"{step}, or {switch}" if step else f"{switch}, or correct base_url",
        )
    if not offered:
        return ConfigError(
            f"{SYSTEM}: nothing of Business Central or NAV answers at this address ({error.status})",
            hint=f"check base_url (host, port, instance) and api; there is {_WHO_HAS_WHAT}",
        )
    return ConfigError(
        f"{SYSTEM}: this server has no {asked.name} ({error.status})",
        hint=f"{step}; there is {_WHO_HAS_WHAT}",
    )
