"""The cluster kind ``k3d``: a namespace on the session's own cluster of k3d, which has nodes and runs pods."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from harness.clusters.existing import KubeconfigCluster
from harness.clusters.k3d.availability import missing
from harness.clusters.k3d.commands import SystemCommands
from harness.clusters.k3d.readiness import READY_WITHIN, troubles, until_usable
from harness.clusters.k3d.settings import Settings
from harness.clusters.own import OwnCluster
from harness.clusters.session import Server, join
from harness.core.clock import Clock
from harness.core.errors import RigError
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

__all__ = ["K3dCluster"]

UP_WITHIN = 900.0
"""Seconds for all attempts to create a cluster, its nodes, and its images. It usually takes 20."""


class K3dCluster(OwnCluster):
    """A cluster in Docker containers. One for a session, removed at its end, unless ``keep_cluster`` names it."""

    kind: ClassVar[str] = "k3d"
    patience: ClassVar[float] = UP_WITHIN + 60.0
    options: ClassVar[frozenset[str]] = frozenset(("k3d_config", "import_images", "keep_cluster"))
    _was_made: ClassVar[bool] = False
    """Whether this process has had a cluster, so that no program is asked again for each test."""

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        namespace: str = DEFAULT_NAMESPACE,
        tap: Tap | None = None,
        *,
        k3d_config: Path | None = None,
        import_images: str | None = None,
        keep_cluster: str | None = None,
    ) -> None:
        """``k3d_config``: a configuration file of k3d. ``import_images``: images for the nodes, separated by commas.
        ``keep_cluster``: the name of a cluster that is used if it is there, and stays. Raises UsageError."""
        super().__init__(clock, randomness, namespace, tap)
        images = tuple(image.strip() for image in (import_images or "").split(",") if image.strip())
        self._settings = Settings(k3d_config, images, keep_cluster)

    @classmethod
    def unavailable(cls) -> str | None:
        return None if cls._was_made else missing(Settings(), SystemCommands())

    @property
    def published(self) -> Mapping[int, Endpoint]:
        """Where this machine reaches the ports 8081 and 8080 of a gateway that runs in the cluster."""
        said = json.loads((self._path.parent / "published").read_text("utf-8"))
        return {int(port): (host, number) for port, (host, number) in said.items()}

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "harness.clusters.k3d.keeper", self._settings.as_json()]

    def _join(self) -> Server:
        kind = f"{self.kind}-{self._settings.key}"
        server = join(kind, self.command(), key=self._settings.keep, within=UP_WITHIN)
        K3dCluster._was_made = True
        return server

    async def start(self) -> None:
        await super().start()
        try:
            async with self._clock.deadline(READY_WITHIN):
                await until_usable(self._client("Harness", None))
        except TimeoutError:
            raise RigError(
                f"the namespace got no ServiceAccount within {READY_WITHIN:g} s, without which pods are refused",
                where=f"namespace {self.namespace}",
                do=self._advice(),
            ) from None

    async def check(self) -> None:
        await super().check()
        try:
            found = await troubles(self._client("Harness", None))
        except (ApiError, OSError):
            return
        if found:
            raise RigError("; ".join(found), where=f"cluster {self.kind}", do="mend that, and run the test again")

    async def lost(self) -> None:
        await KubeconfigCluster.lost(self)  # the end of its keeper is not the end of a cluster

    def _left_behind(self) -> None:
        if self._settings.keep is not None:
            KubeconfigCluster._left_behind(self)
