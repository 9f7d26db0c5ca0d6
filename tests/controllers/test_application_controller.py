"""Deployments with successful and failing gateways and devices."""

from __future__ import annotations

import pytest

from harness.core.skewed_clock import SkewedClock
from harness.wasmbed.controllers.gateway_client import GatewayRefused
from harness.wasmbed.resources.api import ApiError, Conflict
from harness.wasmbed.resources.conditions import find_condition
from harness.wasmbed.resources.kinds import APPLICATION, CONFIG_MAP, DEVICE, GATEWAY
from harness.wasmbed.resources.modules import ConfigMapModuleStore
from harness.wasmbed.resources.names import STOP_FINALIZER
from harness.wasmbed.resources.views import Application
from tests.controllers.world import World

MODULE = b"\0asm\1\0\0\0"
OTHER = MODULE + b"\0\1\0"


def refused(status, message="no"):
    return GatewayRefused(status, message)


async def test_an_application_becomes_running_step_by_step(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    application = await world.reaches("blink", "Running")
    status = application.status
    assert world.phases() == ["Creating", "Deploying", "Deployed", "Running"]
    assert world.gateways.calls == [("deploy", "edge-1")]
    assert status.deployed_devices == ["edge-1"]
    assert status.deployment_progress == 100
    assert status.statistics.raw == {"target": 1, "deployed": 1, "running": 1, "failed": 0, "unknown": 0}
    assert (status.health, status.error, status.retry_count) == ("healthy", None, 0)
    assert status.observed_generation == application.generation
    assert find_condition(status.conditions, "Running")["status"] == "True"
    assert application.finalizers == [STOP_FINALIZER]


async def test_a_deployment_costs_few_writes(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    await world.settle(20)
    own = [name for source, name, *_ in world.requests if source == "ApplicationController"]
    assert len(own) <= 6, own


async def test_every_device_that_a_selector_matches_gets_the_module(world: World) -> None:
    await world.manager()
    for number in range(3):
        await world.device(f"edge-{number}", labels={"site": "lab" if number else "field"})
    await world.application(match_labels={"site": "lab"})
    application = await world.reaches("blink", "Running")
    assert application.status.deployed_devices == ["edge-1", "edge-2"]


async def test_many_devices_are_deployed_to_in_batches(world: World) -> None:
    await world.manager()
    for number in range(150):
        await world.device(f"edge-{number}")
    await world.application(all_devices=True)
    application = await world.reaches("blink", "Running")
    assert application.status.statistics.running == 150
    assert set(world.gateways.count("deploy").values()) == {1}
    own = [name for source, name, *_ in world.requests if source == "ApplicationController"]
    assert len(own) < 40


async def test_devices_that_enroll_later_get_the_module_too(world: World) -> None:
    await world.manager()
    await world.application(all_devices=True)
    waiting = await world.reaches("blink", "Deploying")
    assert "no device matches yet" in find_condition(waiting.status.conditions, "Deployed")["message"]
    await world.device("edge-1")
    await world.reaches("blink", "Running")
    await world.device("edge-2")

    async def both():
        return (await world.get(APPLICATION, "blink")).status.statistics.running == 2

    await world.until(both)
    assert world.gateways.count("deploy") == {"edge-1": 1, "edge-2": 1}


async def test_a_device_that_is_not_connected_gets_the_module_when_it_is(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.move("edge-1", "Disconnected")
    await world.application()
    await world.settle(120)
    application = await world.get(APPLICATION, "blink")
    assert application.status.phase == "Deploying"
    assert world.gateways.calls == []
    assert "1 not connected" in find_condition(application.status.conditions, "Deployed")["message"]
    await world.move("edge-1", "Connected")
    await world.reaches("blink", "Running")


async def test_connected_devices_do_not_wait_for_others(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.device("edge-2")
    await world.move("edge-2", "Disconnected")
    await world.application(device_names=["edge-1", "edge-2"])
    application = await world.reaches("blink", "PartiallyRunning")
    assert application.status.deployment_progress == 50
    await world.move("edge-2", "Connected")
    await world.reaches("blink", "Running")


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        (None, "the device does not exist"),
        ({"capabilities": ["tls", "cbor"]}, "no capability wasm"),
        ({"largest_module": 4}, "the module has 8 bytes, the device takes 4"),
    ],
)
async def test_a_device_that_cannot_have_the_module_fails_and_the_others_run_it(world: World, spec, part) -> None:
    await world.manager()
    await world.device("edge-1")
    if spec is not None:
        await world.device("edge-2", **spec)
    await world.application(device_names=["edge-1", "edge-2"])
    application = await world.reaches("blink", "PartiallyRunning")
    assert application.status.statistics.raw == {
        "target": 2,
        "deployed": 1,
        "running": 1,
        "failed": 1,
        "unknown": 0,
    }
    assert application.status.error.startswith("edge-2: ")
    assert part in application.status.error
    assert application.status.health == "degraded"
    assert world.gateways.count("deploy") == {"edge-1": 1}


async def test_a_missing_device_gets_the_module_when_it_exists(world: World) -> None:
    await world.manager()
    await world.application()
    failed = await world.reaches("blink", "Failed")
    assert failed.status.error == "edge-1: the device does not exist"
    await world.device("edge-1")
    running = await world.reaches("blink", "Running")
    assert running.status.error is None


@pytest.mark.parametrize(
    ("answer", "phase", "error"),
    [
        (
            ["receiving", {"state": "failed", "code": "INVALID_MODULE", "error": "no entry run"}],
            "Failed",
            "no entry run",
        ),
        (["deployed", {"state": "error", "code": "OUT_OF_FUEL", "error": "endless loop"}], "Error", "endless loop"),
        (["deployed", "running", {"state": "error", "code": "TRAP"}], "Error", "TRAP"),
    ],
)
async def test_a_failure_that_the_device_reports_is_not_retried(world: World, answer, phase, error) -> None:
    await world.manager()
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = answer
    await world.application()
    application = await world.reaches("blink", phase)
    assert application.status.error == f"edge-1: {error}"
    assert application.status.health == "unhealthy"
    assert application.status.statistics.failed == 1
    await world.settle(100)
    assert world.gateways.count("deploy") == {"edge-1": 1}


async def test_an_application_that_fails_on_one_of_two_devices_is_partially_running(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.device("edge-2")
    world.gateways.answers["edge-2"] = ["deployed", {"state": "error", "error": "trap"}]
    await world.application(all_devices=True)
    application = await world.reaches("blink", "PartiallyRunning")
    assert application.status.deployed_devices == ["edge-1", "edge-2"]
    assert application.status.health == "degraded"


@pytest.mark.parametrize(
    "trouble", [ConnectionRefusedError("nobody there"), refused(503), refused(404), TimeoutError()]
)
async def test_a_failing_gateway_is_asked_again_with_growing_delays(world: World, trouble: Exception) -> None:
    await world.manager()
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = [trouble] * 4 + [["receiving", "deployed", "running"]]
    await world.application()
    await world.reaches("blink", "Deploying")

    async def troubled_twice() -> Application | None:
        seen = await world.get(APPLICATION, "blink")
        return seen if seen.status.retry_count == 2 else None

    troubled = await world.until(troubled_twice)
    assert "its gateway did not take the deployment" in troubled.status.error
    application = await world.reaches("blink", "Running")
    assert application.status.retry_count == 4
    assert application.status.error is None
    assert world.gateways.count("deploy") == {"edge-1": 5}


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_an_invalid_request_is_not_repeated(world: World, status) -> None:
    await world.manager()
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = refused(status, "limits: too large")
    await world.application()
    application = await world.reaches("blink", "Failed")
    assert application.status.error == "edge-1: limits: too large"
    await world.settle(60)
    assert world.gateways.count("deploy") == {"edge-1": 1}


async def test_an_interrupted_transfer_is_repeated_on_the_next_link(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = [["receiving"], ["receiving", "deployed", "running"]]
    await world.application()
    await world.settle()
    await world.move("edge-1", "Disconnected")
    await world.settle()
    assert world.gateways.count("deploy") == {"edge-1": 1}
    await world.move("edge-1", "Connected")
    application = await world.reaches("blink", "Running")
    assert application.status.retry_count == 1


async def test_a_transfer_that_the_gateway_gave_up_is_repeated(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    lost = {"state": "failed", "code": "CONNECTION_LOST", "error": "peer closed"}
    world.gateways.answers["edge-1"] = [["receiving", lost], ["receiving", "deployed", "running"]]
    await world.application()
    await world.reaches("blink", "Running")
    assert "Failed" not in world.phases()


async def test_a_device_that_never_answers_fails_after_a_bounded_number_of_attempts(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = ["receiving"]
    await world.application()
    await world.settle(650)
    application = await world.get(APPLICATION, "blink")
    assert application.status.phase == "Failed"
    assert application.status.error == "edge-1: it gave no answer in time"
    assert world.gateways.count("deploy") == {"edge-1": 5}


@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        (["receiving", {"state": "failed", "code": "NOT_ENOUGH_MEMORY"}], "Failed"),
        (["deployed", "running", {"state": "error", "code": "TRAP"}], "Error"),
    ],
)
async def test_what_failed_is_tried_again_after_a_stop(world: World, answer, phase) -> None:
    """The reason may be gone: the device had no memory, for instance."""
    await world.manager()
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = [answer, ["receiving", "deployed", "running"]]
    await world.application()
    await world.reaches("blink", phase)
    await world.change(stopped=True)
    await world.reaches("blink", "Stopped")
    await world.change(stopped=False)
    await world.reaches("blink", "Running")
    assert world.gateways.count("deploy") == {"edge-1": 2}


async def test_a_request_whose_time_is_far_ahead_has_expired(world: World) -> None:
    """The controllers' clock was an hour ahead when they made it."""
    clock = SkewedClock(world.clock)
    clock.ahead = 3600
    await world.manager(clock=clock)
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = [["receiving"], ["receiving", "deployed", "running"]]
    await world.application()
    await world.settle(5)
    clock.ahead = 0
    await world.reaches("blink", "Running", within=150)
    assert world.gateways.count("deploy") == {"edge-1": 2}


async def test_the_module_is_deployed_again_after_a_reboot(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    await world.reboot("edge-1")

    async def two_deployments() -> bool:
        return world.gateways.count("deploy")["edge-1"] == 2

    await world.until(two_deployments)
    await world.reaches("blink", "Running")
    assert world.phases()[4:] == ["Deploying", "Deployed", "Running"]


async def test_a_device_waits_for_its_gateway_to_be_online(world: World) -> None:
    await world.manager()
    await world.gateway("gateway-2", apiEndpoint=None)
    await world.device("edge-1", gateway="gateway-2")
    await world.application()
    await world.settle()
    assert world.gateways.calls == []
    await world.gateway("gateway-2")
    await world.reaches("blink", "Running")


async def test_a_module_from_the_store(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    reference = await ConfigMapModuleStore(world.api).put(MODULE)
    await world.application(reference=reference)
    await world.reaches("blink", "Running")


async def test_a_missing_module_is_deployed_when_the_store_has_it(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    store = ConfigMapModuleStore(world.api)
    reference = await store.put(MODULE)
    await world.api.delete(CONFIG_MAP, f"wasm-{reference[:40]}")
    await world.application(reference=reference)
    failed = await world.reaches("blink", "Failed")
    assert f"the module store has no module {reference}" in failed.status.error
    assert find_condition(failed.status.conditions, "Stalled")["status"] == "False"
    await store.put(MODULE)
    await world.reaches("blink", "Running")


async def test_an_invalid_module_fails_at_once(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application(module=b"hello")
    failed = await world.reaches("blink", "Failed")
    assert "spec.wasmBytes: not a WebAssembly module" in failed.status.error
    assert find_condition(failed.status.conditions, "Stalled")["status"] == "True"
    assert failed.status.statistics.failed == 1
    assert world.phases() == ["Creating", "Failed"]
    assert world.gateways.calls == []


async def test_an_invalid_module_replaces_a_valid_one(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    await world.change(wasmBytes="AAAA")
    await world.reaches("blink", "Failed")
    await world.settle()
    assert world.gateways.count("stop") == {"edge-1": 1}
    await world.change(wasmBytes="AGFzbQEAAAA=")
    await world.reaches("blink", "Running")


async def test_an_application_runs_despite_errors_of_the_api_server(world: World) -> None:
    clients = {}

    def client(name):
        clients[name] = world.client(name)
        return clients[name]

    await world.manager(clients=client)
    await world.device("edge-1")
    await world.settle()
    faults = clients["ApplicationController"].faults
    faults["patch"] = [Conflict({"code": 409}), OSError("reset"), ApiError({"code": 500})]
    faults["patch_status"] = [
        ApiError({"code": 503}),
        Conflict({"code": 409}),
        OSError("reset"),
        RuntimeError("bug"),
    ]
    await world.application()
    await world.reaches("blink", "Running")
    assert not any(faults.values())
    assert world.gateways.count("deploy") == {"edge-1": 1}


async def test_metrics_are_summed_regularly(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    world.requests.clear()
    for calls in range(1, 21):
        entries = {"edge-1": {"metrics": {"calls": calls}}}
        await world.api.patch_status(APPLICATION, "blink", {"status": {"deviceStatuses": entries}})
        await world.settle(0.5)
    await world.settle(6)
    assert (await world.get(APPLICATION, "blink")).status.metrics == {"calls": 20}
    own = [name for source, name, *_ in world.requests if source == "ApplicationController"]
    assert len(own) <= 3


async def test_heartbeats_reconcile_no_application(world: World) -> None:
    manager = await world.manager()
    await world.device("edge-1")
    await world.application(all_devices=True)
    await world.reaches("blink", "Running")
    await world.settle()
    (controller,) = [c for c in manager._controllers if c.name == "ApplicationController"]
    looks = []
    controller.queue.add = looks.append
    await world.api.patch_status(DEVICE, "edge-1", {"status": {"lastHeartbeat": "2023-11-14T22:13:20Z"}})
    await world.api.patch_status(GATEWAY, "gateway-1", {"status": {"connectedDevices": 1}})
    await world.settle()
    assert looks == []


async def test_a_deleted_device_is_no_longer_a_target(world: World) -> None:
    await world.manager()
    await world.device("edge-1")
    await world.device("edge-2")
    await world.application(all_devices=True)
    await world.reaches("blink", "Running")
    await world.api.delete(DEVICE, "edge-2")

    async def forgotten():
        status = (await world.get(APPLICATION, "blink")).status
        return set(status.device_statuses) == {"edge-1"} and status.statistics.target == 1

    await world.until(forgotten)


async def test_a_resync_finds_changes_without_an_event(world: World) -> None:
    manager = await world.manager()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    (controller,) = [c for c in manager._controllers if c.name == "ApplicationController"]
    looks = []
    await world.settle(10)
    controller.queue.add = looks.append
    await world.settle(340)
    assert looks == ["blink"]
