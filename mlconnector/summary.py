"""What a run did, counted and put into words. Pure: no terminal, no ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mlconnector.errors import ConnectorError
from mlconnector.remedies import Naming

if TYPE_CHECKING:
    from mlconnector.ledger import Settled
    from mlconnector.model import Outcome

LINES: Final = 20
"""Problems (or planned records) shown of a run; the rest is counted."""

KEPT: Final = 500
"""Of a flow, for `-v` and JSON: memory does not grow with the number of records."""

_DONE = ("created", "updated", "removed")
_PROBLEMS = ("skipped", "held", "failed", "unknown")
_FAILED = ("failed", "unknown")
_AS_IT_SHOULD_BE = ("not-won", "won-before", "no-counterpart", "in-step")
"""Codes of records that nobody has to do anything about: counted, and no news for a mailbox."""
_TOLD_ALREADY = ("later", "stopped", "found-elsewhere", "waits-for-another")
"""Codes of records that wait because the flow ended early (its error says so once for all of them), or for a moment."""
_FOR_A_MOMENT = ("found-elsewhere", "waits-for-another")
"""Those of them that the same run goes on with in most cases: told if they still stand so at its end."""
_UNSENT = "stopped"
"""The code of records that nothing is wrong with: the run was asked to end before it came to them."""
_LINKS = (("unchanged", "linked"), ("planned", "link"))
_EACH = ("posted",)
"""Codes of what was done that a mailbox wants to have by name, one by one."""
_PLAN = {
    "create": "would be created",
    "create-post": "would be created and posted",
    "update": "would be updated",
    "update-post": "would be updated and posted",
    "link": "would be linked",
    "remove": "would be removed",
    "post": "would be posted",
    "flag": "would be flagged",
    "leave": "would stay as before",
}


@dataclass(frozen=True, slots=True)
class Note:
    """One record that is worth a line: a new problem, or what a dry run would do."""

    flow: str
    id: str
    name: str
    key: str
    status: str
    code: str
    reason: str
    next: str
    request_id: str = ""

    @property
    def is_link(self) -> bool:
        """Whether it only says what a record was, or would be, linked with."""
        return (self.status, self.code) in _LINKS and bool(self.reason)

    def line(self) -> str:
        """For people."""
        if self.is_link:
            name = f"{self.name} ({self.id})" if self.name else self.id
            return f"  {self.flow} {name} = {self.reason}"
        key = f" ({self.key.partition(':')[2] or self.key})" if self.key else ""
        begin = f"  {self.flow} {self.name or self.id}{key}"
        if self.status == "planned":
            return f"{begin}: {_PLAN.get(self.code, self.code)}{f': {self.reason}' if self.reason else ''}"
        if self.status in _DONE and not self.next:
            return f"{begin}: {', '.join(one for one in (self.code or self.status, self.reason) if one)}"
        vendor = f" [request {self.request_id}]" if self.request_id else ""
        return f"{begin}: {self.status}, {self.code}: {self.reason.rstrip('.')}{vendor}. {self.next}"


@dataclass(slots=True)
class Tally:
    """What became of the records of one flow in one run."""

    flow: str
    attended: bool = False
    """Somebody waits for the result: a record that failed as before is worth a line, too."""
    naming: Naming | None = None
    """How commands call its records; by their ids if it is not given."""
    settled: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By status and code; of a dry run's `planned`, the code is the action."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The engine's: everything that was read, unchanged and waiting included."""
    notes: list[Note] = field(default_factory=list)
    waiting: dict[str, Settled] = field(default_factory=dict)
    """By id the records that waited for a moment, and do so still."""
    details: list[Note] = field(default_factory=list)
    """What was done, where a target says more of it than that (`-v`, and JSON)."""
    new_problems: int = 0
    named: int = 0
    """Records that were done and are told one by one."""
    planned: int = 0
    linked: int = 0
    """Records of which a line says what they were linked with."""
    calls: int = 0
    seconds: float = 0.0
    error: ConnectorError | None = None
    """Why this flow alone ended early."""
    finished: bool = False

    def add(self, one: Settled) -> None:
        """Counts a record that was sent, planned or settled newly."""
        outcome = one.outcome
        self.settled[outcome.status, outcome.code] += 1
        if (before := self.waiting.pop(one.source_id, None)) is not None:  # it is counted as what it is now
            self.settled[before.outcome.status, before.outcome.code] -= 1
        if outcome.code in _FOR_A_MOMENT and len(self.waiting) < KEPT:
            self.waiting[one.source_id] = one
        if outcome.status == "planned":
            self.planned += 1
        elif (outcome.status, outcome.code) in _LINKS and outcome.reason:
            self.linked += 1
        elif _is_problem(one.outcome) and (self.attended or _is_new(one)):
            self.new_problems += 1
        elif outcome.status in _DONE and outcome.code in _EACH:
            self.named += 1
        else:
            if outcome.status in _DONE and outcome.reason and len(self.details) < KEPT:
                self.details.append(self._note(one))
            return
        if len(self.notes) < KEPT:
            self.notes.append(self._note(one))

    def _note(self, one: Settled) -> Note:
        return _note(self.naming or Naming(self.flow), one)

    def still_waiting(self, *, new: bool) -> list[Note]:
        """Records that waited for a moment and do so still, all or the new ones: nothing else names them."""
        waiting = self.waiting.values()
        return [self._note(one) for one in waiting if not new or self.attended or _is_new(one)]

    @property
    def worth_telling(self) -> int:
        """Records that a line each would be told of."""
        return self.new_problems + self.named + self.planned + self.linked

    def total(self, *statuses: str) -> int:
        """How many came out so."""
        return sum(number for (status, _), number in self.settled.items() if status in statuses)

    @property
    def is_news(self) -> bool:
        """Whether there is anything to tell a mailbox: a record that failed as before is none."""
        done = self.total(*_DONE) or self._linked or self.new_problems or self.planned
        return bool(done or self.error or self.still_waiting(new=True))

    @property
    def _linked(self) -> int:
        """Of a run that adopts: for the ledger they are unchanged, since nothing was written to either side."""
        return self.settled["unchanged", "linked"]

    def line(self) -> str:
        """`customers_to_members: 12 created, 3 updated, 1 skipped (missing-email)`."""
        parts = [*self._parts()]
        unchanged = self.counts.get("unchanged", 0) - self._linked
        if unchanged:
            parts.append(f"{unchanged} unchanged")
        if self.counts.get("waiting"):
            parts.append(f"{self.counts['waiting']} still waiting")
        if not self.finished:
            parts.append("then ended early" if parts else "ended early")
        return f"{self.flow}: {', '.join(parts) or 'nothing to do'}"

    def _parts(self) -> Iterator[str]:
        for action, words in _PLAN.items():
            if number := self.settled["planned", action]:
                yield f"{number} {words}"
        unsent = self.settled["failed", _UNSENT]
        if self._linked:
            yield f"{self._linked} linked"
        for status in (*_DONE, *_PROBLEMS):
            if number := self.total(status) - (unsent if status == "failed" else 0):
                yield f"{number} {status}{self._codes(status, number)}"
        if unsent:
            yield f"{unsent} not sent ({_UNSENT})"

    def _codes(self, status: str, total: int) -> str:
        found = Counter(
            {
                code: number
                for (one, code), number in self.settled.items()
                if one == status and code and (one, code) != ("failed", _UNSENT)
            }
        )
        if list(found.values()) == [total]:
            return f" ({next(iter(found))})"
        parts = [f"{number} {code}" for code, number in found.most_common()]
        return f" ({', '.join(parts)})" if parts else ""

    def data(self) -> dict[str, Any]:
        """For machines."""
        codes = [
            {"status": status, "code": code, "records": number}
            for (status, code), number in sorted(self.settled.items())
        ]
        return {
            "flow": self.flow,
            "counts": dict(self.counts),
            "codes": codes,
            "notes": [asdict(note) for note in (*self.notes, *self.still_waiting(new=False))],
            "details": [asdict(note) for note in self.details],
            "more": max(0, self.worth_telling - len(self.notes)),
            "finished": self.finished,
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "error": error_data(self.error),
        }


def _is_new(one: Settled) -> bool:
    before, outcome = one.before, one.outcome
    status = "done" if outcome.status in ("created", "updated") else outcome.status
    return before is None or (before.status, before.code) != (status, outcome.code)


def _is_problem(outcome: Outcome) -> bool:
    """Done with a code and a reason (an incomplete address left empty) is done, but worth knowing."""
    if outcome.code in (*_TOLD_ALREADY, *_AS_IT_SHOULD_BE, *_EACH):
        return False
    return outcome.status in _PROBLEMS or (outcome.status in _DONE and bool(outcome.code and outcome.reason))


def _note(naming: Naming, one: Settled) -> Note:
    outcome = one.outcome
    key = (
        one.key
        or (one.wants if one.outcome.code in ("key-taken", "reference-taken") else "")
        or (one.before.target_key if one.before else None)
        or ""
    )
    fine = (
        outcome.status == "planned"
        or (outcome.status, outcome.code) in _LINKS
        or (outcome.status in _DONE and outcome.code in ("", *_EACH))
    )
    return Note(
        flow=naming.flow,
        id=one.source_id,
        name=one.name,
        key=key,
        status=outcome.status,
        code=outcome.code,
        reason=outcome.reason,
        next="" if fine else naming.remedy(outcome.code, outcome.status, one.source_id, one.name),
        request_id=outcome.request_id,
    )


@dataclass(slots=True)
class Summary:
    """What a whole run did. `error` is what ended it, None where it came to its end."""

    command: str
    dry_run: bool = False
    attended: bool = False
    run_id: int | None = None
    tallies: dict[str, Tally] = field(default_factory=dict)
    error: ConnectorError | None = None

    def tally(self, flow: str) -> Tally:
        """The tally of a flow, a new one at first."""
        return self.tallies.setdefault(flow, Tally(flow, self.attended))

    def exit_code(self) -> int:
        """DESIGN 7: what ended the run, then flows that ended early, then records that failed."""
        if self.error is not None:
            return self.error.exit_code
        if any(tally.error is not None for tally in self.tallies.values()):
            return 3
        return 1 if any(tally.total(*_FAILED) for tally in self.tallies.values()) else 0

    def telling(self) -> list[str]:
        """For a monitoring service: a line for each flow and for what ended it, none for any record."""
        ends = [*self.early_ends(), *([(self.command, self.error)] if self.error else [])]
        return [
            *(tally.line() for tally in self.tallies.values()),
            *(f"{name} ended early: {one.message}" for name, error in ends for one in error.each()),
        ]

    def early_ends(self) -> list[tuple[str, ConnectorError]]:
        """Why flows ended early, each reason once, with the flows that it ended."""
        found: dict[str, tuple[list[str], ConnectorError]] = {}
        for tally in self.tallies.values():
            if tally.error is not None:
                found.setdefault(tally.error.message, ([], tally.error))[0].append(tally.flow)
        return [(", ".join(flows), error) for flows, error in found.values()]

    def lines(self, *, everything: bool, most: int = LINES, details: bool = False) -> list[str]:
        """For people: a line for each flow that has news (`everything`: that read anything), then what was linked with
        what, then its new problems. With `details` also what is known of records with which nothing is wrong.
        """
        shown = [one for one in self.tallies.values() if one.is_news or (everything and one.counts)]
        waiting = {tally.flow: tally.still_waiting(new=True) for tally in shown}
        noted = [note for tally in shown for note in (*tally.notes, *waiting[tally.flow])]
        links, notes = [one for one in noted if one.is_link], [one for one in noted if not one.is_link]
        told = sum(tally.worth_telling + len(waiting[tally.flow]) for tally in shown)
        left_out = told - len(links) - min(len(notes), most)
        lines = [tally.line() for tally in shown] + [note.line() for note in (*links, *notes[:most])]
        if details:
            lines += [note.line() for tally in shown for note in tally.details]
        if left_out:
            where = "see them with --json" if self.dry_run else "mlconnector status"
            lines.append(f"  and {left_out} more: {where}")
        return lines

    def data(self) -> dict[str, Any]:
        """For machines."""
        return {
            "run": None if self.dry_run else self.run_id,
            "command": self.command,
            "dry_run": self.dry_run,
            "exit_code": self.exit_code(),
            "flows": [tally.data() for tally in self.tallies.values()],
            "error": error_data(self.error),
        }


def error_data(error: ConnectorError | None) -> dict[str, Any] | None:
    """An error for machines."""
    if error is None:
        return None
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "next": error.hint,
        "request_id": error.request_id,
        **({"more": [error_data(one) for one in error.more]} if error.more else {}),
    }


def sparse(counts: Mapping[str, int], order: Sequence[str] = (*_DONE, "unchanged", *_PROBLEMS)) -> str:
    """`12 created, 3 updated`: what is not zero, in the usual order."""
    return ", ".join(f"{counts[name]} {name}" for name in order if counts.get(name)) or "-"


def counted(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
