"""Reads the records of one company: by time stamp page by page, or by key (fact sheet 3.4 to 3.6, 1.7)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec

from mlconnector.errors import ConfigError, Rejected, Stop
from mlconnector.http import Answer, TimedOut
from mlconnector.model import Batch, Change, FieldInfo, Finding, Flow, Tools
from mlconnector.systems.base import Entity, Target
from mlconnector.systems.business_central import SYSTEM as DECLARED
from mlconnector.systems.business_central import Settings
from mlconnector.systems.business_central.api import RECORD, URL_LENGTH, Api, Page, read_page
from mlconnector.systems.business_central.check import find_problems
from mlconnector.systems.business_central.check_target import (
    as_writer,
    find_currency_problems,
    find_item_problems,
    find_target_problems,
    leads_here,
    wrong_currency,
)
from mlconnector.systems.business_central.codes import Codes
from mlconnector.systems.business_central.dialects import Dialect, is_guid, quoted
from mlconnector.systems.business_central.pages import find_page_problems, page_fields
from mlconnector.systems.business_central.verdict import SYSTEM

log = logging.getLogger("mlconnector.business_central")

SMALLEST_PAGE = 50
IDS_A_CALL = 20
_ID_TERM = len("id%20eq%20%20or%20") + 36
_NUMBER_LENGTH, _EMAIL_LENGTH = 20, 80

_ID = re.compile(rb'"(?:id|No)"\s*:\s*"([^"\\]{1,36})"')


class BusinessCentral:
    """One company of one environment (`Connected`)."""

    def __init__(self, settings: Settings, secrets: Mapping[str, str], tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._api = Api(settings, secrets, tools)
        self._codes = Codes(self._api)

    def entity(self, name: str) -> Entity:
        """Nothing about an entity depends on the settings."""
        return DECLARED.entities[name]

    def source(self, flows: Sequence[Flow]) -> Reader:
        """A reader of the fields that these flows map, and no others."""
        paths: dict[str, frozenset[str]] = {}
        for flow in flows:
            if flow.entity not in self._api.dialect.sets:
                raise ConfigError(
                    f"{SYSTEM}: {self._api.dialect.name} is not read for {flow.entity} records",
                    hint=f"flow {flow.name} needs a server with api: v2.0",
                )
            paths[flow.entity] = paths.get(flow.entity, frozenset()) | flow.paths
        return Reader(self._api, self._settings, paths)

    def target(self, flow: Flow, options: Any) -> Target:
        """A writer of the entity that the flow leads into; ConfigError for other interfaces than API v2.0."""
        from mlconnector.systems.business_central.targets import open_target

        return open_target(self._api, self._codes, self._tools, flow, options)

    def check(self, flows: Sequence[tuple[Flow, Any]]) -> Iterator[Finding]:
        """Log-in, company, clock, and one record as each flow asks for it (section 4.7)."""
        bound = [flow for flow, _ in flows]
        if self._api.dialect.pages:
            return self._check_pages(bound)
        found = find_problems(self._api, self._settings, self._tools.now, bound)
        problems = chain(
            found, find_currency_problems(self._api, flows), find_item_problems(self._api, flows)
        )
        return map(as_writer, problems) if any(leads_here(self._api, flow) for flow in bound) else problems

    def require(self, flow: Flow, options: Any) -> None:
        """See Requires: the currency of a flow of items is the company's own."""
        if problem := wrong_currency(self._api, flow, options):
            raise problem

    def _check_pages(self, flows: Sequence[Flow]) -> Iterator[Finding]:
        """Pages are only read from."""
        writes = [flow for flow in flows if leads_here(self._api, flow)]
        for flow in writes:
            yield from find_target_problems(self._api, flow)
        reads = [flow for flow in flows if flow not in writes]
        yield from find_page_problems(self._api, self._settings, self._tools.now, reads)

    def describe(self, entity: str, options: Sequence[Any]) -> tuple[Sequence[FieldInfo], Mapping[str, Any]]:
        """The fields of section 2, and the first record with all that can be expanded; {} if there is none.

        Documents and postings are made by their flow as a whole: no field of them is mapped.
        """
        dialect = self._api.dialect
        if entity not in dialect.sets:
            return [], {}
        navigations = [] if dialect.pages else dialect.navigations(entity)
        ask = {"$top": "1", "$expand": ",".join(navigations)}
        rows = read_page(self._api.read(self._api.address(dialect.sets[entity], ask))).value
        sample = dialect.record(strip_annotations(RECORD.decode(rows[0]))) if rows else {}
        fields = dialect.fields[entity]
        if dialect.pages:
            return page_fields(self._api, entity, fields), sample
        return list(fields.values()), sample

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
        self._dialect = api.dialect
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
        place = self._begin(entity, self._window(since, until), resume)
        while True:
            answer, page = self._read_page(entity, place.link)
            changes = [to_change(self._dialect, entity, raw) for raw in page.value]
            place = place.onward(answer, page, changes)
            if not place.link:
                yield Batch(changes, checkpoint=place.checkpoint())
                return
            yield Batch(changes, cursor=msgspec.json.encode(place).decode())

    def fetch(self, entity: str, ids: Collection[str]) -> Iterator[Change]:
        """These records from the primary (section 3.5); one that is not there any more comes as a delete."""
        wanted = list(dict.fromkeys(ids))
        if strange := [id for id in wanted if not self._dialect.is_key(id)]:
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
        """The checkpoint moved back, in UTC with milliseconds; by a day at least where there are only days."""
        back = max(overlap, timedelta(days=1)) if self._dialect.pages else overlap
        return show_moment(_moment(checkpoint) - back)

    def resolve(self, entity: str, text: str) -> Sequence[str]:
        """Ids by id, by number or by e-mail address; a longer text than the field is refused (section 3.2)."""
        wanted, number = text.strip(), self._dialect.number
        if is_guid(wanted) and not self._dialect.pages:
            return [wanted.lower()]
        found: list[str] = []
        if 0 < len(wanted) <= _NUMBER_LENGTH:
            low = wanted.lower()
            found += self._search(
                entity, f"{number} eq {quoted(wanted)}", lambda row: str(row.get(number)).lower() == low
            )
        if "@" in wanted and len(wanted) <= _EMAIL_LENGTH and "email" in self._dialect.fields[entity]:
            found += self._search_address(entity, wanted.lower())
        return list(dict.fromkeys(found))

    # lists

    def _begin(self, entity: str, window: Mapping[str, str], resume: str | None) -> Place:
        """Where to start: at the front, or behind the batch that `resume` belongs to."""
        options = {**window, **self._options(entity)}
        fresh = Place(self._address(entity, {}), options, self._address(entity, options))
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
                answer = self._api.read(link, page_size=size, timeouts=patience)
            except TimedOut:
                if patience is None:
                    raise
                self._sizes[entity] = smaller
                log.info(
                    "%s: no page of %d %s in time, asking for %d",
                    SYSTEM,
                    size,
                    self._dialect.sets[entity],
                    smaller,
                )
                continue
            return answer, read_page(answer)

    def _options(self, entity: str) -> dict[str, str]:
        return self._dialect.select(self._paths.get(entity, frozenset()))

    def _address(self, entity: str, options: Mapping[str, str], id: str = "") -> str:
        return self._api.address(self._dialect.sets[entity], options, id)

    def _window(self, since: str | None, until: str | None) -> dict[str, str]:
        """The filter by time; of pages whole days, the last one included that `until` cuts."""
        days, name = self._dialect.pages, self._dialect.modified
        bounds = [("ge", since, timedelta()), ("lt", until, timedelta(days=1) - timedelta.resolution)]
        terms = [
            f"{name} {sign} {(_moment(text) + rest).date() if days else show_moment(_moment(text))}"
            for sign, text, rest in bounds
            if text
        ]
        return {"$filter": " and ".join(terms)} if terms else {}

    # single records

    def _ids_a_call(self, entity: str) -> int:
        used = len(self._address(entity, {"$filter": " ", **self._options(entity)}))
        return max(1, min(IDS_A_CALL, (URL_LENGTH - used) // _ID_TERM))

    def _fetch_chunk(self, entity: str, ids: Sequence[str]) -> list[Change]:
        found = self._filter_ids(entity, ids)
        return [found.get(id.lower()) or self._fetch_one(entity, id) for id in ids]

    def _filter_ids(self, entity: str, ids: Sequence[str]) -> Mapping[str, Change]:
        """Those that one call finds, by id; none if the server let the filter vanish (trap T1)."""
        if self._filters_ignored:
            return {}
        key, literal = self._dialect.key, self._dialect.literal
        test = " or ".join(f"{key} eq {literal(id)}" for id in ids)
        options = {"$filter": test, **self._options(entity)}
        answer = self._api.read(self._address(entity, options), primary=True)
        changes = [to_change(self._dialect, entity, raw) for raw in read_page(answer).value]
        found = {change.id.lower(): change for change in changes}
        if not found.keys() <= {id.lower() for id in ids}:
            log.warning("%s: a filter by id was not heeded, records are read one by one", SYSTEM)
            self._filters_ignored = True
            return {}
        return found

    def _fetch_one(self, entity: str, id: str) -> Change:
        """One record; a 404 means gone, since a list of the same set was answered before (section 6.6)."""
        url = self._address(entity, self._options(entity), id)
        try:
            return to_change(self._dialect, entity, self._api.get(url, primary=True).body)
        except Rejected as error:
            if error.code == "not-found" or (self._dialect.pages and error.status == 404):
                return Change(entity, id, "delete", None, {})
            return Change(entity, id, "upsert", None, Unreadable(error.message, error.request_id))

    def _search_address(self, entity: str, address: str) -> list[str]:
        """By the whole field first; one with several addresses is only found as it is written."""

        field = self._dialect.email

        def has_it(row: Mapping[str, Any]) -> bool:
            return address in re.split(r"[;,\s]+", str(row.get(field)).lower())

        exact = self._search(entity, f"tolower({field}) eq {quoted(address)}", has_it)
        return exact or self._search(entity, f"contains({field},{quoted(address)})", has_it)

    def _search(self, entity: str, test: str, fits: Callable[[Mapping[str, Any]], bool]) -> list[str]:
        """Ids of the rows that pass the filter, and pass it here too (trap T1)."""
        found: list[str] = []
        dialect = self._dialect
        shown = dict.fromkeys((dialect.key, dialect.number))
        if "email" in dialect.fields[entity]:
            shown[dialect.email] = None
        link = self._address(entity, {"$filter": test, "$select": ",".join(shown)})
        while link:
            page = read_page(self._api.read(link))
            found += [str(row[dialect.key]) for row in map(msgspec.json.decode, page.value) if fits(row)]
            link = page.next or ""
        return found


def to_change(dialect: Dialect, entity: str, raw: bytes | msgspec.Raw) -> Change:
    """One record in our spelling, amounts as `Decimal`, annotations left out; an Unreadable if it came broken."""
    try:
        theirs = strip_annotations(RECORD.decode(raw))
        key, stamp = str(theirs[dialect.key]), read_stamp(theirs.get(dialect.modified))
        return Change(entity, key, "upsert", stamp, dialect.record(theirs))
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
    """A stamp, aware, a day as its beginning; None for the blank one of year 1 and for what is none (section 2.0)."""
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    if moment.year == 1:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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
