"""Applications that fail at run time and are deployed again, by their restart policy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from harness.wasmbed.resources.kinds import APPLICATION
from tests.controllers.world import World

TRAP = {"state": "error", "code": "TRAP", "error": "unreachable\n    function 0 at 0x2e"}
FAILS = ["receiving", "deployed", "running", TRAP]
RUNS = ["receiving", "deployed", "running"]


async def failing(world: World, answers: list[Any], **config: Any) -> None:
    """An application on one device, with a manager."""
    await world.manager()
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = answers
    await world.application(config=config)


async def test_a_failed_application_stays_failed_without_a_policy(world: World) -> None:
    await failing(world, [FAILS])
    await world.reaches("blink", "Error")
    await world.settle(400)
    assert world.gateways.count("deploy") == {"edge-1": 1}


async def test_it_is_deployed_again_after_a_growing_pause_until_it_runs(world: World) -> None:
    await failing(world, [FAILS, FAILS, FAILS, RUNS], autoRestart=True)
    times: list[float] = []

    async def deployed() -> bool:
        if world.gateways.count("deploy")["edge-1"] > len(times):
            times.append(world.clock.now())
        return len(times) == 4

    await world.until(deployed, within=60)
    status = (await world.reaches("blink", "Running")).status
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(0.5 * 2**number <= pause <= 1.5 * 2**number + 1 for number, pause in enumerate(pauses)), pauses
    assert (status.restart_count, status.error) == (3, None)
    assert "Error" not in world.phases()


async def test_it_is_given_up_after_the_last_restart_and_a_stop_counts_anew(world: World) -> None:
    await failing(world, [FAILS], autoRestart=True, maxRestarts=2)
    status = (await world.reaches("blink", "Error", within=60)).status
    assert world.gateways.count("deploy") == {"edge-1": 3}
    assert status.restart_count == 2
    assert status.error == "edge-1: unreachable (gave up after 2 of 2 restarts)"
    await world.settle(700)
    assert world.gateways.count("deploy") == {"edge-1": 3}
    world.gateways.answers["edge-1"] = [FAILS, RUNS]
    await world.change(stopped=True)
    await world.reaches("blink", "Stopped")
    await world.change(stopped=False)
    assert (await world.reaches("blink", "Running")).status.restart_count == 1


async def test_the_next_manager_goes_on_counting(world: World) -> None:
    await failing(world, [FAILS], autoRestart=True, maxRestarts=3)

    async def restarted() -> bool:
        return world.gateways.count("deploy")["edge-1"] == 3

    await world.until(restarted, within=60)
    await world.managers[0].stop()
    await world.manager()
    await world.reaches("blink", "Error", within=120)
    assert world.gateways.count("deploy") == {"edge-1": 4}


async def test_a_device_that_is_away_is_waited_for(world: World) -> None:
    world.gateways.answers["edge-1"] = [FAILS, RUNS]
    await world.manager()
    await world.device("edge-1")
    await world.device("edge-2")
    await world.application(device_names=["edge-1", "edge-2"], config={"autoRestart": True})

    async def failed() -> bool:
        entries = (await world.get(APPLICATION, "blink")).status.device_statuses
        return "edge-1" in entries and entries["edge-1"].code == "TRAP"

    await world.until(failed)
    await world.move("edge-1", "Disconnected")
    await world.settle(30)
    assert world.gateways.count("deploy") == {"edge-1": 1, "edge-2": 1}
    await world.move("edge-1", "Connected")
    await world.reaches("blink", "Running", within=60)
    assert world.gateways.count("deploy") == {"edge-1": 2, "edge-2": 1}


async def test_a_policy_that_is_added_later_restarts_what_failed(world: World) -> None:
    await failing(world, [FAILS, RUNS])
    await world.reaches("blink", "Error")
    await world.change(config={"autoRestart": True})
    assert (await world.reaches("blink", "Running")).status.restart_count == 1
    assert world.gateways.count("stop") == {}
