"""Keywords about the gateway, and about devices driven by hand."""

from __future__ import annotations

from typing import Any

from harness.core.errors import UsageError
from harness.robot_library.arguments import USUAL, Duration, status_of, word
from harness.robot_library.async_keywords import StackKeywords, async_keyword
from harness.stack.credentials import Certificate
from harness.stack.mock_board import MockBoard
from harness.wasmbed.resources.phases import GatewayPhase
from harness.wasmbed.resources.views import GatewayStatus

__all__ = ["PlatformKeywords"]


class PlatformKeywords(StackKeywords):
    """What can be done to the gateway, and what only somebody does who is no proper device."""

    @async_keyword("gateway", "faults")
    async def restart_gateway(self) -> None:
        """Stop the gateway in order and start it again at the same place; returns when it is up."""
        await self.stack.gateway.restart()

    @async_keyword("gateway")
    async def stop_gateway(self) -> None:
        """Let the gateway drain and end."""
        await self.stack.gateway.stop()

    @async_keyword("gateway", "faults")
    async def kill_gateway(self) -> None:
        """End the gateway as if its process was killed: no goodbye to anyone."""
        await self.stack.gateway.kill()

    @async_keyword("gateway")
    async def start_gateway(self) -> None:
        """Start the gateway after `Stop Gateway` or `Kill Gateway`, at the same place."""
        await self.stack.gateway.start()

    @async_keyword("gateway")
    async def gateway_should_reach_phase(self, phase: GatewayPhase, within: Duration = USUAL, **status: Any) -> None:
        """Wait until the gateway's resource is in ``phase``, and has these further fields in its status.

        | Gateway Should Reach Phase    Offline    connected_devices=0
        """
        await self.stack.gateway.until(within=within, phase=str(phase), **status_of(status))

    @async_keyword("gateway")
    async def get_status_of_gateway(self) -> GatewayStatus:
        """The status of the gateway as it is now: its fields are in Python's spelling."""
        return self.stack.gateway.status

    @async_keyword("peers")
    async def connect_peer(
        self, name: str = "peer", certificate: Certificate = Certificate.VALID, same_as: MockBoard | None = None
    ) -> MockBoard:
        """Connect to the gateway as a device that says only what it is told to; ``same_as`` gives it another peer's
        identity."""
        credentials = same_as.credentials if same_as is not None else None
        return await self.stack.mock_board(word(name), certificate=certificate, credentials=credentials)

    @async_keyword("peers")
    async def enroll_peer(self, peer: MockBoard) -> str:
        """Enroll and send one heartbeat, as a board does; returns the device id."""
        return await peer.enroll()

    @async_keyword("peers")
    async def send_heartbeat_of_peer(self, peer: MockBoard, device_id: str) -> None:
        """Send one heartbeat and wait for its acknowledgment; ``device_id`` is what `Enroll Peer` returned."""
        await peer.beat(device_id)

    @async_keyword("peers")
    async def send_enrollment_request_of_peer(self, peer: MockBoard) -> None:
        """Send an enrollment request, and nothing further."""
        peer.send(peer.request())

    @async_keyword("peers")
    async def send_bytes_of_peer(self, peer: MockBoard, hexadecimal: str) -> None:
        """Send these very bytes, written as in ``00 00 00 04 ff``."""
        try:
            data = bytes.fromhex(hexadecimal)
        except ValueError as error:
            raise UsageError(f"{hexadecimal!r} are no bytes: {error}", do="write them as in 00 0a ff") from error
        peer.write(data)

    @async_keyword("peers")
    async def disconnect_peer(self, peer: MockBoard) -> None:
        """End a peer's connection."""
        await peer.close()

    @async_keyword("peers")
    async def peer_should_be_disconnected(self, peer: MockBoard, within: Duration = USUAL) -> None:
        """Wait until the gateway has closed a peer's connection."""
        await peer.until_closed(within=within)
