"""A clock that shows a wrong time of day, as machines without a time server do."""

from __future__ import annotations

from collections.abc import Callable

from harness.core.clock import Clock, Timer

__all__ = ["SkewedClock"]


class SkewedClock(Clock):
    """A clock that shows another time; what it waits for takes as long as always."""

    __slots__ = ("_clock", "ahead")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead = 0.0
        """Seconds by which it is ahead; negative: behind."""

    def now(self) -> float:
        return self._clock.now() + self.ahead

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return self._clock.call_later(seconds, callback)
