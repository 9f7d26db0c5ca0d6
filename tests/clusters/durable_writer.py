"""A cluster that writes until it is killed, ``python -m tests.clusters.durable_writer FOLDER``: it prints each answer.

A line is the name, the value and the resourceVersion of a ConfigMap that the cluster has acknowledged, or ``deleted``
and a name. Logs are short, so that it is often killed while one follows another.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded import cluster as module
from harness.clusters.embedded.durable.journal import Journal
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.loop import new_runner
from harness.wasmbed.resources.api import NotFound
from harness.wasmbed.resources.kinds import CONFIG_MAP

WRITERS = 8


async def main(folder: Path) -> None:
    module.Journal = partial(Journal, log_bytes=16 << 10)
    cluster = EmbeddedCluster(SystemClock(), Randomness(), "wasmbed", state=folder)
    await cluster.start()
    api = cluster.client("Writer")

    async def write(name: str) -> None:
        number = 0
        try:
            number = int((await api.get(CONFIG_MAP, name))["data"]["number"])
        except NotFound:
            await api.create(CONFIG_MAP, config_map(name, 0))
        while True:
            number += 1
            written = await api.patch(CONFIG_MAP, name, {"data": {"number": str(number)}})
            say(f"{name} {number} {written['metadata']['resourceVersion']}")
            if number % 10 == 0:
                passing = f"{name}-{number}"
                await api.create(CONFIG_MAP, config_map(passing, number))
                await api.delete(CONFIG_MAP, passing)
                say(f"deleted {passing}")

    await asyncio.gather(*(write(f"writer-{number}") for number in range(WRITERS)))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def config_map(name: str, number: int) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"number": str(number)}}


if __name__ == "__main__":
    with new_runner() as runner:
        runner.run(main(Path(sys.argv[1])))
