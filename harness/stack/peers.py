"""A device driven by the test, message by message, for behaviour that no board has: silence, garbage, replays."""

from __future__ import annotations

import asyncio
from typing import TypeVar, cast

from harness.boards.board import Credentials
from harness.core.clock import Clock, time_to_wait
from harness.core.errors import ProductFailure, reason
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import load_private_key, public_key_der
from harness.wasmbed.pki.tls import client_context
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.link import Link, Side
from harness.wasmbed.protocol.messages import (
    ApplicationStatusRequest,
    DeviceInfoRequest,
    DeviceMessage,
    EnrollmentAcknowledgment,
    EnrollmentRequest,
    EnrollmentResponse,
    Heartbeat,
    HeartbeatAcknowledgment,
    Message,
)

__all__ = ["Peer"]

M = TypeVar("M", bound=Message)

REQUESTS = (DeviceInfoRequest, ApplicationStatusRequest)
"""Requests that the gateway sends unprompted. A peer need not answer."""


class Peer:
    """One connection to the gateway. It sends only what the test asks it to, and answers nothing by itself."""

    def __init__(self, name: str, credentials: Credentials, clock: Clock, randomness: Randomness) -> None:
        self.name = name
        self._key = load_private_key(credentials.private_key, f"the private key of {name}")
        self.credentials = credentials
        self._clock, self._randomness = clock, randomness
        self._link = _RawLink(Side.DEVICE, opened=lambda link: None)

    async def connect(self, network: Network, endpoint: Endpoint, *, within: float = 10.0) -> None:
        """Connect with mutual TLS. Raises OSError (SSLError is one) if the gateway refuses."""
        certificate = self.credentials.certificate
        identity = Identity(self._key, certificate) if certificate is not None else None
        context = client_context(self.credentials.authority, identity, self._clock)
        async with self._clock.deadline(time_to_wait(within)):
            await network.connect(lambda: self._link, endpoint, tls=context, server_name=endpoint[0])

    def request(self) -> EnrollmentRequest:
        """A valid enrollment request with a new nonce."""
        return EnrollmentRequest(
            device_type="mcu",
            mcu_type="by hand",
            architecture="by hand",
            capabilities=("tls", "cbor", "wasm"),
            public_key=public_key_der(self._key.public_key()),
            firmware_version="0",
            nonce=self._randomness.bytes(16),
        )

    def send(self, message: DeviceMessage, message_id: int | None = None) -> int:
        """Send one message; returns its id."""
        return self._link.send(message, message_id)

    def write(self, data: bytes) -> None:
        """Send raw bytes."""
        self._link.write(data)

    async def drain(self) -> None:
        """Wait until the gateway has read enough of what was sent. Raises LinkClosed once the connection has ended."""
        await self._link.drain()

    def stop_reading(self) -> None:
        """Stop reading, so that the gateway's messages queue up on its side."""
        self._link.stop_reading()

    async def receive(self, kind: type[M], *, within: float = 10.0) -> M:
        """The next message, which must be of that kind. The gateway's own requests are skipped unless requested.

        Raises ProductFailure if another message comes, or none within ``within`` seconds.
        """
        try:
            async with self._clock.deadline(time_to_wait(within)):
                message = (await self._link.receive()).message
                while isinstance(message, REQUESTS) and not isinstance(message, kind):
                    message = (await self._link.receive()).message
        except TimeoutError:
            raise ProductFailure(f"no {kind.__name__} within {within:g} s", where=f"peer {self.name}") from None
        except LinkClosed as error:
            raise ProductFailure(f"no {kind.__name__}: {reason(error)}", where=f"peer {self.name}") from error
        if not isinstance(message, kind):
            raise ProductFailure(f"expected {kind.__name__}, received {message}", where=f"peer {self.name}")
        return message

    async def enroll(self) -> str:
        """Enroll and send the first heartbeat, as a board does. Returns the device id."""
        self.send(self.request())
        response = await self.receive(EnrollmentResponse)
        self.send(EnrollmentAcknowledgment(response.device_id))
        await self.beat(response.device_id)
        return response.device_id

    async def beat(self, device_id: str) -> None:
        """Send a heartbeat and wait for its acknowledgment."""
        self.send(Heartbeat(device_id, 0, "active", {}, "ready"))
        await self.receive(HeartbeatAcknowledgment)

    async def until_closed(self, *, within: float = 10.0) -> None:
        """Wait until the gateway closes the connection, ignoring its messages. Raises ProductFailure if it does not."""
        try:
            async with self._clock.deadline(time_to_wait(within)):
                while True:
                    await self._link.receive()
        except LinkClosed:
            return
        except TimeoutError:
            raise ProductFailure(f"still connected after {within:g} s", where=f"peer {self.name}") from None

    async def close(self) -> None:
        """Close the connection if it is open."""
        self._link.abort()
        await self._link.close()


class _RawLink(Link):
    """A link that can send raw bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raw = cast(asyncio.Transport, transport)
        self.write, self.stop_reading = raw.write, raw.pause_reading
        super().connection_made(transport)
