"""One order for the reports of several taps, in which a tap can reserve a place for a cause that it learns late.

The answer to a write, for example, arrives after its first effect. The tap reserves a place before the write; reports
that come meanwhile wait behind it until the place is released.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from harness.core.logs import get_log

__all__ = ["Order", "Place", "Put", "Report"]

log = get_log(__name__)

LIMIT = 20_000
"""The most reports that may wait. Beyond that all are made at once, without the missing ones."""

Report = Callable[[], object]
Put = Callable[[Report], None]


class Order:
    """A queue of reports. It is empty as long as no place is reserved: each report is then made at once."""

    def __init__(self) -> None:
        self._queue: deque[Report | Place] = deque()
        self._reporting = False

    def put(self, report: Report) -> None:
        """Call ``report`` now, or after everything before it in the queue."""
        if not self._queue and not self._reporting:
            _make(report)
            return
        self._queue.append(report)
        if len(self._queue) > LIMIT:
            self.give_up()

    def hold(self) -> Place:
        """Reserve the next place. The caller must release it."""
        place = Place(self._advance)
        self._queue.append(place)
        return place

    async def reached(self) -> None:
        """Wait until every report so far has been made."""
        if self._queue:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.put(lambda: None if turn.done() else turn.set_result(None))
            await turn

    def give_up(self) -> None:
        """Make all waiting reports now, and treat every place as released."""
        for each in tuple(self._queue):
            if isinstance(each, Place):
                each.released = True
        self._advance()

    def _advance(self) -> None:
        if self._reporting:
            return
        self._reporting = True
        try:
            while self._queue:
                first = self._queue[0]
                if isinstance(first, Place) and not first.released:
                    return
                self._queue.popleft()
                for report in first.reports if isinstance(first, Place) else (first,):
                    _make(report)
        finally:
            self._reporting = False


class Place:
    """A reserved place in an :class:`Order`."""

    __slots__ = ("_advance", "released", "reports")

    def __init__(self, advance: Callable[[], None]) -> None:
        self._advance = advance
        self.reports: list[Report] = []
        self.released = False

    def put(self, report: Report) -> None:
        """Add a report that belongs here; several keep their order."""
        self.reports.append(report)

    def release(self) -> None:
        """Make the reports of this place, and those that wait behind it."""
        self.released = True
        self._advance()


def _make(report: Report) -> None:
    """Make one report. A tap that fails must not affect the system under test or the other reports."""
    try:
        report()
    except Exception:
        log.exception("a tap failed")
