"""Real firmware in Renode: eight boards of one host, from nothing and from a saved host, and what each takes."""

from __future__ import annotations

import sys

from benchmarks.figure import Figure
from harness.boards.board import Board
from harness.boards.renode import RenodeTier
from harness.core.clock import SystemClock
from harness.stack import Stack, StackOptions

KIND = "stm32f4-discovery"
MANY = 8
MEGABYTE = 1 << 20


async def measure() -> list[Figure]:
    if (why := RenodeTier.unavailable()) is not None:
        print(f"the figures of boards in Renode are left out: {why}", file=sys.stderr)
        return []
    clock = SystemClock()
    async with Stack(StackOptions(boards="renode")) as stack:
        start = clock.now()
        boards = await stack.boards.power_on(KIND, count=MANY)
        await _connected(stack, boards)
        cold = clock.now() - start
        memory = sum(usage.memory for usage in stack.boards.usage().values()) / MANY / MEGABYTE

        snapshot = await stack.boards.snapshot()
        since = {board.name: stack.device(board).status.connected_since for board in boards}
        start = clock.now()
        await snapshot.restore()
        await _connected(stack, boards, since)
        warm = clock.now() - start
    return [
        Figure("renode_8_boards", cold, "s", "limit", 8.0, "at most 8 s", lambda value, _: value <= 8),
        Figure("renode_8_boards_saved", warm, "s", "limit", 3.0, "at most 3 s", lambda value, _: value <= 3),
        Figure("renode_board_memory", memory, "MiB", "limit", 60.0, "at most 60 MiB", lambda value, _: value <= 60),
    ]


async def _connected(stack: Stack, boards: list[Board], since: dict[str, str | None] | None = None) -> None:
    for board in boards:
        old = since[board.name] if since is not None else None
        await stack.device(board).until(
            phase="Connected", connected_since=lambda moment, old=old: moment not in (None, old), within=60
        )
