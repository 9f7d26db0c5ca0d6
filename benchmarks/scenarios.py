"""``apiserver_scenarios``: the time of every fifth scenario on a real API server, and on the embedded one."""

from __future__ import annotations

import asyncio
import sys

from benchmarks.figure import Figure
from harness.clusters.apiserver import ApiserverCluster
from harness.core.clock import SystemClock
from harness.core.data_files import data_folder

EVERY, FIRST = 5, 2
WORKERS = 2


async def pytest(*arguments: str) -> str:
    """Run pytest in the repository; returns what it printed. Raises RuntimeError if it fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments),
        cwd=data_folder("scenarios").parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"pytest ended with status {process.returncode}:\n{output.decode()}")
    return output.decode()


async def sample() -> list[str]:
    """The scenarios that are run: spread over all files, the same ones each time."""
    listed = await pytest("scenarios", "--collect-only")
    return [line for line in listed.splitlines() if "::" in line][FIRST::EVERY]


async def seconds(kind: str, scenarios: list[str]) -> float:
    clock = SystemClock()
    start = clock.now()
    await pytest(f"--cluster={kind}", "-n", str(WORKERS), *scenarios)
    return clock.now() - start


async def measure() -> list[Figure]:
    if ApiserverCluster.unavailable() is not None:
        return []
    scenarios = await sample()
    embedded = await seconds("embedded", scenarios)
    return [
        Figure(
            "apiserver_scenarios",
            await seconds("apiserver", scenarios),
            "s",
            f"the same {len(scenarios)} scenarios on the embedded API server",
            embedded,
            "at most 1.6 of the peer",
            lambda _, ratio: ratio <= 1.6,
        )
    ]
