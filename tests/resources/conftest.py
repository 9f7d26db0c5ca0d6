"""An embedded cluster for each scenario, on a clock that tests move."""

import asyncio

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import ManualClock
from harness.core.identifiers import Randomness


@pytest.fixture
def play():
    """Runs ``scenario(cluster, clock)`` and sees that no task is left."""

    def run(scenario, clock=None):
        async def main():
            used = clock or ManualClock()
            cluster = EmbeddedCluster(used, Randomness(1))
            await cluster.start()
            try:
                await scenario(cluster, used)
            finally:
                await cluster.stop()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks are left: {left}"

        asyncio.run(main())

    return run
