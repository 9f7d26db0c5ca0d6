"""Finds leaks of a stack that has stopped: tasks of the platform or of a board that still run, and open sockets.

Each is a leak that a long run would feel. A task that was cancelled has some turns of the event loop to
end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from harness.core.clock import Clock
from harness.core.errors import ProductFailure
from harness.invariants.invariant import Party

__all__ = ["Leftovers"]

TURNS = 50
"""Turns of the loop in which what was closed ends."""
OWN = Path(__file__).resolve().parents[1]
_PARTIES = (
    (OWN / "wasmbed" / "gateway", Party.GATEWAY),
    (OWN / "wasmbed" / "controllers", Party.APPLICATION_CONTROLLER),
    (OWN / "boards" / "virtual", Party.BOARD),
)
DESCRIPTORS = Path("/proc/self/fd")


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
            left = dict(_tasks())
            if not left and _sockets() <= self._sockets:
                return
            await clock.sleep(0)
        if (sockets := _sockets() - self._sockets) > 0:
            raise ProductFailure(f"{sockets} sockets are still open", where="the end of the stack")
        for task, party in left.items():
            message = f"the {party} left a task behind: {task.get_coro()}"
            raise ProductFailure(message, where="the end of the stack", party=str(party))


def _tasks() -> Iterator[tuple[asyncio.Task[object], Party]]:
    for task in asyncio.all_tasks():
        code = getattr(task.get_coro(), "cr_code", None)
        path = Path(code.co_filename) if code is not None else Path()
        for folder, party in _PARTIES:
            if folder in path.parents and not task.done():
                yield task, party


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
