"""The embedded cluster's watch events come when they are asked to, in the order they always have."""

from __future__ import annotations

import asyncio

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.watch_times import WatchTimes
from harness.core.clock import ManualClock, SystemClock
from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.stack.options import StackOptions
from harness.testing.cluster import CLUSTER_CHECKS, check_cluster
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.manifests import device


@pytest.mark.parametrize("times", WatchTimes)
async def test_the_contract_holds_whenever_they_come(times):
    outcomes = {}

    def factory(*given):
        return EmbeddedCluster(*given, watches=times)

    await check_cluster(factory, progress=outcomes.__setitem__)
    assert outcomes == dict.fromkeys(CLUSTER_CHECKS, "passed")


async def order_of(times, writes=1):
    """The order of events: a writer's answers, and a watcher's events."""
    happened = []
    cluster = EmbeddedCluster(SystemClock(), Randomness(1), watches=times)
    await cluster.start()
    writer, watcher = cluster.client("Writer"), cluster.client("Watcher")
    await writer.create(DEVICE, device("d", public_key=b"k", device_type="virtual"))
    version = (await watcher.list(DEVICE)).resource_version

    async def watch():
        async with watcher.watch(DEVICE, resource_version=version) as events:
            for _ in range(writes):
                event = await anext(events)
                happened.append(f"event {event.object['status']['deviceStatus']}")

    watching = asyncio.ensure_future(watch())
    for number in range(writes):
        await writer.patch_status(DEVICE, "d", {"status": {"deviceStatus": str(number)}})
        happened.append(f"answer {number}")
    await watching
    await cluster.stop()

    return happened


async def test_early_is_before_the_answer():
    assert await order_of(WatchTimes.EARLY, 3) == [f"{what} {n}" for n in range(3) for what in ("event", "answer")]


@pytest.mark.parametrize("times", [WatchTimes.LATE, WatchTimes.BATCHED])
async def test_late_is_after_the_answer_and_in_order(times):
    happened = await order_of(times, 3)
    assert happened[0] == "answer 0"
    assert [one for one in happened if one.startswith("event")] == ["event 0", "event 1", "event 2"]


async def test_batched_events_come_together():
    clock = ManualClock()
    cluster = EmbeddedCluster(clock, Randomness(1), watches=WatchTimes.BATCHED)
    await cluster.start()
    api = cluster.client("User")
    version = (await api.list(DEVICE)).resource_version
    async with api.watch(DEVICE, resource_version=version) as events:
        for name in ("a", "b", "c"):
            await api.create(DEVICE, device(name, public_key=b"k", device_type="virtual"))
        first = asyncio.ensure_future(anext(events))
        await clock.advance(0)
        assert not first.done()
        await clock.advance(0.1)
        seen = [(await first).object["metadata"]["name"]]
        seen += [(await anext(events)).object["metadata"]["name"] for _ in range(2)]
    assert seen == ["a", "b", "c"]
    await cluster.stop()


async def test_a_watch_that_ends_keeps_nothing_back():
    clock = ManualClock()
    cluster = EmbeddedCluster(clock, Randomness(1), watches=WatchTimes.LATE)
    await cluster.start()
    api = cluster.client("User")
    version = (await api.list(DEVICE)).resource_version
    async with api.watch(DEVICE, resource_version=version) as events:
        await api.create(DEVICE, device("a", public_key=b"k", device_type="virtual"))
        cluster.server.break_watches()
        assert [event.object["metadata"]["name"] async for event in events] == ["a"]
    await cluster.stop()


def test_it_is_an_option_of_the_embedded_cluster_only():
    assert StackOptions.parse({"watches": "late"}, {}).watches is WatchTimes.LATE
    with pytest.raises(UsageError, match="must be one of prompt, early, late, batched"):
        StackOptions.parse({"watches": "never"}, {})
