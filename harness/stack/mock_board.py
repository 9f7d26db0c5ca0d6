"""A board that a test drives message by message, against a real gateway: this project's, or another program.

board = MockBoard("pump-1", credentials)
await board.connect(("gateway.example", 8443))
device_id = await board.enroll()
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import ClassVar

from harness.boards.board import Credentials
from harness.boards.link_tap import BoardTap, SeenLink
from harness.core.clock import Clock, SystemClock, time_to_wait
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network, SystemNetwork
from harness.stack.mock_link import MockEnd, MockLink
from harness.wasmbed.pki.identity import Identity, create_signing_request
from harness.wasmbed.pki.keys import load_private_key, public_key_der
from harness.wasmbed.pki.tls import client_context
from harness.wasmbed.protocol.dialects.wires import VERSION_1, find_wire
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.link import Side
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    ApplicationStatusRequest,
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    DeviceInfoRequest,
    EnrollmentAcknowledgment,
    EnrollmentRequest,
    EnrollmentResponse,
    Envelope,
    Heartbeat,
    HeartbeatAcknowledgment,
    ModuleChunk,
    Stop,
    StopResult,
)

__all__ = ["Delivery", "MockBoard"]

QUESTIONS = (DeviceInfoRequest, ApplicationStatusRequest)
"""Requests that a gateway sends unprompted. A mock board leaves it unanswered unless a test expects it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A module that arrived: its announcement, the announcement's message id, and the bytes of all chunks."""

    deploy: Deploy
    message_id: int
    module: bytes

    @property
    def application(self) -> str:
        """The application's id."""
        return self.deploy.application_id


class MockBoard(MockEnd):
    """One connection to a gateway. It sends only what the test asks it to, and answers nothing by itself."""

    other: ClassVar[str] = "the gateway"

    def __init__(
        self,
        name: str,
        credentials: Credentials,
        clock: Clock | None = None,
        randomness: Randomness | None = None,
        *,
        patience: float = 30.0,
        wire: str = VERSION_1,
    ) -> None:
        """``wire``: what it speaks, of :data:`~harness.wasmbed.protocol.dialects.wires.WIRES`."""
        link = MockLink(Side.DEVICE, opened=lambda link: None, codec=find_wire(wire))
        super().__init__(name, link, clock or SystemClock(), patience)
        self._key = load_private_key(credentials.private_key, f"the private key of {name}")
        self.credentials = credentials
        self.device_id = ""
        """The id that the gateway gave at :meth:`enroll`."""
        self.runtime_status = "ready"
        """Told in its heartbeats. A change is something new, which a gateway writes without delay."""
        self._randomness = randomness or Randomness()
        self._seen: SeenLink | None = None

    @property
    def address(self) -> str:
        """Its end of the connection, ``host:port``: the ``address`` of the link in the record. Empty without one."""
        end = self.link.raw.get_extra_info("sockname") if hasattr(self.link, "raw") else None
        return f"{end[0]}:{end[1]}" if end else ""

    @property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo of its key, DER."""
        return public_key_der(self._key.public_key())

    async def connect(
        self, endpoint: Endpoint, network: Network | None = None, *, server_name: str = "", within: float = 10.0
    ) -> None:
        """Connect with mutual TLS. ``server_name`` is what the gateway's certificate has to be for; the host if empty.

        Raises OSError (SSLError is one) where the gateway does not accept the connection.
        """
        certificate = self.credentials.certificate
        identity = Identity(self._key, certificate) if certificate is not None else None
        context = client_context(self.credentials.authority, identity, self._clock)
        async with self._clock.deadline(time_to_wait(within)):
            await (network or SystemNetwork()).connect(
                lambda: self.link, endpoint, tls=context, server_name=server_name or endpoint[0]
            )

    def show(self, tap: BoardTap) -> None:
        """Let ``tap`` record its connection as the board sees it, from now on."""
        host, _, port = self.address.rpartition(":")
        self._seen = tap.opened(self.link, self.credentials.certificate, (host, int(port)))

    def _over(self, closed: LinkClosed) -> None:
        if self._seen is not None:
            self._seen.ended(closed)

    def request(self) -> EnrollmentRequest:
        """An enrollment request of a device that has a certificate, complete and with a fresh nonce."""
        return EnrollmentRequest(
            device_type="mcu",
            mcu_type="by hand",
            architecture="by hand",
            capabilities=("tls", "cbor", "wasm"),
            public_key=self.public_key,
            firmware_version="0",
            nonce=self._randomness.bytes(16),
        )

    def pairing_request(self) -> EnrollmentRequest:
        """The same with a signing request and the pairing token, for a device without a certificate."""
        csr = create_signing_request(self._key, self.name)
        return replace(self.request(), csr=csr, pairing_token=self.credentials.pairing_token)

    async def enroll(self) -> str:
        """Enroll and send the first heartbeat, as a board does; returns the device id."""
        asked = self.send(self.request())
        response = await self.expect(EnrollmentResponse, asked)
        self.device_id = response.device_id
        self.reply(EnrollmentAcknowledgment(response.device_id))
        await self.beat()
        return response.device_id

    def heartbeat(self, **applications: ApplicationState) -> Heartbeat:
        """A heartbeat under its device id that names the state of these applications."""
        return Heartbeat(self.device_id, 0, "running", {}, self.runtime_status, applications)

    async def beat(self, device_id: str | None = None, **applications: ApplicationState) -> HeartbeatAcknowledgment:
        """Send a heartbeat, under ``device_id`` if given, and receive the acknowledgment that carries its id."""
        self.device_id = device_id or self.device_id
        return await self.expect(HeartbeatAcknowledgment, self.send(self.heartbeat(**applications)))

    async def receive_module(self, *, within: float | None = None) -> Delivery:
        """Receive an announcement and all chunks, each acknowledged as it comes; gives no result yet.

        Raises ProductFailure if they are not the module of the announcement.
        """
        deploy = await self.expect(Deploy, within=within)
        announced, module = self.latest or 0, b""
        while len(module) < deploy.size:
            chunk = await self.expect(ModuleChunk, within=within)
            self.reply(ChunkAcknowledgment(chunk.application_id, chunk.index))
            module += chunk.data
        if hashlib.sha256(module).digest() != deploy.sha256:
            raise self._failure(f"sent {len(module)} bytes that are not the module that it announced (SHA-256)")
        return Delivery(deploy, announced, module)

    async def run_module(self, *, within: float | None = None) -> Delivery:
        """Receive a module and report that it runs, as a board does."""
        delivery = await self.receive_module(within=within)
        self.send(DeploymentResult(delivery.application, ok=True), delivery.message_id)
        self.send(ApplicationStatus(delivery.application, ApplicationState.RUNNING))
        return delivery

    async def obey_stop(self, *, within: float | None = None) -> Stop:
        """Receive a stop and report success."""
        stop = await self.expect(Stop, within=within)
        self.reply(StopResult(stop.application_id, ok=True))
        return stop

    def _is_aside(self, envelope: Envelope, wanted: tuple[type, ...]) -> bool:
        return isinstance(envelope.message, QUESTIONS) and not isinstance(envelope.message, wanted)
