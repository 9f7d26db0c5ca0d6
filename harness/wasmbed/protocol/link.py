"""One end of a framed connection, which receives and sends messages.

It knows neither gateway nor board. It is an asyncio protocol rather than a pair of streams, so that an idle link costs
little. Received bytes are decoded only when a message is received, so a flood costs no more than its bytes. Unread
sent bytes are bounded too, and a peer that sends without pause does not keep other tasks from running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, cast

from harness.core.loop import give_way
from harness.core.network import Endpoint
from harness.wasmbed.protocol import codec as version_1
from harness.wasmbed.protocol.envelope import LARGEST_MESSAGE_ID
from harness.wasmbed.protocol.errors import LinkClosed, ProtocolError
from harness.wasmbed.protocol.framing import DEFAULT_LIMIT, FrameDecoder, frame
from harness.wasmbed.protocol.messages import Envelope, Message

__all__ = ["Codec", "Direction", "Link", "LinkTap", "Side", "new_decoder"]


class Side(Enum):
    """The end of the connection."""

    DEVICE = "device"
    GATEWAY = "gateway"


class Direction(Enum):
    """The direction of a message, seen from this end."""

    SENT = "sent"
    RECEIVED = "received"


LinkTap = Callable[[Direction, "Envelope | ProtocolError", bytes], object]
"""Called with every message that is sent, and with every received one when it is taken, and with its frame's payload.
Where a received payload breaks the contract, with the error in place of the message."""


class Codec(Protocol):
    """A wire: the modules ``codec`` and ``dialects.u``, and without frames ``dialects.bare``."""

    def encode(self, envelope: Envelope) -> bytes: ...
    def decode_device(self, data: bytes) -> Envelope: ...
    def decode_gateway(self, data: bytes) -> Envelope: ...


def new_decoder(codec: Codec, limit: int, *, from_device: bool) -> FrameDecoder:
    """A decoder that cuts the bytes of one direction into the messages of a wire."""
    reads: Callable[..., FrameDecoder] | None = getattr(codec, "ReadDecoder", None)
    return FrameDecoder(limit) if reads is None else reads(from_device=from_device)


class Link(asyncio.Protocol):
    """Either end of a framed connection, over TLS or any other stream.

    ``opened`` is called with the link when the connection is established (for TLS after the handshake). One task at a
    time may receive. While more than :attr:`HIGH_WATER` bytes are not received, nothing is read from the peer. While
    more than that wait to be sent, :meth:`drain` waits; ``stalled`` is called with True when this begins and with False
    when it ends. A peer that never reads costs at most :attr:`MOST_UNSENT` bytes more, and one message.
    """

    HIGH_WATER = 64 << 10
    MOST_UNSENT = 64 << 10
    """Bytes sent without a :meth:`drain` to a peer that does not read; one more message aborts the link."""
    TURN = 32
    """Messages received in a row before other tasks get a turn."""

    __slots__ = (
        "_closing",
        "_codec",
        "_decode",
        "_frames",
        "_is_framed",
        "_limit",
        "_lost",
        "_next_id",
        "_opened",
        "_paused",
        "_receiver",
        "_transport",
        "_turn",
        "_unsent",
        "_waiters",
        "_writable",
        "stalled",
        "tap",
    )

    def __init__(
        self,
        side: Side,
        *,
        opened: Callable[[Link], object],
        limit: int = DEFAULT_LIMIT,
        tap: LinkTap | None = None,
        codec: Codec = version_1,
    ) -> None:
        self.tap = tap
        self.stalled: Callable[[bool], object] | None = None
        self._opened = opened
        self._limit = limit
        self._codec = codec
        self._decode = codec.decode_device if side is Side.GATEWAY else codec.decode_gateway
        self._frames = new_decoder(codec, limit, from_device=side is Side.GATEWAY)
        self._is_framed = isinstance(self._frames, FrameDecoder)
        self._next_id = 1
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._writable = True
        self._unsent = 0
        self._turn = 0
        self._closing: str | None = None
        self._lost: str | None = None
        self._receiver: asyncio.Future[None] | None = None
        self._waiters: list[asyncio.Future[None]] | None = None

    @property
    def closed(self) -> bool:
        """Whether sending is over; messages that arrived before may still be received."""
        return self._closing is not None or self._lost is not None

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's certificate, DER; None without TLS, without a certificate, or once closed."""
        tls = self._extra("ssl_object")
        certificate: bytes | None = tls.getpeercert(binary_form=True) if tls else None
        return certificate

    @property
    def tls_version(self) -> str | None:
        """``TLSv1.3``; None without TLS or once closed."""
        tls = self._extra("ssl_object")
        return str(tls.version()) if tls else None

    @property
    def peer_address(self) -> Endpoint | None:
        """Host and port of the peer; None if the transport has none, or once closed."""
        address = self._extra("peername")
        return (address[0], address[1]) if isinstance(address, tuple) else None

    async def receive(self) -> Envelope:
        """Return the next message.

        Raises :class:`ProtocolError` if it breaks the contract. After an invalid message the next call continues with
        the message after it; after an invalid frame length every call raises. Raises :class:`LinkClosed` when the link
        has ended and everything that arrived before was received.
        """
        if self._turn >= self.TURN:
            self._turn = 0
            await give_way()
        while (payload := self._frames.pop()) is None:
            self._turn = 0
            if self._lost is not None:
                raise self._gone()
            self._resume()
            if self._receiver is not None:
                raise RuntimeError("another task is already receiving on this link")
            self._receiver = asyncio.get_running_loop().create_future()
            try:
                await self._receiver
            finally:
                self._receiver = None
        self._turn += 1
        if self._paused and len(self._frames) < self.HIGH_WATER // 2:
            self._resume()
        try:
            envelope = self._decode(payload)
        except ProtocolError as error:
            if self.tap is not None:
                self.tap(Direction.RECEIVED, error, payload)
            raise
        if self.tap is not None:
            self.tap(Direction.RECEIVED, envelope, payload)
        return envelope

    def send(self, message: Message, message_id: int | None = None) -> int:
        """Send ``message`` as the reply to ``message_id``, or with a new id; returns the id.

        Raises :class:`LinkClosed`, or :class:`ValueError` if the contract does not allow the message.
        """
        if self._unsent > self.MOST_UNSENT:
            self.abort("the peer does not read")
        if self._transport is None or self.closed:
            raise self._gone()
        if message_id is None:
            message_id = self._next_id
            self._next_id = (message_id + 1) & LARGEST_MESSAGE_ID
        envelope = Envelope(message_id, message)
        payload = self._codec.encode(envelope)
        data = frame(payload, self._limit) if self._is_framed else payload
        if self.tap is not None:
            self.tap(Direction.SENT, envelope, payload)
        self._transport.write(data)
        if not self._writable:
            self._unsent += len(data)
        return message_id

    async def drain(self) -> None:
        """Wait while too many bytes wait to be sent. Raises :class:`LinkClosed` if the link ends."""
        while not self._writable and self._lost is None:
            await self._changed()
        if self._lost is not None:
            raise self._gone()

    async def close(self, reason: str = "closed by this side") -> None:
        """Send the pending bytes, close the connection, and wait until it has ended.

        A peer may delay this, so callers set a deadline. If cancelled, it aborts the connection.
        """
        if self._transport is None:
            return
        if not self.closed:
            self._closing = reason
            self._resume()
            self._transport.close()
        try:
            while self._lost is None:
                await self._changed()
        except asyncio.CancelledError:
            self.abort(reason)
            raise

    def abort(self, reason: str = "aborted by this side") -> None:
        """Drop the connection at once."""
        if self._transport is not None and self._lost is None:
            self._closing = self._closing or reason
            self._transport.abort()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self.HIGH_WATER)
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        if self._closing is not None:
            return
        self._frames.push(data)
        if len(self._frames) > self.HIGH_WATER and not self._frames.missing:
            self._pause()
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = f"connection lost ({exc})" if exc else "closed by the peer"
        self._transport = None
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        self._writable = False
        self._report_stalled(True)

    def resume_writing(self) -> None:
        self._writable = True
        self._unsent = 0
        self._report_stalled(False)
        self._wake()

    def _report_stalled(self, is_stalled: bool) -> None:
        if self.stalled is not None:
            self.stalled(is_stalled)

    def _extra(self, name: str) -> Any:
        return self._transport.get_extra_info(name) if self._transport is not None else None

    def _gone(self) -> LinkClosed:
        """Return the exception for a call on a link that is closed, or not open yet."""
        if self._closing is not None:
            return LinkClosed(self._closing, by_peer=False)
        if self._lost is None:
            return LinkClosed("not connected yet", by_peer=False)
        if held := len(self._frames):
            return LinkClosed(f"{self._lost} in the middle of a frame, after {held} bytes of it", by_peer=True)
        return LinkClosed(self._lost, by_peer=True)

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    async def _changed(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)
