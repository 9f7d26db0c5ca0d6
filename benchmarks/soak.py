"""``memory_slope``: what ``wasmbed up`` with 200 boards grows by in an hour, after its warm-up: ``make soak``.

The platform runs as its users start it, in a process of its own, for ten minutes. What is measured is the memory that
Python has allocated (``tracemalloc``): the pages of the process move by megabytes without growth, and show only
whether something outside Python grows. Every board beats every ten seconds, so that all that is kept for a
while - the newest events, changes, consoles - is full when the warm-up is over.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import tracemalloc
from collections import Counter
from pathlib import Path
from statistics import linear_regression

from benchmarks.child import child
from benchmarks.figure import Figure
from benchmarks.memory import resident
from harness.core.clock import SystemClock
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

BOARDS = 200
HEARTBEAT = 10
WARM_UP = 240.0
TIME = 600.0
STEP = 10.0
"""Seconds between two looks: a heartbeat's, so that each is at the same moment of the boards' lives."""
HOUR = 3600.0
MIB = 1 << 20
MOST_PAGES = 16.0
"""MiB by which the process's own pages may differ between the warm-up and the end."""


def serve(folder: str) -> int:
    """The platform's process: ``wasmbed up``, and a thread that answers each line with the memory in use."""

    def answer() -> None:
        for _ in sys.stdin:
            print(json.dumps([tracemalloc.get_traced_memory()[0], resident()]), file=answers, flush=True)
        os.kill(os.getpid(), signal.SIGINT)

    from harness.cli.main import run

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what it says goes to the terminal, or to the log of the nightly job
    tracemalloc.start()
    threading.Thread(target=answer, daemon=True).start()
    # The API server is in this process, so that its memory is counted too.
    options = {"cluster": "embedded", "boards": f"virtual={BOARDS}", "heartbeat": HEARTBEAT, "port": 0, "http-port": 0}
    return run(["up", *(f"--{name}={value}" for name, value in options.items()), f"--kubeconfig={folder}/kubeconfig"])


async def device_phases(kubeconfig: Path) -> Counter[str]:
    """How many devices the cluster has in each phase."""
    api = await KubernetesApi.open("wasmbed", kubeconfig=kubeconfig, name="Benchmark")
    try:
        return Counter(device["status"]["phase"] for device in (await api.list(DEVICE)).items)
    finally:
        await api.close()


async def measure(warm_up: float = WARM_UP, time: float = TIME) -> list[Figure]:
    clock, used, pages, moments = SystemClock(), [], [], []
    with tempfile.TemporaryDirectory() as folder:
        async with child("benchmarks.soak", folder) as platform:
            start = clock.now()
            while (passed := clock.now() - start) < time:
                await clock.sleep(STEP - passed % STEP)
                platform.ask("memory")
                python, process = json.loads(await platform.answer())
                if clock.now() - start >= warm_up:
                    moments.append((clock.now() - start) / HOUR)
                    used.append(python / MIB)
                    pages.append(process / MIB)
            phases = await device_phases(Path(folder) / "kubeconfig")
    slope = linear_regression(moments, used).slope
    third = len(pages) // 3 or 1
    growth = sum(pages[-third:]) / third - sum(pages[:third]) / third
    return [
        Figure(
            "memory_slope",
            slope,
            "MiB/h",
            "limit",
            1.0,
            "at most 1 MiB an hour",
            lambda value, _: value <= 1.0,
        ),
        Figure(
            "pages_growth",
            growth,
            "MiB",
            "limit",
            MOST_PAGES,
            f"at most {MOST_PAGES:g} MiB between the first and the last third",
            lambda value, _: value <= MOST_PAGES,
        ),
        Figure(
            "soak_connected",
            phases["Connected"],
            "devices",
            "boards",
            BOARDS,
            "all",
            lambda _, ratio: ratio == 1,
        ),
    ]


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1]))
