"""Reads customers and vendors of one company: by time stamp page by page, or by id (fact sheet 3.4 to 3.6)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from mlconnector.errors import ConfigError, Rejected, Stop
from mlconnector.http import Answer, TimedOut
from mlconnector.model import Batch, Change, FieldInfo, Finding, Flow, Tools
from mlconnector.systems.base import Entity, Target
from mlconnector.systems.business_central import SYSTEM as DECLARED
from mlconnector.systems.business_central import Settings
from mlconnector.systems.business_central.api import SETS, Api, Page, is_guid, read_page, select
from mlconnector.systems.business_central.check import find_problems
from mlconnector.systems.business_central.verdict import SYSTEM

log = logging.getLogger("mlconnector.business_central")

SMALLEST_PAGE = 50
URL_LENGTH = 1800
IDS_A_CALL = 20
_ID_TERM = len("id%20eq%20%20or%20") + 36
_NUMBER_LENGTH, _EMAIL_LENGTH = 20, 80

_RECORD = msgspec.json.Decoder(float_hook=Decimal)
_ID = re.compile(rb'"id"\s*:\s*"([0-9a-fA-F-]{36})"')


class BusinessCentral:
    """One company of one environment (`Connected`): it is read, never written."""

    def __init__(self, settings: Settings, secrets: Mapping[str, str], tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._api = Api(settings, secrets, tools)

    def entity(self, name: str) -> Entity:
        """Nothing about an entity depends on the settings."""
        return DECLARED.entities[name]

    def source(self, flows: Sequence[Flow]) -> Reader:
        """A reader of the fields that these flows map, and no others."""
        paths: dict[str, frozenset[str]] = {}
        for flow in flows:
            paths[flow.entity] = paths.get(flow.entity, frozenset()) | flow.paths
        return Reader(self._api, self._settings, paths)

    def target(self, flow: Flow, options: Any) -> Target:
        """There is none: ConfigError."""
        raise ConfigError(
            f"{SYSTEM}: it is only read from", hint=f"flow {flow.name}: put another system under `to`"
        )

    def check(self, flows: Sequence[tuple[Flow, Any]]) -> Iterator[Finding]:
        """Log-in, company, clock, and one record as each flow asks for it (section 4.7)."""
        return find_problems(self._api, self._settings, self._tools.now, [flow for flow, _ in flows])

    def describe(self, entity: str, options: Sequence[Any]) -> tuple[Sequence[FieldInfo], Mapping[str, Any]]:
        """The fields of section 2, and the first record with all that can be expanded; {} if there is none."""
        fields = DECLARED.entities[entity].fields
        navigations = sorted({name.partition(".")[0] for name in fields if "." in name})
        ask = {"$top": "1", "$expand": ",".join(navigations)}
        rows = read_page(_get(self._api, self._api.address(SETS[entity], ask))).value
        return list(fields.values()), strip_annotations(_RECORD.decode(rows[0])) if rows else {}

    def usage(self) -> Mapping[str, int]:
        """Calls, retries and throttled answers so far, those for tokens included."""
        return self._api.usage()

    def close(self) -> None:
        """Closes the pooled connections."""
        self._api.close()


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a read has come: what a `Batch.cursor` holds.

    `url` and `options` are what was asked for, `link` is what comes next, `started` the server's clock at the first
    answer, `newest` the latest stamp so far, `rows` whether there was any record.
    """

    url: str
    options: dict[str, str]
    link: str
    started: datetime | None = None
    newest: datetime | None = None
    rows: bool = False

    def onward(self, answer: Answer, page: Page, changes: Sequence[Change]) -> Place:
        """The place behind a page."""
        if page.next == self.link:
            raise Stop(f"{SYSTEM}: a page links to itself ({answer.path})", request_id=answer.request_id)
        stamps = [change.modified for change in changes if change.modified]
        return msgspec.structs.replace(
            self,
            link=page.next or "",
            started=self.started or answer.date(),
            newest=max([*stamps, self.newest] if self.newest else stamps, default=None),
            rows=self.rows or bool(changes),
        )

    def checkpoint(self) -> str | None:
        """The watermark once everything was read; pages come by number, so none before that can be one.

        The latest stamp, but never behind the server's clock at the first answer: what changed during a long
        read on pages already passed lies after that, and so does the stamp of a node whose clock runs ahead
        (section 3.6). Where all stamps are blank it is that clock.
        """
        known = [moment for moment in (self.newest, self.started) if moment]
        return show_moment(min(known)) if self.rows and known else None


class Unreadable(Mapping[str, Any]):
    """Stands in for a record that came broken: who looks into it is refused, so that this record fails alone."""

    def __init__(self, reason: str, request_id: str = "") -> None:
        self._reason = reason
        self._request_id = request_id

    def __getitem__(self, name: str) -> Any:
        raise Rejected(self._reason, code="unreadable-record", request_id=self._request_id)

    def __iter__(self) -> Iterator[str]:
        raise Rejected(self._reason, code="unreadable-record", request_id=self._request_id)

    def __len__(self) -> int:
        return 1


class Reader:
    """The `Source`, which also `Resolves`. `paths` are the fields to ask for, by entity."""

    def __init__(self, api: Api, settings: Settings, paths: Mapping[str, frozenset[str]]) -> None:
        self._api = api
        self._settings = settings
        self._paths = paths
        self._sizes: dict[str, int] = {}
        self._filters_ignored = False

    def read(
        self, entity: str, since: str | None, *, until: str | None = None, resume: str | None = None
    ) -> Iterator[Batch]:
        """One batch a page, in the order of numbers; the last one alone has a checkpoint (sections 3.4, 3.6).

        Without `since` there is no lower bound, so that rows with the blank stamp come too.
        """
        place = self._begin(entity, _window(since, until), resume)
        while True:
            answer, page = self._read_page(entity, place.link)
            changes = [to_change(entity, raw) for raw in page.value]
            place = place.onward(answer, page, changes)
            if not place.link:
                yield Batch(changes, checkpoint=place.checkpoint())
                return
            yield Batch(changes, cursor=msgspec.json.encode(place).decode())

    def fetch(self, entity: str, ids: Collection[str]) -> Iterator[Change]:
        """These records from the primary (section 3.5); one that is not there any more comes as a delete."""
        wanted = list(dict.fromkeys(ids))
        if strange := [id for id in wanted if not is_guid(id)]:
            raise ConfigError(
                f"{SYSTEM}: {len(strange)} of the ids asked for are none of Business Central's",
                hint="the state file belongs to another system: give this connection a state file of its own",
            )
        size, lanes = self._ids_a_call(entity), self._settings.parallel
        chunks = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        with ThreadPoolExecutor(lanes, thread_name_prefix="fetch") as pool:
            for start in range(0, len(chunks), lanes):  # no more results in memory than lanes
                several = chunks[start : start + lanes]
                for changes in pool.map(lambda chunk: self._fetch_chunk(entity, chunk), several):
                    yield from changes

    def shift(self, checkpoint: str, overlap: timedelta) -> str:
        """The checkpoint moved back, in UTC with milliseconds."""
        return show_moment(_moment(checkpoint) - overlap)

    def resolve(self, entity: str, text: str) -> Sequence[str]:
        """Ids by id, by number or by e-mail address; a longer text than the field is refused (section 3.2)."""
        wanted = text.strip()
        if is_guid(wanted):
            return [wanted.lower()]
        found: list[str] = []
        if 0 < len(wanted) <= _NUMBER_LENGTH:
            low = wanted.lower()
            found += self._search(
                entity, f"number eq {_quoted(wanted)}", lambda row: str(row.get("number")).lower() == low
            )
        if "@" in wanted and len(wanted) <= _EMAIL_LENGTH:
            found += self._search_address(entity, wanted.lower())
        return list(dict.fromkeys(found))

    # lists

    def _begin(self, entity: str, window: Mapping[str, str], resume: str | None) -> Place:
        """Where to start: at the front, or behind the batch that `resume` belongs to."""
        options = {**window, **self._options(entity)}
        fresh = Place(self._api.address(SETS[entity], {}), options, self._api.address(SETS[entity], options))
        if resume is None:
            return fresh
        try:
            place = msgspec.json.decode(resume, type=Place)
        except msgspec.DecodeError:
            log.warning("%s: the place of the interrupted read is not readable, it starts again", SYSTEM)
            return fresh
        if place.url != fresh.url:
            raise ConfigError(
                f"{SYSTEM}: the interrupted read is one of {place.url}, and now it would be {fresh.url}",
                hint="set base_url, tenant, environment and company as they were, or begin another read",
            )
        if place.options != options:
            # going on would bring records without the fields that were added since, and those would be emptied
            log.warning("%s: other fields or times than in the interrupted read, it starts again", SYSTEM)
            return fresh
        return place

    def _read_page(self, entity: str, link: str) -> tuple[Answer, Page]:
        """The page behind a link, which is a place and not a size: after a time-out half of it is asked for."""
        while True:
            size = self._sizes.get(entity, self._settings.page_size)
            smaller = max(SMALLEST_PAGE, size // 2)
            patience = 1 if smaller < size else None
            try:
                answer = _get(self._api, link, page_size=size, timeouts=patience)
            except TimedOut:
                if patience is None:
                    raise
                self._sizes[entity] = smaller
                log.info("%s: no page of %d %s in time, asking for %d", SYSTEM, size, SETS[entity], smaller)
                continue
            return answer, read_page(answer)

    def _options(self, entity: str) -> dict[str, str]:
        return select(self._paths.get(entity, frozenset()))

    # single records

    def _ids_a_call(self, entity: str) -> int:
        used = len(self._api.address(SETS[entity], {"$filter": " ", **self._options(entity)}))
        return max(1, min(IDS_A_CALL, (URL_LENGTH - used) // _ID_TERM))

    def _fetch_chunk(self, entity: str, ids: Sequence[str]) -> list[Change]:
        found = self._filter_ids(entity, ids)
        return [found.get(id.lower()) or self._fetch_one(entity, id) for id in ids]

    def _filter_ids(self, entity: str, ids: Sequence[str]) -> Mapping[str, Change]:
        """Those that one call finds, by id; none if the server let the filter vanish (trap T1)."""
        if self._filters_ignored:
            return {}
        options = {"$filter": " or ".join(f"id eq {id}" for id in ids), **self._options(entity)}
        answer = _get(self._api, self._api.address(SETS[entity], options), primary=True)
        changes = [to_change(entity, raw) for raw in read_page(answer).value]
        found = {change.id.lower(): change for change in changes}
        if not found.keys() <= {id.lower() for id in ids}:
            log.warning("%s: a filter by id was not heeded, records are read one by one", SYSTEM)
            self._filters_ignored = True
            return {}
        return found

    def _fetch_one(self, entity: str, id: str) -> Change:
        """One record; a 404 means gone, since a list of the same set was answered before (section 6.6)."""
        url = self._api.address(SETS[entity], self._options(entity), id)
        try:
            return to_change(entity, self._api.get(url, primary=True).body)
        except Rejected as error:
            if error.code == "not-found":
                return Change(entity, id, "delete", None, {})
            return Change(entity, id, "upsert", None, Unreadable(error.message, error.request_id))

    def _search_address(self, entity: str, address: str) -> list[str]:
        """By the whole field first; one with several addresses is only found as it is written."""

        def has_it(row: Mapping[str, Any]) -> bool:
            return address in re.split(r"[;,\s]+", str(row.get("email")).lower())

        exact = self._search(entity, f"tolower(email) eq {_quoted(address)}", has_it)
        return exact or self._search(entity, f"contains(email,{_quoted(address)})", has_it)

    def _search(self, entity: str, test: str, fits: Callable[[Mapping[str, Any]], bool]) -> list[str]:
        """Ids of the rows that pass the filter, and pass it here too (trap T1)."""
        found: list[str] = []
        link = self._api.address(SETS[entity], {"$filter": test, "$select": "id,number,email"})
        while link:
            page = read_page(_get(self._api, link))
            found += [row["id"] for row in map(msgspec.json.decode, page.value) if fits(row)]
            link = page.next or ""
        return found


def to_change(entity: str, raw: bytes | msgspec.Raw) -> Change:
    """One record as it came, amounts as `Decimal`, annotations left out; an Unreadable if it came broken."""
    try:
        record = strip_annotations(_RECORD.decode(raw))
        return Change(
            entity, str(record["id"]), "upsert", read_stamp(record.get("lastModifiedDateTime")), record
        )
    except (ValueError, ArithmeticError, KeyError, AttributeError) as error:  # bad UTF-8, no id, no object
        found = _ID.search(bytes(raw))
        if found is None:
            raise Stop(f"{SYSTEM}: a record without an id came", hint="check base_url") from None
        reason = f"the record came broken ({type(error).__name__})"
        return Change(entity, found[1].decode(), "upsert", None, Unreadable(reason))


def strip_annotations(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without `@odata.…`, in what is expanded too."""
    return {
        name: strip_annotations(value) if type(value) is dict else value
        for name, value in record.items()
        if "@" not in name
    }


def read_stamp(text: Any) -> datetime | None:
    """A stamp, aware; None for the blank one of year 1 and for what is none (section 2.0)."""
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo and moment.year > 1 else None


def show_moment(moment: datetime) -> str:
    """UTC with milliseconds, rounded down, and Z: `2026-02-24T22:53:12.550Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    """A point in time as a person or a checkpoint spells it; UTC where no zone is named."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{SYSTEM}: {text!r} is no date", hint="write it as 2026-03-31 or 2026-03-31T08:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _window(since: str | None, until: str | None) -> dict[str, str]:
    bounds = [("ge", since), ("lt", until)]
    terms = [f"lastModifiedDateTime {sign} {show_moment(_moment(text))}" for sign, text in bounds if text]
    return {"$filter": " and ".join(terms)} if terms else {}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _get(api: Api, url: str, **how: Any) -> Answer:
    """A read that must work: a refusal of a list concerns no single record, so nothing can go on."""
    try:
        return api.get(url, **how)
    except Rejected as error:
        raise ConfigError(
            error.message,
            hint="run: mlconnector check, which names what this Business Central does not have",
            request_id=error.request_id,
        ) from None
