"""Writes organizations and products: only what changed and differs (fact sheet section 5)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from mlconnector.errors import Later, Rejected, Stop, Uncertain
from mlconnector.http import Answer
from mlconnector.model import Outcome, Status, Step, Tools
from mlconnector.pairs import Merge, merge
from mlconnector.spelling import legal_forms
from mlconnector.systems.pipedrive.api import PLURAL, Api, Record
from mlconnector.systems.pipedrive.encode import (
    BUILT_IN,
    FEATURES,
    Spelling,
    flatten,
    is_in_one_line,
    pick,
    value_at,
)
from mlconnector.systems.pipedrive.fields import Definitions
from mlconnector.systems.pipedrive.find import Finder
from mlconnector.systems.pipedrive.known import CUSTOM
from mlconnector.systems.pipedrive.read import fetch_records
from mlconnector.systems.pipedrive.shape import Shape, stamp_of
from mlconnector.systems.pipedrive.unreadable import Unreadable
from mlconnector.systems.pipedrive.verdict import request_id

WRITABLE = tuple(BUILT_IN)
IDS_A_CALL = 100
_GONE = ("not-found", "record-deleted")
_IN_ONE_LINE = (
    "Pipedrive has this address in one line, which was left as it is; the other side has another one"
)
Send = Callable[[Mapping[str, object]], tuple[Record, Answer]]


class Writer:
    """The Target for one flow. `conflict` says what holds where both sides changed a field."""

    def __init__(self, api: Api, definitions: Definitions, tools: Tools, conflict: str) -> None:
        self._api = api
        self._definitions = definitions
        self._sleep = tools.sleep
        self._conflict = conflict
        self._kind = definitions.kind
        self._shape = Shape(definitions)
        self._spelling = Spelling(definitions)
        self._finder = Finder(api, definitions, tools.now)
        self._features: frozenset[str] | None = None
        """Those of FEATURES that a read has shown; None before the first read."""

    def place(self) -> str:
        """The company's id (2 tokens): ids count from 1 in each company."""
        return str(self._api.me()[0].get("company_id", ""))

    def prepare(self, entity: str) -> None:
        """Reads the field definitions, so that nothing is left to be asked once something was written."""
        _ = self._definitions.by_code

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Ids by key, from lists and searches that see their own writes (see Finder)."""
        return self._finder.find(keys)

    def names(self, entity: str, ids: Collection[str], *, persons: bool = False) -> Mapping[str, str]:
        """Id and name of each; ids are numbers here."""
        asked, found = [id_ for id_ in ids if id_.isascii() and id_.isdecimal()], dict[str, str]()
        for start in range(0, len(asked), IDS_A_CALL):
            rows = fetch_records(self._api, self._kind, asked[start : start + IDS_A_CALL], {})
            found |= {id_: f"{id_} {row['name']}" for id_, row in rows.items() if isinstance(row, dict)}
        return found

    def write(self, entity: str, steps: Sequence[Step]) -> Sequence[Outcome]:
        """One step after the other; see Target."""
        outcomes: dict[str, Outcome] = {}
        try:
            rows = self._current(steps)
            for step in steps:
                self._sleep(0)  # the run may end here
                outcomes[step.source_id] = self._guarded(step, rows.get(step.target_id or ""))
        except (Later, Stop) as error:
            error.settled = dict(outcomes)
            raise
        return [outcomes[step.source_id] for step in steps]

    def _current(self, steps: Sequence[Step]) -> dict[str, Record | Unreadable | None]:
        """The counterparts as they are now, in hundreds."""
        ids = [step.target_id for step in steps if step.target_id and step.action in ("update", "link")]
        rows: dict[str, Record | Unreadable | None] = {}
        for start in range(0, len(ids), IDS_A_CALL):
            rows |= fetch_records(self._api, self._kind, ids[start : start + IDS_A_CALL], {})
        for row in rows.values():
            if isinstance(row, dict):
                self._features = FEATURES & row.keys()
        return rows

    def _guarded(self, step: Step, row: Record | Unreadable | None) -> Outcome:
        """What is refused fails alone; a write without a clear answer is looked for by the next run."""
        try:
            if step.action == "create":
                return self._create(step)
            if step.action == "remove":
                return self._remove(step)
            if row is None:
                return _gone(step)
            shown = self._shape.show(row)
            if self._kind == "organization" and (against := find_contradiction(step, shown)):
                reason = f"organization {step.target_id} matches, but {against}; nothing was written"
                return Outcome("failed", code="contradicting-match", reason=reason)
            return _linked(step, shown) if step.action == "link" else self._update(step, row, shown)
        except Rejected as error:
            if error.code in _GONE and step.action != "create":
                return _gone(step, error)
            return Outcome(
                "failed", step.target_id, error.code, error.message, request_id=error.request_id, answer=error.answer
            )  # fmt: skip
        except Uncertain as error:
            return Outcome("unknown", step.target_id, "no-answer", error.message, request_id=error.request_id)

    def _create(self, step: Step) -> Outcome:
        assert step.mapped is not None
        mapped = step.mapped

        def body() -> Record:
            wanted = self._spelling.wanted(mapped.body, {})
            given = {name: value for name, value in wanted.items() if value not in (None, [])}
            return self._spelling.body(self._available(given), {})

        row, answer = self._sent(body, lambda sent: self._api.create(self._kind, sent))
        done = _done("created", str(row["id"]), answer)
        return replace(done, now=self._shape.show(row))

    def _update(self, step: Step, row: Mapping[str, object], current: Record) -> Outcome:
        assert step.mapped is not None and step.target_id is not None
        target_id, mapped = step.target_id, step.mapped
        own = {name: value for name, value in mapped.body.items() if name not in mapped.create_only}
        if step.changed is not None:
            step = replace(step, changed=frozenset(_expanded(own, step.changed)))

        parts = self._parts_of_a_line(step, own, current)

        def merged() -> tuple[Record, Merge]:
            wanted = self._available(self._spelling.wanted(own, current, mapped.cut))
            wanted = {name: value for name, value in wanted.items() if name not in parts}
            has = {name: value_at(current, name) for name in wanted}
            return wanted, merge(step, wanted, has, self._conflict, stamp_of(row))

        wanted, decided = merged()
        if decided.in_conflict:
            names = ", ".join(sorted(decided.in_conflict))
            reason = f"both sides changed {names}; nothing was written"
            return Outcome("failed", target_id, "conflict", reason)
        done, after = Outcome("unchanged", target_id), current
        if decided.write:
            shown, answer = self._sent(
                lambda: self._spelled(*merged(), current),
                lambda sent: self._api.change(self._kind, target_id, sent),
            )
            done, after = _done("updated", target_id, answer), self._shape.show(shown)
        same = [name for name in wanted if name in decided.write or wanted[name] == value_at(current, name)]
        done = replace(done, now=pick(after, same))
        if kept := [name for name in decided.kept if wanted[name] not in (None, "")]:
            reason = f"changed in Pipedrive meanwhile and left as it is there: {', '.join(kept)}"
            done = replace(done, code="conflict-kept", reason=reason)
        return (
            replace(done, code="address-in-one-line", reason=_IN_ONE_LINE, left_out=parts) if parts else done
        )

    def _parts_of_a_line(self, step: Step, own: Mapping[str, object], current: Record) -> frozenset[str]:
        """Parts of an address that would take the place of the one line that Pipedrive has of it."""
        if not is_in_one_line(current):
            return frozenset()
        wanted = self._spelling.wanted(own, current)
        names = [name for name in wanted if step.changed is None or name in step.changed]
        apart = (name for name in names if wanted[name] and wanted[name] != value_at(current, name))
        return frozenset(name for name in apart if name.startswith("address."))

    def _spelled(self, wanted: Record, decided: Merge, current: Record) -> Record:
        return self._spelling.body(decided.write, current, wanted)

    def _remove(self, step: Step) -> Outcome:
        """Into the bin, out of which a person can take it for 30 days (9.1)."""
        away = Outcome("removed", step.target_id, "already-away")
        if step.target_id is None:
            return away
        try:
            answer = self._api.remove(self._kind, step.target_id)
        except Rejected as error:
            if error.code in _GONE:
                return away
            raise
        return _done("removed", step.target_id, answer)

    def _sent(self, body: Callable[[], Record], send: Send) -> tuple[Record, Answer]:
        """Sends; if a field or option is not what it was, once more with the account's fields of now (trap 12)."""
        first = body()
        try:
            return send(first)
        except Rejected as error:
            if error.code != "invalid-value" or not self._definitions.read_again():
                raise
            second = body()
            if second == first:
                raise
        return send(second)

    def _available(self, wanted: Record) -> Record:
        """Without the fields that this account does not have (trap 13)."""
        if not wanted.keys() & FEATURES:
            return wanted
        if self._features is None:
            rows = self._api.page(f"/{PLURAL[self._kind]}", {"limit": "1"})[0].data or [{}]
            self._features = FEATURES & rows[0].keys()
        missing = FEATURES - self._features
        return {name: value for name, value in wanted.items() if name not in missing}


def find_contradiction(step: Step, shown: Record) -> str:
    """What speaks against an organization that was only just found, by its name; "" is nothing.

    What a person linked holds (its memo is empty, not None), and so does a number that both have.
    """
    if step.memo is not None or step.changed is not None or step.seen or step.mapped is None:
        return ""
    for field, _, number in (key.partition("=") for key in step.mapped.match if key.startswith("number:")):
        has = str(value_at(shown, f"{CUSTOM}{field.removeprefix('number:')}") or "").strip()
        if has:
            return "" if has.casefold() == number.casefold() else "its number is another one"
    forms = [legal_forms(str(one.get("name") or "")) for one in (step.mapped.body, shown)]
    return "its legal form is another one" if all(forms) and not forms[0] & forms[1] else ""


def _expanded(body: Mapping[str, object], changed: frozenset[str]) -> list[str]:
    """The changed names as `flatten` has them."""
    return [name for name in flatten(body) if name in changed or name.partition(".")[0] in changed]


def _linked(step: Step, shown: Record) -> Outcome:
    return Outcome("unchanged", step.target_id, "linked", now=shown)


def _gone(step: Step, error: Rejected | None = None) -> Outcome:
    """It is never created anew: a deleted record may come back from the bin, a hidden one may be shown again."""
    return Outcome(
        "failed",
        step.target_id,
        "counterpart-gone",
        "its counterpart in Pipedrive was deleted or merged, or this user may not see it any more",
        request_id=error.request_id if error else "",
    )


def _done(status: Status, target_id: str, answer: Answer) -> Outcome:
    return Outcome(status, target_id, answer=str(answer.status), request_id=request_id(answer))
