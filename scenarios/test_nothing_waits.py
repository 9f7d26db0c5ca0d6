"""A gateway writes at once: it does not wait until it next compares its sessions with the record.

The comparison mends what was missed. Here it comes later than any test waits, so that it hides nothing.
"""

import pytest

from harness.stack import MockBoard, Stack
from harness.wasmbed.protocol.messages import ApplicationState, Deploy, EnrollmentAcknowledgment, EnrollmentResponse

pytestmark = pytest.mark.stack(beat=600.0)


async def enrolled(stack: Stack, name: str = "meter") -> MockBoard:
    """A mock board that is Connected."""
    board = await stack.mock_board(name)
    await board.enroll()
    await stack.device(name).until(phase="Connected")
    return board


async def test_a_loss_and_a_return(stack: Stack) -> None:
    """Lost, back, and lost again: each is on record at once."""
    meter = await enrolled(stack)
    await meter.close()
    await stack.device("meter").until(phase="Disconnected", error="Connection lost")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.beat(meter.device_id)
    await stack.device("meter").until(phase="Connected", error=None)
    await again.close()
    await stack.device("meter").until(phase="Disconnected", error="Connection lost")


@pytest.mark.requires("device-phases")
async def test_a_loss_before_the_first_heartbeat(stack: Stack) -> None:
    """A device that goes after its enrollment, before it is Connected, does not stay as if it were coming."""
    meter = await stack.mock_board("meter")
    meter.send(meter.request())
    await stack.device("meter").until(phase="Enrolled")
    await meter.close()
    await stack.history.until("ConnectionClosed", about="meter")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.enroll()
    await stack.device("meter").until(phase="Connected")


@pytest.mark.requires("gateway-revocation")
async def test_a_revocation_and_a_deletion(stack: Stack) -> None:
    """The session ends, and the status says so."""
    meter, pump = await enrolled(stack), await enrolled(stack, "pump")
    await stack.pki.revoke(meter.credentials)
    await meter.until_closed()
    await stack.device("meter").until(phase="Disconnected")
    await stack.device("pump").delete()
    await pump.until_closed()
    await stack.device("pump").until_gone()


@pytest.mark.requires("gateway-revocation")
async def test_a_revocation_before_the_first_heartbeat(stack: Stack) -> None:
    """A device that is enrolled and has not beaten yet loses its session with its certificate too."""
    meter = await stack.mock_board("meter")
    response = await meter.expect(EnrollmentResponse, meter.send(meter.request()))
    meter.reply(EnrollmentAcknowledgment(response.device_id))
    await stack.pki.revoke(meter.credentials)
    await meter.until_closed()
    await stack.device("meter").until(phase="Disconnected")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_transfer_that_lost_its_link(stack: Stack) -> None:
    """The deployment under way is decided with the loss, and asked for again with the return."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.expect(Deploy)
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.beat(meter.device_id)
    await again.run_module(within=20)
    await application.until(phase="Running", within=20)
    await again.beat(meter.device_id, app=ApplicationState.RUNNING)
    await stack.recorded()
    assert len(stack.history.find("Deploy", about="app")) == 2
