"""Finds leaks of a stack that has stopped: tasks and timers of the platform or of a board, and open sockets.

Each is a leak that a long run would feel. A task that was cancelled has some turns of the event loop to
end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Self
from weakref import WeakKeyDictionary

from harness.core.clock import Clock, SystemClock
from harness.core.errors import ProductFailure
from harness.invariants.invariant import Party

__all__ = ["Leftovers", "WatchedClock"]

TURNS = 50
"""Turns of the loop in which what was closed ends."""
OWN = Path(__file__).resolve().parents[1]
_PARTIES = (
    (OWN / "wasmbed" / "gateway", Party.GATEWAY),
    (OWN / "wasmbed" / "controllers", Party.APPLICATION_CONTROLLER),
    (OWN / "boards" / "virtual", Party.BOARD),
)
DESCRIPTORS = Path("/proc/self/fd")


class WatchedClock(SystemClock):
    """The machine's time, which knows the timers of the platform and of boards that are set: they keep what they would
    act on alive."""

    def __init__(self) -> None:
        super().__init__()
        self._timers: WeakKeyDictionary[asyncio.TimerHandle, CodeType] = WeakKeyDictionary()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        timer = asyncio.get_running_loop().call_later(seconds, callback)
        code: CodeType | None = getattr(callback, "__code__", None)  # of a lambda, a function or a method
        if code is not None and _party(code) is not None:
            self._timers[timer] = code
        return timer

    def left(self) -> Iterator[tuple[str, Party]]:
        """The timers that are to come, and whose they are."""
        now = asyncio.get_running_loop().time()
        for timer, code in list(self._timers.items()):
            party = _party(code)
            if party is not None and not timer.cancelled() and timer.when() > now:
                yield f"a timer behind: {code.co_qualname} ({Path(code.co_filename).name})", party


class Leftovers:
    """Compares the end of a stack with its beginning."""

    def __init__(self, sockets: int) -> None:
        self._sockets = sockets

    @classmethod
    async def begin(cls) -> Self:
        """Before the stack starts, on its loop, which has sockets of its own."""
        return cls(_sockets())

    async def check(self, clock: Clock) -> None:
        """Raise ProductFailure that names what is left, and whose it is."""
        for _ in range(TURNS):
            left = [*_tasks(), *(clock.left() if isinstance(clock, WatchedClock) else ())]
            if not left and _sockets() <= self._sockets:
                return
            await clock.sleep(0)
        if (sockets := _sockets() - self._sockets) > 0:
            raise ProductFailure(f"{sockets} sockets are still open", where="the end of the stack")
        for what, party in left:
            raise ProductFailure(f"the {party} left {what}", where="the end of the stack", party=str(party))


def _tasks() -> Iterator[tuple[str, Party]]:
    for task in asyncio.all_tasks():
        party = _party(getattr(task.get_coro(), "cr_code", None))
        if party is not None and not task.done():
            yield f"a task behind: {task.get_coro()}", party


@cache
def _party(code: CodeType | None) -> Party | None:
    """The party that the code belongs to."""
    path = Path(code.co_filename) if code is not None else Path()
    return next((party for folder, party in _PARTIES if folder in path.parents), None)


def _sockets() -> int:
    """The number of sockets that this process has open; 0 where the system does not tell."""
    found = 0
    for name in os.listdir(DESCRIPTORS) if DESCRIPTORS.is_dir() else ():
        try:
            target = os.readlink(DESCRIPTORS / name)
        except OSError:
            continue
        if target.startswith("socket:"):
            found += 1
    return found
