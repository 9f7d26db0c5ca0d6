"""An API server that a replayed k3d has made, with a node; and a place for what is kept of failures."""

from __future__ import annotations

import asyncio
import tempfile

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.k3d import keeper, settings
from harness.clusters.k3d.settings import Settings
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.kinds import NODE, SERVICE_ACCOUNT
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from tests.clusters.k3d.replay import Replay


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, request):
    """The folder for temporary files; no archives of images lie about, and nothing is set for k3d, except in live
    tests."""
    if request.node.get_closest_marker("system"):
        return tmp_path
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(settings, "data_folder", lambda name: tmp_path / name)
    for name in ("K3D_IMAGE_TOOLS", "K3D_IMAGE_LOADBALANCER", "K3D_HELPER_IMAGE_TAG", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


class Server:
    """An embedded API server in the place of the cluster's."""

    def __init__(self, kubeconfig: str, api: KubernetesApi) -> None:
        self.kubeconfig, self.api = kubeconfig, api

    async def condition(self, **conditions: str) -> None:
        """Set conditions of the node."""
        made = [{"type": kind, "status": status, "message": f"of {kind}"} for kind, status in conditions.items()]
        await self.api.patch_status(NODE, "k3d-node", {"status": {"conditions": made}})

    async def bring_up(self, folder, *situations: str, settings: Settings | None = None, **words: str):
        """Make a cluster as the keeper does; returns its name and the commands."""
        commands = Replay(*situations, kubeconfig=f"INFO[0000] words\n---\n{self.kubeconfig}", **words)
        arguments = (settings or Settings(), folder, commands, SystemClock())
        try:
            return await asyncio.to_thread(keeper.bring_up, *arguments), commands
        except Exception as error:
            error.commands = commands
            raise


@pytest.fixture
async def server(place):
    cluster = EmbeddedCluster(SystemClock(), Randomness(), "default")
    await cluster.start()
    await cluster.write_kubeconfig(place / "server")
    api = await KubernetesApi.open("default", kubeconfig=place / "server")
    await api.create(NODE, {"metadata": {"name": "k3d-node"}})
    await api.create(SERVICE_ACCOUNT, {"metadata": {"name": "default"}})
    server = Server((place / "server").read_text(), api)
    await server.condition(Ready="True")
    yield server
    await api.close()
    await cluster.stop()


@pytest.fixture
def folder(place):
    """The keeper's folder."""
    (place / "keeper").mkdir(mode=0o700)
    return place / "keeper"
