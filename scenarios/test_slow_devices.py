"""The platform waits for devices that are slow, gives up those that are silent, and repeats what they forgot."""

import pytest

from harness.stack import MockBoard, Stack
from harness.stack.modules import padded
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    EnrollmentResponse,
    Error,
    ModuleChunk,
    Stop,
    StopResult,
)


async def enrolled(stack: Stack, name: str = "meter") -> MockBoard:
    """A mock board that is Connected."""
    board = await stack.mock_board(name)
    await board.enroll()
    await stack.device(name).until(phase="Connected")
    return board


@pytest.mark.requires("applications", "gateway-http", "gateway-settings", "gateway-stop")
@pytest.mark.parametrize("what", ["first-chunk", "result"])
async def test_a_device_that_falls_silent_in_a_transfer_holds_up_no_other(stack: Stack, what: str) -> None:
    """A device acknowledges no chunk, or never sends the result: the deployment fails with a reason, and the next
    application gets its turn."""
    await stack.gateway.stop()
    await stack.gateway.start(reply_timeout=0.3)
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    if what == "result":
        await meter.receive_module()
    code = "TRANSFER_INTERRUPTED" if what == "first-chunk" else "TIMEOUT"
    failed = await stack.history.until(
        "PATCH Application", about="app", source="Gateway", status=lambda status: code in str(status), within=30
    )
    assert "s" in str(failed.data["status"]["deviceStatuses"]["meter"]["error"])
    await application.delete()
    following = await stack.deploy("hello_again", to="meter", name="following")
    while not isinstance(message := (envelope := await meter.receive()).message, Deploy) or (
        message.application_id != "following"
    ):
        if isinstance(message, Stop):
            meter.send(StopResult("app", ok=True), envelope.message_id)
    meter.send(Error("TOO_LARGE", "no room"), envelope.message_id)
    await following.until_on("meter", state="failed", code="TOO_LARGE", within=30)
    assert not stack.history.find("ConnectionClosed", about="meter")


@pytest.mark.requires("gateway-settings", "gateway-stop")
async def test_a_connection_that_says_nothing_is_closed(stack: Stack) -> None:
    """Secured, and no message in the time for the first: the gateway ends it and says why in its record."""
    await stack.gateway.stop()
    await stack.gateway.start(first_message_timeout=0.3)
    silent, meter = await stack.mock_board("silent"), await enrolled(stack)
    await silent.until_closed()
    closed = await stack.history.until("ConnectionClosed", about="silent", source="Gateway")
    if "gateway-reasons" in stack.gateway.features:
        assert "no message within 0.3 s" in closed.data["reason"]
    await meter.beat()


@pytest.mark.requires("applications", "gateway-http")
async def test_a_slow_device_is_waited_for(stack: Stack) -> None:
    """A device acknowledges one chunk at a time, each after a heartbeat was answered; the transfer completes."""
    meter = await enrolled(stack)
    module = padded(stack.modules("hello"), 20_000)
    application = await stack.deploy(module, to="meter", name="app")
    await meter.expect(Deploy)
    announced, waiting, left = meter.latest, [], len(module)
    while left:
        envelope = await meter.receive()
        if isinstance(envelope.message, ModuleChunk):
            waiting.append(envelope)
            meter.send(meter.heartbeat())
        else:
            chunk = waiting.pop(0)
            assert isinstance(chunk.message, ModuleChunk)
            meter.send(ChunkAcknowledgment("app", chunk.message.index), chunk.message_id)
            left -= len(chunk.message.data)
    meter.send(DeploymentResult("app", ok=True), announced)
    meter.send(ApplicationStatus("app", ApplicationState.RUNNING))
    await application.until(phase="Running")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_device_that_forgets_is_deployed_to_again(stack: Stack) -> None:
    """A device resumes without the application: its heartbeat does not name it, and the application is deployed
    again."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.run_module()
    await application.until(phase="Running")
    await meter.close()
    await application.until(phase="Unknown")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.beat(meter.device_id)
    await again.run_module(within=30)
    await application.until(phase="Running", statistics={"running": 1, "unknown": 0})


@pytest.mark.requires("device-phases")
async def test_a_link_that_stays_silent_after_the_enrollment(stack: Stack) -> None:
    """The response is out and nothing follows: the device is never called Connected."""
    meter = await stack.mock_board("meter")
    meter.send(meter.request())
    await meter.expect(EnrollmentResponse)
    other = await enrolled(stack, "other")
    await other.beat()
    assert stack.device("meter").status.phase == "Enrolled"
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    assert "Connected" not in stack.history.phases("meter")
