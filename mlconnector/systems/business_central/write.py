"""Writes customers, contacts and items: look at what is there, send what differs, read every answer (fact sheet 4).

A create is never repeated without a clear answer. Of a record that exists only differences are sent, with the etag of
what was read; if somebody was quicker it is read and compared again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from mlconnector.errors import ConnectorError, Later, Rejected, Stop, Uncertain
from mlconnector.http import Answer
from mlconnector.model import Outcome, Status, Step, Tools
from mlconnector.pairs import Merge
from mlconnector.systems.business_central.api import RECORD, Api, Part, decode_row
from mlconnector.systems.business_central.batch import Result, carry_out
from mlconnector.systems.business_central.codes import Codes
from mlconnector.systems.business_central.find import Finder, contacts_of, rows_where
from mlconnector.systems.business_central.merge import compare, find_contradiction, in_step
from mlconnector.systems.business_central.read import strip_annotations
from mlconnector.systems.business_central.values import Fitting, Note, code_of, is_blank, reason_of

ROUNDS = 3
"""So often a record is read and compared again because somebody else changed it in between (section 4.2)."""
A_WHILE = timedelta(minutes=5)
_TAKEN = "there is a record with its number already"
COMPANY = frozenset({"company", "companyNumber"})
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """A step with its values as they can be sent."""

    step: Step
    values: Mapping[str, Any]
    notes: tuple[Note, ...] = ()

    @property
    def id(self) -> str:
        """Of the counterpart; "" if it is to be made."""
        return (self.step.target_id or "").lower()

    @property
    def left_out(self) -> frozenset[str]:
        """What could not be fitted: a country that is none of the company's."""
        body = self.step.mapped.body if self.step.mapped is not None else {}
        return frozenset(body.keys() - self.values.keys())


class RecordWriter:
    """The Target of one flow of customers, contacts or items. `conflict` and `too_long` are the flow's settings."""

    def __init__(self, api: Api, codes: Codes, tools: Tools, *, conflict: str, too_long: str) -> None:
        self._api = api
        self._codes = codes
        self._now = tools.now
        self._fitting = Fitting(codes, too_long)
        self._conflict = conflict
        self._finder = Finder(api)

    def place(self) -> str:
        """The company and its environment."""
        return self._api.place()

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """See Finder.find."""
        return self._finder.find(entity, keys)

    def names(self, entity: str, ids: Collection[str], *, persons: bool = False) -> Mapping[str, str]:
        """Number and name of each; a contact of type Company is none that a person is written to."""
        fields = ["id", "number", "displayName", *(["type"] if entity == "contact" else [])]
        rows = rows_where(self._api, self._api.dialect.sets[entity], "id", ids, fields)
        is_named = persons or entity != "contact"
        return {
            str(row["id"]).lower(): f"{row['number']} {row['displayName'] if is_named else ''}".strip()
            for row in rows
            if row.get("type", "Person") == "Person" or entity != "contact"
        }

    def write(self, entity: str, steps: Sequence[Step]) -> Sequence[Outcome]:
        """One chunk; see Target."""
        outcomes: dict[str, Outcome] = {}
        try:
            drafts = [draft for step in steps if (draft := self._draft(entity, step, outcomes)) is not None]
            if entity == "contact":
                drafts = self._with_companies(drafts, outcomes)
            for _ in range(ROUNDS):
                drafts = self._round(entity, drafts, outcomes)
        except (Later, Stop) as error:
            error.settled = dict(outcomes)
            raise
        for draft in drafts:
            outcomes[draft.step.source_id] = self._changed_again(draft)
        return [outcomes[step.source_id] for step in steps]

    def _draft(self, entity: str, step: Step, outcomes: dict[str, Outcome]) -> Draft | None:
        """The step with values that can be sent; None if that settled it."""
        if step.mapped is None:
            outcomes[step.source_id] = _stays(step)
            return None
        try:
            fitted = self._fitting.fit(entity, step.mapped.body)
        except Rejected as error:
            outcomes[step.source_id] = refused(step, error)
            return None
        said = tuple(Note(code, sentence) for code, sentence in step.mapped.notes)
        return Draft(step, fitted.values, (*said, *fitted.notes))

    # contacts

    def _with_companies(self, drafts: Sequence[Draft], outcomes: dict[str, Outcome]) -> list[Draft]:
        """Persons with the number of their customer's contact of type Company (section 2.5, trap T44)."""
        wanted = {id(draft): _company_of(draft.step) for draft in drafts}
        contacts = contacts_of(self._api, sorted({one for one in wanted.values() if one}))
        companies = {
            customer: next((str(row["contactNumber"]) for row in rows if row["contactType"] == "Company"), "")
            for customer, rows in contacts.items()
        }
        kept: list[Draft] = []
        for draft in drafts:
            customer = wanted[id(draft)]
            if customer and not companies.get(customer) and draft.step.action != "link":
                outcomes[draft.step.source_id] = _no_company_contact(draft.step)
            elif customer or _left_company(draft.step):
                kept.append(_in_company(draft, companies.get(customer, "")))
            else:
                kept.append(draft)
        return kept

    # a round: read, compare, send

    def _round(self, entity: str, drafts: Sequence[Draft], outcomes: dict[str, Outcome]) -> list[Draft]:
        """Settles what it can; what somebody else changed in between is left for another round."""
        entity_set = self._api.dialect.sets[entity]
        ids = [draft.id for draft in drafts if draft.id]
        there = {str(row["id"]).lower(): row for row in rows_where(self._api, entity_set, "id", ids, [])}
        due: list[tuple[Draft, Merge]] = []
        parts: list[Part] = []
        for draft in drafts:
            found = self._compared(entity, draft, there.get(draft.id))
            if isinstance(found, Outcome):
                outcomes[draft.step.source_id] = found
                continue
            due.append((draft, found))
            parts.append(self._part(entity_set, draft, found, there.get(draft.id, {})))
        left: list[Draft] = []
        trouble: ConnectorError | None = None
        for (draft, merged), result in zip(due, carry_out(self._api, parts), strict=True):
            if isinstance(result, Stop | Later):
                trouble = result
            elif draft.id and isinstance(result, Rejected) and result.code == "changed-meanwhile":
                left.append(draft)
            else:
                outcomes[draft.step.source_id] = self._outcome(draft, merged, result)
        if trouble is not None:
            raise trouble
        return left

    def _compared(self, entity: str, draft: Draft, row: Row | None) -> Outcome | Merge:
        """What is to be written, or what settles it without a call."""
        step = draft.step
        if not draft.id:
            values = {name: value for name, value in draft.values.items() if not is_blank(value)}
            return Merge(values)
        if row is None:
            reason = "its counterpart is not there any more; it is not created again"
            return Outcome("failed", step.target_id, code="counterpart-gone", reason=reason)
        if against := find_contradiction(entity, step, draft.values, row):
            reason = f"{entity} {row['number']} matches, but {against}; nothing was written"
            return Outcome("failed", code="contradicting-match", reason=reason)
        if step.action == "link":
            return Outcome("unchanged", draft.id, code="linked", now=self._record(row))
        merged = compare(step, draft.values, self._comparable(draft, row), self._conflict)
        if merged.in_conflict:
            reason = f"changed on both sides since they were last the same: {', '.join(merged.in_conflict)}"
            return Outcome("failed", step.target_id, code="conflict", reason=reason)
        return merged if merged.write else self._done("unchanged", draft, merged, row)

    def _comparable(self, draft: Draft, row: Row) -> Row:
        """No currency means the company's own, which records show by its code (section 2.17, trap T13)."""
        if draft.values.get("currencyCode") == "" and row.get("currencyCode") == self._codes.local_currency:
            return {**row, "currencyCode": ""}
        return row

    def _part(self, entity_set: str, draft: Draft, merged: Merge, row: Row) -> Part:
        if not draft.id:
            return Part("POST", self._api.address(entity_set, {}), merged.write)
        url = self._api.address(entity_set, {}, draft.id)
        return Part("PATCH", url, merged.write, str(row.get("@odata.etag", "")))

    # outcomes

    def _outcome(self, draft: Draft, merged: Merge, result: Result) -> Outcome:
        if isinstance(result, Answer):
            row = decode_row(RECORD, result.body, result)
            done = self._done("updated" if draft.id else "created", draft, merged, row)
            return replace(done, request_id=result.request_id, answer=str(result.status))
        if isinstance(result, Rejected):
            return self._refused(draft, result)
        assert isinstance(result, Uncertain)
        return unclear(draft.step, result)

    def _done(self, status: Status, draft: Draft, merged: Merge, row: Row) -> Outcome:
        record, step = self._record(row), draft.step
        told = record if status == "created" else in_step(step, draft.values, merged, row)
        now = {name: record[name] for name in told if name in record}
        if "companyNumber" in now:
            now["company"] = now["companyNumber"]
        notes = list(draft.notes)
        if kept := [name for name in merged.kept if not is_blank(draft.values[name])]:
            text = f"changed there meanwhile and left as it is: {', '.join(kept)}"
            notes.insert(0, Note("conflict-kept", text))
        done = Outcome(status, str(row["id"]).lower(), code_of(notes), reason_of(notes), now=now)
        return replace(done, left_out=draft.left_out)

    def _refused(self, draft: Draft, error: Rejected) -> Outcome:
        """A number that is taken: what has it is looked for by the next run where the flow matches by number."""
        if not draft.id and error.code == "key-exists":
            return _number_taken(draft.step, error)
        if draft.id and error.code == "not-found":
            reason = "its counterpart is not there any more; it is not created again"
            return Outcome("failed", draft.id, "counterpart-gone", reason, request_id=error.request_id)
        return refused(draft.step, error)

    def _changed_again(self, draft: Draft) -> Outcome:
        reason = f"it was changed there again and again while it was written, {ROUNDS} times"
        due = self._now() + A_WHILE
        return Outcome("failed", draft.step.target_id, "changed-meanwhile", reason, retry_at=due)

    def _record(self, row: Row) -> Mapping[str, Any]:
        """As a source would show it."""
        return self._api.dialect.record(strip_annotations(row))


def refused(step: Step, error: Rejected) -> Outcome:
    """For a record that Business Central does not take, or would not."""
    return Outcome(
        "failed",
        step.target_id,
        code=error.code,
        reason=error.message,
        request_id=error.request_id,
        answer=error.answer,
    )


def unclear(step: Step, error: Uncertain) -> Outcome:
    """It may have been carried out: the next run looks before anything is sent again."""
    return Outcome("unknown", step.target_id, "no-answer", error.message, request_id=error.request_id)


def _number_taken(step: Step, error: Rejected) -> Outcome:
    """The next run looks for what has the number, if the flow matches by it."""
    matched = step.mapped is not None and any(key.startswith("number:") for key in step.mapped.match)
    if matched:
        done = Outcome("unknown", code="key-exists", reason=f"{_TAKEN}; the next run looks for it")
    else:
        reason = f"{_TAKEN}: let the flow match by number, or leave the number out of map"
        done = Outcome("failed", code="number-taken", reason=reason)
    return replace(done, request_id=error.request_id, answer=error.answer)


def _company_of(step: Step) -> str:
    """The customer whose company a person is to belong to; "" if that is not to be written."""
    matters = not step.target_id or step.changed is None or step.changed & COMPANY
    return step.refs.get("company", "").lower() if matters else ""


def _left_company(step: Step) -> bool:
    """Whether a person belonged to an organization and belongs to none now."""
    return bool(step.changed and "company" in step.changed) and not step.refs.get("company")


def _in_company(draft: Draft, number: str) -> Draft:
    """With the number of its company; what it was when both were last in step is known by what it stands for."""
    step = draft.step
    changed = None if step.changed is None else step.changed | COMPANY
    seen = {**step.seen, "companyNumber": step.seen["company"]} if "company" in step.seen else step.seen
    step = replace(step, changed=changed, seen=seen)
    return replace(draft, step=step, values={**draft.values, "companyNumber": number})


def _stays(step: Step) -> Outcome:
    """Customers, contacts and items have a history; a person decides about them (section 2.2)."""
    if step.target_id is None:
        return Outcome("removed", code="already-away")
    reason = (
        "it is gone or left out in the source; what is in Business Central stays, delete or block it there"
    )
    return Outcome("failed", step.target_id, code="stays-there", reason=reason)


def _no_company_contact(step: Step) -> Outcome:
    reason = (
        "its customer has no contact of type Company: in Business Central set the business relation code for customers"
        ' in Marketing Setup, then on the customer choose "Create Contact"'
    )
    return Outcome("failed", step.target_id, code="no-company-contact", reason=reason)
