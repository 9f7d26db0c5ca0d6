"""API servers in processes that a test kills: what was acknowledged is there again, and clients find their way back."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.clusters.apiserver import ApiserverCluster
from harness.clusters.cluster import Cluster
from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.process import EmbeddedProcessCluster
from harness.core.clock import SystemClock
from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import CONFIG_MAP
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

WITHIN = 60.0
KINDS = [
    EmbeddedProcessCluster,
    pytest.param(
        ApiserverCluster,
        marks=[
            pytest.mark.system("kube-apiserver"),
            pytest.mark.skipif(ApiserverCluster.unavailable() is not None, reason=str(ApiserverCluster.unavailable())),
        ],
    ),
]


def body(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files; its name is short, because etcd has a socket there."""
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture(params=KINDS)
async def cluster(request: pytest.FixtureRequest, place: Path) -> AsyncIterator[Cluster]:
    cluster = request.param(SystemClock(), Randomness(7), "wasmbed", lambda *event: None, own_server=True)
    await cluster.start()
    yield cluster
    await cluster.stop()


async def test_what_was_acknowledged_is_there_again(cluster: Cluster, place: Path) -> None:
    """At the same address, under the same credentials, twice; and new objects are not taken for old ones."""
    await cluster.give_access("Gateway", place / "access")
    program = await KubernetesApi.open("wasmbed", kubeconfig=place / "access", name="Gateway")
    user = cluster.client("User")
    made: dict[str, str] = {}
    for number in range(3):
        for client in (user, program):
            name = f"c{len(made)}"
            made[name] = (await client.create(CONFIG_MAP, body(name)))["metadata"]["uid"]
        if number < 2:
            await cluster.kill()
            with pytest.raises(OSError, match=r"."):
                await user.create(CONFIG_MAP, body("late"))
            with pytest.raises(OSError, match=r"."):
                await program.get(CONFIG_MAP, "c0")
            await cluster.restart()
    listed = {item["metadata"]["name"]: item["metadata"]["uid"] for item in (await program.list(CONFIG_MAP)).items}
    assert {name: listed.get(name) for name in made} == made
    assert len(set(made.values())) == len(made)
    assert "late" not in listed
    await program.close()
    await cluster.check()


async def test_an_informer_sees_what_changed_while_it_was_away(cluster: Cluster) -> None:
    """It goes on from its version, or lists again where the new server no longer keeps that; it hears of all."""
    api, clock, seen = cluster.client("Gateway"), SystemClock(), []
    user = cluster.client("User")
    for name in ("kept", "changed", "deleted"):
        await user.create(CONFIG_MAP, body(name))
    informer = Informer(api, CONFIG_MAP, clock, Randomness())
    await informer.start()
    go_on = asyncio.Event()

    async def turn() -> None:
        await go_on.wait()

    informer._turn = turn  # the partition: no event reaches it
    await user.patch(CONFIG_MAP, "kept", {"data": {"seen": "late"}})
    await user.patch(CONFIG_MAP, "changed", {"data": {"a": "1"}})
    await user.delete(CONFIG_MAP, "deleted")
    await user.create(CONFIG_MAP, body("added"))
    await cluster.kill()
    await cluster.restart()
    await user.patch(CONFIG_MAP, "changed", {"data": {"a": "2"}})
    informer.add_handler(lambda old, new: seen.append((new or old or {})["metadata"]["name"]))
    go_on.set()
    await informer.wait_until(
        lambda: (informer.get("changed") or {}).get("data") == {"a": "2"} and informer.get("added") is not None, WITHIN
    )
    assert informer.get("deleted") is None
    assert {"changed", "deleted", "added"} <= set(seen)
    await informer.stop()


async def test_nothing_is_left_of_a_server_that_stays_killed(cluster: Cluster, place: Path) -> None:
    assert os.listdir(place)
    await cluster.kill()
    await cluster.stop()
    assert not os.listdir(place)


async def test_it_is_killed_once_and_restarted_once(place: Path) -> None:
    cluster = EmbeddedProcessCluster(SystemClock(), Randomness(7), own_server=True)
    await cluster.start()
    with pytest.raises(UsageError, match=r"its API server runs\n  -> kill\(\) it first"):
        await cluster.restart()
    await cluster.kill()
    with pytest.raises(UsageError, match=r"does not run\n  -> restart\(\) it first"):
        await cluster.kill()
    await cluster.stop()


@pytest.mark.parametrize("kind", [EmbeddedCluster, EmbeddedProcessCluster])
async def test_a_server_that_keeps_nothing_cannot_be_killed(kind: type[Cluster]) -> None:
    cluster = kind(SystemClock(), Randomness())  # type: ignore[call-arg]
    await cluster.start()
    with pytest.raises(UsageError, match=r"cannot be killed\n  -> mark the test with requires\('cluster-kill'\)"):
        await cluster.kill()
    await cluster.stop()
