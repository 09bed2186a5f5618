"""Codes of small tables that values are checked against: countries and currencies (fact sheet 2.7, 2.17)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from mlconnector.errors import Rejected
from mlconnector.spelling import country_spellings
from mlconnector.systems.business_central.api import Api
from mlconnector.systems.business_central.find import stream


class Codes:
    """The codes of one company; each table is read once a run, and only if something is checked against it."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @cached_property
    def local_currency(self) -> str:
        """The company's own currency, in capitals."""
        return self._api.local_currency().upper()

    def country(self, text: str) -> str | None:
        """The code for a code, an ISO code or a name; None if there is none (trap T37)."""
        wanted = text.strip().upper()
        known = self._countries
        for one in (wanted, *sorted(country_spellings(wanted))):
            if one in known:
                return known[one]
        return None

    def currency(self, text: str) -> str:
        """The code as records show it, the local one for ""; Rejected for a currency that is not there."""
        code = text.strip().upper()
        if code in ("", self.local_currency):
            return self.local_currency
        if code not in self._currencies:
            raise Rejected(f"there is no currency {code[:10]} in Business Central", code="unknown-currency")
        return code

    @cached_property
    def _currencies(self) -> frozenset[str]:
        return frozenset(str(row["code"]) for row in stream(self._api, "currencies", {"$select": "code"}))

    @cached_property
    def _countries(self) -> Mapping[str, str]:
        """By code and by name in capitals; a code comes before a name."""
        rows = list(stream(self._api, "countriesRegions", {"$select": "code,displayName"}))
        names = {str(row.get("displayName", "")).strip().upper(): str(row["code"]) for row in rows}
        return {**names, **{str(row["code"]).upper(): str(row["code"]) for row in rows}}
