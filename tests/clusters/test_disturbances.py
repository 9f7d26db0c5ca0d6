"""A cluster that disturbs requests is a rig that failed, whatever the record then shows of the product."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from harness.clusters.existing import KubeconfigCluster
from harness.clusters.existing.cluster import LEAVING
from harness.clusters.existing.disturbances import FLOOD, SLOW, Disturbances
from harness.core.clock import ManualClock, SystemClock
from harness.core.errors import RigError
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import ApiError, NotFound
from harness.wasmbed.resources.kinds import DEVICE, NAMESPACE
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.manifests import device
from tests.clusters.disturber import disturbed_cluster

DISTURBED = [
    ("429", r"1 answered with 429\); the first: POST Device d1 of User: in trouble"),
    ("500", "1 answered with 500"),
    ("503", "1 answered with 503"),
    ("504 after", "1 answered with 504"),
    ("cut after", "1 cut off or not answered"),
    ("cut", "1 cut off or not answered.*in the middle of an answer"),
]
NEW = device("d1", public_key=b"k", device_type="virtual")


@pytest.fixture
async def disturbed(tmp_path):
    async with disturbed_cluster(tmp_path) as disturber:
        yield disturber


@pytest.fixture
async def cluster(disturbed):
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", _tap, kubeconfig=disturbed.path)
    await cluster.start()
    yield cluster
    disturbed.plan = lambda request: None
    await cluster.stop()


@pytest.mark.parametrize(("how", "what"), DISTURBED)
async def test_a_disturbed_request_is_the_rigs_fault(disturbed, cluster, how, what):
    disturbed.plan = lambda request: how if request.method == "POST" else None
    with pytest.raises((ApiError, OSError)):
        await cluster.client("User").create(DEVICE, NEW)
    with pytest.raises(RigError, match=f"disturbed the test, which no fault of the test asked for: .*{what}") as error:
        await cluster.check()
    assert "the API server's log" in error.value.do


@pytest.mark.parametrize(("how", "what"), DISTURBED)
async def test_a_disturbed_request_of_another_program_is_too(disturbed, cluster, tmp_path, how, what):
    await cluster.give_access("Gateway", tmp_path / "access")
    program = await KubernetesApi.open("mine", kubeconfig=tmp_path / "access")
    await program.list(DEVICE)
    disturbed.plan = lambda request: how if request.method == "POST" else None
    with pytest.raises((ApiError, OSError)):
        await program.create(DEVICE, NEW)
    await program.close()
    with pytest.raises(RigError, match=r"\(1 (answered with|cut off).* POST /apis/wasmbed.io/\S+/devices of Gateway"):
        await cluster.check()


def test_what_a_test_does_itself_does_not_count():
    """Of a server that it kills."""
    disturbances = Disturbances(ManualClock())
    disturbances.answered(503, "GET Device of User")
    disturbances.expect_all()
    disturbances.answered(503, "GET Device of User")
    disturbances.cut("WATCH Device of User", OSError("gone"))
    assert str(disturbances).startswith("1 requests")


@pytest.mark.parametrize("other_program", [False, True])
async def test_a_watch_that_is_cut_counts_and_one_that_ends_does_not(disturbed, cluster, tmp_path, other_program):
    client = cluster.client("Gateway")
    await client.create(DEVICE, NEW)
    await cluster.give_access("Gateway", tmp_path / "access")
    program = await KubernetesApi.open("mine", kubeconfig=tmp_path / "access")
    watcher = program if other_program else client
    disturbed.plan = lambda request: "end" if "watch" in request.query else None
    async with watcher.watch(DEVICE, resource_version="0") as events:
        assert [event.type async for event in events] == ["ADDED"]
    await cluster.check()
    disturbed.plan = lambda request: "cut" if "watch" in request.query else None
    with pytest.raises(OSError, match="in the middle"):
        async with watcher.watch(DEVICE, resource_version="0") as events:
            assert [event.type async for event in events] == ["ADDED"]
    await program.close()
    with pytest.raises(RigError, match=r"\(1 cut off or not answered\)"):
        await cluster.check()


async def test_a_watch_that_its_client_ends_excuses_nobody(cluster):
    client = cluster.client("Gateway")
    async with client.watch(DEVICE, resource_version="0") as events:
        reading = asyncio.ensure_future(anext(events))
        await client.close()
        with pytest.raises(OSError, match="closed"):
            await reading
    await cluster.check()


@pytest.mark.parametrize("code", [400, 403, 404, 409, 422])
async def test_an_answer_about_the_request_itself_excuses_nobody(disturbed, cluster, code):
    disturbed.plan = lambda request: str(code)
    with pytest.raises(ApiError):
        await cluster.client("User").create(DEVICE, NEW)
    disturbed.plan = lambda request: None
    await cluster.check()


def test_what_a_flood_provokes_excuses_nobody():
    disturbances = Disturbances(ManualClock())
    under_way = [disturbances.asking("PATCH Device d1 of Gateway") for _ in range(FLOOD + 1)]
    for each in under_way:
        each.__enter__()
    disturbances.answered(429, "PATCH Device d1 of Gateway")
    assert str(disturbances) == ""
    for each in under_way:
        each.__exit__(None, None, None)
    disturbances.answered(429, "PATCH Device d1 of Gateway")
    assert "1 answered with 429" in str(disturbances)


@pytest.mark.parametrize("ends", ["with its answer", "given up"])
async def test_a_request_that_waits_long_is_the_rigs_fault(ends):
    clock = ManualClock()
    disturbances = Disturbances(clock)
    with suppress(asyncio.CancelledError), disturbances.asking("PATCH Device d1 of Gateway"):
        await clock.advance(SLOW - 0.1)
    assert str(disturbances) == ""
    with suppress(asyncio.CancelledError), disturbances.asking("PATCH Device d2 of Gateway"):
        await clock.advance(SLOW)
        if ends == "given up":
            raise asyncio.CancelledError
    assert "1 that waited 2 s or more); the first: PATCH Device d2 of Gateway" in str(disturbances)


async def test_a_run_ends_on_a_cluster_in_trouble(disturbed, tmp_path):
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", _tap, kubeconfig=disturbed.path)
    await cluster.start()
    await cluster.client("User").create(DEVICE, NEW)
    plan = iter(["503", "429", "cut"])
    disturbed.plan = lambda request: next(plan, None)
    await cluster.stop()
    api = await KubernetesApi.open("default", kubeconfig=disturbed.path)
    with pytest.raises(NotFound):
        await api.get(NAMESPACE, "mine")
    await api.close()


async def test_what_could_not_be_deleted_is_told_at_the_end(disturbed):
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", _tap, kubeconfig=disturbed.path)
    await cluster.start()
    disturbed.plan = lambda request: "503"
    await cluster.stop()
    said = await LEAVING.settle(SystemClock())
    assert said == ["what a run made in namespace mine could not be deleted: in trouble; wasmbed clean --cluster"]


def _tap(*event):
    pass
