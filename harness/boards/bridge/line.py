"""The discipline of a serial link: connections over a wire that has none.

A UART carries bytes and nothing else, so both ends mark where a connection starts and ends. ``0x10`` (DLE) opens a
two-byte mark:

=========  ==========================================  =======================================
bytes      from the board                              from the bridge
=========  ==========================================  =======================================
``10 44``  the data byte ``0x10``                      the same
``10 4f``  "connect": whatever was before is over      "connected"
``10 43``  "closed"                                    "closed", "could not connect", or "try now"
``10 53``  never                                       "stop in order": close the session, then stand still
``10 41``  "one byte": it gets only what it asks for   never
=========  ==========================================  =======================================

A DLE is never the second byte, so that an end that is reset in the middle of a mark takes no half of it for another.
Bytes outside a connection mean nothing and are dropped (line noise, the rest of a dead connection).
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

    def wire(self) -> bytes:
        """The mark as it goes over the wire."""
        return bytes((DLE, self))


class Line:
    """Splits what comes in into data and marks, and stuffs what goes out."""

    def __init__(self) -> None:
        self._escaped = False

    @staticmethod
    def stuff(data: bytes) -> bytes:
        """``data`` as it goes over the wire."""
        return data.replace(b"\x10", b"\x10\x44")

    def feed(self, data: bytes) -> Iterator[bytes | LineMark]:
        """Data and marks in the order they came. An unknown mark is noise and is dropped."""
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
