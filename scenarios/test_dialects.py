"""Boards that speak the wires of the original Wasmbed, at a gateway that does too."""

from typing import Any, cast

import pytest

from harness.stack import Stack
from harness.wasmbed.protocol.dialects.messages import BareHeartbeat, NumberedState, NumberedStatus
from harness.wasmbed.protocol.messages import ApplicationStatusRequest, DeviceInfo, DeviceInfoRequest, Stop

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


async def test_what_a_dialect_has_no_meaning_for_is_told(stack: Stack) -> None:
    gateway = await stack.mock_gateway(wire="r")
    board = await stack.boards.power_on(wire="r")
    link = await gateway.accept()
    await link.enroll_bare(bytes(16))
    await link.expect(cast(Any, BareHeartbeat))
    link.send(Stop("pump"))
    await board.console.until("Stop has no meaning here", within=30)
