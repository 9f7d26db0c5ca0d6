"""The API server of a stack's cluster, which a test can kill and start again (feature ``cluster-kill``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what tests without a stack would wait for: this module tells the features
    from harness.clusters.cluster import Cluster
    from harness.stack.recorder import Recorder

__all__ = ["FEATURES", "ApiServerControl"]

FEATURES = {"cluster-kill": "the harness can kill the API server's process, and start it again with its data"}
"""The features of clusters, each with its meaning; scenarios ask for them by ``requires``."""


class ApiServerControl:
    """Kill and restart, each in the record. The test has the option ``own_server``."""

    def __init__(self, cluster: Cluster, recorder: Recorder) -> None:
        self._cluster, self._recorder = cluster, recorder

    async def kill(self) -> None:
        """End its process at once. Requests fail, and watches end, until :meth:`restart`."""
        self._recorder.fault("API server killed", "Kubernetes")
        await self._cluster.kill()

    async def restart(self) -> None:
        """Start it at its address with its data. The platform's clients come back by themselves."""
        await self._cluster.restart()
        self._recorder.fault("API restored", "Kubernetes")
