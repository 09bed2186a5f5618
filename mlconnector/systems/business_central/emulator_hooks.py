"""What the code behind a table does around a write, as one record of functions an entity set (fact sheet 2, E20, E21).

Each of them may refuse with a Problem; the transaction around the write then takes everything back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlconnector.systems.business_central.emulator_rows import Row
from mlconnector.systems.business_central.emulator_write import Draft

if TYPE_CHECKING:
    from mlconnector.systems.business_central.emulator_company import Company

Effect = Callable[[Draft, Any], None]


def _nothing(*_: Any) -> None:
    """Most tables have no code here."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """`now` and `stamp` are ticks: when readers see a change, and the stamp that it gets.

    `begin` fills a new draft before the body; `effects` follow a field that was set, with the value it had before;
    `changing` may refuse a change of a row; `settle` computes before a row is stored, `stored` passes on what follows.
    `validated`: what people enter goes through the same checks as the API, because bad rows would be of no use.
    """

    begin: Callable[[Company, Draft, int], None] = _nothing
    effects: Mapping[str, Effect] = field(default_factory=dict)
    changing: Callable[[Company, Row], None] = _nothing
    settle: Callable[[Company, Draft, int], None] = _nothing
    stored: Callable[[Company, Row | None, Row, int | None, int], None] = _nothing
    removing: Callable[[Company, Row], None] = _nothing
    removed: Callable[[Company, Row, int], None] = _nothing
    validated: bool = False
