"""Time, as an argument: the only module that reads the system's clock.

Code that waits does so on a :class:`Clock` that it was given, for a condition, with a deadline. Tests pass a
:class:`ManualClock` and advance time themselves.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol

from harness.core.errors import UsageError

__all__ = ["Clock", "ManualClock", "SystemClock", "Timer", "time_to_wait"]


class Timer(Protocol):
    """A callback that has not run yet."""

    def cancel(self) -> None:
        """Do not run it. A second call, or one after it has run, does nothing."""


class Clock(ABC):
    """Seconds since the Unix epoch, monotonic, and the ways to wait for them."""

    @abstractmethod
    def now(self) -> float:
        """Seconds since the Unix epoch; never goes back within one clock, even if the system's time is set."""

    @abstractmethod
    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Run ``callback`` once, ``seconds`` from now, on the running event loop."""

    def utcnow(self) -> datetime:
        """The same moment as :meth:`now`, as an aware UTC datetime."""
        return datetime.fromtimestamp(self.now(), UTC)

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task for a period that the design names (a heartbeat's interval), never for a guess."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        timer = self.call_later(seconds, wake)
        try:
            await woken
        finally:
            timer.cancel()

    @asynccontextmanager
    async def deadline(self, seconds: float) -> AsyncIterator[None]:
        """Cancel the block after ``seconds`` on this clock and raise :class:`TimeoutError` instead."""
        async with asyncio.timeout(None) as scope:
            timer = self.call_later(seconds, lambda: scope.reschedule(asyncio.get_running_loop().time()))
            try:
                yield
            finally:
                timer.cancel()


def time_to_wait(within: float) -> float:
    """Return ``within``, a test's time limit. Raises UsageError unless it is a finite, positive number of seconds."""
    if isinstance(within, int | float) and 0 < within < math.inf:
        return within
    raise UsageError(f"invalid time limit {within!r}", where="within", do="give a positive number of seconds: 5 or 0.5")


class SystemClock(Clock):
    """The machine's time: the wall clock read once, then the monotonic clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)


class _ManualTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock(Clock):
    """Time that moves only when a test advances it.

    :meth:`advance` fires each timer at its own time and lets the tasks that it woke run until they wait again. It
    only sees the event loop: it does not wait for sockets, threads, or processes.
    """

    _SETTLE_ROUNDS = 50

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._timers: list[tuple[float, int, _ManualTimer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (self._now + max(seconds, 0.0), next(self._order), timer))
        return timer

    async def advance(self, seconds: float) -> None:
        """Move ``seconds`` ahead and fire every timer that is due by then."""
        if seconds < 0:
            raise ValueError(f"a clock cannot go back: advance({seconds})")
        end = self._now + seconds
        await self._settle()
        while self._timers and self._timers[0][0] <= end:
            self._now, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                timer.callback()
                await self._settle()
        self._now = end
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(self._SETTLE_ROUNDS):
            await asyncio.sleep(0)
