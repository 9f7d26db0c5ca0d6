"""The cluster kind ``apiserver``: a namespace on the session's own kube-apiserver."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from harness.clusters.apiserver.program import missing
from harness.clusters.apiserver.server import join
from harness.clusters.kubeconfig import KubeconfigCluster
from harness.core.clock import Clock
from harness.core.history import Tap
from harness.core.identifiers import Randomness

__all__ = ["ApiserverCluster"]


class ApiserverCluster(KubeconfigCluster):
    """A real Kubernetes API without nodes. The first world of a session starts it, and it ends with the session."""

    kind: ClassVar[str] = "apiserver"
    options: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, clock: Clock, randomness: Randomness, namespace: str = "wasmbed", tap: Tap | None = None
    ) -> None:
        super().__init__(clock, randomness, namespace, tap)

    @classmethod
    def unavailable(cls) -> str | None:
        return missing()

    async def start(self) -> None:
        self._path = (await asyncio.to_thread(join)).kubeconfig
        await super().start()
