"""A program with several clients: the record tells them apart by their user agents, on both kinds of servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.clusters.cluster import Cluster
from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.process import EmbeddedProcessCluster
from harness.clusters.existing import KubeconfigCluster
from harness.clusters.existing.cluster import LEAVING
from harness.clusters.gate import GatedProgram
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.kinds import CONFIG_MAP
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

CLIENTS = ("DeviceController", "GatewayController")


@pytest.mark.parametrize("kind", ["embedded", "embedded-process", "kubeconfig"])
async def test_each_client_is_recorded_under_its_name(tmp_path: Path, kind: str) -> None:
    """Those that the program was not let in with are recorded under the program's."""
    clock, told = SystemClock(), []
    outer = EmbeddedCluster(clock, Randomness())

    def tap(*event: object) -> None:
        if event[2] == "POST ConfigMap":
            told.append(event[0])

    cluster: Cluster
    if kind == "kubeconfig":
        await outer.start()
        await outer.write_kubeconfig(tmp_path / "config")
        cluster = KubeconfigCluster(clock, Randomness(), "mine", tap, kubeconfig=tmp_path / "config")
    else:
        cluster = (EmbeddedCluster if kind == "embedded" else EmbeddedProcessCluster)(clock, Randomness(), "mine", tap)
    await cluster.start()
    await cluster.give_access("ControllerManager", tmp_path / "access", None, CLIENTS)
    program = await KubernetesApi.open("mine", kubeconfig=tmp_path / "access")
    for number, name in enumerate((*CLIENTS, "ControllerManager", "User")):
        await program.share("mine", name).create(CONFIG_MAP, {"metadata": {"name": f"c{number}"}})
    await program.close()
    await cluster.stop()
    if kind == "kubeconfig":
        await LEAVING.settle(clock)
        await outer.stop()
    assert told == [*CLIENTS, "ControllerManager", "ControllerManager"]


def test_a_user_agent_that_says_more_is_not_a_clients() -> None:
    program = GatedProgram("ControllerManager", None, CLIENTS)
    assert program.client("DeviceController").name == "DeviceController"
    assert program.client("DeviceController/1.0").name == "ControllerManager"
    assert program.client("").name == "ControllerManager"
