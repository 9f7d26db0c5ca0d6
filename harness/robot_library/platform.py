"""Keywords about the gateway, and about mock boards, which the keywords call peers."""

from __future__ import annotations

from typing import Any

from harness.core.errors import UsageError
from harness.robot_library.arguments import USUAL, Duration, plain_name, status_of
from harness.robot_library.async_keywords import StackKeywords, async_keyword
from harness.stack.credentials import Certificate
from harness.stack.mock_board import MockBoard
from harness.wasmbed.resources.phases import GatewayPhase
from harness.wasmbed.resources.views import GatewayStatus

__all__ = ["PlatformKeywords"]


class PlatformKeywords(StackKeywords):
    """Keywords about the gateway, and about peers: mock boards that the test drives message by message."""

    @async_keyword("gateway", "faults")
    async def restart_gateway(self) -> None:
        """Stop the gateway gracefully and start it again at the same addresses; returns once it runs."""
        await self.stack.gateway.restart()

    @async_keyword("gateway")
    async def stop_gateway(self) -> None:
        """Stop the gateway gracefully: it tells its devices and drains."""
        await self.stack.gateway.stop()

    @async_keyword("gateway", "faults")
    async def kill_gateway(self) -> None:
        """End the gateway as if its process were killed: no device gets a message."""
        await self.stack.gateway.kill()

    @async_keyword("gateway")
    async def start_gateway(self) -> None:
        """Start the gateway after `Stop Gateway` or `Kill Gateway`, at the same addresses."""
        await self.stack.gateway.start()

    @async_keyword("gateway")
    async def gateway_should_reach_phase(self, phase: GatewayPhase, within: Duration = USUAL, **status: Any) -> None:
        """Wait until the gateway's resource is in ``phase``, and the fields of its status meet the conditions.

        | Gateway Should Reach Phase    Offline    connected_devices=0
        """
        await self.stack.gateway.until(within=within, phase=str(phase), **status_of(status))

    @async_keyword("gateway")
    async def get_status_of_gateway(self) -> GatewayStatus:
        """Return the present status of the gateway; its fields are in Python's spelling."""
        return self.stack.gateway.status

    @async_keyword("peers")
    async def connect_peer(
        self, name: str = "peer", certificate: Certificate = Certificate.VALID, same_as: MockBoard | None = None
    ) -> MockBoard:
        """Connect a mock board, a *peer*, to the gateway and return it. It sends only what the test asks it to, and
        answers nothing by itself. ``same_as`` gives it another mock board's identity."""
        credentials = same_as.credentials if same_as is not None else None
        return await self.stack.mock_board(plain_name(name), certificate=certificate, credentials=credentials)

    @async_keyword("peers")
    async def enroll_peer(self, peer: MockBoard) -> str:
        """Enroll a mock board and send one heartbeat, as a board does. Returns the device id."""
        return await peer.enroll()

    @async_keyword("peers")
    async def send_heartbeat_of_peer(self, peer: MockBoard, device_id: str) -> None:
        """Send one heartbeat of a mock board and wait for its acknowledgment; ``device_id`` is the result of
        `Enroll Peer`."""
        await peer.beat(device_id)

    @async_keyword("peers")
    async def send_enrollment_request_of_peer(self, peer: MockBoard) -> None:
        """Send a mock board's enrollment request, and nothing else."""
        peer.send(peer.request())

    @async_keyword("peers")
    async def send_bytes_of_peer(self, peer: MockBoard, hexadecimal: str) -> None:
        """Send raw bytes from a mock board, written as in ``00 00 00 04 ff``."""
        try:
            data = bytes.fromhex(hexadecimal)
        except ValueError as error:
            raise UsageError(f"invalid bytes {hexadecimal!r}: {error}", do="write them as in 00 0a ff") from error
        peer.write(data)

    @async_keyword("peers")
    async def disconnect_peer(self, peer: MockBoard) -> None:
        """Close a mock board's connection."""
        await peer.close()

    @async_keyword("peers")
    async def peer_should_be_disconnected(self, peer: MockBoard, within: Duration = USUAL) -> None:
        """Wait until the gateway closes a mock board's connection."""
        await peer.until_closed(within=within)
