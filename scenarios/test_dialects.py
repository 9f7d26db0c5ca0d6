"""Boards that speak the wires of the original Wasmbed, at a gateway that does too."""

from typing import Any, cast

import pytest

from harness.stack import Stack
from harness.wasmbed.protocol.dialects.messages import (
    ApplicationConfig,
    BareHeartbeat,
    DeployModule,
    EnrollmentAccepted,
    EnrollmentRejected,
    EnrollmentStart,
    NumberedState,
    NumberedStatus,
    PublicKey,
)
from harness.wasmbed.protocol.messages import (
    ApplicationStatusRequest,
    DeploymentResult,
    DeviceInfo,
    DeviceInfoRequest,
    Stop,
    StopResult,
)

pytestmark = pytest.mark.requires("dialects")


async def test_a_board_of_the_first_repository_is_known_by_its_certificate(stack: Stack) -> None:
    """Frames and envelopes of version 0, heartbeats, and nothing else."""
    gateway = await stack.mock_gateway(wire="u")
    board = await stack.boards.power_on(wire="u")
    link = await gateway.accept()
    await link.expect(cast(Any, BareHeartbeat))
    await board.console.until("heartbeat answered", within=30)
    sent = await stack.history.until("BareHeartbeat", about=board.name)
    assert sent.data["frame"] == "gwABgQA="  # 83 00 01 81 00
    await stack.history.until("BareHeartbeatAcknowledgment", about=board.name)


async def test_a_board_of_the_fork_enrolls_with_its_key(stack: Stack) -> None:
    """Bare messages: the enrollment of the fork, and then heartbeats."""
    gateway = await stack.mock_gateway(wire="r")
    board = await stack.boards.power_on(wire="r")
    link = await gateway.accept()
    key = await link.enroll_bare(bytes(range(16)))
    assert key in (stack.boards.credentials(board).certificate or b"")
    await link.expect(cast(Any, BareHeartbeat))
    await board.console.until("heartbeat answered", within=30)
    link.send(DeviceInfoRequest())
    assert (await link.expect(DeviceInfo)).largest_module > 0
    link.send(ApplicationStatusRequest("pump"))
    assert await link.expect(cast(Any, NumberedStatus)) == NumberedStatus("pump", NumberedState.UNKNOWN)
    stack.history.follows("dialect-enrollment")


@pytest.mark.parametrize("asks_for_key", [False, True], ids=["at once", "for its key"])
async def test_a_board_of_the_fork_that_is_refused_shows_the_reason(stack: Stack, asks_for_key: bool) -> None:
    gateway = await stack.mock_gateway(wire="r")
    board = await stack.boards.power_on(wire="r")
    link = await gateway.accept()
    await link.expect(cast(Any, EnrollmentStart))
    if asks_for_key:
        link.send(cast(Any, EnrollmentAccepted()))
        await link.expect(cast(Any, PublicKey))
    link.send(cast(Any, EnrollmentRejected("not today")))
    await board.console.until("not today", within=30)
    await link.close()
    await stack.history.until("ConnectionClosed", about=board.name)
    stack.history.follows("dialect-enrollment")


async def test_a_deployment_is_one_message_and_its_outcome_a_number(stack: Stack) -> None:
    """The whole module with its configuration, which is not well-formed CBOR: the board runs it, and stops it."""
    gateway = await stack.mock_gateway(wire="r")
    board = await stack.boards.power_on(wire="r")
    link = await gateway.accept()
    await link.enroll_bare(bytes(16))
    await link.expect(cast(Any, BareHeartbeat))
    config = ApplicationConfig(memory=65_536, cpu_time=500, environment={"mode": "eco"}, arguments=("fast",))
    link.send(cast(Any, DeployModule("pump", "Pump control", stack.modules("hello"), config)))
    assert await link.expect(DeploymentResult) == DeploymentResult("pump", ok=True)
    assert await link.expect(cast(Any, NumberedStatus)) == NumberedStatus("pump", NumberedState.RUNNING)
    await board.console.until("hello from a module", within=30)
    link.send(Stop("pump"))
    assert await link.expect(StopResult) == StopResult("pump", ok=True)
    link.send(ApplicationStatusRequest("pump"))
    assert await link.expect(cast(Any, NumberedStatus)) == NumberedStatus("pump", NumberedState.UNKNOWN)


async def test_a_module_that_fails_is_told_in_words(stack: Stack) -> None:
    """Neither codes nor runtime errors: both are in the text. What one read does not hold is not understood."""
    gateway = await stack.mock_gateway(wire="r")
    board = await stack.boards.power_on(wire="r")
    link = await gateway.accept()
    await link.enroll_bare(bytes(16))
    await link.expect(cast(Any, BareHeartbeat))
    link.send(cast(Any, DeployModule("pump", "pump", b"not a module")))
    refused = await link.expect(DeploymentResult)
    assert (refused.ok, str(refused.error).partition(":")[0]) == (False, "INVALID_MODULE")
    link.send(cast(Any, DeployModule("pump", "pump", stack.modules("trap"))))
    assert (await link.expect(DeploymentResult)).ok
    fault = cast(Any, await link.expect(cast(Any, NumberedStatus)))
    assert (fault.state, str(fault.error).partition(":")[0]) == (NumberedState.FAILED, "TRAP")
    link.send(cast(Any, DeployModule("large", "large", bytes(2_000))))
    await board.console.until("link: not understood", within=30)


async def test_what_a_dialect_has_no_meaning_for_is_told(stack: Stack) -> None:
    gateway = await stack.mock_gateway(wire="r")
    board = await stack.boards.power_on(wire="r")
    link = await gateway.accept()
    await link.enroll_bare(bytes(16))
    await link.expect(cast(Any, BareHeartbeat))
    link.send(cast(Any, EnrollmentAccepted()))
    await board.console.until("EnrollmentAccepted has no meaning here", within=30)
