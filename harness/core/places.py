"""A bounded number of places for work in progress, given to waiters in order of arrival.

The bound follows the amount of work that finishes in time, as TCP's congestion window does (RFC 5681): it grows by one
after a round of finished work, and is halved when work missed its timeout, once for all work that was in progress
together. It has a minimum: work that is slow for another reason would otherwise be slow and rare.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

__all__ = ["Places"]

_FIRST = 16
_LEAST = 8


class Places:
    """At most ``most`` places. Callers should create no new work while :attr:`is_full`; see :meth:`on_relief`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(min(_FIRST, most))
        self._least = min(_LEAST, most)
        self._taken = 0
        self._round = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._relief: list[Callable[[], object]] = []

    @property
    def limit(self) -> int:
        """The present number of places."""
        return int(self._limit)

    @property
    def is_full(self) -> bool:
        """Whether work is already waiting for a place."""
        return bool(self._waiting)

    def on_relief(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` each time the last waiter has got its place."""
        self._relief.append(callback)

    async def take(self) -> int:
        """Wait for a place; returns a value for :meth:`give_back`."""
        if not self._waiting and self._taken < self.limit:
            self._taken += 1
            return self._round
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._taken -= 1
            self._serve()
            raise
        return self._round

    def give_back(self, taken: int, *, in_time: bool) -> None:
        """Free a place. ``taken`` is the value from :meth:`take`, ``in_time`` whether the work met its timeout."""
        if in_time:
            self._limit = min(self._limit + 1 / self._limit, self._most)
        elif taken == self._round:
            self._limit = max(self._limit / 2, self._least)
            self._round += 1
        self._taken -= 1
        self._serve()

    def _serve(self) -> None:
        if not self._waiting:
            return
        while self._waiting and (self._waiting[0].done() or self._taken < self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
        if not self._waiting:
            for callback in tuple(self._relief):
                callback()
