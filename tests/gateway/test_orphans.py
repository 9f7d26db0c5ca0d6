"""Orphans: applications that no longer exist and still run on a device, which are stopped once per session."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.clock import ManualClock
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    Deploy,
    HeartbeatAcknowledgment,
    ModuleChunk,
    Publication,
    Stop,
    StopResult,
)
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE
from tests.gateway.world import World

RUNNING = ApplicationState.RUNNING


def writes(world: World) -> int:
    """Return the number of writes to Applications."""
    return sum(request[:2] == ("patch_status", "Application") for request in world.api.requests)


async def expect_stops(device: Any, *applications: str, ok: bool = True) -> None:
    """Receive a Stop for each application, in any order, and confirm it if ``ok``."""
    left = set(applications)
    while left:
        envelope = await device.receive()
        assert isinstance(envelope.message, Stop), envelope
        left.remove(envelope.message.application_id)
        error = None if ok else "it does not end"
        device.link.send(StopResult(envelope.message.application_id, ok, error), envelope.message_id)


async def beat(device: Any, *applications: str) -> None:
    """Send a heartbeat with these applications, which gets its acknowledgment and nothing else."""
    await device.beat(applications=dict.fromkeys(applications, RUNNING))


@pytest.mark.parametrize("by", ["heartbeat", "status"])
async def test_an_orphan_is_stopped_when_its_device_returns(world: World, by: str) -> None:
    for name in ("app-1", "app-2"):
        await world.make_application(name)
    device = await world.connected("dev-1")
    for name in ("app-1", "app-2"):
        await world.deploy(application=name)
        await device.accept_deployment()
        await world.state("deployed", application=name)
    device.link.abort()
    await world.phase("dev-1", "Disconnected")
    await world.api.delete(APPLICATION, "app-1")

    back = await world.dial(device.identity)
    back.id = device.id
    if by == "heartbeat":
        await beat(back, "app-1", "app-2")
    else:
        await back.beat()
        back.link.send(ApplicationStatus("app-1", RUNNING))
        back.link.send(ApplicationStatus("app-2", RUNNING))
    await expect_stops(back, "app-1")
    await world.until_recorded("StopResult")
    (stop,) = world.named("Stop")
    assert (stop[:2], stop[3]["device"], stop[4]) == (("Gateway", "Device"), "dev-1", "app-1")
    await world.state("running", application="app-2")
    await beat(back, "app-2")


@pytest.mark.parametrize("ended", [ApplicationState.FAILED, ApplicationState.ERROR])
async def test_an_orphan_that_failed_is_removed_from_its_device(world: World, ended: ApplicationState) -> None:
    device = await world.connected("dev-1")
    await device.beat(applications={"gone": ended})
    await expect_stops(device, "gone")
    await device.beat(applications={})


async def test_an_orphan_is_stopped_once_per_session(world: World) -> None:
    device = await world.connected("dev-1")
    await beat(device, "gone", "lost")
    await expect_stops(device, "gone", ok=False)
    await expect_stops(device, "lost")
    count = writes(world)
    for state in (RUNNING, ApplicationState.ERROR, RUNNING):
        await device.beat(applications={"gone": state, "lost": state})
        device.link.send(ApplicationStatus("gone", state, {"n": 1}, None, [Publication("t", b"1")]))
    await device.beat()
    assert (len(world.named("Stop")), writes(world)) == (2, count)

    device.link.abort()
    await world.phase("dev-1", "Disconnected")
    back = await world.dial(device.identity)
    back.id = device.id
    await beat(back, "gone")
    await expect_stops(back, "gone")


async def test_an_orphan_that_its_device_has_stopped_is_not_stopped(world: World) -> None:
    device = await world.connected("dev-1")
    await device.beat(applications={"gone": ApplicationState.STOPPED, "other": RUNNING})
    await expect_stops(device, "other")
    await world.until(lambda: writes(world) == 2)
    await device.beat()
    assert len(world.named("Stop")) == 1


async def test_orphans_of_many_devices_cost_few_requests(world: World) -> None:
    devices = [await world.connected(f"dev-{n}") for n in range(8)]
    for device in devices:
        device.link.send(device.heartbeat(applications={"gone": RUNNING}))
    for device in devices:
        await device.expect(HeartbeatAcknowledgment)
        await expect_stops(device, "gone")
    assert len(world.named("Stop")) == 8
    for device in devices:
        await beat(device, "gone")
    assert writes(world) <= 8


@pytest.mark.settings(clock=ManualClock)
async def test_an_api_server_that_does_not_answer_stops_nothing(world: World) -> None:
    def refuse(verb: str, resource: Any, name: str) -> None:
        if verb == "patch_status" and resource == APPLICATION:
            raise failures.pop() if failures else ConnectionRefusedError("away")

    failures = [ConnectionRefusedError("away"), ApiError({"code": 503, "reason": "ServiceUnavailable"})]
    await world.make_application()
    device = await world.connected("dev-1")
    world.api.fail = refuse
    await beat(device, "app-1")
    await world.clock.advance(20)
    await beat(device, "app-1")
    assert failures == []
    world.api.fail = lambda verb, resource, name: None
    await world.clock.advance(20)
    assert world.entry()["state"] == "running"
    assert world.named("Stop") == []


async def test_a_new_application_of_the_same_name_is_not_stopped(world: World) -> None:
    device = await world.connected("dev-1")
    await beat(device, "app-1")
    await expect_stops(device, "app-1")
    await world.until_recorded("StopResult")
    await world.make_application()
    await world.deploy()
    await device.accept_deployment()
    await world.state("deployed")
    await beat(device, "app-1")
    await world.state("running")
    assert len(world.named("Stop")) == 1


async def test_a_deployment_that_is_under_way_is_cancelled(world: World) -> None:
    """The gateway learns that the application does not exist when it writes that the device receives it."""

    device = await world.connected("dev-1")
    await world.deploy()
    await device.expect(Deploy)
    await device.expect(ModuleChunk)
    await expect_stops(device, "app-1")
    await device.beat(applications={"app-1": ApplicationState.RECEIVING})
    assert (writes(world), len(world.named("Stop"))) == (1, 1)


@pytest.mark.settings(reply_timeout=0.05)
async def test_an_unanswered_stop_is_sent_again_when_the_device_reports_the_orphan(world: World) -> None:
    device = await world.connected("dev-1")
    await beat(device, "gone")
    assert (await device.expect(Stop)).application_id == "gone"
    given_up = 'jobs_total{job="stopping",result="failed"}'
    while given_up not in (await world.http("GET", "/metrics"))[1]:
        await device.beat()
    await beat(device, "gone")
    await expect_stops(device, "gone")


@pytest.mark.settings(device_queue=2)
async def test_more_orphans_than_the_queue_holds_are_stopped_over_several_heartbeats(world: World) -> None:
    names = [f"gone-{n}" for n in range(6)]
    device = await world.connected("dev-1")
    left = set(names)
    while left:
        device.link.send(device.heartbeat(applications=dict.fromkeys(left, RUNNING)))
        stops_seen = await world.until_recorded("Stop", 7 - len(left))
        envelope = await device.receive()
        while isinstance(envelope.message, HeartbeatAcknowledgment):
            envelope = await device.receive()
        left.remove(envelope.message.application_id)
        device.link.send(StopResult(envelope.message.application_id, True), envelope.message_id)
        assert stops_seen
    assert {event[4] for event in world.named("Stop")} == set(names)
    assert len(world.named("Stop")) == 6


@pytest.mark.settings(clock=ManualClock)
async def test_an_application_deleted_while_the_gateway_was_cut_off_becomes_an_orphan(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await beat(device, "app-1")
    await world.state("running")
    await world.api.delete(APPLICATION, "app-1")
    await beat(device, "app-1")
    assert world.named("Stop") == []
    await world.api.patch_status(DEVICE, "dev-1", {"status": {"phase": "Disconnected"}})
    await world.clock.advance(10)
    await world.phase("dev-1", "Connected")
    await beat(device, "app-1")
    await expect_stops(device, "app-1")
