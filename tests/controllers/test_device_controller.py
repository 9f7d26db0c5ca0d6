from __future__ import annotations

import pytest

from harness.wasmbed.controllers import ControllerSettings
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import Conflict
from harness.wasmbed.resources.conditions import find_condition
from harness.wasmbed.resources.kinds import DEVICE, GATEWAY
from tests.controllers.world import World

AWAY = ControllerSettings(unreachable_after=60.0, beat=1000.0)


class Late:
    """A clock that jumps by a thousand seconds, as a delayed process sees it."""

    def __init__(self, clock):
        self._clock = clock

    def now(self):
        return self._clock.now() + 1000


async def test_an_enrolling_device_is_enrolled(world: World) -> None:
    await world.manager()
    await world.device("edge-1", "Enrolling")
    device = await world.reaches("edge-1", "Enrolled", DEVICE)
    assert device.status.enrollments == 1
    assert device.status.enrolled_at is not None
    assert device.status.observed_generation == device.generation
    assert find_condition(device.status.conditions, "Enrolled")["status"] == "True"


async def test_an_enrollment_without_a_controller_is_completed_later(world: World) -> None:
    await world.device("edge-1", "Enrolling")
    await world.manager()
    await world.reaches("edge-1", "Enrolled", DEVICE)


async def test_each_enrollment_is_counted(world: World) -> None:
    await world.manager()
    await world.device("edge-1", "Connected")
    await world.reboot("edge-1")
    assert (await world.get(DEVICE, "edge-1")).status.enrollments == 2


@pytest.mark.parametrize("key", [b"not der", b"\x02\x01\x05"])
async def test_an_invalid_key_fails_the_enrollment(world: World, key) -> None:
    await world.manager()
    await world.api.create(DEVICE, manifests.device("edge-1", public_key=key, device_type="mcu"))
    await world.move("edge-1", "Enrolling")
    device = await world.reaches("edge-1", "Failed", DEVICE)
    assert "SubjectPublicKeyInfo" in device.status.error
    assert device.status.health == "unhealthy"


async def test_a_conflict_is_reconciled_again(world: World) -> None:
    clients = {}

    def client(name):
        clients[name] = world.client(name)
        return clients[name]

    await world.manager(clients=client)
    await world.settle()
    clients["DeviceController"].faults["patch_status"] = [Conflict({"code": 409}), ConnectionResetError("gone")]
    await world.device("edge-1", "Enrolling")
    await world.reaches("edge-1", "Enrolled", DEVICE)
    assert not clients["DeviceController"].faults["patch_status"]


async def test_an_abandoned_enrollment_is_not_confirmed(world: World) -> None:
    await world.device("edge-1", "Enrolling")
    stale = (await world.get(DEVICE, "edge-1")).raw
    await world.move("edge-1", "Disconnected")
    manager = await world.manager()
    await world.settle()
    (controller,) = [c for c in manager._controllers if c.name == "DeviceController"]
    controller._devices._objects["edge-1"] = stale  # the watch has not delivered the change yet
    with pytest.raises(Conflict):
        await controller.reconcile("edge-1")
    assert (await world.get(DEVICE, "edge-1")).status.phase == "Disconnected"


async def test_devices_of_a_gateway_that_went_offline_are_disconnected(world: World) -> None:
    await world.manager()
    await world.gateway("gateway-2")
    for name, gateway in (("edge-1", "gateway-1"), ("edge-2", "gateway-2")):
        await world.device(name, gateway=gateway)
    await world.api.patch_status(GATEWAY, "gateway-1", {"status": {"phase": "Offline"}})
    device = await world.reaches("edge-1", "Disconnected", DEVICE)
    assert device.status.error == "Connection lost"
    assert device.status.device_status == "Stopped"
    assert device.status.last_heartbeat is None
    assert "gateway-1 is offline" in find_condition(device.status.conditions, "Connected")["message"]
    assert (await world.get(DEVICE, "edge-2")).status.phase == "Connected"


async def test_a_device_that_stays_away_is_unreachable_until_it_is_back(world: World) -> None:
    await world.manager(settings=AWAY)
    await world.device("edge-1")
    await world.device("edge-2")
    for name in ("edge-1", "edge-2"):
        await world.move(name, "Disconnected")
    await world.clock.advance(50)
    await world.move("edge-2", "Connected")
    await world.move("edge-2", "Disconnected")
    device = await world.reaches("edge-1", "Unreachable", DEVICE)
    assert find_condition(device.status.conditions, "Connected")["message"] == "no gateway has seen it for 1 min"
    assert (await world.get(DEVICE, "edge-2")).status.phase == "Disconnected"
    await world.move("edge-1", "Connected")
    await world.settle(5)
    assert (await world.get(DEVICE, "edge-1")).status.phase == "Connected"


async def test_a_new_leader_counts_a_device_s_absence_anew(world: World) -> None:
    first = await world.manager(settings=AWAY)
    await world.device("edge-1")
    await world.move("edge-1", "Disconnected")
    await world.clock.advance(50)
    await first.stop()
    await world.manager(settings=AWAY)
    await world.clock.advance(50)
    assert (await world.get(DEVICE, "edge-1")).status.phase == "Disconnected"
    await world.reaches("edge-1", "Unreachable", DEVICE)


async def test_heartbeats_cost_the_controller_nothing(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.settle()
    world.requests.clear()
    for beat in range(20):
        await world.api.patch_status(DEVICE, "edge-1", {"status": {"deviceMetrics": {"uptime_ms": beat}}})
    await world.settle(5)
    sources = {source for source, *_ in world.requests}
    assert sources <= {"User", "ControllerManager"}


async def test_an_enrollment_costs_one_write(world: World) -> None:
    await world.manager()
    for number in range(10):
        await world.device(f"edge-{number}")
    await world.settle()
    writes = [name for source, name, *_ in world.requests if source == "DeviceController"]
    assert writes == ["PATCH Device"] * 10


async def test_a_silent_gateway_is_offline_and_its_devices_are_disconnected(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.settle(100)
    world.alive.clear()
    await world.settle(19)
    assert (await world.get(GATEWAY, "gateway-1")).status.phase == "Online"
    gateway = await world.reaches("gateway-1", "Offline", GATEWAY, within=12)
    assert gateway.status.connected_devices == 0
    assert gateway.status.error.startswith("no heartbeat received since 20")
    assert gateway.status.error.endswith("Z: 3 beats of 10 s missed")
    ready = find_condition(gateway.status.conditions, "Ready")
    assert (ready["reason"], ready["message"]) == ("HeartbeatTimeout", gateway.status.error)
    await world.reaches("edge-1", "Disconnected", DEVICE)


@pytest.mark.parametrize(("interval", "missed"), [(1.0, 3), (60.0, 3), (2.0, 5)])
async def test_the_time_until_a_gateway_is_offline_follows_from_its_own_beats(world: World, interval, missed) -> None:
    world.settings = ControllerSettings(missed_beats=missed)
    await world.manager()
    world.alive.clear()
    await world.gateway("gateway-2", lastSeenIntervalMilliseconds=round(1000 * interval))
    world.alive.clear()
    await world.settle(interval * (missed - 0.5))
    assert (await world.get(GATEWAY, "gateway-2")).status.phase == "Online"
    gateway = await world.reaches("gateway-2", "Offline", GATEWAY, within=interval)
    assert gateway.status.error.endswith(f"{missed} beats of {interval:g} s missed")


async def test_a_delayed_controller_blames_no_gateway(world: World) -> None:
    """It wakes up late, before the gateway's latest beat has reached it, so it reads the status again."""

    manager = await world.manager()
    await world.settle(25)
    (controller,) = [c for c in manager._controllers if c.name == "GatewayController"]
    controller.clock = Late(world.clock)
    assert await controller.reconcile("gateway-1") == 10
    controller.clock = world.clock
    await world.settle(100)
    assert (await world.get(GATEWAY, "gateway-1")).status.phase == "Online"


async def test_the_clocks_of_controller_and_gateway_may_differ(world: World) -> None:
    await world.manager()
    world.alive.clear()
    await world.gateway("gateway-2", lastSeen="2001-01-01T00:00:00.000000Z")
    world.alive.clear()
    await world.settle(25)
    assert (await world.get(GATEWAY, "gateway-2")).status.phase == "Online"
    await world.reaches("gateway-2", "Offline", GATEWAY, within=10)


async def test_a_gateway_that_is_online_again_is_watched_again(world: World) -> None:
    await world.manager()
    world.alive.clear()
    await world.reaches("gateway-1", "Offline", GATEWAY, within=60)
    await world.gateway("gateway-1")
    world.alive.clear()
    await world.settle()
    gateway = await world.get(GATEWAY, "gateway-1")
    assert gateway.status.phase == "Online"
    assert find_condition(gateway.status.conditions, "Ready")["status"] == "True"
    await world.reaches("gateway-1", "Offline", GATEWAY, within=60)


async def test_a_gateway_that_never_wrote_a_beat_is_offline(world: World) -> None:
    await world.manager()
    await world.gateway("gateway-2", lastSeen=None)
    world.alive.clear()
    await world.reaches("gateway-2", "Offline", GATEWAY)
