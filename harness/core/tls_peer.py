"""A connection at a TLS listener, from its acceptance to the end of its handshake."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass

from harness.core.client_hello import LARGEST_RECORD, hello_size, is_handshake

__all__ = ["TlsPeer", "has_left"]

_FATAL_ALERT = bytes.fromhex("15030300 0202")
"""An alert's record without its code (RFC 8446, section 6)."""


@dataclass(eq=False, slots=True)
class TlsPeer:
    """One peer; ``connection`` is non-blocking. ``since`` is when it connected, or when its handshake began."""

    connection: socket.socket
    address: tuple[str, int]
    since: float
    wanted: int = 1
    """Bytes that must have arrived before the peer is looked at again."""
    context: ssl.SSLContext | None = None
    """For its handshake, once its ClientHello was read."""
    handshake: asyncio.Task[None] | None = None
    shaking: bool = False
    """Whether its handshake has begun, and is not complete."""
    verdict: str = ""
    """The reason why its handshake was cancelled."""

    def hello(self, *, woken: bool = False) -> bytes | None:
        """Return what has arrived, without taking it, once it is a whole ClientHello or something for OpenSSL to judge.

        Before that the result is None, and the loop wakes only for all of it. ``woken``: it did wake; if less has
        arrived, the stream has ended.
        """
        try:
            data = self.connection.recv(LARGEST_RECORD, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        needed = hello_size(data)
        ended = woken and needed == self.wanted
        is_whole = ended or len(data) >= needed or not is_handshake(data)
        self.wanted = 1 if is_whole else needed
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, self.wanted)
        return data if is_whole else None

    def has_more(self) -> bool:
        """Whether data has arrived that was not read yet."""
        try:
            return bool(self.connection.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def send_alert(self, code: int) -> None:
        """Answer a ClientHello with a fatal alert. The hello is read first: unread data turns a close into a reset."""
        with suppress(OSError):
            self.connection.recv(LARGEST_RECORD)
            self.connection.send(_FATAL_ALERT + bytes([code]))


def has_left(connection: socket.socket) -> bool:
    """Whether the peer has closed its side; only Linux reports this while data is left to read."""
    poll = select.poll()
    poll.register(connection, getattr(select, "POLLRDHUP", 0))
    return bool(poll.poll(0))
