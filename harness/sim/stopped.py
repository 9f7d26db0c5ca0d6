"""The processes of a simulation that are stopped: what they would do waits."""

from __future__ import annotations

import asyncio
from typing import Any

from harness.core.processes import PROCESS

__all__ = ["NOTHING", "Stopped"]


def _nothing() -> None:
    pass


class _Nothing:
    """A handle that the event loop passes over."""

    _cancelled = True
    _callback = staticmethod(_nothing)


NOTHING: Any = _Nothing()
"""In the place of a handle that waits."""


class Stopped:
    """By the name of a stopped process, the handles that wait, in their order."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Handle]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, name: str) -> None:
        """Stop a process."""
        self._waiting.setdefault(name, [])

    def remove(self, name: str) -> list[asyncio.Handle]:
        """Let a process go on; returns what has waited."""
        return self._waiting.pop(name, [])

    def owns(self, handle: Any) -> bool:
        """Whether a handle is of a stopped process."""
        return handle is not None and handle._context.get(PROCESS, "") in self._waiting

    def keeps(self, handle: Any) -> bool:
        """Whether a handle has to wait; it is kept if so."""
        if not self._waiting or handle._cancelled or not self.owns(handle):
            return False
        self._waiting[handle._context.get(PROCESS, "")].append(handle)
        return True
