"""Devices out of reach: the state of an application there is unknown in every status."""

from __future__ import annotations

from harness.core.loop import give_way
from harness.wasmbed.resources.conditions import find_condition
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from tests.controllers.world import World


async def running(world, *devices, **options):
    """Create an application that runs on these devices."""
    await world.manager(**options)
    for device in devices:
        await world.device(device)
    await world.application(device_names=list(devices))
    await world.reaches("blink", "Running")


async def entry(world, device="edge-1"):
    return (await world.get(APPLICATION, "blink")).status.device_statuses[device]


async def test_an_application_whose_only_device_is_away_is_unknown(world: World) -> None:
    await running(world, "edge-1")
    await world.move("edge-1", "Disconnected")
    application = await world.reaches("blink", "Unknown")
    status = application.status
    assert status.statistics.raw == {"target": 1, "deployed": 1, "running": 0, "failed": 0, "unknown": 1}
    assert status.health == "unknown"
    assert status.error == "edge-1: the device is not connected"
    assert find_condition(status.conditions, "Running")["status"] == "Unknown"
    on = status.device_statuses["edge-1"]
    assert on.state == "unknown"
    assert on.error.startswith("out of reach since 20")
    assert on.error.endswith("Z: the device is not connected")

    await world.move("edge-1", "Connected", running=["blink"])
    application = await world.reaches("blink", "Running")
    assert (application.status.health, application.status.error) == ("healthy", None)
    assert application.status.statistics.unknown == 0
    assert (await entry(world)).state == "running"
    assert (await entry(world)).error is None
    assert world.gateways.count("deploy") == {"edge-1": 1}


async def test_a_device_that_returns_while_it_is_written_as_away_is_not_deployed_to_again(world: World) -> None:
    def client(name):
        api = world.client(name)
        write = api.patch_status

        async def patch_status(resource, name, patch):
            written = await write(resource, name, patch)
            states = (patch["status"].get("deviceStatuses") or {}).values()
            if resource == APPLICATION and "unknown" in [each.get("state") for each in states]:
                await world.move("edge-1", "Connected", running=["blink"])
                for _ in range(50):  # the controller's own watch delivers the change before the write is answered
                    await give_way()
            return written

        api.patch_status = patch_status
        return api

    await running(world, "edge-1", clients=client)
    await world.move("edge-1", "Disconnected")
    await world.settle(1)
    await world.reaches("blink", "Running")
    assert (await entry(world)).state == "running"
    assert world.gateways.count("deploy") == {"edge-1": 1}


async def test_an_application_with_some_devices_away_is_partially_running(world: World) -> None:
    await running(world, "edge-1", "edge-2", "edge-3")
    await world.move("edge-2", "Disconnected")
    application = await world.reaches("blink", "PartiallyRunning")
    numbers = application.status.statistics
    assert (numbers.running, numbers.unknown, numbers.failed) == (2, 1, 0)
    assert application.status.health == "degraded"
    await world.move("edge-2", "Connected", running=["blink"])
    await world.reaches("blink", "Running")
    assert world.gateways.count("stop") == {}


async def test_a_device_that_is_back_without_the_application_gets_it_again(world: World) -> None:
    await running(world, "edge-1")
    await world.move("edge-1", "Disconnected")
    await world.reaches("blink", "Unknown")
    await world.move("edge-1", "Connected", running=["other"])
    await world.reaches("blink", "Running")
    assert world.gateways.count("deploy") == {"edge-1": 2}
    assert world.gateways.count("stop") == {}


async def test_a_device_that_lost_its_power_gets_the_application_again(world: World) -> None:
    await running(world, "edge-1")
    await world.move("edge-1", "Disconnected")
    await world.reaches("blink", "Unknown")
    await world.move("edge-1", "Enrolling")
    await world.move("edge-1", "Connected")
    await world.reaches("blink", "Running")
    assert world.gateways.count("deploy") == {"edge-1": 2}


async def test_the_state_stays_unknown_while_a_gateway_does_not_report_applications(world: World) -> None:
    """A gateway of an earlier version reports the state itself."""

    await running(world, "edge-1")
    await world.api.patch_status(DEVICE, "edge-1", {"status": {"applications": None}})
    await world.api.patch_status(GATEWAY, "gateway-1", {"status": {"phase": "Offline"}})
    await world.reaches("edge-1", "Disconnected", DEVICE)
    await world.reaches("blink", "Unknown")
    await world.gateway("gateway-1")
    connected = {"phase": "Connected", "connectedSince": "2023-11-14T22:20:00.000000Z"}
    await world.api.patch_status(DEVICE, "edge-1", {"status": connected})
    await world.settle(5)
    assert (await world.get(APPLICATION, "blink")).status.phase == "Unknown"
    report = {"deviceStatuses": {"edge-1": {"state": "running", "error": None}}}
    await world.api.patch_status(APPLICATION, "blink", {"status": report})
    await world.reaches("blink", "Running")
    assert world.gateways.count("deploy") == {"edge-1": 1}


async def test_applications_behind_a_dead_gateway_are_unknown(world: World) -> None:
    """Only the controllers can write it."""

    await running(world, "edge-1", "edge-2")
    world.alive.clear()
    application = await world.reaches("blink", "Unknown", within=60)
    assert application.status.statistics.raw["unknown"] == 2
    assert (await entry(world)).state == "unknown"
    assert "gateway-1 is not online" in (await entry(world)).error
    for name in ("edge-1", "edge-2"):
        await world.reaches(name, "Disconnected", DEVICE)
    await world.gateway("gateway-1")
    for name in ("edge-1", "edge-2"):
        await world.move(name, "Connected", running=["blink"])
    application = await world.reaches("blink", "Running")
    assert application.status.statistics.raw["unknown"] == 0


async def test_an_error_from_before_a_device_went_away_stays_known(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = ["deployed", {"state": "error", "error": "trap"}]
    await world.application()
    await world.reaches("blink", "Error")
    await world.move("edge-1", "Disconnected")
    await world.settle()
    application = await world.get(APPLICATION, "blink")
    assert (application.status.phase, application.status.statistics.unknown) == ("Error", 0)
    assert (await entry(world)).state == "error"


async def test_a_device_that_was_away_during_a_stop_is_unknown(world: World) -> None:
    await running(world, "edge-1", "edge-2")
    await world.move("edge-2", "Disconnected")
    await world.reaches("blink", "PartiallyRunning")
    await world.change(stopped=True)
    application = await world.reaches("blink", "Stopped")
    assert application.status.statistics.raw["unknown"] == 1
    await world.move("edge-2", "Connected", running=["blink"])

    async def stopped():
        status = (await world.get(APPLICATION, "blink")).status
        return status.device_statuses["edge-2"].state == "stopped" and status.statistics.unknown == 0

    await world.until(stopped)
    assert world.gateways.count("stop") == {"edge-1": 1, "edge-2": 1}


async def test_a_reboot_counts_as_a_stop(world: World) -> None:
    await running(world, "edge-1")
    await world.move("edge-1", "Disconnected")
    await world.reaches("blink", "Unknown")
    await world.change(stopped=True)
    await world.reaches("blink", "Stopped")
    await world.move("edge-1", "Enrolling")
    await world.move("edge-1", "Connected")

    async def stopped():
        return (await entry(world)).state == "stopped"

    await world.until(stopped)
    assert world.gateways.count("stop") == {}


async def test_a_concurrent_write_of_a_gateway_is_not_overwritten(world: World) -> None:
    """The controller's copy is outdated, so its conditional write is refused."""

    await running(world, "edge-1")
    manager = world.managers[0]
    (controller,) = [c for c in manager._controllers if c.name == "ApplicationController"]
    stale = dict(controller._applications._objects["blink"])
    await world.move("edge-1", "Disconnected")
    broke = {"deviceStatuses": {"edge-1": {"state": "error", "code": "TRAP", "error": "unreachable"}}}
    await world.api.patch_status(APPLICATION, "blink", {"status": broke})
    controller._applications._objects["blink"] = stale
    await world.reaches("blink", "Error")
    assert (await entry(world)).error == "unreachable"


async def test_an_application_whose_finalizer_was_removed_is_stopped_too(world: World) -> None:
    await running(world, "edge-1")
    await world.api.delete(APPLICATION, "blink")
    await world.api.patch(APPLICATION, "blink", {"metadata": {"finalizers": []}})
    await world.gone("blink")

    async def stopped():
        return world.gateways.count("stop") == {"edge-1": 1}

    await world.until(stopped)


async def test_an_earlier_application_of_the_same_name_is_stopped(world: World) -> None:
    """The device was not asked to stop it, and its gateway reports to the new application of that name."""

    await running(world, "edge-2")
    await world.device("edge-1")
    calls = len(world.gateways.calls)
    left = {"deviceStatuses": {"edge-1": {"state": "running"}}}
    await world.api.patch_status(APPLICATION, "blink", {"status": left})

    async def forgotten():
        return set((await world.get(APPLICATION, "blink")).status.device_statuses) == {"edge-2"}

    await world.until(forgotten)
    assert world.gateways.calls[calls:] == [("stop", "edge-1")]
