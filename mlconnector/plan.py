"""A dry run: a target whose reads pass and whose writes only say what they would have done (DESIGN 8)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mlconnector.model import Outcome, Step
from mlconnector.systems.base import Foretells, Names, Target


class DryRun:
    """Wraps a target; the engine runs over it as over any other, with a copy of the ledger in memory."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def find(self, entity: str, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Asks the real target."""
        return self._target.find(entity, keys)

    def names(self, entity: str, ids: Collection[str], *, persons: bool = False) -> Mapping[str, str]:
        """Asks the real target, if it can say."""
        return self._target.names(entity, ids, persons=persons) if isinstance(self._target, Names) else {}

    def write(self, entity: str, steps: Sequence[Step]) -> Sequence[Outcome]:
        """Writes nothing."""
        target = self._target
        if isinstance(target, Foretells):
            return [target.foretell(entity, step) for step in steps]
        return [Outcome("planned", target_id=step.target_id, code=step.action) for step in steps]
