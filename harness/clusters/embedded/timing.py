"""The arrival of watch events: prompt, or at times that were asked for.

An API server guarantees no time of arrival. To expose clients that rely on this server's speed, it can use the
freedom that Kubernetes allows: to answer a writer after all watches have reported the write, or to delay watches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from harness.clusters.watch_times import WatchTimes
from harness.core.clock import Clock, Timer
from harness.core.identifiers import Randomness

__all__ = ["Timing", "Waiting"]

T = TypeVar("T")

LATEST = 0.1
"""Seconds that an event or an answer is late at most."""


class Timing:
    """The timing of one server."""

    def __init__(self, times: WatchTimes, clock: Clock, randomness: Randomness) -> None:
        self._times, self._clock, self._randomness = times, clock, randomness
        self.starts_types_late = False
        """Set once the types are there that the starter of the server needs at once."""

    @property
    def before_new_types(self) -> float:
        """Seconds for which the path of a new type is still 404, after its definition is Established."""
        return LATEST if self.starts_types_late and self._times in (WatchTimes.LATE, WatchTimes.BATCHED) else 0.0

    async def before_answer(self) -> None:
        """Wait as long as the answer to a write is late."""
        if self._times is WatchTimes.EARLY:
            await self._clock.sleep(self._some())

    def waiting(self, arrived: Callable[[T], object]) -> Waiting[T] | None:
        """Where a watch's events wait before they have ``arrived``; None where they do not."""
        if self._times is WatchTimes.LATE:
            return Waiting(self._clock, self._some, arrived)
        if self._times is WatchTimes.BATCHED:
            return Waiting(self._clock, lambda: LATEST, arrived, together=True)
        return None

    def _some(self) -> float:
        return self._randomness.jitter(LATEST / 2, 1.0)


class Waiting(Generic[T]):
    """The events on their way to one watch, in order: each by itself, or together with the first that waits."""

    def __init__(
        self, clock: Clock, delay: Callable[[], float], arrived: Callable[[T], object], *, together: bool = False
    ) -> None:
        self._clock, self._delay, self._arrived, self._together = clock, delay, arrived, together
        self._context = copy_context()  # the watcher's: the process that made the event may be stopped
        self._items: deque[tuple[float, T]] = deque()
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Another one; it never overtakes."""
        before = self._items[-1][0] if self._items else 0.0
        due = before if before and self._together else max(before, self._clock.now() + self._delay())
        self._items.append((due, item))
        self._wait()

    def end(self) -> None:
        """Let everything arrive now."""
        if self._timer is not None:
            self._timer.cancel()
        while self._items:
            self._arrived(self._items.popleft()[1])

    def _wait(self) -> None:
        if self._timer is None and self._items:
            wait = max(self._items[0][0] - self._clock.now(), 0.0)
            self._timer = self._context.run(self._clock.call_later, wait, self._due)

    def _due(self) -> None:
        self._timer = None
        while self._items and self._items[0][0] <= self._clock.now():
            self._arrived(self._items.popleft()[1])
        self._wait()
