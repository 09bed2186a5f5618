"""Reads organizations, persons, products and deals: by time in pages, or by id (fact sheet 2, 4, 9.1, traps 1 to 6)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from mlconnector.errors import ConfigError, Later, Rejected, Stop
from mlconnector.http import Answer
from mlconnector.model import Batch, Change, Flow
from mlconnector.systems.pipedrive import Settings
from mlconnector.systems.pipedrive.api import PLURAL, Api, Record
from mlconnector.systems.pipedrive.fields import Definitions
from mlconnector.systems.pipedrive.lines import Lines
from mlconnector.systems.pipedrive.shape import Shape, is_deleted, read_moment, stamp_of
from mlconnector.systems.pipedrive.unreadable import Unreadable
from mlconnector.systems.pipedrive.verdict import SYSTEM

log = logging.getLogger("mlconnector.pipedrive")

LATE = timedelta(seconds=30)
"""So far behind the server's clock a checkpoint stays (2.2): a change may carry a stamp of before it was visible."""
IDS_A_CALL = 100
FEW = 3
"""Up to so many records are asked for one by one, a token each."""
RESTARTS = 3
STATUSES = "open,won,lost,deleted"
"""A deal that is not won any more must be seen (trap 4)."""


class Leg(msgspec.Struct, frozen=True):
    """One list to walk through: its path, what it is asked with, and `before` where the list knows no upper bound.

    `won_since` keeps only deals that were won since then.
    """

    path: str
    params: dict[str, str]
    before: str = ""
    won_since: str = ""


class Place(msgspec.Struct, frozen=True):
    """How far a read has come: what a `Batch.cursor` holds. Pipedrive's own cursors are never kept (trap 22)."""

    legs: list[Leg]
    leg: int = 0
    after: int = 0
    checkpoint: str = ""


class Reader:
    """The `Source`, which also `Resolves`. The fields that `flows` map are read, and no others."""

    def __init__(
        self,
        api: Api,
        settings: Settings,
        now: Callable[[], datetime],
        definitions: Callable[[str], Definitions],
        flows: Sequence[Flow],
    ) -> None:
        self._api = api
        self._settings = settings
        self._now = now
        paths: dict[str, frozenset[str]] = {}
        for flow in flows:
            paths[flow.entity] = paths.get(flow.entity, frozenset()) | flow.paths
        self._shapes = {kind: Shape(definitions(kind), wanted) for kind, wanted in paths.items()}
        self._lines = Lines(api, with_codes="product" in paths)
        days = [flow.first_day for flow in flows if flow.entity == "deal"]
        self._first_day = min((day.isoformat() for day in days if day), default="") if all(days) else ""
        self._company = ""
        self._shifted: dict[str, datetime] = {}
        """What `shift` gave, with the checkpoint that it was made of."""

    def read(
        self, entity: str, since: str | None, *, until: str | None = None, resume: str | None = None
    ) -> Iterator[Batch]:
        """One batch a page, in the order of ids; the last one alone has a checkpoint (2.2).

        Only a given `until` is an upper bound: what changes during the walk may come now, and comes with the next read
        in any case, since the checkpoint lies before the walk began. Deals come from two lists, and those that were won
        of late once more on the first read after midnight UTC, since their lines have no stamp (traps 2 and 3).
        """
        place = self._begin(entity, since, until, resume)
        while True:
            for rows, is_last, answer in self._walk(place.legs[place.leg], place.after):
                place = self._onward(place, rows, answer, until)
                changes = self._changes(entity, place.legs[place.leg], rows)
                if is_last and place.leg + 1 == len(place.legs):
                    yield Batch(changes, checkpoint=place.checkpoint)
                    return
                if is_last:
                    place = msgspec.structs.replace(place, leg=place.leg + 1, after=0)
                if changes:
                    yield Batch(changes, cursor=msgspec.json.encode(place).decode())

    def fetch(self, entity: str, ids: Collection[str]) -> Iterator[Change]:
        """These records as they are now; what is deleted or not there comes as a delete (9.1).

        A deal that is not there may be hidden from this user, and its document would go: it comes as Unreadable, unless
        Pipedrive says that it was deleted (trap 18).
        """
        wanted = list(dict.fromkeys(ids))
        if strange := [id_ for id_ in wanted if not id_.isdecimal()]:
            raise ConfigError(
                f"{SYSTEM}: {len(strange)} of the ids asked for are none of Pipedrive's",
                hint="the state file belongs to another system: give this connection a state file of its own",
            )
        for start in range(0, len(wanted), IDS_A_CALL):
            chunk = wanted[start : start + IDS_A_CALL]
            found = fetch_records(self._api, entity, chunk, self._shapes[entity].parameters())
            rows = [row for row in found.values() if row is not None and not isinstance(row, Unreadable)]
            changes = {change.id: change for change in self._shown(entity, rows)}
            for id_ in chunk:
                row = found[id_]
                odd = Change(entity, id_, "delete", None, {}) if row is None else None
                odd = Change(entity, id_, "upsert", None, row) if isinstance(row, Unreadable) else odd
                yield odd or changes[id_]

    def place(self) -> str:
        """The company's id (2 tokens, once): whose a token is stands in no file, unless company_domain does."""
        if not self._settings.company_domain and not self._company:
            self._company = str(self._api.me()[0].get("company_id", ""))
        return self._company

    def shift(self, checkpoint: str, overlap: timedelta) -> str:
        """The checkpoint moved back, in UTC and whole seconds."""
        moment = _moment(checkpoint)
        since = show_moment(moment - overlap)
        self._shifted[since] = moment
        return since

    def resolve(self, entity: str, text: str) -> Sequence[str]:
        """Ids by id, name, title, product code or e-mail address, of records that are there."""
        wanted = text.strip()
        found = [wanted] if wanted.isdecimal() and self._is_there(entity, wanted) else []
        fields = {"person": "name,email", "product": "name,code", "deal": "title"}.get(entity, "name")
        if wanted:
            hits, _ = self._api.search(entity, wanted, fields, exact=True)
            found += [str(hit["id"]) for hit in hits]
        return list(dict.fromkeys(found))

    def _is_there(self, entity: str, id_: str) -> bool:
        record = fetch_records(self._api, entity, [id_], {})[id_]
        return record is not None and not isinstance(record, Unreadable)

    def _begin(self, entity: str, since: str | None, until: str | None, resume: str | None) -> Place:
        """Where to start: at the front, or behind the batch that `resume` belongs to."""
        legs = self._legs(entity, since, until)
        if resume is not None:
            try:
                place = msgspec.json.decode(resume, type=Place)
            except msgspec.DecodeError:
                place = Place([])
            if place.legs[: len(legs)] == legs:
                return place
            log.warning("%s: other fields or times than in the interrupted read, it starts again", SYSTEM)
        return Place([*legs, *self._daily_legs(entity, since, until)])

    def _legs(self, entity: str, since: str | None, until: str | None) -> list[Leg]:
        window = {"updated_since": show_moment(_moment(since))} if since else {}
        before = show_moment(_moment(until)) if until else ""
        params = {**window, **self._shapes[entity].parameters()}
        if entity == "product":
            return [Leg("/products", params, before=before)]
        params |= {"updated_until": before} if before else {}
        if entity != "deal":
            return [Leg(f"/{PLURAL[entity]}", params)]
        params["status"] = STATUSES
        return [Leg("/deals", params), Leg("/deals/archived", params)]

    def _daily_legs(self, entity: str, since: str | None, until: str | None) -> list[Leg]:
        """Deals that were won lately and did not change since `since`: on the first read of a day (trap 3).

        The day of the read before is that of its checkpoint, without the overlap and LATE taken off.
        """
        now, days = self._now(), timedelta(days=self._settings.lines_days)
        if entity != "deal" or not since or until:
            return []
        before = self._shifted.get(since) or _moment(since)
        if (before.astimezone(UTC) + LATE).date() >= now.date():
            return []
        won_since = show_moment(now - days)
        window = {"updated_since": won_since, "updated_until": show_moment(_moment(since)), "status": "won"}
        if window["updated_since"] >= window["updated_until"]:
            return []
        params = {**window, **self._shapes[entity].parameters()}
        return [Leg(path, params, won_since=won_since) for path in ("/deals", "/deals/archived")]

    def _walk(self, leg: Leg, after: int) -> Iterator[tuple[list[Record], bool, Answer]]:
        """The pages of a list behind the id `after`: rows, whether it is the last page, the answer.

        A cursor that is refused begins the list again; what was given before is left out.
        """
        asked = {**leg.params, "limit": str(self._settings.page_size), "sort_by": "id"}
        cursor: str | None = None
        restarts = 0
        while True:
            try:
                page, answer = self._api.page(leg.path, {**asked, "cursor": cursor} if cursor else asked)
            except Rejected as error:
                restarts += 1
                if error.status != 400 or cursor is None or restarts > RESTARTS:
                    raise _unusable(error) from None
                log.info("%s: a cursor is refused, %s is read from its start", SYSTEM, leg.path)
                cursor = None
                continue
            rows = [row for row in page.data or () if row["id"] > after]
            if page.next_cursor and page.next_cursor == cursor and not rows:
                raise Stop(f"{SYSTEM}: a page of {leg.path} links to itself")
            after, cursor = max([after, *(row["id"] for row in rows)]), page.next_cursor
            yield rows, cursor is None, answer
            if cursor is None:
                return

    def _onward(self, place: Place, rows: Sequence[Record], answer: Answer, until: str | None) -> Place:
        """The place behind a page; the checkpoint is of the server's clock at the first answer."""
        checkpoint = place.checkpoint or show_moment((answer.date() or self._now()) - LATE)
        if until:
            checkpoint = min(checkpoint, show_moment(_moment(until)))
        after = max([place.after, *(row["id"] for row in rows)])
        return msgspec.structs.replace(place, after=after, checkpoint=checkpoint)

    def _changes(self, entity: str, leg: Leg, rows: Sequence[Record]) -> list[Change]:
        if leg.before:
            rows = [row for row in rows if (row.get("update_time") or "") < leg.before]
        if leg.won_since:
            since = _moment(leg.won_since)
            rows = [row for row in rows if (won := read_moment(row.get("won_time"))) and won >= since]
        return list(self._shown(entity, rows))

    def _shown(self, entity: str, rows: Sequence[Record]) -> Iterator[Change]:
        """Raw rows as changes, won deals with their lines."""
        there = [self._shapes[entity].show(row) for row in rows if not is_deleted(row)]
        won = [record for record in there if entity == "deal" and self._has_lines(record)]
        away = self._attach_lines(won)
        shown = {record["id"]: away.get(str(record["id"]), record) for record in there}
        for row in rows:
            record = shown.get(row["id"])
            id_, stamp = str(row["id"]), stamp_of(row)
            yield (
                Change(entity, id_, "delete", stamp, {})
                if record is None
                else Change(entity, id_, "upsert", stamp, record)
            )

    def _has_lines(self, deal: Record) -> bool:
        """Whether its lines are wanted: it is won, and not before the first day of all flows."""
        day = str(deal.get("local_won_date") or deal.get("won_time") or "")[:10]
        return deal.get("status") == "won" and not (day and day < self._first_day)

    def _attach_lines(self, won: Sequence[Record]) -> dict[str, Unreadable | None]:
        """Puts the lines into won deals; those that went away since they were listed, as `fetch_records` has them.

        Later if the lines of deals that are there are not found: a deal is not taken for one without lines.
        """
        try:
            self._lines.attach(won)
        except Rejected as error:
            log.info("%s: lines are not found (%s), the deals are looked for", SYSTEM, error.request_id)
        else:
            return {}
        found = fetch_records(self._api, "deal", [str(deal["id"]) for deal in won], {})
        away = {id_: row for id_, row in found.items() if row is None or isinstance(row, Unreadable)}
        try:
            self._lines.attach([deal for deal in won if str(deal["id"]) not in away])
        except Rejected as error:
            raise Later(
                f"{SYSTEM}: the lines of deals are not found, though the deals are ({error.status})",
                hint="the next run asks again; if it stays so, report the request id to Pipedrive",
                request_id=error.request_id,
            ) from None
        return away


def fetch_records(
    api: Api, kind: str, ids: Sequence[str], params: Mapping[str, str]
) -> dict[str, Record | Unreadable | None]:
    """Up to a hundred raw records by id: None for what is not there or lies in the bin, as lists leave both out.

    For a deal None says that it was deleted; one that is not there is Unreadable.
    A list of ids costs ten times a single record. Of deals those in the archive are on another list, at twice that.
    """
    found: dict[str, Record | Unreadable | None] = {}
    lists = [(f"/{PLURAL[kind]}", FEW)]
    if kind == "deal":
        lists.append(("/deals/archived", 2 * 10))
    for path, few in lists:
        missing = [id_ for id_ in ids if id_ not in found]
        if len(missing) > few:
            asked = {**params, "ids": ",".join(missing), "limit": str(IDS_A_CALL)}
            asked |= {"status": STATUSES} if kind == "deal" else {}
            rows = _list(api, path, asked)
            found |= {str(row["id"]): None if is_deleted(row) else row for row in rows}
    return {id_: found[id_] if id_ in found else _fetch_one(api, kind, id_) for id_ in ids}


def _list(api: Api, path: str, params: Mapping[str, str]) -> list[Record]:
    try:
        return api.page(path, params)[0].data or []
    except Rejected as error:
        raise _unusable(error) from None


def _fetch_one(api: Api, kind: str, id_: str) -> Record | Unreadable | None:
    try:
        row = api.record(kind, id_)
    except Rejected as error:
        if kind == "deal" and error.code == "not-found":
            return Unreadable(_not_visible(error))
        if error.code in ("not-found", "record-deleted"):
            return None
        return Unreadable(error)
    return None if is_deleted(row) else row


def _not_visible(error: Rejected) -> Rejected:
    return Rejected(
        f"{SYSTEM}: it is not there for this user: hidden, or deleted more than 30 days ago",
        code="not-visible",
        answer=error.answer,
        status=error.status,
        request_id=error.request_id,
    )


def show_moment(moment: datetime) -> str:
    """UTC in whole seconds, rounded down: fractions and offsets are refused (trap 1)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> datetime:
    """A point in time as a person or a checkpoint spells it; UTC where no zone is named."""
    moment = read_moment(text)
    if moment is None:
        raise ConfigError(
            f"{SYSTEM}: {text!r} is no date", hint="write it as 2026-03-31 or 2026-03-31T08:00:00Z"
        )
    return moment


def _unusable(error: Rejected) -> ConfigError:
    """A refusal of a list concerns no single record, so nothing can go on."""
    return ConfigError(
        error.message,
        hint="run: mlconnector check, which names what this Pipedrive does not have",
        request_id=error.request_id,
    )
