"""A bench with a virtual board, for the tests of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from harness.boards.board import Board, BoardEnvironment, BoardSettings
from harness.boards.virtual import Backoff, VirtualTier
from harness.core.clock import Clock, SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.testing.bench import Bench, Expectations
from harness.wasmbed.runtime.interface import LogLevel

QUICK = Backoff(first=0.02, longest=0.1)
DEVICE_ID = "00000000-0000-4000-8000-000000000001"
CALM = Expectations(patience=20.0, heartbeat=30.0)


@asynccontextmanager
async def scene(
    *,
    clock: Clock | None = None,
    backoff: Backoff = QUICK,
    level: LogLevel = LogLevel.INFO,
    expectations: Expectations = CALM,
    capabilities: tuple[str, ...] | None = None,
) -> AsyncIterator[Bench]:
    """A bench with a virtual board."""
    tier = VirtualTier(backoff=backoff, level=level)

    def factory(settings: BoardSettings, environment: BoardEnvironment) -> Board:
        return tier.make("virtual", replace(settings, capabilities=capabilities), environment)

    environment = BoardEnvironment(clock or SystemClock(), SystemNetwork(), Randomness(7))
    try:
        async with Bench("pump-1", factory, environment, expectations).open() as bench:
            yield bench
    finally:
        await tier.close()


async def shows(bench: Bench, pattern: str) -> re.Match[str]:
    return await bench.board.console.until(pattern, 20)
