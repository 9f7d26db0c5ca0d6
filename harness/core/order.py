"""Several taps, one order: what comes later waits while a place before it is kept free.

A tap that learns late what caused something - the answer to a write comes after its first effect - keeps a place free
where the cause belongs. Whatever any tap has to tell meanwhile waits behind it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from harness.core.logs import get_log

__all__ = ["Order", "Place", "Put", "Telling"]

log = get_log(__name__)

LIMIT = 20_000
"""What may wait; beyond that nothing is worth waiting for, and all is told as it stands."""

Telling = Callable[[], object]
Put = Callable[[Telling], None]


class Order:
    """A queue of things to tell that is empty as long as no place is kept free: then each is told at once."""

    def __init__(self) -> None:
        self._queue: deque[Telling | Place] = deque()
        self._telling = False

    def put(self, telling: Telling) -> None:
        """Call ``telling`` now, or when all that is before it has been told."""
        if not self._queue and not self._telling:
            _tell(telling)
            return
        self._queue.append(telling)
        if len(self._queue) > LIMIT:
            self.give_up()

    def hold(self) -> Place:
        """Keep a place free, here. It must be released."""
        place = Place(self._advance)
        self._queue.append(place)
        return place

    async def reached(self) -> None:
        """Wait until everything so far has been told."""
        if self._queue:
            told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.put(lambda: None if told.done() else told.set_result(None))
            await told

    def give_up(self) -> None:
        """Tell everything, whatever is still missing."""
        for each in tuple(self._queue):
            if isinstance(each, Place):
                each.released = True
        self._advance()

    def _advance(self) -> None:
        if self._telling:
            return
        self._telling = True
        try:
            while self._queue:
                first = self._queue[0]
                if isinstance(first, Place) and not first.released:
                    return
                self._queue.popleft()
                for telling in first.tellings if isinstance(first, Place) else (first,):
                    _tell(telling)
        finally:
            self._telling = False


class Place:
    """Where something is still to come."""

    __slots__ = ("_advance", "released", "tellings")

    def __init__(self, advance: Callable[[], None]) -> None:
        self._advance = advance
        self.tellings: list[Telling] = []
        self.released = False

    def put(self, telling: Telling) -> None:
        """What belongs here; several keep their order."""
        self.tellings.append(telling)

    def release(self) -> None:
        """Nothing more belongs here."""
        self.released = True
        self._advance()


def _tell(telling: Telling) -> None:
    """Record one thing. An observer that fails must neither fail the observed nor keep back the others."""
    try:
        telling()
    except Exception:
        log.exception("a tap failed")
