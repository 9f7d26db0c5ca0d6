"""Running applications that are changed, stopped, or deleted."""

from __future__ import annotations

import pytest

from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE
from harness.wasmbed.resources.names import STOP_FINALIZER
from tests.controllers.world import Broken, World

MODULE = b"\0asm\1\0\0\0"
OTHER = MODULE + b"\0\1\0"


async def test_a_changed_module_stops_the_old_and_deploys_the_new(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    await world.change(config={"fuel": 5})

    async def redeployed():
        return world.gateways.calls == [("deploy", "edge-1"), ("stop", "edge-1"), ("deploy", "edge-1")]

    await world.until(redeployed)
    application = await world.reaches("blink", "Running")
    assert world.phases()[4:] == ["Deploying", "Deployed", "Running"]
    assert application.status.observed_generation == application.generation == 2


async def test_a_module_that_changes_while_its_deployment_is_recorded_is_deployed_once(world: World) -> None:
    class Late(Broken):
        """Its first record of a request is written after a change of the Application."""

        has_changed = False

        async def patch_status(self, resource: Resource, name: str, patch: Object) -> Object:
            if "deviceStatuses" in patch["status"] and not self.has_changed:
                self.has_changed = True
                await world.change(config={"fuel": 5})
            return await super().patch_status(resource, name, patch)

    def client(name: str) -> Broken:
        return (Late if name == "ApplicationController" else Broken)(world.cluster.client(name))

    await world.manager(clients=client)
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    await world.settle(5)
    application = await world.get(APPLICATION, "blink")
    assert world.gateways.calls == [("stop", "edge-1"), ("deploy", "edge-1")]
    assert (application.status.phase, application.status.observed_generation) == ("Running", 2)


async def test_a_change_of_targets_leaves_the_others_alone(world: World) -> None:
    await world.manager()
    for name in ("edge-1", "edge-2", "edge-3"):
        await world.device(name)
    await world.application(device_names=["edge-1", "edge-2"])
    await world.reaches("blink", "Running")
    await world.change(targetDevices={"deviceNames": ["edge-2", "edge-3"]})

    async def moved():
        entries = (await world.get(APPLICATION, "blink")).status.device_statuses
        return set(entries) == {"edge-2", "edge-3"} and entries["edge-3"].state == "running"

    await world.until(moved)
    assert world.gateways.count("stop") == {"edge-1": 1}
    assert world.gateways.count("deploy") == {"edge-1": 1, "edge-2": 1, "edge-3": 1}
    await world.reaches("blink", "Running")


async def test_a_changed_description_redeploys_nothing(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    await world.change(description="shows that the pump works", metadata={"version": "2", "tags": ["pump"]})

    async def observed():
        return (await world.get(APPLICATION, "blink")).status.observed_generation == 2

    await world.until(observed)
    assert world.gateways.calls == [("deploy", "edge-1")]
    assert world.phases()[-1] == "Running"


async def test_expressions_choose_devices_and_a_label_adds_one(world: World) -> None:
    await world.manager()
    for name, site in (("edge-1", "roof"), ("edge-2", "yard"), ("edge-3", None)):
        await world.device(name, labels={"site": site} if site else None)
    await world.application(match_expressions=[{"key": "site", "operator": "In", "values": ["roof", "cellar"]}])
    await world.reaches("blink", "Running")
    assert world.gateways.count("deploy") == {"edge-1": 1}
    await world.api.patch(DEVICE, "edge-3", {"metadata": {"labels": {"site": "cellar"}}})

    async def both():
        return world.gateways.count("deploy") == {"edge-1": 1, "edge-3": 1}

    await world.until(both)


async def test_a_late_report_about_the_old_module_does_not_count_for_the_new(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    world.gateways.answers["edge-1"] = [["receiving"]]
    await world.change(config={"fuel": 5})
    await world.reaches("blink", "Deploying")
    await world.settle()
    late = {"edge-1": {"state": "running", "generation": 1}}
    await world.api.patch_status(APPLICATION, "blink", {"status": {"deviceStatuses": late}})
    await world.settle(5)
    assert (await world.get(APPLICATION, "blink")).status.phase == "Deploying"


async def test_stop_and_start_again(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    await world.change(stopped=True)
    stopped = await world.reaches("blink", "Stopped")
    assert world.phases()[4:] == ["Stopping", "Stopped"]
    assert stopped.status.statistics.running == 0
    assert stopped.status.deployed_devices == []
    await world.change(stopped=False)
    await world.reaches("blink", "Running")
    assert world.gateways.count("stop") == {"edge-1": 1}
    assert world.gateways.count("deploy") == {"edge-1": 2}


async def test_an_application_may_be_created_stopped(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application(stopped=True)
    await world.reaches("blink", "Stopped")
    assert world.gateways.calls == []


async def test_a_withdrawn_stop_is_completed_first(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    world.gateways.stop_answers["edge-1"] = []
    await world.change(stopped=True)
    await world.reaches("blink", "Stopping")
    await world.change(stopped=False)
    await world.settle()
    assert (await world.get(APPLICATION, "blink")).status.phase == "Stopping"
    late = {"edge-1": {"state": "stopped"}}
    await world.api.patch_status(APPLICATION, "blink", {"status": {"deviceStatuses": late}})
    await world.reaches("blink", "Running")
    assert world.phases()[4:] == ["Stopping", "Stopped", "Deploying", "Deployed", "Running"]


async def test_a_device_that_does_not_confirm_a_stop_does_not_block_it(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    world.gateways.stop_answers["edge-1"] = [*[ConnectionRefusedError("nobody there")] * 2, []]
    await world.change(stopped=True)

    async def error():
        return (await world.get(APPLICATION, "blink")).status.error

    assert await world.until(error) == "edge-1: its gateway did not take the stop: nobody there"
    stopped = await world.reaches("blink", "Stopped", within=60)
    assert "did not confirm the stop within 30 s" in stopped.status.device_statuses["edge-1"].error
    assert world.gateways.count("stop") == {"edge-1": 3}


async def test_a_device_that_runs_on_is_asked_to_stop_again(world: World) -> None:
    """Its stop was lost on the way: the gateway had no answer, and the device's heartbeats name the application."""
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    world.gateways.stop_answers["edge-1"] = [[{"state": "error", "code": "TIMEOUT"}, "running"], ["stopped"]]
    await world.change(stopped=True)
    stopped = await world.reaches("blink", "Stopped", within=60)
    assert stopped.status.device_statuses["edge-1"].error is None
    assert world.gateways.count("stop") == {"edge-1": 2}


async def test_a_device_that_never_stops_is_given_up(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    world.gateways.stop_answers["edge-1"] = [[{"state": "error", "code": "TIMEOUT"}, "running"]]
    await world.change(stopped=True)
    stopped = await world.reaches("blink", "Stopped", within=120)
    assert "did not confirm the stop within 30 s" in stopped.status.device_statuses["edge-1"].error
    assert world.gateways.count("stop") == {"edge-1": 3}


async def test_a_device_that_was_away_stops_the_application_when_it_is_back(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    await world.move("edge-1", "Disconnected")
    await world.change(stopped=True)
    await world.reaches("blink", "Stopped")
    assert world.gateways.count("stop") == {}
    await world.move("edge-1", "Connected")
    await world.settle()
    assert world.gateways.count("stop") == {"edge-1": 1}
    assert (await world.get(APPLICATION, "blink")).status.phase == "Stopped"


async def test_a_stop_that_was_lost_with_its_link_is_requested_again(world: World) -> None:
    """The device did not get the stop, or its answer was lost: it is back and reports the running application."""

    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    world.gateways.stop_answers["edge-1"] = [[], ["stopped"]]
    await world.change(stopped=True)
    await world.reaches("blink", "Stopping")
    await world.settle()
    await world.move("edge-1", "Disconnected")
    await world.reaches("blink", "Stopped")
    await world.settle(100)
    await world.move("edge-1", "Connected", running=["blink"])

    async def stopped():
        entry = (await world.get(APPLICATION, "blink")).status.device_statuses["edge-1"]
        return entry.state == "stopped" and entry.error is None

    await world.until(stopped)
    assert world.gateways.count("stop") == {"edge-1": 2}


async def test_a_deleted_application_is_stopped_first(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    await world.api.delete(APPLICATION, "blink")
    await world.gone("blink")
    assert world.gateways.count("stop") == {"edge-1": 1}
    assert world.phases()[4:] == ["Stopping", "Stopped"]
    await world.application()
    await world.reaches("blink", "Running")


@pytest.mark.parametrize(
    ("ending", "phase"),
    [({"state": "error", "code": "TRAP"}, "Error"), ({"state": "failed", "code": "NOT_ENOUGH_MEMORY"}, "Failed")],
)
@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "stopped"])
async def test_an_application_that_failed_is_removed_from_its_device(world: World, ending, phase, deleted) -> None:
    """A device keeps an application that ended until it is stopped there."""
    await world.manager()
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = ["receiving", ending]
    await world.application()
    await world.reaches("blink", phase)
    if deleted:
        await world.api.delete(APPLICATION, "blink")
        await world.gone("blink")
    else:
        await world.change(stopped=True)
        await world.reaches("blink", "Stopped")
    assert world.gateways.count("stop") == {"edge-1": 1}


async def test_an_application_that_failed_is_removed_from_a_device_that_is_no_longer_a_target(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.device("edge-2")
    world.gateways.answers["edge-1"] = ["receiving", {"state": "error", "code": "TRAP"}]
    await world.application(device_names=["edge-1", "edge-2"])
    await world.reaches("blink", "PartiallyRunning")
    await world.change(targetDevices={"deviceNames": ["edge-2"]})
    await world.reaches("blink", "Running")
    assert world.gateways.count("stop") == {"edge-1": 1}


@pytest.mark.parametrize("away", [True, False], ids=["away", "silent"])
async def test_a_deletion_takes_a_bounded_time(world: World, away) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    if away:
        await world.move("edge-1", "Disconnected")
    world.gateways.stop_answers["edge-1"] = []
    await world.api.delete(APPLICATION, "blink")
    await world.gone("blink", within=60)


async def test_another_finalizer_is_left_alone(world: World) -> None:
    await world.manager()
    await world.application()
    await world.reaches("blink", "Failed")
    await world.api.patch(APPLICATION, "blink", {"metadata": {"finalizers": ["example.org/mine", STOP_FINALIZER]}})
    await world.api.delete(APPLICATION, "blink")
    await world.settle()
    assert (await world.get(APPLICATION, "blink")).finalizers == ["example.org/mine"]
