"""The interface to boards whose time the harness controls: it runs, stops, and can be saved."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from harness.core.clock import Clock

__all__ = ["Snapshot", "VirtualTime"]


class Snapshot(Protocol):
    """The saved state of all boards of a tier."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    async def restore(self) -> None:
        """Restore the state of every board. Its connection is lost, so it connects again; boards that were made later
        are off. Raises RigError if that fails."""


class VirtualTime(Protocol):
    """The time of all boards of a tier."""

    async def run_for(self, seconds: float) -> None:
        """Let exactly ``seconds`` pass for every board that is on; before and after that, time is stopped."""

    async def run(self) -> None:
        """Let virtual time follow real time again."""

    def paced(self, clock: Clock, step: float) -> AbstractAsyncContextManager[None]:
        """Inside the block, virtual time follows ``clock`` in steps of ``step`` seconds and is never ahead of it."""

    async def snapshot(self, folder: Path | None = None) -> Snapshot:
        """Save the state of all boards, below ``folder`` if given. Raises RigError if that fails, for example for lack
        of disk space."""
