"""A status is current: nothing of an earlier session, run or failure is left in it."""

from dataclasses import replace

import pytest

from harness.stack import MockBoard, Stack
from harness.stack.applications import ApplicationHandle
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    Deploy,
    DeploymentResult,
    DeviceInfo,
    DeviceInfoRequest,
    EnrollmentAcknowledgment,
    EnrollmentResponse,
    Heartbeat,
    HeartbeatAcknowledgment,
    Publication,
    RuntimeFault,
    Stop,
    StopResult,
)
from harness.wasmbed.resources.conditions import find_condition
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE
from harness.wasmbed.resources.timestamps import parse_timestamp


async def enrolled(stack: Stack, name: str = "meter") -> MockBoard:
    """A mock board that is Connected."""
    board = await stack.mock_board(name)
    await board.enroll()
    await stack.device(name).until(phase="Connected")
    return board


async def back(stack: Stack, board: MockBoard, **applications: ApplicationState) -> MockBoard:
    """The same device, resumed on a new connection after its first was lost."""
    await board.close()
    await stack.device(board.name).until(phase="Disconnected")
    again = await stack.mock_board(board.name, credentials=board.credentials)
    await again.beat(board.device_id, **applications)
    await stack.device(board.name).until(phase="Connected")
    return again


async def running(stack: Stack, module: str = "hello") -> tuple[MockBoard, ApplicationHandle]:
    """A mock board on which an application runs."""
    board = await enrolled(stack)
    application = await stack.deploy(module, to=board.name, name="app")
    await board.run_module()
    await application.until(phase="Running")
    return board, application


async def test_each_session_has_its_own_beginning(stack: Stack) -> None:
    """connectedSince is the session's: gone without one, later with the next, the same for all heartbeats of one."""
    meter = await enrolled(stack)
    device = stack.device("meter")
    first = device.status.connected_since
    await meter.beat()
    assert device.status.connected_since == first
    await meter.close()
    await device.until(phase="Disconnected", connected_since=None, last_heartbeat=None, device_status="Stopped")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.beat(meter.device_id)
    await device.until(phase="Connected", connected_since=lambda since: since is not None and since > first, error=None)
    stack.history.follows("device-connection")


async def test_a_second_loss_is_noticed_as_the_first_was(stack: Stack) -> None:
    """Lost, resumed, lost, resumed, lost: each time Disconnected, with the reason, and without the old heartbeat."""
    meter = await enrolled(stack)
    for _ in range(2):
        meter = await back(stack, meter)
        assert stack.device("meter").status.error is None
    await meter.close()
    await stack.device("meter").until(phase="Disconnected", error="Connection lost", last_heartbeat=None)
    assert stack.history.phases("meter").count("Disconnected") == 3
    assert len(stack.history.find("EnrollmentRequest")) == 1
    stack.history.follows("device-resumed")


@pytest.mark.requires("device-fields")
@pytest.mark.parametrize(
    ("status", "runtime", "health"),
    [("running", "ready", "healthy"), ("degraded", "ready", "degraded"), ("running", "unavailable", "degraded")],
)
async def test_health_is_what_the_last_heartbeat_said(stack: Stack, status: str, runtime: str, health: str) -> None:
    """Degraded and healthy again, by the device's own word and by its runtime's."""
    meter = await enrolled(stack)
    device = stack.device("meter")
    meter.send(Heartbeat(meter.device_id, 0, status, {"uptime_ms": 1}, runtime))
    await device.until(health=health, wasm_runtime=runtime, device_status=status.capitalize())
    meter.send(Heartbeat(meter.device_id, 0, "running", {}, "ready"))
    await device.until(health="healthy", wasm_runtime="ready", device_metrics=lambda metrics: not metrics)


@pytest.mark.requires("device-fields")
async def test_what_a_device_is_now_replaces_what_it_was(stack: Stack) -> None:
    """A device returns with other firmware and capabilities: the spec shows them, the id and the key are the same."""
    meter = await enrolled(stack)
    device = stack.device("meter")
    key, device_id = device.spec.public_key, device.status.device_id
    await meter.expect(DeviceInfoRequest)
    meter.reply(DeviceInfo(2048, "old", ("bulk-memory",), 4321))
    await device.until(device_info={"memory": 2048, "architecture": "old"}, within=20)
    await meter.close()
    await device.until(phase="Disconnected")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    request = replace(again.request(), firmware_version="2.0", capabilities=("tls", "cbor"), largest_module=1234)
    again.send(request)
    response = await again.expect(EnrollmentResponse)
    again.reply(EnrollmentAcknowledgment(response.device_id))
    await again.beat(response.device_id)
    await again.expect(DeviceInfoRequest)
    information = DeviceInfo(4096, "new", ("bulk-memory",), 1234)
    again.reply(information)
    await device.until(phase="Connected", device_info={"memory": 4096, "architecture": "new"}, within=20)
    assert (device.spec.firmware_version, sorted(device.spec.capabilities)) == ("2.0", ["cbor", "tls"])
    assert (device.spec.largest_module, device.spec.public_key) == (1234, key)
    assert device.status.device_id == device_id
    stack.history.follows("device-connection")


@pytest.mark.requires("device-fields")
async def test_heartbeats_that_follow_each_other_are_written_together(stack: Stack) -> None:
    """Each says something new, far more often than it is written: the invariant compares the writes with the
    interval."""
    meter = await enrolled(stack)
    for number in range(30):
        status = "running" if number % 2 else "degraded"
        beat = meter.send(Heartbeat(meter.device_id, 0, status, {"number": number}, "ready"))
        await meter.expect(HeartbeatAcknowledgment, beat)
    await stack.device("meter").until(device_metrics={"number": 29}, health="healthy")


@pytest.mark.requires("gateway-settings", "gateway-http", "device-fields", "virtual-time")
@pytest.mark.stack(deadline=3600)
async def test_heartbeats_that_say_nothing_new_are_written_every_five_minutes(stack: Stack) -> None:
    """Meanwhile the gateway says when it heard the device last. The device turns to another state, which is written
    without delay, and the metrics of its last heartbeat are on record when it has gone."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    for minute in range(25):
        await stack.clock.sleep(60)
        heard = stack.history.find("Heartbeat", about=board.name)[-1]
        session = (await stack.gateway.sessions())[board.name]
        assert abs(parse_timestamp(session["lastHeartbeat"]) - heard.at) < 1
        assert session["metrics"] == heard.data["metrics"]
        assert stack.clock.now() - parse_timestamp(device.status.last_heartbeat or "") < 331
        writes = [
            event
            for event in stack.history.find("PATCH Device", about=board.name, source="Gateway", code=200)
            if "phase" not in event.data["status"] and "deviceInfo" not in event.data["status"]
        ]
        assert len(writes) <= minute // 5 + 1
    await board.power_off()
    assert (await device.until(phase="Disconnected")).status.device_metrics == session["metrics"]
    stack.history.follows("heartbeat-and-monitoring")


@pytest.mark.requires("controllers-api-faults")
@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_of_many_devices_rests_between_writes(stack: Stack) -> None:
    """Reports of one of 400 devices are written after a pause; the invariant compares it with their number."""
    meter, application = await running(stack)
    others = {f"pump-{number}": {"state": "running"} for number in range(400)}
    with stack.api_faults.holding("patch_status", client="ApplicationController", kind="Application"):
        await stack.api.patch_status(APPLICATION, "app", {"status": {"deviceStatuses": others}})
        for _ in range(2):
            meter.send(RuntimeFault("app", "TRAP", "it broke"))
            await application.until_on("meter", state="error")
            meter.send(ApplicationStatus("app", ApplicationState.RUNNING))
            await application.until_on("meter", state="running")
    await application.until(phase="Running", device_statuses=lambda entries: list(entries) == ["meter"])


@pytest.mark.requires("applications", "gateway-http")
async def test_the_outputs_of_an_earlier_run_are_gone(stack: Stack) -> None:
    """After a new module nothing of the old one's output, code, error or metrics is there."""
    meter, application = await running(stack)
    meter.send(ApplicationStatus("app", ApplicationState.RUNNING, {"old": 1}, None, [Publication("old", b"1")]))
    await application.until_on("meter", output=len, metrics={"old": 1})
    meter.send(RuntimeFault("app", "TRAP", "it broke"))
    await application.until(phase="Error")
    await application.redeploy(stack.modules("hello_again"))
    await meter.run_module()
    await application.until(phase="Running", observed_generation=2, error=None, health="healthy")
    entry = application.on("meter")
    assert (entry.code, entry.error, list(entry.output)) == (None, None, [])
    assert "old" not in entry.metrics
    meter.send(ApplicationStatus("app", ApplicationState.RUNNING, {}, None, [Publication("new", b"2")]))
    await application.until_on("meter", output=len)
    assert application.output("meter") == [("new", "2")]


@pytest.mark.requires("applications", "gateway-http")
async def test_a_heartbeat_does_not_revive_what_failed(stack: Stack) -> None:
    """The deployment failed; a heartbeat that names the application as running changes nothing."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    delivery = await meter.receive_module()
    meter.send(DeploymentResult("app", ok=False, error="broken", code="HASH_MISMATCH"), delivery.message_id)
    await application.until(phase="Failed")
    for _ in range(3):
        await meter.beat(app=ApplicationState.RUNNING)
    other = await stack.deploy("hello", to="meter", name="other")
    await meter.run_module()
    await other.until(phase="Running")
    assert application.status.phase == "Failed"
    assert (application.on("meter").state, application.on("meter").code) == ("failed", "HASH_MISMATCH")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_heartbeat_does_not_decide_what_is_under_way(stack: Stack) -> None:
    """While a module is on its way the device's heartbeat names it as running, and while it is being stopped as gone:
    what counts is the answer to the deployment, and to the stop."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    delivery = await meter.receive_module()
    for state in (ApplicationState.RUNNING, ApplicationState.STOPPED, ApplicationState.ERROR):
        await meter.beat(app=state)
    await _settled(stack)
    assert (application.on("meter").state, application.status.phase) == ("receiving", "Deploying")
    meter.send(DeploymentResult("app", ok=True), delivery.message_id)
    meter.send(ApplicationStatus("app", ApplicationState.RUNNING))
    await application.until(phase="Running")
    await application.stop()
    await meter.expect(Stop)
    own = meter.latest
    await application.until(phase="Stopping")
    for state in (ApplicationState.STOPPED, ApplicationState.FAILED):
        await meter.beat(app=state)
    await _settled(stack)
    assert (application.on("meter").state, application.status.phase) == ("running", "Stopping")
    meter.send(StopResult("app", ok=True), own)
    await application.until(phase="Stopped")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_stop_under_way_is_not_ordered_again(stack: Stack) -> None:
    """The controller looks at the application once more, because its spec is changed meanwhile."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.run_module()
    await application.until(phase="Running")
    await application.stop()
    await meter.expect(Stop)
    own = meter.latest
    await application.until(phase="Stopping", observed_generation=2)
    await stack.api.patch(APPLICATION, "app", {"spec": {"config": {"args": ["later"]}}})
    await application.until(phase="Stopping", observed_generation=3)
    meter.send(StopResult("app", ok=True), own)
    await application.until(phase="Stopped")
    assert len(stack.history.find("StopApplication")) == 1


async def _settled(stack: Stack) -> None:
    """Return when everything that was sent before has been dealt with: something newer has come all the way through."""
    probe = await enrolled(stack, f"probe-{stack.history.recorded}")
    await gone(stack, probe)


async def gone(stack: Stack, board: MockBoard) -> None:
    """Close a mock board's connection, and wait until that is on record."""
    await board.close()
    await stack.device(board.name).until(phase="Disconnected")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_late_status_of_what_was_stopped_does_not_revive_it(stack: Stack) -> None:
    """The device has confirmed the stop. The application stays Stopped whatever is repeated of its past."""
    meter, application = await running(stack)
    await application.stop()
    await meter.obey_stop()
    await application.until(phase="Stopped", statistics={"running": 0})
    await meter.beat()
    assert application.status.phase == "Stopped"
    assert application.on("meter").state == "stopped"
    phases = stack.history.phases("app")
    assert phases[-2:] == ["Stopping", "Stopped"]


@pytest.mark.requires("applications", "gateway-http")
async def test_attempts_are_counted_for_one_revision(stack: Stack) -> None:
    """Each deployment that comes to nothing counts; a new module begins at none."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.expect(Deploy)
    for _ in range(2):
        await meter.close()
        await stack.device("meter").until(phase="Disconnected")
        again = await stack.mock_board("meter", credentials=meter.credentials)
        await again.beat(meter.device_id)
        await again.expect(Deploy, within=30)
        meter = again
    await application.until(retry_count=2)
    await application.redeploy(stack.modules("hello_again"))
    while True:
        envelope = await meter.receive(within=30)
        if isinstance(envelope.message, Stop):
            break
    meter.reply(StopResult("app", ok=True))
    await meter.run_module(within=30)
    await application.until(phase="Running", retry_count=0)


@pytest.mark.requires("applications", "gateway-http")
async def test_a_condition_changes_its_time_with_its_status_and_not_before(stack: Stack) -> None:
    """Running stays True while metrics change; it is False with the fault, at another time, and True again later."""
    meter, application = await running(stack)
    first = _running(application)
    meter.send(ApplicationStatus("app", ApplicationState.RUNNING, {"fuel_used": 5}))
    await application.until(metrics={"fuel_used": 5}, within=20)
    assert _running(application) == first
    meter.send(RuntimeFault("app", "TRAP", "it broke"))
    await application.until(phase="Error")
    second = _running(application)
    assert (first[0], second[0]) == ("True", "False")
    assert second[1] > first[1]
    await application.redeploy(stack.modules("hello_again"))
    await meter.run_module()
    await application.until(phase="Running", observed_generation=2)
    third = _running(application)
    assert third[0] == "True"
    assert third[1] > second[1]


@pytest.mark.requires("device-fields")
async def test_a_changed_spec_is_observed(stack: Stack) -> None:
    """Another client changes the spec of a connected device: its controller judges it again, and says so. The session
    goes on."""
    await enrolled(stack)
    device = stack.device("meter")
    for version, key in (("9.1.0", None), ("9.2.0", "bm90IGEga2V5")):
        spec = {"firmwareVersion": version, **({"publicKey": key} if key else {})}
        changed = await stack.api.patch(DEVICE, "meter", {"spec": spec})
        await device.until(phase="Connected", observed_generation=changed["metadata"]["generation"])
        condition = find_condition(device.status.conditions, "Enrolled")
        assert condition is not None
        assert condition["observedGeneration"] == changed["metadata"]["generation"]
        assert condition["status"] == ("False" if key else "True")
    assert stack.history.phases("meter").count("Connected") == 1


def _running(application: ApplicationHandle) -> tuple[str, str]:
    condition = find_condition(application.status.conditions, "Running")
    assert condition is not None
    return condition["status"], condition["lastTransitionTime"]


@pytest.mark.requires("applications", "gateway-http")
async def test_statistics_are_of_the_present_targets(stack: Stack) -> None:
    """Two run, one breaks, one is deleted: target, running, failed and deployedDevices follow."""
    one, two = await enrolled(stack, "one"), await enrolled(stack, "two")
    application = await stack.deploy("hello", to="all", name="app")
    await one.run_module()
    await two.run_module()
    await application.until(phase="Running", statistics={"target": 2, "running": 2, "failed": 0}, health="healthy")
    one.send(RuntimeFault("app", "TRAP", "it broke"))
    await application.until(phase="PartiallyRunning", statistics={"target": 2, "running": 1, "failed": 1})
    assert application.status.health == "degraded"
    await stack.device("one").delete()
    await one.until_closed()
    await application.until(phase="Running", statistics={"target": 1, "running": 1, "failed": 0}, health="healthy")
    assert list(application.status.deployed_devices) == ["two"]


@pytest.mark.requires("applications", "gateway-http")
async def test_metrics_are_the_sum_of_all_devices(stack: Stack) -> None:
    """Each device reports its own fuel: the application's is the sum."""
    one, two = await enrolled(stack, "one"), await enrolled(stack, "two")
    application = await stack.deploy("hello", to="all", name="app")
    for board, fuel in ((one, 5), (two, 7)):
        await board.run_module()
        board.send(ApplicationStatus("app", ApplicationState.RUNNING, {"fuel_used": fuel}))
    await application.until(metrics={"fuel_used": 12}, within=20)


@pytest.mark.requires("applications", "gateway-http")
async def test_unknown_is_said_with_its_reason_and_taken_back(stack: Stack) -> None:
    """Out of reach since when and why; back with the word of the device, without the words of before."""
    meter, application = await running(stack)
    await meter.close()
    await application.until(phase="Unknown", health="unknown", statistics={"running": 0, "unknown": 1})
    assert "out of reach since" in (application.on("meter").error or "")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.beat(meter.device_id, app=ApplicationState.RUNNING)
    await application.until(phase="Running", error=None, statistics={"running": 1, "unknown": 0}, within=20)
    assert application.on("meter").error is None
    assert len(stack.history.find("Deploy", about="app")) == 1


@pytest.mark.stack(heartbeat=0.5)
@pytest.mark.requires("applications", "gateway-http", "gateway-stop", "wasm", "device-fields")
@pytest.mark.parametrize("how", ["stopped", "deleted"])
async def test_a_device_forgets_an_application_that_failed_and_is_not_wanted(stack: Stack, how: str) -> None:
    """Its heartbeats do not name it any more, and the device is healthy."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=30)
    trap = await stack.deploy("trap", to=board)
    await trap.until(phase="Error", within=30)
    await device.until(health="degraded", applications={trap.name: "error"}, within=60)
    if how == "stopped":
        await trap.stop()
        await trap.until(phase="Stopped", within=30)
    else:
        await trap.delete()
        await trap.until_gone(within=30)
    await device.until(health="healthy", applications=lambda named: not named, within=60)
