"""Runs on clusters that fail, and on clusters in which objects stay."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from harness.clusters.apiserver import ApiserverCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from tests.clusters.disturber import disturbed_cluster, in_trouble
from tests.plugin.project import Project

DIES = """
import os, shutil, signal
from pathlib import Path

def arguments(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""

async def test_the_cluster_dies(stack):
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=60)
    place = str(stack.cluster._path.parent)
    (server,) = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and place in arguments(pid)]
    os.kill(server, signal.SIGKILL)
    shutil.rmtree(place)  # as the next run does that comes across it
    await device.until(phase="Disconnected", within=1)

async def test_the_next_has_another(stack):
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=60)
"""
LEAVES = """
import harness.clusters.existing.namespaces as namespaces
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.manifests import device

namespaces.GONE_WITHIN = 0.1

async def test_something_stays(stack):
    held = device("d", public_key=b"k", device_type="virtual")
    held["metadata"]["finalizers"] = ["example.com/mine"]
    await stack.api.create(DEVICE, held)
"""

DISTURBED = """
import pytest
from harness.wasmbed.resources.kinds import CONFIG_MAP

async def test_the_product_cannot_go_on(stack):
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=1)

async def test_the_tests_own_request_fails(stack):
    await stack.api.create(CONFIG_MAP, {"metadata": {"name": "c"}})

def test_an_assertion_fails(stack):
    assert stack.history.find("Pizza")

async def test_the_deadline_passes(stack):
    await stack.clock.sleep(60)

async def test_it_passes_all_the_same(stack):
    assert await stack.api.list(CONFIG_MAP)
"""


def built(test):
    """A test on a real API server."""
    skip = pytest.mark.skipif(ApiserverCluster.unavailable() is not None, reason=str(ApiserverCluster.unavailable()))
    return pytest.mark.system("kube-apiserver")(skip(test))


@built
def test_a_cluster_that_dies_makes_only_its_test_not_run(project: Project) -> None:
    done = project.run(DIES, "--cluster=apiserver")
    assert "1 passed, 1 not run" in done.stdout, done.stdout
    assert "the cluster does not answer any more" in done.stdout
    assert done.returncode == 3


@built
@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["alone", "xdist"])
async def test_objects_that_stay_in_a_cluster_are_listed_at_the_end(
    project: Project, tmp_path: Path, workers: list[str]
) -> None:
    path = tmp_path / "kubeconfig"
    cluster = ApiserverCluster(SystemClock(), Randomness(), f"host-{Randomness().token(4)}")
    await cluster.start()
    await cluster.write_kubeconfig(path)
    await cluster.stop()
    done = project.run(LEAVES, "--cluster=kubeconfig", f"--kubeconfig={path}", *workers)
    assert "1 passed" in done.stdout, done.stdout
    assert re.search(r"namespace \S+ (is still|may still be) there: ", done.stdout), done.stdout


async def test_on_a_cluster_that_disturbs_requests_a_failure_is_the_rigs(project: Project, tmp_path: Path) -> None:
    """Whatever fails then: a wait, the test's own request, an assertion. What passes all the same has passed."""
    async with disturbed_cluster(tmp_path, in_trouble()) as cluster:
        arguments = ("--cluster=kubeconfig", f"--kubeconfig={cluster.path}", "--deadline=10")
        done = await asyncio.to_thread(project.run, DISTURBED, *arguments)
    assert "1 passed, 4 not run" in done.stdout, done.stdout
    assert done.returncode == 3
    results = project.results()
    assert results.pop("test_it_passes_all_the_same")["outcome"] == "passed"
    assert {(result["outcome"], result["blame"]) for result in results.values()} == {("not run", "rig")}
    assert all(0 < result["cluster_seconds"] < result["duration"] for result in results.values())
    for result in results.values():
        assert "1 answered with 500" in result["message"], result["message"]
    assert "1 answered with 503" in results["test_the_tests_own_request_fails"]["message"]
