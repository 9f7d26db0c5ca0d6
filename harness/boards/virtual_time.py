"""Boards whose time the harness holds: emulators that go so many seconds, stand still, and can be saved."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from harness.core.clock import Clock

__all__ = ["Snapshot", "VirtualTime"]


class Snapshot(Protocol):
    """All boards of a tier as they were at a moment."""

    @property
    def size(self) -> int:
        """Bytes that it takes."""

    async def restore(self) -> None:
        """Go back: every board is as it was, but its connection is gone, so it connects anew; boards that were made
        since then are off. Raises RigError if that cannot be."""


class VirtualTime(Protocol):
    """The time of all boards of a tier."""

    async def run_for(self, seconds: float) -> None:
        """Let exactly so much time pass for every board that is on; before and after it stands still."""

    async def run(self) -> None:
        """Let it follow the real time again."""

    def paced(self, clock: Clock, step: float) -> AbstractAsyncContextManager[None]:
        """Inside, it follows ``clock``, ``step`` seconds at a time, and is never before it."""

    async def snapshot(self, folder: Path | None = None) -> Snapshot:
        """Save everything, below ``folder`` if given. Raises RigError if that cannot be, for lack of room perhaps."""
