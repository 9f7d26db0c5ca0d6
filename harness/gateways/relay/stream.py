"""One TCP connection of a relayed link, with what a test does to it: delay, jitter, bandwidth, silence."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Protocol, cast

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.gateways.relay.valve import MOST_WAITING, Valve

__all__ = ["Owner", "Stream"]

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: the close is a reset (socket(7))."""


class Owner(Protocol):
    """The link that a stream belongs to."""

    def opened(self, stream: Stream) -> None: ...
    def received(self, stream: Stream, data: bytes) -> None: ...
    def ended(self, stream: Stream) -> None:
        """The peer has closed its side, and may still read."""

    def lost(self, stream: Stream, was_reset: bool) -> None: ...
    def crowded(self, stream: Stream, is_full: bool) -> None:
        """The stream's peer does not read as fast as is written; else it does again."""


class Stream(asyncio.Protocol):
    """Bytes from a peer go to its ``owner``, and the owner's to the peer.

    A disturbance holds both directions back; nothing is lost and nothing changes its order.
    """

    def __init__(self, owner: Owner, clock: Clock, randomness: Randomness) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._holds: set[str] = set()
        self._incoming = Valve(clock, lambda is_full: self.hold(is_full, "the link is slow"), randomness)
        self._outgoing = Valve(clock, lambda is_full: self._owner.crowded(self, is_full), randomness)

    @property
    def is_open(self) -> bool:
        """Whether the connection is made, and not lost."""
        return self._transport is not None

    @property
    def local_address(self) -> tuple[str, int] | None:
        """Host and port of this end; None once the connection is gone."""
        name = self._transport.get_extra_info("sockname") if self._transport is not None else None
        return (name[0], name[1]) if name else None

    @property
    def peer_address(self) -> tuple[str, int] | None:
        """Host and port of the peer; None once the connection is gone."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return (name[0], name[1]) if name else None

    def disturb(self, delay: float, *, jitter: float, bandwidth: float, is_silent: bool) -> None:
        """Hold back what passes from now on, as :meth:`Valve.disturb` does."""
        for valve in (self._incoming, self._outgoing):
            valve.disturb(delay, jitter=jitter, bandwidth=bandwidth, is_silent=is_silent)

    def hold(self, is_held: bool, why: str) -> None:
        """Read nothing from the peer while there is a reason not to."""
        before = bool(self._holds)
        (self._holds.add if is_held else self._holds.discard)(why)
        if self._transport is not None and before != bool(self._holds) and not self._transport.is_closing():
            self._transport.pause_reading() if self._holds else self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send to the peer."""
        if data:
            self._outgoing.push(lambda: self._write(data), len(data))

    def end(self) -> None:
        """Close this side, after everything that was written."""
        self._outgoing.push(self._write_end)

    def close(self) -> None:
        """Close the connection, after everything that was written."""
        self._outgoing.push(self._close)

    def reset(self) -> None:
        """Drop the connection at once; the peer sees a reset."""
        self._incoming.clear()
        self._outgoing.clear()
        if self._transport is not None:
            with suppress(OSError):
                self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()

    def _socket(self) -> socket.socket:
        assert self._transport is not None, "only called while connected"
        return cast(socket.socket, self._transport.get_extra_info("socket"))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _write_end(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            with suppress(OSError):  # the peer may be gone already
                self._transport.write_eof()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MOST_WAITING)
        # Not Linux's megabytes: back-pressure passes. The receive buffer was set before the connection was made.
        self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_WAITING)
        if self._holds:
            self._transport.pause_reading()
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        self._incoming.push(lambda: self._owner.received(self, data), len(data))

    def eof_received(self) -> bool:
        self._incoming.push(lambda: self._owner.ended(self))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._incoming.clear()
        self._outgoing.clear()
        self._owner.lost(self, exc is not None)

    def pause_writing(self) -> None:
        self._owner.crowded(self, True)

    def resume_writing(self) -> None:
        self._owner.crowded(self, False)
