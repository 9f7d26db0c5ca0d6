"""A bounded number of places for work under way. Work that waits for one gets it in the order in which it came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Places"]


class Places:
    """``count`` places. Whoever brings work should hold it back while :attr:`is_full`: see :meth:`on_relief`."""

    def __init__(self, count: int) -> None:
        self._places = asyncio.Semaphore(count)
        self._waiting = 0
        self._relief: list[Callable[[], object]] = []

    @property
    def is_full(self) -> bool:
        """Whether work waits already."""
        return self._waiting > 0

    def on_relief(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` whenever nothing waits any more."""
        self._relief.append(callback)

    async def take(self) -> None:
        """Wait for a place; whoever got one gives it back."""
        if not self._places.locked():
            await self._places.acquire()
            return
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
            if not self._waiting:
                for callback in tuple(self._relief):
                    callback()

    def give_back(self) -> None:
        self._places.release()
