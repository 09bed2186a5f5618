"""What a server is: which product, under which address, what it listens to (table of fact sheet 1.5).

`online` is no server of this kind and has no line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """A product as it is installed. `api_enabled` is the switch's usual position, `page_limit` the usual page size.

    1,000 rows a page in NAV is a guess: the sheet only says that the number differed.
    """

    instance: str
    build: str
    versions: tuple[str, ...] = ()
    odata_v4: bool = True
    odata_v3: bool = False
    api_enabled: bool = True
    old_etag: bool = True
    page_limit: int = 20_000


PROFILES: Mapping[str, Profile] = {
    "onprem": Profile("BC", "25.4.29661.29727", ("v2.0", "v1.0"), old_etag=False),
    "bc14": Profile("BC140", "14.0.29537.0", ("v1.0", "beta"), odata_v3=True),
    "nav2018": Profile(
        "DynamicsNAV110", "11.0.19394.0", ("beta",), odata_v3=True, api_enabled=False, page_limit=1000
    ),
    "nav2017": Profile("DynamicsNAV100", "10.0.13682.0", odata_v3=True, page_limit=1000),
    "nav2016": Profile("DynamicsNAV90", "9.0.42815.0", odata_v4=False, odata_v3=True, page_limit=1000),
}
