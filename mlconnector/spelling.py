"""What two spellings of one thing have in common: keys by which records of two systems are matched. Pure.

Both sides use these, a flow for what it looks for and a system for what it finds. Never what is sent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

_BETWEEN = re.compile(r"[\W_]+")
_LEGAL_FORMS = """
ab ag aps as asa bv bvba co company corp corporation eurl gmbh inc incorporated ivs kft kg kgaa limited llc llp
ltd mbh nv oy oyj plc pty sa sarl sas se sia sl spa srl sro uab zoo
"""
"""At the end of a name they say little: the same firm is often written with and without. Dots are gone by then."""


_ONE_FORM = {"limited": "ltd", "incorporated": "inc", "corporation": "corp", "company": "co"}


def plain_name(text: str) -> str:
    """A name without letter case, accents of width, punctuation and legal form: `NORDKRAN A/S.` is `nordkran`.

    A name that is nothing but a legal form stays as it is, so that it matches only itself.
    """
    return " ".join(_split_name(text)[0])


def legal_forms(text: str) -> frozenset[str]:
    """What stands at the end of a name: `Nordkran GmbH & Co. KG` is `gmbh`, `co` and `kg`."""
    return frozenset(_ONE_FORM.get(word, word) for word in _split_name(text)[1])


def _split_name(text: str) -> tuple[list[str], list[str]]:
    """The words of a name, and its legal forms behind them."""
    low = unicodedata.normalize("NFKC", text).casefold()
    words = _BETWEEN.sub(" ", re.sub(r"(?<=\w)[./](?=\w)|(?<=\w)\.", "", low)).split()
    end = len(words)
    while end > 1 and words[end - 1] in _LEGAL_FORMS.split():
        end -= 1
    return words[:end], words[end:]


def plain_tax(text: str) -> str:
    """A tax or VAT number without blanks and signs: `SE 556677-8899 01` is `SE556677889901`."""
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper()


def plain_email(text: str) -> str:
    """An e-mail address without letter case and outer blanks."""
    return text.strip().lower()


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


@cache
def _countries() -> Mapping[str, frozenset[str]]:
    """Every spelling of a country, with all others of it."""
    groups: dict[str, set[str]] = {}
    for line in _COUNTRIES.strip().splitlines():
        two, three, name = line.split(" ", 2)
        groups.setdefault(three, {three}).update((two, name.upper()))
    return {one: frozenset(group) for group in groups.values() for one in group}


def country_spellings(text: str) -> frozenset[str]:
    """Codes and English names of the country, in capitals; of one that is not known what was given."""
    wanted = text.strip().upper()
    return _countries().get(wanted, frozenset({wanted}))
