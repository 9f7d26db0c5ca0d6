"""The cluster kind ``envtest``: a namespace on the session's own kube-apiserver, from binaries that are there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from harness.clusters.own import OwnCluster

__all__ = ["EnvtestCluster"]

ASSETS = "KUBEBUILDER_ASSETS"
BINARIES = ("kube-apiserver", "etcd")


class EnvtestCluster(OwnCluster):
    """An API server and a store, nothing else: what controllers do in a cluster is not done here. Nothing collects
    dependents, and a deleted namespace stays, so it is left as it is until the server ends."""

    kind: ClassVar[str] = "envtest"

    @classmethod
    def unavailable(cls) -> str | None:
        missing = [name for name in BINARIES if _find(name) is None]
        if not missing:
            return None
        where = f"{folder}, where {ASSETS} points" if (folder := os.environ.get(ASSETS)) else "PATH"
        return f"{' and '.join(missing)} not in {where}: setup-envtest fetches them, see docs/how-to/add-a-cluster"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "harness.clusters.envtest.keeper", *(str(_find(name)) for name in BINARIES)]

    async def stop(self) -> None:
        self._owns_namespace = False
        await super().stop()


def _find(name: str) -> str | None:
    """A binary: in the folder that the environment names, and only there if it does; else on the PATH."""
    folder = os.environ.get(ASSETS)
    return shutil.which(name, path=str(Path(folder).resolve()) if folder else None)
