"""Virtual time: it stands still while anything can run, and then jumps to the next timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.core.clock import Clock, Timer

__all__ = ["START", "SimulatedClock", "SimulatedTime"]

START = 1_767_225_600.0
"""2026-01-01T00:00:00Z: the moment at which every simulation begins."""


LOOK = 1e-6
"""Virtual seconds that a look at the clock takes: of two events the later one has a later time, also in Kubernetes'
microseconds, as on a machine."""


class SimulatedTime:
    """The seconds that have passed in one simulation. Its event loop moves them, and each look at its clock."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0


class SimulatedClock(Clock):
    """The time of a simulation, which begins at :data:`START`."""

    def __init__(self, time: SimulatedTime) -> None:
        self._time = time

    def now(self) -> float:
        self._time.seconds += LOOK
        return START + self._time.seconds

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)
