"""Orders that another client than the application controller gives a gateway: it keeps to its own rules."""

from dataclasses import replace
from typing import Any

import pytest

from harness.stack import MockBoard, Stack
from harness.stack.modules import assemble
from harness.wasmbed.protocol.messages import EnrollmentAcknowledgment, EnrollmentResponse, Stop, StopResult
from harness.wasmbed.resources.deployments import DeploymentRequest

pytestmark = pytest.mark.requires("gateway-http")

PAGE = 65_536
PATH = "/api/v1/applications/{}/devices/meter"


async def enrolled(stack: Stack) -> MockBoard:
    """A mock board that is Connected."""
    board = await stack.mock_board("meter")
    await board.enroll()
    await stack.device("meter").until(phase="Connected")
    return board


def order(module: bytes, memory: int = 4 * PAGE, generation: int = 1) -> dict[str, Any]:
    """The body of an order to deploy."""
    return DeploymentRequest(module, memory, 1_000_000, 2_000, generation=generation).to_json()


@pytest.mark.requires("applications")
async def test_a_deployment_waits_for_the_answer_to_its_stop(stack: Stack) -> None:
    """A client stops an application on a device and deploys it again at once: the announcement follows the answer."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.run_module()
    await application.until(phase="Running")
    assert (await stack.gateway.ask("DELETE", PATH.format("app")))[0] == 202
    await meter.expect(Stop)
    stopping = meter.latest
    assert (await stack.gateway.ask("PUT", PATH.format("app"), body=order(stack.modules("hello_again"))))[0] == 202
    await meter.beat()
    await meter.beat()
    await stack.recorded()
    assert len(stack.history.find("Deploy", about="app")) == 1
    meter.send(StopResult("app", ok=True), stopping)
    await meter.run_module()


@pytest.mark.requires("applications")
async def test_a_module_is_judged_for_the_limits_of_each_order(stack: Stack) -> None:
    """A module of two pages is fine with four. With one it is not sent, although it was found valid before."""
    meter = await enrolled(stack)
    module = assemble('(module (memory (export "memory") 2) (func (export "run")))')
    await stack.deploy(module, to="meter", name="app", memory=4 * PAGE)
    await meter.run_module()
    await stack.deploy(module, to="nobody", name="tight")
    assert (await stack.gateway.ask("PUT", PATH.format("tight"), body=order(module, PAGE)))[0] == 202
    await stack.history.until(
        "PATCH Application", about="tight", source="Gateway", status=lambda status: "INVALID_MODULE" in str(status)
    )
    await meter.beat()
    await stack.recorded()
    assert not stack.history.find("Deploy", about="tight")


@pytest.mark.requires("applications")
async def test_a_module_of_the_largest_size_is_sent_and_a_larger_one_is_not(stack: Stack) -> None:
    """The device says how large a module may be: exactly that is sent, a byte more is refused by the gateway."""
    meter = await stack.mock_board("meter")
    module = stack.modules("hello")
    asked = meter.send(replace(meter.request(), largest_module=len(module)))
    response = await meter.expect(EnrollmentResponse, asked)
    meter.reply(EnrollmentAcknowledgment(response.device_id))
    await meter.beat(response.device_id)
    await stack.device("meter").until(phase="Connected")
    await stack.deploy(module, to="meter", name="app")
    await meter.run_module()
    await stack.deploy(module, to="nobody", name="large")
    larger = module + b"\0\2\1x"
    assert (await stack.gateway.ask("PUT", PATH.format("large"), body=order(larger)))[0] == 202
    await stack.history.until(
        "PATCH Application", about="large", source="Gateway", status=lambda status: "MODULE_TOO_LARGE" in str(status)
    )
    assert not stack.history.find("Deploy", about="large")
