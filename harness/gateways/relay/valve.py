"""Holds one direction of a link back, as a test wishes: by a delay, by a bandwidth, or until it is released."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from harness.core.clock import Clock, Timer
from harness.core.identifiers import Randomness

__all__ = ["MOST_WAITING", "Valve"]

MOST_WAITING = 64 << 10
"""Bytes that wait in one direction before its sender is not read any more."""


class Valve:
    """Takes actions in the order in which they are due. Without a disturbance each is taken at once.

    ``crowded`` is called with True when more than :data:`MOST_WAITING` bytes wait, and with False when they do not.
    """

    def __init__(self, clock: Clock, crowded: Callable[[bool], object], randomness: Randomness) -> None:
        self._clock, self._crowded, self._randomness = clock, crowded, randomness
        self._delay, self._jitter, self._bandwidth, self._is_silent = 0.0, 0.0, 0.0, False
        self._free = 0.0
        """When the line has carried what was given to it."""
        self._waiting: deque[tuple[float, Callable[[], object], int]] = deque()
        self._size = 0
        self._holds = 0
        self._is_full = False
        self._timer: Timer | None = None

    def disturb(self, delay: float, *, jitter: float = 0.0, bandwidth: float = 0.0, is_silent: bool = False) -> None:
        """Delay what comes from now on by ``delay`` seconds and up to ``jitter`` more, let ``bandwidth`` bytes a second
        pass (0: all), and, while ``is_silent``, nothing."""
        self._delay, self._jitter, self._bandwidth, self._is_silent = delay, jitter, bandwidth, is_silent
        self._free = self._clock.now()
        self._pass()

    def hold(self) -> None:
        """Let nothing pass until :meth:`release`."""
        self._holds += 1

    @property
    def is_held(self) -> bool:
        """Whether :meth:`hold` has stopped it."""
        return self._holds > 0

    def release(self) -> None:
        """Let pass again what :meth:`hold` has stopped."""
        self._holds -= 1
        self._pass()

    def push(self, action: Callable[[], object], size: int = 0, *, delay: float = 0.0) -> None:
        """Take ``action``, which stands for ``size`` bytes, when it is its turn; ``delay`` (seconds) is for this one,
        and so for those behind it."""
        delay += self._delay
        if self._jitter:
            delay += self._randomness.jitter(self._jitter / 2, 1.0)
        if not (self._waiting or delay or self._bandwidth or self._is_silent or self._holds):
            action()
            return
        due = self._clock.now()
        if self._bandwidth:
            due = self._free = max(due, self._free) + size / self._bandwidth
        self._waiting.append((due + delay, action, size))
        self._size += size
        self._pass()

    def clear(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        self._size = 0
        self._stop_timer()

    def _pass(self) -> None:
        self._stop_timer()
        while self._waiting and not self._is_stopped and self._waiting[0][0] <= self._clock.now():
            _, action, size = self._waiting.popleft()
            self._size -= size
            action()
        if self._waiting and not self._is_stopped:
            self._timer = self._clock.call_later(self._waiting[0][0] - self._clock.now(), self._pass)
        is_full = self._size > MOST_WAITING
        if is_full != self._is_full:
            self._is_full = is_full
            self._crowded(is_full)

    @property
    def _is_stopped(self) -> bool:
        return self._is_silent or self._holds > 0

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
