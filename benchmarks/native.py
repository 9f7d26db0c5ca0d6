"""Native boards: how many are held Connected in one process with platform and harness, what each costs, and how fast
they enroll against boards in QEMU."""

from __future__ import annotations

import sys
from itertools import pairwise

from benchmarks.figure import Figure, middle
from benchmarks.memory import KIB, resident
from harness.boards.native import NativeTier
from harness.boards.qemu import QemuTier
from harness.core.clock import SystemClock
from harness.stack import Stack, StackOptions

NATIVE, QEMU = "native", "mps2-an385"
FLEET = 2000
WARM_UP = 50
BEAT = 30.0
"""Seconds between two heartbeats of a board of the fleet."""
WATCHED = 90.0
"""Seconds that the fleet is watched."""
LATE = 1.5
"""Heartbeats that are more than this number of periods apart have a missing one between them."""
MANY = 32
ROUNDS = 3


async def measure() -> list[Figure]:
    if (why := NativeTier.unavailable()) is not None:
        print(f"the figures of native boards are left out: {why}", file=sys.stderr)
        return []
    clock = SystemClock()
    return [*await _fleet(clock), *await _enrollments(clock)]


async def _power_on(stack: Stack, kind: str, count: int) -> list[str]:
    """Return the names of the boards once all are Connected."""
    boards = await stack.boards.power_on(kind, count=count)
    for board in boards:
        await stack.device(board).until(phase="Connected", within=300)
    return [board.name for board in boards]


async def _fleet(clock: SystemClock) -> list[Figure]:
    async with Stack(StackOptions(boards=NATIVE, heartbeat=BEAT)) as stack:
        await _power_on(stack, NATIVE, WARM_UP)
        before = resident()
        names = await _power_on(stack, NATIVE, FLEET)
        each = (resident() - before) / FLEET
        start = clock.now()
        await clock.sleep(WATCHED)
        end = clock.now()
        beats: dict[str, list[float]] = {name: [start] for name in names}
        for event in stack.history.find("Heartbeat"):
            if event.at >= start and event.correlation in beats:
                beats[event.correlation].append(event.at)
        held = sum(
            all(later - earlier <= LATE * BEAT for earlier, later in pairwise([*times, end]))
            for times in beats.values()
        )
    return [
        Figure("native_boards", held, "boards", "boards powered on", FLEET, "all", lambda _, ratio: ratio == 1),
        Figure(
            "native_board_memory",
            each / KIB,
            "KiB",
            "limit; with gateway's session, resource and history",
            1024,
            "at most 1 MiB",
            lambda _, ratio: ratio <= 1,
        ),
    ]


async def _enrollments(clock: SystemClock) -> list[Figure]:
    """Boards a second from power-on to Connected, by turns with boards in QEMU."""
    if (why := QemuTier.unavailable()) is not None:
        print(f"the figure native_enroll_rate is left out: {why}", file=sys.stderr)
        return []

    async def rate(kind: str) -> float:
        async with Stack(StackOptions(boards=kind)) as stack:
            start = clock.now()
            await _power_on(stack, kind, MANY)
            return MANY / (clock.now() - start)

    native, emulated = middle([(await rate(NATIVE), await rate(QEMU)) for _ in range(ROUNDS)])
    wanted = "at least 5 times"
    return [Figure("native_enroll_rate", native, "boards/s", QEMU, emulated, wanted, lambda _, ratio: ratio >= 5)]
