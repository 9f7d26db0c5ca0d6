"""Encodes connections on a serial line, which has none.

A UART carries only bytes, so both ends mark where a connection starts and ends. ``0x10`` (DLE) begins a mark of two
bytes:

=========  ==========================================  =======================================
bytes      from the board                              from the bridge
=========  ==========================================  =======================================
``10 44``  the data byte ``0x10``                      the same
``10 4f``  "connect": ends the previous connection     "connected"
``10 43``  "closed"                                    "closed", "could not connect", or "connect now"
``10 53``  never                                       "shut down": close the session, then stop
``10 41``  "send one byte", while it is recorded       never
``10 54``  "address": begins that of the next "connect"  never
=========  ==========================================  =======================================

A DLE is never the second byte, so an end that is reset in the middle of a mark cannot mistake half of it for another.
Bytes outside a connection are dropped: line noise, or the rest of an ended connection.

After "address" come the bytes of a gateway's ``host:port``, then "connect": a board asks for the gateway that another
one assigned it to. Without "address" the bridge connects to the provisioned gateway, so older images work as before. An
older bridge drops the address as noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

__all__ = ["Line", "LineMark"]

DLE = 0x10
DATA = 0x44


class LineMark(IntEnum):
    """The second byte of a mark."""

    OPEN = 0x4F
    CLOSE = 0x43
    SHUTDOWN = 0x53
    ASK = 0x41
    ADDRESS = 0x54

    def wire(self) -> bytes:
        """Return the mark's two bytes."""
        return bytes((DLE, self))


class Line:
    """Splits incoming bytes into data and marks, and escapes outgoing data."""

    def __init__(self) -> None:
        self._escaped = False

    @staticmethod
    def stuff(data: bytes) -> bytes:
        """Escape ``data`` for the line."""
        return data.replace(b"\x10", b"\x10\x44")

    def feed(self, data: bytes) -> Iterator[bytes | LineMark]:
        """Return data and marks in order. An unknown mark is dropped as noise."""
        start = 0
        while start < len(data):
            if self._escaped:
                byte = data[start]
                self._escaped = byte == DLE
                if byte == DATA:
                    yield b"\x10"
                elif byte in LineMark.__members__.values():
                    yield LineMark(byte)
                start += 1
                continue
            at = data.find(DLE, start)
            if at < 0:
                yield data[start:]
                return
            if at > start:
                yield data[start:at]
            self._escaped = True
            start = at + 1
