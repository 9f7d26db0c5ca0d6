"""``state_patch_rate``: status patches a second with a state folder, against the same server in memory, in turns."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.figure import Figure, middle
from benchmarks.kubernetes import patches, populate
from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness

ROUNDS = 5


async def measure() -> list[Figure]:
    clock = SystemClock()
    with tempfile.TemporaryDirectory(dir=".") as folder:  # on a disk: the system's own may be in memory
        kept = EmbeddedCluster(clock, Randomness(), "bench", state=Path(folder) / "state")
        memory = EmbeddedCluster(clock, Randomness(), "bench")
        rounds = []
        try:
            for cluster in (kept, memory):
                await cluster.start()
                await populate(cluster.client("Benchmark"))
            for _ in range(ROUNDS):
                rate, _ = await patches(kept.client("Benchmark"), time.process_time)
                bare, _ = await patches(memory.client("Benchmark"), time.process_time)
                rounds.append((rate, bare))
        finally:
            await kept.stop()
            await memory.stop()
    value, bare = middle(rounds)
    wanted = "at least 0.5 of the peer"
    return [Figure("state_patch_rate", value, "1/s", "the same server in memory", bare, wanted, lambda _, r: r >= 0.5)]
