"""Powers many boards on, off, and through rolling power cycles, with a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager

from harness.boards.board import Board, Power
from harness.core.errors import RigError

__all__ = ["Fleet", "Progress"]

Progress = Callable[[int, int], object]
"""Called with the number of boards that are done and the number of all."""

AT_ONCE = 64
REPORTED = 5
"""Boards that an error names; the others are only counted."""


class Fleet:
    """A collection of boards with distinct names."""

    def __init__(self, boards: Iterable[Board] = ()) -> None:
        self._boards = {board.name: board for board in boards}

    def add(self, board: Board) -> None:
        self._boards[board.name] = board

    def __len__(self) -> int:
        return len(self._boards)

    def __iter__(self) -> Iterator[Board]:
        return iter(tuple(self._boards.values()))

    def __getitem__(self, name: str) -> Board:
        return self._boards[name]

    @property
    def powered(self) -> list[Board]:
        """The boards that are on."""
        return [board for board in self if board.power is Power.ON]

    async def power_on(self, *, at_once: int = AT_ONCE, progress: Progress | None = None) -> None:
        """Power on the boards that are off; returns when the firmware of each runs.

        A board that does not start does not affect the others. Raises RigError naming the boards that did not start;
        for a single board, the board's own error.
        """
        off = [board for board in self if board.power is Power.OFF]
        await _each(off, lambda board: board.power_on(), "did not start", at_once, progress)

    async def cycle(
        self,
        *,
        at_once: int = 1,
        progress: Progress | None = None,
        back: Callable[[Board], Awaitable[object]] | None = None,
    ) -> None:
        """Cut the power of each board that is on and switch it on again, ``at_once`` at a time.

        ``back`` is awaited for each board before the next one begins, for example until it is connected again.
        Raises RigError naming the boards that failed; another error of ``back`` ends the cycle.
        """

        async def cycle(board: Board) -> None:
            await board.cut_power()
            await board.power_on()
            if back is not None:
                await back(board)

        await _each(self.powered, cycle, "did not come back", at_once, progress)

    async def stop(self, *, at_once: int = AT_ONCE, progress: Progress | None = None) -> None:
        """Power off the boards that are on. If a board does not shut down in order, its power is cut.

        Raises RigError naming the boards that could not be switched off.
        """

        async def off(board: Board) -> None:
            try:
                await board.power_off()
            except RigError:
                await board.cut_power()

        await _each(self.powered, off, "could not be switched off", at_once, progress)

    @asynccontextmanager
    async def running(self, *, at_once: int = AT_ONCE, progress: Progress | None = None) -> AsyncIterator[Fleet]:
        """Power the boards on for the length of the block, and off at its end in every case."""
        try:
            await self.power_on(at_once=at_once, progress=progress)
            yield self
        finally:
            await self.stop(at_once=at_once)


async def _each(
    boards: Sequence[Board],
    action: Callable[[Board], Awaitable[object]],
    failure: str,
    at_once: int,
    progress: Progress | None,
) -> None:
    if at_once < 1:
        raise ValueError(f"at_once is {at_once}, must be at least 1")
    waiting = iter(boards)
    failed: dict[str, RigError] = {}
    done = 0

    async def work() -> None:
        nonlocal done
        for board in waiting:
            try:
                await action(board)
            except RigError as error:
                failed[board.name] = error
            done += 1
            if progress is not None:
                progress(done, len(boards))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(boards))):
                group.create_task(work())
    except BaseExceptionGroup as group_of_one:
        raise group_of_one.exceptions[0] from None
    if failed:
        names = list(failed)[:REPORTED]
        more = f" and {len(failed) - len(names)} more" if len(failed) > len(names) else ""
        first = failed[names[0]]
        if len(boards) == 1:
            raise first
        raise RigError(
            f"{len(failed)} of {len(boards)} boards {failure}: {', '.join(names)}{more}; the first: {first.what}",
            where="fleet",
            do=first.do,
        ) from first
