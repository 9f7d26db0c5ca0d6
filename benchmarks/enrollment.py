"""``stack_start``, ``enroll_rate`` and its growth: virtual boards against one gateway, all in this process."""

from __future__ import annotations

import asyncio
from statistics import median

from benchmarks.figure import Figure, middle
from benchmarks.handshakes import handshake_rate
from benchmarks.world import Platform, platform
from harness.core.clock import SystemClock
from harness.core.network import Endpoint, SystemNetwork
from harness.stack import Stack, StackOptions

AT_ONCE = 64
"""Boards under way at a time, as handshakes are with the peer."""


async def enroll_rate(running: Platform, count: int, prefix: str, gateway: Endpoint | None = None) -> float:
    """Boards a second from power-on to Connected in the cluster; ``gateway``: where they connect, if not directly."""
    boards = running.boards(count, prefix, gateway)
    clock, places = running.world.clock, asyncio.Semaphore(AT_ONCE)
    connected = asyncio.create_task(running.all_connected({board.name for board in boards}, places.release))
    start = clock.now()
    for board in boards:
        await places.acquire()
        await board.power_on()
    await connected
    rate = count / (clock.now() - start)
    await asyncio.gather(*(board.cut_power() for board in boards))
    return rate


async def stack_start() -> float:
    """Seconds from the start of a test's world to its first device Connected."""
    clock = SystemClock()
    start = clock.now()
    async with Stack(StackOptions()) as stack:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected", within=30)
        return clock.now() - start


async def measure() -> list[Figure]:
    clock, network = SystemClock(), SystemNetwork()
    starts = [await stack_start() for _ in range(5)]
    rounds = []
    for _ in range(3):
        bare = await handshake_rate(500, clock, network, AT_ONCE)
        async with platform(clock, network) as running:
            rounds.append((await enroll_rate(running, 500, "board"), bare))
    rate, bare = middle(rounds)
    growth = {}
    for count in (100, 500, 2000):
        async with platform(clock, network) as running:
            await enroll_rate(running, 50, "warm-up")
            growth[count] = await enroll_rate(running, count, "board")
    return [
        Figure("stack_start", median(starts), "s", "limit", 1.0, "at most 1.0 s", lambda value, _: value <= 1.0),
        Figure(
            "enroll_rate",
            rate,
            "1/s",
            "bare mutual TLS 1.3 handshakes",
            bare,
            "at least 0.4 of the peer",
            lambda _, ratio: ratio >= 0.4,
        ),
        Figure("enroll_rate_500", growth[500], "1/s", "100 boards", growth[100]),
        Figure(
            "enroll_rate_2000",
            growth[2000],
            "1/s",
            "100 boards",
            growth[100],
            "at least 0.7 of the rate at 100",
            lambda _, ratio: ratio >= 0.7,
        ),
    ]
