"""Stopped deployments: removed from the queue, or cancelled in the middle of the transfer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import wasmtime

from harness.core.clock import ManualClock
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    ModuleChunk,
    Stop,
    StopResult,
)
from harness.wasmbed.resources.kinds import APPLICATION
from tests.gateway.world import World

CHUNKS = {"chunk_size": 100, "chunk_window": 3}


def padded(size: int, letter: str = "x") -> bytes:
    """Return a valid module of about ``size`` bytes."""
    text = f'(module (memory (export "memory") 1) (func (export "run")) (data (i32.const 0) "{letter * size}"))'
    return bytes(wasmtime.wat2wasm(text))


async def under_way(world: World, *applications: str) -> tuple[Any, Any, list[Any]]:
    """Return a device that has received the beginning of app-1, its Deploy, and the unacknowledged chunks."""
    for name in ("app-1", *applications):
        await world.make_application(name)
    device = await world.connected("dev-1")
    await world.deploy(module=padded(1000))
    deploy = await device.receive()
    chunks = [await device.receive() for _ in range(3)]
    assert [type(chunk.message) for chunk in chunks] == [ModuleChunk] * 3
    await world.state("receiving")
    return device, deploy, chunks


def acknowledge(device: Any, *chunks: Any) -> None:
    for chunk in chunks:
        device.link.send(ChunkAcknowledgment("app-1", chunk.message.index), chunk.message_id)


def cancel(device: Any, deploy: Any, stop: Any) -> None:
    """Answer a stop in the middle of a transfer as a device answers it."""
    assert stop.message == Stop("app-1")
    device.link.send(DeploymentResult("app-1", False, "cancelled", {}, "CANCELLED"), deploy.message_id)
    device.link.send(StopResult("app-1", True), stop.message_id)


def states(world: World, application: str = "app-1") -> list[str]:
    """Return every state that was written for the device."""
    found: list[str] = []
    for resource, event in world.api.log:
        if resource == APPLICATION and event.object["metadata"]["name"] == application:
            entry = (event.object.get("status") or {}).get("deviceStatuses", {}).get("dev-1", {})
            if entry and found[-1:] != [entry["state"]]:
                found.append(entry["state"])
    return found


@pytest.mark.settings(**CHUNKS)
async def test_a_stop_in_the_middle_of_a_transfer_ends_it(world: World) -> None:
    """Late acknowledgments lead to no further chunk, and the deployment does not count as failed."""

    device, deploy, chunks = await under_way(world)
    acknowledge(device, chunks[0])
    fourth = await device.receive()
    assert (await world.stop())[0] == 202
    stop = await device.receive()
    acknowledge(device, *chunks[1:], fourth)
    cancel(device, deploy, stop)
    await world.state("stopped")
    await device.beat()
    assert len(world.named("ModuleChunk")) == 4
    assert states(world) == ["receiving", "stopped"]
    _status, metrics = await world.http("GET", "/metrics")
    assert 'jobs_total{job="deployment",result="cancelled"} 1' in metrics


@pytest.mark.settings(**CHUNKS)
async def test_the_next_deployment_starts_at_once(world: World) -> None:
    """It does not wait for the device to confirm the stop, because devices process messages in order."""

    device, deploy, _ = await under_way(world, "app-2")
    await world.deploy(application="app-2")
    await world.stop()
    stop, following = await device.receive(), await device.receive()
    assert following.message.application_id == "app-2"
    cancel(device, deploy, stop)
    _, message_id, _ = await device._take_chunks(following)
    device.link.send(DeploymentResult("app-2", True), message_id)
    await world.state("deployed", application="app-2")
    await world.state("stopped")


@pytest.mark.settings(**CHUNKS)
async def test_a_stopped_deployment_that_waits_is_never_sent(world: World) -> None:
    """The stop does not wait for the other transfer."""

    device, _, _ = await under_way(world, "app-2")
    await world.deploy(application="app-2")
    await world.stop(application="app-2")
    stop = await device.receive()
    assert stop.message == Stop("app-2")
    device.link.send(StopResult("app-2", True), stop.message_id)
    await world.state("stopped", application="app-2")
    assert [event[4] for event in world.named("Deploy")] == ["app-1"]
    assert states(world, "app-2") == ["stopped"]


@pytest.mark.settings(**CHUNKS)
async def test_a_running_application_is_stopped_in_the_middle_of_another_transfer(world: World) -> None:
    await world.make_application("other")
    device, _deploy, chunks = await under_way(world)
    await device.beat(applications={"other": ApplicationState.RUNNING})
    await world.state("running", application="other")
    await world.stop(application="other")
    stop = await device.receive()
    assert stop.message == Stop("other")
    device.link.send(StopResult("other", True), stop.message_id)
    await world.state("stopped", application="other")
    acknowledge(device, *chunks)
    assert (await device.expect(ModuleChunk)).index == 3


async def test_a_stop_right_after_the_last_chunk_stops_the_started_application(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    _, message_id, _ = await device.take_module()
    await world.state("receiving")
    await world.stop()
    device.link.send(DeploymentResult("app-1", True), message_id)
    device.link.send(ApplicationStatus("app-1", ApplicationState.RUNNING))
    stop = await device.receive()
    assert stop.message == Stop("app-1")
    device.link.send(StopResult("app-1", True), stop.message_id)
    await world.state("stopped")
    await device.beat()
    assert states(world)[-1] == "stopped"


async def test_a_deployment_stopped_during_validation_is_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.wasmbed.gateway import modules

    judged, go_on = asyncio.Event(), asyncio.Event()

    async def judge(*_: Any) -> Any:
        judged.set()
        await go_on.wait()
        return modules.ModuleInfo

    monkeypatch.setattr(modules, "_validate", judge)
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    await judged.wait()
    await world.stop()
    stop = await device.receive()
    assert stop.message == Stop("app-1")
    go_on.set()
    device.link.send(StopResult("app-1", True), stop.message_id)
    await world.state("stopped")
    await device.beat()
    assert world.named("Deploy") == []


@pytest.mark.settings(**CHUNKS)
async def test_the_same_request_twice_is_one_transfer(world: World) -> None:
    """A controller that takes over from another repeats the request."""

    device, _deploy, chunks = await under_way(world)
    assert (await world.deploy(module=padded(1000)))[0] == 202
    acknowledge(device, *chunks)
    assert (await device.expect(ModuleChunk)).index == 3
    assert len(world.named("Deploy")) == 1
    assert world.named("Stop") == []


@pytest.mark.settings(**CHUNKS)
async def test_another_module_of_the_same_application_replaces_the_one_under_way(world: World) -> None:
    """The old transfer is cancelled on the device before the new one begins."""

    device, deploy, _ = await under_way(world)
    await world.deploy(module=padded(200, "y"), generation=7)
    stop = await device.receive()
    cancel(device, deploy, stop)
    again, module = await device.accept_deployment()
    assert (again.size, module) == (len(module), padded(200, "y"))
    entry = await world.state("deployed")
    assert entry["generation"] == 7


@pytest.mark.settings(**CHUNKS)
async def test_the_cancelled_module_can_be_deployed_again(world: World) -> None:
    device, deploy, _ = await under_way(world)
    await world.stop()
    await world.deploy(module=padded(1000))
    cancel(device, deploy, await device.receive())
    _, module = await device.accept_deployment()
    assert module == padded(1000)
    await world.state("deployed")


@pytest.mark.settings(**CHUNKS)
async def test_a_device_that_does_not_know_the_code_is_stopped_too(world: World) -> None:
    """Older firmware answers only the stop."""

    device, _, _ = await under_way(world)
    await world.stop()
    stop = await device.receive()
    device.link.send(StopResult("app-1", True), stop.message_id)
    await world.state("stopped")
    await device.beat()


@pytest.mark.settings(clock=ManualClock, reply_timeout=1.0, **CHUNKS)
async def test_a_stop_waits_until_a_slow_link_has_delivered_earlier_chunks(world: World) -> None:
    """Each acknowledged chunk extends the deadline: together they take longer than one reply may."""

    device, deploy, chunks = await under_way(world)
    await world.stop()
    stop = await device.receive()
    for chunk in chunks:
        await world.clock.advance(0.9)
        acknowledge(device, chunk)
        await device.beat()
    cancel(device, deploy, stop)
    await world.state("stopped")
    assert states(world) == ["receiving", "stopped"]


@pytest.mark.settings(**CHUNKS)
async def test_a_stop_fails_when_its_link_ends(world: World) -> None:
    device, _, _ = await under_way(world)
    await world.stop()
    await device.receive()
    device.link.abort()
    await world.until(lambda: world.entry().get("code") == "CONNECTION_LOST")
    back = await world.dial(device.identity)
    back.id = device.id
    await back.beat()
    await world.phase("dev-1", "Connected")
    await back.beat()
    assert len(world.named("Stop")) == 1


@pytest.mark.settings(**CHUNKS)
async def test_a_gateway_that_restarts_in_the_middle_of_a_transfer_sends_no_more_of_it(world: World) -> None:
    device, _, _ = await under_way(world)
    await world.gateway.kill()
    sent = len(world.named("ModuleChunk"))
    await world.api.delete(APPLICATION, "app-1")
    world.gateway = world.make_gateway()
    await world.gateway.start()
    back = await world.dial(device.identity)
    back.id = device.id
    await back.beat()
    await back.beat()
    assert len(world.named("ModuleChunk")) == sent
    assert len(world.named("Deploy")) == 1


@pytest.mark.settings(**CHUNKS)
async def test_a_late_result_of_a_cancelled_deployment_does_not_count_for_the_next(world: World) -> None:
    device, deploy, _ = await under_way(world)
    await world.stop()
    stop = await device.receive()
    device.link.send(StopResult("app-1", True), stop.message_id)
    await world.state("stopped")
    await world.deploy(module=padded(1000))
    again = await device.expect(Deploy)
    device.link.send(DeploymentResult("app-1", True), deploy.message_id)
    device.link.send(DeploymentResult("app-1", False, "cancelled", {}, "CANCELLED"), deploy.message_id)
    await world.until(lambda: states(world)[-1] == "receiving")
    await device.beat_between_chunks()
    assert states(world) == ["receiving", "stopped", "receiving"]
    assert again.application_id == "app-1"
