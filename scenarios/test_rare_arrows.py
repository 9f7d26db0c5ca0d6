"""Arms of sequence diagrams that only happen when several things meet: each is made to happen here.

`wasmbed sequences --check` refuses an arrow that no history exercises: what a judge tolerates has to happen somewhere.
"""

import asyncio
from collections.abc import Callable

import pytest

from harness.stack import MockBoard, Stack
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    DeploymentResult,
    EnrollmentAcknowledgment,
    EnrollmentResponse,
    Error,
    RuntimeFault,
)
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.kinds import DEVICE

GONE = "4b9f2a52-9c3f-4a52-8a57-2f1b8f6f1a11"
"""The id of a device that a gateway of before gave it."""


async def enrolled(stack: Stack, name: str = "meter") -> MockBoard:
    """A mock board that is Connected."""
    board = await stack.mock_board(name)
    await board.enroll()
    await stack.device(name).until(phase="Connected")
    return board


def written(phase: str) -> Callable[[dict[str, object]], bool]:
    """Whether a status has that phase."""
    return lambda status: status.get("phase") == phase


@pytest.mark.requires("device-fields", "gateway-api-faults")
async def test_a_heartbeat_that_was_being_written_when_the_link_ended(stack: Stack) -> None:
    """A heartbeat's write is answered after the link's end and before the loss is written: nothing of it remains."""
    meter = await enrolled(stack)
    with stack.api_faults.holding("patch_status", client="Gateway", kind="Device") as held:
        meter.runtime_status = "busy"
        await meter.beat()
        await held.reached.wait()
        await meter.close()
        await stack.history.until("ConnectionClosed", about="meter")
    await stack.device("meter").until(phase="Disconnected", last_heartbeat=None, health="unknown")
    for sequence in ("heartbeat-and-monitoring", "device-enrollment", "connection-lost"):
        stack.history.follows(sequence)


@pytest.mark.requires("gateway-api-faults")
async def test_a_device_that_is_back_before_its_loss_is_written(stack: Stack) -> None:
    """It resumes and loses its link again while Disconnected is being written."""
    meter = await enrolled(stack)
    with stack.api_faults.holding("patch_status", client="Gateway", kind="Device") as held:
        await meter.close()
        await held.reached.wait()
        again = await stack.mock_board("meter", credentials=meter.credentials)
        await again.beat(meter.device_id)
        back = stack.history[-1]
        await again.close()
        await stack.history.until("ConnectionClosed", about="meter", after=back)
    for phase in ("Disconnected", "Connected", "Disconnected"):
        back = await stack.history.until("PATCH Device", about="meter", after=back, status=written(phase))
    stack.history.follows("connection-lost")


@pytest.mark.requires("gateway-api-faults", "gateway-http", "gateway-stop")
async def test_a_heartbeat_that_was_being_written_when_the_gateway_began_to_drain(stack: Stack) -> None:
    """A device reads late: the write is answered between GATEWAY_DRAINING and the link's end."""
    meter = await enrolled(stack)
    with stack.api_faults.holding("patch_status", client="Gateway", kind="Device") as held:
        meter.runtime_status = "busy"
        await meter.beat()
        await held.reached.wait()
        meter.stop_reading()
        stopping = asyncio.create_task(stack.gateway.stop())
        draining = await stack.history.until("Error", about="meter", code="GATEWAY_DRAINING")
        assert (await stack.gateway.ask("GET", "/readyz", token=""))[0] == 503
        assert (await stack.gateway.ask("GET", "/healthz", token=""))[0] == 200
        held.released.set()
        await stack.history.until("PATCH Device", about="meter", after=draining)
    meter.read_again()
    await meter.until_closed()
    await stopping
    await stack.device("meter").until(phase="Disconnected")
    stack.history.follows("connection-lost")


@pytest.mark.requires("gateway-api-faults", "gateway-stop")
async def test_a_heartbeat_that_was_being_written_when_the_gateway_was_gone_for_the_device(stack: Stack) -> None:
    """The link is over when the write is answered; Disconnected is what stays."""
    meter = await enrolled(stack)
    with stack.api_faults.holding("patch_status", client="Gateway", kind="Device") as held:
        meter.runtime_status = "busy"
        await meter.beat()
        await held.reached.wait()
        stopping = asyncio.create_task(stack.gateway.stop())
        await meter.until_closed()
        await stack.history.until("ConnectionClosed", about="meter")
    await stopping
    await stack.device("meter").until(phase="Disconnected")
    stack.history.follows("gateway-drained")


@pytest.mark.requires("controllers-api-faults")
@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_that_is_stopped_while_its_phase_is_being_written(stack: Stack) -> None:
    """Running is written after the user has asked for the stop; Stopping and Stopped follow."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    delivery = await meter.receive_module()
    meter.send(DeploymentResult("app", ok=True), delivery.message_id)
    await application.until(phase="Deployed")
    with stack.api_faults.holding("patch_status", client="ApplicationController", kind="Application") as held:
        meter.send(ApplicationStatus("app", ApplicationState.RUNNING))
        await held.reached.wait()
        await application.stop()
    await meter.obey_stop()
    await application.until(phase="Stopped")
    stack.history.follows("application-stop")


@pytest.mark.requires("device-phases")
@pytest.mark.requires("gateway-http")
async def test_two_devices_answer_one_after_the_other(stack: Stack) -> None:
    """The controller counts each result before all have the module, and each first word before all run it."""
    boards = [await enrolled(stack, name) for name in ("first", "second")]
    application = await stack.deploy("hello", to=[board.name for board in boards], name="app")
    deliveries = [await board.receive_module() for board in boards]
    for number, (board, delivery) in enumerate(zip(boards, deliveries, strict=True), 1):
        board.send(DeploymentResult("app", ok=True), delivery.message_id)
        await application.until(statistics={"deployed": number})
    await application.until(phase="Deployed")
    for number, board in enumerate(boards, 1):
        board.send(ApplicationStatus("app", ApplicationState.RUNNING))
        await application.until(statistics={"running": number})
    await application.until(phase="Running")
    stack.history.follows("application-deployment")


@pytest.mark.requires("controllers-api-faults")
async def test_a_device_that_is_on_record_at_a_gateway_that_is_no_more(stack: Stack) -> None:
    """A Device is Connected at a gateway that no longer exists. The board enrolls at another: Disconnected in between,
    then as usual."""
    meter = await stack.mock_board("meter")
    request = meter.request()
    known = manifests.device(
        "meter",
        public_key=request.public_key,
        device_type=request.device_type,
        mcu_type=request.mcu_type,
        architecture=request.architecture,
        capabilities=request.capabilities,
        firmware_version=request.firmware_version,
    )
    await stack.api.create(DEVICE, known)
    with stack.api_faults.holding("patch_status", client="DeviceController"):
        for phase in ("Enrolling", "Enrolled", "Connected"):
            gone = {"phase": phase, "gateway": "gateway-9", "deviceId": GONE, "observedGeneration": 1}
            await stack.api.patch_status(DEVICE, "meter", {"status": gone})
    await stack.device("meter").until(phase="Connected", gateway="gateway-9")
    assert await meter.enroll() == GONE
    await stack.device("meter").until(phase="Connected", gateway=stack.gateway.name)
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    stack.history.follows("connection-lost")


@pytest.mark.requires("gateway-api-faults")
async def test_a_device_that_is_back_before_its_gateway_hears_that_it_was_deleted(stack: Stack) -> None:
    """The gateway's watch is late: what it believes to be there is not. The device is asked to come again, and enrolls
    under a new id when the gateway knows."""
    meter = await enrolled(stack)
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    stack.api_faults.break_watches(client="Gateway", kind="Device")
    with stack.api_faults.holding("watch", "list", client="Gateway", kind="Device"):
        await stack.device("meter").delete()
        await stack.device("meter").until_gone()
        early = await stack.mock_board("meter", credentials=meter.credentials)
        early.send(early.request())
        error = await early.expect(Error)
        assert error.retry_after
        await early.until_closed()
    assert await _admitted(stack, meter) != meter.device_id
    await stack.device("meter").until(phase="Connected")
    stack.history.follows("device-deleted")


async def _admitted(stack: Stack, meter: MockBoard) -> str:
    """Enroll, as often as the gateway says to come again; the device id."""
    while True:
        again = await stack.mock_board("meter", credentials=meter.credentials)
        again.send(again.request())
        message = (await again.receive()).message
        if isinstance(message, EnrollmentResponse):
            again.reply(EnrollmentAcknowledgment(message.device_id))
            await again.beat(message.device_id)
            return message.device_id
        assert isinstance(message, Error)
        await again.until_closed()
        await stack.clock.sleep((message.retry_after or 0) / 1000)


@pytest.mark.requires("applications", "gateway-http")
async def test_devices_that_answer_one_after_the_other(stack: Stack) -> None:
    """Each answer is on record when it comes, without a phase of its own until it is the last."""
    one, two = await enrolled(stack, "one"), await enrolled(stack, "two")
    application = await stack.deploy("hello", to=["one", "two"], name="app")
    first, second = await one.receive_module(), await two.receive_module()
    one.send(DeploymentResult("app", ok=True), first.message_id)
    await application.until(phase="Deploying", statistics={"deployed": 1})
    two.send(DeploymentResult("app", ok=True), second.message_id)
    await application.until(phase="Deployed", statistics={"deployed": 2})
    one.send(ApplicationStatus("app", ApplicationState.RUNNING))
    await application.until(phase="Deployed", statistics={"running": 1})
    two.send(ApplicationStatus("app", ApplicationState.RUNNING))
    await application.until(phase="Running")
    one.send(ApplicationStatus("app", ApplicationState.RUNNING, {"fuel_used": 5}))
    await application.until(metrics={"fuel_used": 5}, within=20)
    stack.history.follows("application-deployment")


@pytest.mark.requires("applications", "gateway-http")
async def test_devices_that_refuse_one_after_the_other(stack: Stack) -> None:
    """One refusal is on record and decides nothing; the last does."""
    one, two = await enrolled(stack, "one"), await enrolled(stack, "two")
    application = await stack.deploy("hello", to=["one", "two"], name="app")
    first, second = await one.receive_module(), await two.receive_module()
    one.send(DeploymentResult("app", ok=False, error="no room", code="TOO_LARGE"), first.message_id)
    await application.until(phase="Deploying", statistics={"failed": 1})
    two.send(DeploymentResult("app", ok=False, error="no room", code="TOO_LARGE"), second.message_id)
    await application.until(phase="Failed", statistics={"failed": 2})
    stack.history.follows("deployment-failure", only=["one"])


@pytest.mark.requires("applications", "gateway-http")
async def test_devices_on_which_it_breaks_one_after_the_other(stack: Stack) -> None:
    """An application fails on one device before it runs on the other, and then there too: PartiallyRunning, then
    Error."""
    one, two = await enrolled(stack, "one"), await enrolled(stack, "two")
    application = await stack.deploy("hello", to=["one", "two"], name="app")
    first, second = await one.receive_module(), await two.receive_module()
    one.send(DeploymentResult("app", ok=True), first.message_id)
    await application.until(phase="Deploying", statistics={"deployed": 1})
    two.send(DeploymentResult("app", ok=True), second.message_id)
    await application.until(phase="Deployed", statistics={"deployed": 2})
    one.send(RuntimeFault("app", "TRAP", "it broke"))
    await application.until(phase="Deployed", statistics={"failed": 1})
    two.send(ApplicationStatus("app", ApplicationState.RUNNING))
    await application.until(phase="PartiallyRunning")
    two.send(ApplicationStatus("app", ApplicationState.RUNNING, {"fuel_used": 5}))
    await application.until(metrics={"fuel_used": 5}, within=20)
    two.send(RuntimeFault("app", "TRAP", "it broke here too"))
    await application.until(phase="Error", health="unhealthy", statistics={"failed": 2})
    stack.history.follows("runtime-error")
