"""A suite, and a namespace of a real API server with a node that runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.clusters.apiserver import ApiserverCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.shards.job import Suite
from harness.shards.run import ShardedRun
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from tests.shards.node import Node

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(6))
async def test_a_board_connects(stack, number):
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    {body}
"""
"""Six tests, of which each of three shards has some."""


@dataclass
class Site:
    """A namespace with a node, and how a suite is run in it."""

    api: KubernetesApi
    node: Node
    kubeconfig: Path
    suite: Path
    folder: Path
    told: list[str] = field(default_factory=list)

    def write(self, body: str = "") -> None:
        (self.suite / "test_suite.py").write_text(TESTS.format(body=body))

    def run(self, *arguments: str, shards: int = 3, start_within: float = 60.0, **more: float | str) -> ShardedRun:
        suite = Suite(arguments or (".", "--boards=sim"), shards, "example/suite:1", **more)  # type: ignore[arg-type]
        clock, randomness = SystemClock(), Randomness()
        (self.folder / "fetched").mkdir()
        return ShardedRun(
            self.api, suite, clock, randomness, self.folder / "fetched", self.told.append, start_within=start_within
        )


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    if (why := ApiserverCluster.unavailable()) is not None:
        pytest.skip(why)
    cluster = ApiserverCluster(SystemClock(), Randomness(), f"shards-{Randomness().token(4)}")
    await cluster.start()
    kubeconfig, suite = tmp_path / "kubeconfig", tmp_path / "suite"
    await cluster.write_kubeconfig(kubeconfig)
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\n")
    api = await KubernetesApi.open(cluster.namespace, kubeconfig=kubeconfig)
    node = Node(api, tmp_path, suite)
    await node.start()
    found = Site(api, node, kubeconfig, suite, tmp_path)
    found.write()
    yield found
    await node.stop()
    await api.close()
    await cluster.stop()
