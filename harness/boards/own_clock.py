"""The clock of one board, which a test makes wrong."""

from __future__ import annotations

from collections.abc import Callable

from harness.core.clock import Clock, Timer
from harness.core.skewed_clock import SkewedClock

__all__ = ["OwnClock"]


class OwnClock(Clock):
    """The clock that the board measures with: it may run too fast or too slowly, and never jumps. :attr:`wall` is the
    time of day that the board believes in, which may."""

    __slots__ = ("_begun", "_clock", "_rate", "_shown", "wall")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rate = 1.0
        self._shown = self._begun = 0.0
        self.wall = SkewedClock(self)

    def now(self) -> float:
        now = self._clock.now()
        is_right = self._rate == 1.0 and self._shown == self._begun
        return now if is_right else self._shown + (now - self._begun) * self._rate

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return self._clock.call_later(seconds / self._rate, callback)

    def disturb(self, ahead: float, rate: float) -> None:
        """From now on run ``rate`` times as fast, with the time of day moved by ``ahead`` seconds. What waits already
        comes at its old time."""
        self._shown, self._begun = self.now(), self._clock.now()
        self._rate = rate
        self.wall.ahead += ahead
