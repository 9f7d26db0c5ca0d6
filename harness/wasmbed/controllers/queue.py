"""A queue of keys to reconcile, after client-go's work queue.

A waiting key is in the queue once, however often it is added. A key that a worker holds is not handed out a second
time: if it is added meanwhile, it is queued again afterwards. After failures the delay grows.
"""

from __future__ import annotations

import asyncio
from collections import deque

from harness.core.backoff import Backoff
from harness.core.clock import Clock, Timer
from harness.core.identifiers import Randomness

__all__ = ["Closed", "WorkQueue"]

_BACKOFF = Backoff(first=0.05, longest=60.0)


class Closed(Exception):
    """The queue hands out nothing more."""


class WorkQueue:
    """Keys, in the order in which they were added.

    ``backoff`` is the wait after failures. ``rest`` is the shortest time, in seconds, from the end of the work on a key
    to its next start; additions of the key in between lead to one further start.
    """

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        *,
        backoff: Backoff = _BACKOFF,
        rest: float = 0.0,
    ) -> None:
        self._clock, self._randomness = clock, randomness
        self._backoff, self._rest = backoff, rest
        self._ready: deque[str] = deque()
        self._wanted: set[str] = set()
        self._busy: set[str] = set()
        self._later: dict[str, tuple[float, Timer]] = {}
        self._resting: dict[str, Timer] = {}
        self._failures: dict[str, int] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        """The number of keys that wait for a worker."""
        return len(self._ready)

    def add(self, key: str) -> None:
        """Queue ``key`` now."""
        if self._closed or key in self._wanted:
            return
        self._wanted.add(key)
        if key not in self._busy:
            self._ready.append(key)
            self._wake()

    def add_after(self, key: str, seconds: float) -> None:
        """Queue ``key`` in ``seconds``; of several calls the earliest moment counts."""
        if self._closed:
            return
        due = self._clock.now() + seconds
        if key in self._later:
            earlier, timer = self._later[key]
            if earlier <= due:
                return
            timer.cancel()
        self._later[key] = due, self._clock.call_later(seconds, lambda: self._due(key))

    def add_rate_limited(self, key: str) -> None:
        """Queue ``key`` again after a failure, with the backoff's delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, self._backoff.delay(failures, self._randomness))

    def forget(self, key: str) -> None:
        """Reset the backoff of ``key`` after a success."""
        self._failures.pop(key, None)

    async def get(self) -> str:
        """Return the next key; call :meth:`done` after the work. Raises :class:`Closed`."""
        while not self._ready:
            if self._closed:
                raise Closed
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if not getter.cancelled():
                    self._wake()  # it was woken and cancelled at once: wake another worker instead
                elif getter in self._getters:
                    self._getters.remove(getter)
                raise
        if self._closed:
            raise Closed
        key = self._ready.popleft()
        self._wanted.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: str) -> None:
        """Note that the work on ``key`` has ended, with success or without."""
        if self._rest and not self._closed:
            self._resting[key] = self._clock.call_later(self._rest, lambda: self._release(key))
        else:
            self._release(key)

    def close(self) -> None:
        """Hand out nothing more and drop every key."""
        self._closed = True
        for _, timer in self._later.values():
            timer.cancel()
        for timer in self._resting.values():
            timer.cancel()
        self._later.clear()
        self._resting.clear()
        while self._getters:
            self._wake()

    def _due(self, key: str) -> None:
        del self._later[key]
        self.add(key)

    def _release(self, key: str) -> None:
        self._resting.pop(key, None)
        self._busy.discard(key)
        if key in self._wanted:
            self._ready.append(key)
            self._wake()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return
