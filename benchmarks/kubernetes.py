"""``kubernetes_patch_rate`` and ``kubernetes_patch_cpu``: status patches as controllers write them, embedded and real.

Each cluster is used as the harness uses it: the embedded one in the same process, the real one over its socket. The
processor time of the embedded one includes its client.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figure import Figure, middle
from harness.clusters.apiserver import ApiserverCluster
from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.wasmbed.pki.keys import generate_key, public_key_der
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.kinds import DEVICE

DEVICES = 50
PATCHES = 2000
AT_ONCE = 16
ROUNDS = 5

Cpu = Callable[[], float]


async def patches(api: ResourceApi, cpu: Cpu) -> tuple[float, float]:
    """Status patches a second, and seconds of processor time for each."""
    numbers = iter(range(PATCHES))

    async def worker() -> None:
        for number in numbers:
            metrics = {"uptime_ms": number, "memory_used_bytes": 4096, "applications_running": 1}
            status = {"lastHeartbeat": "2026-01-01T00:00:00Z", "health": "healthy", "deviceMetrics": metrics}
            await api.patch_status(DEVICE, f"device-{number % DEVICES}", {"status": status})

    clock, before = SystemClock(), cpu()
    start = clock.now()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return PATCHES / (clock.now() - start), (cpu() - before) / PATCHES


async def populate(api: ResourceApi) -> None:
    """Make the devices."""
    for number in range(DEVICES):
        key = public_key_der(generate_key().public_key())
        await api.create(DEVICE, manifests.device(f"device-{number}", public_key=key, device_type="virtual"))


def children_cpu() -> float:
    """Seconds of processor time of this process's children, which run: the API server."""
    ticks = 0
    for listed in Path("/proc/self/task").glob("*/children"):
        for child in listed.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def measure() -> list[Figure]:
    if ApiserverCluster.unavailable() is not None:
        return []
    clock = SystemClock()
    embedded = EmbeddedCluster(clock, Randomness(), "bench")
    real = ApiserverCluster(clock, Randomness(), f"bench-{Randomness().token(4)}")
    await embedded.start()
    await real.start()
    rates, costs = [], []
    try:
        ours, theirs = embedded.client("Benchmark"), real.client("Benchmark")
        await populate(ours)
        await populate(theirs)
        for _ in range(ROUNDS):
            (rate, cost), (peer_rate, peer_cost) = (
                await patches(ours, time.process_time),
                await patches(theirs, children_cpu),
            )
            rates.append((rate, peer_rate))
            costs.append((cost * 1e6, peer_cost * 1e6))
    finally:
        await real.stop()
        await embedded.stop()
    peer = "a kube-apiserver with etcd"
    return [
        Figure(
            "kubernetes_patch_rate", *_first(rates), peer, middle(rates)[1], "at least 4 of the peer",
            lambda _, r: r >= 4,
        ),
        Figure(
            "kubernetes_patch_cpu", *_first(costs, "us"), peer, middle(costs)[1], "at most 0.2 of the peer",
            lambda _, r: r <= 0.2,
        ),
    ]  # fmt: skip


def _first(rounds: list[tuple[float, float]], unit: str = "1/s") -> tuple[float, str]:
    return middle(rounds)[0], unit
