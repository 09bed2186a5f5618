"""What two spellings of one thing have in common: keys by which records of two systems are matched. Pure.

Both sides use these, a flow for what it looks for and a system for what it finds. Never what is sent.
"""

from __future__ import annotations

import re
import unicodedata

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
