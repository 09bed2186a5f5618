"""The lines of sales documents: as they are sent, and what brings those there are in step (fact sheet 2.10). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

from mlconnector.errors import Rejected
from mlconnector.systems.business_central.values import NO_GUID, Fitting, same

DESCRIPTION_LENGTH, UNIT_LENGTH, NUMBER_LENGTH = 100, 10, 20
STEP = 10_000
"""Between two lines, where there is room for others (section 2.10)."""
_PLACES = Decimal("0.00001")
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: an item by id or by number with its values in page order, or a comment."""

    values: Mapping[str, Any]
    item_id: str = ""
    number: str = ""

    def body(self, sequence: int = 0) -> dict[str, Any]:
        """As a new line is sent; the type goes before the number, quantity before price and discount (trap T17)."""
        thing: dict[str, Any] = {"sequence": sequence} if sequence else {}
        if self.item_id:
            thing["itemId"] = self.item_id
        elif self.number:
            thing |= {"lineType": "Item", "lineObjectNumber": self.number}
        else:
            thing["lineType"] = "Comment"
        return {**thing, **self.values}

    def is_at(self, row: Row) -> bool:
        """Whether a line that is there is of the same item, or a comment as well."""
        if self.item_id:
            return str(row.get("itemId")).lower() == self.item_id
        if self.number:
            return row.get("lineType") == "Item" and row.get("lineObjectNumber") == self.number
        return row.get("lineType") == "Comment" and row.get("itemId", NO_GUID) == NO_GUID

    def patch(self, row: Row) -> dict[str, Any]:
        """What differs. Another unit or quantity finds the price again, another price the discount: all that follows
        goes along (trap T17)."""
        differing = [name for name, value in self.values.items() if not same(_rounded(row.get(name)), value)]
        pricing = [name for name in self.values if name != "description"]
        first = next((name for name in differing if name in pricing), None)
        along = pricing[pricing.index(first) :] if first else []
        return {name: value for name, value in self.values.items() if name in differing or name in along}


@dataclass(frozen=True, slots=True)
class LineChange:
    """A line to be taken out (`row` alone), changed (`row` and `body`) or put in (`body` alone)."""

    row: Row = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


def read_lines(given: Sequence[Mapping[str, Any]], refs: Mapping[str, str], fitting: Fitting) -> list[Line]:
    """The lines of a mapped document; `refs` are remote ids of items by the `ref` of a line. Raises Rejected."""
    return [_line(one, refs, fitting) for one in given]


def line_changes(there: Sequence[Row], wanted: Sequence[Line]) -> list[LineChange]:
    """What brings the lines that are there in step, one call after the other; after a crash it is found anew."""
    rows = sorted(there, key=lambda row: int(row.get("sequence", 0)))
    places = [next((n for n, line in enumerate(wanted) if line.is_at(row)), -1) for row in rows]
    kinds = [next(n for n, one in enumerate(wanted) if _alike(one, line, rows)) for line in wanted]
    matcher = SequenceMatcher(None, places, kinds, autojunk=False)
    changes: list[LineChange] = []
    for tag, first, last, begin, end in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(rows[first:last], wanted[begin:end], strict=True)
            changes += [LineChange(row, patch) for row, line in pairs if (patch := line.patch(row))]
            continue
        changes += [LineChange(row) for row in rows[first:last]]
        new = wanted[begin:end]
        sequences = _between(rows, first, last, len(new))
        changes += [LineChange(body=line.body(n)) for line, n in zip(new, sequences, strict=True)]
    return changes


def _line(given: Mapping[str, Any], refs: Mapping[str, str], fitting: Fitting) -> Line:
    if "comment" in given:
        return Line({"description": fitting.text("comment", given["comment"], DESCRIPTION_LENGTH)})
    item_id = refs.get(str(given.get("ref") or ""), "").lower()
    number = "" if item_id else str(given.get("item") or "").strip().upper()
    if not item_id and not number:
        raise Rejected(f"line {given.get('line', '')} names no item", code="no-item")
    if len(number) > NUMBER_LENGTH:
        raise Rejected(f"the item number of a line may have {NUMBER_LENGTH} characters", code="too-long")
    return Line(dict(_values(given, fitting)), item_id, number)


def _values(given: Mapping[str, Any], fitting: Fitting) -> Iterator[tuple[str, Any]]:
    """In page order. A discount is always said: the price lists of a customer may bring another."""
    if given.get("description"):
        yield "description", fitting.text("line description", given["description"], DESCRIPTION_LENGTH)
    if given.get("unit"):
        yield "unitOfMeasureCode", fitting.text("unit", given["unit"], UNIT_LENGTH).upper()
    yield "quantity", _rounded(given.get("quantity", 1))
    if given.get("unitPrice") is not None:
        yield "unitPrice", _rounded(given["unitPrice"])
    if given.get("discountAmount"):
        yield "discountAmount", _rounded(given["discountAmount"])
    else:
        yield "discountPercent", _rounded(given.get("discountPercent") or 0)


def _alike(line: Line, other: Line, rows: Sequence[Row]) -> bool:
    """Whether both are of one item, which one may name by its id and the other by its number."""
    same_name = (line.item_id, line.number) == (other.item_id, other.number)
    return same_name or any(line.is_at(row) and other.is_at(row) for row in rows)


def _between(rows: Sequence[Row], first: int, last: int, count: int) -> list[int]:
    """Sequences for new lines where others were; 0, which is the end, where there is no room."""
    low = int(rows[first - 1]["sequence"]) if first else 0
    high = int(rows[last]["sequence"]) if last < len(rows) else low + STEP * (count + 1)
    if high - low <= count:
        return [0] * count
    return [low + (high - low) * (n + 1) // (count + 1) for n in range(count)]


def _rounded(value: Any) -> Any:
    """Amounts as Business Central keeps them, with five decimals at most."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return value
    number = Decimal(value)
    exponent = number.as_tuple().exponent
    return number.quantize(_PLACES) if isinstance(exponent, int) and exponent < -5 else number
