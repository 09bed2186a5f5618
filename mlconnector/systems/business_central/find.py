"""Looks records up by what they hold (fact sheet 3.1 to 3.5). Every hit is checked here too: a filter may vanish (T1).

All reads go to the primary, so that they see what was written just now.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mlconnector.errors import ConfigError, Later, Rejected, Stop
from mlconnector.http import Answer
from mlconnector.spelling import plain_email, plain_name, plain_tax
from mlconnector.systems.business_central.api import RECORD, URL_LENGTH, Api, Part, decode_row, read_page
from mlconnector.systems.business_central.batch import carry_out
from mlconnector.systems.business_central.dialects import is_guid, quoted

Row = Mapping[str, Any]
Found = dict[str, list[str]]
NUMBER_LENGTH, DOCUMENT_LENGTH = 20, 35
SLIM_PAGE = 5000
"""Rows of three fields: as heavy as a page of some hundred whole records."""
_SEE_CHECK = "run: mlconnector check, which names what this Business Central does not have"
DOCUMENT_SETS: Mapping[str, str] = {"order": "salesOrders", "invoice": "salesInvoices"}


def plain_emails(text: str) -> list[str]:
    """The addresses of a field that may hold several, as they are compared."""
    return [plain_email(one) for one in re.split(r"[;,\s]+", text) if one]


_SPELLINGS: Mapping[str, tuple[str, Callable[[str], list[str]]]] = {
    "tax": ("taxRegistrationNumber", lambda text: [plain_tax(text)]),
    "email": ("email", plain_emails),
    "name": ("displayName", lambda text: [plain_name(text)]),
}
"""By kind of key the field, and what one looks for in it."""

_ALONE = "name:/"
"""So begins the key of a person that belongs to no company."""


class Finder:
    """Finds customers, contacts, items and sales documents of one company."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Remote ids by key. Raises Stop or Later.

        customer: `number:`, `tax:`, `email:`, `name:`; contact: `email:`, `name:<customer id>/<plain name>`, or
        `name:/<plain name>` of those without a company; item: `number:`; document: `document:<external document
        number>`. Other keys are nowhere.
        """
        if entity == "document":
            return self._documents([key for key in keys if key.startswith("document:")])
        entity_set = self._api.dialect.sets.get(entity)
        if entity_set is None:
            return {}
        found = self._numbers(entity_set, keys)
        if entity == "customer":
            found |= self._listed(entity_set, "", [key for key in keys if _kind(key) in _SPELLINGS])
        elif entity == "contact":
            emails = [key for key in keys if _kind(key) == "email"]
            found |= self._listed(entity_set, "type eq 'Person'", emails)
            names = [key for key in keys if _kind(key) == "name"]
            found |= self._in_companies([key for key in names if not key.startswith(_ALONE)])
            found |= self._without_company(entity_set, [key for key in names if key.startswith(_ALONE)])
        return found

    def _numbers(self, entity_set: str, keys: Collection[str]) -> Found:
        wanted = _by_value(keys, "number", lambda text: [text.strip().upper()])
        found: Found = defaultdict(list)
        for row in rows_where(self._api, entity_set, "number", wanted, ["id", "number"], NUMBER_LENGTH):
            for key in wanted.get(str(row["number"]).upper(), ()):
                found[key].append(str(row["id"]))
        return dict(found)

    def _listed(self, entity_set: str, test: str, keys: Sequence[str]) -> Found:
        """One pass over the list, of which only the hits are kept: these fields cannot be filtered for sure (3.3)."""
        kinds = {_kind(key) for key in keys}
        if not kinds:
            return {}
        wanted = {kind: _by_value(keys, kind, _SPELLINGS[kind][1]) for kind in kinds}
        fields = ["id", *sorted(_SPELLINGS[kind][0] for kind in kinds), *(["type"] if test else [])]
        found: Found = defaultdict(list)
        for row in stream(self._api, entity_set, {"$filter": test, "$select": ",".join(fields)}):
            if test and row.get("type") != "Person":
                continue
            for kind, by_value in wanted.items():
                field, spell = _SPELLINGS[kind]
                for value in dict.fromkeys(spell(str(row.get(field) or ""))):
                    for key in by_value.get(value, ()):
                        found[key].append(str(row["id"]))
        return dict(found)

    def _in_companies(self, keys: Sequence[str]) -> Found:
        """Persons by name among the contacts of a customer: `name:<customer id>/<plain name>`."""
        found: Found = defaultdict(list)
        customers = {key.partition(":")[2].partition("/")[0].lower() for key in keys}
        for customer, rows in contacts_of(self._api, sorted(customers)).items():
            for row in rows:
                key = f"name:{customer}/{plain_name(str(row.get('contactName')))}"
                if row.get("contactType") == "Person":
                    found[key].append(str(row["contactId"]))
        asked = {key: f"name:{_plain_within(key.partition(':')[2])}" for key in keys}
        return {key: found[plain] for key, plain in asked.items() if plain in found}

    def _without_company(self, entity_set: str, keys: Sequence[str]) -> Found:
        """Persons by name among those that belong to no company."""
        wanted = _by_value(keys, "name", lambda text: [plain_name(text.removeprefix("/"))])
        found: Found = defaultdict(list)
        options = {"$filter": "type eq 'Person'", "$select": "id,companyNumber,displayName,type"}
        for row in stream(self._api, entity_set, options) if wanted else ():
            if row.get("type") == "Person" and not row.get("companyNumber"):
                for key in wanted.get(plain_name(str(row.get("displayName"))), ()):
                    found[key].append(str(row["id"]))
        return dict(found)

    def _documents(self, keys: Sequence[str]) -> Found:
        """In both sets, drafts and posted ones; an invoice that was made of an order found here is that order."""
        wanted = _by_value(keys, "document", lambda text: [text.strip().upper()])
        found: Found = defaultdict(list)
        for value, rows in documents_by_number(self._api, wanted).items():
            orders = {row["number"] for kind, row in rows if kind == "order"}
            for kind, row in rows:
                made_of = row.get("orderNumber") or ""
                if kind == "invoice" and made_of in orders:
                    continue
                orders.update([made_of] if made_of else [])
                for key in wanted.get(value, ()):
                    found[key].append(f"{kind}/{row['id']}")
        return dict(found)


def documents_by_number(api: Api, numbers: Collection[str]) -> Mapping[str, list[tuple[str, Row]]]:
    """Sales orders and invoices by external document number in capitals: `order` or `invoice`, and the row."""
    found: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    field = "externalDocumentNumber"
    asked = [number for number in numbers if 0 < len(number) <= DOCUMENT_LENGTH]
    wanted = {number.upper() for number in asked}
    lists: list[tuple[str, str]] = []
    for kind, entity_set in DOCUMENT_SETS.items():
        shown = ["id", "number", field, "status"]
        shown += ["orderId", "orderNumber", "remainingAmount"] if kind == "invoice" else []
        lists += [(kind, url) for url in _questions(api, entity_set, field, asked, shown)]
    results = carry_out(api, [Part("GET", url) for _, url in lists])
    for (kind, url), result in zip(lists, results, strict=True):
        if isinstance(result, Stop | Later):
            raise result
        for row in _rows(api, result) if isinstance(result, Answer) else follow(api, url):
            if str(row.get(field)).upper() in wanted:
                found[str(row[field]).upper()].append((kind, row))
    return found


def contacts_of(api: Api, customers: Sequence[str]) -> Mapping[str, list[Row]]:
    """`contactsInformation` of each of these customers (section 2.5); one that is gone is left out."""
    customers = [customer for customer in customers if is_guid(customer)]
    parts = [
        Part("GET", f"{api.address('customers', {}, customer)}/contactsInformation") for customer in customers
    ]
    found: dict[str, list[Row]] = {}
    for customer, result in zip(customers, carry_out(api, parts), strict=True):
        if isinstance(result, Answer):
            rows = [decode_row(RECORD, raw, result) for raw in read_page(result).value]
            found[customer] = [*rows]
        elif not isinstance(result, Rejected):
            raise result
        elif result.code != "not-found":
            raise ConfigError(result.message, hint=_SEE_CHECK, request_id=result.request_id)
    return found


def rows_where(
    api: Api, entity_set: str, field: str, values: Collection[str], shown: Sequence[str], length: int = 0
) -> Iterator[dict[str, Any]]:
    """The records whose field is one of these, letter case aside; `shown` are the fields to ask for, [] is all.

    Asked for in portions that fit an address. A value longer than the field, or an id that can be none, is not asked
    for: the whole portion would be refused (section 3.2).
    """
    asked = [value for value in values if value and (not length or len(value) <= length)]
    asked = [value for value in asked if field != "id" or api.dialect.is_key(value)]
    wanted = {value.lower() for value in asked}
    for url in _questions(api, entity_set, field, asked, shown):
        for row in follow(api, url):
            if str(row.get(field)).lower() in wanted:
                yield row


def _questions(
    api: Api, entity_set: str, field: str, values: Sequence[str], shown: Sequence[str]
) -> Iterator[str]:
    """Addresses that ask for all records whose field is one of these."""
    if not values:
        return
    options = {"$select": ",".join(shown)} if shown else {}
    room = URL_LENGTH - len(api.address(entity_set, {"$filter": " ", **options}))
    terms = [f"{field} eq {value if is_guid(value) else quoted(value)}" for value in values]
    for portion in _portions(terms, room):
        yield api.address(entity_set, {"$filter": portion, **options})


def stream(api: Api, entity_set: str, options: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """All records of a list, page by page, with their annotations."""
    return follow(api, api.address(entity_set, options))


def follow(api: Api, link: str) -> Iterator[dict[str, Any]]:
    """The records of this page and of those behind it."""
    return _rows(api, api.read(link, page_size=SLIM_PAGE, primary=True))


def _rows(api: Api, answer: Answer) -> Iterator[dict[str, Any]]:
    while True:
        page = read_page(answer)
        for raw in page.value:
            yield decode_row(RECORD, raw, answer)
        if not page.next:
            return
        answer = api.read(page.next, page_size=SLIM_PAGE, primary=True)


def _portions(terms: Iterable[str], room: int) -> Iterator[str]:
    """Terms joined by `or`, as many as there is room for once they are percent-encoded."""
    joined = ""
    for term in terms:
        longer = f"{joined} or {term}" if joined else term
        if joined and len(quote(longer)) > room:
            yield joined
            longer = term
        joined = longer
    if joined:
        yield joined


def _kind(key: str) -> str:
    return key.partition(":")[0]


def _by_value(keys: Collection[str], kind: str, spell: Callable[[str], list[str]]) -> Mapping[str, list[str]]:
    """The keys of a kind by what they look for; a key that looks for nothing finds nothing."""
    found: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        if _kind(key) == kind:
            for value in filter(None, spell(key.partition(":")[2])):
                found[value].append(key)
    return found


def _plain_within(text: str) -> str:
    customer, _, name = text.partition("/")
    return f"{customer.lower()}/{plain_name(name)}"
