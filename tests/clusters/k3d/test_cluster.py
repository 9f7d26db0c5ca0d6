"""The cluster kind k3d as a stack uses it: with programs that answer as recorded, and an API server in its place."""

from __future__ import annotations

import asyncio
import os

import pytest

from harness.clusters import session
from harness.clusters.k3d import K3dCluster
from harness.clusters.k3d.commands import SystemCommands
from harness.clusters.k3d.readiness import troubles
from harness.core.clock import SystemClock
from harness.core.errors import RigError
from harness.core.identifiers import Randomness
from harness.testing.cluster import CLUSTER_CHECKS, check_cluster
from harness.wasmbed.resources.kinds import DEVICE, NAMESPACE, POD, SERVICE_ACCOUNT
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from tests.clusters.k3d.replay import make_programs


@pytest.fixture
def programs(place, server, monkeypatch):
    """The file that has the calls of k3d and docker; the session is this test's own."""
    (place / "bin").mkdir()
    (place / "kubeconfig").write_text(f"---\n{server.kubeconfig}")
    calls = make_programs(place / "bin", place / "kubeconfig")
    monkeypatch.setenv("PATH", f"{place / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setenv(session.SESSION[0], "one-session")
    monkeypatch.setattr(session, "_joined", {})
    monkeypatch.setattr(K3dCluster, "_was_made", False)
    return calls


async def make_namespace(api: KubernetesApi, name: str) -> None:
    """Make a namespace with the ServiceAccount that a cluster's controller makes in it."""
    await api.create(NAMESPACE, {"metadata": {"name": name}})
    await api.share(name, "Controller").create(SERVICE_ACCOUNT, {"metadata": {"name": "default"}})


async def test_a_session_has_one_cluster_and_removes_it(server, programs):
    """Trap 6: its keeper does not get Ctrl-C, and removes the cluster when the last user has gone, however it went."""
    one, other = (K3dCluster(SystemClock(), Randomness(), name) for name in ("one", "other"))
    assert K3dCluster.unavailable() is None
    for cluster in (one, other):
        await make_namespace(server.api, cluster.namespace)
        await cluster.start()
    assert await one.client("User").list(DEVICE)
    assert one.published[8081] == ("127.0.0.1", 32768)
    await one.check()
    await one.stop()
    await other.stop()
    (joined,) = session._joined.values()
    folder, pid = joined._folder, joined._pid
    assert os.getsid(pid) == pid
    joined.leave()
    await asyncio.to_thread(os.waitpid, pid, 0)
    assert not folder.exists()
    calls = programs.read_text().splitlines()
    (created,) = [call for call in calls if call.startswith("k3d cluster create ")]
    name = created.split()[3]
    assert [call for call in calls if "cluster delete" in call] == [f"k3d cluster delete {name}"]
    assert calls[-1] == f"docker volume rm k3d-{name}-images"


async def test_a_pod_that_cannot_start_is_told(server):
    """Traps 16, 19, and a pod that no node has room for."""
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"}
    waiting = {"name": "a", "image": "mine:1", "imageID": "", "ready": False, "restartCount": 0}
    waiting["state"] = {"waiting": {"reason": "ImagePullBackOff"}}
    statuses = {
        "large": {"conditions": [unscheduled]},
        "unknown": {"containerStatuses": [waiting]},
        "removed": {"reason": "Evicted", "message": "low on resource: ephemeral-storage"},
        "sound": {},
    }
    spec = {"containers": [{"name": "a", "image": "a"}]}
    for name, status in statuses.items():
        await server.api.create(POD, {"metadata": {"name": name}, "spec": spec})
        await server.api.patch_status(POD, name, {"status": status})
    await server.condition(Ready="True", DiskPressure="True")
    said = await troubles(server.api)
    assert any(text.startswith("node k3d-node has DiskPressure: the disk of Docker is nearly full") for text in said)
    assert "pod large fits on no node: 0/1: ask for less, or give the cluster more nodes" in said
    assert any(text.startswith("pod unknown has no image mine:1 (ImagePullBackOff): --import-images=") for text in said)
    assert "pod removed was removed from its node: low on resource: ephemeral-storage" in said
    assert not any("sound" in text for text in said)


async def test_an_error_of_the_keeper_is_the_stacks(server, programs, place):
    """It has its kind, and what to do."""
    refusal = "permission denied while trying to connect to the docker API"
    (place / "bin/docker").write_text(f"#!/bin/sh\necho {refusal} >&2\nexit 1\n")
    cluster = K3dCluster(SystemClock(), Randomness(), "one")
    with pytest.raises(RigError, match=r"^--cluster=k3d: this user may not use Docker: add the user to the group "):
        await cluster.start()
    await cluster.stop()
    assert list(place.glob(f"{session.PREFIX}*")) == []


def live(test):
    """A test on a real cluster of k3d."""
    why = K3dCluster.unavailable()
    return pytest.mark.system("k3d")(pytest.mark.skipif(why is not None, reason=f"no cluster of k3d here: {why}")(test))


@live
@pytest.mark.time_limit(1200)
async def test_it_passes_the_conformance_kit():
    outcomes = {}
    await check_cluster(K3dCluster, progress=outcomes.__setitem__)
    assert outcomes == dict.fromkeys(CLUSTER_CHECKS, "passed")


@live
@pytest.mark.time_limit(1200)
async def test_a_real_cluster_comes_up_and_leaves_nothing(monkeypatch):
    monkeypatch.setenv(session.SESSION[0], f"alone-{os.getpid()}")
    monkeypatch.setattr(session, "_joined", {})
    cluster = K3dCluster(SystemClock(), Randomness(), f"test-{Randomness().token(4)}")
    await cluster.start()
    try:
        assert set(cluster.published) == {8080, 8081}
        await cluster.check()
    finally:
        await cluster.stop()
    (joined,) = session._joined.values()
    joined.leave()
    await asyncio.to_thread(os.waitpid, joined._pid, 0)
    docker, name = SystemCommands(), f"name=k3d-wasmbed-{joined._pid}-"
    for kind in ("container", "network", "volume"):
        listed = docker("docker", kind, "ls", *(["--all"] if kind == "container" else []), "--quiet", "--filter", name)
        assert (listed.code, listed.out) == (0, "")
