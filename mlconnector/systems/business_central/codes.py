"""Codes of small tables that values are checked against: countries and currencies (fact sheet 2.7, 2.17)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from mlconnector.errors import Rejected
from mlconnector.systems.business_central.api import Api
from mlconnector.systems.business_central.find import stream

_COUNTRIES = """
AE ARE United Arab Emirates
AR ARG Argentina
AT AUT Austria
AU AUS Australia
BE BEL Belgium
BG BGR Bulgaria
BR BRA Brazil
CA CAN Canada
CH CHE Switzerland
CL CHL Chile
CN CHN China
CY CYP Cyprus
CZ CZE Czechia
CZ CZE Czech Republic
DE DEU Germany
DK DNK Denmark
EE EST Estonia
EG EGY Egypt
EL GRC Greece
ES ESP Spain
FI FIN Finland
FO FRO Faroe Islands
FR FRA France
GB GBR United Kingdom
GB GBR Great Britain
GB GBR England
GB GBR Scotland
GB GBR Wales
GR GRC Greece
HK HKG Hong Kong
HR HRV Croatia
HU HUN Hungary
ID IDN Indonesia
IE IRL Ireland
IL ISR Israel
IN IND India
IS ISL Iceland
IT ITA Italy
JP JPN Japan
KR KOR South Korea
LI LIE Liechtenstein
LT LTU Lithuania
LU LUX Luxembourg
LV LVA Latvia
MT MLT Malta
MX MEX Mexico
MY MYS Malaysia
NL NLD Netherlands
NL NLD The Netherlands
NO NOR Norway
NZ NZL New Zealand
PL POL Poland
PT PRT Portugal
RO ROU Romania
RS SRB Serbia
SA SAU Saudi Arabia
SE SWE Sweden
SG SGP Singapore
SI SVN Slovenia
SK SVK Slovakia
TH THA Thailand
TR TUR Turkey
TR TUR Türkiye
TW TWN Taiwan
UA UKR Ukraine
UK GBR United Kingdom
US USA United States
US USA United States of America
VN VNM Vietnam
ZA ZAF South Africa
"""
"""ISO 3166 codes and English names; a company's own names come from its Countries/Regions."""


def _spellings() -> Mapping[str, frozenset[str]]:
    """Every spelling of a country, with all others of it."""
    groups: dict[str, set[str]] = {}
    for line in _COUNTRIES.strip().splitlines():
        two, three, name = line.split(" ", 2)
        groups.setdefault(three, {three}).update((two, name.upper()))
    return {one: frozenset(group) for group in groups.values() for one in group}


_SPELLINGS = _spellings()


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
        for one in (wanted, *sorted(_SPELLINGS.get(wanted, ()))):
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
