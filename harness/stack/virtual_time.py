"""Virtual time and snapshots of a stack's boards, over all tiers that can hold their boards' time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from harness.boards.board import Tier
from harness.boards.virtual_time import Snapshot, VirtualTime
from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.stack.board import RecordedBoard

__all__ = ["BoardsSnapshot", "paced", "run", "run_for", "take_snapshot"]


async def run_for(tiers: Iterable[Tier], seconds: float) -> None:
    """Let ``seconds`` of virtual time pass on all tiers that can hold time, concurrently."""
    await asyncio.gather(*(time.run_for(seconds) for time in _times(tiers)))


async def run(tiers: Iterable[Tier]) -> None:
    """Let virtual time follow real time again."""
    await asyncio.gather(*(time.run() for time in _times(tiers)))


@asynccontextmanager
async def paced(tiers: Iterable[Tier], clock: Clock, step: float) -> AsyncIterator[None]:
    """Inside, virtual time follows ``clock``."""
    async with AsyncExitStack() as stack:
        for time in _times(tiers):
            await stack.enter_async_context(time.paced(clock, step))
        yield


async def take_snapshot(tiers: Iterable[Tier], boards: Iterable[RecordedBoard], folder: Path | None) -> BoardsSnapshot:
    """Save the boards' present state, for :meth:`BoardsSnapshot.restore`."""
    return BoardsSnapshot([await time.snapshot(folder) for time in _times(tiers)], boards)


class BoardsSnapshot:
    """A saved state of the boards, of those tiers that can hold time."""

    def __init__(self, parts: Sequence[Snapshot], boards: Iterable[RecordedBoard]) -> None:
        self._parts = parts
        self._wanted = [(board, board.wanted) for board in boards]

    @property
    def size(self) -> int:
        """Its size on disk in bytes."""
        return sum(part.size for part in self._parts)

    async def restore(self) -> None:
        """Restore the boards. Each reconnects as the device that it was; boards made later are off afterwards.

        Raises RigError if a file is damaged or missing.
        """
        for board, wanted in self._wanted:
            board.restoring(wanted)
        for part in self._parts:
            await part.restore()


def _times(tiers: Iterable[Tier]) -> list[VirtualTime]:
    found = [tier.virtual_time for tier in tiers]
    times = [time for time in found if time is not None]
    if not times:
        raise UsageError(
            "there are no boards whose virtual time can be held",
            where="stack.boards",
            do="switch on a board of the tier renode first",
        )
    return times
