"""Explorations: schedules a minute with 10 boards and 60 virtual seconds each, and two workers against one.

Processor seconds of one process count for the rate: an exploration is one thread. Two workers are held against one of
the same machine at the same time, so that what else it does counts for both.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import process_time

from benchmarks.figure import Figure, middle
from harness.core.clock import SystemClock
from harness.explore.case import run
from harness.explore.explorer import Explorer
from harness.explore.session import Limits, Progress, Session
from harness.explore.workers import LocalSource, Worker, explore_with

BOARDS, SECONDS = 10, 60.0
WARM, RUNS, ROUNDS = 3, 30, 3
WANTED, WANTED_OF_TWO = 300, 1.7


async def measure() -> list[Figure]:
    rounds = [(await _rate(2, seed), await _rate(1, seed)) for seed in range(ROUNDS)]
    return [await asyncio.to_thread(_one), _two(rounds)]


def _one() -> Figure:
    explorer = Explorer(0, boards=BOARDS, tier="sim", seconds=SECONDS)
    begun = 0.0
    for number in range(WARM + RUNS):
        if number == WARM:
            begun = process_time()
        case = explorer.next()
        explorer.learn(case, run(case))
    return Figure(
        "explore_rate",
        60 * RUNS / (process_time() - begun),
        "schedules/min",
        "limit",
        WANTED,
        "at least the limit",
        lambda _, ratio: ratio >= 1,
    )


def _two(rounds: Sequence[tuple[float, float]]) -> Figure:
    two, one = middle(rounds)
    return Figure(
        "explore_two_workers",
        two,
        "schedules/min",
        "one worker",
        one,
        f"at least {WANTED_OF_TWO} times",
        lambda _, ratio: ratio >= WANTED_OF_TWO,
    )


async def _rate(count: int, seed: int) -> float:
    """Schedules a minute of that many workers, once their processes have run a case."""
    clock, folder = SystemClock(), Path(tempfile.mkdtemp(prefix="wasmbed-explore-"))
    explorer = Explorer(seed, boards=BOARDS, tier="sim", seconds=SECONDS)
    session = Session(
        explorer,
        Limits(3600.0, RUNS, keep_going=True),
        folder,
        Progress(explorer, clock, partial(print, file=sys.stderr)),
    )
    workers = [Worker() for _ in range(count)]
    try:
        await asyncio.gather(*(worker.run(explorer.next()) for worker in workers))
        begun = clock.now()
        await explore_with(session, LocalSource(session), workers)
        return 60 * explorer.runs / (clock.now() - begun)
    finally:
        shutil.rmtree(folder)
