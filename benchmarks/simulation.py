"""Simulated stacks: how much faster than real time idle boards are, how many heartbeats one process simulates, and how
long a day of a large fleet takes.

Seconds are the process's own processor time: a simulation is one thread. All that a test has is on: recording, taps,
and the invariants' judgement at its end, which is part of the time.
"""

from __future__ import annotations

import asyncio
import sys
from time import process_time

from benchmarks.figure import Figure
from harness.sim import SimNativeTier
from harness.stack import Stack, StackOptions
from harness.stack.hosted import HostedStack

BOARDS = 100
IDLE = 300.0
"""Virtual seconds of the idle fleet."""
FORWARD = 30.0
"""Virtual seconds between the heartbeats of an idle board: the default."""
OFTEN = 0.1
"""Virtual seconds between the heartbeats of a busy board: many of them for each status that the gateway writes."""
BUSY = 20.0
"""Virtual seconds of the busy fleet."""
LARGE, WATCHED, DAY = 1000, 600.0, 86_400.0
"""The fleet of a day, the virtual seconds of it that are measured, and those that it has."""


async def measure() -> list[Figure]:
    figures = [
        await asyncio.to_thread(_heartbeats),
        await asyncio.to_thread(_speedup, "sim", 1000),
        await asyncio.to_thread(_day),
    ]
    if (why := SimNativeTier.unavailable()) is None:
        figures.append(await asyncio.to_thread(_speedup, "sim-native", 200))
    else:
        print(f"the figure sim_native_speedup is left out: {why}", file=sys.stderr)
    return figures


def _speedup(boards: str, wanted: int) -> Figure:
    seconds, _ = _run(boards, BOARDS, FORWARD, IDLE)
    return Figure(
        f"{boards.replace('-', '_')}_speedup",
        IDLE / seconds,
        "virtual s/s",
        "real time",
        1.0,
        f"at least {wanted}",
        lambda _, ratio: ratio >= wanted,
    )


def _heartbeats() -> Figure:
    seconds, heartbeats = _run("sim", BOARDS, OFTEN, BUSY)
    return Figure(
        "sim_heartbeats",
        heartbeats / seconds,
        "heartbeats/s",
        "limit",
        20_000,
        "at least the limit",
        lambda _, ratio: ratio >= 1,
    )


def _day() -> Figure:
    seconds, _ = _run("sim", LARGE, FORWARD, WATCHED)
    return Figure(
        "sim_day",
        seconds * DAY / WATCHED,
        "s",
        f"limit; 1,000 boards, from {WATCHED:.0f} s of the day",
        180,
        "at most the limit",
        lambda _, ratio: ratio <= 1,
    )


def _run(boards: str, count: int, interval: float, virtual: float) -> tuple[float, int]:
    """Processor seconds for that many virtual ones of a fleet, and the heartbeats that it sent in them."""

    async def up(stack: Stack) -> None:
        for board in await stack.boards.power_on(count=count):
            await stack.device(board).until(phase="Connected", within=300)

    options = StackOptions(boards=boards, heartbeat=interval, deadline=10 * virtual)
    with HostedStack.opened(options, None) as hosted:
        stack = hosted.stack
        hosted.run(up(stack))
        before, begun = len(stack.history.find("Heartbeat")), process_time()
        hosted.run(stack.clock.sleep(virtual))
        hosted.judge()
        return process_time() - begun, len(stack.history.find("Heartbeat")) - before
