"""The Kubernetes API server of a platform: an embedded one that is started again when it ends, or one that is there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from harness.clusters.cluster import Cluster
from harness.clusters.embedded.process import EmbeddedProcessCluster
from harness.clusters.existing import KubeconfigCluster
from harness.clusters.existing.definitions import install
from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.errors import RigError, reason
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import ApiError, Conflict
from harness.wasmbed.resources.kinds import NAMESPACE

__all__ = ["EmbeddedServer", "ExistingServer", "Server"]

_BACKOFF = Backoff(first=0.1, longest=30.0)


class Server:
    """A cluster that is there: it gets the resource types and the namespace, and keeps them."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.restarts = 0

    async def start(self) -> None:
        """Have it serve Wasmbed's resources in the namespace."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End it, or its clients."""
        await self.cluster.stop()

    async def give_access(self, program: str, path: Path) -> None:
        """Write the kubeconfig of a program."""
        await self.cluster.give_access(program, path)


class ExistingServer(Server):
    """Of a kubeconfig. Its resources stay when the platform ends."""

    def __init__(self, kubeconfig: Path, namespace: str, clock: Clock, randomness: Randomness) -> None:
        super().__init__(KubeconfigCluster(clock, randomness, namespace, kubeconfig=kubeconfig), namespace)
        self._path, self._clock = kubeconfig, clock

    async def start(self) -> None:
        client = self.cluster.client("Platform")
        try:
            await install(client, self._clock)
            with suppress(Conflict):
                await client.create(NAMESPACE, {"metadata": {"name": self.namespace}})
        except ApiError as error:
            do = "use credentials that may make namespaces and CustomResourceDefinitions"
            raise RigError(f"the cluster refused: {error}", where=str(self._path), do=do) from error
        except OSError as error:
            do = "start it, or name another in wasmbed.toml (cluster.kubeconfig)"
            raise RigError(f"the cluster cannot be reached: {reason(error)}", where=str(self._path), do=do) from error


class EmbeddedServer(Server):
    """A process of its own that keeps everything in a folder. It is started again, at its address, when it ends."""

    def __init__(self, state: Path, namespace: str, clock: Clock, randomness: Randomness) -> None:
        super().__init__(EmbeddedProcessCluster(clock, randomness, namespace, state=state), namespace)
        self._clock, self._randomness = clock, randomness
        self._work: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.cluster.start()
        self._work = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        await super().stop()

    async def _keep(self) -> None:
        failures = 0
        while True:
            with suppress(RigError):
                await self.cluster.lost()
            await self.cluster.kill()
            self.restarts += 1
            try:
                await self.cluster.restart()
                failures = 0
            except RigError:
                await self._clock.sleep(_BACKOFF.delay(failures, self._randomness))
                failures += 1
