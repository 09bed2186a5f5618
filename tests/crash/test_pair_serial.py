"""Number series and documents of Business Central stand no two writers at once (fact sheet, trap T42)."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import Any

from mlconnector.sandbox import Reply, Request
from tests.crash.pair import PairErp, PairLoop

MANY = 130
"""More than one chunk of customers, and of documents."""


class SlowErp(PairErp):
    """Counts the writes that are under way at the same time."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.most = self._under_way = self.writes = 0
        self._counting = threading.Lock()

    def handle(self, request: Request) -> tuple[Reply | None, bool]:
        if request.method == "GET" or request.path.endswith("/token"):
            return super().handle(request)
        with self._counting:
            self.writes += 1
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        time.sleep(0.02)
        try:
            return super().handle(request)
        finally:
            with self._counting:
                self._under_way -= 1


def test_one_write_is_under_way_at_a_time() -> None:
    with closing(PairLoop(document="order", post=True, erp=SlowErp)) as loop:
        product = loop.add_product("Desk", "A-1", 100)
        for number in range(MANY):
            firm = loop.add_organization(f"Firm {number}")
            deal = loop.people.add("deal", title=f"Deal {number}", org_id=firm, currency="EUR")
            loop.people.add_line(deal, product, 100, 1)
            loop.people.win(deal)
        loop.run()
        assert len(loop.erp.made.posted) == MANY
        assert isinstance(loop.erp, SlowErp)
        assert loop.erp.writes > MANY and loop.erp.most == 1
