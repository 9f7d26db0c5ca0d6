"""The cluster kind ``apiserver``: a namespace on the session's own kube-apiserver."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from harness.clusters.apiserver.program import missing
from harness.clusters.apiserver.server import Server, join
from harness.clusters.existing import KubeconfigCluster
from harness.core.clock import Clock
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

__all__ = ["ApiserverCluster"]


class ApiserverCluster(KubeconfigCluster):
    """A real Kubernetes API without nodes. The first world of a session starts it, and it ends with the session."""

    kind: ClassVar[str] = "apiserver"
    options: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, clock: Clock, randomness: Randomness, namespace: str = "wasmbed", tap: Tap | None = None
    ) -> None:
        super().__init__(clock, randomness, namespace, tap)
        self._server: Server | None = None

    @classmethod
    def unavailable(cls) -> str | None:
        return missing()

    async def start(self) -> None:
        self._server = await asyncio.to_thread(join)
        self._path = self._server.kubeconfig
        await super().start()

    async def _check(self, api: KubernetesApi) -> None:
        """It is as it was built, and nobody else's."""

    def _advice(self) -> str:
        last_words = self._server.last_words() if self._server is not None else ""
        return f"see the machine's free memory; its last words:{last_words or ' none'}"
