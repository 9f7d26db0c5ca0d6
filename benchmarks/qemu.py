"""Real firmware in QEMU: power-on to Connected for one board and for many, and a module from deployment to running."""

from __future__ import annotations

import sys
from statistics import median

from benchmarks.figure import Figure
from harness.boards.qemu import QemuTier
from harness.core.clock import SystemClock
from harness.stack import Stack, StackOptions

KIND = "mps2-an385"
MANY = 64
MODULE = 10 << 10


async def measure() -> list[Figure]:
    if (why := QemuTier.unavailable()) is not None:
        print(f"the figures of emulated boards are left out: {why}", file=sys.stderr)
        return []
    clock = SystemClock()
    return [*await _one_board(clock), await _many_boards(clock)]


async def _one_board(clock: SystemClock) -> list[Figure]:
    connected, running = [], []
    async with Stack(StackOptions(boards=KIND)) as stack:
        for _ in range(7):
            start = clock.now()
            board = await stack.boards.power_on(KIND)
            await stack.device(board).until(phase="Connected", within=30)
            connected.append(clock.now() - start)
            module = padded(stack.modules("hello"), MODULE)
            start = clock.now()
            application = await stack.deploy(module, to=board)
            await application.until(phase="Running", within=30)
            running.append(clock.now() - start)
            await board.power_off()
    return [
        Figure("qemu_power_on", median(connected), "s", "limit", 0.5, "at most 0.5 s", lambda value, _: value <= 0.5),
        Figure("qemu_deploy_10_kb", median(running), "s", "limit", 2.0, "at most 2 s", lambda value, _: value <= 2),
    ]


async def _many_boards(clock: SystemClock) -> Figure:
    async with Stack(StackOptions(boards=KIND)) as stack:
        start = clock.now()
        boards = await stack.boards.power_on(KIND, count=MANY)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=60)
        took = clock.now() - start
    return Figure(f"qemu_{MANY}_boards", took, "s", "limit", 15.0, "at most 15 s", lambda value, _: value <= 15)


def padded(module: bytes, size: int) -> bytes:
    """``module`` made ``size`` bytes long by a custom section, which runtimes skip."""
    room = size - len(module) - 6
    length = room + 2
    encoded = bytes((length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14))
    return module + b"\0" + encoded + b"\1x" + bytes(room)
