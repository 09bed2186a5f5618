"""Lines of a document are brought in step from whatever was there, also when it breaks off in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mlconnector.systems.business_central.lines import Line, LineChange, line_changes, read_lines
from mlconnector.systems.business_central.values import NO_GUID, Fitting

ITEMS = ["A", "B", "C"]
GUIDS = {name: f"0000000{n}-0000-0000-0000-000000000000" for n, name in enumerate(ITEMS, 1)}

items = st.builds(
    lambda name, quantity, by_id: Line(
        {"quantity": Decimal(quantity), "unitPrice": Decimal(5), "discountPercent": Decimal(0)},
        item_id=GUIDS[name] if by_id else "",
        number="" if by_id else name,
    ),
    st.sampled_from(ITEMS),
    st.integers(1, 3),
    st.booleans(),
)
comments = st.builds(lambda text: Line({"description": text}), st.sampled_from(["x", "y"]))
lines = st.lists(st.one_of(items, comments), max_size=7)


class Document:
    """Keeps lines as Business Central does; `rows` are what it shows."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.made = 0

    def carry_out(self, changes: Sequence[LineChange]) -> None:
        for change in changes:
            if not change.row:
                self._insert(dict(change.body))
            elif change.body:
                self._row(change).update(change.body)
            else:
                self.rows.remove(self._row(change))

    def _row(self, change: LineChange) -> dict[str, Any]:
        return next(row for row in self.rows if row["id"] == change.row["id"])

    def _insert(self, body: dict[str, Any]) -> None:
        taken = [row["sequence"] for row in self.rows]
        sequence = body.pop("sequence", 0) or max(taken, default=0) + 10_000
        assert sequence not in taken
        self.made += 1
        id_ = body.get("itemId", NO_GUID)
        number = body.get("lineObjectNumber") or next((n for n, one in GUIDS.items() if one == id_), "")
        kind = "Item" if number else "Comment"
        body |= {"lineType": kind, "lineObjectNumber": number, "itemId": GUIDS.get(number, NO_GUID)}
        self.rows.append({**body, "id": str(self.made), "sequence": sequence})
        self.rows.sort(key=lambda row: int(row["sequence"]))


def shown(rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["lineObjectNumber"], row.get("quantity"), row.get("description")) for row in rows]


def told(wanted: Sequence[Line]) -> list[tuple[Any, ...]]:
    names = {id_: name for name, id_ in GUIDS.items()}
    return [
        (
            line.number or names.get(line.item_id, ""),
            line.values.get("quantity"),
            line.values.get("description"),
        )
        for line in wanted
    ]


@settings(deadline=None)
@given(lines, lines, st.integers(0, 20))
def test_lines_become_what_is_wanted_in_its_order_also_after_a_crash(
    before: list[Line], wanted: list[Line], done: int
) -> None:
    document = Document()
    document.carry_out(line_changes([], before))
    assert shown(document.rows) == told(before)
    document.carry_out(line_changes(document.rows, wanted)[:done])  # it breaks off here
    for _ in range(3):  # where there was no room in between, a line goes to the end first
        document.carry_out(line_changes(document.rows, wanted))
    assert shown(document.rows) == told(wanted)
    assert line_changes(document.rows, wanted) == []


@settings(deadline=None)
@given(lines)
def test_lines_that_are_as_they_should_be_are_left_alone(wanted: list[Line]) -> None:
    document = Document()
    document.carry_out(line_changes([], wanted))
    assert line_changes(document.rows, wanted) == []


def test_a_line_names_its_item_by_id_where_it_is_linked_and_by_number_otherwise() -> None:
    fitting = Fitting(None, "clip")  # type: ignore[arg-type]
    given = [
        {"ref": "item:5", "item": "DEFAULT", "quantity": Decimal(1)},
        {"ref": "item:6", "item": "default", "quantity": Decimal(1)},
        {"comment": " wrap it "},
    ]
    read = read_lines(given, {"item:5": GUIDS["A"].upper()}, fitting)
    assert [line.body() for line in read] == [
        {"itemId": GUIDS["A"], "quantity": 1, "discountPercent": 0},
        {"lineType": "Item", "lineObjectNumber": "DEFAULT", "quantity": 1, "discountPercent": 0},
        {"lineType": "Comment", "description": "wrap it"},
    ]
