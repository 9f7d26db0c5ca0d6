"""The checks of a gateway about its start and end."""

from __future__ import annotations

from harness.stack.stack import Stack
from harness.testing.gateway_links import WITHIN, Silent, shown_certificate
from harness.testing.require import require
from harness.wasmbed.protocol.messages import HeartbeatAcknowledgment

__all__ = [
    "comes_back_at_its_address",
    "dies_without_a_word",
    "reads_its_certificates_again",
    "refuses_connections_once_stopped",
    "runs_beside_another",
]


async def refuses_connections_once_stopped(stack: Stack) -> None:
    """Once it is stopped, its sessions have ended, its port takes no connection, and no process of it is left."""
    board = await stack.mock_board("checked")
    await board.enroll()
    await stack.device("checked").until(phase="Connected", within=WITHIN)
    endpoint = stack.gateway.direct_endpoint
    await stack.gateway.stop()
    await board.until_closed(within=WITHIN)
    try:
        await stack.network.connect(Silent, endpoint)
    except OSError:
        return
    require(False, "a stopped gateway still accepts connections")


async def comes_back_at_its_address(stack: Stack) -> None:
    """A board finds it after a restart, at the same address and as the same gateway."""
    board = await stack.boards.power_on("virtual", name="checked")
    await stack.device(board).until(phase="Connected", within=WITHIN)
    before, endpoint = stack.history[-1], stack.gateway.endpoint
    await stack.gateway.restart()
    require(stack.gateway.endpoint == endpoint, "its address has changed")
    await stack.history.until("HeartbeatAcknowledgment", about=board.name, after=before, within=2 * WITHIN)


async def dies_without_a_word(stack: Stack) -> None:
    """Killed, it sends its devices nothing, and the next one serves them again."""
    board = await stack.boards.power_on("virtual", name="checked")
    await stack.device(board).until(phase="Connected", within=WITHIN)
    before = stack.history[-1]
    await stack.gateway.kill()
    await stack.history.until("ConnectionClosed", about=board.name, after=before, within=WITHIN)
    require(not stack.history.find("Error", about=board.name, after=before), "a killed gateway sent an error")
    await stack.gateway.start()
    await stack.history.until("HeartbeatAcknowledgment", about=board.name, after=before, within=2 * WITHIN)


async def reads_its_certificates_again(stack: Stack) -> None:
    """After a reload it presents its new certificate, and the sessions that it has go on."""
    board = await stack.mock_board("checked")
    await board.enroll()
    old = await shown_certificate(stack)
    await stack.gateway.reload()
    new = await shown_certificate(stack)
    require(new != old, "it still presents its old certificate")
    await board.expect(HeartbeatAcknowledgment, board.send(board.heartbeat()), within=WITHIN)


async def runs_beside_another(stack: Stack) -> None:
    """Two of them serve their devices at the same time, each under its own name."""
    other = await stack.add_gateway("gateway-2")
    first, second = await stack.mock_board("first"), await stack.mock_board("second", endpoint=other.endpoint)
    for board in (first, second):
        await board.enroll()
    await stack.device("first").until(phase="Connected", gateway=stack.gateway.name, within=WITHIN)
    await stack.device("second").until(phase="Connected", gateway=other.name, within=WITHIN)
