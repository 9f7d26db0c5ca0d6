"""The base of cluster kinds whose API server is started for the session."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from harness.clusters.existing import KubeconfigCluster
from harness.clusters.existing.client import Connection
from harness.clusters.session import Server, join, start_alone
from harness.core.clock import Clock
from harness.core.errors import RigError
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

__all__ = ["OwnCluster"]


class OwnCluster(KubeconfigCluster):
    """A namespace on a real API server that is started for the session, by its first stack."""

    patience: ClassVar[float] = 120.0
    options: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        namespace: str = DEFAULT_NAMESPACE,
        tap: Tap | None = None,
        *,
        own_server: bool = False,
    ) -> None:
        """``own_server``: start a server for this stack alone, which can be killed."""
        super().__init__(clock, randomness, namespace, tap)
        self._server: Server | None = None
        self._is_alone, self._was_killed = own_server, False

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command that starts the server; see :func:`harness.clusters.session.join`."""

    def _join(self) -> Server:
        return start_alone(self.kind, self.command()) if self._is_alone else join(self.kind, self.command())

    async def start(self) -> None:
        self._server = await asyncio.to_thread(self._join)
        self._path = self._server.kubeconfig
        self._connection = Connection(self._path)
        await super().start()

    async def kill(self) -> None:
        if not self._is_alone or self._server is None:
            raise self._keeps_its_server()
        self._was_killed = True
        if self._tapped is not None:
            self._tapped.disturbances.expect_all()
        await asyncio.to_thread(self._server.kill)

    async def restart(self) -> None:
        if self._server is None:
            raise self._keeps_its_server()
        await asyncio.to_thread(self._server.restart)

    async def check(self) -> None:
        """As of every cluster, unless a test killed its server: then what it does is the test's own doing."""
        if not self._was_killed:
            await super().check()

    async def stop(self) -> None:
        try:
            await super().stop()
        finally:
            if self._is_alone and self._server is not None:
                server, self._server = self._server, None
                server.leave()

    async def _clean_up(self) -> None:
        if not self._is_alone:  # otherwise everything goes with the server
            await super()._clean_up()

    async def _check(self, api: KubernetesApi) -> None:
        """Nothing to check: this session started the server."""

    async def _install(self, api: ResourceApi) -> None:
        """Install the types once: the server is this session's, and what a test does to them it does for all."""
        assert self._server is not None, "the cluster was started"
        if not self._server.has_types:
            await super()._install(api)
            self._server.has_types = True

    async def lost(self) -> None:
        if self._server is not None:
            await self._server.ended()
        raise RigError("the Kubernetes API server ended by itself", where=f"cluster {self.kind}", do=self._advice())

    def _advice(self) -> str:
        end = self._server.last_lines() if self._server is not None else ""
        return f"see the machine's free memory; the end of its log:{end or ' empty'}"

    def _left_behind(self) -> None:
        """The server's end removes the namespace."""
